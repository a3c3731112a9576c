//! What `admit` says to those whom it turns away: the rule, what was seen, the limit, the line that would change it, and when to come
//! again.

use super::places::{Limits, Places};
use super::pressure::Readings;
use super::room::Room;
use super::{Admit, Asks, Kind, retry_after};
use holdfast_call::{Boundary, Call, Fault, HostCode, Moment, Priority, Refusal, Shed, ShedReason};
use std::time::Duration;

/// Why a place was not to be had.
#[derive(Clone, Copy)]
pub(super) enum NoPlace {
    Full,
    Waited,
    GaveWay,
    Nested,
    Streams,
}

impl NoPlace {
    /// Why one who waited until `until` has no place.
    pub(super) fn after_waiting(now: Moment, until: Moment) -> Self {
        if now < until {
            Self::GaveWay
        } else {
            Self::Waited
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Full => "so many calls run at once, and as many wait",
            Self::Waited => "a call waits only so long for a place",
            Self::GaveWay => "where as many wait as may, a call gives way to one of a higher class",
            Self::Nested => "a service has so many nested calls",
            Self::Streams => "a service has so many open streams",
        }
    }

    const fn reason(self) -> ShedReason {
        match self {
            Self::Full => ShedReason::QueueFull,
            Self::Waited => ShedReason::TimeOut,
            Self::GaveWay => ShedReason::Preempted,
            Self::Nested => ShedReason::Nested,
            Self::Streams => ShedReason::Streams,
        }
    }
}

/// What an `overloaded` says beside what all of them say.
struct Said {
    rule: &'static str,
    seen: String,
    limit: String,
    change: String,
}

impl Admit {
    pub(super) fn no_place(&self, why: NoPlace, asks: &Asks, places: &Places) -> Fault {
        let Limits {
            places: all,
            streams,
        } = places.limits();
        let said = Said {
            rule: why.rule(),
            seen: places.to_string(),
            limit: format!("places = {all}, open_streams = {streams}"),
            change: match asks.kind {
                Kind::Root | Kind::Nested => {
                    "places and open_streams under [services.NAME.limits] in holdfast.toml"
                }
                Kind::Upstream => "places under [upstreams.NAME] in holdfast.toml",
            }
            .to_owned(),
        };
        self.overloaded(asks.wish.class, why.reason(), said)
    }

    /// To one who could not be served in the time that is `left`.
    pub(super) fn too_late(
        &self,
        left: Duration,
        median: Duration,
        asks: &Asks,
        places: &Places,
    ) -> Fault {
        let said = Said {
            rule: "a call does not wait for a place where it has less time left than others took",
            seen: format!("{} ms left; {places}", left.as_millis()),
            limit: format!(
                "{} ms, which more than half of the last calls took while every place was taken",
                median.as_millis()
            ),
            change: match asks.kind {
                Kind::Root | Kind::Nested => {
                    "places or deadline under [services.NAME.limits] in holdfast.toml"
                }
                Kind::Upstream => {
                    "places under [upstreams.NAME], or deadline of the service that asks, in holdfast.toml"
                }
            }
            .to_owned(),
        };
        self.overloaded(asks.wish.class, ShedReason::TooLate, said)
    }

    /// To a class that a host which is hard pressed sends away.
    pub(super) fn pressed(&self, call: &Call, class: Priority) -> Fault {
        let shedding = self.host.shedding();
        let Readings { memory, late } = shedding.readings;
        let said = Said {
            rule: "a host that is hard pressed sends the lesser classes away",
            seen: format!(
                "{} % of the memory in use, tasks woken {} ms late",
                memory / 10,
                late.as_millis()
            ),
            limit: format!("no calls of class {} until that is better", class.as_str()),
            change: format!(
                "shed_memory, or priority under [services.NAME], in holdfast.toml; {} is {}",
                call.target,
                class.as_str()
            ),
        };
        self.overloaded(class, shedding.reason(class), said)
    }

    /// To one whose service holds `held` slots, and can have no more.
    pub(super) fn no_slot(&self, asks: &Asks, held: u32, room: &Room) -> Fault {
        let said = Said {
            rule: "a service holds no more slots than are free",
            seen: format!("{held} held by the service, {room}"),
            limit: "as many as are free".to_owned(),
            change: "slots in holdfast.toml".to_owned(),
        };
        let fault = self.overloaded(asks.wish.class, ShedReason::Slots, said);
        // A service that holds none has had no share of them: the host is too small for what it serves.
        if held == 0 {
            fault.blamed(Boundary::Platform)
        } else {
            fault
        }
    }

    /// Nobody is turned away as overloaded here without a reason that is counted, and a time to come again.
    fn overloaded(&self, class: Priority, reason: ShedReason, said: Said) -> Fault {
        let refusal = Refusal {
            code: HostCode::Overloaded,
            layer: "admit",
            detail: "There is no free place for this call now.".to_owned(),
            rule: said.rule.to_owned(),
            seen: said.seen,
            limit: said.limit,
            change: said.change,
            retry_after: Some(retry_after(&*self.sources.random)),
        };
        Fault::from(refusal).for_want(Shed { class, reason })
    }

    pub(super) fn draining(&self) -> Fault {
        let refusal = Refusal {
            code: HostCode::Draining,
            layer: "admit",
            detail: "The host is shutting down.".to_owned(),
            rule: "a host that is shutting down takes no new calls".to_owned(),
            seen: format!("{} calls still in flight", self.host.in_flight()),
            limit: "no new calls".to_owned(),
            change: "nothing: ask again once the host is back".to_owned(),
            retry_after: Some(retry_after(&*self.sources.random)),
        };
        refusal.into()
    }
}
