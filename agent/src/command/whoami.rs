//! `countersign whoami`: who the operating system says is logged in, and what is made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use platform::paths::Paths;
use platform::session;
use serde::Serialize;

use super::{CommandError, Outcome};
use crate::config;
use crate::control::{self, Ask, PersonStatus, Problem, Reply};
use crate::failure::FailureCode;
use crate::identity::Identity;

#[derive(Debug, clap::Args)]
pub(super) struct Whoami {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    session: String,
    account: String,
    account_id: String,
    active: bool,
    remote: bool,
    evidence: String,
    grade: String,
    /// What the directory calls them; none where it is not certain, or there is no directory.
    principal: Option<String>,
    reason: String,
    /// What was seen besides and proves nothing.
    observed: BTreeMap<&'static str, String>,
    /// How far the portal has checked who they are, and how that came about; none while nobody is signed in.
    portal_grade: Option<String>,
    portal_origin: Option<String>,
    /// `user@domain` as it would be sent; none while no domain is configured or the name can't be one.
    user: Option<String>,
    fault: Option<String>,
}

impl Whoami {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let config = config::load(paths).ok();
        let mut people = Vec::new();
        let said = graded(paths).await;
        for session in session::sessions().await? {
            let identity = config
                .as_ref()
                .map(|config| Identity::of(&session, &config.user_domain, config.user_name.as_ref()))
                .transpose();
            let (identity, fault) = match identity {
                Ok(identity) => (identity, None),
                Err(fault) => (None, Some(fault.to_string())),
            };
            let graded = said.iter().find(|person| person.session == session.id.as_str());
            people.push(Shown {
                portal_grade: graded.and_then(|person| person.grade.clone()),
                portal_origin: graded.and_then(|person| person.origin.clone()),
                session: session.id.to_string(),
                account: session.local_name.clone(),
                account_id: session.stable_id.clone(),
                active: session.active,
                remote: session.remote,
                evidence: session.evidence.source.to_owned(),
                grade: identity
                    .as_ref()
                    .map_or_else(|| session.evidence.grade.to_string(), |identity| identity.evidence.grade.to_string()),
                principal: session.evidence.principal.clone(),
                observed: session.evidence.attributes.iter().cloned().collect(),
                reason: identity
                    .as_ref()
                    .map_or_else(|| session.evidence.reason.clone(), |identity| identity.reason.clone()),
                user: identity.map(|identity| identity.name_id.value),
                fault,
            });
        }
        let nobody = Problem::failure(FailureCode::NobodyLoggedIn);
        let exit_code = if people.is_empty() { nobody.exit_code } else { 0 };
        if self.json {
            return Ok(Outcome::json(&people, exit_code));
        }
        let text =
            if people.is_empty() { format!("{}; {}\n", nobody.meaning, nobody.next_action) } else { screen(&people) };
        Ok(Outcome { text, exit_code })
    }
}

/// What the agent knows of people from the portal; nobody while none runs.
async fn graded(paths: &Paths) -> Vec<PersonStatus> {
    match control::ask(paths, &Ask::Status).await {
        Ok(Reply::Status(status)) => status.people,
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn screen(people: &[Shown]) -> String {
    let mut text = String::new();
    for person in people {
        let user = person.user.as_deref().unwrap_or("no user name yet: set `userDomain` with `countersign configure`");
        let _ = writeln!(text, "{user}");
        let _ = writeln!(text, "  account   {} ({})", person.account, person.account_id);
        let kind = match (person.remote, person.active) {
            (true, _) => "remote",
            (false, true) => "local, in front",
            (false, false) => "local, in the background",
        };
        let _ = writeln!(text, "  session   {} ({kind})", person.session);
        let _ = writeln!(text, "  claim     {} (from {})", person.grade, person.evidence);
        if let (Some(grade), Some(origin)) = (&person.portal_grade, &person.portal_origin) {
            let _ = writeln!(text, "  portal    {grade} ({origin})");
        }
        if let Some(principal) = &person.principal {
            let _ = writeln!(text, "  principal {principal}");
        }
        let _ = writeln!(text, "  because   {}", person.reason);
        for (name, value) in &person.observed {
            let _ = writeln!(text, "  observed  {name}: {value}");
        }
        if let Some(fault) = &person.fault {
            let _ = writeln!(text, "  fault     {fault}");
        }
    }
    text
}
