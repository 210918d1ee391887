-- When a signing key stops being listed and used; null: not yet decided.
ALTER TABLE signing_key ADD COLUMN retires_at BIGINT;
