//! The types of JSON as a set: which of them a schema takes.

use serde_json::Value;

/// A set of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(u8);

const NAMES: [(&str, u8); 7] = [
    ("null", 1),
    ("boolean", 2),
    ("integer", 4),
    ("number", 4 | 8),
    ("string", 16),
    ("array", 32),
    ("object", 64),
];

impl Types {
    pub(super) const ALL: Self = Self(127);
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const WHOLE: Self = Self(4);
    pub(super) const NUMBER: Self = Self(4 | 8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);

    /// The types that the keyword `type` names; what names none is said by whoever reads the keyword.
    pub(super) fn named(value: &Value) -> Self {
        let one = |value: &Value| {
            let known = NAMES.iter().find(|(name, _)| value == name);
            known.map_or(Self::NONE, |(_, bits)| Self(*bits))
        };
        match value {
            Value::Array(names) => names.iter().map(one).fold(Self::NONE, Self::or),
            value => one(value),
        }
    }

    /// The type of a value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if is_whole(number) => Self::WHOLE,
            Value::Number(_) => Self(8),
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether some type is in both.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The types in words.
    pub(super) fn words(self) -> String {
        let words = [
            (Self::STRING, "a string"),
            (Self(8), "a number"),
            (Self::WHOLE, "a whole number"),
            (Self::BOOLEAN, "true or false"),
            (Self::ARRAY, "an array"),
            (Self::OBJECT, "an object"),
            (Self::NULL, "null"),
        ];
        let number = self.meets(Self(8));
        let named = words.into_iter().filter(|(ty, _)| self.meets(*ty));
        // Every whole number is a number.
        let named = named.filter(|(ty, _)| !(number && *ty == Self::WHOLE));
        let named: Vec<_> = named.map(|(_, word)| word).collect();
        named.join(" or ")
    }
}

/// `1.0` is as whole as `1`.
fn is_whole(number: &serde_json::Number) -> bool {
    let float = || number.as_f64().is_some_and(|float| float.fract() == 0.0);
    number.is_i64() || number.is_u64() || float()
}
