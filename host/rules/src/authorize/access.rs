//! Who may call a service from outside: the operator, the principals that the policy names, and strangers where it says so.
//!
//! A principal needs both: the policy's word that he may call this service, and a proof whose scopes reach this operation. Where the policy
//! declares a webhook, that is its word for whoever signs for it, at that path.

use super::Public;
use crate::identify::signed::Webhooks;
use holdfast_call::{
    Call, Entry, Fault, HostCode, Link, Payload, Principal, Refusal, Registered, Target,
};
use http::Method;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether callers whom nobody vouched for may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

/// The principals that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Whoever has proved who he is.
    Known,
    /// These; none, if there are none.
    Named(BTreeSet<String>),
}

/// Who may call a service from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Callers whom nobody vouched for.
    pub anonymous: Anonymous,
    /// Those who proved who they are.
    pub callers: Callers,
}

/// Whether it is the host itself that asks another system.
pub(super) fn by_host(call: &Call) -> bool {
    call.entry == Entry::Host
        && call.target.is_outside()
        && matches!(call.caller.links(), [Link::Host])
}

/// Whether a message is delivered to the service that it is for, or what that has on its schedule is asked of it, or an execution goes on
/// that was allowed when it was begun.
pub(super) fn delivered(call: &Call) -> bool {
    matches!(call.entry, Entry::Queue | Entry::Timer | Entry::Execution)
        && matches!(call.target, Target::Service(_))
}

/// Whether this call, which no service makes, may be made.
pub(super) fn outside(call: &Call) -> Result<(), Fault> {
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
    let strangers = access.is_some_and(|access| access.anonymous == Anonymous::Allow)
        || open_to_all(call, registered);
    match call.caller.links().last() {
        Some(Link::Operator { .. }) => Ok(()),
        // Where everybody is served, nobody is worse off for having said who he is.
        Some(Link::Anonymous | Link::Principal(_)) if strangers => Ok(()),
        Some(Link::Anonymous) if access.is_some_and(Access::has_callers) => {
            Err(unauthenticated(name))
        }
        Some(Link::Principal(principal)) => known(call, name, principal, registered),
        Some(Link::Anonymous | Link::Service(_) | Link::Host) | None => Err(forbidden(
            call,
            "anonymous = \"deny\"",
            format!("anonymous = \"allow\" under [services.{name}] in holdfast.toml"),
        )),
    }
}

/// Whether it is a route that everybody may ask for. What is no request has none.
fn open_to_all(call: &Call, registered: &Registered) -> bool {
    match (&call.payload, registered.settings.get::<Public>()) {
        (Payload::Http(request), Some(public)) => {
            public.opens(request.method().as_str(), request.uri().path())
        }
        (Payload::Http(_) | Payload::Values(..), _) => false,
    }
}

impl Access {
    /// Whether saying who one is could help.
    fn has_callers(&self) -> bool {
        match &self.callers {
            Callers::Known => true,
            Callers::Named(names) => !names.is_empty(),
        }
    }

    fn names(&self, principal: &Principal) -> bool {
        match &self.callers {
            Callers::Known => true,
            Callers::Named(names) => {
                names.contains(&*principal.name)
                    || issuer(principal)
                        .is_some_and(|issuer| names.contains(&format!("{issuer}:*")))
            }
        }
    }
}

/// The issuer whose token he brought, if it was one.
fn issuer(principal: &Principal) -> Option<&str> {
    let (issuer, _) = principal.name.split_once(':')?;
    principal
        .proof
        .strip_prefix("jwt:")
        .filter(|own| *own == issuer)
}

fn known(
    call: &Call,
    name: &str,
    principal: &Arc<Principal>,
    registered: &Registered,
) -> Result<(), Fault> {
    let who = &principal.name;
    let settings = &registered.settings;
    let named = settings.get::<Access>();
    let signed = settings.get::<Webhooks>();
    if !named.is_some_and(|access| access.names(principal))
        && !signed.is_some_and(|hooks| hooks.vouched_for(principal))
    {
        return Err(forbidden(
            call,
            &format!("the callers of {name} do not include {who}"),
            format!("callers = [\"{who}\"] under [services.{name}] in holdfast.toml"),
        ));
    }
    let (method, path) = match &call.payload {
        Payload::Http(request) => (request.method(), request.uri().path()),
        // Only a request comes from outside; what does not say its operation is in no narrower scope.
        Payload::Values(..) => (&Method::POST, "/"),
    };
    if principal.covers(name, method, path) {
        return Ok(());
    }
    let scopes: Vec<_> = principal.scopes.iter().map(ToString::to_string).collect();
    let good_for = match scopes.is_empty() {
        true => "nothing".to_owned(),
        false => scopes.join(", "),
    };
    let change = match issuer(principal) {
        Some(issuer) => format!("scopes or [jwt.{issuer}.grants] in holdfast.toml"),
        None => format!("holdfast keys new {who} --scope {name}:{method}"),
    };
    let limit = format!("{} is good for {good_for}", principal.proof);
    Err(forbidden(call, &limit, change))
}

/// He may be one of those who may.
fn unauthenticated(name: &str) -> Fault {
    let refusal = Refusal {
        code: HostCode::Unauthenticated,
        layer: "authorize",
        detail: "Say who you are: send a key or a token as `Authorization: Bearer …`.".to_owned(),
        rule: "the policy says who may call a service from outside".to_owned(),
        seen: "anonymous".to_owned(),
        limit: "anonymous = \"deny\"".to_owned(),
        change: format!(
            "holdfast keys new NAME, or anonymous = \"allow\" under [services.{name}] in holdfast.toml"
        ),
        retry_after: None,
    };
    refusal.into()
}
fn forbidden(call: &Call, limit: &str, change: String) -> Fault {
    let refusal = Refusal {
        code: HostCode::Forbidden,
        layer: "authorize",
        detail: "The caller may not call this.".to_owned(),
        rule: "the policy says who may call a service from outside".to_owned(),
        seen: call.caller.to_string(),
        limit: limit.to_owned(),
        change,
        retry_after: None,
    };
    refusal.into()
}
