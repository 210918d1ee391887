//! What a tenant demands of people and devices.

use saml::device::EvidenceGrade;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun, domain_name, tenant};
use crate::grade::Grade;
use crate::policy::{GroupRule, Policy, Rule};
use crate::random;
use crate::store::tenant as rows;

/// Rules, groups and patterns that one policy may hold of each.
const MOST: usize = 256;

/// The policy of the tenant `name`.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn show(admin: &Admin, name: &str) -> Result<Policy, AdminError> {
    Ok(tenant::named(admin, name).await?.policy)
}

/// Puts `policy` in the place of the tenant's; rules without an id get one. Returns it as it holds from now on.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`].
pub async fn replace(admin: &Admin, name: &str, policy: Policy) -> Result<Policy, AdminError> {
    change(admin, name, |_| Ok(policy)).await
}

/// Adds a demand; returns its id.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`].
pub async fn add_rule(admin: &Admin, name: &str, rule: Rule) -> Result<String, AdminError> {
    let id = random::row_id()?;
    let rule = Rule { id: id.clone(), ..rule };
    change(admin, name, |mut policy| {
        policy.rules.push(rule);
        Ok(policy)
    })
    .await?;
    Ok(id)
}

/// Takes the demand with that id away.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant or the rule.
pub async fn remove_rule(admin: &Admin, name: &str, id: &str) -> Result<(), AdminError> {
    let (id, rule) = (id.to_owned(), AdminError::missing(Noun::Rule, id));
    let removed = change(admin, name, move |mut policy| {
        let before = policy.rules.len();
        policy.rules.retain(|rule| rule.id != id);
        if policy.rules.len() == before { Err(rule) } else { Ok(policy) }
    });
    removed.await.map(drop)
}

/// Lets devices that state a fact be in a group.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`].
pub async fn add_group(admin: &Admin, name: &str, rule: GroupRule) -> Result<(), AdminError> {
    let added = change(admin, name, |mut policy| {
        policy.groups.push(rule);
        Ok(policy)
    });
    added.await.map(drop)
}

/// Takes a rule about groups away.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant or the rule.
pub async fn remove_group(admin: &Admin, name: &str, rule: GroupRule) -> Result<(), AdminError> {
    let missing = AdminError::missing(Noun::Rule, &format!("{}: {}={}", rule.group, rule.fact, rule.value));
    let removed = change(admin, name, move |mut policy| {
        let before = policy.groups.len();
        policy.groups.retain(|one| *one != rule);
        if policy.groups.len() == before { Err(missing) } else { Ok(policy) }
    });
    removed.await.map(drop)
}

/// Changes the tenant's policy by `edit`, in the transaction that read it.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`], and what `edit` returns.
pub async fn change(
    admin: &Admin,
    name: &str,
    edit: impl FnOnce(Policy) -> Result<Policy, AdminError> + Send + 'static,
) -> Result<Policy, AdminError> {
    let tenant = name.to_owned();
    admin
        .change("policy.set", (Noun::Tenant, name), move |connection| {
            Box::pin(async move {
                let row = rows::by_name(connection, &tenant).await?;
                let mut row = row.ok_or_else(|| AdminError::missing(Noun::Tenant, &tenant))?;
                row.policy = checked(edit(row.policy)?)?;
                rows::update_settings(connection, &row).await?;
                let detail = json!({ "policy": row.policy });
                Ok(Done { tenant_id: Some(row.id), detail, value: row.policy })
            })
        })
        .await
}

fn checked(mut policy: Policy) -> Result<Policy, AdminError> {
    let invalid = |field, given: &str, wanted| AdminError::Invalid { field, given: given.to_owned(), wanted };
    let longest = policy.rules.len().max(policy.groups.len()).max(policy.provision_only.len());
    if longest > MOST {
        return Err(invalid("policy", &longest.to_string(), "a number of rules, groups or names: 256 at most"));
    }
    for rule in &mut policy.rules {
        if rule.id.is_empty() {
            rule.id = random::row_id()?;
        }
        if let Some(grade) = rule.minimum_evidence.as_deref().filter(|grade| grade.parse::<Grade>().is_err()) {
            let wanted = "a grade: `claimed`, `assigned`, `proved` or `verified`; `minimum_claim` is for `local`, `managed` and `directory`";
            return Err(invalid("minimum_evidence", grade, wanted));
        }
        if let Some(kind) = rule.minimum_claim.as_deref().filter(|kind| kind.parse::<EvidenceGrade>().is_err()) {
            return Err(invalid("minimum_claim", kind, "a kind of claim: `local`, `managed` or `directory`"));
        }
        rule.domain = rule.domain.as_deref().map(domain_name).transpose()?;
        let demands_of_person = rule.minimum_evidence.is_some() || rule.minimum_claim.is_some();
        if !demands_of_person && rule.key_protection.is_empty() && rule.facts.is_empty() {
            return Err(invalid("rule", &rule.id, "a rule: it demands nothing"));
        }
    }
    let facts = policy.rules.iter().flat_map(|rule| &rule.facts).map(|fact| &fact.name);
    if let Some(unnamed) = facts.chain(policy.groups.iter().map(|rule| &rule.fact)).find(|name| !is_fact(name)) {
        return Err(invalid("fact", unnamed, "the name of a fact: see `countersign facts`"));
    }
    if policy.groups.iter().any(|rule| rule.group.trim().is_empty()) {
        return Err(invalid("group", "", "the name of a group"));
    }
    Ok(policy)
}

fn is_fact(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
}
