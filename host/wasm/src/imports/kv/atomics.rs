//! `wasi:keyvalue/atomics`: what happens as a whole or not at all, whoever else is at the same key.
//!
//! A handle for a swap knows what the value was called when the handle was made: every writing gives it another name.

use super::{Bucket, Error, Given, bytes, no_answer, optional_bytes, optional_text, used};
use crate::guest::Guest;
use holdfast_call::Value;
use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView as _;

/// The name under which guests import it.
const NAME: &str = "wasi:keyvalue/atomics@0.2.0-draft2";

/// A key as it was when the handle was made.
struct Cas {
    bucket: Arc<str>,
    key: String,
    seen: Option<String>,
}

/// Why a swap did not come about.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    StoreError(Error),
    #[component(name = "cas-failed")]
    CasFailed(Resource<Cas>),
}

type Came<T> = Result<(Given<T>,)>;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut instance = linker.instance(NAME)?;
    instance.resource("cas", ResourceType::host::<Cas>(), |mut store, index| {
        let handle = Resource::<Cas>::new_own(index);
        store.data_mut().ctx().table.delete(handle)?;
        Ok(())
    })?;
    instance.func_wrap_async("[static]cas.new", |store, given| {
        Box::new(begin(store, given))
    })?;
    instance.func_wrap_async("[method]cas.current", |store, given| {
        Box::new(current(store, given))
    })?;
    instance.func_wrap_async("increment", |store, given| {
        Box::new(increment(store, given))
    })?;
    instance.func_wrap_async("swap", |store, given| Box::new(swap(store, given)))
}

async fn begin(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, key): (Resource<Bucket>, String),
) -> Came<Resource<Cas>> {
    let values = vec![Value::Text(key.clone())];
    let given = used(&mut store, &bucket, "version", values).await?;
    let seen = match given.and_then(optional_text) {
        Ok(seen) => seen,
        Err(error) => return Ok((Err(error),)),
    };
    let table = store.data_mut().ctx().table;
    let bucket = table.get(&bucket)?.name.clone();
    let handle = table.push(Cas { bucket, key, seen })?;
    Ok((Ok(handle),))
}

async fn current(
    mut store: StoreContextMut<'_, Guest>,
    (handle,): (Resource<Cas>,),
) -> Came<Option<Vec<u8>>> {
    let cas = store.data_mut().ctx().table.get(&handle)?;
    let (bucket, values) = (cas.bucket.clone(), vec![Value::Text(cas.key.clone())]);
    let given = super::asked(&mut store, bucket, "get", values).await;
    Ok((given.and_then(optional_bytes),))
}

async fn increment(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, key, delta): (Resource<Bucket>, String, i64),
) -> Came<i64> {
    let values = vec![Value::Text(key), Value::S64(delta)];
    let given = used(&mut store, &bucket, "increment", values).await?;
    Ok((given.and_then(|value| match value {
        Value::S64(sum) => Ok(sum),
        _ => Err(no_answer()),
    }),))
}

async fn swap(
    mut store: StoreContextMut<'_, Guest>,
    (handle, value): (Resource<Cas>, Vec<u8>),
) -> Result<(std::result::Result<(), CasError>,)> {
    let Cas { bucket, key, seen } = store.data_mut().ctx().table.delete(handle)?;
    let seen = Value::Option(seen.map(|seen| Box::new(Value::Text(seen))));
    let values = vec![Value::Text(key.clone()), seen, bytes(value)];
    let given = super::asked(&mut store, bucket.clone(), "swap", values).await;
    let now = match given.and_then(late) {
        Ok(None) => return Ok((Ok(()),)),
        Ok(Some(now)) => now,
        Err(error) => return Ok((Err(CasError::StoreError(error)),)),
    };
    let cas = Cas {
        bucket,
        key,
        seen: now,
    };
    let handle = store.data_mut().ctx().table.push(cas)?;
    Ok((Err(CasError::CasFailed(handle)),))
}

/// Whether somebody was faster, and what the value is called now.
fn late(value: Value) -> Given<Option<Option<String>>> {
    match value {
        Value::Result(Ok(None)) => Ok(None),
        Value::Result(Err(Some(now))) => optional_text(*now).map(Some),
        _ => Err(no_answer()),
    }
}
