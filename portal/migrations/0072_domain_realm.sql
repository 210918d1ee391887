-- Which directories speak for a user domain, and which of them each person belongs to.

-- Realms in small letters. Learnt at the first person of the domain whom a directory's device signs on, or set by an administrator.
CREATE TABLE domain_realm (
    domain     TEXT   NOT NULL,
    realm      TEXT   NOT NULL,
    origin     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (domain, realm)
);

-- The directory that has signed the person on first: somebody of the same name in another one is somebody else.
CREATE TABLE person_realm (
    name_id    TEXT   NOT NULL PRIMARY KEY,
    realm      TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
