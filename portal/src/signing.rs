//! The portal's signing keys: RSA for service providers, P-256 for its own agents.
//!
//! The private halves are PKCS#8 files that only the portal's account may read; their certificates stand in the database.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::rand::SystemRandom;
use rsa::pkcs8::EncodePrivateKey as _;
use rustls::pki_types::PrivatePkcs8KeyDer;
use saml::key::{Pkcs8Signer, SignatureAlgorithm, Signer, VerifyingKey};
use saml::response::SigningIdentity;
use saml::time::UtcTime;

use crate::files::{self, FileError};
use crate::random::{self, NoRandomness};
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
    /// A private key does not belong to its certificate, or can't be used.
    #[error("the signing key `{path}` can't be used; bring the right file back from a backup")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the library said.
        reason: String,
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

/// The keys that sign, loaded.
pub struct SigningKeys {
    service: LoadedKey,
    agent: LoadedKey,
    active: Vec<SigningKey>,
}

struct LoadedKey {
    signer: Box<dyn Signer>,
    certificate: Vec<u8>,
}

impl SigningKeys {
    /// Loads the newest active key of each purpose from the database and `directory`.
    ///
    /// # Errors
    /// [`SigningError::Missing`] before `key create`; [`SigningError::File`] and [`SigningError::Unusable`] where the
    /// private half is not there or is another's.
    pub async fn load(store: &Store, directory: &Path) -> Result<Self, SigningError> {
        let active = signing_key::active(&mut *store.read().await?).await?;
        let newest =
            |purpose| active.iter().rev().find(|key| key.purpose == purpose).ok_or(SigningError::Missing(purpose));
        Ok(Self {
            service: LoadedKey::load(newest(Purpose::Service)?, directory)?,
            agent: LoadedKey::load(newest(Purpose::Agent)?, directory)?,
            active,
        })
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

    /// DER of the certificates of the active keys for `purpose`, or for every purpose, as metadata lists them.
    #[must_use]
    pub fn certificates(&self, purpose: Option<Purpose>) -> Vec<Vec<u8>> {
        let listed = self.active.iter().filter(|key| purpose.is_none_or(|purpose| purpose == key.purpose));
        listed.map(|key| key.certificate.clone()).collect()
    }
}

impl LoadedKey {
    fn load(key: &SigningKey, directory: &Path) -> Result<Self, SigningError> {
        let path = key_path(directory, &key.id);
        let pkcs8 = files::read(&path)?;
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
        Ok(Self { signer: Box::new(signer), certificate: key.certificate.clone() })
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
    files::make_private_directory(directory)?;
    files::write_new_private(&key_path(directory, &id), &pair.serialize_der())?;
    Ok(SigningKey { id, purpose, certificate, created_at: now })
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
