-- 1: the device is to delete its key and its state when it hears that it is removed.
ALTER TABLE device ADD COLUMN wipe BIGINT NOT NULL DEFAULT 0;
