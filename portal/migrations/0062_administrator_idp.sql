-- Administrators who sign in by SAML.

-- What may sign them in. `tenant_id` is whose accounts it may speak for; null: those of the whole cloud, and of every tenant.
-- `kind` is a JSON object: another identity provider with its metadata, or the devices of a tenant.
CREATE TABLE administrator_idp (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   REFERENCES tenant (id),
    name       TEXT   NOT NULL UNIQUE,
    kind       TEXT   NOT NULL,
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- Who of them an account is: there, and by which name. `idp_devices` are the devices that may sign it in, as a JSON list.
ALTER TABLE administrator ADD COLUMN idp_id TEXT;
ALTER TABLE administrator ADD COLUMN idp_subject TEXT;
ALTER TABLE administrator ADD COLUMN idp_devices TEXT NOT NULL DEFAULT '[]';
CREATE UNIQUE INDEX administrator_by_idp ON administrator (idp_id, idp_subject);

-- `ends_at` is what the assertion says; `service_session` the session that a device has opened, which ends where the device does.
ALTER TABLE administrator_session ADD COLUMN ends_at BIGINT;
ALTER TABLE administrator_session ADD COLUMN service_session TEXT;

-- Requests of the pages' own; each is answered once. `browser` is the SHA-256 of what the browser's cookie holds, `earlier` the session that the browser
-- had before.
CREATE TABLE administrator_sign_on (
    id         TEXT   NOT NULL PRIMARY KEY,
    idp_id     TEXT   NOT NULL,
    browser    TEXT   NOT NULL,
    earlier    TEXT   NOT NULL,
    next       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT
);
