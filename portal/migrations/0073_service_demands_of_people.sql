-- The person that a service's request asks for, and the authentication context that it demands.
ALTER TABLE browser_sign_on ADD COLUMN demands TEXT NOT NULL DEFAULT '{}';
