//! `holdfast restore`: a data directory from a backup, all of it or nothing.
//!
//! What a host did after the backup is not in it. So its lives are counted on from a higher number, whatever was under way in the backup is
//! in doubt, and that it was put back is on record, before any host finds the directory.

use crate::assembly::key_bytes;
use crate::backup::keeps;
use crate::cli::print;
use crate::executions::host_name;
use crate::settings::{Flags, Policy};
use anyhow::{Context as _, bail};
use clap::Args;
use holdfast_call::Sources;
use holdfast_rules::clock;
use holdfast_store::audit::Setup;
use holdfast_store::backup::{self, About, Keeps, Staged};
use holdfast_store::db::{Database, Place};
use holdfast_store::{Audit, HostKey, executions};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What `restore` is told.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The directory of the backup.
    #[arg(value_name = "DIR")]
    pub from: PathBuf,
    /// The policy; without it, `holdfast.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory, which is made, or is empty [default: the policy's, else `data`].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// That it was put back, as it is on record.
#[derive(Serialize)]
struct Restored<'a> {
    kind: &'static str,
    caller: String,
    host: &'a str,
    /// The life in which the backup was made.
    epoch: i64,
    made_ms: u64,
    /// Of how many calls nobody knows what came of them.
    in_doubt: u64,
}

/// Does it.
///
/// # Errors
/// The backup is not what was written, or there is something in the data directory; then nothing is put back.
pub fn run(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let policy = Policy::load(args.config.as_deref())?.with_flags(Flags {
        data: args.data.clone(),
        ..Flags::default()
    });
    let manifest = backup::verify(&args.from)?;
    let about = &manifest.about;
    match (about.database, keeps(&policy.store)) {
        (Keeps::File, Keeps::Server) => bail!(
            "the backup has its database in a file, and [store] names a server: take `url` out of it, put the backup back, and use `holdfast store copy`"
        ),
        (Keeps::Server, Keeps::File) => bail!(
            "the backup has no database: it was on a server, and [store] of the policy names none"
        ),
        (Keeps::File, Keeps::File) | (Keeps::Server, Keeps::Server) => {}
    }
    let staged = backup::stage(&args.from, &manifest, &policy.data)?;
    let sources = clock::of_this_machine();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let in_doubt = runtime.block_on(settled(&policy, &staged, about, &sources))?;
    staged.finish()?;
    let (files, shown) = (manifest.files(), policy.data.display());
    let mut text = format!("{files} files were put back to {shown}");
    if in_doubt > 0 {
        text.push_str(&format!(
            "\n{in_doubt} calls were under way, and nobody knows what came of them: `holdfast executions ls`"
        ));
    }
    if about.database == Keeps::Server {
        text.push_str(
            "\nthe database is on its server, where what ran is in doubt now: `pg_restore`, if it is to be put back too, comes before this",
        );
    }
    if let Some(copy) = &policy.audit.copy {
        text.push_str(&format!(
            "\n{} knows of records that were written after the backup: move it to a safe place, or the audit log takes nothing",
            copy.display()
        ));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Says in the database and in the audit log that both were put back.
async fn settled(
    policy: &Policy,
    staged: &Staged,
    about: &About,
    sources: &Sources,
) -> anyhow::Result<u64> {
    let key = HostKey::open(staged.path(), || key_bytes(sources))?;
    let host = host_name(&key);
    let place = match about.database {
        Keeps::File => Place::File(staged.database()),
        Keeps::Server => {
            let place = policy.store.place(&policy.data);
            place.map_err(|error| anyhow::anyhow!("the password of [store]: {error}"))?
        }
    };
    let database = Database::open(place).await?;
    // Seconds since 1970 are more than the starts of a host, and grow from one restore to the next.
    let epoch = i64::try_from(sources.clock.wall().0 / 1_000_000).unwrap_or(i64::MAX);
    let in_doubt = executions::restored(&database, &host, epoch).await;
    database.close().await;
    let in_doubt = in_doubt.context("failed to raise the epoch of the host")?;
    let setup = Setup {
        data: staged.path().to_owned(),
        copy: None,
        // Nothing of what is put back is given up here.
        budget_bytes: u64::MAX,
        keep_days: u64::MAX,
        clock: sources.clock.clone(),
        tell: Arc::new(|_| {}),
    };
    let audit = Audit::open(setup, || key_bytes(sources))?;
    let record = Restored {
        kind: "restored",
        caller: format!("operator:{}", rustix::process::geteuid().as_raw()),
        host: &host,
        epoch: about.epoch,
        made_ms: about.made_ms,
        in_doubt,
    };
    audit.durable(&record).await?;
    audit.close();
    Ok(in_doubt)
}
