//! The rungs on which a key can be kept, and what stands on the disk for each.

use super::hardware::HardwareFault;
use super::rung::Rung;
use super::{DeviceKey, Holder, KeyError, KeyProtection, Made, left_over, pem};
use crate::files::{self, Access, FileError};
use crate::set_aside::{self, files_set_aside, remove_set_aside};
use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const FILE_NAME: &str = "device-key.pem";
/// The key that is to take the place of the one in `FILE_NAME`.
pub(super) const NEXT_NAME: &str = "device-key-next.pem";
pub(super) const RECORD_NAME: &str = "device-key.protection";
pub(super) const MAX_OCTETS: usize = 16 * 1024;
const PKCS8_LABEL: &str = "PRIVATE KEY";

/// Held while a key is made or deleted, so that none is deleted between its making and its file.
static TURN: Mutex<()> = Mutex::new(());

/// The rungs on which a key can be kept, best first, and a file below them all.
#[derive(Clone, Debug)]
pub struct Ladder {
    rungs: Vec<Arc<dyn Rung>>,
}

impl Default for Ladder {
    /// What this system has. There is neither an option nor a variable for another place: who can put something else there is root.
    fn default() -> Self {
        #[cfg(target_os = "linux")]
        return Self::with_tpm(super::tpm::DEVICE_PATH);
        #[cfg(windows)]
        return Self { rungs: super::cng::rungs().into_iter().chain([super::sealed_file::rung()]).collect() };
        #[cfg(not(any(target_os = "linux", windows)))]
        return Self { rungs: Vec::new() };
    }
}

impl Ladder {
    /// A ladder whose TPM answers at another place, which may be a Unix socket. Only Linux speaks with one so; elsewhere the ladder has no rung
    /// but the file.
    pub fn with_tpm(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        #[cfg(target_os = "linux")]
        let rungs: Vec<Arc<dyn Rung>> = vec![Arc::new(super::tpm::TpmRung::new(path))];
        #[cfg(not(target_os = "linux"))]
        let rungs = {
            drop(path);
            Vec::new()
        };
        Self { rungs }
    }

    #[cfg(test)]
    pub(super) fn of(rungs: Vec<Arc<dyn Rung>>) -> Self {
        Self { rungs }
    }

    /// The key in `state_dir`; `None` when none was ever made there. Hardware is not asked: the first signature is.
    ///
    /// # Errors
    ///
    /// A key that is damaged, open to others, or out of reach is an error that names the next action, and never leads to a new key.
    pub fn load(&self, state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
        self.load_file(state_dir.join(FILE_NAME))
    }

    /// The key that [`Ladder::create_next`] made and [`Ladder::adopt_next`] has not put in its place yet.
    ///
    /// # Errors
    ///
    /// As [`Ladder::load`].
    pub fn load_next(&self, state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
        self.load_file(state_dir.join(NEXT_NAME))
    }

    fn load_file(&self, path: PathBuf) -> Result<Option<DeviceKey>, KeyError> {
        let Some(text) =
            files::read_private(&path, MAX_OCTETS).map_err(|source| KeyError::File { doing: "read", source })?
        else {
            return Ok(None);
        };
        let damaged = |found| KeyError::Damaged { path: path.clone(), found };
        let (label, der) = pem::decode(&text).map_err(damaged)?;
        let mut rungs = self.rungs.iter().filter(|rung| rung.label() == label).peekable();
        let key = if label == PKCS8_LABEL {
            DeviceKey::from_pkcs8(&der)
        } else if rungs.peek().is_some() {
            rungs.find_map(|rung| rung.read(&der)).and_then(DeviceKey::from_held)
        } else {
            return Err(KeyError::UnknownProtection { path, label });
        };
        key.map(Some).ok_or_else(|| damaged("it is not a whole P-256 key"))
    }

    /// Makes a key with the best protection that works here; it is on the disk before this returns.
    ///
    /// # Errors
    ///
    /// [`KeyError::Exists`] when there is one, whatever its state; [`KeyError::Downgrade`] when a better rung held one before and does not take
    /// another; [`KeyError::Hardware`] when a rung may be ready at the next try; and when the key cannot be stored.
    pub fn create(&self, state_dir: &Path) -> Result<Made, KeyError> {
        self.create_file(state_dir, FILE_NAME)
    }

    /// Makes the key that is to take the place of the present one, which stays.
    ///
    /// # Errors
    ///
    /// As [`Ladder::create`].
    pub fn create_next(&self, state_dir: &Path) -> Result<Made, KeyError> {
        self.create_file(state_dir, NEXT_NAME)
    }

    fn create_file(&self, state_dir: &Path, name: &str) -> Result<Made, KeyError> {
        let failed = |source| KeyError::File { doing: "store", source };
        files::create_private_dir(state_dir).map_err(failed)?;
        let path = state_dir.join(name);
        if files::read_private(&path, MAX_OCTETS).map_or(true, |found| found.is_some()) {
            return Err(KeyError::Exists { path });
        }
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // What stays behind hinders no new key; it is deleted at a later try.
        let _ = self.sweep_in_turn(state_dir);
        let (key, passed_over) = self.make(state_dir)?;
        let stored = match files::write_new(&path, &key.to_pem(), Access::Private) {
            Ok(()) => left_over::forget(state_dir, key.key.reference().as_deref()).map_err(failed),
            Err(FileError::Exists { path }) => Err(KeyError::Exists { path }),
            Err(source) => Err(failed(source)),
        };
        if stored.is_err() {
            let _ = self.sweep_in_turn(state_dir);
        }
        stored.map(|()| Made { key: key.key, passed_over })
    }

    /// A key that is in no file yet, by the first rung that makes one.
    fn make(&self, state_dir: &Path) -> Result<(NewKey, Vec<HardwareFault>), KeyError> {
        let before = protection_before(state_dir)?;
        let mut passed_over = Vec::new();
        for rung in &self.rungs {
            match make_on(rung.as_ref(), state_dir)? {
                Ok(key) => return Ok((key, passed_over)),
                // Nothing below holds it as well as it was held.
                Err(source) if before.is_some_and(|before| rung.protection() >= before) => {
                    return Err(KeyError::Downgrade { source });
                }
                Err(source) if source.is_passing() => return Err(KeyError::Hardware { doing: "make", source }),
                Err(source) => passed_over.push(source),
            }
        }
        if passed_over.is_empty() {
            passed_over.push(HardwareFault::NotSupported);
        }
        if before.is_some() {
            return Err(KeyError::Downgrade { source: passed_over.swap_remove(0) });
        }
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::Generate)?;
        let key = DeviceKey::from_pkcs8(document.as_ref()).ok_or(KeyError::Generate)?;
        Ok((NewKey { key, pkcs8: Some(document) }, passed_over))
    }

    /// Puts the next key in the place of the present one, which is gone from then on; after a crash it is one or the other. What keeps the former
    /// one is asked to delete it by [`Ladder::sweep`].
    ///
    /// # Errors
    ///
    /// When there is none, or it can't be put there.
    pub fn adopt_next(&self, state_dir: &Path) -> Result<(), KeyError> {
        let replaced = |source| KeyError::File { doing: "replace", source };
        let next = state_dir.join(NEXT_NAME);
        if next.exists() {
            self.announce_end_of(state_dir, &[FILE_NAME.to_owned()]).map_err(replaced)?;
        }
        files::replace(&next, &state_dir.join(FILE_NAME)).map_err(replaced)
    }

    /// Removes a next key that can't be used; `true` when there was one.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be removed.
    pub fn discard_next(&self, state_dir: &Path) -> Result<bool, KeyError> {
        self.remove(state_dir, NEXT_NAME)
    }

    /// Removes a key that its hardware has lost, so that another can be made; what held it is remembered. `true` when there was one.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be removed.
    pub fn abandon(&self, state_dir: &Path) -> Result<bool, KeyError> {
        self.remove(state_dir, NEXT_NAME)?;
        self.remove(state_dir, FILE_NAME)
    }

    /// Removes the key for good, what was set aside of it, and the memory of what protected it; `true` when there was one. Nobody but the disk is
    /// asked: [`Ladder::sweep`] asks what kept the key to delete it.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be removed.
    pub fn destroy(&self, state_dir: &Path) -> Result<bool, KeyError> {
        let failed = |source| KeyError::File { doing: "remove", source };
        let removed = self.abandon(state_dir)?;
        let aside = files_set_aside(state_dir);
        self.announce_end_of(state_dir, &aside).map_err(failed)?;
        for name in [FILE_NAME, NEXT_NAME] {
            remove_set_aside(&state_dir.join(name)).map_err(failed)?;
        }
        files::remove(&state_dir.join(RECORD_NAME)).map_err(failed)?;
        Ok(removed)
    }

    /// Sets a damaged key aside, so that another can be made: the file is renamed and kept, the next key's too where there is one, and what held
    /// the key is remembered. Returns where it is now.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub fn set_aside(&self, state_dir: &Path, stamp: &str) -> Result<PathBuf, KeyError> {
        let failed = |source| KeyError::File { doing: "set aside", source };
        let next = state_dir.join(NEXT_NAME);
        if next.exists() {
            set_aside::set_aside(&next, stamp).map_err(failed)?;
        }
        set_aside::set_aside(&state_dir.join(FILE_NAME), stamp).map_err(failed)
    }

    /// Has what keeps keys delete those of this device that no file names any more. Blocks as [`DeviceKey::sign`] does; the keys that could not be
    /// deleted are remembered for the next time.
    ///
    /// # Errors
    ///
    /// When one could not be deleted, or it can't be told whether a file names it.
    pub fn sweep(&self, state_dir: &Path) -> Result<(), KeyError> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        self.sweep_in_turn(state_dir)
    }

    fn sweep_in_turn(&self, state_dir: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::File { doing: "delete", source };
        let ended = left_over::all(state_dir).map_err(failed)?;
        if ended.is_empty() {
            return Ok(());
        }
        // A key whose file can't be read now may be wanted again.
        let present = [self.load(state_dir)?, self.load_next(state_dir)?];
        let in_use: Vec<String> = present.iter().flatten().filter_map(DeviceKey::reference).collect();
        let mut outcome = Ok(());
        for reference in ended {
            let deleted = if in_use.contains(&reference) { None } else { self.delete(&reference) };
            match deleted {
                Some(Err(source)) if !source.is_absence() && !source.is_loss_of_the_key() => {
                    outcome = Err(KeyError::Hardware { doing: "delete", source });
                }
                Some(_) | None => left_over::forget(state_dir, Some(&reference)).map_err(failed)?,
            }
        }
        outcome
    }

    fn delete(&self, reference: &str) -> Option<Result<(), HardwareFault>> {
        self.rungs.iter().find_map(|rung| rung.delete(reference))
    }

    fn remove(&self, state_dir: &Path, name: &str) -> Result<bool, KeyError> {
        let failed = |source| KeyError::File { doing: "remove", source };
        self.announce_end_of(state_dir, &[name.to_owned()]).map_err(failed)?;
        files::remove(&state_dir.join(name)).map_err(failed)
    }

    /// Notes which keys these files name, before they go. A file that names none that could be read ends all the same.
    fn announce_end_of(&self, state_dir: &Path, names: &[String]) -> Result<(), FileError> {
        let keys = names.iter().filter_map(|name| self.load_file(state_dir.join(name)).ok().flatten());
        for reference in keys.filter_map(|key| key.reference()) {
            left_over::remember(state_dir, &reference)?;
        }
        Ok(())
    }
}

/// A key that was made, with what only its file is to have.
struct NewKey {
    key: DeviceKey,
    pkcs8: Option<ring::pkcs8::Document>,
}

impl NewKey {
    fn to_pem(&self) -> zeroize::Zeroizing<Vec<u8>> {
        match (&self.key.holder, &self.pkcs8) {
            (Holder::Held(held), _) => pem::encode(held.label(), &held.to_der()),
            (Holder::File(_), document) => {
                pem::encode(PKCS8_LABEL, document.as_ref().map_or(&[][..], ring::pkcs8::Document::as_ref))
            }
        }
    }
}

/// Has a rung make a key. What is on the disk before comes first: a crash leaves a device that is too careful, or a key that is known to be left over,
/// and never one that forgets.
fn make_on(rung: &dyn Rung, state_dir: &Path) -> Result<Result<NewKey, HardwareFault>, KeyError> {
    let failed = |source| KeyError::File { doing: "store", source };
    let name = HEXLOWER.encode(&crate::random::bytes::<16>());
    if let Some(reference) = rung.reference(&name) {
        left_over::remember(state_dir, &reference).map_err(failed)?;
    }
    let held = match rung.create(&name) {
        Ok(held) => held,
        Err(fault) => {
            // One that is made after all, later than it was waited for, is still to be deleted.
            if !matches!(fault, HardwareFault::NoAnswer { .. }) {
                left_over::forget(state_dir, rung.reference(&name).as_deref()).map_err(failed)?;
            }
            return Ok(Err(fault));
        }
    };
    let record = format!("{}\n", rung.protection());
    files::write_atomically(&state_dir.join(RECORD_NAME), record.as_bytes(), Access::Private).map_err(failed)?;
    let key = DeviceKey::from_held(held).ok_or(KeyError::Generate)?;
    Ok(Ok(NewKey { key, pkcs8: None }))
}

/// What held a key here before, as far as that is better than a file.
fn protection_before(state_dir: &Path) -> Result<Option<KeyProtection>, KeyError> {
    let record = files::read_private(&state_dir.join(RECORD_NAME), MAX_OCTETS)
        .map_err(|source| KeyError::File { doing: "read what protected", source })?;
    let known = [KeyProtection::OsKeyStore, KeyProtection::SealedFile];
    Ok(record.map(|record| {
        let said = |protection: &KeyProtection| record.trim_ascii() == protection.as_str().as_bytes();
        // Whatever else it says: what is not understood counts as the best.
        known.into_iter().find(said).unwrap_or(KeyProtection::Tpm)
    }))
}
