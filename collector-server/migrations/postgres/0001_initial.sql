-- Times are microseconds since the epoch (_us) unless the name says otherwise; log indexes are `*_index` or `known_*`.

-- The organisation's settings: name, log origin, active rule set.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- The log. Every commit that appends begins by updating the one row of log_head, which is its lock.
CREATE TABLE log_head (
  id    BIGINT PRIMARY KEY CHECK (id = 1),
  size  BIGINT NOT NULL,
  peaks BYTEA NOT NULL               -- 32 bytes per complete subtree, largest first
);
-- Complete nodes in tiles of up to 256 hashes of the levels 0, 8, 16 … (C2SP tlog-tiles).
CREATE TABLE log_tile (
  level  BIGINT NOT NULL,           -- tile level: node level / 8
  idx    BIGINT NOT NULL,
  hashes BYTEA NOT NULL,
  PRIMARY KEY (level, idx)
);
-- What a person or an administrator did. The leaf holds SHA-256(salt ‖ body): the body can be erased.
CREATE TABLE act (
  log_index BIGINT PRIMARY KEY,
  at_us     BIGINT NOT NULL,
  leaf      BYTEA NOT NULL,
  salt      BYTEA NOT NULL,
  body      BYTEA
);

CREATE TABLE host (
  id                TEXT PRIMARY KEY,
  name              TEXT NOT NULL,
  machine           BYTEA,
  host_group        TEXT NOT NULL,
  state             TEXT NOT NULL,
  evidence_key      BYTEA NOT NULL,
  enrolled_us       BIGINT NOT NULL,
  agent             TEXT,
  last_received_us  BIGINT,
  last_observed_us  BIGINT,
  last_index        BIGINT,
  next_due_s        BIGINT,
  manifest          BYTEA,           -- of the last check-in
  manifest_complete BOOLEAN NOT NULL,
  judged_index      BIGINT NOT NULL, -- check-ins up to this log index were judged; -1 = none
  judged_rules      BYTEA            -- the rule set that judged last
);
CREATE TABLE certificate (
  serial      TEXT PRIMARY KEY,
  host        TEXT NOT NULL REFERENCES host (id),
  not_after_s BIGINT NOT NULL,
  revoked_us  BIGINT
);
CREATE TABLE token (
  hash       BYTEA PRIMARY KEY,      -- SHA-256 of the secret
  host_group TEXT NOT NULL,
  uses_left  BIGINT NOT NULL,
  expires_us BIGINT NOT NULL
);

-- One unbroken run of sequence numbers of one host.
CREATE TABLE chain (
  host        TEXT NOT NULL REFERENCES host (id),
  chain       TEXT NOT NULL,
  first_index BIGINT NOT NULL UNIQUE, -- of its first check-in: the chain's name in check_in
  next_seq    BIGINT NOT NULL,
  last_id     BYTEA NOT NULL,
  PRIMARY KEY (host, chain)
);
CREATE TABLE check_in (
  log_index   BIGINT PRIMARY KEY,
  first_index BIGINT NOT NULL,       -- of the chain
  seq         BIGINT NOT NULL,
  observed_us BIGINT NOT NULL,
  received_us BIGINT NOT NULL,
  packed      BYTEA NOT NULL         -- form, signature, payload compressed with a dictionary
);
CREATE UNIQUE INDEX check_in_seq ON check_in (first_index, seq);

-- Manifests and facts, once each. A host may only name what it uploaded itself.
CREATE TABLE object (
  id         BYTEA PRIMARY KEY,
  zstd       BYTEA NOT NULL,
  size_bytes BIGINT NOT NULL
);
CREATE TABLE host_object (
  host   TEXT NOT NULL,
  object BYTEA NOT NULL,
  PRIMARY KEY (host, object)
);
-- Asked of a host and not received yet.
CREATE TABLE wanted (
  host     TEXT NOT NULL,
  object   BYTEA NOT NULL,
  manifest BYTEA NOT NULL,           -- the manifest that names it; itself for a manifest
  PRIMARY KEY (host, object, manifest)
);

-- Spans on two axes. Observed: [observed_from_us, observed_to_us), open while null. Known: a row
-- counts from log size known_from + 1 on; its end since ended_known; not at all from superseded_known on.
CREATE TABLE kind_span (
  host             TEXT NOT NULL,
  kind             TEXT NOT NULL,
  entry            TEXT NOT NULL,   -- the manifest's entry: status, facts, sources, unread (JSON)
  observed_from_us BIGINT NOT NULL,
  observed_to_us   BIGINT,
  known_from       BIGINT NOT NULL,
  ended_known      BIGINT,
  superseded_known BIGINT,
  PRIMARY KEY (host, kind, observed_from_us, known_from)
);
CREATE TABLE result_span (
  host             TEXT NOT NULL,
  rule             TEXT NOT NULL,
  outcome          TEXT NOT NULL,
  reason           TEXT,
  offenders        TEXT NOT NULL,   -- JSON list of strings
  cause            TEXT,            -- why it changed to this
  rules            BYTEA NOT NULL,   -- the rule set that judged
  observed_from_us BIGINT NOT NULL,
  observed_to_us   BIGINT,
  known_from       BIGINT NOT NULL,
  ended_known      BIGINT,
  superseded_known BIGINT,
  PRIMARY KEY (host, rule, observed_from_us, known_from)
);
CREATE INDEX result_open ON result_span (rule, outcome)
  WHERE observed_to_us IS NULL AND superseded_known IS NULL;
-- Hosts with check-ins that were not judged yet.
CREATE TABLE judge_job (
  host       TEXT PRIMARY KEY,
  queued_us  BIGINT NOT NULL,
  generation BIGINT NOT NULL        -- grows with every reason to judge
);
CREATE TABLE drift (
  id           TEXT PRIMARY KEY,
  drift        TEXT NOT NULL,
  host         TEXT NOT NULL,
  subject      TEXT NOT NULL,       -- the rule, the kind, or nothing
  cause        TEXT NOT NULL,
  severity     TEXT NOT NULL,
  from_state   TEXT NOT NULL,
  to_state     TEXT NOT NULL,
  offenders    TEXT NOT NULL,
  opened_us    BIGINT NOT NULL,
  opened_index BIGINT NOT NULL,
  resolved_us  BIGINT,
  UNIQUE (drift, host, subject, opened_index)
);
CREATE INDEX drift_open ON drift (host) WHERE resolved_us IS NULL;

-- Every rule set that was ever active.
CREATE TABLE rule_set (
  name         TEXT PRIMARY KEY,    -- SHA-256 of its canonical sources, hexadecimal
  sources      TEXT NOT NULL,       -- JSON list of [file name, text]
  activated_us BIGINT NOT NULL
);

CREATE TABLE person (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  seat       TEXT NOT NULL,
  created_us BIGINT NOT NULL
);
CREATE TABLE login_link (
  hash       BYTEA PRIMARY KEY,
  person     TEXT NOT NULL REFERENCES person (id),
  expires_us BIGINT NOT NULL
);
CREATE TABLE session (
  id        TEXT PRIMARY KEY,
  record    TEXT NOT NULL,
  expires_s BIGINT NOT NULL
);
CREATE TABLE api_token (
  hash       BYTEA PRIMARY KEY,
  seat       TEXT NOT NULL,
  created_us BIGINT NOT NULL
);
