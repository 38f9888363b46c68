-- Identity: tokens with bounds, renewals, revocation, copies, trusted keys.

ALTER TABLE token ADD COLUMN created_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE token ADD COLUMN uses BIGINT NOT NULL DEFAULT 1;      -- how often it may be used in all
ALTER TABLE token ADD COLUMN cidrs TEXT NOT NULL DEFAULT '[]';    -- networks it works from (JSON); none = any
ALTER TABLE token ADD COLUMN revoked_us BIGINT;

-- A person ended this host's identity: no certificate works, none is given again.
ALTER TABLE host ADD COLUMN revoked_us BIGINT;
-- Digest of the trust bundle that the host says it holds.
ALTER TABLE host ADD COLUMN trust BYTEA;
-- First index of the chain that began last.
ALTER TABLE host ADD COLUMN newest_chain BIGINT;
UPDATE host SET newest_chain = (SELECT MAX(first_index) FROM chain WHERE chain.host = host.id);

ALTER TABLE certificate ADD COLUMN generation BIGINT NOT NULL DEFAULT 0; -- 0 at enrolment, one more per renewal
ALTER TABLE certificate ADD COLUMN issued_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE certificate ADD COLUMN used_us BIGINT;                -- first seen on a connection
ALTER TABLE certificate ADD COLUMN superseded_us BIGINT;          -- when the next one was given
ALTER TABLE certificate ADD COLUMN authority BYTEA;                -- who signed it; null = the first authority
CREATE INDEX certificate_host ON certificate (host);

-- Renewals that wait for a person: one per host.
CREATE TABLE renewal_request (
  host        TEXT PRIMARY KEY REFERENCES host (id),
  public_key  BYTEA NOT NULL,        -- SHA-256 of the key that asks; an approval is for this one
  asked_us    BIGINT NOT NULL,
  peer        TEXT NOT NULL,
  approved_us BIGINT
);

-- Where each chain was last seen from, and when.
ALTER TABLE chain ADD COLUMN peer TEXT;
ALTER TABLE chain ADD COLUMN last_received_us BIGINT;

-- Authorities and log keys, the public halves.
CREATE TABLE trust_key (
  sort       TEXT NOT NULL,         -- authority, log
  id         BYTEA NOT NULL,         -- SHA-256 of the certificate, or of the public key
  public     TEXT NOT NULL,         -- certificate (PEM), or public key (base64)
  state      TEXT NOT NULL,         -- prepared, active, former, retired
  changed_us BIGINT NOT NULL,
  from_size  BIGINT,                -- the log's size when it became active
  to_size    BIGINT,                -- the log's size when it was retired
  PRIMARY KEY (sort, id)
);
