//! Reads what the cgroup of this process sets. Version 2 only: a version 1 hierarchy reads as one that sets nothing.

use std::path::{Path, PathBuf};

/// The values of the file `name` in the cgroup of this process and in every one above it, the nearest first. A cgroup without that file
/// contributes nothing. `root` is `/` but in tests.
#[must_use]
pub fn values(root: &Path, name: &str) -> Vec<String> {
    let membership = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let mut folder = mount.join(own_path(&membership));
    let mut found = Vec::new();
    while folder.starts_with(&mount) {
        if let Ok(value) = std::fs::read_to_string(folder.join(name)) {
            found.push(value);
        }
        if !folder.pop() {
            break;
        }
    }
    found
}

/// The path of the version 2 line (`0::/path`), without its leading slash.
fn own_path(membership: &str) -> PathBuf {
    let path = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    // A process outside its namespace sees `/../..`; climbing out of the mount would read somebody else's files.
    if path.split('/').any(|part| part == "..") {
        return PathBuf::new();
    }
    PathBuf::from(path)
}
