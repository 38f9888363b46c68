-- What lists said, by version: append-only. An empty member is the list itself, since it was learnt.
CREATE TABLE list_history (
  host_group TEXT NOT NULL,
  population TEXT NOT NULL,
  member     TEXT NOT NULL,
  state      TEXT NOT NULL,         -- as approved_member has it; learnt
  expires_us BIGINT,
  version    BIGINT NOT NULL,       -- of the group's lists
  at_us      BIGINT NOT NULL,
  PRIMARY KEY (host_group, population, member, version)
);
-- What is known of the time before this table: who was decided on last, and when.
INSERT INTO list_history (host_group, population, member, state, expires_us, version, at_us)
  SELECT m.host_group, m.population, m.member, m.state, m.expires_us, v.version,
         COALESCE(m.decided_us, l.learnt_us)
  FROM approved_member m
  JOIN list_version v ON v.host_group = m.host_group
  JOIN approved_list l ON l.host_group = m.host_group AND l.population = m.population;
INSERT INTO list_history (host_group, population, member, state, expires_us, version, at_us)
  SELECT l.host_group, l.population, '', 'learnt', NULL, v.version, l.learnt_us
  FROM approved_list l JOIN list_version v ON v.host_group = l.host_group;

-- Evidence that somebody else gives lies over results as an exception does, and is kept beside them:
-- `sort` is `exception` or `inherited`. An inherited one is for a group, and has no measure or risk.
ALTER TABLE exception ADD COLUMN sort TEXT NOT NULL DEFAULT 'exception';
ALTER TABLE exception ADD COLUMN provider TEXT NOT NULL DEFAULT '';    -- who does it
ALTER TABLE exception ADD COLUMN source TEXT NOT NULL DEFAULT '';      -- a link to the document
ALTER TABLE exception ADD COLUMN source_hash TEXT NOT NULL DEFAULT ''; -- its SHA-256, hexadecimal

-- Nonconformities (10.2) and improvements (10.1). What was said before is kept in the revisions.
CREATE TABLE finding (
  id          TEXT PRIMARY KEY,
  raised_by   TEXT NOT NULL,
  raised_us   BIGINT NOT NULL,
  state       TEXT NOT NULL,        -- open, corrected, closed
  source      TEXT NOT NULL,        -- alert, audit, incident, review, other
  source_name TEXT NOT NULL,        -- the alert's id, the audit's name
  due_us      BIGINT NOT NULL,      -- the end of its last day
  revision    BIGINT NOT NULL       -- the last one
);
CREATE INDEX finding_open ON finding (due_us) WHERE state <> 'closed';
CREATE INDEX finding_source ON finding (source, source_name);
CREATE TABLE finding_revision (
  finding  TEXT NOT NULL REFERENCES finding (id),
  revision BIGINT NOT NULL,         -- 1, 2, 3 …
  state    TEXT NOT NULL,
  body     TEXT NOT NULL,           -- what it says, JSON
  by_whom  TEXT NOT NULL,
  at_us    BIGINT NOT NULL,
  PRIMARY KEY (finding, revision)
);

-- When failures of a rule were covered, host by host.
CREATE INDEX exception_cover_rule ON exception_cover (rule);

-- What people owe is a drift now, that its alert belongs to.
UPDATE alert SET signature = 'overdue review access review of '
    || CASE WHEN grouping = '' THEN 'all groups' ELSE 'group ' || grouping END
  WHERE drift = 'overdue' AND cause = 'time_passed' AND state <> 'resolved';
CREATE INDEX drift_owed ON drift (grouping) WHERE drift = 'overdue' AND resolved_us IS NULL;
