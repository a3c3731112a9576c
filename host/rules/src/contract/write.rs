//! From values of a type to JSON; the mapping is told in [`read`](super::read). A value that is not of the type it should be is an error,
//! so this is the check of what goes out as well.

use super::read::is_nullable;
use data_encoding::BASE64;
use holdfast_call::Value;
use holdfast_call::contract::Type;
use serde::Serialize;
use serde::ser::{Error as _, SerializeMap as _, Serializer};

/// A value is not of the type that was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(String);

impl Unfit {
    pub(super) fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

/// A value as JSON.
///
/// # Errors
/// It is not of this type.
pub fn value(value: &Value, ty: &Type) -> Result<Vec<u8>, Unfit> {
    serde_json::to_vec(&Typed(value, ty)).map_err(|error| Unfit(error.to_string()))
}

/// A value and what it is.
struct Typed<'a>(&'a Value, &'a Type);

/// What a result or a case carries; `null` if that is nothing.
struct Carried<'a>(Option<&'a Value>, Option<&'a Type>);

impl Serialize for Carried<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Some(value), Some(ty)) => Typed(value, ty).serialize(out),
            (None, None) => out.serialize_unit(),
            (Some(_), None) | (None, Some(_)) => {
                Err(S::Error::custom("what it carries is not what was promised"))
            }
        }
    }
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Value::Bool(value), Type::Bool) => out.serialize_bool(*value),
            (Value::U8(value), Type::U8) => out.serialize_u8(*value),
            (Value::U16(value), Type::U16) => out.serialize_u16(*value),
            (Value::U32(value), Type::U32) => out.serialize_u32(*value),
            (Value::S8(value), Type::S8) => out.serialize_i8(*value),
            (Value::S16(value), Type::S16) => out.serialize_i16(*value),
            (Value::S32(value), Type::S32) => out.serialize_i32(*value),
            (Value::U64(value), Type::U64) => out.collect_str(value),
            (Value::S64(value), Type::S64) => out.collect_str(value),
            (Value::F32(value), Type::F32) if value.is_finite() => out.serialize_f32(*value),
            (Value::F32(value), Type::F32) => out.serialize_str(beyond((*value).into())),
            (Value::F64(value), Type::F64) if value.is_finite() => out.serialize_f64(*value),
            (Value::F64(value), Type::F64) => out.serialize_str(beyond(*value)),
            (Value::Char(value), Type::Char) => out.serialize_char(*value),
            (Value::Text(value), Type::Text) => out.serialize_str(value),
            (Value::Bytes(value), Type::Bytes) => out.serialize_str(&BASE64.encode(value)),
            (Value::List(list), Type::List(item)) => {
                out.collect_seq(list.iter().map(|value| Typed(value, item)))
            }
            (Value::Option(None), Type::Option(_)) => out.serialize_unit(),
            (Value::Option(Some(value)), Type::Option(some)) if is_nullable(some) => {
                out.collect_map([("some", Typed(value, some))])
            }
            (Value::Option(Some(value)), Type::Option(some)) => Typed(value, some).serialize(out),
            (Value::Result(Ok(value)), Type::Result(ok, _)) => {
                out.collect_map([("ok", Carried(value.as_deref(), ok.as_deref()))])
            }
            (Value::Result(Err(value)), Type::Result(_, err)) => {
                out.collect_map([("error", Carried(value.as_deref(), err.as_deref()))])
            }
            (Value::Many(values), Type::Tuple(types)) if values.len() == types.len() => out
                .collect_seq(
                    values
                        .iter()
                        .zip(&**types)
                        .map(|(value, ty)| Typed(value, ty)),
                ),
            (Value::Many(values), Type::Record(fields)) if values.len() == fields.len() => {
                let mut map = out.serialize_map(Some(fields.len()))?;
                for (value, field) in values.iter().zip(&**fields) {
                    map.serialize_entry(&*field.name, &Typed(value, &field.ty))?;
                }
                map.end()
            }
            (value, ty) => chosen(value, ty, out),
        }
    }
}

/// What is chosen out of the names of a type.
fn chosen<S: Serializer>(value: &Value, ty: &Type, out: S) -> Result<S::Ok, S::Error> {
    match (value, ty) {
        (Value::Case(place, carried), Type::Variant(cases)) => {
            match (cases.get(*place as usize), carried) {
                (Some(case), None) if case.ty.is_none() => out.serialize_str(&case.name),
                (Some(case), Some(carried)) => {
                    out.collect_map([(&*case.name, Carried(Some(carried), case.ty.as_ref()))])
                }
                (Some(_) | None, _) => Err(S::Error::custom(
                    "it is no case of the variant that was promised",
                )),
            }
        }
        (Value::Case(place, None), Type::Enum(names)) => match names.get(*place as usize) {
            Some(name) => out.serialize_str(name),
            None => Err(S::Error::custom(
                "it is no case of the enum that was promised",
            )),
        },
        (Value::Flags(set), Type::Flags(names)) => {
            let set: Option<Vec<_>> = set.iter().map(|place| names.get(*place as usize)).collect();
            let set =
                set.ok_or_else(|| S::Error::custom("it is no flag of those that were promised"))?;
            out.collect_seq(set.into_iter().map(|name| &**name))
        }
        (_, ty) => Err(S::Error::custom(format!(
            "it is not of the promised type, {ty}"
        ))),
    }
}

/// What JSON has no number for.
fn beyond(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value.is_sign_positive() {
        "Infinity"
    } else {
        "-Infinity"
    }
}
