//! A child call on its way: what becomes of it is noted for the call that made it.

use crate::below::Below;
use crate::body::{BodyEnd, BodyWatch};
use crate::call::Target;
use crate::future::BoxFuture;
use crate::meter::Meter;
use crate::pipeline::Reply;
use crate::time::Clock;
use std::sync::Arc;

/// A child call, seen from the one that made it.
pub(crate) struct Child {
    /// Whom it is for.
    pub(crate) target: Target,
    /// The meter of the call that made it.
    pub(crate) asker: Arc<Meter>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Child {
    /// Has what becomes of it noted, up to the end of its answer; of one outside, its time as well.
    pub(crate) async fn followed(self, reply: BoxFuture<'static, Reply>) -> Reply {
        if self.outside() {
            self.asker.time().goes_out(self.clock.now());
        }
        let mut way = Way {
            child: self,
            refused: None,
        };
        let mut reply = reply.await;
        match &mut reply {
            Ok(answer) => {
                way.refused = answer.status().filter(|status| way.child.refuses(*status));
                way.head();
                let body = answer.body_mut();
                if body.as_whole().is_none() {
                    body.watch(Box::new(Some(way)));
                } else {
                    way.well();
                }
            }
            Err(fault) => way.child.below().failed(&way.child.target, fault),
        }
        reply
    }

    fn outside(&self) -> bool {
        self.target.is_outside()
    }

    /// Whether an answer with this status says that an upstream has failed, or wants fewer requests.
    fn refuses(&self, status: u16) -> bool {
        self.outside() && (status == 429 || status >= 500)
    }

    fn below(&self) -> &Below {
        self.asker.below()
    }
}

/// A child call that is under way.
struct Way {
    child: Child,
    /// The status of an answer that was no help.
    refused: Option<u16>,
}

impl Way {
    fn head(&self) {
        if let Some(status) = self.refused {
            self.child.below().refused(&self.child.target, status);
        }
    }

    fn well(&self) {
        if self.refused.is_none() {
            self.child.below().well(&self.child.target);
        }
    }
}

impl BodyWatch for Option<Way> {
    fn end(&mut self, end: &BodyEnd<'_>) {
        let Some(way) = self.take() else { return };
        match end {
            BodyEnd::Finished => way.well(),
            BodyEnd::Cut(fault) => way.child.below().failed(&way.child.target, fault),
            BodyEnd::Dropped => {}
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if self.child.outside() {
            self.child.asker.time().comes_back(self.child.clock.now());
        }
    }
}
