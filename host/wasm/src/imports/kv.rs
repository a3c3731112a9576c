//! `wasi:keyvalue`: handles of buckets. Every operation is a child call, the opening of a bucket too, so that one which is not granted is
//! denied there.
//!
//! The draft's `batch` promises nothing of what becomes of a half; here there is none.

mod atomics;
mod batch;
mod store;

use super::capability::{self, Unanswered};
use crate::guest::Guest;
use bytes::Bytes;
use holdfast_call::{HostCode, Value};
use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView as _;

/// The longest name of a bucket, in bytes; none of the policy is as long, so what is cut is the name of nothing.
const NAME_BYTES_MAX: usize = 64;

/// The bucket that the empty name stands for.
const DEFAULT: &str = "default";

/// What a guest holds of a bucket: its name.
struct Bucket {
    name: Arc<str>,
}

/// Why an operation did not come about. Who may not use a bucket is not told whether there is one.
#[derive(Debug, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

type Given<T> = std::result::Result<T, Error>;

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    store::add_to_linker(linker)?;
    atomics::add_to_linker(linker)?;
    batch::add_to_linker(linker)
}

/// Makes the call for an operation of an open bucket.
async fn used(
    store: &mut StoreContextMut<'_, Guest>,
    bucket: &Resource<Bucket>,
    operation: &'static str,
    values: Vec<Value>,
) -> Result<Given<Value>> {
    let name = store.data_mut().ctx().table.get(bucket)?.name.clone();
    Ok(asked(store, name, operation, values).await)
}

async fn asked(
    store: &mut StoreContextMut<'_, Guest>,
    name: Arc<str>,
    operation: &'static str,
    values: Vec<Value>,
) -> Given<Value> {
    let given = capability::ask(store.data_mut(), "kv", name, operation, values).await;
    given.map_err(Error::from)
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        match &unanswered {
            // A quota is refused by the bucket itself, and says so in words.
            Unanswered::Fault(fault)
                if fault.host_code() == Some(HostCode::CapabilityDenied)
                    && fault.verdict().stage == "authorize" =>
            {
                Self::AccessDenied
            }
            _ => Self::Other(format!("{}: {}", unanswered.code(), unanswered.detail())),
        }
    }
}

fn no_answer() -> Error {
    Unanswered::Nothing.into()
}

fn bytes(list: Vec<u8>) -> Value {
    Value::Bytes(Bytes::from(list))
}

/// The bytes of an optional value.
fn optional_bytes(value: Value) -> Given<Option<Vec<u8>>> {
    match value {
        Value::Option(None) => Ok(None),
        Value::Option(Some(value)) => match *value {
            Value::Bytes(bytes) => Ok(Some(bytes.into())),
            _ => Err(no_answer()),
        },
        _ => Err(no_answer()),
    }
}

/// The text of an optional value.
fn optional_text(value: Value) -> Given<Option<String>> {
    match value {
        Value::Option(None) => Ok(None),
        Value::Option(Some(value)) => match *value {
            Value::Text(text) => Ok(Some(text)),
            _ => Err(no_answer()),
        },
        _ => Err(no_answer()),
    }
}

fn texts(list: Vec<String>) -> Value {
    Value::List(list.into_iter().map(Value::Text).collect())
}

/// The name of a bucket as the settings have it.
fn named(identifier: &str) -> Arc<str> {
    match identifier {
        "" => DEFAULT.into(),
        long => {
            let end = long.floor_char_boundary(NAME_BYTES_MAX);
            long.get(..end).unwrap_or_default().into()
        }
    }
}
