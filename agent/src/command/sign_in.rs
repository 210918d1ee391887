//! `countersign sign-in`: sign in now, or get a Response for a service.

use std::path::PathBuf;

use platform::files::{self, Access};
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::control::{self, Ask, Problem, Reply, Status};
use crate::failure::FailureCode;

#[derive(Debug, clap::Args)]
pub(super) struct SignIn {
    /// Get a SAML Response for this service, by its entity ID. Anybody who posts it is signed in there as you, once.
    #[arg(long, value_name = "ENTITY_ID")]
    service: Option<String>,
    /// Write the Response as a web page that posts it to the service, readable by you alone.
    #[arg(long, value_name = "FILE", requires = "service")]
    form: Option<PathBuf>,
    /// As JSON: the status, or `acs_url` and `saml_response`.
    #[arg(long)]
    json: bool,
}

impl SignIn {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let ask = Ask::SignIn { service: self.service.clone() };
        match control::ask(paths, &ask).await? {
            Reply::Status(status) => self.signed_in(&status),
            Reply::ServiceResponse { acs_url, saml_response } => self.for_service(&acs_url, &saml_response),
            Reply::Failed(problem) => Err(CommandError::Problem(problem)),
            Reply::Services(_) | Reply::Ecp { .. } | Reply::Done => {
                Err(CommandError::Problem(Problem::failure(FailureCode::NotSignedIn)))
            }
        }
    }

    fn signed_in(&self, status: &Status) -> Result<Outcome, CommandError> {
        let person = status.people.first();
        // A session that holds while its renewal fails is no answer to "sign in now".
        if let Some(problem) = status.problem.as_ref().or(person.and_then(|person| person.problem.as_ref())) {
            return Err(CommandError::Problem(problem.clone()));
        }
        if self.json {
            return Ok(Outcome::json(status, 0));
        }
        let (user, until) = person.map_or((None, None), |person| (person.user.as_deref(), person.until.as_deref()));
        Ok(Outcome::success(format!("signed in as {} until {}\n", user.unwrap_or("?"), until.unwrap_or("?"))))
    }

    fn for_service(&self, acs_url: &str, saml_response: &str) -> Result<Outcome, CommandError> {
        if let Some(path) = &self.form {
            let page = form(acs_url, saml_response);
            files::write_atomically(path, page.as_bytes(), Access::Private)?;
            return Ok(Outcome::success(format!(
                "wrote `{}`: open it in a browser within five minutes\n",
                path.display()
            )));
        }
        if self.json {
            let value = serde_json::json!({ "acs_url": acs_url, "saml_response": saml_response });
            return Ok(Outcome::json(&value, 0));
        }
        Ok(Outcome::success(format!("{saml_response}\n")))
    }
}

/// A page whose one button posts the Response (Bindings §3.5); a script presses it.
fn form(acs_url: &str, saml_response: &str) -> String {
    let action = escape(acs_url);
    let value = escape(saml_response);
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Signing in</title>\n\
         <body onload=\"document.forms[0].submit()\">\n<form method=\"post\" action=\"{action}\">\n\
         <input type=\"hidden\" name=\"SAMLResponse\" value=\"{value}\">\n<button>Sign in to the service</button>\n</form>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_not_break_out_of_the_form() {
        let page = form("https://a.example/\"><script>", "PD94");
        assert!(!page.contains("<script>") && page.contains("&quot;&gt;&lt;script&gt;"));
    }
}
