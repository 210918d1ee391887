//! What a machine says about an account, whichever system it has.

use super::EvidenceGrade;

/// What the machine says about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) grade: EvidenceGrade,
    pub(super) principal: Option<String>,
    /// The directory that the account is in: its realm, whatever suffix its UPN has.
    pub(super) realm: Option<String>,
    /// The name that the account has by now, where the session goes by another one.
    pub(super) name: Option<String>,
    /// The half of a sentence that follows "the account … ".
    pub(super) because: String,
    /// Nobody is to be signed in by it, as `because` says.
    pub(super) doubtful: bool,
    /// The name service that should know did not say, so that what it has said before still holds.
    pub(super) silent: bool,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Standing {
    pub(super) fn local(because: impl Into<String>) -> Self {
        Self {
            grade: EvidenceGrade::Local,
            principal: None,
            realm: None,
            name: None,
            because: because.into(),
            doubtful: false,
            silent: false,
            attributes: Vec::new(),
        }
    }

    /// Without a principal it is a local account's: the portal believes a directory only where it names the person.
    pub(super) fn directory(principal: Option<String>, because: String) -> Self {
        let Some(principal) = principal else { return Self::local(format!("{because}, and has no principal there")) };
        let realm = principal.rsplit_once('@').map(|(_, realm)| realm.to_owned());
        Self { grade: EvidenceGrade::Directory, principal: Some(principal), realm, ..Self::local(because) }
    }

    /// Whose name can't be told, or who may not be signed in.
    #[cfg(target_os = "linux")]
    pub(super) fn nobody(because: impl Into<String>) -> Self {
        Self { doubtful: true, ..Self::local(because) }
    }
}
