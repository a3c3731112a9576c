//! A child call as an entry: given back as it is on record, or made once that it will be is.

use super::book::Found;
use super::entry::{self, Form, Known};
use super::halt::Halt;
use super::root::again_after;
use super::run::{Run, TURN, TURN_LEFT};
use crate::once::{self, outcome};
use holdfast_call::{
    BoxFuture, Call, CallId, Fault, HostCode, Journal, Next, Purpose, Refusal, Reply, Standing,
};
use holdfast_store::db::DbError;
use holdfast_store::executions::Held;
use holdfast_store::runs::{self, Came, Intent};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long is waited after the database failed.
const STORE_AWAY: Duration = Duration::from_secs(5);
/// How long is waited before a result is offered to it once more.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// How long those who are asked know what they were asked under a name, at least: as long as this host keeps outcomes, and most upstreams.
const NAMES_KNOWN: Duration = Duration::from_secs(24 * 3600);
/// After what time an execution that waits for an approval asks whether there is one, although nobody has told it so.
const APPROVAL_LOOK: Duration = Duration::from_secs(5 * 60);
/// How many bytes of answers one execution has at most: all of them are read when it goes on.
const JOURNAL_BYTES_MAX: u64 = 32 << 20;

/// Whether what may have been done may be asked for once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twice {
    /// It is as if it were done once.
    Harmless,
    /// It could be another effect.
    Doubles,
}

impl Journal for Run {
    fn purpose(&self) -> Purpose {
        Purpose::Execution
    }

    fn seed(&self) -> [u8; 32] {
        self.reading.guest_seed()
    }

    fn new_id(&self) -> CallId {
        self.reading.new_id()
    }

    fn read_clock(&self) -> u64 {
        self.book().read_clock()
    }

    fn next_ordinal(&self) -> u32 {
        self.book().issue()
    }

    fn told(&self, _ordinal: u32, _id: CallId) -> CallId {
        self.reading.new_id()
    }

    fn sleep(self: Arc<Self>, until: u64) -> BoxFuture<'static, ()> {
        self.falls_asleep(until)
    }

    fn root<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(self.brought_on(call, next))
    }

    fn step<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let stepped = self.stepped(call, next).await;
            stepped.unwrap_or_else(|halt| {
                let told = halt.told();
                self.stop(halt);
                Err(told)
            })
        })
    }

    fn taken(&self, ordinal: u32) {
        self.book().taken(ordinal);
        self.turned();
    }

    fn idle(&self) {
        self.is_idle();
    }

    fn let_through(&self) -> u64 {
        self.book().let_through()
    }

    fn standing(&self) -> Standing {
        match self.book().is_new() {
            true => Standing::Anew,
            false => Standing::Again,
        }
    }
}

impl Run {
    async fn stepped(&self, mut call: Box<Call>, next: Next<'_>) -> Result<Reply, Halt> {
        let (id, ordinal) = (call.id, call.ordinal);
        let under_way = UnderWay(self, ordinal);
        // What it makes itself is no entry of this journal.
        call.journal = None;
        call.outbox = None;
        let (entered, asked) = match entry::asked(call).await {
            Ok(asked) => (asked.entered, Ok(asked.call)),
            Err(not) => (not.entered, Err(not.fault)),
        };
        let found = self.book().ask(ordinal, &entered.what, &entered.hash);
        let began_ns = match found {
            Found::Came => return self.given(ordinal, entered.form).await,
            Found::Differs(how) => return Err(Halt::Paused(self.another(&how))),
            Found::Begun(began_ns) => Some(began_ns),
            Found::Nothing => None,
        };
        self.when(|book| book.is_new().then_some(())).await?;
        let bytes = self.book().bytes();
        if ordinal > self.steps || bytes > JOURNAL_BYTES_MAX {
            return Err(too_many(ordinal, bytes, self.steps, &self.service));
        }
        let intent = Intent {
            ordinal,
            began_ns: began_ns.unwrap_or_else(|| self.now_ns()),
            what: entered.what,
            asked: entered.hash,
        };
        let bytes = match asked {
            Ok(call) => self.made(began_ns, intent.clone(), call, next).await?,
            Err(fault) => outcome::of_fault(&fault, id),
        };
        self.writes(intent, bytes).await?;
        drop(under_way);
        self.given(ordinal, entered.form).await
    }

    /// What came of it, once it is let through.
    async fn given(&self, ordinal: u32, form: Form) -> Result<Reply, Halt> {
        let bytes = self.when(|book| book.take(ordinal)).await?;
        Ok(entry::given(&bytes, form))
    }

    /// Makes the call that the entry is, with its intent on record before; what came of it.
    async fn made(
        &self,
        began_ns: Option<u64>,
        intent: Intent,
        mut call: Box<Call>,
        next: Next<'_>,
    ) -> Result<Vec<u8>, Halt> {
        if let Some(halt) = self.halt() {
            return Err(halt);
        }
        if self.clock.now().since(self.began) > TURN - TURN_LEFT {
            let why = "it goes on with a new instance".to_owned();
            return Err(Halt::Later(Duration::ZERO, why));
        }
        let name = self.name(intent.ordinal, intent.began_ns);
        let twice = match entry::named(&mut call, name) {
            Known::ByItself => Twice::Harmless,
            Known::ByItsName if self.is_remembered(&intent) => Twice::Harmless,
            Known::ByItsName | Known::Not => Twice::Doubles,
        };
        if began_ns.is_some() && twice == Twice::Doubles {
            return Err(Halt::Paused(indeterminate(&intent)));
        }
        self.takes_over().await?;
        // Also what is on record, so that nobody sends anything who has lost it meanwhile.
        self.intends(&intent).await?;
        let (id, meter) = (call.id, call.meter.clone());
        let reply = next.run(call).await;
        if let Err(fault) = &reply {
            let attempts = meter.read().attempts;
            if let Some(halt) = self.not_now(fault, &intent, twice, attempts).await {
                return Err(halt);
            }
        }
        Ok(entry::came(reply, id).await)
    }

    /// Why what was asked is asked again later, where it was not done for a reason that the guest need not know of.
    async fn not_now(
        &self,
        fault: &Fault,
        intent: &Intent,
        twice: Twice,
        attempts: u32,
    ) -> Option<Halt> {
        let code = fault.host_code()?;
        if code == HostCode::Indeterminate {
            return Some(Halt::Paused(indeterminate(intent)));
        }
        if let Some(approval) = once::waits_for(fault) {
            let why = waits_for_approval(approval);
            return Some(
                self.withdrawn(intent, twice, Halt::Later(APPROVAL_LOOK, why))
                    .await,
            );
        }
        let cut = self.is_cut_by_its_turn(code) && (attempts == 0 || twice == Twice::Harmless);
        let after = match (code, fault.wait()) {
            _ if cut => Duration::ZERO,
            // However long it waits, it is the same execution.
            (HostCode::BudgetExhausted, None) => return None,
            // That is what somebody else's execution came to.
            (HostCode::Cancelled, _) => return None,
            (_, wait) => wait.unwrap_or(again_after(code)?),
        };
        let why = format!("{} could not be asked: {}", intent.what, code.as_str());
        let later = Halt::Later(after, why);
        Some(match attempts == 0 || is_undone(code) {
            true => self.withdrawn(intent, twice, later).await,
            false => later,
        })
    }

    /// Says that nothing was done, where that matters; what stops the execution then.
    async fn withdrawn(&self, intent: &Intent, twice: Twice, halt: Halt) -> Halt {
        if twice == Twice::Doubles {
            // Where this cannot be said, it is as if it may have been done.
            let hold = self.hold.clone();
            let withdrawn = runs::withdraw(&self.database, hold, intent.ordinal).await;
            if withdrawn == Ok(Held::Lost) {
                return Halt::Lost;
            }
        }
        halt
    }

    /// Whether it took too long only because this instance has come to the end of its time.
    fn is_cut_by_its_turn(&self, code: HostCode) -> bool {
        let late = matches!(code, HostCode::DeadlineExceeded | HostCode::UpstreamTimeout);
        late && self.clock.now().since(self.began) > TURN - TURN / 40
    }

    /// Whether whoever is asked still knows what he was asked under the name of this entry.
    fn is_remembered(&self, intent: &Intent) -> bool {
        let age = Duration::from_nanos(self.now_ns().saturating_sub(intent.began_ns));
        age < NAMES_KNOWN
    }

    /// Another version than the one that it was begun with has done all that is on record: the execution is this version's from now on.
    async fn takes_over(&self) -> Result<(), Halt> {
        if *self.pinned == *self.digest || self.moved.load(Ordering::Acquire) {
            return Ok(());
        }
        let digest = self.digest.to_string();
        match runs::moved(&self.database, self.hold.clone(), digest).await {
            Ok(Held::Yes) => self.moved.store(true, Ordering::Release),
            Ok(Held::Lost) => return Err(Halt::Lost),
            Err(error) => return Err(away(&error)),
        }
        Ok(())
    }

    async fn intends(&self, intent: &Intent) -> Result<(), Halt> {
        let intend = || runs::intend(&self.database, self.hold.clone(), intent.clone());
        let intended = match intend().await {
            // Said twice it is said once.
            Err(DbError::Ambiguous(_)) => intend().await,
            other => other,
        };
        match intended {
            Ok(Held::Yes) => Ok(()),
            Ok(Held::Lost) => Err(Halt::Lost),
            Err(error) => Err(away(&error)),
        }
    }

    /// Writes down what came of an entry, and has it let through in its turn.
    pub(super) async fn writes(&self, intent: Intent, bytes: Vec<u8>) -> Result<(), Halt> {
        let _one = self.writing.lock().await;
        let ordinal = intent.ordinal;
        let came = Came {
            place: self.book().next_place(),
            ended_ns: self.now_ns(),
            bytes: bytes.clone(),
        };
        let ended_ns = came.ended_ns;
        loop {
            let (hold, intent, came) = (self.hold.clone(), intent.clone(), came.clone());
            match runs::came(&self.database, hold, intent, came).await {
                Ok(Held::Yes) => break,
                Ok(Held::Lost) => return Err(Halt::Lost),
                // It is known, and must not be lost for want of a database: to say it again is to say it once.
                Err(error) if self.clock.now().since(self.began) > TURN => {
                    return Err(away(&error));
                }
                Err(_) => {
                    let again = self.clock.now().after(STORE_AGAIN);
                    self.clock.sleep_until(again).await;
                }
            }
        }
        self.book().came(ordinal, ended_ns, bytes);
        self.turned();
        Ok(())
    }
}

/// Something of an execution is under way, as long as it lives.
struct UnderWay<'a>(&'a Run, u32);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.book().ends(self.1);
        self.0.turned();
    }
}

/// Whether a fault with this code says that nothing was done, however often it was tried.
fn is_undone(code: HostCode) -> bool {
    matches!(
        code,
        HostCode::Overloaded
            | HostCode::RateLimited
            | HostCode::BudgetExhausted
            | HostCode::UpstreamThrottled
            | HostCode::UpstreamCircuitOpen
    )
}

/// Why an execution waits that asked for something which this approval is wanted for.
#[must_use]
pub fn waits_for_approval(id: &str) -> String {
    format!("it waits for the approval {id}")
}

fn away(error: &DbError) -> Halt {
    let why = format!("its journal could not be written: failed to {error}");
    Halt::Later(STORE_AWAY, why)
}

fn indeterminate(intent: &Intent) -> String {
    format!(
        "entry {}: it is not known whether {} was done, and it must not be done twice",
        intent.ordinal, intent.what
    )
}

/// The execution has come to its last step, or to the end of what its journal holds.
pub(super) fn too_many(ordinal: u32, bytes: u64, steps: u32, service: &str) -> Halt {
    let refusal = Refusal {
        code: HostCode::CallsExhausted,
        layer: "journal",
        detail: "The execution has more steps, or longer answers, than one may have.".to_owned(),
        rule: "an execution is replayed from its beginning, so it has an end".to_owned(),
        seen: format!("step {ordinal}, after {bytes} bytes of answers"),
        limit: format!("{steps} steps, {JOURNAL_BYTES_MAX} bytes of answers"),
        change: format!(
            "the service, so that it leaves the rest to another execution, or durable_steps under [limits] in {service}.toml"
        ),
        retry_after: None,
    };
    Halt::Failed(Box::new(refusal.into()))
}
