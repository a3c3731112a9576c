//! Values as JSON, exactly: what is read is what was written, to the last bit of a number.
//!
//! Each value says what it is, because it is read without its type: `["u8", 7]`, `["list", [["text", "a"]]]`.

use data_encoding::BASE64;
use holdfast_call::Value;
use serde_json::{Value as Json, json};

/// How deep a value may be: no type of a contract comes near it.
const DEPTH_MAX: usize = 128;

/// The value as JSON.
pub(crate) fn written(value: &Value) -> Json {
    let boxed = |value: &Option<Box<Value>>| value.as_deref().map_or(Json::Null, written);
    let list = |values: &[Value]| Json::Array(values.iter().map(written).collect());
    match value {
        Value::Bool(value) => json!(["bool", value]),
        Value::U8(value) => json!(["u8", value]),
        Value::U16(value) => json!(["u16", value]),
        Value::U32(value) => json!(["u32", value]),
        Value::U64(value) => json!(["u64", value]),
        Value::S8(value) => json!(["s8", value]),
        Value::S16(value) => json!(["s16", value]),
        Value::S32(value) => json!(["s32", value]),
        Value::S64(value) => json!(["s64", value]),
        // As bits: JSON has neither infinity nor what is no number.
        Value::F32(value) => json!(["f32", value.to_bits()]),
        Value::F64(value) => json!(["f64", value.to_bits()]),
        Value::Char(value) => json!(["char", u32::from(*value)]),
        Value::Text(value) => json!(["text", value]),
        Value::Bytes(value) => json!(["bytes", BASE64.encode(value)]),
        Value::List(values) => json!(["list", list(values)]),
        Value::Many(values) => json!(["many", list(values)]),
        Value::Case(case, value) => json!(["case", case, boxed(value)]),
        Value::Option(value) => json!(["option", boxed(value)]),
        Value::Result(Ok(value)) => json!(["ok", boxed(value)]),
        Value::Result(Err(value)) => json!(["err", boxed(value)]),
        Value::Flags(flags) => json!(["flags", flags]),
    }
}

/// The value that was written so; none if none was.
pub(crate) fn read(json: &Json) -> Option<Value> {
    read_at(json, 0)
}

fn read_at(json: &Json, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let parts = json.as_array()?;
    let (kind, first) = (parts.first()?.as_str()?, parts.get(1)?);
    let number = || first.as_u64();
    let boxed = |json: &Json| match json {
        Json::Null => Some(None),
        json => Some(Some(Box::new(read_at(json, depth + 1)?))),
    };
    let list = || {
        let values = first.as_array()?.iter();
        values
            .map(|value| read_at(value, depth + 1))
            .collect::<Option<Vec<_>>>()
    };
    Some(match kind {
        "bool" => Value::Bool(first.as_bool()?),
        "u8" => Value::U8(number()?.try_into().ok()?),
        "u16" => Value::U16(number()?.try_into().ok()?),
        "u32" => Value::U32(number()?.try_into().ok()?),
        "u64" => Value::U64(number()?),
        "s8" => Value::S8(first.as_i64()?.try_into().ok()?),
        "s16" => Value::S16(first.as_i64()?.try_into().ok()?),
        "s32" => Value::S32(first.as_i64()?.try_into().ok()?),
        "s64" => Value::S64(first.as_i64()?),
        "f32" => Value::F32(f32::from_bits(number()?.try_into().ok()?)),
        "f64" => Value::F64(f64::from_bits(number()?)),
        "char" => Value::Char(char::from_u32(number()?.try_into().ok()?)?),
        "text" => Value::Text(first.as_str()?.to_owned()),
        "bytes" => Value::Bytes(BASE64.decode(first.as_str()?.as_bytes()).ok()?.into()),
        "list" => Value::List(list()?),
        "many" => Value::Many(list()?),
        "case" => Value::Case(number()?.try_into().ok()?, boxed(parts.get(2)?)?),
        "option" => Value::Option(boxed(first)?),
        "ok" => Value::Result(Ok(boxed(first)?)),
        "err" => Value::Result(Err(boxed(first)?)),
        "flags" => {
            let flags = first.as_array()?.iter();
            let flags = flags.map(|flag| u32::try_from(flag.as_u64()?).ok());
            Value::Flags(flags.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read_as_it_was_written() {
        let values = vec![
            Value::Bool(true),
            Value::U8(u8::MAX),
            Value::U16(u16::MAX),
            Value::U32(u32::MAX),
            Value::U64(u64::MAX),
            Value::S8(i8::MIN),
            Value::S16(i16::MIN),
            Value::S32(i32::MIN),
            Value::S64(i64::MIN),
            Value::F32(f32::NEG_INFINITY),
            Value::F64(-0.0),
            Value::F64(f64::MIN_POSITIVE),
            Value::Char('\u{10ffff}'),
            Value::Text("a\0\"é".to_owned()),
            Value::Bytes(vec![0, 255].into()),
            Value::List(vec![]),
            Value::Many(vec![Value::Bool(false)]),
            Value::Case(3, None),
            Value::Case(0, Some(Box::new(Value::U8(1)))),
            Value::Option(None),
            Value::Option(Some(Box::new(Value::Option(None)))),
            Value::Result(Ok(None)),
            Value::Result(Err(Some(Box::new(Value::Text(String::new()))))),
            Value::Flags(vec![0, 31]),
        ];
        let all = Value::List(values);
        let text = written(&all).to_string();
        assert_eq!(read(&serde_json::from_str(&text).unwrap()), Some(all));
        let nan = read(&written(&Value::F64(f64::NAN)));
        assert!(matches!(nan, Some(Value::F64(value)) if value.is_nan()));
    }

    #[test]
    fn what_was_not_written_so_is_not_read() {
        for text in [
            "null",
            "[]",
            "[\"u8\"]",
            "[\"u8\", 256]",
            "[\"u8\", -1]",
            "[\"char\", 55296]",
            "[\"bytes\", \"*\"]",
            "[\"list\", 1]",
            "[\"case\", 1]",
            "[\"what\", 1]",
        ] {
            assert_eq!(read(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
        let mut deep = json!(["bool", true]);
        for _ in 0..=DEPTH_MAX {
            deep = json!(["option", deep]);
        }
        assert_eq!(read(&deep), None);
    }
}
