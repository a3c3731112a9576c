//! A PostgreSQL server of the tests' own: the real one, in a directory that goes with it, on a port of loopback.
//!
//! It syncs what it commits, as one that is used. However the tests end, it ends with them: a shell stands between, which sees that nobody
//! holds its standard input any more.

use super::wait::until;
use rustix::process::{Pid, Signal, getuid, kill_process};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The user of the database, who may do everything.
pub(crate) const USER: &str = "holdfast";
/// The user's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Starts the server and waits with it: a word on its standard input says that the files stay, its end that nobody wants them any more.
const SHELL: &str = r#"
folder=$1; shift
"$@" </dev/null & server=$!
exec 2>/dev/null
read -r word
[ "$word" = keep ] || kill -QUIT $server
wait $server
[ "$word" = keep ] || rm -rf -- "$folder"
"#;

/// How a server ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// It ends all connections, and then itself.
    Fast,
    /// All its processes are killed where they stand.
    Killed,
}

/// A server.
pub(crate) struct Postgres {
    folder: PathBuf,
    account: Account,
    port: u16,
    running: Option<Running>,
}

struct Running {
    shell: Child,
    lines: Receiver<String>,
}

/// Whose processes they are: the server runs as nobody who may do everything.
#[derive(Clone, Copy)]
struct Account {
    drop_to: Option<(u32, u32)>,
}

impl Postgres {
    /// A server of one test's own, to be stopped and started.
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let account = Account::of_servers();
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("holdfast-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        account.owns(&folder);
        make(&folder, account);
        let mut server = Self {
            folder,
            account,
            port: 0,
            running: None,
        };
        // Between the choice of a port and its use somebody else may take it.
        for _ in 0..5 {
            let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            server.port = free.local_addr().unwrap().port();
            drop(free);
            if server.runs().is_ok() {
                return server;
            }
        }
        panic!("the server found no port");
    }

    /// The URL of a new database, on a server that all tests share.
    pub(crate) fn database() -> String {
        static SHARED: OnceLock<Mutex<Postgres>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Mutex::new(Self::start()));
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.create()
    }

    /// The URL of a new database on this server.
    pub(crate) fn create(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("db{}", COUNT.fetch_add(1, Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database on this server.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement with the server's own client; what it says.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        sql_at(&self.url(database), sql)
    }

    /// Ends the server and waits until none of its processes is left.
    pub(crate) fn stop(&mut self, how: Stop) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let file = self.folder.join("data").join("postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        let pid = text.lines().next().unwrap().parse().unwrap();
        let signal = match how {
            Stop::Fast => Signal::INT,
            // The others notice that the first is gone, and end where they stand.
            Stop::Killed => Signal::KILL,
        };
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        while running.lines.recv().is_ok() {}
        let stdin = running.shell.stdin.as_mut().unwrap();
        stdin.write_all(b"keep\n").unwrap();
        running.shell.wait().unwrap();
    }

    /// Starts it again, on the same data and the same port.
    pub(crate) fn again(&mut self) {
        until("the server to start again", || self.runs().ok());
    }

    fn runs(&mut self) -> Result<(), String> {
        let data = self.folder.join("data");
        let mut command = self.account.command("sh");
        command
            .args(["-c", SHELL, "sh"])
            .arg(&self.folder)
            .arg(program("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "shared_buffers=32MB"])
            // After a kill it syncs all its files; one call for all takes seconds less than a thousand.
            .args(["-c", "recovery_init_sync_method=syncfs"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut shell = command.spawn().unwrap();
        let said = BufReader::new(shell.stderr.take().unwrap());
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in said.lines().map_while(Result::ok) {
                // What nobody listens to is still read, so that the server does not wait.
                let _ = line.send(text);
            }
        });
        let mut all = String::new();
        while let Ok(text) = lines.recv() {
            all.push_str(&text);
            all.push('\n');
            if text.contains("database system is ready to accept connections") {
                self.running = Some(Running { shell, lines });
                return Ok(());
            }
        }
        shell.stdin.as_mut().unwrap().write_all(b"keep\n").unwrap();
        shell.wait().unwrap();
        Err(all)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.shell.stdin.take());
            let _ = running.shell.wait();
        }
        // What the shell has removed is not there; what was stopped before is.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a statement in the database at `url`; what it says.
pub(crate) fn sql_at(url: &str, sql: &str) -> String {
    let output = Command::new(program("psql"))
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1", "--command", sql, url])
        .env("PGPASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes the files of a server.
fn make(folder: &Path, account: Account) {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    account.owns(&password);
    let output = account
        .command(&program("initdb").to_string_lossy())
        .arg("-D")
        .arg(folder.join("data"))
        .args(["--username", USER, "--auth", "scram-sha-256"])
        .arg("--pwfile")
        .arg(&password)
        .args(["--encoding", "UTF8", "--locale", "C", "--no-sync"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// A program of the server: the one that is found first, or that of the newest release that Debian has installed.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    let installed = std::fs::read_dir("/usr/lib/postgresql");
    let mut versions: Vec<_> = installed
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let debian = |version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
    folders.extend(versions.into_iter().map(debian));
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .expect("the PostgreSQL server is installed: `make test` does so")
}

impl Account {
    /// The server refuses to run as the superuser.
    fn of_servers() -> Self {
        if !getuid().is_root() {
            return Self { drop_to: None };
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.starts_with(name))?;
            let mut fields = line.split(':').skip(2);
            let id = fields.next()?.parse().ok()?;
            Some((id, fields.next()?.parse().ok()?))
        };
        let found = ids("postgres:").or_else(|| ids("nobody:"));
        Self {
            drop_to: Some(found.expect("a user who may not do everything")),
        }
    }

    fn command(self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Wherever the tests run, that user may not be allowed to look.
        command.current_dir("/");
        if let Some((user, group)) = self.drop_to {
            command.uid(user).gid(group);
        }
        command
    }

    fn owns(self, path: &Path) {
        if let Some((user, group)) = self.drop_to {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
    }
}
