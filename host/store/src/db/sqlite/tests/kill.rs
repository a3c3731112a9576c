//! A host that is killed, and one whose disk refuses to grow: both are processes of their own, which are this test's binary again.

use super::{keep, kept, open};
use crate::db::{Database, DbError};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says to a child what it works on; in the test itself it is not set.
const DATA: &str = "HOLDFAST_STORE_TEST_DATA";

/// The command that runs one test of this binary in a shell, after `before`.
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

#[tokio::test]
async fn child_that_writes_for_ever() {
    let Some(data) = data() else { return };
    let database = open(&data).await.unwrap();
    let start = kept(&database).await.unwrap().len();
    let writers = (0..8).map(|writer| tokio::spawn(write(database.clone(), start, writer)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

async fn write(database: Database, start: usize, writer: usize) {
    for number in 0.. {
        let id = format!("{start}-{writer}-{number}");
        keep(&database, &id).await.unwrap();
        // In one piece, so that lines of two writers are not mixed.
        let line = format!("\nkept {id}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn every_row_that_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut acknowledged = BTreeSet::new();
    for round in 1..=5 {
        let mut command = child("child_that_writes_for_ever", "", &data);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines {
            let line = line.unwrap();
            // The last line may be torn.
            if let Some(id) = line.strip_prefix("kept ").filter(|id| id.contains('-')) {
                acknowledged.insert(id.to_owned());
            }
            if acknowledged.len() == round * 100 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let database = open(&data).await.unwrap();
        let found: BTreeSet<_> = kept(&database).await.unwrap().into_iter().collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    assert!(acknowledged.len() >= 500);
}

#[tokio::test]
async fn child_whose_files_cannot_grow() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let Some(data) = data() else { return };
    let database = open(&data).await.unwrap();
    let limit = |current| {
        let maximum = None;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    let log = data.join("holdfast.db-wal");
    keep(&database, "before").await.unwrap();
    limit(Some(std::fs::metadata(&log).unwrap().len()));
    let refused = keep(&database, "lost").await;
    assert!(matches!(refused, Err(DbError::Ambiguous(_))), "{refused:?}");
    limit(Some(1));
    for _ in 0..3 {
        let refused = keep(&database, "lost").await;
        assert!(matches!(refused, Err(DbError::Failing(_))), "{refused:?}");
    }
    limit(None);
    keep(&database, "after").await.unwrap();
    assert_eq!(kept(&database).await.unwrap(), ["after", "before"]);
}

#[tokio::test]
async fn a_write_that_the_system_refuses_is_not_acknowledged_and_it_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ignored = "trap '' XFSZ;";
    let output = child("child_whose_files_cannot_grow", ignored, &data).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    let database = open(&data).await.unwrap();
    assert_eq!(kept(&database).await.unwrap(), ["after", "before"]);
}
