-- What the tenant has decided about a service: who may open it and what it is told, as JSON. And where its metadata came from, if it was fetched.
ALTER TABLE service_provider ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE service_provider ADD COLUMN metadata_url TEXT;
