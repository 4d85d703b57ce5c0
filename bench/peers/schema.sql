CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    status text NOT NULL,
    person json NOT NULL
);
CREATE INDEX IF NOT EXISTS users_by_time ON users (created_at, id);
CREATE TABLE IF NOT EXISTS events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    type text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS idempotency (
    key uuid PRIMARY KEY,
    digest bytea NOT NULL,
    answer text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS tokens (
    hash bytea PRIMARY KEY,
    client_id uuid NOT NULL,
    scope text NOT NULL,
    expires_at timestamptz NOT NULL
);
