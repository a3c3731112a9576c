//! The resolver: the files of the system, and the nameservers that they or the policy name, asked without a thread for each question.
//!
//! `/etc/hosts` goes first, then the nameservers of `/etc/resolv.conf` with its search domains, or those of the policy, which are asked for
//! the name as it stands. Both files are read again when they have changed. What else a system may list in `/etc/nsswitch.conf` (LDAP, mDNS,
//! the names of containers) is not asked: it is C code that takes a thread for each question and gives no time for which an answer holds.
//! A name that only such a module knows can be written into `/etc/hosts`.

mod hosts;

use self::hosts::Hosts;
use super::resolve::{Found, Resolve, Unresolved};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts,
    ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;
use holdfast_call::BoxFuture;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The port where a nameserver is asked, unless another one is named.
pub const NAMESERVER_PORT: u16 = 53;
/// How long an entry of `/etc/hosts` holds: people who change it expect to see it.
const HOSTS_TTL: Duration = Duration::from_secs(5);
/// The longest that one nameserver is waited for before the next one is asked; the system's default is longer than a call has.
const TRY_MAX: Duration = Duration::from_secs(2);

/// The nameservers of the system, or others.
pub struct NameServers {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    asked: Mutex<Asked>,
}

struct Asked {
    /// Those of the policy; the system's where there are none.
    servers: Vec<SocketAddr>,
    client: Option<(Stamps, Arc<Client>)>,
}

/// By which two files are seen to have changed: which file it is, its size, and when it was written.
type Stamps = [Option<(u64, u64, i64, i64)>; 2];

impl NameServers {
    /// Asks `servers`, or those of the system where there are none.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>) -> Arc<Self> {
        Self::of_files(servers, "/etc/resolv.conf".as_ref(), "/etc/hosts".as_ref())
    }

    fn of_files(servers: Vec<SocketAddr>, resolv_conf: &Path, hosts: &Path) -> Arc<Self> {
        Arc::new(Self {
            resolv_conf: resolv_conf.to_owned(),
            hosts: hosts.to_owned(),
            asked: Mutex::new(Asked {
                servers,
                client: None,
            }),
        })
    }

    /// Asks these from now on.
    pub fn ask(&self, servers: Vec<SocketAddr>) {
        *self.lock() = Asked {
            servers,
            client: None,
        };
    }

    fn client(&self) -> Result<Arc<Client>, Unresolved> {
        let mut asked = self.lock();
        let stamps = [stamp(&self.resolv_conf), stamp(&self.hosts)];
        if let Some((before, client)) = &asked.client
            && *before == stamps
        {
            return Ok(client.clone());
        }
        let client = Arc::new(self.made(&asked.servers).map_err(failed)?);
        asked.client = Some((stamps, client.clone()));
        Ok(client)
    }

    fn made(&self, servers: &[SocketAddr]) -> Result<Client, NetError> {
        let (config, mut options) = if servers.is_empty() {
            self.of_system()?
        } else {
            let servers = servers.iter().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            (config, ResolverOpts::default())
        };
        options.timeout = options.timeout.min(TRY_MAX);
        // On a machine that has one kind of address only, it is nearly always this one.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // What was found is kept by who asks, and the file is read here.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        // Without the file there are no names in it.
        let hosts = text(&self.hosts).unwrap_or_default();
        Ok(Client {
            hosts: Hosts::read(&hosts),
            resolver: builder.build()?,
        })
    }

    /// What `/etc/resolv.conf` says. Where it names no nameserver, or is not there, there is one on this machine: so the manual has it.
    fn of_system(&self) -> Result<(ResolverConfig, ResolverOpts), NetError> {
        let mut text = match text(&self.resolv_conf) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        let names_one = |line: &str| line.trim_start().starts_with("nameserver");
        if !text.lines().any(names_one) {
            text.push_str("\nnameserver 127.0.0.1\n");
        }
        let (mut config, options) = parse_resolv_conf(text)?;
        // The machine's own domain stands for a list that is not there, and not before one that is.
        if !config.search.is_empty() {
            config.domain = None;
        }
        Ok((config, options))
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for NameServers {
    fn resolve(&self, host: &str) -> BoxFuture<'static, Result<Found, Unresolved>> {
        let (client, host) = (self.client(), host.to_owned());
        Box::pin(async move { client?.find(&host).await })
    }
}

/// The files as they were read, and who is asked because of them.
struct Client {
    hosts: Hosts,
    resolver: TokioResolver,
}

impl Client {
    async fn find(&self, host: &str) -> Result<Found, Unresolved> {
        let addresses = self.hosts.find(host);
        if !addresses.is_empty() {
            let ttl = HOSTS_TTL;
            return Ok(Found { addresses, ttl });
        }
        // Underscores are no letters of a host's name, and yet people have them there.
        let name = Name::from_str_relaxed(host).map_err(|error| Unresolved::Missing {
            cause: format!("not a name: {error}"),
            ttl: None,
        })?;
        let found = self.resolver.lookup_ip(name).await.map_err(failed)?;
        let ttls = found.as_lookup().answers().iter().map(|record| record.ttl);
        let ttl = Duration::from_secs(ttls.min().unwrap_or_default().into());
        let addresses = found.iter().collect();
        Ok(Found { addresses, ttl })
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let ways = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
        let mut way = ConnectionConfig::new(protocol);
        way.port = address.port();
        way
    });
    NameServerConfig::new(address.ip(), true, ways.into())
}

/// A file's text; what is no text in it is nothing that anybody would look for.
fn text(path: &Path) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let of = fs::metadata(path).ok()?;
    Some((of.ino(), of.len(), of.mtime(), of.mtime_nsec()))
}

fn failed(error: NetError) -> Unresolved {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Unresolved::Missing {
            cause: format!(
                "the nameserver knows no address of it: {}",
                none.response_code
            ),
            ttl: none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into())),
        },
        error => Unresolved::Failed {
            cause: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
