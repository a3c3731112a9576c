//! The tests of `admit`: each bound, and the one that bites.

mod late;
mod shed;

use super::*;
use crate::testing::*;
use holdfast_call::{Pipeline, Registered, Shed, ShedReason};

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    places: Arc<Places>,
    registered: Arc<Registered>,
}

fn world(target: &Target, limits: Limits, how: How) -> World {
    world_in(None, target, limits, how)
}

fn world_in(room: Option<Arc<Room>>, target: &Target, limits: Limits, how: How) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["admit"]);
    let places = Places::new(limits, bench.parts.sources.clock.clone());
    let settings = holdfast_call::Settings::default().with(Settings {
        places: places.clone(),
        each: None,
        priority: Priority::Default,
        room,
        slots: 1,
        calls_max: 3,
    });
    let registered = match how {
        How::Never => register(&pipeline, target, settings, never),
        How::Hello => register(&pipeline, target, settings, hello),
        How::Streams => register(&pipeline, target, settings, |_| {
            let (feed, body) = fed();
            // Its feed is never closed, so it streams until it is dropped.
            std::mem::forget(feed);
            Box::pin(async { Ok(answer(200, body)) })
        }),
    };
    World {
        bench,
        pipeline,
        places,
        registered,
    }
}

#[derive(Clone, Copy)]
enum How {
    Never,
    Hello,
    Streams,
}

const ONE: Limits = Limits {
    places: 1,
    streams: 1,
};

impl World {
    fn outside(&self) -> BoxFuture<'static, Reply> {
        self.pipeline.run(self.bench.call(&self.registered.target))
    }

    /// An answer that streams until it is dropped.
    fn streamed(&self) -> Answer {
        done(&mut self.outside()).unwrap()
    }

    fn nested(&self) -> BoxFuture<'static, Reply> {
        let target = &self.registered.target;
        let other = register(
            &self.pipeline,
            &service("other"),
            holdfast_call::Settings::default(),
            hello,
        );
        self.pipeline.run(self.bench.nested(&other, &[], target))
    }
}

#[test]
fn a_service_that_holds_its_share_of_the_room_is_shed_although_it_has_places() {
    let room = Room::new(4);
    let limits = Limits {
        places: 8,
        streams: 8,
    };
    let world = world_in(Some(room.clone()), &service("greedy"), limits, How::Streams);
    let mut open = vec![world.streamed(), world.streamed()];
    let refused = fault(done(&mut world.outside()));
    assert_eq!(refused.host_code(), Some(HostCode::Overloaded));
    assert_eq!(refused.verdict().next, "slots in holdfast.toml");
    assert_eq!(
        world.places.held(),
        2,
        "the refused one gave its place back"
    );
    // What it leaves is for others.
    assert!(room.take(0, 1).is_some());
    open.pop();
    world.streamed();
}

#[test]
fn a_host_that_is_hard_pressed_sends_the_lesser_classes_away_at_its_door() {
    let world = world(&service("hello"), ONE, How::Hello);
    let mut pressure = pressure::Pressure::default();
    let mut read = |memory| {
        let readings = pressure::Readings {
            memory,
            late: Duration::ZERO,
        };
        world
            .bench
            .host()
            .shed(pressure.step(readings, pressure::MEMORY_FROM));
    };
    read(900);
    assert!(
        done(&mut world.outside()).is_ok(),
        "only batch is sent away"
    );
    read(940);
    let refused = fault(done(&mut world.outside()));
    assert_eq!(refused.host_code(), Some(HostCode::Overloaded));
    assert!(refused.wait().is_some());
    assert!(
        refused
            .verdict()
            .evidence
            .iter()
            .any(|(_, seen)| seen.contains("94 %"))
    );
    assert_eq!(world.bench.host().in_flight(), 0);
    // What was let in goes on, and the operator is heard.
    assert!(done(&mut world.nested()).is_ok());
    let mut command = world.bench.call(&world.registered.target);
    command.entry = Entry::Command;
    assert!(done(&mut world.pipeline.run(command)).is_ok());
    read(500);
    assert!(done(&mut world.outside()).is_ok());
}

#[test]
fn a_call_is_of_its_roots_class_with_all_that_it_leads_to() {
    let world = world(&service("hello"), ONE, How::Hello);
    let call = world.bench.call(&world.registered.target);
    let tree = call.tree.clone();
    tree.set_priority(Priority::Critical);
    assert!(run(&world.pipeline, call).is_ok());
    assert_eq!(tree.priority(), Priority::Default, "the service's own");
}

#[test]
fn a_service_has_no_more_of_an_upstream_than_its_share() {
    let bench = Bench::new();
    let pipeline = bench.only(&["admit"]);
    let target = upstream("http://up:80");
    let clock = bench.parts.sources.clock.clone();
    let limits = Limits {
        places: 4,
        streams: 0,
    };
    let each = Each::new(4, clock.clone());
    let settings = holdfast_call::Settings::default().with(Settings {
        places: Places::new(limits, clock),
        each: Some(each.clone()),
        priority: Priority::Default,
        room: None,
        slots: 0,
        calls_max: 0,
    });
    register(&pipeline, &target, settings, never);
    let [greedy, modest] = ["greedy", "modest"].map(|name| {
        let settings = holdfast_call::Settings::default();
        register(&pipeline, &service(name), settings, hello)
    });
    let ask = |asker| pipeline.run(bench.nested(asker, &[], &target));
    let mut wedged: Vec<_> = (0..6).map(|_| ask(&greedy)).collect();
    for call in &mut wedged {
        assert!(poll(call).is_pending());
    }
    assert_eq!(each.of(&"greedy".into()).running(), 3);
    // Its own line is full, and the other one's is not.
    assert_eq!(code(done(&mut ask(&greedy))), "overloaded");
    let mut other = ask(&modest);
    assert!(poll(&mut other).is_pending());
    assert_eq!(each.of(&"modest".into()).running(), 1);
    bench.clock.advance(WAIT_MAX);
    assert!(poll(&mut other).is_pending(), "it has its place");
    // With another policy those too that are taken are counted anew, and one is always there.
    each.set(1);
    assert_eq!(each.of(&"greedy".into()).limits().places, 1);
}

#[test]
fn a_call_waits_in_turn_and_is_shed_when_it_has_waited_too_long() {
    let world = world(&service("busy"), ONE, How::Never);
    let mut running = world.outside();
    assert!(poll(&mut running).is_pending());
    let mut waiting = world.outside();
    assert!(poll(&mut waiting).is_pending());
    assert_eq!(world.places.running(), 1);
    // The queue is as long as there are places; beyond it nobody waits.
    let refused = fault(done(&mut world.outside()));
    assert_eq!(refused.host_code(), Some(HostCode::Overloaded));
    world
        .bench
        .clock
        .advance(WAIT_MAX - Duration::from_millis(1));
    assert!(poll(&mut waiting).is_pending());
    world.bench.clock.advance(Duration::from_millis(1));
    let shed = fault(done(&mut waiting));
    assert_eq!(shed.host_code(), Some(HostCode::Overloaded));
    assert!(
        shed.verdict()
            .evidence
            .contains(&("limit", "places = 1, open_streams = 1".to_owned()))
    );
    for fault in [refused, shed] {
        let wait = fault.wait().unwrap();
        assert!((1_000..4_000).contains(&wait.as_millis()), "{wait:?}");
    }
    drop(running);
    assert_eq!(world.places.running(), 0);
}

#[test]
fn a_call_never_waits_for_more_than_half_of_what_is_left() {
    let world = world(&service("busy"), ONE, How::Never);
    let mut running = world.outside();
    assert!(poll(&mut running).is_pending());
    let mut call = world.bench.call(&world.registered.target);
    call.deadline = world.bench.now().after(Duration::from_millis(200));
    let mut waiting = world.pipeline.run(call);
    assert!(poll(&mut waiting).is_pending());
    world.bench.clock.advance(Duration::from_millis(100));
    assert_eq!(code(done(&mut waiting)), "overloaded");
}

#[test]
fn a_place_that_comes_free_goes_to_the_one_that_waits() {
    let world = world(&service("busy"), ONE, How::Never);
    let mut running = world.outside();
    assert!(poll(&mut running).is_pending());
    let mut waiting = world.outside();
    assert!(poll(&mut waiting).is_pending());
    drop(running);
    assert!(poll(&mut waiting).is_pending());
    world.bench.clock.advance(WAIT_MAX);
    assert!(
        poll(&mut waiting).is_pending(),
        "it runs, and waits no more"
    );
    assert_eq!(world.places.running(), 1);
}

#[test]
fn a_nested_call_never_stands_behind_an_outer_one() {
    let world = world(&service("busy"), ONE, How::Never);
    let (mut running, mut waiting) = (world.outside(), world.outside());
    assert!(poll(&mut running).is_pending());
    assert!(poll(&mut waiting).is_pending());
    let mut nested = world.nested();
    assert!(poll(&mut nested).is_pending());
    let timers = world.bench.clock.timers();
    assert_eq!(
        code(done(&mut world.nested())),
        "overloaded",
        "nested calls are counted too"
    );
    assert_eq!(world.bench.clock.timers(), timers, "and do not wait");
    drop(nested);
    assert!(poll(&mut world.nested()).is_pending());
}

#[test]
fn a_stream_gives_its_running_place_back_at_its_head() {
    let world = world(&service("streams"), ONE, How::Streams);
    let first = body(done(&mut world.outside()));
    assert_eq!(world.places.running(), 0);
    assert_eq!(world.bench.host().in_flight(), 1);
    assert_eq!(code(done(&mut world.outside())), "overloaded");
    assert_eq!(code(done(&mut world.nested())), "overloaded");
    assert_eq!(world.bench.host().in_flight(), 1);
    drop(first);
    assert_eq!(world.bench.host().in_flight(), 0);
    assert!(done(&mut world.nested()).is_ok());
}

#[test]
fn an_upstreams_place_is_held_to_the_end_of_its_answer() {
    let world = world(&upstream("http://up:80"), ONE, How::Streams);
    let first = body(done(&mut world.nested()));
    assert_eq!(world.places.running(), 1);
    let mut second = world.nested();
    assert!(poll(&mut second).is_pending());
    drop(first);
    assert!(done(&mut second).is_ok());
    assert_eq!(world.places.running(), 0);
}

#[test]
fn a_whole_answer_holds_no_place_but_the_host_waits_for_it() {
    let world = world(&service("hello"), ONE, How::Hello);
    let mut first = body(done(&mut world.outside()));
    assert_eq!(world.places.running(), 0);
    assert_eq!(world.bench.host().in_flight(), 1);
    assert!(frame(&mut first).is_ready());
    assert_eq!(world.bench.host().in_flight(), 0);
}

#[test]
fn a_draining_host_takes_no_new_call_but_lets_the_old_ones_call() {
    let world = world(&service("hello"), ONE, How::Hello);
    world.bench.host().start_draining();
    let refused = fault(done(&mut world.outside()));
    assert_eq!(refused.host_code(), Some(HostCode::Draining));
    assert!(refused.wait().is_some());
    assert!(done(&mut world.nested()).is_ok());
    assert_eq!(world.bench.host().in_flight(), 0);
}

#[test]
fn what_is_not_there_is_draining_too() {
    let world = world(&service("hello"), ONE, How::Hello);
    let nobody = || world.pipeline.run(world.bench.call(&service("nobody")));
    assert_eq!(code(done(&mut nobody())), "no-such-service");
    world.bench.host().start_draining();
    assert_eq!(code(done(&mut nobody())), "draining");
}

#[test]
fn a_call_makes_only_so_many_calls() {
    let world = world(&service("hello"), Limits::default(), How::Hello);
    for ordinal in 1..=4 {
        let mut call = world
            .bench
            .nested(&world.registered, &[], &upstream("http://up:80"));
        call.ordinal = ordinal;
        let expected = if ordinal > 3 {
            "calls-exhausted"
        } else {
            "no-such-service"
        };
        assert_eq!(code(run(&world.pipeline, call)), expected, "{ordinal}");
    }
}

#[test]
fn an_asker_without_a_limit_has_the_default_one() {
    let world = world(&service("hello"), Limits::default(), How::Hello);
    let bare = register(
        &world.pipeline,
        &service("bare"),
        holdfast_call::Settings::default(),
        hello,
    );
    for (ordinal, expected) in [(CALLS_MAX, None), (CALLS_MAX + 1, Some("calls-exhausted"))] {
        let mut call = world.bench.nested(&bare, &[], &service("hello"));
        call.ordinal = ordinal;
        let reply = run(&world.pipeline, call);
        assert_eq!(
            reply
                .err()
                .and_then(|fault| fault.host_code())
                .map(HostCode::as_str),
            expected
        );
    }
}

#[test]
fn a_service_calls_itself_once_and_no_more() {
    let world = world(&service("hello"), Limits::default(), How::Hello);
    for (through, expected) in [
        (&[][..], None),
        (&["hello"], Some("loop-detected")),
        (&["hello", "b"], Some("loop-detected")),
    ] {
        let call = world
            .bench
            .nested(&world.registered, through, &service("hello"));
        let reply = run(&world.pipeline, call);
        assert_eq!(
            reply
                .err()
                .and_then(|fault| fault.host_code())
                .map(HostCode::as_str),
            expected
        );
    }
}

#[test]
fn services_call_each_other_only_so_deep() {
    let world = world(&service("hello"), Limits::default(), How::Hello);
    let chain = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let other = register(
        &world.pipeline,
        &service("last"),
        holdfast_call::Settings::default(),
        hello,
    );
    for (depth, expected) in [(7, None), (8, Some("loop-detected"))] {
        let call = world
            .bench
            .nested(&other, &chain[..depth], &service("hello"));
        let reply = run(&world.pipeline, call);
        assert_eq!(
            reply
                .err()
                .and_then(|fault| fault.host_code())
                .map(HostCode::as_str),
            expected
        );
    }
    // The way out is no circle, however deep it begins.
    let call = world
        .bench
        .nested(&other, &chain, &upstream("http://up:80"));
    assert_eq!(code(run(&world.pipeline, call)), "no-such-service");
}
