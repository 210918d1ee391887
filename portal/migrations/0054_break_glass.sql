-- The key of a device's break-glass codes, base64: how many codes were made with it, and the highest that the device has said it used.
CREATE TABLE break_glass (
    device_id TEXT   NOT NULL PRIMARY KEY REFERENCES device (id),
    secret    TEXT   NOT NULL,
    agreed_at BIGINT NOT NULL,
    made      BIGINT NOT NULL,
    used      BIGINT NOT NULL
);
