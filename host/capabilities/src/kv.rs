//! Key-value: what services keep in the host's database, each under its own name.
//!
//! Each bucket of the policy is one implementation, reached only with an `Admitted` call in hand. Whose keys are meant is not said by the
//! guest: it is the service that asks, as the pipeline knows it, so the same bucket of two services is two. What is answered as done is on
//! the disk; what is refused for want of room, or while the database is away, is not done at all. Who holds leases writes under all of them.

mod asked;
mod refusals;

use crate::kept;
use crate::leases::Leases;
use asked::{Asked, Change};
use holdfast_call::{
    Admitted, Answer, BoxFuture, Failure, Fault, Implementation, Payload, Value, Values,
};
use holdfast_store::db::Database;
use holdfast_store::kv::{self, Added, Bucket, Changed, Got, Key, Quota, Swapped, Writer};
use holdfast_store::leases::Lease;
use std::sync::Arc;

/// The operation that asks whether a bucket may be used.
pub const OPEN: &str = "open";
/// The operation that reads the value of a key.
pub const GET: &str = "get";
/// The operation that reads the values of many.
pub const GET_MANY: &str = "get-many";
/// The operation that sees whether a key is there.
pub const EXISTS: &str = "exists";
/// The operation that reads what the value of a key is called.
pub const VERSION: &str = "version";
/// The operation that reads a page of keys.
pub const LIST_KEYS: &str = "list-keys";
/// The operation that sets the value of a key.
pub const SET: &str = "set";
/// The operation that sets the values of many.
pub const SET_MANY: &str = "set-many";
/// The operation that deletes a key.
pub const DELETE: &str = "delete";
/// The operation that deletes many.
pub const DELETE_MANY: &str = "delete-many";
/// The operation that adds to a number.
pub const INCREMENT: &str = "increment";
/// The operation that sets the value of a key which nobody has changed.
pub const SWAP: &str = "swap";

/// The operations that change something.
pub const CHANGES: &[&str] = &[SET, SET_MANY, DELETE, DELETE_MANY, INCREMENT, SWAP];

/// Those of them that may be done twice as if they were done once.
pub const REPEATABLE: &[&str] = &[SET, SET_MANY, DELETE, DELETE_MANY];

/// A bucket as a target of calls: that of whichever service asks.
#[derive(Clone)]
pub struct KeyValue {
    /// Where it is kept.
    pub database: Database,
    /// The bucket's name.
    pub bucket: Arc<str>,
    /// What calls hold: all that they write, they write under it.
    pub leases: Arc<Leases>,
}

impl Implementation for KeyValue {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let this = self.clone();
        Box::pin(async move {
            let (call, scope) = admitted.into_parts();
            let quota = call.asker.as_ref();
            let quota = quota.and_then(|asker| asker.settings.get::<Quota>());
            let writer = Writer {
                bucket: Bucket {
                    service: kept::service(&call)?,
                    name: this.bucket.to_string(),
                },
                quota: *quota.ok_or_else(kept::nobody)?,
                call: call.id.to_string(),
                leases: Vec::new(),
            };
            let Payload::Values(operation, values) = call.payload else {
                return Err(kept::no_operation());
            };
            let asked = asked::read(&operation, values)?;
            let held = this.leases.of(call.parent, scope.clock().now());
            let given = this.run(writer, asked, held).await.map_err(kept::passed)?;
            Ok(Answer::Values(Values::new(vec![given])))
        })
    }
}

impl KeyValue {
    async fn run(
        &self,
        mut writer: Writer,
        asked: Asked,
        held: Result<Vec<Lease>, Lease>,
    ) -> Result<Value, Fault> {
        let (database, bucket) = (&self.database, writer.bucket.clone());
        match asked {
            Asked::Open => Ok(nothing()),
            Asked::Get(key) => {
                let value = self.values(bucket, vec![key]).await?.pop();
                Ok(optional(value.flatten(), bytes))
            }
            Asked::GetMany(keys) => {
                let values = self.values(bucket, keys).await?;
                let values = values.into_iter().map(|value| optional(value, bytes));
                Ok(Value::List(values.collect()))
            }
            Asked::Exists(key) => {
                let version = kv::version(database, bucket, key).await;
                Ok(Value::Bool(
                    version.map_err(|error| refusals::away(&error))?.is_some(),
                ))
            }
            Asked::Version(key) => {
                let version = kv::version(database, bucket, key).await;
                Ok(optional(
                    version.map_err(|error| refusals::away(&error))?,
                    Value::Text,
                ))
            }
            Asked::ListKeys(after) => {
                let page = kv::page(database, bucket, after).await;
                let page = page.map_err(|error| refusals::away(&error))?;
                let keys = page.keys.into_iter().map(Value::Text).collect();
                let after = optional(page.more_after, Value::Text);
                Ok(Value::Many(vec![Value::List(keys), after]))
            }
            Asked::Change(change) => {
                writer.leases = held.map_err(|late| refusals::stale(&late))?;
                self.change(writer, change).await
            }
        }
    }

    async fn values(&self, bucket: Bucket, keys: Vec<Key>) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        let got = kv::get(&self.database, bucket, keys).await;
        match got.map_err(|error| refusals::away(&error))? {
            Got::Values(values) => Ok(values),
            Got::TooLarge => Err(refusals::together()),
        }
    }

    async fn change(&self, writer: Writer, change: Change) -> Result<Value, Fault> {
        let database = &self.database;
        let service = writer.bucket.service.clone();
        let full = |full| refusals::full(&service, full);
        match change {
            Change::Values(values) => {
                let changed = kv::change(database, writer, values).await;
                match changed.map_err(|error| refusals::away(&error))? {
                    Changed::Yes => Ok(nothing()),
                    Changed::Full(left) => Err(full(left)),
                    Changed::Stale(lease) => Err(refusals::stale(&lease)),
                }
            }
            Change::Add(key, delta) => {
                let added = kv::add(database, writer, key, delta).await;
                match added.map_err(|error| refusals::away(&error))? {
                    Added::To(sum) => Ok(Value::S64(sum)),
                    Added::NoNumber => Err(refusals::no_number()),
                    Added::Beyond => Err(refusals::beyond()),
                    Added::Full(left) => Err(full(left)),
                    Added::Stale(lease) => Err(refusals::stale(&lease)),
                }
            }
            Change::Swap(key, seen, value) => {
                let swapped = kv::swap(database, writer, key, seen, value).await;
                match swapped.map_err(|error| refusals::away(&error))? {
                    Swapped::Yes => Ok(Value::Result(Ok(None))),
                    Swapped::Other(there) => {
                        let there = optional(there, Value::Text);
                        Ok(Value::Result(Err(Some(Box::new(there)))))
                    }
                    Swapped::Full(left) => Err(full(left)),
                    Swapped::Stale(lease) => Err(refusals::stale(&lease)),
                }
            }
        }
    }
}

/// What an operation gives that has nothing to say but that it is done.
fn nothing() -> Value {
    Value::Many(Vec::new())
}

fn optional<T>(value: Option<T>, as_value: impl Fn(T) -> Value) -> Value {
    Value::Option(value.map(|value| Box::new(as_value(value))))
}

fn bytes(value: Vec<u8>) -> Value {
    Value::Bytes(value.into())
}

#[cfg(test)]
mod tests;
