//! Where the guests of a test come from: a built case, a built service, or a component in text form.

use super::foreign;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A component, by where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guest {
    /// Of `guests/cases`, built.
    Case(&'static str),
    /// Of `guests/services`, built.
    Service(&'static str),
    /// Of `guests/cases/*.wat`.
    Text(&'static str),
    /// Of `guests/foreign`, in C or Go.
    Foreign(&'static str),
    /// Of `tests/museum`, built long ago.
    Museum(&'static str),
    /// Of `guests/cases`, with a number inside that makes it another component.
    Numbered(&'static str, u32),
}

impl Guest {
    /// The bytes of the component.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Case(name) => read(&built().join("guests").join(name).with_extension("wasm")),
            Self::Service(name) => read(&built().join("plugins").join(name).with_extension("wasm")),
            Self::Text(name) => {
                let path = root().join("guests/cases").join(name).with_extension("wat");
                wat::parse_file(path).unwrap()
            }
            Self::Museum(name) => read(&root().join(format!("tests/museum/{name}.wasm"))),
            Self::Foreign(language) => foreign::component(language),
            Self::Numbered(name, number) => {
                let mut bytes = Self::Case(name).bytes();
                // A custom section: its id, its size, its name, and what it says.
                bytes.extend([0, 7, 2, b'n', b'o']);
                bytes.extend(number.to_le_bytes());
                bytes
            }
        }
    }
}

/// The directory of what `make guests` builds; it is run once if nothing is there.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = root().join("target");
        if !target.join("guests/wasi03.wasm").exists() {
            let status = Command::new("make")
                .arg("guests")
                .current_dir(root())
                .status();
            assert!(status.unwrap().success(), "`make guests` failed");
        }
        target
    })
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
