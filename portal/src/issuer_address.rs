//! The addresses of issuers: a service's message is looked up where it has come, so that no tenant's service is taken for another's.

use saml::refusal::RefusalCode;
use sqlx::AnyConnection;

use crate::cloud::{Cloud, IssuerNames};
use crate::decision::Awaited;
use crate::store::StoreError;
use crate::store::issuer::Issuer;
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::tenant::Tenant;

/// The longest id of a tenant that an address may have.
const LONGEST_ID: usize = 64;

/// Whose address it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IssuerAddress {
    /// The cloud's, which tenants share that are older than their own.
    Shared,
    /// That of the tenant with this id, if there is one.
    Own(String),
}

impl IssuerAddress {
    /// The address below `/saml/t/`; none where `id` can't be a tenant's.
    #[must_use]
    pub fn of_tenant(id: &str) -> Option<Self> {
        let is_id = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
        is_id.then(|| Self::Own(id.to_owned()))
    }

    /// The issuer that answers there.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        match self {
            Self::Shared => Issuer::Shared,
            Self::Own(_) => Issuer::Own,
        }
    }

    /// The names of the issuer that answers there.
    #[must_use]
    pub fn names(&self, cloud: &Cloud) -> IssuerNames {
        match self {
            Self::Shared => cloud.issuer(Issuer::Shared, ""),
            Self::Own(tenant_id) => cloud.issuer(Issuer::Own, tenant_id),
        }
    }

    /// The service that is known there by this entity ID.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn service(
        &self,
        connection: &mut AnyConnection,
        entity_id: &str,
    ) -> Result<Option<ServiceProvider>, StoreError> {
        match self {
            Self::Shared => service_provider::shared(connection, entity_id).await,
            Self::Own(tenant_id) => service_provider::by_entity_id(connection, tenant_id, entity_id).await,
        }
    }
}

/// The issuer of the Response to the service that waits, or to one that has not asked. An entity ID names a service within its tenant: a sign-on
/// that another tenant's service of the same name began is refused.
///
/// # Errors
/// [`RefusalCode::ServiceUnknown`].
pub fn issuer_for(awaited: Option<&Awaited>, tenant: &Tenant) -> Result<Issuer, RefusalCode> {
    match awaited {
        Some(awaited) if awaited.tenant_id != tenant.id => Err(RefusalCode::ServiceUnknown),
        Some(awaited) => Ok(awaited.issuer),
        None => Ok(tenant.issuer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_an_id_is_an_address() {
        assert_eq!(IssuerAddress::of_tenant("0a1B"), Some(IssuerAddress::Own("0a1B".to_owned())));
        for wrong in ["", "a/b", "a b", "é", "..", &"a".repeat(65)] {
            assert_eq!(IssuerAddress::of_tenant(wrong), None, "{wrong}");
        }
    }
}
