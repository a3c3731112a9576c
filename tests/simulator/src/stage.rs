//! What actors stand on. An actor is a future that waits for one thing at a time: for a unit of work, or for some time to pass. The world says
//! whose turn it is, so that nothing depends on threads.

use crate::dice::Dice;
use crate::disk::SharedClock;
use crate::host::Life;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::upstream::Upstream;
use holdfast_call::{CallId, WallTime};
use holdfast_store::db::{Database, DbError};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

/// Something that goes on.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Whose an actor is: what a host does ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Host(usize),
    Outside,
}

/// What all that happens has in common.
pub(crate) struct Shared {
    pub(crate) clock: Arc<SharedClock>,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) truth: Truth,
    pub(crate) upstream: Upstream,
    /// Whether anything goes wrong, and anything new begins.
    pub(crate) storm: Cell<bool>,
    pub(crate) hosts: RefCell<Vec<Option<Rc<Life>>>>,
    /// Hosts that are about to die of what they do.
    pub(crate) dying: RefCell<Vec<usize>>,
    coming: RefCell<Vec<Coming>>,
}

/// An actor that is about to come.
pub(crate) struct Coming {
    pub(crate) owner: Owner,
    pub(crate) name: String,
    pub(crate) begin: Box<dyn FnOnce(Link) -> Task>,
}

/// What an actor waits for.
pub(crate) enum Wants {
    Unit(Asked),
    Rest {
        until: Option<i64>,
        bell: Option<(Rc<Bell>, u64)>,
    },
}

/// A unit of work that has begun.
pub(crate) type Applied = Pin<Box<dyn Future<Output = Said>>>;
/// What begins one.
pub(crate) type Apply = Box<dyn FnOnce(Database) -> Applied>;

/// A unit of work that is asked for.
pub(crate) struct Asked {
    pub(crate) name: String,
    /// Does it, and says what came of it.
    pub(crate) apply: Apply,
    /// Has the one who asked hear this instead.
    pub(crate) refuse: Box<dyn Fn(DbError)>,
}

/// What came of a unit of work.
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) kept: Kept,
}

/// Whether a unit was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    No,
    Unknown,
}

/// What rings.
#[derive(Debug, Default)]
pub(crate) struct Bell(Cell<u64>);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub(crate) fn rung(&self) -> u64 {
        self.0.get()
    }
}

/// Where an actor and the world meet.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) wants: RefCell<Option<Wants>>,
    pub(crate) goes_on: Cell<bool>,
}

/// What an actor has in hand.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) shared: Rc<Shared>,
    pub(crate) desk: Rc<Desk>,
    /// How fast its clock goes, in thousandths.
    pub(crate) pace: i64,
}

impl Shared {
    pub(crate) fn new(seed: u64, clock: Arc<SharedClock>) -> Self {
        let dice = Dice::new(seed);
        Self {
            upstream: Upstream::default(),
            truth: Truth::new(clock.clone()),
            clock,
            dice,
            trace: Trace::default(),
            storm: Cell::new(true),
            hosts: RefCell::new(vec![None, None]),
            dying: RefCell::default(),
            coming: RefCell::default(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn say(&self, what: &str) {
        self.trace.say(self.now(), what);
    }

    pub(crate) fn new_id(&self) -> CallId {
        let wall = WallTime(self.now().unsigned_abs().saturating_mul(1_000));
        CallId::new(wall, self.dice.sixteen())
    }

    /// Another actor begins.
    pub(crate) fn spawn<F>(&self, owner: Owner, name: &str, begin: impl FnOnce(Link) -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        self.coming.borrow_mut().push(Coming {
            owner,
            name: name.to_owned(),
            begin: Box::new(move |link| Box::pin(begin(link))),
        });
    }

    pub(crate) fn coming(&self) -> Vec<Coming> {
        std::mem::take(&mut *self.coming.borrow_mut())
    }

    /// The life of a host that is up.
    pub(crate) fn life(&self, host: usize) -> Option<Rc<Life>> {
        self.hosts.borrow().get(host).cloned().flatten()
    }
}

impl Link {
    /// Has a unit of work done.
    pub(crate) async fn ask<T, F>(
        &self,
        name: &str,
        unit: impl FnOnce(Database) -> F + 'static,
    ) -> Result<T, DbError>
    where
        T: Debug + 'static,
        F: Future<Output = Result<T, DbError>> + 'static,
    {
        let slot: Rc<RefCell<Option<Result<T, DbError>>>> = Rc::default();
        let (told, refused) = (slot.clone(), slot.clone());
        let asked = Asked {
            name: name.to_owned(),
            apply: Box::new(move |database| {
                Box::pin(async move {
                    let came = unit(database).await;
                    let said = Said {
                        text: brief(&came),
                        kept: match &came {
                            Ok(_) => Kept::Yes,
                            Err(DbError::Ambiguous(_)) => Kept::Unknown,
                            Err(_) => Kept::No,
                        },
                    };
                    *told.borrow_mut() = Some(came);
                    said
                })
            }),
            refuse: Box::new(move |error| *refused.borrow_mut() = Some(Err(error))),
        };
        self.wait(Wants::Unit(asked)).await;
        let came = slot.borrow_mut().take();
        came.unwrap_or_else(|| Err(DbError::Unreachable("nobody answered".to_owned())))
    }

    /// Waits for so long, by its own clock.
    pub(crate) async fn rest(&self, millis: u64) {
        self.rest_or(Some(millis), None).await;
    }

    /// Waits until it rings, or for so long.
    pub(crate) async fn rest_or(&self, millis: Option<u64>, bell: Option<(Rc<Bell>, u64)>) {
        let span = millis.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX));
        let until = span.map(|span| self.shared.now() + span * 1_000 / self.pace.max(1));
        self.wait(Wants::Rest { until, bell }).await;
    }

    async fn wait(&self, wants: Wants) {
        *self.desk.wants.borrow_mut() = Some(wants);
        let goes_on = &self.desk.goes_on;
        poll_fn(|_| match goes_on.replace(false) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// The beginning of what came of it. What differs with the folder is not in it.
fn brief<T: Debug>(came: &Result<T, DbError>) -> String {
    match came {
        Ok(value) => {
            let text = format!("{value:?}");
            text.chars().take(160).collect()
        }
        Err(error) => {
            let text = format!("{error:?}");
            text.split('(').next().unwrap_or_default().to_owned()
        }
    }
}
