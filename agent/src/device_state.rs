//! What the agent remembers over a restart: which portal it trusts, whether its key is registered there, and how many
//! requests it has numbered. One JSON file, replaced as a whole; no secret is in it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::files::{self, Access, FileError};
use saml::key::VerifyingKey;
use saml::metadata::{Binding, IdpMetadata};
use saml::name::EntityId;
use saml::token::TokenId;
use serde::{Deserialize, Serialize};

use crate::golden_image::MachineMark;

/// The file in the state directory.
const FILE: &str = "device.json";
/// The version of the file's format that this program writes.
const VERSION: u32 = 1;
/// The largest file that is read, in octets.
const LARGEST: usize = 256 * 1024;

/// The state, bound to its file.
#[derive(Debug)]
pub struct DeviceState {
    path: PathBuf,
    content: Content,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// The number of the last request. It is on the disk before the request is on its way, so that it never comes twice.
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
}

/// The state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceStateError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is damaged or from a newer version.
    #[error(
        "`{path}` can't be understood ({reason}): bring it back from a backup, or move it away and enrol with a new device token"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The metadata doesn't describe a portal that the agent can use.
#[derive(Debug, thiserror::Error)]
#[error("the portal's metadata {0}")]
pub struct MetadataUnusable(pub(crate) &'static str);

impl DeviceState {
    /// Reads the state from `state_dir`; where there is none, it begins.
    ///
    /// # Errors
    /// [`DeviceStateError`]: a damaged file is never replaced silently.
    pub fn load(state_dir: &Path) -> Result<Self, DeviceStateError> {
        let path = state_dir.join(FILE);
        let content = match files::read_private(&path, LARGEST)? {
            None => Content { version: VERSION, sequence: 0, portal: None, machine: None, leaving: false },
            Some(bytes) => parse(&bytes)
                .map_err(|reason| DeviceStateError::Damaged { path: path.display().to_string(), reason })?,
        };
        Ok(Self { path, content })
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
        self.write(Content { version: VERSION, sequence: 0, portal, machine: Some(here.clone()), leaving: false })
    }

    /// Remembers the machine that the state belongs to, with the next write.
    pub fn belongs_to(&mut self, here: MachineMark) {
        self.content.machine = Some(here);
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
        Ok(files::remove(&state_dir.join(FILE))?)
    }

    /// Forgets everything, on the disk too.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; then it is still there.
    pub fn forget(self) -> Result<(), DeviceStateError> {
        files::remove(&self.path)?;
        Ok(())
    }

    /// The number of the last request.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.content.sequence
    }

    /// The portal of the cloud at `cloud_url`, if it is the one that this device knows.
    #[must_use]
    pub fn portal(&self, cloud_url: &str) -> Option<&PinnedPortal> {
        self.content.portal.as_ref().filter(|portal| portal.cloud_url == cloud_url)
    }

    /// A number that no request has had. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`DeviceStateError::File`]; then the number may not be used.
    pub fn next_sequence(&mut self) -> Result<u64, DeviceStateError> {
        let mut content = self.content.clone();
        content.sequence += 1;
        self.write(content)?;
        Ok(self.content.sequence)
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
        let mut bytes = serde_json::to_vec_pretty(&content).unwrap_or_default();
        bytes.push(b'\n');
        files::write_atomically(&self.path, &bytes, Access::Private)?;
        self.content = content;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<Content, String> {
    let content: Content = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if content.version != VERSION {
        return Err(format!("its version is {}, and this program knows {VERSION}", content.version));
    }
    Ok(content)
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
        let Self { enrolled_by, known_as, key_since, .. } = self;
        Ok(Self { enrolled_by, known_as, key_since, ..later })
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
