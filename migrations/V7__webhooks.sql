-- Webhooks: who is told of events, how far each has been told, and with which keys it is signed. What belongs to a
-- webhook comes and goes with it.

-- Keys that sign the deliveries of a tenant.
CREATE TABLE signing_keys (
    id         {id}    NOT NULL PRIMARY KEY,
    tenant     {int}   NOT NULL REFERENCES tenants (number),
    spki       {bytes} NOT NULL,
    -- The private key, sealed with the tenant's.
    sealed     {bytes} NOT NULL,
    created_at {int}   NOT NULL,
    -- Another signs since then; it is published for a while longer.
    retired_at {int}
) {strict};
CREATE INDEX signing_keys_tenant ON signing_keys (tenant, created_at);

-- Where events are collected for somebody who has no public address.
CREATE TABLE acceptors (
    id         {id}   NOT NULL PRIMARY KEY,
    tenant     {int}  NOT NULL REFERENCES tenants (number),
    -- The address that deliveries are signed for, if it is not the acceptor's own.
    target     TEXT,
    created_at {int}  NOT NULL,
    seen_at    {int}  NOT NULL
) {strict};

CREATE TABLE webhooks (
    id               {id}  NOT NULL PRIMARY KEY,
    tenant           {int} NOT NULL REFERENCES tenants (number),
    created_at       {int} NOT NULL,
    updated_at       {int} NOT NULL,
    -- What the client says of it (domain/webhook.rs), as JSON.
    content          TEXT  NOT NULL,
    enabled          {int} NOT NULL,
    -- Where its packages are collected, if they are not sent.
    acceptor         {id} ,
    -- Held back by somebody.
    paused           {int} NOT NULL,
    -- Counts changes of any kind: what was read before another one is not acted upon.
    version          {int} NOT NULL,
    -- Packages so far, and how many of them are settled: those between are open, the first one is sent next.
    packages         {int} NOT NULL,
    settled          {int} NOT NULL,
    -- Failed attempts in a row, and when the next one is due.
    failures         {int} NOT NULL,
    next_attempt     {int},
    last_success_at  {int},
    last_failure_at  {int},
    -- Whoever delivers at the moment.
    lease            {id},
    lease_until      {int}
) {strict};
CREATE INDEX webhooks_tenant ON webhooks (tenant, created_at);

-- Ranges of events that a webhook is still to be told of, those first that came first, each with the categories that
-- were wanted when it was written. The last one is open as long as the webhook is enabled.
CREATE TABLE webhook_spans (
    webhook {id}  NOT NULL,
    number  {int} NOT NULL,
    next    {int} NOT NULL,
    last    {int},
    wants   TEXT  NOT NULL,
    PRIMARY KEY (webhook, number)
) {strict};

-- Requests to a receiver. The body is made anew from the events for every attempt, always the same: `digest` is its
-- SHA-256. So it holds nobody's data, and a person whose key is destroyed is gone from here too.
CREATE TABLE webhook_packages (
    webhook    {id}    NOT NULL,
    number     {int}   NOT NULL,
    first      {int}   NOT NULL,
    last       {int}   NOT NULL,
    wants      TEXT    NOT NULL,
    events     {int}   NOT NULL,
    bytes      {int}   NOT NULL,
    digest     {bytes} NOT NULL,
    created_at {int}   NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'delivered', 'skipped')),
    attempts   {int}   NOT NULL,
    settled_at {int},
    PRIMARY KEY (webhook, number)
) {strict};
CREATE INDEX webhook_packages_settled ON webhook_packages (settled_at);

CREATE TABLE webhook_attempts (
    webhook     {id}   NOT NULL,
    package     {int}  NOT NULL,
    number      {int}  NOT NULL,
    created_at  {int}  NOT NULL,
    duration_us {int}  NOT NULL,
    outcome     TEXT   NOT NULL,
    status      {int},
    -- The first bytes of the answer, sealed with the tenant's key: a receiver may repeat what it was sent.
    answer      {bytes},
    PRIMARY KEY (webhook, package, number)
) {strict};
CREATE INDEX webhook_attempts_created ON webhook_attempts (created_at);
