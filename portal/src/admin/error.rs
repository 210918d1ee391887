//! What administrators are told when something can't be done: the thing by its name, and what to do next.

use std::fmt;

use super::Right;
use crate::files::FileError;
use crate::random::NoRandomness;
use crate::signing::SigningError;
use crate::store::StoreError;

/// A kind of thing that is administered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Noun {
    /// A customer of the cloud.
    Tenant,
    /// A user domain.
    Domain,
    /// A directory that speaks for a user domain.
    Realm,
    /// A device token.
    Token,
    /// A registered device.
    Device,
    /// A request for a device's diagnostics.
    Diagnostics,
    /// A demand of a tenant's policy.
    Rule,
    /// A person.
    User,
    /// A group of people.
    Group,
    /// A SAML service provider.
    Service,
    /// A signing key of the portal's.
    Key,
    /// An identity provider of a tenant.
    IdentityProvider,
    /// Somebody who may sign in to the pages.
    Administrator,
    /// What may sign administrators in.
    AdministratorIdp,
    /// A passkey of an administrator.
    Passkey,
    /// What a program shows to administer.
    ApiKey,
}

impl Noun {
    /// The command that administers it: `countersign-portal COMMAND list`.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Domain => "domain",
            Self::Realm => "realm",
            Self::Token => "token",
            Self::Device => "device",
            Self::Diagnostics => "diagnostics request",
            Self::Rule => "rule",
            Self::User => "user",
            Self::Group => "group",
            Self::Service => "service",
            Self::Key => "key",
            Self::IdentityProvider => "idp",
            Self::Administrator => "admin",
            Self::AdministratorIdp => "admin idp",
            Self::Passkey => "passkey",
            Self::ApiKey => "api-key",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Administrator => "administrator",
            Self::AdministratorIdp => "identity provider for administrators",
            Self::ApiKey => "API key",
            Self::IdentityProvider => "identity provider",
            Self::Tenant
            | Self::Domain
            | Self::Realm
            | Self::Token
            | Self::Device
            | Self::Diagnostics
            | Self::Rule
            | Self::User
            | Self::Group
            | Self::Service
            | Self::Passkey
            | Self::Key => self.command(),
        })
    }
}

/// Why an administrative change or query ended without success.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is no such thing, or it lies out of reach.
    #[error("there is no {noun} `{name}`; the list of {noun}s shows those that there are")]
    NotFound {
        /// What kind of thing.
        noun: Noun,
        /// What it was called.
        name: String,
    },
    /// There is one already.
    #[error("{noun} `{name}` is there already")]
    Duplicate {
        /// What kind of thing.
        noun: Noun,
        /// What it is called.
        name: String,
    },
    /// A value can't be what it is given for.
    #[error("`{given}` is not {wanted}")]
    Invalid {
        /// The field of the form or the request that holds it.
        field: &'static str,
        /// What was given.
        given: String,
        /// What it should have been, in words that follow "is not".
        wanted: &'static str,
    },
    /// A domain's DNS does not say yet that it is the tenant's.
    #[error(
        "that domain is not proven yet ({why}): give its DNS the TXT record `{record}` with the value `{value}`, and add the domain again"
    )]
    Unproven {
        /// The record's name.
        record: String,
        /// What it has to hold.
        value: String,
        /// What was found.
        why: String,
    },
    /// The actor may not do that.
    #[error("your account may not {}; ask an owner of this portal", .0.meaning())]
    Forbidden(Right),
    /// The cloud must keep somebody who may do everything.
    #[error("`{0}` is the last owner of this portal who can sign in with a password: make another owner first")]
    LastOwner(String),
    /// More ask for their password to be checked than can be served.
    #[error("too many sign in at this moment: try again in a minute")]
    Busy,
    /// A password could not be hashed.
    #[error("can't hash the password: {0}")]
    Hashing(String),
    /// What a browser sent as a passkey.
    #[error("that passkey can't be taken: {0}; begin again")]
    Passkey(#[from] crate::webauthn::NotBelieved),
    /// A service's metadata can't be used.
    #[error("can't take this metadata: {0}")]
    Metadata(String),
    /// A rule of identity providers would be broken.
    #[error(transparent)]
    Rule(#[from] crate::identity_provider::RuleBroken),
    /// What a directory has sent can't be done.
    #[error(transparent)]
    Scim(Box<crate::scim::fault::Fault>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The portal's files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The portal's signing keys.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Work on another thread ended early.
    #[error("can't {doing}")]
    Thread {
        /// What the portal was doing.
        doing: &'static str,
        /// How it ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl AdminError {
    /// There is no such thing.
    #[must_use]
    pub fn missing(noun: Noun, name: &str) -> Self {
        Self::NotFound { noun, name: name.to_owned() }
    }
}
