//! What somebody may do: the rights, the roles that bundle them for people, and the right that each change takes.
//!
//! [`Admin::change`](super::Admin::change) asks [`needed_for`] before it does anything, so no door can forget to.

use std::fmt;
use std::str::FromStr;

/// One thing that somebody may be allowed to do. The names are the scopes of API keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// See devices, users, tokens, services, domains and policy.
    Read,
    /// Read the audit.
    Audit,
    /// Remove, quarantine and restore devices.
    Devices,
    /// Add, suspend and resume people.
    Users,
    /// Make and revoke device tokens.
    Tokens,
    /// Register and remove services.
    Services,
    /// Give and take user domains.
    Domains,
    /// Change what a tenant has decided about sign-on.
    Policy,
    /// Add tenants.
    Tenants,
    /// Add, change and disable administrators and API keys.
    Administrators,
    /// Make signing keys.
    Keys,
    /// Provision people and groups over SCIM, as a directory does.
    Scim,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::Audit,
        Self::Devices,
        Self::Users,
        Self::Tokens,
        Self::Services,
        Self::Domains,
        Self::Policy,
        Self::Tenants,
        Self::Administrators,
        Self::Keys,
        Self::Scim,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Audit => "audit",
            Self::Devices => "devices",
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Services => "services",
            Self::Domains => "domains",
            Self::Policy => "policy",
            Self::Tenants => "tenants",
            Self::Administrators => "administrators",
            Self::Keys => "keys",
            Self::Scim => "scim",
        }
    }

    /// What it allows, in words that follow "may".
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Read => "see devices, users, tokens, services, domains and settings",
            Self::Audit => "read the audit",
            Self::Devices => "remove, quarantine and restore devices",
            Self::Users => "add, suspend and resume people",
            Self::Tokens => "make and revoke device tokens",
            Self::Services => "register and remove services",
            Self::Domains => "give and take user domains",
            Self::Policy => "change the settings for sign-on",
            Self::Tenants => "add tenants",
            Self::Administrators => "add and disable administrators and API keys",
            Self::Keys => "make signing keys",
            Self::Scim => "provision people and groups of one tenant over SCIM",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Right {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|right| right.name() == text).ok_or(())
    }
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rights(u16);

impl Rights {
    /// Every right.
    #[must_use]
    pub fn all() -> Self {
        Right::ALL.into_iter().collect()
    }

    /// Whether `right` is among them.
    #[must_use]
    pub fn contain(self, right: Right) -> bool {
        self.0 & (1 << right as u16) != 0
    }

    /// Whether all of `others` are among them.
    #[must_use]
    pub fn contain_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those in it, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.contain(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | (1 << right as u16)))
    }
}

/// What an administrator is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// May do everything, administrators included.
    Owner,
    /// May do everything but administrators, API keys, tenants and signing keys.
    Administrator,
    /// Helps people: devices and users.
    Support,
    /// Sees everything and changes nothing.
    Auditor,
}

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Administrator, Self::Support, Self::Auditor];

    /// What the role may do.
    #[must_use]
    pub fn rights(self) -> Rights {
        let seeing = [Right::Read, Right::Audit];
        match self {
            Self::Owner => Rights::all(),
            Self::Administrator => {
                let running =
                    [Right::Devices, Right::Users, Right::Tokens, Right::Services, Right::Domains, Right::Policy];
                seeing.into_iter().chain(running).collect()
            }
            Self::Support => seeing.into_iter().chain([Right::Devices, Right::Users]).collect(),
            Self::Auditor => seeing.into_iter().collect(),
        }
    }

    /// What it is for, as a sentence without a full stop.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Owner => "everything, administrators and API keys included",
            Self::Administrator => "devices, users, tokens, services, domains and settings",
            Self::Support => "sees everything; removes, quarantines and restores devices, suspends and resumes people",
            Self::Auditor => "sees everything and changes nothing",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Owner => "owner",
            Self::Administrator => "administrator",
            Self::Support => "support",
            Self::Auditor => "auditor",
        })
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.to_string() == text).ok_or(())
    }
}

/// The right that the change called `action` in the audit takes; none: somebody's change of their own account.
///
/// What is not listed takes the right that only owners have.
#[must_use]
pub fn needed_for(action: &str) -> Option<Right> {
    let (noun, verb) = action.split_once('.').unwrap_or((action, ""));
    Some(match (noun, verb) {
        ("account", _) => return None,
        ("device", _) => Right::Devices,
        ("user" | "group", _) => Right::Users,
        ("token", _) => Right::Tokens,
        ("service", _) => Right::Services,
        ("domain", _) => Right::Domains,
        ("tenant", "set") | ("idp" | "policy", _) => Right::Policy,
        ("tenant", _) => Right::Tenants,
        ("key", _) => Right::Keys,
        _ => Right::Administrators,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_changes_nothing_and_support_no_tokens() {
        let auditor = Role::Auditor.rights();
        for action in ["device.remove", "user.suspend", "token.create", "tenant.set", "administrator.create", "made.up"]
        {
            assert!(!auditor.contain(needed_for(action).unwrap()), "{action}");
        }
        let support = Role::Support.rights();
        assert!(support.contain(needed_for("device.quarantine").unwrap()));
        assert!(!support.contain(needed_for("token.create").unwrap()));
    }

    #[test]
    fn what_nobody_listed_takes_an_owner() {
        let right = needed_for("something.new").unwrap();
        let able: Vec<_> = Role::ALL.into_iter().filter(|role| role.rights().contain(right)).collect();
        assert_eq!(able, [Role::Owner]);
    }

    #[test]
    fn names_are_read_back() {
        assert!(Right::ALL.into_iter().all(|right| right.name().parse() == Ok(right)));
        assert!(Role::ALL.into_iter().all(|role| role.to_string().parse() == Ok(role)));
        assert_eq!(Rights::all().iter().count(), Right::ALL.len());
    }
}
