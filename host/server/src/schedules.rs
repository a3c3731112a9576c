//! What is on schedules, as an operator sees it: of all hosts that share the database.

use crate::control::words::ScheduleLine;
use crate::queues::Schedules;
use holdfast_call::{Pipeline, Target};
use holdfast_rules::schedule::Schedule;
use holdfast_store::db::Database;
use holdfast_store::schedules::{self, ScheduleRow};
use std::collections::BTreeMap;

/// Every schedule of the services that are loaded.
///
/// # Errors
/// What is known of them cannot be read.
pub async fn list(pipeline: &Pipeline, database: &Database) -> Result<Vec<ScheduleLine>, String> {
    let rows = schedules::list(database).await;
    let rows = rows.map_err(|error| format!("failed to {error}"))?;
    let rows: BTreeMap<(String, String), ScheduleRow> = rows
        .into_iter()
        .map(|row| ((row.service.clone(), row.name.clone()), row))
        .collect();
    let mut lines = Vec::new();
    for registered in pipeline.registry().all() {
        let (Target::Service(service), Some(Schedules(all))) =
            (&registered.target, registered.settings.get::<Schedules>())
        else {
            continue;
        };
        for schedule in &**all {
            let name = (service.to_string(), schedule.name.to_string());
            lines.push(line(service, schedule, rows.get(&name)));
        }
    }
    lines.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
    Ok(lines)
}

fn line(service: &str, schedule: &Schedule, row: Option<&ScheduleRow>) -> ScheduleLine {
    let last = row.map(|row| row.last_ms);
    let next = last.and_then(|last| schedule.when.after(last));
    let of = |count: fn(&ScheduleRow) -> u64| row.map_or(0, count);
    ScheduleLine {
        service: service.to_owned(),
        name: schedule.name.to_string(),
        when: schedule.when.to_string(),
        operation: schedule.operation.to_string(),
        next_ms: next.map(i64::unsigned_abs),
        fired: of(|row| row.fired),
        skipped: of(|row| row.skipped),
        missed: of(|row| row.missed),
    }
}
