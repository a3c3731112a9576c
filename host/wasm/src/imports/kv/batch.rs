//! `wasi:keyvalue/batch`: many keys at once, in one call and one unit of work.

use super::{Bucket, Given, bytes, no_answer, optional_bytes, texts, used};
use crate::guest::Guest;
use holdfast_call::Value;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};

/// The name under which guests import it.
const NAME: &str = "wasi:keyvalue/batch@0.2.0-draft2";

/// A key and its value.
type Pair = (String, Vec<u8>);

type Came<T> = Result<(Given<T>,)>;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut instance = linker.instance(NAME)?;
    instance.func_wrap_async("get-many", |store, given| Box::new(get_many(store, given)))?;
    instance.func_wrap_async("set-many", |store, given| Box::new(set_many(store, given)))?;
    instance.func_wrap_async("delete-many", |store, given| {
        Box::new(delete_many(store, given))
    })
}

async fn get_many(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, keys): (Resource<Bucket>, Vec<String>),
) -> Came<Vec<Option<Pair>>> {
    let given = used(&mut store, &bucket, "get-many", vec![texts(keys.clone())]).await?;
    Ok((given.and_then(|values| pairs(keys, values)),))
}

async fn set_many(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, pairs): (Resource<Bucket>, Vec<Pair>),
) -> Came<()> {
    let pairs = pairs.into_iter();
    let pairs = pairs.map(|(key, value)| Value::Many(vec![Value::Text(key), bytes(value)]));
    let values = vec![Value::List(pairs.collect())];
    let given = used(&mut store, &bucket, "set-many", values).await?;
    Ok((given.map(drop),))
}

async fn delete_many(
    mut store: StoreContextMut<'_, Guest>,
    (bucket, keys): (Resource<Bucket>, Vec<String>),
) -> Came<()> {
    let given = used(&mut store, &bucket, "delete-many", vec![texts(keys)]).await?;
    Ok((given.map(drop),))
}

/// The values, each with its key.
fn pairs(keys: Vec<String>, values: Value) -> Given<Vec<Option<Pair>>> {
    let Value::List(values) = values else {
        return Err(no_answer());
    };
    if values.len() != keys.len() {
        return Err(no_answer());
    }
    let pairs = keys.into_iter().zip(values);
    pairs
        .map(|(key, value)| Ok(optional_bytes(value)?.map(|value| (key, value))))
        .collect()
}
