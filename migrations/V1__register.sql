-- The register: tenants and who may speak for them, users and what belongs to them, events, and deliveries.
--
-- Words in braces are rendered per engine (store/engine/migrate.rs): {id} a UUID, {int} a 64-bit integer,
-- {bytes} a byte string, {strict} the table option, {clustered} the same for rows that are kept in the order of their
-- key. Instants are integer microseconds since 1970 (UTC). Why keys are as they are: docs/decisions/storage.md.

-- ---------------------------------------------------------------------------------------------------------------------
-- Tenants, and who may speak for them

CREATE TABLE tenants (
    number     {int}   NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    settings   TEXT    NOT NULL,
    -- The tenant's key, wrapped by the master key of this fingerprint.
    sealed_key {bytes} NOT NULL,
    master_key TEXT    NOT NULL,
    created_at {int}   NOT NULL,
    -- Since then its clients are refused, and its operators read alone.
    suspended_at {int}
) {strict};

-- What every write of a tenant advances: its counters, its last instant and the end of its event chain. The row is the
-- lock between writes of one tenant.
CREATE TABLE tenant_sequences (
    tenant     {int}   NOT NULL PRIMARY KEY REFERENCES tenants (number),
    users      {int}   NOT NULL,
    events     {int}   NOT NULL,
    last_at    {int}   NOT NULL,
    chain_hash {bytes} NOT NULL
) {strict};

CREATE TABLE clients (
    id         {id}    NOT NULL PRIMARY KEY,
    tenant     {int}   NOT NULL REFERENCES tenants (number),
    secret     {bytes} NOT NULL,
    -- The same of the secret that a tenants file last gave: a repeat of the file does not undo a rotation.
    declared   {bytes},
    scopes     TEXT    NOT NULL,
    created_at {int}   NOT NULL,
    disabled_at {int},
    -- The secret before the last rotation, and until when it is taken beside the new one.
    old_secret {bytes},
    old_secret_until {int}
) {strict};

CREATE TABLE client_keys (
    id         {id}    NOT NULL PRIMARY KEY,
    client     {id}    NOT NULL REFERENCES clients (id),
    spki       {bytes} NOT NULL,
    created_at {int}   NOT NULL,
    revoked_at {int},
    -- Signatures from then on are refused.
    expires_at {int},
    -- The last signature that was accepted, to the minute.
    used_at    {int}
) {clustered};
CREATE INDEX client_keys_client ON client_keys (client);

-- Counts the signatures of a client that a strict tenant would accept and refuse, as long as the tenant is not strict.
CREATE TABLE signature_counts (
    client     {id}  NOT NULL PRIMARY KEY REFERENCES clients (id),
    -- When counting began, and when a signature was last counted.
    since      {int} NOT NULL,
    last_at    {int} NOT NULL,
    taken      {int} NOT NULL,
    refused    {int} NOT NULL,
    -- When one would last have been refused, and why.
    refused_at {int},
    reason     TEXT
) {clustered};

CREATE TABLE tokens (
    hash    {bytes} NOT NULL PRIMARY KEY,
    client  {id}    NOT NULL REFERENCES clients (id),
    -- The key that signed the request for it; no reference, so that a repeated copy can replace the keys first.
    key     {id}    NOT NULL,
    scopes  TEXT    NOT NULL,
    expires {int}   NOT NULL
) {clustered};
CREATE INDEX tokens_expires ON tokens (expires);

-- Operators: the account of a person, or of a script that has access tokens alone. Names are never reused.
CREATE TABLE operators (
    id          {id}  NOT NULL PRIMARY KEY,
    name        TEXT  NOT NULL UNIQUE,
    -- Argon2id, PHC string; none until an invitation is accepted.
    password    TEXT,
    created_at  {int} NOT NULL,
    -- The operator who asked for it; none for a command on the machine.
    created_by  {id},
    -- The last use of a session or token, to the minute.
    used_at     {int},
    disabled_at {int},
    -- The last review of what the operator may do.
    reviewed_at {int},
    -- The last invitation, who asked for it and who confirmed it: for a day none of them is the second of another. None
    -- for a command on the machine.
    invited_at  {int},
    invited_by  {id},
    invitation_confirmed_by {id},
    -- Secret of the second factor (TOTP, RFC 6238), sealed with a key that the master key derives.
    totp_secret       {bytes},
    -- Without an instant it has been begun and does not count.
    totp_confirmed_at {int},
    -- Time step of the last code that was accepted: neither it nor an earlier one is accepted again.
    totp_last_step    {int},
    -- Issuer and subject of who signs in at the identity provider, separated by a blank.
    provider_subject  TEXT UNIQUE
) {strict};

-- Roles of operators, each for a tenant or, with 0 for the tenant, for all and the register itself.
CREATE TABLE operator_grants (
    operator   {id}  NOT NULL REFERENCES operators (id),
    role       TEXT  NOT NULL,
    tenant     {int} NOT NULL,
    granted_at {int} NOT NULL,
    -- The operator who asked for it; none for a command on the machine.
    granted_by {id},
    PRIMARY KEY (operator, role, tenant)
) {clustered};

-- Roles that this register has changed or added, with the names of their permissions, separated by blanks. The others are
-- those of domain/permissions.rs.
CREATE TABLE roles (
    name        TEXT NOT NULL PRIMARY KEY,
    permissions TEXT NOT NULL
) {strict};

-- Settings of the register itself, by name.
CREATE TABLE register_settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) {strict};

-- Invitations: whoever has the secret chooses the password of an operator, once.
CREATE TABLE invitations (
    operator   {id}    NOT NULL PRIMARY KEY REFERENCES operators (id),
    hash       {bytes} NOT NULL UNIQUE,
    created_at {int}   NOT NULL,
    expires    {int}   NOT NULL
) {clustered};

-- Proposals: what one operator asks for and another one confirms, and what was done by one alone in an emergency.
CREATE TABLE proposals (
    id          {id}  NOT NULL PRIMARY KEY,
    created_at  {int} NOT NULL,
    expires     {int} NOT NULL,
    state       TEXT  NOT NULL CHECK (state IN ('waiting', 'done', 'withdrawn')),
    -- Who asked, and in which session: another person has to confirm it in another one.
    proposed_by {id}  NOT NULL REFERENCES operators (id),
    session     {id}  NOT NULL,
    -- The act with old state, reason and who has decided (domain/proposal.rs), as JSON.
    content     TEXT  NOT NULL,
    -- Done by one person in an emergency, and not reviewed since.
    to_review   {int} NOT NULL
) {strict};
CREATE INDEX proposals_state ON proposals (state, created_at);
CREATE INDEX proposals_to_review ON proposals (to_review, created_at);

-- Sessions, which end when they are idle, and access tokens of scripts. One without an instant does not expire.
CREATE TABLE sessions (
    hash       {bytes} NOT NULL PRIMARY KEY,
    id         {id}    NOT NULL UNIQUE,
    operator   {id}    NOT NULL REFERENCES operators (id),
    kind       TEXT    NOT NULL CHECK (kind IN ('session', 'token')),
    created_at {int}   NOT NULL,
    -- The last use, to the minute, and its address.
    used_at    {int}   NOT NULL,
    expires    {int},
    address    TEXT,
    -- Header user-agent of the sign-in.
    agent      TEXT,
    -- Names of the permissions of a token, separated by blanks; none for all that its operator has.
    permissions TEXT,
    -- How the person has been proved; nothing of an access token.
    factors    TEXT    NOT NULL CHECK (factors IN
        ('', 'password', 'password totp', 'password recovery_code', 'password passkey', 'provider',
         'provider provider_second')),
    -- The last proof; none of an access token.
    proved_at  {int},
    -- The session at the identity provider (claim sid), which its logout names.
    provider_session TEXT
) {clustered};
CREATE INDEX sessions_expires ON sessions (expires);
CREATE INDEX sessions_operator ON sessions (operator, created_at, id);

-- Users whom sessions see unmasked, until when. Sessions and users may be gone before.
CREATE TABLE reveals (
    session {id}  NOT NULL,
    user_id {id}  NOT NULL,
    until   {int} NOT NULL,
    PRIMARY KEY (session, user_id)
) {clustered};
CREATE INDEX reveals_until ON reveals (until);

-- Passkeys of operators (Web Authentication): id, public key and counter in JSON. Nothing in it is secret.
CREATE TABLE passkeys (
    operator   {id}  NOT NULL REFERENCES operators (id),
    id         {id}  NOT NULL,
    name       TEXT  NOT NULL,
    credential TEXT  NOT NULL,
    created_at {int} NOT NULL,
    used_at    {int},
    PRIMARY KEY (operator, id)
) {clustered};

-- Recovery codes of operators that have not been used, by their hash.
CREATE TABLE recovery_codes (
    operator {id}    NOT NULL REFERENCES operators (id),
    hash     {bytes} NOT NULL,
    PRIMARY KEY (operator, hash)
) {clustered};

-- Failed sign-ins of an account, a known device or an address, by the MAC of what is counted.
CREATE TABLE sign_in_failures (
    subject      {bytes} NOT NULL PRIMARY KEY,
    failures     {int}   NOT NULL CHECK (failures > 0),
    last_at      {int}   NOT NULL,
    -- When all of them are forgotten.
    forgotten_at {int}   NOT NULL
) {clustered};
CREATE INDEX sign_in_failures_forgotten ON sign_in_failures (forgotten_at);

-- ---------------------------------------------------------------------------------------------------------------------
-- Replay protection and idempotency

-- Nonces of writes, until the signature they came with can no longer be valid. The instant comes first in the key, so
-- that new rows stand together and expired ones are a range.
CREATE TABLE nonces (
    until {int}   NOT NULL,
    hash  {bytes} NOT NULL,
    PRIMARY KEY (until, hash)
) {clustered};

-- Responses kept for a repeat with the same idempotency key: the object of an event, or a text of its own, sealed with
-- the key of its user.
CREATE TABLE idempotent_responses (
    tenant          {int}   NOT NULL REFERENCES tenants (number),
    operation       TEXT    NOT NULL,
    idempotency_key {id}    NOT NULL,
    fingerprint     {bytes} NOT NULL,
    status          {int}   NOT NULL,
    user_number     {int}   NOT NULL,
    -- Number of the event whose object is the response.
    event           {int},
    sealed          {bytes},
    created_at      {int}   NOT NULL,
    PRIMARY KEY (tenant, operation, idempotency_key),
    CHECK ((event IS NULL) <> (sealed IS NULL))
) {clustered};
CREATE INDEX idempotent_responses_created ON idempotent_responses (created_at);

-- ---------------------------------------------------------------------------------------------------------------------
-- Users and what belongs to them

-- A user's number is dense per tenant: a list by creation is a range of it.
CREATE TABLE users (
    tenant                 {int}   NOT NULL REFERENCES tenants (number),
    number                 {int}   NOT NULL,
    id                     {id}    NOT NULL,
    status                 TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE', 'OFFBOARDING', 'OFFBOARDED')),
    version                {int}   NOT NULL,
    created_at             {int}   NOT NULL,
    updated_at             {int}   NOT NULL,
    postal_follows_address {int}   NOT NULL,
    -- The user's own key, wrapped by the tenant's; without it the person, events and responses are unreadable.
    data_key               {bytes} NOT NULL,
    person                 {bytes} NOT NULL,
    -- Deactivated by an operator: stays inactive whatever arrives.
    suspended              {int}   NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, id)
) {strict};
CREATE INDEX users_updated ON users (tenant, updated_at, number);

-- Country, standard and value tell nationality and birth date, so all of that is sealed with the user's key.
CREATE TABLE identifiers (
    tenant      {int}   NOT NULL,
    user_number {int}   NOT NULL,
    id          {id}    NOT NULL,
    created_at  {int}   NOT NULL,
    updated_at  {int}   NOT NULL,
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_number, id),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};

-- Requests to change the data of a user, and their outcome: a record that stays.
CREATE TABLE data_changes (
    tenant      {int}   NOT NULL,
    user_number {int}   NOT NULL,
    id          {id}    NOT NULL,
    created_at  {int}   NOT NULL,
    updated_at  {int}   NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
    -- What was requested, the proof, the values before, who decided and why: sealed with the user's key.
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_number, id),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};
CREATE INDEX data_changes_created ON data_changes (tenant, user_number, created_at, id);

CREATE TABLE checks (
    tenant      {int}   NOT NULL,
    user_number {int}   NOT NULL,
    id          {id}    NOT NULL,
    created_at  {int}   NOT NULL,
    updated_at  {int}   NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('IN_PROGRESS', 'PASSED', 'FAILED')),
    -- Kind, what was sent, who decided and why: sealed with the user's key.
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_number, id),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};
CREATE INDEX checks_open ON checks (tenant, user_number, status, created_at, id);
CREATE INDEX checks_created ON checks (tenant, user_number, created_at, id);

-- The last decided check of each kind of a user, so that activation does not read all of them.
CREATE TABLE check_results (
    tenant      {int}   NOT NULL,
    user_number {int}   NOT NULL,
    -- Id and time of each: sealed with the user's key.
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_number),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};

CREATE TABLE tax_residencies (
    tenant      {int}   NOT NULL,
    user_number {int}   NOT NULL,
    created_at  {int}   NOT NULL,
    updated_at  {int}   NOT NULL,
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_number),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};

-- Blind index: an HMAC of each value by which a user is found, under a key of the tenant. Equal values are found,
-- nothing else. The values of neighbouring users are in a part of their own, because a new user then changes the few
-- pages of the newest part and not a page of the whole index for each value. There is no reference to `users`: a check
-- of each entry costs more than the entry, and users are never deleted.
CREATE TABLE search_index (
    tenant      {int}   NOT NULL,
    part        {int}   NOT NULL,
    mac         {bytes} NOT NULL,
    user_number {int}   NOT NULL,
    PRIMARY KEY (tenant, part, mac, user_number)
) {clustered};

-- Outcomes that are ordered for the next job of a kind, under the review policy 'simulate' alone.
CREATE TABLE simulated_outcomes (
    tenant      {int}   NOT NULL,
    user_number {int}   NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('data-change', 'check', 'offboarding', 'activation')),
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_number, kind),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};

-- Like users they are never removed and have a dense number per tenant.
CREATE TABLE account_groups (
    tenant      {int}   NOT NULL,
    number      {int}   NOT NULL,
    id          {id}    NOT NULL,
    user_number {int}   NOT NULL,
    created_at  {int}   NOT NULL,
    updated_at  {int}   NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('PENDING_APPROVAL', 'ACTIVE', 'CLOSING', 'CLOSED', 'LOCKED')),
    -- Type and securities account number, sealed with the user's key.
    sealed      {bytes} NOT NULL,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, id),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {strict};
CREATE INDEX account_groups_updated ON account_groups (tenant, updated_at, number);
CREATE INDEX account_groups_user ON account_groups (tenant, user_number);

CREATE TABLE accounts (
    tenant          {int}   NOT NULL,
    number          {int}   NOT NULL,
    id              {id}    NOT NULL,
    user_number     {int}   NOT NULL,
    created_at      {int}   NOT NULL,
    updated_at      {int}   NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('PENDING_APPROVAL', 'ACTIVE', 'CLOSING', 'CLOSED', 'LOCKED')),
    -- Group, type, number in the group and name, sealed with the user's key.
    sealed          {bytes} NOT NULL,
    -- The first and the third of them in clear, so that the next number of a group is found without decryption.
    account_group   {id}    NOT NULL,
    number_in_group {int}   NOT NULL,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, id),
    UNIQUE (tenant, account_group, number_in_group),
    FOREIGN KEY (tenant, account_group) REFERENCES account_groups (tenant, id),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {strict};
CREATE INDEX accounts_updated ON accounts (tenant, updated_at, number);
CREATE INDEX accounts_user ON accounts (tenant, user_number);

-- The job queue: work that a request has begun and the worker finishes, in the order of its numbers.
CREATE TABLE jobs (
    tenant      {int} NOT NULL,
    user_number {int} NOT NULL,
    number      {int} NOT NULL,
    kind        TEXT  NOT NULL CHECK (
        kind IN ('data-change', 'check', 'account-closing', 'account-group-closing', 'offboarding', 'activation',
                 'deactivation')
    ),
    subject     {id}  NOT NULL,
    -- None while it waits: a data change or check for an operator, anything else until what is open is closed.
    due         {int},
    -- Held back by an operator.
    held        {int} NOT NULL DEFAULT 0,
    -- Of a job that waits for an operator: names of the operators to whom it is assigned and, as JSON, who have opened it.
    assignee    TEXT,
    viewers     TEXT,
    PRIMARY KEY (tenant, user_number, number),
    FOREIGN KEY (tenant, user_number) REFERENCES users (tenant, number)
) {clustered};
CREATE INDEX jobs_due ON jobs (due);
CREATE INDEX jobs_kind ON jobs (tenant, kind, due);

-- What a migration leaves to the worker, because it takes the keys of the tenants: users with numbers up to `last`, of
-- which those up to `done` are finished.
CREATE TABLE backfills (
    tenant {int} NOT NULL REFERENCES tenants (number),
    name   TEXT  NOT NULL,
    done   {int} NOT NULL,
    last   {int} NOT NULL,
    PRIMARY KEY (tenant, name)
) {strict};

-- ---------------------------------------------------------------------------------------------------------------------
-- Events, and their delivery

CREATE TABLE events (
    tenant      {int}   NOT NULL REFERENCES tenants (number),
    number      {int}   NOT NULL,
    id          {id}    NOT NULL,
    created_at  {int}   NOT NULL,
    type        TEXT    NOT NULL,
    -- The user or the webhook that it is about.
    subject     {id}    NOT NULL,
    -- Number of the user; none for an event about a webhook.
    user_number {int},
    -- Number of the earlier event whose object is that of this one too, so that it is kept once.
    same_as     {int},
    -- The object, sealed with the key of the user, or of the tenant for a webhook.
    sealed      {bytes},
    -- SHA-256 over the chain hash before and this event (domain/delivery/event.rs).
    chain_hash  {bytes} NOT NULL,
    PRIMARY KEY (tenant, number),
    CHECK ((same_as IS NULL) <> (sealed IS NULL))
) {strict};
CREATE INDEX events_user ON events (tenant, user_number, number);

-- The record of the register itself: sign-ins, and what was done to operators, tenants, clients and keys. It has a hash
-- chain of its own, which ends as its sequence says.
CREATE TABLE register_events (
    number     {int}   NOT NULL PRIMARY KEY,
    id         {id}    NOT NULL,
    created_at {int}   NOT NULL,
    type       TEXT    NOT NULL,
    -- Actor, subject, reason, old and new state, as JSON.
    content    TEXT    NOT NULL,
    chain_hash {bytes} NOT NULL
) {strict};
CREATE TABLE register_sequence (
    id         {int}   NOT NULL PRIMARY KEY CHECK (id = 1),
    events     {int}   NOT NULL,
    last_at    {int}   NOT NULL,
    chain_hash {bytes} NOT NULL
) {strict};

-- Keys that sign the deliveries of a tenant.
CREATE TABLE signing_keys (
    id         {id}    NOT NULL PRIMARY KEY,
    tenant     {int}   NOT NULL REFERENCES tenants (number),
    spki       {bytes} NOT NULL,
    -- The private key, sealed with the tenant's.
    sealed     {bytes} NOT NULL,
    created_at {int}   NOT NULL,
    -- Since then another one signs; this one stays published for a while.
    retired_at {int}
) {clustered};
CREATE INDEX signing_keys_tenant ON signing_keys (tenant, created_at);

-- Where events are collected by a client that has no public address.
CREATE TABLE event_endpoints (
    id         {id}  NOT NULL PRIMARY KEY,
    tenant     {int} NOT NULL REFERENCES tenants (number),
    -- The address that deliveries are signed for, if it is not the endpoint's own.
    target     TEXT,
    created_at {int} NOT NULL,
    seen_at    {int} NOT NULL
) {strict};

CREATE TABLE webhooks (
    id              {id}  NOT NULL PRIMARY KEY,
    tenant          {int} NOT NULL REFERENCES tenants (number),
    created_at      {int} NOT NULL,
    updated_at      {int} NOT NULL,
    -- What the client says of it (domain/delivery/webhook.rs), as JSON.
    content         TEXT  NOT NULL,
    enabled         {int} NOT NULL,
    -- Where its packages are collected, if they are not sent.
    event_endpoint  {id},
    -- Held back by an operator.
    paused          {int} NOT NULL,
    -- Counts changes of any kind: what was read before another one is not acted upon.
    version         {int} NOT NULL,
    -- Packages so far, and how many of them are settled: those between are open, the first one is sent next.
    packages        {int} NOT NULL,
    settled         {int} NOT NULL,
    -- Failed attempts in a row, and when the next one is due.
    failures        {int} NOT NULL,
    next_attempt    {int},
    last_success_at {int},
    last_failure_at {int},
    -- The process that delivers at the moment.
    lease           {id},
    lease_until     {int}
) {strict};
CREATE INDEX webhooks_tenant ON webhooks (tenant, created_at);

-- Ranges of events that a webhook still has to be sent, in their order, each with the filter that was in force when they
-- were written. The last one is open as long as the webhook is enabled.
CREATE TABLE webhook_event_ranges (
    webhook {id}  NOT NULL,
    number  {int} NOT NULL,
    next    {int} NOT NULL,
    last    {int},
    filter  TEXT  NOT NULL,
    PRIMARY KEY (webhook, number)
) {clustered};

-- Requests to a receiver. The body is made anew from the events for every attempt, always the same: `digest` is its keyed
-- digest. So it holds nobody's data, and a person whose key is destroyed is gone from here too.
CREATE TABLE webhook_packages (
    webhook    {id}    NOT NULL,
    number     {int}   NOT NULL,
    first      {int}   NOT NULL,
    last       {int}   NOT NULL,
    filter     TEXT    NOT NULL,
    events     {int}   NOT NULL,
    bytes      {int}   NOT NULL,
    digest     {bytes} NOT NULL,
    created_at {int}   NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'delivered', 'skipped')),
    attempts   {int}   NOT NULL,
    settled_at {int},
    PRIMARY KEY (webhook, number)
) {clustered};
CREATE INDEX webhook_packages_settled ON webhook_packages (settled_at);

CREATE TABLE webhook_attempts (
    webhook     {id}    NOT NULL,
    package     {int}   NOT NULL,
    number      {int}   NOT NULL,
    created_at  {int}   NOT NULL,
    duration_us {int}   NOT NULL,
    outcome     TEXT    NOT NULL,
    status      {int},
    -- The first bytes of the answer, sealed with the tenant's key: a receiver may repeat what it was sent.
    answer      {bytes},
    PRIMARY KEY (webhook, package, number)
) {strict};
CREATE INDEX webhook_attempts_created ON webhook_attempts (created_at);
