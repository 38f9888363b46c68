-- A message that is not to be told before a time: quiet hours, digests, escalations; and what its
-- receiver calls what it made of it (a ticket). States also: not_needed, when somebody acted before.
ALTER TABLE delivery ADD COLUMN not_before_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN reference TEXT;
