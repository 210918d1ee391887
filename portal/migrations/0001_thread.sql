-- The first schema. TEXT and BIGINT only, so that SQLite and PostgreSQL read the same file.
-- Times are milliseconds since 1970 in UTC; yes/no is 0 or 1; keys are base64, digests hexadecimal; lists and maps are JSON.

CREATE TABLE tenant (
    id                TEXT   NOT NULL PRIMARY KEY,
    name              TEXT   NOT NULL UNIQUE,
    idp_enabled       BIGINT NOT NULL,
    auto_provisioning BIGINT NOT NULL,
    minimum_evidence  TEXT   NOT NULL,
    devices_per_user  BIGINT NOT NULL,
    session_seconds   BIGINT NOT NULL,
    created_at        BIGINT NOT NULL
);

-- A user domain belongs to one tenant of the cloud.
CREATE TABLE authentication_domain (
    name       TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    created_at BIGINT NOT NULL
);

-- Only the public half of a device token is ever stored.
CREATE TABLE device_token (
    id           TEXT   NOT NULL PRIMARY KEY,
    tenant_id    TEXT   NOT NULL REFERENCES tenant (id),
    public_key   TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    domains      TEXT   NOT NULL,
    platforms    TEXT   NOT NULL,
    use_limit    BIGINT,
    uses         BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    created_at   BIGINT NOT NULL
);
CREATE INDEX device_token_of_tenant ON device_token (tenant_id);

CREATE TABLE device (
    id             TEXT   NOT NULL PRIMARY KEY,
    tenant_id      TEXT   NOT NULL REFERENCES tenant (id),
    token_id       TEXT   NOT NULL REFERENCES device_token (id),
    public_key     TEXT   NOT NULL UNIQUE,
    state          TEXT   NOT NULL,
    sequence       BIGINT NOT NULL,
    facts          TEXT   NOT NULL,
    enrolled_at    BIGINT NOT NULL,
    last_seen_at   BIGINT NOT NULL
);
CREATE INDEX device_of_tenant ON device (tenant_id, last_seen_at);
CREATE INDEX device_of_token ON device (token_id);

CREATE TABLE person (
    id              TEXT   NOT NULL PRIMARY KEY,
    tenant_id       TEXT   NOT NULL REFERENCES tenant (id),
    name_id         TEXT   NOT NULL UNIQUE,
    state           TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    last_sign_on_at BIGINT
);
CREATE INDEX person_of_tenant ON person (tenant_id, name_id);

-- Who has signed on from which device, and what the device offered as evidence last.
CREATE TABLE device_person (
    device_id     TEXT   NOT NULL REFERENCES device (id),
    person_id     TEXT   NOT NULL REFERENCES person (id),
    evidence      TEXT   NOT NULL,
    grade         TEXT   NOT NULL,
    first_at      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    PRIMARY KEY (device_id, person_id)
);
CREATE INDEX device_person_of_person ON device_person (person_id);

-- Request IDs that have been believed once, kept for as long as their IssueInstant could still be accepted.
CREATE TABLE seen_request (
    issuer     TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, request_id)
);
CREATE INDEX seen_request_by_expiry ON seen_request (expires_at);

CREATE TABLE service_provider (
    entity_id  TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    acs_url    TEXT   NOT NULL,
    metadata   TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- Certificates of the portal's signing keys; the private halves are files beside the database.
CREATE TABLE signing_key (
    id          TEXT   NOT NULL PRIMARY KEY,
    purpose     TEXT   NOT NULL,
    certificate TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE audit (
    sequence      BIGINT NOT NULL PRIMARY KEY,
    at            BIGINT NOT NULL,
    tenant_id     TEXT,
    actor         TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    result        TEXT   NOT NULL,
    detail        TEXT   NOT NULL,
    previous_hash TEXT   NOT NULL,
    hash          TEXT   NOT NULL
);
