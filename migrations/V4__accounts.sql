-- Account groups and accounts, what is looked for in sealed data, and steps of more kinds.

-- Like users they are never removed and have a dense number per tenant.
CREATE TABLE account_groups (
    tenant     {int}   NOT NULL,
    number     {int}   NOT NULL,
    id         {id}    NOT NULL,
    user_id    {id}    NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('PENDING_APPROVAL', 'ACTIVE', 'CLOSING', 'CLOSED', 'LOCKED')),
    -- Type and securities account number, sealed with the user's key.
    sealed     {bytes} NOT NULL,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {strict};
CREATE INDEX account_groups_updated ON account_groups (tenant, updated_at, number);
CREATE INDEX account_groups_user ON account_groups (tenant, user_id);

CREATE TABLE accounts (
    tenant     {int}   NOT NULL,
    number     {int}   NOT NULL,
    id         {id}    NOT NULL,
    user_id    {id}    NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('PENDING_APPROVAL', 'ACTIVE', 'CLOSING', 'CLOSED', 'LOCKED')),
    -- Group, type, number in the group and name, sealed with the user's key.
    sealed     {bytes} NOT NULL,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {strict};
CREATE INDEX accounts_updated ON accounts (tenant, updated_at, number);
CREATE INDEX accounts_user ON accounts (tenant, user_id);

-- Blind index: what can be searched for in sealed data, under a key of the tenant. Equal values are found, nothing else.
CREATE TABLE terms (
    tenant  {int}   NOT NULL,
    mac     {bytes} NOT NULL,
    user_id {id}    NOT NULL,
    PRIMARY KEY (tenant, mac, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};

-- A check cannot be altered everywhere, so the table is made anew.
CREATE TABLE next_steps (
    tenant  {int}  NOT NULL,
    user_id {id}   NOT NULL,
    number  {int}  NOT NULL,
    kind    TEXT   NOT NULL CHECK (
        kind IN ('data-change', 'check', 'account-closing', 'account-group-closing', 'offboarding', 'activation')
    ),
    subject {id}   NOT NULL,
    -- None while it waits: a data change or check for somebody, anything else until what is open is closed.
    due     {int},
    PRIMARY KEY (tenant, user_id, number),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};
INSERT INTO next_steps (tenant, user_id, number, kind, subject, due)
SELECT tenant, user_id, number, kind, subject, due FROM steps;
DROP TABLE steps;
ALTER TABLE next_steps RENAME TO steps;
CREATE INDEX steps_due ON steps (due);
