//! The form of the database: numbered steps, taken forward only, each once, all in one transaction.
//!
//! A step that readers of an earlier form still understand leaves `readable_by` as it was: then a host of the release before can go on
//! with the database, and a host can be put back to it. A step that is released is never changed.

use crate::db::error::DbError;
use crate::db::unit::Tx;

/// What differs between the two databases where tables are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A step from one form to the next.
struct Step {
    /// The form it leads to.
    version: i64,
    /// The oldest reader that understands that form.
    readable_by: i64,
    /// Its statements.
    statements: &'static [&'static str],
}

/// The newest form that this release understands.
pub(crate) const KNOWN: i64 = 8;

const STEPS: &[Step] = &[
    Step {
        version: 1,
        readable_by: 1,
        statements: &[
            "CREATE TABLE api_keys (
            id TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            secret_sha256 {bytes} NOT NULL,
            scopes TEXT NOT NULL,
            created_ms {integer} NOT NULL,
            expires_ms {integer},
            revoked_ms {integer},
            why TEXT NOT NULL
        ){strict}",
            "CREATE INDEX api_keys_principal ON api_keys (principal)",
        ],
    },
    Step {
        version: 2,
        readable_by: 1,
        statements: &[
            "CREATE TABLE hosts (id TEXT PRIMARY KEY, epoch {integer} NOT NULL){strict}",
            "CREATE TABLE executions (
            key {bytes} PRIMARY KEY,
            fingerprint {bytes} NOT NULL,
            call TEXT NOT NULL,
            caller TEXT NOT NULL,
            operation TEXT NOT NULL,
            state {integer} NOT NULL CHECK (state IN (0, 1, 2)),
            holder TEXT NOT NULL,
            epoch {integer} NOT NULL,
            fence {integer} NOT NULL,
            lease_until_ms {integer} NOT NULL,
            effects {integer} NOT NULL,
            began_ms {integer} NOT NULL,
            outcome {bytes},
            expires_ms {integer}
        ){strict}",
            "CREATE INDEX executions_over ON executions (expires_ms) WHERE state = 1",
            "CREATE INDEX executions_open ON executions (holder, epoch) WHERE state <> 1",
        ],
    },
    Step {
        version: 3,
        readable_by: 1,
        statements: &[
            "ALTER TABLE hosts ADD COLUMN seen_ms {integer}",
            "CREATE TABLE budgets (
            level TEXT NOT NULL,
            name TEXT NOT NULL,
            span TEXT NOT NULL,
            start_ms {integer} NOT NULL,
            settled {integer} NOT NULL,
            reserved {integer} NOT NULL CHECK (reserved >= 0),
            PRIMARY KEY (level, name, span, start_ms)
        ){strict}",
            "CREATE TABLE reservations (
            id {bytes} PRIMARY KEY,
            holder TEXT NOT NULL,
            epoch {integer} NOT NULL,
            amount {integer} NOT NULL,
            levels TEXT NOT NULL,
            began_ms {integer} NOT NULL,
            call TEXT NOT NULL,
            service TEXT NOT NULL,
            caller TEXT NOT NULL,
            upstream TEXT NOT NULL,
            operation TEXT NOT NULL,
            price_version TEXT NOT NULL
        ){strict}",
            "CREATE INDEX reservations_holder ON reservations (holder, epoch)",
            "CREATE TABLE costs (
            id {bytes} PRIMARY KEY,
            posted_ms {integer} NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('settled', 'unconfirmed', 'overrun')),
            amount {integer} NOT NULL,
            reserved {integer} NOT NULL,
            currency TEXT NOT NULL DEFAULT 'USD',
            source TEXT NOT NULL,
            call TEXT NOT NULL,
            service TEXT NOT NULL,
            caller TEXT NOT NULL,
            upstream TEXT NOT NULL,
            operation TEXT NOT NULL,
            price_version TEXT NOT NULL
        ){strict}",
            "CREATE INDEX costs_posted ON costs (posted_ms)",
            "CREATE TABLE cost_hours (
            hour_ms {integer} NOT NULL,
            service TEXT NOT NULL,
            caller TEXT NOT NULL,
            upstream TEXT NOT NULL,
            operation TEXT NOT NULL,
            amount {integer} NOT NULL,
            entries {integer} NOT NULL,
            unconfirmed {integer} NOT NULL,
            PRIMARY KEY (hour_ms, service, caller, upstream, operation)
        ){strict}",
        ],
    },
    Step {
        version: 4,
        readable_by: 1,
        statements: &[
            "CREATE TABLE kv (
            service TEXT NOT NULL,
            bucket TEXT NOT NULL,
            key {bytes} NOT NULL,
            value {bytes} NOT NULL,
            written_by TEXT NOT NULL,
            PRIMARY KEY (service, bucket, key)
        ){strict}",
            "CREATE TABLE kv_usage (
            service TEXT PRIMARY KEY,
            bytes {integer} NOT NULL CHECK (bytes >= 0),
            keys {integer} NOT NULL CHECK (keys >= 0)
        ){strict}",
            "CREATE TABLE leases (
            service TEXT NOT NULL,
            name {bytes} NOT NULL,
            holder TEXT NOT NULL,
            epoch {integer} NOT NULL,
            call TEXT NOT NULL,
            why TEXT NOT NULL,
            fence {integer} NOT NULL,
            since_ms {integer} NOT NULL,
            expires_ms {integer} NOT NULL,
            PRIMARY KEY (service, name)
        ){strict}",
            "CREATE TABLE lease_fences (
            service TEXT PRIMARY KEY,
            last {integer} NOT NULL
        ){strict}",
            "CREATE TABLE sequences (
            service TEXT NOT NULL,
            name {bytes} NOT NULL,
            last {integer} NOT NULL,
            PRIMARY KEY (service, name)
        ){strict}",
        ],
    },
    Step {
        version: 5,
        readable_by: 1,
        statements: &[
            "ALTER TABLE executions ADD COLUMN undo_service TEXT",
            "ALTER TABLE executions ADD COLUMN undo TEXT",
            "CREATE INDEX executions_undo ON executions (call) WHERE undo IS NOT NULL",
            "CREATE TABLE approvals (
            id TEXT PRIMARY KEY,
            action {bytes} NOT NULL,
            state {integer} NOT NULL CHECK (state IN (0, 1, 2, 3)),
            service TEXT NOT NULL,
            operation TEXT NOT NULL,
            caller TEXT NOT NULL,
            why TEXT NOT NULL,
            asked TEXT NOT NULL,
            content_type TEXT,
            payload {bytes},
            payload_bytes {integer} NOT NULL,
            asked_ms {integer} NOT NULL,
            expires_ms {integer} NOT NULL,
            decided_by TEXT,
            decided_why TEXT,
            used_by TEXT
        ){strict}",
            "CREATE INDEX approvals_action ON approvals (action)",
            "CREATE INDEX approvals_wanted ON approvals (service) WHERE state = 0",
            "CREATE INDEX approvals_used ON approvals (used_by) WHERE used_by IS NOT NULL",
            "CREATE INDEX approvals_over ON approvals (expires_ms)",
        ],
    },
    Step {
        version: 6,
        readable_by: 1,
        statements: &[
            "CREATE TABLE queue_ready (
            id TEXT PRIMARY KEY,
            queue TEXT NOT NULL,
            due_ms {integer} NOT NULL,
            wanted_ms {integer} NOT NULL,
            lane TEXT,
            place {integer} NOT NULL,
            bytes {integer} NOT NULL,
            deliveries {integer} NOT NULL,
            deaths {integer} NOT NULL,
            fence {integer} NOT NULL,
            holder TEXT,
            epoch {integer} NOT NULL
        ){strict}{churned}",
            "CREATE INDEX queue_ready_due ON queue_ready (queue, due_ms)",
            "CREATE INDEX queue_ready_lane ON queue_ready (queue, lane, place) WHERE lane IS NOT NULL",
            "CREATE INDEX queue_ready_held ON queue_ready (holder, epoch) WHERE holder IS NOT NULL",
            "CREATE TABLE queue_messages (
            id TEXT PRIMARY KEY,
            operation TEXT,
            body {bytes} NOT NULL,
            content_type TEXT,
            attributes TEXT NOT NULL,
            dedupe TEXT,
            sent_ms {integer} NOT NULL,
            sent_by TEXT NOT NULL,
            caller TEXT NOT NULL,
            why TEXT NOT NULL,
            trace TEXT NOT NULL,
            last_fault TEXT
        ){strict}{churned}",
            "CREATE TABLE queue_lanes (
            queue TEXT NOT NULL,
            lane TEXT NOT NULL,
            last {integer} NOT NULL,
            used_ms {integer} NOT NULL,
            PRIMARY KEY (queue, lane)
        ){strict}",
            "CREATE TABLE queue_known (
            queue TEXT NOT NULL,
            dedupe TEXT NOT NULL,
            id TEXT NOT NULL,
            until_ms {integer} NOT NULL,
            PRIMARY KEY (queue, dedupe)
        ){strict}",
            "CREATE INDEX queue_known_over ON queue_known (until_ms)",
            "CREATE TABLE queue_dead (
            id TEXT PRIMARY KEY,
            queue TEXT NOT NULL,
            lane TEXT,
            bytes {integer} NOT NULL,
            deliveries {integer} NOT NULL,
            operation TEXT,
            body {bytes} NOT NULL,
            content_type TEXT,
            attributes TEXT NOT NULL,
            dedupe TEXT,
            sent_ms {integer} NOT NULL,
            sent_by TEXT NOT NULL,
            caller TEXT NOT NULL,
            why TEXT NOT NULL,
            trace TEXT NOT NULL,
            last_fault TEXT NOT NULL,
            died_ms {integer} NOT NULL
        ){strict}",
            "CREATE INDEX queue_dead_of ON queue_dead (queue, died_ms)",
            "CREATE TABLE schedules (
            service TEXT NOT NULL,
            name TEXT NOT NULL,
            last_ms {integer} NOT NULL,
            fired {integer} NOT NULL,
            skipped {integer} NOT NULL,
            missed {integer} NOT NULL,
            PRIMARY KEY (service, name)
        ){strict}",
        ],
    },
    // A reader of the form before would take the rows of runs for calls that its earlier lives have left, and at its start forget them, give
    // back their approvals or put them in doubt.
    Step {
        version: 7,
        readable_by: 7,
        statements: &[
            "ALTER TABLE executions ADD COLUMN durable {integer} NOT NULL DEFAULT 0",
            "CREATE TABLE runs (
            call TEXT PRIMARY KEY,
            key {bytes} NOT NULL,
            service TEXT NOT NULL,
            digest TEXT NOT NULL,
            seed {bytes} NOT NULL,
            asked {bytes} NOT NULL,
            began_ns {integer} NOT NULL,
            state {integer} NOT NULL CHECK (state IN (0, 1, 2)),
            due_ms {integer} NOT NULL,
            starts {integer} NOT NULL,
            entries {integer} NOT NULL,
            reason TEXT NOT NULL DEFAULT ''
        ){strict}{churned}",
            "CREATE INDEX runs_due ON runs (service, due_ms) WHERE state = 0",
            "CREATE TABLE steps (
            call TEXT NOT NULL,
            ordinal {integer} NOT NULL,
            what TEXT NOT NULL,
            asked {bytes} NOT NULL,
            began_ns {integer} NOT NULL,
            place {integer},
            ended_ns {integer},
            came {bytes},
            PRIMARY KEY (call, ordinal)
        ){strict}",
        ],
    },
    // A message that comes back from the dead goes on with its fence, and a run goes on as new. A host of the form before does not know that,
    // and does as it did.
    Step {
        version: 8,
        readable_by: 7,
        statements: &[
            "ALTER TABLE queue_dead ADD COLUMN fence {integer} NOT NULL DEFAULT 0",
            "ALTER TABLE runs ADD COLUMN rounds {integer} NOT NULL DEFAULT 1",
        ],
    },
];

/// How PostgreSQL keeps a table whose rows come and go all the time: with room beside each row, and cleaned as soon as a hundredth is dead,
/// because dead rows, and not waiting ones, are what makes a queue slow.
const CHURNED: &str = " WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0)";

const FORM: &str = "CREATE TABLE holdfast_schema (
    single {integer} PRIMARY KEY CHECK (single = 1),
    version {integer} NOT NULL,
    min_reader_version {integer} NOT NULL
){strict}";

/// Brings the database to the form of this release. Nobody else does so at the same time.
pub(crate) async fn migrate(tx: &mut dyn Tx, dialect: Dialect) -> Result<(), DbError> {
    let found = match form(tx, dialect).await? {
        Some(found) => found,
        None => {
            tx.execute(&dialect.write(FORM), &[]).await?;
            let first = "INSERT INTO holdfast_schema (single, version, min_reader_version) VALUES (1, 0, 0)";
            tx.execute(first, &[]).await?;
            0
        }
    };
    for step in STEPS.iter().filter(|step| step.version > found) {
        for statement in step.statements {
            tx.execute(&dialect.write(statement), &[]).await?;
        }
        let reached = "UPDATE holdfast_schema SET version = $1, min_reader_version = $2";
        let form = [step.version.into(), step.readable_by.into()];
        tx.execute(reached, &form).await?;
    }
    Ok(())
}

/// The form of the database; none if it has none yet.
///
/// # Errors
/// It fails, or its form is one that this release does not understand.
pub(crate) async fn form(tx: &mut dyn Tx, dialect: Dialect) -> Result<Option<i64>, DbError> {
    if tx.query(dialect.has_form(), &[]).await?.is_empty() {
        return Ok(None);
    }
    let form = "SELECT version, min_reader_version FROM holdfast_schema";
    let rows = tx.query(form, &[]).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbError::Corrupt("the table holdfast_schema has lost its row".to_owned()))?;
    let (found, needs) = (row.integer(0)?, row.integer(1)?);
    if needs > KNOWN {
        let known = KNOWN;
        return Err(DbError::Newer {
            found,
            needs,
            known,
        });
    }
    Ok(Some(found))
}

impl Dialect {
    fn write(self, statement: &str) -> String {
        let (bytes, integer, strict, churned) = match self {
            Self::Sqlite => ("BLOB", "INTEGER", " STRICT", ""),
            Self::Postgres => ("BYTEA", "BIGINT", "", CHURNED),
        };
        statement
            .replace("{bytes}", bytes)
            .replace("{integer}", integer)
            .replace("{strict}", strict)
            .replace("{churned}", churned)
    }

    /// Finds a row if the database has a form.
    const fn has_form(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'holdfast_schema'"
            }
            Self::Postgres => {
                "SELECT relname::text FROM pg_class WHERE oid = to_regclass('holdfast_schema')"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_numbered_from_one_and_the_last_is_the_known_form() {
        for (step, number) in STEPS.iter().zip(1..) {
            assert_eq!(step.version, number);
            assert!(step.readable_by <= step.version);
        }
        assert_eq!(STEPS.len() as i64, KNOWN);
    }

    #[test]
    fn nothing_of_a_statement_is_left_to_fill_in() {
        let all = STEPS.iter().flat_map(|step| step.statements);
        for statement in all.chain([&FORM]) {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                let written = dialect.write(statement);
                assert!(!written.contains(['{', '}']), "{written}");
            }
        }
    }
}
