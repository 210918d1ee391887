//! The groups of people that a directory keeps.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::Visitor;
use super::view::{Frame, When};
use super::{PageError, html};
use crate::admin::directory::{self, MOST_GROUPS};
use crate::store::directory::Group;

#[derive(Template)]
#[template(path = "groups.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<GroupRow>,
    is_cut: bool,
    address: String,
}

struct GroupRow {
    name: String,
    external_id: String,
    members: i64,
    changed: When,
}

/// `GET …/groups`.
pub(super) async fn list(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let groups = directory::list_groups(admin, &tenant).await?;
    let row = |(group, members): &(Group, i64)| GroupRow {
        name: group.display_name.clone(),
        external_id: group.external_id.clone(),
        members: *members,
        changed: When::new(group.changed_at, admin.now),
    };
    let page = ListPage {
        frame: Frame::new(&visitor, "Groups", Some(&tenant), "/users"),
        is_cut: i64::try_from(groups.len()).is_ok_and(|shown| shown == MOST_GROUPS),
        rows: groups.iter().map(row).collect(),
        address: format!("{}/scim/v2", visitor.portal.cloud.base()),
    };
    Ok(html(StatusCode::OK, &page))
}
