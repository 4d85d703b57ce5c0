-- What is filed about a user costs the same however much has been filed before: checks that wait are found without looking
-- at those that are decided (SQLite did not use the index of V10 for it, because it gives no order), and pages of a history
-- without sorting all of it.
DROP INDEX checks_status;
CREATE INDEX checks_open ON checks (tenant, user_id, status, created_at, id);
CREATE INDEX checks_created ON checks (tenant, user_id, created_at, id);
CREATE INDEX data_changes_created ON data_changes (tenant, user_id, created_at, id);
