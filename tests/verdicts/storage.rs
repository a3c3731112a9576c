//! What must last could not be written or read.

use super::got;
use super::matrix::Row;
use crate::harness::{Guest, Host, Setup, until};
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

pub(crate) fn rows() -> Vec<Row> {
    let case = Guest::Case("wasi02");
    let host = Setup::new().service("two", case, "").start();
    let kept = host.dir().join("data/versions");
    // What it has of a service is broken.
    let index = kept.join("unread/index.json");
    DirBuilder::new()
        .mode(0o700)
        .create(kept.join("unread"))
        .unwrap();
    fs::write(&index, "half of an ind").unwrap();
    fs::set_permissions(&index, Permissions::from_mode(0o600)).unwrap();
    host.drop_in("unread", case, "");
    refused(&host, "unread");
    // And then there is no place any more where it could keep anything.
    fs::remove_dir_all(&kept).unwrap();
    fs::write(&kept, "").unwrap();
    host.drop_in("unkept", case, "");
    refused(&host, "unkept");
    ["unread", "unkept"]
        .map(|name| {
            let line = got(&host, &format!("/{name}/ok"));
            Row::new(name, "storage", "no-such-service", &line)
        })
        .into()
}

fn refused(host: &Host, name: &str) {
    until("it to be refused", || {
        host.listed(name)?["error"].as_str().map(|_| ())
    });
}
