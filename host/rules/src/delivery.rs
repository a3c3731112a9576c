//! Deliveries: what a message's delivery came to, and what is done with the message then. A pure core: whoever delivers asks it.

use holdfast_call::{Answer, Fault, HostCode, Reply, Value};
use std::time::Duration;

/// The shortest pause before a message is delivered again, doubled each time.
pub const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
pub const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long a message waits whose service could not even be asked.
pub const BUSY: Duration = Duration::from_secs(2);
/// The longest pause that a service may ask for.
pub const LATER_MAX: Duration = Duration::from_secs(86_400);
/// The longest text of a failure that is kept with a message, in bytes.
const SAID_BYTES_MAX: usize = 1_024;

/// What a delivery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The message was taken, and is done with.
    Taken,
    /// It was not, and is delivered again after this pause.
    Again {
        /// How long it waits.
        after: Duration,
        /// Why it was not.
        why: String,
    },
    /// Its service could not be asked; that is no delivery.
    NotAsked {
        /// How long it waits.
        after: Duration,
        /// Why not.
        why: String,
    },
    /// It is delivered no more.
    Dead {
        /// Why it was not taken.
        why: String,
    },
}

/// What is known of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The how-manieth it was.
    pub delivery: u64,
    /// How many there are at most.
    pub most: u64,
    /// How often the service was asked for this one.
    pub attempts: u32,
    /// Something random, for the pause.
    pub random: u64,
}

/// How a delivery failed.
enum Failed {
    /// It may be taken later.
    Again(String),
    /// It may be taken then.
    Later(Duration),
    /// It never will be.
    Permanent(String),
}

/// Judges a delivery by what its call came back with. A message that a service calls permanent is not delivered again, nor is one that was
/// delivered as often as it may be.
#[must_use]
pub fn judged(reply: &Reply, known: Known) -> Judged {
    let failed = match reply {
        Err(fault) if known.attempts == 0 => {
            let after = fault.wait().unwrap_or(BUSY).max(BUSY);
            return Judged::NotAsked {
                after: after + jittered(BUSY, known.random),
                why: said(&told(fault)),
            };
        }
        Err(fault) => Failed::Again(told(fault)),
        Ok(Answer::Values(values)) => match values.list() {
            [Value::Result(Ok(None))] => return Judged::Taken,
            [Value::Result(Err(Some(failure)))] => failed(failure),
            _ => Failed::Again("it gave no answer that is one".to_owned()),
        },
        Ok(Answer::Http(_)) => Failed::Again("it answered over HTTP".to_owned()),
    };
    let (after, why) = match failed {
        Failed::Permanent(why) => return Judged::Dead { why: said(&why) },
        Failed::Again(why) => (pause(known.delivery, known.random), why),
        Failed::Later(after) => (after.min(LATER_MAX), "it asked for it later".to_owned()),
    };
    let why = said(&why);
    match known.delivery >= known.most {
        true => Judged::Dead { why },
        false => Judged::Again { after, why },
    }
}

/// What a tick of a schedule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is done with, well or not.
    Well,
    /// It is done with, and failed: the next tick may do better.
    Failed,
    /// Its service could not be asked, so it is asked again after this pause.
    NotAsked {
        /// How long it waits.
        after: Duration,
        /// Why not.
        why: String,
    },
    /// It runs elsewhere, so it is asked after this pause what came of it.
    Runs {
        /// How long it waits.
        after: Duration,
        /// What runs.
        why: String,
    },
    /// Nobody knows what came of it: a person has to look.
    InDoubt {
        /// The call of which nobody knows.
        why: String,
    },
}

/// Whether a service was asked for what it has on its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was, now or at an earlier delivery.
    Yes,
    /// It was refused before.
    Not,
}

/// Judges a tick by what its call came back with. A tick is asked for once: whether it did well is told by its closing line, and tried again
/// is the next one.
#[must_use]
pub fn ended(reply: &Reply, asked: Asked, random: u64) -> Ended {
    match reply {
        Err(fault) if fault.host_code() == Some(HostCode::Indeterminate) => Ended::InDoubt {
            why: said(&told(fault)),
        },
        Err(fault) if fault.host_code() == Some(HostCode::InProgress) => Ended::Runs {
            after: fault.wait().unwrap_or(BUSY).max(BUSY),
            why: said(&told(fault)),
        },
        Err(fault) if asked == Asked::Not => Ended::NotAsked {
            after: fault.wait().unwrap_or(BUSY).max(BUSY) + jittered(BUSY, random),
            why: said(&told(fault)),
        },
        Err(_) => Ended::Failed,
        Ok(Answer::Http(response)) if response.status().as_u16() >= 400 => Ended::Failed,
        Ok(Answer::Values(values)) if matches!(values.list(), [Value::Result(Err(_))]) => {
            Ended::Failed
        }
        Ok(_) => Ended::Well,
    }
}

/// A fault, for the operator.
fn told(fault: &Fault) -> String {
    format!("{}: {}", fault.code(), fault.verdict().cause)
}

/// The cases of `failure` in `wit/service/consumer.wit`.
fn failed(failure: &Value) -> Failed {
    let Value::Case(case, Some(carried)) = failure else {
        return Failed::Again("it said nothing".to_owned());
    };
    match (case, &**carried) {
        (1, Value::U64(ms)) => Failed::Later(Duration::from_millis(*ms)),
        (2, Value::Text(text)) => Failed::Permanent(text.clone()),
        (_, Value::Text(text)) => Failed::Again(text.clone()),
        _ => Failed::Again("it said nothing".to_owned()),
    }
}

/// How long a message waits after so many deliveries: anything up to a pause that doubles, so that those that failed together do not come
/// again together.
#[must_use]
pub fn pause(delivery: u64, random: u64) -> Duration {
    let doublings = u32::try_from(delivery.saturating_sub(1)).unwrap_or(u32::MAX);
    let most = PAUSE.saturating_mul(2u32.saturating_pow(doublings));
    jittered(most.min(PAUSE_MAX), random)
}

fn jittered(most: Duration, random: u64) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % most.saturating_add(1))
}

fn said(text: &str) -> String {
    text.get(..text.floor_char_boundary(SAID_BYTES_MAX))
        .unwrap_or_default()
        .replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_call::{HostCode, Values, Verdict};

    const MOST: u64 = 3;

    fn judge(reply: &Reply, delivery: u64) -> Judged {
        let known = Known {
            delivery,
            most: MOST,
            attempts: 1,
            random: 77,
        };
        judged(reply, known)
    }

    fn gave(value: Value) -> Reply {
        Ok(Answer::Values(Values::new(vec![value])))
    }

    fn failure(case: u32, carried: Value) -> Reply {
        let failure = Value::Case(case, Some(Box::new(carried)));
        gave(Value::Result(Err(Some(Box::new(failure)))))
    }

    fn fault() -> Fault {
        let verdict = Verdict {
            boundary: HostCode::Overloaded.meaning().boundary,
            stage: "admit",
            cause: "no place".to_owned(),
            evidence: Vec::new(),
            next: "wait".to_owned(),
        };
        Fault::host(HostCode::Overloaded, "busy", verdict)
    }

    #[test]
    fn what_is_taken_is_done_with() {
        assert_eq!(judge(&gave(Value::Result(Ok(None))), 1), Judged::Taken);
    }

    #[test]
    fn what_may_be_taken_later_comes_again_until_it_was_delivered_often_enough() {
        let again = failure(0, Value::Text("not yet".to_owned()));
        for delivery in 1..MOST {
            let Judged::Again { after, why } = judge(&again, delivery) else {
                panic!("delivery {delivery}");
            };
            assert!(after <= PAUSE * 2 && why == "not yet");
        }
        let why = "not yet".to_owned();
        assert_eq!(judge(&again, MOST), Judged::Dead { why });
        let later = judge(&failure(1, Value::U64(5_000)), 1);
        assert!(matches!(later, Judged::Again { after, .. } if after == Duration::from_secs(5)));
        let far = judge(&failure(1, Value::U64(u64::MAX)), 1);
        assert!(matches!(far, Judged::Again { after, .. } if after == LATER_MAX));
        assert!(matches!(
            judge(&failure(1, Value::U64(5)), MOST),
            Judged::Dead { .. }
        ));
    }

    #[test]
    fn what_is_permanent_is_dead_at_once() {
        let never = failure(2, Value::Text("never".to_owned()));
        let why = "never".to_owned();
        assert_eq!(judge(&never, 1), Judged::Dead { why });
    }

    #[test]
    fn a_service_that_was_not_asked_has_had_no_delivery() {
        let known = Known {
            delivery: MOST,
            most: MOST,
            attempts: 0,
            random: u64::MAX,
        };
        let refused = Err(fault().retry_after(Duration::from_secs(9)));
        let Judged::NotAsked { after, why } = judged(&refused, known) else {
            panic!("it counts");
        };
        assert!(after >= Duration::from_secs(9) && after <= Duration::from_secs(11));
        assert_eq!(why, "overloaded: no place");
        assert!(matches!(judge(&Err(fault()), 1), Judged::Again { .. }));
        assert!(matches!(judge(&Err(fault()), MOST), Judged::Dead { .. }));
    }

    #[test]
    fn a_tick_is_asked_for_once() {
        let refused = || Err(fault());
        assert!(matches!(
            ended(&refused(), Asked::Not, 1),
            Ended::NotAsked { .. }
        ));
        assert_eq!(ended(&refused(), Asked::Yes, 1), Ended::Failed);
        assert_eq!(
            ended(&gave(Value::Result(Ok(None))), Asked::Yes, 1),
            Ended::Well
        );
        assert_eq!(
            ended(&gave(Value::Result(Err(None))), Asked::Yes, 1),
            Ended::Failed
        );
        for (status, came) in [
            (204, Ended::Well),
            (404, Ended::Failed),
            (503, Ended::Failed),
        ] {
            let mut response = http::Response::new(holdfast_call::Body::empty());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            assert_eq!(
                ended(&Ok(Answer::Http(response)), Asked::Yes, 1),
                came,
                "{status}"
            );
        }
    }

    #[test]
    fn pauses_grow_to_their_end_and_differ() {
        for (delivery, most) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (200, 300)] {
            let most = Duration::from_secs(most);
            for random in [0, 1, 123_456_789, u64::MAX] {
                assert!(pause(delivery, random) <= most, "{delivery} {random}");
            }
        }
        assert_ne!(pause(9, 1), pause(9, 2));
    }

    #[test]
    fn what_is_kept_of_a_failure_has_an_end() {
        let long = failure(0, Value::Text("ä\0".repeat(9_000)));
        let Judged::Again { why, .. } = judge(&long, 1) else {
            panic!("it comes again");
        };
        assert!(why.len() <= SAID_BYTES_MAX && !why.contains('\0'));
    }
}
