//! Leases: what only one call of a service at a time may do, on whichever host.
//!
//! A lease belongs to the call that took it, and is let go when that call is gone, however it ended. The guest need not name it when it
//! writes: every key that a call changes while it holds leases is changed under all of them, so that none can be forgotten. A call whose
//! lease is near its end writes nothing any more, because its host may be slower than it believes.

use crate::kept;
use holdfast_call::{
    Admitted, Answer, BoxFuture, Call, CallId, Failure, Fault, Implementation, Moment, Payload,
    Tree, Value, Values,
};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{Held, Holder};
use holdfast_store::kv::Key;
use holdfast_store::leases::{self, Acquired, LEASES_MAX, Lease, TTL_MAX, TTL_MIN, Wish};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// The operation that takes one.
pub const ACQUIRE: &str = "acquire";
/// The operation that holds on to one.
pub const RENEW: &str = "renew";
/// The operation that lets go of one.
pub const RELEASE: &str = "release";

/// How many leases one call holds at most.
pub const HELD_MAX: usize = 16;

/// The stage of all that is refused here.
const STAGE: &str = "leases";

/// The leases of this host's calls, as a target of calls.
pub struct Leases {
    database: Database,
    holder: Holder,
    held: Mutex<HashMap<CallId, Vec<Grip>>>,
}

/// What a call holds.
struct Grip {
    lease: Lease,
    ttl: Duration,
    /// From when on nothing is written under it, unless it is renewed.
    stop: Moment,
}

/// Who asks.
struct Asker {
    service: String,
    call: CallId,
    why: String,
    tree: Arc<Tree>,
    now: Moment,
}

/// Lets go of what a call holds when the call is gone.
struct End {
    leases: Arc<Leases>,
    call: CallId,
    runtime: Handle,
}

impl Leases {
    /// None are held yet. What earlier lives of this host held is let go.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin(database: Database, holder: Holder) -> Result<Arc<Self>, DbError> {
        leases::begin(&database, holder.clone()).await?;
        Ok(Arc::new(Self {
            database,
            holder,
            held: Mutex::default(),
        }))
    }

    /// The leases that a call writes under.
    ///
    /// # Errors
    /// One of them is near its end.
    pub(crate) fn of(&self, call: Option<CallId>, now: Moment) -> Result<Vec<Lease>, Lease> {
        let held = self.lock();
        let grips = call.and_then(|call| held.get(&call));
        let grips = grips.map_or(&[][..], Vec::as_slice);
        match grips.iter().find(|grip| grip.stop <= now) {
            Some(late) => Err(late.lease.clone()),
            None => Ok(grips.iter().map(|grip| grip.lease.clone()).collect()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Vec<Grip>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leases as what is called.
pub struct Lending(pub Arc<Leases>);

impl Implementation for Lending {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let leases = self.0.clone();
        Box::pin(async move {
            let (call, scope) = admitted.into_parts();
            let asker = Asker::of(&call, scope.clock().now())?;
            let Payload::Values(operation, values) = call.payload else {
                return Err(kept::no_operation());
            };
            let given = leases.run(asker, &operation, values).await?;
            Ok(Answer::Values(Values::new(vec![given])))
        })
    }
}

impl Asker {
    fn of(call: &Call, now: Moment) -> Result<Self, Failure> {
        Ok(Self {
            service: kept::service(call)?,
            call: call.parent.ok_or_else(kept::nobody)?,
            why: call.why.as_str().to_owned(),
            tree: call.tree.clone(),
            now,
        })
    }
}

impl Leases {
    async fn run(
        self: &Arc<Self>,
        asker: Asker,
        operation: &str,
        values: Vec<Value>,
    ) -> Result<Value, Failure> {
        match (operation, values.as_slice()) {
            (ACQUIRE, [Value::Text(name), Value::U64(ttl)]) => {
                let ttl = Duration::from_millis(*ttl);
                let wanted = wanted(name, ttl).map_err(kept::passed)?;
                let acquired = self.acquire(asker, wanted, ttl).await;
                acquired.map_err(kept::passed)
            }
            (RENEW, [Value::Text(name), Value::U64(fence)]) => {
                let renewed = self.renew(&asker, name, *fence).await;
                renewed.map(word).map_err(kept::passed)
            }
            (RELEASE, [Value::Text(name), Value::U64(fence)]) => {
                let released = self.release(&asker, name, *fence).await;
                released.map(word).map_err(kept::passed)
            }
            _ => Err(kept::no_operation()),
        }
    }

    /// Takes a lease. What is taken while its call goes away is let go at once.
    async fn acquire(
        self: &Arc<Self>,
        asker: Asker,
        name: Key,
        ttl: Duration,
    ) -> Result<Value, Fault> {
        self.await_end(&asker)?;
        let wish = Wish {
            service: asker.service,
            name,
            holder: self.holder.clone(),
            call: asker.call.to_string(),
            why: asker.why,
            ttl,
        };
        let stop = stop(asker.now, ttl);
        let (this, call) = (self.clone(), asker.call);
        let taken = tokio::spawn(async move {
            let acquired = leases::acquire(&this.database, wish).await?;
            let Acquired::Yours(lease) = &acquired else {
                return Ok(Some(acquired));
            };
            let lease = lease.clone();
            let kept = this.hold(call, Grip { lease, ttl, stop }).await?;
            Ok((kept != Kept::Beyond).then_some(acquired))
        });
        let acquired = taken.await.unwrap_or_else(|_| {
            Err(DbError::Failing(
                "what takes leases has panicked".to_owned(),
            ))
        });
        let acquired = acquired.map_err(|error| kept::away(STAGE, &error))?;
        match acquired.ok_or_else(beyond)? {
            Acquired::Yours(lease) => {
                let fence = Value::U64(lease.fence.unsigned_abs());
                Ok(Value::Result(Ok(Some(Box::new(fence)))))
            }
            Acquired::Held(left) => {
                let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                Ok(Value::Result(Err(Some(Box::new(Value::U64(left))))))
            }
            Acquired::TooMany => Err(kept::too_many(STAGE, "leases of the service", &LEASES_MAX)),
        }
    }

    async fn renew(&self, asker: &Asker, name: &str, fence: u64) -> Result<Held, Fault> {
        let found = self.grip(asker, name, fence, |grip| (grip.lease.clone(), grip.ttl));
        let Some((lease, ttl)) = found else {
            return Ok(Held::Lost);
        };
        let renewed = leases::renew(&self.database, lease, ttl).await;
        let renewed = renewed.map_err(|error| kept::away(STAGE, &error))?;
        if renewed == Held::Yes {
            // It may have been let go meanwhile; then there is nothing to hold on to.
            let _ = self.grip(asker, name, fence, |grip| grip.stop = stop(asker.now, ttl));
        }
        Ok(renewed)
    }

    async fn release(&self, asker: &Asker, name: &str, fence: u64) -> Result<Held, Fault> {
        let Some(lease) = self.grip(asker, name, fence, |grip| grip.lease.clone()) else {
            return Ok(Held::Lost);
        };
        let released = leases::release(&self.database, lease.clone()).await;
        let released = released.map_err(|error| kept::away(STAGE, &error))?;
        if let Some(grips) = self.lock().get_mut(&asker.call) {
            grips.retain(|grip| grip.lease != lease);
        }
        Ok(released)
    }

    /// Has what the call will hold let go when it is gone.
    fn await_end(self: &Arc<Self>, asker: &Asker) -> Result<(), Fault> {
        let mut held = self.lock();
        match held.entry(asker.call) {
            Entry::Occupied(entry) if entry.get().len() >= HELD_MAX => {
                return Err(beyond());
            }
            Entry::Occupied(_) => return Ok(()),
            Entry::Vacant(entry) => {
                entry.insert(Vec::new());
            }
        }
        drop(held);
        let end = End {
            leases: self.clone(),
            call: asker.call,
            runtime: Handle::current(),
        };
        asker.tree.keep(asker.call, Box::new(end));
        Ok(())
    }

    /// Notes that the call holds it, or lets go of it if the call is gone, or has taken as many at once as it may hold.
    async fn hold(&self, call: CallId, grip: Grip) -> Result<Kept, DbError> {
        let lease = grip.lease.clone();
        let kept = match self.lock().get_mut(&call) {
            Some(grips) if grips.len() < HELD_MAX => {
                grips.push(grip);
                return Ok(Kept::Yes);
            }
            Some(_) => Kept::Beyond,
            None => Kept::Gone,
        };
        leases::release(&self.database, lease).await?;
        Ok(kept)
    }

    /// What the asking call holds under this name and fence.
    fn grip<T>(
        &self,
        asker: &Asker,
        name: &str,
        fence: u64,
        then: impl FnOnce(&mut Grip) -> T,
    ) -> Option<T> {
        let mut held = self.lock();
        let grips = held.get_mut(&asker.call)?.iter_mut();
        let mut grips = grips.filter(|grip| {
            grip.lease.name.as_str() == name && grip.lease.fence.unsigned_abs() == fence
        });
        grips.next().map(then)
    }
}

/// What became of a lease that was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Its call holds it.
    Yes,
    /// Its call is gone.
    Gone,
    /// Its call holds as many as it may.
    Beyond,
}

fn beyond() -> Fault {
    kept::too_many(STAGE, "leases of the call", &HELD_MAX)
}

impl Drop for End {
    fn drop(&mut self) {
        let grips = self.leases.lock().remove(&self.call);
        for grip in grips.unwrap_or_default() {
            let database = self.leases.database.clone();
            self.runtime.spawn(async move {
                // If it cannot be let go it runs out by itself.
                let _ = leases::release(&database, grip.lease).await;
            });
        }
    }
}

/// Checks what is wanted.
fn wanted(name: &str, ttl: Duration) -> Result<Key, Fault> {
    if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
        let why = format!(
            "a lease is taken for {} to {} milliseconds, and not for {}",
            TTL_MIN.as_millis(),
            TTL_MAX.as_millis(),
            ttl.as_millis()
        );
        return Err(kept::invalid(STAGE, why));
    }
    let name = Key::parse(name.to_owned());
    name.map_err(|why| kept::invalid(STAGE, format!("the name of a lease is like a key: {why}")))
}

/// When a holder stops: at four fifths of its time, counted from before it asked.
fn stop(asked: Moment, ttl: Duration) -> Moment {
    asked.after(ttl * 4 / 5)
}

/// Whether it was still held.
fn word(held: Held) -> Value {
    match held {
        Held::Yes => Value::Result(Ok(None)),
        Held::Lost => Value::Result(Err(None)),
    }
}

#[cfg(test)]
mod tests;
