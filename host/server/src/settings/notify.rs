//! `[notify]` of the policy: who is told what waits for a person, of what, and how often.

use crate::settings::lent::LentSecret;
use crate::settings::name::Name;
use crate::settings::place::Place;
use crate::settings::policy::no_such;
use crate::settings::reader::Reader;
use crate::settings::units::{Raw, duration_text, size_text};
use crate::settings::upstream::Upstream;
use holdfast_call::notice::Event;
use holdfast_capabilities::secrets::SIGN;
use holdfast_rules::notices::Settings;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the same event about the same thing is not told again, if nothing is said.
const AGAIN: Duration = Duration::from_secs(3_600);
/// With less room than this the disk is low: the cache of compiled components alone may grow to four times as much.
const DISK_FREE: u64 = 1 << 30;
/// A larger bound than this is a slip.
const DISK_FREE_MAX: u64 = 1 << 50;
/// The most words of a command.
const WORDS_MAX: usize = 64;

/// `[notify]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenNotify {
    pub(crate) url: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) on: Option<Vec<String>>,
    pub(crate) again: Option<Raw>,
    pub(crate) disk_free: Option<Raw>,
}

/// Who is told what waits for a person. Without a place and a command, nobody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The place that notices are posted to.
    pub place: Option<Place>,
    /// What they are signed with.
    pub secret: Option<LentSecret>,
    /// The command that is given them, where there is no place or it cannot be told.
    pub command: Option<Command>,
    /// What is told.
    pub on: BTreeSet<Event>,
    /// How long the same event about the same thing is not told again.
    pub again: Duration,
    /// With fewer bytes than this free, the disk is low.
    pub disk_free: u64,
}

/// A program and its arguments. No shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            place: None,
            secret: None,
            command: None,
            on: Event::ALL.into_iter().collect(),
            again: AGAIN,
            disk_free: DISK_FREE,
        }
    }
}

impl Notify {
    /// What is told, if anybody is.
    #[must_use]
    pub(crate) fn told(&self) -> Option<Settings> {
        self.reaches_somebody().then(|| Settings {
            on: self.on.clone(),
            again: self.again,
        })
    }

    /// Whether anybody is told.
    #[must_use]
    pub fn reaches_somebody(&self) -> bool {
        self.place.is_some() || self.command.is_some()
    }
}

pub(super) fn check(
    written: WrittenNotify,
    folder: &Path,
    (upstreams, secrets): (&BTreeMap<Name, Upstream>, &BTreeMap<Name, LentSecret>),
    reader: &mut Reader<'_>,
) -> Notify {
    let default = Notify::default();
    let silent = written.url.is_none() && written.command.is_none();
    let more = [written.again.is_some(), written.disk_free.is_some()];
    if silent && (written.secret.is_some() || written.on.is_some() || more.contains(&true)) {
        let message = "needs `url`, such as \"https://hooks.example.com/holdfast\", or `command`: else nobody is told";
        reader.wrong("notify", message);
    }
    if written.secret.is_some() && written.url.is_none() && written.command.is_some() {
        let message = "signs what is posted to `url`, which is not there";
        reader.wrong("notify.secret", message);
    }
    let url = written.url.as_deref();
    let place = url.map(|url| Place::of(url, upstreams, "by which notices are posted"));
    let secret = written.secret.as_deref();
    let secret = secret.map(|name| signer(name, secrets));
    let command = written.command.map(|words| command(words, folder));
    let on = written.on.map(|words| {
        if words.is_empty() {
            reader.wrong("notify.on", "names nothing, so that nobody is told");
        }
        reader.list("notify.on", &words, event)
    });
    Notify {
        place: place.and_then(|place| reader.take("notify.url", place)),
        secret: secret.and_then(|secret| reader.take("notify.secret", secret)),
        command: command.and_then(|command| reader.take("notify.command", command)),
        on: on.map_or(default.on, |on| on.into_iter().collect()),
        again: reader.or("notify.again", written.again, default.again, |raw| {
            // More often would only be noise; whoever hears of a thing less than once a week has forgotten it.
            raw.up_to_a_week()
        }),
        disk_free: reader.or(
            "notify.disk_free",
            written.disk_free,
            default.disk_free,
            |raw| free(&raw),
        ),
    }
}

/// The secret of this name, if it is there to sign.
fn signer(name: &str, secrets: &BTreeMap<Name, LentSecret>) -> Result<LentSecret, String> {
    let name = Name::parse(name)?;
    let Some(secret) = secrets.get(&name) else {
        return Err(no_such("secrets", &name, secrets.keys().map(Name::as_str)));
    };
    if secret.uses.contains(&SIGN) {
        return Ok(secret.clone());
    }
    Err(format!(
        "[secrets.{name}] is not there to sign: write `uses = [\"sign\"]`"
    ))
}

fn command(words: Vec<String>, folder: &Path) -> Result<Command, String> {
    if words.len() > WORDS_MAX {
        return Err(format!("has more than {WORDS_MAX} words"));
    }
    let mut words = words.into_iter();
    let program = words.next().filter(|program| program.contains('/'));
    let Some(program) = program else {
        return Err("begins with no path: the program is named by its file, such as [\"/usr/local/bin/page-me\", \"ops\"]".to_owned());
    };
    let program = std::path::absolute(folder.join(program));
    Ok(Command {
        program: program.map_err(|error| format!("is no path: {error}"))?,
        arguments: words.collect(),
    })
}

fn event(word: &str) -> Result<Event, String> {
    Event::parse(word).ok_or_else(|| {
        let all = Event::ALL.map(Event::as_str).join(", ");
        format!("`{}` is none of {all}", word.escape_debug())
    })
}

fn free(raw: &Raw) -> Result<u64, String> {
    let bytes = raw.bytes()?;
    if bytes <= DISK_FREE_MAX {
        return Ok(bytes);
    }
    Err(format!("is at most {}", size_text(DISK_FREE_MAX)))
}

/// The rows of `holdfast policy`.
pub(super) fn rows(notify: &Notify) -> [(&'static str, String); 6] {
    let none = || "none".to_owned();
    let on: Vec<_> = notify.on.iter().map(|event| event.as_str()).collect();
    let again = u64::try_from(notify.again.as_nanos()).unwrap_or(u64::MAX);
    let command = notify.command.as_ref();
    let secret = notify.secret.as_ref();
    [
        (
            "notify.url",
            notify.place.as_ref().map_or_else(none, Place::to_string),
        ),
        (
            "notify.secret",
            secret.map_or_else(none, |secret| secret.name.to_string()),
        ),
        (
            "notify.command",
            // What is handed to it may be a secret.
            command.map_or_else(none, |command| command.program.display().to_string()),
        ),
        ("notify.on", on.join(", ")),
        ("notify.again", duration_text(again)),
        ("notify.disk_free", size_text(notify.disk_free)),
    ]
}
