//! The owner's socket: what changes something, or shows what strangers may not see, goes through `DATA/control.sock`.
//!
//! Only the owner of the data directory and root are served, whatever the file's mode says: the kernel tells who is at the other end, and
//! that user is the caller of a call made here. Requests and answers are JSON, one a line; a body follows its line as plain bytes.

pub(crate) mod audited;
pub mod call;
mod cancel;
pub mod client;
pub mod queue;
pub mod run;
mod undo;
pub mod words;

use crate::backup::Backups;
use crate::drain::{Phase, Stop};
use crate::executions::HostExecutions;
use crate::keys::{CallerKeys, Fresh, Wanted};
use crate::ledger::HostLedger;
use crate::locks;
use crate::notices::Teller;
use crate::plugins::{Plugins, Promises};
use crate::schedules;
use audited::Deed;
use holdfast_call::{Level, Log, Pipeline};
use holdfast_store::Audit;
use holdfast_store::approvals::Which;
use holdfast_store::db::Database;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use words::{KeyRequest, Request, Response};

/// The longest request line, in bytes. A body is not part of it.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long it rests after a connection that could not be taken.
const REST: Duration = Duration::from_millis(100);
/// The largest body that a call from the terminal carries, in bytes.
pub const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Where the socket of a data directory is.
#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// What the socket gives access to.
pub struct Control {
    /// The services.
    pub plugins: Arc<Plugins>,
    /// Where calls go.
    pub pipeline: Arc<Pipeline>,
    /// The keys of callers.
    pub keys: Arc<CallerKeys>,
    /// What is kept of calls that carry a key.
    pub executions: Arc<HostExecutions>,
    /// What was paid for.
    pub ledger: Arc<HostLedger>,
    /// Where leases are kept.
    pub database: Database,
    /// Where it is on record what the operator changes.
    pub audit: Audit,
    /// What takes backups.
    pub backups: Backups,
    /// What tells the operator what waits for him.
    pub teller: Arc<Teller>,
    /// Where trouble is said.
    pub log: Arc<dyn Log>,
}

/// Opens the socket: 0600, in a directory that is made 0700. The data directory's lock is held by this host, so a socket that lies there is
/// a dead one's.
///
/// # Errors
/// The directory or the socket cannot be made.
pub fn open(data: &Path) -> std::io::Result<UnixListener> {
    if !data.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    }
    std::fs::set_permissions(data, Permissions::from_mode(0o700))?;
    let path = path(data);
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Control {
    /// Serves the socket until the host is cut: an operator may look on while it drains.
    pub async fn run(self: Arc<Self>, listener: UnixListener, stop: Stop) {
        let mut cut = stop.listen();
        loop {
            let taken = tokio::select! {
                biased;
                () = cut.reached(Phase::Cut) => return,
                taken = listener.accept() => taken,
            };
            match taken {
                Ok((stream, _)) => {
                    let control = self.clone();
                    let mut cut = stop.listen();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = cut.reached(Phase::Cut) => {}
                            // The client sees a broken connection as such; there is nobody else to tell.
                            _ = control.serve(stream) => {}
                        }
                    });
                }
                Err(error) => {
                    let text = format!("the control socket could not take a connection: {error}");
                    self.log.host(Level::Error, text);
                    // Out of descriptors, say: asked again at once, it would only fail again.
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn serve(&self, stream: UnixStream) -> std::io::Result<()> {
        let uid = stream.peer_cred()?.uid();
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        if !allowed(uid) {
            let refused =
                Response::Error("only the owner of the data directory may ask".to_owned());
            return say(&mut write, &refused).await;
        }
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut read).take(LINE_BYTES_MAX);
            if limited.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            match Request::read(&line) {
                Ok(request) => self.answer(request, uid, &mut read, &mut write).await?,
                Err(text) => {
                    // What follows on this connection cannot be told apart any more.
                    return say(&mut write, &Response::Error(text)).await;
                }
            }
        }
    }

    async fn answer(
        &self,
        request: Request,
        uid: u32,
        read: &mut BufReader<OwnedReadHalf>,
        write: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        let Request::Call(call) = request else {
            let response = self.audited(request, uid).await;
            return say(write, &response).await;
        };
        if call.body_bytes > BODY_BYTES_MAX {
            let refused = Response::Error(format!("a body has at most {BODY_BYTES_MAX} bytes"));
            return say(write, &refused).await;
        }
        let mut body = vec![0; usize::try_from(call.body_bytes).unwrap_or(0)];
        read.read_exact(&mut body).await?;
        call::answer(&self.pipeline, call, body, uid, read, write).await
    }

    /// Does it, between two records where it changes something.
    async fn audited(&self, request: Request, uid: u32) -> Response {
        let Some(deed) = Deed::of(&request) else {
            return self.response(request, uid).await;
        };
        let intent = match deed.begin(&self.audit, uid).await {
            Ok(intent) => intent,
            Err(error) => {
                return Response::Error(format!(
                    "nothing was done, because it cannot be put on record: {error}"
                ));
            }
        };
        let response = self.response(request, uid).await;
        match audited::end(&self.audit, intent, &response).await {
            Ok(()) => response,
            Err(error) => Response::Error(format!(
                "it was done, but what came of it is not on record: {error}"
            )),
        }
    }

    async fn response(&self, request: Request, uid: u32) -> Response {
        match request {
            Request::Ls => Response::Services(self.plugins.rows()),
            Request::Operations { name } => Response::Operations(self.plugins.operations(&name)),
            Request::Reload => match self.plugins.reload().await {
                Ok(()) => Response::Text("the new settings hold".to_owned()),
                Err(error) => Response::Error(format!("the old settings hold on: {error}")),
            },
            Request::Rollback { name } => match self.plugins.roll_back(&name).await {
                Ok(digest) => Response::Text(format!("{name} serves {digest}")),
                Err(error) => Response::Error(error),
            },
            Request::Load { name, breaking } => {
                let promises = if breaking {
                    Promises::Broken
                } else {
                    Promises::Kept
                };
                match self.plugins.load(&name, promises).await {
                    Ok(digest) => Response::Text(format!("{name} serves {digest}")),
                    Err(error) => Response::Error(error),
                }
            }
            Request::NewKey(asked) => self.make_key(asked).await,
            Request::Keys => match self.keys.list().await {
                Ok(keys) => Response::Keys(keys),
                Err(error) => Response::Error(error),
            },
            Request::RevokeKey { id } => match self.keys.revoke(&id).await {
                Ok(text) => Response::Text(text),
                Err(error) => Response::Error(error),
            },
            Request::Executions
            | Request::ReleaseExecution { .. }
            | Request::Undo { .. }
            | Request::Approvals { .. }
            | Request::Approval { .. }
            | Request::Run(_)
            | Request::Decide(_) => {
                let done = self.once(request, uid).await;
                done.unwrap_or_else(Response::Error)
            }
            Request::Locks => match locks::list(&self.database).await {
                Ok(lines) => Response::Locks(lines),
                Err(error) => Response::Error(error),
            },
            Request::Schedules => match schedules::list(&self.pipeline, &self.database).await {
                Ok(lines) => Response::Schedules(lines),
                Err(error) => Response::Error(error),
            },
            Request::Queue(asked) => {
                let done = queue::answer(&self.database, asked).await;
                done.unwrap_or_else(Response::Error)
            }
            Request::Cost(asked) => match self.ledger.costs(asked).await {
                Ok(lines) => Response::Costs(lines),
                Err(error) => Response::Error(error),
            },
            Request::Backup { to } => match self.backups.take(&to).await {
                Ok(text) => Response::Text(text),
                Err(error) => Response::Error(error),
            },
            Request::NotifyTest => match self.teller.test().await {
                Ok(text) => Response::Text(text),
                Err(error) => Response::Error(error),
            },
            // It is streamed, and answered before.
            Request::Call(_) => Response::Error("a call has an answer of its own".to_owned()),
        }
    }

    /// What concerns calls that take effect once, and those that outlast whoever asks.
    async fn once(&self, request: Request, uid: u32) -> Result<Response, String> {
        let approvals = self.executions.approvals();
        Ok(match request {
            Request::Executions => Response::Executions(self.executions.list().await?),
            Request::Run(asked) => {
                run::answer(&self.executions, &self.pipeline, asked, uid).await?
            }
            Request::ReleaseExecution { call } => {
                Response::Text(self.executions.release(&call).await?)
            }
            Request::Undo { call } => {
                let undoable = self.executions.undoable(&call).await?;
                Response::Text(undo::run(&self.pipeline, &call, &undoable, uid).await?)
            }
            Request::Approvals { all } => {
                let which = if all { Which::All } else { Which::Open };
                Response::Approvals(approvals.list(which).await?)
            }
            Request::Approval { id } => Response::Approvals(vec![approvals.show(&id).await?]),
            Request::Decide(said) => Response::Text(approvals.decide(said, uid).await?),
            _ => return Err("this is asked elsewhere".to_owned()),
        })
    }
}

impl Control {
    async fn make_key(&self, asked: KeyRequest) -> Response {
        let wanted = Wanted {
            principal: asked.principal,
            scopes: asked.scopes,
            lasts: asked.lasts_s.map(Duration::from_secs),
            why: asked.why,
        };
        match self.keys.make(wanted).await {
            Ok(Fresh { key, id }) => Response::Key { key, id },
            Err(error) => Response::Error(error),
        }
    }
}

fn allowed(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Writes one line.
pub(crate) async fn say(write: &mut OwnedWriteHalf, response: &Response) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    write.write_all(&line).await
}
