-- What the checks of a user come to, so that a judgement does not read all of them: of each kind the last that was decided.
-- Who has no row is judged by all checks, and gets one with the next decision.
CREATE TABLE check_results (
    tenant  {int}   NOT NULL,
    user_id {id}    NOT NULL,
    -- Id and time of the last decided check of each kind: sealed with the user's key.
    sealed  {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};

CREATE INDEX checks_status ON checks (tenant, user_id, status);
