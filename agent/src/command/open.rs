//! `countersign open`: a service in the person's browser, signed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::paths::Paths;
use platform::{loopback, web_browser};

use super::{CommandError, Outcome};
use crate::browser::{BrowserAnswer, OneTimePage};
use crate::control::{self, Ask, Problem, Reply};
use crate::failure::FailureCode;
use crate::sign_in::ServiceResponse;

#[derive(Debug, clap::Args)]
pub(super) struct Open {
    /// The service, by its entity ID.
    #[arg(value_name = "ENTITY_ID")]
    service: String,
    /// Print the address, which works once and for your account alone, in place of opening a browser.
    #[arg(long)]
    print: bool,
}

impl Open {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        if !loopback::TELLS_OWNERS {
            return Err(CommandError::Problem(Problem::failure(FailureCode::BrowserOwnerUnknown)));
        }
        let response = match control::ask(paths, &Ask::SignIn { service: Some(self.service) }).await? {
            Reply::ServiceResponse { acs_url, saml_response } => response(acs_url, &saml_response),
            Reply::Failed(problem) => return Err(CommandError::Problem(problem)),
            Reply::Status(_) | Reply::Done => None,
        };
        let response =
            response.ok_or_else(|| CommandError::Problem(Problem::failure(FailureCode::AnswerNotUnderstood)))?;
        let page = OneTimePage::bind().await?;
        let url = page.url();
        if self.print {
            use std::io::Write as _;
            // A reader that went away has no use for the page either: nobody comes for it.
            let _ = writeln!(std::io::stdout(), "{url}");
        } else {
            web_browser::open(&url).map_err(CommandError::Browser)?;
        }
        page.give(BrowserAnswer { response, relay_state: None }).await?;
        Ok(Outcome::success(String::new()))
    }
}

fn response(acs_url: String, saml_response: &str) -> Option<ServiceResponse> {
    let xml = String::from_utf8(STANDARD.decode(saml_response).ok()?).ok()?;
    Some(ServiceResponse { acs_url, xml })
}
