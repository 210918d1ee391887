-- The identity providers of a tenant: what holds, what is being prepared, and what held before. Each is one JSON object.
-- The providers that hold are in the tenant's row, because every sign-on reads them; `{}` means the portal for everybody.

ALTER TABLE tenant ADD COLUMN providers        TEXT   NOT NULL DEFAULT '{}';
ALTER TABLE tenant ADD COLUMN provider_version BIGINT NOT NULL DEFAULT 0;

CREATE TABLE provider_draft (
    tenant_id  TEXT   NOT NULL PRIMARY KEY REFERENCES tenant (id),
    providers  TEXT   NOT NULL,
    changed_by TEXT   NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE provider_version (
    tenant_id    TEXT   NOT NULL REFERENCES tenant (id),
    version      BIGINT NOT NULL,
    providers    TEXT   NOT NULL,
    activated_by TEXT   NOT NULL,
    activated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, version)
);
