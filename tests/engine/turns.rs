//! The queue of turns is fair, for every order of asking, ending and leaving.

use holdfast_wasm::turns::{Asked, Turns, Waiter};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(u8),
    Done,
    Leave(u8, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..5_u8).prop_map(Step::Ask),
        4 => Just(Step::Done),
        1 => (0..5_u8, 0..8_usize).prop_map(|(service, nth)| Step::Leave(service, nth)),
    ]
}

/// What must be true, kept beside the real queue in the plainest form.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<u8, VecDeque<Waiter>>,
    taken: usize,
    /// For each service that waits: who got a turn since its first waiter became the first.
    overtook: BTreeMap<u8, HashSet<u8>>,
}

impl Model {
    fn remove(&mut self, service: u8, nth: usize) -> Option<Waiter> {
        let queue = self.waiting.get_mut(&service)?;
        let gone = queue.remove(nth)?;
        if queue.is_empty() {
            self.waiting.remove(&service);
            self.overtook.remove(&service);
        } else if nth == 0 {
            self.overtook.insert(service, HashSet::new());
        }
        Some(gone)
    }
}

fn name(service: u8) -> Arc<str> {
    Arc::from(format!("service-{service}"))
}

proptest! {
    #[test]
    fn a_service_waits_for_at_most_one_turn_of_each_other(turns in 1..4_usize, steps in prop::collection::vec(step(), 1..200)) {
        let mut real = Turns::new(turns);
        let mut model = Model::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Ask(service) => {
                    let waiter = Waiter(number as u64);
                    if real.ask(&name(service), waiter) == Asked::Granted {
                        prop_assert!(model.waiting.is_empty(), "nobody may be overtaken by asking");
                        model.taken += 1;
                    } else {
                        prop_assert_eq!(model.taken, turns, "nobody waits while a turn is free");
                        model.overtook.entry(service).or_default();
                        model.waiting.entry(service).or_default().push_back(waiter);
                    }
                }
                Step::Done if model.taken > 0 => match real.done() {
                    None => {
                        prop_assert!(model.waiting.is_empty(), "a turn was lost");
                        model.taken -= 1;
                    }
                    Some(next) => {
                        let service = model.waiting.iter()
                            .find(|(_, queue)| queue.front() == Some(&next))
                            .map(|(service, _)| *service);
                        prop_assert!(service.is_some(), "the first of its service, or nobody");
                        let service = service.unwrap();
                        model.remove(service, 0);
                        for (other, seen) in &mut model.overtook {
                            if *other != service {
                                prop_assert!(seen.insert(service), "{service} overtook {other} twice");
                            }
                        }
                    }
                },
                Step::Done => {}
                Step::Leave(service, nth) => {
                    if let Some(gone) = model.remove(service, nth) {
                        real.leave(&name(service), gone);
                    }
                }
            }
            prop_assert!(model.taken <= turns);
            prop_assert_eq!(real.waiting(), model.waiting.values().map(VecDeque::len).sum::<usize>());
        }
    }
}

#[test]
fn sixty_four_of_one_service_and_one_of_another_alternate() {
    let (many, one) = (name(0), name(1));
    let mut turns = Turns::new(1);
    assert_eq!(turns.ask(&many, Waiter(0)), Asked::Granted);
    for number in 1..64 {
        turns.ask(&many, Waiter(number));
    }
    turns.ask(&one, Waiter(100));
    // The one had no turn yet; then one of each, although the one asks again only after its turn was passed on.
    assert_eq!(turns.done(), Some(Waiter(100)));
    for number in 1..20 {
        assert_eq!(turns.done(), Some(Waiter(number)));
        turns.ask(&one, Waiter(100));
        assert_eq!(turns.done(), Some(Waiter(100)));
    }
}
