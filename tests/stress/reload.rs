//! The assumption: a new version is nothing special. So: many of them under load, and not one failed call, no memory kept, no file left open.

use crate::harness::{Guest, rest, scaled, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn reloads_under_load_cost_no_call_no_memory_and_no_file() {
    let host = crate::harness::Setup::new()
        .service("two", Guest::Case("wasi02"), "[env]\nVERSION = \"0\"")
        .start();
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // One in a hurry, three not: were all, the compiler, which is polite, would get nothing of a small machine.
        for hurried in [true, false, false, false] {
            let (host, stop, calls) = (&host, &stop, &calls);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = host.get("/two/ok");
                    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
                    calls.fetch_add(1, Ordering::Relaxed);
                    if !hurried {
                        rest();
                    }
                }
            });
        }
        let reloads = scaled(20, 1000);
        let mut settled = None;
        for version in 1..=reloads {
            // Another component each time, so that each is compiled, and its code let go of after it.
            let number = u32::try_from(version).unwrap();
            let manifest = format!("[env]\nVERSION = \"{version}\"");
            host.drop_in("two", Guest::Numbered("wasi02", number), &manifest);
            until("the new version to be served", || {
                (host.get("/two/env").text() == format!("VERSION={version}\n")).then_some(())
            });
            // What the first few reloads fill stays; after them nothing may grow.
            if version == reloads / 4 {
                settled = Some(host.weight());
            }
        }
        stop.store(true, Ordering::Relaxed);
        let (memory, files) = settled.expect("a first quarter");
        let (memory_after, files_after) = host.weight();
        assert!(
            memory_after < memory + memory / 4 + 32 * 1024,
            "memory went from {memory} to {memory_after} KiB"
        );
        assert!(
            files_after <= files + 16,
            "open files went from {files} to {files_after}"
        );
    });
    assert!(calls.into_inner() > 0);
    assert!(host.lines().iter().all(|line| line["outcome"] != "fault"));
}
