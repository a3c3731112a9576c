//! The tests of the rule: what puts a canary back, and what nobody can bring about.

use super::*;
use proptest::prelude::*;

const FIVE: Share = Share(50);

/// A canary beside a version that answered a hundred callers, `failed` of them with a fault.
fn beside(failed: u64) -> Canary {
    let mut canary = Canary::beginning(FIVE);
    for caller in 0..100 {
        canary.before(caller, caller < failed, None);
    }
    canary
}

/// What the last of these calls comes to; the ones before it changed nothing.
fn last(canary: &mut Canary, calls: impl IntoIterator<Item = (u64, Seen)>) -> Step {
    let mut last = Step::On;
    for (caller, seen) in calls {
        assert_eq!(last, Step::On, "it goes on after that");
        last = canary.step(caller, seen);
    }
    last
}

#[test]
fn one_that_answers_gets_all_callers_in_stages_of_fifty_calls() {
    let mut canary = Canary::beginning(FIVE);
    let well = || (0..50).map(|caller| (caller, Seen::Well));
    assert_eq!(last(&mut canary, well()), Step::Wider(Share(100)));
    assert_eq!(last(&mut canary, well()), Step::Wider(Share(500)));
    assert_eq!(last(&mut canary, well()), Step::Passed);
    let mut canary = Canary::beginning(Share(700));
    assert_eq!(last(&mut canary, well()), Step::Passed);
}

#[test]
fn one_that_breaks_what_worked_is_put_back_at_the_sixth_call() {
    let calls = (0..6).map(|caller| (caller, Seen::Confirmed));
    let back = Step::Back(Gate::Faults(6));
    assert_eq!(last(&mut beside(0), calls.clone()), back);
    // Whatever is known of the other one.
    assert_eq!(last(&mut Canary::beginning(FIVE), calls), back);
}

#[test]
fn what_both_fail_at_puts_nothing_back() {
    let calls = (0..50).map(|caller| (caller, Seen::Shared));
    assert_eq!(last(&mut beside(0), calls), Step::Wider(Share(100)));
}

#[test]
fn faults_that_nothing_confirms_count_by_callers() {
    let three = (0..3).map(|caller| (caller, Seen::Alone));
    assert_eq!(
        last(&mut beside(0), three.clone()),
        Step::Back(Gate::Callers(3, 3))
    );
    // One of them, however often, is one; and one good answer to anybody shows that it does answer.
    let one = (0..49).map(|_| (7, Seen::Alone)).chain([(8, Seen::Well)]);
    assert_eq!(last(&mut beside(0), one), Step::Wider(Share(100)));
    let nobody_else = (0..50).map(|_| (7, Seen::Alone));
    assert_eq!(
        last(&mut beside(0), nobody_else.clone()),
        Step::Back(Gate::Nothing)
    );
    // Nothing is known of the other one, so nothing is worse than it.
    let mut unknown = Canary::beginning(FIVE);
    assert_eq!(last(&mut unknown, nobody_else), Step::Wider(Share(100)));
    // Where a third of all callers meets one, a third is no news.
    let third = (0..50).map(|caller| {
        let seen = if caller % 3 == 1 {
            Seen::Alone
        } else {
            Seen::Well
        };
        (caller, seen)
    });
    assert_eq!(last(&mut beside(33), third), Step::Wider(Share(100)));
}

#[test]
fn slow_is_half_as_long_again_and_five_milliseconds_more() {
    let ms = Duration::from_millis;
    let mut canary = Canary::beginning(FIVE);
    for nth in 0..127 {
        canary.before(nth, false, Some(ms(if nth < 2 { 900 } else { 20 })));
    }
    assert_eq!(canary.slow_from(), None, "too little is known");
    canary.before(0, false, Some(ms(20)));
    assert_eq!(canary.slow_from(), Some(ms(1_350)));
    // What is long past counts no more, and one that is slow among them is the slowest hundredth.
    for nth in 0..128 {
        canary.before(nth, false, Some(ms(if nth == 5 { 900 } else { 20 })));
    }
    assert_eq!(canary.slow_from(), Some(ms(30)));
    for nth in 0..128 {
        canary.before(nth, false, Some(ms(1)));
    }
    assert_eq!(canary.slow_from(), Some(ms(6)));
    for _ in 0..5 {
        assert_eq!(canary.slow(), Step::On);
    }
    assert_eq!(canary.slow(), Step::Back(Gate::Slow(6)));
}

#[test]
fn a_share_reads_as_it_is_written() {
    for (thousandths, text) in [(1, "0.1%"), (50, "5%"), (125, "12.5%"), (1_000, "100%")] {
        assert_eq!(Share::of(thousandths).unwrap().to_string(), text);
    }
    assert_eq!((Share::of(0), Share::of(1_001)), (None, None));
}

#[test]
fn no_more_callers_are_told_apart_than_there_is_room_for() {
    let mut canary = Canary::beginning(FIVE);
    for caller in 0..10_000 {
        canary.before(caller, true, None);
    }
    assert_eq!(canary.before_callers.all.len(), CALLERS_MAX);
    assert_eq!(canary.before_callers.failed.len(), CALLERS_MAX);
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        Just(Seen::Well),
        Just(Seen::Confirmed),
        Just(Seen::Shared),
        Just(Seen::Alone)
    ]
}

proptest! {
    #[test]
    fn who_is_in_a_share_is_in_every_larger_one(drawn: u64, small in 1u32..=1_000, large in 1u32..=1_000) {
        let (small, large) = (small.min(large), small.max(large));
        prop_assert!(!Share(small).takes(drawn) || Share(large).takes(drawn));
        prop_assert!(Share::ALL.takes(drawn));
    }

    #[test]
    fn one_caller_who_sends_only_what_any_version_fails_at_changes_nothing(
        others in prop::collection::vec(any::<bool>(), 50),
        failed in 0u64..50,
    ) {
        // He is number 1,000; the others are answered.
        let mut canary = beside(failed);
        for (nth, his) in others.into_iter().enumerate() {
            let (caller, seen) = if his && nth > 0 { (1_000, Seen::Alone) } else { (nth as u64, Seen::Well) };
            prop_assert!(!matches!(canary.step(caller, seen), Step::Back(_)));
        }
    }

    #[test]
    fn it_ends_within_fifty_calls_a_stage(
        share in 1u32..=1_000,
        before in prop::collection::vec((0u64..30, any::<bool>()), 0..60),
        calls in prop::collection::vec((0u64..20, seen()), 150),
    ) {
        let mut canary = Canary::beginning(Share(share));
        for (caller, failed) in before {
            canary.before(caller, failed, None);
        }
        let (mut stages, mut last, mut share) = (0, Step::On, Share(share));
        for (place, (caller, seen)) in calls.into_iter().enumerate() {
            last = canary.step(caller, seen);
            match last {
                Step::On => continue,
                Step::Wider(wider) => {
                    prop_assert!(wider > share);
                    prop_assert_eq!(canary.share(), wider);
                    prop_assert_eq!((place + 1) % 50, 0, "a stage has fifty calls");
                    share = wider;
                    stages += 1;
                }
                Step::Passed | Step::Back(_) => break,
            }
        }
        prop_assert!(stages <= 2);
        prop_assert!(last != Step::On);
    }
}
