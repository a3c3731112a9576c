//! One delivery: the call that it is, and what becomes of the message when that has come to something.

use super::held::{InHand, Taken};
use super::{Consumer, ticks};
use bytes::Bytes;
use holdfast_call::message::Receipt;
use holdfast_call::notice::Event;
use holdfast_call::{
    Call, CallId, Clock, Entry, Level, Log, Meter, Moment, Notice, Notices, Outbox, Payload,
    Pipeline, Reply, Target, Trace, Tree, Value, Why,
};
use holdfast_rules::delivery::{self, Ended, Judged, Known};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{Held, Holder};
use holdfast_store::queue::{self, Bell, Counted, DEATHS_MAX, Delivery, Sent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;

/// Whether a service could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// It was.
    Asked,
    /// It could not, and will not be able to for so long.
    NotAsked(Duration),
}

/// How long a message waits whose service takes none.
const NOBODY: Duration = Duration::from_secs(60);

/// What is locked where something is delivered alone.
pub(super) type Alone = ();

/// Where deliveries are made.
pub(super) struct Desk {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) database: Database,
    pub(super) holder: Holder,
    pub(super) notices: Arc<dyn Notices>,
    pub(super) log: Arc<dyn Log>,
    pub(super) bell: Arc<Bell>,
    /// Rings when what was on a schedule has ended.
    pub(super) ended: Bell,
    /// What it has at present.
    pub(super) held: Arc<InHand>,
    /// Held by one who is delivered alone, or by all the others.
    pub(super) alone: Arc<RwLock<Alone>>,
}

impl Desk {
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.pipeline.sources().clock.clone()
    }

    /// Delivers a message, and sees to what becomes of it.
    pub(super) async fn deliver(
        &self,
        queue: &Arc<str>,
        consumer: &Consumer,
        taken: Taken,
    ) -> Went {
        let message = &taken.delivery;
        let receipt = message.receipt.clone();
        let tick = ticks::Tick::of(message);
        if message.deaths >= DEATHS_MAX.unsigned_abs() {
            let why = format!("{} hosts died while they had it", message.deaths);
            self.bury(queue, message, why).await;
            return Went::Asked;
        }
        let asked = match &tick {
            Some(tick) => tick.asked(queue, message),
            None => consumer.asked(message),
        };
        let Some(asked) = asked else {
            // A service that is on its way may take it.
            let why = "its service takes no messages".to_owned();
            self.back(receipt, NOBODY, Counted::No, why).await;
            return Went::Asked;
        };
        let meter = Arc::<Meter>::default();
        let call = self.call(queue, asked, message, &meter);
        let reply = self.pipeline.run(call).await;
        let random = self.pipeline.sources().random.sixteen();
        let random = random
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte));
        if let Some(tick) = tick {
            let seen = (&*meter, random);
            return self.ticked(queue, &tick, message, reply, seen).await;
        }
        let known = Known {
            delivery: message.deliveries,
            most: consumer.deliveries,
            attempts: meter.read().attempts,
            random,
        };
        let judged = delivery::judged(&reply, known);
        if let Ok(answer) = reply {
            answer.close();
        }
        match judged {
            // It was done with in the same unit in which its call's own messages went out.
            Judged::Taken => {}
            Judged::Again { after, why } => self.back(receipt, after, Counted::Yes, why).await,
            Judged::NotAsked { after, why } => {
                self.back(receipt, after, Counted::No, why).await;
                return Went::NotAsked(after);
            }
            Judged::Dead { why } => self.bury(queue, message, why).await,
        }
        Went::Asked
    }

    /// Sees to what becomes of a tick.
    async fn ticked(
        &self,
        queue: &Arc<str>,
        tick: &ticks::Tick,
        message: &Delivery,
        reply: Reply,
        (meter, random): (&Meter, u64),
    ) -> Went {
        let asked = match (meter.read().attempts, meter.replays()) {
            (0, None) => delivery::Asked::Not,
            (_, _) => delivery::Asked::Yes,
        };
        let ended = delivery::ended(&reply, asked, random);
        if let Ok(answer) = reply {
            answer.close();
        }
        let receipt = message.receipt.clone();
        let again = match ended {
            Ended::NotAsked { after, why } => {
                self.back(receipt, after, Counted::No, why).await;
                return Went::NotAsked(after);
            }
            Ended::Runs { after, why } => {
                self.back(receipt, after, Counted::No, why).await;
                return Went::Asked;
            }
            Ended::InDoubt { why } => {
                self.bury(queue, message, why).await;
                return Went::Asked;
            }
            Ended::Well => None,
            // What runs again as soon as it has ended takes a breath first.
            Ended::Failed => tick.again(queue, self.pipeline.sources(), random),
        };
        let sent = Sent {
            receipt: Some(receipt),
            messages: again.into_iter().collect(),
        };
        // It may be done with already, in the unit of its call.
        let settled = queue::settle(&self.database, sent).await;
        self.seen(settled.map(drop));
        self.bell.ring();
        self.ended.ring();
        Went::Asked
    }

    /// Gives back what was taken and cannot be delivered now.
    pub(super) async fn not_now(&self, taken: Taken) {
        let why = "another message was delivered alone".to_owned();
        let receipt = taken.delivery.receipt.clone();
        self.back(receipt, Duration::ZERO, Counted::No, why).await;
    }

    async fn back(&self, receipt: Receipt, after: Duration, counted: Counted, why: String) {
        let back = queue::give_back(&self.database, receipt, after, counted, why);
        self.seen(back.await.map(drop));
    }

    async fn bury(&self, queue: &Arc<str>, message: &Delivery, why: String) {
        let id = message.receipt.id;
        let buried = queue::bury(&self.database, message.receipt.clone(), why.clone()).await;
        if buried == Ok(Held::Yes) {
            let text = format!(
                "the message {id} to {queue} is a dead letter (deliveries: {}): `holdfast queue show {id}` says why, \
                 `holdfast queue redrive {id}` has it delivered again",
                message.deliveries
            );
            self.log.host(Level::Warn, format!("{text} ({why})"));
            self.notices.tell(Notice {
                event: Event::DeadLetter,
                about: format!("queue:{queue}"),
                text,
            });
        }
        self.seen(buried.map(drop));
    }

    /// What cannot be written now is as if it had not been tried: the message comes again when the lease is over.
    fn seen(&self, done: Result<(), DbError>) {
        if let Err(error) = done {
            let text = format!("a message comes again when its lease is over: failed to {error}");
            self.log.host(Level::Warn, text);
        }
    }

    fn call(&self, queue: &Arc<str>, asked: Asked, message: &Delivery, meter: &Arc<Meter>) -> Call {
        let sources = self.pipeline.sources();
        let random = || sources.random.sixteen();
        let trace = match message.trace {
            Some(trace) => trace.child(random()),
            None => Trace::start(random(), random()),
        };
        let why = format!("message {}: {}", message.receipt.id, message.why.as_str());
        meter.add_in(message.body.len() as u64);
        Call {
            id: CallId::new(sources.clock.wall(), random()),
            parent: None,
            entry: asked.entry,
            caller: message.caller.clone(),
            asker: None,
            target: Target::Service(queue.clone()),
            registered: None,
            operation: asked.operation,
            why: Why::claimed(&why).unwrap_or_else(Why::undeclared),
            deadline: Moment::FAR,
            stream: Duration::ZERO,
            trace,
            ordinal: 0,
            key: asked.key,
            wait: None,
            execution: None,
            journal: None,
            step: None,
            outbox: Some(Arc::new(Outbox::of_delivery(message.receipt.clone()))),
            payload: asked.payload,
            meter: meter.clone(),
            above: None,
            tree: Arc::new(Tree::default()),
        }
    }
}

/// What a delivery asks of the service.
pub(super) struct Asked {
    pub(super) entry: Entry,
    pub(super) operation: Arc<str>,
    pub(super) key: Option<Arc<str>>,
    pub(super) payload: Payload,
}

impl Consumer {
    /// That it take the message; none, where it takes none.
    fn asked(&self, message: &Delivery) -> Option<Asked> {
        let operation = self.operation.clone()?;
        Some(Asked {
            entry: Entry::Queue,
            payload: Payload::Values(operation.clone(), vec![value(message)]),
            operation,
            key: None,
        })
    }
}

/// The message as `wit/service/consumer.wit` has it.
fn value(message: &Delivery) -> Value {
    let optional =
        |text: &Option<String>| Value::Option(text.clone().map(|text| Box::new(Value::Text(text))));
    let attributes = message.attributes.iter().map(|(name, value)| {
        Value::Many(vec![Value::Text(name.clone()), Value::Text(value.clone())])
    });
    Value::Many(vec![
        Value::Text(message.receipt.id.to_string()),
        Value::Bytes(Bytes::copy_from_slice(&message.body)),
        optional(&message.content_type),
        Value::List(attributes.collect()),
        optional(&message.lane),
        Value::U64(message.sent_ms),
        Value::U32(u32::try_from(message.deliveries).unwrap_or(u32::MAX)),
    ])
}
