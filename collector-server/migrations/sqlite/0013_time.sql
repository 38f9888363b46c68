-- Any moment: which rules judged when. Retention: what is held, and hosts whose evidence is sealed.

-- Every activation of a rule set, with its leaf in the log.
CREATE TABLE rule_activation (
  log_index BIGINT PRIMARY KEY,
  at_us     BIGINT NOT NULL,
  rules     TEXT NOT NULL           -- name of the rule set
);
INSERT INTO rule_activation (log_index, at_us, rules)
  SELECT log_index, at_us, json_extract(CAST(body AS TEXT), '$.detail.rules') FROM act
  WHERE body IS NOT NULL AND json_extract(CAST(body AS TEXT), '$.act') = 'rules_activated'
    AND json_extract(CAST(body AS TEXT), '$.detail.rules') IS NOT NULL;

-- When no collector was at work: written by the first look after it.
CREATE TABLE collector_outage (
  from_us BIGINT PRIMARY KEY,
  to_us   BIGINT NOT NULL
);

-- Evidence that may not be erased, whatever its age: a row for each reason.
CREATE TABLE legal_hold (
  id          TEXT PRIMARY KEY,
  scope       TEXT NOT NULL,        -- organisation, isms:ID, group:NAME, host:ID
  reason      TEXT NOT NULL,
  set_by      TEXT NOT NULL,
  set_us      BIGINT NOT NULL,
  released_by TEXT,
  released_us BIGINT,
  note        TEXT                  -- why it was released
);
-- Bodies of facts that were erased: what they were stays in manifests, spans and the log.
CREATE TABLE erased_object (
  id        BLOB PRIMARY KEY,
  kind      TEXT NOT NULL,
  erased_us BIGINT NOT NULL,
  log_index BIGINT NOT NULL         -- of the act
);
-- Which states name a body of facts: found when it is asked whether it may be erased.
CREATE INDEX host_object_object ON host_object (object);
CREATE INDEX kind_span_ended ON kind_span (kind, observed_to_us) WHERE observed_to_us IS NOT NULL;
