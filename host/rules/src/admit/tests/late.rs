//! Who would come too late does not wait: what decides it, and what does not.

use super::*;
use served::{FORGOTTEN, LEAST};

/// How long the calls of these tests usually take.
const USUAL: Duration = Duration::from_millis(300);
const LITTLE: Duration = Duration::from_millis(299);

impl World {
    /// One that has so much time left.
    fn with_left(&self, left: Duration) -> BoxFuture<'static, Reply> {
        let target = &self.registered.target;
        let mut call = match target {
            Target::Service(_) => self.bench.call(target),
            Target::Capability { .. } => {
                let settings = holdfast_call::Settings::default();
                let asker = register(&self.pipeline, &service("asker"), settings, hello);
                self.bench.nested(&asker, &[], target)
            }
        };
        call.deadline = self.bench.now().after(left);
        self.pipeline.run(call)
    }

    /// One that holds a place.
    fn holding(&self) -> BoxFuture<'static, Reply> {
        let mut call = self.with_left(Duration::from_secs(3_600));
        assert!(poll(&mut call).is_pending());
        call
    }

    /// So many that each hold a place for the usual time, one after the other.
    fn served(&self, count: usize) {
        for _ in 0..count {
            let call = self.holding();
            self.bench.clock.advance(USUAL);
            drop(call);
        }
    }

    fn waits(&self, left: Duration) {
        let timers = self.bench.clock.timers();
        assert!(poll(&mut self.with_left(left)).is_pending());
        assert_eq!(self.bench.clock.timers(), timers + 1);
    }

    fn too_late(&self, left: Duration) -> Fault {
        let timers = self.bench.clock.timers();
        let refused = fault(done(&mut self.with_left(left)));
        assert_eq!(self.bench.clock.timers(), timers, "at once");
        let reason = refused.shed().map(|shed| shed.reason);
        assert_eq!(reason, Some(ShedReason::TooLate), "{refused:?}");
        refused
    }
}

fn busy(places: u32) -> World {
    let limits = Limits { places, streams: 1 };
    world(&service("busy"), limits, How::Never)
}

#[test]
fn who_has_less_time_left_than_others_took_is_refused_at_once_and_told_why() {
    let world = busy(1);
    world.served(LEAST);
    let running = world.holding();
    let refused = world.too_late(LITTLE);
    assert_eq!(refused.host_code(), Some(HostCode::Overloaded));
    assert!(refused.wait().is_some());
    let text = format!("{:?}", refused.verdict());
    for said in ["299 ms left", "300 ms", "places or deadline"] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
    world.waits(USUAL);
    // It left no trace, and a place that is free is given to whoever asks.
    drop(running);
    assert!(poll(&mut world.with_left(Duration::from_millis(1))).is_pending());
    assert_eq!(world.places.running(), 0);
}

#[test]
fn few_calls_and_old_ones_say_nothing() {
    let world = busy(1);
    world.served(LEAST - 1);
    let running = world.holding();
    world.waits(LITTLE);
    drop(running);
    let again = busy(1);
    again.served(LEAST);
    let _running = again.holding();
    again.too_late(LITTLE);
    again.bench.clock.advance(FORGOTTEN);
    again.waits(LITTLE);
}

#[test]
fn calls_that_left_while_a_place_was_free_are_not_counted() {
    let world = busy(2);
    world.served(4 * LEAST);
    let (_one, _other) = (world.holding(), world.holding());
    world.waits(LITTLE);
}

#[test]
fn one_that_was_handed_its_place_counts_from_then() {
    let world = busy(1);
    let mut running = world.holding();
    for _ in 0..LEAST + 1 {
        let mut next = world.holding();
        world.bench.clock.advance(USUAL);
        drop(running);
        assert!(poll(&mut next).is_pending(), "it runs");
        running = next;
    }
    world.too_late(LITTLE);
    world.waits(USUAL);
}

#[test]
fn of_an_upstream_only_the_time_to_the_answers_head_counts() {
    let world = world(&upstream("http://up:80"), ONE, How::Streams);
    let stream = || body(done(&mut world.with_left(Duration::from_secs(60))));
    for _ in 0..LEAST {
        let open = stream();
        world.bench.clock.advance(USUAL);
        drop(open);
    }
    let _open = stream();
    // Each held its place for long, but only for its body.
    world.waits(Duration::from_millis(2));
}

#[test]
fn an_upstream_that_is_slow_to_begin_is_not_waited_for_in_vain() {
    let world = world(&upstream("http://up:80"), ONE, How::Never);
    world.served(LEAST);
    let _running = world.holding();
    let refused = world.too_late(LITTLE);
    let next = &refused.verdict().next;
    assert!(next.contains("[upstreams.NAME]"), "{next}");
}

/// The place of a service's own, and that of all, of an upstream which has one.
struct Both {
    bench: Bench,
    admit: Admit,
    own: Arc<Places>,
    all: Arc<Places>,
}

impl Both {
    fn new() -> Self {
        let bench = Bench::new();
        let admit = Admit {
            sources: bench.parts.sources.clone(),
            host: bench.host().clone(),
        };
        let [own, all] = [(), ()].map(|()| Places::new(ONE, bench.parts.sources.clock.clone()));
        Self {
            bench,
            admit,
            own,
            all,
        }
    }

    fn wish(&self, left: Duration) -> Wish {
        let now = self.bench.now();
        Wish {
            class: Priority::Default,
            now,
            until: now.after(WAIT_MAX),
            deadline: now.after(left),
        }
    }

    fn taking(&self) -> BoxFuture<'_, Result<Taken, Fault>> {
        let asks = Asks {
            kind: Kind::Upstream,
            wish: self.wish(Duration::MAX),
        };
        Box::pin(self.admit.taken(Some(self.own.clone()), &self.all, asks))
    }

    /// The place of all, taken by another service.
    fn other(&self) -> Place {
        match self.all.enter(self.wish(Duration::MAX)) {
            Entered::Now(place) => place,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_service_waited_for_the_others_is_not_what_its_calls_took() {
    let both = Both::new();
    for _ in 0..LEAST {
        let other = both.other();
        let mut taking = both.taking();
        assert!(poll(&mut taking).is_pending());
        both.bench.clock.advance(USUAL);
        drop(other);
        let taken = done(&mut taking);
        both.bench.clock.advance(Duration::from_millis(5));
        drop(taken);
    }
    let _held = both.own.enter(both.wish(Duration::MAX));
    let enough = both.own.enter(both.wish(Duration::from_millis(5)));
    assert!(matches!(enough, Entered::Later(_)), "{enough:?}");
    let little = both.own.enter(both.wish(Duration::from_millis(4)));
    assert!(matches!(little, Entered::TooLate { .. }), "{little:?}");
}

#[test]
fn what_it_waited_for_them_in_vain_says_nothing() {
    let both = Both::new();
    let _other = both.other();
    for _ in 0..LEAST {
        let mut taking = both.taking();
        assert!(poll(&mut taking).is_pending());
        both.bench.clock.advance(WAIT_MAX);
        assert!(done(&mut taking).is_err());
    }
    let _held = both.own.enter(both.wish(Duration::MAX));
    let little = both.own.enter(both.wish(Duration::from_millis(4)));
    assert!(matches!(little, Entered::Later(_)), "{little:?}");
}
