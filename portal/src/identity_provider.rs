//! The identity providers of a tenant, and which of them answers for which domains: the portal itself, and others that are recorded
//! by their metadata. The rules are checked as a whole, for a draft at every step and once more when it is activated.

use serde::{Deserialize, Serialize};

/// Identity providers of one tenant at most.
pub const MOST: usize = 64;

/// What answers for the people of a tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Providers {
    /// Each of them; exactly one is the default.
    pub list: Vec<Provider>,
    /// Who keeps the people.
    pub repository: Repository,
}

/// Who keeps the people of a tenant.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repository {
    /// The portal.
    #[default]
    Hosted,
    /// A directory, which tells the portal.
    Synchronised,
}

/// One identity provider.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether it answers for everybody that no other is mapped to.
    pub is_default: bool,
    /// The domains that it answers for; the default has none of its own.
    pub domains: Domains,
    /// Whether it answers at all.
    pub enabled: bool,
    /// Whether somebody new is provisioned by signing on.
    pub auto_provisioning: bool,
}

/// What an identity provider is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// This portal.
    Countersign,
    /// Another one, recorded by its metadata.
    External {
        /// Its entity ID.
        entity_id: String,
        /// Where its people sign on.
        sign_on_url: String,
        /// Its metadata as it was given.
        metadata: String,
    },
}

/// The authentication domains that are mapped to an identity provider.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domains {
    /// Every one that no other is mapped to.
    Any,
    /// These; may be none.
    Only(Vec<String>),
}

/// A rule that providers break.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleBroken {
    /// Too many.
    #[error("a tenant has {MOST} identity providers at most")]
    TooMany,
    /// Two of one name.
    #[error("two identity providers are named `{0}`: give one of them another name")]
    SameName(String),
    /// The portal twice.
    #[error("`{0}` is the portal itself, which is there already")]
    PortalTwice(String),
    /// None or two defaults.
    #[error("exactly one identity provider is the default; there are {0}")]
    Defaults(usize),
    /// A default with a mapping.
    #[error(
        "`{0}` is the default and answers for every domain that no other is mapped to: it has no mapping of its own"
    )]
    DefaultMapped(String),
    /// Enabled without a domain.
    #[error("`{0}` can't be enabled: map a domain to it, or Any, or make it the default")]
    Unmapped(String),
    /// A domain or Any that two are mapped to.
    #[error("`{domain}` is mapped to `{one}` already: take it away there before it is mapped to `{other}`")]
    MappedTwice {
        /// The domain, or Any.
        domain: String,
        /// Who has it.
        one: String,
        /// Who wants it.
        other: String,
    },
    /// A domain of nobody or of another tenant.
    #[error("`{0}` is no domain of the tenant: add it with `countersign-portal domain add`")]
    UnknownDomain(String),
    /// Auto-provisioning that meets another's.
    #[error(
        "the portal can't provision people by their sign-on while `{0}` does: switch that off, or keep the people in the portal (repository `hosted`)"
    )]
    Provisioning(String),
}

impl Default for Providers {
    /// The portal answers for everybody.
    fn default() -> Self {
        let portal = Provider {
            name: "Countersign".to_owned(),
            kind: Kind::Countersign,
            is_default: true,
            domains: Domains::Only(Vec::new()),
            enabled: true,
            auto_provisioning: true,
        };
        Self { list: vec![portal], repository: Repository::Hosted }
    }
}

impl Providers {
    /// Checks every rule; `tenant_domains` are the domains that the tenant has.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, tenant_domains: &[String]) -> Result<(), RuleBroken> {
        if self.list.len() > MOST {
            return Err(RuleBroken::TooMany);
        }
        let defaults = self.list.iter().filter(|one| one.is_default).count();
        if defaults != 1 {
            return Err(RuleBroken::Defaults(defaults));
        }
        for (place, one) in self.list.iter().enumerate() {
            one.check(tenant_domains)?;
            let before = &self.list[..place];
            if before.iter().any(|other| other.name.eq_ignore_ascii_case(&one.name)) {
                return Err(RuleBroken::SameName(one.name.clone()));
            }
            if one.kind == Kind::Countersign && before.iter().any(|other| other.kind == Kind::Countersign) {
                return Err(RuleBroken::PortalTwice(one.name.clone()));
            }
            before.iter().try_for_each(|other| one.check_mapping_beside(other))?;
        }
        self.check_provisioning()
    }

    fn check_provisioning(&self) -> Result<(), RuleBroken> {
        let portal = self.list.iter().find(|one| one.kind == Kind::Countersign);
        if self.repository == Repository::Hosted || !portal.is_some_and(|portal| portal.auto_provisioning) {
            return Ok(());
        }
        let other = self.list.iter().find(|one| one.kind != Kind::Countersign && one.auto_provisioning);
        other.map_or(Ok(()), |other| Err(RuleBroken::Provisioning(other.name.clone())))
    }

    /// Who answers for the people of `domain`: who has it, else who has Any, else the default.
    #[must_use]
    pub fn of_domain(&self, domain: &str) -> Option<&Provider> {
        let has =
            |one: &&Provider| matches!(&one.domains, Domains::Only(list) if list.iter().any(|name| name == domain));
        let any = || self.list.iter().find(|one| one.domains == Domains::Any);
        self.list.iter().find(has).or_else(any).or_else(|| self.list.iter().find(|one| one.is_default))
    }

    /// What is different in `later`, one line for each thing.
    #[must_use]
    pub fn difference(&self, later: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let named = |list: &[Provider], name: &str| list.iter().find(|one| one.name == name).cloned();
        for gone in self.list.iter().filter(|one| named(&later.list, &one.name).is_none()) {
            lines.push(format!("- {}", gone.name));
        }
        for one in &later.list {
            match named(&self.list, &one.name) {
                None => lines.push(format!("+ {}: {}", one.name, one.summary())),
                Some(before) => lines.extend(before.changes(one)),
            }
        }
        if self.repository != later.repository {
            lines.push(format!("~ repository: {} → {}", word(&self.repository), word(&later.repository)));
        }
        lines
    }
}

impl Provider {
    fn check(&self, tenant_domains: &[String]) -> Result<(), RuleBroken> {
        let name = || self.name.clone();
        let Domains::Only(list) = &self.domains else {
            return if self.is_default { Err(RuleBroken::DefaultMapped(name())) } else { Ok(()) };
        };
        if self.is_default && !list.is_empty() {
            return Err(RuleBroken::DefaultMapped(name()));
        }
        if !self.is_default && self.enabled && list.is_empty() {
            return Err(RuleBroken::Unmapped(name()));
        }
        let unknown = list.iter().find(|domain| !tenant_domains.contains(domain));
        unknown.map_or(Ok(()), |domain| Err(RuleBroken::UnknownDomain(domain.clone())))
    }

    fn check_mapping_beside(&self, other: &Self) -> Result<(), RuleBroken> {
        let shared = match (&self.domains, &other.domains) {
            (Domains::Any, Domains::Any) => Some("Any".to_owned()),
            (Domains::Only(mine), Domains::Only(theirs)) => mine.iter().find(|domain| theirs.contains(domain)).cloned(),
            (Domains::Any, Domains::Only(_)) | (Domains::Only(_), Domains::Any) => None,
        };
        let twice = |domain| RuleBroken::MappedTwice { domain, one: other.name.clone(), other: self.name.clone() };
        shared.map_or(Ok(()), |domain| Err(twice(domain)))
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        let kind = self.kind_text();
        let provisioning = if self.auto_provisioning { "provisions" } else { "provisions nobody" };
        format!(
            "{kind}, {}, {}, {provisioning}",
            self.domains_text(),
            if self.enabled { "enabled" } else { "disabled" }
        )
    }

    /// The portal, or another one's entity ID.
    #[must_use]
    pub fn kind_text(&self) -> String {
        match &self.kind {
            Kind::Countersign => "the portal".to_owned(),
            Kind::External { entity_id, .. } => entity_id.clone(),
        }
    }

    /// The domains that it answers for, in a few words.
    #[must_use]
    pub fn domains_text(&self) -> String {
        match &self.domains {
            Domains::Any => "Any".to_owned(),
            Domains::Only(_) if self.is_default => "default".to_owned(),
            Domains::Only(list) if list.is_empty() => "no domain".to_owned(),
            Domains::Only(list) => list.join(" "),
        }
    }

    fn changes(&self, later: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |what: &str, before: String, after: String| {
            if before != after {
                lines.push(format!("~ {}: {what}: {before} → {after}", self.name));
            }
        };
        compare("domains", self.domains_text(), later.domains_text());
        compare("enabled", self.enabled.to_string(), later.enabled.to_string());
        compare("auto-provisioning", self.auto_provisioning.to_string(), later.auto_provisioning.to_string());
        if self.kind != later.kind {
            lines.push(format!("~ {}: its metadata", self.name));
        }
        lines
    }
}

fn word(repository: &Repository) -> &'static str {
    match repository {
        Repository::Hosted => "hosted",
        Repository::Synchronised => "synchronised",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external(name: &str, domains: Domains) -> Provider {
        let kind = Kind::External {
            entity_id: format!("https://{name}.test/metadata"),
            sign_on_url: format!("https://{name}.test/sso"),
            metadata: String::new(),
        };
        Provider { name: name.to_owned(), kind, is_default: false, domains, enabled: true, auto_provisioning: false }
    }

    fn only(domains: &[&str]) -> Domains {
        Domains::Only(domains.iter().map(|domain| (*domain).to_owned()).collect())
    }

    fn with(others: Vec<Provider>) -> Providers {
        let mut providers = Providers::default();
        providers.list.extend(others);
        providers
    }

    fn check(providers: &Providers) -> Result<(), RuleBroken> {
        providers.check(&["a.test".to_owned(), "b.test".to_owned()])
    }

    #[test]
    fn the_portal_answers_for_everybody_until_somebody_says_otherwise() {
        assert_eq!(check(&Providers::default()), Ok(()));
        assert_eq!(serde_json::from_str::<Providers>("{}").unwrap(), Providers::default());
        assert_eq!(Providers::default().of_domain("a.test").unwrap().kind, Kind::Countersign);
    }

    #[test]
    fn a_domain_goes_to_who_has_it_then_to_any_then_to_the_default() {
        let providers = with(vec![external("one", only(&["a.test"])), external("rest", Domains::Any)]);
        assert_eq!(check(&providers), Ok(()));
        assert_eq!(providers.of_domain("a.test").unwrap().name, "one");
        assert_eq!(providers.of_domain("b.test").unwrap().name, "rest");
        let providers = with(vec![external("one", only(&["a.test"]))]);
        assert_eq!(providers.of_domain("b.test").unwrap().name, "Countersign");
    }

    #[test]
    fn a_non_default_one_needs_a_domain_to_be_enabled() {
        let mut lonely = external("one", only(&[]));
        assert_eq!(check(&with(vec![lonely.clone()])), Err(RuleBroken::Unmapped("one".to_owned())));
        lonely.enabled = false;
        assert_eq!(check(&with(vec![lonely])), Ok(()));
    }

    #[test]
    fn there_is_one_default_and_it_has_no_mapping() {
        let mut second = external("one", only(&[]));
        second.is_default = true;
        assert_eq!(check(&with(vec![second])), Err(RuleBroken::Defaults(2)));
        assert_eq!(check(&Providers { list: Vec::new(), ..Providers::default() }), Err(RuleBroken::Defaults(0)));
        let mut mapped = Providers::default();
        mapped.list[0].domains = Domains::Any;
        assert_eq!(check(&mapped), Err(RuleBroken::DefaultMapped("Countersign".to_owned())));
    }

    #[test]
    fn a_domain_is_mapped_once_and_is_the_tenants() {
        let twice = with(vec![external("one", only(&["a.test"])), external("two", only(&["b.test", "a.test"]))]);
        assert!(matches!(check(&twice), Err(RuleBroken::MappedTwice { domain, .. }) if domain == "a.test"));
        let any = with(vec![external("one", Domains::Any), external("two", Domains::Any)]);
        assert!(matches!(check(&any), Err(RuleBroken::MappedTwice { domain, .. }) if domain == "Any"));
        let foreign = with(vec![external("one", only(&["c.test"]))]);
        assert_eq!(check(&foreign), Err(RuleBroken::UnknownDomain("c.test".to_owned())));
    }

    #[test]
    fn the_portal_provisions_beside_others_only_where_it_keeps_the_people() {
        let mut provisioning = external("one", Domains::Any);
        provisioning.auto_provisioning = true;
        let mut providers = with(vec![provisioning]);
        assert_eq!(check(&providers), Ok(()));
        providers.repository = Repository::Synchronised;
        assert_eq!(check(&providers), Err(RuleBroken::Provisioning("one".to_owned())));
        providers.list[0].auto_provisioning = false;
        assert_eq!(check(&providers), Ok(()));
    }

    #[test]
    fn there_are_sixty_four_at_most_the_portal_among_them_once() {
        let many = |number| {
            let mut one = |n: usize| Provider { enabled: false, ..external(&format!("p{n}"), only(&[])) };
            with((0..number).map(&mut one).collect())
        };
        assert_eq!(check(&many(63)), Ok(()));
        assert_eq!(check(&many(64)), Err(RuleBroken::TooMany));
        let again = Provider { is_default: false, domains: Domains::Any, ..Providers::default().list[0].clone() };
        let again = Provider { name: "again".to_owned(), ..again };
        assert_eq!(check(&with(vec![again])), Err(RuleBroken::PortalTwice("again".to_owned())));
    }

    #[test]
    fn the_difference_names_what_changes() {
        let before = with(vec![external("one", only(&["a.test"]))]);
        let mut after = with(vec![external("one", only(&["b.test"])), external("new", Domains::Any)]);
        after.list[0].auto_provisioning = false;
        after.repository = Repository::Synchronised;
        assert_eq!(
            before.difference(&after),
            [
                "~ Countersign: auto-provisioning: true → false",
                "~ one: domains: a.test → b.test",
                "+ new: https://new.test/metadata, Any, enabled, provisions nobody",
                "~ repository: hosted → synchronised",
            ]
        );
        assert_eq!(after.difference(&before)[0], "- new");
        assert!(before.difference(&before).is_empty());
    }
}
