//! The real binary, running: its ports, its files, its commands, its end.

use super::ask::{Answer, Ask};
use super::guests::{Guest, root};
use super::setup::{Setup, put, write_policy};
use super::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A running host; dropping it kills it.
pub(crate) struct Host {
    setup: Setup,
    child: Child,
    /// The gateway.
    pub(crate) gateway: SocketAddr,
    /// The read-only admin door.
    pub(crate) admin: SocketAddr,
}

/// What a command of the binary said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Host {
    pub(crate) fn start(setup: Setup) -> Self {
        let child = spawn(&setup);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut host = Self {
            setup,
            child,
            gateway: nowhere,
            admin: nowhere,
        };
        host.wait_ready();
        host
    }

    pub(crate) fn refused(setup: &Setup) -> (Option<i32>, String) {
        let mut child = spawn(setup);
        let status = until("the host to give up", || child.try_wait().unwrap());
        let path = setup.dir.path().join("stderr");
        (status.code(), std::fs::read_to_string(path).unwrap())
    }

    /// Waits until it says where it listens, and is ready. Ports are the system's choice: one chosen here could be taken by then.
    fn wait_ready(&mut self) {
        until("the host to be ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the host ended with {status}: {}", self.stderr());
            }
            let said = self.stderr();
            let told = |what: &str| said.rsplit_once(what)?.1.lines().next()?.parse().ok();
            self.gateway =
                told("listening on http://").or_else(|| told("listening on https://"))?;
            self.admin = told("admin pages on http://")?;
            let answer = Ask::new(self.admin, "GET", "/readyz").send();
            (answer.status == 200).then_some(())
        });
    }

    /// Kills it, and starts it again on the same data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.again();
    }

    /// Starts it again on the same data, once it has ended.
    pub(crate) fn again(&mut self) {
        std::fs::remove_file(self.dir().join("stderr")).unwrap();
        self.child = spawn(&self.setup);
        self.wait_ready();
    }

    // === Calls ===

    /// Asks for `path` and reads the answer to its end.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send()
    }

    /// A request to the gateway.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.gateway, method, path)
    }

    /// The metrics as text.
    pub(crate) fn metrics(&self) -> String {
        Ask::new(self.admin, "GET", "/metrics").send().text()
    }

    /// The sum of the samples of the metric `name` whose labels contain `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let sample = |line: &str| {
            let (key, value) = line.rsplit_once(' ')?;
            let (metric, labels) = key.split_once('{').unwrap_or((key, ""));
            (metric == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        };
        self.metrics().lines().filter_map(sample).sum()
    }

    /// What `/services` says of the service `name`.
    pub(crate) fn listed(&self, name: &str) -> Option<Value> {
        let text = Ask::new(self.admin, "GET", "/services").send().text();
        let all: Value = serde_json::from_str(&text).expect("/services is JSON");
        let list = match &all {
            Value::Array(list) => list,
            other => other["services"].as_array().expect("a list of services"),
        };
        list.iter().find(|one| one["name"] == name).cloned()
    }

    // === Files ===

    /// Where its files are.
    pub(crate) fn dir(&self) -> &Path {
        self.setup.dir.path()
    }

    /// The plugin directory.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.setup.plugins()
    }

    /// The log file.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir().join("log")
    }

    /// What it said to people.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir().join("stderr")).unwrap_or_default()
    }

    /// Drops a service into its plugin directory.
    pub(crate) fn drop_in(&self, name: &str, guest: Guest, manifest: &str) {
        put(&self.plugins(), name, &guest.bytes(), manifest);
    }

    /// Removes a service from its plugin directory.
    pub(crate) fn remove(&self, name: &str) {
        let base = self.plugins().join(name);
        std::fs::remove_file(base.with_extension("wasm")).unwrap();
        // A service need not have a manifest.
        let _ = std::fs::remove_file(base.with_extension("toml"));
    }

    /// Replaces its policy.
    pub(crate) fn set_policy(&self, lines: &str) {
        write_policy(self.dir(), lines);
    }

    /// The file of its policy.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("holdfast.toml")
    }

    // === Commands and signals ===

    /// Runs a command that talks to the running host.
    pub(crate) fn command(&self, words: &[&str]) -> Said {
        let data = self.dir().join("data");
        let mut all = words.to_vec();
        all.extend(["--data", data.to_str().unwrap()]);
        run(&all)
    }

    /// Begins such a command.
    pub(crate) fn begin_command(&self, words: &[&str]) -> Child {
        Command::new(binary())
            .args(words)
            .args([Path::new("--data"), &self.dir().join("data")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs a command that reads its files.
    pub(crate) fn offline(&self, words: &[&str]) -> Said {
        let (config, plugins) = (self.config(), self.plugins());
        let mut all = words.to_vec();
        all.extend(["--config", config.to_str().unwrap()]);
        if words.first() != Some(&"check") {
            all.extend(["--plugins", plugins.to_str().unwrap()]);
        }
        run(&all)
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Tells it that the terminal, or whoever turns logs over, has hung up.
    pub(crate) fn hang_up(&self) {
        kill_process(self.pid(), Signal::HUP).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("the host to end", || self.child.try_wait().unwrap()).code()
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// What the kernel says of it: resident memory in KiB, and open file descriptors.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(proc.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
        let open = std::fs::read_dir(proc.join("fd")).unwrap().count();
        (resident.expect("a resident size"), open)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // Shown by the test runner beside the panic; nothing is left to do if it cannot be written.
            let _ = writeln!(std::io::stderr(), "the host said:\n{}", self.stderr());
        }
    }
}

/// The binary, about to be run with `words`.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(words);
    command
}

/// Runs the binary with `words` to its end.
pub(crate) fn run(words: &[&str]) -> Said {
    let output = Command::new(binary())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Begins to run the binary with `words` in `dir`; what it says goes to `stderr`.
pub(crate) fn begin_in(dir: &Path, words: &[&str], stderr: impl Into<Stdio>) -> Child {
    Command::new(binary())
        .args(words)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

fn spawn(setup: &Setup) -> Child {
    let dir = setup.dir.path();
    let stderr = File::options()
        .create(true)
        .append(true)
        .open(dir.join("stderr"));
    let mut command = beginning(setup);
    command.arg("serve").current_dir(dir);
    if setup.named {
        command.args([Path::new("--config"), &dir.join("holdfast.toml")]);
    }
    command
        .args([Path::new("--plugins"), &setup.plugins()])
        .args([Path::new("--data"), &dir.join("data")])
        .args(["--listen", "127.0.0.1:0"])
        .args(["--admin", "127.0.0.1:0"])
        .envs(setup.environment.iter().cloned())
        .stdout(Stdio::null())
        .stderr(stderr.unwrap())
        .spawn()
        .unwrap()
}

/// The binary, with its socket where a service manager puts it if it is handed one: descriptor 3, and two words in the environment.
fn beginning(setup: &Setup) -> Command {
    if let Some([program, words @ ..]) = &setup.watched {
        let mut command = Command::new(program);
        command.args(words).arg(binary()).stdin(Stdio::null());
        return command;
    }
    let Some(socket) = &setup.socket else {
        let mut command = Command::new(binary());
        command.stdin(Stdio::null());
        return command;
    };
    let mut command = Command::new("sh");
    let hand = "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 </dev/null";
    command.args(["-c", hand]).arg(binary());
    command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
    command
}

/// The binary under test: `HOLDFAST_BIN`, or built once.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("HOLDFAST_BIN") {
            return path.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = ["build", "--workspace"];
        let status = Command::new(cargo).args(build).current_dir(root()).status();
        assert!(status.unwrap().success(), "the host does not build");
        root().join("target/debug/holdfast")
    })
}
