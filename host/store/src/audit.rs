//! The audit log: what happened, so that nobody can say later that something else did.
//!
//! Records are lines of JSON in segments, each naming the one before it by its hash, and how far the log has come is signed every second.
//! One thread writes; what it has answered is on the disk. A log that cannot be written says so to everybody who asks it to be, and goes on
//! by itself when it can; one that is damaged is not written to. Nothing here knows what a call is.

mod checkpoint;
mod copy;
mod culprit;
mod disk;
mod error;
mod export;
mod format;
mod frames;
mod key;
mod line;
mod log;
mod opening;
mod read;
mod recover;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use error::{AuditError, Damage, Finding};
pub use export::export;
pub use format::RECORD_BYTES_MAX;
pub(crate) use key::NAME as KEY_FILE;
pub use key::{PublicKey, SEED_BYTES};
pub use read::{Line as AuditLine, Since, read};
pub use recover::Cut;
pub use verify::{Report, verify};

use disk::{Disk, Private, Source as _};
use holdfast_call::{BoxFuture, Clock, WallTime};
use key::{Log as Is, SigningKey};
use line::{Answer, Item, Line};
use log::{Limits, Pending};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use writer::{Going, Writer};

/// The least that the budget may be, in bytes: four segments.
pub const AUDIT_BYTES_MIN: u64 = 4 * SEGMENT_BYTES;

const SEGMENT_BYTES: u64 = 64 << 20;
/// The directory of the log, in the data directory.
const DIRECTORY: &str = "audit";
/// How many records may wait for which somebody waits.
const DURABLE_MAX: usize = 1024;
/// How many may wait for which nobody does.
const SOON_MAX: usize = 4096;
/// How many may wait of those that were handed over where nothing can wait.
const PUT_MAX: usize = 16_384;

/// Where the log of this data directory is.
#[must_use]
pub fn directory(data: &Path) -> PathBuf {
    data.join(DIRECTORY)
}

/// What a log is opened with.
pub struct Setup {
    /// The data directory, whose lock the caller holds.
    pub data: PathBuf,
    /// The file that gets a copy of the checkpoints.
    pub copy: Option<PathBuf>,
    /// How many bytes are kept, at least [`AUDIT_BYTES_MIN`]; the oldest go first.
    pub budget_bytes: u64,
    /// How many days a record is kept, if there is room for it.
    pub keep_days: u64,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who is told what an operator should know.
    pub tell: Tell,
}

/// Who is told what an operator should know.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// What an operator should know of the log. Each is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A host that died left this at the end; it was never acknowledged.
    Cut(Cut),
    /// It cannot be written.
    Failing(AuditError),
    /// It can be written again.
    Recovered,
    /// Checkpoints cannot be written beside it.
    NotSigning(AuditError),
    /// They can again.
    Signing,
    /// The copy of the checkpoints cannot be written or read: why.
    NotCopying(String),
    /// It can again.
    Copying,
}

/// What the log has done since it was opened.
#[derive(Debug, Default)]
struct Figures {
    records: AtomicU64,
    groups: AtomicU64,
    bytes: AtomicU64,
    /// Records that were not taken, and that no record speaks of yet.
    lost: AtomicU64,
}

/// An open log; clones are the same one.
#[derive(Clone)]
pub struct Audit(Arc<Kind>);

enum Kind {
    Open(Open),
    /// It is not written to, for this reason.
    Refusing(AuditError),
}

struct Open {
    line: Arc<Line>,
    durable: Arc<Semaphore>,
    soon: Arc<Semaphore>,
    put: Arc<Semaphore>,
    going: watch::Receiver<Going>,
    figures: Arc<Figures>,
    public: PublicKey,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Opens the log, made if it is not there; its key is made of `random`.
    ///
    /// # Errors
    /// It is damaged, or the disk fails. [`Audit::refusing`] makes of that a log which says so to everybody.
    pub fn open(
        setup: Setup,
        random: impl FnOnce() -> [u8; SEED_BYTES],
    ) -> Result<Self, AuditError> {
        let disk = Private::open(&directory(&setup.data))?;
        let is = match disk.list()?.is_empty() {
            true => Is::New,
            false => Is::There,
        };
        let key = SigningKey::open(&setup.data, is, random)?;
        let limits = Limits {
            segment_bytes: SEGMENT_BYTES,
            budget_bytes: setup.budget_bytes.max(AUDIT_BYTES_MIN),
            keep_days: setup.keep_days,
        };
        Self::start(disk, key, limits, setup)
    }

    fn start<D: Disk>(
        disk: D,
        key: SigningKey,
        limits: Limits,
        setup: Setup,
    ) -> Result<Self, AuditError> {
        let Setup {
            copy, clock, tell, ..
        } = setup;
        let public = key.public().clone();
        let copied = copy.as_ref().map(|path| copy::last(path, &public));
        let copied = copied.and_then(|read| {
            let told = |error: std::io::Error| tell(Event::NotCopying(error.to_string()));
            read.map_err(told).ok().flatten()
        });
        let (log, cut) = recover::recover(disk, key, limits, copied)?;
        let of_system = |error: std::io::Error| AuditError::Failing(error.to_string());
        let copy = copy.map(|path| copy::Copy::start(path, public.clone(), Arc::clone(&tell)));
        let copy = copy.transpose().map_err(of_system)?;
        let (going, watched) = watch::channel(Ok(()));
        let (line, figures) = (Arc::<Line>::default(), Arc::<Figures>::default());
        let writer = Writer {
            log,
            line: Arc::clone(&line),
            clock: Arc::clone(&clock),
            going,
            figures: Arc::clone(&figures),
            held: cut.iter().map(|cut| noted(cut, clock.wall())).collect(),
            tell: Arc::clone(&tell),
            copy,
            signed_at: None,
            unsigned: None,
        };
        if let Some(cut) = cut {
            tell(Event::Cut(cut));
        }
        let thread = thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || writer.run()).map_err(of_system)?;
        Ok(Self(Arc::new(Kind::Open(Open {
            line,
            durable: Arc::new(Semaphore::new(DURABLE_MAX)),
            soon: Arc::new(Semaphore::new(SOON_MAX)),
            put: Arc::new(Semaphore::new(PUT_MAX)),
            going: watched,
            figures,
            public,
            clock,
            thread: Mutex::new(Some(thread)),
        }))))
    }

    /// A log that takes nothing, for this reason.
    #[must_use]
    pub fn refusing(why: AuditError) -> Self {
        Self(Arc::new(Kind::Refusing(why)))
    }

    /// Writes a record, and returns its number when it is on the disk. Whoever stops waiting does not undo it.
    ///
    /// # Errors
    /// It is not in the log, or nobody was told that it is.
    pub fn durable(&self, record: &impl Serialize) -> BoxFuture<'static, Result<u64, AuditError>> {
        let (this, body) = (self.clone(), body(record));
        Box::pin(async move {
            let (open, body) = (this.opened()?, body?);
            let place = open.place(&open.durable).await?;
            let (answer, answered) = oneshot::channel();
            open.push(body, Answer::Durable(answer), place)?;
            answered.await.unwrap_or(Err(AuditError::Closed))
        })
    }

    /// Hands a record over that is written within a few milliseconds, and not lost unless the host dies before. If too many wait, this waits.
    ///
    /// # Errors
    /// The log cannot be written and holds as many such records as it can, or will never be written.
    pub fn soon(&self, record: &impl Serialize) -> BoxFuture<'static, Result<(), AuditError>> {
        let (this, body) = (self.clone(), body(record));
        Box::pin(async move {
            let (open, body) = (this.opened()?, body?);
            let place = open.place(&open.soon).await?;
            open.push(body, Answer::Soon, place)
        })
    }

    /// The same where nothing can wait: at the end of a stream, or of a call that was dropped. What is too much is counted, and the count is
    /// a record of its own as soon as one is taken again.
    ///
    /// # Errors
    /// It is not in the log.
    pub fn put(&self, record: &impl Serialize) -> Result<(), AuditError> {
        let open = self.opened()?;
        let body = body(record)?;
        let Ok(place) = Arc::clone(&open.put).try_acquire_owned() else {
            open.figures.lost.fetch_add(1, Relaxed);
            return Err(AuditError::Crowded);
        };
        open.own_up()?;
        open.push(body, Answer::Soon, place)
    }

    /// Whether the log can be written, as far as the last record tells.
    ///
    /// # Errors
    /// It cannot.
    pub fn going(&self) -> Result<(), AuditError> {
        self.opened()?.going.borrow().clone()
    }

    /// About how many bytes the records were that were written since the log was opened: none is longer than it is counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = |open: &Open| open.figures.bytes.load(Relaxed);
        self.opened().map_or(0, bytes)
    }

    /// How many records were written since the log was opened, and with how many syncs of the disk.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        self.opened().map_or((0, 0), |open| {
            let Figures {
                records, groups, ..
            } = open.figures.as_ref();
            (records.load(Relaxed), groups.load(Relaxed))
        })
    }

    /// The public half of the key that the log is signed with.
    ///
    /// # Errors
    /// The log is not open.
    pub fn public(&self) -> Result<PublicKey, AuditError> {
        Ok(self.opened()?.public.clone())
    }

    /// Writes what waits, signs it, and takes nothing more. It waits for the disk.
    pub fn close(&self) {
        if let Kind::Open(open) = self.0.as_ref() {
            open.close();
        }
    }

    fn opened(&self) -> Result<&Open, AuditError> {
        match self.0.as_ref() {
            Kind::Open(open) => Ok(open),
            Kind::Refusing(why) => Err(why.clone()),
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audit({:?})", self.going())
    }
}

impl Open {
    /// A place in the line. While the log cannot be written, nobody waits for one.
    async fn place(&self, room: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AuditError> {
        let mut going = self.going.clone();
        loop {
            if let Ok(place) = Arc::clone(room).try_acquire_owned() {
                return Ok(place);
            }
            going.borrow_and_update().clone()?;
            tokio::select! {
                place = Arc::clone(room).acquire_owned() => return place.map_err(|_| AuditError::Closed),
                changed = going.changed() => changed.map_err(|_| AuditError::Closed)?,
            }
        }
    }

    /// Says how many records were not taken, if any were.
    fn own_up(&self) -> Result<(), AuditError> {
        if self.figures.lost.load(Relaxed) == 0 {
            return Ok(());
        }
        let records = self.figures.lost.swap(0, Relaxed);
        let item = bare(&Lost { records }, self.clock.wall());
        self.line.push(item)
    }

    fn push(
        &self,
        body: String,
        answer: Answer,
        place: OwnedSemaphorePermit,
    ) -> Result<(), AuditError> {
        self.line.push(Item {
            record: Pending {
                at: self.clock.wall(),
                body,
            },
            answer,
            _place: Some(place),
        })
    }

    fn close(&self) {
        self.line.close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A writer that panicked has answered nobody; there is nothing left to do for it.
            let _ = thread.join();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

/// What is written of an end that was cut off.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "cut")]
struct CutOff<'a> {
    file: &'a str,
    bytes: u64,
}

/// What is written of records that were not taken.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "lost")]
struct Lost {
    records: u64,
}

fn noted(cut: &Cut, at: WallTime) -> Item {
    let Cut { file, bytes } = cut;
    let record = CutOff {
        file,
        bytes: *bytes,
    };
    bare(&record, at)
}

/// What the log says of itself. It needs no place.
fn bare(record: &impl Serialize, at: WallTime) -> Item {
    Item {
        record: Pending {
            at,
            body: body(record).unwrap_or_else(|_| "{}".to_owned()),
        },
        answer: Answer::Soon,
        _place: None,
    }
}

fn body(record: &impl Serialize) -> Result<String, AuditError> {
    let text =
        serde_json::to_string(record).map_err(|error| AuditError::NoRecord(error.to_string()))?;
    if text.len() > RECORD_BYTES_MAX {
        return Err(AuditError::TooLong(text.len()));
    }
    match text.starts_with('{') {
        true => Ok(text),
        false => Err(AuditError::NoRecord(text.chars().take(20).collect())),
    }
}
