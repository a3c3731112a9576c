//! What a manifest has the host ask of its service. The service is asked nothing that it could not do itself, so the policy need not allow it.

use super::Merge;
use crate::settings::source::join;
use holdfast_rules::schedule::Missed;

impl Merge<'_> {
    pub(super) fn schedules(&mut self) {
        for schedule in &self.manifest.schedules {
            let key = join("schedule", &schedule.name);
            let rows = [
                ("when", schedule.when.to_string()),
                ("operation", schedule.operation.to_string()),
                ("overlap", schedule.overlap.as_str().to_owned()),
                (
                    "catch_up",
                    (schedule.missed == Missed::MadeUpFor).to_string(),
                ),
            ];
            for (name, value) in rows {
                let key = join(&key, name);
                // `when` is written as one of two keys.
                let written = match name {
                    "when" => key.trim_end_matches(".when").to_owned(),
                    _ => key.clone(),
                };
                let origin = self.of_manifest(&written);
                self.row(key, value, origin);
            }
        }
    }
}
