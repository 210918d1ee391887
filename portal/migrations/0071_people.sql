-- How people prove who they are besides a one-time code, and their own page.

-- The question that the other identity provider's answer is a proof for; null: the answer is for the service itself.
ALTER TABLE external_sign_on ADD COLUMN proof_request TEXT;

-- Passkeys of people (WebAuthn). `id` is the credential's ID in base64url, `public_key` a COSE key.
CREATE TABLE person_passkey (
    id           TEXT   NOT NULL PRIMARY KEY,
    person_id    TEXT   NOT NULL REFERENCES person (id),
    name         TEXT   NOT NULL,
    public_key   TEXT   NOT NULL,
    sign_count   BIGINT NOT NULL,
    is_backed_up BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX person_passkey_of ON person_passkey (person_id);

-- Requests of a person's own page to their device. `browser` is the SHA-256 of what the browser's cookie holds.
CREATE TABLE person_sign_on (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    browser    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX person_sign_on_by_time ON person_sign_on (created_at);

-- Sessions of people at their own page. `id` is the SHA-256 of what the cookie holds; it ends with the session that the device has opened.
CREATE TABLE person_session (
    id              TEXT   NOT NULL PRIMARY KEY,
    tenant_id       TEXT   NOT NULL REFERENCES tenant (id),
    grade           TEXT   NOT NULL,
    form_token      TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    ends_at         BIGINT NOT NULL,
    service_session TEXT   NOT NULL
);
CREATE INDEX person_session_by_end ON person_session (ends_at);
