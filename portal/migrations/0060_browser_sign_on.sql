-- Sign-on that a service has begun and a device has to end.

-- `deadline` is set whenever the browser is sent on to its device, `used_at` by the device's request.
CREATE TABLE browser_sign_on (
    id          TEXT   NOT NULL PRIMARY KEY,
    tenant_id   TEXT   NOT NULL REFERENCES tenant (id),
    service     TEXT   NOT NULL,
    request_id  TEXT   NOT NULL,
    acs_url     TEXT   NOT NULL,
    relay_state TEXT,
    browser_id  TEXT,
    port        BIGINT,
    created_at  BIGINT NOT NULL,
    deadline    BIGINT,
    used_at     BIGINT
);

-- Browsers that were sent to a device: which port answered last, and for how long none has.
CREATE TABLE browser (
    id          TEXT   NOT NULL PRIMARY KEY,
    port        BIGINT,
    answered_at BIGINT,
    asked_at    BIGINT,
    tries       BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL
);
