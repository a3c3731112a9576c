//! The one list of the tables that hosts keep something in. A test compares it with what a new database of each kind has.

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns in which amounts stand, or numbers that must not go back: their sums are compared too.
    pub sums: &'static [&'static str],
}

const fn table(name: &'static str, sums: &'static [&'static str]) -> Table {
    Table { name, sums }
}

/// Every table but the one that says which form the database has.
pub const TABLES: &[Table] = &[
    table("hosts", &["epoch"]),
    table("api_keys", &[]),
    table("executions", &["fence"]),
    table("budgets", &["settled", "reserved"]),
    table("reservations", &["amount"]),
    table("costs", &["amount", "reserved"]),
    table("cost_hours", &["amount", "entries", "unconfirmed"]),
    table("kv", &[]),
    table("kv_usage", &["bytes", "keys"]),
    table("leases", &["fence"]),
    table("lease_fences", &["last"]),
    table("sequences", &["last"]),
    table("approvals", &["payload_bytes"]),
    table("queue_ready", &["bytes", "deliveries", "fence"]),
    table("queue_messages", &[]),
    table("queue_lanes", &["last"]),
    table("queue_known", &[]),
    table("queue_dead", &["bytes", "deliveries", "fence"]),
    table("schedules", &["last_ms", "fired", "skipped", "missed"]),
    table("runs", &["starts", "entries", "rounds"]),
    table("steps", &["ordinal"]),
];
