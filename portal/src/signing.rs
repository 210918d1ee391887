//! The portal's signing keys: RSA for service providers, P-256 for its own agents.
//!
//! The private halves are PKCS#8 files that only the portal's account may read; their certificates stand in the database.
//!
//! Of each purpose the oldest key that has not retired signs, and every one that has not retired is listed: a key that is added
//! is known everywhere before it signs, and takes over at the moment when the one before it retires.
//!
//! The keys of a tenant's own issuer are kept in the same way. One whose file is not on this machine stops that tenant's services here, and nobody
//! else's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::rand::SystemRandom;
use rsa::pkcs8::EncodePrivateKey as _;
use rustls::pki_types::PrivatePkcs8KeyDer;
use saml::key::{Pkcs8Signer, SignError, SignatureAlgorithm, Signer, VerifyingKey};
use saml::response::SigningIdentity;
use saml::time::UtcTime;

use crate::files::{self, FileError};
use crate::random::{self, NoRandomness};
use crate::store::issuer::Issuer;
use crate::store::signing_key::{self, Purpose, SigningKey};
use crate::store::{Store, StoreError};

/// Bits of a new RSA key: what every service provider accepts, and what NIST allows to 2030.
const RSA_BITS: usize = 2048;

/// What went wrong with the signing keys.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// There is none yet.
    #[error("the portal has no {0} signing key; make them with `countersign-portal key create`")]
    Missing(Purpose),
    /// A tenant's issuer has none on this machine.
    #[error(
        "the tenant with the id {0} has no signing key on this machine; `countersign-portal key create` makes one where there is none, and copies of `keys` bring one here"
    )]
    MissingOfTenant(String),
    /// A private key does not belong to its certificate, or can't be used.
    #[error("the signing key `{path}` can't be used; bring the right file back from a backup")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// A private key belongs to another account than the portal's.
    #[error(
        "the signing key `{}` has to belong to the account that the portal runs as: run `chown --reference={} {}` as root",
        path.display(), path.parent().unwrap_or(path).display(), path.display()
    )]
    OfAnotherAccount {
        /// The file.
        path: PathBuf,
        /// What was refused.
        source: FileError,
    },
    /// A key could not be made.
    #[error("can't make a signing key: {0}")]
    Generate(String),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// The keys of one moment: those that sign, loaded, and those that are listed.
pub struct SigningKeys {
    service: Arc<LoadedKey>,
    agent: Arc<LoadedKey>,
    /// The cloud's own.
    listed: Vec<SigningKey>,
    digest: String,
    /// By the tenant's id.
    tenants: HashMap<String, TenantKeys>,
}

/// The keys of a tenant's own issuer.
struct TenantKeys {
    /// The one that signs, where it is on this machine.
    signs: Option<Arc<LoadedKey>>,
    listed: Vec<SigningKey>,
}

/// The keys that hold now; they change while the portal serves.
pub struct CurrentKeys(RwLock<Arc<SigningKeys>>);

impl CurrentKeys {
    /// Begins with `keys`.
    #[must_use]
    pub fn new(keys: SigningKeys) -> Self {
        Self(RwLock::new(Arc::new(keys)))
    }

    /// The keys of this moment. Who answers one request asks once, so that its parts are of one set.
    #[must_use]
    pub fn now(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up keys that were added, and lets go of those that have retired; says whether anything has changed.
    ///
    /// # Errors
    /// As [`SigningKeys::load`]; then the keys stay as they were.
    pub async fn follow(&self, store: &Store, directory: &Path, now: UtcTime) -> Result<bool, SigningError> {
        let listed = listed(store, now).await?;
        let former = self.now();
        let is_same = former.is_of(&listed);
        if is_same && former.is_whole() {
            return Ok(false);
        }
        let keys = SigningKeys::of(listed, directory, Some(&former))?;
        if is_same && !keys.is_whole() {
            return Ok(false);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(true)
    }
}

async fn listed(store: &Store, now: UtcTime) -> Result<Vec<SigningKey>, StoreError> {
    let mut keys = signing_key::list(&mut *store.read().await?).await?;
    keys.retain(|key| key.holds(now));
    Ok(keys)
}

struct LoadedKey {
    id: String,
    signer: Box<dyn Signer>,
    certificate: Vec<u8>,
}

impl SigningKeys {
    /// Loads the keys that hold at `now` from the database and `directory`.
    ///
    /// # Errors
    /// [`SigningError::Missing`] before `key create`; [`SigningError::File`] and [`SigningError::Unusable`] where the
    /// private half is not there or is another's.
    pub async fn load(store: &Store, directory: &Path, now: UtcTime) -> Result<Self, SigningError> {
        Self::of(listed(store, now).await?, directory, None)
    }

    fn of(keys: Vec<SigningKey>, directory: &Path, former: Option<&Self>) -> Result<Self, SigningError> {
        let load = |key: &SigningKey| match former.and_then(|former| former.loaded(&key.id)) {
            Some(loaded) => Ok(Arc::clone(loaded)),
            None => LoadedKey::load(key, directory).map(Arc::new),
        };
        let (listed, of_tenants): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.tenant_id.is_none());
        let oldest = |purpose| listed.iter().find(|key| key.purpose == purpose).ok_or(SigningError::Missing(purpose));
        let (service, agent) = (load(oldest(Purpose::Service)?)?, load(oldest(Purpose::Agent)?)?);
        let mut tenants: HashMap<String, TenantKeys> = HashMap::new();
        for key in of_tenants {
            let Some(tenant_id) = key.tenant_id.clone() else { continue };
            let of_tenant = tenants.entry(tenant_id).or_insert(TenantKeys { signs: None, listed: Vec::new() });
            if of_tenant.listed.is_empty() {
                let is_told = former.is_some_and(|former| former.every().any(|other| other.id == key.id));
                let loaded = load(&key).inspect_err(|error| {
                    if !is_told {
                        unusable_of_tenant(&key, error);
                    }
                });
                of_tenant.signs = loaded.ok();
            }
            of_tenant.listed.push(key);
        }
        let digest = saml::device::signing_keys_digest(listed.iter().map(|key| key.certificate.as_slice()));
        Ok(Self { service, agent, listed, digest, tenants })
    }

    /// Whether these are the keys in `keys`.
    fn is_of(&self, keys: &[SigningKey]) -> bool {
        self.every().count() == keys.len()
            && keys.iter().all(|key| self.listed_of(key.tenant_id.as_deref()).contains(key))
    }

    /// Whether every key that signs is on this machine.
    fn is_whole(&self) -> bool {
        self.tenants.values().all(|of_tenant| of_tenant.signs.is_some())
    }

    fn every(&self) -> impl Iterator<Item = &SigningKey> {
        self.listed.iter().chain(self.tenants.values().flat_map(|of_tenant| &of_tenant.listed))
    }

    fn listed_of(&self, tenant_id: Option<&str>) -> &[SigningKey] {
        let Some(tenant_id) = tenant_id else { return &self.listed };
        self.tenants.get(tenant_id).map_or(&[], |of_tenant| &of_tenant.listed)
    }

    fn loaded(&self, id: &str) -> Option<&Arc<LoadedKey>> {
        let of_tenants = self.tenants.values().filter_map(|of_tenant| of_tenant.signs.as_ref());
        [&self.service, &self.agent].into_iter().chain(of_tenants).find(|key| key.id == id)
    }

    /// The keys that are listed and whose private half is not in `directory`: it can't sign when its turn comes.
    #[must_use]
    pub fn without_file(&self, directory: &Path) -> Vec<&str> {
        let missing = self.every().filter(|key| !key_path(directory, &key.id).exists());
        missing.map(|key| key.id.as_str()).collect()
    }

    /// What signs for services as `issuer` of the tenant with the id `tenant_id`.
    ///
    /// # Errors
    /// A [`SignError`] of [`SigningError::MissingOfTenant`].
    pub fn issuer(&self, issuer: Issuer, tenant_id: &str) -> Result<SigningIdentity<'_>, SignError> {
        if issuer == Issuer::Shared {
            return Ok(self.identity(Purpose::Service));
        }
        let key = self.tenants.get(tenant_id).and_then(|of_tenant| of_tenant.signs.as_deref());
        let key = key.ok_or_else(|| SignError::new(SigningError::MissingOfTenant(tenant_id.to_owned())))?;
        Ok(SigningIdentity { signer: &*key.signer, certificate_der: &key.certificate })
    }

    /// DER of the certificates of that issuer's keys, as its metadata lists them: the one that signs first; none where it has no key.
    #[must_use]
    pub fn issuer_certificates(&self, issuer: Issuer, tenant_id: &str) -> Vec<Vec<u8>> {
        match issuer {
            Issuer::Shared => self.certificates(Some(Purpose::Service)),
            Issuer::Own => self.listed_of(Some(tenant_id)).iter().map(|key| key.certificate.clone()).collect(),
        }
    }

    /// The identifier of the key that signs as that tenant's own issuer; none where it has no key.
    #[must_use]
    pub fn tenant_key_id(&self, tenant_id: &str) -> Option<&str> {
        self.listed_of(Some(tenant_id)).first().map(|key| key.id.as_str())
    }

    /// The identifier of the cloud's key that signs for `purpose`.
    #[must_use]
    pub fn id(&self, purpose: Purpose) -> &str {
        let key = self.listed.iter().find(|key| key.purpose == purpose);
        key.map_or("", |key| &key.id)
    }

    /// What tells this set of keys from others, as agents compute it from the metadata.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Until when the set of listed keys holds, where an end is decided.
    #[must_use]
    pub fn next_retirement(&self) -> Option<UtcTime> {
        self.listed.iter().filter_map(|key| key.retires_at).min()
    }

    /// What signs for `purpose`.
    #[must_use]
    pub fn identity(&self, purpose: Purpose) -> SigningIdentity<'_> {
        let key = match purpose {
            Purpose::Service => &self.service,
            Purpose::Agent => &self.agent,
        };
        SigningIdentity { signer: &*key.signer, certificate_der: &key.certificate }
    }

    /// DER of the certificates of the keys for `purpose`, or for every purpose, as metadata lists them: the one that signs first.
    #[must_use]
    pub fn certificates(&self, purpose: Option<Purpose>) -> Vec<Vec<u8>> {
        let listed = self.listed.iter().filter(|key| purpose.is_none_or(|purpose| purpose == key.purpose));
        listed.map(|key| key.certificate.clone()).collect()
    }
}

impl LoadedKey {
    fn load(key: &SigningKey, directory: &Path) -> Result<Self, SigningError> {
        let path = key_path(directory, &key.id);
        let pkcs8 = Self::octets(&path)?;
        let unusable = |reason: String| SigningError::Unusable { path: path.clone(), reason };
        let algorithm = match key.purpose {
            Purpose::Service => SignatureAlgorithm::RsaSha256,
            Purpose::Agent => SignatureAlgorithm::EcdsaP256Sha256,
        };
        let signer = Pkcs8Signer::new(algorithm, &pkcs8, Box::new(SystemRandom::new()));
        let signer = signer.map_err(|error| unusable(error.to_string()))?;
        let certified =
            VerifyingKey::from_certificate_der(&key.certificate).map_err(|error| unusable(error.to_string()))?;
        if signer.verifying_key().ok().as_ref() != Some(&certified) {
            return Err(unusable("it does not belong to its certificate".to_owned()));
        }
        Ok(Self { id: key.id.clone(), signer: Box::new(signer), certificate: key.certificate.clone() })
    }

    /// The private half in the file at `path`, which nobody but its owner may read.
    fn octets(path: &Path) -> Result<Vec<u8>, SigningError> {
        let read = || {
            files::close_to_others(path)?;
            files::read(path)
        };
        read().map_err(|source| {
            if source.is_permission_denied() {
                SigningError::OfAnotherAccount { path: path.to_owned(), source }
            } else {
                source.into()
            }
        })
    }
}

/// Makes a key for `purpose`, writes its private half into `directory` and returns its public side, which the caller
/// stores. The certificate names `common_name` and lasts ten years: service providers pin it and don't read its dates.
///
/// # Errors
/// [`SigningError::Generate`], [`SigningError::File`].
pub fn create(purpose: Purpose, directory: &Path, common_name: &str, now: UtcTime) -> Result<SigningKey, SigningError> {
    let generate = |error: &dyn std::fmt::Display| SigningError::Generate(error.to_string());
    let pair = match purpose {
        Purpose::Service => {
            let key = rsa::RsaPrivateKey::new(&mut OsRandomness, RSA_BITS).map_err(|error| generate(&error))?;
            let pkcs8 = key.to_pkcs8_der().map_err(|error| generate(&error))?;
            KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8.as_bytes())).map_err(|error| generate(&error))?
        }
        Purpose::Agent => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| generate(&error))?,
    };
    let certificate = self_signed(&pair, common_name, now).map_err(|error| generate(&error))?;
    let id = random::row_id()?;
    files::make_directory_of_portal(directory)?;
    files::write_new_of_portal(&key_path(directory, &id), &pair.serialize_der())?;
    Ok(SigningKey { id, purpose, tenant_id: None, certificate, created_at: now, retires_at: None })
}

fn self_signed(pair: &KeyPair, common_name: &str, now: UtcTime) -> Result<Vec<u8>, rcgen::Error> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    let year = now.to_string()[..4].parse().unwrap_or(1970);
    params.not_before = rcgen::date_time_ymd(year, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 10, 12, 31);
    Ok(params.self_signed(pair)?.der().to_vec())
}

fn unusable_of_tenant(key: &SigningKey, error: &SigningError) {
    let tenant = key.tenant_id.as_deref().unwrap_or_default();
    tracing::warn!(
        tenant,
        key = key.id,
        error = error as &dyn std::error::Error,
        "a tenant's services get no answer here"
    );
}

/// Deletes the private half of a key that was made and is not kept.
pub(crate) fn discard(directory: &Path, id: &str) {
    if let Err(error) = files::remove(&key_path(directory, id)) {
        tracing::warn!(key = id, error = &error as &dyn std::error::Error, "a key that nobody needs was left");
    }
}

fn key_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.pk8"))
}

/// The operating system's randomness behind the trait that the `rsa` crate asks for.
struct OsRandomness;

impl rsa::rand_core::RngCore for OsRandomness {
    fn next_u32(&mut self) -> u32 {
        rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rsa::rand_core::impls::next_u64_via_fill(self)
    }

    #[expect(
        clippy::expect_used,
        reason = "the trait can't fail, and a key from bad randomness would be worse than none"
    )]
    fn fill_bytes(&mut self, destination: &mut [u8]) {
        self.try_fill_bytes(destination).expect("the operating system gives random numbers");
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        use ring::rand::SecureRandom as _;
        SystemRandom::new().fill(destination).map_err(|_| rsa::rand_core::Error::new(NoRandomness))
    }
}

impl rsa::rand_core::CryptoRng for OsRandomness {}
