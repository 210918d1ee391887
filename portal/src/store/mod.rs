//! The portal's database: SQLite in the same process by default, or PostgreSQL for any number of portal processes.
//!
//! Reads go through a pool. Writes go through one writer in each process, which commits in groups: every answer that
//! depends on a write leaves the portal only after that write is on the disk. The writers of several processes take turns.
//!
//! The SQL in this module and its children is the common part of SQLite and PostgreSQL (see `migrations/`).

pub mod administrator;
pub mod administrator_idp;
pub mod administrator_session;
pub mod api_key;
pub mod audit;
pub mod audit_retention;
pub mod break_glass;
pub mod browser;
pub mod browser_sign_on;
mod columns;
mod database;
pub mod device;
pub mod device_clone;
pub mod device_key;
pub mod device_overtaken;
pub mod device_state;
pub mod diagnostics;
pub mod directory;
pub mod directory_filter;
pub mod domain;
pub mod domain_proof;
pub mod domain_realm;
pub mod external_sign_on;
pub mod issuer;
#[cfg(test)]
mod migration_tests;
pub mod page;
pub mod passkey;
pub mod person;
pub mod person_passkey;
pub mod person_session;
pub mod proof;
pub mod provider;
pub mod seen_request;
pub mod service_provider;
pub mod service_session;
pub mod sign_on_count;
pub mod signing_key;
pub mod tenant;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};

pub use database::{Database, ServerUrl, ServerUrlInvalid};
pub use writer::Work;

use database::{Kind, Prepare};

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    kind: Kind,
    readers: sqlx::AnyPool,
    writer: writer::Writer,
}

/// What went wrong between the portal and its database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened or created, or the server does not let us in.
    #[error("can't open the database `{database}`")]
    Open {
        /// Where it was looked for, without a password.
        database: String,
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
    #[error("can't write to the database (is the disk full, or the server away?)")]
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
    /// Opens `database`, makes the SQLite file where there is none, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] where it can't be opened or isn't a database, [`StoreError::Migrate`] where it was written by a
    /// newer version.
    pub async fn open(database: impl Into<Database>) -> Result<Self, StoreError> {
        let database = database.into();
        sqlx::any::install_default_drivers();
        let open_error = |source| StoreError::Open { database: database.to_string(), source };
        let (kind, connecting) = (database.kind(), database.options().map_err(open_error)?);
        let options = || {
            let options = AnyPoolOptions::new().acquire_timeout(Duration::from_secs(10));
            // A server may have gone away meanwhile; a file has not.
            let options = options.test_before_acquire(kind == Kind::Postgres);
            match kind {
                Kind::Sqlite => options.after_connect(prepare_sqlite),
                Kind::Postgres => options.after_connect(prepare_postgres),
            }
        };
        let writing = options().max_connections(1).connect_with(connecting.clone()).await.map_err(open_error)?;
        sqlx::migrate!().run(&writing).await.map_err(StoreError::Migrate)?;
        let readers = options().max_connections(kind.readers()).connect_lazy_with(connecting);
        Ok(Self { kind, readers, writer: writer::Writer::start(writing, kind) })
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

    /// What this process has written since it began: transactions, pieces of work in them, transactions that failed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        let counts = &self.writer.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&counts.commits), read(&counts.committed), read(&counts.failed))
    }

    /// Copies a SQLite database as it is at one moment into the new file `path`, and says so; a server's is not copied.
    ///
    /// # Errors
    /// [`StoreError::Statement`], also where there is such a file already.
    pub async fn copy_to(&self, path: &std::path::Path) -> Result<bool, StoreError> {
        if self.kind == Kind::Postgres {
            return Ok(false);
        }
        let mut connection = self.read().await?;
        let copied = sqlx::query("VACUUM INTO $1").bind(path.display().to_string()).execute(&mut *connection).await;
        copied.map_err(doing("copy the database")).map(|_| true)
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

    /// Ends the writer after what has been handed to it, and closes the database.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.readers.close().await;
    }
}

fn prepare_sqlite(connection: &mut AnyConnection, _: PoolConnectionMetadata) -> Prepare<'_> {
    Box::pin(Kind::Sqlite.prepare(connection))
}

fn prepare_postgres(connection: &mut AnyConnection, _: PoolConnectionMetadata) -> Prepare<'_> {
    Box::pin(Kind::Postgres.prepare(connection))
}

/// Turns a driver's error into ours: `.map_err(doing("count the devices"))`.
pub(crate) fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Statement { doing, source }
}

/// Serialises a value as its text.
pub(crate) fn as_text<T: std::fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serialises a value that may be absent as its text.
pub(crate) fn as_optional_text<T: std::fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
