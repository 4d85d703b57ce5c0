-- The register: tenants and who may speak for them, users, events, and what makes a write happen once.
--
-- Words in braces are rendered per engine (store/migrate.rs): {id} a UUID, {int} a 64-bit integer,
-- {bytes} a byte string, {strict} the table option, {clustered} the same for small rows kept in their key. Instants are integer microseconds since 1970 (UTC).

CREATE TABLE tenants (
    number     {int}  NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    settings   TEXT   NOT NULL,
    -- The tenant's key, wrapped by the master key of this fingerprint.
    sealed_key {bytes} NOT NULL,
    master_key TEXT   NOT NULL,
    created_at {int}  NOT NULL
) {strict};

-- What every write of a tenant moves: its counters, its last instant and the end of its event chain.
CREATE TABLE heads (
    tenant  {int}   NOT NULL PRIMARY KEY REFERENCES tenants (number),
    users   {int}   NOT NULL,
    events  {int}   NOT NULL,
    last_at {int}   NOT NULL,
    link    {bytes} NOT NULL
) {strict};

CREATE TABLE clients (
    id         {id}    NOT NULL PRIMARY KEY,
    tenant     {int}   NOT NULL REFERENCES tenants (number),
    secret     {bytes} NOT NULL,
    -- The same of the secret that a tenants file last gave: a repeat of the file does not undo a rotation.
    declared   {bytes},
    scopes     TEXT    NOT NULL,
    created_at {int}   NOT NULL
) {strict};

CREATE TABLE client_keys (
    id         {id}    NOT NULL PRIMARY KEY,
    client     {id}    NOT NULL REFERENCES clients (id),
    spki       {bytes} NOT NULL,
    created_at {int}   NOT NULL,
    revoked_at {int}
) {strict};
CREATE INDEX client_keys_client ON client_keys (client);

CREATE TABLE tokens (
    hash    {bytes} NOT NULL PRIMARY KEY,
    client  {id}    NOT NULL REFERENCES clients (id),
    scopes  TEXT    NOT NULL,
    expires {int}   NOT NULL
) {strict};
CREATE INDEX tokens_expires ON tokens (expires);

-- Nonces of writes, until the signature they came with can no longer be valid.
CREATE TABLE nonces (
    hash  {bytes} NOT NULL PRIMARY KEY,
    until {int}   NOT NULL
) {clustered};
CREATE INDEX nonces_until ON nonces (until);

-- Answers kept for a repeat with the same idempotency key; the body is sealed with its subject's key.
CREATE TABLE replies (
    tenant      {int}   NOT NULL REFERENCES tenants (number),
    operation   TEXT    NOT NULL,
    once_key    {id}    NOT NULL,
    fingerprint {bytes} NOT NULL,
    status      {int}   NOT NULL,
    subject     {id}    NOT NULL,
    sealed      {bytes} NOT NULL,
    created_at  {int}   NOT NULL,
    PRIMARY KEY (tenant, operation, once_key)
) {strict};
CREATE INDEX replies_created ON replies (created_at);

-- A user's number is dense per tenant: a list by creation is a range of it.
CREATE TABLE users (
    tenant     {int}   NOT NULL REFERENCES tenants (number),
    number     {int}   NOT NULL,
    id         {id}    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE', 'OFFBOARDING', 'OFFBOARDED')),
    version    {int}   NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    postal_follows_address {int} NOT NULL,
    -- The user's own key, wrapped by the tenant's; without it the person, events and replies are unreadable.
    data_key   {bytes} NOT NULL,
    person     {bytes} NOT NULL,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, id)
) {strict};
CREATE INDEX users_updated ON users (tenant, updated_at, number);

CREATE TABLE events (
    tenant     {int}   NOT NULL REFERENCES tenants (number),
    number     {int}   NOT NULL,
    id         {id}    NOT NULL,
    created_at {int}   NOT NULL,
    type       TEXT    NOT NULL,
    subject    {id}    NOT NULL,
    sealed     {bytes} NOT NULL,
    -- SHA-256 over the link before and this event (domain/event.rs).
    link       {bytes} NOT NULL,
    PRIMARY KEY (tenant, number)
) {strict};
