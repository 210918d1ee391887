//! What a tenant demands of people and devices beyond their keys.
//!
//! A policy is one value that is kept and replaced as a whole, so that a decision never sees half of a change.

use saml::device::EvidenceGrade;
use saml::refusal::RefusalCode;
use serde::{Deserialize, Serialize};

use crate::evidence::{DEVICE, KEY_PROTECTION, PLATFORM};
use crate::grade::Grade;
use crate::store::device::Facts;

/// A tenant's policy.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Demands; every rule that fits a sign-on must be met.
    pub rules: Vec<Rule>,
    /// Groups that devices get by what they say about themselves.
    pub groups: Vec<GroupRule>,
    /// What happens when a person has one device too many.
    pub at_limit: AtLimit,
    /// What happens when somebody else signs on from a device that was used before.
    pub other_person: OtherPerson,
    /// What a browser sees in which nobody was signed in by a device before.
    pub first_visit: FirstVisit,
    /// Registered devices that were not heard for so many days are removed; 0: never.
    pub inactive_days: u32,
    /// Names that may be provisioned, with `*` for any text; empty: anybody of the tenant's domains.
    pub provision_only: Vec<String>,
    /// Only an administrator and a directory provision people; nobody is provisioned by signing on.
    pub provision_from_directory: bool,
}

/// What happens when a person has one device too many.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtLimit {
    /// The new one is refused with `device-limit`.
    #[default]
    Refuse,
    /// The one that the person has not used for the longest time is removed.
    RemoveOldest,
}

/// What a browser sees in which nobody was signed in by a device before.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstVisit {
    /// A page that asks whether to sign in with the device, so that somebody without the agent gets help and not a connection error.
    #[default]
    Ask,
    /// It is sent to the device at once, where everybody's browser has one; the page comes after a try that nobody has answered.
    Automatic,
}

/// What happens when somebody else signs on from a device that was used before.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherPerson {
    /// They sign on.
    #[default]
    Allow,
    /// The device waits for approval.
    Queue,
    /// They are refused with `device-bound`.
    Refuse,
}

/// One rule: for which sign-ons, and what they must show.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Names the rule, random.
    pub id: String,
    /// For people of this domain; none: of any.
    pub domain: Option<String>,
    /// For devices of this platform; none: of any.
    pub platform: Option<String>,
    /// For assertions to this service; none: to any, and for the agent's own session.
    pub service: Option<String>,
    /// The least grade: `claimed`, `assigned`, `proved`, `verified`.
    pub minimum_evidence: Option<String>,
    /// The least kind of the device's claim: `local`, `managed`, `directory`. It is the device's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_claim: Option<String>,
    /// What may protect the device's key, for example `tpm`; empty: anything.
    pub key_protection: Vec<String>,
    /// Facts that the device must state.
    pub facts: Vec<FactDemand>,
}

/// A fact that a device must state.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FactDemand {
    /// The fact's name, as `countersign facts` shows it.
    pub name: String,
    /// What one of its values must be, with `*` for any text.
    pub value: String,
}

/// A group that devices get by a fact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// The group.
    pub group: String,
    /// The fact's name, as `countersign facts` shows it.
    pub fact: String,
    /// What one of its values must be, with `*` for any text.
    pub value: String,
}

/// A sign-on, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct SignOn<'a> {
    /// The domain of the person's name.
    pub domain: &'a str,
    /// The entity ID of the service that is asked for, if any.
    pub service: Option<&'a str>,
    /// How far the portal has checked who the person is.
    pub grade: Grade,
    /// The kind of the device's claim.
    pub claim: EvidenceGrade,
    /// What the device states.
    pub facts: &'a Facts,
}

impl Policy {
    /// The policy with what it demanded before there were grades moved to where it belongs: the kinds of a claim.
    #[must_use]
    pub fn upgraded(mut self) -> Self {
        for rule in &mut self.rules {
            if rule.minimum_evidence.as_deref().is_some_and(|word| word.parse::<EvidenceGrade>().is_ok()) {
                rule.minimum_claim = rule.minimum_evidence.take();
            }
        }
        self
    }

    /// Checks every rule that fits.
    ///
    /// # Errors
    /// [`RefusalCode::EvidenceTooWeak`], [`RefusalCode::DeviceNotCompliant`].
    pub fn check(&self, sign_on: &SignOn<'_>) -> Result<(), RefusalCode> {
        self.judge(sign_on).try_for_each(|(_, verdict)| verdict)
    }

    /// Every rule that fits, with what it says.
    pub fn judge(&self, sign_on: &SignOn<'_>) -> impl Iterator<Item = (&Rule, Result<(), RefusalCode>)> {
        self.rules.iter().filter(|rule| rule.fits(sign_on)).map(|rule| (rule, rule.check(sign_on)))
    }

    /// Whether `name_id` may be provisioned by signing on.
    #[must_use]
    pub fn may_provision(&self, name_id: &str) -> bool {
        let is_listed =
            || self.provision_only.is_empty() || self.provision_only.iter().any(|pattern| fits(pattern, name_id));
        !self.provision_from_directory && is_listed()
    }

    /// The groups of a device that states `facts` and was given `own` groups by its token: sorted, each once.
    #[must_use]
    pub fn groups_of(&self, own: &[String], facts: &Facts) -> Vec<String> {
        let by_rule = self.groups.iter().filter(|rule| states(facts, &rule.fact, &rule.value));
        let mut groups: Vec<_> = own.iter().cloned().chain(by_rule.map(|rule| rule.group.clone())).collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

impl Rule {
    /// For which sign-ons it is, in words.
    #[must_use]
    pub fn scope(&self) -> String {
        let parts = [("people of", &self.domain), ("devices with", &self.platform), ("the service", &self.service)];
        let parts: Vec<_> =
            parts.iter().filter_map(|(of, what)| what.as_ref().map(|what| format!("{of} {what}"))).collect();
        if parts.is_empty() { "every sign-on".to_owned() } else { parts.join(", ") }
    }

    /// What it demands, in words.
    #[must_use]
    pub fn demands(&self) -> String {
        let evidence = self.minimum_evidence.iter().map(|grade| format!("a person of the grade {grade}"));
        let claim = self.minimum_claim.iter().map(|kind| format!("a device that says the account is {kind}"));
        let protection = Some(self.key_protection.join(" or ")).filter(|kinds| !kinds.is_empty());
        let protection = protection.map(|kinds| format!("a device that says its key is protected by {kinds}"));
        let facts = self.facts.iter().map(|fact| format!("a device that says {}={}", fact.name, fact.value));
        let all: Vec<_> = evidence.chain(claim).chain(protection).chain(facts).collect();
        if all.is_empty() { "demands nothing".to_owned() } else { all.join(", ") }
    }

    fn fits(&self, sign_on: &SignOn<'_>) -> bool {
        let platform = sign_on.facts.get(PLATFORM).and_then(|values| values.first()).map(String::as_str);
        let fits = |wanted: &Option<String>, there: Option<&str>| wanted.is_none() || wanted.as_deref() == there;
        // A device that does not say its platform meets every platform's rules: silence is no way around them.
        let platform = platform.is_none() || fits(&self.platform, platform);
        platform && fits(&self.domain, Some(sign_on.domain)) && fits(&self.service, sign_on.service)
    }

    fn check(&self, sign_on: &SignOn<'_>) -> Result<(), RefusalCode> {
        if let Some(minimum) = &self.minimum_evidence {
            // A grade that this version does not know is met by none.
            let minimum: Grade = minimum.parse().map_err(|()| RefusalCode::EvidenceTooWeak)?;
            demand(sign_on.grade, minimum)?;
        }
        if let Some(minimum) = &self.minimum_claim {
            let minimum: EvidenceGrade = minimum.parse().map_err(|_| RefusalCode::EvidenceTooWeak)?;
            if sign_on.claim < minimum {
                return Err(RefusalCode::EvidenceTooWeak);
            }
        }
        let protections = sign_on.facts.get(KEY_PROTECTION).map(Vec::as_slice).unwrap_or_default();
        let protected =
            self.key_protection.is_empty() || protections.iter().any(|one| self.key_protection.contains(one));
        let stated = self.facts.iter().all(|demand| states(sign_on.facts, &demand.name, &demand.value));
        if protected && stated { Ok(()) } else { Err(RefusalCode::DeviceNotCompliant) }
    }
}

/// Checks that `grade` is `minimum` at least. A person can prove who they are, and nothing else by themselves.
///
/// # Errors
/// [`RefusalCode::ProofNeeded`] where a proof is enough, [`RefusalCode::EvidenceTooWeak`] where it isn't.
pub fn demand(grade: Grade, minimum: Grade) -> Result<(), RefusalCode> {
    if grade >= minimum {
        return Ok(());
    }
    Err(if minimum <= Grade::Proved { RefusalCode::ProofNeeded } else { RefusalCode::EvidenceTooWeak })
}

fn states(facts: &Facts, name: &str, pattern: &str) -> bool {
    facts.get(&format!("{DEVICE}{name}")).is_some_and(|values| values.iter().any(|value| fits(pattern, value)))
}

/// Whether `text` fits `pattern`, in which `*` stands for any text; upper and lower case are the same.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        pairs.iter().map(|(name, value)| (format!("{DEVICE}{name}"), vec![(*value).to_owned()])).collect()
    }

    fn sign_on(facts: &Facts) -> SignOn<'_> {
        SignOn { domain: "example.test", service: None, grade: Grade::Assigned, claim: EvidenceGrade::Managed, facts }
    }

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, expected) in [
            ("lap-*", "LAP-17", true),
            ("lap-*", "my-lap-17", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*b", "ab", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("*@example.test", "alice@example.test", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_rule_that_fits_must_be_met() {
        let rule = |domain: Option<&str>, grade: &str| Rule {
            domain: domain.map(str::to_owned),
            minimum_evidence: Some(grade.to_owned()),
            ..Rule::default()
        };
        let facts = facts(&[]);
        let check = |rules| Policy { rules, ..Policy::default() }.check(&sign_on(&facts));
        assert_eq!(check(vec![rule(None, "assigned")]), Ok(()));
        assert_eq!(
            check(vec![rule(None, "assigned"), rule(Some("example.test"), "verified")]),
            Err(RefusalCode::EvidenceTooWeak)
        );
        assert_eq!(check(vec![rule(None, "proved")]), Err(RefusalCode::ProofNeeded), "that the person can do");
        assert_eq!(check(vec![rule(Some("other.test"), "verified")]), Ok(()));
        assert_eq!(check(vec![rule(None, "unheard-of")]), Err(RefusalCode::EvidenceTooWeak));
    }

    #[test]
    fn a_device_must_state_what_is_demanded_and_silence_is_no_way_around() {
        let demand = FactDemand { name: "disk-encryption".to_owned(), value: "on".to_owned() };
        let rule = Rule { platform: Some("windows".to_owned()), facts: vec![demand], ..Rule::default() };
        let policy = Policy { rules: vec![rule], ..Policy::default() };
        let check = |pairs: &[(&str, &str)]| policy.check(&sign_on(&facts(pairs)));
        assert_eq!(check(&[("platform", "windows"), ("disk-encryption", "on")]), Ok(()));
        assert_eq!(check(&[("platform", "windows"), ("disk-encryption", "off")]), Err(RefusalCode::DeviceNotCompliant));
        assert_eq!(check(&[("platform", "windows")]), Err(RefusalCode::DeviceNotCompliant));
        assert_eq!(check(&[]), Err(RefusalCode::DeviceNotCompliant));
        assert_eq!(check(&[("platform", "linux")]), Ok(()));
    }

    #[test]
    fn the_protection_of_the_key_may_be_demanded() {
        let rule = Rule { key_protection: vec!["tpm".to_owned(), "secure-enclave".to_owned()], ..Rule::default() };
        let policy = Policy { rules: vec![rule], ..Policy::default() };
        assert_eq!(policy.check(&sign_on(&facts(&[("key-protection", "tpm")]))), Ok(()));
        assert_eq!(policy.check(&sign_on(&facts(&[("key-protection", "file")]))), Err(RefusalCode::DeviceNotCompliant));
    }

    #[test]
    fn groups_come_from_the_token_and_from_rules() {
        let rule = GroupRule { group: "laptops".to_owned(), fact: "hostname".to_owned(), value: "lap-*".to_owned() };
        let policy = Policy { groups: vec![rule], ..Policy::default() };
        let own = ["berlin".to_owned()];
        assert_eq!(policy.groups_of(&own, &facts(&[("hostname", "LAP-1")])), ["berlin", "laptops"]);
        assert_eq!(policy.groups_of(&own, &facts(&[("hostname", "srv-1")])), ["berlin"]);
    }

    #[test]
    fn what_was_demanded_of_claims_before_there_were_grades_is_demanded_of_claims() {
        let old = r#"{"rules":[{"id":"r","minimum_evidence":"directory"}]}"#;
        let policy = serde_json::from_str::<Policy>(old).unwrap().upgraded();
        assert_eq!(policy.rules[0].minimum_claim.as_deref(), Some("directory"));
        assert_eq!(policy.rules[0].minimum_evidence, None);
        assert_eq!(policy.check(&sign_on(&facts(&[]))), Err(RefusalCode::EvidenceTooWeak));
    }

    #[test]
    fn a_policy_of_an_older_version_can_be_read() {
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
    }
}
