//! `NAME.toml`, the author's file: what a service is and what it asks for. Asking is not getting: see `merge`.

use crate::settings::described::{self, Description};
use crate::settings::effects;
use crate::settings::error::SettingsError;
use crate::settings::host::parse_priority;
use crate::settings::limits::SetLimits;
use crate::settings::name::Name;
use crate::settings::public;
use crate::settings::reader::Reader;
use crate::settings::reuse;
use crate::settings::routes::Route;
use crate::settings::schedule;
use crate::settings::source::Source;
use crate::settings::unknown::Kind;
use crate::settings::written::WrittenManifest;
use holdfast_call::Priority;
use holdfast_rules::effects::Declared;
use holdfast_rules::method_path::MethodPath;
use holdfast_rules::schedule::Schedule;
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of all `[env]` and `[config]` values together: they are copied into every instance that asks.
const VALUES_BYTES_MAX: usize = 64 * 1024;

/// The manifest of one service, checked.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The service: the file's name.
    pub name: Name,
    /// What it is for, in one line; the reason of calls that give none.
    pub purpose: Option<String>,
    /// Where it wants to be found; empty means `/NAME/`.
    pub routes: Vec<Route>,
    /// Whether it wishes to be open to everybody; `None` leaves it to the policy.
    pub public: Option<bool>,
    /// The routes that it wishes to be open to everybody, whatever holds for the rest.
    pub public_routes: Vec<MethodPath>,
    /// Of what class it wants to be.
    pub priority: Option<Priority>,
    /// Whether it wants to run on the metered engine.
    pub fuel: Option<bool>,
    /// The upstreams it asks for.
    pub upstreams: BTreeSet<Name>,
    /// The services it wants to call.
    pub services: BTreeSet<Name>,
    /// The secrets it wants to use.
    pub secrets: BTreeSet<Name>,
    /// The buckets that it wants to keep keys in.
    pub kv: BTreeSet<Name>,
    /// The services to whose queues it wants to send.
    pub queues: BTreeSet<Name>,
    /// The functions of its contract that only look, as `INTERFACE/FUNCTION`.
    pub safe: Vec<String>,
    /// What its operations do when they change something.
    pub effects: BTreeMap<String, Declared>,
    /// Which of them are durable.
    pub durable: Vec<String>,
    /// What the host asks of it by itself, and when.
    pub schedules: Vec<Schedule>,
    /// The folders it asks for: where the guest sees it, and its name in the policy.
    pub files: BTreeMap<String, Name>,
    /// What it reads as its environment.
    pub env: BTreeMap<String, String>,
    /// What it reads through `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// What describes it, where it speaks plain HTTP.
    pub description: Option<Description>,
    /// The limits it asks for.
    pub limits: SetLimits,
    /// The file, for the lines.
    pub source: Source,
}

impl Manifest {
    /// The manifest of a component that came without one.
    #[must_use]
    pub fn absent(name: Name) -> Self {
        let file = format!("{name}.toml");
        Self {
            name,
            purpose: None,
            routes: Vec::new(),
            public: None,
            public_routes: Vec::new(),
            priority: None,
            fuel: None,
            upstreams: BTreeSet::new(),
            services: BTreeSet::new(),
            secrets: BTreeSet::new(),
            kv: BTreeSet::new(),
            queues: BTreeSet::new(),
            safe: Vec::new(),
            effects: BTreeMap::new(),
            durable: Vec::new(),
            schedules: Vec::new(),
            files: BTreeMap::new(),
            env: BTreeMap::new(),
            config: BTreeMap::new(),
            description: None,
            limits: SetLimits::default(),
            source: Source::absent(&file),
        }
    }

    /// Reads a manifest; `file` is how it is named in messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: Name, file: &str, text: &str) -> Result<Self, SettingsError> {
        let (source, written) = Source::read::<WrittenManifest>(file, text, Kind::Manifest)?;
        let mut reader = Reader::new(&source);
        if let Some(purpose) = &written.purpose
            && (purpose.trim().is_empty() || purpose.chars().any(char::is_control))
        {
            reader.wrong("purpose", "must say something, on one line");
        }
        let routes = reader.list("routes", &written.routes, Route::parse);
        let public_routes = public::check(&written.public_routes, "public_routes", &mut reader);
        let upstreams = reader.names("upstreams", &written.upstreams);
        let services = reader.names("services", &written.services);
        let secrets = reader.names("secrets", &written.secrets);
        let kv = reader.names("kv", &written.kv);
        let queues = reader.names("queues", &written.queues);
        let safe = reader.list("contract.safe", &written.contract.safe, function);
        let effects = effects::check(written.effects, &mut reader);
        let schedules = schedule::check(written.schedule, &mut reader);
        let files = check_files(written.files, &mut reader);
        let priority = written.priority.as_deref();
        let priority = priority.and_then(|text| reader.take("priority", parse_priority(text)));
        check_values(&written.env, &written.config, &mut reader);
        let description = described::read(written.contract, &mut reader);
        let mut limits = SetLimits::check(written.limits, "limits", &source, &mut reader.problems);
        reuse::ask(written.reuse.as_ref(), &mut limits, &mut reader);
        SettingsError::unless(reader.problems, ())?;
        Ok(Self {
            name,
            purpose: written.purpose.map(|text| text.trim().to_owned()),
            routes,
            public: written.public,
            public_routes,
            priority,
            fuel: written.fuel,
            upstreams,
            services,
            secrets,
            kv,
            queues,
            safe,
            effects: effects.declared,
            durable: effects.durable,
            schedules,
            files,
            env: written.env,
            config: written.config,
            description,
            limits,
            source,
        })
    }
}

/// The name of a function; whether there is one, the component says.
pub(super) fn function(text: &str) -> Result<String, String> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    if text.split('/').all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is no function: write \"INTERFACE/FUNCTION\", as in the path of a request",
            text.escape_debug()
        ))
    }
}

fn check_files(
    written: BTreeMap<String, String>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, Name> {
    let mut files = BTreeMap::new();
    for (guest, folder) in written {
        let key = format!("files.{guest}");
        let plain = guest.len() > 1
            && guest.starts_with('/')
            && !guest.chars().any(char::is_control)
            && guest
                .split('/')
                .skip(1)
                .all(|part| !matches!(part, "" | "." | ".."));
        if !plain {
            reader.wrong(
                &key,
                "the guest's folder must be a plain absolute path, such as \"/data\"",
            );
        }
        if let Some(folder) = reader.take(&key, Name::parse(&folder)) {
            files.insert(guest, folder);
        }
    }
    files
}

fn check_values(
    env: &BTreeMap<String, String>,
    config: &BTreeMap<String, String>,
    reader: &mut Reader<'_>,
) {
    for (name, value) in env {
        let key = format!("env.{name}");
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            reader.wrong(
                &key,
                "cannot be an environment variable: no `=` in the name, no NUL",
            );
        }
    }
    let bytes: usize = env
        .iter()
        .chain(config)
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if bytes > VALUES_BYTES_MAX {
        let key = if env.is_empty() { "config" } else { "env" };
        let message = format!("[env] and [config] hold {bytes} bytes; at most {VALUES_BYTES_MAX}");
        reader.wrong(key, message);
    }
}
