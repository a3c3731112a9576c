//! What compiling gives, and the form in which it crosses from one process to the other and lies in the cache: some bytes of facts, the
//! contract as text, then the engine's own output.

use crate::engine::Tasks;
use crate::load_error::LoadError;
use crate::verify::{Exports, HasContract, Verified};

/// The bytes of facts before the contract: three of them, and its length.
const FACTS: usize = 7;

/// A compiled component, and what of it must be known before it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Artifact<'a> {
    /// What was found out from the component's bytes.
    pub verified: Verified,
    /// Its contract with other services, in the form of [`crate::contract::wire`]; empty if it has none.
    pub contract: &'a [u8],
    /// The engine's output.
    pub code: &'a [u8],
}

impl<'a> Artifact<'a> {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let exports = match self.verified.exports {
            Exports::Http02 => b'2',
            Exports::Http03 => b'3',
            Exports::Typed => b't',
        };
        let tasks = match self.verified.tasks {
            Tasks::One => b'1',
            Tasks::Many => b'n',
        };
        let contract = match self.verified.contract {
            HasContract::Yes => b'y',
            HasContract::No => b'n',
        };
        let mut bytes = Vec::with_capacity(FACTS + self.contract.len() + self.code.len());
        bytes.extend_from_slice(&[exports, tasks, contract]);
        // A contract is bounded; one that was not would be read back as another, and refused.
        let length = u32::try_from(self.contract.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(self.contract);
        bytes.extend_from_slice(self.code);
        bytes
    }

    /// Reads them back; none if they are no artefact.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([exports, tasks, contract], rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, code) = rest.split_at_checked(length)?;
        let exports = match exports {
            b'2' => Exports::Http02,
            b'3' => Exports::Http03,
            b't' => Exports::Typed,
            _ => return None,
        };
        let contract = match contract {
            b'y' => HasContract::Yes,
            b'n' => HasContract::No,
            _ => return None,
        };
        let tasks = match tasks {
            b'1' => Tasks::One,
            b'n' => Tasks::Many,
            _ => return None,
        };
        Some(Self {
            verified: Verified {
                exports,
                tasks,
                contract,
            },
            contract: text,
            code,
        })
    }
}

/// What the compiling process answers: one byte that says which, then the artefact or the words for whoever built the component.
const COMPILED: u8 = b'+';
const CUT: u8 = b'.';
const REFUSED: u8 = b'-';

/// The answer's bytes.
#[must_use]
pub fn answer(outcome: Result<Vec<u8>, LoadError>) -> Vec<u8> {
    let (kind, rest) = match outcome {
        Ok(artifact) => (COMPILED, artifact),
        Err(error) => {
            let kind = match error {
                LoadError::Empty | LoadError::Truncated { .. } | LoadError::Cut(_) => CUT,
                _ => REFUSED,
            };
            (kind, error.to_string().into_bytes())
        }
    };
    let mut bytes = Vec::with_capacity(1 + rest.len());
    bytes.push(kind);
    bytes.extend_from_slice(&rest);
    bytes
}

/// The longest refusal that is handed on, in bytes: a component can have names of megabytes.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// What an answer says; none if it is none.
#[must_use]
pub fn read_answer(bytes: &[u8]) -> Option<Result<&[u8], LoadError>> {
    let (kind, rest) = bytes.split_first()?;
    Some(match *kind {
        COMPILED => Ok(rest),
        CUT => Err(LoadError::Cut(words(rest))),
        REFUSED => Err(LoadError::Refused(words(rest))),
        _ => return None,
    })
}

/// One line, without what a terminal would obey.
pub(super) fn words(bytes: &[u8]) -> String {
    let (shown, cut) = match bytes.get(..WORDS_BYTES_MAX) {
        Some(shown) if bytes.len() > WORDS_BYTES_MAX => (shown, "…"),
        Some(_) | None => (bytes, ""),
    };
    let text = String::from_utf8_lossy(shown);
    let plain: String = text
        .trim_end()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    plain + cut
}
