//! Which database the portal keeps everything in: a SQLite file of its own, or a PostgreSQL server by its URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Executor as _};

/// What may stand behind the `?` of a PostgreSQL URL. Anything else would be passed over by the driver, in silence or with
/// its value in the log.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// FULL: a commit has reached the disk before it is reported, in WAL mode too. A statement waits ten seconds for another
/// process (a `countersign-portal` command) that holds the write lock.
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON";
/// The same promises. A process whose machine vanished in the middle of a transaction keeps the others waiting for
/// half a minute and no longer. `synchronous_commit` may ask for more than `on`, never for less.
const POSTGRES_SESSION: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// Takes the write lock first, so that a command in another process makes us wait and never fail halfway.
const SQLITE_BEGIN: &str = "BEGIN IMMEDIATE";
/// All writing transactions on a database come one after the other, whichever process they are in: the audit chain is one,
/// and what a decision reads must still hold when it is written. The lock ends with the transaction. In READ COMMITTED
/// each statement sees what was committed before it, so also what the one that held the lock before has written.
const POSTGRES_BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(4847305129340915)";

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file; it is made where there is none.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(ServerUrl),
}

/// The URL of a PostgreSQL database, `postgres://user@host:port/name`. A password in it is shown nowhere.
#[derive(Clone, Debug)]
pub struct ServerUrl {
    url: SecretString,
    shown: String,
    has_password: bool,
}

/// A text that is no URL of a PostgreSQL database. It never repeats the text, which may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServerUrlInvalid {
    /// Not a URL at all.
    #[error("this is not a URL: write `postgres://user@host/database`")]
    NotAUrl,
    /// Another kind of database.
    #[error("this is not the URL of a PostgreSQL database: it must begin with `postgres://`")]
    Scheme,
    /// A parameter that would have no effect.
    #[error("`{0}` is no parameter of a PostgreSQL URL that has an effect; known ones are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
}

impl FromStr for ServerUrl {
    type Err = ServerUrlInvalid;

    fn from_str(text: &str) -> Result<Self, ServerUrlInvalid> {
        let text = text.trim();
        let mut url = AnyConnectOptions::from_str(text).map_err(|_| ServerUrlInvalid::NotAUrl)?.database_url;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(ServerUrlInvalid::Scheme);
        }
        let unknown = url.query_pairs().find(|(key, _)| !PARAMETERS.contains(&&**key));
        if let Some((key, _)) = unknown {
            return Err(ServerUrlInvalid::Parameter(key.into_owned()));
        }
        let has_password = url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password");
        // Cannot fail: a URL with this scheme can have a password.
        let _ = url.set_password(None);
        url.set_query(None);
        Ok(Self { url: SecretString::from(text), shown: url.to_string(), has_password })
    }
}

impl ServerUrl {
    /// Whether it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.has_password
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Server(url) => url.fmt(formatter),
        }
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Database {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Database> for Database {
    fn from(database: &Database) -> Self {
        database.clone()
    }
}

/// What differs between the two kinds once connected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

impl Database {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::File(_) => Kind::Sqlite,
            Self::Server(_) => Kind::Postgres,
        }
    }

    pub(super) fn options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        match self {
            Self::File(path) => {
                // Percent-encoding what would end the path of the URL keeps any directory name possible.
                let path = path.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
                AnyConnectOptions::from_str(&format!("sqlite://{path}?mode=rwc"))
            }
            Self::Server(url) => AnyConnectOptions::from_str(url.url.expose_secret()),
        }
    }
}

impl Kind {
    /// Connections that read at the same time.
    pub(super) fn readers(self) -> u32 {
        match self {
            // In WAL mode readers and the writer pass each other; more would only share the same cores.
            Self::Sqlite => 4,
            // Each waits for the network and not for a core.
            Self::Postgres => 8,
        }
    }

    /// Tells a new connection how it shall work.
    pub(super) async fn prepare(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let session = match self {
            Self::Sqlite => SQLITE_SESSION,
            Self::Postgres => POSTGRES_SESSION,
        };
        connection.execute(session).await.map(drop)
    }

    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => SQLITE_BEGIN,
            Self::Postgres => POSTGRES_BEGIN,
        }
    }

    /// Waits until no other process writes.
    pub(super) async fn lock(self, transaction: &mut AnyConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite => Ok(()),
            Self::Postgres => transaction.execute(POSTGRES_LOCK).await.map(drop),
        }
    }
}

/// What sqlx wants to be called with each new connection of a pool.
pub(super) type Prepare<'c> = Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_nowhere_to_be_seen() {
        for text in [
            "postgres://portal:hunter2@db.example.net:5432/portal?sslmode=verify-full",
            "postgresql://portal@db.example.net/portal?password=hunter2",
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert!(url.has_password(), "{text}");
            let database = Database::Server(url.clone());
            assert!(!format!("{url} {url:?} {database} {database:?}").contains("hunter2"), "{url:?}");
        }
        assert!(!"postgres://portal@db/portal".parse::<ServerUrl>().unwrap().has_password());
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_without_being_repeated() {
        let cases = [
            ("hunter2", ServerUrlInvalid::NotAUrl),
            ("mysql://portal:hunter2@db/portal", ServerUrlInvalid::Scheme),
            ("postgres://db/portal?pasword=hunter2", ServerUrlInvalid::Parameter("pasword".to_owned())),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ServerUrl>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
            assert_eq!(error, expected);
        }
    }
}
