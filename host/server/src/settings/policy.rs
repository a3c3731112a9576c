//! `holdfast.toml`, the operator's file: what exists, what is allowed, and how the host itself runs.

use crate::settings::audit::{self, AuditLog};
use crate::settings::budget;
use crate::settings::callers::Callers;
use crate::settings::capture::{self, CaptureKeep};
use crate::settings::compile;
use crate::settings::effects;
use crate::settings::error::SettingsError;
use crate::settings::folder::{self, Folder};
use crate::settings::host::{
    Anonymous, HostMemory, LogForm, Pool, parse_keep, parse_nameserver, parse_share,
};
use crate::settings::jwt::{self, Jwt};
use crate::settings::lent::{self, LentSecret};
use crate::settings::limits::SetLimits;
use crate::settings::listen::{self, ListenLimits, Tls};
use crate::settings::name::Name;
use crate::settings::notify::{self, Notify};
use crate::settings::price::HostPrices;
use crate::settings::rate;
use crate::settings::reader::Reader;
use crate::settings::secret::SecretSource;
use crate::settings::service::{self, ServicePolicy};
use crate::settings::source::{Origin, Source};
use crate::settings::store::{self, Store};
use crate::settings::unknown::{Kind, nearest};
use crate::settings::upstream::{self, Upstream, parse_net, within};
use crate::settings::webhooks;
use crate::settings::written::WrittenPolicy;
use holdfast_rules::admit::pressure::MEMORY_FROM;
use holdfast_rules::budget::Limits as Budgets;
use holdfast_rules::effects::Undeclared;
use holdfast_rules::once::KEEP_MIN;
use holdfast_rules::rate::flow::Quota;
use holdfast_store::CALL_LOG_BYTES_MIN;
use holdfast_store::approvals::Own;
use holdfast_wasm::compile::job::CompileLimits;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the policy is looked for when nobody names another place.
pub const DEFAULT_FILE: &str = "holdfast.toml";

/// The operator's settings, checked and complete.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The gateway's address.
    pub listen: SocketAddr,
    /// What clients may hold of the gateway.
    pub listen_limits: ListenLimits,
    /// The files of its encryption, if it is encrypted.
    pub tls: Option<Tls>,
    /// The address of the read-only administration.
    pub admin: SocketAddr,
    /// The directory of components.
    pub plugins: PathBuf,
    /// The directory of what lasts.
    pub data: PathBuf,
    /// The form of the log.
    pub log: LogForm,
    /// Where the log goes; standard output where it is absent.
    pub log_file: Option<PathBuf>,
    /// How many bytes of the call log are kept; none at 0.
    pub call_log: u64,
    /// Whether callers whom nobody vouches for are served.
    pub anonymous: Anonymous,
    /// The principals that may call services.
    pub callers: Callers,
    /// What is on record, and how much of it is kept.
    pub audit: AuditLog,
    /// How much is kept of calls that are captured.
    pub capture: CaptureKeep,
    /// Who is told what waits for a person.
    pub notify: Notify,
    /// How long the outcome of a call that carried a key is kept.
    pub idempotency_keep: Duration,
    /// What happens to an operation that changes something and is not declared.
    pub undeclared: Undeclared,
    /// Whether one may approve what one has asked for oneself.
    pub own: Own,
    /// How long calls in flight may take to end once the host stops.
    pub drain: Duration,
    /// Whose `x-forwarded-for` and `traceparent` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who is asked where the names of upstreams lead; the system's nameservers where there are none.
    pub nameservers: Vec<SocketAddr>,
    /// Whether every service runs on the metered engine.
    pub fuel: bool,
    /// How much memory all guests together may have.
    pub memory: HostMemory,
    /// From how much of the memory in use on the host sends callers away, in per cent.
    pub shed_memory: u32,
    /// How many instances the pool holds.
    pub slots: u32,
    /// How the pool is set up.
    pub pool: Pool,
    /// Where the database is.
    pub store: Store,
    /// What compiling one component may use.
    pub compile: CompileLimits,
    /// The limits of every service.
    pub limits: SetLimits,
    /// How many calls each caller may make, to all services together; as many as he does where there is none.
    pub caller_rate: Option<Quota>,
    /// How much may be spent.
    pub budget: Budgets,
    /// What services cost that use the host.
    pub price: HostPrices,
    /// What single services are allowed.
    pub services: BTreeMap<Name, ServicePolicy>,
    /// The systems outside.
    pub upstreams: BTreeMap<Name, Upstream>,
    /// The secrets that services may be granted.
    pub secrets: BTreeMap<Name, LentSecret>,
    /// The folders there are.
    pub files: BTreeMap<Name, Folder>,
    /// The issuers of tokens whose subjects are callers.
    pub jwt: BTreeMap<Name, Jwt>,
    /// The file it was read from; `None` where there is none.
    pub source: Option<PathBuf>,
    pub(crate) lines: Source,
    pub(crate) flags: BTreeSet<&'static str>,
}

/// What the command line sets in the place of the policy.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--admin`.
    pub admin: Option<SocketAddr>,
    /// `--plugins`.
    pub plugins: Option<PathBuf>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--log`.
    pub log: Option<LogForm>,
}

/// More than this is what a log file is for.
const CALL_LOG_BYTES_MAX: u64 = 1 << 30;

fn call_log_bytes(bytes: u64) -> Result<u64, String> {
    match bytes {
        0 => Ok(0),
        bytes => within(bytes, CALL_LOG_BYTES_MIN, CALL_LOG_BYTES_MAX)
            .map_err(|why| format!("{why}, and not 0, which keeps none")),
    }
}

impl Policy {
    /// The policy of a machine with one person on it: loopback alone, everybody is served, nothing else is allowed.
    #[must_use]
    pub fn default_for_one_person() -> Self {
        let mut policy = Self::bare(Source::absent(DEFAULT_FILE));
        policy.anonymous = Anonymous::Allow;
        policy
    }

    /// The variables of the environment that it takes secrets from.
    #[must_use]
    pub fn secret_variables(&self) -> BTreeSet<&str> {
        self.secret_sources()
            .filter_map(|source| match source {
                SecretSource::Env(name) => Some(name.as_str()),
                SecretSource::File(_) | SecretSource::Systemd(_) => None,
            })
            .collect()
    }

    /// The files that it takes secrets from.
    #[must_use]
    pub fn secret_files(&self) -> Vec<PathBuf> {
        self.secret_sources()
            .filter_map(|source| match source {
                SecretSource::File(path) => Some(path.clone()),
                SecretSource::Env(_) | SecretSource::Systemd(_) => None,
            })
            .collect()
    }

    fn secret_sources(&self) -> impl Iterator<Item = &SecretSource> {
        let credentials = self.upstreams.values();
        let credentials = credentials.filter_map(|upstream| upstream.credential.as_ref());
        let lent = self.secrets.values().flat_map(|secret| &secret.sources);
        credentials
            .flat_map(|credential| &credential.sources)
            .chain(lent)
            .chain(self.store.sources())
    }

    /// Reads the policy: the file that was named, which must be there, or the default one, which may be missing.
    ///
    /// # Errors
    /// The file cannot be read, or everything that is wrong with it.
    pub fn load(named: Option<&Path>) -> Result<Self, SettingsError> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let file = path.display().to_string();
        match crate::file::settings(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default_for_one_person())
            }
            Err(error) => Err(SettingsError::file(
                &file,
                format!("cannot be read: {error}"),
            )),
        }
    }

    /// Reads a policy from its text. Paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let file = path.display().to_string();
        let (lines, written) = Source::read::<WrittenPolicy>(&file, text, Kind::Policy)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut reader = Reader::new(&lines);
        let mut policy = Self::bare(lines.clone());
        policy.source = Some(path.to_owned());
        policy.check(written, folder, &mut reader);
        policy.check_names(&mut reader);
        SettingsError::unless(reader.problems, policy)
    }

    /// The same policy with what the command line sets.
    #[must_use]
    pub fn with_flags(mut self, flags: Flags) -> Self {
        let mut set = |key, given: bool| {
            if given {
                self.flags.insert(key);
            }
        };
        set("listen", flags.listen.is_some());
        set("admin", flags.admin.is_some());
        set("plugins", flags.plugins.is_some());
        set("data", flags.data.is_some());
        set("log", flags.log.is_some());
        self.listen = flags.listen.unwrap_or(self.listen);
        self.admin = flags.admin.unwrap_or(self.admin);
        self.plugins = flags.plugins.unwrap_or(self.plugins);
        self.data = flags.data.unwrap_or(self.data);
        self.log = flags.log.unwrap_or(self.log);
        self
    }

    /// The file with its lines, to name the place of a value.
    #[must_use]
    pub fn lines(&self) -> &Source {
        &self.lines
    }

    /// Where the value of a key came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        if self.flags.contains(key) {
            return Origin::Flag;
        }
        // The address stands in a table where the file says more of the gateway.
        let inner = self
            .lines
            .line("listen.address")
            .filter(|_| key == "listen");
        match inner.or_else(|| self.lines.line(key)) {
            Some(line) => Origin::Policy { line },
            None => Origin::Default,
        }
    }

    /// Everything at its default. `anonymous` is denied: whoever writes a policy says whom it serves.
    fn bare(lines: Source) -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            listen_limits: ListenLimits::default(),
            tls: None,
            admin: (Ipv4Addr::LOCALHOST, 8081).into(),
            plugins: "plugins".into(),
            data: "data".into(),
            log: LogForm::Json,
            log_file: None,
            call_log: 64 << 20,
            anonymous: Anonymous::Deny,
            callers: Callers::default(),
            audit: AuditLog::default(),
            capture: CaptureKeep::default(),
            notify: Notify::default(),
            idempotency_keep: KEEP_MIN,
            undeclared: Undeclared::Allow,
            own: Own::Refused,
            drain: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            nameservers: Vec::new(),
            fuel: false,
            memory: HostMemory::Percent(60),
            shed_memory: MEMORY_FROM / 10,
            slots: 1_000,
            pool: Pool::Auto,
            store: Store::File,
            compile: CompileLimits::default(),
            limits: SetLimits::default(),
            caller_rate: None,
            budget: budget::NONE,
            price: HostPrices::default(),
            services: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            secrets: BTreeMap::new(),
            files: BTreeMap::new(),
            jwt: BTreeMap::new(),
            source: None,
            lines,
            flags: BTreeSet::new(),
        }
    }

    /// What holds for calls that take effect once.
    fn check_once(&mut self, written: &WrittenPolicy, reader: &mut Reader<'_>) {
        let keep = written.idempotency_keep.as_ref();
        self.idempotency_keep =
            reader.or("idempotency_keep", keep, self.idempotency_keep, parse_keep);
        let undeclared = written.undeclared.as_deref();
        self.undeclared = reader.or(
            "undeclared",
            undeclared,
            self.undeclared,
            effects::undeclared,
        );
        if written.self_approve {
            self.own = Own::Approved;
        }
    }

    fn check(&mut self, written: WrittenPolicy, folder: &Path, reader: &mut Reader<'_>) {
        self.check_once(&written, reader);
        (self.listen, self.listen_limits, self.tls) =
            listen::check(written.listen, self.listen, folder, reader);
        self.admin = reader.or("admin", written.admin.as_deref(), self.admin, parse_address);
        if self.listen == self.admin && self.listen.port() != 0 {
            reader.wrong(
                "admin",
                format!("is the gateway's address too: {}", self.listen),
            );
        }
        self.plugins = folder.join(written.plugins.unwrap_or_else(|| "plugins".to_owned()));
        self.data = folder.join(written.data.unwrap_or_else(|| "data".to_owned()));
        self.log = reader.or("log", written.log.as_deref(), self.log, LogForm::parse);
        self.log_file = written.log_file.map(|file| folder.join(file));
        self.call_log = reader.or("call_log", written.call_log, self.call_log, |raw| {
            call_log_bytes(raw.bytes()?)
        });
        self.anonymous = reader.or(
            "anonymous",
            written.anonymous.as_deref(),
            self.anonymous,
            Anonymous::parse,
        );
        if let Some(written) = written.callers {
            self.callers = Callers::check(&written, "callers", reader);
        }
        self.drain = reader.or("drain_ms", written.drain_ms, self.drain, |raw| {
            within(raw.count()?, 0, 600_000).map(Duration::from_millis)
        });
        self.trusted_proxies = reader.list("trusted_proxies", &written.trusted_proxies, parse_net);
        self.nameservers = reader.list("nameservers", &written.nameservers, parse_nameserver);
        self.fuel = written.fuel.unwrap_or(false);
        self.memory = reader.or("memory", written.memory, self.memory, |raw| {
            HostMemory::parse(&raw)
        });
        self.shed_memory = reader.or(
            "shed_memory",
            written.shed_memory.as_deref(),
            self.shed_memory,
            parse_share,
        );
        self.slots = reader.or("slots", written.slots, self.slots, |raw| {
            within(raw.count()?, 1, 100_000).map(|slots| u32::try_from(slots).unwrap_or(u32::MAX))
        });
        self.pool = reader.or("pool", written.pool.as_deref(), self.pool, Pool::parse);
        self.audit = audit::check(written.audit, folder, reader);
        self.capture = capture::check(written.capture, reader);
        self.store = store::check(written.store, folder, reader);
        self.compile = compile::check(written.compile, reader);
        self.limits = SetLimits::check(
            written.limits,
            "limits",
            reader.source,
            &mut reader.problems,
        );
        self.caller_rate = rate::check(&written.rate, reader);
        (self.budget, self.price) = budget::check(written.budget, written.price, reader);
        self.upstreams = upstream::check_all(written.upstreams, folder, reader);
        self.secrets = lent::check_all(written.secrets, folder, reader);
        let known = (&self.upstreams, &self.secrets);
        self.notify = notify::check(written.notify, folder, known, reader);
        self.files = folder::check_all(written.files, folder, reader);
        self.jwt = jwt::check_all(written.jwt, folder, &self.upstreams, reader);
        self.services = service::check_all(written.services, reader);
    }

    /// What `[services]` names must exist: a grant of nothing is a mistake.
    fn check_names(&self, reader: &mut Reader<'_>) {
        let spends = |upstream: &Name| {
            let mut services = self.services.values();
            services.any(|one| one.budget.is_some() && one.upstreams.contains(upstream))
        };
        budget::check_prices(&self.budget, &self.upstreams, spends, reader);
        self.callers.check_issuers(&self.jwt, "callers", reader);
        for (service, allowed) in &self.services {
            let (upstreams, secrets, files) = (&self.upstreams, &self.secrets, &self.files);
            known(reader, service, "upstreams", &allowed.upstreams, upstreams);
            known(reader, service, "secrets", &allowed.secrets, secrets);
            known(reader, service, "files", &allowed.files, files);
            if let Some(callers) = &allowed.callers {
                let key = format!("services.{service}.callers");
                callers.check_issuers(&self.jwt, &key, reader);
            }
            let table = format!("services.{service}.webhooks");
            webhooks::check_secrets(&allowed.webhooks, secrets, &table, reader);
        }
    }
}

fn known<T>(
    reader: &mut Reader<'_>,
    service: &Name,
    table: &str,
    granted: &BTreeSet<Name>,
    there_are: &BTreeMap<Name, T>,
) {
    let unknown = granted.iter().filter(|name| !there_are.contains_key(*name));
    for name in unknown {
        let message = no_such(table, name, there_are.keys().map(Name::as_str));
        reader.wrong(&format!("services.{service}.{table}"), message);
    }
}

pub(crate) fn no_such<'a>(
    table: &str,
    name: &Name,
    known: impl Iterator<Item = &'a str>,
) -> String {
    match nearest(name.as_str(), known) {
        Some(near) => format!("there is no [{table}.{name}]; did you mean `{near}`?"),
        None => format!("there is no [{table}.{name}]"),
    }
}

pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{}` is not an address with a port, such as \"127.0.0.1:8080\"",
            text.escape_debug()
        )
    })
}
