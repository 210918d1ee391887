-- What a service's request demands of the answer: that nobody is asked anything, and in which format the person is named.
ALTER TABLE browser_sign_on ADD COLUMN is_passive BIGINT NOT NULL DEFAULT 0;
ALTER TABLE browser_sign_on ADD COLUMN name_format TEXT;
