//! From types to JSON Schema (draft 2020-12): the mapping of [`read`](super::read) as every other program understands it.
//!
//! What a schema takes is taken. A few forms are taken that it does not tell of: digits with zeros before them, numbers above 2^53 where
//! digits are wanted, a number that only rounding makes an `f32`. And it cannot tell what is no JSON here: a member that stands twice, more
//! values or depth than one text may have.

use super::read::is_nullable;
use holdfast_call::contract::{Case, Docs, Field, Type};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Which side of a function a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What it takes: some values have two forms.
    Taken,
    /// What it gives: each value has one.
    Given,
}

/// Makes schemas, as long as there is room for more of them.
#[derive(Debug)]
pub struct Schemas {
    side: Side,
    left: usize,
}

/// What a node costs beside its names and its docs, in bytes of text.
const NODE_BYTES: usize = 24;

impl Schemas {
    /// Schemas of this side, of so many bytes of text together, more or less.
    #[must_use]
    pub fn new(side: Side, bytes: usize) -> Self {
        Self { side, left: bytes }
    }

    /// How many bytes there is still room for; none once something was left out.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left
    }

    /// The schema of a type. It may refer to [`shared`] ones.
    pub fn of(&mut self, ty: &Type) -> Value {
        if !self.takes(NODE_BYTES) {
            return Value::Null;
        }
        let whole =
            |least: i64, most: i64| json!({ "type": "integer", "minimum": least, "maximum": most });
        match ty {
            Type::Bool => json!({ "type": "boolean" }),
            Type::U8 => whole(0, u8::MAX.into()),
            Type::U16 => whole(0, u16::MAX.into()),
            Type::U32 => whole(0, u32::MAX.into()),
            Type::S8 => whole(i8::MIN.into(), i8::MAX.into()),
            Type::S16 => whole(i16::MIN.into(), i16::MAX.into()),
            Type::S32 => whole(i32::MIN.into(), i32::MAX.into()),
            Type::U64 => self.digits("u64", &whole(0, EXACT_MAX)),
            Type::S64 => self.digits("s64", &whole(-EXACT_MAX, EXACT_MAX)),
            Type::F32 => refer("f32"),
            Type::F64 => refer("f64"),
            Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            Type::Text => json!({ "type": "string" }),
            Type::Bytes => refer("bytes"),
            Type::List(item) => json!({ "type": "array", "items": self.of(item) }),
            Type::Option(some) if is_nullable(some) => {
                let some = self.of(some);
                json!({ "anyOf": [{ "type": "null" }, only("some", some)] })
            }
            Type::Option(some) => json!({ "anyOf": [self.of(some), { "type": "null" }] }),
            Type::Result(ok, err) => {
                let (ok, err) = (self.carried(ok.as_deref()), self.carried(err.as_deref()));
                json!({ "anyOf": [only("ok", ok), only("error", err)] })
            }
            Type::Tuple(types) => {
                let items: Vec<_> = types.iter().map(|ty| self.of(ty)).collect();
                let many = items.len();
                json!({ "type": "array", "prefixItems": items, "items": false, "minItems": many, "maxItems": many })
            }
            Type::Record(fields) => self.fields(fields),
            Type::Variant(cases) => {
                let cases: Vec<_> = cases.iter().map(|case| self.case(case)).collect();
                json!({ "anyOf": cases })
            }
            Type::Enum(names) => self.names(names),
            Type::Flags(names) => {
                json!({ "type": "array", "items": self.names(names), "uniqueItems": true })
            }
        }
    }

    /// The schema of an object with a member for each field.
    pub fn fields(&mut self, fields: &[Field]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in fields {
            if !self.takes(NODE_BYTES + 2 * field.name.len()) {
                break;
            }
            let schema = self.of(&field.ty);
            properties.insert(field.name.to_string(), self.described(schema, &field.docs));
            if self.side == Side::Given || !is_nullable(&field.ty) {
                required.push(json!(&*field.name));
            }
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    /// The same schema with what its author says.
    pub fn described(&mut self, mut schema: Value, docs: &Docs) -> Value {
        if let (Some(text), Value::Object(map)) = (&docs.0, &mut schema)
            && self.takes(NODE_BYTES + text.len())
        {
            map.insert("description".to_owned(), json!(&**text));
        }
        schema
    }

    /// Digits; where they are taken, a number is too.
    fn digits(&self, name: &str, number: &Value) -> Value {
        match self.side {
            Side::Taken => json!({ "anyOf": [refer(name), number] }),
            Side::Given => refer(name),
        }
    }

    fn carried(&mut self, ty: Option<&Type>) -> Value {
        match ty {
            Some(ty) => self.of(ty),
            None => json!({ "type": "null" }),
        }
    }

    fn case(&mut self, case: &Case) -> Value {
        if !self.takes(NODE_BYTES + 2 * case.name.len()) {
            return Value::Null;
        }
        let schema = match &case.ty {
            Some(ty) => {
                let carried = self.of(ty);
                only(&case.name, carried)
            }
            None => json!({ "type": "string", "const": &*case.name }),
        };
        self.described(schema, &case.docs)
    }

    fn names(&mut self, names: &[Arc<str>]) -> Value {
        let bytes = names.iter().map(|name| name.len() + 3).sum();
        if !self.takes(bytes) {
            return Value::Null;
        }
        let names: Vec<_> = names.iter().map(|name| &**name).collect();
        json!({ "type": "string", "enum": names })
    }

    /// Whether there is room for so much more.
    fn takes(&mut self, bytes: usize) -> bool {
        self.left = self.left.saturating_sub(bytes);
        self.left > 0
    }
}

/// The schemas that those of types refer to, as the members of `#/components/schemas`.
#[must_use]
pub fn shared() -> Map<String, Value> {
    let digits = |pattern: String, range: &str| json!({ "type": "string", "pattern": pattern, "description": format!("A whole number in digits, {range}.") });
    let float = |most: f64| {
        json!({ "anyOf": [
            { "type": "number", "minimum": -most, "maximum": most },
            { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] },
        ] })
    };
    let mut shared = Map::new();
    let u64_pattern = format!("^{}$", up_to(&u64::MAX.to_string()));
    let s64_pattern = format!(
        "^(?:{}|-{})$",
        up_to(&i64::MAX.to_string()),
        up_to(&i64::MIN.unsigned_abs().to_string())
    );
    let bytes = json!({
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
        "description": "Bytes in base64, with padding.",
    });
    for (name, schema) in [
        ("u64", digits(u64_pattern, "0 to 18446744073709551615")),
        (
            "s64",
            digits(s64_pattern, "-9223372036854775808 to 9223372036854775807"),
        ),
        ("f32", float(f32::MAX.into())),
        ("f64", float(f64::MAX)),
        ("bytes", bytes),
    ] {
        shared.insert(name.to_owned(), schema);
    }
    shared
}

/// Whole numbers up to this size have one form as a number, for every reader.
const EXACT_MAX: i64 = 1 << 53;

/// A pattern of the numbers from 0 to `most`, in digits without zeros before them.
fn up_to(most: &str) -> String {
    let digits = most.len();
    let mut ways = vec!["0".to_owned()];
    if digits > 1 {
        ways.push(format!("[1-9][0-9]{{0,{}}}", digits - 2));
    }
    for (place, digit) in most.bytes().enumerate() {
        let (before, _) = most.split_at(place);
        let least = if place == 0 { b'1' } else { b'0' };
        // Numbers of as many digits that are smaller from this place on.
        if digit > least {
            let (least, below) = (char::from(least), char::from(digit - 1));
            ways.push(format!(
                "{before}[{least}-{below}][0-9]{{{}}}",
                digits - place - 1
            ));
        }
    }
    ways.push(most.to_owned());
    format!("(?:{})", ways.join("|"))
}

fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object with this member and no other.
fn only(name: &str, schema: Value) -> Value {
    let properties = Map::from_iter([(name.to_owned(), schema)]);
    json!({ "type": "object", "properties": properties, "required": [name], "additionalProperties": false })
}
