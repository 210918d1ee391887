//! The device: its configuration, its key, its standing with the portal, and its clock. One thing at a time owns it, so
//! that its requests are numbered and sent in one order.

use std::path::PathBuf;
use std::sync::Arc;

use platform::clock;
use platform::device_key::{self, DeviceKey, KeyError};
use platform::paths::Paths;
use saml::key::{SignError, SignatureAlgorithm, Signer};
use saml::metadata::IdpMetadata;
use saml::name::EntityId;
use saml::rejection::RejectionReason;
use saml::time::UtcTime;
use tokio::task::JoinHandle;

use crate::break_glass::BreakGlass;
use crate::config::{self, Config};
use crate::device_state::{DeviceState, DeviceStateError, PinnedPortal, stamp};
use crate::failure::FailureCode;
use crate::golden_image::{GoldenImage, MachineMark};
use crate::sign_in::SignInError;
use crate::steps::Steps;
use crate::transport::Transport;

/// Everything that signing somebody in needs from the device.
#[derive(Debug)]
pub struct Device {
    /// What it works with.
    pub config: Arc<Config>,
    /// What it remembers.
    pub state: DeviceState,
    /// The way to the portal.
    pub transport: Transport,
    /// The time, as the portal sees it.
    pub clock: CorrectedClock,
    paths: Paths,
    key: Option<Arc<DeviceKey>>,
}

/// The machine's clock with what the portal has shown it to be off by.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorrectedClock {
    offset_millis: i64,
}

impl CorrectedClock {
    /// A clock that is off by `offset_millis` from the machine's.
    #[must_use]
    pub const fn off_by(offset_millis: i64) -> Self {
        Self { offset_millis }
    }

    /// The time.
    #[must_use]
    pub fn now(self) -> UtcTime {
        UtcTime::from_unix_millis(clock::unix_millis().saturating_add(self.offset_millis))
    }

    /// What turns the clock to `time`, which is now by a clock that can be trusted.
    #[must_use]
    pub fn set_to(self, time: UtcTime) -> Self {
        Self::off_by(time.unix_millis().saturating_sub(clock::unix_millis()))
    }
}

impl Device {
    /// Opens what the device has on the disk.
    ///
    /// # Errors
    /// [`SignInError`] where the state or the key can't be read, or the CA file can't be used.
    pub fn open(config: Arc<Config>, paths: Paths) -> Result<Self, SignInError> {
        let transport = Transport::new(&config.cloud_host, config.ca_pem.as_deref(), &config.proxy)?;
        let here = MachineMark::here();
        let mut state = DeviceState::recover(&paths.state_dir, CorrectedClock::default().now())?;
        let seal = GoldenImage::load(&paths.state_dir)?;
        if seal.as_ref().is_some_and(GoldenImage::is_here) {
            return Err(SignInError::GoldenImage);
        }
        if seal.is_some() || state.is_copied_to(&here) {
            become_a_new_device(&mut state, &paths.state_dir, &here)?;
        }
        state.belongs_to(here);
        let key = match device_key::load(&paths.state_dir) {
            Err(KeyError::Damaged { found, .. }) if config.token.is_some() => {
                set_key_aside(&mut state, &paths.state_dir, found)?;
                None
            }
            loaded => loaded?.map(Arc::new),
        };
        if state.portal(&config.cloud_url).is_some_and(|portal| portal.enrolled_by.is_some())
            && let Err(error) = state.reserve()
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "no requests can be numbered ahead");
        }
        Ok(Self { config, state, transport, clock: CorrectedClock::default(), paths, key })
    }

    /// Speaks to the portal at `cloud_url` from now on, whatever is configured; returns what [`Device::turn_back`] takes.
    ///
    /// # Errors
    /// [`SignInError::Transport`] where no client can be made; then nothing has changed.
    pub fn turn_to(&mut self, cloud_url: &str) -> Result<(Arc<Config>, Transport), SignInError> {
        let config = Arc::new(self.config.for_cloud(cloud_url));
        let transport = Transport::new(&config.cloud_host, config.ca_pem.as_deref(), &config.proxy)?;
        Ok((std::mem::replace(&mut self.config, config), std::mem::replace(&mut self.transport, transport)))
    }

    /// Speaks to the configured portal again.
    pub fn turn_back(&mut self, configured: (Arc<Config>, Transport)) {
        (self.config, self.transport) = configured;
    }

    /// Goes on without the device token, which has bought what it buys.
    pub fn forget_token(&mut self) {
        // Nobody else holds the configuration of a device that is at rest.
        if let Some(config) = Arc::get_mut(&mut self.config) {
            config.token = None;
        }
    }

    /// Forgets who it was: key, state and what is left of the token. Options that name no secret stay. What is returned ends when what keeps
    /// keys has deleted this device's, or has refused to.
    ///
    /// # Errors
    /// [`SignInError`]; the key goes first, so that whatever is left can sign nothing.
    pub fn forget(self) -> Result<JoinHandle<()>, SignInError> {
        device_key::destroy(&self.paths.state_dir)?;
        self.state.forget()?;
        if let Err(error) = config::forget_token(&self.paths) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a device token may be left in the options");
        }
        Ok(delete_former_keys(self.paths.state_dir))
    }

    /// [`delete_former_keys`] of this device.
    pub fn delete_former_keys(&self) -> JoinHandle<()> {
        delete_former_keys(self.paths.state_dir.clone())
    }

    /// Whether the key is registered with the configured cloud.
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        let portal = self.state.portal(&self.config.cloud_url);
        self.key.is_some() && portal.is_some_and(|portal| portal.enrolled_by.is_some())
    }

    /// What protects the key; nothing where there is none yet.
    #[must_use]
    pub fn key_protection(&self) -> Option<String> {
        self.key.as_ref().map(|key| key.protection().to_string())
    }

    /// The device's entity ID; nothing before it has a key.
    #[must_use]
    pub fn entity_id(&self) -> Option<EntityId> {
        self.key.as_ref().map(|key| saml::device::entity_id_of_key(key.public_key_spki()))
    }

    /// The device's key. It is made when there is none and a device token that it can be registered with; hardware may take its time
    /// for that, off this task's thread.
    ///
    /// # Errors
    /// [`SignInError::NotEnrolled`] where there is neither, [`SignInError::Key`] where none can be made.
    pub async fn key(&mut self, steps: &Steps) -> Result<Arc<DeviceKey>, SignInError> {
        if let Some(key) = &self.key {
            return Ok(Arc::clone(key));
        }
        if self.config.token.is_none() {
            return Err(SignInError::NotEnrolled);
        }
        let state_dir = self.paths.state_dir.clone();
        let made = tokio::task::spawn_blocking(move || device_key::create(&state_dir)).await;
        let made = made.map_err(|_| KeyError::Generate)??;
        let reasons: Vec<_> = made.passed_over.iter().map(ToString::to_string).collect();
        if !reasons.is_empty() {
            tracing::info!(protection = %made.key.protection(), reason = %reasons.join("; "), "nothing better holds the device key");
        }
        let protection = format!("P-256, protection: {}", made.key.protection());
        steps.done("key-made", || [vec![protection], reasons].concat().join("; "));
        Ok(Arc::clone(self.key.insert(Arc::new(made.key))))
    }

    /// What the portal calls this device, and since when it has its key; nothing before the first keep-alive.
    #[must_use]
    pub fn as_listed(&self) -> (Option<String>, Option<String>) {
        let portal = self.state.portal(&self.config.cloud_url).filter(|_| self.key.is_some());
        portal.map(|portal| (portal.known_as.clone(), portal.key_since.clone())).unwrap_or_default()
    }

    /// The next key that an earlier rotation has made and not finished with. One that is damaged is let go of: as long as it stands beside
    /// the present key, that one holds.
    ///
    /// # Errors
    /// [`SignInError::Key`] where it can't be read.
    pub fn waiting_next_key(&self) -> Result<Option<Arc<DeviceKey>>, SignInError> {
        match device_key::load_next(&self.paths.state_dir) {
            Ok(next) => Ok(next.map(Arc::new)),
            Err(error @ KeyError::Damaged { .. }) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the next key is damaged; making another");
                device_key::discard_next(&self.paths.state_dir)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the next key, off this task's thread; it is never protected less well than what hardware held here.
    ///
    /// # Errors
    /// [`SignInError::Key`].
    pub async fn make_next_key(&self) -> Result<Arc<DeviceKey>, SignInError> {
        let state_dir = self.paths.state_dir.clone();
        let made = tokio::task::spawn_blocking(move || device_key::create_next(&state_dir)).await;
        Ok(Arc::new(made.map_err(|_| KeyError::Generate)??.key))
    }

    /// Puts `next` in the place of the present key, on the disk first.
    ///
    /// # Errors
    /// [`SignInError::Key`]; then the present key is still in its place.
    pub fn adopt_next_key(&mut self, next: Arc<DeviceKey>) -> Result<(), SignInError> {
        device_key::adopt_next(&self.paths.state_dir)?;
        self.key = Some(next);
        Ok(())
    }

    /// Lets go of a key that its hardware has lost, so that the next [`Device::key`] makes another.
    ///
    /// # Errors
    /// [`SignInError::Key`] where its file can't be removed.
    pub fn abandon_key(&mut self) -> Result<(), SignInError> {
        device_key::abandon(&self.paths.state_dir)?;
        self.key = None;
        Ok(())
    }

    /// The portal: the one that is pinned, or, before the first enrolment, what the cloud's metadata says.
    ///
    /// # Errors
    /// [`SignInError::NoMetadata`], [`SignInError::MetadataRefused`], [`SignInError::MetadataUnusable`].
    pub async fn portal(&self, steps: &Steps) -> Result<PinnedPortal, SignInError> {
        if let Some(portal) = self.state.portal(&self.config.cloud_url) {
            return Ok(portal.clone());
        }
        let bytes = self.transport.fetch(&self.metadata_url()).await.map_err(SignInError::NoMetadata)?;
        let metadata = IdpMetadata::parse(&bytes).map_err(SignInError::MetadataRefused)?;
        let portal = PinnedPortal::from_metadata(&self.config.cloud_url, &metadata)?;
        steps.done("metadata-fetched", || portal.entity_id.clone());
        Ok(portal)
    }

    /// Learns which keys sign for `portal` now. They are believed because a key that is pinned has signed the list of them, and
    /// for no other reason: verified TLS is not enough.
    ///
    /// # Errors
    /// [`SignInError::KeysNotVouchedFor`] where no pinned key has signed it; then everything stays as it was.
    pub async fn follow_keys_of(&mut self, portal: PinnedPortal) -> Result<PinnedPortal, SignInError> {
        let bytes = self.transport.fetch(&self.metadata_url()).await.map_err(SignInError::NoMetadata)?;
        let metadata = IdpMetadata::parse_signed(&bytes, &portal.keys(), self.clock.now());
        let metadata = metadata.map_err(SignInError::KeysNotVouchedFor)?;
        let later = PinnedPortal::from_metadata(&self.config.cloud_url, &metadata)?;
        let followed = portal.followed_by(later)?;
        self.state.pin(followed.clone())?;
        tracing::info!("a key of the portal's that this device knows has vouched for the keys that sign now");
        Ok(followed)
    }

    /// The portal to believe an answer of whose signature is of no pinned key, after looking for the key's successor.
    ///
    /// # Errors
    /// `error` itself where it is another, or the device is not enrolled and has pinned nothing; [`Device::follow_keys_of`].
    pub async fn follow_keys_after(
        &mut self,
        error: SignInError,
        portal: PinnedPortal,
    ) -> Result<PinnedPortal, SignInError> {
        let unknown_key = matches!(&error, SignInError::NotTrusted(rejection)
            if matches!(rejection.reason(), RejectionReason::SignatureMismatch | RejectionReason::AlgorithmNotForKey));
        if !unknown_key || portal.enrolled_by.is_none() {
            return Err(error);
        }
        self.follow_keys_of(portal).await
    }

    fn metadata_url(&self) -> String {
        format!("{}/saml/agent-metadata", self.config.cloud_url)
    }
}

/// Has what keeps keys delete those of this device that no file names any more, off this task's thread. One that it does not delete is no reason to
/// stop: it is asked again with the next key.
pub fn delete_former_keys(state_dir: PathBuf) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = device_key::sweep(&state_dir) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a former device key was not deleted");
        }
    })
}

/// Two machines never go by one key: what was copied goes, key first, so that whatever dies in between is done again.
fn become_a_new_device(
    state: &mut DeviceState,
    state_dir: &std::path::Path,
    here: &MachineMark,
) -> Result<(), SignInError> {
    tracing::warn!("this is a copy of another machine: it enrols as a new device");
    device_key::destroy(state_dir)?;
    BreakGlass::remove(state_dir).map_err(DeviceStateError::from)?;
    state.begin_anew(here)?;
    GoldenImage::unseal(state_dir)?;
    Ok(())
}

/// Makes room for another key, which a device token can register. The registration goes first, so that whatever dies in between is
/// done again.
fn set_key_aside(
    state: &mut DeviceState,
    state_dir: &std::path::Path,
    reason: &'static str,
) -> Result<(), SignInError> {
    state.lose_registration()?;
    let kept = device_key::set_aside(state_dir, &stamp(CorrectedClock::default().now()))?;
    tracing::warn!(
        code = FailureCode::StateSetAside.code(),
        kept = %kept.display(),
        reason,
        "the damaged device key was set aside; making another and enrolling again"
    );
    Ok(())
}

/// Has `make` sign with the device's key, off this task's thread: hardware takes tenths of a second, and ten seconds where it hangs.
///
/// # Errors
/// [`SignInError::Key`] with what the key's holder said.
pub async fn sign<T: Send + 'static>(
    key: &Arc<DeviceKey>,
    make: impl FnOnce(&dyn Signer) -> Result<T, SignError> + Send + 'static,
) -> Result<T, SignInError> {
    let key = Arc::clone(key);
    let signed = tokio::task::spawn_blocking(move || make(&KeySigner(&key))).await;
    signed.map_err(|_| SignInError::Key(KeyError::Sign))?.map_err(|error| match error.into_source().downcast() {
        Ok(error) => SignInError::Key(*error),
        Err(_) => SignInError::Key(KeyError::Sign),
    })
}

/// The device key as SAML's signer: P-256 with SHA-256.
struct KeySigner<'a>(&'a DeviceKey);

impl Signer for KeySigner<'_> {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(octets).map(|signature| signature.to_vec()).map_err(SignError::new)
    }
}

impl From<KeyError> for SignInError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
