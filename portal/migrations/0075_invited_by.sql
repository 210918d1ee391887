-- Who has made the invitation that is open: it ends with their account.
ALTER TABLE administrator ADD COLUMN invited_by TEXT;
