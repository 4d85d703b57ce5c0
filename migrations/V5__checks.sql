-- Checks and tax residencies of users.

CREATE TABLE checks (
    tenant     {int}   NOT NULL,
    user_id    {id}    NOT NULL,
    id         {id}    NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('IN_PROGRESS', 'PASSED', 'FAILED')),
    -- Kind, what was sent, who decided and why: sealed with the user's key.
    sealed     {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_id, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};

CREATE TABLE tax_residencies (
    tenant     {int}   NOT NULL,
    user_id    {id}    NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    sealed     {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};
