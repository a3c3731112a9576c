//! The disk under the data directory: room, and whether what was written and synced is kept.

use super::{Boundary, Finding, State};
use crate::settings::units::size_text;
use holdfast_call::Clock as _;
use holdfast_rules::clock::HostClock;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const HERE: Boundary = Boundary::Storage;
const MIB: u64 = 1 << 20;
/// With less, not even one component's machine code can be kept.
const FREE_LEAST: u64 = 64 * MIB;
/// The cache of compiled components alone may grow to four times this.
const FREE_ENOUGH: u64 = 1024 * MIB;
/// A disk that takes longer for one sync slows whatever waits for it.
const SYNC_USUAL: Duration = Duration::from_millis(200);

/// Probes the directory, or where it will be made.
pub(super) fn probe(data: &Path, findings: &mut Vec<Finding>) {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let Some(there) = absolute.ancestors().find(|path| path.exists()) else {
        return;
    };
    if !there.is_dir() {
        let text = format!("{} is not a directory", there.display());
        let next = "take it away, or name another data directory (data in the policy, --data)";
        findings.push(Finding::new(HERE, "disk", State::Fail, text).next(next));
        return;
    }
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            findings.push(room(&data.display().to_string(), free));
        }
        Err(error) => {
            let text = format!(
                "the room left on {} cannot be read: {error}",
                there.display()
            );
            findings.push(Finding::new(HERE, "disk", State::Warn, text));
        }
    }
    findings.push(written(there));
}

/// Judges the room that is left.
#[must_use]
pub fn room(data: &str, free: u64) -> Finding {
    let state = match free {
        0..FREE_LEAST => State::Fail,
        FREE_LEAST..FREE_ENOUGH => State::Warn,
        FREE_ENOUGH.. => State::Ok,
    };
    let text = format!("{data}: {} are free", size_text(free / MIB * MIB));
    let finding = Finding::new(HERE, "disk", state, text);
    match state {
        State::Ok => finding,
        State::Warn | State::Fail => finding.next(format!(
            "make room: below {} nothing can be kept, below {} the cache of compiled components has little",
            size_text(FREE_LEAST),
            size_text(FREE_ENOUGH)
        )),
    }
}

/// Writes a small file, syncs it, and takes it away.
fn written(there: &Path) -> Finding {
    let clock = HostClock::start();
    let probe = there.join(format!(".holdfast-doctor-{}", std::process::id()));
    let begin = clock.now();
    let done = sync(&probe);
    let took = clock.now().since(begin);
    // What could not be made need not be taken away.
    let _ = std::fs::remove_file(&probe);
    match done {
        Ok(()) => synced(took),
        Err(error) => {
            let text = format!("{} cannot be written: {error}", there.display());
            let next = "give it to the host's user (chown), or name another data directory";
            Finding::new(HERE, "sync", State::Fail, text).next(next)
        }
    }
}

fn sync(probe: &Path) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(probe)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()
}

/// Judges how long a sync took.
#[must_use]
pub fn synced(took: Duration) -> Finding {
    let text = format!("4 KiB were written and synced in {} ms", took.as_millis());
    if took <= SYNC_USUAL {
        return Finding::new(HERE, "sync", State::Ok, text);
    }
    Finding::new(HERE, "sync", State::Warn, text).next("put the data directory on a faster disk")
}
