//! Between the engine's values and our own. Both directions know the type, and say no where the value is of another one.

use holdfast_call::Value;
use holdfast_call::contract::Type;
use std::sync::Arc;
use wasmtime::component::Val;

type Boxed<T> = Option<Box<T>>;

/// The engine's form of a value.
pub(crate) fn to_engine(value: &Value, ty: &Type) -> Option<Val> {
    Some(match (value, ty) {
        (Value::Bool(value), Type::Bool) => Val::Bool(*value),
        (Value::U8(value), Type::U8) => Val::U8(*value),
        (Value::U16(value), Type::U16) => Val::U16(*value),
        (Value::U32(value), Type::U32) => Val::U32(*value),
        (Value::U64(value), Type::U64) => Val::U64(*value),
        (Value::S8(value), Type::S8) => Val::S8(*value),
        (Value::S16(value), Type::S16) => Val::S16(*value),
        (Value::S32(value), Type::S32) => Val::S32(*value),
        (Value::S64(value), Type::S64) => Val::S64(*value),
        (Value::F32(value), Type::F32) => Val::Float32(*value),
        (Value::F64(value), Type::F64) => Val::Float64(*value),
        (Value::Char(value), Type::Char) => Val::Char(*value),
        (Value::Text(value), Type::Text) => Val::String(value.clone()),
        (Value::Bytes(bytes), Type::Bytes) => {
            Val::List(bytes.iter().copied().map(Val::U8).collect())
        }
        (Value::List(list), Type::List(item)) => Val::List(
            list.iter()
                .map(|value| to_engine(value, item))
                .collect::<Option<_>>()?,
        ),
        (Value::Many(values), Type::Tuple(types)) if values.len() == types.len() => {
            let pairs = values.iter().zip(&**types);
            Val::Tuple(
                pairs
                    .map(|(value, ty)| to_engine(value, ty))
                    .collect::<Option<_>>()?,
            )
        }
        (Value::Many(values), Type::Record(fields)) if values.len() == fields.len() => {
            let pairs = values.iter().zip(&**fields);
            let named = pairs
                .map(|(value, field)| Some((field.name.to_string(), to_engine(value, &field.ty)?)));
            Val::Record(named.collect::<Option<_>>()?)
        }
        (Value::Case(place, carried), Type::Variant(cases)) => {
            let case = cases.get(*place as usize)?;
            Val::Variant(
                case.name.to_string(),
                carried_out(carried, case.ty.as_ref())?,
            )
        }
        (Value::Case(place, None), Type::Enum(names)) => {
            Val::Enum(names.get(*place as usize)?.to_string())
        }
        (Value::Option(value), Type::Option(some)) => Val::Option(match value {
            Some(value) => Some(to_engine(value, some)?.into()),
            None => None,
        }),
        (Value::Result(Ok(value)), Type::Result(ok, _)) => {
            Val::Result(Ok(carried_out(value, ok.as_deref())?))
        }
        (Value::Result(Err(value)), Type::Result(_, err)) => {
            Val::Result(Err(carried_out(value, err.as_deref())?))
        }
        (Value::Flags(set), Type::Flags(names)) => {
            let set = set.iter().map(|place| names.get(*place as usize));
            Val::Flags(
                set.map(|name| name.map(ToString::to_string))
                    .collect::<Option<_>>()?,
            )
        }
        _ => return None,
    })
}

/// Our form of a value of the engine's.
pub(crate) fn from_engine(value: Val, ty: &Type) -> Option<Value> {
    Some(match (value, ty) {
        (Val::Bool(value), Type::Bool) => Value::Bool(value),
        (Val::U8(value), Type::U8) => Value::U8(value),
        (Val::U16(value), Type::U16) => Value::U16(value),
        (Val::U32(value), Type::U32) => Value::U32(value),
        (Val::U64(value), Type::U64) => Value::U64(value),
        (Val::S8(value), Type::S8) => Value::S8(value),
        (Val::S16(value), Type::S16) => Value::S16(value),
        (Val::S32(value), Type::S32) => Value::S32(value),
        (Val::S64(value), Type::S64) => Value::S64(value),
        (Val::Float32(value), Type::F32) => Value::F32(value),
        (Val::Float64(value), Type::F64) => Value::F64(value),
        (Val::Char(value), Type::Char) => Value::Char(value),
        (Val::String(value), Type::Text) => Value::Text(value),
        (Val::List(list), Type::Bytes) => {
            let byte = |value| match value {
                Val::U8(byte) => Some(byte),
                _ => None,
            };
            let bytes: Vec<u8> = list.into_iter().map(byte).collect::<Option<_>>()?;
            Value::Bytes(bytes.into())
        }
        (Val::List(list), Type::List(item)) => {
            let list = list.into_iter().map(|value| from_engine(value, item));
            Value::List(list.collect::<Option<_>>()?)
        }
        (Val::Tuple(values), Type::Tuple(types)) if values.len() == types.len() => {
            let pairs = values.into_iter().zip(&**types);
            Value::Many(
                pairs
                    .map(|(value, ty)| from_engine(value, ty))
                    .collect::<Option<_>>()?,
            )
        }
        (Val::Record(values), Type::Record(fields)) if values.len() == fields.len() => {
            let pairs = values.into_iter().zip(&**fields);
            let ours = pairs.map(|((name, value), field)| {
                from_engine(value, &field.ty).filter(|_| *name == *field.name)
            });
            Value::Many(ours.collect::<Option<_>>()?)
        }
        (Val::Variant(name, carried), Type::Variant(cases)) => {
            let place = cases.iter().position(|case| *case.name == *name)?;
            let ty = cases.get(place)?.ty.as_ref();
            Value::Case(u32::try_from(place).ok()?, carried_in(carried, ty)?)
        }
        (Val::Enum(name), Type::Enum(names)) => Value::Case(place(names, &name)?, None),
        (Val::Option(value), Type::Option(some)) => Value::Option(match value {
            Some(value) => Some(from_engine(*value, some)?.into()),
            None => None,
        }),
        (Val::Result(Ok(value)), Type::Result(ok, _)) => {
            Value::Result(Ok(carried_in(value, ok.as_deref())?))
        }
        (Val::Result(Err(value)), Type::Result(_, err)) => {
            Value::Result(Err(carried_in(value, err.as_deref())?))
        }
        (Val::Flags(set), Type::Flags(names)) => {
            let set = set.iter().map(|name| place(names, name));
            let mut set: Vec<u32> = set.collect::<Option<_>>()?;
            set.sort_unstable();
            set.dedup();
            Value::Flags(set)
        }
        _ => return None,
    })
}

fn carried_out(value: &Boxed<Value>, ty: Option<&Type>) -> Option<Boxed<Val>> {
    match (value, ty) {
        (Some(value), Some(ty)) => Some(Some(to_engine(value, ty)?.into())),
        (None, None) => Some(None),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

fn carried_in(value: Boxed<Val>, ty: Option<&Type>) -> Option<Boxed<Value>> {
    match (value, ty) {
        (Some(value), Some(ty)) => Some(Some(from_engine(*value, ty)?.into())),
        (None, None) => Some(None),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

fn place(names: &[Arc<str>], name: &str) -> Option<u32> {
    let place = names.iter().position(|known| **known == *name)?;
    u32::try_from(place).ok()
}
