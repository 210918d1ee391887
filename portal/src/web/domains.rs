//! User domains of a tenant.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Confirm, Frame, When, base};
use super::{PageError, go, page, told};
use crate::admin::{Right, domain, domain_proof};
use crate::store::domain_proof::DomainProof;

#[derive(Template)]
#[template(path = "domains.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<DomainRow>,
    waiting: Vec<Waiting>,
    given: Fields,
    problem: Option<String>,
    may_change: bool,
}

/// A domain that is not proven yet.
struct Waiting {
    name: String,
    record: String,
    value: String,
}

struct DomainRow {
    name: String,
    created: When,
}

async fn list_page(
    visitor: &Visitor,
    tenant: &str,
    given: Fields,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let domains = domain::of_tenant(admin, tenant).await?;
    let row = |domain: crate::store::domain::Domain| DomainRow {
        name: domain.name,
        created: When::new(domain.created_at, admin.now),
    };
    let waits = |proof: DomainProof| Waiting {
        record: domain_proof::record(&proof.name),
        name: proof.name,
        value: proof.value,
    };
    let list = ListPage {
        frame: Frame::new(visitor, "Domains", Some(tenant), "/domains"),
        rows: domains.into_iter().map(row).collect(),
        waiting: domain_proof::of_tenant(admin, tenant).await?.into_iter().map(waits).collect(),
        given,
        problem,
        may_change: admin.rights.contain(Right::Domains),
    };
    Ok(page(list.problem.as_ref(), &list))
}

/// `GET …/domains`.
pub(super) async fn list(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    list_page(&visitor, &tenant, Fields::default(), None).await
}

/// `POST …/domains`.
pub(super) async fn add(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match domain_proof::add(visitor.admin(), &visitor.portal.resolver, &tenant, fields.text("name")).await {
        Ok(_) => Ok(go(&format!("{}/domains?notice=domain-added", base(&tenant)))),
        Err(error) => list_page(&visitor, &tenant, fields, Some(told(error)?)).await,
    }
}

/// `GET …/domains/{name}/remove`.
pub(super) async fn ask(visitor: Visitor, Path((tenant, name)): Path<(String, String)>) -> Result<Response, PageError> {
    let list = format!("{}/domains", base(&tenant));
    let frame = Frame::new(&visitor, "Remove a domain", Some(&tenant), "/domains");
    let action = format!("{list}/{name}/remove");
    let mut confirm = Confirm::new(frame, format!("Remove {name}?"), "Remove", action, list);
    confirm.consequences = vec![format!(
        "Nobody whose name ends with @{name} can sign on, from the next request on. Their accounts and devices stay."
    )];
    Ok(confirm.page())
}

/// `POST …/domains/{name}/remove`.
pub(super) async fn remove(
    Path((tenant, name)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    domain::remove(posted.visitor.admin(), &name).await?;
    Ok(go(&format!("{}/domains?notice=domain-removed", base(&tenant))))
}
