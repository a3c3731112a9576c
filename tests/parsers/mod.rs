//! What must hold of every parser of outside bytes, whatever the bytes are: one check a parser, which panics where it does not hold.
//!
//! The fuzzer (`tests/fuzz`) and the ordinary tests over its corpus (`tests/corpus.rs`) run these same checks.

pub(crate) mod component;
pub(crate) mod description;
pub(crate) mod envelope;
pub(crate) mod manifest;
pub(crate) mod mapping;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod token;
pub(crate) mod trace;
pub(crate) mod webhook;
pub(crate) mod words;

use holdfast_call::{
    Admitted, Answer, BoxFuture, Call, Clock, Failure, Implementation, Moment, Pipeline, Random,
    Registered, Reply, Settings, Sources, Target, WallTime,
    pipeline::{Attempt, Dispatch},
};
use holdfast_server::settings::SettingsError;
use std::sync::{Arc, OnceLock};

/// One check.
pub(crate) type Check = fn(&[u8]);

/// Every check, with the name of its target and of its folder in the corpus.
pub(crate) const ALL: &[(&str, Check)] = &[
    ("component", component::check),
    ("description", description::check),
    ("envelope", envelope::check),
    ("manifest", manifest::check),
    ("mapping", mapping::check),
    ("origin", origin::check),
    ("policy", policy::check),
    ("request", request::check),
    ("routes", routes::check),
    ("token", token::check),
    ("trace", trace::check),
    ("webhook", webhook::check),
    ("words", words::check),
];

/// A line for people must not steer the terminal that shows it.
fn plain(line: &str) {
    let odd = line.chars().find(|c| c.is_control());
    assert_eq!(odd, None, "{line:?}");
}

/// Every problem names its place, and each is one line.
fn complaint(text: &str, error: &SettingsError) {
    let lines = text.lines().count().max(1);
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        plain(&problem.to_string());
        assert!(!problem.message.is_empty());
        match problem.line {
            // The end of a file that ends too early may be named by the line after its last.
            Some(line) => assert!((1..=lines + 1).contains(&line), "{problem}"),
            // What was not written has no line; it must at least have a name.
            // How deep a file nests is a matter of the whole of it.
            None => assert!(
                !problem.key.is_empty()
                    || text.len() > 1 << 20
                    || problem.message.contains("recursion limit"),
                "{problem}"
            ),
        }
    }
    let shown = error.to_string();
    assert_eq!(
        shown.lines().count(),
        error.problems().len().min(51),
        "{shown:?}"
    );
}

/// A service that is never called, for a router that only finds.
fn registered() -> Arc<Registered> {
    static ONE: OnceLock<Arc<Registered>> = OnceLock::new();
    ONE.get_or_init(|| {
        let sources = Sources {
            clock: Arc::new(Still),
            random: Arc::new(Still),
        };
        let pipeline = Pipeline::new(&["still"], Vec::new(), Box::new(Still), sources).unwrap();
        let target = Target::Service("still".into());
        Registered::new(
            &pipeline,
            target,
            None,
            Settings::default(),
            Arc::new(Still),
        )
    })
    .clone()
}

/// Stands where something must stand, and does nothing.
struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment::START
    }
    fn wall(&self) -> WallTime {
        WallTime(0)
    }
    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

impl Random for Still {
    fn sixteen(&self) -> [u8; 16] {
        [0; 16]
    }
}

impl Attempt for Still {
    fn name(&self) -> &'static str {
        "still"
    }
    fn attempt<'a>(&'a self, _: Box<Call>, _: Dispatch<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(std::future::pending())
    }
}

impl Implementation for Still {
    fn call(&self, _: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        Box::pin(std::future::pending())
    }
}
