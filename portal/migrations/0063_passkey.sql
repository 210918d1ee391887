-- Passkeys of administrators (WebAuthn). `id` is the credential's ID in base64url, `public_key` a COSE key.
CREATE TABLE administrator_passkey (
    id               TEXT   NOT NULL PRIMARY KEY,
    administrator_id TEXT   NOT NULL REFERENCES administrator (id),
    name             TEXT   NOT NULL,
    public_key       TEXT   NOT NULL,
    sign_count       BIGINT NOT NULL,
    is_backed_up     BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_used_at     BIGINT
);
CREATE INDEX administrator_passkey_of ON administrator_passkey (administrator_id);

-- `id` is the SHA-256 of the challenge, `bound_to` that of what only the browser has that was given it. Each is used once.
CREATE TABLE passkey_challenge (
    id         TEXT   NOT NULL PRIMARY KEY,
    bound_to   TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
