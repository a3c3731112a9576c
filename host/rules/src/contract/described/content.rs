//! Bodies by their content type: which are described, and the schema of those that are JSON. What is no JSON is let pass as it is.

use super::assertions::short;
use super::build::Builder;
use super::dialect::Dialect;
use super::document::{Document, Place, Wrong};
use super::schema::At;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

/// Where schemas are read.
pub(super) struct Find<'b, 'a> {
    pub(super) builder: &'b mut Builder<'a>,
    pub(super) dialect: Dialect,
}

impl<'a> Find<'_, 'a> {
    pub(super) fn schema(
        &mut self,
        document: &Document<'a>,
        at: Place,
        value: &'a Value,
    ) -> Result<At, Wrong> {
        self.builder.schema(*document, at, value, self.dialect)
    }
}

/// The content types of a body.
#[derive(Default)]
pub(super) struct Media(Vec<One>);

struct One {
    /// In lower case, without parameters; `*` may stand for its second half, or for both.
    kind: String,
    schema: Option<At>,
}

/// What a body is, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON, of this schema.
    Json(Option<At>),
    /// Something else that is described, and not looked into.
    Other,
    /// JSON that nobody can look into: it is compressed.
    Packed,
    /// Nothing that is described.
    Unknown,
}

impl Media {
    /// JSON of one schema.
    pub(super) fn json(schema: At) -> Self {
        let kinds = ["application/json", "application/*+json"];
        let kinds = kinds.into_iter().map(|kind| One {
            kind: kind.to_owned(),
            schema: Some(schema),
        });
        Self(kinds.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The schema of JSON, if there is nothing else.
    pub(super) fn only_json(&self) -> Option<At> {
        match self.0.as_slice() {
            [one] if is_json(&one.kind) => one.schema,
            _ => None,
        }
    }

    /// The content types, for people.
    pub(super) fn named(&self) -> String {
        const NAMED: usize = 8;
        let kinds = self.0.iter().take(NAMED);
        let kinds: Vec<_> = kinds.map(|one| format!("`{}`", short(&one.kind))).collect();
        kinds.join(", ")
    }

    /// What a body with these headers is.
    pub(super) fn kind(&self, headers: &HeaderMap) -> Kind {
        let mut given = headers.get_all(CONTENT_TYPE).iter();
        let (Some(kind), None) = (given.next(), given.next()) else {
            return Kind::Unknown;
        };
        let Some(kind) = kind.to_str().ok().map(essence) else {
            return Kind::Unknown;
        };
        let Some(one) = self.of(&kind) else {
            return Kind::Unknown;
        };
        if !is_json(&kind) {
            return Kind::Other;
        }
        let packed = headers.get_all(CONTENT_ENCODING).iter();
        let mut packed =
            packed.filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        match packed.next() {
            Some(_) => Kind::Packed,
            None => Kind::Json(one.schema),
        }
    }

    /// The nearest description of a content type.
    fn of(&self, kind: &str) -> Option<&One> {
        let (first, second) = kind.split_once('/')?;
        let mut ways = vec![kind.to_owned()];
        if second.ends_with("+json") {
            ways.push(format!("{first}/*+json"));
        }
        ways.extend([format!("{first}/*"), "*/*".to_owned()]);
        let mut ways = ways.iter();
        ways.find_map(|way| self.0.iter().find(|one| one.kind == *way))
    }
}

/// Reads the content types of a body.
pub(super) fn media<'a>(
    document: &Document<'a>,
    at: &Place,
    content: Option<&'a Value>,
    find: &mut Find<'_, 'a>,
) -> Result<Media, Wrong> {
    let mut media = Media::default();
    for (kind, value) in document.object(at, content)?.into_iter().flatten() {
        let there = at.below(kind);
        let kind = essence(kind);
        if kind.split('/').count() != 2 {
            return document.wrong(&there, "is no content type: `application/json`, say");
        }
        let Some(object) = document.object(&there, Some(value))? else {
            continue;
        };
        let schema = match object.get("schema") {
            Some(schema) => Some(find.schema(document, there.below("schema"), schema)?),
            None => None,
        };
        if media.0.iter().any(|one| one.kind == kind) {
            return document.wrong(
                &there,
                "stands there twice, but for its parameters, which are not looked at",
            );
        }
        media.0.push(One { kind, schema });
    }
    Ok(media)
}

/// A content type without its parameters.
fn essence(kind: &str) -> String {
    let name = kind.split(';').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind.ends_with("+json")
}
