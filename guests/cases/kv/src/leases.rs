//! Takes leases and numbers, one way a path, and says what became of it.

use crate::asked::Asked;
use crate::wasi::keyvalue::store::{self, Bucket, Error as StoreError};
use std::thread::sleep;
use std::time::Duration;

mod leased {
    wit_bindgen::generate!({
        inline: "
            package cases:leased;
            world leased { import holdfast:host/leases@0.1.0; }
        ",
        path: "../../../wit/leases.wit",
        generate_all,
    });
}

mod numbered {
    wit_bindgen::generate!({
        inline: "
            package cases:numbered;
            world numbered { import holdfast:host/ids@0.1.0; }
        ",
        path: "../../../wit/ids.wit",
        generate_all,
    });
}

use leased::holdfast::host::leases::{Error, Lease, acquire};
use numbered::holdfast::host::ids;

/// What became of it, in words; none, if it is none of these.
pub fn said(asked: &Asked) -> Option<String> {
    let given = match asked.path.as_str() {
        "/id" => Ok(ids::next()),
        "/number" => Ok(match ids::sequence(asked.key()) {
            Ok(number) => number.to_string(),
            Err(failure) => format!("{}: {}", failure.code, failure.detail),
        }),
        "/lease" => held(asked),
        "/lease-twice" => twice(asked),
        "/lease-renewed" => renewed(asked),
        "/lease-many" => many(asked),
        "/count" => counted(asked),
        _ => return None,
    };
    Some(given.unwrap_or_else(|error| match error {
        Error::Held(left) => format!("held {left}"),
        Error::Lost => "lost".to_owned(),
        Error::Failed(failure) => format!("{}: {}", failure.code, failure.detail),
    }))
}

fn lease(asked: &Asked) -> Result<Lease, Error> {
    let ttl = asked.number("ttl").and_then(|ttl| u64::try_from(ttl).ok());
    acquire(asked.key(), ttl)
}

/// Writes before and after a while, under one lease; with `end=trap`, does not get so far.
fn held(asked: &Asked) -> Result<String, Error> {
    let lease = lease(asked)?;
    let fence = lease.fence();
    let before = wrote(asked.text("before"));
    wait(asked.number("wait"));
    assert!(asked.text("end") != "trap", "it was asked for");
    let after = wrote(asked.text("after"));
    let released = match asked.text("end") {
        "release" => match lease.release() {
            Ok(()) => "released",
            Err(_) => "not released",
        },
        _ => "kept",
    };
    Ok(format!("{fence}: {before}, {after}, {released}"))
}

/// Takes it again while it is held, and once it is not.
fn twice(asked: &Asked) -> Result<String, Error> {
    let first = lease(asked)?;
    let again = match lease(asked) {
        Ok(_) => "twice",
        Err(Error::Held(_)) => "held",
        Err(other) => return Err(other),
    };
    first.release()?;
    let late = match first.renew() {
        Ok(()) => "renewed",
        Err(Error::Lost) => "lost",
        Err(other) => return Err(other),
    };
    let second = lease(asked)?;
    let more = second.fence() > first.fence();
    drop(second);
    let third = lease(asked)?;
    Ok(format!("{again} {late} {more} {}", third.fence()))
}

/// Holds on to it for longer than its time.
fn renewed(asked: &Asked) -> Result<String, Error> {
    let lease = lease(asked)?;
    for _ in 0..asked.number("rounds").unwrap_or(0) {
        wait(asked.number("wait"));
        lease.renew()?;
    }
    Ok(wrote(asked.text("after")))
}

/// Holds many at the same time.
fn many(asked: &Asked) -> Result<String, Error> {
    let mut all = Vec::new();
    for number in 0..asked.number("count").unwrap_or(0) {
        all.push(acquire(&format!("l{number}"), None)?);
    }
    Ok(all.len().to_string())
}

/// Reads a number and writes the next one: as two steps, which only a lease makes one.
fn counted(asked: &Asked) -> Result<String, Error> {
    let lease = lease(asked)?;
    let next = || -> Result<String, StoreError> {
        let bucket = store::open("")?;
        let there = bucket.get("n")?.unwrap_or_default();
        let there = String::from_utf8_lossy(&there).parse().unwrap_or(0_u64);
        wait(asked.number("wait"));
        let next = (there + 1).to_string();
        bucket.set("n", next.as_bytes())?;
        Ok(next)
    };
    let next = next().map_or_else(
        |error| crate::words(&error),
        |next| format!("counted {next}"),
    );
    // Whether it is let go now or runs out is no matter here.
    let _ = lease.release();
    Ok(next)
}

fn wait(ms: Option<i64>) {
    let ms = ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
    sleep(Duration::from_millis(ms));
}

/// Writes the value, if there is one.
fn wrote(value: &str) -> String {
    if value.is_empty() {
        return "nothing".to_owned();
    }
    let set = |bucket: Bucket| bucket.set("guarded", value.as_bytes());
    match store::open("").and_then(set) {
        Ok(()) => "set".to_owned(),
        Err(error) => crate::words(&error),
    }
}
