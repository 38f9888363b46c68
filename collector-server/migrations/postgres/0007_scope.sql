-- What is in scope and what is said of it: management systems (ISMS), tolerances, Statements of
-- Applicability, who answers for a group, and lists of people.

-- Who answers for a group when its owner team does not.
ALTER TABLE host_group ADD COLUMN deputy TEXT;
ALTER TABLE host_group ADD COLUMN fallback TEXT;

CREATE TABLE isms (
  id              TEXT PRIMARY KEY,
  name            TEXT NOT NULL,
  name_key        TEXT NOT NULL UNIQUE, -- the name in lower case
  legal_entity    TEXT NOT NULL,
  scope_statement TEXT NOT NULL,
  certificate     TEXT,             -- number and body, as people write them
  created_us      BIGINT NOT NULL,
  changed_us      BIGINT NOT NULL
);
-- Which groups belong to it, as spans on two axes (see result_span): `in` or `out`.
CREATE TABLE isms_group_span (
  isms             TEXT NOT NULL,
  host_group       TEXT NOT NULL,
  value            TEXT NOT NULL,
  observed_from_us BIGINT NOT NULL,
  observed_to_us   BIGINT,
  known_from       BIGINT NOT NULL,
  ended_known      BIGINT,
  superseded_known BIGINT,
  PRIMARY KEY (isms, host_group, observed_from_us, known_from)
);

-- How many hosts may fail a control before it is deviating. A new row ends the one before.
CREATE TABLE tolerance (
  isms        TEXT NOT NULL,        -- empty: the organisation, and every ISMS without its own
  control     TEXT NOT NULL,
  max_hosts   BIGINT,
  max_percent BIGINT,
  owner       TEXT NOT NULL,        -- who tolerates it
  reason      TEXT NOT NULL,
  from_us     BIGINT NOT NULL,
  to_us       BIGINT,
  known_from  BIGINT NOT NULL,
  ended_known BIGINT,
  PRIMARY KEY (isms, control, known_from)
);

-- Versions of a Statement of Applicability. What was approved never changes.
CREATE TABLE applicability (
  isms         TEXT NOT NULL REFERENCES isms (id),
  version      BIGINT NOT NULL,
  state        TEXT NOT NULL,       -- draft, submitted, approved
  authors      TEXT NOT NULL,       -- who wrote in it: JSON list of actors
  begun_us     BIGINT NOT NULL,
  submitted_us BIGINT,
  submitted_by TEXT,
  approved_us  BIGINT,
  approved_by  TEXT,
  known        BIGINT,              -- the log index of the approval
  PRIMARY KEY (isms, version)
);
CREATE TABLE applicability_entry (
  isms    TEXT NOT NULL,
  version BIGINT NOT NULL,
  control TEXT NOT NULL,
  entry   TEXT NOT NULL,            -- applicable, reasons, justification, … (JSON)
  PRIMARY KEY (isms, version, control)
);

-- The last list of people that was imported. Whom it left out goes when the next one comes.
CREATE TABLE listed_person (
  person_key  TEXT PRIMARY KEY,
  entry       TEXT NOT NULL,        -- person, accounts, unit, start and leave day (JSON)
  listed_us   BIGINT NOT NULL,      -- first in a list
  unit_before TEXT,                 -- of a mover whose rights nobody reviewed since
  moved_us    BIGINT,
  gone_us     BIGINT                -- not in the list since
);
