//! Whoever is told what waits for a person: whether the operator's command is there to be run. What is posted goes through an upstream, which
//! is reached for with the others; nothing is sent.

use super::{Boundary, Finding, State};
use crate::settings::Policy;
use rustix::fs::{Access, access};

const HERE: Boundary = Boundary::Configuration;
const PROBE: &str = "notify";

/// Looks at what [notify] names.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    let notify = &policy.notify;
    if !notify.reaches_somebody() {
        let text = "nobody is told what waits for a person";
        let next = "write `url` or `command` into [notify], if somebody is to be";
        findings.push(Finding::new(HERE, PROBE, State::Ok, text).next(next));
        return;
    }
    if let Some(place) = &notify.place {
        let text = format!("{place}, through the upstream {}", place.upstream);
        let next = "`holdfast notify test` tells it something";
        findings.push(Finding::new(HERE, PROBE, State::Ok, text).next(next));
    }
    let Some(command) = &notify.command else {
        return;
    };
    let shown = command.program.display().to_string();
    let runs = match std::fs::metadata(&command.program) {
        Err(error) => Err(error.to_string()),
        Ok(about) if !about.is_file() => Err("is no file".to_owned()),
        Ok(_) => access(&command.program, Access::EXEC_OK).map_err(|error| error.to_string()),
    };
    findings.push(match runs {
        Ok(()) => Finding::new(HERE, PROBE, State::Ok, format!("{shown} can be run")),
        Err(why) => Finding::new(
            HERE,
            PROBE,
            State::Fail,
            format!("{shown} cannot be run: {why}"),
        )
        .next("see `command` of [notify]"),
    });
}
