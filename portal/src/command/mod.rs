//! The command line: one file for each noun. Commands and server call the same functions on the same database.

mod admin_account;
mod admin_idp;
mod api_key;
mod audit;
mod backup;
mod device;
mod domain;
mod group;
mod idp;
mod key;
mod metadata;
mod policy;
mod serve;
mod service;
mod tenant;
mod tls;
mod token;
mod user;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::admin::{self, Actor, Admin, AdminError};
use crate::clock;
use crate::cloud::PublicUrlInvalid;
use crate::files::{self, FileError, KEYS};
use crate::signing::SigningError;
use crate::store::{Database, ServerUrl, ServerUrlInvalid, Store, StoreError};

/// The SAML identity provider for devices that sign people in silently.
///
/// First steps: `key create`, `tenant create`, `domain add`, `token create`, then `serve`.
#[derive(Debug, Parser)]
#[command(name = "countersign-portal", version, arg_required_else_help = true)]
pub struct CommandLine {
    /// The portal's directory: the private signing keys in `keys`, and the database `portal.db` where it isn't elsewhere.
    #[arg(long, global = true, value_name = "DIR", default_value = "/var/lib/countersign-portal")]
    data_dir: PathBuf,
    /// A PostgreSQL database for any number of portal processes: `postgres://user@host/database?sslmode=verify-full`.
    #[arg(long, global = true, value_name = "URL")]
    database: Option<ServerUrl>,
    /// A file with that URL and nothing else, for URLs with a password.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "database")]
    database_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer devices until SIGTERM or Ctrl-C.
    Serve(Box<serve::Serve>),
    /// Make and list the portal's signing keys.
    #[command(subcommand)]
    Key(key::Key),
    /// The customers of this cloud and their settings for sign-on.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// User domains and the tenant that each belongs to.
    #[command(subcommand)]
    Domain(domain::Domain),
    /// Who answers for which of a tenant's people; changes hold when they are activated.
    #[command(subcommand)]
    Idp(idp::Idp),
    /// Device tokens: what lets a device register its key.
    #[command(subcommand)]
    Token(token::Token),
    /// What a tenant demands of people and devices.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Registered devices.
    #[command(subcommand)]
    Device(device::Device),
    /// People.
    #[command(subcommand)]
    User(user::User),
    /// Groups of people that a directory keeps.
    #[command(subcommand)]
    Group(group::Group),
    /// SAML service providers that may receive assertions.
    #[command(subcommand)]
    Service(service::Service),
    /// Copy the portal as it is now into a directory, while it serves: the database and the private signing keys.
    Backup(backup::Backup),
    /// Bring a backup back into an empty data directory.
    Restore(backup::Restore),
    /// Accounts for the web pages.
    #[command(subcommand)]
    Admin(admin_account::Account),
    /// Keys with which programs administer over `/api/v1`, and directories provision over SCIM.
    #[command(subcommand)]
    ApiKey(api_key::ApiKey),
    /// Who did what, and how it ended.
    #[command(subcommand)]
    Audit(audit::Audit),
}

impl Command {
    /// Whether a new portal may begin with it. Every other command looks for one that is there: a typing error in `--data-dir` makes nothing.
    fn may_begin(&self) -> bool {
        matches!(
            self,
            Self::Key(key::Key::Create)
                | Self::Tenant(tenant::Tenant::Create { .. })
                | Self::Admin(admin_account::Account::Create { .. })
        )
    }
}

/// Why a command ended without success. Each text ends with what to do next where that isn't plain.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    PublicUrl(#[from] PublicUrlInvalid),
    #[error(
        "there is no portal in `{}`: `countersign-portal key create` begins one, and `--data-dir` names another directory",
        _0.display()
    )]
    NoPortal(PathBuf),
    #[error("there is no {noun} `{name}`; `countersign-portal {} list` shows those that there are", noun.command())]
    NotFound { noun: admin::Noun, name: String },
    #[error(transparent)]
    Admin(AdminError),
    #[error(
        "a password in `--database` can be read by everybody on this machine: write the URL into a private file and name it with `--database-file`"
    )]
    PasswordShown,
    #[error("`{file}` does not name a database")]
    DatabaseFile {
        file: String,
        #[source]
        source: ServerUrlInvalid,
    },
    #[error("can't read `{file}`")]
    Document {
        file: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{0}")]
    Several(String),
    #[error("the audit was changed at row {0}: compare it with your backups")]
    AuditBroken(i64),
    #[error("can't {doing}")]
    Serve {
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        if let AdminError::NotFound { noun, name } = error {
            return Self::NotFound { noun, name };
        }
        Self::Admin(error)
    }
}

impl CommandLine {
    /// Runs the command and prints its result, or the chain of errors; the exit code is 0 or 1 (clap's own: 2).
    pub async fn run(self) -> ExitCode {
        match self.result().await {
            Ok(output) => {
                use std::io::Write as _;
                // A reader that went away (`| head`) is no failure of the command.
                let _ = std::io::stdout().write_all(output.as_bytes());
                ExitCode::SUCCESS
            }
            Err(error) => {
                let text = format!("error: {}", chain(&error));
                #[expect(clippy::print_stderr, reason = "the edge of the program, where the chain is printed once")]
                {
                    eprintln!("{text}");
                }
                ExitCode::FAILURE
            }
        }
    }

    async fn result(self) -> Result<String, CommandError> {
        if let Command::Restore(command) = self.command {
            return command.run(&self.data_dir).await;
        }
        let database = database(&self.data_dir, self.database, self.database_file)?;
        let context = Context::open(self.data_dir, database, self.command.may_begin()).await?;
        let result = match self.command {
            Command::Serve(command) => command.run(&context).await,
            Command::Key(command) => command.run(&context).await,
            Command::Tenant(command) => command.run(&context).await,
            Command::Domain(command) => command.run(&context).await,
            Command::Idp(command) => command.run(&context).await,
            Command::Token(command) => command.run(&context).await,
            Command::Policy(command) => command.run(&context).await,
            Command::Device(command) => command.run(&context).await,
            Command::User(command) => command.run(&context).await,
            Command::Group(command) => command.run(&context).await,
            Command::Service(command) => command.run(&context).await,
            Command::Backup(command) => command.run(&context).await,
            // It has run before a database was opened where it is to be brought back.
            Command::Restore(_) => Ok(String::new()),
            Command::Admin(command) => command.run(&context).await,
            Command::ApiKey(command) => command.run(&context).await,
            Command::Audit(command) => command.run(&context).await,
        };
        context.admin.store.close().await;
        result
    }
}

/// An error and what caused it, in one line.
fn chain(error: &CommandError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let _ = write!(text, ": {source}");
        cause = source.source();
    }
    text
}

/// The database that the options name.
fn database(data_dir: &Path, url: Option<ServerUrl>, file: Option<PathBuf>) -> Result<Database, CommandError> {
    if let Some(url) = url {
        return if url.has_password() { Err(CommandError::PasswordShown) } else { Ok(Database::Server(url)) };
    }
    let Some(file) = file else { return Ok(Database::File(data_dir.join(files::DATABASE))) };
    let text = zeroize::Zeroizing::new(files::read_secret(&file)?);
    let url = std::str::from_utf8(&text).map_err(|_| ServerUrlInvalid::NotAUrl).and_then(str::parse);
    let url = url.map_err(|source| CommandError::DatabaseFile { file: file.display().to_string(), source })?;
    Ok(Database::Server(url))
}

/// What every command has.
struct Context {
    data_dir: PathBuf,
    admin: Admin,
}

impl Context {
    /// Opens the portal; only a command that `may_begin` one makes a database where there is none.
    async fn open(data_dir: PathBuf, database: Database, may_begin: bool) -> Result<Self, CommandError> {
        let file = match &database {
            Database::File(file) => Some(file),
            Database::Server(_) => None,
        };
        if !may_begin && file.is_some_and(|file| !files::exists(file)) {
            return Err(CommandError::NoPortal(data_dir));
        }
        make_files(&data_dir, file.map(PathBuf::as_path))?;
        let store = Store::open(database).await?;
        Ok(Self { data_dir, admin: Admin::whole(store, Actor::CommandLine, clock::now()) })
    }

    fn keys_dir(&self) -> PathBuf {
        self.data_dir.join(KEYS)
    }
}

/// Makes the portal's directory, and its database's file if it has one, where they are missing, and closes them to other accounts where they are there.
fn make_files(data_dir: &Path, database: Option<&Path>) -> Result<(), FileError> {
    files::make_directory_of_portal(data_dir)?;
    let keys = data_dir.join(KEYS);
    if files::exists(&keys) || database.is_some_and(files::exists) {
        // One that holds no portal yet may be somebody's for other things, too.
        files::close_to_others(data_dir)?;
    }
    files::close_to_others(&keys)?;
    let Some(database) = database else { return Ok(()) };
    files::make_private_file(database)?;
    // SQLite gives the files beside it the mode and the owner that it has, from the first moment on.
    for beside in ["-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(beside);
        files::close_to_others(Path::new(&name))?;
    }
    Ok(())
}

/// A list as JSON, one document, indented.
fn json(rows: &impl serde::Serialize) -> String {
    // Rows are maps with text keys and plain values, which always have a JSON form.
    serde_json::to_string_pretty(rows).unwrap_or_default() + "\n"
}

/// A user domain, for clap.
fn domain_name(given: &str) -> Result<String, String> {
    admin::domain_name(given).map_err(|_| "a domain looks like `example.com`".to_owned())
}
