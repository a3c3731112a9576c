//! What one guest reaches: the data of its store, made for one admitted call, and made anew for each further one that it serves.
//!
//! Nothing in here comes from the host's process: no environment, no arguments, no files, no sockets but what the settings grant.

use crate::failure;
use crate::idle::Idle;
use crate::imports::clocks;
use crate::imports::http::Hooks;
use crate::imports::random::{self, Stream};
use crate::imports::stdio::{Lines, Stdio};
use crate::life::Life;
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::memory::HostMemory;
use crate::share::Share;
use holdfast_call::{Clock, Failure, FailureKind, Journal, Level, Log, Scope};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::{RequestOptions, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What an instance has collected of harmless resources takes at most this part of those that its next call may hold.
const HARMLESS_SHARE: u32 = 8;

/// Whether a guest may change what it finds in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may only look.
    Read,
    /// It may also write, create and remove.
    ReadWrite,
}

/// A directory that both owners granted.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Where it is on the machine.
    pub host: PathBuf,
    /// Where the guest sees it.
    pub guest: String,
    /// What it may do there.
    pub access: Access,
}

/// What a service's guests get besides their call: the same for each of them.
#[derive(Default)]
pub struct Surroundings {
    /// The environment variables of the manifest.
    pub env: Vec<(String, String)>,
    /// The values of `wasi:config/store`.
    pub config: BTreeMap<String, String>,
    /// The directories that both owners granted.
    pub directories: Vec<Directory>,
}

/// What every guest of the host draws on.
pub(crate) struct Supplies {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) memory: Arc<HostMemory>,
    /// The serving runtime: where child calls run.
    pub(crate) serving: Handle,
    /// Instances that wait for their next call.
    pub(crate) idle: Arc<Idle>,
}

/// The data of one guest's store.
pub(crate) struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    pub(crate) limiter: Limiter,
    /// How many harmless entries of its table it may still hold when it waits for its next call.
    harmless_max: usize,
    pub(crate) surroundings: Arc<Surroundings>,
    /// Its standard streams, and the log lines of its call.
    pub(crate) stdio: Arc<Stdio>,
}

/// What of a call is left in an instance when the call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing: no handle, no stream, no task.
    Nothing,
    /// Something that the next call could use.
    Something,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

impl Guest {
    /// Makes the store of one call, with every limit in place before any of the guest's code can run (a start function is guest code).
    pub(crate) fn store(
        engine: &Engine,
        scope: Scope,
        life: Arc<Life>,
        limits: &Limits,
        surroundings: &Arc<Surroundings>,
        share: &Arc<Share>,
        supplies: &Supplies,
    ) -> Result<Store<Self>, Failure> {
        let lines = Lines::new(&scope, limits, supplies.log.clone(), supplies.clock.clone());
        let stdio = Arc::<Stdio>::default();
        stdio.begin(lines);
        let wasi = match scope.journal() {
            Some(journal) => kept(limits, surroundings, &stdio, journal)?,
            None => ordinary(limits, surroundings, &stdio, &supplies.clock)?,
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(count(limits.resources));
        let limiter = Limiter::new(limits, share.clone(), scope.meter().clone());
        let hooks = Hooks::new(scope, life, supplies.serving.clone(), limits.calls);
        let guest = Self {
            table,
            wasi,
            http: http(limits),
            hooks,
            limiter,
            harmless_max: count(limits.resources / HARMLESS_SHARE),
            surroundings: surroundings.clone(),
            stdio,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        begin(&mut store, limits)?;
        Ok(store)
    }

    /// Lets go of the call it served: its name, its log, its way out, its clock and its random source. Says whether the guest kept
    /// anything that came from it.
    pub(crate) fn leave(store: &mut Store<Self>) -> Left {
        let tasks = store.concurrent_resource_table();
        if tasks.is_some_and(|tasks| !tasks.is_empty()) {
            return Left::Something;
        }
        let guest = store.data_mut();
        if guest.hooks.awaits() || guest.holds_of_call() {
            return Left::Something;
        }
        guest.stdio.leave();
        guest.wasi = WasiCtx::builder().build();
        guest.hooks.leave();
        Left::Nothing
    }

    /// Makes a store that left its last call the store of another one, with every limit in place as for the first. Its memory stays as it
    /// is, and counted.
    pub(crate) fn renew(
        store: &mut Store<Self>,
        scope: Scope,
        life: Arc<Life>,
        limits: &Limits,
        supplies: &Supplies,
    ) -> Result<(), Failure> {
        let guest = store.data_mut();
        let lines = Lines::new(&scope, limits, supplies.log.clone(), supplies.clock.clone());
        guest.stdio.begin(lines);
        guest.wasi = ordinary(limits, &guest.surroundings, &guest.stdio, &supplies.clock)?;
        guest.http = http(limits);
        guest.limiter.renew(scope.meter().clone());
        guest.hooks = Hooks::new(scope, life, supplies.serving.clone(), limits.calls);
        begin(store, limits)
    }

    /// Whether anything of its call is in its table. Three things are not: its standard streams, which belong to whichever call it serves
    /// (`stdio.rs`); what it waits for them with, because a pollable is always the child of another entry, which tells what it is of; and
    /// options of requests, three lengths of time that the guest wrote itself, which the engine leaves there when a request is sent with
    /// them. Many of them are too much all the same, because the next call needs the room.
    fn holds_of_call(&mut self) -> bool {
        let (mut outputs, mut inputs, mut others) = (0, 0, 0);
        for entry in self.table.iter_mut() {
            if entry.is::<DynOutputStream>() {
                outputs += 1;
            } else if entry.is::<DynInputStream>() {
                inputs += 1;
            } else if entry.is::<DynPollable>() || entry.is::<RequestOptions>() {
                others += 1;
            } else {
                return true;
            }
        }
        // A stream does not say what it is of. But every open standard stream is in the table, so if there are as many, there is no other.
        outputs != self.stdio.open_outputs()
            || inputs != self.stdio.open_inputs()
            || outputs + inputs + others > self.harmless_max
    }

    /// How the guest's run ended: its error as a failure, and a body it left without an end as one too.
    pub(crate) fn ended<T>(&mut self, result: wasmtime::Result<T>) -> Result<T, Failure> {
        let result = result.map_err(|error| failure::of(&error, &self.limiter))?;
        if !self
            .table
            .iter_mut()
            .any(|entry| entry.is::<HostOutgoingBody>())
        {
            return Ok(result);
        }
        Err(Failure::new(
            FailureKind::GaveUp,
            "the guest returned without finishing a body it had begun",
        ))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // What a guest was writing when it was killed is the line that tells where.
        self.stdio.leave();
    }
}

/// What is set at the beginning of each call that a store serves.
fn begin(store: &mut Store<Guest>, limits: &Limits) -> Result<(), Failure> {
    limits.apply(store).map_err(|error| {
        Failure::new(
            FailureKind::Internal,
            format!("cannot set the limits: {error:#}"),
        )
    })?;
    store.set_epoch_deadline(1);
    Ok(())
}

fn http(limits: &Limits) -> WasiHttpCtx {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(size(limits.header_bytes));
    http
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What all guests have of WASI.
fn wasi(limits: &Limits, surroundings: &Surroundings, stdio: &Arc<Stdio>) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    wasi.stdin(stdio.input())
        .stdout(stdio.output(Level::Info))
        .stderr(stdio.output(Level::Warn))
        .max_random_size(limits.random_bytes);
    for (key, value) in &surroundings.env {
        wasi.env(key, value);
    }
    wasi
}

/// What one has whose call has a journal: the time and the numbers of that, and the directories that it was granted. What is in those is not
/// written down: a service with durable operations has none (`durable.rs`), and of a captured call it is said.
fn kept(
    limits: &Limits,
    surroundings: &Surroundings,
    stdio: &Arc<Stdio>,
    journal: &Arc<dyn Journal>,
) -> Result<WasiCtx, Failure> {
    let seed = journal.seed();
    let mut wasi = wasi(limits, surroundings, stdio);
    wasi.secure_random(Stream::secure(seed))
        .insecure_random(Stream::insecure(seed))
        .insecure_random_seed(random::insecure_seed(seed))
        .wall_clock(clocks::Kept::new(journal.clone()))
        .monotonic_clock(clocks::Kept::new(journal.clone()));
    directories(&mut wasi, surroundings)?;
    Ok(wasi.build())
}

/// What any other has: the clock of the host, and the directories that it was granted.
fn ordinary(
    limits: &Limits,
    surroundings: &Surroundings,
    stdio: &Arc<Stdio>,
    clock: &Arc<dyn Clock>,
) -> Result<WasiCtx, Failure> {
    let mut wasi = wasi(limits, surroundings, stdio);
    wasi.wall_clock(clocks::Wall::new(clock.clone()))
        .monotonic_clock(clocks::Monotonic::new(clock.clone()));
    directories(&mut wasi, surroundings)?;
    Ok(wasi.build())
}

fn directories(wasi: &mut WasiCtxBuilder, surroundings: &Surroundings) -> Result<(), Failure> {
    for directory in &surroundings.directories {
        let perms = match directory.access {
            Access::Read => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(&directory.host, &directory.guest, perms)
            .map_err(|error| {
                let change = format!(
                    "the folder {}, or [files] in holdfast.toml",
                    directory.host.display()
                );
                Failure::new(
                    FailureKind::Misconfigured { change },
                    format!(
                        "cannot open the directory granted as {}: {error:#}",
                        directory.guest
                    ),
                )
            })?;
    }
    Ok(())
}
