//! Evidence: what a device offers for who the person is, and what the portal makes of it.

use saml::device::{Evidence, EvidenceGrade};
use saml::name::Attribute;
use saml::refusal::RefusalCode;

use crate::store::device::Facts;

/// What the names of all facts begin with.
pub const DEVICE: &str = "urn:countersign:device:";
/// Name of the fact that says which platform the device is: `linux`, `macos`, `windows`.
pub const PLATFORM: &str = "urn:countersign:device:platform";
/// Name of the fact that holds the device's host name.
pub const HOSTNAME: &str = "urn:countersign:device:hostname";
/// Name of the fact that says what protects the device's key.
pub const KEY_PROTECTION: &str = "urn:countersign:device:key-protection";
/// Name of the fact that holds the maker's serial number.
pub const SERIAL: &str = "urn:countersign:device:serial";
/// Name of the fact that holds the management's own id for the device.
pub const EXTERNAL_ID: &str = "urn:countersign:device:external-id";
/// Name of the fact that tells machines apart through a reinstallation.
const FINGERPRINT: &str = "urn:countersign:device:fingerprint";
/// Name of the fact that tells installations apart.
const MACHINE_ID_HASH: &str = "urn:countersign:device:machine-id.hash";
/// Name of the fact that holds the version of the agent.
pub const AGENT_VERSION: &str = "urn:countersign:device:agent.version";
/// The id of the account, which stays when it is renamed.
pub(crate) const ACCOUNT_ID: &str = saml::device::ACCOUNT_ID;
/// The name of the account that owns the session.
const LOCAL_NAME: &str = "urn:countersign:user:local-name";
/// The name that a directory knows the person by: a UPN or `user@REALM`.
pub(crate) const PRINCIPAL: &str = "urn:countersign:user:principal";
/// The name that the device's management gave.
const MANAGED_NAME: &str = "urn:countersign:user:managed-name";

/// Facts are stored up to this many, each with values of up to [`LONGEST_VALUE`] characters: they are outside text.
const MOST_FACTS: usize = 64;
const LONGEST_VALUE: usize = 512;

/// Checks that the claim is of the least kind demanded, and that it names the person it is made for.
///
/// The kind decides which attribute must name them: a device can't offer a local account's name as a directory's.
///
/// # Errors
/// [`RefusalCode::EvidenceTooWeak`].
pub fn check(evidence: &Evidence, local_part: &str, minimum: EvidenceGrade) -> Result<(), RefusalCode> {
    let attribute = match evidence.grade {
        EvidenceGrade::Directory => PRINCIPAL,
        EvidenceGrade::Managed => MANAGED_NAME,
        EvidenceGrade::Local => LOCAL_NAME,
    };
    let named = value(&evidence.attributes, attribute).unwrap_or_default().to_ascii_lowercase();
    // Windows names an account of the machine `MACHINE\account`.
    let named = named.rsplit_once('\\').map_or(named.as_str(), |(_, account)| account);
    let named = named.split_once('@').map_or(named, |(user, _)| user);
    if evidence.grade < minimum || named != local_part {
        return Err(RefusalCode::EvidenceTooWeak);
    }
    Ok(())
}

/// Attributes as a map from names to values, cut to what the portal keeps.
#[must_use]
pub fn facts(attributes: &[Attribute]) -> Facts {
    // A secret that came along is used and not kept.
    let kept = attributes.iter().filter(|attribute| attribute.name != saml::device::PROOF_CODE).take(MOST_FACTS);
    kept.map(|attribute| {
        let values = attribute.values.iter().take(MOST_FACTS);
        (attribute.name.clone(), values.map(|value| value.chars().take(LONGEST_VALUE).collect()).collect())
    })
    .collect()
}

/// What can protect a device's key, best first.
const PROTECTIONS: [&str; 5] = ["tpm", "secure-enclave", "os-key-store", "sealed-file", "file"];

/// Whether a key that `next` protects is easier to copy than one that `present` protects. A word that is not known is worse than any other one; a
/// device that does not say what protects its key has nothing to lose.
#[must_use]
pub fn is_weaker(next: &str, present: &str) -> bool {
    let rank = |word: &str| PROTECTIONS.iter().position(|known| *known == word).unwrap_or(PROTECTIONS.len());
    !present.is_empty() && next != present && (rank(next) == PROTECTIONS.len() || rank(next) > rank(present))
}

/// What a machine is recognised by when it comes back with another key: its hardware, or else its installation; empty
/// where it shows neither. It is a claim: it shuts machines out that say who they are, and lets none in.
#[must_use]
pub fn fingerprint(facts: &Facts) -> String {
    let fact = |name| facts.get(name).and_then(|values| values.first()).filter(|value| !value.is_empty());
    let installation = || fact(MACHINE_ID_HASH).map(|hash| format!("machine-id:{hash}"));
    fact(FINGERPRINT).cloned().or_else(installation).unwrap_or_default()
}

/// The first value of the attribute of that name.
pub(crate) fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let attribute = attributes.iter().find(|attribute| attribute.name == name)?;
    attribute.values.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(grade: EvidenceGrade, name: &str, value: &str) -> Evidence {
        let attribute =
            Attribute { name: name.to_owned(), name_format: None, friendly_name: None, values: vec![value.to_owned()] };
        Evidence { grade, source: "test".to_owned(), attributes: vec![attribute] }
    }

    #[test]
    fn a_local_account_signs_its_own_name_in_and_no_other() {
        let alice = evidence(EvidenceGrade::Local, LOCAL_NAME, "Alice");
        assert_eq!(check(&alice, "alice", EvidenceGrade::Local), Ok(()));
        assert_eq!(check(&alice, "bob", EvidenceGrade::Local), Err(RefusalCode::EvidenceTooWeak));
    }

    #[test]
    fn an_account_of_a_windows_machine_is_known_by_its_name_behind_the_machines() {
        let alice = evidence(EvidenceGrade::Local, LOCAL_NAME, r"PC7\Alice");
        assert_eq!(check(&alice, "alice", EvidenceGrade::Local), Ok(()));
        assert_eq!(check(&alice, "pc7", EvidenceGrade::Local), Err(RefusalCode::EvidenceTooWeak));
    }

    #[test]
    fn a_key_of_the_same_or_a_better_protection_follows() {
        for (next, present, weaker) in [
            ("tpm", "tpm", false),
            ("tpm", "file", false),
            ("file", "tpm", true),
            ("os-key-store", "secure-enclave", true),
            ("moon", "file", true),
            ("moon", "moon", false),
            ("file", "", false),
        ] {
            assert_eq!(is_weaker(next, present), weaker, "{next} after {present}");
        }
    }

    #[test]
    fn a_grade_below_the_least_is_too_weak() {
        let alice = evidence(EvidenceGrade::Local, LOCAL_NAME, "alice");
        assert_eq!(check(&alice, "alice", EvidenceGrade::Managed), Err(RefusalCode::EvidenceTooWeak));
    }

    #[test]
    fn a_grade_needs_the_attribute_that_belongs_to_it() {
        let claimed = evidence(EvidenceGrade::Directory, LOCAL_NAME, "alice");
        assert_eq!(check(&claimed, "alice", EvidenceGrade::Local), Err(RefusalCode::EvidenceTooWeak));
        let principal = evidence(EvidenceGrade::Directory, PRINCIPAL, "alice@CORP.EXAMPLE");
        assert_eq!(check(&principal, "alice", EvidenceGrade::Directory), Ok(()));
    }
}
