//! What is asked of a bucket, read from the values of a call and checked against its limits.

use super::refusals;
use super::{
    DELETE, DELETE_MANY, EXISTS, GET, GET_MANY, INCREMENT, LIST_KEYS, OPEN, SET, SET_MANY, SWAP,
    VERSION,
};
use crate::kept;
use bytes::Bytes;
use holdfast_call::{Failure, Value};
use holdfast_store::kv::{Key, MANY_BYTES_MAX, MANY_KEYS_MAX, VALUE_BYTES_MAX};
use std::collections::BTreeMap;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Open,
    Get(Key),
    GetMany(Vec<Key>),
    Exists(Key),
    Version(Key),
    ListKeys(Option<String>),
    Change(Change),
}

/// What is to be changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Values, or none where a key is to be deleted.
    Values(BTreeMap<Key, Option<Vec<u8>>>),
    Add(Key, i64),
    /// What was seen of the key, and its new value.
    Swap(Key, Option<String>, Vec<u8>),
}

/// Reads what is asked.
pub(super) fn read(operation: &str, values: Vec<Value>) -> Result<Asked, Failure> {
    let mut values = values.into_iter();
    let given = (values.next(), values.next(), values.next());
    let asked = match (operation, given) {
        (OPEN, (None, ..)) => Asked::Open,
        (GET, (Some(key), None, _)) => Asked::Get(self::key(key)?),
        (GET_MANY, (Some(keys), None, _)) => Asked::GetMany(self::keys(keys)?),
        (EXISTS, (Some(key), None, _)) => Asked::Exists(self::key(key)?),
        (VERSION, (Some(key), None, _)) => Asked::Version(self::key(key)?),
        (LIST_KEYS, (Some(after), None, _)) => Asked::ListKeys(optional(after)?),
        (SET, (Some(key), Some(value), None)) => {
            let pair = (self::key(key)?, Some(self::value(value)?));
            Asked::Change(Change::Values(BTreeMap::from([pair])))
        }
        (SET_MANY, (Some(pairs), None, _)) => Asked::Change(Change::Values(self::pairs(pairs)?)),
        (DELETE, (Some(key), None, _)) => {
            let pair = (self::key(key)?, None);
            Asked::Change(Change::Values(BTreeMap::from([pair])))
        }
        (DELETE_MANY, (Some(keys), None, _)) => {
            let keys = self::keys(keys)?.into_iter();
            Asked::Change(Change::Values(keys.map(|key| (key, None)).collect()))
        }
        (INCREMENT, (Some(key), Some(Value::S64(delta)), None)) => {
            Asked::Change(Change::Add(self::key(key)?, delta))
        }
        (SWAP, (Some(key), Some(seen), Some(value))) => {
            let (key, seen) = (self::key(key)?, optional(seen)?);
            Asked::Change(Change::Swap(key, seen, self::value(value)?))
        }
        _ => return Err(kept::no_operation()),
    };
    Ok(asked)
}

fn key(value: Value) -> Result<Key, Failure> {
    let Value::Text(text) = value else {
        return Err(kept::no_operation());
    };
    Key::parse(text).map_err(|why| kept::passed(refusals::invalid(why.to_string())))
}

fn keys(value: Value) -> Result<Vec<Key>, Failure> {
    list(value)?.into_iter().map(key).collect()
}

fn value(value: Value) -> Result<Vec<u8>, Failure> {
    let Value::Bytes(bytes) = value else {
        return Err(kept::no_operation());
    };
    if bytes.len() > VALUE_BYTES_MAX {
        let why = format!(
            "a value has at most {VALUE_BYTES_MAX} bytes, and this one has {}",
            bytes.len()
        );
        return Err(kept::passed(refusals::invalid(why)));
    }
    Ok(owned(bytes))
}

/// What a guest has given is nobody else's, so nothing is copied.
fn owned(bytes: Bytes) -> Vec<u8> {
    bytes.into()
}

/// Of a key that is there twice, the last value counts.
fn pairs(value: Value) -> Result<BTreeMap<Key, Option<Vec<u8>>>, Failure> {
    let (mut pairs, mut bytes) = (BTreeMap::new(), 0);
    for pair in list(value)? {
        let Value::Many(pair) = pair else {
            return Err(kept::no_operation());
        };
        let Ok([key, value]) = <[Value; 2]>::try_from(pair) else {
            return Err(kept::no_operation());
        };
        let value = self::value(value)?;
        bytes += value.len();
        if bytes > MANY_BYTES_MAX {
            return Err(kept::passed(refusals::together()));
        }
        pairs.insert(self::key(key)?, Some(value));
    }
    Ok(pairs)
}

fn list(value: Value) -> Result<Vec<Value>, Failure> {
    let Value::List(list) = value else {
        return Err(kept::no_operation());
    };
    if list.len() > MANY_KEYS_MAX {
        let why = format!(
            "at most {MANY_KEYS_MAX} keys go together, and these are {}",
            list.len()
        );
        return Err(kept::passed(refusals::invalid(why)));
    }
    Ok(list)
}

fn optional(value: Value) -> Result<Option<String>, Failure> {
    match value {
        Value::Option(None) => Ok(None),
        Value::Option(Some(text)) => match *text {
            Value::Text(text) => Ok(Some(text)),
            _ => Err(kept::no_operation()),
        },
        _ => Err(kept::no_operation()),
    }
}
