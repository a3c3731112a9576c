//! From what a guest is asked, and the store that it has, to the future that runs it.

use crate::guest::Guest;
use crate::idle::{Exported, Keep, Way};
use crate::life::Life;
use crate::serve_typed::{self, Asked, Functions};
use crate::{serve02, serve03};
use holdfast_call::{Body, BoxFuture, Failure, FailureKind, Meter};
use http::Request;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service as Http03, ServicePre};

/// What a component is called through: plain HTTP, functions of its own, or both.
#[derive(Clone)]
pub(crate) struct Pre {
    pub(crate) http: Option<PreHttp>,
    pub(crate) typed: InstancePre<Guest>,
    pub(crate) functions: Arc<Functions>,
}

#[derive(Clone)]
pub(crate) enum PreHttp {
    Http02(ProxyPre<Guest>),
    Http03(ServicePre<Guest>),
}

/// What a guest is asked.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart as soon as it is made"
)]
pub(crate) enum Job {
    Http(PreHttp, Request<Body>),
    Typed(Asked),
}

impl Job {
    pub(crate) fn way(&self) -> Way {
        match self {
            Self::Http(..) => Way::Http,
            Self::Typed(_) => Way::Typed,
        }
    }
}

/// With which instance a guest begins.
pub(crate) enum Begin<P, I> {
    /// One that is still to be made.
    Fresh(P),
    /// One that has served before.
    Again(Box<I>),
}

/// A store, and what else a guest has that is about to run.
pub(crate) struct Ready {
    pub(crate) store: Store<Guest>,
    /// What its instance is called through, if there is one already.
    pub(crate) exported: Option<Exported>,
    pub(crate) life: Arc<Life>,
    pub(crate) meter: Arc<Meter>,
    /// Where its instance may go afterwards.
    pub(crate) keep: Option<Keep>,
}

impl Pre {
    /// Runs the guest, to its end.
    pub(crate) fn run(&self, job: Job, ready: Ready) -> Result<BoxFuture<'static, ()>, Failure> {
        let other = || {
            let cause = "an instance waited that is of another interface than its service";
            Failure::new(FailureKind::Internal, cause)
        };
        let Ready {
            store,
            exported,
            life,
            meter,
            keep,
        } = ready;
        Ok(match job {
            Job::Http(PreHttp::Http02(pre), request) => {
                let begin = match exported {
                    None => Begin::<_, Proxy>::Fresh(pre),
                    Some(Exported::Http02(proxy)) => Begin::Again(Box::new(proxy)),
                    Some(_) => return Err(other()),
                };
                Box::pin(serve02::run(begin, store, request, life, meter, keep))
            }
            Job::Http(PreHttp::Http03(pre), request) => {
                let begin = match exported {
                    None => Begin::<_, Http03>::Fresh(pre),
                    Some(Exported::Http03(service)) => Begin::Again(Box::new(service)),
                    Some(_) => return Err(other()),
                };
                Box::pin(serve03::run(begin, store, request, life, meter, keep))
            }
            Job::Typed(asked) => {
                let begin = match exported {
                    None => Begin::<_, Instance>::Fresh(self.typed.clone()),
                    Some(Exported::Typed(instance)) => Begin::Again(Box::new(instance)),
                    Some(_) => return Err(other()),
                };
                Box::pin(serve_typed::run(begin, store, asked, life, meter, keep))
            }
        })
    }
}
