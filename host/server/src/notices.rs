//! Tells the operator what waits for a person: takes notices out of their line, one after the other, and posts them or runs a command.
//!
//! Nothing waits for it but the notices themselves. What could not be told is said in the log, and counted in the next notice that gets
//! through.

mod command;
mod message;
pub mod watch;

use crate::errand::Errand;
use crate::settings::notify::Command;
use crate::settings::{Notify, Place};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use data_encoding::BASE64;
use holdfast_call::{Level, Log, Notice, Pipeline, in_time};
use holdfast_capabilities::secrets::SecretKey;
use holdfast_rules::notices::Line;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use message::{Message, Told};
use std::sync::Arc;
use std::time::Duration;

/// How long one try may take.
const TRY_MAX: Duration = Duration::from_secs(10);
/// How long it is waited before the second try and before the third, which is the last: a receiver that is started again is there by then,
/// and what waits meanwhile is not much.
const BETWEEN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How much of an answer is read, so that the connection can be used again. What it says is of no use to anybody.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The ways by which the operator is told.
pub(crate) struct Ways {
    /// Where notices are posted.
    pub(crate) place: Option<Place>,
    /// What they are signed with.
    pub(crate) key: Option<SecretKey>,
    /// What is run where there is no place, or it could not be told.
    pub(crate) command: Option<Command>,
}

/// What tells the operator.
pub struct Teller {
    line: Arc<Line>,
    pipeline: Arc<Pipeline>,
    log: Arc<dyn Log>,
    ways: ArcSwapOption<Ways>,
}

impl Teller {
    /// One that tells nobody yet.
    #[must_use]
    pub fn new(line: Arc<Line>, pipeline: Arc<Pipeline>, log: Arc<dyn Log>) -> Arc<Self> {
        Arc::new(Self {
            line,
            pipeline,
            log,
            ways: ArcSwapOption::empty(),
        })
    }

    /// From now on this is told, by these ways.
    pub(crate) fn put(&self, notify: &Notify, key: Option<SecretKey>) {
        let ways = notify.reaches_somebody().then(|| Ways {
            place: notify.place.clone(),
            key,
            command: notify.command.clone(),
        });
        self.ways.store(ways.map(Arc::new));
        self.line.put(notify.told());
    }

    /// Tells what is in line, for ever.
    pub async fn follow(self: Arc<Self>) {
        loop {
            let due = self.line.next().await;
            let Some(ways) = self.ways.load_full() else {
                self.line.not_told(due);
                continue;
            };
            let message = Message::new(&Told::of(&due), self.pipeline.sources());
            match self.patiently(&ways, &message).await {
                Ok(()) => self.line.told(),
                Err(why) => {
                    let Notice { event, about, text } = &due.notice;
                    let text =
                        format!("nobody could be told that {text} ({event}, {about}): {why}");
                    self.log.host(Level::Error, text);
                    self.line.not_told(due);
                }
            }
        }
    }

    /// Tells one that says that nothing has happened, once and now.
    ///
    /// # Errors
    /// Nobody is to be told, or it did not come through; why.
    pub async fn test(&self) -> Result<String, String> {
        let Some(ways) = self.ways.load_full() else {
            return Err(
                "nobody is told: write `url` or `command` into [notify] of the policy".to_owned(),
            );
        };
        let told = Told {
            kind: "test",
            about: "host",
            text: "this is a trial: nothing has happened",
            wall: self.pipeline.sources().clock.wall(),
            repeated: 0,
            lost: 0,
        };
        let message = Message::new(&told, self.pipeline.sources());
        let mut said = Vec::new();
        if let Some(place) = &ways.place {
            self.post(place, &ways, &message).await?;
            said.push(format!("{place} was told"));
        }
        if let Some(command) = &ways.command {
            self.run(command, &message).await?;
            said.push(format!("{} was run", command.program.display()));
        }
        Ok(said.join(", "))
    }

    async fn patiently(&self, ways: &Ways, message: &Message) -> Result<(), String> {
        let clock = &*self.pipeline.sources().clock;
        let mut came = self.once(ways, message).await;
        for rest in BETWEEN {
            if came.is_ok() {
                break;
            }
            clock.sleep_until(clock.now().after(rest)).await;
            came = self.once(ways, message).await;
        }
        came
    }

    /// By the first way that leads to somebody.
    async fn once(&self, ways: &Ways, message: &Message) -> Result<(), String> {
        match (&ways.place, &ways.command) {
            (Some(place), None) => self.post(place, ways, message).await,
            (None, Some(command)) => self.run(command, message).await,
            (Some(place), Some(command)) => match self.post(place, ways, message).await {
                Ok(()) => Ok(()),
                Err(first) => {
                    let second = self.run(command, message).await;
                    second.map_err(|second| format!("{first}; {second}"))
                }
            },
            (None, None) => Err("there is nobody to be told".to_owned()),
        }
    }

    async fn post(&self, place: &Place, ways: &Ways, message: &Message) -> Result<(), String> {
        let sources = self.pipeline.sources();
        let mut request = Request::builder()
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &ways.key {
            let second = sources.clock.wall().0 / 1_000_000;
            let code = key.signed(&message.signed_at(second));
            let code = code.ok_or("the secret of [notify] is no key that signs")?;
            request = request
                .header("webhook-timestamp", second)
                .header("webhook-signature", format!("v1,{}", BASE64.encode(&code)));
        }
        let request = request.header("webhook-id", &message.id);
        let errand = Errand {
            origin: &place.origin,
            path: &place.path,
            why: "a notice for the operator",
            at_most: TRY_MAX,
        };
        let tried = async {
            let body = Bytes::from(message.json.clone());
            let answer = errand.run(&self.pipeline, request, body).await?;
            let status = answer.status();
            // How it ends is of no use to anybody.
            let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            match status.is_success() {
                true => Ok(()),
                false => Err(format!("the answer was {status}")),
            }
        };
        let until = sources.clock.now().after(TRY_MAX);
        let came = in_time(&*sources.clock, until, tried).await;
        let came = came.unwrap_or_else(|| Err("there was no answer in time".to_owned()));
        came.map_err(|why| format!("{place}: {why}"))
    }

    async fn run(&self, command: &Command, message: &Message) -> Result<(), String> {
        let clock = &*self.pipeline.sources().clock;
        let came = command::run(command, &message.json, clock, TRY_MAX).await;
        came.map_err(|why| format!("{}: {why}", command.program.display()))
    }
}
