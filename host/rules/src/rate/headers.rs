//! What a caller is told of his own limits, in the fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! `q` may come in each `w` seconds. `r` may come at once now, and flow in `t` seconds if they come evenly; where that is none, the next may
//! come then. What others have left is nobody's business, so a service's own limits are not told.

use super::Dimension;
use super::flow::{Flow, Grant, Quota};
use holdfast_call::Moment;
use http::{HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::time::Duration;

/// The field that says what holds.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The field that says what is left of it.
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What is left to a caller of one of his limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    dimension: Dimension,
    quota: Quota,
    count: u32,
    /// What those take to flow, or until the next may come.
    takes: Duration,
}

impl Left {
    pub(super) fn of(dimension: Dimension, quota: &Quota, flow: &Flow, now: Moment) -> Self {
        let count = flow.left(quota, now);
        Self {
            dimension,
            quota: *quota,
            count,
            takes: match flow.look(quota, 1, now) {
                Grant::Now => quota.takes(count),
                Grant::Later(then) => then.since(now),
            },
        }
    }
}

/// The two fields; nothing where there is nothing to tell. Whoever is told to come again in a `wait` is told of no window that ends later.
pub(super) fn fields(
    left: impl Iterator<Item = Left>,
    wait: Option<Duration>,
) -> Option<[(HeaderName, HeaderValue); 2]> {
    let (mut policy, mut now) = (String::new(), String::new());
    for one in left {
        let comma = if policy.is_empty() { "" } else { ", " };
        let (name, count) = (one.dimension.as_str(), one.quota.count());
        let window = one.quota.window().as_secs();
        let takes = wait.map_or(one.takes, |wait| wait.min(one.takes));
        // Writing to a string cannot fail.
        let _ = write!(policy, "{comma}\"{name}\";q={count};w={window}");
        let _ = write!(
            now,
            "{comma}\"{name}\";r={};t={}",
            one.count,
            takes.as_millis().div_ceil(1_000)
        );
    }
    let policy = HeaderValue::try_from(policy).ok();
    let policy = policy.filter(|policy| !policy.is_empty())?;
    Some([(POLICY, policy), (LEFT, HeaderValue::try_from(now).ok()?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(taken: &[(Dimension, &str, u32)], wait: Option<Duration>) -> Option<[String; 2]> {
        let now = Moment::from_nanos(7);
        let left = taken.iter().map(|(dimension, quota, taken)| {
            let (quota, mut flow) = (Quota::parse(quota).unwrap(), Flow::default());
            flow.count(&quota, *taken, now);
            Left::of(*dimension, &quota, &flow, now)
        });
        let fields = fields(left, wait)?;
        Some(fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())))
    }

    #[test]
    fn what_is_told_is_what_holds_and_what_is_left() {
        use Dimension::{Caller, CallerHere};
        assert_eq!(
            told(&[(Caller, "100/m", 50)], None).unwrap(),
            [
                "ratelimit-policy: \"caller\";q=100;w=60",
                "ratelimit: \"caller\";r=50;t=30"
            ]
        );
        assert_eq!(
            told(
                &[(Caller, "100/h burst 20", 1), (CallerHere, "5/s", 5)],
                None
            )
            .unwrap(),
            [
                "ratelimit-policy: \"caller\";q=100;w=3600, \"caller-here\";q=5;w=1",
                "ratelimit: \"caller\";r=19;t=684, \"caller-here\";r=0;t=1"
            ]
        );
        assert_eq!(told(&[], None), None);
    }

    #[test]
    fn whoever_is_told_to_come_again_is_told_of_no_later_window() {
        let wait = Some(Duration::from_millis(1_500));
        let [_, left] = told(&[(Dimension::Caller, "100/m", 50)], wait).unwrap();
        assert_eq!(left, "ratelimit: \"caller\";r=50;t=2");
    }
}
