//! A key that is given as an argument: a function that has a parameter for it can be asked with one by whoever calls it, over HTTP or out of
//! another service, and need not be told of headers.

use super::{key, refusals};
use crate::contract::Settings;
use holdfast_call::contract::Type;
use holdfast_call::{Call, Fault, Payload, Value};
use std::sync::Arc;

/// What the parameter is called. Its type is `string` or `option<string>`.
const PARAMETER: &str = "idempotency-key";

/// The key of a call: the header's, or the argument's. Two that differ are none.
pub(super) fn of(call: &Call, header: Option<Arc<str>>) -> Result<Option<Arc<str>>, Fault> {
    match (header, given(call)) {
        (Some(header), Some(argument)) if key::read(&header) != key::read(argument) => {
            Err(refusals::two_keys())
        }
        (Some(key), _) => Ok(Some(key)),
        (None, argument) => Ok(argument.map(|key| key.as_str().into())),
    }
}

fn given(call: &Call) -> Option<&String> {
    let Payload::Values(operation, values) = &call.payload else {
        return None;
    };
    let typed = call.registered.as_ref()?.settings.get::<Settings>()?;
    let (_, function) = typed.contract.operation(operation)?;
    let is_key = |ty: &Type| match ty {
        Type::Text => true,
        Type::Option(inner) => **inner == Type::Text,
        _ => false,
    };
    let mut params = function.params.iter();
    let place = params.position(|param| *param.name == *PARAMETER && is_key(&param.ty))?;
    match values.get(place)? {
        Value::Text(key) => Some(key),
        Value::Option(Some(inner)) => match &**inner {
            Value::Text(key) => Some(key),
            _ => None,
        },
        _ => None,
    }
}
