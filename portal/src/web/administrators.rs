//! Administrators: who may sign in to these pages.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Confirm, Frame, When};
use super::{PageError, go, page, told};
use crate::admin::administrator::{self, Invited, NewAdministrator};
use crate::admin::{AdminError, Role, administrator_idp, passkey, tenant};
use crate::store::administrator::Administrator;
use crate::store::tenant::Tenant;

#[derive(Template)]
#[template(path = "administrators.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<AdministratorRow>,
    given: Fields,
    problem: Option<String>,
    invitation: Option<(String, String)>,
    roles: Vec<(String, &'static str)>,
    tenants: Vec<String>,
    whole: bool,
}

struct AdministratorRow {
    name: String,
    role: String,
    state: &'static str,
    second: &'static str,
    /// What signs them in, and their name there.
    by: String,
    subject: String,
    reach: String,
    last: Option<When>,
}

/// The name of the tenant with that id, as a reach.
pub(super) fn reach(tenants: &[Tenant], id: Option<&String>) -> String {
    let name =
        |id: &String| tenants.iter().find(|tenant| tenant.id == *id).map_or("", |tenant| &tenant.name).to_owned();
    id.map_or_else(|| "whole cloud".to_owned(), name)
}

async fn list_page(
    visitor: &Visitor,
    given: Fields,
    problem: Option<String>,
    invited: Option<&Invited>,
) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let accounts = administrator::list(admin).await?;
    let tenants = tenant::list(admin).await?;
    let idps = administrator_idp::list(admin).await?;
    let with_passkeys = passkey::owners(admin).await?;
    let by = |account: &Administrator| {
        let linked = idps.iter().find(|idp| account.idp_id.as_deref() == Some(&idp.id));
        let ways = [
            account.password.as_ref().map(|_| "password"),
            with_passkeys.contains(&account.id).then_some("passkey"),
            linked.map(|idp| idp.name.as_str()),
        ];
        ways.into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    let row = |account: &Administrator| AdministratorRow {
        by: by(account),
        subject: account.idp_subject.clone().unwrap_or_default(),
        name: account.name.clone(),
        role: account.role.to_string(),
        state: match account {
            Administrator { enabled: false, .. } => "disabled",
            Administrator { password: None, idp_id: None, .. } => "invited",
            _ => "active",
        },
        second: if account.totp_secret.is_some() { "yes" } else { "no" },
        reach: reach(&tenants, account.tenant_id.as_ref()),
        last: account.last_sign_in_at.map(|at| When::new(at, admin.now)),
    };
    let link = |invited: &Invited| {
        let link = format!("{}/admin/invitation/{}", visitor.portal.cloud.base(), invited.invitation);
        (invited.account.name.clone(), link)
    };
    let list = ListPage {
        frame: Frame::new(visitor, "Administrators", None, "/administrators"),
        rows: accounts.iter().map(row).collect(),
        given,
        problem,
        invitation: invited.map(link),
        roles: Role::ALL.iter().map(|role| (role.to_string(), role.meaning())).collect(),
        tenants: tenants.into_iter().map(|tenant| tenant.name).collect(),
        whole: admin.reach.is_none(),
    };
    Ok(page(list.problem.as_ref(), &list))
}

/// `GET /admin/administrators`.
pub(super) async fn list(visitor: Visitor) -> Result<Response, PageError> {
    list_page(&visitor, Fields::default(), None, None).await
}

/// `POST /admin/administrators`: an account, and the one page that shows its link.
pub(super) async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let wanted = "a role: `owner`, `administrator`, `support` or `auditor`";
    let role = fields.text("role").parse::<Role>().map_err(|()| AdminError::Invalid {
        field: "role",
        given: fields.text("role").to_owned(),
        wanted,
    });
    let made = match role {
        Ok(role) => {
            let new = NewAdministrator { name: fields.text("name").to_owned(), role, tenant: fields.some("tenant") };
            administrator::create(visitor.admin(), new).await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(invited) => list_page(&visitor, Fields::default(), None, Some(&invited)).await,
        Err(error) => list_page(&visitor, fields, Some(told(error)?), None).await,
    }
}

fn question(step: &str) -> Result<(&'static str, &'static str), AdminError> {
    Ok(match step {
        "disable" => ("Disable", "They can't sign in any more, and their sessions end now."),
        "enable" => ("Enable", "They can sign in again."),
        "reset" => (
            "Make a new link",
            "Their password, authenticator and passkeys stop working and their sessions end. You get a link with which they choose a new password.",
        ),
        "unlink" => ("Take it away", "No identity provider signs the account in any more, and its sessions end now."),
        _ => {
            return Err(AdminError::Invalid {
                field: "step",
                given: step.to_owned(),
                wanted: "a change of an account",
            });
        }
    })
}

/// `GET /admin/administrators/{name}/{step}`.
pub(super) async fn ask(visitor: Visitor, Path((name, step)): Path<(String, String)>) -> Result<Response, PageError> {
    let (label, consequence) = question(&step)?;
    let frame = Frame::new(&visitor, label, None, "/administrators");
    let (action, back) = (format!("/admin/administrators/{name}/{step}"), "/admin/administrators".to_owned());
    let mut confirm = Confirm::new(frame, format!("{label}: {name}?"), label, action, back);
    confirm.consequences = vec![consequence.to_owned()];
    confirm.is_harsh = step != "enable";
    Ok(confirm.page())
}

/// `POST /admin/administrators/{name}/{step}`.
pub(super) async fn change(Path((name, step)): Path<(String, String)>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, .. } = posted;
    question(&step)?;
    let changed = match step.as_str() {
        "reset" => match administrator::reset(visitor.admin(), &name).await {
            Ok(invited) => return list_page(&visitor, Fields::default(), None, Some(&invited)).await,
            Err(error) => Err(error),
        },
        "unlink" => administrator_idp::unlink(visitor.admin(), &name).await,
        step => administrator::set_enabled(visitor.admin(), &name, step == "enable").await,
    };
    match changed {
        Ok(_) => Ok(go("/admin/administrators?notice=account-changed")),
        Err(error) => list_page(&visitor, Fields::default(), Some(told(error)?), None).await,
    }
}
