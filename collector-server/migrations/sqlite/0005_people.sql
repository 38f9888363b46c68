-- People sign in with a name and a password; sessions belong to a person, are listed and end.

ALTER TABLE person ADD COLUMN login TEXT;           -- what is typed: the name in lower case
ALTER TABLE person ADD COLUMN password TEXT;        -- argon2id in PHC form; none until one is set
ALTER TABLE person ADD COLUMN disabled_us BIGINT;
UPDATE person SET login = lower(name);
CREATE UNIQUE INDEX person_login ON person (login);

-- Those that were open end: they did not say whose they are.
DROP TABLE session;
CREATE TABLE session (
  id         TEXT PRIMARY KEY,      -- SHA-256 of what the cookie holds
  record     TEXT NOT NULL,
  person     TEXT NOT NULL REFERENCES person (id),
  source     TEXT NOT NULL,         -- the address it was begun from
  by_link    BOOLEAN NOT NULL,      -- begun by a login link, which may set the first password
  started_us BIGINT NOT NULL,
  seen_us    BIGINT NOT NULL
);
CREATE INDEX session_person ON session (person);
CREATE INDEX drift_opened ON drift (opened_us);
CREATE INDEX drift_signature ON drift (drift, subject);
