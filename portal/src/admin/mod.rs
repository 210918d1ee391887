//! Administration: one function for each change and each query. The command line, the API and the pages call these and
//! nothing below them, so a rule holds at every door, and every change is in the audit with who made it.
//!
//! A change and its audit row are one transaction: see [`Admin::change`].

pub mod account;
pub mod administrator;
pub mod administrator_idp;
pub mod api_key;
pub mod audit;
pub mod break_glass;
pub mod device;
pub mod diagnostics;
pub mod directory;
pub mod domain;
pub mod domain_proof;
pub mod domain_realm;
mod error;
pub mod idp;
pub mod key;
mod maker;
pub mod metadata;
pub mod overview;
pub mod passkey;
pub mod password;
pub mod policy;
mod rights;
pub mod service;
pub mod tenant;
pub mod token;
pub mod token_binding;
pub mod totp;
mod unknown_names;
pub mod user;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use saml::time::UtcTime;
use serde_json::Value;
use sqlx::AnyConnection;

pub use error::{AdminError, Noun};
pub use rights::{Right, Rights, Role, needed_for};

use crate::store::audit::Entry;
use crate::store::{Store, StoreError};

/// Who acts, as the audit names them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Actor {
    /// An account that may run commands on the portal's machine.
    CommandLine,
    /// A program that showed an API key; the key's id.
    ApiKey(String),
    /// Somebody who is signed in to the pages; their name.
    Administrator(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => formatter.write_str("command line"),
            Self::ApiKey(id) => write!(formatter, "API key {id}"),
            Self::Administrator(name) => write!(formatter, "administrator {name}"),
        }
    }
}

/// A door's way to what is administered: who acts, when, and how far they reach.
#[derive(Clone)]
pub struct Admin {
    /// The database.
    pub store: Store,
    /// Who acts.
    pub actor: Actor,
    /// The id of the one tenant that they may see and change; none: the whole cloud.
    pub reach: Option<String>,
    /// What they may do.
    pub rights: Rights,
    /// When.
    pub now: UtcTime,
}

/// What a change has done, for its caller and for the audit.
pub struct Done<T> {
    /// Whose the changed thing is; none: the cloud's.
    pub tenant_id: Option<String>,
    /// What the audit says beyond action and name, as an object. Never a secret.
    pub detail: Value,
    /// What the caller gets.
    pub value: T,
}

/// The work of a change, as a future that borrows the writer's connection.
pub type Change<'c, T> = Pin<Box<dyn Future<Output = Result<Done<T>, AdminError>> + Send + 'c>>;

impl Admin {
    /// Somebody who may do everything in the whole cloud.
    #[must_use]
    pub fn whole(store: Store, actor: Actor, now: UtcTime) -> Self {
        Self { store, actor, reach: None, rights: Rights::all(), now }
    }

    /// Runs `work` and writes its audit row, in one transaction: both are durable when this returns, or neither was done.
    ///
    /// `action` is what the audit calls it and what decides which right it takes, `noun` and `name` what it is done to. A change of something that lies out of
    /// reach is undone and reported as if there were no such thing.
    ///
    /// # Errors
    /// What `work` returned; [`AdminError::Forbidden`]; [`AdminError::Duplicate`] where the database refused a second row of the same name.
    pub async fn change<T: Send + 'static>(
        &self,
        action: &'static str,
        (noun, name): (Noun, &str),
        work: impl for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T> + Send + 'static,
    ) -> Result<T, AdminError> {
        if let Some(right) = needed_for(action) {
            self.demand(right)?;
        }
        let entry = self.entry(action, name);
        let reach = self.reach.clone();
        let missing = AdminError::missing(noun, name);
        // The writer undoes work that ends with a StoreError; what an administrator is told waits here.
        let refusal = Arc::new(Mutex::new(None));
        let told = Arc::clone(&refusal);
        let written = self.store.write(move |connection| {
            Box::pin(async move {
                let done = match work(connection).await {
                    Ok(done) if reach.is_none() || reach == done.tenant_id => Ok(done),
                    Ok(_) => Err(missing),
                    Err(error) => Err(error),
                };
                match done {
                    Ok(Done { tenant_id, detail, value }) => {
                        crate::store::audit::append(connection, Entry { tenant_id, detail, ..entry }).await?;
                        Ok(value)
                    }
                    Err(AdminError::Store(error)) => Err(error),
                    Err(error) => {
                        if let Ok(mut slot) = told.lock() {
                            *slot = Some(error);
                        }
                        Err(StoreError::Withdrawn)
                    }
                }
            })
        });
        written.await.map_err(|error| {
            if error.is_duplicate() {
                return AdminError::Duplicate { noun, name: name.to_owned() };
            }
            let told = refusal.lock().ok().and_then(|mut slot| slot.take());
            told.unwrap_or(AdminError::Store(error))
        })
    }

    /// Passes where the actor has `right`.
    ///
    /// # Errors
    /// [`AdminError::Forbidden`].
    pub fn demand(&self, right: Right) -> Result<(), AdminError> {
        if self.rights.contain(right) { Ok(()) } else { Err(AdminError::Forbidden(right)) }
    }

    /// The id of the tenant `name`, where it is in reach.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn tenant_id(&self, name: &str) -> Result<String, AdminError> {
        Ok(tenant::named(self, name).await?.id)
    }

    /// `row`, if its tenant is in reach.
    fn within<T>(
        &self,
        row: Option<T>,
        tenant_id: impl Fn(&T) -> &str,
        noun: Noun,
        name: &str,
    ) -> Result<T, AdminError> {
        let row = row.filter(|row| self.reach.as_deref().is_none_or(|reach| reach == tenant_id(row)));
        row.ok_or_else(|| AdminError::missing(noun, name))
    }

    fn entry(&self, action: &'static str, subject: &str) -> Entry {
        Entry {
            at: self.now,
            tenant_id: None,
            actor: self.actor.to_string(),
            action,
            subject: subject.to_owned(),
            result: "ok".to_owned(),
            detail: Value::Null,
        }
    }
}

/// A user domain as it is stored: lower case, at least two labels of letters, digits and hyphens.
///
/// # Errors
/// [`AdminError::Invalid`].
pub fn domain_name(given: &str) -> Result<String, AdminError> {
    let name = given.trim().to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let sound = name.len() <= 253 && name.contains('.') && name.split('.').all(label);
    let invalid =
        || AdminError::Invalid { field: "domain", given: given.to_owned(), wanted: "a domain: write `example.com`" };
    sound.then_some(name).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{audit as rows, device::Move};

    async fn admin() -> (tempfile::TempDir, Admin) {
        let (dir, store) = crate::store::testing::store().await;
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        (dir, Admin::whole(store, Actor::Administrator("ada".to_owned()), now))
    }

    async fn actions(admin: &Admin) -> Vec<(String, String)> {
        let rows = rows::newest(&mut admin.store.read().await.unwrap(), 50).await.unwrap();
        rows.into_iter().map(|row| (row.actor, row.action)).collect()
    }

    #[tokio::test]
    async fn a_change_is_in_the_audit_with_who_made_it() {
        let (_dir, admin) = admin().await;
        tenant::create(&admin, "acme").await.unwrap();
        domain::add(&admin, "acme", "example.test").await.unwrap();
        let by = "administrator ada".to_owned();
        assert_eq!(actions(&admin).await, [(by.clone(), "tenant.create".to_owned()), (by, "domain.add".to_owned())]);
    }

    #[tokio::test]
    async fn what_only_looks_like_a_name_is_nobodys() {
        let (_dir, admin) = admin().await;
        tenant::create(&admin, "acme").await.unwrap();
        for name in
            ["ali\u{200b}ce@example.test", "\u{430}lice@example.test", "j\u{fc}rgen@example.test", "a b@example.test"]
        {
            let refused = user::add(&admin, "acme", name).await.unwrap_err();
            assert!(matches!(refused, AdminError::Invalid { field: "name", .. }), "{name}");
        }
        assert_eq!(user::add(&admin, "acme", "Alice@Example.test").await.unwrap().name_id, "alice@example.test");
    }

    #[tokio::test]
    async fn realms_are_added_to_a_domain_listed_and_taken_away() {
        let (_dir, admin) = admin().await;
        tenant::create(&admin, "acme").await.unwrap();
        domain::add(&admin, "acme", "example.test").await.unwrap();
        for _ in 0..2 {
            let added = domain_realm::add(&admin, "example.test", "CORP.Example.").await.unwrap();
            assert_eq!((added.realm.as_str(), added.origin.as_str()), ("corp.example", "administrator"));
        }
        assert_eq!(domain_realm::list(&admin, "example.test").await.unwrap().len(), 1);
        let missing = domain_realm::remove(&admin, "example.test", "other.example").await.unwrap_err();
        assert!(matches!(missing, AdminError::NotFound { noun: Noun::Realm, .. }));
        assert!(domain_realm::add(&admin, "example.test", "no realm").await.is_err());
        assert!(domain_realm::add(&admin, "other.test", "corp.example").await.is_err());
        domain_realm::remove(&admin, "example.test", "CORP.EXAMPLE").await.unwrap();
        assert!(domain_realm::list(&admin, "example.test").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_there_or_is_not_there_is_told_by_name_and_leaves_no_audit_row() {
        let (_dir, admin) = admin().await;
        tenant::create(&admin, "acme").await.unwrap();
        let again = tenant::create(&admin, "acme").await.unwrap_err();
        assert!(matches!(again, AdminError::Duplicate { noun: Noun::Tenant, ref name } if name == "acme"), "{again}");
        let missing = device::step(&admin, "urn:x", Move::Remove).await.unwrap_err();
        assert!(matches!(missing, AdminError::NotFound { noun: Noun::Device, ref name } if name == "urn:x"));
        assert_eq!(actions(&admin).await.len(), 1);
    }

    #[tokio::test]
    async fn what_lies_out_of_reach_is_as_if_it_were_not_there_and_stays_as_it_is() {
        let (_dir, admin) = admin().await;
        tenant::create(&admin, "acme").await.unwrap();
        tenant::create(&admin, "other").await.unwrap();
        domain::add(&admin, "other", "other.test").await.unwrap();
        let reach = Some(admin.tenant_id("acme").await.unwrap());
        let confined = Admin { reach, ..admin.clone() };
        assert!(matches!(domain::remove(&confined, "other.test").await, Err(AdminError::NotFound { .. })));
        assert!(matches!(confined.tenant_id("other").await, Err(AdminError::NotFound { .. })));
        assert!(matches!(tenant::create(&confined, "third").await, Err(AdminError::NotFound { .. })));
        assert_eq!(domain::list(&admin).await.unwrap().len(), 1);
        assert_eq!(actions(&admin).await.len(), 3);
    }

    #[tokio::test]
    async fn a_change_takes_its_right() {
        let (_dir, admin) = admin().await;
        tenant::create(&admin, "acme").await.unwrap();
        let auditor = Admin { rights: Role::Auditor.rights(), ..admin.clone() };
        let refused = domain::add(&auditor, "acme", "example.test").await.unwrap_err();
        assert!(matches!(refused, AdminError::Forbidden(Right::Domains)), "{refused}");
        assert!(domain::list(&auditor).await.unwrap().is_empty());
    }

    #[test]
    fn a_domain_is_lower_case_and_has_two_labels_at_least() {
        assert_eq!(domain_name(" Example.COM").unwrap(), "example.com");
        for wrong in ["", "com", "a..b", "-a.com", "a b.com", "@example.com"] {
            assert!(domain_name(wrong).is_err(), "{wrong}");
        }
    }
}
