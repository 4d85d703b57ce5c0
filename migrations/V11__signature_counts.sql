-- How many signatures of a client a strict tenant would take and would refuse, counted as long as the tenant is not
-- strict: so somebody can know, before it becomes strict, whom that would lock out.
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
