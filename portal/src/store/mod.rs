//! The portal's database: SQLite in the same process by default.
//!
//! Reads go through a pool. Writes go through one writer, which commits in groups: every answer that depends on a write
//! leaves the portal only after that write is on the disk.
//!
//! The SQL in this module and its children is the common part of SQLite and PostgreSQL (see `migrations/`).

pub mod audit;
mod columns;
pub mod device;
pub mod domain;
pub mod person;
pub mod seen_request;
pub mod service_provider;
pub mod signing_key;
pub mod tenant;
pub mod token;
mod writer;

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::{AnyConnection, Executor as _};

pub use writer::Work;

/// Connections that read at the same time. SQLite in WAL mode lets readers and the writer pass each other.
const READERS: u32 = 4;
/// What every connection is told first. FULL: a commit has reached the disk before it is reported, in WAL mode too.
/// A statement waits ten seconds for another process (a `countersign-portal` command) that holds the write lock.
const PRAGMAS: [&str; 4] = [
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
];

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    readers: sqlx::AnyPool,
    writer: writer::Writer,
}

/// What went wrong between the portal and its database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened or created.
    #[error("can't open the database `{path}`")]
    Open {
        /// Where it was looked for.
        path: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("can't bring the schema of the database up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("can't {doing}")]
    Statement {
        /// What the portal was doing, in words that follow "can't".
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// A row holds something that this version cannot read.
    #[error("`{column}` of `{table}` holds a value that this version can't read")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The group that this piece of work was in could not be committed.
    #[error("can't write to the database; nothing was changed (is the disk full?)")]
    NotCommitted,
    /// The work found that it must not be done, and was undone.
    #[error("the work was withdrawn; nothing was written")]
    Withdrawn,
    /// The writer has ended: the portal is stopping.
    #[error("the portal is stopping; nothing was written")]
    Stopping,
}

impl StoreError {
    /// Whether a row with the same key was there already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        let Self::Statement { source: sqlx::Error::Database(error), .. } = self else { return false };
        error.is_unique_violation()
    }
}

impl Store {
    /// Opens the SQLite file `path`, creates it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] where the file can't be opened or isn't a database, [`StoreError::Migrate`] where it was
    /// written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let open_error = |source| StoreError::Open { path: path.display().to_string(), source };
        // Percent-encoding what would end the path of the URL keeps any directory name possible.
        let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        let url = format!("sqlite://{escaped}?mode=rwc");
        let options =
            || AnyPoolOptions::new().acquire_timeout(Duration::from_secs(10)).after_connect(prepare_connection);

        let writing = options().max_connections(1).connect(&url).await.map_err(open_error)?;
        sqlx::migrate!().run(&writing).await.map_err(StoreError::Migrate)?;
        let readers = options().max_connections(READERS).connect_lazy(&url).map_err(open_error)?;
        Ok(Self { readers, writer: writer::Writer::start(writing) })
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// [`StoreError::Statement`] where none is free in ten seconds.
    pub async fn read(&self) -> Result<PoolConnection<sqlx::Any>, StoreError> {
        self.readers.acquire().await.map_err(doing("read from the database"))
    }

    /// Runs `work` in a transaction and returns its result once that is durable.
    ///
    /// Work that returns an error leaves nothing behind. Others' work may share the transaction, so `work` must be short
    /// and wait for nothing but the connection.
    ///
    /// # Errors
    /// What `work` returned, or what went wrong at the commit: then nothing was written.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError::Statement`] where it gives none.
    pub async fn check(&self) -> Result<(), StoreError> {
        let mut connection = self.read().await?;
        sqlx::query("SELECT 1").execute(&mut *connection).await.map_err(doing("ask the database"))?;
        Ok(())
    }

    /// Ends the writer after what has been handed to it, and closes the file.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.readers.close().await;
    }
}

fn prepare_connection(
    connection: &mut AnyConnection,
    _: PoolConnectionMetadata,
) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + '_>> {
    Box::pin(async move {
        for pragma in PRAGMAS {
            connection.execute(pragma).await?;
        }
        Ok(())
    })
}

/// Turns a driver's error into ours: `.map_err(doing("count the devices"))`.
pub(crate) fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Statement { doing, source }
}

/// Serialises a value as its text.
pub(crate) fn as_text<T: std::fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serialises a time that may be absent as its text.
pub(crate) fn as_optional_text<S: serde::Serializer>(
    value: &Option<saml::time::UtcTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
