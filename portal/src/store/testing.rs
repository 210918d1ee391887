//! Databases for unit tests: SQLite, or PostgreSQL where `COUNTERSIGN_TEST_DATABASE` names a server; `tests/postgres.rs`
//! runs every test a second time that way.

use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Executor as _};
use tempfile::TempDir;

use super::{Database, Store};

/// An empty database: a file in `dir`, or a new one on the server.
pub(crate) async fn database(dir: &Path) -> Database {
    #[expect(clippy::disallowed_methods, reason = "how the run over PostgreSQL tells unit tests so")]
    let Ok(server) = std::env::var("COUNTERSIGN_TEST_DATABASE") else {
        return Database::File(dir.join("portal.db"));
    };
    sqlx::any::install_default_drivers();
    let name = format!("unit_{}", crate::random::row_id().unwrap());
    let mut connection = AnyConnection::connect(&server).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    connection.close().await.unwrap();
    let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
    Database::Server(url.parse().unwrap())
}

/// A store on an empty database, and the directory that it may be in.
pub(crate) async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&database(dir.path()).await).await.unwrap();
    (dir, store)
}
