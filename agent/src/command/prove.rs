//! `countersign prove`: prove once, on this device, who you are; from then on it signs you in silently.

use platform::files;
use platform::paths::Paths;
use platform::web_browser;

use super::{CommandError, Outcome};
use crate::config;
use crate::control::{self, Ask, Problem, Reply};
use crate::failure::FailureCode;

/// The longest code on standard input, in octets.
const LONGEST_CODE: usize = 256;
/// Path of the page on which people see what is theirs, and prove who they are where that is needed.
const OWN_PAGE: &str = "/me";

#[derive(Debug, clap::Args)]
pub(super) struct Prove {
    /// The one-time code that you were given, such as `ABCD-2345-EFGH`; `-` reads it from standard input. Without one, your page at the portal opens in
    /// the browser and asks.
    #[arg(num_args = 0..=4)]
    code: Vec<String>,
    /// Print the address of that page, in place of opening a browser.
    #[arg(long, conflicts_with = "code")]
    print: bool,
}

impl Prove {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        if self.code.is_empty() {
            return self.in_browser(paths);
        }
        let code = match self.code.as_slice() {
            [dash] if dash == "-" => String::from_utf8_lossy(&files::read_stdin(LONGEST_CODE)?).trim().to_owned(),
            words => words.concat(),
        };
        match control::ask(paths, &Ask::Prove { code }).await? {
            Reply::Status(status) => {
                let person = status.people.first();
                let (user, until) =
                    person.map_or((None, None), |person| (person.user.as_deref(), person.until.as_deref()));
                Ok(Outcome::success(format!(
                    "signed in as {} until {}; from now on this device does so by itself\n",
                    user.unwrap_or("?"),
                    until.unwrap_or("?")
                )))
            }
            Reply::Failed(problem) => Err(CommandError::Problem(problem)),
            Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. } | Reply::Done => {
                Err(CommandError::Problem(Problem::failure(FailureCode::AnswerNotUnderstood)))
            }
        }
    }

    fn in_browser(&self, paths: &Paths) -> Result<Outcome, CommandError> {
        let url = format!("{}{OWN_PAGE}", config::load(paths)?.cloud_url);
        if self.print {
            return Ok(Outcome::success(format!("{url}\n")));
        }
        web_browser::open(&url).map_err(CommandError::Browser)?;
        Ok(Outcome::success(format!("your browser opens {url}\n")))
    }
}
