//! All of a call's limits count it, or none: against a model that keeps a flow for each.

use super::super::flow::Flow;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const PATHS: [&str; 4] = ["/login", "/%6cogin", "/logout", "/;"];
/// Which of the two operations below a path counts for.
const MEANT: [&[usize]; 4] = [&[0], &[0], &[1], &[0, 1]];

/// Which flow of the model: of which dimension, and whose.
type Name = (&'static str, u64);

fn names(caller: u64, service: u64, path: usize) -> Vec<(Name, &'static str)> {
    let mut names = vec![
        (("caller", caller), "30/m burst 4"),
        (("here", caller * 10 + service), "20/m burst 3"),
        (("calls", service), "60/m burst 6"),
    ];
    let operation = |one: &usize| (("operation", service * 10 + *one as u64), "10/m burst 2");
    names.extend(MEANT[path].iter().map(operation));
    names
}

proptest! {
    #[test]
    fn a_call_is_counted_by_all_of_its_limits_or_by_none(
        calls in prop::collection::vec((0..3u64, 0..2u64, 0..PATHS.len(), 0..2_000u64), 1..150),
    ) {
        let world = World::new();
        let written = Written {
            caller: "30/m burst 4",
            here: "20/m burst 3",
            calls: "60/m burst 6",
            operations: &[("GET /login", "10/m burst 2"), ("GET /logout", "10/m burst 2")],
        };
        let _ = ["s0", "s1"].map(|name| world.serve(name, written));
        let mut model = BTreeMap::<Name, Flow>::new();
        for (caller, service, path, later) in calls {
            world.bench.clock.advance(Duration::from_millis(later));
            let now = world.bench.now();
            let mut late = None;
            let names = names(caller, service, path);
            for (name, quota) in &names {
                let flow = model.entry(*name).or_default();
                if let Grant::Later(then) = flow.look(&Quota::parse(quota).unwrap(), 1, now) {
                    late = late.max(Some(then));
                }
            }
            let reply = world.asks(caller, &format!("s{service}"), PATHS[path]);
            match late {
                None => {
                    prop_assert!(reply.is_ok());
                    for (name, quota) in &names {
                        let quota = Quota::parse(quota).unwrap();
                        model.get_mut(name).unwrap().count(&quota, 1, now);
                    }
                }
                Some(then) => {
                    let wait = fault(reply).wait().unwrap();
                    prop_assert!(wait >= then.since(now), "not before the last of its limits");
                    prop_assert!(wait < then.since(now) + Duration::from_millis(1));
                }
            }
        }
    }
}
