//! What stands in the path, the query, the header and the cookies: text, read as the types that its schema takes.
//!
//! | schema | text |
//! |---|---|
//! | `integer`, `number` | a number as in JSON, nothing around it |
//! | `boolean` | `true`, `false` |
//! | `array` in the query | the name once for each item (`tag=a&tag=b`); with `explode: false` `tag=a,b` |
//! | `array` elsewhere | `a,b` |
//! | anything else | the text |
//!
//! Where several types are taken, the first of this table that fits is meant. A query is read as forms send it: `+` is a space. What is not
//! described is let pass; a query whose percent-encoding is broken is not.
//!
//! A violation's pointer begins with where the parameter stands, and not with a slash, so it is never taken for one into the body:
//! `query/limit`, `path/id`, `header/x-shop`, `query/tags/1`.

use super::check::Check;
use super::content::{Find, media};
use super::document::{Document, Place, Wrong, push_name, push_number};
use super::schema::{At, Schemas};
use super::text;
use super::types::Types;
use crate::percent::{decoded, form_decoded};
use http::HeaderMap;
use serde_json::{Map, Value};

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    Path,
    Query,
    Header,
    Cookie,
}

/// A parameter of an operation.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) within: In,
    required: bool,
    /// Items of an array have a text each.
    explode: bool,
    form: Form,
    schema: At,
}

/// How its text is read.
#[derive(Clone, Copy)]
enum Form {
    /// Not known before all schemas are.
    Schema,
    /// It is JSON.
    Json,
    /// One value of these types.
    One(Types),
    /// Items of these types.
    Many(Types),
}

/// What of a request its parameters are read from.
pub(super) struct Sent<'a> {
    /// What stands in the place of each parameter of the path.
    pub(super) path: Vec<(&'a str, &'a str)>,
    /// The query, taken apart.
    pub(super) query: Vec<(String, &'a str)>,
    pub(super) headers: &'a HeaderMap,
}

impl In {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Path, Self::Query, Self::Header, Self::Cookie];
        all.into_iter().find(|place| place.as_str() == word)
    }
}

impl Parameter {
    /// Reads one of a document; nothing for a header that is described elsewhere.
    pub(super) fn read<'a>(
        document: &Document<'a>,
        at: &Place,
        object: &'a Map<String, Value>,
        find: &mut Find<'_, 'a>,
    ) -> Result<Option<Self>, Wrong> {
        let name = document.text(&at.below("name"), object.get("name"))?;
        let place = document.text(&at.below("in"), object.get("in"))?;
        let Some(within) = In::parse(place) else {
            return document.wrong(&at.below("in"), "must be path, query, header or cookie");
        };
        let elsewhere = ["accept", "content-type", "authorization"];
        if within == In::Header && elsewhere.contains(&name.to_ascii_lowercase().as_str()) {
            return Ok(None);
        }
        let required = document.flag(&at.below("required"), object.get("required"), false)?;
        if within == In::Path && !required {
            return document.wrong(
                &at.below("required"),
                "must be true: what is in a path is always there",
            );
        }
        let usual = match within {
            In::Path | In::Header => "simple",
            In::Query | In::Cookie => "form",
        };
        if let Some(style) = object.get("style")
            && style != usual
        {
            return document.wrong(
                &at.below("style"),
                format!("is not read: it is `{usual}` in {place}"),
            );
        }
        let explode = within == In::Query;
        let explode = document.flag(&at.below("explode"), object.get("explode"), explode)?;
        let (form, schema) = match (object.get("schema"), object.get("content")) {
            (Some(schema), None) => (
                Form::Schema,
                find.schema(document, at.below("schema"), schema)?,
            ),
            (None, Some(_)) => {
                let media = media(document, &at.below("content"), object.get("content"), find)?;
                match media.only_json() {
                    Some(schema) => (Form::Json, schema),
                    None => return document.wrong(
                        &at.below("content"),
                        "must have `application/json` alone: no other text is read in a parameter",
                    ),
                }
            }
            _ => return document.wrong(at, "must have either `schema` or `content`"),
        };
        let name = match within {
            In::Header => name.to_ascii_lowercase(),
            In::Path | In::Query | In::Cookie => name.to_owned(),
        };
        Ok(Some(Self {
            name,
            within,
            required,
            explode: explode && within == In::Query,
            form,
            schema,
        }))
    }

    /// Decides how its text is read, once its schema is known.
    pub(super) fn settle(&mut self, schemas: &Schemas) -> Result<(), &'static str> {
        if !matches!(self.form, Form::Schema) {
            return Ok(());
        }
        let types = schemas.types(self.schema);
        let plain = Types::NUMBER.or(Types::BOOLEAN).or(Types::STRING);
        self.form = if types == Types::ALL || !types.meets(Types::ARRAY.or(Types::OBJECT)) {
            Form::One(types)
        } else if types.meets(Types::ARRAY) {
            let items = schemas.items(self.schema);
            Form::Many(items.map_or(Types::ALL, |items| schemas.types(items)))
        } else if types.meets(plain) {
            Form::One(types)
        } else {
            return Err(
                "is an object, which is not read in a parameter: give it `content` with application/json, or a parameter for each of its members",
            );
        };
        Ok(())
    }

    /// Notes what is wrong with it in a request.
    pub(super) fn check(&self, sent: &Sent<'_>, check: &mut Check<'_>) {
        let mut pointer = self.within.as_str().to_owned();
        push_name(&mut pointer, &self.name);
        let texts = match self.texts(sent) {
            Ok(texts) => texts,
            Err(why) => return check.note(&pointer, why),
        };
        match (self.form, texts.as_slice()) {
            (_, []) if self.required => check.note(&pointer, "is required"),
            (_, []) => {}
            (Form::Many(types), texts) => self.many(&pointer, texts, types, check),
            (Form::One(types), [text]) => match self.one(text, types, check) {
                Ok(value) => check.value(&pointer, self.schema, &value),
                Err(why) => check.note(&pointer, why),
            },
            (Form::Json | Form::Schema, [text]) => match text::json(text.as_bytes()) {
                Ok(value) => check.value(&pointer, self.schema, &value),
                Err(no) => check.note(&(pointer + &no.pointer), no.why),
            },
            (_, _) => check.note(&pointer, "stands there more than once"),
        }
    }

    fn many(&self, pointer: &str, texts: &[String], types: Types, check: &mut Check<'_>) {
        let mut items = Vec::with_capacity(texts.len());
        for (number, text) in texts.iter().enumerate() {
            match read(text, types).into_iter().next() {
                Some(value) => items.push(value),
                None => {
                    let mut pointer = pointer.to_owned();
                    push_number(&mut pointer, number);
                    return check.note(&pointer, format!("must be {}", types.words()));
                }
            }
        }
        check.value(pointer, self.schema, &Value::Array(items));
    }

    /// The value that is meant: the first way to read the text that fits, or the first there is.
    fn one(&self, text: &str, types: Types, check: &mut Check<'_>) -> Result<Value, String> {
        let mut ways = read(text, types);
        let fitting = match ways.len() {
            0 | 1 => None,
            _ => ways.iter().position(|way| check.fits(self.schema, way)),
        };
        if ways.is_empty() {
            return Err(format!("must be {}", types.words()));
        }
        Ok(ways.swap_remove(fitting.unwrap_or(0)))
    }

    /// Its texts, as they are meant.
    fn texts(&self, sent: &Sent<'_>) -> Result<Vec<String>, &'static str> {
        const BROKEN: &str = "is not percent-encoded UTF-8";
        let is_many = matches!(self.form, Form::Many(_));
        let mut texts = Vec::new();
        match self.within {
            In::Path => {
                let named = sent.path.iter().find(|(name, _)| *name == self.name);
                for text in named.map(|(_, text)| *text).into_iter() {
                    push_split(text, is_many, &mut texts, decoded).ok_or(BROKEN)?;
                }
            }
            In::Query => {
                let named = sent.query.iter().filter(|(name, _)| *name == self.name);
                for (_, text) in named {
                    let split = is_many && !self.explode;
                    push_split(text, split, &mut texts, form_decoded).ok_or(BROKEN)?;
                }
            }
            In::Header => {
                for value in sent.headers.get_all(self.name.as_str()) {
                    let text = value.to_str().map_err(|_| "must be plain text")?;
                    let as_it_is = |text: &str| Some(text.trim_matches([' ', '\t']).to_owned());
                    push_split(text, is_many, &mut texts, as_it_is).ok_or(BROKEN)?;
                }
            }
            In::Cookie => {
                for value in sent.headers.get_all(http::header::COOKIE) {
                    let text = value.to_str().map_err(|_| "must be plain text")?;
                    let pairs = text
                        .split(';')
                        .filter_map(|pair| pair.trim().split_once('='));
                    for (_, text) in pairs.filter(|(name, _)| *name == self.name) {
                        push_split(text, is_many, &mut texts, decoded).ok_or(BROKEN)?;
                    }
                }
            }
        }
        Ok(texts)
    }
}

/// Takes a query apart; `None` if a name in it is not percent-encoded UTF-8.
pub(super) fn query(text: &str) -> Option<Vec<(String, &str)>> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            form_decoded(value)?;
            Some((form_decoded(name)?, value))
        })
        .collect()
}

fn push_split(
    text: &str,
    split: bool,
    texts: &mut Vec<String>,
    decode: impl Fn(&str) -> Option<String>,
) -> Option<()> {
    if !split {
        texts.push(decode(text)?);
        return Some(());
    }
    for part in text.split(',') {
        texts.push(decode(part)?);
    }
    Some(())
}

/// The values that a text can be, of these types.
fn read(text: &str, types: Types) -> Vec<Value> {
    let mut ways = Vec::new();
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    if types.meets(Types::NUMBER)
        && !text.is_empty()
        && text.bytes().all(plain)
        && let Ok(number) = text::json(text.as_bytes())
    {
        ways.push(number);
    }
    if types.meets(Types::BOOLEAN) && matches!(text, "true" | "false") {
        ways.push(Value::Bool(text == "true"));
    }
    if types.meets(Types::STRING) {
        ways.push(Value::String(text.to_owned()));
    }
    ways
}
