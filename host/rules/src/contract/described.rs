//! What a plain HTTP service says of itself, in an OpenAPI document or in JSON Schemas for its routes, made ready to check calls by it.
//!
//! Reading is strict: what is not understood would not be checked, so it is refused, with its place and what to write instead. Everything has
//! a number: operations, parameters, schemas, patterns, and for each call the steps and the depth that are looked at. A schema may refer to
//! itself; a pattern is found in linear time; nothing outside of the documents is ever read.
//!
//! - A path that is not described is not there; a method that is not described is not taken. `HEAD` is asked as `GET` where it is not
//!   described itself.
//! - Paths are those that the guest sees, without `/NAME` of the service's own mount.
//! - A body of JSON is checked; one of another content type that is described is let pass; any other is refused.
//! - A member that is `readOnly` is not required of requests, one that is `writeOnly` not of answers.
//! - Of answers, what is JSON is checked by its status. A status, or a content type, that is not described is none that was promised; but
//!   errors of the service's own (5xx) need not be described. Of an operation without `responses` nothing was promised.

mod answer;
mod assertions;
mod build;
mod check;
mod content;
mod dialect;
mod document;
mod marks;
mod openapi;
mod operation;
mod parameter;
mod path;
mod request;
mod routes;
mod schema;
mod text;
mod types;

pub use answer::Promised;
pub use document::Wrong;
pub use operation::Operation;
pub use request::{Request, Wanted};
pub use routes::Route;
pub use text::{NoJson, json};

use self::operation::Path;
use self::schema::Schemas;
use http::Method;
use serde_json::Value;

/// A description, ready to check calls.
pub struct Described {
    paths: Vec<Path>,
    schemas: Schemas,
}

/// What a request means.
pub enum Found<'a> {
    /// An operation.
    Operation(Request<'a>),
    /// Nothing that is done at this path: these methods are.
    Method(Vec<Method>),
    /// No path that is described.
    Nothing,
}

impl Described {
    /// What an OpenAPI document says; `name` is how it is called in messages.
    ///
    /// # Errors
    /// It is none, or says what is not understood; where, and what to write instead.
    pub fn openapi(name: &str, document: &Value) -> Result<Self, Wrong> {
        let (paths, schemas) = openapi::read(name, document)?;
        Ok(Self { paths, schemas })
    }

    /// What the schemas of routes say.
    ///
    /// # Errors
    /// A route or a schema is none.
    pub fn routes(routes: &[Route<'_>]) -> Result<Self, Wrong> {
        let (paths, schemas) = routes::read(routes)?;
        Ok(Self { paths, schemas })
    }

    /// Whether that is the name of a route.
    ///
    /// # Errors
    /// It is none; the words say why.
    pub fn route(name: &str) -> Result<(), String> {
        routes::parse(name).map(drop)
    }

    /// What a request means.
    #[must_use]
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Found<'a> {
        let matched = |known: &'a Path| Some((known, known.template.matched(path)?));
        let Some((known, values)) = self.paths.iter().find_map(matched) else {
            return Found::Nothing;
        };
        let of = |method: &Method| {
            let mut operations = known.operations.iter();
            operations.find(|operation| operation.method == *method)
        };
        let as_get = || of(&Method::GET).filter(|_| *method == Method::HEAD);
        match of(method).or_else(as_get) {
            Some(operation) => Found::Operation(Request {
                operation,
                schemas: &self.schemas,
                path: values,
            }),
            None => Found::Method(known.methods()),
        }
    }

    /// How many operations there are.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.paths.iter().map(|path| path.operations.len()).sum()
    }
}

impl std::fmt::Debug for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Described({} operations)", self.operations())
    }
}

#[cfg(test)]
mod tests;
