//! A contract as an OpenAPI document (3.1): what can be asked over HTTP, what is taken and given, and every way in which it can go wrong.
//!
//! It is made of the contract alone, so it cannot differ from what is checked. Types stand written out in their places, as in the contract.

mod faults;

use super::listed::summary;
use super::path;
use super::query::is_text;
use super::safe::Safe;
use super::schema::{self, Schemas, Side};
use holdfast_call::contract::{Contract, Docs, Field, Function, Interface, Type};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// What a document says beside the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The service's name.
    pub name: Arc<str>,
    /// What it is for.
    pub purpose: Option<Arc<str>>,
    /// Where it is found: what stands before `/INTERFACE/FUNCTION`.
    pub servers: Vec<String>,
}

/// The document would be longer than [`DOCUMENT_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The text of the document.
///
/// # Errors
/// It would be too long.
pub fn document(contract: &Contract, safe: &Safe, about: &About) -> Result<Vec<u8>, TooLong> {
    let mut maker = Maker {
        safe,
        about,
        left: DOCUMENT_BYTES_MAX,
    };
    let (mut paths, mut tags) = (Map::new(), Vec::new());
    for interface in &contract.exports {
        let base = path::of(contract, interface);
        tags.push(described(
            json!({ "name": tag(interface, &base) }),
            &interface.docs,
        ));
        for function in &interface.functions {
            let path = format!("{base}/{}", function.name);
            let methods = maker.methods(interface, function, &path, &base);
            if maker.left == 0 {
                return Err(TooLong);
            }
            paths.insert(path, methods);
        }
    }
    let servers = about.servers.iter().map(|url| json!({ "url": url }));
    let mut schemas = schema::shared();
    schemas.extend(faults::schemas());
    let document = json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": info(contract, about),
        "servers": servers.collect::<Vec<_>>(),
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": faults::responses(),
            "headers": faults::headers(),
        },
    });
    let text = document.to_string().into_bytes();
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(TooLong);
    }
    Ok(text)
}

fn info(contract: &Contract, about: &About) -> Value {
    let mut versions: Vec<_> = contract
        .exports
        .iter()
        .filter_map(Interface::version)
        .collect();
    versions.dedup();
    let version = match versions.as_slice() {
        [] => "unversioned".to_owned(),
        some => some.join(", "),
    };
    let info = json!({ "title": &*about.name, "version": version });
    described(info, &Docs(about.purpose.clone()))
}

/// The name of an interface as a group of operations.
fn tag<'a>(interface: &'a Interface, base: &'a str) -> &'a str {
    match base.trim_start_matches('/') {
        "" => "functions",
        _ if interface.id.is_empty() => "functions",
        short => short,
    }
}

struct Maker<'a> {
    safe: &'a Safe,
    about: &'a About,
    left: usize,
}

impl Maker<'_> {
    /// How a function is asked.
    fn methods(
        &mut self,
        interface: &Interface,
        function: &Function,
        path: &str,
        base: &str,
    ) -> Value {
        let name = path.trim_start_matches('/').replace('/', ".");
        let answers = self.answers(function);
        let operation = |id: String| {
            let operation = json!({
                "operationId": id,
                "summary": summary(&function.docs).unwrap_or_else(|| function.name.to_string()),
                "tags": [tag(interface, base)],
                "responses": &answers,
            });
            described(operation, &function.docs)
        };
        let mut post = operation(name.clone());
        put(&mut post, "requestBody", self.body(function));
        let mut methods = json!({ "post": post });
        if self.safe.has(interface, function) {
            let mut get = operation(format!("{name}.get"));
            put(&mut get, "parameters", self.query(function));
            put(&mut methods, "get", get);
        }
        methods
    }

    /// The body of a POST.
    fn body(&mut self, function: &Function) -> Value {
        let schema = self.make(Side::Taken, |schemas| schemas.fields(&function.params));
        let required = schema.get("required").and_then(Value::as_array);
        let required = required.is_some_and(|required| !required.is_empty());
        json!({ "required": required, "content": { "application/json": { "schema": schema } } })
    }

    /// The query of a GET.
    fn query(&mut self, function: &Function) -> Value {
        let params = function.params.iter();
        params.map(|param| self.parameter(param)).collect()
    }

    fn parameter(&mut self, param: &Field) -> Value {
        let (ty, required) = match &param.ty {
            // Nothing is said by leaving it out.
            Type::Option(some) if !matches!(**some, Type::Option(_)) => (&**some, false),
            Type::Option(_) => (&param.ty, false),
            ty => (ty, true),
        };
        let side = if is_text(ty) {
            Side::Given
        } else {
            Side::Taken
        };
        let schema = self.make(side, |schemas| schemas.of(ty));
        let parameter = json!({ "name": &*param.name, "in": "query", "required": required });
        let mut parameter = described(parameter, &param.docs);
        match ty {
            // As JSON, these look as they do in any query.
            Type::Bool | Type::U8 | Type::U16 | Type::U32 | Type::S8 | Type::S16 | Type::S32 => {
                put(&mut parameter, "schema", schema);
            }
            ty if is_text(ty) => put(&mut parameter, "schema", schema),
            _ => put(
                &mut parameter,
                "content",
                json!({ "application/json": { "schema": schema } }),
            ),
        }
        parameter
    }

    /// What a function can be answered with.
    fn answers(&mut self, function: &Function) -> Value {
        let (ok, declared) = match &function.result {
            Some(Type::Result(ok, err)) => (ok.as_deref(), Some(err.as_deref())),
            other => (other.as_ref(), None),
        };
        let mut answers = Map::new();
        let (status, mut answer) = match ok {
            None => ("204", json!({ "description": "It is done." })),
            Some(ty) => {
                let schema = self.make(Side::Given, |schemas| schemas.of(ty));
                let content = json!({ "application/json": { "schema": schema } });
                (
                    "200",
                    json!({ "description": "What it gives.", "content": content }),
                )
            }
        };
        put(&mut answer, "headers", faults::call_header());
        answers.insert(status.to_owned(), answer);
        let mut declares = None;
        if let Some(declared) = declared {
            let error = self.make(Side::Given, |schemas| match declared {
                Some(ty) => schemas.of(ty),
                None => json!({ "type": "null" }),
            });
            let answer = faults::declared(&self.about.name, declared, error);
            declares = Some(answer);
        }
        answers.extend(faults::references());
        // The host has a fault of the same status, which this one tells beside its own.
        answers.extend(declares.map(|answer| (faults::DECLARED.to_string(), answer)));
        self.left = self.left.saturating_sub(faults::REFERENCES_BYTES);
        Value::Object(answers)
    }

    fn make(&mut self, side: Side, make: impl FnOnce(&mut Schemas) -> Value) -> Value {
        let mut schemas = Schemas::new(side, self.left);
        let made = make(&mut schemas);
        self.left = schemas.left();
        made
    }
}

fn described(mut value: Value, docs: &Docs) -> Value {
    if let Some(text) = &docs.0 {
        put(&mut value, "description", json!(&**text));
    }
    value
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(name.to_owned(), value);
    }
}
