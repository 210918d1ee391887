-- Every limit of a device token, the moves of devices, and the policy of a tenant.

-- Networks are a JSON list of CIDR blocks; empty: any. `approval` is `auto` or `queue`.
ALTER TABLE device_token ADD COLUMN networks      TEXT NOT NULL DEFAULT '[]';
ALTER TABLE device_token ADD COLUMN approval      TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE device_token ADD COLUMN device_groups TEXT NOT NULL DEFAULT '[]';
-- The token that this one takes the place of.
ALTER TABLE device_token ADD COLUMN rotated_from  TEXT;
-- 1: it enrols the machines in `token_binding` only.
ALTER TABLE device_token ADD COLUMN is_bound      BIGINT NOT NULL DEFAULT 0;

-- `kind` is `serial` or `external-id`.
CREATE TABLE token_binding (
    token_id TEXT NOT NULL REFERENCES device_token (id),
    kind     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (token_id, kind, value)
);

-- What tells one machine from another through a reinstallation; empty where it shows nothing of its own.
ALTER TABLE device ADD COLUMN fingerprint   TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN device_groups TEXT NOT NULL DEFAULT '[]';
-- The person who first used it.
ALTER TABLE device ADD COLUMN owner_id      TEXT;
-- Why it is where it is, for administrators.
ALTER TABLE device ADD COLUMN state_note    TEXT NOT NULL DEFAULT '';
CREATE INDEX device_by_fingerprint ON device (tenant_id, fingerprint, state);
CREATE INDEX device_by_state ON device (tenant_id, state, last_seen_at);

-- Two machines with one key: what the second one said when the sequence number went back.
CREATE TABLE device_clone (
    device_id TEXT   NOT NULL REFERENCES device (id),
    at        BIGINT NOT NULL,
    sequence  BIGINT NOT NULL,
    expected  BIGINT NOT NULL,
    address   TEXT   NOT NULL,
    facts     TEXT   NOT NULL,
    PRIMARY KEY (device_id, at, sequence)
);

-- What a tenant demands of people and devices, as one JSON object.
ALTER TABLE tenant ADD COLUMN policy TEXT NOT NULL DEFAULT '{}';
