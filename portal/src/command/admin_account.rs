//! `countersign-portal admin`: accounts for the web pages.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{CommandError, Context};
use crate::admin::administrator::{Invited, NewAdministrator};
use crate::admin::{self, AdminError};
use crate::cloud::Cloud;
use crate::files;
use crate::store::administrator::Administrator;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// Make an account. Prints a link that sets its password, once, within two days.
    Create {
        /// What they will sign in with.
        name: String,
        /// What they may do.
        #[arg(long, default_value = "owner")]
        role: Role,
        /// The one tenant that they may see and change; not given: the whole cloud.
        #[arg(long)]
        tenant: Option<String>,
        /// How browsers reach the portal, for the link.
        #[arg(long, value_name = "URL")]
        public_url: Option<String>,
        /// A file with the password, `-` for standard input: the account is ready at once and there is no link.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Take password, authenticator and sessions away, and print a new link.
    Reset {
        /// Their name.
        name: String,
        /// How browsers reach the portal, for the link.
        #[arg(long, value_name = "URL")]
        public_url: Option<String>,
    },
    /// Let an account sign in no more, and end its sessions.
    Disable {
        /// Its name.
        name: String,
    },
    /// Let an account sign in again.
    Enable {
        /// Its name.
        name: String,
    },
    /// Give an account another role, and end its sessions.
    Role {
        /// Its name.
        name: String,
        /// What it may do from now on.
        role: Role,
    },
    /// Let an identity provider sign an account in: anybody that it calls by this name has it. Its password goes on working.
    Link {
        /// The account's name.
        name: String,
        /// The identity provider, as `admin idp list` names it.
        #[arg(long)]
        idp: String,
        /// The person's name there: the NameID, as in `ada@example.com`.
        #[arg(long = "as", value_name = "NAME")]
        subject: String,
        /// A device that may sign the account in, `urn:countersign:device:…`, where the identity provider is own devices; may be repeated.
        #[arg(long = "device", value_name = "URN")]
        devices: Vec<String>,
    },
    /// Let no identity provider sign an account in any more, and end its sessions.
    Unlink {
        /// The account's name.
        name: String,
    },
    /// What may sign accounts in besides their passwords.
    #[command(subcommand)]
    Idp(super::admin_idp::Idp),
    /// Show the accounts.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// Everything, administrators and API keys included.
    Owner,
    /// Devices, users, tokens, services, domains and settings.
    Administrator,
    /// Devices and users.
    Support,
    /// Sees everything and changes nothing.
    Auditor,
}

impl From<Role> for admin::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Administrator => Self::Administrator,
            Role::Support => Self::Support,
            Role::Auditor => Self::Auditor,
        }
    }
}

impl Account {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create { name, role, tenant, public_url, password_file } => {
                let base = base(public_url)?;
                let password = password_file.map(|path| password(&path)).transpose()?;
                let new = NewAdministrator { name, role: role.into(), tenant };
                let invited = admin::administrator::create(&context.admin, new).await?;
                match password {
                    Some(password) => accept(context, &invited, password).await,
                    None => Ok(link(&invited, &base)),
                }
            }
            Self::Reset { name, public_url } => {
                let base = base(public_url)?;
                Ok(link(&admin::administrator::reset(&context.admin, &name).await?, &base))
            }
            Self::Disable { name } => {
                let account = admin::administrator::set_enabled(&context.admin, &name, false).await?;
                Ok(format!("{} can't sign in any more\n", account.name))
            }
            Self::Enable { name } => {
                let account = admin::administrator::set_enabled(&context.admin, &name, true).await?;
                Ok(format!("{} can sign in again\n", account.name))
            }
            Self::Role { name, role } => {
                let account = admin::administrator::set_role(&context.admin, &name, role.into()).await?;
                Ok(format!("{} is {} now\n", account.name, account.role))
            }
            Self::Link { name, idp, subject, devices } => {
                let link = admin::administrator_idp::Link { idp, subject, devices };
                let account = admin::administrator_idp::link(&context.admin, &name, link).await?;
                let subject = account.idp_subject.unwrap_or_default();
                Ok(format!("{subject} there is {} here\n", account.name))
            }
            Self::Unlink { name } => {
                let account = admin::administrator_idp::unlink(&context.admin, &name).await?;
                Ok(format!("no identity provider signs {} in any more\n", account.name))
            }
            Self::Idp(command) => command.run(context).await,
            Self::List { json } => list(context, json).await,
        }
    }
}

fn base(public_url: Option<String>) -> Result<String, CommandError> {
    let given = public_url.map(|url| Cloud::new(&url).map(|cloud| cloud.base().to_owned())).transpose()?;
    Ok(given.unwrap_or_else(|| "https://YOUR-PORTAL".to_owned()))
}

fn link(invited: &Invited, base: &str) -> String {
    format!("{base}/admin/invitation/{}\n", invited.invitation)
}

/// The password in a file, without the line's end.
fn password(path: &std::path::Path) -> Result<String, CommandError> {
    let bytes = if path.as_os_str() == "-" { files::read_standard_input()? } else { files::read(path)? };
    let text = String::from_utf8(bytes).map_err(|_| {
        let wanted = "a password: it is not UTF-8 text";
        AdminError::Invalid { field: "password", given: path.display().to_string(), wanted }
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn accept(context: &Context, invited: &Invited, password: String) -> Result<String, CommandError> {
    let (store, now) = (&context.admin.store, context.admin.now);
    admin::account::accept_invitation(store, &invited.invitation, password, now).await?;
    Ok(format!("{} can sign in\n", invited.account.name))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let accounts = admin::administrator::list(&context.admin).await?;
    if json {
        return Ok(super::json(&accounts));
    }
    let row = |account: &Administrator| {
        let state = match account {
            Administrator { enabled: false, .. } => "disabled",
            Administrator { password: None, idp_id: None, .. } => "invited",
            _ => "active",
        };
        let last = account.last_sign_in_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
        let second = if account.totp_secret.is_some() { "yes" } else { "no" };
        let by = account.idp_subject.clone().unwrap_or_else(|| "password".to_owned());
        [account.name.clone(), account.role.to_string(), state.to_owned(), second.to_owned(), by, last]
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    Ok(table(["NAME", "ROLE", "STATE", "AUTHENTICATOR", "SIGNS IN AS", "LAST SIGN-IN"], &rows))
}
