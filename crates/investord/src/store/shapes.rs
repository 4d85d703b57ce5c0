//! The tables of a register and their columns, as a copy has to know them.

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Int,
    Text,
    Bytes,
    Id,
}
use Kind::{Bytes, Id, Int, Text};

/// A table, its columns with those of the key first, and the length of the key.
pub type Shape = (&'static str, &'static [(&'static str, Kind)], usize);

/// Of groups and of accounts.
const ACCOUNTS: &[(&str, Kind)] = &[
    ("tenant", Int),
    ("number", Int),
    ("id", Id),
    ("user_id", Id),
    ("created_at", Int),
    ("updated_at", Int),
    ("status", Text),
    ("sealed", Bytes),
];

/// In an order in which every row finds what it refers to. Who may speak comes last: a register that is
/// copied in part answers nobody.
pub const SHAPES: [Shape; 21] = [
    (
        "tenants",
        &[
            ("number", Int),
            ("name", Text),
            ("settings", Text),
            ("sealed_key", Bytes),
            ("master_key", Text),
            ("created_at", Int),
        ],
        1,
    ),
    (
        "users",
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
        2,
    ),
    (
        "identifiers",
        &[
            ("tenant", Int),
            ("user_id", Id),
            ("id", Id),
            ("created_at", Int),
            ("updated_at", Int),
            ("sealed", Bytes),
        ],
        3,
    ),
    (
        "data_changes",
        &[
            ("tenant", Int),
            ("user_id", Id),
            ("id", Id),
            ("created_at", Int),
            ("updated_at", Int),
            ("state", Text),
            ("sealed", Bytes),
        ],
        3,
    ),
    (
        "checks",
        &[
            ("tenant", Int),
            ("user_id", Id),
            ("id", Id),
            ("created_at", Int),
            ("updated_at", Int),
            ("status", Text),
            ("sealed", Bytes),
        ],
        3,
    ),
    (
        "tax_residencies",
        &[("tenant", Int), ("user_id", Id), ("created_at", Int), ("updated_at", Int), ("sealed", Bytes)],
        2,
    ),
    ("account_groups", ACCOUNTS, 2),
    ("accounts", ACCOUNTS, 2),
    ("outcomes", &[("tenant", Int), ("user_id", Id), ("kind", Text), ("sealed", Bytes)], 3),
    ("terms", &[("tenant", Int), ("mac", Bytes), ("user_id", Id)], 3),
    (
        "steps",
        &[
            ("tenant", Int),
            ("user_id", Id),
            ("number", Int),
            ("kind", Text),
            ("subject", Id),
            ("due", Int),
            ("held", Int),
        ],
        3,
    ),
    (
        "events",
        &[
            ("tenant", Int),
            ("number", Int),
            ("id", Id),
            ("created_at", Int),
            ("type", Text),
            ("subject", Id),
            ("sealed", Bytes),
            ("link", Bytes),
        ],
        2,
    ),
    (
        "replies",
        &[
            ("tenant", Int),
            ("operation", Text),
            ("once_key", Id),
            ("fingerprint", Bytes),
            ("status", Int),
            ("subject", Id),
            ("sealed", Bytes),
            ("created_at", Int),
        ],
        3,
    ),
    ("chores", &[("tenant", Int), ("name", Text), ("done", Int), ("last", Int)], 2),
    ("nonces", &[("hash", Bytes), ("until", Int)], 1),
    ("heads", &[("tenant", Int), ("users", Int), ("events", Int), ("last_at", Int), ("link", Bytes)], 1),
    (
        "clients",
        &[
            ("id", Id),
            ("tenant", Int),
            ("secret", Bytes),
            ("declared", Bytes),
            ("scopes", Text),
            ("created_at", Int),
        ],
        1,
    ),
    (
        "client_keys",
        &[("id", Id), ("client", Id), ("spki", Bytes), ("created_at", Int), ("revoked_at", Int)],
        1,
    ),
    (
        "operators",
        &[
            ("id", Id),
            ("name", Text),
            ("role", Text),
            ("tenant", Int),
            ("password", Text),
            ("created_at", Int),
            ("disabled_at", Int),
        ],
        1,
    ),
    ("sessions", &[("hash", Bytes), ("operator", Id), ("created_at", Int), ("expires", Int)], 1),
    ("tokens", &[("hash", Bytes), ("client", Id), ("scopes", Text), ("expires", Int)], 1),
];
