-- The keys of a device: `id` stays when they change. A key is named as a device is that has it.

ALTER TABLE device ADD COLUMN key_name        TEXT   NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN key_since       BIGINT NOT NULL DEFAULT 0;
-- The key that the device has brought and not used yet.
ALTER TABLE device ADD COLUMN next_key_name   TEXT;
ALTER TABLE device ADD COLUMN next_public_key TEXT;
UPDATE device SET key_name = id, key_since = enrolled_at;
CREATE UNIQUE INDEX device_by_key ON device (key_name);
CREATE UNIQUE INDEX device_by_next_key ON device (next_key_name);

-- Keys that were replaced: who still shows one has a copy.
CREATE TABLE former_device_key (
    name       TEXT   NOT NULL PRIMARY KEY,
    device_id  TEXT   NOT NULL REFERENCES device (id),
    public_key TEXT   NOT NULL,
    retired_at BIGINT NOT NULL
);
