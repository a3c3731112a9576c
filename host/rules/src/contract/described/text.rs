//! JSON text as the tree that schemas are asked about; what a reader could understand in two ways is refused.

use super::super::json::Json;
use super::document::{push_name, push_number};
use serde_json::{Map, Number, Value};

/// A text that is not taken: where, as a JSON pointer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoJson {
    /// The place; empty for the whole.
    pub pointer: String,
    /// Why, for whoever wrote it.
    pub why: String,
}

/// The most objects of one text: an object takes a few hundred bytes however small it is, so these take some 40 MiB.
pub(super) const OBJECTS_MAX: usize = 65_536;

/// Reads a text. Its depth and the number of its values are bounded; a name that stands twice in an object is refused.
///
/// # Errors
/// It is not JSON, or more of it than is taken.
pub fn json(text: &[u8]) -> Result<Value, NoJson> {
    let tree = Json::parse(text).map_err(|error| NoJson {
        pointer: String::new(),
        why: format!("is not JSON that is taken here: {error}"),
    })?;
    let mut reader = Reader {
        pointer: String::new(),
        objects: 0,
    };
    reader.value(tree)
}

struct Reader {
    pointer: String,
    objects: usize,
}

impl Reader {
    /// Recursion is as deep as the parser's was, which is bounded.
    fn value(&mut self, json: Json) -> Result<Value, NoJson> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Whole(whole) => Value::Number(number(whole)),
            Json::Float(float) => Number::from_f64(float).map_or(Value::Null, Value::Number),
            Json::Text(text) => Value::String(text),
            Json::List(list) => {
                let mut items = Vec::with_capacity(list.len());
                for (place, item) in list.into_iter().enumerate() {
                    items.push(self.within(|pointer| push_number(pointer, place), item)?);
                }
                Value::Array(items)
            }
            Json::Map(members) => Value::Object(self.members(members)?),
            Json::Broken(why) => {
                let pointer = std::mem::take(&mut self.pointer);
                return Err(NoJson { pointer, why });
            }
        })
    }

    fn members(&mut self, members: Vec<(String, Json)>) -> Result<Map<String, Value>, NoJson> {
        self.objects += 1;
        if self.objects > OBJECTS_MAX {
            return Err(NoJson {
                pointer: String::new(),
                why: format!("has more than {OBJECTS_MAX} objects: send less at once"),
            });
        }
        let mut map = Map::new();
        for (name, member) in members {
            let member = self.within(|pointer| push_name(pointer, &name), member)?;
            if map.contains_key(&name) {
                push_name(&mut self.pointer, &name);
                return Err(NoJson {
                    pointer: std::mem::take(&mut self.pointer),
                    why: "stands there twice".to_owned(),
                });
            }
            map.insert(name, member);
        }
        Ok(map)
    }

    fn within(&mut self, step: impl FnOnce(&mut String), json: Json) -> Result<Value, NoJson> {
        let before = self.pointer.len();
        step(&mut self.pointer);
        let value = self.value(json)?;
        self.pointer.truncate(before);
        Ok(value)
    }
}

/// A whole number: the parser gives none beyond these two.
fn number(whole: i128) -> Number {
    match (u64::try_from(whole), i64::try_from(whole)) {
        (Ok(whole), _) => whole.into(),
        (Err(_), Ok(whole)) => whole.into(),
        (Err(_), Err(_)) => Number::from(i64::MIN),
    }
}
