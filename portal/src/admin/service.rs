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
use crate::store::issuer::Issuer;
use crate::store::person::{self, UsesOf};
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::tenant;
use crate::web_client::WebClient;

/// Registers a service by its metadata. Assertions go to the address that it names for POST, and nowhere else.
///
/// # Errors
/// [`AdminError::Metadata`], [`AdminError::NotFound`] of the tenant, [`AdminError::Duplicate`]; [`AdminError::Invalid`] where the tenant has the
/// shared issuer and the entity ID can't be registered with it.
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
                check_shared(connection, &row).await?;
                service_provider::insert(connection, &row).await?;
                let detail = json!({ "acs": row.acs_url, "from": row.metadata_url });
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
            })
        })
        .await
}

/// At the address that tenants share a service is known by its entity ID alone, so that two of them can't have the same one.
async fn check_shared(connection: &mut AnyConnection, row: &ServiceProvider) -> Result<(), AdminError> {
    let tenant = tenant::by_id(connection, &row.tenant_id).await?;
    if tenant.is_none_or(|tenant| tenant.issuer == Issuer::Own) {
        return Ok(());
    }
    let other = service_provider::shared(connection, row.entity_id.as_str()).await?;
    if other.is_none_or(|other| other.tenant_id == row.tenant_id) {
        return Ok(());
    }
    let wanted = "an entity ID that can be registered at the address that tenants share; with an issuer of the tenant's own any can, \
                  see `countersign-portal tenant set --issuer own`";
    Err(AdminError::Invalid { field: "entity_id", given: row.entity_id.to_string(), wanted })
}

/// One of the services in reach.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// Its entity ID.
    pub entity_id: &'a str,
    /// The name of its tenant; none: the one in reach that has such a service.
    pub tenant: Option<&'a str>,
}

impl Which<'_> {
    /// Where to look for it, with the actor's reach.
    async fn place(self, admin: &Admin) -> Result<Place, AdminError> {
        let tenant_id = match self.tenant {
            Some(name) => Some(admin.tenant_id(name).await?),
            None => admin.reach.clone(),
        };
        Ok(Place { entity_id: self.entity_id.to_owned(), tenant_id })
    }
}

/// An entity ID, and the tenant that alone is meant, if one is.
struct Place {
    entity_id: String,
    tenant_id: Option<String>,
}

impl Place {
    /// The one service there.
    async fn find(&self, connection: &mut AnyConnection) -> Result<ServiceProvider, AdminError> {
        let mut found = service_provider::all_of(connection, &self.entity_id).await?;
        found.retain(|row| self.tenant_id.as_ref().is_none_or(|tenant_id| *tenant_id == row.tenant_id));
        if found.len() > 1 {
            let wanted = "a service of one tenant: several have one of this entity ID, so name the tenant too";
            return Err(AdminError::Invalid { field: "entity_id", given: self.entity_id.clone(), wanted });
        }
        found.pop().ok_or_else(|| AdminError::missing(Noun::Service, &self.entity_id))
    }
}

/// Puts other metadata of the same service in the place of what there is; its settings stay.
///
/// # Errors
/// [`AdminError::Metadata`], also where it is another service's; [`AdminError::NotFound`].
pub async fn set_metadata(admin: &Admin, which: Which<'_>, given: Given) -> Result<ServiceProvider, AdminError> {
    let document = one_entity(&given.document, Role::ServiceProvider, Some(which.entity_id))?;
    let (described_id, acs_url) = described(&document, admin.now)?;
    if described_id.as_str() != which.entity_id {
        return Err(AdminError::Metadata(format!(
            "it is of another service, `{described_id}`; add that one by itself"
        )));
    }
    let metadata = String::from_utf8_lossy(&document).into_owned();
    change(admin, "service.metadata", which, |row| {
        let detail = json!({ "acs": acs_url, "from": given.url, "changed": row.metadata != metadata });
        Ok((ServiceProvider { acs_url, metadata, metadata_url: given.url, ..row }, detail))
    })
    .await
}

/// Fetches the metadata of a service again that was fetched before.
///
/// # Errors
/// [`AdminError::Invalid`] where it was not, and as [`set_metadata`].
pub async fn refresh(admin: &Admin, client: &WebClient, which: Which<'_>) -> Result<ServiceProvider, AdminError> {
    let row = one(admin, which).await?;
    let unfetched = || AdminError::Invalid {
        field: "entity_id",
        given: which.entity_id.to_owned(),
        wanted: "a service whose metadata was fetched: give an address or a file",
    };
    let url = row.metadata_url.ok_or_else(unfetched)?;
    set_metadata(admin, which, Given::fetch(admin, Right::Services, (client, &url)).await?).await
}

/// Changes who may open a service and what it is told, by `edit`, in the transaction that read it.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`].
pub async fn set(
    admin: &Admin,
    which: Which<'_>,
    edit: impl FnOnce(ServiceSettings) -> ServiceSettings + Send + 'static,
) -> Result<ServiceProvider, AdminError> {
    change(admin, "service.set", which, |row| {
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
    which: Which<'_>,
    edit: impl FnOnce(ServiceProvider) -> Result<(ServiceProvider, Value), AdminError> + Send + 'static,
) -> Result<ServiceProvider, AdminError> {
    let place = which.place(admin).await?;
    admin
        .change(action, (Noun::Service, which.entity_id), move |connection| {
            Box::pin(async move {
                let (row, detail) = edit(changeable(connection, &place).await?)?;
                service_provider::update(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
            })
        })
        .await
}

/// The service, where it is the tenant's to change: the portal's own pages are changed by those who administer administrators.
async fn changeable(connection: &mut AnyConnection, place: &Place) -> Result<ServiceProvider, AdminError> {
    let row = place.find(connection).await?;
    let of_pages = |idp: &AdministratorIdp| {
        matches!(&idp.kind, Kind::Devices { tenant_id, service, .. }
            if *service == place.entity_id && *tenant_id == row.tenant_id)
    };
    if administrator_idp::list(connection).await?.iter().any(of_pages) {
        let wanted =
            "a service of the tenant's own: it is this portal's administration, see `countersign-portal admin idp`";
        return Err(AdminError::Invalid { field: "entity_id", given: place.entity_id.clone(), wanted });
    }
    Ok(row)
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
pub async fn remove(admin: &Admin, which: Which<'_>) -> Result<(), AdminError> {
    let place = which.place(admin).await?;
    admin
        .change("service.remove", (Noun::Service, which.entity_id), move |connection| {
            Box::pin(async move {
                let row = changeable(connection, &place).await?;
                service_provider::delete(connection, &row.tenant_id, row.entity_id.as_str()).await?;
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
    which: Which<'_>,
    (user, device): (&str, Option<&str>),
) -> Result<Rehearsal, AdminError> {
    let service = one(admin, which).await?;
    let person = user::by_name(admin, user).await?;
    if person.tenant_id != service.tenant_id {
        return Err(AdminError::missing(Noun::User, user));
    }
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

/// The service.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`], [`AdminError::Invalid`] where several in reach go by that entity ID.
pub async fn one(admin: &Admin, which: Which<'_>) -> Result<ServiceProvider, AdminError> {
    admin.demand(Right::Read)?;
    let place = which.place(admin).await?;
    place.find(&mut *admin.store.read().await?).await
}
