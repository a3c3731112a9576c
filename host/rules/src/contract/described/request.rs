//! A request beside its description: all that is wrong with it, before anything runs.

use super::check::Check;
use super::content::Kind;
use super::operation::{Operation, Taken};
use super::parameter::{Sent, query};
use super::schema::{At, Schemas, Side};
use super::text;
use holdfast_call::Violation;
use http::request::Parts;

/// A request that means an operation.
pub struct Request<'a> {
    pub(super) operation: &'a Operation,
    pub(super) schemas: &'a Schemas,
    /// What stands in the place of each parameter of the path.
    pub(super) path: Vec<(&'a str, &'a str)>,
}

/// What is to be done with the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is let pass as it comes.
    Passed,
    /// It must have no byte.
    Nothing,
    /// It is read whole, and looked into.
    Whole(Looked),
}

/// How a body is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    schema: Option<At>,
    /// Why only a body without a byte is taken, if it is.
    only_empty: Option<OnlyEmpty>,
    required: bool,
}

/// Why a body with bytes is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnlyEmpty {
    /// Its content type is none that is described.
    Unknown,
    /// It is compressed.
    Packed,
}

impl<'a> Request<'a> {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> &'a Operation {
        self.operation
    }

    /// What is to be done with its body.
    #[must_use]
    pub fn wanted(&self, head: &Parts) -> Wanted {
        let Taken::Of { media, required } = &self.operation.body else {
            return match self.operation.body {
                Taken::Nothing => Wanted::Nothing,
                Taken::Anything | Taken::Of { .. } => Wanted::Passed,
            };
        };
        let (schema, only_empty) = match media.kind(&head.headers) {
            Kind::Other => return Wanted::Passed,
            Kind::Json(schema) => (schema, None),
            Kind::Packed => (None, Some(OnlyEmpty::Packed)),
            Kind::Unknown => (None, Some(OnlyEmpty::Unknown)),
        };
        Wanted::Whole(Looked {
            schema,
            only_empty,
            required: *required,
        })
    }

    /// All that is wrong with it, parameters and body. The body is given where it was to be read.
    #[must_use]
    pub fn check(&self, head: &Parts, body: Option<(Looked, &[u8])>) -> Vec<Violation> {
        let mut check = Check::new(self.schemas, Side::Request);
        match query(head.uri.query().unwrap_or_default()) {
            Some(query) => {
                let sent = Sent {
                    path: self.path.clone(),
                    query,
                    headers: &head.headers,
                };
                for parameter in &self.operation.parameters {
                    parameter.check(&sent, &mut check);
                }
            }
            None => check.note("query", "is not percent-encoded UTF-8"),
        }
        if let Some((looked, body)) = body {
            self.body(looked, body, &mut check);
        }
        check.found()
    }

    fn body(&self, looked: Looked, body: &[u8], check: &mut Check<'_>) {
        if body.is_empty() {
            if looked.required {
                check.note("", "is required: the request must have a body");
            }
            return;
        }
        if let Some(why) = looked.only_empty {
            return check.note("", self.only_empty(why));
        }
        match (text::json(body), looked.schema) {
            (Err(no), _) => check.note(&no.pointer, no.why),
            (Ok(value), Some(schema)) => check.value("", schema, &value),
            (Ok(_), None) => {}
        }
    }

    fn only_empty(&self, why: OnlyEmpty) -> String {
        match (why, &self.operation.body) {
            (OnlyEmpty::Unknown, Taken::Of { media, .. }) => {
                format!(
                    "must be sent with a content type that is taken: {}",
                    media.named()
                )
            }
            _ => "must be sent without `content-encoding`: it is looked into".to_owned(),
        }
    }
}
