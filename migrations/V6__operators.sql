-- People who look at the register, what they may hold up, and the indexes by which they find somebody.

-- An operator of one tenant, or of all.
CREATE TABLE operators (
    id          {id}  NOT NULL PRIMARY KEY,
    name        TEXT  NOT NULL UNIQUE,
    role        TEXT  NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
    tenant      {int} REFERENCES tenants (number),
    -- Argon2id, PHC string; none for who comes with an access token only.
    password    TEXT,
    created_at  {int} NOT NULL,
    disabled_at {int}
) {strict};

-- Sessions end; access tokens, without an instant, do not.
CREATE TABLE sessions (
    hash       {bytes} NOT NULL PRIMARY KEY,
    operator   {id}    NOT NULL REFERENCES operators (id),
    created_at {int}   NOT NULL,
    expires    {int}
) {strict};
CREATE INDEX sessions_expires ON sessions (expires);
CREATE INDEX sessions_operator ON sessions (operator);

-- What somebody who tries out the register wants to happen to a user next, under a review policy for that.
CREATE TABLE outcomes (
    tenant  {int}   NOT NULL,
    user_id {id}    NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('data-change', 'check', 'offboarding', 'activation')),
    sealed  {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_id, kind),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};

-- Deactivated by somebody: stays inactive whatever arrives.
ALTER TABLE users ADD COLUMN suspended {int} NOT NULL DEFAULT 0;

-- Held back by somebody.
ALTER TABLE steps ADD COLUMN held {int} NOT NULL DEFAULT 0;

-- The history of a user.
CREATE INDEX events_subject ON events (tenant, subject, number);

-- Users who are there already are to be found, too.
INSERT INTO chores (tenant, name, done, last)
SELECT tenant, 'index-terms', 0, users FROM heads WHERE users > 0;
