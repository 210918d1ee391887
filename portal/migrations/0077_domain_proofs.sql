-- Domains that a tenant's administrators have asked for and not proven yet: a DNS TXT record has to have this value.
CREATE TABLE domain_proof (
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    name       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
