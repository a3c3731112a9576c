//! A host that is killed, and one whose disk refuses to grow: both are processes of their own, which are this test's binary again.

use super::super::disk::Folder;
use super::super::{Audit, Setup, directory, verify};
use super::writer::{Ticking, record};
use super::*;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Says to a child what it works on; in the test itself it is not set.
const DATA: &str = "HOLDFAST_AUDIT_TEST_DATA";

fn child(test: &str, before: &str, data: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{before} exec \"$0\" --exact --nocapture \"$1\"");
    let this = std::env::current_exe().unwrap();
    let module = module_path!().split_once("::").unwrap().1;
    command
        .args(["-c", &script])
        .arg(this)
        .arg(format!("{module}::{test}"))
        .env(DATA, data);
    command
}

fn data() -> Option<PathBuf> {
    std::env::var_os(DATA).map(PathBuf::from)
}

fn audit(data: &Path) -> Audit {
    let setup = Setup {
        data: data.to_owned(),
        copy: Some(data.join("copy")),
        budget_bytes: u64::MAX,
        keep_days: u64::MAX,
        clock: Arc::new(Ticking::default()),
        tell: Arc::new(|_| {}),
    };
    Audit::open(setup, || [7; 32]).unwrap()
}

#[tokio::test]
async fn child_that_writes_for_ever() {
    let Some(data) = data() else { return };
    let audit = audit(&data);
    let start = names(&Folder(&directory(&data))).len();
    let writers = (0..8).map(|writer| tokio::spawn(write(audit.clone(), start, writer)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

async fn write(audit: Audit, start: usize, writer: usize) {
    for number in 0.. {
        let name = format!("{start}-{writer}-{number}");
        let seq = audit.durable(&record(&name)).await.unwrap();
        // In one piece, so that lines of two writers are not mixed.
        let line = format!("\nkept {seq} {name}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn every_record_that_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut acknowledged = BTreeSet::new();
    for round in 1..=5 {
        let mut command = child("child_that_writes_for_ever", "", &data);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            // The last line may be torn.
            let kept = line
                .strip_prefix("kept ")
                .and_then(|kept| kept.split_once(' '));
            if let Some((seq, name)) = kept.filter(|(_, name)| name.matches('-').count() == 2) {
                acknowledged.insert((seq.parse::<u64>().unwrap(), name.to_owned()));
            }
            if acknowledged.len() == round * 200 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let key = PublicKey::of_data(&data).unwrap();
        let report = verify(&directory(&data), &key, Some(&data.join("copy"))).unwrap();
        assert_eq!(report.found, None);
        let found: BTreeSet<_> = names(&Folder(&directory(&data))).into_iter().collect();
        let lost: Vec<_> = acknowledged
            .iter()
            // The last line of a child may have been torn within the name.
            .filter(|(seq, name)| {
                !found
                    .iter()
                    .any(|(at, whole)| at == seq && whole.starts_with(name))
            })
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    assert!(acknowledged.len() >= 1000);
}

#[tokio::test]
async fn child_whose_files_cannot_grow() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let Some(data) = data() else { return };
    let audit = audit(&data);
    let limit = |current| {
        let maximum = None;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    audit.durable(&record("before")).await.unwrap();
    limit(Some(1));
    for _ in 0..3 {
        let refused = audit.durable(&record("lost")).await;
        assert_eq!(refused, Err(AuditError::Full));
    }
    audit.soon(&record("held")).await.unwrap();
    assert_eq!(audit.going(), Err(AuditError::Full));
    limit(None);
    audit.durable(&record("after")).await.unwrap();
    assert_eq!(audit.going(), Ok(()));
    audit.close();
}

#[test]
fn a_write_that_the_system_refuses_is_not_acknowledged_and_it_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ignored = "trap '' XFSZ;";
    let output = child("child_whose_files_cannot_grow", ignored, &data).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
    let found: Vec<_> = names(&Folder(&directory(&data))).into_values().collect();
    assert_eq!(found, ["before", "held", "after"]);
    let key = PublicKey::of_data(&data).unwrap();
    let report = verify(&directory(&data), &key, Some(&data.join("copy"))).unwrap();
    assert_eq!(
        (report.found, report.signed),
        (None, Some(report.records - 1))
    );
}
