//! `authorize`: caller × target × operation; what happens is what manifest and policy both allow.
//!
//! Nothing is granted by default. A denial is a fault like any other, never a trap, and always says which line or command would change
//! it: to the operator, not to the one who was denied.

use crate::Parts;
use holdfast_call::{
    BoxFuture, Call, HostCode, Layer, Link, Next, Refusal, Registered, Reply, Target,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Whether callers whom nobody vouched for may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

/// Who may call a service from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Callers whom nobody vouched for.
    pub anonymous: Anonymous,
}

/// What one of the two owners names for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Upstreams, by their names in the policy.
    pub upstreams: BTreeSet<String>,
    /// Services it may call.
    pub services: BTreeSet<String>,
}

/// What a service may ask for: the settings of the one that asks.
#[derive(Clone, Debug)]
pub struct Grants {
    service: Arc<str>,
    /// Every origin the policy knows: whose it is, and whether this service may use it.
    origins: HashMap<String, (String, Standing)>,
    services: HashMap<String, Standing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Granted,
    NotInManifest,
    NotInPolicy,
    InNeither,
}

impl Grants {
    /// What `asked` (the manifest) and `allowed` (the policy) both name. `upstreams` are all there are in the policy: name → origin,
    /// `scheme://host:port` in lower case with the port always written.
    #[must_use]
    pub fn new(
        service: &Arc<str>,
        asked: &Names,
        allowed: &Names,
        upstreams: &BTreeMap<String, String>,
    ) -> Self {
        let origins = upstreams.iter().map(|(name, origin)| {
            let standing = standing(&asked.upstreams, &allowed.upstreams, name);
            (origin.clone(), (name.clone(), standing))
        });
        let services = asked.services.union(&allowed.services).map(|name| {
            let standing = standing(&asked.services, &allowed.services, name);
            (name.clone(), standing)
        });
        Self {
            service: service.clone(),
            origins: origins.collect(),
            services: services.collect(),
        }
    }

    fn upstream(&self, origin: &str) -> Result<(), Refusal> {
        let Some((name, standing)) = self.origins.get(origin) else {
            return Err(self.unknown(origin));
        };
        self.check("upstreams", "upstream", name, *standing, origin)
    }

    fn service(&self, name: &str) -> Result<(), Refusal> {
        let standing = self.services.get(name).copied();
        let standing = standing.unwrap_or(Standing::InNeither);
        self.check("services", "service", name, standing, name)
    }

    fn check(
        &self,
        key: &str,
        kind: &str,
        name: &str,
        standing: Standing,
        seen: &str,
    ) -> Result<(), Refusal> {
        let service = &self.service;
        let manifest = format!("{key} = [\"{name}\"] in {service}.toml");
        let policy = format!(
            "run `holdfast allow {service}`, or write {key} = [\"{name}\"] under [services.{service}] in holdfast.toml"
        );
        let (limit, change) = match standing {
            Standing::Granted => return Ok(()),
            Standing::NotInManifest => (
                format!("the policy allows it, but {service}.toml does not name the {kind} {name}"),
                manifest,
            ),
            Standing::NotInPolicy => (
                format!("{service}.toml names it, but the policy does not allow the {kind} {name}"),
                policy,
            ),
            Standing::InNeither => (
                format!("neither {service}.toml nor the policy names the {kind} {name} for it"),
                format!("{manifest}, then {policy}"),
            ),
        };
        Err(denied(seen.to_owned(), limit, change))
    }

    /// No upstream of the policy has this origin. If one has the same host, the scheme or the port is what differs.
    fn unknown(&self, origin: &str) -> Refusal {
        let same = |known: &&String| host(known) == host(origin);
        let near = self.origins.keys().filter(same).min();
        let limit = match near.and_then(|known| self.origins.get_key_value(known)) {
            Some((known, (name, _))) => {
                format!(
                    "the policy knows this host only as {known}, the upstream {name}: scheme and port count"
                )
            }
            None => "no upstream of the policy has this origin".to_owned(),
        };
        let change = format!("url = \"{origin}\" under [upstreams.NAME] in holdfast.toml");
        denied(origin.to_owned(), limit, change)
    }
}

fn standing(asked: &BTreeSet<String>, allowed: &BTreeSet<String>, name: &str) -> Standing {
    match (asked.contains(name), allowed.contains(name)) {
        (true, true) => Standing::Granted,
        (false, true) => Standing::NotInManifest,
        (true, false) => Standing::NotInPolicy,
        (false, false) => Standing::InNeither,
    }
}

/// The host of an origin, without scheme and port.
fn host(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    rest.rsplit_once(':').map_or(rest, |(host, _)| host)
}

fn denied(seen: String, limit: String, change: String) -> Refusal {
    Refusal {
        code: HostCode::CapabilityDenied,
        layer: "authorize",
        detail: "This is not allowed.".to_owned(),
        rule: "a service reaches only what its manifest and the policy both name".to_owned(),
        seen,
        limit,
        change,
        retry_after: None,
    }
}

pub(crate) fn layer(_parts: &Parts) -> Box<dyn Layer> {
    Box::new(Authorize)
}

struct Authorize;

impl Layer for Authorize {
    fn name(&self) -> &'static str {
        "authorize"
    }

    fn run<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Reply> {
        match decide(&call) {
            Ok(()) => next.run(call),
            Err(refusal) => Box::pin(async move { Err(refusal.into()) }),
        }
    }
}

fn decide(call: &Call) -> Result<(), Refusal> {
    match (&call.asker, call.nested()) {
        (Some(asker), _) => nested(asker, &call.target),
        (None, false) => outside(call),
        // A nested call always has an asker; without one nothing can have been granted.
        (None, true) => Err(denied(
            call.target.to_string(),
            "nobody is known to ask".to_owned(),
            "report it: a nested call without an asker is a mistake in the host".to_owned(),
        )),
    }
}

fn nested(asker: &Arc<Registered>, target: &Target) -> Result<(), Refusal> {
    let Some(grants) = asker.settings.get::<Grants>() else {
        let change = "give it a manifest that names what it needs, then `holdfast allow NAME`";
        let limit = format!("{} is granted nothing", asker.target);
        return Err(denied(target.to_string(), limit, change.to_owned()));
    };
    match target {
        Target::Service(name) => grants.service(name),
        Target::Capability {
            name: "http",
            resource,
        } => grants.upstream(resource),
        Target::Capability { name, .. } => Err(denied(
            target.to_string(),
            format!("the capability {name} cannot be granted"),
            "nothing: this host does not offer it".to_owned(),
        )),
    }
}

fn outside(call: &Call) -> Result<(), Refusal> {
    let Target::Service(name) = &call.target else {
        return Err(forbidden(
            call,
            "capabilities are for services alone",
            "nothing: call a service".to_owned(),
        ));
    };
    let Some(registered) = &call.registered else {
        // Who may call what is not there is no secret: dispatch says that it is not there.
        return Ok(());
    };
    let access = registered.settings.get::<Access>();
    match (
        call.caller.links().last(),
        access.map(|access| access.anonymous),
    ) {
        (Some(Link::Operator { .. }), _) | (Some(Link::Anonymous), Some(Anonymous::Allow)) => {
            Ok(())
        }
        (Some(Link::Anonymous | Link::Service(_)) | None, _) => Err(forbidden(
            call,
            "anonymous = \"deny\"",
            format!("anonymous = \"allow\" under [services.{name}] in holdfast.toml"),
        )),
    }
}

fn forbidden(call: &Call, limit: &str, change: String) -> Refusal {
    Refusal {
        code: HostCode::Forbidden,
        layer: "authorize",
        detail: "The caller may not call this.".to_owned(),
        rule: "the policy says who may call a service from outside".to_owned(),
        seen: call.caller.to_string(),
        limit: limit.to_owned(),
        change,
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use holdfast_call::{Caller, Pipeline, Settings};

    const API: &str = "https://api.example.com:443";

    fn names(upstreams: &[&str], services: &[&str]) -> Names {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names {
            upstreams: set(upstreams),
            services: set(services),
        }
    }

    fn grants(asked: &Names, allowed: &Names) -> Grants {
        let upstreams = BTreeMap::from([
            ("api".to_owned(), API.to_owned()),
            (
                "other".to_owned(),
                "http://other.example.com:8080".to_owned(),
            ),
        ]);
        Grants::new(&"front".into(), asked, allowed, &upstreams)
    }

    struct World {
        bench: Bench,
        pipeline: Arc<Pipeline>,
        asker: Arc<Registered>,
    }

    /// A service that asks, and everything it could ask for.
    fn world(settings: Settings) -> World {
        let bench = Bench::new();
        let pipeline = bench.only(&["authorize"]);
        let asker = register(&pipeline, &service("front"), settings, hello);
        for target in [
            service("notes"),
            upstream(API),
            upstream("http://other.example.com:8080"),
            upstream("https://unknown.example.com:443"),
        ] {
            register(&pipeline, &target, Settings::default(), hello);
        }
        World {
            bench,
            pipeline,
            asker,
        }
    }

    impl World {
        fn asks(&self, target: &Target) -> Reply {
            run(&self.pipeline, self.bench.nested(&self.asker, &[], target))
        }

        fn denied(&self, target: &Target) -> (String, String) {
            let fault = fault(self.asks(target));
            assert_eq!(fault.host_code(), Some(HostCode::CapabilityDenied));
            assert_eq!(fault.detail(), "This is not allowed.");
            let verdict = fault.verdict();
            let limit = verdict.evidence.iter().find(|(key, _)| *key == "limit");
            (limit.unwrap().1.clone(), verdict.next.clone())
        }
    }

    #[test]
    fn what_both_owners_name_is_allowed() {
        let both = names(&["api"], &["notes"]);
        let world = world(Settings::default().with(grants(&both, &both)));
        assert!(world.asks(&upstream(API)).is_ok());
        assert!(world.asks(&service("notes")).is_ok());
    }

    #[test]
    fn nothing_is_granted_by_default() {
        let without = world(Settings::default());
        let empty = world(Settings::default().with(grants(&Names::default(), &Names::default())));
        for world in [without, empty] {
            for target in [
                upstream(API),
                service("notes"),
                service("front"),
                service("nobody"),
                Target::Capability {
                    name: "kv",
                    resource: "x".into(),
                },
            ] {
                assert_eq!(code(world.asks(&target)), "capability-denied", "{target}");
            }
        }
    }

    #[test]
    fn each_missing_half_is_told_with_the_line_that_would_change_it() {
        let none = names(&[], &[]);
        let both = names(&["api"], &["notes"]);
        let in_policy = "run `holdfast allow front`, or write";
        for (asked, allowed, says, change) in [
            (
                &none,
                &both,
                "the policy allows it, but front.toml does not name",
                "in front.toml",
            ),
            (
                &both,
                &none,
                "front.toml names it, but the policy does not allow",
                in_policy,
            ),
            (
                &none,
                &none,
                "neither front.toml nor the policy names",
                "in front.toml, then run `holdfast allow front`",
            ),
        ] {
            let world = world(Settings::default().with(grants(asked, allowed)));
            for (target, line) in [
                (upstream(API), "upstreams = [\"api\"]"),
                (service("notes"), "services = [\"notes\"]"),
            ] {
                let (limit, next) = world.denied(&target);
                assert!(limit.starts_with(says), "{limit}");
                assert!(next.contains(change) && next.contains(line), "{next}");
            }
        }
    }

    #[test]
    fn an_origin_that_no_upstream_has_is_told_with_the_nearest_one() {
        let both = names(&["api"], &[]);
        let world = world(Settings::default().with(grants(&both, &both)));
        for origin in ["http://api.example.com:80", "https://api.example.com:8443"] {
            let (limit, next) = world.denied(&upstream(origin));
            assert!(
                limit.contains(API) && limit.contains("the upstream api"),
                "{limit}"
            );
            assert!(next.contains(origin), "{next}");
        }
        let (limit, _) = world.denied(&upstream("https://unknown.example.com:443"));
        assert_eq!(limit, "no upstream of the policy has this origin");
        // A name that only ends the same, or hides the host in its user part, is another host.
        for origin in [
            "https://api.example.com.evil.org:443",
            "https://api.example.com@evil.org:443",
        ] {
            let (limit, _) = world.denied(&upstream(origin));
            assert_eq!(limit, "no upstream of the policy has this origin");
        }
    }

    #[test]
    fn a_denied_call_never_reaches_its_target() {
        let bench = Bench::new();
        let pipeline = bench.only(&["authorize"]);
        let asker = register(&pipeline, &service("front"), Settings::default(), hello);
        register(&pipeline, &upstream(API), Settings::default(), |_| {
            panic!("reached")
        });
        assert_eq!(
            code(run(&pipeline, bench.nested(&asker, &[], &upstream(API)))),
            "capability-denied"
        );
    }

    #[test]
    fn who_may_call_from_outside_is_the_policys_word() {
        let allow = Settings::default().with(Access {
            anonymous: Anonymous::Allow,
        });
        let deny = Settings::default().with(Access {
            anonymous: Anonymous::Deny,
        });
        let anonymous = Caller::outside(Link::Anonymous);
        let operator = Caller::outside(Link::Operator { uid: 7 });
        for (settings, caller, allowed) in [
            (&allow, &anonymous, true),
            (&deny, &anonymous, false),
            (&Settings::default(), &anonymous, false),
            (&deny, &operator, true),
        ] {
            let world = world(settings.clone());
            let mut call = world.bench.call(&service("front"));
            call.caller = caller.clone();
            let reply = run(&world.pipeline, call);
            assert_eq!(reply.is_ok(), allowed, "{settings:?} {caller}");
            if !allowed {
                let fault = fault(reply);
                assert_eq!(fault.host_code(), Some(HostCode::Forbidden));
                assert!(fault.verdict().next.contains("[services.front]"));
                assert!(!fault.detail().contains("front"));
            }
        }
    }

    #[test]
    fn nobody_from_outside_reaches_a_capability() {
        let world = world(Settings::default());
        let reply = run(&world.pipeline, world.bench.call(&upstream(API)));
        assert_eq!(code(reply), "forbidden");
    }

    #[test]
    fn what_is_not_there_is_not_forbidden() {
        let world = world(Settings::default());
        let reply = run(&world.pipeline, world.bench.call(&service("nobody")));
        assert_eq!(code(reply), "no-such-service");
    }

    #[test]
    fn a_nested_call_that_nobody_asks_is_denied() {
        let world = world(Settings::default());
        let mut call = world.bench.nested(&world.asker, &[], &upstream(API));
        call.asker = None;
        assert_eq!(code(run(&world.pipeline, call)), "capability-denied");
    }
}
