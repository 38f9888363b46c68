-- What the organisation lays over the rules, by the digest of its files.
CREATE TABLE overlay (
  id      TEXT PRIMARY KEY,         -- SHA-256 of its canonical sources, hexadecimal
  sources TEXT NOT NULL             -- JSON list of [file name, text]
);
-- Who made which overlay the active one, and when. The last one is active.
CREATE TABLE overlay_version (
  version   BIGINT PRIMARY KEY,     -- 1, 2, 3 …
  overlay   TEXT NOT NULL REFERENCES overlay (id),
  at_us     BIGINT NOT NULL,
  actor     TEXT NOT NULL,
  log_index BIGINT NOT NULL         -- of the act
);
