//! The audit log of the host, and what operators are told of it.

use super::key_bytes;
use crate::settings::Policy;
use holdfast_call::notice::Event as Happened;
use holdfast_call::{Level, Log, Notice, Notices, Sources};
use holdfast_rules::trail::Trail;
use holdfast_store::audit::{Event, Setup};
use holdfast_store::{Audit, AuditError, HostKey};
use std::sync::Arc;

/// Opens it. One that is damaged takes nothing, and nothing that would have to be in it is done; what changes nothing is served on.
///
/// # Errors
/// The disk does not let it be opened: nothing would be served until the next start.
pub(super) fn open(
    policy: &Policy,
    key: &HostKey,
    sources: &Sources,
    log: &Arc<dyn Log>,
    notices: &Arc<dyn Notices>,
) -> anyhow::Result<(Audit, Arc<Trail>)> {
    let (told, people) = (log.clone(), notices.clone());
    let setup = Setup {
        data: policy.data.clone(),
        copy: policy.audit.copy.clone(),
        budget_bytes: policy.audit.keep,
        keep_days: policy.audit.keep_days,
        clock: sources.clock.clone(),
        tell: Arc::new(move |event| {
            let (level, text) = words(&event);
            if matches!(event, Event::Failing(_) | Event::NotSigning(_)) {
                people.tell(unverifiable(&text));
            }
            told.host(level, text);
        }),
    };
    let audit = match Audit::open(setup, || key_bytes(sources)) {
        Ok(audit) => audit,
        Err(error @ (AuditError::Damaged(_) | AuditError::Key(_))) => {
            let text =
                format!("nothing can be changed, because the audit log takes nothing: {error}");
            notices.tell(unverifiable(&text));
            log.host(Level::Error, text);
            Audit::refusing(error)
        }
        Err(error) => anyhow::bail!("failed to open the audit log: {error}"),
    };
    let clock = sources.clock.clone();
    let trail = Trail::new(audit.clone(), key.bytes(), policy.audit.calls, clock);
    Ok((audit, Arc::new(trail)))
}

/// What the operator is told of a log that vouches for nothing.
fn unverifiable(text: &str) -> Notice {
    Notice {
        event: Happened::AuditUnverifiable,
        about: "audit".to_owned(),
        text: format!("{text}: see `holdfast audit verify`"),
    }
}

fn words(event: &Event) -> (Level, String) {
    match event {
        Event::Cut(cut) => {
            let text = format!(
                "the last {} bytes of the audit log ({}) were cut off: a host that died had begun to write them, and nobody was told that \
                 they were written",
                cut.bytes, cut.file
            );
            (Level::Warn, text)
        }
        Event::Failing(error) => (
            Level::Error,
            format!("calls are refused, because they cannot be put on record: {error}"),
        ),
        Event::Recovered => (Level::Info, "the audit log can be written again".to_owned()),
        Event::NotSigning(error) => (
            Level::Error,
            format!("the audit log is written, but not signed: {error}"),
        ),
        Event::Signing => (Level::Info, "the audit log is signed again".to_owned()),
        Event::NotCopying(why) => (
            Level::Error,
            format!("the copy of the audit log's checkpoints is not written: {why}"),
        ),
        Event::Copying => (
            Level::Info,
            "the copy of the audit log's checkpoints is written again".to_owned(),
        ),
    }
}
