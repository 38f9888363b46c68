-- What an alert needs to know of a drift. Rows from before have no known_us and are not alerted.
ALTER TABLE drift ADD COLUMN grouping TEXT NOT NULL DEFAULT ''; -- the kind that changed; chain, clock, log
ALTER TABLE drift ADD COLUMN known_us BIGINT;       -- when the collector found it
ALTER TABLE drift ADD COLUMN confirm BOOLEAN NOT NULL DEFAULT FALSE; -- a later check-in must agree first
ALTER TABLE drift ADD COLUMN alert_after_us BIGINT; -- no longer waited for after this
CREATE INDEX drift_same ON drift (host, drift, subject);
CREATE INDEX drift_integrity ON drift (id)
  WHERE drift = 'integrity_anomaly' AND resolved_us IS NULL;

-- Drifts of one cause. Every transaction that writes alerts updates the one row of alert_lock
-- first, after all it does to hosts and drifts.
CREATE TABLE alert_lock (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  n  BIGINT NOT NULL
);
INSERT INTO alert_lock (id, n) VALUES (1, 0);
CREATE TABLE alert (
  id              TEXT PRIMARY KEY,
  drift           TEXT NOT NULL,    -- the sort of its drifts; change, collector_silence
  cause           TEXT NOT NULL,
  grouping        TEXT NOT NULL,
  signature       TEXT NOT NULL,    -- equal where the same change was seen
  subjects        TEXT NOT NULL,    -- rules or kinds: JSON list of strings
  severity        TEXT NOT NULL,
  lane            TEXT NOT NULL,
  state           TEXT NOT NULL,    -- open, acknowledged, resolved
  says            TEXT NOT NULL,    -- what it found, where the rest does not tell; else nothing
  hosts           BIGINT NOT NULL,
  flapping        BOOLEAN NOT NULL,
  opened_us       BIGINT NOT NULL,
  gained_us       BIGINT NOT NULL,  -- when the last host joined it
  acknowledged_us BIGINT,
  acknowledged_by TEXT,
  note            TEXT,
  resolved_us     BIGINT,
  merged_into     TEXT
);
CREATE INDEX alert_signature ON alert (signature);
CREATE INDEX alert_live ON alert (opened_us) WHERE state <> 'resolved';
CREATE TABLE alert_drift (
  drift TEXT PRIMARY KEY,
  alert TEXT NOT NULL REFERENCES alert (id)
);
CREATE INDEX alert_drift_alert ON alert_drift (alert);
CREATE TABLE alert_host (
  alert TEXT NOT NULL REFERENCES alert (id),
  host  TEXT NOT NULL,
  PRIMARY KEY (alert, host)
);
CREATE INDEX alert_host_host ON alert_host (host);
-- The life of alerts, and the outbox: what is not told waits for its deliveries.
CREATE TABLE alert_event (
  id    TEXT PRIMARY KEY,
  alert TEXT NOT NULL REFERENCES alert (id),
  n     BIGINT NOT NULL,            -- 0, 1, 2 … of the alert
  at_us BIGINT NOT NULL,
  event TEXT NOT NULL,
  bad   BOOLEAN,                    -- whether something is wrong from here on; null: no transition
  told  BOOLEAN NOT NULL,
  UNIQUE (alert, n)
);
CREATE INDEX alert_event_untold ON alert_event (at_us) WHERE NOT told;

-- One message to one channel.
CREATE TABLE delivery (
  event      TEXT NOT NULL REFERENCES alert_event (id),
  channel    TEXT NOT NULL,
  alert      TEXT NOT NULL,
  body       TEXT NOT NULL,
  state      TEXT NOT NULL,         -- waiting, delivered, given_up
  created_us BIGINT NOT NULL,
  attempts   BIGINT NOT NULL,
  next_us    BIGINT NOT NULL,       -- when it is tried next; while it is tried, when it is given back
  done_us    BIGINT,
  PRIMARY KEY (event, channel)
);
CREATE INDEX delivery_waiting ON delivery (next_us) WHERE state = 'waiting';
CREATE INDEX delivery_alert ON delivery (alert);
CREATE TABLE delivery_attempt (
  event   TEXT NOT NULL,
  channel TEXT NOT NULL,
  n       BIGINT NOT NULL,          -- 1, 2, 3 …
  at_us   BIGINT NOT NULL,
  status  BIGINT,                   -- of HTTP; null without an answer
  error   TEXT,
  PRIMARY KEY (event, channel, n)
);

-- When a collector of this store was last seen at work, and since when without a gap.
CREATE TABLE heartbeat (
  id       BIGINT PRIMARY KEY CHECK (id = 1),
  at_us    BIGINT NOT NULL,
  since_us BIGINT NOT NULL
);
INSERT INTO heartbeat (id, at_us, since_us) VALUES (1, 0, 0);
