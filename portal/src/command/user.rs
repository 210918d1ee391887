//! `countersign-portal user`: the people whom the portal signs in.

use clap::Subcommand;
use serde_json::json;

use super::{CommandError, Context};
use crate::random;
use crate::store::audit;
use crate::store::person::{self, Person, PersonState};
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Provision somebody by hand, for tenants that do without auto-provisioning.
    Add {
        /// `user@domain`.
        name: String,
        /// Whose they are.
        #[arg(long)]
        tenant: String,
    },
    /// Show the people.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shut somebody out from all their devices.
    Suspend {
        /// `user@domain`.
        name: String,
    },
    /// Let somebody sign on again.
    Resume {
        /// `user@domain`.
        name: String,
    },
}

impl User {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Add { name, tenant } => add(context, name, &tenant).await,
            Self::List { json } => list(context, json).await,
            Self::Suspend { name } => set_state(context, name, PersonState::Suspended, "user.suspend").await,
            Self::Resume { name } => set_state(context, name, PersonState::Active, "user.resume").await,
        }
    }
}

async fn add(context: &Context, name: String, tenant: &str) -> Result<String, CommandError> {
    let tenant_id = context.tenant(tenant).await?.id;
    let name = name.to_ascii_lowercase();
    let sound = name.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty() && !user.chars().any(char::is_whitespace) && super::domain_name(domain).is_ok()
    });
    if !sound {
        return Err(CommandError::Invalid { given: name, wanted: "a name of the form `user@example.com`" });
    }
    let entry = context.entry("user.add", &name, Some(tenant_id.clone()), json!({}));
    let row = Person {
        id: random::row_id()?,
        tenant_id,
        name_id: name.clone(),
        state: PersonState::Active,
        created_at: context.now,
        last_sign_on_at: None,
    };
    let written = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                person::insert(connection, &row).await?;
                audit::append(connection, entry).await
            })
        })
        .await;
    match written {
        Err(error) if error.is_duplicate() => Err(CommandError::Duplicate { noun: "user", name }),
        written => Ok(written.map(|()| format!("provisioned {name}\n"))?),
    }
}

async fn set_state(
    context: &Context,
    name: String,
    state: PersonState,
    action: &'static str,
) -> Result<String, CommandError> {
    let name = name.to_ascii_lowercase();
    let entry = context.entry(action, &name, None, json!({}));
    let person = name.clone();
    let found = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                let found = person::set_state(connection, &person, state).await?;
                if found {
                    audit::append(connection, entry).await?;
                }
                Ok(found)
            })
        })
        .await?;
    if !found {
        return Err(CommandError::NotFound { noun: "user", name, command: "user" });
    }
    Ok(format!("{name} is {state}\n"))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let people = person::list(&mut *context.store.read().await?).await?;
    if json {
        return Ok(super::json(&people));
    }
    let row = |person: &Person| {
        let last = person.last_sign_on_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
        [person.name_id.clone(), person.state.to_string(), person.created_at.to_string(), last]
    };
    let rows: Vec<_> = people.iter().map(row).collect();
    Ok(table(["USER", "STATE", "PROVISIONED", "LAST SIGN-ON"], &rows))
}
