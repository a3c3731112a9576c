//! Which boundary failed: each is made to fail in every way that there is today, and the host says which one it was.
//!
//! Whoever is called at night first asks where to look. A host that sends the authors of a service after what its upstream did, or its
//! operator after a service's bug, costs more than one that says nothing. So what is said is compared with what was done, in a table of
//! both (`make verdicts` prints it), and what the host or the outside has done is never blamed on a service.

// What was done, what was said, and both in one table.
mod matrix;
// The boundaries, in the order in which a call comes to them.
mod application;
mod caller;
mod configuration;
mod lifecycle;
mod platform;
mod policy;
mod routing;
mod storage;
mod upstream;

use crate::harness::Host;
use matrix::{Matrix, Row};
use serde_json::Value;

/// The least number of causes, and how many of a hundred must be judged rightly.
const CAUSES_MIN: usize = 60;
const RIGHT_PERCENT_MIN: usize = 95;

/// One way to make a call fail: its name, the code it ends with, and how it is done. It gives the closing line of the call.
type Cause<B> = (&'static str, &'static str, fn(&B) -> Value);

/// What was said of each of `causes`, whose boundary in truth is `truth`.
fn injected<B>(truth: &'static str, bed: &B, causes: &[Cause<B>]) -> Vec<Row> {
    let row = |(name, code, inject): &Cause<B>| Row::new(name, truth, code, &inject(bed));
    causes.iter().map(row).collect()
}

/// The same for causes that are the path of a request; each with the code of its call.
fn asked(truth: &'static str, host: &Host, paths: &[(&str, &'static str)]) -> Vec<Row> {
    let row = |(path, code): &(&str, &'static str)| Row::new(path, truth, code, &got(host, path));
    paths.iter().map(row).collect()
}

/// The closing line of a request for `path`.
fn got(host: &Host, path: &str) -> Value {
    host.closing(host.get(path).call())
}

/// The closing line of the last call that a request for `path` led to.
fn led_to(host: &Host, path: &str) -> Value {
    let answer = host.get(path);
    let id = answer.call();
    host.closing(id);
    host.children(id, 1).pop().unwrap()
}

#[test]
fn the_boundary_that_failed_is_the_one_that_is_named() {
    let groups: [fn() -> Vec<Row>; 9] = [
        caller::rows,
        routing::rows,
        configuration::rows,
        lifecycle::rows,
        policy::rows,
        application::rows,
        upstream::rows,
        storage::rows,
        platform::rows,
    ];
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    std::thread::scope(|scope| {
        for group in groups.map(|group| scope.spawn(group)) {
            match group.join() {
                Ok(more) => rows.extend(more),
                Err(panic) => broken.push(panic),
            }
        }
    });
    let matrix = Matrix::of(&rows);
    matrix.print();
    // What one group could not do is no reason to say nothing of the others.
    if let Some(panic) = broken.pop() {
        std::panic::resume_unwind(panic);
    }
    assert!(rows.len() >= CAUSES_MIN, "{} causes", rows.len());
    let wrong = matrix.wrong();
    assert!(
        (rows.len() - wrong.len()) * 100 >= rows.len() * RIGHT_PERCENT_MIN,
        "{wrong:#?}"
    );
    let slandered: Vec<_> = wrong.iter().filter(|row| row.slanders()).collect();
    assert!(slandered.is_empty(), "{slandered:#?}");
    // A code is a promise of its own.
    let codes: Vec<_> = rows.iter().filter(|row| !row.ends_rightly()).collect();
    assert!(codes.is_empty(), "{codes:#?}");
}
