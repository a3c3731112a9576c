//! Whether values are of their types.

use holdfast_call::Value;
use holdfast_call::contract::Type;

/// Whether there is one value for each type, and each is of its own.
pub(super) fn all<'a>(values: &[Value], types: impl Iterator<Item = &'a Type>) -> bool {
    let mut values = values.iter();
    let each = types
        .into_iter()
        .all(|ty| values.next().is_some_and(|value| is(value, ty)));
    each && values.next().is_none()
}

fn carried(value: Option<&Value>, ty: Option<&Type>) -> bool {
    match (value, ty) {
        (Some(value), Some(ty)) => is(value, ty),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn is(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::Bool(_), Type::Bool)
        | (Value::U8(_), Type::U8)
        | (Value::U16(_), Type::U16)
        | (Value::U32(_), Type::U32)
        | (Value::U64(_), Type::U64)
        | (Value::S8(_), Type::S8)
        | (Value::S16(_), Type::S16)
        | (Value::S32(_), Type::S32)
        | (Value::S64(_), Type::S64)
        | (Value::F32(_), Type::F32)
        | (Value::F64(_), Type::F64)
        | (Value::Char(_), Type::Char)
        | (Value::Text(_), Type::Text)
        | (Value::Bytes(_), Type::Bytes)
        | (Value::Option(None), Type::Option(_)) => true,
        (Value::List(list), Type::List(item)) => list.iter().all(|value| is(value, item)),
        (Value::Option(Some(value)), Type::Option(some)) => is(value, some),
        (Value::Result(Ok(value)), Type::Result(ok, _)) => carried(value.as_deref(), ok.as_deref()),
        (Value::Result(Err(value)), Type::Result(_, err)) => {
            carried(value.as_deref(), err.as_deref())
        }
        (Value::Many(values), Type::Tuple(types)) => all(values, types.iter()),
        (Value::Many(values), Type::Record(fields)) => {
            all(values, fields.iter().map(|field| &field.ty))
        }
        (Value::Case(place, value), Type::Variant(cases)) => cases
            .get(*place as usize)
            .is_some_and(|case| carried(value.as_deref(), case.ty.as_ref())),
        (Value::Case(place, None), Type::Enum(names)) => (*place as usize) < names.len(),
        (Value::Flags(set), Type::Flags(names)) => {
            set.iter().all(|place| (*place as usize) < names.len())
                && set.is_sorted_by(|one, next| one < next)
        }
        _ => false,
    }
}
