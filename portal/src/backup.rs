//! Backups: a directory with a copy of the database of one moment, the private signing keys, and a list of digests.
//!
//! The rows of a PostgreSQL database are the business of `pg_dump`; then the directory holds the keys alone, and says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use saml::time::UtcTime;
use serde::{Deserialize, Serialize};

use crate::files::{self, DATABASE, FileError, KEYS};
use crate::store::audit::{self, Verdict};
use crate::store::{Store, StoreError};

/// The name of the list.
const LIST: &str = "backup.json";
/// Why a backup could not be taken or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The list is something else.
    #[error("`{0}` is not the list of a backup that this version knows")]
    NotABackup(PathBuf),
    /// A file was changed, or cut off.
    #[error("`{0}` is not what it was when the backup was taken: take another copy of it")]
    Changed(PathBuf),
    /// There is a portal where it is to be brought back.
    #[error("there is a portal in `{0}` already: bring a backup back into an empty directory")]
    Taken(PathBuf),
    /// The audit in it is not a chain.
    #[error("the audit in the backup was changed at row {0}: take an older backup")]
    AuditBroken(i64),
}

/// What a backup holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// 1.
    pub format: u32,
    /// The version of the program that took it.
    pub program: String,
    /// When.
    pub taken_at: String,
    /// Whether the database's rows are in it.
    pub has_database: bool,
    /// Each file's name below the directory, and its SHA-256 in hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// Takes a backup of the live portal in `data_dir` into the new directory `to`. The portal goes on meanwhile.
///
/// # Errors
/// [`BackupError::Taken`] where `to` holds a backup already; [`BackupError::File`], [`BackupError::Store`].
pub async fn take(store: &Store, data_dir: &Path, to: &Path, now: UtcTime) -> Result<Backup, BackupError> {
    if files::exists(&to.join(LIST)) || files::exists(&to.join(DATABASE)) {
        return Err(BackupError::Taken(to.to_owned()));
    }
    files::make_private_directory(to)?;
    let mut listed = BTreeMap::new();
    // First the keys: a key that is made in between is missing in the database too, and not the other way round.
    let keys = files::names(&data_dir.join(KEYS))?;
    if !keys.is_empty() {
        files::make_private_directory(&to.join(KEYS))?;
    }
    // SQLite writes into an empty file, and leaves its mode as it is.
    files::write_new_private(&to.join(DATABASE), &[])?;
    let has_database = store.copy_to(&to.join(DATABASE)).await?;
    if !has_database {
        files::remove(&to.join(DATABASE))?;
    }
    for name in keys {
        let digest = files::copy_new_private(&data_dir.join(KEYS).join(&name), &to.join(KEYS).join(&name))?;
        listed.insert(format!("{KEYS}/{name}"), digest);
    }
    if has_database {
        listed.insert(DATABASE.to_owned(), files::digest(&to.join(DATABASE))?);
    }
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let backup = Backup { format: 1, program, taken_at: now.to_string(), has_database, files: listed };
    let text = serde_json::to_string_pretty(&backup).unwrap_or_default() + "\n";
    files::write_new_private(&to.join(LIST), text.as_bytes())?;
    Ok(backup)
}

/// Brings the backup in `from` back into the empty directory `data_dir`, and checks the audit in it.
///
/// # Errors
/// [`BackupError`]; nothing is overwritten, and what was copied before a fault is left for inspection.
pub async fn bring_back(from: &Path, data_dir: &Path) -> Result<Backup, BackupError> {
    let list = from.join(LIST);
    let backup: Backup =
        serde_json::from_slice(&files::read(&list)?).map_err(|_| BackupError::NotABackup(list.clone()))?;
    let is_plain =
        |name: &String| name == DATABASE || name.strip_prefix("keys/").is_some_and(|key| !key.contains(['/', '\\']));
    if backup.format != 1 || !backup.files.keys().all(is_plain) {
        return Err(BackupError::NotABackup(list));
    }
    if files::exists(&data_dir.join(DATABASE)) || files::exists(&data_dir.join(KEYS)) {
        return Err(BackupError::Taken(data_dir.to_owned()));
    }
    // Everything is looked at before anything is written.
    for (name, digest) in &backup.files {
        if files::digest(&from.join(name))? != *digest {
            return Err(BackupError::Changed(from.join(name)));
        }
    }
    files::make_directory_of_portal(data_dir)?;
    files::make_directory_of_portal(&data_dir.join(KEYS))?;
    for name in backup.files.keys() {
        let copy = data_dir.join(name);
        files::copy_new_private(&from.join(name), &copy)?;
        files::give_to_owner_of_directory(&copy)?;
    }
    if backup.has_database {
        let store = Store::open(data_dir.join(DATABASE).as_path()).await?;
        let verdict = audit::verify(&mut *store.read().await?).await?;
        store.close().await;
        if let Verdict::BrokenAt(row) = verdict {
            return Err(BackupError::AuditBroken(row));
        }
    }
    Ok(backup)
}
