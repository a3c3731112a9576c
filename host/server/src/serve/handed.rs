//! Sockets that were opened for the host by whoever started it, as systemd does (`LISTEN_FDS`, `LISTEN_PID`): the first is the gateway's,
//! the second the admin pages'.
//!
//! Such a socket outlives the host. While one host ends and the next begins, the system queues connections instead of refusing them; so a
//! new binary takes over without anybody noticing, and the two never have the data directory at the same time.

use crate::plugins::Say;
use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use tokio::net::TcpListener;

/// As many sockets the host can make use of.
const SOCKETS_MAX: usize = 2;

/// Whose the gateway's socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The host's: with the host it ends.
    Own,
    /// It was handed over, and goes on without the host.
    Handed,
}

/// The sockets that were handed over, if any were.
#[derive(Debug, Default)]
pub struct Handed(Vec<std::net::TcpListener>);

impl Handed {
    /// Takes what the environment says was handed over, closed to children from now on. Call it before there are other threads: the
    /// variables are taken out of the environment, so that no child believes them to be meant for it.
    ///
    /// # Errors
    /// What was handed over is no listening TCP socket, or too much.
    pub fn from_environment() -> anyhow::Result<Self> {
        let mut handed = ListenFd::from_env();
        if handed.len() > SOCKETS_MAX {
            bail!(
                "{} sockets were handed over (LISTEN_FDS), and there are uses for {SOCKETS_MAX}: the gateway's and the admin pages'",
                handed.len()
            );
        }
        let mut sockets = Vec::new();
        for place in 0..handed.len() {
            let socket = handed
                .take_tcp_listener(place)
                .with_context(|| format!("socket {} of LISTEN_FDS cannot be used", place + 1))?;
            sockets.extend(socket);
        }
        Ok(Self(sockets))
    }

    /// Whose the gateway's socket is.
    #[must_use]
    pub fn socket(&self) -> Socket {
        if self.0.is_empty() {
            Socket::Own
        } else {
            Socket::Handed
        }
    }

    /// The gateway's socket and that of the admin pages, for the runtime.
    pub(super) fn listeners(
        self,
        say: &Say,
    ) -> anyhow::Result<(Option<TcpListener>, Option<TcpListener>)> {
        let mut taken = Vec::new();
        for (socket, what) in self.0.into_iter().zip(["listen", "admin"]) {
            let taking = || -> std::io::Result<TcpListener> {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)
            };
            taken.push(taking().context("a socket that was handed over cannot be used")?);
            say(&format!(
                "a socket was handed over: `{what}` of the settings is not used"
            ));
        }
        let mut taken = taken.into_iter();
        Ok((taken.next(), taken.next()))
    }
}
