//! Whatever is dropped into the directory, compiling it harms nobody.
//!
//! 1. The naive snippet: `cp plugin.wasm plugins/`.
//! 2. The missing rule: what a compiler may cost. Two megabytes can make it take thirty gigabytes, or minutes; an allocation that fails ends
//!    its process; a mistake in it would run with all that the host may do.
//! 3. The tax: a build machine apart, and an upload of what it made.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: each component is verified and compiled in a process of its own, which has nothing but its pipes, the lowest priority and
//!    a bound for everything; what it refuses, and what kills it, is one line.
//! 6. The checklist is below.

use crate::harness::{Bomb, Guest, Host, Setup, binary, rest, until};
use rustix::process::{Pid, Signal};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes a compiler seconds, and little memory.
const SLOW: Bomb = Bomb::Values {
    functions: 200,
    locals: 300,
    loops: 300,
};

/// Takes a compiler more than two gigabytes, and has not a hundred kilobytes itself.
const LARGE: Bomb = Bomb::Values {
    functions: 1,
    locals: 6_000,
    loops: 3_000,
};

fn host(policy: &str) -> Host {
    Setup::new()
        .service("hello", Guest::Service("hello"), "")
        .policy(policy)
        .start()
}

/// Ends the bystander, also where the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks the bystander without a pause while `change` happens; no call may fail.
fn undisturbed(host: &Host, change: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(host.get("/hello/").status, 200);
                // What compiles has the lowest priority: beside somebody who never rests it would not end in time.
                rest();
            }
        });
        let _end = End(&stop);
        change();
    });
}

fn drop_bytes(host: &Host, name: &str, bytes: &[u8]) {
    crate::harness::put(&host.plugins(), name, bytes, "");
}

/// The one line that says why `name` was not loaded.
fn refusal(host: &Host, name: &str) -> String {
    until(&format!("{name} to be refused"), || {
        let said = host.stderr();
        let begin = format!("{name}: not loaded");
        let mut lines = said.lines().filter(|line| line.contains(&begin));
        let line = lines.next()?.to_owned();
        assert_eq!(lines.next(), None, "{name} has more than one line");
        Some(line)
    })
}

#[test]
fn a_bomb_costs_one_line_and_the_line_names_the_limit() {
    for (limits, bomb, words) in [
        (
            "memory = \"256MiB\"",
            LARGE,
            "more memory than memory = \"256MiB\"",
        ),
        ("cpu = \"2s\"", SLOW, "more CPU time than cpu = \"2s\""),
        ("wall = \"4s\"", SLOW, "more time than wall = \"4s\""),
        (
            "output = \"1MiB\"",
            Bomb::Functions(100_000),
            "more machine code than output = \"1MiB\"",
        ),
    ] {
        let host = host(&format!("[compile]\n{limits}"));
        undisturbed(&host, || {
            drop_bytes(&host, "bomb", &bomb.bytes());
            let line = refusal(&host, "bomb");
            assert!(line.contains(words), "{limits}: {line}");
            assert!(line.contains("[compile] in holdfast.toml"), "{line}");
        });
        host.get("/bomb/").fault("no-such-service");
        // And the next one compiles.
        host.drop_in("next", Guest::Text("imports-unused"), "");
        until("the next to serve", || {
            (host.listed("next")?["state"] == "serving").then_some(())
        });
    }
}

#[test]
fn a_large_or_odd_form_is_served_or_has_its_line() {
    let host = host("");
    let before = resident(&host);
    let data = Bomb::Data(64 << 20);
    let odd = [
        ("data", data, None),
        ("functions", Bomb::Functions(100_000), None),
        ("nested", Bomb::Nested(5_000), None),
        ("types", Bomb::Types(90_000), None),
        ("memory", Bomb::Memory(65_536), Some("memory = 134217728")),
        ("doubled", Bomb::Doubled(60), Some("type size exceeds")),
        (
            "too-many",
            Bomb::Functions(1_100_000),
            Some("functions count"),
        ),
    ];
    undisturbed(&host, || {
        for (name, bomb, refused) in odd {
            drop_bytes(&host, name, &bomb.bytes());
            match refused {
                Some(words) => {
                    let line = refusal(&host, name);
                    assert!(line.contains(words), "{line}");
                }
                None => until(&format!("{name} to serve"), || {
                    let listed = host.listed(name)?;
                    assert_ne!(listed["state"], "failed", "{listed}");
                    (listed["state"] == "serving").then_some(())
                }),
            }
        }
    });
    // What serves is there once, and nothing is left of what was refused.
    let most = before + data.bytes().len() as u64 + BESIDE;
    until("the memory to be given back", || {
        // What an allocator keeps, it gives back while it is used.
        assert_eq!(host.get("/hello/").status, 200);
        (resident(&host) <= most).then_some(())
    });
}

/// What six other components and some thousand calls may leave, in bytes.
const BESIDE: u64 = 24 << 20;

/// The host's resident bytes.
fn resident(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid().as_raw_pid()));
    number(&status.unwrap(), "VmRSS:") << 10
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(key));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    value.unwrap().parse().unwrap()
}

#[test]
fn forty_damaged_files_at_once_have_a_line_each() {
    let host = host("");
    let whole = Guest::Service("hello").bytes();
    let text = b"(component)".to_vec();
    let core = wat::parse_str("(module)").unwrap();
    let mut damaged: Vec<Vec<u8>> = vec![Vec::new(), text, core, b"#!/bin/sh\n".to_vec()];
    let at = |part: usize| whole.len() * part / 20;
    damaged.extend((1..20).map(|part| whole[..at(part)].to_vec()));
    // Only in its types and its code: what is wrong in its data or in the names at the end cannot be known, and harms nobody.
    damaged.extend((1..16).map(|part| {
        let mut flipped = whole.clone();
        flipped[at(part)..at(part) + 8].fill(0xff);
        flipped
    }));
    damaged.push([whole.as_slice(), b"\0\xff\xff"].concat());
    damaged.push(vec![0; 1 << 20]);
    let names: Vec<_> = (0..damaged.len())
        .map(|number| format!("bad-{number}"))
        .collect();
    undisturbed(&host, || {
        for (name, bytes) in names.iter().zip(&damaged) {
            drop_bytes(&host, name, bytes);
        }
        std::fs::File::create(host.plugins().join("huge.wasm"))
            .unwrap()
            .set_len(200 << 20)
            .unwrap();
        for name in names.iter().map(String::as_str).chain(["huge"]) {
            let line = refusal(&host, name);
            assert!(
                !line.contains("panicked") && !line.contains("crash"),
                "{line}"
            );
        }
    });
    assert!(names.len() >= 40);
    assert!(refusal(&host, "huge").contains("more than 134217728 bytes"));
}

/// The process that compiles for the process `parent`, once there is one.
fn compiler_of(parent: i32) -> i32 {
    until("a compiling process", || {
        std::fs::read_dir("/proc").unwrap().find_map(|entry| {
            let name = entry.ok()?.file_name();
            let pid: i32 = name.to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let ours = number(&status, "PPid:") == u64::try_from(parent).unwrap();
            // Before it has confined itself it is not ready to be looked at.
            (ours && number(&status, "Seccomp:") == 2).then_some(pid)
        })
    })
}

#[test]
fn the_compiling_process_has_nothing_but_its_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("slow.wasm");
    std::fs::write(&component, SLOW.bytes()).unwrap();
    // A shell that leaves a file open for whatever it starts.
    let mut check = Command::new("sh")
        .args(["-c", "exec 9</etc/passwd; exec \"$0\" \"$@\""])
        .arg(binary())
        .args([Path::new("check"), &component])
        .current_dir(folder.path())
        .env("SECRET_OF_THE_HOST", "canary")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = compiler_of(check.id().cast_signed());
    let at = |file: &str| format!("/proc/{pid}/{file}");
    let descriptors: BTreeSet<_> = std::fs::read_dir(at("fd"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let target = std::fs::read_link(entry.path()).unwrap();
            (
                entry.file_name(),
                target.starts_with("pipe:") || target.to_string_lossy().starts_with("pipe:"),
            )
        })
        .collect();
    let pipes = ["0", "1", "2"].map(|number| (number.into(), true));
    assert!(
        descriptors.is_subset(&BTreeSet::from(pipes)),
        "{descriptors:?}"
    );
    let environment = std::fs::read(at("environ")).unwrap();
    assert_eq!(environment, b"MIMALLOC_ARENA_RESERVE=32MiB\0");
    assert_eq!(std::fs::read_link(at("cwd")).unwrap(), Path::new("/"));
    let status = std::fs::read_to_string(at("status")).unwrap();
    assert_eq!(number(&status, "NoNewPrivs:"), 1);
    let limits = std::fs::read_to_string(at("limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(limit("Max address space"), (4_u64 << 30).to_string());
    assert_eq!(limit("Max cpu time"), "300");
    for none in ["Max open files", "Max file size", "Max core file size"] {
        assert_eq!(limit(none), "0", "{none}");
    }
    let stat = std::fs::read_to_string(at("stat")).unwrap();
    let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16);
    assert_eq!(nice, Some("19"));
    check.kill().unwrap();
    check.wait().unwrap();
}

#[test]
fn a_host_that_dies_leaves_no_compiler_behind() {
    let mut host = host("");
    drop_bytes(&host, "slow", &SLOW.bytes());
    let compiler = compiler_of(host.pid().as_raw_pid());
    host.kill();
    until("the compiler to be gone", || {
        (!Path::new(&format!("/proc/{compiler}/status")).exists()).then_some(())
    });
}

#[test]
fn a_compiler_that_is_killed_costs_its_component_alone() {
    let host = host("");
    drop_bytes(&host, "slow", &SLOW.bytes());
    let compiler = Pid::from_raw(compiler_of(host.pid().as_raw_pid())).unwrap();
    rustix::process::kill_process(compiler, Signal::KILL).unwrap();
    assert!(refusal(&host, "slow").contains("the compiling process was killed"));
    assert_eq!(host.get("/hello/").status, 200);
}
