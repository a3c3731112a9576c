//! The three time limits of an exchange: the policy's, made shorter by what the guest asks for.
//!
//! A guest can only shorten. The call's own deadline bounds everything up to the head of the answer; behind it, only the pause between
//! two frames is bounded here.

use super::upstream::Upstream;
use holdfast_call::{Moment, Timeouts};
use std::time::Duration;

/// The limits of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) between_bytes: Duration,
    /// By when the head of the answer must be there.
    pub(super) deadline: Moment,
}

impl Limits {
    pub(super) fn of(upstream: &Upstream, asked: Timeouts, deadline: Moment) -> Self {
        let shorter = |limit: Duration, asked: Option<Duration>| {
            asked.map_or(limit, |asked| asked.min(limit))
        };
        Self {
            connect: shorter(upstream.connect, asked.connect),
            first_byte: shorter(upstream.first_byte, asked.first_byte),
            between_bytes: shorter(upstream.between_bytes, asked.between_bytes),
            deadline,
        }
    }

    /// When `limit` is over if it begins at `from`: never later than the deadline.
    pub(super) fn end(&self, from: Moment, limit: Duration) -> Moment {
        from.after(limit).min(self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::support::upstream;

    #[test]
    fn a_guest_shortens_a_limit_and_never_lengthens_it() {
        let settings = upstream("http://127.0.0.1:1");
        let asked = Timeouts {
            connect: Some(settings.connect / 2),
            first_byte: Some(settings.first_byte * 2),
            between_bytes: None,
        };
        let limits = Limits::of(&settings, asked, Moment::FAR);
        assert_eq!(limits.connect, settings.connect / 2);
        assert_eq!(limits.first_byte, settings.first_byte);
        assert_eq!(limits.between_bytes, settings.between_bytes);
    }

    #[test]
    fn no_limit_ends_behind_the_deadline() {
        let deadline = Moment::from_nanos(1_000);
        let limits = Limits::of(
            &upstream("http://127.0.0.1:1"),
            Timeouts::default(),
            deadline,
        );
        assert_eq!(
            limits.end(Moment::START, Duration::from_nanos(5)),
            Moment::from_nanos(5)
        );
        assert_eq!(limits.end(Moment::START, limits.connect), deadline);
    }
}
