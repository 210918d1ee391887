-- What a directory says about people, by SCIM, and its groups.

-- `origin` is `sign-on`, `administrator` or `directory`.
ALTER TABLE person ADD COLUMN origin     TEXT   NOT NULL DEFAULT 'sign-on';
ALTER TABLE person ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
UPDATE person SET changed_at = created_at;
UPDATE person SET origin = 'administrator'
WHERE EXISTS (SELECT 1 FROM audit WHERE audit.subject = person.name_id AND audit.action = 'user.add');
CREATE INDEX person_by_id ON person (tenant_id, id);
CREATE INDEX person_by_change ON person (tenant_id, changed_at);

-- `user_name` is spelt as the directory spells it; `attributes` is a JSON object of what SCIM calls so.
CREATE TABLE person_profile (
    person_id   TEXT NOT NULL PRIMARY KEY REFERENCES person (id),
    user_name   TEXT NOT NULL,
    external_id TEXT NOT NULL,
    attributes  TEXT NOT NULL
);

-- The same as what lists are filtered by, in lower case. The parts of one value of a list have one `element`.
CREATE TABLE person_value (
    person_id TEXT   NOT NULL REFERENCES person (id),
    tenant_id TEXT   NOT NULL,
    attribute TEXT   NOT NULL,
    part      TEXT   NOT NULL,
    element   BIGINT NOT NULL,
    value     TEXT   NOT NULL,
    PRIMARY KEY (person_id, attribute, part, element)
);
CREATE INDEX person_value_by_value ON person_value (tenant_id, attribute, part, value, person_id);

-- `name_key` is the name in lower case; `revision` counts its changes, members included.
CREATE TABLE person_group (
    id           TEXT   NOT NULL PRIMARY KEY,
    tenant_id    TEXT   NOT NULL REFERENCES tenant (id),
    display_name TEXT   NOT NULL,
    name_key     TEXT   NOT NULL,
    external_id  TEXT   NOT NULL,
    revision     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    UNIQUE (tenant_id, name_key)
);
CREATE INDEX person_group_by_id ON person_group (tenant_id, id);
CREATE INDEX person_group_by_external_id ON person_group (tenant_id, external_id);

CREATE TABLE person_group_member (
    group_id  TEXT NOT NULL REFERENCES person_group (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    PRIMARY KEY (group_id, person_id)
);
CREATE INDEX person_group_of_person ON person_group_member (person_id, group_id);
