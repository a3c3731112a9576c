//! What the compiling process is told on its command line, and within which limits it works.
//!
//! Both sides are the same program, so the form is free: words in a fixed order. Nothing of the component is in it; that comes through a
//! pipe.

use crate::engine::{EngineSettings, Metering};
use std::time::Duration;

/// What one compilation may use. Each limit ends the compiling process, never the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space, in bytes. 4 GiB: a Python of 40 MB with all its libraries compiles in less than half of it.
    pub memory: u64,
    /// CPU time, in whole seconds, of all its threads together.
    pub cpu: Duration,
    /// Time on the clock, waiting for a busy machine included.
    pub wall: Duration,
    /// What it may hand back, in bytes. Machine code is some three to ten times as large as its component.
    pub output: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory: 4 << 30,
            cpu: Duration::from_secs(300),
            wall: Duration::from_secs(600),
            output: 1 << 30,
        }
    }
}

/// One compilation, but for the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whether the code counts fuel.
    pub metering: Metering,
    /// What of the engines' settings shapes the code.
    pub memory_bytes_max: u64,
    /// What it may use.
    pub limits: CompileLimits,
}

impl Job {
    /// The words for the command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let metering = match self.metering {
            Metering::Plain => 0,
            Metering::Metered => 1,
        };
        let Self {
            memory_bytes_max,
            limits,
            ..
        } = self;
        [
            metering,
            *memory_bytes_max,
            limits.memory,
            limits.cpu.as_secs(),
            limits.wall.as_secs(),
            limits.output,
        ]
        .map(|number| number.to_string())
        .to_vec()
    }

    /// Reads them back; none if they are not such words.
    #[must_use]
    pub fn parse(words: &[String]) -> Option<Self> {
        let numbers: Vec<u64> = words
            .iter()
            .map(|word| word.parse().ok())
            .collect::<Option<_>>()?;
        let [metering, memory_bytes_max, memory, cpu, wall, output] = *numbers.as_slice() else {
            return None;
        };
        Some(Self {
            metering: match metering {
                0 => Metering::Plain,
                1 => Metering::Metered,
                _ => return None,
            },
            memory_bytes_max,
            limits: CompileLimits {
                memory,
                cpu: Duration::from_secs(cpu),
                wall: Duration::from_secs(wall),
                output,
            },
        })
    }

    /// Settings of engines whose code is the same.
    #[must_use]
    pub fn engine(&self) -> EngineSettings {
        EngineSettings {
            memory_bytes_max: self.memory_bytes_max,
            ..EngineSettings::default()
        }
    }
}
