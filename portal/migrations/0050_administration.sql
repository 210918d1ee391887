-- Who administers, and what their lists and charts read.

-- An administrator of one tenant, or of the whole cloud where `tenant_id` is null. The password is an Argon2id hash.
CREATE TABLE administrator (
    id               TEXT   NOT NULL PRIMARY KEY,
    tenant_id        TEXT   REFERENCES tenant (id),
    name             TEXT   NOT NULL UNIQUE,
    role             TEXT   NOT NULL,
    enabled          BIGINT NOT NULL,
    password         TEXT,
    totp_secret      TEXT,
    totp_used        BIGINT NOT NULL,
    failures         BIGINT NOT NULL,
    blocked_until    BIGINT,
    invitation       TEXT   UNIQUE,
    invitation_until BIGINT,
    created_by       TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    last_sign_in_at  BIGINT
);

-- `id` is the SHA-256 of what the browser's cookie holds.
CREATE TABLE administrator_session (
    id               TEXT   NOT NULL PRIMARY KEY,
    administrator_id TEXT   NOT NULL REFERENCES administrator (id),
    form_token       TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    last_seen_at     BIGINT NOT NULL
);
CREATE INDEX administrator_session_of ON administrator_session (administrator_id);

-- `hash` is the SHA-256 of the key's secret part, which is 256 random bits.
CREATE TABLE api_key (
    id           TEXT   NOT NULL PRIMARY KEY,
    tenant_id    TEXT   REFERENCES tenant (id),
    hash         TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);

-- Sign-ons and enrolments by the hour (hours since 1970 in UTC) and how they ended.
CREATE TABLE sign_on_count (
    tenant_id TEXT   NOT NULL,
    hour      BIGINT NOT NULL,
    result    TEXT   NOT NULL,
    times     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hour, result)
);

-- Facts that lists are filtered by, copied from `facts`.
ALTER TABLE device ADD COLUMN hostname TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN key_protection TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN agent_version TEXT NOT NULL DEFAULT '';

CREATE INDEX device_by_enrolment ON device (tenant_id, enrolled_at, id);
CREATE INDEX device_list_by_state ON device (tenant_id, state, enrolled_at, id);
CREATE INDEX device_by_platform ON device (tenant_id, platform, enrolled_at, id);
CREATE INDEX device_by_key_protection ON device (tenant_id, key_protection, enrolled_at, id);
CREATE INDEX device_by_agent_version ON device (tenant_id, agent_version, enrolled_at, id);
CREATE INDEX device_by_hostname ON device (tenant_id, hostname, id);
CREATE INDEX device_token_by_creation ON device_token (tenant_id, created_at, id);
CREATE INDEX service_provider_of_tenant ON service_provider (tenant_id, entity_id);
CREATE INDEX authentication_domain_of_tenant ON authentication_domain (tenant_id, name);
CREATE INDEX audit_of_tenant ON audit (tenant_id, sequence);
CREATE INDEX audit_by_actor ON audit (actor, sequence);
CREATE INDEX audit_by_subject ON audit (subject, sequence);
CREATE INDEX audit_refusals ON audit (tenant_id, sequence) WHERE result <> 'ok';
CREATE INDEX audit_changes ON audit (tenant_id, sequence) WHERE action <> 'sign-on' AND action <> 'enrol';
