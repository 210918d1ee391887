//! What the agent remembers over a restart: which portal it trusts, whether its key is registered there, and how many
//! requests it has numbered. One JSON file, replaced as a whole, and a copy of it that a damaged one is recovered from; no
//! secret is in it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::files::{self, Access, FileError};
use platform::set_aside::{remove_set_aside, set_aside};
use saml::key::VerifyingKey;
use saml::metadata::{Binding, IdpMetadata};
use saml::name::EntityId;
use saml::time::UtcTime;
use saml::token::TokenId;
use serde::{Deserialize, Serialize};

use crate::break_glass::BreakGlass;
use crate::failure::FailureCode;
use crate::golden_image::MachineMark;
use crate::service_issuers::ServiceIssuers;

/// The file in the state directory.
const FILE: &str = "device.json";
/// The version of the file's format that this program writes.
const VERSION: u32 = 1;
/// The copy beside it. It is written when anything changes but the count of requests.
const COPY: &str = "device-copy.json";
/// The largest file that is read, in octets.
const LARGEST: usize = 256 * 1024;
/// How many numbers are on the disk ahead of the requests that use them; half of them are left when more are taken. A full
/// disk stops nobody before they are used up.
const RESERVED: u64 = 128;
/// What a copy may lack of the count of requests: more than a device ever sends.
const BEYOND_A_COPY: u64 = 1 << 32;

/// The state, bound to its file.
#[derive(Debug)]
pub struct DeviceState {
    path: PathBuf,
    content: Content,
    /// The number of the last request; those up to the one in `content` are reserved.
    used: u64,
    /// The last change could not be written, because there was no room.
    disk_full: bool,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// The highest number that a request may have. It is on the disk before the request is on its way, so that none comes twice.
    sequence: u64,
    portal: Option<PinnedPortal>,
    /// The machine whose key was registered. A state without one is older than this field, and belongs to where it is.
    #[serde(default)]
    machine: Option<MachineMark>,
    /// The device was told to leave the cloud, and the portal has not heard so yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    leaving: bool,
}

/// The portal as the device learnt it, and how the device stands with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedPortal {
    /// The cloud that was asked, `https://host[:port]`.
    pub cloud_url: String,
    /// The identity provider's entity ID.
    pub entity_id: String,
    /// Where requests go.
    pub soap_url: String,
    /// Certificates whose keys sign for it, base64 of DER.
    signing_certificates: Vec<String>,
    /// The token that registered the key here; none before that.
    pub enrolled_by: Option<String>,
    /// The entity ID by which the portal lists this device, which stays when its key changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// Since when the portal has this device's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_since: Option<String>,
    /// Who vouches for this device's people towards services.
    #[serde(default, skip_serializing_if = "ServiceIssuers::is_empty")]
    pub service_issuers: ServiceIssuers,
}

/// The state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceStateError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is damaged.
    #[error(
        "`{path}` is damaged ({reason}): the agent sets it aside when it starts, and goes on by the copy beside it"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is whole, and this program is too old for it.
    #[error("`{path}` has the version {found}, and this program knows {VERSION}: install the newer program again")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
}

impl DeviceStateError {
    /// Whether the disk is full, which passes by itself once there is room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_disk_full())
    }
}

/// The metadata doesn't describe a portal that the agent can use.
#[derive(Debug, thiserror::Error)]
#[error("the portal's metadata {0}")]
pub struct MetadataUnusable(pub(crate) &'static str);

impl DeviceState {
    /// Reads the state from `state_dir`; where there is none, it begins. Nothing is changed on the disk.
    ///
    /// # Errors
    /// [`DeviceStateError`]; [`DeviceState::recover`] repairs what is damaged.
    pub fn load(state_dir: &Path) -> Result<Self, DeviceStateError> {
        let path = state_dir.join(FILE);
        let content = read(&path)?.unwrap_or_else(Content::empty);
        Ok(Self::holding(path, content))
    }

    /// Reads the state from `state_dir` as [`DeviceState::load`] does, and brings it back from its copy where it is damaged or
    /// gone. What is damaged is set aside and kept. The caller holds the lock of the directory.
    ///
    /// # Errors
    /// [`DeviceStateError`], where the disk does not let it.
    pub fn recover(state_dir: &Path, now: UtcTime) -> Result<Self, DeviceStateError> {
        let path = state_dir.join(FILE);
        let found = read_or_set_aside(&path, now)?;
        let copy = read_or_set_aside(&path.with_file_name(COPY), now)?;
        let mut state = Self::holding(path.clone(), Content::empty());
        match (found, copy) {
            (Found::Whole(content), copy) => {
                let unprotected = matches!(copy, Found::Nothing | Found::SetAside) && content.portal.is_some();
                state = Self::holding(path, *content);
                if unprotected {
                    state.write_copy();
                }
            }
            (Found::Nothing | Found::SetAside, Found::Whole(mut content)) => {
                content.sequence = content.sequence.saturating_add(BEYOND_A_COPY);
                state.write(*content)?;
                tracing::warn!("the state was brought back from its copy");
            }
            // A portal that knows the key has heard a number of it. Whatever that was, it was not as high as the clock's milliseconds.
            (Found::SetAside, Found::Nothing | Found::SetAside) | (Found::Nothing, Found::SetAside) => {
                let sequence = u64::try_from(now.unix_millis()).unwrap_or_default();
                state.write(Content { sequence, ..Content::empty() })?;
            }
            (Found::Nothing, Found::Nothing) => {}
        }
        state.used = state.content.sequence;
        Ok(state)
    }

    fn holding(path: PathBuf, content: Content) -> Self {
        Self { path, used: content.sequence, content, disk_full: false }
    }

    /// Whether the last change could not be written, because there was no room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.disk_full
    }

    /// Remembers that the key is registered nowhere, because it is damaged or lost. Which portal is trusted stays.
    ///
    /// # Errors
    /// [`DeviceStateError::File`].
    pub fn lose_registration(&mut self) -> Result<(), DeviceStateError> {
        let portal = self.content.portal.clone().map(PinnedPortal::not_enrolled);
        self.write(Content { portal, ..self.content.clone() })
    }

    /// Whether the state was copied here from another machine.
    #[must_use]
    pub fn is_copied_to(&self, here: &MachineMark) -> bool {
        self.content.machine.as_ref().is_some_and(|machine| machine.differs_from(here))
    }

    /// Begins as a new device: the numbers start over, and no key is registered. Which portal is trusted stays.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; then the state is still that of the other machine.
    pub fn begin_anew(&mut self, here: &MachineMark) -> Result<(), DeviceStateError> {
        let portal = self.content.portal.clone().map(PinnedPortal::not_enrolled);
        self.write(Content { portal, machine: Some(here.clone()), ..Content::empty() })?;
        self.used = 0;
        Ok(())
    }

    /// Remembers the machine that the state belongs to, with the next write.
    pub fn belongs_to(&mut self, here: MachineMark) {
        self.content.machine = Some(here);
    }

    /// Whether nothing is remembered: this device never spoke to a portal.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.content.portal.is_none()
    }

    /// Whether the device was told to leave, and the portal has not heard so yet.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.content.leaving
    }

    /// Remembers that the device is to leave: nobody is signed in any more, and the portal is told as soon as it can be.
    ///
    /// # Errors
    /// [`DeviceStateError::File`].
    pub fn leave(&mut self) -> Result<(), DeviceStateError> {
        self.write(Content { leaving: true, ..self.content.clone() })
    }

    /// Takes [`DeviceState::leave`] back: the portal wants the device to stay.
    ///
    /// # Errors
    /// [`DeviceStateError::File`].
    pub fn stay(&mut self) -> Result<(), DeviceStateError> {
        self.write(Content { leaving: false, ..self.content.clone() })
    }

    /// Removes the state of `state_dir` from the disk, whatever it holds; says whether there was one.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; then it is still there.
    pub fn remove(state_dir: &Path) -> Result<bool, DeviceStateError> {
        let path = state_dir.join(FILE);
        let copy = path.with_file_name(COPY);
        files::remove(&copy)?;
        remove_set_aside(&copy)?;
        remove_set_aside(&path)?;
        BreakGlass::remove(state_dir)?;
        Ok(files::remove(&path)?)
    }

    /// Forgets everything, on the disk too.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; then it is still there.
    pub fn forget(self) -> Result<(), DeviceStateError> {
        Self::remove(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(())
    }

    /// The number of the last request.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.used
    }

    /// The portal of the cloud at `cloud_url`, if it is the one that this device knows.
    #[must_use]
    pub fn portal(&self, cloud_url: &str) -> Option<&PinnedPortal> {
        self.content.portal.as_ref().filter(|portal| portal.cloud_url == cloud_url)
    }

    /// The portal that this device's key is registered with, whichever cloud is configured now.
    #[must_use]
    pub fn enrolled_portal(&self) -> Option<&PinnedPortal> {
        self.content.portal.as_ref().filter(|portal| portal.enrolled_by.is_some())
    }

    /// A number that no request has had. That it is used is on the disk when this returns.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; then no number is left that may be used.
    pub fn next_sequence(&mut self) -> Result<u64, DeviceStateError> {
        match self.reserve() {
            Err(error) if self.content.sequence <= self.used => return Err(error),
            Err(error) => tracing::warn!(
                left = self.content.sequence - self.used,
                error = &error as &dyn std::error::Error,
                "no more requests can be numbered ahead"
            ),
            Ok(()) => {}
        }
        self.used = self.used.saturating_add(1);
        Ok(self.used)
    }

    /// Takes more numbers where fewer than half of them are left.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; those that are left may be used.
    pub fn reserve(&mut self) -> Result<(), DeviceStateError> {
        if self.content.sequence > self.used.saturating_add(RESERVED / 2) {
            return Ok(());
        }
        let sequence = self.used.saturating_add(RESERVED);
        self.write(Content { sequence, ..self.content.clone() })
    }

    /// Remembers `portal` in place of whatever was known before.
    ///
    /// # Errors
    /// [`DeviceStateError::File`].
    pub fn pin(&mut self, portal: PinnedPortal) -> Result<(), DeviceStateError> {
        if self.content.portal.as_ref() == Some(&portal) {
            return Ok(());
        }
        let content = Content { portal: Some(portal), ..self.content.clone() };
        self.write(content)
    }

    fn write(&mut self, content: Content) -> Result<(), DeviceStateError> {
        let only_counted = Content { sequence: content.sequence, ..self.content.clone() } == content;
        let copy = self.path.with_file_name(COPY);
        let written = if only_counted { Ok(()) } else { files::remove(&copy).map(drop) };
        let written = written.and_then(|()| files::write_atomically(&self.path, &content.to_json(), Access::Private));
        self.disk_full = written.as_ref().is_err_and(FileError::is_disk_full);
        written?;
        self.content = content;
        if !only_counted {
            self.write_copy();
        }
        Ok(())
    }

    /// Without a copy the agent does its work all the same.
    fn write_copy(&mut self) {
        let copy = self.path.with_file_name(COPY);
        if let Err(error) = files::write_atomically(&copy, &self.content.to_json(), Access::Private) {
            self.disk_full |= error.is_disk_full();
            tracing::warn!(error = &error as &dyn std::error::Error, "the state has no copy");
        }
    }
}

impl Content {
    fn empty() -> Self {
        Self { version: VERSION, sequence: 0, portal: None, machine: None, leaving: false }
    }

    fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// What stands where a file of the state belongs.
enum Found {
    Nothing,
    Whole(Box<Content>),
    SetAside,
}

fn read(path: &Path) -> Result<Option<Content>, DeviceStateError> {
    let damaged = |reason: String| DeviceStateError::Damaged { path: path.display().to_string(), reason };
    let bytes = match files::read_private(path, LARGEST) {
        Err(error @ FileError::TooLarge { .. }) => return Err(damaged(error.to_string())),
        other => other?,
    };
    let Some(bytes) = bytes else { return Ok(None) };
    if let Ok(Version { version }) = serde_json::from_slice(&bytes)
        && version > VERSION
    {
        return Err(DeviceStateError::Newer { path: path.display().to_string(), found: version });
    }
    let content: Content = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if content.version != VERSION {
        return Err(damaged(format!("its version is {}", content.version)));
    }
    Ok(Some(content))
}

fn read_or_set_aside(path: &Path, now: UtcTime) -> Result<Found, DeviceStateError> {
    match read(path) {
        Ok(None) => Ok(Found::Nothing),
        Ok(Some(content)) => Ok(Found::Whole(Box::new(content))),
        Err(DeviceStateError::Damaged { reason, .. }) => {
            let kept = set_aside(path, &stamp(now))?;
            tracing::warn!(
                code = FailureCode::StateSetAside.code(),
                kept = %kept.display(),
                reason,
                "a damaged file of the state was set aside"
            );
            Ok(Found::SetAside)
        }
        Err(error) => Err(error),
    }
}

/// `time` as a part of a file's name.
#[must_use]
pub fn stamp(time: UtcTime) -> String {
    UtcTime::from_unix_seconds(time.unix_seconds()).to_string().replace(['-', ':'], "")
}

impl PinnedPortal {
    /// What the metadata of the cloud at `cloud_url` says, for a device that isn't enrolled there.
    ///
    /// # Errors
    /// [`MetadataUnusable`]: no SOAP endpoint, one elsewhere, or no key that a signature could be checked with.
    pub fn from_metadata(cloud_url: &str, metadata: &IdpMetadata) -> Result<Self, MetadataUnusable> {
        let soap = metadata.sso.iter().find(|endpoint| endpoint.binding == Binding::Soap);
        let soap = soap.ok_or(MetadataUnusable("names no address for the SOAP binding"))?;
        let on_cloud = soap.location.strip_prefix(cloud_url).is_some_and(|rest| rest.starts_with('/'));
        if !on_cloud {
            return Err(MetadataUnusable("names an address for the SOAP binding that is not on the cloud's host"));
        }
        // One that this version can't use stays listed: a set of keys is told from another by all of them.
        let certificates = metadata.signing_certificates.iter().map(|der| STANDARD.encode(der)).collect();
        if !metadata.signing_certificates.iter().any(|der| VerifyingKey::from_certificate_der(der).is_ok()) {
            return Err(MetadataUnusable("has no signing key that can be used"));
        }
        Ok(Self {
            cloud_url: cloud_url.to_owned(),
            entity_id: metadata.entity_id.to_string(),
            soap_url: soap.location.clone(),
            signing_certificates: certificates,
            enrolled_by: None,
            known_as: None,
            key_since: None,
            service_issuers: ServiceIssuers::default(),
        })
    }

    /// The same portal with the keys and the address of `later`, which one of its keys has vouched for.
    ///
    /// # Errors
    /// [`MetadataUnusable`] where it is another identity provider.
    pub fn followed_by(self, later: Self) -> Result<Self, MetadataUnusable> {
        if (&later.cloud_url, &later.entity_id) != (&self.cloud_url, &self.entity_id) {
            return Err(MetadataUnusable(
                "is of another identity provider than the one that this device enrolled with",
            ));
        }
        let Self { enrolled_by, known_as, key_since, service_issuers, .. } = self;
        Ok(Self { enrolled_by, known_as, key_since, service_issuers, ..later })
    }

    /// What tells the set of its signing keys from another, as the portal computes it.
    #[must_use]
    pub fn keys_digest(&self) -> String {
        let der: Vec<_> = self.signing_certificates.iter().filter_map(|text| STANDARD.decode(text).ok()).collect();
        saml::device::signing_keys_digest(der.iter().map(Vec::as_slice))
    }

    /// The same portal, with this device's key registered by `token`.
    #[must_use]
    pub fn enrolled_by(self, token: &TokenId) -> Self {
        Self { enrolled_by: Some(token.to_string()), ..self }
    }

    /// The same portal, where this device's key is not registered.
    #[must_use]
    pub fn not_enrolled(self) -> Self {
        Self { enrolled_by: None, known_as: None, key_since: None, ..self }
    }

    /// The entity ID, if the file holds a sound one.
    #[must_use]
    pub fn issuer(&self) -> Option<EntityId> {
        self.entity_id.parse().ok()
    }

    /// The keys that may sign for the portal.
    #[must_use]
    pub fn keys(&self) -> Vec<VerifyingKey> {
        let der = self.signing_certificates.iter().filter_map(|text| STANDARD.decode(text).ok());
        der.filter_map(|der| VerifyingKey::from_certificate_der(&der).ok()).collect()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files as no part of the agent would")]
mod tests {
    use platform::set_aside::files_set_aside;

    use super::*;

    fn now() -> UtcTime {
        UtcTime::from_unix_seconds(1_800_000_000)
    }

    fn portal() -> PinnedPortal {
        PinnedPortal {
            service_issuers: ServiceIssuers::default(),
            cloud_url: "https://cloud.example.net".to_owned(),
            entity_id: "urn:x".to_owned(),
            soap_url: "https://cloud.example.net/saml/soap".to_owned(),
            signing_certificates: Vec::new(),
            enrolled_by: Some("abc".to_owned()),
            known_as: None,
            key_since: None,
        }
    }

    /// An enrolled device that has sent a few requests.
    fn enrolled() -> (tempfile::TempDir, PathBuf, u64) {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        files::create_private_dir(&state_dir).unwrap();
        let mut state = DeviceState::recover(&state_dir, now()).unwrap();
        state.next_sequence().unwrap();
        state.pin(portal()).unwrap();
        let last = (0..5).map(|_| state.next_sequence().unwrap()).max().unwrap();
        (dir, state_dir, last)
    }

    fn is_enrolled(state: &DeviceState) -> bool {
        state.portal("https://cloud.example.net").is_some_and(|portal| portal.enrolled_by.is_some())
    }

    #[test]
    fn numbers_go_up_over_restarts_and_most_of_them_cost_no_write() {
        let (_dir, state_dir, last) = enrolled();
        assert_eq!(last, 6);
        let written = std::fs::read(state_dir.join(FILE)).unwrap();
        let mut state = DeviceState::load(&state_dir).unwrap();
        assert!(state.next_sequence().unwrap() > last);
        assert_ne!(std::fs::read(state_dir.join(FILE)).unwrap(), written, "what may be used is on the disk first");
        let written = std::fs::read(state_dir.join(FILE)).unwrap();
        for _ in 0..RESERVED / 2 - 1 {
            state.next_sequence().unwrap();
        }
        assert_eq!(std::fs::read(state_dir.join(FILE)).unwrap(), written);
    }

    #[test]
    fn a_cut_or_changed_file_is_set_aside_and_the_copy_goes_on_with_higher_numbers() {
        let whole = enrolled();
        let sound = std::fs::read(whole.1.join(FILE)).unwrap();
        for damage in [&b""[..], b"rubbish", &sound[..sound.len() / 2], &[b'x'; LARGEST + 1]] {
            let (_dir, state_dir, last) = enrolled();
            std::fs::write(state_dir.join(FILE), damage).unwrap();
            assert!(matches!(DeviceState::load(&state_dir), Err(DeviceStateError::Damaged { .. })));
            let mut state = DeviceState::recover(&state_dir, now()).unwrap();
            assert!(is_enrolled(&state) && state.next_sequence().unwrap() > last);
            let kept = files_set_aside(&state_dir);
            assert_eq!(kept, ["device.json.damaged-20270115T080000Z"]);
            assert_eq!(std::fs::read(state_dir.join(&kept[0])).unwrap(), damage, "nothing of it is lost");
            assert!(is_enrolled(&DeviceState::load(&state_dir).unwrap()));
        }
    }

    #[test]
    fn without_a_copy_no_registration_is_made_up() {
        let (_dir, state_dir, last) = enrolled();
        std::fs::write(state_dir.join(FILE), "rubbish").unwrap();
        std::fs::write(state_dir.join(COPY), "rubbish").unwrap();
        let mut state = DeviceState::recover(&state_dir, now()).unwrap();
        assert!(!is_enrolled(&state) && state.next_sequence().unwrap() > last);
        assert_eq!(files_set_aside(&state_dir).len(), 2);
    }

    #[test]
    fn a_file_that_is_gone_comes_back_and_a_device_that_forgot_does_not() {
        let (_dir, state_dir, last) = enrolled();
        std::fs::remove_file(state_dir.join(FILE)).unwrap();
        let mut state = DeviceState::recover(&state_dir, now()).unwrap();
        assert!(is_enrolled(&state) && state.next_sequence().unwrap() > last);
        state.forget().unwrap();
        assert_eq!(std::fs::read_dir(&state_dir).unwrap().count(), 0);
        assert!(!is_enrolled(&DeviceState::recover(&state_dir, now()).unwrap()));
    }

    #[test]
    fn a_state_of_a_newer_program_stays_where_it_is() {
        let (_dir, state_dir, _) = enrolled();
        std::fs::write(state_dir.join(FILE), r#"{"version":2,"more":true}"#).unwrap();
        assert!(matches!(DeviceState::recover(&state_dir, now()), Err(DeviceStateError::Newer { found: 2, .. })));
        assert!(files_set_aside(&state_dir).is_empty());
    }

    #[test]
    fn the_copy_never_says_more_than_the_state() {
        let (_dir, state_dir, _) = enrolled();
        let mut state = DeviceState::load(&state_dir).unwrap();
        state.lose_registration().unwrap();
        std::fs::write(state_dir.join(FILE), "rubbish").unwrap();
        assert!(!is_enrolled(&DeviceState::recover(&state_dir, now()).unwrap()));
    }
}
