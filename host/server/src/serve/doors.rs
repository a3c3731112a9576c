//! The addresses of the host: whether it may be found there, and the sockets, which may have been handed over.

use super::handed::Handed;
use super::{LetsIn, Settings};
use crate::plugins::Say;
use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A socket that was handed over, if it was, and its address, or the one to open.
pub(super) type Way = (Option<TcpListener>, SocketAddr);

/// The ways to the gateway and to the admin pages.
pub(super) fn of(
    handed: Handed,
    settings: &Settings,
    say: &Say,
) -> anyhow::Result<(Way, Option<Way>)> {
    let (gateway, admin) = handed.listeners(say)?;
    let at = |handed: &TcpListener| {
        let address = handed.local_addr();
        address.context("a socket that was handed over has no address")
    };
    let listen = gateway.as_ref().map(at).transpose()?;
    let shown = admin.as_ref().map(at).transpose()?;
    Ok((
        (gateway, listen.unwrap_or(settings.listen)),
        shown.or(settings.admin).map(|shown| (admin, shown)),
    ))
}

/// Whether the host may listen there, and what must be said about it.
///
/// # Errors
/// It would be open to strangers whom nobody let in.
pub fn exposure(listen: SocketAddr, lets_in: LetsIn) -> anyhow::Result<Option<&'static str>> {
    let outside = !listen.ip().to_canonical().is_loopback();
    match (lets_in, outside) {
        (LetsIn::NoPolicy, true) => bail!(
            "to listen on {listen} needs a policy that lets somebody in: write `callers = [\"NAME\"]` for those who have a key, or `anonymous = \"allow\"` for strangers, into holdfast.toml"
        ),
        (LetsIn::Nobody, true) => bail!(
            "to listen on {listen} needs a policy that lets somebody in, and this one lets nobody in: write `callers = [\"NAME\"]` for those who have a key, or `anonymous = \"allow\"` for strangers, into holdfast.toml, for the host or for one service"
        ),
        (LetsIn::NoPolicy, false) => Ok(Some(
            "no policy file: everybody who reaches this machine's loopback is served as anonymous",
        )),
        (LetsIn::Nobody, false) => Ok(Some(
            "the policy lets nobody in: every call from outside will be refused",
        )),
        (LetsIn::Strangers | LetsIn::Known, _) => Ok(None),
    }
}

/// Whether the admin pages may be found there.
///
/// # Errors
/// Other machines would see them, and no policy says that they may.
fn shown(admin: SocketAddr, lets_in: LetsIn) -> anyhow::Result<()> {
    if lets_in == LetsIn::NoPolicy && !admin.ip().to_canonical().is_loopback() {
        bail!(
            "to show the admin pages on {admin} needs a policy: write `admin = \"{admin}\"` into holdfast.toml"
        );
    }
    Ok(())
}

/// The same of both addresses; what must be said about them.
///
/// # Errors
/// One is open to strangers whom nobody let in.
pub(super) fn check(
    gateway: &Way,
    admin: Option<&Way>,
    lets_in: LetsIn,
) -> anyhow::Result<Option<&'static str>> {
    let warning = exposure(gateway.1, lets_in)?;
    if let Some((_, admin)) = admin {
        shown(*admin, lets_in)?;
    }
    Ok(warning)
}

/// Opens it, if it is not open.
pub(super) async fn open((handed, address): Way) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = match handed {
        Some(handed) => handed,
        None => TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?,
    };
    let address = listener.local_addr()?;
    Ok((listener, address))
}
