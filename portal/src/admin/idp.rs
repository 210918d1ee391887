//! The identity providers of a tenant. Every change goes into a draft; nothing holds until the draft is activated.

use saml::metadata::{Binding, IdpMetadata, Role};
use serde_json::json;
use sqlx::AnyConnection;

use super::metadata::one_entity;
use super::{Admin, AdminError, Done, Noun, domain_name, tenant as tenants};
use crate::identity_provider::{Domains, Kind, Provider, Providers, Repository};
use crate::store::domain;
use crate::store::provider::{self, Draft, Version};
use crate::store::signing_key;
use crate::store::tenant::{self, Tenant};
use crate::web_address;

/// What a provider is changed to; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The domains that are mapped to it.
    pub domains: Option<Domains>,
    /// Whether it answers.
    pub enabled: Option<bool>,
    /// Whether somebody new is provisioned by signing on.
    pub auto_provisioning: Option<bool>,
}

/// What holds, and what would hold.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What holds.
    pub active: Providers,
    /// Its number; 0: nobody has activated anything yet.
    pub version: i64,
    /// What would hold, if something is being prepared.
    pub draft: Option<Draft>,
    /// What activation would change, a line for each thing.
    pub difference: Vec<String>,
}

/// What holds for the tenant, and what is being prepared.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn standing(admin: &Admin, name: &str) -> Result<Standing, AdminError> {
    let tenant = tenants::named(admin, name).await?;
    let draft = provider::draft(&mut *admin.store.read().await?, &tenant.id).await?;
    let difference = draft.as_ref().map(|draft| tenant.providers.difference(&draft.providers)).unwrap_or_default();
    Ok(Standing { active: tenant.providers, version: tenant.provider_version, draft, difference })
}

/// Adds the portal as an identity provider to the draft, where it is not among them.
///
/// # Errors
/// [`AdminError::Rule`], [`AdminError::NotFound`].
pub async fn add_portal(admin: &Admin, tenant: &str, name: &str, changes: Changes) -> Result<(), AdminError> {
    add(admin, tenant, name, Kind::Countersign, changes).await
}

/// Records another identity provider by its metadata in the draft.
///
/// # Errors
/// [`AdminError::Metadata`], [`AdminError::Rule`], [`AdminError::NotFound`].
pub async fn add_external(
    admin: &Admin,
    tenant: &str,
    name: &str,
    metadata: &[u8],
    changes: Changes,
) -> Result<(), AdminError> {
    let kind = external(metadata, admin).await?;
    add(admin, tenant, name, kind, changes).await
}

/// Another identity provider as its metadata describes it.
pub(super) async fn external(metadata: &[u8], admin: &Admin) -> Result<Kind, AdminError> {
    let metadata = &one_entity(metadata, Role::IdentityProvider, None)?;
    let described = IdpMetadata::parse(metadata).map_err(|rejection| AdminError::Metadata(rejection.to_string()))?;
    if described.valid_until.is_some_and(|until| until <= admin.now) {
        let why = "its `validUntil` has passed; ask its administrator for newer metadata";
        return Err(AdminError::Metadata(why.to_owned()));
    }
    if described.signing_keys().is_err() {
        let why = "it has no certificate of a signing key that the portal can use: RSA of 2048 bits and more, or ECDSA";
        return Err(AdminError::Metadata(why.to_owned()));
    }
    // Whatever address it goes by, it signs with the same keys.
    let own = signing_key::list(&mut *admin.store.read().await?).await?;
    if own.iter().any(|key| described.signing_certificates.contains(&key.certificate)) {
        let why = "it describes this portal, which answers for its tenants anyway";
        return Err(AdminError::Metadata(why.to_owned()));
    }
    let by = |binding| described.sso.iter().find(|endpoint| endpoint.binding == binding);
    let sign_on = by(Binding::Redirect).or_else(|| by(Binding::Post));
    let sign_on = sign_on.filter(|endpoint| web_address::is_https(&endpoint.location));
    let sign_on = sign_on.ok_or_else(|| {
        AdminError::Metadata("it names no `https://` address for sign-on by Redirect or POST".to_owned())
    })?;
    Ok(Kind::External {
        entity_id: described.entity_id.to_string(),
        sign_on_url: sign_on.location.clone(),
        metadata: String::from_utf8_lossy(metadata).into_owned(),
    })
}

async fn add(admin: &Admin, tenant: &str, name: &str, kind: Kind, changes: Changes) -> Result<(), AdminError> {
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        let wanted = "the name of an identity provider: 1 to 100 characters";
        return Err(AdminError::Invalid { field: "name", given: name.to_owned(), wanted });
    }
    let one = Provider {
        name: name.to_owned(),
        kind,
        is_default: false,
        domains: changes.domains.map_or(Ok(Domains::Only(Vec::new())), sound)?,
        enabled: changes.enabled.unwrap_or(false),
        auto_provisioning: changes.auto_provisioning.unwrap_or(false),
    };
    edit(admin, tenant, "idp.add", name, move |providers| {
        providers.list.push(one);
        Ok(())
    })
    .await
}

/// Changes the identity provider `name` in the draft.
///
/// # Errors
/// [`AdminError::Rule`], [`AdminError::NotFound`].
pub async fn set(admin: &Admin, tenant: &str, name: &str, changes: Changes) -> Result<(), AdminError> {
    let domains = changes.domains.map(sound).transpose()?;
    let wanted = name.to_owned();
    edit(admin, tenant, "idp.set", name, move |providers| {
        let one = named(providers, &wanted)?;
        one.domains = domains.unwrap_or_else(|| one.domains.clone());
        one.enabled = changes.enabled.unwrap_or(one.enabled);
        one.auto_provisioning = changes.auto_provisioning.unwrap_or(one.auto_provisioning);
        Ok(())
    })
    .await
}

/// Puts newer metadata of the identity provider `name` into the draft.
///
/// # Errors
/// [`AdminError::Metadata`], also where it is another one's; [`AdminError::NotFound`].
pub async fn set_metadata(admin: &Admin, tenant: &str, name: &str, metadata: &[u8]) -> Result<(), AdminError> {
    let kind = external(metadata, admin).await?;
    let wanted = name.to_owned();
    edit(admin, tenant, "idp.metadata", name, move |providers| {
        let one = named(providers, &wanted)?;
        let (before, after) = (one.kind_text(), Provider { kind: kind.clone(), ..one.clone() }.kind_text());
        if before != after {
            let why = format!("it is of `{after}`, and `{wanted}` is {before}; add that one by itself");
            return Err(AdminError::Metadata(why));
        }
        one.kind = kind;
        Ok(())
    })
    .await
}

/// Makes the identity provider `name` the default in the draft, which clears its mapping. The one that was the default
/// before has no mapping then, and is disabled until it gets one.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn make_default(admin: &Admin, tenant: &str, name: &str) -> Result<(), AdminError> {
    let wanted = name.to_owned();
    edit(admin, tenant, "idp.default", name, move |providers| {
        if named(providers, &wanted)?.is_default {
            return Ok(());
        }
        for one in &mut providers.list {
            one.enabled = one.enabled && !one.is_default;
            one.is_default = false;
        }
        let one = named(providers, &wanted)?;
        (one.is_default, one.enabled, one.domains) = (true, true, Domains::Only(Vec::new()));
        Ok(())
    })
    .await
}

/// Takes the identity provider `name` out of the draft.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`] of the default, which can't be deleted.
pub async fn remove(admin: &Admin, tenant: &str, name: &str) -> Result<(), AdminError> {
    let gone = name.to_owned();
    edit(admin, tenant, "idp.remove", name, move |providers| {
        if named(providers, &gone)?.is_default {
            let wanted =
                "an identity provider that can be deleted: it is the default; make another one the default first";
            return Err(AdminError::Invalid { field: "name", given: gone, wanted });
        }
        providers.list.retain(|one| one.name != gone);
        Ok(())
    })
    .await
}

/// Says in the draft who keeps the people.
///
/// # Errors
/// [`AdminError::Rule`], [`AdminError::NotFound`].
pub async fn set_repository(admin: &Admin, tenant: &str, repository: Repository) -> Result<(), AdminError> {
    edit(admin, tenant, "idp.repository", "", move |providers| {
        providers.repository = repository;
        Ok(())
    })
    .await
}

/// Lets the draft hold from the next request on; returns its version and what it has changed.
///
/// # Errors
/// [`AdminError::Rule`] where a rule is broken by now, [`AdminError::Invalid`] where there is no draft.
pub async fn activate(admin: &Admin, tenant: &str) -> Result<(i64, Vec<String>), AdminError> {
    let (name, by, now) = (tenant.to_owned(), admin.actor.to_string(), admin.now);
    admin
        .change("idp.activate", (Noun::Tenant, tenant), move |connection| {
            Box::pin(async move {
                let tenant = of(connection, &name).await?;
                let draft = provider::draft(connection, &tenant.id).await?.ok_or_else(|| no_draft(&name))?;
                draft.providers.check(&domains_of(connection, &tenant.id).await?)?;
                let difference = tenant.providers.difference(&draft.providers);
                let version = Version {
                    version: tenant.provider_version + 1,
                    providers: draft.providers,
                    activated_by: by,
                    activated_at: now,
                };
                provider::activate(connection, &tenant.id, &version).await?;
                let detail = json!({ "version": version.version, "difference": difference });
                Ok(Done { tenant_id: Some(tenant.id), detail, value: (version.version, difference) })
            })
        })
        .await
}

/// Throws the draft away.
///
/// # Errors
/// [`AdminError::Invalid`] where there is none.
pub async fn discard(admin: &Admin, tenant: &str) -> Result<(), AdminError> {
    let name = tenant.to_owned();
    admin
        .change("idp.discard", (Noun::Tenant, tenant), move |connection| {
            Box::pin(async move {
                let tenant = of(connection, &name).await?;
                if !provider::discard_draft(connection, &tenant.id).await? {
                    return Err(no_draft(&name));
                }
                Ok(Done { tenant_id: Some(tenant.id), detail: json!({}), value: () })
            })
        })
        .await
}

/// The versions that hold or have held, the newest first.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn versions(admin: &Admin, tenant: &str) -> Result<Vec<Version>, AdminError> {
    let tenant_id = admin.tenant_id(tenant).await?;
    Ok(provider::versions(&mut *admin.store.read().await?, &tenant_id).await?)
}

/// Makes what `version` said the draft; activating it brings it back.
///
/// # Errors
/// [`AdminError::Invalid`] where there is no such version, [`AdminError::Rule`] where a domain of it is gone.
pub async fn bring_back(admin: &Admin, tenant: &str, version: i64) -> Result<(), AdminError> {
    let found = versions(admin, tenant).await?.into_iter().find(|one| one.version == version);
    let wanted = "a version: `idp versions` shows those that there are";
    let found = found.ok_or_else(|| AdminError::Invalid { field: "version", given: version.to_string(), wanted })?;
    edit(admin, tenant, "idp.bring-back", "", move |providers| {
        *providers = found.providers;
        Ok(())
    })
    .await
}

/// Changes the tenant's draft, which begins as what holds, and checks every rule.
async fn edit(
    admin: &Admin,
    tenant: &str,
    action: &'static str,
    what: &str,
    change: impl FnOnce(&mut Providers) -> Result<(), AdminError> + Send + 'static,
) -> Result<(), AdminError> {
    let (name, what, by, now) = (tenant.to_owned(), what.to_owned(), admin.actor.to_string(), admin.now);
    admin
        .change(action, (Noun::Tenant, tenant), move |connection| {
            Box::pin(async move {
                let tenant = of(connection, &name).await?;
                let draft = provider::draft(connection, &tenant.id).await?;
                let mut providers = draft.map_or_else(|| tenant.providers.clone(), |draft| draft.providers);
                change(&mut providers)?;
                providers.check(&domains_of(connection, &tenant.id).await?)?;
                let detail = json!({ "idp": what, "draft": tenant.providers.difference(&providers) });
                provider::keep_draft(connection, &tenant.id, &Draft { providers, changed_by: by, changed_at: now })
                    .await?;
                Ok(Done { tenant_id: Some(tenant.id), detail, value: () })
            })
        })
        .await
}

async fn of(connection: &mut AnyConnection, name: &str) -> Result<Tenant, AdminError> {
    tenant::by_name(connection, name).await?.ok_or_else(|| AdminError::missing(Noun::Tenant, name))
}

async fn domains_of(connection: &mut AnyConnection, tenant_id: &str) -> Result<Vec<String>, AdminError> {
    let domains = domain::list(connection).await?;
    Ok(domains.into_iter().filter(|domain| domain.tenant_id == tenant_id).map(|domain| domain.name).collect())
}

fn named<'p>(providers: &'p mut Providers, name: &str) -> Result<&'p mut Provider, AdminError> {
    let one = providers.list.iter_mut().find(|one| one.name == name);
    one.ok_or_else(|| AdminError::missing(Noun::IdentityProvider, name))
}

fn sound(domains: Domains) -> Result<Domains, AdminError> {
    match domains {
        Domains::Any => Ok(Domains::Any),
        Domains::Only(list) => {
            Ok(Domains::Only(list.iter().map(|domain| domain_name(domain)).collect::<Result<_, _>>()?))
        }
    }
}

fn no_draft(tenant: &str) -> AdminError {
    AdminError::Invalid {
        field: "draft",
        given: tenant.to_owned(),
        wanted: "a tenant with a draft: nothing was changed",
    }
}
