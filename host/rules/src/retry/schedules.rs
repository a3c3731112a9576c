//! Every schedule of an upstream's failures, through the layers that answer for a try: what it may see of one call.

use super::*;
use crate::testing::*;
use crate::{breaker, deadline};
use holdfast_call::{Admitted, Answer, Failure, FailureKind, Pipeline};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

type Doing = BoxFuture<'static, Result<Answer, Failure>>;

/// How one try ends, after how many milliseconds.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Unsent,
    Lost,
    TimedOut,
    Status(u16),
    Throttled(u64),
}

impl Ends {
    /// Whether the upstream has done what it was asked by then: always, unless nothing reached it or it said that it would not.
    fn takes_effect(self) -> bool {
        !matches!(self, Self::Unsent | Self::Throttled(_))
    }

    fn reply(self) -> Result<Answer, Failure> {
        let failed = |kind| Err(Failure::new(kind, "scripted"));
        match self {
            Self::Unsent => failed(FailureKind::UpstreamUnreachable),
            Self::Lost => failed(FailureKind::UpstreamFault),
            Self::TimedOut => failed(FailureKind::UpstreamTimeout),
            Self::Status(status) => Ok(answer(status, text("said"))),
            Self::Throttled(after) => {
                let response = http::Response::builder()
                    .status(429)
                    .header("retry-after", after);
                Ok(Answer::Http(response.body(text("later")).unwrap()))
            }
        }
    }
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        Just(Ends::Unsent),
        Just(Ends::Lost),
        Just(Ends::TimedOut),
        prop::sample::select(vec![200, 400, 408, 500, 502, 503, 504, 529]).prop_map(Ends::Status),
        (0..40u64).prop_map(Ends::Throttled),
    ]
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    effects: Arc<AtomicU32>,
    began: Arc<Mutex<Vec<Moment>>>,
}

fn world(script: Vec<(Ends, u64)>, tries_max: u32, harmless: Harmless, head: Duration) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["deadline", "retry", "breaker"]);
    let (effects, began) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (effect, begin, clock) = (
        effects.clone(),
        began.clone(),
        bench.parts.sources.clock.clone(),
    );
    let script = Mutex::new(script.into_iter());
    let does = move |_admitted: Admitted| -> Doing {
        let (end, took) = script
            .lock()
            .unwrap()
            .next()
            .unwrap_or((Ends::Status(200), 0));
        begin.lock().unwrap().push(clock.now());
        if end.takes_effect() {
            effect.fetch_add(1, SeqCst);
        }
        let until = clock.now().after(Duration::from_millis(took));
        let clock = clock.clone();
        Box::pin(async move {
            clock.sleep_until(until).await;
            end.reply()
        })
    };
    let settings = holdfast_call::Settings::default()
        .with(deadline::Settings {
            head,
            ..deadline::Settings::default()
        })
        .with(Settings {
            tries_max,
            harmless,
            histories: Arc::default(),
        })
        .with(breaker::Settings {
            known: Arc::default(),
        });
    register(&pipeline, &upstream("http://up:80"), settings, does);
    World {
        bench,
        pipeline,
        effects,
        began,
    }
}

/// What an upstream sees of one call with this script, and its caller: checked after each step of a clock that is read every 10 ms.
fn promised(
    script: Vec<(Ends, u64)>,
    tries_max: u32,
    harmless: bool,
    head: u64,
) -> Result<(), TestCaseError> {
    let head = Duration::from_millis(head);
    let mode = if harmless {
        Harmless::All
    } else {
        Harmless::Idempotent
    };
    let world = world(script, tries_max, mode, head);
    let begun = world.bench.now();
    let mut call = world.bench.call(&upstream("http://up:80"));
    call.payload = Payload::Http(Request::post("http://up/").body(text("ten euros")).unwrap());
    let mut reply = world.pipeline.run(call);
    let step = Duration::from_millis(10);
    while poll(&mut reply).is_pending() {
        world.bench.clock.advance(step);
        let waited = world.bench.now().since(begun);
        prop_assert!(waited <= head + step, "still waiting after {:?}", waited);
    }
    let began = world.began.lock().unwrap();
    prop_assert!(began.len() <= tries_max as usize, "{} tries", began.len());
    prop_assert!(
        began.iter().all(|began| *began < begun.after(head)),
        "a try after the deadline"
    );
    prop_assert!(
        harmless || world.effects.load(SeqCst) <= 1,
        "a second effect"
    );
    Ok(())
}

/// The wait for the next try can end before the deadline, and whoever waited be woken after it. Where that is depends on chance, so every
/// deadline around it is tried.
#[test]
fn who_is_woken_after_the_deadline_tries_no_more() {
    for head in 800..2_600 {
        promised(vec![(Ends::Status(529), 821)], 3, true, head).unwrap();
    }
}

proptest! {
    #[test]
    fn no_schedule_breaks_what_is_promised_of_one_call(
        script in prop::collection::vec((ends(), 0..3_000u64), 0..8),
        tries_max in 1..6u32,
        harmless in any::<bool>(),
        head in 1..20_000u64,
    ) {
        promised(script, tries_max, harmless, head)?;
    }
}
