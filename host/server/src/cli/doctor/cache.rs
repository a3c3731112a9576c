//! The compiled components that were kept: whether they are this user's alone, and how many there are.

use super::{Boundary, Finding, State};
use crate::settings::units::size_text;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const HERE: Boundary = Boundary::Storage;
/// What anybody but the owner may do with a file.
const OTHERS: u32 = 0o077;

/// Looks at the directory without opening what is in it: the host checks that itself.
pub(super) fn probe(data: &Path, findings: &mut Vec<Finding>) {
    findings.push(examine(&data.join("artifacts")));
}

/// Judges a directory of compiled components.
#[must_use]
pub fn examine(path: &Path) -> Finding {
    let shown = path.display();
    let finding = |state, text: String| Finding::new(HERE, "cache", state, text);
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return finding(
                State::Ok,
                format!("{shown} is not there yet: the first start compiles"),
            );
        }
        Err(error) => {
            return finding(State::Fail, format!("{shown}: {error}"))
                .next("mend the data directory");
        }
    };
    if !about.is_dir() {
        return finding(State::Fail, format!("{shown} is not a directory"))
            .next("take it away; it is made at the next start");
    }
    if let Some(why) = foreign(&about) {
        return finding(State::Fail, format!("{shown} {why}")).next(
            "take it away, or give it to the host's user: what is in it is run as machine code",
        );
    }
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            return finding(State::Fail, format!("{shown}: {error}"))
                .next("mend its mode: chmod 700");
        }
    };
    let (mut files, mut bytes, mut odd) = (0u64, 0u64, 0u64);
    for about in entries.flatten().filter_map(|entry| entry.metadata().ok()) {
        if about.is_file() && foreign(&about).is_none() && about.mode() & OTHERS == 0 {
            files += 1;
            bytes += about.len();
        } else {
            odd += 1;
        }
    }
    let text = format!("{files} compiled components, {}", size_text(bytes));
    if odd == 0 {
        return finding(State::Ok, text);
    }
    finding(
        State::Warn,
        format!("{text}; {odd} more are not private to this user, and will not be used"),
    )
    .next("take them away; they are compiled again")
}

fn foreign(about: &Metadata) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    (about.uid() != me).then(|| format!("belongs to user {}, not to {me}", about.uid()))
}
