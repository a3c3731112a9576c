//! `wasi:keyvalue/store`: a bucket, and one key of it at a time.

use super::{Bucket, Error, Given, bytes, named, no_answer, optional_bytes, optional_text, used};
use crate::guest::Guest;
use holdfast_call::Value;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView as _;

/// The name under which guests import it.
const NAME: &str = "wasi:keyvalue/store@0.2.0-draft2";

/// A page of keys.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<String>,
}

type Came<T> = Result<(Given<T>,)>;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut instance = linker.instance(NAME)?;
    let resource = ResourceType::host::<Bucket>();
    instance.resource("bucket", resource, |mut store, index| {
        let handle = Resource::<Bucket>::new_own(index);
        store.data_mut().ctx().table.delete(handle)?;
        Ok(())
    })?;
    instance.func_wrap_async("open", |store, given| Box::new(open(store, given)))?;
    instance.func_wrap_async("[method]bucket.get", |store, given| {
        Box::new(get(store, given))
    })?;
    instance.func_wrap_async("[method]bucket.set", |store, given| {
        Box::new(set(store, given))
    })?;
    instance.func_wrap_async("[method]bucket.delete", |store, given| {
        Box::new(delete(store, given))
    })?;
    instance.func_wrap_async("[method]bucket.exists", |store, given| {
        Box::new(exists(store, given))
    })?;
    instance.func_wrap_async("[method]bucket.list-keys", |store, given| {
        Box::new(list_keys(store, given))
    })
}

async fn open(
    mut store: StoreContextMut<'_, Guest>,
    (identifier,): (String,),
) -> Came<Resource<Bucket>> {
    let name = named(&identifier);
    if let Err(error) = super::asked(&mut store, name.clone(), "open", Vec::new()).await {
        return Ok((Err(error),));
    }
    let handle = store.data_mut().ctx().table.push(Bucket { name })?;
    Ok((Ok(handle),))
}

async fn get(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, key): (Resource<Bucket>, String),
) -> Came<Option<Vec<u8>>> {
    let given = used(&mut store, &bucket, "get", vec![Value::Text(key)]).await?;
    Ok((given.and_then(optional_bytes),))
}

async fn set(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, key, value): (Resource<Bucket>, String, Vec<u8>),
) -> Came<()> {
    let values = vec![Value::Text(key), bytes(value)];
    let given = used(&mut store, &bucket, "set", values).await?;
    Ok((given.map(drop),))
}

async fn delete(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, key): (Resource<Bucket>, String),
) -> Came<()> {
    let given = used(&mut store, &bucket, "delete", vec![Value::Text(key)]).await?;
    Ok((given.map(drop),))
}

async fn exists(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, key): (Resource<Bucket>, String),
) -> Came<bool> {
    let given = used(&mut store, &bucket, "exists", vec![Value::Text(key)]).await?;
    Ok((given.and_then(|value| match value {
        Value::Bool(there) => Ok(there),
        _ => Err(no_answer()),
    }),))
}

async fn list_keys(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, cursor): (Resource<Bucket>, Option<String>),
) -> Came<KeyResponse> {
    let after = Value::Option(cursor.map(|cursor| Box::new(Value::Text(cursor))));
    let given = used(&mut store, &bucket, "list-keys", vec![after]).await?;
    Ok((given.and_then(page),))
}

fn page(value: Value) -> Given<KeyResponse> {
    let Value::Many(page) = value else {
        return Err(no_answer());
    };
    let Ok([Value::List(keys), cursor]) = <[Value; 2]>::try_from(page) else {
        return Err(no_answer());
    };
    let keys = keys.into_iter().map(|key| match key {
        Value::Text(key) => Ok(key),
        _ => Err(no_answer()),
    });
    Ok(KeyResponse {
        keys: keys.collect::<std::result::Result<_, Error>>()?,
        cursor: optional_text(cursor)?,
    })
}
