//! Identity providers of a tenant.

use super::*;
use crate::admin::idp::{self, Changes};
use crate::admin::metadata::Given;
use crate::admin::{AdminError, Right};
use crate::identity_provider::{Domains, Kind, Provider, Providers};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    metadata: Option<String>,
    metadata_url: Option<String>,
    domains: Option<Vec<String>>,
    enabled: Option<bool>,
    auto_provisioning: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    metadata: Option<String>,
    metadata_url: Option<String>,
    domains: Option<Vec<String>>,
    enabled: Option<bool>,
    auto_provisioning: Option<bool>,
    #[serde(default)]
    is_default: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BroughtBack {
    version: i64,
}

/// `["any"]` is every domain that no other is mapped to.
fn domains(given: Vec<String>) -> Domains {
    if given.as_slice() == ["any"] { Domains::Any } else { Domains::Only(given) }
}

async fn document(call: &Call, given: Option<String>, url: Option<String>) -> Result<Option<Vec<u8>>, AdminError> {
    match (given, url) {
        (given, None) => Ok(given.map(String::into_bytes)),
        (_, Some(url)) => {
            let fetched = Given::fetch(&call.admin, Right::Policy, (&call.portal.client, &url)).await?;
            Ok(Some(fetched.document))
        }
    }
}

fn provider(one: &Provider) -> Value {
    let entity_id = match &one.kind {
        Kind::Countersign => None,
        Kind::External { entity_id, .. } => Some(entity_id),
    };
    let domains = match &one.domains {
        Domains::Any => vec!["any".to_owned()],
        Domains::Only(list) => list.clone(),
    };
    json!({
        "name": one.name, "entity_id": entity_id, "is_default": one.is_default, "domains": domains,
        "enabled": one.enabled, "auto_provisioning": one.auto_provisioning,
    })
}

fn list(providers: &Providers) -> Value {
    providers.list.iter().map(provider).collect()
}

pub(in crate::api) async fn standing(call: Call) -> Result<Value, Problem> {
    call.admin.demand(Right::Read)?;
    let standing = idp::standing(&call.admin, call.part("tenant")).await?;
    Ok(json!({
        "version": standing.version, "active": list(&standing.active),
        "draft": standing.draft.as_ref().map(|draft| list(&draft.providers)), "difference": standing.difference,
    }))
}

pub(in crate::api) async fn create(call: Call) -> Result<Value, Problem> {
    let New { name, metadata, metadata_url, domains: mapped, enabled, auto_provisioning } = call.read()?;
    let changes = Changes { domains: mapped.map(domains), enabled, auto_provisioning };
    let document = document(&call, metadata, metadata_url).await?;
    match document {
        Some(document) => {
            idp::add_external(&call.admin, call.part("tenant"), &name, &document, changes).await?;
        }
        None => idp::add_portal(&call.admin, call.part("tenant"), &name, changes).await?,
    }
    standing(call).await
}

pub(in crate::api) async fn set(call: Call) -> Result<Value, Problem> {
    let given: Changed = call.read()?;
    let (tenant, name) = (call.part("tenant"), call.part("name"));
    if let Some(document) = document(&call, given.metadata, given.metadata_url).await? {
        idp::set_metadata(&call.admin, tenant, name, &document).await?;
    }
    if given.is_default {
        idp::make_default(&call.admin, tenant, name).await?;
    }
    let changes = Changes {
        domains: given.domains.map(domains),
        enabled: given.enabled,
        auto_provisioning: given.auto_provisioning,
    };
    idp::set(&call.admin, tenant, name, changes).await?;
    standing(call).await
}

pub(in crate::api) async fn delete(call: Call) -> Result<Value, Problem> {
    idp::remove(&call.admin, call.part("tenant"), call.part("name")).await?;
    standing(call).await
}

pub(in crate::api) async fn versions(call: Call) -> Result<Value, Problem> {
    call.admin.demand(Right::Read)?;
    let row = |version: crate::store::provider::Version| {
        json!({
            "version": version.version, "activated_by": version.activated_by,
            "activated_at": version.activated_at.to_string(), "providers": list(&version.providers),
        })
    };
    let versions = idp::versions(&call.admin, call.part("tenant")).await?;
    Ok(json!({ "items": versions.into_iter().map(row).collect::<Vec<_>>() }))
}

pub(in crate::api) async fn activate(call: Call) -> Result<Value, Problem> {
    let (version, difference) = idp::activate(&call.admin, call.part("tenant")).await?;
    Ok(json!({ "version": version, "difference": difference }))
}

pub(in crate::api) async fn bring_back(call: Call) -> Result<Value, Problem> {
    let given: BroughtBack = call.read()?;
    idp::bring_back(&call.admin, call.part("tenant"), given.version).await?;
    standing(call).await
}

pub(in crate::api) async fn discard(call: Call) -> Result<Value, Problem> {
    idp::discard(&call.admin, call.part("tenant")).await?;
    Ok(Value::Null)
}
