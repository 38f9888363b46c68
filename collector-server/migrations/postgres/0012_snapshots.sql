-- Snapshots: their signing keys with the days they sign, and the jobs that make archives.

-- When a key began and ceased to sign.
ALTER TABLE trust_key ADD COLUMN from_us BIGINT;
ALTER TABLE trust_key ADD COLUMN to_us BIGINT;

CREATE TABLE snapshot (
  id           TEXT PRIMARY KEY,
  asked        TEXT NOT NULL,       -- what it shall hold (JSON)
  state        TEXT NOT NULL,       -- waiting, running, done, failed
  asked_by     TEXT NOT NULL,
  asked_us     BIGINT NOT NULL,
  pins         TEXT,                -- the moment and the log it is of (JSON), once it was begun
  hosts_done   BIGINT NOT NULL,
  hosts_of     BIGINT NOT NULL,
  lease_us     BIGINT NOT NULL,     -- until then a collector is at it; others leave it alone
  done_us      BIGINT,
  file         TEXT,                -- name of the archive in the data directory
  size_bytes   BIGINT,
  digest       BYTEA,                -- SHA-256 of the archive
  error        TEXT
);
CREATE INDEX snapshot_open ON snapshot (asked_us) WHERE state IN ('waiting', 'running');
