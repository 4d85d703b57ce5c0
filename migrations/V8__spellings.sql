-- What users are found by is compared otherwise: names in any spelling, numbers by their standard, telephone numbers. The
-- rows of users who are there already are made anew, which takes the keys of the tenants.
INSERT INTO chores (tenant, name, done, last)
SELECT tenant, 'renew-terms', 0, users FROM heads WHERE users > 0;
