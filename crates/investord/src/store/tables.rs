//! The tables of a register: columns, keys and the order of references.
//!
//! The copy, batched inserts and `doctor` use them; a test compares them with the migrated schema of each engine.

/// The type of a column, independent of the engine.
#[derive(Clone, Copy, PartialEq)]
pub enum ColumnKind {
    Int,
    Text,
    Bytes,
    Id,
}
use ColumnKind::{Bytes, Id, Int, Text};

/// The schema of a table.
#[derive(Clone, Copy)]
pub struct TableSchema {
    pub name: &'static str,
    /// Names and types of the columns, those of the primary key first.
    pub columns: &'static [(&'static str, ColumnKind)],
    /// Number of columns of the primary key.
    pub key: usize,
    /// Whether rows are deleted and no other table references them: a repeated copy writes such a table anew.
    pub is_short_lived: bool,
}

/// Creates the schema of a table whose rows a repeated copy overwrites in place.
const fn lasting(
    name: &'static str,
    key: usize,
    columns: &'static [(&'static str, ColumnKind)],
) -> TableSchema {
    TableSchema { name, columns, key, is_short_lived: false }
}

/// Creates the schema of a table that a repeated copy empties first.
const fn short_lived(
    name: &'static str,
    key: usize,
    columns: &'static [(&'static str, ColumnKind)],
) -> TableSchema {
    TableSchema { name, columns, key, is_short_lived: true }
}

/// All tables, each after the tables that it references. Clients and operators come last, so that a partially copied
/// register authenticates no client and no operator.
pub const TABLES: [TableSchema; 38] = [
    lasting(
        "tenants",
        1,
        &[
            ("number", Int),
            ("name", Text),
            ("settings", Text),
            ("sealed_key", Bytes),
            ("master_key", Text),
            ("created_at", Int),
        ],
    ),
    lasting("roles", 1, &[("name", Text), ("permissions", Text)]),
    lasting("register_settings", 1, &[("name", Text), ("value", Text)]),
    lasting(
        "register_events",
        1,
        &[
            ("number", Int),
            ("id", Id),
            ("created_at", Int),
            ("type", Text),
            ("content", Text),
            ("chain_hash", Bytes),
        ],
    ),
    lasting("register_sequence", 1, &[("id", Int), ("events", Int), ("last_at", Int), ("chain_hash", Bytes)]),
    lasting(
        "users",
        2,
        &[
            ("tenant", Int),
            ("number", Int),
            ("id", Id),
            ("status", Text),
            ("version", Int),
            ("created_at", Int),
            ("updated_at", Int),
            ("postal_follows_address", Int),
            ("data_key", Bytes),
            ("person", Bytes),
            ("suspended", Int),
        ],
    ),
    lasting(
        "identifiers",
        3,
        &[
            ("tenant", Int),
            ("user_number", Int),
            ("id", Id),
            ("created_at", Int),
            ("updated_at", Int),
            ("sealed", Bytes),
        ],
    ),
    lasting(
        "data_changes",
        3,
        &[
            ("tenant", Int),
            ("user_number", Int),
            ("id", Id),
            ("created_at", Int),
            ("updated_at", Int),
            ("state", Text),
            ("sealed", Bytes),
        ],
    ),
    lasting("check_results", 2, &[("tenant", Int), ("user_number", Int), ("sealed", Bytes)]),
    lasting(
        "checks",
        3,
        &[
            ("tenant", Int),
            ("user_number", Int),
            ("id", Id),
            ("created_at", Int),
            ("updated_at", Int),
            ("status", Text),
            ("sealed", Bytes),
        ],
    ),
    lasting(
        "tax_residencies",
        2,
        &[("tenant", Int), ("user_number", Int), ("created_at", Int), ("updated_at", Int), ("sealed", Bytes)],
    ),
    lasting(
        "account_groups",
        2,
        &[
            ("tenant", Int),
            ("number", Int),
            ("id", Id),
            ("user_number", Int),
            ("created_at", Int),
            ("updated_at", Int),
            ("status", Text),
            ("sealed", Bytes),
        ],
    ),
    lasting(
        "accounts",
        2,
        &[
            ("tenant", Int),
            ("number", Int),
            ("id", Id),
            ("user_number", Int),
            ("created_at", Int),
            ("updated_at", Int),
            ("status", Text),
            ("sealed", Bytes),
            ("account_group", Id),
            ("number_in_group", Int),
        ],
    ),
    short_lived(
        "simulated_outcomes",
        3,
        &[("tenant", Int), ("user_number", Int), ("kind", Text), ("sealed", Bytes)],
    ),
    short_lived("search_index", 4, &[("tenant", Int), ("part", Int), ("mac", Bytes), ("user_number", Int)]),
    short_lived(
        "jobs",
        3,
        &[
            ("tenant", Int),
            ("user_number", Int),
            ("number", Int),
            ("kind", Text),
            ("subject", Id),
            ("due", Int),
            ("held", Int),
        ],
    ),
    lasting(
        "events",
        2,
        &[
            ("tenant", Int),
            ("number", Int),
            ("id", Id),
            ("created_at", Int),
            ("type", Text),
            ("subject", Id),
            ("user_number", Int),
            ("same_as", Int),
            ("sealed", Bytes),
            ("chain_hash", Bytes),
        ],
    ),
    short_lived(
        "idempotent_responses",
        3,
        &[
            ("tenant", Int),
            ("operation", Text),
            ("idempotency_key", Id),
            ("fingerprint", Bytes),
            ("status", Int),
            ("user_number", Int),
            ("event", Int),
            ("sealed", Bytes),
            ("created_at", Int),
        ],
    ),
    short_lived("backfills", 2, &[("tenant", Int), ("name", Text), ("done", Int), ("last", Int)]),
    short_lived("nonces", 2, &[("until", Int), ("hash", Bytes)]),
    short_lived(
        "signing_keys",
        1,
        &[
            ("id", Id),
            ("tenant", Int),
            ("spki", Bytes),
            ("sealed", Bytes),
            ("created_at", Int),
            ("retired_at", Int),
        ],
    ),
    short_lived(
        "event_endpoints",
        1,
        &[("id", Id), ("tenant", Int), ("target", Text), ("created_at", Int), ("seen_at", Int)],
    ),
    short_lived(
        "webhooks",
        1,
        &[
            ("id", Id),
            ("tenant", Int),
            ("created_at", Int),
            ("updated_at", Int),
            ("content", Text),
            ("enabled", Int),
            ("event_endpoint", Id),
            ("paused", Int),
            ("version", Int),
            ("packages", Int),
            ("settled", Int),
            ("failures", Int),
            ("next_attempt", Int),
            ("last_success_at", Int),
            ("last_failure_at", Int),
            ("lease", Id),
            ("lease_until", Int),
        ],
    ),
    short_lived(
        "webhook_event_ranges",
        2,
        &[("webhook", Id), ("number", Int), ("next", Int), ("last", Int), ("filter", Text)],
    ),
    short_lived(
        "webhook_packages",
        2,
        &[
            ("webhook", Id),
            ("number", Int),
            ("first", Int),
            ("last", Int),
            ("filter", Text),
            ("events", Int),
            ("bytes", Int),
            ("digest", Bytes),
            ("created_at", Int),
            ("state", Text),
            ("attempts", Int),
            ("settled_at", Int),
        ],
    ),
    short_lived(
        "webhook_attempts",
        3,
        &[
            ("webhook", Id),
            ("package", Int),
            ("number", Int),
            ("created_at", Int),
            ("duration_us", Int),
            ("outcome", Text),
            ("status", Int),
            ("answer", Bytes),
        ],
    ),
    lasting(
        "tenant_sequences",
        1,
        &[("tenant", Int), ("users", Int), ("events", Int), ("last_at", Int), ("chain_hash", Bytes)],
    ),
    lasting(
        "clients",
        1,
        &[
            ("id", Id),
            ("tenant", Int),
            ("secret", Bytes),
            ("declared", Bytes),
            ("scopes", Text),
            ("created_at", Int),
        ],
    ),
    lasting(
        "signature_counts",
        1,
        &[
            ("client", Id),
            ("since", Int),
            ("last_at", Int),
            ("taken", Int),
            ("refused", Int),
            ("refused_at", Int),
            ("reason", Text),
        ],
    ),
    short_lived(
        "client_keys",
        1,
        &[("id", Id), ("client", Id), ("spki", Bytes), ("created_at", Int), ("revoked_at", Int)],
    ),
    lasting(
        "operators",
        1,
        &[
            ("id", Id),
            ("name", Text),
            ("password", Text),
            ("created_at", Int),
            ("created_by", Id),
            ("used_at", Int),
            ("disabled_at", Int),
            ("totp_secret", Bytes),
            ("totp_confirmed_at", Int),
            ("totp_last_step", Int),
        ],
    ),
    short_lived(
        "sessions",
        1,
        &[
            ("hash", Bytes),
            ("id", Id),
            ("operator", Id),
            ("kind", Text),
            ("created_at", Int),
            ("used_at", Int),
            ("expires", Int),
            ("address", Text),
            ("agent", Text),
            ("permissions", Text),
            ("factors", Text),
            ("proved_at", Int),
        ],
    ),
    short_lived("recovery_codes", 2, &[("operator", Id), ("hash", Bytes)]),
    short_lived(
        "operator_grants",
        3,
        &[("operator", Id), ("role", Text), ("tenant", Int), ("granted_at", Int), ("granted_by", Id)],
    ),
    short_lived(
        "invitations",
        1,
        &[("operator", Id), ("hash", Bytes), ("created_at", Int), ("expires", Int)],
    ),
    lasting(
        "proposals",
        1,
        &[
            ("id", Id),
            ("tenant", Int),
            ("created_at", Int),
            ("expires", Int),
            ("state", Text),
            ("proposed_by", Id),
            ("session", Id),
            ("content", Text),
            ("to_review", Int),
        ],
    ),
    short_lived(
        "sign_in_failures",
        1,
        &[("subject", Bytes), ("failures", Int), ("last_at", Int), ("forgotten_at", Int)],
    ),
    short_lived("tokens", 1, &[("hash", Bytes), ("client", Id), ("scopes", Text), ("expires", Int)]),
];
