//! Accounts for the pages.

use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use super::account::new_secret;
use super::{Admin, AdminError, Done, Noun, Right, Rights, Role};
use crate::random;
use crate::store::administrator::{self, Administrator};
use crate::store::administrator_session as sessions;
use crate::store::passkey;

/// How long an invitation can be used, in seconds.
pub const INVITATION_SECONDS: i64 = 2 * 86_400;

/// What a new account is to be.
#[derive(Clone, Debug)]
pub struct NewAdministrator {
    /// What they will sign in with.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The name of the one tenant that they may see and change; none: the whole cloud.
    pub tenant: Option<String>,
}

/// An account with a fresh invitation. Its secret is shown once: the portal keeps a hash of it.
pub struct Invited {
    /// The account.
    pub account: Administrator,
    /// What opens `/admin/invitation/SECRET`, once, for two days.
    pub invitation: String,
}

/// Makes an account, which gets its password through the invitation that is returned.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::Duplicate`], [`AdminError::NotFound`] of the tenant.
pub async fn create(admin: &Admin, new: NewAdministrator) -> Result<Invited, AdminError> {
    let name = new.name.trim().to_lowercase();
    let sound = (2..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte));
    if !sound {
        let wanted = "a name to sign in with: 2 to 64 letters, digits, `.`, `_`, `-` and `@`";
        return Err(AdminError::Invalid { field: "name", given: new.name, wanted });
    }
    let tenant_id = match new.tenant.as_deref().filter(|tenant| !tenant.is_empty()) {
        Some(tenant) => Some(admin.tenant_id(tenant).await?),
        None => admin.reach.clone(),
    };
    covers(admin.rights, new.role)?;
    let (invitation, hash) = new_secret()?;
    let row = Administrator {
        id: random::row_id()?,
        tenant_id,
        name: name.clone(),
        role: new.role,
        enabled: true,
        password: None,
        totp_secret: None,
        totp_used: 0,
        failures: 0,
        blocked_until: None,
        invitation: Some(hash),
        invitation_until: Some(admin.now.plus_seconds(INVITATION_SECONDS)),
        invited_by: Some(admin.actor.to_string()),
        idp_id: None,
        idp_subject: None,
        idp_devices: Vec::new(),
        created_by: admin.actor.to_string(),
        created_at: admin.now,
        last_sign_in_at: None,
    };
    let work = admin.change("administrator.create", (Noun::Administrator, &name), move |connection| {
        Box::pin(async move {
            administrator::insert(connection, &row).await?;
            Ok(Done { tenant_id: row.tenant_id.clone(), detail: json!({ "role": row.role.to_string() }), value: row })
        })
    });
    Ok(Invited { account: work.await?, invitation })
}

/// Takes password, authenticator, passkeys and sessions of the account away and invites its owner anew.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn reset(admin: &Admin, name: &str) -> Result<Invited, AdminError> {
    let (invitation, hash) = new_secret()?;
    let until = admin.now.plus_seconds(INVITATION_SECONDS);
    let by = admin.actor.to_string();
    let set = move |row: &mut Administrator| {
        row.invited_by = Some(by);
        (row.password, row.totp_secret) = (None, None);
        (row.failures, row.blocked_until) = (0, None);
        (row.invitation, row.invitation_until) = (Some(hash), Some(until));
    };
    let account = change(admin, "administrator.reset", name, set).await?;
    Ok(Invited { account, invitation })
}

/// Lets the account sign in, or not; its sessions end.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::LastOwner`].
pub async fn set_enabled(admin: &Admin, name: &str, enabled: bool) -> Result<Administrator, AdminError> {
    let action = if enabled { "administrator.enable" } else { "administrator.disable" };
    change(admin, action, name, move |row| row.enabled = enabled).await
}

/// Gives the account another role; its sessions end.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::LastOwner`].
pub async fn set_role(admin: &Admin, name: &str, role: Role) -> Result<Administrator, AdminError> {
    change(admin, "administrator.role", name, move |row| row.role = role).await
}

pub(super) async fn change(
    admin: &Admin,
    action: &'static str,
    name: &str,
    set: impl FnOnce(&mut Administrator) + Send + 'static,
) -> Result<Administrator, AdminError> {
    let name = name.trim().to_lowercase();
    let (account, now, rights) = (name.clone(), admin.now, admin.rights);
    admin
        .change(action, (Noun::Administrator, &name), move |connection| {
            Box::pin(async move {
                let row = administrator::by_name(connection, &account).await?;
                let mut row = row.ok_or_else(|| AdminError::missing(Noun::Administrator, &account))?;
                covers(rights, row.role)?;
                set(&mut row);
                covers(rights, row.role)?;
                administrator::update(connection, &row).await?;
                if !owner_is_left(connection, now).await? {
                    return Err(AdminError::LastOwner(account));
                }
                if row.password.is_none() {
                    // An account that is invited anew sets everything up anew.
                    passkey::delete_of(connection, &row.id).await?;
                }
                sessions::delete_of(connection, &row.id).await?;
                let detail = json!({ "role": row.role.to_string(), "enabled": row.enabled });
                Ok(Done { tenant_id: row.tenant_id.clone(), detail, value: row })
            })
        })
        .await
}

/// Nobody makes an account that may do more than they may, or changes one: they could sign in with it.
fn covers(rights: Rights, role: Role) -> Result<(), AdminError> {
    let lacking = role.rights().iter().find(|right| !rights.contain(*right));
    lacking.map_or(Ok(()), |right| Err(AdminError::Forbidden(right)))
}

/// Whether somebody may still do everything in the whole cloud, with a password or a link that sets one: identity providers fail.
async fn owner_is_left(connection: &mut AnyConnection, now: UtcTime) -> Result<bool, AdminError> {
    let all = administrator::list(connection).await?;
    let gets_in = |row: &Administrator| row.password.is_some() || row.invitation_until.is_some_and(|until| until > now);
    Ok(all.iter().any(|row| row.enabled && row.role == Role::Owner && row.tenant_id.is_none() && gets_in(row)))
}

/// The accounts in reach, by name.
///
/// # Errors
/// [`AdminError::Forbidden`].
pub async fn list(admin: &Admin) -> Result<Vec<Administrator>, AdminError> {
    admin.demand(Right::Administrators)?;
    let mut rows = administrator::list(&mut *admin.store.read().await?).await?;
    rows.retain(|row| admin.reach.is_none() || admin.reach == row.tenant_id);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Actor;

    #[tokio::test]
    async fn the_last_owner_stays_owner() {
        let (_dir, store) = crate::store::testing::store().await;
        let admin = Admin::whole(store, Actor::CommandLine, UtcTime::from_unix_seconds(1_700_000_000));
        let new = |name: &str| NewAdministrator { name: name.to_owned(), role: Role::Owner, tenant: None };
        create(&admin, new("ada")).await.unwrap();
        assert!(matches!(set_enabled(&admin, "ada", false).await, Err(AdminError::LastOwner(_))));
        assert!(matches!(set_role(&admin, "ada", Role::Auditor).await, Err(AdminError::LastOwner(_))));
        create(&admin, new("bea")).await.unwrap();
        set_enabled(&admin, "ada", false).await.unwrap();
        assert!(list(&admin).await.unwrap().iter().any(|row| row.name == "ada" && !row.enabled));
    }

    #[tokio::test]
    async fn a_key_for_administrators_alone_makes_no_owner_and_changes_none() {
        let (_dir, store) = crate::store::testing::store().await;
        let admin = Admin::whole(store, Actor::CommandLine, UtcTime::from_unix_seconds(1_700_000_000));
        let new = |name: &str, role| NewAdministrator { name: name.to_owned(), role, tenant: None };
        create(&admin, new("ada", Role::Owner)).await.unwrap();
        create(&admin, new("bea", Role::Auditor)).await.unwrap();
        let rights = Role::Auditor.rights().iter().chain([Right::Administrators]).collect();
        let key = Admin { rights, ..admin };
        assert!(matches!(create(&key, new("eve", Role::Owner)).await, Err(AdminError::Forbidden(_))));
        assert!(matches!(reset(&key, "ada").await, Err(AdminError::Forbidden(_))));
        assert!(matches!(set_role(&key, "bea", Role::Owner).await, Err(AdminError::Forbidden(_))));
        assert!(set_enabled(&key, "bea", false).await.is_ok());
    }

    #[tokio::test]
    async fn an_owner_of_one_tenant_makes_accounts_for_that_tenant_only() {
        let (_dir, store) = crate::store::testing::store().await;
        let admin = Admin::whole(store, Actor::CommandLine, UtcTime::from_unix_seconds(1_700_000_000));
        let acme = crate::admin::tenant::create(&admin, "acme").await.unwrap();
        crate::admin::tenant::create(&admin, "other").await.unwrap();
        let confined = Admin { reach: Some(acme.id.clone()), ..admin.clone() };
        let new = |tenant: Option<&str>| NewAdministrator {
            name: "carl".to_owned(),
            role: Role::Owner,
            tenant: tenant.map(str::to_owned),
        };
        assert!(matches!(create(&confined, new(Some("other"))).await, Err(AdminError::NotFound { .. })));
        assert_eq!(create(&confined, new(None)).await.unwrap().account.tenant_id, Some(acme.id));
    }
}
