//! The tests of the flow: by hand, against a model that keeps every grant, and that no window ever has more than its quota.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

/// `count` in each `window` of milliseconds.
fn quota(count: u32, window: u64, burst: u32) -> Quota {
    Quota::new(count, Duration::from_millis(window), burst)
}

#[test]
fn a_burst_may_come_at_once_and_then_an_even_flow() {
    let quota = quota(100, 60_000, 20);
    let mut flow = Flow::default();
    for left in (0..20).rev() {
        assert_eq!(flow.take(&quota, 1, at(0)), Grant::Now);
        assert_eq!(flow.left(&quota, at(0)), left);
    }
    assert_eq!(flow.take(&quota, 1, at(0)), Grant::Later(at(600)));
    assert_eq!(flow.take(&quota, 1, at(599)), Grant::Later(at(600)));
    assert_eq!(flow.take(&quota, 1, at(600)), Grant::Now);
    assert_eq!(flow.take(&quota, 1, at(600)), Grant::Later(at(1_200)));
    assert!(!flow.idle(at(12_599)) && flow.idle(at(12_600)));
    assert_eq!(flow.left(&quota, at(12_600)), 20);
}

#[test]
fn one_a_window_is_one_and_not_two() {
    let once = quota(1, 1_000, 1);
    let mut flow = Flow::default();
    assert_eq!(flow.take(&once, 1, at(0)), Grant::Now);
    assert_eq!(flow.take(&once, 1, at(999)), Grant::Later(at(1_000)));
    assert_eq!(flow.take(&once, 1, at(1_000)), Grant::Now);
}

#[test]
fn what_costs_more_counts_more_and_what_is_more_than_a_burst_never_comes() {
    let ten = quota(10, 1_000, 10);
    let mut flow = Flow::default();
    assert_eq!(flow.take(&ten, 7, at(0)), Grant::Now);
    assert_eq!(flow.take(&ten, 4, at(0)), Grant::Later(at(100)));
    assert_eq!(flow.take(&ten, 3, at(0)), Grant::Now);
    assert_eq!(flow.take(&ten, 11, at(0)), Grant::Later(Moment::FAR));
    assert_eq!(flow.take(&ten, 0, at(0)), Grant::Now);
}

#[test]
fn what_does_not_divide_is_rounded_against_the_caller() {
    let seven = Quota::per_second(7);
    let mut flow = Flow::default();
    for _ in 0..7 {
        assert_eq!(flow.take(&seven, 1, at(0)), Grant::Now);
    }
    let later = Grant::Later(Moment::from_nanos(142_857_143));
    assert_eq!(flow.take(&seven, 1, at(0)), later);
}

#[test]
fn no_quota_is_so_large_that_a_sum_runs_over() {
    let widest = Quota::new(1, Duration::MAX, u32::MAX);
    let mut flow = Flow::default();
    assert_eq!(flow.take(&widest, 1, at(0)), Grant::Now);
    assert!(matches!(flow.take(&widest, 1, at(0)), Grant::Later(_)));
    let most = Quota::new(u32::MAX, Duration::ZERO, u32::MAX);
    assert_eq!(flow.take(&most, u32::MAX, Moment::FAR), Grant::Now);
    assert_eq!(Quota::new(0, Duration::from_secs(1), 0).burst(), 1);
}

#[test]
fn a_share_is_given_back_as_far_as_it_has_not_flowed() {
    let ten = quota(10, 1_000, 10);
    let mut flow = Flow::default();
    let first = flow.count(&ten, 1, at(0));
    let second = flow.count(&ten, 1, at(0));
    flow.give_back(first, at(0));
    assert_eq!(flow.left(&ten, at(0)), 9);
    // It now flows where the first would have.
    flow.give_back(second, at(60));
    assert!(flow.idle(at(60)));
    assert!(!flow.idle(at(59)));

    let mut flow = Flow::default();
    let old = flow.count(&ten, 1, at(0));
    flow.count(&ten, 10, at(100));
    flow.give_back(old, at(100));
    assert_eq!(flow.left(&ten, at(100)), 0, "it had flowed");
}

#[test]
fn who_waits_in_vain_while_many_are_sent_away_loses_no_more_than_he_waited() {
    let ten = quota(10, 10_000, 10);
    let mut flow = Flow::default();
    flow.count(&ten, 1, at(0));
    let waits = flow.count(&ten, 1, at(0));
    for _ in 0..100 {
        let sent_away = flow.count(&ten, 1, at(100));
        flow.give_back(sent_away, at(100));
    }
    flow.give_back(waits, at(400));
    assert!(flow.idle(at(1_400)) && !flow.idle(at(1_399)));
}

/// What is told of a flow: how much later somebody comes, what he costs, and whether an earlier one gives his share back first.
fn events() -> impl Strategy<Value = Vec<(u64, u32, Option<Index>)>> {
    let back = prop::option::weighted(0.3, any::<Index>());
    prop::collection::vec((0..400u64, 1..4u32, back), 1..120)
}

/// The same rule with everything kept: each grant begins to flow when the ones before it have.
fn model(quota: &Quota, granted: &[(u64, u32)]) -> u64 {
    let each = quota.takes(1).as_nanos() as u64;
    let put = |flown: u64, (nanos, cost): &(u64, u32)| flown.max(*nanos) + each * u64::from(*cost);
    granted.iter().fold(0, put)
}

proptest! {
    /// It grants what a model grants that keeps every grant, and says of each refusal the first moment at which it would not refuse.
    #[test]
    fn it_is_what_a_model_with_a_memory_is(
        count in 1..50u32,
        window in 1..5_000u64,
        burst in 1..40u32,
        events in events(),
    ) {
        let quota = quota(count, window, burst);
        let (mut flow, mut now, mut granted) = (Flow::default(), 0, Vec::new());
        for (later, cost, _) in events {
            now += later * 1_000_000;
            let moment = Moment::from_nanos(now);
            let ahead = model(&quota, &granted).saturating_sub(now);
            let most = quota.takes(burst).as_nanos() as u64;
            let fits = ahead + quota.takes(cost).as_nanos() as u64 <= most;
            let before = flow;
            match flow.take(&quota, cost, moment) {
                Grant::Now => {
                    prop_assert!(fits);
                    granted.push((now, cost));
                }
                Grant::Later(then) => {
                    prop_assert!(!fits && then > moment);
                    prop_assert_eq!(flow, before);
                    if cost <= burst {
                        let sooner = Moment::from_nanos(then.as_nanos() - 1);
                        prop_assert_eq!(flow.look(&quota, cost, then), Grant::Now);
                        prop_assert!(flow.look(&quota, cost, sooner) != Grant::Now);
                    }
                }
            }
            prop_assert_eq!(flow.look(&quota, 1, moment) == Grant::Now, flow.left(&quota, moment) > 0);
        }
    }

    /// However they come, and whatever is given back, no span of time has more kept grants than its flow and one burst; and the flow is
    /// never ahead of one in which those that were given back had not come.
    #[test]
    fn no_window_has_more_than_its_quota(
        count in 1..50u32,
        window in 1..5_000u64,
        burst in 1..40u32,
        events in events(),
    ) {
        let quota = quota(count, window, burst);
        let (mut flow, mut now) = (Flow::default(), 0);
        let (mut kept, mut shares) = (Vec::new(), Vec::new());
        for (later, cost, back) in events {
            now += later * 1_000_000;
            let moment = Moment::from_nanos(now);
            if let Some(back) = back.filter(|_| !shares.is_empty()) {
                let at = back.index(shares.len());
                flow.give_back(shares.remove(at), moment);
                kept.remove(at);
                prop_assert!(flow.ahead(moment) >= model(&quota, &kept).saturating_sub(now));
            }
            if flow.idle(moment) {
                // As a table does with what stands still.
                flow = Flow::default();
            }
            if flow.look(&quota, cost, moment) == Grant::Now {
                shares.push(flow.count(&quota, cost, moment));
                kept.push((now, cost));
            }
        }
        for first in 0..kept.len() {
            let mut sum = 0;
            for last in &kept[first..] {
                sum += u64::from(last.1);
                let span = u128::from(last.0 - kept[first].0);
                let flown = span * u128::from(count) / (u128::from(window) * 1_000_000);
                prop_assert!(u128::from(sum) <= flown + u128::from(burst), "{} in {} ns", sum, span);
            }
        }
    }
}
