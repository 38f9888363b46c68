-- The log shown to others, and breaks of it that were healed.

-- A checkpoint for one place outside: an outbox, and what came back.
CREATE TABLE anchor (
  size       BIGINT NOT NULL,       -- of the log
  sort       TEXT NOT NULL,         -- tsa, directory, webhook
  target     TEXT NOT NULL,         -- address, directory, or name of the webhook
  note       TEXT NOT NULL,         -- the checkpoint: a signed note
  created_us BIGINT NOT NULL,
  attempts   BIGINT NOT NULL,
  next_us    BIGINT NOT NULL,       -- when it is tried next; while it is tried, when it is given back
  done_us    BIGINT,
  stamped_us BIGINT,                -- the time that the authority gave
  token      BYTEA,                  -- its answer (TimeStampResp)
  error      TEXT,                  -- of the last attempt that failed
  PRIMARY KEY (size, sort, target)
);
CREATE INDEX anchor_due ON anchor (next_us) WHERE done_us IS NULL;
CREATE INDEX anchor_created ON anchor (created_us);

-- Breaks of the log that the operator stated: the act, and what of the former log was kept.
CREATE TABLE healing (
  log_index BIGINT PRIMARY KEY,     -- of the act
  leaf      BYTEA NOT NULL UNIQUE,   -- its leaf hash
  kept_size BIGINT NOT NULL,
  kept_root BYTEA NOT NULL
);
-- Hosts that accepted one, and the head of the former log that each gave up for it.
CREATE TABLE healed_host (
  host      TEXT NOT NULL,
  leaf      BYTEA NOT NULL,
  size      BIGINT NOT NULL,
  root      BYTEA NOT NULL,
  log_index BIGINT NOT NULL,        -- of the check-in that says so
  PRIMARY KEY (host, leaf)
);
