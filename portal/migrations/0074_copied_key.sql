-- What showed that a key is in two places: a number that was there, a jump, a key that was replaced, a device that had left.
ALTER TABLE device_clone ADD COLUMN why TEXT NOT NULL DEFAULT 'number-was-there';

-- When a request of the device was last taken for one that a later one has overtaken on its way.
CREATE TABLE device_overtaken (
    device_id TEXT   NOT NULL PRIMARY KEY REFERENCES device (id),
    at        BIGINT NOT NULL
);
