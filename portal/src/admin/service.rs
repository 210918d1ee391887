//! The SAML service providers that may receive assertions.

use saml::metadata::{Binding, Role, SpMetadata, passed_over};
use saml::name::EntityId;
use saml::time::UtcTime;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use super::metadata::{Given, one_entity};
use super::{Admin, AdminError, Done, Noun, Right, user};
use crate::cloud::Cloud;
use crate::rehearsal::{self, Rehearsal, Scene};
use crate::service_settings::ServiceSettings;
use crate::store::administrator_idp::{self, AdministratorIdp, Kind};
use crate::store::device;
use crate::store::person::{self, UsesOf};
use crate::store::service_provider::{self, ServiceProvider};
use crate::web_client::WebClient;

/// Registers a service by its metadata. Assertions go to the address that it names for POST, and nowhere else.
///
/// # Errors
/// [`AdminError::Metadata`], [`AdminError::NotFound`] of the tenant, [`AdminError::Duplicate`].
pub async fn add(admin: &Admin, tenant: &str, given: Given) -> Result<ServiceProvider, AdminError> {
    let tenant_id = admin.tenant_id(tenant).await?;
    let document = one_entity(&given.document, Role::ServiceProvider, given.entity_id.as_deref())?;
    let (entity_id, acs_url) = described(&document, admin.now)?;
    let row = ServiceProvider {
        entity_id,
        tenant_id,
        acs_url,
        metadata: String::from_utf8_lossy(&document).into_owned(),
        created_at: admin.now,
        metadata_url: given.url,
        settings: ServiceSettings::default(),
    };
    let name = row.entity_id.to_string();
    admin
        .change("service.add", (Noun::Service, &name), move |connection| {
            Box::pin(async move {
                service_provider::insert(connection, &row).await?;
                let detail = json!({ "acs": row.acs_url, "from": row.metadata_url });
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
            })
        })
        .await
}

/// Puts other metadata of the same service in the place of what there is; its settings stay.
///
/// # Errors
/// [`AdminError::Metadata`], also where it is another service's; [`AdminError::NotFound`].
pub async fn set_metadata(admin: &Admin, entity_id: &str, given: Given) -> Result<ServiceProvider, AdminError> {
    let document = one_entity(&given.document, Role::ServiceProvider, Some(entity_id))?;
    let (described_id, acs_url) = described(&document, admin.now)?;
    if described_id.as_str() != entity_id {
        return Err(AdminError::Metadata(format!(
            "it is of another service, `{described_id}`; add that one by itself"
        )));
    }
    let metadata = String::from_utf8_lossy(&document).into_owned();
    change(admin, "service.metadata", entity_id, |row| {
        let detail = json!({ "acs": acs_url, "from": given.url, "changed": row.metadata != metadata });
        Ok((ServiceProvider { acs_url, metadata, metadata_url: given.url, ..row }, detail))
    })
    .await
}

/// Fetches the metadata of a service again that was fetched before.
///
/// # Errors
/// [`AdminError::Invalid`] where it was not, and as [`set_metadata`].
pub async fn refresh(admin: &Admin, client: &WebClient, entity_id: &str) -> Result<ServiceProvider, AdminError> {
    let row = by_entity_id(admin, entity_id).await?;
    let unfetched = || AdminError::Invalid {
        field: "entity_id",
        given: entity_id.to_owned(),
        wanted: "a service whose metadata was fetched: give an address or a file",
    };
    let url = row.metadata_url.ok_or_else(unfetched)?;
    set_metadata(admin, entity_id, Given::fetch(admin, Right::Services, (client, &url)).await?).await
}

/// Changes who may open a service and what it is told, by `edit`, in the transaction that read it.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`].
pub async fn set(
    admin: &Admin,
    entity_id: &str,
    edit: impl FnOnce(ServiceSettings) -> ServiceSettings + Send + 'static,
) -> Result<ServiceProvider, AdminError> {
    change(admin, "service.set", entity_id, |row| {
        let settings = edit(row.settings);
        settings.check().map_err(|(field, given, wanted)| AdminError::Invalid { field, given, wanted })?;
        let detail = json!({ "settings": settings });
        Ok((ServiceProvider { settings, ..row }, detail))
    })
    .await
}

async fn change(
    admin: &Admin,
    action: &'static str,
    entity_id: &str,
    edit: impl FnOnce(ServiceProvider) -> Result<(ServiceProvider, Value), AdminError> + Send + 'static,
) -> Result<ServiceProvider, AdminError> {
    let service = entity_id.to_owned();
    admin
        .change(action, (Noun::Service, entity_id), move |connection| {
            Box::pin(async move {
                let (row, detail) = edit(changeable(connection, &service).await?)?;
                service_provider::update(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
            })
        })
        .await
}

/// The service, where it is the tenant's to change: the portal's own pages are changed by those who administer administrators.
async fn changeable(connection: &mut AnyConnection, entity_id: &str) -> Result<ServiceProvider, AdminError> {
    let of_pages = |idp: &AdministratorIdp| matches!(&idp.kind, Kind::Devices { service, .. } if service == entity_id);
    if administrator_idp::list(connection).await?.iter().any(of_pages) {
        let wanted =
            "a service of the tenant's own: it is this portal's administration, see `countersign-portal admin idp`";
        return Err(AdminError::Invalid { field: "entity_id", given: entity_id.to_owned(), wanted });
    }
    let row = service_provider::by_entity_id(connection, entity_id).await?;
    row.ok_or_else(|| AdminError::missing(Noun::Service, entity_id))
}

/// Who the metadata is of, and where Responses go.
fn described(metadata: &[u8], now: UtcTime) -> Result<(EntityId, String), AdminError> {
    let unusable = |why: &str| AdminError::Metadata(why.to_owned());
    let described = SpMetadata::parse(metadata).map_err(|rejection| AdminError::Metadata(rejection.to_string()))?;
    if described.valid_until.is_some_and(|until| until <= now) {
        return Err(unusable("its `validUntil` has passed; ask the service for newer metadata"));
    }
    let acs = described.default_acs(&Binding::Post);
    let acs = acs.ok_or_else(|| unusable("it names no assertion consumer service for POST"))?;
    if !service_provider::may_receive(&acs.location) {
        let why = format!("its assertion consumer service `{}` is not an `https://` address", acs.location);
        return Err(AdminError::Metadata(why));
    }
    Ok((described.entity_id.clone(), acs.location.clone()))
}

/// What an administrator should know about the metadata of a service: what of it is passed over, and what can't work as it is.
#[must_use]
pub fn notes(service: &ServiceProvider) -> Vec<String> {
    let mut notes = passed_over(service.metadata.as_bytes(), Role::ServiceProvider);
    let Ok(described) = SpMetadata::parse(service.metadata.as_bytes()) else { return notes };
    if described.authn_requests_signed && described.signing_keys().is_err() {
        let no_key = "it says that it signs its requests (`AuthnRequestsSigned`) and has no certificate that the portal can use: each of them \
            will be refused; ask the service for metadata with its signing certificate";
        notes.push(no_key.to_owned());
    }
    notes
}

/// Gives the service with that entity ID no more assertions.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn remove(admin: &Admin, entity_id: &str) -> Result<(), AdminError> {
    let service = entity_id.to_owned();
    admin
        .change("service.remove", (Noun::Service, entity_id), move |connection| {
            Box::pin(async move {
                let row = changeable(connection, &service).await?;
                service_provider::delete(connection, &service).await?;
                Ok(Done { tenant_id: Some(row.tenant_id), detail: json!({}), value: () })
            })
        })
        .await
}

/// The services in reach, by entity ID.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<ServiceProvider>, AdminError> {
    let mut services = service_provider::list(&mut *admin.store.read().await?).await?;
    services.retain(|service| admin.reach.as_deref().is_none_or(|reach| reach == service.tenant_id));
    Ok(services)
}

/// The tenant's services, by entity ID.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn of_tenant(admin: &Admin, tenant: &str) -> Result<Vec<ServiceProvider>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    let mut services = list(admin).await?;
    services.retain(|service| service.tenant_id == tenant_id);
    Ok(services)
}

/// What the service would be told if `user` opened it now from `device`, or else from the device that they have used last; nothing is signed or kept.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`], [`AdminError::Invalid`] where they have not signed on from that device.
pub async fn test(
    admin: &Admin,
    cloud: &Cloud,
    entity_id: &str,
    (user, device): (&str, Option<&str>),
) -> Result<Rehearsal, AdminError> {
    let service = by_entity_id(admin, entity_id).await?;
    let person = user::by_name(admin, user).await?;
    let mut connection = admin.store.read().await?;
    let used = person::uses(&mut connection, UsesOf::Person(&person.id)).await?;
    let used = used.iter().find(|used| device.is_none_or(|device| used.device_id == device));
    let unused = || AdminError::Invalid {
        field: "device",
        given: device.unwrap_or(user).to_owned(),
        wanted: "a device that this person has signed on from: a test takes the evidence of the last time",
    };
    let used = used.ok_or_else(unused)?;
    let device = device::by_id(&mut connection, &used.device_id).await?.ok_or_else(unused)?;
    let offered = person::last_evidence(&mut connection, &used.device_id, &person.id).await?.ok_or_else(unused)?;
    drop(connection);
    let scene = Scene { service, person, device, offered };
    Ok(rehearsal::rehearse(&admin.store, cloud, scene, admin.now).await?)
}

/// The service with that entity ID.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn by_entity_id(admin: &Admin, entity_id: &str) -> Result<ServiceProvider, AdminError> {
    admin.demand(Right::Read)?;
    let row = service_provider::by_entity_id(&mut *admin.store.read().await?, entity_id).await?;
    admin.within(row, |service| &service.tenant_id, Noun::Service, entity_id)
}
