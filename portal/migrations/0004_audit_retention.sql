-- Where older audit rows were cut off: the chain goes on from the last of them.
CREATE TABLE audit_anchor (
    sequence BIGINT NOT NULL PRIMARY KEY,
    hash     TEXT   NOT NULL,
    cut_at   BIGINT NOT NULL
);
