//! The rules: every layer of the pipeline, one file each, with its settings, its code, its refusals and its tests.
//!
//! This file is the order. A line of the list below says where a layer stands, what its rule is, and what goes wrong if it changes
//! places with the layer under it. A `built` line declares the layer's module and puts it into the pipeline; a `planned` line holds the
//! place of one that is still to come. So a new layer is one new file and one changed line.
//!
//! Nothing here knows an engine or a network. Time and chance come through `holdfast_call`; [`clock`] is where they begin.

#![forbid(unsafe_code)]

pub mod clock;
pub mod delivery;
pub mod effects;
pub mod method_path;
pub mod metrics;
pub mod notices;
mod percent;
#[cfg(test)]
mod price;
pub mod schedule;
#[cfg(test)]
mod testing;
pub mod trail;
mod whole;
mod window;

use holdfast_call::pipeline::Attempt;
use holdfast_call::{Layer, Log, Notices, Pipeline, PipelineError, Sources};
use std::sync::Arc;

pub use admit::HostGate;
pub use metrics::Metrics;

/// What the layers share: given once, when the host starts.
#[derive(Clone)]
pub struct Parts {
    /// Where time and chance come from.
    pub sources: Sources,
    /// Where lines go.
    pub log: Arc<dyn Log>,
    /// Where the operator is told what waits for a person.
    pub notices: Arc<dyn Notices>,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
    /// What lets calls into the host, and knows when the last one has left.
    pub host: Arc<HostGate>,
    /// The keys by which callers are known.
    pub keys: Arc<identify::keys::KeyRing>,
    /// The issuers whose tokens are taken.
    pub issuers: Arc<identify::issuer::Issuers>,
    /// What is kept of calls that carry a key.
    pub executions: Arc<once::Executions>,
    /// Where calls are put on record.
    pub trail: Arc<trail::Trail>,
    /// What is paid for.
    pub ledger: Arc<budget::Ledger>,
    /// Where calls go that are kept so that they can be run again.
    pub captures: Arc<capture::Captures>,
}

/// Whether a layer of the order exists yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its place is kept; no call crosses it.
    Planned,
    /// It is part of the pipeline.
    Built,
}

/// One line of the order.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The layer's name: its file.
    pub name: &'static str,
    /// Whether it exists yet.
    pub state: State,
    /// What it holds, in one sentence.
    pub rule: &'static str,
    /// What goes wrong if it changes places with the layer under it.
    pub swapped: &'static str,
}

macro_rules! state {
    (planned) => {
        State::Planned
    };
    (built) => {
        State::Built
    };
}

macro_rules! declare {
    (planned $name:ident) => {};
    (built $name:ident) => {
        pub mod $name;
    };
}

macro_rules! push {
    ($layers:ident $parts:ident planned $name:ident) => {};
    ($layers:ident $parts:ident built $name:ident) => {
        $layers.push($name::layer($parts));
    };
}

macro_rules! outermost_first {
    ($($state:ident $name:ident: $rule:literal; $swapped:literal;)* => $attempt:ident: $last:literal; $alone:literal;) => {
        $(declare!($state $name);)*
        pub mod $attempt;

        /// Every layer, planned or built, outermost first.
        pub const ORDER: &[Rule] = &[
            $(Rule { name: stringify!($name), state: state!($state), rule: $rule, swapped: $swapped },)*
            Rule { name: stringify!($attempt), state: State::Built, rule: $last, swapped: $alone },
        ];

        /// The layers there are, outermost first, and the attempt behind them.
        fn layers(parts: &Parts) -> (Vec<Box<dyn Layer>>, Box<dyn Attempt>) {
            let mut layers: Vec<Box<dyn Layer>> = Vec::with_capacity(ORDER.len());
            $(push!(layers parts $state $name);)*
            (layers, $attempt::layer(parts))
        }
    };
}

outermost_first! {
    built journal:
        "A child call of a durable execution whose result is recorded is given that result, and nothing else is asked again.";
        "Every replay would write a second closing line and be counted twice.";
    built trial:
        "The first calls of a new version are watched, and one that is worse than the version before is put back.";
        "What it asks the version before would be part of the first call's record, instead of a call with its own.";
    built record:
        "Every call ends here: one closing line, the metrics and the outcome, whatever happened inside.";
        "A call that ran out of time would end outside the record, and no line would say so.";
    built deadline:
        "The time left, never more than the parent's; it covers every wait inside it and cancels what still runs when it is over.";
        "Finding out who asks could take for ever, on nobody's time.";
    built identify:
        "What the entry saw becomes a known caller, or is refused.";
        "The decision would be made about a caller whom nobody has proved.";
    built authorize:
        "This caller may do this to this target: manifest and policy both say so.";
        "Somebody who may not call at all would use up the rate of those who may.";
    built rate:
        "No caller, service or operation gets more calls in its time than the policy says.";
        "A caller over its rate would wait for, and hold, a place that others need.";
    built admit:
        "A call runs only in a place: of the host, of the service, of the tree it belongs to; else it waits a little, or is shed.";
        "Payloads would be buffered and checked without a place, so a flood would take all memory.";
    built quarantine:
        "A service that fails to start is left alone for a while, but for one call that tries again.";
        "The one call that may try would wait for a place, and be shed while nobody else may try.";
    built contract:
        "The payload fits the declared types, on the way in and on the way out.";
        "A payload that is not valid would claim an idempotency key, and its refusal be kept as the outcome.";
    built once:
        "The same key takes effect once: its row is the execution's row, and commits the call's unit of work.";
        "Each retry would claim the key again, and find itself in progress.";
    built retry:
        "The only retry loop there is; it decides from how far the bytes got.";
        "One permit would stand for all tries, and a breaker that has opened would be tried again and again.";
    built breaker:
        "A target that keeps failing is left alone for a while; each try needs a permit.";
        "Each call that the breaker refuses would first have reserved money.";
    built budget:
        "The worst case of a try is reserved at every level before it is made, and settled after.";
        "A call that no budget has room for would be kept as if its service had been asked.";
    built capture:
        "A call of a service that is captured is kept as its guest was asked and told, so that it can be run again.";
        "A try would be over before it could be kept, and its guest would have nothing to be told one by one from.";
    => attempt:
        "One try: dispatch, and an implementation's failure becomes a stable, masked fault.";
        "Nothing stands inside it: a layer there would see failures unmasked.";
}

/// The names of the layers that are built, outermost first.
#[must_use]
pub fn built() -> Vec<&'static str> {
    let built = ORDER.iter().filter(|rule| rule.state == State::Built);
    built.map(|rule| rule.name).collect()
}

/// Puts the one pipeline together.
///
/// # Errors
/// A layer's name is not that of its line in the order.
pub fn pipeline(parts: &Parts) -> Result<Arc<Pipeline>, PipelineError> {
    let (layers, attempt) = layers(parts);
    Pipeline::new(&built(), layers, attempt, parts.sources.clone())
}

/// The pipeline in which calls are run again from what is kept of them ([`capture::replay`]): nothing that a guest asks for is done, so
/// none of the rules of that has anything to say.
///
/// # Errors
/// Never, as long as both are in the order.
pub fn replaying(parts: &Parts) -> Result<Arc<Pipeline>, PipelineError> {
    let order = ["journal", "attempt"];
    let (layers, attempt) = (vec![journal::layer(parts)], attempt::layer(parts));
    Pipeline::new(&order, layers, attempt, parts.sources.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn the_order_of_the_layers_is_this_one() {
        let lines: Vec<_> = ORDER
            .iter()
            .map(|rule| format!("{:?} {}", rule.state, rule.name))
            .collect();
        assert_eq!(
            lines,
            [
                "Built journal",
                "Built trial",
                "Built record",
                "Built deadline",
                "Built identify",
                "Built authorize",
                "Built rate",
                "Built admit",
                "Built quarantine",
                "Built contract",
                "Built once",
                "Built retry",
                "Built breaker",
                "Built budget",
                "Built capture",
                "Built attempt",
            ]
        );
    }

    #[test]
    fn the_pipeline_is_the_built_part_of_the_order() {
        let bench = Bench::new();
        let pipeline = pipeline(&bench.parts).unwrap();
        assert_eq!(
            pipeline.order(),
            [
                "journal",
                "trial",
                "record",
                "deadline",
                "identify",
                "authorize",
                "rate",
                "admit",
                "quarantine",
                "contract",
                "once",
                "retry",
                "breaker",
                "budget",
                "capture",
                "attempt"
            ]
        );
    }

    #[test]
    fn a_list_that_is_not_the_whole_order_is_refused() {
        let bench = Bench::new();
        let count = layers(&bench.parts).0.len();
        for place in 0..count {
            let (mut missing, attempt) = layers(&bench.parts);
            missing.remove(place);
            let refused = Pipeline::new(&built(), missing, attempt, bench.parts.sources.clone());
            assert!(matches!(refused, Err(PipelineError::Order { .. })));

            let (mut shuffled, attempt) = layers(&bench.parts);
            shuffled.swap(place, (place + 1) % count);
            let refused = Pipeline::new(&built(), shuffled, attempt, bench.parts.sources.clone());
            assert!(matches!(refused, Err(PipelineError::Order { .. })));
        }
    }

    #[test]
    fn every_line_of_the_order_says_its_rule_and_its_reason() {
        for rule in ORDER {
            assert!(rule.rule.ends_with('.'), "{}", rule.name);
            assert!(rule.swapped.ends_with('.'), "{}", rule.name);
        }
    }
}
