//! Paths of a service that take signed requests alone: webhooks, as the policy declares them.
//!
//! At such a path the host reads the whole body, verifies it, and hands on the very bytes that it verified. Whoever asks otherwise is
//! refused there, whoever he is and whatever strangers may do elsewhere, another service too: a service at a webhook's end takes for true
//! what it is sent. Only the owner of the data directory, who could sign as well, need not. A path that some reader could take for such a
//! one is refused to everybody.
//!
//! Of what is verified only the time is held against now. The name of a delivery becomes the key by which the request is known again
//! (`Idempotency-Key`), in the place of what the sender wrote there; that it takes effect once is what [`once`](crate::once) does with it.

use super::alike::alike;
use super::webhook::{Claim, Delivery, Key, Provider, Unverified};
use super::{Brought, Takes, brought};
use crate::admit;
use crate::whole::{NotWhole, Whole, whole};
use holdfast_call::principal::NoScope;
use holdfast_call::{
    AccessScope, Body, Boundary, Call, Caller, Entry, Fault, HostCode, Link, Moment, Payload,
    Principal, Priority, Refusal, Shed, ShedReason, Sources, Verdict, claimed_key, in_time,
};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::Body as _;
use keep::{Bodies, Keeping};
use std::fmt;
use std::sync::Arc;

mod keep;

/// How large a body is where the policy says nothing else, in bytes: events are small.
pub const BODY_BYTES: usize = 1 << 20;

/// The largest that a policy may allow: what GitHub sends at most.
pub const BODY_BYTES_MAX: usize = 25 << 20;

/// How much of a body is hashed between two chances for others to run, in bytes: less than a millisecond of work.
const STRIDE_BYTES: usize = 256 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What many programs read as the same.
const IDEMPOTENCY_KEY_TOO: HeaderName = HeaderName::from_static("idempotency_key");

/// The keys that hold at a moment, the newest first.
pub type Keys = Arc<dyn Fn(Moment) -> Vec<Key> + Send + Sync>;

/// What the policy declares of one path.
#[derive(Clone)]
pub struct Declared {
    /// The path, as the service sees it: no other spelling of it is taken.
    pub path: String,
    /// Who sends.
    pub provider: Provider,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// The names of the keys, for the operator.
    pub secrets: String,
    /// The keys.
    pub keys: Keys,
    /// What becomes of a request that is verified.
    pub accept: Accept,
}

/// What becomes of a request that is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// The service is asked.
    #[default]
    Service,
    /// It goes into the queue of the service, and its sender is answered at once.
    Queue,
}

impl Accept {
    /// The word of the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Queue => "queue",
        }
    }
}

/// The webhooks of one service: its settings for this layer.
#[derive(Clone, Debug)]
pub struct Webhooks(Vec<Arc<Webhook>>);

/// One webhook.
pub(super) struct Webhook {
    service: String,
    declared: Declared,
    /// Whom a verified request makes its caller.
    principal: Arc<Principal>,
}

/// Where a request goes, for this layer.
pub(super) enum Place {
    /// To no webhook.
    Elsewhere,
    /// To this one.
    At(Arc<Webhook>),
    /// To what somebody could take for this one.
    Alike(Arc<Webhook>),
}

// === Webhooks ===

impl Webhooks {
    /// Those of a service.
    ///
    /// # Errors
    /// A path could be read in more than one way.
    pub fn new(service: &str, declared: Vec<Declared>) -> Result<Self, NoScope> {
        let all = declared.into_iter().map(|declared| {
            let scope = AccessScope::parse(&format!("{service}:POST{}", declared.path))?;
            let principal = Principal {
                name: format!("webhook:{}", declared.provider).into(),
                proof: format!("webhook:{}", declared.path).into(),
                scopes: Arc::new([scope]),
            };
            Ok(Arc::new(Webhook {
                service: service.to_owned(),
                declared,
                principal: Arc::new(principal),
            }))
        });
        all.collect::<Result<_, _>>().map(Self)
    }

    /// Whether it was a webhook of this service that vouched for the principal: the policy lets him in by declaring it.
    #[must_use]
    pub fn vouched_for(&self, principal: &Arc<Principal>) -> bool {
        let mut all = self.0.iter();
        all.any(|hook| Arc::ptr_eq(&hook.principal, principal))
    }

    fn place(&self, path: &str) -> Place {
        let find = |fits: &dyn Fn(&str) -> bool| {
            let mut all = self.0.iter();
            all.find(|hook| fits(&hook.declared.path)).cloned()
        };
        match find(&|own| own == path) {
            Some(hook) => Place::At(hook),
            None => find(&|own| alike(path, own)).map_or(Place::Elsewhere, Place::Alike),
        }
    }
}

/// Whether two paths could be taken for each other, so that they cannot both be webhooks.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    alike(one, other) || alike(other, one)
}

/// Where a call goes.
pub(super) fn place(call: &Call) -> Place {
    let registered = call.registered.as_ref();
    let hooks = registered.and_then(|known| known.settings.get::<Webhooks>());
    match (&call.payload, hooks) {
        // Whoever comes over the owner's socket may read the keys, and an execution was verified when it was begun.
        (Payload::Http(request), Some(hooks))
            if !matches!(call.entry, Entry::Command | Entry::Execution) =>
        {
            hooks.place(request.uri().path())
        }
        (Payload::Http(_) | Payload::Values(..), _) => Place::Elsewhere,
    }
}

/// Whether a call that has come this far is a request that was verified, and goes into the queue.
pub(crate) fn goes_into_the_queue(call: &Call) -> bool {
    match place(call) {
        Place::At(hook) => hook.declared.accept == Accept::Queue,
        Place::Alike(_) | Place::Elsewhere => false,
    }
}

// === Taking ===

/// What takes signed requests.
pub(super) struct Taker {
    pub(super) sources: Sources,
    pub(super) bodies: Arc<Bodies>,
}

/// On what terms a body is waited for.
#[derive(Clone, Copy)]
struct Terms {
    deadline: Moment,
    class: Priority,
}

impl Taker {
    /// The call with its caller known, if its request is verified.
    pub(super) async fn take(
        &self,
        mut call: Box<Call>,
        hook: &Webhook,
    ) -> Result<Box<Call>, Fault> {
        let nothing = Payload::Values(call.operation.clone(), Vec::new());
        let Payload::Http(request) = std::mem::replace(&mut call.payload, nothing) else {
            return Err(hook.refused("it is no request over HTTP"));
        };
        let terms = Terms {
            deadline: call.deadline,
            class: class(&call),
        };
        let (request, delivery) = self.verified(request, hook, terms).await?;
        let (mut head, body) = request.into_parts();
        head.headers.remove(IDEMPOTENCY_KEY_TOO);
        head.headers.insert(IDEMPOTENCY_KEY, hook.key(&delivery)?);
        call.key = claimed_key(&head.headers);
        // What another service asks stays asked by it: it only cannot make up what it hands on.
        if !call.nested() {
            call.tree.set_principal(hook.principal.clone());
            call.caller = Caller::outside(Link::Principal(hook.principal.clone()));
            call.caller.tell(&mut head.headers);
        }
        call.payload = Payload::Http(Request::from_parts(head, body));
        Ok(call)
    }

    async fn verified(
        &self,
        request: Request<Body>,
        hook: &Webhook,
        terms: Terms,
    ) -> Result<(Request<Body>, Delivery), Fault> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Err(hook.refused(format!("it is asked with {}", head.method)));
        }
        if brought(&head.headers, Takes::Keys) != Brought::Nothing {
            return Err(hook.refused("a key of this host stands in the place of a signature"));
        }
        let clock = &self.sources.clock;
        let claim = Claim::read(hook.declared.provider, &head.headers, clock.wall());
        let claim = claim.map_err(|why| hook.refused(why))?;
        let keeping = self.bodies.keeping();
        let body = self.read(body, hook, terms, &keeping).await?;
        let keys = (hook.declared.keys)(clock.now());
        let mut check = claim.begin(&keys);
        for (at, piece) in body.bytes.chunks(STRIDE_BYTES).enumerate() {
            if at > 0 {
                tokio::task::yield_now().await;
            }
            check.update(piece);
        }
        let delivery = check.end(&body.bytes).map_err(|why| hook.refused(why))?;
        Ok((Request::from_parts(head, body.again()), delivery))
    }

    /// The whole body, which counts as kept for nobody as long as `keeping` lives.
    async fn read(
        &self,
        mut body: Body,
        hook: &Webhook,
        terms: Terms,
        keeping: &Arc<Keeping>,
    ) -> Result<Whole, Fault> {
        let most = hook.declared.body_bytes_max;
        if body.size_hint().lower() > most as u64 {
            return Err(hook.too_large());
        }
        body.watch(keeping.watch(overloaded(&self.sources, terms.class)));
        let clock = &*self.sources.clock;
        match in_time(clock, terms.deadline, whole(body, most)).await {
            Some(Ok(whole)) => Ok(whole),
            Some(Err(NotWhole::TooLong)) => Err(hook.too_large()),
            Some(Err(NotWhole::Cut(fault))) => Err(fault),
            None => Err(hook.too_slow()),
        }
    }
}

// === Refusals ===

impl Webhook {
    /// By what the request is known again, as the header wants it: a text in quotes.
    fn key(&self, delivery: &Delivery) -> Result<HeaderValue, Fault> {
        let key = format!("\"{}:{}\"", self.declared.provider, delivery.id);
        HeaderValue::try_from(key).map_err(|_| self.refused(Unverified::NoId("name")))
    }

    /// It cannot be taken for a request of the provider.
    fn refused(&self, seen: impl fmt::Display) -> Fault {
        let detail = format!("Only signed requests are taken here: {seen}.");
        self.refusal(HostCode::Unauthenticated, detail, seen.to_string())
    }

    /// It could be taken for one that goes to this webhook.
    pub(super) fn refused_alike(&self, call: &Call) -> Fault {
        let detail = "This can be read as a path that takes signed requests alone.".to_owned();
        let seen = format!("{} could be read as {}", call.operation, self.declared.path);
        self.refusal(HostCode::Unauthenticated, detail, seen)
    }

    fn too_large(&self) -> Fault {
        let most = self.declared.body_bytes_max;
        let detail = format!("The body must not have more than {most} bytes.");
        self.refusal(HostCode::PayloadTooLarge, detail, "more bytes".to_owned())
            .with("body_bytes", most)
    }

    /// The sender held it up, and nobody else.
    fn too_slow(&self) -> Fault {
        let verdict = Verdict {
            boundary: Boundary::Caller,
            stage: "identify",
            cause: "the body of a signed request did not come in time".to_owned(),
            evidence: vec![("webhook", self.declared.path.clone())],
            next: "the sender, or deadline under [services.NAME.limits] in holdfast.toml"
                .to_owned(),
        };
        let detail = "The body did not come in time.";
        Fault::host(HostCode::DeadlineExceeded, detail, verdict)
    }

    fn refusal(&self, code: HostCode, detail: String, seen: String) -> Fault {
        let Declared {
            path,
            provider,
            secrets,
            ..
        } = &self.declared;
        let refusal = Refusal {
            code,
            layer: "identify",
            detail,
            rule: "the path of a webhook takes what its provider has signed, and nothing else"
                .to_owned(),
            seen,
            limit: format!("POST {path} from {provider}, with {secrets}"),
            change: format!(
                "[services.{}.webhooks.\"{path}\"] in holdfast.toml",
                self.service
            ),
            retry_after: None,
        };
        refusal.into()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({} {})", self.service, self.declared.path)
    }
}

/// Of what class a call is that nobody has admitted yet.
fn class(call: &Call) -> Priority {
    let registered = call.registered.as_ref();
    let admit = registered.and_then(|known| known.settings.get::<admit::Settings>());
    admit.map_or(Priority::Default, |settings| settings.priority)
}

/// What is said where the host keeps as much for strangers as it may.
fn overloaded(sources: &Sources, class: Priority) -> impl Fn(usize) -> Fault + Send + use<> {
    let random = sources.random.clone();
    move |held| {
        let refusal = Refusal {
            code: HostCode::Overloaded,
            layer: "identify",
            detail: "There is no room for this request now.".to_owned(),
            rule: "so many bytes are kept of requests whose senders are not known yet".to_owned(),
            seen: format!("{held} bytes"),
            limit: format!("{} bytes", keep::BYTES_MAX),
            change: "nothing: ask again; see who sends what he does not finish".to_owned(),
            retry_after: Some(admit::retry_after(&*random)),
        };
        let shed = Shed {
            class,
            reason: ShedReason::Bodies,
        };
        Fault::from(refusal)
            .for_want(shed)
            .blamed(Boundary::Platform)
    }
}

#[cfg(test)]
mod tests;
