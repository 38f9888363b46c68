-- Evidence that people give for controls and clauses, by register. What was said is never changed:
-- each change is a revision, which may wait for somebody else's approval.
CREATE TABLE record (
  id          TEXT PRIMARY KEY,
  isms        TEXT NOT NULL REFERENCES isms (id),
  register    TEXT NOT NULL,        -- its id in config/records
  recorded_by TEXT NOT NULL,
  recorded_us BIGINT NOT NULL,
  revision    BIGINT NOT NULL,      -- the last one
  withdrawn_us BIGINT,
  withdrawn_by TEXT,
  withdraw_note TEXT
);
CREATE INDEX record_of ON record (isms, register);
CREATE TABLE record_revision (
  record         TEXT NOT NULL REFERENCES record (id),
  revision       BIGINT NOT NULL,   -- 1, 2, 3 …
  body           TEXT NOT NULL,     -- what it says, JSON
  by_whom        TEXT NOT NULL,
  at_us          BIGINT NOT NULL,
  needs_approval BOOLEAN NOT NULL,
  approved       BOOLEAN,           -- NULL: nobody has decided
  decided_by     TEXT,
  decided_us     BIGINT,
  note           TEXT,
  PRIMARY KEY (record, revision)
);
-- Bytes of attached files, by SHA-256; which record has which is said in its revisions.
CREATE TABLE record_file (
  sha256   TEXT PRIMARY KEY,
  body     BYTEA NOT NULL,
  added_us BIGINT NOT NULL
);
-- The nearest reminder that was given of what is owed by a day: 30, 7 or 1 days before.
CREATE TABLE record_reminder (
  subject TEXT PRIMARY KEY,
  due_us  BIGINT NOT NULL,
  days    BIGINT NOT NULL
);
