//! The SAML service providers that may receive assertions.

use saml::metadata::{Binding, SpMetadata};
use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Right};
use crate::store::service_provider::{self, ServiceProvider};

/// Registers a service by its metadata. Assertions go to the address that it names for POST, and nowhere else.
///
/// # Errors
/// [`AdminError::Metadata`], [`AdminError::NotFound`] of the tenant, [`AdminError::Duplicate`].
pub async fn add(admin: &Admin, tenant: &str, metadata: &[u8]) -> Result<ServiceProvider, AdminError> {
    let tenant_id = admin.tenant_id(tenant).await?;
    let unusable = |why: &str| AdminError::Metadata(why.to_owned());
    let described = SpMetadata::parse(metadata).map_err(|rejection| AdminError::Metadata(rejection.to_string()))?;
    if described.valid_until.is_some_and(|until| until <= admin.now) {
        return Err(unusable("its `validUntil` has passed; ask the service for newer metadata"));
    }
    let acs = described.default_acs(&Binding::Post);
    let acs = acs.ok_or_else(|| unusable("it names no assertion consumer service for POST"))?;
    if !service_provider::may_receive(&acs.location) {
        let why = format!("its assertion consumer service `{}` is not an `https://` address", acs.location);
        return Err(AdminError::Metadata(why));
    }
    let row = ServiceProvider {
        entity_id: described.entity_id.clone(),
        tenant_id,
        acs_url: acs.location.clone(),
        metadata: String::from_utf8_lossy(metadata).into_owned(),
        created_at: admin.now,
    };
    let name = row.entity_id.to_string();
    admin
        .change("service.add", (Noun::Service, &name), move |connection| {
            Box::pin(async move {
                service_provider::insert(connection, &row).await?;
                let detail = json!({ "acs": row.acs_url });
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
            })
        })
        .await
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
                let row = service_provider::by_entity_id(connection, &service).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Service, &service))?;
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

/// The service with that entity ID.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn by_entity_id(admin: &Admin, entity_id: &str) -> Result<ServiceProvider, AdminError> {
    admin.demand(Right::Read)?;
    let row = service_provider::by_entity_id(&mut *admin.store.read().await?, entity_id).await?;
    admin.within(row, |service| &service.tenant_id, Noun::Service, entity_id)
}
