-- What Fastify keeps when it does the same work as Investord (fastify/same_work.js), beside `tokens` of schema.sql.
CREATE TABLE IF NOT EXISTS chain (
    tenant int PRIMARY KEY,
    number bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO chain VALUES (1, 0, '') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    status text NOT NULL,
    data_key bytea NOT NULL,
    person bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS users_by_time ON users (created_at, id);
CREATE TABLE IF NOT EXISTS identifiers (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    sealed bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS identifiers_of_user ON identifiers (user_id);
CREATE TABLE IF NOT EXISTS events (
    number bigint PRIMARY KEY,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    type text NOT NULL,
    created_at timestamptz NOT NULL,
    sealed bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS nonces (
    hash bytea PRIMARY KEY,
    until timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS idempotency (
    key uuid PRIMARY KEY,
    digest bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS tokens (
    hash bytea PRIMARY KEY,
    client_id uuid NOT NULL,
    scope text NOT NULL,
    expires_at timestamptz NOT NULL
);
