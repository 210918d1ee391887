//! Grades: how far the portal itself has checked who a person is, and how that came about.
//!
//! A device's word about its person is a claim, whatever its kind: root on the device could have written it. Everything above `claimed` the portal has
//! checked without the device.

use std::fmt;
use std::str::FromStr;

use saml::device::EvidenceGrade;

/// How far the portal has checked who a person is, weakest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Grade {
    /// Not at all: the device says so.
    Claimed,
    /// An administrator has said whose machine this is, and the machine is recognised.
    Assigned,
    /// Once, for this device and this account of its operating system: the person has shown a factor of their own.
    Proved,
    /// In this very request: the tenant's directory, or its other identity provider, vouches for the person.
    Verified,
}

impl Grade {
    /// All grades, weakest first.
    pub const ALL: [Self; 4] = [Self::Claimed, Self::Assigned, Self::Proved, Self::Verified];

    /// The word in settings, lists and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Assigned => "assigned",
            Self::Proved => "proved",
            Self::Verified => "verified",
        }
    }

    /// What it means, in a few words for administrators.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Claimed => "the device's word: root on a device can name anybody the device may sign in",
            Self::Assigned => "an administrator has assigned the device to the person, and the machine is recognised",
            Self::Proved => "the person has proved who they are once, for this device and this account of it",
            Self::Verified => "the directory or another identity provider vouches for the person in the request itself",
        }
    }

    /// The authentication context class that tells a service (Core §2.7.2.2).
    #[must_use]
    pub const fn authn_context(self) -> &'static str {
        match self {
            Self::Claimed => "urn:countersign:1.0:ac:classes:claimed",
            Self::Assigned => "urn:countersign:1.0:ac:classes:assigned",
            Self::Proved => "urn:countersign:1.0:ac:classes:proved",
            Self::Verified => "urn:countersign:1.0:ac:classes:verified",
        }
    }

    /// The grade that the class stands for; the kinds of a claim were classes before there were grades.
    #[must_use]
    pub fn of_authn_context(class: &str) -> Option<Self> {
        let former = ["local", "managed", "directory"];
        let is_former =
            class.strip_prefix("urn:countersign:1.0:ac:classes:").is_some_and(|kind| former.contains(&kind));
        let grade = Self::ALL.into_iter().find(|grade| grade.authn_context() == class);
        grade.or_else(|| is_former.then_some(Self::Claimed))
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Grade {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|grade| grade.as_str() == text).ok_or(())
    }
}

/// What somebody is signed in by: the grade, and how it came about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assurance {
    /// How far the portal has checked who they are.
    pub grade: Grade,
    /// How it came about: `claim:local`, `claim:managed`, `claim:directory`, `code`, `passkey`, `approval`, `idp:NAME`.
    pub origin: String,
}

impl Assurance {
    /// A device's word, of that kind.
    #[must_use]
    pub fn claimed(kind: EvidenceGrade) -> Self {
        Self { grade: Grade::Claimed, origin: format!("claim:{kind}") }
    }

    /// What the person has proved by `method`.
    #[must_use]
    pub fn proved(method: &str) -> Self {
        Self { grade: Grade::Proved, origin: method.to_owned() }
    }

    /// What another identity provider says in the request itself; another portal of this kind says what grade its word has.
    #[must_use]
    pub fn of_identity_provider(name: &str, authn_context: &str) -> Self {
        let grade = Grade::of_authn_context(authn_context).unwrap_or(Grade::Verified);
        Self { grade, origin: format!("idp:{name}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_are_ordered_and_keep_their_words() {
        assert!(Grade::ALL.is_sorted());
        for grade in Grade::ALL {
            assert_eq!(grade.as_str().parse(), Ok(grade));
            assert_eq!(Grade::of_authn_context(grade.authn_context()), Some(grade));
        }
        assert_eq!("directory".parse::<Grade>(), Err(()));
    }

    #[test]
    fn the_kinds_of_a_claim_that_were_classes_once_are_claims() {
        for kind in ["local", "managed", "directory"] {
            let class = format!("urn:countersign:1.0:ac:classes:{kind}");
            assert_eq!(Assurance::of_identity_provider("corp", &class).grade, Grade::Claimed);
        }
        let password = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
        assert_eq!(
            Assurance::of_identity_provider("corp", password),
            Assurance { grade: Grade::Verified, origin: "idp:corp".to_owned() }
        );
    }
}
