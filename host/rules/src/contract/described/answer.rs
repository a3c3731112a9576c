//! An answer beside its description.

use super::check::Check;
use super::content::Kind;
use super::operation::Operation;
use super::request::Request;
use super::schema::{At, Schemas, Side};
use super::text;
use http::{HeaderMap, StatusCode};

/// How an answer's body is looked into.
#[derive(Clone, Copy)]
pub struct Promised<'a> {
    schemas: &'a Schemas,
    schema: At,
}

impl<'a> Request<'a> {
    /// Whether an answer with this head is one that was promised, and how its body is to be looked into, if it is.
    ///
    /// # Errors
    /// It is none; why, for the operator.
    pub fn promised(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Promised<'a>>, String> {
        let operation: &Operation = self.operation;
        if operation.answers.is_empty() {
            return Ok(None);
        }
        let Some(answers) = operation.answered(status) else {
            if status.is_server_error() {
                return Ok(None);
            }
            return Err(format!("the status {} is not described", status.as_u16()));
        };
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if answers.media.is_empty() || bodiless {
            return Ok(None);
        }
        let status = status.as_u16();
        match answers.media.kind(headers) {
            Kind::Other | Kind::Json(None) => Ok(None),
            Kind::Json(Some(schema)) => Ok(Some(Promised {
                schemas: self.schemas,
                schema,
            })),
            Kind::Packed => Err(format!(
                "the body of {status} is compressed: nobody could look into it"
            )),
            Kind::Unknown => Err(format!(
                "the content type of {status} is not described: it must be {}",
                answers.media.named()
            )),
        }
    }
}

impl Promised<'_> {
    /// Whether a body is one that was promised.
    ///
    /// # Errors
    /// It is none: the first that is wrong with it, for the operator.
    pub fn check(&self, body: &[u8]) -> Result<(), String> {
        const TOLD: usize = 3;
        let mut check = Check::new(self.schemas, Side::Answer);
        match text::json(body) {
            Err(no) => check.note(&no.pointer, no.why),
            Ok(value) => check.value("", self.schema, &value),
        }
        let found = check.found();
        if found.is_empty() {
            return Ok(());
        }
        let told = found.iter().take(TOLD);
        let told: Vec<_> = told
            .map(|one| format!("`{}` {}", one.pointer, one.reason))
            .collect();
        let more = found.len().saturating_sub(TOLD);
        let more = match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Err(format!("{}{more}", told.join("; ")))
    }
}
