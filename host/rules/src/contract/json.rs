//! JSON text as a tree, before anybody asks what it should be: so that everything that is wrong with it can be said at once.
//!
//! The text is bounded by whoever read it, its depth by the parser (128), and what it is made into by the number of its values: a text of
//! a few bytes for each value must not become many times as much memory.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;

/// The most values of one text: a tree of so many takes as much as the longest text may have, 8 MiB, beside the strings in it.
pub(super) const VALUES_MAX: usize = 262_144;

/// A text, taken apart.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// Any other number.
    Float(f64),
    Text(String),
    List(Vec<Self>),
    /// In the order of the text, names that stand twice included.
    Map(Vec<(String, Self)>),
    /// Nothing of these, and what is wrong with it: a part of a text that is no JSON, where the other parts can still be read.
    Broken(String),
}

impl Json {
    /// Takes a text apart.
    ///
    /// # Errors
    /// It is not JSON, or more of it than is taken; the words say where.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let left = Cell::new(VALUES_MAX);
        let mut parser = serde_json::Deserializer::from_slice(text);
        let tree = Seed(&left).deserialize(&mut parser);
        let whole = tree.and_then(|tree| parser.end().map(|()| tree));
        whole.map_err(|error| error.to_string())
    }
}

/// Makes one value, and counts it.
struct Seed<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| {
            D::Error::custom(format!("there are more than {VALUES_MAX} values in it"))
        })?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed(self.0))? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            list.push((name, entries.next_value_seed(Seed(self.0))?));
        }
        Ok(Json::Map(list))
    }
}
