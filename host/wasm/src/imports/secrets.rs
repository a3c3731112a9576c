//! `holdfast:host/secrets`: handles of secrets. A use of one is a child call; what it comes back with is all that the guest learns.

use super::capability::{self, Unanswered};
use crate::guest::Guest;
use bytes::Bytes;
use holdfast_call::Value;
use std::sync::Arc;
use wasmtime::component::{ComponentType, Linker, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView as _;

/// The name under which guests import it (`wit/secrets.wit`).
pub(crate) const NAME: &str = "holdfast:host/secrets@0.1.0";

/// The longest name, in bytes; no name of the policy is as long, so what is cut is the name of nothing.
const NAME_BYTES_MAX: usize = 64;

/// What a guest holds: a name, and nothing that the name stands for.
struct Secret {
    name: Arc<str>,
}

/// Why a use did not come about.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Failed {
    code: String,
    detail: String,
}

type Used<T> = Result<(std::result::Result<T, Failed>,)>;

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut secrets = linker.instance(NAME)?;
    secrets.resource(
        "secret",
        ResourceType::host::<Secret>(),
        |mut store, index| {
            let handle = Resource::<Secret>::new_own(index);
            store.data_mut().ctx().table.delete(handle)?;
            Ok(())
        },
    )?;
    secrets.func_wrap("[constructor]secret", |mut store, (name,): (String,)| {
        let table = store.data_mut().ctx().table;
        Ok((table.push(Secret { name: cut(&name) })?,))
    })?;
    secrets.func_wrap_async("[method]secret.sign", |store, given| {
        Box::new(sign(store, given))
    })?;
    secrets.func_wrap_async("[method]secret.verify", |store, given| {
        Box::new(verify(store, given))
    })
}

async fn sign(
    mut store: StoreContextMut<'_, Guest>,
    (handle, algorithm, message): (Resource<Secret>, String, Vec<u8>),
) -> Used<Vec<u8>> {
    let values = vec![Value::Text(algorithm), bytes(message)];
    let given = used(&mut store, &handle, "sign", values).await?;
    Ok((given.and_then(|value| match value {
        Value::Bytes(code) => Ok(code.to_vec()),
        _ => Err(no_answer()),
    }),))
}

async fn verify(
    mut store: StoreContextMut<'_, Guest>,
    (handle, algorithm, message, code): (Resource<Secret>, String, Vec<u8>, Vec<u8>),
) -> Used<bool> {
    let values = vec![Value::Text(algorithm), bytes(message), bytes(code)];
    let given = used(&mut store, &handle, "verify", values).await?;
    Ok((given.and_then(|value| match value {
        Value::Bool(fits) => Ok(fits),
        _ => Err(no_answer()),
    }),))
}

/// Makes the call, and waits for its one value.
async fn used(
    store: &mut StoreContextMut<'_, Guest>,
    handle: &Resource<Secret>,
    operation: &'static str,
    values: Vec<Value>,
) -> Result<std::result::Result<Value, Failed>> {
    let guest = store.data_mut();
    let name = guest.ctx().table.get(handle)?.name.clone();
    let given = capability::ask(guest, "secrets", name, operation, values).await;
    Ok(given.map_err(Failed::from))
}

impl From<Unanswered> for Failed {
    fn from(unanswered: Unanswered) -> Self {
        Self {
            code: unanswered.code(),
            detail: unanswered.detail(),
        }
    }
}

fn no_answer() -> Failed {
    Unanswered::Nothing.into()
}

fn bytes(list: Vec<u8>) -> Value {
    Value::Bytes(Bytes::from(list))
}

fn cut(name: &str) -> Arc<str> {
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    name.get(..end).unwrap_or_default().into()
}
