//! What a tenant demands of people and devices: rules, groups, and what happens at limits.

use axum::extract::Path;
use axum::response::Response;
use serde_json::Value;

use super::access::Posted;
use super::fields::Fields;
use super::sign_on::settings_page;
use super::view::base;
use super::{PageError, go, told};
use crate::admin::{Admin, AdminError, policy};
use crate::policy::{FactDemand, GroupRule, Policy, Rule};

/// `POST …/policy/{step}`.
pub(super) async fn change(
    Path((tenant, step)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match apply(visitor.admin(), &tenant, &step, &fields).await {
        Ok(()) => Ok(go(&format!("{}/policy?notice=saved", base(&tenant)))),
        Err(error) => settings_page(&visitor, &tenant, Some(told(error)?)).await,
    }
}

async fn apply(admin: &Admin, tenant: &str, step: &str, fields: &Fields) -> Result<(), AdminError> {
    match step {
        "add-rule" => policy::add_rule(admin, tenant, rule(fields)?).await.map(drop),
        "remove-rule" => policy::remove_rule(admin, tenant, fields.text("id")).await,
        "add-group" => policy::add_group(admin, tenant, group(fields)).await,
        "remove-group" => policy::remove_group(admin, tenant, group(fields)).await,
        "set" => {
            let given = settings(fields)?;
            policy::change(admin, tenant, move |kept| Ok(Policy { rules: kept.rules, groups: kept.groups, ..given }))
                .await
                .map(drop)
        }
        _ => {
            let wanted = "a change of the policy";
            Err(AdminError::Invalid { field: "step", given: step.to_owned(), wanted })
        }
    }
}

fn group(fields: &Fields) -> GroupRule {
    let text = |field| fields.text(field).to_owned();
    GroupRule { group: text("group"), fact: text("fact"), value: text("value") }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn rule(fields: &Fields) -> Result<Rule, AdminError> {
    let demand = |line: &str| {
        let wanted = "a fact and what it must be: `NAME=VALUE`";
        let (name, value) = line.split_once('=').ok_or_else(|| AdminError::Invalid {
            field: "facts",
            given: line.to_owned(),
            wanted,
        })?;
        Ok(FactDemand { name: name.trim().to_owned(), value: value.trim().to_owned() })
    };
    let protections = fields.text("key_protection").split(',').map(str::trim).filter(|one| !one.is_empty());
    Ok(Rule {
        id: String::new(),
        domain: fields.some("domain"),
        platform: fields.some("platform"),
        service: fields.some("service"),
        minimum_evidence: fields.some("minimum_evidence"),
        minimum_claim: fields.some("minimum_claim"),
        key_protection: protections.map(str::to_owned).collect(),
        facts: lines(fields.raw("facts")).map(demand).collect::<Result<_, AdminError>>()?,
    })
}

fn settings(fields: &Fields) -> Result<Policy, AdminError> {
    Ok(Policy {
        at_limit: chosen(fields, "at_limit")?,
        other_person: chosen(fields, "other_person")?,
        first_visit: chosen(fields, "first_visit")?,
        inactive_days: fields.text("inactive_days").parse().map_err(|_| AdminError::Invalid {
            field: "inactive_days",
            given: fields.text("inactive_days").to_owned(),
            wanted: "a number of days; 0 for never",
        })?,
        provision_from_directory: fields.has("provision_from_directory", "1"),
        provision_only: lines(fields.raw("provision_only")).map(str::to_owned).collect(),
        ..Policy::default()
    })
}

/// The value of a choice, as the policy writes it.
fn chosen<T: serde::de::DeserializeOwned>(fields: &Fields, field: &'static str) -> Result<T, AdminError> {
    let given = fields.text(field).to_owned();
    let wanted = "one of the choices";
    serde_json::from_value(Value::String(given.clone())).map_err(|_| AdminError::Invalid { field, given, wanted })
}
