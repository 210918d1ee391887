//! `countersign open`: what the person may open, and a service in their browser, signed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::paths::Paths;
use platform::{loopback, web_browser};
use reqwest::Url;

use super::{CommandError, Outcome};
use crate::browser::{BrowserAnswer, OneTimePage};
use crate::control::{self, Ask, Problem, Reply};
use crate::failure::FailureCode;
use crate::sign_in::{ListedService, ServiceList, ServiceResponse};

#[derive(Debug, clap::Args)]
pub(super) struct Open {
    /// The service, by its entity ID or its name; without one, the services that you may open are listed.
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// Print the address, in place of opening a browser. Where the service does not begin by itself, it works once and for your account alone.
    #[arg(long, requires = "service")]
    print: bool,
    /// List the services as JSON.
    #[arg(long, conflicts_with = "service")]
    json: bool,
}

impl Open {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let list = match control::ask(paths, &Ask::Services).await? {
            Reply::Services(list) => list,
            Reply::Failed(problem) => return Err(CommandError::Problem(problem)),
            Reply::Status(_) | Reply::ServiceResponse { .. } | Reply::Ecp { .. } | Reply::Done => {
                return Err(CommandError::Problem(Problem::failure(FailureCode::AnswerNotUnderstood)));
            }
        };
        let Some(wanted) = &self.service else {
            return Ok(if self.json { Outcome::json(&list, 0) } else { Outcome::success(table(&list.services)) });
        };
        let listed = find(&list.services, wanted)?;
        if let Some(url) = listed.and_then(|listed| begins_at(listed, &list)) {
            return self.show(&url).map(|()| Outcome::success(String::new()));
        }
        // One that is not listed is refused by the portal, which says why.
        self.open_by_page(listed.map_or(wanted.as_str(), |listed| &listed.entity_id).to_owned(), paths).await
    }

    /// A Response that the service has not asked for, on a page that is served once.
    async fn open_by_page(&self, service: String, paths: &Paths) -> Result<Outcome, CommandError> {
        if !loopback::TELLS_OWNERS {
            return Err(CommandError::Problem(Problem::failure(FailureCode::BrowserOwnerUnknown)));
        }
        let response = match control::ask(paths, &Ask::SignIn { service: Some(service) }).await? {
            Reply::ServiceResponse { acs_url, saml_response } => response(acs_url, &saml_response),
            Reply::Failed(problem) => return Err(CommandError::Problem(problem)),
            Reply::Status(_) | Reply::Services(_) | Reply::Ecp { .. } | Reply::Done => None,
        };
        let response =
            response.ok_or_else(|| CommandError::Problem(Problem::failure(FailureCode::AnswerNotUnderstood)))?;
        let page = OneTimePage::bind().await?;
        self.show(&page.url())?;
        page.give(BrowserAnswer { response, relay_state: None }).await?;
        Ok(Outcome::success(String::new()))
    }

    fn show(&self, url: &str) -> Result<(), CommandError> {
        if !self.print {
            return web_browser::open(url).map_err(CommandError::Browser);
        }
        use std::io::Write as _;
        // A reader that went away has no use for the page either: nobody comes for it.
        let _ = writeln!(std::io::stdout(), "{url}");
        Ok(())
    }
}

/// The service that `wanted` is the entity ID of, or the name in whatever case.
fn find<'a>(services: &'a [ListedService], wanted: &str) -> Result<Option<&'a ListedService>, CommandError> {
    if let Some(listed) = services.iter().find(|listed| listed.entity_id == wanted) {
        return Ok(Some(listed));
    }
    let is_called =
        |listed: &&ListedService| listed.name.as_ref().is_some_and(|name| name.to_lowercase() == wanted.to_lowercase());
    let mut called = services.iter().filter(is_called);
    match (called.next(), called.next()) {
        (Some(_), Some(_)) => Err(CommandError::SeveralServices(wanted.to_owned())),
        (listed, _) => Ok(listed),
    }
}

/// Where the service itself begins a sign-on with this identity provider (Service Provider Request Initiation §2.4).
fn begins_at(listed: &ListedService, list: &ServiceList) -> Option<String> {
    let mut url = Url::parse(listed.initiator.as_deref()?).ok()?;
    url.query_pairs_mut().append_pair("entityID", &list.identity_provider);
    Some(url.into())
}

fn table(services: &[ListedService]) -> String {
    if services.is_empty() {
        return "There is no service that you may open.\n".to_owned();
    }
    let name = |listed: &ListedService| listed.name.clone().unwrap_or_else(|| "-".to_owned());
    let width = services.iter().map(|listed| name(listed).chars().count()).chain([4]).max().unwrap_or_default();
    let mut table = format!("{:width$}  ENTITY ID\n", "NAME");
    for listed in services {
        table.push_str(&format!("{:width$}  {}\n", name(listed), listed.entity_id));
    }
    table
}

fn response(acs_url: String, saml_response: &str) -> Option<ServiceResponse> {
    let xml = String::from_utf8(STANDARD.decode(saml_response).ok()?).ok()?;
    Some(ServiceResponse { acs_url, xml })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entity_id: &str, name: Option<&str>) -> ListedService {
        ListedService { entity_id: entity_id.to_owned(), name: name.map(str::to_owned), initiator: None }
    }

    #[test]
    fn a_service_is_found_by_its_entity_id_or_its_only_name() {
        let services =
            [listed("https://a", Some("Wiki")), listed("https://b", Some("Notes")), listed("https://c", Some("notes"))];
        let found = |wanted: &str| find(&services, wanted).map(|found| found.map(|listed| listed.entity_id.as_str()));
        assert_eq!(found("https://b").unwrap(), Some("https://b"));
        assert_eq!(found("WIKI").unwrap(), Some("https://a"));
        assert_eq!(found("mail").unwrap(), None);
        assert!(found("notes").unwrap_err().to_string().contains("entity ID"));
    }

    #[test]
    fn the_table_lines_up() {
        let table = table(&[listed("https://a", Some("Wiki")), listed("https://b", None)]);
        assert_eq!(table, "NAME  ENTITY ID\nWiki  https://a\n-     https://b\n");
    }

    #[test]
    fn the_service_is_told_which_identity_provider_to_ask() {
        let mut service = listed("https://a", None);
        service.initiator = Some("https://a/Login?x=1".to_owned());
        let list = ServiceList { identity_provider: "https://idp/?a&b".to_owned(), services: Vec::new() };
        let url = begins_at(&service, &list).unwrap();
        assert_eq!(url, "https://a/Login?x=1&entityID=https%3A%2F%2Fidp%2F%3Fa%26b");
    }
}
