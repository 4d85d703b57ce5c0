-- Identifiers of users. Country, standard and value tell nationality and birth date, so all of that is sealed
-- with the user's key. Few per user, read together.

CREATE TABLE identifiers (
    tenant     {int}   NOT NULL,
    user_id    {id}    NOT NULL,
    id         {id}    NOT NULL,
    created_at {int}   NOT NULL,
    updated_at {int}   NOT NULL,
    sealed     {bytes} NOT NULL,
    PRIMARY KEY (tenant, user_id, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) {clustered};

-- What a migration leaves to the worker, because it takes the keys of the tenants: of users that were there
-- before, with a number up to `last`, those after `done` are still to be seen to.
CREATE TABLE chores (
    tenant {int} NOT NULL REFERENCES tenants (number),
    name   TEXT  NOT NULL,
    done   {int} NOT NULL,
    last   {int} NOT NULL,
    PRIMARY KEY (tenant, name)
) {strict};

-- The register makes the CONCAT of a new user itself. Those who are there have none yet.
INSERT INTO chores (tenant, name, done, last)
SELECT tenant, 'make-concat', 0, users FROM heads WHERE users > 0;
