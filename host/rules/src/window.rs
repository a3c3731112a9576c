//! Two numbers counted side by side over the last ten seconds: exact counts in a bucket a second.
//!
//! An average weighted by age would let a burst hide a total outage, or a burst of second tries hide behind old first ones.

use holdfast_call::Moment;

/// How many seconds are counted.
pub(crate) const SECONDS: u64 = BUCKETS as u64;

const BUCKETS: usize = 10;

/// What was counted in the last ten whole seconds, the present one included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window([Bucket; BUCKETS]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    /// The second that it counts, since the host started.
    second: u64,
    counts: Counts,
}

/// The two numbers; which is which says whoever counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) one: u64,
    pub(crate) other: u64,
}

impl Window {
    /// What is counted at this moment.
    pub(crate) fn at(&mut self, now: Moment) -> &mut Counts {
        let second = second(now);
        let [head, tail @ ..] = &mut self.0;
        let place = usize::try_from(second % SECONDS).unwrap_or(0);
        let bucket = match place.checked_sub(1).and_then(|place| tail.get_mut(place)) {
            Some(bucket) => bucket,
            None => head,
        };
        if bucket.second != second {
            *bucket = Bucket {
                second,
                ..Bucket::default()
            };
        }
        &mut bucket.counts
    }

    /// The sums.
    pub(crate) fn sum(&self, now: Moment) -> Counts {
        let second = second(now);
        let mut sum = Counts::default();
        for bucket in &self.0 {
            if bucket.second + SECONDS > second {
                sum.one += bucket.counts.one;
                sum.other += bucket.counts.other;
            }
        }
        sum
    }
}

fn second(now: Moment) -> u64 {
    now.since(Moment::START).as_secs()
}
