//! Services.

use super::*;
use crate::admin::metadata::Given;
use crate::admin::service::Which;
use crate::admin::{AdminError, Right, service};
use crate::rehearsal::Ended;
use crate::service_settings::{AttributeRule, NameFormat};

/// One of three: a document, its address, or what a service without metadata has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewService {
    metadata: Option<String>,
    metadata_url: Option<String>,
    entity_id: Option<String>,
    acs_url: Option<String>,
    #[serde(default)]
    certificate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name_id_format: Option<NameFormat>,
    mail: Option<bool>,
    attributes: Option<Vec<AttributeRule>>,
    only_people: Option<Vec<String>>,
    only_groups: Option<Vec<String>>,
    authn_contexts: Option<Vec<String>>,
    sha1_signatures: Option<bool>,
}

impl NewService {
    async fn given(self, call: &Call) -> Result<Given, AdminError> {
        match (self.metadata, self.metadata_url, self.entity_id, self.acs_url) {
            (Some(document), None, one, None) => Ok(Given::document(document.trim().as_bytes()).about(one)),
            (None, Some(url), one, None) => {
                let given = Given::fetch(&call.admin, Right::Services, (&call.portal.client, &url)).await?;
                Ok(given.about(one))
            }
            (None, None, Some(entity_id), Some(acs_url)) => Given::form(&entity_id, &acs_url, &self.certificate),
            _ => Err(AdminError::Invalid {
                field: "metadata",
                given: "the body".to_owned(),
                wanted: "one of `metadata`, `metadata_url`, or `entity_id` with `acs_url`",
            }),
        }
    }
}

fn detail(service: &crate::store::service_provider::ServiceProvider) -> Value {
    json!({ "service": service, "metadata": service.metadata })
}

/// The service that the query names; the tenant is needed only where several in reach have one of that entity ID.
fn which(call: &Call) -> Which<'_> {
    let tenant = Some(call.query.text("tenant")).filter(|name| !name.is_empty());
    Which { entity_id: call.query.text("entity_id"), tenant }
}

pub(in crate::api) async fn one(call: Call) -> Result<Value, Problem> {
    Ok(detail(&service::one(&call.admin, which(&call)).await?))
}

pub(in crate::api) async fn set(call: Call) -> Result<Value, Problem> {
    let given: Settings = call.read()?;
    let changed = service::set(&call.admin, which(&call), move |mut settings| {
        settings.name_id_format = given.name_id_format.unwrap_or(settings.name_id_format);
        settings.mail = given.mail.unwrap_or(settings.mail);
        settings.attributes = given.attributes.unwrap_or(settings.attributes);
        settings.only_people = given.only_people.unwrap_or(settings.only_people);
        settings.only_groups = given.only_groups.unwrap_or(settings.only_groups);
        settings.authn_contexts = given.authn_contexts.unwrap_or(settings.authn_contexts);
        settings.sha1_signatures = given.sha1_signatures.unwrap_or(settings.sha1_signatures);
        settings
    });
    Ok(json!(changed.await?))
}

pub(in crate::api) async fn update(call: Call) -> Result<Value, Problem> {
    if call.body.is_null() {
        return Ok(detail(&service::refresh(&call.admin, &call.portal.client, which(&call)).await?));
    }
    let given: NewService = call.read()?;
    let given = given.given(&call).await?;
    Ok(detail(&service::set_metadata(&call.admin, which(&call), given).await?))
}

pub(in crate::api) async fn test(call: Call) -> Result<Value, Problem> {
    let (device, query) = (call.query.some("device"), &call.query);
    let asked = (query.text("user"), device.as_deref());
    let played = service::test(&call.admin, &call.portal.cloud, which(&call), asked).await?;
    let refusal = match &played.ended {
        Ended::Granted(_) => None,
        Ended::Refused(code, _) => Some(code.code()),
    };
    let lines = played.lines().into_iter().map(|(name, value)| json!({ "name": name, "value": value }));
    Ok(json!({ "refusal": refusal, "lines": lines.collect::<Vec<_>>() }))
}

pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
    Ok(json!({ "items": service::of_tenant(&call.admin, call.part("tenant")).await? }))
}

pub(in crate::api) async fn create(call: Call) -> Result<Value, Problem> {
    let given: NewService = call.read()?;
    let given = given.given(&call).await?;
    Ok(json!(service::add(&call.admin, call.part("tenant"), given).await?))
}

pub(in crate::api) async fn delete(call: Call) -> Result<Value, Problem> {
    service::remove(&call.admin, which(&call)).await?;
    Ok(Value::Null)
}
