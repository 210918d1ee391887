//! What a machine says about an account, whichever system it has.

use super::EvidenceGrade;

/// What the machine says about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) grade: EvidenceGrade,
    pub(super) principal: Option<String>,
    /// The half of a sentence that follows "the account … ".
    pub(super) because: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Standing {
    pub(super) fn local(because: impl Into<String>) -> Self {
        Self { grade: EvidenceGrade::Local, principal: None, because: because.into(), attributes: Vec::new() }
    }

    pub(super) fn directory(principal: Option<String>, because: String) -> Self {
        Self { grade: EvidenceGrade::Directory, principal, because, attributes: Vec::new() }
    }
}
