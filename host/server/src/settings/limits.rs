//! The limits of one call and of one service: each with a name, a unit, the least that makes sense, a default and its reason.
//!
//! One table; enum, written form and used form are made from it, so a limit cannot be in one and missing from another.

use crate::settings::error::Problem;
use crate::settings::reader::Reader;
use crate::settings::source::Source;
use crate::settings::units::{Raw, duration_text, size_text};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, written as a duration.
    Time,
    /// Bytes, written as a size.
    Bytes,
    /// Things.
    Count,
}

/// No bound: only fuel has it, because metering without a bound is of use.
pub const UNBOUNDED: u64 = u64::MAX;

/// The default deadline of a service that may use an upstream of class `llm`: models answer slowly.
pub const LLM_DEADLINE_NANOS: u64 = 120 * SECOND;

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

trait FromAmount {
    fn from_amount(amount: u64) -> Self;
}

impl FromAmount for Duration {
    fn from_amount(amount: u64) -> Self {
        Self::from_nanos(amount)
    }
}

impl FromAmount for u64 {
    fn from_amount(amount: u64) -> Self {
        amount
    }
}

macro_rules! limits {
    ($($name:ident $key:ident: $used:ty = $unit:ident, $least:expr, $most:expr, $default:expr, $doc:literal;)*) => {
        /// One limit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Limit {
            $(#[doc = $doc] $name,)*
        }

        impl Limit {
            /// Every limit, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its key in both files.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => stringify!($key),)* }
            }

            /// What it counts.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// What holds where nobody says otherwise.
            #[must_use]
            pub const fn default_amount(self) -> u64 {
                match self { $(Self::$name => $default,)* }
            }

            /// The least and the most that may be set.
            #[must_use]
            pub const fn range(self) -> (u64, u64) {
                match self { $(Self::$name => ($least, $most),)* }
            }

            /// What it bounds, in one sentence.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }
        }

        /// The limits that hold for a service, complete.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $doc] pub $key: $used,)*
        }

        impl Limits {
            /// Asks `amount` for each limit.
            pub(crate) fn from_amounts(amount: impl Fn(Limit) -> u64) -> Self {
                Self { $($key: <$used>::from_amount(amount(Limit::$name)),)* }
            }
        }

        /// `[limits]` as written.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct WrittenLimits {
            $($key: Option<Raw>,)*
        }

        impl WrittenLimits {
            fn pairs(self) -> Vec<(Limit, Raw)> {
                [$((Limit::$name, self.$key),)*]
                    .into_iter()
                    .filter_map(|(limit, raw)| raw.map(|raw| (limit, raw)))
                    .collect()
            }
        }
    };
}

const DAY: u64 = 86_400 * SECOND;
const TIB: u64 = 1 << 40;
const MANY: u64 = u32::MAX as u64;

limits! {
    Deadline deadline: Duration = Time, MILLI, DAY, 30 * SECOND, "The longest from a call's entry to the head of its answer.";
    Idle idle: Duration = Time, MILLI, DAY, 30 * SECOND, "The longest pause between two bytes of a body.";
    Stream stream: Duration = Time, MILLI, 30 * DAY, 900 * SECOND, "The longest life of an answer after its head.";
    Cpu cpu: Duration = Time, MILLI, DAY, SECOND, "CPU time of the guest for one call.";
    Fuel fuel: u64 = Count, 1, UNBOUNDED, UNBOUNDED, "Fuel of one call on the metered engine.";
    Memory memory: u64 = Bytes, 64 * KIB, TIB, 128 * MIB, "Memory of one instance, summed over all its memories.";
    Memories memories: u64 = Count, 1, MANY, 8, "Memories of one instance.";
    Tables tables: u64 = Count, 1, MANY, 16, "Tables of one instance.";
    TableElements table_elements: u64 = Count, 1, MANY, 100_000, "Elements of all tables of one instance together.";
    Instances instances: u64 = Count, 1, MANY, 40, "Core instances that one component may be made of.";
    Handles handles: u64 = Count, 1, MANY, 10_000, "Handles that a guest may hold at once.";
    Resources resources: u64 = Count, 1, MANY, 1_000, "Host resources that a guest may hold at once.";
    HeaderBytes header_bytes: u64 = Bytes, KIB, 16 * MIB, 128 * KIB, "Bytes of all headers of one message.";
    HostcallBytes hostcall_bytes: u64 = Bytes, KIB, TIB, 8 * MIB, "Bytes that one host call may carry across the boundary.";
    RandomBytes random_bytes: u64 = Bytes, 0, TIB, MIB, "Random bytes of one host call.";
    LogLines log_lines: u64 = Count, 0, MANY, 1_000, "Log lines of one call.";
    LogBytes log_bytes: u64 = Bytes, 0, TIB, 256 * KIB, "Log bytes of one call.";
    Calls calls: u64 = Count, 0, MANY, 50, "Calls that one call may make.";
    ResponseBytes response_bytes: u64 = Bytes, 1, 1024 * TIB, 256 * MIB, "Bytes of the body of one answer.";
    Reuse reuse: u64 = Count, 1, 1_000_000, 100, "Calls that one instance may serve, one after the other.";
    Places places: u64 = Count, 1, 1_000_000, 64, "Calls of the service that run at once.";
    KvBytes kv_bytes: u64 = Bytes, 0, TIB, 64 * MIB, "Bytes of all keys and values that the service keeps.";
    KvKeys kv_keys: u64 = Count, 0, 1_000_000_000, 100_000, "Keys that the service keeps.";
    QueueMessages queue_messages: u64 = Count, 0, 1_000_000_000, 100_000, "Messages in the queue of the service, dead letters included.";
    QueueBytes queue_bytes: u64 = Bytes, 0, TIB, 256 * MIB, "Bytes of the messages in the queue of the service.";
    QueuePlaces queue_places: u64 = Count, 1, 1_024, 8, "Messages of its queue that the service takes at once on one host.";
    QueueDeliveries queue_deliveries: u64 = Count, 1, 1_000, 5, "How often a message is delivered before it is a dead letter.";
    DurableSteps durable_steps: u64 = Count, 1, 50_000, 10_000, "Steps of one durable execution.";
    OpenStreams open_streams: u64 = Count, 0, 1_000_000, 1_024, "Answers of the service that are open at once.";
}

impl Limit {
    /// An amount of it, as one would write it in a file.
    #[must_use]
    pub fn text(self, amount: u64) -> String {
        match self.unit() {
            _ if amount == UNBOUNDED => "no bound".to_owned(),
            Unit::Time => duration_text(amount),
            Unit::Bytes => size_text(amount),
            Unit::Count => amount.to_string(),
        }
    }

    fn amount(self, raw: &Raw) -> Result<u64, String> {
        let amount = match self.unit() {
            Unit::Time => raw.nanos(),
            Unit::Bytes => raw.bytes(),
            Unit::Count => raw.count(),
        }?;
        let (least, most) = self.range();
        if amount < least {
            return Err(format!(
                "{} is too little: at least {}",
                self.text(amount),
                self.text(least)
            ));
        }
        if amount > most {
            return Err(format!(
                "{} is too much: at most {}",
                self.text(amount),
                self.text(most)
            ));
        }
        Ok(amount)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The limits that a file sets; the others are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetLimits(BTreeMap<Limit, u64>);

impl SetLimits {
    /// Reads the limits written under `prefix` (`limits`, `services.NAME.limits`).
    pub(crate) fn check(
        written: WrittenLimits,
        prefix: &str,
        source: &Source,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut set = BTreeMap::new();
        for (limit, raw) in written.pairs() {
            match limit.amount(&raw) {
                Ok(amount) => {
                    set.insert(limit, amount);
                }
                Err(message) => {
                    problems.push(source.problem(&format!("{prefix}.{limit}"), message));
                }
            }
        }
        Self(set)
    }

    /// Sets one limit that stands elsewhere in its file, under `key`.
    pub(crate) fn set(&mut self, limit: Limit, raw: &Raw, key: &str, reader: &mut Reader<'_>) {
        if let Some(amount) = reader.take(key, limit.amount(raw)) {
            self.0.insert(limit, amount);
        }
    }

    /// The amount set, if any.
    #[must_use]
    pub fn get(&self, limit: Limit) -> Option<u64> {
        self.0.get(&limit).copied()
    }
}
