//! A look at the database on a server, beside the hosts that use it.

use super::connection::Connection;
use super::server::Server;
use super::transaction::Transaction;
use super::{LIMITS, READ, lasts, pool};
use crate::db::Seen;
use crate::db::error::DbError;
use crate::db::schema::{self, Dialect};
use crate::db::unit::Tx;

/// Finds a row if nothing can be written.
const READ_ONLY: &str = "SELECT 1 WHERE 'on' IN
    (current_setting('default_transaction_read_only', true), current_setting('in_hot_standby', true))";

/// Looks at the database without changing it.
pub(in crate::db) async fn look(server: &Server) -> Result<Seen, DbError> {
    let connection = Connection::of(&pool(server)?).await?;
    connection.begin(&[READ, LIMITS].concat()).await?;
    let mut transaction = Transaction::new(connection.client()?);
    let tx: &mut dyn Tx = &mut transaction;
    lasts(tx).await?;
    if !tx.query(READ_ONLY, &[]).await?.is_empty() {
        let why = "it is a standby, or set up so";
        return Err(DbError::ReadOnly(why.to_owned()));
    }
    let form = schema::form(tx, Dialect::Postgres).await?;
    Ok(form.map_or(Seen::Bare, Seen::Form))
}
