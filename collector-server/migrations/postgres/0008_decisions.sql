-- Decisions of people over drift: exceptions, approved lists, change windows, access reviews.

-- Acceptance of failures for a time. What it covers stays a failure.
CREATE TABLE exception (
  id           TEXT PRIMARY KEY,
  scope        TEXT NOT NULL,       -- organisation, group, host
  scope_name   TEXT NOT NULL,       -- the group or the host id; empty for the organisation
  reason       TEXT NOT NULL,
  measure      TEXT NOT NULL,       -- what compensates meanwhile
  ticket       TEXT NOT NULL,
  risk         TEXT NOT NULL,       -- entry of the risk register
  requested_by TEXT NOT NULL,
  requested_us BIGINT NOT NULL,
  until_us     BIGINT NOT NULL,
  renews       TEXT REFERENCES exception (id),
  renewals     BIGINT NOT NULL,     -- how many came before it
  decision     TEXT,                -- approved, refused; null: waits
  decided_by   TEXT,
  decided_us   BIGINT,
  note         TEXT,                -- of who decided
  ended_us     BIGINT,              -- withdrawn before its time
  ended_by     TEXT,
  end_note     TEXT,
  closed_us    BIGINT               -- its end was acted on
);
CREATE INDEX exception_live ON exception (until_us) WHERE decision = 'approved' AND closed_us IS NULL;
CREATE TABLE exception_rule (
  exception TEXT NOT NULL REFERENCES exception (id),
  rule      TEXT NOT NULL,
  severity  TEXT NOT NULL,          -- of the rule when it was asked for
  PRIMARY KEY (exception, rule)
);
CREATE INDEX exception_rule_rule ON exception_rule (rule);
-- Which failures it covered, from when to when, and what ended that.
CREATE TABLE exception_cover (
  exception TEXT NOT NULL REFERENCES exception (id),
  host      TEXT NOT NULL,
  rule      TEXT NOT NULL,
  from_us   BIGINT NOT NULL,
  to_us     BIGINT,
  ended     TEXT,                   -- evidence, expired, withdrawn, scope
  PRIMARY KEY (exception, host, rule, from_us)
);
CREATE INDEX exception_cover_open ON exception_cover (host, rule) WHERE to_us IS NULL;

-- Who and what is there on each host, by population (config/populations.toml), as spans of observed
-- time; `known` is the log index that showed it.
CREATE TABLE host_member (
  host       TEXT NOT NULL,
  population TEXT NOT NULL,
  member     TEXT NOT NULL,
  from_us    BIGINT NOT NULL,
  known      BIGINT NOT NULL,
  to_us      BIGINT,
  PRIMARY KEY (host, population, member, from_us, known)
);
CREATE INDEX host_member_open ON host_member (population, member, host) WHERE to_us IS NULL;
-- Lists of members that a person accepted for a group.
CREATE TABLE approved_list (
  host_group TEXT NOT NULL,
  population TEXT NOT NULL,
  learnt_us  BIGINT NOT NULL,
  learnt_by  TEXT NOT NULL,
  PRIMARY KEY (host_group, population)
);
CREATE TABLE approved_member (
  host_group TEXT NOT NULL,
  population TEXT NOT NULL,
  member     TEXT NOT NULL,
  state      TEXT NOT NULL,         -- proposed, accepted, refused, expired, removed
  decided_by TEXT,
  decided_us BIGINT,
  expires_us BIGINT,
  note       TEXT,
  PRIMARY KEY (host_group, population, member)
);
CREATE INDEX approved_member_expires ON approved_member (expires_us)
  WHERE state = 'accepted' AND expires_us IS NOT NULL;
-- Grows with every change of a group's lists: what was judged by another one is judged again.
CREATE TABLE list_version (
  host_group TEXT PRIMARY KEY,
  version    BIGINT NOT NULL
);
-- The group and the version of its lists that a host was judged by.
ALTER TABLE host ADD COLUMN judged_group TEXT;
ALTER TABLE host ADD COLUMN judged_lists BIGINT NOT NULL DEFAULT 0;

-- Changes that were announced. A window excuses the drifts that it names, while it holds.
CREATE TABLE change_window (
  id           TEXT PRIMARY KEY,
  from_us      BIGINT NOT NULL,
  to_us        BIGINT NOT NULL,
  ticket       TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_us   BIGINT NOT NULL,
  cancelled_us BIGINT
);
CREATE INDEX change_window_to ON change_window (to_us);
CREATE TABLE window_name (
  window_id TEXT NOT NULL REFERENCES change_window (id),
  sort      TEXT NOT NULL,          -- where: group, host; what: rule, kind, population
  name      TEXT NOT NULL,
  PRIMARY KEY (window_id, sort, name)
);
-- The window that a drift opened in.
ALTER TABLE drift ADD COLUMN window_id TEXT;
CREATE INDEX drift_window ON drift (window_id) WHERE window_id IS NOT NULL;

-- Access reviews.
CREATE TABLE review (
  id         TEXT PRIMARY KEY,
  host_group TEXT NOT NULL,         -- empty: every group
  started_by TEXT NOT NULL,
  started_us BIGINT NOT NULL,
  due_us     BIGINT NOT NULL,
  signed_by  TEXT,
  signed_us  BIGINT,
  digest     TEXT                   -- SHA-256 of all decisions, hexadecimal
);
CREATE TABLE review_member (
  review     TEXT NOT NULL REFERENCES review (id),
  n          BIGINT NOT NULL,       -- the order to look at them
  host_group TEXT NOT NULL,
  population TEXT NOT NULL,
  member     TEXT NOT NULL,
  class      TEXT NOT NULL,         -- leaver, changed, unchanged
  hosts      BIGINT NOT NULL,
  since_us   BIGINT NOT NULL,
  decision   TEXT,                  -- keep, remove
  decided_by TEXT,
  decided_us BIGINT,
  gone_us    BIGINT,                -- when evidence showed a removed one gone
  PRIMARY KEY (review, n)
);
CREATE INDEX review_member_of ON review_member (host_group, population, member);
