//! What a guest can reach, in one list: every import the linker offers, and nothing else.
//!
//! An import is either an *effect*, which makes a child call and so crosses the pipeline, or *ambient*: answered in place from values the
//! host owns, with the reason why that needs no rule. `cargo test no_bypass` holds the list against the linker.

mod capability;
pub(crate) mod child;
pub(crate) mod clocks;
mod config;
mod frames;
pub(crate) mod http;
pub(crate) mod ids;
pub(crate) mod kv;
pub(crate) mod leases;
pub(crate) mod logging;
mod monotonic;
pub(crate) mod outgoing;
pub(crate) mod queue;
pub(crate) mod random;
mod seated;
pub(crate) mod secrets;
pub(crate) mod seen;
pub(crate) mod stdio;
pub mod typed;

use crate::guest::Guest;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView as _};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{WasiView as _, p2, p3};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _};

/// Which of the two kinds an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It makes a child call.
    Effect,
    /// It is answered in place, for this reason.
    Ambient(&'static str),
}

/// One family of interfaces, as it is put into the linker.
pub struct Family {
    /// The beginning of the names of its interfaces, before the version.
    pub prefix: &'static str,
    /// What its functions are.
    pub kind: Kind,
}

/// Every family of imports. The longest prefix of an interface's name is the one that counts.
pub const FAMILIES: &[Family] = &[
    Family {
        prefix: "wasi:http/outgoing-handler",
        kind: Kind::Effect,
    },
    Family {
        prefix: "wasi:http/client",
        kind: Kind::Effect,
    },
    Family {
        prefix: "holdfast:host/secrets",
        kind: Kind::Effect,
    },
    Family {
        prefix: "holdfast:host/leases",
        kind: Kind::Effect,
    },
    Family {
        prefix: "holdfast:host/ids",
        kind: Kind::Effect,
    },
    Family {
        prefix: "holdfast:host/queue",
        kind: Kind::Effect,
    },
    Family {
        prefix: "wasi:keyvalue/",
        kind: Kind::Effect,
    },
    Family {
        prefix: "wasi:http/types",
        kind: Kind::Ambient("values of the call itself: requests, answers, headers, bodies"),
    },
    Family {
        prefix: "wasi:io/",
        kind: Kind::Ambient("waits for, and moves the bytes of, what other imports have opened"),
    },
    Family {
        prefix: "wasi:clocks/",
        kind: Kind::Ambient("the host's clock; counted as time of the call"),
    },
    Family {
        prefix: "wasi:random/",
        kind: Kind::Ambient("the host's random source; bounded by random_bytes"),
    },
    Family {
        prefix: "wasi:cli/",
        kind: Kind::Ambient("the manifest's environment; output becomes log lines of the call"),
    },
    Family {
        prefix: "wasi:config/",
        kind: Kind::Ambient("values of the manifest"),
    },
    Family {
        prefix: "wasi:logging/",
        kind: Kind::Ambient("log lines of the call; bounded by log_lines and log_bytes"),
    },
    Family {
        prefix: "wasi:filesystem/",
        kind: Kind::Ambient("directories that both owners granted; none otherwise"),
    },
    Family {
        prefix: "wasi:sockets/",
        kind: Kind::Ambient("linked so that components load, and always denied"),
    },
];

/// What kind of import `interface` is; `None` if the list does not know it.
#[must_use]
pub fn kind_of(interface: &str) -> Option<Kind> {
    let known = FAMILIES
        .iter()
        .filter(|family| interface.starts_with(family.prefix));
    known
        .max_by_key(|family| family.prefix.len())
        .map(|family| family.kind)
}

/// The linker of one engine, built from single additions only: a name that is added twice is an error, never a silent replacement.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    add_02(&mut linker)?;
    // Nearly all of 0.3 is asynchronous. Who imports any of it runs on an engine with tasks.
    if engine.get_concurrency_support() {
        add_03(&mut linker)?;
    }
    config::add_to_linker(&mut linker)?;
    logging::add_to_linker(&mut linker)?;
    secrets::add_to_linker(&mut linker)?;
    kv::add_to_linker(&mut linker)?;
    leases::add_to_linker(&mut linker)?;
    ids::add_to_linker(&mut linker)?;
    queue::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// WASI 0.2, one interface after the other: `monotonic-clock` is ours.
fn add_02(linker: &mut Linker<Guest>) -> Result<()> {
    use p2::bindings::{cli, clocks, filesystem, random};
    add_02_io(linker)?;
    add_02_sockets(linker)?;
    add_02_http(linker)?;
    monotonic::add_02(linker)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)?;
    random::random::add_to_linker::<_, WasiRandom>(linker, Guest::random)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, Guest::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, Guest::random)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)
}

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

fn add_02_io(linker: &mut Linker<Guest>) -> Result<()> {
    use wasmtime_wasi_io::bindings::wasi::io;
    io::error::add_to_linker::<_, Io>(linker, |guest| guest.ctx().table)?;
    io::poll::add_to_linker::<_, Io>(linker, |guest| guest.ctx().table)?;
    io::streams::add_to_linker::<_, Io>(linker, |guest| guest.ctx().table)
}

fn add_02_sockets(linker: &mut Linker<Guest>) -> Result<()> {
    use p2::bindings::{LinkOptions, sockets};
    let options = LinkOptions::default();
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, Guest::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(linker, Guest::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, Guest::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, Guest::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, Guest::sockets)?;
    sockets::network::add_to_linker::<_, WasiSockets>(linker, &(&options).into(), Guest::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(linker, Guest::sockets)
}

fn add_02_http(linker: &mut Linker<Guest>) -> Result<()> {
    use wasmtime_wasi_http::p2::bindings::{LinkOptions, http};
    http::outgoing_handler::add_to_linker::<_, WasiHttp>(linker, Guest::http)?;
    http::types::add_to_linker::<_, WasiHttp>(linker, &LinkOptions::default().into(), Guest::http)
}

/// WASI 0.3, likewise.
fn add_03(linker: &mut Linker<Guest>) -> Result<()> {
    use p3::bindings::clocks;
    p3::cli::add_to_linker(linker)?;
    p3::filesystem::add_to_linker(linker)?;
    p3::random::add_to_linker(linker)?;
    p3::sockets::add_to_linker(linker)?;
    clocks::types::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)?;
    clocks::system_clock::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)?;
    monotonic::add_03(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

/// What `no_bypass` asks: whether the linker has `function` in `interface` already.
///
/// A linker cannot be listed, but it refuses a name that is taken.
///
/// # Errors
/// The linker could not be built.
pub fn offers(engine: &Engine, interface: &str, function: &str) -> Result<bool> {
    let mut linker = linker(engine)?;
    let taken = linker
        .instance(interface)?
        .func_new(function, |_, _, _, _| Ok(()))
        .is_err();
    Ok(taken)
}
