//! Identity providers that may sign administrators in, and which account is who there.
//!
//! They are recorded apart from those of tenants, because an account that may change one can be every account that is
//! linked with it: that takes the right that only owners have. An account is linked by an owner with one name at one of
//! them; an assertion alone makes nobody an administrator.

use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::{EntityId, NameIdFormat};
use serde_json::json;
use sqlx::AnyConnection;

use super::{Admin, AdminError, Done, Noun, Right, administrator, idp};
use crate::cloud::Cloud;
use crate::grade::Grade;
use crate::identity_provider;
use crate::random;
use crate::service_settings::ServiceSettings;
use crate::store::administrator::{self as accounts, Administrator};
use crate::store::administrator_idp::{self, AdministratorIdp, Kind};
use crate::store::administrator_session as sessions;
use crate::store::device;
use crate::store::service_provider::{self, ServiceProvider};

/// So many devices may sign one account in at most.
const MOST_DEVICES: usize = 16;

/// Records another identity provider by its metadata. `tenant` is the one whose accounts it may speak for; none: every account in reach.
///
/// # Errors
/// [`AdminError::Metadata`], [`AdminError::Invalid`], [`AdminError::Duplicate`], [`AdminError::NotFound`] of the tenant.
pub async fn add_external(
    admin: &Admin,
    name: &str,
    tenant: Option<&str>,
    metadata: &[u8],
) -> Result<AdministratorIdp, AdminError> {
    admin.demand(Right::Administrators)?;
    let identity_provider::Kind::External { entity_id, metadata, .. } = idp::external(metadata, admin).await? else {
        return Err(AdminError::Metadata("it describes this portal".to_owned()));
    };
    let row = new_row(admin, name, tenant, Kind::External { entity_id, metadata }).await?;
    add(admin, row, None).await
}

/// Lets devices of `tenant` sign administrators in, of the grade `minimum` at least. The pages become a service of that tenant. `everybody`:
/// it may speak for accounts of the whole cloud, too, and not only for the tenant's.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::Duplicate`], [`AdminError::NotFound`] of the tenant.
pub async fn add_devices(
    admin: &Admin,
    cloud: &Cloud,
    (name, tenant): (&str, &str),
    minimum: Grade,
    everybody: bool,
) -> Result<AdministratorIdp, AdminError> {
    admin.demand(Right::Administrators)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    let speaks_for = Some(tenant).filter(|_| !everybody);
    let mut row = new_row(
        admin,
        name,
        speaks_for,
        Kind::Devices { tenant_id: tenant_id.clone(), service: String::new(), minimum_evidence: minimum.to_string() },
    )
    .await?;
    let service = console_service(admin, cloud, &row.id, tenant_id)?;
    if let Kind::Devices { service: named, .. } = &mut row.kind {
        *named = service.entity_id.to_string();
    }
    add(admin, row, Some(service)).await
}

async fn new_row(admin: &Admin, name: &str, tenant: Option<&str>, kind: Kind) -> Result<AdministratorIdp, AdminError> {
    let given = name.trim();
    if !(1..=60).contains(&given.chars().count()) || given.chars().any(char::is_control) {
        let wanted = "a name for a button: 1 to 60 characters";
        return Err(AdminError::Invalid { field: "name", given: name.to_owned(), wanted });
    }
    let tenant_id = match tenant.filter(|tenant| !tenant.is_empty()) {
        Some(tenant) => Some(admin.tenant_id(tenant).await?),
        None => admin.reach.clone(),
    };
    Ok(AdministratorIdp {
        id: random::row_id()?,
        tenant_id,
        name: given.to_owned(),
        kind,
        created_by: admin.actor.to_string(),
        created_at: admin.now,
    })
}

async fn add(
    admin: &Admin,
    row: AdministratorIdp,
    service: Option<ServiceProvider>,
) -> Result<AdministratorIdp, AdminError> {
    let name = row.name.clone();
    admin
        .change("administrator.idp-add", (Noun::AdministratorIdp, &name), move |connection| {
            Box::pin(async move {
                administrator_idp::insert(connection, &row).await?;
                if let Some(service) = service {
                    service_provider::insert(connection, &service).await?;
                }
                let detail = json!({ "id": row.id, "is": what(&row) });
                Ok(Done { tenant_id: row.tenant_id.clone(), detail, value: row })
            })
        })
        .await
}

/// The pages as a service of the tenant with the id `tenant_id`. Nobody but the portal itself begins sign-ons in its name: its metadata demands
/// signatures, and has no key.
fn console_service(
    admin: &Admin,
    cloud: &Cloud,
    idp_id: &str,
    tenant_id: String,
) -> Result<ServiceProvider, AdminError> {
    let unusable = |_| AdminError::Metadata("the portal's address makes no entity ID".to_owned());
    let entity_id: EntityId = format!("{}/{idp_id}", cloud.console_entity_id()).parse().map_err(unusable)?;
    let acs_url = cloud.console_acs_url().to_owned();
    let acs = IndexedEndpoint { binding: Binding::Post, location: acs_url.clone(), index: 0, is_default: Some(true) };
    let metadata = SpMetadata {
        entity_id: entity_id.clone(),
        valid_until: None,
        signing_certificates: Vec::new(),
        acs: vec![acs],
        slo: Vec::new(),
        want_assertions_signed: true,
        authn_requests_signed: true,
        name_id_formats: vec![NameIdFormat::EmailAddress],
        display_name: Some("Administration of Countersign".to_owned()),
        request_initiator: None,
    };
    Ok(ServiceProvider {
        entity_id,
        tenant_id,
        acs_url,
        metadata: metadata.to_xml(),
        created_at: admin.now,
        metadata_url: None,
        settings: ServiceSettings::default(),
    })
}

/// What it is, in a few words.
#[must_use]
pub fn what(row: &AdministratorIdp) -> String {
    match &row.kind {
        Kind::External { entity_id, .. } => entity_id.clone(),
        Kind::Devices { minimum_evidence, .. } => format!("own devices, {minimum_evidence} at least"),
    }
}

/// Removes it: nobody is signed in by it any more, the accounts that were linked with it are linked with nothing, and their sessions end.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn remove(admin: &Admin, name: &str) -> Result<(), AdminError> {
    let given = name.trim().to_owned();
    admin
        .change("administrator.idp-remove", (Noun::AdministratorIdp, name), move |connection| {
            Box::pin(async move {
                let row = named(connection, &given).await?;
                sessions::delete_of_idp(connection, &row.id).await?;
                administrator_idp::delete(connection, &row.id).await?;
                if let Kind::Devices { tenant_id, service, .. } = &row.kind {
                    service_provider::delete(connection, tenant_id, service).await?;
                }
                Ok(Done { tenant_id: row.tenant_id, detail: json!({ "id": row.id }), value: () })
            })
        })
        .await
}

async fn named(connection: &mut AnyConnection, name: &str) -> Result<AdministratorIdp, AdminError> {
    let found = administrator_idp::list(connection).await?.into_iter().find(|row| row.name == name);
    found.ok_or_else(|| AdminError::missing(Noun::AdministratorIdp, name))
}

/// Those that may speak for accounts in reach, by name.
///
/// # Errors
/// [`AdminError::Forbidden`].
pub async fn list(admin: &Admin) -> Result<Vec<AdministratorIdp>, AdminError> {
    admin.demand(Right::Administrators)?;
    let mut rows = administrator_idp::list(&mut *admin.store.read().await?).await?;
    rows.retain(|row| admin.reach.is_none() || row.tenant_id.is_none() || row.tenant_id == admin.reach);
    Ok(rows)
}

/// Who an account is at an identity provider.
#[derive(Clone, Debug)]
pub struct Link {
    /// The identity provider's name.
    pub idp: String,
    /// What it calls the person.
    pub subject: String,
    /// The entity IDs of the devices that may sign them in; none where the identity provider is no devices.
    pub devices: Vec<String>,
}

/// Lets an identity provider sign the account `name` in; its password goes on working. Its sessions end.
///
/// Where devices sign people in, the link names them: an account that may make device tokens of the tenant could enrol a
/// device of its own, whose root can name anybody.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`].
pub async fn link(admin: &Admin, name: &str, link: Link) -> Result<Administrator, AdminError> {
    let subject = link.subject.trim().to_lowercase();
    if subject.is_empty() || subject.len() > 254 || subject.contains(char::is_whitespace) {
        let wanted = "a person's name at the identity provider, as in `ada@example.com`";
        return Err(AdminError::Invalid { field: "subject", given: link.subject, wanted });
    }
    let mut connection = admin.store.read().await?;
    let idp = named(&mut connection, link.idp.trim()).await?;
    let account = accounts::by_name(&mut connection, &name.trim().to_lowercase()).await?;
    let account = account.filter(|account| admin.reach.is_none() || admin.reach == account.tenant_id);
    let account = account.ok_or_else(|| AdminError::missing(Noun::Administrator, name))?;
    if !may_speak_for(&idp, &account) {
        let wanted = "an identity provider for this account: it has to be one of the whole cloud, or of the tenant that is the account's reach";
        return Err(AdminError::Invalid { field: "idp", given: idp.name, wanted });
    }
    let other = accounts::by_idp(&mut connection, (&idp.id, &subject)).await?;
    if other.is_some_and(|other| other.id != account.id) {
        let wanted = "a name that is still free there: another account is linked with it";
        return Err(AdminError::Invalid { field: "subject", given: subject, wanted });
    }
    check_devices(&mut connection, &idp, &link.devices).await?;
    drop(connection);
    let (id, devices) = (idp.id, link.devices);
    let set = move |row: &mut Administrator| {
        (row.idp_id, row.idp_subject, row.idp_devices) = (Some(id), Some(subject), devices);
    };
    administrator::change(admin, "administrator.link", name, set).await
}

async fn check_devices(
    connection: &mut AnyConnection,
    idp: &AdministratorIdp,
    devices: &[String],
) -> Result<(), AdminError> {
    let refused = |given: &str, wanted| Err(AdminError::Invalid { field: "devices", given: given.to_owned(), wanted });
    let Kind::Devices { tenant_id, .. } = &idp.kind else {
        let first = devices.first();
        let wanted = "needed: this identity provider signs people in without devices of the portal's";
        return first.map_or(Ok(()), |first| refused(first, wanted));
    };
    if devices.is_empty() {
        return refused("no device", "enough: name those that may sign this account in");
    }
    if devices.len() > MOST_DEVICES {
        return refused(&format!("{} devices", devices.len()), "a number that an account may have: 16 at most");
    }
    for id in devices {
        let known = device::by_id(connection, id).await?;
        if known.is_none_or(|known| known.tenant_id != *tenant_id) {
            return refused(
                id,
                "a device of the tenant: its page under Devices shows its name, `urn:countersign:device:…`",
            );
        }
    }
    Ok(())
}

/// Whether it may sign the account in at all: a tenant's identity provider is nobody beyond that tenant.
#[must_use]
pub fn may_speak_for(idp: &AdministratorIdp, account: &Administrator) -> bool {
    idp.tenant_id.is_none() || idp.tenant_id == account.tenant_id
}

/// Lets no identity provider sign the account in any more; its sessions end.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn unlink(admin: &Admin, name: &str) -> Result<Administrator, AdminError> {
    let set = |row: &mut Administrator| {
        (row.idp_id, row.idp_subject, row.idp_devices) = (None, None, Vec::new());
    };
    administrator::change(admin, "administrator.unlink", name, set).await
}
