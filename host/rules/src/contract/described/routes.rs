//! Routes with a JSON Schema for what goes in and what comes out, where nobody wrote an OpenAPI document.

use super::build::Builder;
use super::content::Media;
use super::dialect::Dialect;
use super::document::{Document, Inside, Place, Wrong};
use super::openapi::OPERATIONS_MAX;
use super::operation::{Answers, Operation, Path, Statuses, Taken, method};
use super::path::Template;
use super::schema::{At, Schemas};
use http::Method;
use serde_json::Value;

/// A route, and the schemas of its bodies.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Its method and path: `POST /orders/{id}`.
    pub name: &'a str,
    /// The schema of a request's body, and its name; without one nothing is said of the body.
    pub request: Option<(&'a str, &'a Value)>,
    /// The schema of the body of an answer that is none of an error, and its name.
    pub answer: Option<(&'a str, &'a Value)>,
}

/// Reads the name of a route.
///
/// # Errors
/// It is none.
pub(super) fn parse(name: &str) -> Result<(Method, Template), String> {
    let (verb, path) = name
        .split_once(' ')
        .ok_or_else(|| "a route is a method and a path: \"POST /orders/{id}\"".to_owned())?;
    let method = method(verb).filter(|_| verb.bytes().all(|b| b.is_ascii_uppercase()));
    let method = method.ok_or_else(|| {
        format!("`{verb}` is no method: GET, PUT, POST, DELETE, OPTIONS, HEAD, PATCH or TRACE")
    })?;
    Ok((method, Template::parse(path)?))
}

/// Makes a description of routes.
pub(super) fn read(routes: &[Route<'_>]) -> Result<(Vec<Path>, Schemas), Wrong> {
    let wrong = |name: &str, why: String| Wrong {
        document: "the manifest".to_owned(),
        at: format!("/contract/routes/{name}"),
        why,
    };
    if routes.len() > OPERATIONS_MAX {
        let why = format!("there are more than {OPERATIONS_MAX} routes");
        return Err(wrong("", why));
    }
    let mut builder = Builder::default();
    let mut paths: Vec<Path> = Vec::new();
    for route in routes {
        let (method, template) = parse(route.name).map_err(|why| wrong(route.name, why))?;
        let body = match schema(route.request, &mut builder)? {
            Some(at) => Taken::Of {
                media: Media::json(at),
                required: true,
            },
            None => Taken::Anything,
        };
        let answers = schema(route.answer, &mut builder)?.map(|at| Answers {
            statuses: Statuses::Hundred(2),
            media: Media::json(at),
        });
        // Nothing is said of other statuses.
        let others = Answers {
            statuses: Statuses::Default,
            media: Media::default(),
        };
        let operation = Operation {
            name: route.name.into(),
            method,
            parameters: Vec::new(),
            body,
            answers: answers.into_iter().chain([others]).collect(),
        };
        let known = paths.iter_mut();
        let mut known = known.filter(|path| path.template.same_as(&template));
        match known.next() {
            Some(path)
                if path
                    .operations
                    .iter()
                    .any(|known| known.method == operation.method) =>
            {
                let why = "is a route that stands there already, with other names".to_owned();
                return Err(wrong(route.name, why));
            }
            Some(path) => path.operations.push(operation),
            None => paths.push(Path {
                template,
                operations: vec![operation],
            }),
        }
    }
    paths.sort_by(|a: &Path, b: &Path| a.template.order(&b.template));
    Ok((paths, builder.done()?))
}

fn schema<'a>(
    file: Option<(&'a str, &'a Value)>,
    builder: &mut Builder<'a>,
) -> Result<Option<At>, Wrong> {
    let Some((name, root)) = file else {
        return Ok(None);
    };
    let document = Document {
        name,
        root,
        inside: Inside::Anywhere,
    };
    builder
        .schema(document, Place::default(), root, Dialect::Json)
        .map(Some)
}
