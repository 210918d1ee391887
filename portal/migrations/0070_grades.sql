-- How far the portal has checked who a person is: `claimed`, `assigned`, `proved`, `verified`. What a device says of its person (`local`, `managed`,
-- `directory`) is the kind of a claim. What there is at the upgrade goes on as it was, and the overview says what is weak about it: tokens and
-- devices whose claims are believed (`any`), and tenants that give people whom they know to a new device by its claim.

ALTER TABLE tenant ADD COLUMN minimum_claim  TEXT   NOT NULL DEFAULT 'local';
-- Whether a claim is enough to give somebody the tenant knows to a device on which they have not signed on before.
ALTER TABLE tenant ADD COLUMN known_by_claim BIGINT NOT NULL DEFAULT 0;
-- For how many days a proof holds.
ALTER TABLE tenant ADD COLUMN proof_days     BIGINT NOT NULL DEFAULT 90;
-- The tenant's names of the identity providers at which people may prove who they are, as a JSON list.
ALTER TABLE tenant ADD COLUMN proof_idps     TEXT   NOT NULL DEFAULT '[]';
UPDATE tenant SET minimum_claim = minimum_evidence, minimum_evidence = 'claimed', known_by_claim = 1;

-- Whom the devices that a token enrols may sign in: `proven`, `listed` (by name or by group, as JSON lists) or `any`.
ALTER TABLE device_token ADD COLUMN people        TEXT   NOT NULL DEFAULT 'proven';
ALTER TABLE device_token ADD COLUMN people_names  TEXT   NOT NULL DEFAULT '[]';
ALTER TABLE device_token ADD COLUMN people_groups TEXT   NOT NULL DEFAULT '[]';
-- How many devices it may enrol within an hour; null: no limit. `hour` counts from 1970.
ALTER TABLE device_token ADD COLUMN hourly_limit  BIGINT;
ALTER TABLE device_token ADD COLUMN hour          BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device_token ADD COLUMN hour_uses     BIGINT NOT NULL DEFAULT 0;
UPDATE device_token SET people = 'any';

ALTER TABLE device ADD COLUMN people TEXT NOT NULL DEFAULT 'proven';
UPDATE device SET people = 'any';

-- The kind of the claim, how the grade came about, and the proof, where there is one: how, by which account of the operating system, until when.
ALTER TABLE device_person ADD COLUMN claim         TEXT NOT NULL DEFAULT 'local';
ALTER TABLE device_person ADD COLUMN origin        TEXT NOT NULL DEFAULT '';
ALTER TABLE device_person ADD COLUMN proof_method  TEXT;
ALTER TABLE device_person ADD COLUMN proof_account TEXT;
ALTER TABLE device_person ADD COLUMN proved_at     BIGINT;
ALTER TABLE device_person ADD COLUMN proof_ends_at BIGINT;
UPDATE device_person SET claim = grade, grade = 'claimed', origin = 'claim:' || grade;

-- Somebody who is asked to prove who they are, in the browser that their device has answered. `transaction_id` is the sign-on that the device could not
-- end, `completion_id` the one that goes on with it after the proof: only a browser on the person's own device brings it there.
CREATE TABLE proof_request (
    id             TEXT   NOT NULL PRIMARY KEY,
    tenant_id      TEXT   NOT NULL REFERENCES tenant (id),
    device_id      TEXT   NOT NULL,
    hostname       TEXT   NOT NULL,
    name_id        TEXT   NOT NULL,
    account        TEXT   NOT NULL,
    address        TEXT   NOT NULL,
    service        TEXT   NOT NULL,
    words          TEXT   NOT NULL,
    transaction_id TEXT   NOT NULL UNIQUE,
    completion_id  TEXT   UNIQUE,
    method         TEXT,
    tries          BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    proved_at      BIGINT,
    used_at        BIGINT
);
CREATE INDEX proof_request_of_person ON proof_request (tenant_id, name_id);
CREATE INDEX proof_request_by_time ON proof_request (created_at);
ALTER TABLE browser_sign_on ADD COLUMN proof_request TEXT;

-- One-time codes. `id` is the SHA-256 of the code.
CREATE TABLE proof_code (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    name_id    TEXT   NOT NULL,
    made_by    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX proof_code_of_person ON proof_code (tenant_id, name_id);
-- Wrong codes of a device, or of a person's forms: so many since `since`.
CREATE TABLE proof_failure (
    subject TEXT   NOT NULL PRIMARY KEY,
    times   BIGINT NOT NULL,
    since   BIGINT NOT NULL
);
