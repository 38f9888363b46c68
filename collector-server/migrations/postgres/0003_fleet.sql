-- The fleet: days, life of hosts, groups, what people say of hosts, and which hosts are expected.

-- The day (since the epoch, UTC) that the results of a host were judged for; 0 = none.
ALTER TABLE host ADD COLUMN judged_day BIGINT NOT NULL DEFAULT 0;
-- Until then a collector is judging the host for a new day; others leave it alone.
ALTER TABLE host ADD COLUMN day_lease_us BIGINT NOT NULL DEFAULT 0;
-- When maintenance ends by itself.
ALTER TABLE host ADD COLUMN maintenance_until_us BIGINT;
CREATE INDEX host_day ON host (judged_day, id);
CREATE INDEX host_name ON host (name, id);
-- Days that began, each with the leaf of the log since which that is known.
CREATE TABLE day (
  day       BIGINT PRIMARY KEY,
  log_index BIGINT NOT NULL
);

-- What is said of a host's group: a host may be in a group that nobody described.
CREATE TABLE host_group (
  name        TEXT PRIMARY KEY,
  environment TEXT,
  criticality TEXT,
  owner       TEXT,
  ttl_s       BIGINT,               -- of an ephemeral group: its hosts end after this long in silence
  changed_us  BIGINT NOT NULL
);

-- What is said of a host, as spans on two axes (see result_span): its `group`, its `state`, and
-- its tags as `tag:KEY`.
CREATE TABLE host_span (
  host             TEXT NOT NULL,
  property         TEXT NOT NULL,
  value            TEXT NOT NULL,
  cause            TEXT,
  observed_from_us BIGINT NOT NULL,
  observed_to_us   BIGINT,
  known_from       BIGINT NOT NULL,
  ended_known      BIGINT,
  superseded_known BIGINT,
  PRIMARY KEY (host, property, observed_from_us, known_from)
);
CREATE INDEX host_span_property ON host_span (property, value);
-- Hosts that are there already: what holds of them has held, as far as is known, since enrolment.
INSERT INTO host_span (host, property, value, observed_from_us, known_from)
  SELECT id, 'group', host_group, enrolled_us, 0 FROM host;
INSERT INTO host_span (host, property, value, observed_from_us, known_from)
  SELECT id, 'state', state, enrolled_us, 0 FROM host;

-- Which hosts are expected. A new list ends the rows it does not repeat.
CREATE TABLE expected_host (
  name_key    TEXT NOT NULL,        -- lower case, without a dot at the end
  entry       TEXT NOT NULL,        -- name, group, owner, tags (JSON)
  from_us     BIGINT NOT NULL,
  to_us       BIGINT,
  known_from  BIGINT NOT NULL,
  ended_known BIGINT,
  PRIMARY KEY (name_key, known_from)
);
