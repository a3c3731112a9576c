//! A look at the file from outside, beside the host that has it open.

use super::fault::execute;
use super::file;
use super::transaction::{Transaction, at_once};
use crate::db::Seen;
use crate::db::error::DbError;
use crate::db::schema::{self, Dialect};
use crate::db::unit::Tx;
use crate::private;
use rustix::io::Errno;
use std::path::Path;

/// The first thing that is wrong with it, or "ok".
const WHOLE: &str = "PRAGMA quick_check(1)";

pub(super) fn look(path: &Path) -> Result<Seen, DbError> {
    let stat = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Seen::NoFile),
        Err(errno) => return Err(DbError::Gone(format!("{}: {errno}", path.display()))),
    };
    private::ours(&stat).map_err(|why| DbError::Refused(format!("{}: {why}", path.display())))?;
    let mut connection = file::open_to_read(path)?;
    execute(&connection, "BEGIN")?;
    let mut transaction = Transaction::new(&mut connection);
    at_once(async {
        let form = schema::form(&mut transaction, Dialect::Sqlite).await?;
        let found = transaction.query(WHOLE, &[]).await?;
        match found.first().map(|row| row.text(0)).transpose()? {
            Some("ok") | None => Ok(form.map_or(Seen::Bare, Seen::Form)),
            Some(wrong) => Err(DbError::Corrupt(wrong.to_owned())),
        }
    })
}
