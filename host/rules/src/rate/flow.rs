//! The one rate limiter: the generic cell rate algorithm, pure, in whole nanoseconds.
//!
//! One moment is all that is kept of what was granted: by when it would have flowed evenly. Who comes while no more than a burst is ahead
//! of him is granted his share, which is put behind the others. Every rate of the host is counted so: that of callers, of services and
//! their operations, and that of upstreams. All times are rounded so that nobody gets more than the quota says.

mod text;

use holdfast_call::Moment;
use std::time::Duration;

/// The longest that a burst may take to flow: about 36 years, so that no sum of times runs over.
const AHEAD_MAX: u64 = 1 << 60;

/// How much may flow: so much in a window, of which a burst may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: u32,
    window: Duration,
    burst: u32,
    /// What one takes to flow, in nanoseconds; rounded up.
    each: u64,
}

impl Quota {
    /// `count` in each `window`, of which `burst` may come at once. Nothing of it is less than one; a burst that would take longer than
    /// anybody waits is cut.
    #[must_use]
    pub fn new(count: u32, window: Duration, burst: u32) -> Self {
        let count = count.max(1);
        let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        let each = nanos.clamp(1, AHEAD_MAX).div_ceil(u64::from(count));
        let most = u32::try_from(AHEAD_MAX / each).unwrap_or(u32::MAX);
        Self {
            count,
            window,
            burst: burst.clamp(1, most),
            each,
        }
    }

    /// `count` a second, of which a second's worth may come at once.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1), count)
    }

    /// How many flow in a window.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// How many may come at once.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// What so many take to flow.
    #[must_use]
    pub fn takes(&self, count: u32) -> Duration {
        Duration::from_nanos(self.share(count))
    }

    fn share(&self, cost: u32) -> u64 {
        self.each.saturating_mul(u64::from(cost))
    }

    /// How much may be ahead of somebody's end.
    fn ahead_max(&self) -> u64 {
        self.share(self.burst)
    }
}

/// Whether somebody may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// He may.
    Now,
    /// He may at this moment, if nobody else comes first.
    Later(Moment),
}

/// What was granted of one quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// By when all that was granted would have flowed evenly.
    flown: u64,
    /// Since when it has not stood still.
    since: u64,
    /// What was ever given back, in nanoseconds of flow.
    returned: u64,
}

/// What somebody was granted, to be given back if it turns out that he did not get what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    granted: u64,
    end: u64,
    nanos: u64,
    /// What had been given back before it was granted.
    returned: u64,
}

impl Flow {
    /// Whether somebody may come for whom `cost` counts. What costs more than may come at once never may.
    #[must_use]
    pub fn look(&self, quota: &Quota, cost: u32, now: Moment) -> Grant {
        let (share, most) = (quota.share(cost), quota.ahead_max());
        if share > most {
            return Grant::Later(Moment::FAR);
        }
        match (self.ahead(now) + share).checked_sub(most) {
            None | Some(0) => Grant::Now,
            Some(late) => Grant::Later(now.after(Duration::from_nanos(late))),
        }
    }

    /// Counts him, whether he may come or not.
    pub fn count(&mut self, quota: &Quota, cost: u32, now: Moment) -> Share {
        let (now, nanos) = (now.as_nanos(), quota.share(cost));
        if self.flown <= now {
            (self.flown, self.since) = (now, now);
        }
        self.flown = self.flown.saturating_add(nanos);
        Share {
            granted: now,
            end: self.flown,
            nanos,
            returned: self.returned,
        }
    }

    /// Lets him come if he may, and counts him then.
    pub fn take(&mut self, quota: &Quota, cost: u32, now: Moment) -> Grant {
        let grant = self.look(quota, cost, now);
        if let Grant::Now = grant {
            self.count(quota, cost, now);
        }
        grant
    }

    /// Takes a share back, as far as it has not flowed yet: what has flowed was kept from others, and nobody can have it any more.
    ///
    /// What was given back since it was granted has moved it forward, by no more than was ahead of it; and where the flow has stood still
    /// since, all of it has flowed. So what may still come is never more than if he had never come.
    pub fn give_back(&mut self, share: Share, now: Moment) {
        if share.granted < self.since {
            return;
        }
        let ahead = share.end.saturating_sub(share.nanos + share.granted);
        let moved = self.returned.saturating_sub(share.returned).min(ahead);
        let left = share.end.saturating_sub(moved);
        let nanos = left.saturating_sub(now.as_nanos()).min(share.nanos);
        self.flown = self.flown.saturating_sub(nanos);
        self.returned = self.returned.saturating_add(nanos);
    }

    /// How many may come at once now.
    #[must_use]
    pub fn left(&self, quota: &Quota, now: Moment) -> u32 {
        let free = quota.ahead_max().saturating_sub(self.ahead(now));
        u32::try_from(free / quota.each).unwrap_or(u32::MAX)
    }

    /// Whether everything has flowed: then it is as good as new.
    #[must_use]
    pub fn idle(&self, now: Moment) -> bool {
        self.ahead(now) == 0
    }

    /// What is still to flow. The clock may be so late that this is more than any burst.
    fn ahead(&self, now: Moment) -> u64 {
        self.flown.saturating_sub(now.as_nanos()).min(AHEAD_MAX)
    }
}

#[cfg(test)]
mod tests;
