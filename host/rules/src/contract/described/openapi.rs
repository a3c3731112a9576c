//! An OpenAPI document, 3.0 or 3.1, as operations. What it says beyond paths, parameters, bodies and answers is for others: `servers`,
//! `security`, `tags`, callbacks and webhooks are not read.

use super::build::Builder;
use super::content::{Find, media};
use super::dialect::Dialect;
use super::document::{Document, Inside, Place, Wrong};
use super::operation::{Answers, Operation, Path, Statuses, Taken, method};
use super::parameter::{In, Parameter};
use super::path::Template;
use super::schema::Schemas;
use serde_json::{Map, Value};

/// The most operations of one document.
pub(super) const OPERATIONS_MAX: usize = 1000;
/// The most parameters of one operation.
pub(super) const PARAMETERS_MAX: usize = 64;

const DIALECTS: &[&str] = &[
    "https://spec.openapis.org/oas/3.1/dialect/base",
    "https://json-schema.org/draft/2020-12/schema",
];

/// What a member of a path says that is no operation.
const BESIDE: &[&str] = &["summary", "description", "servers", "parameters"];

/// Reads a document.
pub(super) fn read(name: &str, root: &Value) -> Result<(Vec<Path>, Schemas), Wrong> {
    let document = Document {
        name,
        root,
        inside: Inside::Components,
    };
    let head = Place::default();
    let Value::Object(object) = root else {
        return document.wrong(&head, "must be an object with `openapi` and `paths`");
    };
    let mut builder = Builder::default();
    let mut find = Find {
        dialect: dialect(&document, object)?,
        builder: &mut builder,
    };
    let there = head.below("paths");
    let Some(written) = document.object(&there, object.get("paths"))? else {
        return document.wrong(&there, "is required: what no path describes is not served");
    };
    let mut paths = Vec::new();
    let mut parameters = Vec::new();
    for (text, item) in written {
        if !text.starts_with("x-") {
            let place = there.below(text);
            let path = path(&document, &place, text, item, &mut find, &mut parameters)?;
            add(&document, &place, path, &mut paths)?;
        }
    }
    let schemas = builder.done()?;
    settle(&document, &mut paths, &parameters, &schemas)?;
    paths.sort_by(|a: &Path, b: &Path| a.template.order(&b.template));
    Ok((paths, schemas))
}

fn dialect(document: &Document<'_>, object: &Map<String, Value>) -> Result<Dialect, Wrong> {
    let head = Place::default();
    if object.contains_key("swagger") {
        return document.wrong(
            &head.below("swagger"),
            "is Swagger 2, which is not read: convert it to OpenAPI 3.1 or 3.0",
        );
    }
    let there = head.below("openapi");
    let Some(Value::String(version)) = object.get("openapi") else {
        return document.wrong(&there, "must be \"3.1.0\" or \"3.0.3\", say, in quotes");
    };
    let mut parts = version.split('.');
    let dialect = match (parts.next(), parts.next()) {
        (Some("3"), Some("0")) => return Ok(Dialect::Old),
        (Some("3"), Some("1")) => Dialect::Json,
        _ => {
            return document.wrong(
                &there,
                "is a version that is not read: it must be 3.0 or 3.1",
            );
        }
    };
    match object.get("jsonSchemaDialect") {
        None => Ok(dialect),
        Some(Value::String(name)) if DIALECTS.contains(&name.trim_end_matches('#')) => Ok(dialect),
        Some(_) => document.wrong(
            &head.below("jsonSchemaDialect"),
            "is not read: leave it out, which means JSON Schema 2020-12",
        ),
    }
}

/// Adds a path that is none of those that are there.
fn add(
    document: &Document<'_>,
    at: &Place,
    path: Path,
    paths: &mut Vec<Path>,
) -> Result<(), Wrong> {
    if paths
        .iter()
        .any(|known| known.template.same_as(&path.template))
    {
        return document.wrong(
            at,
            "is a path that stands there already, with other names: put the two together",
        );
    }
    let operations: usize = paths.iter().map(|path| path.operations.len()).sum();
    if operations + path.operations.len() > OPERATIONS_MAX {
        return document.wrong(
            at,
            format!(
                "there are more than {OPERATIONS_MAX} operations: describe less in one service"
            ),
        );
    }
    paths.push(path);
    Ok(())
}

fn path<'a>(
    document: &Document<'a>,
    at: &Place,
    text: &str,
    item: &'a Value,
    find: &mut Find<'_, 'a>,
    places: &mut Vec<Place>,
) -> Result<Path, Wrong> {
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(why) => return document.wrong(at, why),
    };
    let Some(object) = document.object(at, Some(item))? else {
        return document.wrong(at, "must be an object");
    };
    let mut operations = Vec::new();
    for (name, value) in object {
        let there = at.below(name);
        match method(name).filter(|_| name.bytes().all(|b| b.is_ascii_lowercase())) {
            Some(method) => {
                let Some(own) = document.object(&there, Some(value))? else {
                    continue;
                };
                let both = [(at, object), (&there, own)];
                let parameters = parameters(document, both, &template, find, places)?;
                operations.push(Operation {
                    name: format!("{method} {text}").into(),
                    method,
                    parameters,
                    body: body(document, &there, own, find)?,
                    answers: answers(document, &there, own, find)?,
                });
            }
            None if name == "$ref" => {
                return document.wrong(
                    &there,
                    "a path that stands elsewhere is not read: put it here",
                );
            }
            None if BESIDE.contains(&name.as_str()) || name.starts_with("x-") => {}
            None => {
                return document.wrong(
                    &there,
                    "is no method: get, put, post, delete, options, head, patch or trace",
                );
            }
        }
    }
    Ok(Path {
        template,
        operations,
    })
}

/// The parameters of a path and of an operation, which go before.
fn parameters<'a>(
    document: &Document<'a>,
    both: [(&Place, &'a Map<String, Value>); 2],
    template: &Template,
    find: &mut Find<'_, 'a>,
    places: &mut Vec<Place>,
) -> Result<Vec<Parameter>, Wrong> {
    let mut found: Vec<(Parameter, Place)> = Vec::new();
    let [_, (operation, _)] = both;
    for (at, object) in both {
        let there = at.below("parameters");
        let list = document.list(&there, object.get("parameters"))?;
        let mut own: Vec<(Parameter, Place)> = Vec::new();
        for (number, value) in list.into_iter().flatten().enumerate() {
            let (place, object) = document.resolved(&there.item(number), value)?;
            let Some(parameter) = Parameter::read(document, &place, object, find)? else {
                continue;
            };
            let same = |known: &Parameter| {
                known.name == parameter.name && known.within == parameter.within
            };
            if own.iter().any(|(known, _)| same(known)) {
                return document.wrong(
                    &there.item(number),
                    "is a parameter that stands there already",
                );
            }
            found.retain(|(known, _)| !same(known));
            own.push((parameter, place));
        }
        found.append(&mut own);
    }
    if found.len() > PARAMETERS_MAX {
        return document.wrong(
            operation,
            format!("has more than {PARAMETERS_MAX} parameters"),
        );
    }
    for name in template.names() {
        let named = |known: &Parameter| known.within == In::Path && known.name == name;
        if !found.iter().any(|(known, _)| named(known)) {
            return document.wrong(
                operation,
                format!("`{{{name}}}` is no parameter of it: add one with `in: path`"),
            );
        }
    }
    let path = found.iter().filter(|(known, _)| known.within == In::Path);
    for (known, place) in path {
        if !template.names().any(|name| name == known.name) {
            return document.wrong(
                place,
                format!("there is no `{{{}}}` in the path", known.name),
            );
        }
    }
    let (parameters, mut at): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    places.append(&mut at);
    Ok(parameters)
}

/// Decides how the text of each parameter is read.
fn settle(
    document: &Document<'_>,
    paths: &mut [Path],
    places: &[Place],
    schemas: &Schemas,
) -> Result<(), Wrong> {
    let operations = paths.iter_mut().flat_map(|path| &mut path.operations);
    let parameters = operations.flat_map(|operation| &mut operation.parameters);
    for (parameter, place) in parameters.zip(places) {
        if let Err(why) = parameter.settle(schemas) {
            return document.wrong(place, why);
        }
    }
    Ok(())
}

fn body<'a>(
    document: &Document<'a>,
    at: &Place,
    operation: &'a Map<String, Value>,
    find: &mut Find<'_, 'a>,
) -> Result<Taken, Wrong> {
    let Some(value) = operation.get("requestBody") else {
        return Ok(Taken::Nothing);
    };
    let (place, object) = document.resolved(&at.below("requestBody"), value)?;
    let media = media(
        document,
        &place.below("content"),
        object.get("content"),
        find,
    )?;
    if media.is_empty() {
        return document.wrong(&place.below("content"), "must name a content type");
    }
    let required = document.flag(&place.below("required"), object.get("required"), false)?;
    Ok(Taken::Of { media, required })
}

fn answers<'a>(
    document: &Document<'a>,
    at: &Place,
    operation: &'a Map<String, Value>,
    find: &mut Find<'_, 'a>,
) -> Result<Vec<Answers>, Wrong> {
    let there = at.below("responses");
    let written = document.object(&there, operation.get("responses"))?;
    let mut answers = Vec::new();
    for (status, value) in written.into_iter().flatten() {
        if status.starts_with("x-") {
            continue;
        }
        let Some(statuses) = Statuses::parse(status) else {
            return document.wrong(
                &there.below(status),
                "is no status: \"200\", \"4XX\" or \"default\"",
            );
        };
        let (place, object) = document.resolved(&there.below(status), value)?;
        let media = media(
            document,
            &place.below("content"),
            object.get("content"),
            find,
        )?;
        answers.push(Answers { statuses, media });
    }
    Ok(answers)
}
