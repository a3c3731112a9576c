//! Running the tools of a language: what is missing is said in one line, what a failed tool wrote is shown, and nothing goes through a shell.

use crate::cli::complain;
use anyhow::{Context as _, bail};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// How much of a failed tool's words is shown, in bytes from their end: the first error of a compiler is near enough to it.
const SHOWN_BYTES_MAX: usize = 64 << 10;

/// A tool in the folder of a project; `missing` says what to do where there is none.
#[derive(Debug)]
pub struct Tool<'a> {
    command: Command,
    missing: &'a str,
}

impl<'a> Tool<'a> {
    /// The program `name`, looked up in `PATH` unless it is a path.
    #[must_use]
    pub fn new(name: impl AsRef<Path>, folder: &Path, missing: &'a str) -> Self {
        let mut command = Command::new(name.as_ref());
        command.current_dir(folder).stdin(Stdio::null());
        Self { command, missing }
    }

    /// With these arguments.
    #[must_use]
    pub fn args<A: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &Path) -> Self {
        self.command.env(key, value);
        self
    }

    /// Asks it something, and gives what it says.
    ///
    /// # Errors
    /// It is missing, or it fails.
    pub fn ask(mut self) -> anyhow::Result<String> {
        let output = self.output()?;
        if !output.status.success() {
            let program = self.program();
            bail!(
                "`{program}` does not work ({}): {}",
                output.status,
                self.missing
            );
        }
        Ok(text(&output.stdout).trim().to_owned())
    }

    /// Says what is done now, does it, and gives what the tool wrote to standard output.
    ///
    /// # Errors
    /// It is missing, or it fails; then all that it said is shown first.
    pub fn run(mut self, step: &str) -> anyhow::Result<String> {
        complain(step);
        let output = self.output()?;
        if !output.status.success() {
            show(&output);
            bail!(
                "`{}` failed ({}): see what it said above",
                self.program(),
                output.status
            );
        }
        Ok(text(&output.stdout))
    }

    fn output(&mut self) -> anyhow::Result<Output> {
        match self.command.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("`{}` is missing: {}", self.program(), self.missing)
            }
            other => other.with_context(|| format!("cannot run `{}`", self.program())),
        }
    }

    fn program(&self) -> String {
        let program = Path::new(self.command.get_program());
        let name = program.file_name().unwrap_or(program.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Shows what a tool said. Lines for machines, which cargo writes among them, are left out.
fn show(output: &Output) {
    let said = text(&output.stdout) + &text(&output.stderr);
    let lines: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("{\""))
        .collect();
    let said = lines.join("\n");
    let mut from = said.len().saturating_sub(SHOWN_BYTES_MAX);
    while !said.is_char_boundary(from) {
        from += 1;
    }
    // Where standard error cannot be written, nobody reads it.
    let _ = writeln!(
        std::io::stderr(),
        "{}",
        said.get(from..).unwrap_or_default()
    );
}
