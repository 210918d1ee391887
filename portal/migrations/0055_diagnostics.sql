-- What devices were asked for: diagnostics bundles. `state`: `asked`, `refused`, `kept`.
CREATE TABLE diagnostics_request (
    id          TEXT   NOT NULL PRIMARY KEY,
    device_id   TEXT   NOT NULL REFERENCES device (id),
    tenant_id   TEXT   NOT NULL REFERENCES tenant (id),
    state       TEXT   NOT NULL,
    asked_by    TEXT   NOT NULL,
    asked_at    BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    answered_at BIGINT,
    octets      BIGINT
);
CREATE INDEX diagnostics_request_of_device ON diagnostics_request (device_id, asked_at);
CREATE INDEX diagnostics_request_by_end ON diagnostics_request (expires_at);
-- The bundles themselves, base64, as they came.
CREATE TABLE diagnostics_bundle (
    request_id TEXT NOT NULL PRIMARY KEY REFERENCES diagnostics_request (id),
    content    TEXT NOT NULL
);
