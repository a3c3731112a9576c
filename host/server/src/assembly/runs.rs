//! Durable executions: what goes on with them.

use super::Host;
use crate::runs::{Parts, Runs};
use std::sync::Arc;

impl Host {
    /// What goes on with durable executions on this host.
    #[must_use]
    pub fn runs(&self) -> Arc<Runs> {
        Runs::new(Parts {
            pipeline: self.pipeline.clone(),
            database: self.database.clone(),
            executions: self.executions.held().clone(),
            holder: self.executions.holder(),
            log: self.log.clone(),
            notices: self.notices.clone(),
        })
    }
}
