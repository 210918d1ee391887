-- Sign-on at another identity provider.

-- What a service's request says about passing it on: who had asked before, how far it may go, whether the person is to be asked again.
ALTER TABLE browser_sign_on ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
-- Who answers for the person, where a device has said that it is not the portal; empty: nobody.
ALTER TABLE browser_sign_on ADD COLUMN elsewhere TEXT;

-- Requests of the portal's own to other identity providers; each is answered once.
CREATE TABLE external_sign_on (
    id          TEXT   NOT NULL PRIMARY KEY,
    sign_on     TEXT   NOT NULL,
    tenant_id   TEXT   NOT NULL REFERENCES tenant (id),
    provider    TEXT   NOT NULL,
    entity_id   TEXT   NOT NULL,
    service     TEXT   NOT NULL,
    browser_id  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    used_at     BIGINT
);
CREATE INDEX external_sign_on_of_browser ON external_sign_on (browser_id, created_at);

-- The identity provider that has signed somebody in in a browser last: the next sign-on for that tenant goes there by itself.
CREATE TABLE browser_provider (
    browser_id TEXT   NOT NULL,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    provider   TEXT   NOT NULL,
    seen_at    BIGINT NOT NULL,
    PRIMARY KEY (browser_id, tenant_id)
);
