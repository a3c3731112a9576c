//! `holdfast allow NAME`: shows what a manifest asks for beyond the policy, as a diff, and writes it into the policy on a yes.

use crate::cli::policy::manifest_of;
use crate::settings::allow::{Grant, Plan, plan};
use crate::settings::policy::DEFAULT_FILE;
use crate::settings::{Excess, Policy};
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments of `holdfast allow`.
#[derive(Clone, Debug, clap::Args)]
pub struct AllowArgs {
    /// The service.
    pub name: String,
    /// The policy; it is made if it is not there.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    pub config: PathBuf,
    /// The directory of components; by default the policy's.
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// Grants without asking.
    #[arg(long)]
    pub yes: bool,
}

/// Whether the operator agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
}

/// Runs the command on the terminal. Exit code 0: nothing to grant, or granted; 1: not granted, or something is left that only the
/// operator can write.
///
/// # Errors
/// A file cannot be read or written, or is not valid.
pub fn run(args: &AllowArgs) -> anyhow::Result<ExitCode> {
    let terminal = io::stdin().is_terminal();
    run_with(
        args,
        &mut io::stdin().lock(),
        &mut io::stdout().lock(),
        terminal,
    )
}

/// The same with other ends than the terminal; `asks` says whether there is somebody who can be asked.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    args: &AllowArgs,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    asks: bool,
) -> anyhow::Result<ExitCode> {
    let path = args.config.as_path();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let plugins = match (&args.plugins, &text) {
        (Some(plugins), _) => plugins.clone(),
        (None, Some(text)) => Policy::parse(path, text)?.plugins,
        (None, None) => Policy::default_for_one_person().plugins,
    };
    let manifest = manifest_of(&plugins, &args.name)?;
    let Plan::Grant(grant) = plan(path, text.as_deref(), &manifest)? else {
        writeln!(
            output,
            "`{}` asks for nothing beyond the policy",
            manifest.name
        )?;
        return Ok(ExitCode::SUCCESS);
    };
    for excess in grant.granted.iter().chain(&grant.needs) {
        writeln!(output, "{excess}")?;
    }
    say_needs(&grant.needs, path, output)?;
    if grant.granted.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    write!(output, "\n{}", grant.diff)?;
    match agreed(args, input, output, asks)? {
        Answer::No => {
            writeln!(output, "nothing was changed")?;
            Ok(ExitCode::FAILURE)
        }
        Answer::Yes => grant_it(path, text.as_deref(), &grant, output),
    }
}

fn grant_it(
    path: &Path,
    before: Option<&str>,
    grant: &Grant,
    output: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    // The operator may have edited the file while the question stood: what was shown is what is written, or nothing.
    if std::fs::read_to_string(path).ok().as_deref() != before {
        anyhow::bail!(
            "{} was changed meanwhile; nothing was written",
            path.display()
        );
    }
    write_whole(path, &grant.text).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(output, "written to {}", path.display())?;
    Ok(if grant.needs.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say_needs(needs: &[Excess], path: &Path, output: &mut dyn Write) -> io::Result<()> {
    for lines in needs.iter().filter_map(|excess| excess.needs.as_ref()) {
        writeln!(
            output,
            "\nonly you can write this into {}, then run the command again:\n{lines}",
            path.display()
        )?;
    }
    Ok(())
}

fn agreed(
    args: &AllowArgs,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    asks: bool,
) -> anyhow::Result<Answer> {
    if args.yes {
        return Ok(Answer::Yes);
    }
    if !asks {
        writeln!(
            output,
            "no terminal to ask on: repeat with --yes to grant this"
        )?;
        return Ok(Answer::No);
    }
    write!(output, "write this into {}? [y/N] ", args.config.display())?;
    output.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(match line.trim() {
        "y" | "Y" | "yes" => Answer::Yes,
        _ => Answer::No,
    })
}

/// Writes beside the file and moves it into its place, so that a reader sees the old text or the new one, whole. The mode stays.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link: what it points to is exchanged.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = std::fs::metadata(path).map_or(0o600, |about| about.permissions().mode() & 0o7777);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What is left of a write that failed is of no use; that it cannot be removed changes nothing about the error.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
