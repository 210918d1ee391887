//! User domains: which tenant each belongs to.

use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Right, domain_name};
use crate::store::domain::{self, Domain};

/// Gives the user domain `name` to `tenant`: its people may then sign on. For those who reach the whole cloud; others prove a domain, see
/// [`super::domain_proof::add`].
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`] of the tenant, [`AdminError::Duplicate`] where any tenant has it.
pub async fn add(admin: &Admin, tenant: &str, name: &str) -> Result<Domain, AdminError> {
    let name = domain_name(name)?;
    if admin.reach.is_some() {
        let wanted = "a domain that was proven";
        return Err(AdminError::Invalid { field: "domain", given: name, wanted });
    }
    let row = Domain { name: name.clone(), tenant_id: admin.tenant_id(tenant).await?, created_at: admin.now };
    admin
        .change("domain.add", (Noun::Domain, &name), move |connection| {
            Box::pin(async move {
                domain::insert(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail: json!({}), value: row })
            })
        })
        .await
}

/// Takes the user domain `name` away: its people can't sign on any more.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn remove(admin: &Admin, name: &str) -> Result<(), AdminError> {
    let name = domain_name(name)?;
    let domain = name.clone();
    admin
        .change("domain.remove", (Noun::Domain, &name), move |connection| {
            Box::pin(async move {
                let row = domain::by_name(connection, &domain).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Domain, &domain))?;
                domain::delete(connection, &domain).await?;
                Ok(Done { tenant_id: Some(row.tenant_id), detail: json!({}), value: () })
            })
        })
        .await
}

/// The domains in reach, by name.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<Domain>, AdminError> {
    let mut domains = domain::list(&mut *admin.store.read().await?).await?;
    domains.retain(|domain| admin.reach.as_deref().is_none_or(|reach| reach == domain.tenant_id));
    Ok(domains)
}

/// The tenant's domains, by name.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn of_tenant(admin: &Admin, tenant: &str) -> Result<Vec<Domain>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    let mut domains = list(admin).await?;
    domains.retain(|domain| domain.tenant_id == tenant_id);
    Ok(domains)
}
