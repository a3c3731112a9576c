//! Single routes that are open to everybody: those that both files name.

use super::Merge;
use crate::settings::excess::{Change, Excess};
use crate::settings::host::Anonymous;
use holdfast_rules::method_path::MethodPath;

impl Merge<'_> {
    /// The routes that are open although the service is not, and the wishes for more of them. Where it serves everybody they say nothing.
    pub(super) fn public(&mut self, all: Anonymous) -> (Vec<MethodPath>, Vec<Excess>) {
        let (asked, allowed) = (&self.manifest.public_routes, &self.allowed.public_routes);
        if all == Anonymous::Allow {
            return (Vec::new(), Vec::new());
        }
        let own = self.own("public_routes");
        let mut open: Vec<MethodPath> = Vec::new();
        for route in asked {
            // What one of them names as a whole and the other in part is open in that part.
            let within = allowed
                .iter()
                .filter_map(|other| match other.covers(route) {
                    true => Some(route),
                    false => route.covers(other).then_some(other),
                });
            for route in within {
                if !open.contains(route) {
                    open.push(route.clone());
                }
            }
        }
        let mut wishes = Vec::new();
        for route in asked {
            if allowed.iter().any(|other| other.covers(route)) {
                continue;
            }
            let wish = self.beyond(
                "public_routes",
                &own,
                format!("`{route}` to be open to everybody"),
                format!("[services.{}] does not allow it", self.manifest.name),
                Change::Public(route.clone()),
            );
            self.notes.push(format!(
                "{wish}; it is closed until then: holdfast allow {}",
                self.manifest.name
            ));
            wishes.push(wish);
        }
        let shown: Vec<_> = open.iter().map(ToString::to_string).collect();
        if !shown.is_empty() {
            self.row("public_routes", shown.join(", "), self.policy.origin(&own));
        }
        (open, wishes)
    }
}
