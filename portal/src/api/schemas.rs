//! JSON schemas of what the API takes and gives.

use serde_json::{Value, json};

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

fn page(name: &str) -> Value {
    object(json!({ "items": { "type": "array", "items": reference(name) }, "next": maybe("string") }))
}

/// Every schema by its name.
pub(super) fn all() -> Value {
    let mut all = answers();
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), bodies()) {
        all.extend(more);
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
        "use_limit": maybe("integer"), "uses": { "type": "integer" }, "last_used_at": maybe("string"),
        "expires_at": maybe("string"), "revoked_at": maybe("string"), "created_at": time(),
    });
    let user = object(json!({
        "id": text(), "name_id": text(), "state": { "enum": ["active", "suspended"] }, "created_at": time(), "last_sign_on_at": maybe("string"),
    }));
    json!({
        "Problem": object(json!({ "type": text(), "title": text(), "status": { "type": "integer" }, "detail": text() })),
        "Tenant": object(json!({
            "id": text(), "name": text(), "idp_enabled": { "type": "boolean" }, "auto_provisioning": { "type": "boolean" },
            "minimum_evidence": { "enum": ["local", "managed", "directory"] }, "devices_per_user": { "type": "integer" },
            "session_seconds": { "type": "integer" }, "created_at": time(),
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
        "BreakGlassCode": object(json!({ "code": text(), "until": time() })),
        "Moved": object(json!({ "state": text() })),
        "User": user,
        "UserPage": page("User"),
        "UserDetail": object(json!({ "user": reference("User"), "devices": { "type": "array", "items": reference("DeviceUse") } })),
        "Service": object(json!({ "entity_id": text(), "acs_url": text(), "created_at": time() })),
        "ServiceList": list("Service"),
        "AuditRow": object(json!({
            "sequence": { "type": "integer" }, "at": time(), "actor": text(), "action": text(), "subject": text(), "result": text(),
            "detail": { "type": ["object", "null"] }, "previous_hash": text(), "hash": text(),
        })),
        "AuditPage": page("AuditRow"),
    })
}

fn bodies() -> Value {
    json!({
        "NewTenant": given(json!({ "name": text() }), &["name"]),
        "TenantSettings": given(json!({
            "idp_enabled": { "type": "boolean" }, "auto_provisioning": { "type": "boolean" },
            "minimum_evidence": { "enum": ["local", "managed", "directory"] },
            "devices_per_user": { "type": "integer", "minimum": 1, "maximum": 65535 },
            "session_seconds": { "type": "integer", "minimum": 60, "maximum": 604_800 },
        }), &[]),
        "NewToken": given(json!({
            "description": text(), "domains": texts(), "platforms": texts(), "networks": texts(), "groups": texts(),
            "approval": { "enum": ["auto", "queue"] }, "serials": texts(), "external_ids": texts(),
            "use_limit": { "type": "integer", "minimum": 1 },
            "expires": { "type": "string", "description": "as in `30d`; `never` for no end; `30d` where it is not given" },
        }), &[]),
        "Rotation": given(json!({ "overlap": { "type": "string", "description": "as in `7d`" } }), &["overlap"]),
        "Revocation": given(json!({ "devices_too": { "type": "boolean" } }), &[]),
        "Move": given(json!({ "step": { "enum": ["remove", "wipe", "force-remove", "quarantine", "restore", "approve", "deny"] } }), &["step"]),
        "NewBreakGlassCode": given(json!({ "for": { "type": "string", "description": "a quarter of an hour to 48 hours, as in `4h`" } }), &["for"]),
        "UserState": given(json!({ "state": { "enum": ["active", "suspended"] } }), &["state"]),
        "NewService": given(json!({ "metadata": text() }), &["metadata"]),
    })
}
