//! A service's source in a folder of its own, made and built by the real binary. What the tools fetch is kept below `target`, so that the
//! next run is quick and nothing is written elsewhere.

use super::guests::root;
use super::host::{Host, Said, command};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

impl Said {
    fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It did what it was asked.
    pub(crate) fn done(&self) {
        assert_eq!(self.code, Some(0), "{}", self.err);
    }
}

/// A project, and the plugin directory that it is built into.
pub(crate) struct Project {
    dir: TempDir,
    name: &'static str,
    plugins: PathBuf,
}

impl Project {
    /// Made by `holdfast new`, built into a directory that no host serves.
    pub(crate) fn new(name: &'static str, lang: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plugins = dir.path().join("plugins");
        Self { dir, name, plugins }.made(lang)
    }

    /// Made by `holdfast new`, built into the plugin directory of `host`.
    pub(crate) fn on(host: &Host, name: &'static str, lang: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plugins = host.plugins();
        Self { dir, name, plugins }.made(lang)
    }

    fn made(self, lang: &str) -> Self {
        let said = self.new_again(lang);
        said.done();
        let next = format!("holdfast build {}", self.name);
        assert!(said.out.contains(&next), "{}", said.out);
        self
    }

    /// Asks for it in the same place once more. Behind the language may stand other words.
    pub(crate) fn new_again(&self, lang: &str) -> Said {
        let mut command = command(&["new", self.name, "--lang"]);
        Said::of(command.args(lang.split(' ')).current_dir(self.dir.path()))
    }

    /// Builds it.
    pub(crate) fn build(&self) -> Said {
        Said::of(&mut self.builder())
    }

    /// Builds it although it breaks what others may call.
    pub(crate) fn build_breaking(&self) -> Said {
        Said::of(self.builder().arg("--breaking"))
    }

    /// Builds it where no registry can be reached.
    pub(crate) fn build_offline(&self, lang: &str) -> Said {
        let mut builder = self.builder();
        match lang {
            "rust" => builder.env("CARGO_NET_OFFLINE", "true"),
            "js" => builder.env("npm_config_offline", "true"),
            _ => builder.env("PIP_NO_INDEX", "1"),
        };
        Said::of(&mut builder)
    }

    /// Builds it with this `PATH`.
    pub(crate) fn build_with_path(&self, path: &str) -> Said {
        Said::of(self.builder().env("PATH", path))
    }

    fn builder(&self) -> Command {
        let kept = root().join("target/languages");
        let mut command = command(&["build", self.name, "--plugins"]);
        command
            .arg(&self.plugins)
            .current_dir(self.dir.path())
            .env("CARGO_TARGET_DIR", kept.join("cargo"))
            .env("npm_config_cache", kept.join("npm"))
            .env("PIP_CACHE_DIR", kept.join("pip"));
        command
    }

    /// What lies in the plugin directory, with its bytes.
    pub(crate) fn published(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(&self.plugins) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// Replaces `old` in a source.
    pub(crate) fn edit(&self, file: &str, old: &str, new: &str) {
        let text = self.text(file);
        assert!(text.contains(old));
        self.write(file, &text.replace(old, new));
    }

    /// What is in a file of it.
    pub(crate) fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }

    /// Writes a file of it.
    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    /// Removes a file of it.
    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    /// Whether it has the file.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(self.name).join(Path::new(file))
    }
}
