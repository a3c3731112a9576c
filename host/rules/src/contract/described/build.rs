//! From documents to schemas: each place is read once, whatever leads there, so what refers to itself is read like anything else.

use super::assertions::Assertions;
use super::dialect::{ASSERT, Dialect, count, known};
use super::document::{Document, Place, Wrong};
use super::schema::{At, Condition, Contains, Keywords, Looks, Required, Schema, Schemas, Side};
use super::types::Types;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The most schemas of one description.
pub(super) const SCHEMAS_MAX: usize = 10_000;
/// The most different patterns: each is compiled, and takes memory.
pub(super) const PATTERNS_MAX: usize = 100;
/// The most schemas that apply each other to one and the same value.
pub(super) const CHAIN_MAX: usize = 64;

/// A schema whose turn to be read has not come yet.
struct Waiting<'a> {
    at: At,
    document: Document<'a>,
    place: Place,
    value: &'a Value,
    dialect: Dialect,
}

/// Reads schemas.
#[derive(Default)]
pub(super) struct Builder<'a> {
    schemas: Vec<Schema>,
    known: HashMap<(&'a str, Place), At>,
    waiting: Vec<Waiting<'a>>,
    /// The same keywords are made ready once.
    ready: HashMap<String, Arc<Assertions>>,
    patterns: usize,
}

impl<'a> Builder<'a> {
    /// The schema at a place. It is read before the builder is done.
    pub(super) fn schema(
        &mut self,
        document: Document<'a>,
        place: Place,
        value: &'a Value,
        dialect: Dialect,
    ) -> Result<At, Wrong> {
        if let Some(at) = self.known.get(&(document.name, place.clone())) {
            return Ok(*at);
        }
        if self.schemas.len() >= SCHEMAS_MAX {
            return document.wrong(
                &place,
                format!("there are more than {SCHEMAS_MAX} schemas: describe less in one document"),
            );
        }
        let at = At(self.schemas.len());
        self.schemas.push(Schema::Anything);
        self.known.insert((document.name, place.clone()), at);
        self.waiting.push(Waiting {
            at,
            document,
            place,
            value,
            dialect,
        });
        Ok(at)
    }

    /// Reads all that is still to be read.
    pub(super) fn done(mut self) -> Result<Schemas, Wrong> {
        let mut places = Vec::new();
        while let Some(next) = self.waiting.pop() {
            let read = self.read(&next)?;
            if let Some(slot) = self.schemas.get_mut(next.at.0) {
                *slot = read;
            }
            places.push((next.at, next.document, next.place));
        }
        let schemas = Schemas(self.schemas);
        if let Some(at) = too_long(&schemas)
            && let Some((_, document, place)) = places.iter().find(|(known, ..)| *known == at)
        {
            let why = format!(
                "more than {CHAIN_MAX} schemas apply each other to one value here, or one applies itself without going into it"
            );
            return document.wrong(place, why);
        }
        Ok(schemas)
    }

    fn read(&mut self, next: &Waiting<'a>) -> Result<Schema, Wrong> {
        let (document, at) = (&next.document, &next.place);
        let object = match next.value {
            Value::Bool(true) => return Ok(Schema::Anything),
            Value::Bool(false) => return Ok(Schema::Nothing),
            Value::Object(object) => object,
            _ => return document.wrong(at, "must be a schema: an object, true or false"),
        };
        let modern = next.dialect.modern(object, document, at)?;
        known(&modern, document, at)?;
        let mut keywords = Keywords::default();
        self.assertions(&modern, next, &mut keywords)?;
        // What is applied is always taken from the document itself, whose places stay what they are. Only a reference may be alone in the
        // older language.
        let object = if modern.contains_key("$ref") && next.dialect == Dialect::Old {
            None
        } else {
            Some(object)
        };
        keywords.reference = self.reference(next, &modern)?;
        if let Some(object) = object {
            self.in_place(object, next, &mut keywords)?;
            self.members(object, next, &mut keywords)?;
            self.items(object, next, &mut keywords)?;
        }
        Ok(Schema::Says(Box::new(keywords)))
    }

    fn assertions(
        &mut self,
        modern: &Map<String, Value>,
        next: &Waiting<'a>,
        keywords: &mut Keywords,
    ) -> Result<(), Wrong> {
        let own = modern.iter();
        let own = own.filter(|(keyword, _)| ASSERT.contains(&keyword.as_str()));
        let own: Map<_, _> = own
            .map(|(keyword, value)| (keyword.clone(), value.clone()))
            .collect();
        if own.is_empty() {
            return Ok(());
        }
        keywords.types = own.get("type").map(Types::named);
        let inside = ["enum", "const", "uniqueItems"];
        if inside.iter().any(|keyword| own.contains_key(*keyword)) {
            keywords.looks = Looks::Inside;
        }
        keywords.assertions = Some(self.ready(&own, &next.document, &next.place)?);
        Ok(())
    }

    fn ready(
        &mut self,
        own: &Map<String, Value>,
        document: &Document<'_>,
        at: &Place,
    ) -> Result<Arc<Assertions>, Wrong> {
        let text = Value::Object(own.clone()).to_string();
        if let Some(ready) = self.ready.get(&text) {
            return Ok(ready.clone());
        }
        if own.contains_key("pattern") {
            self.patterns += 1;
            if self.patterns > PATTERNS_MAX {
                return document.wrong(at, format!("there are more than {PATTERNS_MAX} different patterns: have schemas share them"));
            }
        }
        let ready = Arc::new(Assertions::new(own, document, at)?);
        self.ready.insert(text, ready.clone());
        Ok(ready)
    }

    fn reference(
        &mut self,
        next: &Waiting<'a>,
        modern: &Map<String, Value>,
    ) -> Result<Option<At>, Wrong> {
        let Some(reference) = modern.get("$ref") else {
            return Ok(None);
        };
        let there = next.place.below("$ref");
        let Value::String(reference) = reference else {
            return next.document.wrong(&there, "must be a string");
        };
        let (place, value) = next.document.referred(&there, reference)?;
        self.schema(next.document, place, value, next.dialect)
            .map(Some)
    }

    /// The schema that a keyword holds.
    fn one(
        &mut self,
        object: &'a Map<String, Value>,
        keyword: &str,
        next: &Waiting<'a>,
    ) -> Result<Option<At>, Wrong> {
        let Some(value) = object.get(keyword) else {
            return Ok(None);
        };
        self.schema(
            next.document,
            next.place.below(keyword),
            value,
            next.dialect,
        )
        .map(Some)
    }

    /// The schemas that a keyword holds in a list.
    fn listed(
        &mut self,
        object: &'a Map<String, Value>,
        keyword: &str,
        next: &Waiting<'a>,
    ) -> Result<Vec<At>, Wrong> {
        let place = next.place.below(keyword);
        let list = next.document.list(&place, object.get(keyword))?;
        let Some(list) = list else {
            return Ok(Vec::new());
        };
        if list.is_empty() {
            return next.document.wrong(&place, "must have an item");
        }
        let schemas = list.iter().enumerate();
        schemas
            .map(|(number, value)| {
                self.schema(next.document, place.item(number), value, next.dialect)
            })
            .collect()
    }

    /// The schemas that a keyword holds by name.
    fn named(
        &mut self,
        object: &'a Map<String, Value>,
        keyword: &str,
        next: &Waiting<'a>,
    ) -> Result<Vec<(&'a str, At)>, Wrong> {
        let place = next.place.below(keyword);
        let map = next.document.object(&place, object.get(keyword))?;
        let members = map.into_iter().flatten();
        members
            .map(|(name, value)| {
                let at = self.schema(next.document, place.below(name), value, next.dialect)?;
                Ok((name.as_str(), at))
            })
            .collect()
    }

    fn in_place(
        &mut self,
        object: &'a Map<String, Value>,
        next: &Waiting<'a>,
        keywords: &mut Keywords,
    ) -> Result<(), Wrong> {
        keywords.all_of = self.listed(object, "allOf", next)?;
        keywords.any_of = self.listed(object, "anyOf", next)?;
        keywords.one_of = self.listed(object, "oneOf", next)?;
        keywords.not = self.one(object, "not", next)?;
        let then = self.one(object, "then", next)?;
        let else_ = self.one(object, "else", next)?;
        let condition = self.one(object, "if", next)?;
        keywords.condition = condition.map(|if_| Condition { if_, then, else_ });
        let dependent = self.named(object, "dependentSchemas", next)?.into_iter();
        keywords.dependent = dependent.map(|(name, at)| (name.to_owned(), at)).collect();
        Ok(())
    }

    fn members(
        &mut self,
        object: &'a Map<String, Value>,
        next: &Waiting<'a>,
        keywords: &mut Keywords,
    ) -> Result<(), Wrong> {
        let properties = self.named(object, "properties", next)?.into_iter();
        keywords.properties = properties.map(|(name, at)| (name.to_owned(), at)).collect();
        for (pattern, at) in self.named(object, "patternProperties", next)? {
            let place = next.place.below("patternProperties").below(pattern);
            let own = Map::from_iter([("pattern".to_owned(), pattern.into())]);
            let ready = self.ready(&own, &next.document, &place)?;
            keywords.patterns.push((ready, at));
        }
        keywords.additional = self.one(object, "additionalProperties", next)?;
        keywords.names = self.one(object, "propertyNames", next)?;
        keywords.other_members = self.one(object, "unevaluatedProperties", next)?;
        let place = next.place.below("required");
        let required = next.document.list(&place, object.get("required"))?;
        for (number, name) in required.into_iter().flatten().enumerate() {
            let name = next.document.text(&place.item(number), Some(name))?;
            keywords.required.push(Required {
                name: name.to_owned(),
                side: side(object, name, next)?,
            });
        }
        Ok(())
    }

    fn items(
        &mut self,
        object: &'a Map<String, Value>,
        next: &Waiting<'a>,
        keywords: &mut Keywords,
    ) -> Result<(), Wrong> {
        if object.get("items").is_some_and(Value::is_array) {
            let why = "is one schema for all items: write prefixItems for a schema each";
            return next.document.wrong(&next.place.below("items"), why);
        }
        keywords.prefix = self.listed(object, "prefixItems", next)?;
        keywords.items = self.one(object, "items", next)?;
        keywords.other_items = self.one(object, "unevaluatedItems", next)?;
        let least = count(object, "minContains", &next.document, &next.place)?;
        let most = count(object, "maxContains", &next.document, &next.place)?;
        let contains = self.one(object, "contains", next)?;
        keywords.contains = contains.map(|at| Contains {
            at,
            least: least.unwrap_or(1),
            most,
        });
        Ok(())
    }
}

/// On which side a member is required: what is only read is no part of a request, what is only written none of an answer.
fn side(
    object: &Map<String, Value>,
    name: &str,
    next: &Waiting<'_>,
) -> Result<Option<Side>, Wrong> {
    let Some(property) = object.get("properties").and_then(|all| all.get(name)) else {
        return Ok(None);
    };
    if property.is_boolean() {
        return Ok(None);
    }
    let place = next.place.below("properties").below(name);
    let (_, there) = next.document.resolved(&place, property)?;
    let says = |keyword: &str| {
        let own = property.get(keyword) == Some(&Value::Bool(true));
        own || there.get(keyword) == Some(&Value::Bool(true))
    };
    Ok(match (says("readOnly"), says("writeOnly")) {
        (true, _) => Some(Side::Answer),
        (false, true) => Some(Side::Request),
        (false, false) => None,
    })
}

/// A schema from which more than [`CHAIN_MAX`] are applied in place, one by the other; one that applies itself is the head of endlessly many.
fn too_long(schemas: &Schemas) -> Option<At> {
    // How long the chain from each is; none while it is being followed.
    let mut lengths: HashMap<At, Option<usize>> = HashMap::new();
    for head in 0..schemas.0.len() {
        let mut path = vec![(At(head), false)];
        while let Some((at, followed)) = path.pop() {
            let Schema::Says(keywords) = schemas.get(at) else {
                continue;
            };
            if followed {
                let below = keywords.in_place();
                let below = below.map(|below| lengths.get(&below).copied().flatten().unwrap_or(0));
                let length = below.max().unwrap_or(0) + 1;
                if length > CHAIN_MAX {
                    return Some(at);
                }
                lengths.insert(at, Some(length));
                continue;
            }
            match lengths.get(&at) {
                Some(Some(_)) => continue,
                // It is on the way to itself.
                Some(None) => return Some(at),
                None => {}
            }
            lengths.insert(at, None);
            path.push((at, true));
            let below = keywords.in_place();
            path.extend(below.map(|below| (below, false)));
        }
    }
    None
}
