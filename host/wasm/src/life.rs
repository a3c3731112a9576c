//! The life of one guest, seen from outside its store: its answer's head, and how it ended.
//!
//! wasmtime-wasi-http ends a body *cleanly* when the guest dies, because dropping the store only drops the sender. So whoever drives a
//! guest tells its [`Life`] how it ended before the store is dropped, and every body that comes from the guest asks here before it
//! believes a clean end.

use crate::drained::{self, Beyond};
use futures_util::task::AtomicWaker;
use holdfast_call::{Failure, FailureKind, Fault, Meter, Target, Value, mask};
use http::Response;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// The head of the guest's answer with its raw body, or the error it answered instead.
pub(crate) type Head = Result<Response<WasiBody>, HttpError>;

/// Who takes what a guest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Its reader, at the reader's pace.
    Reader,
    /// The guest's own thread, at once: its call has a journal.
    Itself(Beyond),
}

/// What is known of one guest. Written by whoever drives it, read by the answer's body and by the bodies of its outgoing requests.
pub(crate) struct Life {
    /// The service whose guest it is.
    target: Target,
    /// Who takes what it writes.
    taking: Taking,
    /// What its call has used, and what became of the calls it made.
    meter: Arc<Meter>,
    head: Mutex<Option<Head>>,
    /// What a typed operation gave.
    given: Mutex<Option<Vec<Value>>>,
    end: OnceLock<Result<(), Failure>>,
    reader: AtomicWaker,
    /// Whether the answer's body was read to its end: until then its last frames are still on their way out of the store.
    read: AtomicBool,
    writer: AtomicWaker,
    gone: AtomicBool,
    /// Whether it answered, and nothing was wrong with the answer so far.
    well: AtomicBool,
    /// What it met at the end of its request's body, if that was no good end.
    input: OnceLock<Fault>,
}

impl Life {
    pub(crate) fn new(target: Target, meter: Arc<Meter>, taking: Taking) -> Arc<Self> {
        Arc::new(Self {
            target,
            taking,
            meter,
            head: Mutex::default(),
            given: Mutex::default(),
            end: OnceLock::new(),
            reader: AtomicWaker::new(),
            read: AtomicBool::new(false),
            writer: AtomicWaker::new(),
            gone: AtomicBool::new(false),
            well: AtomicBool::new(false),
            input: OnceLock::new(),
        })
    }

    /// Who takes what it writes.
    pub(crate) fn taking(&self) -> Taking {
        self.taking
    }

    /// The form in which a failure of this guest reaches whoever reads what it wrote.
    pub(crate) fn mask(&self, failure: &Failure) -> Fault {
        mask::fault(&self.blamed(failure.clone()), &self.target, &self.meter)
    }

    /// The guest has been told that its request's body broke off.
    pub(crate) fn input_broke(&self, fault: &Fault) {
        // The first is the one that it met.
        let _ = self.input.set(fault.clone());
    }

    /// Whether its request's body broke off.
    pub(crate) fn has_broken_input(&self) -> bool {
        self.input.get().is_some()
    }

    /// Whose failure it is: whatever a guest does that lost its input half way, the fault is that of whoever broke it off. Otherwise
    /// anybody could make a service look broken by sending it half a request.
    pub(crate) fn blamed(&self, mut failure: Failure) -> Failure {
        if let (FailureKind::Trapped | FailureKind::GaveUp | FailureKind::HandedOn, Some(fault)) =
            (&failure.kind, self.input.get())
        {
            failure.kind = FailureKind::Passed(fault.clone());
        }
        failure
    }

    /// The guest has answered. A second answer cannot happen: the out-parameter is consumed by the first.
    pub(crate) fn answer(self: &Arc<Self>, head: Head) {
        let well = head
            .as_ref()
            .is_ok_and(|head| (200..500).contains(&head.status().as_u16()));
        self.well.store(well, Ordering::Release);
        let head = match self.taking {
            Taking::Reader => head,
            Taking::Itself(beyond) => {
                head.map(|response| drained::answer(response, self.clone(), beyond))
            }
        };
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
        self.reader.wake();
    }

    /// The guest has given what it was asked for, and there is nothing more to be read.
    pub(crate) fn give(&self, values: Vec<Value>) {
        self.well.store(true, Ordering::Release);
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(values);
        self.body_was_read();
    }

    /// What it gave, once.
    pub(crate) fn take_given(&self) -> Option<Vec<Value>> {
        self.given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The answer's head, once.
    pub(crate) fn take_head(&self) -> Option<Head> {
        self.head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The guest has ended; called before its store is dropped. Only the first end counts.
    pub(crate) fn finish(&self, end: Result<(), Failure>) {
        // An error here only says that the end is known already.
        let _ = self.end.set(end);
        self.reader.wake();
    }

    /// The answer's body was read to its end.
    pub(crate) fn body_was_read(&self) {
        self.read.store(true, Ordering::Release);
        self.writer.wake();
    }

    /// Ready once the answer's body was read to its end.
    pub(crate) fn poll_body_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.writer.register(cx.waker());
        if self.read.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Nothing of the guest is left: its store and what it held are dropped.
    pub(crate) fn gone(&self) {
        self.gone.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// Whether nothing of the guest is left.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Its answer is a fault, although the guest may have ended well.
    pub(crate) fn spoil(&self) {
        self.well.store(false, Ordering::Release);
    }

    /// Whether it has answered, and nothing was wrong with the answer so far.
    pub(crate) fn answered_well(&self) -> bool {
        self.well.load(Ordering::Acquire)
    }

    /// Whether nothing more can go wrong with the answer: it was read to its end.
    pub(crate) fn done_well(&self) -> bool {
        self.read.load(Ordering::Acquire) && self.answered_well()
    }

    /// How the guest ended, if it has.
    pub(crate) fn end(&self) -> Option<&Result<(), Failure>> {
        self.end.get()
    }

    /// Who is woken when the guest has answered or ended. One reader at a time: first the call, then its answer's body.
    pub(crate) fn register(&self, waker: &Waker) {
        self.reader.register(waker);
    }

    /// Nobody is woken until somebody registers again.
    pub(crate) fn unregister(&self) {
        self.reader.take();
    }
}
