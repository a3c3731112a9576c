//! The host's fault codes: one table of what each code means, for ever.
//!
//! A code's status, class, boundary and retry advice never change once released (`fault-codes.txt` beside this crate's manifest holds
//! them, and a test compares). Adding a code is a minor change. Services have codes of their own, `<service>/<code>`; the two name
//! spaces are disjoint by type: the host cannot make a service's code, nor a service the host's.

/// The boundary that failed: where somebody who wants it mended has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Boundary {
    /// The caller sent something wrong, or went away.
    Caller,
    /// A rule said no, as it was meant to: a limit, a permission, a budget.
    Policy,
    /// The service's own code.
    Application,
    /// A setting, a secret or a file of settings.
    Configuration,
    /// No service claims this place, or two do.
    Routing,
    /// Starting, swapping, draining or removing a service.
    Lifecycle,
    /// What must last could not be written or read.
    Storage,
    /// A system outside that this call depends on.
    Upstream,
    /// The host itself, or the machine it runs on.
    Platform,
}

impl Boundary {
    /// The word of the log and of the fault.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Policy => "policy",
            Self::Application => "application",
            Self::Configuration => "configuration",
            Self::Routing => "routing",
            Self::Lifecycle => "lifecycle",
            Self::Storage => "storage",
            Self::Upstream => "upstream",
            Self::Platform => "platform",
        }
    }
}

/// What kind of failure it was, decided by how far the bytes got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same call will fail the same way.
    Permanent,
    /// The same call may succeed later.
    Transient,
    /// Somebody asks for less.
    Throttled,
    /// It is not known whether the effect took place.
    Ambiguous,
    /// Nothing of the call reached the other side.
    NotSent,
    /// The one who asked no longer waits.
    Cancelled,
}

impl Class {
    /// The word of the log and of the fault.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Ambiguous => "ambiguous",
            Self::NotSent => "not-sent",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the caller is advised to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Asking again changes nothing.
    Never,
    /// Asking again later is safe and may help.
    Later,
    /// Asking again is safe only if the operation is idempotent.
    IfIdempotent,
}

impl Retry {
    /// The word of the fault.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Later => "later",
            Self::IfIdempotent => "if-idempotent",
        }
    }
}

/// What a code means; constant for the life of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The code itself, kebab-case.
    pub code: &'static str,
    /// The HTTP status that carries it.
    pub status: u16,
    /// What kind of failure it is.
    pub class: Class,
    /// The boundary it blames where the verdict knows no better.
    pub boundary: Boundary,
    /// What the caller should do.
    pub retry: Retry,
    /// One stable sentence for people.
    pub title: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal $status:literal $class:ident $boundary:ident $retry:ident $title:literal;)*) => {
        /// A fault code of the host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HostCode {
            $(#[doc = $title] $name,)*
        }

        impl HostCode {
            /// Every code there is, in the order of the registry.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What the code means.
            #[must_use]
            pub const fn meaning(self) -> Meaning {
                match self {
                    $(Self::$name => Meaning {
                        code: $code, status: $status, class: Class::$class, boundary: Boundary::$boundary,
                        retry: Retry::$retry, title: $title,
                    },)*
                }
            }
        }
    };
}

codes! {
    NoSuchService = "no-such-service" 404 Permanent Routing Never "No service answers here";
    NoSuchOperation = "no-such-operation" 404 Permanent Routing Never "The service has no such operation";
    MethodNotAllowed = "method-not-allowed" 405 Permanent Caller Never "The operation is not asked with this method";
    InvalidInput = "invalid-input" 400 Permanent Caller Never "The request is not valid";
    PayloadTooLarge = "payload-too-large" 413 Permanent Caller Never "The request is larger than allowed";
    TargetTooLong = "target-too-long" 414 Permanent Caller Never "The target of the request is longer than allowed";
    ExpectationFailed = "expectation-failed" 417 Permanent Caller Never "What the request expects is not offered";
    FieldsTooLarge = "fields-too-large" 431 Permanent Caller Never "The request has more header fields than allowed";
    Unauthenticated = "unauthenticated" 401 Permanent Caller Never "The caller is not known";
    Forbidden = "forbidden" 403 Permanent Policy Never "The caller may not do this";
    ApprovalRequired = "approval-required" 403 Permanent Policy Never "A person has to approve this first";
    KeyReused = "key-reused" 422 Permanent Caller Never "The idempotency key was used for another request";
    Indeterminate = "indeterminate" 409 Ambiguous Platform Never "It is not known what came of an earlier request with this key";
    InProgress = "in-progress" 409 Transient Caller Later "The same request is still running";
    RateLimited = "rate-limited" 429 Throttled Policy Later "Too many requests";
    BudgetExhausted = "budget-exhausted" 429 Throttled Policy Later "The budget is spent";
    Overloaded = "overloaded" 503 Throttled Policy Later "The service has no free place";
    Draining = "draining" 503 Transient Lifecycle Later "The host is shutting down";
    Quarantined = "quarantined" 503 Transient Lifecycle Later "The service is switched off after repeated failures";
    DeadlineExceeded = "deadline-exceeded" 504 Ambiguous Application IfIdempotent "The call did not end in time";
    CpuExhausted = "cpu-exhausted" 503 Permanent Application Never "The service used all of its CPU time";
    MemoryExhausted = "memory-exhausted" 503 Permanent Application Never "The service used all of its memory";
    CallsExhausted = "calls-exhausted" 503 Permanent Application Never "The service made all the calls one call may make";
    LoopDetected = "loop-detected" 508 Permanent Application Never "Services call each other in a circle";
    ServiceFault = "service-fault" 500 Permanent Application Never "The service failed";
    BadResponse = "bad-response" 502 Permanent Application Never "The service gave an answer that cannot be passed on";
    CapabilityDenied = "capability-denied" 403 Permanent Policy Never "The service may not use this";
    UpstreamUnreachable = "upstream-unreachable" 502 NotSent Upstream Later "The upstream could not be reached";
    UpstreamTimeout = "upstream-timeout" 504 Ambiguous Upstream IfIdempotent "The upstream did not answer in time";
    UpstreamFault = "upstream-fault" 502 Ambiguous Upstream IfIdempotent "The upstream broke off";
    UpstreamUntrusted = "upstream-untrusted" 502 Permanent Upstream Never "The upstream could not prove who it is";
    UpstreamTooLarge = "upstream-too-large" 502 Permanent Upstream Never "The upstream answered more than is taken";
    SecretEchoed = "secret-echoed" 502 Permanent Upstream Never "The upstream answered what nobody may read";
    UpstreamThrottled = "upstream-throttled" 503 Throttled Upstream Later "The upstream asks for fewer requests";
    UpstreamCircuitOpen = "upstream-circuit-open" 503 NotSent Upstream Later "The upstream keeps failing and is left alone for a while";
    StorageUnavailable = "storage-unavailable" 503 Transient Storage Later "What must last could not be stored";
    Cancelled = "cancelled" 499 Cancelled Caller Never "The caller went away";
    Internal = "internal" 500 Transient Platform Later "The host failed";
}

impl HostCode {
    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.meaning().code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_file_says_what_the_table_says() {
        let mut table = String::new();
        for code in HostCode::ALL {
            let m = code.meaning();
            table.push_str(&format!(
                "{} {} {} {} {}\n",
                m.code,
                m.status,
                m.class.as_str(),
                m.boundary.as_str(),
                m.retry.as_str()
            ));
        }
        let file = include_str!("../fault-codes.txt");
        let released: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            table.lines().collect::<Vec<_>>(),
            released,
            "a released code never changes; a new one is added to fault-codes.txt in the same commit"
        );
    }

    #[test]
    fn codes_are_kebab_case_and_never_look_like_a_services() {
        for code in HostCode::ALL {
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{}",
                code.as_str()
            );
        }
    }
}
