//! Domains that a tenant's administrators add by themselves: a record in the domain's DNS proves that it is theirs to add. Nothing here tells whether
//! another tenant has the domain.

use serde_json::json;
use sqlx::AnyConnection;

use super::{Admin, AdminError, Done, Noun, Right, domain, domain_name};
use crate::random;
use crate::resolver::Resolver;
use crate::store::domain::{self as rows, Domain};
use crate::store::domain_proof::{self, DomainProof};

/// What stands before the domain in the name of the record.
const LABEL: &str = "_countersign-challenge";
/// As many domains may be waiting for a tenant.
const MOST: usize = 100;

/// The name of the TXT record that proves `name`.
#[must_use]
pub fn record(name: &str) -> String {
    format!("{LABEL}.{name}")
}

/// Gives the user domain `name` to `tenant`: at once where the actor reaches the whole cloud, else when the domain's DNS says so. Each call looks
/// there.
///
/// # Errors
/// [`AdminError::Unproven`] with the record that is missing; [`AdminError::Invalid`], [`AdminError::Duplicate`] where the tenant has it already,
/// [`AdminError::NotFound`] of the tenant.
pub async fn add(admin: &Admin, resolver: &Resolver, tenant: &str, name: &str) -> Result<Domain, AdminError> {
    if admin.reach.is_none() {
        return domain::add(admin, tenant, name).await;
    }
    admin.demand(Right::Domains)?;
    let (name, tenant_id) = (domain_name(name)?, admin.tenant_id(tenant).await?);
    let own = rows::by_name(&mut *admin.store.read().await?, &name).await?;
    if own.is_some_and(|own| own.tenant_id == tenant_id) {
        return Err(AdminError::Duplicate { noun: Noun::Domain, name });
    }
    let proof = challenge(admin, &tenant_id, &name).await?;
    let unproven = |why: String| AdminError::Unproven { record: record(&name), value: proof.value.clone(), why };
    match resolver.txt(&record(&name)).await {
        Ok(values) if values.contains(&proof.value) => take(admin, proof).await,
        Ok(_) => Err(unproven("it is not there yet".to_owned())),
        Err(error) => Err(unproven(error.to_string())),
    }
}

/// What the tenant has still to prove, by domain.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn of_tenant(admin: &Admin, tenant: &str) -> Result<Vec<DomainProof>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    Ok(domain_proof::of_tenant(&mut *admin.store.read().await?, &tenant_id).await?)
}

/// What the tenant has to prove `name` with: what it was given before, or something new.
async fn challenge(admin: &Admin, tenant_id: &str, name: &str) -> Result<DomainProof, AdminError> {
    let waiting = domain_proof::of_tenant(&mut *admin.store.read().await?, tenant_id).await?;
    if let Some(known) = waiting.iter().find(|proof| proof.name == name) {
        return Ok(known.clone());
    }
    if waiting.len() >= MOST {
        let wanted = "one more domain: a hundred wait for their proof already";
        return Err(AdminError::Invalid { field: "domain", given: name.to_owned(), wanted });
    }
    let proof = DomainProof {
        name: name.to_owned(),
        tenant_id: tenant_id.to_owned(),
        value: format!("countersign-domain={}", random::row_id()?),
        created_at: admin.now,
    };
    admin
        .change("domain.challenge", (Noun::Domain, name), move |connection| {
            Box::pin(async move {
                domain_proof::insert(connection, &proof).await?;
                Ok(Done { tenant_id: Some(proof.tenant_id.clone()), detail: json!({}), value: proof })
            })
        })
        .await
}

async fn take(admin: &Admin, proof: DomainProof) -> Result<Domain, AdminError> {
    let name = proof.name.clone();
    let row = Domain { name: proof.name, tenant_id: proof.tenant_id, created_at: admin.now };
    let taken = admin.change("domain.add", (Noun::Domain, &name), move |connection| {
        Box::pin(async move {
            insert(connection, &row).await?;
            let detail = json!({ "proof": record(&row.name) });
            Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
        })
    });
    taken.await.map_err(|error| {
        let AdminError::Duplicate { name, .. } = error else { return error };
        // Only owners of the cloud are told which tenant has it.
        let wanted = "a domain that can be added by its proof alone: ask an owner of this portal";
        AdminError::Invalid { field: "domain", given: name, wanted }
    })
}

async fn insert(connection: &mut AnyConnection, row: &Domain) -> Result<(), AdminError> {
    rows::insert(connection, row).await?;
    domain_proof::delete(connection, &row.tenant_id, &row.name).await?;
    Ok(())
}
