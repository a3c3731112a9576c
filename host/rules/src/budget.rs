//! `budget`: the worst case of a try is reserved at every level before it is made, and settled after.
//!
//! What costs something has a price. Before a try is made, the most that it can come to is reserved in the ledger: for the host, the
//! service, the caller and the upstream, under all of their budgets or under none; what the calls of one tree come to is added up in the
//! tree itself. Then it is sent; and settled with what it came to, as far as that is known, or taken back where nothing was sent. Whoever
//! gave up waiting, or was cut off, may have been served, and what may have been served is entered in full, as unconfirmed.
//!
//! Nothing is sent that is not on record first, so a host that is killed finds in its next life what it may have to pay for.

mod degrade;
mod levels;
mod names;
mod owed;
pub mod price;
mod refusals;
mod shelf;
mod tap;
mod till;
mod usage;

pub use degrade::{DEGRADED, Degrade, Instead};
pub use till::{Ledger, left_text};
pub use usage::BODY_BYTES_MAX;

use crate::Parts;
use holdfast_call::notice::Event;
use holdfast_call::{
    Answer, Applies, BoxFuture, Call, Degraded, Fault, Layer, Level, Log, NanoUsd, Next, Notice,
    Notices, Reached, Registered, Reply, Sources, Target,
};
use holdfast_store::ledger::{Reserve, Span};
use owed::{Aside, Owed};
use price::{HostPrice, PriceList};
use shelf::{Shelves, Spot};
use std::fmt;
use std::sync::Arc;
use till::Reserved;

/// A budget: so much, in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How much may be spent.
    pub amount: NanoUsd,
    /// In which time of the calendar.
    pub span: Span,
}

impl Limit {
    /// Reads `50 USD / day`: an amount, more than nothing, and an hour, a day or a month.
    ///
    /// # Errors
    /// It is something else; the text says what it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let (amount, span) = text.split_once('/')?;
            let amount = NanoUsd::parse(amount.trim_matches(' '))?;
            let span = Span::parse(span.trim_matches(' '))?;
            (amount > NanoUsd(0)).then_some(Self { amount, span })
        };
        read().ok_or_else(|| {
            format!(
                "`{}` is not a budget such as \"50 USD / day\": more than nothing, in an hour, a day or a month",
                text.escape_debug()
            )
        })
    }
}

impl fmt::Display for Limit {
    /// As it is written: `50 USD / day`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.amount, self.span)
    }
}

/// The budgets that hold for whatever is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all hosts that share the database.
    pub host: Option<Limit>,
    /// Of each caller.
    pub caller: Option<Limit>,
    /// Of one call from outside and all that is done for it.
    pub execution: Option<NanoUsd>,
    /// From how much of a budget on the operator is warned, in per cent.
    pub soft: u8,
}

/// What `budget` needs to know about what costs something.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it costs.
    pub tariff: Tariff,
    /// The budgets of everybody.
    pub limits: Limits,
}

/// Who is paid, and what for.
#[derive(Clone, Debug)]
pub enum Tariff {
    /// An upstream, for each try that may have come to it.
    Upstream {
        /// Its name in the settings.
        name: Arc<str>,
        /// Its prices.
        list: Arc<PriceList>,
        /// What may be spent on it.
        budget: Option<Limit>,
    },
    /// The host, for what a service uses of it.
    Host(HostPrice),
}

/// What `budget` needs to know about a service that may spend something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purse {
    /// What it may spend.
    pub budget: Option<Limit>,
    /// The upstreams that it may ask and that have a budget.
    pub upstreams: Vec<(Arc<str>, Limit)>,
    /// The budgets of everybody.
    pub limits: Limits,
    /// What is answered in its place once one of these is nearly spent.
    pub degrade: Option<Arc<Degrade>>,
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Budget {
        sources: parts.sources.clone(),
        log: parts.log.clone(),
        notices: parts.notices.clone(),
        ledger: parts.ledger.clone(),
        shelves: Shelves::default(),
    })
}

struct Budget {
    sources: Sources,
    log: Arc<dyn Log>,
    notices: Arc<dyn Notices>,
    ledger: Arc<Ledger>,
    shelves: Shelves,
}

impl Layer for Budget {
    fn name(&self) -> &'static str {
        "budget"
    }

    fn applies(&self, _target: &Target, settings: &holdfast_call::Settings) -> Applies {
        let degrades = settings
            .get::<Purse>()
            .and_then(|purse| purse.degrade.as_ref());
        match (settings.get::<Settings>(), degrades) {
            (None, None) => Applies::No,
            (Some(_), _) | (_, Some(_)) => Applies::Yes,
        }
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let registered = call.registered.clone();
        let Some(registered) = registered else {
            return next.run(call);
        };
        Box::pin(async move {
            let Some((_, degrade)) = degrade::of(&call) else {
                return self.tried(call, &registered, next).await;
            };
            let degrade = degrade.clone();
            let spot = self.shelves.spot(&call, &degrade, &self.sources.clock);
            if self.is_nearly_spent(&call) {
                if let Some(answer) = spot.as_ref().and_then(Spot::kept) {
                    call.meter.set_degraded(Degraded::Cached);
                    return Ok(answer);
                }
                if let Some(instead) = degrade.instead_of(&call) {
                    return degrade::answered(call, instead, &self.sources, next).await;
                }
            }
            let answer = self.tried(call, &registered, next).await?;
            Ok(match spot {
                Some(spot) => spot.keeps(answer),
                None => answer,
            })
        })
    }
}

impl Budget {
    /// Whether a budget that the call would be paid from is nearly spent.
    fn is_nearly_spent(&self, call: &Call) -> bool {
        let now = self.sources.clock.now();
        degrade::of(call)
            .zip(self.ledger.till())
            .is_some_and(|((purse, _), till)| degrade::is_due(call, purse, till, now))
    }

    /// Tries it, and pays for it if it costs something.
    async fn tried(&self, call: Box<Call>, registered: &Registered, next: Next<'_>) -> Reply {
        match registered.settings.get::<Settings>() {
            Some(settings) => self.paid(call, settings, next).await,
            None => next.run(call).await,
        }
    }

    /// Reserves, tries, and settles.
    async fn paid(&self, call: Box<Call>, settings: &Settings, next: Next<'_>) -> Reply {
        let (asked, owed) = self.asked(&call, settings)?;
        let owed = self.reserved(asked, owed, settings.limits.soft).await?;
        match next.run(call).await {
            Ok(answer) => Ok(answered(answer, owed, settings)),
            Err(fault) => {
                match fault.reached() {
                    Reached::Nothing => owed.void(),
                    Reached::Perhaps => drop(owed),
                }
                Err(fault)
            }
        }
    }

    /// What is to be reserved for a try of `call`; its worst case is set aside in the tree.
    fn asked(&self, call: &Call, settings: &Settings) -> Result<(Reserve, Owed), Fault> {
        let Settings { tariff, limits } = settings;
        let till = self.ledger.till().ok_or_else(refusals::nowhere)?;
        let amount = tariff.worst(call);
        let aside = Aside::of(&call.tree, amount, limits.execution)
            .map_err(|cost| refusals::execution(cost, amount, limits.execution))?;
        let id = self.sources.random.sixteen();
        let operation = till.operation(&call.operation);
        let asked = levels::reserve(call, settings, id, (amount, operation));
        Ok((asked, Owed::of(call, aside, tariff.clone())))
    }

    /// Reserves it in the ledger under every budget; on record once it is ready.
    async fn reserved(&self, asked: Reserve, owed: Owed, soft: u8) -> Result<Owed, Fault> {
        let till = self.ledger.till().ok_or_else(refusals::nowhere)?;
        let (budgets, amount) = (asked.budgets.clone(), asked.amount);
        match till.reserve(asked).await {
            Ok(Reserved::Yes(held)) => {
                let now = self.sources.clock.now();
                for (whose, text) in till.soft(&budgets, soft, now) {
                    self.log.host(Level::Warn, text.clone());
                    self.notices.tell(Notice {
                        event: Event::BudgetSoft,
                        about: format!("budget of {whose}"),
                        text,
                    });
                }
                Ok(owed.held(held))
            }
            Ok(Reserved::No(number, standing)) => {
                Err(refusals::spent(budgets.get(number), &standing, amount))
            }
            Err(error) => Err(refusals::unavailable(&error)),
        }
    }
}

/// Settles what is known now; what is known only when the answer has ended is settled then.
fn answered(mut answer: Answer, owed: Owed, settings: &Settings) -> Answer {
    match &settings.tariff {
        Tariff::Upstream { list, .. } => usage::settled(answer, owed, list),
        Tariff::Host(_) => {
            answer.body_mut().watch(Box::new(owed));
            answer
        }
    }
}

impl Tariff {
    /// The most that a try can come to.
    fn worst(&self, call: &Call) -> NanoUsd {
        match self {
            Self::Upstream { list, .. } => list.worst(),
            Self::Host(price) => price.worst(call.nested()),
        }
    }
}

#[cfg(test)]
mod tests;
