//! `holdfast:host/leases`: handles of leases. To take one, to hold on to it and to let go of it are child calls; what is held is known by the
//! capability, so a guest that is killed holds nothing.

use super::capability::{self, Unanswered};
use crate::guest::Guest;
use holdfast_call::{Target, Value};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView as _;

/// The name under which guests import it (`wit/leases.wit`).
const NAME: &str = "holdfast:host/leases@0.1.0";

/// For how long a lease is taken if the guest does not say it, in milliseconds.
const TTL_MS: u64 = 15_000;

/// The longest name, in bytes; what is longer by one is refused for it, and the rest is not carried there.
const NAME_BYTES_MAX: usize = 256;

/// What a guest holds of a lease.
struct Lease {
    name: String,
    fence: u64,
    held: HeldBy,
}

/// Whether there is something to let go of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeldBy {
    Handle,
    Nobody,
}

/// Why something did not come about.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "held")]
    Held(u64),
    #[component(name = "lost")]
    Lost,
    #[component(name = "failed")]
    Failed(Failure),
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Failure {
    code: String,
    detail: String,
}

type Came<T> = Result<(std::result::Result<T, Error>,)>;

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut leases = linker.instance(NAME)?;
    let resource = ResourceType::host::<Lease>();
    leases.resource_async("lease", resource, |store, index| {
        Box::new(dropped(store, Resource::new_own(index)))
    })?;
    leases.func_wrap_async("acquire", |store, given| Box::new(acquire(store, given)))?;
    leases.func_wrap(
        "[method]lease.fence",
        |mut store, (handle,): (Resource<Lease>,)| {
            Ok((store.data_mut().ctx().table.get(&handle)?.fence,))
        },
    )?;
    leases.func_wrap_async("[method]lease.renew", |store, given| {
        Box::new(renew(store, given))
    })?;
    leases.func_wrap_async("[method]lease.release", |store, given| {
        Box::new(release(store, given))
    })
}

async fn acquire(
    mut store: StoreContextMut<'_, Guest>,
    (mut name, ttl): (String, Option<u64>),
) -> Came<Resource<Lease>> {
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX + 1));
    let values = vec![Value::Text(name.clone()), Value::U64(ttl.unwrap_or(TTL_MS))];
    let given = asked(&mut store, "acquire", values).await;
    let fence = match given {
        Ok(Value::Result(Ok(Some(fence)))) => match *fence {
            Value::U64(fence) => fence,
            _ => return Ok((Err(no_answer()),)),
        },
        Ok(Value::Result(Err(Some(left)))) => match *left {
            Value::U64(left) => return Ok((Err(Error::Held(left)),)),
            _ => return Ok((Err(no_answer()),)),
        },
        Ok(_) => return Ok((Err(no_answer()),)),
        Err(error) => return Ok((Err(error),)),
    };
    let held = HeldBy::Handle;
    let lease = Lease { name, fence, held };
    let handle = store.data_mut().ctx().table.push(lease)?;
    Ok((Ok(handle),))
}

async fn renew(mut store: StoreContextMut<'_, Guest>, (handle,): (Resource<Lease>,)) -> Came<()> {
    let values = store.data_mut().ctx().table.get(&handle)?.values();
    let given = asked(&mut store, "renew", values).await;
    Ok((given.and_then(|value| still(&value)),))
}

async fn release(mut store: StoreContextMut<'_, Guest>, (handle,): (Resource<Lease>,)) -> Came<()> {
    let values = store.data_mut().ctx().table.get(&handle)?.values();
    let given = asked(&mut store, "release", values).await;
    if given.is_ok() {
        let lease = store.data_mut().ctx().table.get_mut(&handle)?;
        lease.held = HeldBy::Nobody;
    }
    Ok((given.and_then(|value| still(&value)),))
}

/// The guest has dropped the handle. What cannot be let go of now is let go of with the call.
async fn dropped(mut store: StoreContextMut<'_, Guest>, handle: Resource<Lease>) -> Result<()> {
    let lease = store.data_mut().ctx().table.delete(handle)?;
    if lease.held == HeldBy::Handle {
        let _ = asked(&mut store, "release", lease.values()).await;
    }
    Ok(())
}

impl Lease {
    fn values(&self) -> Vec<Value> {
        vec![Value::Text(self.name.clone()), Value::U64(self.fence)]
    }
}

/// Makes the call.
async fn asked(
    store: &mut StoreContextMut<'_, Guest>,
    operation: &'static str,
    values: Vec<Value>,
) -> std::result::Result<Value, Error> {
    let own = Target::OWN.into();
    let given = capability::ask(store.data_mut(), "leases", own, operation, values).await;
    given.map_err(Error::from)
}

/// Whether it was held until now.
fn still(value: &Value) -> std::result::Result<(), Error> {
    match value {
        Value::Result(Ok(None)) => Ok(()),
        Value::Result(Err(None)) => Err(Error::Lost),
        _ => Err(no_answer()),
    }
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        Self::Failed(Failure {
            code: unanswered.code(),
            detail: unanswered.detail(),
        })
    }
}

fn no_answer() -> Error {
    Unanswered::Nothing.into()
}
