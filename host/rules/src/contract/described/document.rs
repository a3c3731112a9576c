//! A document as it was read, the places in it, and what is said of one that cannot be used: where it is wrong, and what to change.

use serde_json::{Map, Value};
use std::fmt::{self, Write as _};

/// How many references may lead from one to the next.
const HOPS_MAX: usize = 16;

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which document.
    pub document: String,
    /// Where in it: a JSON pointer (RFC 6901); empty for the whole.
    pub at: String,
    /// What is wrong there, and what to change.
    pub why: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A document may have any name in it; the terminal that shows it must not be steered by that.
        let line = format!("{}, at `{}`: {}", self.document, self.at, self.why);
        f.write_str(&line.replace(char::is_control, "\u{fffd}"))
    }
}

impl std::error::Error for Wrong {}

/// A document and its name.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) name: &'a str,
    pub(super) root: &'a Value,
    /// What the references in it may begin with.
    pub(super) inside: Inside,
}

/// Where the references of a document may lead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// To its components, as in OpenAPI.
    Components,
    /// Anywhere in it, as in a JSON Schema.
    Anywhere,
}

/// A place in a document: a JSON pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place(String);

impl Place {
    /// The member of that name.
    pub(super) fn below(&self, name: &str) -> Self {
        let mut pointer = self.0.clone();
        push_name(&mut pointer, name);
        Self(pointer)
    }

    /// The item of that number.
    pub(super) fn item(&self, number: usize) -> Self {
        Self(format!("{}/{number}", self.0))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Document<'a> {
    /// Something is wrong there.
    pub(super) fn wrong<T>(&self, at: &Place, why: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong {
            document: self.name.to_owned(),
            at: at.0.clone(),
            why: why.into(),
        })
    }

    /// Whether that is the head of a JSON Schema.
    pub(super) fn is_head(&self, at: &Place) -> bool {
        self.inside == Inside::Anywhere && at.0.is_empty()
    }

    /// An object, or nothing where nothing is written.
    pub(super) fn object(
        &self,
        at: &Place,
        value: Option<&'a Value>,
    ) -> Result<Option<&'a Map<String, Value>>, Wrong> {
        match value {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => self.wrong(at, "must be an object"),
        }
    }

    /// A list, or nothing where nothing is written.
    pub(super) fn list(
        &self,
        at: &Place,
        value: Option<&'a Value>,
    ) -> Result<Option<&'a [Value]>, Wrong> {
        match value {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => self.wrong(at, "must be an array"),
        }
    }

    /// A text.
    pub(super) fn text(&self, at: &Place, value: Option<&'a Value>) -> Result<&'a str, Wrong> {
        match value {
            Some(Value::String(text)) => Ok(text),
            Some(_) => self.wrong(at, "must be a string"),
            None => self.wrong(at, "is required"),
        }
    }

    /// `true` or `false`; `default` where nothing is written.
    pub(super) fn flag(
        &self,
        at: &Place,
        value: Option<&Value>,
        default: bool,
    ) -> Result<bool, Wrong> {
        match value {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => self.wrong(at, "must be true or false"),
        }
    }

    /// An object, or what the reference in its place leads to.
    pub(super) fn resolved(
        &self,
        at: &Place,
        value: &'a Value,
    ) -> Result<(Place, &'a Map<String, Value>), Wrong> {
        let (mut at, mut value) = (at.clone(), value);
        for _ in 0..HOPS_MAX {
            let Value::Object(map) = value else {
                return self.wrong(&at, "must be an object");
            };
            match map.get("$ref") {
                None => return Ok((at, map)),
                Some(reference) => {
                    let there = at.below("$ref");
                    let reference = self.text(&there, Some(reference))?;
                    (at, value) = self.referred(&there, reference)?;
                }
            }
        }
        self.wrong(
            &at,
            format!(
                "more than {HOPS_MAX} references follow each other here: name the thing itself"
            ),
        )
    }

    /// What a reference leads to. Nothing outside of the document is ever read.
    pub(super) fn referred(
        &self,
        at: &Place,
        reference: &str,
    ) -> Result<(Place, &'a Value), Wrong> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return self.wrong(at, "leads out of the document: only `#/…` is followed, so put what it means into this file");
        };
        let Some(pointer) = crate::percent::decoded(fragment) else {
            return self.wrong(at, "is no reference: its percent-encoding is broken");
        };
        let inside = match self.inside {
            Inside::Components => pointer.starts_with("/components/"),
            Inside::Anywhere => pointer.is_empty() || pointer.starts_with('/'),
        };
        if !inside {
            let ways = match self.inside {
                Inside::Components => "`#/components/…`",
                Inside::Anywhere => "`#` and `#/…`",
            };
            return self.wrong(at, format!("is not followed: references are {ways} here"));
        }
        match self.root.pointer(&pointer) {
            Some(value) => Ok((Place(pointer), value)),
            None => self.wrong(at, "leads to nothing in this document"),
        }
    }
}

/// Adds a name to a pointer.
pub(super) fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    for c in name.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// Adds a number to a pointer.
pub(super) fn push_number(pointer: &mut String, number: usize) {
    // Writing to a string cannot fail.
    let _ = write!(pointer, "/{number}");
}
