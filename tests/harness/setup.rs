//! What a host is started with: its plugin directory, its policy, its data.

use super::guests::Guest;
use super::host::Host;
use super::postgres::PASSWORD;
use super::recorder::Recorder;
use super::upstream::Upstream;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A host that is not running yet.
pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    pub(crate) environment: Vec<(String, String)>,
    /// Whether the command line names the policy.
    pub(crate) named: bool,
    /// The gateway's socket, if it is handed over instead of opened.
    pub(crate) socket: Option<TcpListener>,
    /// The program that watches it and the words that come first, if one does.
    pub(crate) watched: Option<[PathBuf; 3]>,
    policy: String,
}

impl Setup {
    /// An empty plugin directory, and a policy that lets everybody in.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("plugins")).unwrap();
        Self {
            dir,
            environment: Vec::new(),
            named: true,
            socket: None,
            watched: None,
            policy: String::new(),
        }
    }

    /// With the service `name`: its component, and its manifest if there is one.
    pub(crate) fn service(self, name: &str, guest: Guest, manifest: &str) -> Self {
        put(&self.plugins(), name, &guest.bytes(), manifest);
        self
    }

    /// With these lines in the policy. The keys of the host come before its tables, so tables go last.
    pub(crate) fn policy(mut self, lines: &str) -> Self {
        self.policy.push_str(lines);
        self.policy.push('\n');
        self
    }

    /// With its database on a server.
    pub(crate) fn on_server(self, url: &str) -> Self {
        let store = format!("[store]\nurl = \"{url}\"\npassword = {{ env = \"STORE_PASSWORD\" }}");
        self.environment("STORE_PASSWORD", PASSWORD).policy(&store)
    }

    /// With an upstream that the policy calls `name`, on loopback, which the policy allows.
    pub(crate) fn upstream(self, name: &str, upstream: &Upstream) -> Self {
        let url = upstream.url("");
        self.policy(&format!(
            "[upstreams.{name}]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
    }

    /// With the naive service `name`, which asks the upstream of the same name at `url` and hands on what it gets. `more` are lines of the
    /// upstream.
    pub(crate) fn naive(self, name: &str, url: &str, more: &str) -> Self {
        let manifest = format!("upstreams = [\"{name}\"]\n[config]\nupstream = \"{url}\"");
        self.service(name, Guest::Service("proxy"), &manifest)
            .policy(&format!("[services.{name}]\nupstreams = [\"{name}\"]"))
            .policy(&format!(
                "[upstreams.{name}]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\", \"::1/128\"]\n{more}"
            ))
    }

    /// With the gateway's socket opened by the test, as a service manager would.
    pub(crate) fn socket(mut self, socket: TcpListener) -> Self {
        self.socket = Some(socket);
        self
    }

    /// With all that it does to its data directory put on record.
    pub(crate) fn recorded(mut self, recorder: &Recorder) -> Self {
        let data = self.data();
        self.watched = Some([recorder.program(), recorder.trace(), data]);
        self
    }

    /// With a variable in the environment of the host itself.
    pub(crate) fn environment(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts it in its directory without a policy, and waits until it is ready.
    pub(crate) fn start_without_policy(mut self) -> Host {
        self.named = false;
        Host::start(self)
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(self) -> Host {
        self.write_policy();
        Host::start(self)
    }

    /// Starts it, and waits until it has given up; what it said about that.
    pub(crate) fn refused(self) -> (Option<i32>, String) {
        self.write_policy();
        Host::refused(&self)
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    /// Its data directory, which it makes itself.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn write_policy(&self) {
        write_policy(self.dir.path(), &self.policy);
    }
}

/// Puts a service into a plugin directory as a careful person would: the manifest first, each file whole, by a rename.
pub(crate) fn put(plugins: &Path, name: &str, component: &[u8], manifest: &str) {
    let place = |extension: &str, bytes: &[u8]| {
        let path = plugins.join(name).with_extension(extension);
        let new = plugins.join(format!(".{name}.{extension}.new"));
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(&new, &path).unwrap();
    };
    if !manifest.is_empty() {
        place("toml", manifest.as_bytes());
    }
    place("wasm", component);
}

/// Writes a secret as a careful person would: closed to others, and whole, by a rename.
pub(crate) fn keep_private(file: &Path, secret: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, secret).unwrap();
    std::fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(beside, file).unwrap();
}

/// Writes the policy of the host in `dir`: `lines`, and before them what every test needs.
pub(crate) fn write_policy(dir: &Path, lines: &str) {
    let given = |key: &str| lines.lines().any(|line| line.starts_with(key));
    let mut text = String::new();
    if !given("log_file") {
        text.push_str(&format!("log_file = \"{}\"\n", dir.join("log").display()));
    }
    if !given("log =") {
        text.push_str("log = \"json\"\n");
    }
    if !given("anonymous") {
        text.push_str("anonymous = \"allow\"\n");
    }
    text.push_str(lines);
    let new = dir.join("holdfast.toml.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, dir.join("holdfast.toml")).unwrap();
}
