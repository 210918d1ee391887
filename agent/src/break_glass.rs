//! Break-glass codes on the device: the key that codes are read with, what was typed, and until when local software is to let the device
//! through. One private file beside the state, written before anything is granted or another try is allowed.
//!
//! Time is taken for the later of the clock and the latest time that was ever seen here, and what is left of a grant is also counted while
//! the agent runs: a clock that was set back makes a grant no longer than it was meant to be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::files::{self, Access, FileError};
use platform::sealed::SealError;
use saml::break_glass::{BreakGlassKey, CodeError};
use saml::time::UtcTime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::failure::FailureCode;
use crate::sealed_text::{self, OpenError};

/// The file in the state directory.
const FILE: &str = "break-glass.json";
/// The version of the file's format.
const VERSION: u32 = 1;
/// The largest file that is read, in octets.
const LARGEST: usize = 4096;
/// Wrong codes that cost no waiting.
const FREE_TRIES: u32 = 5;
/// The longest wait after a wrong code, in seconds.
const LONGEST_WAIT_SECONDS: i64 = 900;
/// How old the latest time that was seen may be on the disk, in seconds, before it is written again.
const LATEST_WITHIN_SECONDS: i64 = 3600;
/// How much of a grant may have passed before that is written down.
const COUNTED_EVERY: Duration = Duration::from_secs(60);

/// Why no code was taken.
#[derive(Debug, thiserror::Error)]
pub enum BreakGlassError {
    /// No key was agreed on: the device has not been heard by its portal yet.
    #[error("this device has no break-glass key")]
    NoKey,
    /// It doesn't have the form of a code.
    #[error(transparent)]
    Form(CodeError),
    /// It is no code for this device, was used, or its time is over.
    #[error("the code was not taken")]
    Refused,
    /// Too many wrong ones were typed.
    #[error("too many wrong codes were typed")]
    Waiting,
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is damaged.
    #[error("`{0}` is damaged: remove it, and the device agrees on another key when it reaches its portal")]
    Damaged(String),
    /// The key could not be sealed to this machine, and is not kept in plain instead.
    #[error("could not seal the break-glass key")]
    Seal(#[from] SealError),
    /// The key was sealed, and can't be read here.
    #[error(
        "the break-glass key in `{path}` can't be unsealed on this machine: remove the file, and the device agrees on another key when it reaches its portal"
    )]
    Sealed {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: OpenError,
    },
}

impl BreakGlassError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::NoKey => FailureCode::BreakGlassNoKey,
            Self::Form(_) | Self::Refused => FailureCode::BreakGlassRefused,
            Self::Waiting => FailureCode::BreakGlassWaiting,
            Self::File(error) if error.is_disk_full() => FailureCode::DiskFull,
            Self::File(_) | Self::Damaged(_) | Self::Seal(_) | Self::Sealed { .. } => FailureCode::StateUnusable,
        }
    }
}

/// What the device knows of its break-glass codes.
#[derive(Debug)]
pub struct BreakGlass {
    path: PathBuf,
    content: Content,
    key: Option<BreakGlassKey>,
    /// What has passed of the grant and is not on the disk.
    uncounted: Duration,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// The key, base64, sealed where the system seals: the one secret here.
    key: Option<KeyText>,
    /// The count of the last code that was taken.
    used: u64,
    /// When that was, where the portal has not heard so yet.
    tell: Option<i64>,
    /// Wrong codes since the last right one.
    wrong: u32,
    /// Until when no more are read, in seconds since 1970.
    wait_until: i64,
    /// The latest time that was seen, in seconds since 1970.
    latest: i64,
    grant: Option<Grant>,
}

/// The key as it is kept; it is shown nowhere.
#[derive(Clone, Eq, PartialEq)]
struct KeyText(Zeroizing<String>);

impl Serialize for KeyText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl std::fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeyText")
    }
}

/// What a code has granted; it ends with whichever comes first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    /// By the clock, in seconds since 1970.
    until: i64,
    /// By the time for which the agent has run, in seconds.
    left: u64,
}

/// A use that the portal has not been told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Used {
    /// Which code.
    pub count: u64,
    /// When it was typed, by the device's clock.
    pub at: UtcTime,
}

impl Content {
    fn empty() -> Self {
        Self { version: VERSION, key: None, used: 0, tell: None, wrong: 0, wait_until: 0, latest: 0, grant: None }
    }
}

impl BreakGlass {
    /// Reads what is kept in `state_dir`.
    ///
    /// # Errors
    /// [`BreakGlassError::File`], [`BreakGlassError::Damaged`], [`BreakGlassError::Sealed`].
    pub fn load(state_dir: &Path) -> Result<Self, BreakGlassError> {
        let path = state_dir.join(FILE);
        let damaged = || BreakGlassError::Damaged(path.display().to_string());
        let Some(bytes) = files::read_private(&path, LARGEST)? else {
            return Ok(Self { path, content: Content::empty(), key: None, uncounted: Duration::ZERO });
        };
        let mut content: Content = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        if content.version != VERSION {
            return Err(damaged());
        }
        let key = match &content.key {
            None => None,
            Some(KeyText(kept)) => {
                let text = sealed_text::open(kept)
                    .map_err(|source| BreakGlassError::Sealed { path: path.display().to_string(), source })?;
                let octets = Zeroizing::new(STANDARD.decode(text.as_bytes()).map_err(|_| damaged())?);
                Some(BreakGlassKey::from_octets(&octets).ok_or_else(damaged)?)
            }
        };
        // One that an older version has kept in plain is sealed with the next thing that is written.
        if let Some(KeyText(kept)) = &mut content.key
            && !sealed_text::is_sealed(kept)
            && let Ok(sealed) = sealed_text::seal(kept)
        {
            *kept = sealed;
        }
        Ok(Self { path, content, key, uncounted: Duration::ZERO })
    }

    /// Removes what is kept in `state_dir`: the device forgets who it was.
    ///
    /// # Errors
    /// [`FileError`]; then it is still there.
    pub fn remove(state_dir: &Path) -> Result<(), FileError> {
        files::remove(&state_dir.join(FILE)).map(drop)
    }

    /// What tells the key from another; none before one was agreed on.
    #[must_use]
    pub fn key_name(&self) -> Option<String> {
        self.key.as_ref().map(BreakGlassKey::name)
    }

    /// Keeps a key that was agreed on. Codes of an earlier one hold no more; what one has granted does.
    ///
    /// # Errors
    /// [`BreakGlassError::File`], [`BreakGlassError::Seal`]; then the next keep-alive agrees on another.
    pub fn keep(&mut self, key: BreakGlassKey) -> Result<(), BreakGlassError> {
        let text = KeyText(sealed_text::seal(&Zeroizing::new(STANDARD.encode(key.octets())))?);
        self.write(Content { key: Some(text), used: 0, tell: None, ..self.content.clone() })?;
        self.key = Some(key);
        Ok(())
    }

    /// The use that the portal is to be told of.
    #[must_use]
    pub fn to_tell(&self) -> Option<Used> {
        self.content.tell.map(|at| Used { count: self.content.used, at: UtcTime::from_unix_seconds(at) })
    }

    /// The portal has been told of `used`, and it is `now` by its time.
    ///
    /// # Errors
    /// [`BreakGlassError::File`]; then it is told again.
    pub fn heard(&mut self, used: Option<Used>, now: UtcTime) -> Result<(), BreakGlassError> {
        let told = used.is_some() && used == self.to_tell();
        let is_old = now.unix_seconds() - self.content.latest > LATEST_WITHIN_SECONDS;
        if self.key.is_none() || !(told || is_old) {
            return Ok(());
        }
        let tell = self.content.tell.filter(|_| !told);
        self.write(Content { tell, latest: self.latest(now), ..self.content.clone() })
    }

    /// Takes the code that somebody typed; returns until when local software is to let the device through.
    ///
    /// # Errors
    /// [`BreakGlassError`]; nothing is granted, and a wrong code is counted on the disk.
    pub fn take(&mut self, text: &str, now: UtcTime) -> Result<UtcTime, BreakGlassError> {
        let key = self.key.clone().ok_or(BreakGlassError::NoKey)?;
        let wait = self.content.wait_until - now.unix_seconds();
        // A clock that was set back makes no longer wait than there is.
        if wait > 0 && wait <= LONGEST_WAIT_SECONDS {
            return Err(BreakGlassError::Waiting);
        }
        let latest = self.latest(now);
        let permit = match key.read(text, self.content.used) {
            Ok(permit) => permit,
            Err(error @ CodeError::Form) => return Err(BreakGlassError::Form(error)),
            Err(CodeError::Wrong) => {
                let wrong = self.content.wrong.saturating_add(1);
                let over = wrong.saturating_sub(FREE_TRIES).min(10);
                let wait = if over == 0 { 0 } else { (30_i64 << over).min(LONGEST_WAIT_SECONDS) };
                let wait_until = now.unix_seconds() + wait;
                self.write(Content { wrong, wait_until, latest, ..self.content.clone() })?;
                return Err(BreakGlassError::Refused);
            }
        };
        if permit.until.unix_seconds() <= latest {
            return Err(BreakGlassError::Refused);
        }
        let grant =
            Grant { until: permit.until.unix_seconds(), left: u64::try_from(permit.life_seconds).unwrap_or_default() };
        self.write(Content {
            used: permit.count,
            tell: Some(now.unix_seconds()),
            wrong: 0,
            wait_until: 0,
            latest,
            grant: Some(grant),
            ..self.content.clone()
        })?;
        self.uncounted = Duration::ZERO;
        Ok(self.until(now).unwrap_or(permit.until))
    }

    /// Until when local software is to let the device through at the latest, as it looks at `now`; none where it is not to.
    #[must_use]
    pub fn until(&self, now: UtcTime) -> Option<UtcTime> {
        let grant = self.content.grant?;
        let latest = self.latest(now);
        let left = i64::try_from(grant.left.saturating_sub(self.uncounted.as_secs())).unwrap_or(i64::MAX);
        let until = grant.until.min(latest.saturating_add(left));
        (until > latest).then(|| UtcTime::from_unix_seconds(until))
    }

    /// Counts that the agent has run for `time` more; written down now and then, and when the grant is over.
    ///
    /// # Errors
    /// [`BreakGlassError::File`]; it goes on being counted here.
    pub fn pass(&mut self, time: Duration, now: UtcTime) -> Result<(), BreakGlassError> {
        let Some(grant) = self.content.grant else { return Ok(()) };
        self.uncounted += time;
        let goes_on = self.until(now).is_some();
        if goes_on && self.uncounted < COUNTED_EVERY {
            return Ok(());
        }
        let left = grant.left.saturating_sub(self.uncounted.as_secs());
        let grant = goes_on.then_some(Grant { left, ..grant });
        self.write(Content { grant, latest: self.latest(now), ..self.content.clone() })?;
        self.uncounted = Duration::ZERO;
        Ok(())
    }

    fn latest(&self, now: UtcTime) -> i64 {
        self.content.latest.max(now.unix_seconds())
    }

    fn write(&mut self, content: Content) -> Result<(), BreakGlassError> {
        let bytes = Zeroizing::new(serde_json::to_vec(&content).unwrap_or_default());
        files::write_atomically(&self.path, &bytes, Access::Private)?;
        self.content = content;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use saml::break_glass::Permit;

    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_800_000_000);

    fn key() -> BreakGlassKey {
        BreakGlassKey::from_octets(&[7; 32]).unwrap()
    }

    /// A device that has a key, and its directory.
    fn device() -> (tempfile::TempDir, PathBuf, BreakGlass) {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        files::create_private_dir(&state_dir).unwrap();
        let mut kept = BreakGlass::load(&state_dir).unwrap();
        assert!(matches!(kept.take("7k2m-9xqa-04cw-hh3e", NOW), Err(BreakGlassError::NoKey)));
        kept.keep(key()).unwrap();
        (dir, state_dir, kept)
    }

    fn code(count: u64, hours: i64) -> String {
        key().code(&Permit::new(count, NOW, hours * 3600).unwrap())
    }

    #[test]
    fn a_code_lets_through_until_its_time_and_over_a_restart_and_once() {
        let (_dir, state_dir, mut kept) = device();
        let until = kept.take(&code(1, 4), NOW).unwrap();
        assert_eq!(until, NOW.plus_seconds(4 * 3600));
        let mut again = BreakGlass::load(&state_dir).unwrap();
        assert_eq!(again.until(NOW.plus_seconds(3600)), Some(until));
        assert_eq!(again.until(until), None);
        assert!(matches!(again.take(&code(1, 4), NOW), Err(BreakGlassError::Refused)));
        assert!(matches!(again.take("12", NOW), Err(BreakGlassError::Form(_))));
        assert_eq!(again.to_tell(), Some(Used { count: 1, at: NOW }));
        again.heard(again.to_tell(), NOW).unwrap();
        assert_eq!(BreakGlass::load(&state_dir).unwrap().to_tell(), None, "it is told once");
    }

    #[test]
    fn a_code_whose_time_is_over_grants_nothing_also_when_the_clock_was_set_back() {
        let (_dir, state_dir, mut kept) = device();
        let later = NOW.plus_seconds(5 * 3600);
        assert!(matches!(kept.take(&code(1, 4), later), Err(BreakGlassError::Refused)));
        kept.heard(None, later).unwrap();
        let mut again = BreakGlass::load(&state_dir).unwrap();
        assert!(matches!(again.take(&code(1, 4), NOW), Err(BreakGlassError::Refused)), "it has been later here");
    }

    #[test]
    fn a_clock_that_is_behind_makes_a_grant_no_longer() {
        let (_dir, state_dir, mut kept) = device();
        let behind = NOW.plus_seconds(-10 * 365 * 86_400);
        assert_eq!(kept.take(&code(1, 4), behind).unwrap(), behind.plus_seconds(4 * 3600));
        for _ in 0..4 * 60 - 1 {
            kept.pass(Duration::from_secs(60), behind).unwrap();
        }
        assert!(BreakGlass::load(&state_dir).unwrap().until(behind).is_some());
        kept.pass(Duration::from_secs(60), behind).unwrap();
        assert_eq!(kept.until(behind), None);
        assert_eq!(BreakGlass::load(&state_dir).unwrap().until(behind), None);
    }

    #[test]
    fn wrong_codes_make_people_wait_over_restarts_and_a_clock_that_is_set_back_ends_no_day() {
        let (_dir, state_dir, mut kept) = device();
        let foreign =
            |count| BreakGlassKey::from_octets(&[8; 32]).unwrap().code(&Permit::new(count, NOW, 900).unwrap());
        for count in 1..=6 {
            assert!(matches!(kept.take(&foreign(count), NOW), Err(BreakGlassError::Refused)));
        }
        let mut kept = BreakGlass::load(&state_dir).unwrap();
        assert!(matches!(kept.take(&code(1, 4), NOW), Err(BreakGlassError::Waiting)), "a right one waits too");
        for _ in 0..30 {
            let at = NOW.plus_seconds(kept.content.wait_until - NOW.unix_seconds());
            assert!(matches!(kept.take(&foreign(9), at), Err(BreakGlassError::Refused)));
        }
        let longest = UtcTime::from_unix_seconds(kept.content.wait_until);
        assert!(kept.take(&code(1, 48), longest.plus_seconds(-1)).is_err());
        assert!(kept.take(&code(1, 48), longest).is_ok(), "then it is taken, and the count begins anew");
        assert_eq!(kept.content.wrong, 0);
    }

    fn kept_text(state_dir: &Path) -> String {
        let bytes = files::read_private(&state_dir.join(FILE), LARGEST).unwrap().unwrap();
        let content: Content = serde_json::from_slice(&bytes).unwrap();
        content.key.unwrap().0.to_string()
    }

    #[test]
    fn the_key_is_sealed_where_the_system_seals_and_one_that_was_kept_in_plain_is_from_then_on() {
        let (_dir, state_dir, kept) = device();
        let seals = platform::sealed::seal(b"octets").is_ok();
        let plain = STANDARD.encode(key().octets());
        assert_eq!(sealed_text::is_sealed(&kept_text(&state_dir)), seals);
        assert_eq!(kept_text(&state_dir) == plain, !seals);
        let content = Content { key: Some(KeyText(Zeroizing::new(plain))), ..kept.content.clone() };
        let bytes = serde_json::to_vec(&content).unwrap();
        files::write_atomically(&state_dir.join(FILE), &bytes, Access::Private).unwrap();
        let mut again = BreakGlass::load(&state_dir).unwrap();
        assert_eq!(again.key_name(), kept.key_name());
        again.heard(None, NOW).unwrap();
        assert_eq!(sealed_text::is_sealed(&kept_text(&state_dir)), seals);
        assert!(BreakGlass::load(&state_dir).unwrap().take(&code(1, 4), NOW).is_ok());
    }

    #[test]
    fn a_key_that_can_not_be_unsealed_grants_nothing_and_the_file_is_named() {
        let (_dir, state_dir, kept) = device();
        let foreign = Some(KeyText(Zeroizing::new("sealed:b2N0ZXRz".to_owned())));
        let bytes = serde_json::to_vec(&Content { key: foreign, ..kept.content.clone() }).unwrap();
        files::write_atomically(&state_dir.join(FILE), &bytes, Access::Private).unwrap();
        let error = BreakGlass::load(&state_dir).unwrap_err();
        assert!(matches!(error, BreakGlassError::Sealed { .. }), "{error}");
        assert_eq!(error.code(), FailureCode::StateUnusable);
        assert!(error.to_string().contains(FILE) && error.to_string().contains("remove the file"), "{error}");
    }

    #[test]
    fn a_damaged_file_grants_nothing() {
        let (_dir, state_dir, mut kept) = device();
        kept.take(&code(1, 4), NOW).unwrap();
        files::write_atomically(&state_dir.join(FILE), b"{}", Access::Private).unwrap();
        assert!(matches!(BreakGlass::load(&state_dir), Err(BreakGlassError::Damaged(_))));
        BreakGlass::remove(&state_dir).unwrap();
        assert_eq!(BreakGlass::load(&state_dir).unwrap().until(NOW), None);
    }
}
