//! Which server: what its URL says, and what stands in no URL, the password.

use holdfast_call::Secret;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long a connection may take to be made.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long what was sent may stay without a sign of the other side, before the connection counts as broken.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// A PostgreSQL server, and the database on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    config: Arc<Config>,
    password: Option<Secret>,
}

impl Server {
    /// Checks a URL: `postgres://USER@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// Says what is wrong with it, and not what it is: it may hold a password where none should be.
    pub fn parse(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(
                "is not the URL of a server: postgres://USER@HOST:PORT/DATABASE".to_owned(),
            );
        }
        let mut config: Config = url
            .parse()
            .map_err(|error| format!("is not the URL of a server: {}", told(&error)))?;
        if config.get_password().is_some() {
            return Err(
                "holds a password; take it out, and say with `password` where it is".to_owned(),
            );
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(
                "names no user or no database: postgres://USER@HOST:PORT/DATABASE".to_owned(),
            );
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("names no host: postgres://USER@HOST:PORT/DATABASE".to_owned());
        }
        let asked = config.get_ssl_mode();
        if !matches!(asked, SslMode::Disable | SslMode::Prefer) {
            return Err(format!("asks for TLS, {NO_TLS}"));
        }
        if asked != SslMode::Disable && !stays_here(&config) {
            return Err(format!(
                "leads to another machine, where the password and all that is kept would be sent in clear, {NO_TLS}"
            ));
        }
        config
            .ssl_mode(SslMode::Disable)
            .application_name("holdfast")
            .connect_timeout(CONNECT_MAX)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(SILENCE_MAX);
        Ok(Self {
            config: Arc::new(config),
            password: None,
        })
    }

    /// The same with its password.
    #[must_use]
    pub fn with_password(mut self, password: Secret) -> Self {
        self.password = Some(password);
        self
    }

    /// How to connect.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::clone(&self.config);
        if let Some(password) = &self.password {
            config.password(password.reveal());
        }
        config
    }
}

const NO_TLS: &str = "which the host does not speak with a database; where the way is safe (a tunnel, a network of your own), say so with `?sslmode=disable`";

/// Whether every way leads to this machine.
fn stays_here(config: &Config) -> bool {
    let address = |address: &IpAddr| address.is_loopback();
    let named = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().as_ref().is_ok_and(address),
        Host::Unix(_) => true,
    };
    let addresses = config.get_hostaddrs();
    if addresses.is_empty() {
        config.get_hosts().iter().all(named)
    } else {
        addresses.iter().all(address)
    }
}

/// The error with what it was caused by; none of it holds a value of ours.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or_default();
        write!(f, "postgres://{user}@")?;
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let addresses = self.config.get_hostaddrs().iter().map(IpAddr::to_string);
        let names: Vec<_> = hosts.chain(addresses).collect();
        f.write_str(&names.join(","))?;
        let ports: Vec<_> = self.config.get_ports().iter().map(u16::to_string).collect();
        if !ports.is_empty() {
            write!(f, ":{}", ports.join(","))?;
        }
        write!(f, "/{database}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_this_machine_needs_no_more_words() {
        for url in [
            "postgres://me@localhost:5432/holdfast",
            "postgresql://me@127.0.0.1/holdfast",
            "postgres://me@[::1]:5433/holdfast",
            "postgres://me@%2Frun%2Fpostgresql/holdfast",
            "postgres://me@db.example/holdfast?sslmode=disable",
            "postgres://me@db.example/holdfast?hostaddr=127.0.0.1",
        ] {
            Server::parse(url).unwrap_or_else(|why| panic!("{url} {why}"));
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told() {
        for (url, why) in [
            ("mysql://me@localhost/db", "is not the URL of a server"),
            (
                "postgres://me@localhost:port/db",
                "is not the URL of a server",
            ),
            ("postgres://localhost/db", "names no user"),
            ("postgres://me@localhost", "no database"),
            ("postgres://me@/db", "names no host"),
            ("postgres://me:opensesame@localhost/db", "holds a password"),
            ("postgres://me@localhost/db?sslmode=require", "asks for TLS"),
            ("postgres://me@db.example/db", "leads to another machine"),
            (
                "postgres://me@localhost,db.example/db",
                "leads to another machine",
            ),
            (
                "postgres://me@localhost/db?hostaddr=192.0.2.1",
                "leads to another machine",
            ),
        ] {
            let said = Server::parse(url).unwrap_err();
            assert!(said.contains(why), "{url}: {said}");
            assert!(!said.contains("opensesame"));
        }
    }

    #[test]
    fn nothing_shows_the_password() {
        let password = Secret::new("open-sesame-now").unwrap();
        let server = Server::parse("postgres://me@localhost:5433/db").unwrap();
        let server = server.with_password(password);
        assert_eq!(server.to_string(), "postgres://me@localhost:5433/db");
        let shown = format!("{server:?} {:?}", server.config());
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
