-- Sessions that assertions have opened at services, until they end there.

-- `id` is the SessionIndex, `person` the portal's name for whom the assertion was made, `opened_by`
-- the device or the other identity provider that has vouched for them, `name_id` what the service was told. `logout_why` is set
-- when the session is to end; the back channel is tried from `next_try_at` on, and a browser is sent with the request `request_id` once.
CREATE TABLE service_session (
    id          TEXT   NOT NULL PRIMARY KEY,
    tenant_id   TEXT   NOT NULL REFERENCES tenant (id),
    service     TEXT   NOT NULL,
    person      TEXT   NOT NULL,
    opened_by   TEXT   NOT NULL,
    name_id     TEXT   NOT NULL,
    name_format TEXT   NOT NULL,
    browser_id  TEXT,
    ends_at     BIGINT NOT NULL,
    logout_why  TEXT,
    next_try_at BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    request_id  TEXT
);
CREATE INDEX service_session_device ON service_session (opened_by);
CREATE INDEX service_session_person ON service_session (person);
CREATE INDEX service_session_browser ON service_session (browser_id) WHERE logout_why IS NOT NULL;
CREATE INDEX service_session_request ON service_session (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX service_session_name ON service_session (service, name_id);
CREATE INDEX service_session_due ON service_session (next_try_at) WHERE logout_why IS NOT NULL;
CREATE INDEX service_session_end ON service_session (ends_at);
