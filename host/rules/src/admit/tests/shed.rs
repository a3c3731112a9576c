//! Who is turned away is counted, by class and by what was wanting: each way of it has its word.

use super::*;

fn shed(reply: Reply) -> Shed {
    let fault = fault(reply);
    assert_eq!(fault.host_code(), Some(HostCode::Overloaded));
    assert!(fault.wait().is_some());
    match fault.shed() {
        Some(shed) => shed,
        None => panic!("{fault:?} is not counted"),
    }
}

/// The word for one of a service that says nothing of its class.
fn reason(reply: Reply) -> &'static str {
    let Shed { class, reason } = shed(reply);
    assert_eq!(class, Priority::Default);
    reason.as_str()
}

#[test]
fn a_full_line_a_wait_in_vain_and_nested_calls_are_told_apart() {
    let world = world(&service("busy"), ONE, How::Never);
    let (mut running, mut waiting) = (world.outside(), world.outside());
    assert!(poll(&mut running).is_pending());
    assert!(poll(&mut waiting).is_pending());
    assert_eq!(reason(done(&mut world.outside())), "queue-full");
    let mut nested = world.nested();
    assert!(poll(&mut nested).is_pending());
    assert_eq!(shed(done(&mut world.nested())).reason, ShedReason::Nested);
    world.bench.clock.advance(WAIT_MAX);
    assert_eq!(reason(done(&mut waiting)), "time-out");
}

#[test]
fn who_gives_way_did_not_wait_in_vain() {
    let world = world(&upstream("http://up:80"), ONE, How::Never);
    let of = |class| {
        let settings = holdfast_call::Settings::default();
        let asker = register(&world.pipeline, &service("asker"), settings, hello);
        let call = world.bench.nested(&asker, &[], &world.registered.target);
        call.tree.set_priority(class);
        let mut run = world.pipeline.run(call);
        let pending = poll(&mut run).is_pending();
        (run, pending)
    };
    let (_running, _) = of(Priority::Default);
    let (mut batch, waits) = of(Priority::Batch);
    assert!(waits);
    let (_critical, waits) = of(Priority::Critical);
    assert!(waits);
    let told = shed(done(&mut batch));
    assert_eq!(told.class, Priority::Batch);
    assert_eq!(told.reason, ShedReason::Preempted);
}

#[test]
fn streams_and_slots_are_told_apart() {
    let world = world(&service("streams"), ONE, How::Streams);
    let _open = world.streamed();
    assert_eq!(reason(done(&mut world.outside())), "streams");
    let full = world_in(
        Some(Room::new(1)),
        &service("many"),
        Limits::default(),
        How::Streams,
    );
    let _open = full.streamed();
    assert_eq!(reason(done(&mut full.outside())), "slots");
}

#[test]
fn a_host_that_is_hard_pressed_says_by_what() {
    let world = world(&service("hello"), ONE, How::Hello);
    for (memory, late, said) in [(940, 0, "memory-pressure"), (0, 900, "delay")] {
        let readings = pressure::Readings {
            memory,
            late: Duration::from_millis(late),
        };
        let mut pressure = pressure::Pressure::default();
        for _ in 0..3 {
            let shedding = pressure.step(readings, pressure::MEMORY_FROM);
            world.bench.host().shed(shedding);
        }
        assert_eq!(reason(done(&mut world.outside())), said);
    }
}
