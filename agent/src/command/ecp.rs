//! `countersign ecp`: a service that speaks ECP (Profiles §4.2), for programs that are no browser.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use platform::files::{self, Access};
use platform::paths::Paths;
use platform::process;
use platform::termination::Termination;
use reqwest::header::CONTENT_TYPE;
use saml::binding::ecp::{CONTENT_TYPE as PAOS, PAOS_HEADER};

use super::{CommandError, Outcome};
use crate::config::ConfigError;
use crate::control::{self, Ask, Problem, Reply};
use crate::failure::FailureCode;
use crate::transport::{TransportError, beginning};
use crate::web_client::{WebClient, WebError};
use crate::written;

/// The largest envelope of a service, in octets: as large as a SAML message may be.
const LARGEST_ENVELOPE: usize = 256 * 1024;
/// The largest file of certificates, in octets.
const LARGEST_CA_FILE: usize = 1024 * 1024;
/// The variable in which a command finds its cookies.
const JAR_VARIABLE: &str = "COUNTERSIGN_COOKIE_JAR";

#[derive(Debug, clap::Args)]
pub(super) struct Ecp {
    /// The address of a page of the service. Without more, the page is printed.
    #[arg(value_name = "URL")]
    url: String,
    /// Write the cookies of the service's session to this file, readable by you alone, in the format of curl.
    #[arg(long, value_name = "FILE")]
    cookie_jar: Option<PathBuf>,
    /// Trust the CA certificates in this PEM file as well.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Run this command, with the cookies in the file that `COUNTERSIGN_COOKIE_JAR` names; `{}` stands for its path.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Ecp {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let ca = match &self.ca_file {
            Some(path) => {
                let octets = files::read(path, LARGEST_CA_FILE)?.ok_or_else(|| CommandError::NoFile(path.clone()))?;
                let unusable =
                    |why| ConfigError::Faults(vec![format!("`--ca-file` names `{}`, which {why}", path.display())]);
                Some(written::authorities(&octets).map_err(unusable)?)
            }
            None => None,
        };
        let mut client = WebClient::new(ca);
        let page = open(&mut client, &self.url, paths).await?;
        if let Some(path) = &self.cookie_jar {
            files::write_atomically(path, client.jar().as_bytes(), Access::Private)?;
        }
        if !self.command.is_empty() {
            return run_with(&self.command, self.cookie_jar.as_deref(), &client.jar()).await;
        }
        match &self.cookie_jar {
            Some(path) => Ok(Outcome::success(format!("signed in; the cookies are in `{}`\n", path.display()))),
            None => print(page).await,
        }
    }
}

/// Asks for the page, and has the agent answer what the service asks back.
async fn open(client: &mut WebClient, url: &str, paths: &Paths) -> Result<reqwest::Response, CommandError> {
    let accept = format!("text/html, {PAOS}");
    let asked = client.get(url, &[("accept", &accept), ("paos", PAOS_HEADER)]).await.map_err(unreachable)?;
    if !is_paos(&asked) {
        return Err(problem(FailureCode::ServiceNotUnderstood));
    }
    let envelope = beginning(asked, LARGEST_ENVELOPE).await.map_err(|error| CommandError::Page(error.into()))?;
    let envelope = String::from_utf8(envelope).map_err(|_| problem(FailureCode::ServiceNotUnderstood))?;
    let (to, envelope, differs) = match control::ask(paths, &Ask::Ecp { envelope }).await? {
        Reply::Ecp { url, envelope, problem } => (url, envelope, problem),
        Reply::Failed(problem) => return Err(CommandError::Problem(problem)),
        Reply::Status(_) | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Done => {
            return Err(problem(FailureCode::AnswerNotUnderstood));
        }
    };
    let answered = client.post(&to, PAOS, envelope).await;
    if let Some(problem) = differs {
        // What the service makes of the fault changes nothing.
        return Err(CommandError::Problem(problem));
    }
    let page = answered.map_err(unreachable)?;
    let is_error = page.status().is_client_error() || page.status().is_server_error();
    if is_error || is_paos(&page) {
        return Err(CommandError::ServiceRefused(page.status().as_u16()));
    }
    Ok(page)
}

fn is_paos(response: &reqwest::Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(PAOS))
}

fn problem(code: FailureCode) -> CommandError {
    CommandError::Problem(Problem::failure(code))
}

fn unreachable(error: WebError) -> CommandError {
    if let WebError::Transport(TransportError::CaFile(_)) | WebError::Address(_) = error {
        return CommandError::Page(error.into());
    }
    CommandError::ServiceUnreachable(error)
}

/// The page, as it comes.
async fn print(mut page: reqwest::Response) -> Result<Outcome, CommandError> {
    loop {
        match page.chunk().await {
            Ok(Some(chunk)) => {
                // A reader that went away (`| head`) is no failure of the command.
                if std::io::stdout().write_all(&chunk).is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => return Err(CommandError::Page(error.into())),
        }
    }
    Ok(Outcome::success(String::new()))
}

/// Runs the command with the jar, which is gone afterwards unless its person wanted it.
async fn run_with(command: &[OsString], kept: Option<&Path>, jar: &str) -> Result<Outcome, CommandError> {
    let path = match kept {
        Some(path) => path.to_owned(),
        None => {
            let path = process::temporary_file("cookies");
            files::write_new(&path, jar.as_bytes(), Access::Private)?;
            path
        }
    };
    // Ctrl-C is for the command; the jar is to be removed after it.
    let held = Termination::install();
    let arguments: Vec<_> =
        command.iter().map(|part| if part == "{}" { path.clone().into() } else { part.clone() }).collect();
    let variable = (JAR_VARIABLE, path.clone().into_os_string());
    let ended = process::run(&arguments, variable).await;
    drop(held);
    if kept.is_none() {
        files::remove(&path)?;
    }
    let exit_code = ended
        .map_err(|source| CommandError::Program { name: arguments.first().cloned().unwrap_or_default(), source })?;
    Ok(Outcome { text: String::new(), exit_code })
}
