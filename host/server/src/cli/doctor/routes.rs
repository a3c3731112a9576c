//! Who is found where: two services that want one route cannot both be served.

use super::{Boundary, Finding, State};
use crate::settings::{Manifest, Name, Route};
use std::collections::BTreeMap;

/// Compares the claims of all manifests.
pub(super) fn probe(manifests: &[Manifest], findings: &mut Vec<Finding>) {
    let mut claims: BTreeMap<Route, Vec<&Name>> = BTreeMap::new();
    for manifest in manifests {
        if manifest.routes.is_empty() {
            let route = Route::of_name(manifest.name.as_str());
            claims.entry(route).or_default().push(&manifest.name);
        }
        for route in &manifest.routes {
            claims
                .entry(route.clone())
                .or_default()
                .push(&manifest.name);
        }
    }
    let before = findings.len();
    for (route, names) in claims.iter().filter(|(_, names)| names.len() > 1) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let text = format!("{route} is claimed by {}", names.join(" and "));
        let next = "change `routes` in all manifests but one: the one loaded later is refused";
        findings.push(Finding::new(Boundary::Routing, "routes", State::Fail, text).next(next));
    }
    if findings.len() == before {
        let text = format!("{} routes, no two the same", claims.len());
        findings.push(Finding::new(Boundary::Routing, "routes", State::Ok, text));
    }
}
