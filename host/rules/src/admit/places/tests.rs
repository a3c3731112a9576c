//! The tests of `places`: in turn, never too many, nothing lost.

use super::*;
use crate::testing::still;
use proptest::prelude::*;
use std::task::Waker;

fn places(places: u32, streams: u32) -> Arc<Places> {
    Places::new(Limits { places, streams }, still())
}

fn enter(places: &Arc<Places>) -> Entered {
    enter_as(places, Priority::Default)
}

fn enter_as(places: &Arc<Places>, class: Priority) -> Entered {
    places.enter(Wish {
        class,
        now: places.clock.now(),
        until: Moment::FAR,
        deadline: Moment::FAR,
    })
}

fn now(entered: Entered) -> Place {
    match entered {
        Entered::Now(place) => place,
        other => panic!("{other:?}"),
    }
}

fn later(entered: Entered) -> Waiting {
    match entered {
        Entered::Later(waiting) => waiting,
        other => panic!("{other:?}"),
    }
}

fn poll(waiting: &mut Waiting) -> Poll<Option<Place>> {
    Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn whoever_waits_longest_is_next_and_a_full_queue_refuses() {
    let places = places(2, 0);
    let (first, second) = (now(enter(&places)), now(enter(&places)));
    let (mut third, mut fourth) = (later(enter(&places)), later(enter(&places)));
    assert!(matches!(enter(&places), Entered::Full));
    drop(second);
    assert!(poll(&mut fourth).is_pending());
    let Poll::Ready(Some(third)) = poll(&mut third) else {
        panic!("the place was not handed on");
    };
    assert_eq!(places.running(), 2);
    drop((first, third, fourth));
    assert_eq!(places.running(), 0);
}

#[test]
fn one_who_stops_waiting_leaves_no_trace() {
    let places = places(1, 0);
    let running = now(enter(&places));
    drop(later(enter(&places)));
    let mut next = later(enter(&places));
    drop(running);
    assert!(matches!(poll(&mut next), Poll::Ready(Some(_))));
    // A place that is already on its way when its taker leaves goes to the one behind.
    let running = now(enter(&places));
    let given = later(enter(&places));
    drop(running);
    drop(given);
    assert_eq!(places.running(), 0);
}

#[test]
fn in_a_full_line_the_lesser_class_gives_way() {
    let places = places(1, 0);
    let running = now(enter(&places));
    let mut batch = later(enter_as(&places, Priority::Batch));
    assert!(matches!(enter_as(&places, Priority::Batch), Entered::Full));
    let mut critical = later(enter_as(&places, Priority::Critical));
    assert!(
        matches!(poll(&mut batch), Poll::Ready(None)),
        "it is told at once"
    );
    assert!(matches!(enter(&places), Entered::Full));
    drop(running);
    assert!(matches!(poll(&mut critical), Poll::Ready(Some(_))));
}

#[test]
fn nested_places_are_their_own() {
    let places = places(1, 0);
    let outer = now(enter(&places));
    let nested = places.nested().unwrap();
    assert!(places.nested().is_none());
    drop(nested);
    assert!(places.nested().is_some());
    assert_eq!(places.running(), 1);
    drop(outer);
}

#[test]
fn a_stream_frees_its_running_place_and_has_a_limit_of_its_own() {
    let places = places(1, 1);
    let stream = now(enter(&places)).into_stream().unwrap();
    assert_eq!(places.running(), 0);
    assert!(now(enter(&places)).into_stream().is_err());
    assert_eq!(
        places.running(),
        0,
        "a stream that is refused holds nothing"
    );
    drop(stream);
    let _again = now(enter(&places)).into_stream().unwrap();
}

#[test]
fn more_places_let_the_waiting_in_and_fewer_are_not_given_again() {
    let places = places(1, 0);
    let first = now(enter(&places));
    let mut second = later(enter(&places));
    places.set(Limits {
        places: 2,
        streams: 0,
    });
    let Poll::Ready(Some(second)) = poll(&mut second) else {
        panic!("a new place was not handed out");
    };
    let mut third = later(enter(&places));
    places.set(Limits {
        places: 1,
        streams: 0,
    });
    drop(first);
    assert!(poll(&mut third).is_pending());
    assert_eq!(places.running(), 1);
    drop(second);
    assert!(matches!(poll(&mut third), Poll::Ready(Some(_))));
}

#[derive(Clone, Debug)]
enum Step {
    Enter,
    Nest,
    Stream(usize),
    Leave(usize),
    Poll(usize),
    GiveUp(usize),
    Set(u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Enter),
        1 => Just(Step::Nest),
        2 => any::<usize>().prop_map(Step::Stream),
        4 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::GiveUp),
        1 => (1u32..5, 0u32..4).prop_map(|(places, streams)| Step::Set(places, streams)),
    ]
}

/// Takes whichever `pick` points to.
fn take<T>(from: &mut Vec<T>, pick: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(pick % from.len()))
}

proptest! {
    /// Whatever happens in whatever order: the counts are those of the places out there, nobody waits beside a free place, nobody gets
    /// in while too many run, and at the end everything is free.
    #[test]
    fn nothing_is_lost_and_nobody_is_stuck(steps in prop::collection::vec(step(), 1..120)) {
        let places = places(3, 2);
        let mut held: Vec<Place> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        for step in steps {
            let before = places.running();
            let limit = places.limits().places;
            match step {
                Step::Enter => match enter(&places) {
                    Entered::Now(place) => {
                        prop_assert!(before < limit);
                        held.push(place);
                    }
                    Entered::Later(one) => {
                        prop_assert!(before >= limit);
                        waiting.push(one);
                    }
                    Entered::Full => prop_assert!(waiting.len() >= limit as usize),
                    Entered::TooLate { .. } => prop_assert!(false, "nothing has a deadline"),
                },
                Step::Nest => held.extend(places.nested()),
                Step::Stream(pick) => {
                    if let Some(place) = take(&mut held, pick) {
                        held.extend(place.into_stream());
                    }
                }
                Step::Leave(pick) => drop(take(&mut held, pick)),
                Step::Poll(pick) => {
                    if let Some(mut one) = take(&mut waiting, pick) {
                        match poll(&mut one) {
                            Poll::Ready(place) => held.push(place.unwrap()),
                            Poll::Pending => waiting.push(one),
                        }
                    }
                }
                Step::GiveUp(pick) => drop(take(&mut waiting, pick)),
                Step::Set(running, streams) => places.set(Limits { places: running, streams }),
            }
            let state = places.state();
            let of = |kind| u32::try_from(held.iter().filter(|place| place.kind == kind).count()).unwrap();
            prop_assert_eq!(state.nested, of(Kind::Nested));
            prop_assert_eq!(state.streams, of(Kind::Stream));
            prop_assert!(state.running >= of(Kind::Running));
            prop_assert!(state.running <= limit.max(before).max(state.limits.places));
            prop_assert!(state.line.is_empty() || state.running >= state.limits.places);
            prop_assert_eq!(places.crowded.load(Relaxed), state.running >= state.limits.places);
            prop_assert!(state.nested <= 5 && state.streams <= 5);
        }
        drop(held);
        // With every place free, those who still wait are served one after the other.
        while !waiting.is_empty() {
            let count = waiting.len();
            waiting.retain_mut(|one| poll(one).is_pending());
            prop_assert!(waiting.len() < count, "somebody waits for nothing");
        }
        prop_assert_eq!(places.running(), 0);
        let state = places.state();
        prop_assert_eq!((state.nested, state.streams, state.line.len()), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_the_limit_runs_at_once() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    let places = places(3, 0);
    let (running, served) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> = (0u32..400)
        .map(|number| {
            let (places, running, served) = (places.clone(), running.clone(), served.clone());
            tokio::spawn(async move {
                let place = match enter(&places) {
                    Entered::Now(place) => place,
                    // Every third one gives up at once.
                    Entered::Later(_) if number % 3 == 0 => return,
                    Entered::Later(waiting) => waiting.await.unwrap(),
                    Entered::Full | Entered::TooLate { .. } => return,
                };
                assert!(running.fetch_add(1, SeqCst) < 3);
                tokio::task::yield_now().await;
                running.fetch_sub(1, SeqCst);
                served.fetch_add(1, SeqCst);
                drop(place);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(served.load(SeqCst) >= 3);
    assert_eq!(places.running(), 0);
}
