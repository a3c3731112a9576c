//! `[contract]` of a manifest: what describes a plain HTTP service, and what is checked by it.

use crate::settings::manifest::Manifest;
use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::source::join;
use holdfast_rules::contract::described::Described;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a document, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// `[contract]`, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenContract {
    pub(crate) safe: Vec<String>,
    pub(crate) openapi: Option<String>,
    pub(crate) check: Option<String>,
    pub(crate) routes: BTreeMap<String, WrittenRoute>,
}

/// `[contract.routes."METHOD /path"]`, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenRoute {
    pub(crate) request: Option<String>,
    pub(crate) answer: Option<String>,
}

/// What describes a service, and what is checked by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Where it stands.
    pub by: DescribedBy,
    /// What is checked.
    pub checks: Checks,
}

/// Where a description stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescribedBy {
    /// In an OpenAPI document.
    OpenApi(String),
    /// In the manifest, with JSON Schemas for the bodies.
    Routes(BTreeMap<String, Bodies>),
}

/// The documents of a route's bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    /// That of a request.
    pub request: Option<String>,
    /// That of an answer.
    pub answer: Option<String>,
}

/// What is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// Requests.
    #[default]
    Requests,
    /// Requests and answers.
    Both,
}

impl Checks {
    /// The word of the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Both => "both",
        }
    }

    fn parse(word: &str) -> Result<Self, String> {
        match word {
            "requests" => Ok(Self::Requests),
            "both" => Ok(Self::Both),
            _ => Err("must be \"requests\" or \"both\"".to_owned()),
        }
    }
}

/// Reads the table.
pub(crate) fn read(written: WrittenContract, reader: &mut Reader<'_>) -> Option<Description> {
    let WrittenContract {
        safe: _,
        openapi,
        check,
        routes,
    } = written;
    let checked = check.as_deref().map(Checks::parse);
    let checks = checked.and_then(|check| reader.take("contract.check", check));
    let by = match (openapi, routes.is_empty()) {
        (Some(_), false) => {
            reader.wrong(
                "contract.routes",
                "stands beside `openapi`: describe the service in one of the two",
            );
            return None;
        }
        (Some(name), true) => {
            let name = reader.take("contract.openapi", document(&name))?;
            DescribedBy::OpenApi(name)
        }
        (None, false) => DescribedBy::Routes(read_routes(routes, reader)),
        (None, true) => {
            if check.is_some() {
                reader.wrong(
                    "contract.check",
                    "has nothing to check by: name a document in `openapi`, or routes",
                );
            }
            return None;
        }
    };
    Some(Description {
        by,
        checks: checks.unwrap_or_default(),
    })
}

fn read_routes(
    written: BTreeMap<String, WrittenRoute>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, Bodies> {
    let mut routes = BTreeMap::new();
    for (name, route) in written {
        let key = join("contract.routes", &name);
        if reader.take(&key, Described::route(&name)).is_none() {
            continue;
        }
        let mut take = |word: &str, name: Option<String>| {
            name.and_then(|name| reader.take(&join(&key, word), document(&name)))
        };
        let bodies = Bodies {
            request: take("request", route.request),
            answer: take("answer", route.answer),
        };
        routes.insert(name, bodies);
    }
    routes
}

/// The name of a document: a path from the plugin directory into it.
fn document(name: &str) -> Result<String, String> {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    let known = [".json", ".yaml", ".yml"]
        .iter()
        .any(|end| name.ends_with(end));
    if name.len() > NAME_BYTES_MAX
        || name.chars().any(char::is_control)
        || !name.split('/').all(plain)
    {
        return Err("must be the path of a file beside the manifest, such as \"orders.openapi.yaml\": no `..`, nothing absolute, nothing hidden".to_owned());
    }
    if !known {
        return Err("must end in .json, .yaml or .yml".to_owned());
    }
    Ok(name.to_owned())
}

impl Description {
    /// The names of its documents.
    fn documents(&self) -> BTreeSet<String> {
        match &self.by {
            DescribedBy::OpenApi(name) => BTreeSet::from([name.clone()]),
            DescribedBy::Routes(routes) => {
                let bodies = routes.values();
                let named = bodies.flat_map(|bodies| [&bodies.request, &bodies.answer]);
                named.flatten().cloned().collect()
            }
        }
    }
}

/// The documents that a manifest names; none, where it is wrong: that is said by whoever loads it.
#[must_use]
pub fn documents_of(manifest: &str) -> BTreeSet<String> {
    // The directory is looked at every two seconds, and most manifests name none.
    if !manifest.contains("contract") {
        return BTreeSet::new();
    }
    let name = Name::parse("any");
    let read = name.map(|name| Manifest::parse(name, "any.toml", manifest));
    let description = read.ok().and_then(|read| read.ok()?.description);
    description.map_or_else(BTreeSet::new, |description| description.documents())
}
