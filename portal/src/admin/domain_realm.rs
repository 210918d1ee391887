//! The directories that speak for a user domain.

use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Right, domain_name};
use crate::realm;
use crate::store::domain;
use crate::store::domain_realm::{self, DomainRealm};

fn realm_name(given: &str) -> Result<String, AdminError> {
    let wanted = "a Kerberos realm or UPN suffix: write `CORP.EXAMPLE.COM`";
    realm::name(given).ok_or_else(|| AdminError::Invalid { field: "realm", given: given.to_owned(), wanted })
}

/// Lets `given` speak for the user domain `name`; a repetition changes nothing.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`] of the domain.
pub async fn add(admin: &Admin, name: &str, given: &str) -> Result<DomainRealm, AdminError> {
    let (name, realm) = (domain_name(name)?, realm_name(given)?);
    let row = DomainRealm { domain: name.clone(), realm, origin: "administrator".to_owned(), created_at: admin.now };
    admin
        .change("domain.realm.add", (Noun::Domain, &name), move |connection| {
            Box::pin(async move {
                let found = domain::by_name(connection, &row.domain).await?;
                let found = found.ok_or_else(|| AdminError::missing(Noun::Domain, &row.domain))?;
                domain_realm::insert(connection, &row).await?;
                let kept = domain_realm::of_domain(connection, &row.domain).await?;
                let value = kept.into_iter().find(|kept| kept.realm == row.realm).unwrap_or(row);
                Ok(Done { tenant_id: Some(found.tenant_id), detail: json!({ "realm": value.realm }), value })
            })
        })
        .await
}

/// Lets `given` speak for the user domain `name` no longer. Its people are signed on by whichever directory of the domain names them next.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`] of the domain or the realm.
pub async fn remove(admin: &Admin, name: &str, given: &str) -> Result<(), AdminError> {
    let (name, realm) = (domain_name(name)?, realm_name(given)?);
    let domain = name.clone();
    admin
        .change("domain.realm.remove", (Noun::Domain, &name), move |connection| {
            Box::pin(async move {
                let found = domain::by_name(connection, &domain).await?;
                let found = found.ok_or_else(|| AdminError::missing(Noun::Domain, &domain))?;
                if !domain_realm::delete(connection, &domain, &realm).await? {
                    return Err(AdminError::missing(Noun::Realm, &realm));
                }
                Ok(Done { tenant_id: Some(found.tenant_id), detail: json!({ "realm": realm }), value: () })
            })
        })
        .await
}

/// The directories that speak for the user domain `name`; none: the first that a device names will.
///
/// # Errors
/// [`AdminError::NotFound`] of the domain, [`AdminError::Forbidden`].
pub async fn list(admin: &Admin, name: &str) -> Result<Vec<DomainRealm>, AdminError> {
    admin.demand(Right::Read)?;
    let name = domain_name(name)?;
    let mut connection = admin.store.read().await?;
    let found = domain::by_name(&mut connection, &name).await?;
    admin.within(found, |domain| &domain.tenant_id, Noun::Domain, &name)?;
    Ok(domain_realm::of_domain(&mut connection, &name).await?)
}
