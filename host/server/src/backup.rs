//! Backups of the host that runs: taken from its data directory while it goes on.

use crate::executions::HostExecutions;
use crate::settings::units::size_text;
use crate::settings::{Policy, Store};
use holdfast_call::Clock;
use holdfast_store::backup::{self, About, Keeps};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What takes backups.
pub struct Backups {
    data: PathBuf,
    keeps: Keeps,
    executions: Arc<HostExecutions>,
    clock: Arc<dyn Clock>,
}

impl Backups {
    /// Of a host under this policy. Where its database is does not change while it runs.
    #[must_use]
    pub fn new(policy: &Policy, executions: Arc<HostExecutions>, clock: Arc<dyn Clock>) -> Self {
        Self {
            data: policy.data.clone(),
            keeps: keeps(&policy.store),
            executions,
            clock,
        }
    }

    /// Takes one; what is said of it.
    ///
    /// # Errors
    /// There is none; why.
    pub async fn take(&self, to: &Path) -> Result<String, String> {
        let holder = self.executions.holder();
        let about = About {
            host: holder.host,
            epoch: holder.epoch,
            made_ms: self.clock.wall().0 / 1_000,
            database: self.keeps,
        };
        let (data, place) = (self.data.clone(), to.to_owned());
        // Files may be slow, and many.
        let taken = tokio::task::spawn_blocking(move || backup::take(&data, &place, about)).await;
        let taken = taken.map_err(|_| "the backup has failed".to_owned())?;
        let manifest = taken.map_err(|error| error.to_string())?;
        let (files, bytes, shown) = (manifest.files(), manifest.bytes(), to.display());
        let mut text = format!("{files} files ({}) are in {shown}", size_text(bytes));
        if self.keeps == Keeps::Server {
            text.push_str(SERVER);
        }
        Ok(text)
    }
}

/// What is to be done about a database that is not in a backup.
const SERVER: &str = "\nthe database is on its server, and not in it: keep it with `pg_dump`, begun before this, and put it back with `pg_restore` before `holdfast restore`";

/// Where a policy has the database.
pub(crate) fn keeps(store: &Store) -> Keeps {
    match store {
        Store::File => Keeps::File,
        Store::Server { .. } => Keeps::Server,
    }
}
