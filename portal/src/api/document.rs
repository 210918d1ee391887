//! The OpenAPI 3.1 document, made from the table of operations.

use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, Operation};
use super::schemas;

/// The document of the portal at `base`.
pub(super) fn document(base: &str) -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign portal",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Administration of a Countersign portal. Every operation needs an API key with the scope that \
                            it names; every change is in the audit. Lists come in portions: pass `next` as `after`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": format!("{base}/api/v1") }],
        "security": [{ "apiKey": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "apiKey": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas::all(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(operation.query.iter().map(|(name, meaning)| {
        json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": "string" } })
    }));
    let mut responses = json!({
        "default": { "description": "What was wrong, and what to do next", "content": content("application/problem+json", "Problem") },
    });
    let mut success = json!({ "description": "Done" });
    if let Some(answer) = operation.answer {
        success["content"] = content("application/json", answer);
    }
    responses[operation.success().as_str()] = success;
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": format!("Takes the scope `{}`.", operation.scope),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = operation.body {
        described["requestBody"] = json!({ "required": true, "content": content("application/json", body) });
    }
    described
}

fn content(kind: &str, schema: &str) -> Value {
    json!({ kind: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_is_named_is_there_and_every_scope_is_one() {
        let schemas = schemas::all();
        for operation in OPERATIONS {
            for name in [operation.body, operation.answer].into_iter().flatten() {
                assert!(schemas.get(name).is_some(), "{name} of {}", operation.id);
            }
            assert!(operation.scope.parse::<crate::admin::Right>().is_ok(), "{}", operation.scope);
        }
    }
}
