//! The operator's command: one process with a message on its standard input, nothing of the host's in its environment, and a time after
//! which it is killed with everything that it started.

use crate::settings::notify::Command as Wanted;
use holdfast_call::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often it is seen whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The one variable that it gets.
const PATH: &str = "PATH";

/// Runs it to its end.
///
/// # Errors
/// It did not start, did not end in time, or ended badly; why.
pub(super) async fn run(
    wanted: &Wanted,
    message: &[u8],
    clock: &dyn Clock,
    at_most: Duration,
) -> Result<(), String> {
    let until = clock.now().after(at_most);
    let mut running = Running(start(wanted)?);
    if let Some(mut stdin) = running.0.stdin.take() {
        let message = message.to_vec();
        // It waits where nobody reads and the pipe is full, and ends with the process. Whoever does not read it does not want it.
        tokio::task::spawn_blocking(move || stdin.write_all(&message));
    }
    loop {
        match running.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if clock.now() >= until => {
                return Err(format!("it was killed after {} s", at_most.as_secs()));
            }
            Ok(None) => clock.sleep_until(clock.now().after(LOOK)).await,
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
    }
}

fn start(wanted: &Wanted) -> Result<Child, String> {
    let mut command = Command::new(&wanted.program);
    command
        .args(&wanted.arguments)
        .env_clear()
        .current_dir("/")
        // What it starts is killed with it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(path) = std::env::var_os(PATH) {
        command.env(PATH, path);
    }
    let started = command.spawn();
    started.map_err(|error| format!("it cannot be started: {error}"))
}

/// A process that is killed when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that was waited for has given its number back, which may be another one's by now.
        if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        // Either fails only where it has ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}
