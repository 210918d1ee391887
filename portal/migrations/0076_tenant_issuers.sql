-- Tenants apart: an issuer and keys of a tenant's own towards services, and entity IDs of services unique in a tenant.

-- `issuer` is which of two vouches for the tenant's people towards its services: `shared`, the cloud's, as it was for every tenant before this
-- schema, or `own`. Tenants that are made from now on have their own.
ALTER TABLE tenant ADD COLUMN issuer TEXT NOT NULL DEFAULT 'shared';
-- Whose key it is; null: the cloud's.
ALTER TABLE signing_key ADD COLUMN tenant_id TEXT REFERENCES tenant (id);
-- The issuer that the service has asked, and the one that has opened the session.
ALTER TABLE browser_sign_on ADD COLUMN issuer TEXT NOT NULL DEFAULT 'shared';
ALTER TABLE service_session ADD COLUMN issuer TEXT NOT NULL DEFAULT 'shared';

CREATE TABLE service_of_tenant (
    tenant_id    TEXT   NOT NULL REFERENCES tenant (id),
    entity_id    TEXT   NOT NULL,
    acs_url      TEXT   NOT NULL,
    metadata     TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    settings     TEXT   NOT NULL DEFAULT '{}',
    metadata_url TEXT,
    PRIMARY KEY (tenant_id, entity_id)
);
INSERT INTO service_of_tenant (tenant_id, entity_id, acs_url, metadata, created_at, settings, metadata_url)
    SELECT tenant_id, entity_id, acs_url, metadata, created_at, settings, metadata_url FROM service_provider;
DROP TABLE service_provider;
ALTER TABLE service_of_tenant RENAME TO service_provider;
CREATE INDEX service_provider_by_entity_id ON service_provider (entity_id, created_at);
