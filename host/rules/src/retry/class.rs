//! What became of a try, and whether another one may follow: decided by how far the bytes got and by what the upstream said, never by hope.
//!
//! A status is the upstream's own word; a fault's class says how far the request came. Whether a second try could do harm is another
//! question than whether it could help, and both must be answered with yes.

use super::hint::Hint;
use holdfast_call::{Answer, Class, Clock, Exchanged, Fault, HostCode, Reply};
use http::{HeaderMap, Method, StatusCode};

/// What a second try of a request could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing that the first has not done: a method that may be repeated, or a key by which the upstream knows it again.
    Harmless,
    /// A second effect.
    Doubles,
}

impl Repeat {
    /// What a second try of `method` could do where nothing else is known (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn of(method: &Method) -> Self {
        if method.is_idempotent() {
            Self::Harmless
        } else {
            Self::Doubles
        }
    }
}

/// A try that was no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What kind of failure it was.
    pub class: Class,
    /// Whether it is known that nothing took effect: nothing was sent, or the upstream said that it turned the request away.
    pub effect: Effect,
    /// When the upstream wants to be asked again, or that it does not.
    pub hint: Hint,
}

/// Whether a failed try can have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It cannot.
    None,
    /// It can.
    Possible,
}

/// How a try ended: `None` if there is nothing to try again for. A date in the answer is meant by the clock's time for people.
#[must_use]
pub fn failed(reply: &Reply, clock: &dyn Clock) -> Option<Failed> {
    match reply {
        Ok(answer) => {
            let (status, headers) = answer.head()?;
            if exchanged(answer) {
                return Some(EXCHANGED);
            }
            if status.as_u16() < 400 {
                return None;
            }
            Some(status_failed(
                status,
                headers,
                clock.wall().millis() / 1_000,
            ))
        }
        Err(fault) => Some(fault_failed(fault)),
    }
}

/// The credential was refused, and there is another one now: the request took no effect, and there is nothing to wait for.
const EXCHANGED: Failed = Failed {
    class: Class::Transient,
    effect: Effect::None,
    hint: Hint::Nothing,
};

fn exchanged(answer: &Answer) -> bool {
    match answer {
        Answer::Http(response) => response.extensions().get::<Exchanged>().is_some(),
        Answer::Values(_) => false,
    }
}

fn fault_failed(fault: &Fault) -> Failed {
    let class = fault.class();
    if let Some(HostCode::UpstreamCircuitOpen | HostCode::BudgetExhausted) = fault.host_code() {
        // Nothing was sent, but whoever waits for a breaker or a budget defeats it.
        return Failed {
            class,
            effect: Effect::None,
            hint: Hint::Never,
        };
    }
    Failed {
        class,
        effect: match class {
            Class::NotSent | Class::Throttled => Effect::None,
            Class::Permanent | Class::Transient | Class::Ambiguous | Class::Cancelled => {
                Effect::Possible
            }
        },
        hint: fault.wait().map_or(Hint::Nothing, Hint::After),
    }
}

fn status_failed(status: StatusCode, headers: &HeaderMap, wall: u64) -> Failed {
    let hint = Hint::of(headers, wall);
    let class = match (status.as_u16(), hint) {
        (_, Hint::Never) => Class::Permanent,
        // 529 is what model providers answer when they are overloaded.
        (429 | 529, _) | (503, Hint::After(_)) => Class::Throttled,
        (408 | 425 | 500 | 502 | 503 | 504, _) | (_, Hint::Worthwhile) => Class::Transient,
        _ => Class::Permanent,
    };
    let effect = if status == StatusCode::TOO_MANY_REQUESTS {
        Effect::None
    } else {
        Effect::Possible
    };
    Failed {
        class,
        effect,
        hint,
    }
}

impl Failed {
    /// Whether another try could help and could not do harm.
    #[must_use]
    pub fn may_repeat(&self, repeat: Repeat) -> bool {
        let helps = match self.class {
            Class::NotSent | Class::Throttled | Class::Transient | Class::Ambiguous => true,
            Class::Permanent | Class::Cancelled => false,
        };
        helps
            && self.hint != Hint::Never
            && (self.effect == Effect::None || repeat == Repeat::Harmless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::Duration;

    fn of(status: u16, headers: &[(&'static str, &'static str)]) -> Class {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        status_failed(status, &headers, 0).class
    }

    #[test]
    fn a_status_has_one_class() {
        use Class::{Permanent, Throttled, Transient};
        let table = [
            (400, Permanent),
            (401, Permanent),
            (404, Permanent),
            (408, Transient),
            (409, Permanent),
            (425, Transient),
            (429, Throttled),
            (500, Transient),
            (501, Permanent),
            (502, Transient),
            (503, Transient),
            (504, Transient),
            (505, Permanent),
            (529, Throttled),
        ];
        for (status, class) in table {
            assert_eq!(of(status, &[]), class, "{status}");
        }
    }

    #[test]
    fn what_the_upstream_says_of_trying_again_is_stronger_than_its_status() {
        assert_eq!(of(503, &[("retry-after", "3")]), Class::Throttled);
        assert_eq!(of(503, &[("retry-after", "soon")]), Class::Transient);
        assert_eq!(of(409, &[("x-should-retry", "true")]), Class::Transient);
        for status in [429, 500, 503] {
            let never = [("x-should-retry", "false"), ("retry-after", "1")];
            assert_eq!(of(status, &never), Class::Permanent, "{status}");
        }
    }

    #[test]
    fn what_may_have_taken_effect_is_repeated_only_where_that_is_harmless() {
        let classes = [
            (Class::NotSent, Effect::None, [true, true]),
            (Class::Throttled, Effect::None, [true, true]),
            (Class::Throttled, Effect::Possible, [true, false]),
            (Class::Transient, Effect::Possible, [true, false]),
            (Class::Ambiguous, Effect::Possible, [true, false]),
            (Class::Permanent, Effect::Possible, [false, false]),
            (Class::Cancelled, Effect::Possible, [false, false]),
        ];
        for (class, effect, expected) in classes {
            let failed = Failed {
                class,
                effect,
                hint: Hint::After(Duration::ZERO),
            };
            let may = [Repeat::Harmless, Repeat::Doubles].map(|repeat| failed.may_repeat(repeat));
            assert_eq!(may, expected, "{class:?} {effect:?}");
        }
    }

    #[test]
    fn a_method_may_be_repeated_as_its_definition_says() {
        for method in [
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
        ] {
            assert_eq!(Repeat::of(&method), Repeat::Harmless, "{method}");
        }
        let own = Method::from_bytes(b"BREW").unwrap();
        for method in [Method::POST, Method::PATCH, own] {
            assert_eq!(Repeat::of(&method), Repeat::Doubles, "{method}");
        }
    }
}
