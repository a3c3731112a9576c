//! A connection out of the pool, for one transaction.

use super::fault::{fault, fault_of_pool};
use crate::db::error::DbError;
use deadpool_postgres::{ClientWrapper, Object, Pool};
use std::time::Duration;
use tokio::time::timeout;

/// How long the server may take to undo a unit; after that the connection is closed, which does the same.
const ROLL_BACK_MAX: Duration = Duration::from_secs(5);

/// A connection. Unless it is given back it is closed: the next unit must not find a transaction that was left in its middle.
pub(super) struct Connection(Option<Object>);

impl Connection {
    pub(super) async fn of(pool: &Pool) -> Result<Self, DbError> {
        let object = pool.get().await;
        let object = object.map_err(|error| fault_of_pool(&error))?;
        Ok(Self(Some(object)))
    }

    pub(super) fn client(&self) -> Result<&ClientWrapper, DbError> {
        let given_back = || DbError::Failing("the connection was given back".to_owned());
        self.0.as_deref().ok_or_else(given_back)
    }

    pub(super) async fn begin(&self, begin: &str) -> Result<(), DbError> {
        let begun = self.client()?.batch_execute(begin).await;
        begun.map_err(|error| fault(&error))
    }

    pub(super) async fn roll_back(self) {
        if let Ok(client) = self.client() {
            let rolled_back = timeout(ROLL_BACK_MAX, client.batch_execute("ROLLBACK"));
            if let Ok(Ok(())) = rolled_back.await {
                self.give_back();
            }
        }
    }

    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
