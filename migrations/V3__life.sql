-- What has been asked to be changed of a user, and what became of it. A record that stays.

CREATE TABLE data_changes (
    tenant     {int}   NOT NULL,
    user_id    {id}    NOT NULL,
    id         {id}    NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
    -- What was asked, the proof, the values before, who decided and why: sealed with the user's key.
    sealed     {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_id, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};

-- What happens to a user later, in order: the first of a user is done when it is due. One without an instant waits for
-- somebody.
CREATE TABLE steps (
    tenant  {int}  NOT NULL,
    user_id {id}   NOT NULL,
    number  {int}  NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('data-change', 'offboarding')),
    subject {id}   NOT NULL,
    due     {int},
    PRIMARY KEY (tenant, user_id, number),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};
CREATE INDEX steps_due ON steps (due);
