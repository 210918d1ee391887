//! JSON schemas of what the API takes and gives.

use serde_json::{Value, json};

use crate::service_settings::SOURCES;

fn text() -> Value {
    json!({ "type": "string" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn maybe(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object whose `properties` are all there.
fn object(properties: Value) -> Value {
    let required: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// An object of which `required` must be given, and nothing else than `properties`.
fn given(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn list(name: &str) -> Value {
    object(json!({ "items": { "type": "array", "items": reference(name) } }))
}

fn many(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

fn page(name: &str) -> Value {
    object(json!({ "items": { "type": "array", "items": reference(name) }, "next": maybe("string") }))
}

/// Every schema by its name.
pub(super) fn all() -> Value {
    let mut all = answers();
    for more in [settled(), bodies()] {
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
    }
    all
}

fn answers() -> Value {
    let device = json!({
        "id": text(), "state": text(), "state_note": text(), "token_id": text(), "sequence": { "type": "integer" },
        "facts": { "type": "object", "additionalProperties": texts() }, "groups": texts(), "enrolled_at": time(), "last_seen_at": time(),
    });
    let used = object(
        json!({ "device_id": text(), "name_id": text(), "grade": text(), "first_at": time(), "last_at": time() }),
    );
    let token = json!({
        "id": text(), "description": text(), "created_by": text(), "domains": texts(), "platforms": texts(),
        "people": people(), "people_names": texts(), "people_groups": texts(), "hourly_limit": maybe("integer"),
        "use_limit": maybe("integer"), "uses": { "type": "integer" }, "last_used_at": maybe("string"),
        "expires_at": maybe("string"), "revoked_at": maybe("string"), "created_at": time(),
    });
    let user = object(json!({
        "id": text(), "name_id": text(), "state": { "enum": ["active", "suspended"] },
        "origin": { "enum": ["sign-on", "administrator", "directory"] }, "created_at": time(), "changed_at": time(), "last_sign_on_at": maybe("string"),
    }));
    json!({
        "Problem": object(json!({ "type": text(), "title": text(), "status": { "type": "integer" }, "detail": text() })),
        "Tenant": object(json!({
            "id": text(), "name": text(), "idp_enabled": { "type": "boolean" }, "auto_provisioning": { "type": "boolean" },
            "minimum_evidence": grades(), "minimum_claim": claims(), "known_by_claim": { "type": "boolean" },
            "proof_days": { "type": "integer" }, "proof_idps": texts(), "devices_per_user": { "type": "integer" },
            "session_seconds": { "type": "integer" }, "created_at": time(), "issuer": { "enum": ["own", "shared"] },
        })),
        "TenantList": list("Tenant"),
        "Domain": object(json!({ "name": text(), "tenant_id": text(), "created_at": time() })),
        "DomainList": list("Domain"),
        "Token": object(token),
        "TokenPage": page("Token"),
        "CreatedToken": object(json!({ "token": reference("Token"), "secret": text() })),
        "Revoked": object(json!({ "removed_devices": { "type": "integer" } })),
        "Device": object(device),
        "DevicePage": page("Device"),
        "DeviceUse": used,
        "DeviceDetail": object(json!({ "device": reference("Device"), "people": { "type": "array", "items": reference("DeviceUse") } })),
        "DiagnosticsRequest": object(json!({
            "id": text(), "device_id": text(), "tenant_id": text(), "state": { "enum": ["asked", "refused", "kept"] }, "asked_by": text(),
            "asked_at": time(), "expires_at": time(), "octets": { "type": ["integer", "null"] },
        })),
        "DiagnosticsRequestList": list("DiagnosticsRequest"),
        "DiagnosticsBundle": object(json!({ "bundle": { "type": "string", "contentEncoding": "base64" } })),
        "UserCode": object(json!({ "code": text(), "until": time() })),
        "BreakGlassCode": object(json!({ "code": text(), "until": time() })),
        "Moved": object(json!({ "state": text() })),
        "User": user,
        "UserPage": page("User"),
        "UserDetail": object(json!({ "user": reference("User"), "groups": texts(), "devices": { "type": "array", "items": reference("DeviceUse") } })),
        "Group": object(json!({
            "id": text(), "display_name": text(), "external_id": text(), "members": { "type": "integer" }, "created_at": time(), "changed_at": time(),
        })),
        "GroupList": list("Group"),
        "Service": object(json!({
            "entity_id": text(), "acs_url": text(), "created_at": time(), "metadata_url": maybe("string"), "settings": object(settings()),
        })),
        "ServiceDetail": object(json!({ "service": reference("Service"), "metadata": text() })),
        "ServiceTest": object(json!({
            "refusal": { "type": ["string", "null"], "description": "the code with which the person would be refused" },
            "lines": { "type": "array", "items": object(json!({ "name": text(), "value": text() })) },
        })),
        "ServiceList": list("Service"),
        "AuditRow": object(json!({
            "sequence": { "type": "integer" }, "at": time(), "actor": text(), "action": text(), "subject": text(), "result": text(),
            "detail": { "type": ["object", "null"] }, "previous_hash": text(), "hash": text(),
        })),
        "AuditPage": page("AuditRow"),
    })
}

fn mapped() -> Value {
    json!({ "type": "array", "items": text(), "description": "authentication domains; `any` alone is every one that no other is mapped to" })
}

fn grades() -> Value {
    json!({ "enum": ["claimed", "assigned", "proved", "verified"] })
}

fn claims() -> Value {
    json!({ "enum": ["local", "managed", "directory"] })
}

fn people() -> Value {
    json!({ "enum": ["proven", "listed", "any"] })
}

/// What a tenant demands, as it is given and as it is shown.
fn policy() -> Value {
    let demand = |names: &[&str]| {
        let properties: Value =
            names.iter().map(|name| ((*name).to_owned(), text())).collect::<serde_json::Map<_, _>>().into();
        given(properties, names)
    };
    let rule = json!({
        "id": text(), "domain": maybe("string"), "platform": maybe("string"), "service": maybe("string"),
        "minimum_evidence": { "enum": ["claimed", "assigned", "proved", "verified", null] },
        "minimum_claim": { "enum": ["local", "managed", "directory", null] }, "key_protection": texts(),
        "facts": { "type": "array", "items": demand(&["name", "value"]) },
    });
    given(
        json!({
            "rules": { "type": "array", "items": given(rule, &[]) },
            "groups": { "type": "array", "items": demand(&["group", "fact", "value"]) },
            "at_limit": { "enum": ["refuse", "remove-oldest"] },
            "other_person": { "enum": ["allow", "queue", "refuse"] },
            "first_visit": { "enum": ["ask", "automatic"] },
            "inactive_days": { "type": "integer", "minimum": 0 },
            "provision_only": texts(),
            "provision_from_directory": { "type": "boolean" },
        }),
        &[],
    )
}

/// Metadata in one of the three ways in which it may be given.
fn metadata() -> Value {
    json!({
        "metadata": { "type": "string", "description": "the document" },
        "metadata_url": { "type": "string", "description": "its `https://` address" },
        "entity_id": { "type": "string", "description": "of the one that is meant where the metadata describes several, or of a service without metadata, with `acs_url`" },
        "acs_url": { "type": "string", "description": "where a service without metadata takes Responses by POST" },
        "certificate": { "type": "string", "description": "PEM of the certificate with which a service without metadata signs" },
    })
}

fn settings() -> Value {
    json!({
        "name_id_format": { "enum": ["email", "persistent", "transient"] },
        "mail": { "type": "boolean" },
        "attributes": { "type": "array", "items": given(json!({ "name": text(), "value": { "type": "string", "description": SOURCES } }), &["name", "value"]) },
        "only_people": texts(),
        "only_groups": texts(),
        "authn_contexts": texts(),
        "sha1_signatures": { "type": "boolean" },
    })
}

/// Answers about what a tenant or the portal has settled.
fn settled() -> Value {
    json!({
        "IdentityProvider": object(json!({
            "name": text(), "entity_id": maybe("string"), "is_default": { "type": "boolean" }, "domains": texts(),
            "enabled": { "type": "boolean" }, "auto_provisioning": { "type": "boolean" },
        })),
        "IdentityProviders": object(json!({
            "version": { "type": "integer" }, "active": many("IdentityProvider"), "difference": texts(),
            "draft": { "anyOf": [many("IdentityProvider"), { "type": "null" }] },
        })),
        "IdentityProviderVersion": object(json!({
            "version": { "type": "integer" }, "activated_by": text(), "activated_at": time(), "providers": many("IdentityProvider"),
        })),
        "IdentityProviderVersionList": list("IdentityProviderVersion"),
        "Activated": object(json!({ "version": { "type": "integer" }, "difference": texts() })),
        "CopiedKey": object(json!({
            "device": reference("Device"),
            "signs": { "type": "array", "items": object(json!({
                "at": time(), "why": { "enum": ["number-was-there", "jump", "former-key", "had-left"] }, "sequence": { "type": "integer" }, "expected": { "type": "integer" }, "address": text(),
                "facts": { "type": "object", "additionalProperties": texts() },
            })) },
        })),
        "CopiedKeyList": list("CopiedKey"),
        "SigningKey": object(json!({
            "id": text(), "purpose": { "enum": ["service", "agent"] }, "tenant_id": maybe("string"), "created_at": time(), "retires_at": maybe("string"),
            "certificate": { "type": "string", "contentEncoding": "base64" },
        })),
        "SigningKeyList": list("SigningKey"),
    })
}

fn bodies() -> Value {
    json!({
        "NewTenant": given(json!({ "name": text() }), &["name"]),
        "TenantSettings": given(json!({
            "idp_enabled": { "type": "boolean" }, "auto_provisioning": { "type": "boolean" },
            "minimum_evidence": grades(), "minimum_claim": claims(), "known_by_claim": { "type": "boolean" },
            "proof_days": { "type": "integer", "minimum": 1, "maximum": 3650 }, "proof_idps": texts(),
            "devices_per_user": { "type": "integer", "minimum": 1, "maximum": 65535 },
            "session_seconds": { "type": "integer", "minimum": 60, "maximum": 604_800 },
            "issuer": { "enum": ["own", "shared"] },
        }), &[]),
        "NewToken": given(json!({
            "description": text(), "domains": texts(), "platforms": texts(), "networks": texts(), "groups": texts(),
            "approval": { "enum": ["auto", "queue"] }, "serials": texts(), "external_ids": texts(),
            "people": people(), "people_names": texts(), "people_groups": texts(),
            "use_limit": { "type": ["integer", "null"], "minimum": 1, "description": "1000 where it is not given; null for no limit" },
            "hourly_limit": { "type": ["integer", "null"], "minimum": 1, "description": "500 where it is not given; null for no limit" },
            "expires": { "type": "string", "description": "as in `30d`; `never` for no end; `30d` where it is not given" },
        }), &[]),
        "Rotation": given(json!({ "overlap": { "type": "string", "description": "as in `7d`" } }), &["overlap"]),
        "Revocation": given(json!({ "devices_too": { "type": "boolean" } }), &[]),
        "Move": given(json!({ "step": { "enum": ["remove", "wipe", "force-remove", "quarantine", "restore", "approve", "deny"] } }), &["step"]),
        "NewUserCode": given(json!({ "for": { "type": "string", "description": "a minute to seven days, as in `24h`" } }), &["for"]),
        "NewBreakGlassCode": given(json!({ "for": { "type": "string", "description": "a quarter of an hour to 48 hours, as in `4h`" } }), &["for"]),
        "UserState": given(json!({ "state": { "enum": ["active", "suspended"] } }), &["state"]),
        "Policy": policy(),
        "NewIdentityProvider": given(json!({
            "name": text(), "metadata": text(), "metadata_url": text(), "domains": mapped(), "enabled": { "type": "boolean" },
            "auto_provisioning": { "type": "boolean" },
        }), &["name"]),
        "IdentityProviderChanges": given(json!({
            "metadata": text(), "metadata_url": text(), "domains": mapped(), "enabled": { "type": "boolean" },
            "auto_provisioning": { "type": "boolean" }, "is_default": { "type": "boolean" },
        }), &[]),
        "BroughtBack": given(json!({ "version": { "type": "integer" } }), &["version"]),
        "NewService": given(metadata(), &[]),
        "ServiceMetadata": given(metadata(), &[]),
        "ServiceSettings": given(settings(), &[]),
    })
}
