//! The database: whether it can be reached, is whole, and has a form that this release understands. It is looked at and not changed.

use super::{Boundary, Finding, State};
use crate::settings::Policy;
use holdfast_store::db::{Database, DbError, Place, Seen};

const HERE: Boundary = Boundary::Storage;

/// Looks at the database that the policy names. A password that cannot be read is told where the secrets are.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    let Ok(place) = policy.store.place(&policy.data) else {
        return;
    };
    let shown = place.to_string();
    findings.push(match look(place) {
        Ok(seen) => {
            let seen = match seen {
                Seen::NoFile => "is not there yet: a host makes it when it starts".to_owned(),
                Seen::Bare => "is empty: a host makes its tables when it starts".to_owned(),
                Seen::Form(form) => format!("is whole, form {form}"),
            };
            Finding::new(HERE, "database", State::Ok, format!("{shown} {seen}"))
        }
        Err(why) => {
            let said = why.to_string();
            // The message says first what is wrong and then what to do.
            let (what, next) = match said.split_once("; ") {
                Some((what, next)) => (what, next),
                None => (said.as_str(), "see [store] of the policy"),
            };
            let text = format!("{shown}: {what}");
            Finding::new(HERE, "database", State::Fail, text).next(next)
        }
    });
}

fn look(place: Place) -> Result<Seen, DbError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DbError::Failing(error.to_string()))?;
    runtime.block_on(Database::look(place))
}
