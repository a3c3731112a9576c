//! The host's side of the compiling process: it is started, fed, bounded, and its end is understood.
//!
//! One compilation at a time, in a process that has nothing of our environment, our working directory and our descriptors, but three
//! pipes. Whatever it does, it costs the host one refused component.

use super::artifact::words;
use super::job::{CompileLimits, Job};
use crate::load_error::LoadError;
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The program that compiles: this one, told to.
#[derive(Clone, Debug)]
pub struct CompileProcess {
    program: PathBuf,
    /// What goes before the words of the job.
    command: OsString,
    limits: CompileLimits,
    /// Held by whoever compiles: two at once would share the machine, and neither be done sooner.
    turn: Arc<Mutex<()>>,
}

/// The most that is read of what the process says when it fails, in bytes.
const SAID_BYTES_MAX: u64 = 16 << 10;
/// All that the process finds in its environment: its allocator reserves no more address space than this at once. By default it begins with
/// a gibibyte, which would be gone from the limit before anything is compiled.
const RESERVE: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "32MiB");
/// What a process says that got no memory: for a value, for a mapping, for a thread's stack.
const NO_MEMORY: [&str; 3] = [
    "memory allocation of",
    "allocate memory",
    "ThreadPoolBuildError",
];

impl CompileProcess {
    /// Compiles with `program`, whose `command` runs [`super::inside::run`] with the words that follow.
    #[must_use]
    pub fn new(program: PathBuf, command: impl Into<OsString>, limits: CompileLimits) -> Self {
        Self {
            program,
            command: command.into(),
            limits,
            turn: Arc::default(),
        }
    }

    /// What each compilation may use.
    #[must_use]
    pub fn limits(&self) -> CompileLimits {
        self.limits
    }

    /// Has `component` compiled, and gives the whole answer of the process.
    ///
    /// # Errors
    /// It could not be started, or did not end well.
    pub fn answer(&self, component: &[u8], job: &Job) -> Result<Vec<u8>, LoadError> {
        // Nothing is kept under it that a panic could leave half done.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let started = self.start(job).map_err(LoadError::CompileProcess)?;
        let (answer, end) = tend(started, component, &job.limits)?;
        judge(answer, end, &job.limits)
    }

    fn start(&self, job: &Job) -> std::io::Result<Child> {
        // What whoever started the host left open for it is not for the compiler. Ours are marked already.
        close_fds::set_fds_cloexec(3, &[]);
        Command::new(&self.program)
            .arg(&self.command)
            .args(job.words())
            .env_clear()
            .env(RESERVE.0, RESERVE.1)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// How the process ended.
struct End {
    status: ExitStatus,
    /// What it said about it.
    said: String,
    timely: Timely,
}

/// Whether it ended in time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timely {
    Yes,
    Killed,
}

/// Feeds the process, reads what it answers and sees to it that it ends.
fn tend(
    mut child: Child,
    component: &[u8],
    limits: &CompileLimits,
) -> Result<(Vec<u8>, End), LoadError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Ends with the sender: then nobody has to be killed any more.
    let (ended, waits) = mpsc::channel::<()>();
    let pid = rustix::process::Pid::from_child(&child);
    thread::scope(|scope| {
        let feed = scope.spawn(move || {
            // A process that has seen enough closes its side; what it says of the component counts.
            stdin.map_or(Ok(()), |mut stdin| match stdin.write_all(component) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
                Ok(()) | Err(_) => Ok(()),
            })
        });
        let hear = scope.spawn(move || stderr.map(|pipe| read(pipe, SAID_BYTES_MAX)));
        let watch = scope.spawn(move || match waits.recv_timeout(limits.wall) {
            Err(RecvTimeoutError::Timeout) => {
                // Not waited for yet, so the number is still its own.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                Timely::Killed
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Timely::Yes,
        });
        let answer = stdout.map_or_else(Vec::new, |pipe| read(pipe, limits.output));
        // Whoever still writes, beyond the limit, is told by the closed pipe; whoever has closed it and lives on is ended by the watch.
        let said = hear.join().ok().flatten().unwrap_or_default();
        let fed = feed.join().unwrap_or(Ok(()));
        let seen = wait(&child);
        drop(ended);
        let timely = watch.join().unwrap_or(Timely::Yes);
        let status = child.wait().and_then(|status| seen.map(|()| status));
        let status = status.and_then(|status| fed.map(|()| status));
        let end = End {
            status: status.map_err(LoadError::CompileProcess)?,
            said: words(&said),
            timely,
        };
        Ok((answer, end))
    })
}

/// Ready once the process has ended, which it still has to be asked about: until then its number stays its own.
fn wait(child: &Child) -> std::io::Result<()> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = rustix::process::Pid::from_child(child);
    loop {
        match waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// What comes out of a pipe, up to one byte beyond `most`: that one tells that there was more.
fn read(pipe: impl Read, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A broken pipe ends what is read; how the process ended says the rest.
    let _ = pipe.take(most.saturating_add(1)).read_to_end(&mut bytes);
    bytes
}

/// Whether the answer counts, or how the process died instead.
fn judge(answer: Vec<u8>, end: End, limits: &CompileLimits) -> Result<Vec<u8>, LoadError> {
    let beyond = |what: &'static str, key: &'static str, limit: String| LoadError::Beyond {
        what,
        key,
        limit,
    };
    let (seconds, mebibytes) = (
        |span: std::time::Duration| format!("{}s", span.as_secs()),
        |bytes: u64| format!("{}MiB", bytes >> 20),
    );
    if end.timely == Timely::Killed {
        return Err(beyond("time", "wall", seconds(limits.wall)));
    }
    if answer.len() as u64 > limits.output {
        return Err(beyond("machine code", "output", mebibytes(limits.output)));
    }
    if end.status.success() && !answer.is_empty() {
        return Ok(answer);
    }
    let signal = end
        .status
        .signal()
        .and_then(rustix::process::Signal::from_named_raw);
    if NO_MEMORY.iter().any(|words| end.said.contains(words)) {
        return Err(beyond("memory", "memory", mebibytes(limits.memory)));
    }
    match signal {
        Some(rustix::process::Signal::XCPU) => Err(beyond("CPU time", "cpu", seconds(limits.cpu))),
        Some(rustix::process::Signal::KILL) => Err(LoadError::Killed),
        _ => Err(LoadError::Crashed {
            end: end.status.to_string(),
            said: end.said,
        }),
    }
}
