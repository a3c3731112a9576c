//! `[schedule.NAME]` of a manifest: what the host asks of the service by itself, and when.

use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::source::join;
use crate::settings::units::Raw;
use holdfast_rules::method_path::MethodPath;
use holdfast_rules::schedule::{Missed, Overlap, Schedule, When};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many schedules a service has at most.
const SCHEDULES_MAX: usize = 32;
/// The time zone of a line of cron that names none.
const ZONE: &str = "UTC";

/// `[schedule.NAME]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenSchedule {
    cron: Option<String>,
    every: Option<Raw>,
    zone: Option<String>,
    operation: Option<String>,
    overlap: Option<String>,
    catch_up: bool,
}

/// Reads them. Whether a function is one, the component says.
pub(super) fn check(
    written: BTreeMap<String, WrittenSchedule>,
    reader: &mut Reader<'_>,
) -> Vec<Schedule> {
    if written.len() > SCHEDULES_MAX {
        let message = format!("has {} schedules; at most {SCHEDULES_MAX}", written.len());
        reader.wrong("schedule", message);
    }
    let mut schedules = Vec::new();
    for (name, written) in written {
        let key = join("schedule", &name);
        let name = reader.take(&key, Name::parse(&name));
        let schedule = one(written, &key, reader);
        if let (Some(name), Some(schedule)) = (name, schedule) {
            schedules.push(Schedule {
                name: name.shared(),
                ..schedule
            });
        }
    }
    schedules
}

fn one(written: WrittenSchedule, key: &str, reader: &mut Reader<'_>) -> Option<Schedule> {
    let own = |name: &str| join(key, name);
    let when = match (&written.cron, &written.every) {
        (Some(cron), None) => {
            let zone = written.zone.as_deref().unwrap_or(ZONE);
            reader.take(&own("cron"), When::cron(cron, zone))
        }
        (None, Some(every)) => {
            if written.zone.is_some() {
                reader.wrong(
                    &own("zone"),
                    "is for `cron`: an interval is the same everywhere",
                );
            }
            let span = every.nanos().map(Duration::from_nanos);
            reader.take(&own("every"), span.and_then(When::every))
        }
        (Some(_), Some(_)) | (None, None) => {
            reader.wrong(key, "needs one of `cron` and `every`, and not both");
            None
        }
    };
    let overlap = written.overlap.as_deref().map(|word| {
        let wrong = || {
            format!(
                "`{}` is neither \"skip\" nor \"queue\"",
                word.escape_debug()
            )
        };
        Overlap::parse(word).ok_or_else(wrong)
    });
    let overlap = overlap.map(|overlap| reader.take(&own("overlap"), overlap));
    let Some(operation) = written.operation else {
        let message = "needs `operation`: \"POST /path\", or \"INTERFACE/FUNCTION\"";
        reader.wrong(key, message);
        return None;
    };
    let operation = reader.take(&own("operation"), asked(&operation));
    Some(Schedule {
        name: "".into(),
        when: when?,
        operation: operation?.into(),
        overlap: match overlap {
            None => Overlap::default(),
            Some(read) => read?,
        },
        missed: match written.catch_up {
            true => Missed::MadeUpFor,
            false => Missed::Counted,
        },
    })
}

/// What is asked for.
fn asked(text: &str) -> Result<String, String> {
    match text.contains(' ') {
        true if text.ends_with("/...") => {
            Err("is one path, and not all that lie under one".to_owned())
        }
        true => MethodPath::parse(text).map(|path| path.to_string()),
        false => super::manifest::function(text),
    }
}
