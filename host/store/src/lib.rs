//! What must last: the versions of services, compiled components, the audit log, the last calls, what calls cost, and who holds the data directory.
//!
//! Files only the owner of the host can read, each replaced as a whole (but the logs, which grow by lines): whatever instant the
//! machine stops at, a file is the old one or the new one. Nothing here knows what a service or a component is; it keeps bytes and says which are meant.

#![forbid(unsafe_code)]

pub mod approvals;
pub mod artifacts;
pub mod audit;
pub mod backup;
pub mod calls;
pub mod captures;
pub mod db;
pub mod digest;
pub mod error;
pub mod executions;
pub mod key;
pub mod keys;
pub mod kv;
pub mod leases;
pub mod ledger;
pub mod lock;
mod private;
pub mod queue;
pub mod runs;
pub mod schedules;
pub mod sequences;
pub mod versions;

pub use artifacts::{ARTIFACT_BYTES_MAX, Artifacts};
pub use audit::{Audit, AuditError};
pub use calls::{CALL_LOG_BYTES_MIN, CallLog, read_calls};
pub use digest::{Digest, pair_digest};
pub use error::StoreError;
pub use key::HostKey;
pub use lock::DataLock;
pub use private::Read;
pub use versions::{Choice, Pair, State, Versions};
