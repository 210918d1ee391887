//! The best rung on Linux: a P-256 key that a TPM 2.0 made and that only this TPM can use.
//!
//! The key's parent is the primary key of the owner hierarchy by a fixed template: the TPM derives it from its own seed, so that it is the same
//! each time and is stored nowhere. The TPM wraps the private half with it; the wrapped blob is what the key file holds. Nothing stays
//! in the TPM between two signatures, and nothing is asked of it before the first: the file has the public key.

mod blob;
mod link;

use super::KeyProtection;
use super::hardware::HardwareFault;
use super::rung::{HeldKey, Rung};
use blob::Blob;
use link::{Link, MAX_OCTETS};
use ring::digest::{SHA256, digest};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tpm2_protocol::basic::TpmHandle;
use tpm2_protocol::data::{
    Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bNonce, Tpm2bPrivate, Tpm2bPublic, Tpm2bSensitiveCreate, TpmAlgId,
    TpmEccCurve, TpmRc, TpmRcBase, TpmRh, TpmSt, TpmaObject, TpmaSession, TpmlPcrSelection, TpmsAuthCommand,
    TpmsEccParms, TpmsEccPoint, TpmsSchemeHash, TpmtEccScheme, TpmtKdfScheme, TpmtPublic, TpmtSigScheme,
    TpmtSymDefObject, TpmtTkHashcheck, TpmuAsymScheme, TpmuPublicId, TpmuPublicParms, TpmuSigScheme, TpmuSignature,
    TpmuSymKeyBits, TpmuSymMode,
};
use tpm2_protocol::frame::{
    TpmCreateCommand, TpmCreatePrimaryCommand, TpmCreatePrimaryResponse, TpmCreateResponse, TpmFlushContextCommand,
    TpmFlushContextResponse, TpmFrame, TpmLoadCommand, TpmLoadResponse, TpmResponse, TpmSignCommand, TpmSignResponse,
    TpmUnmarshalBody, tpm_marshal_command,
};
use tpm2_protocol::{TpmError, TpmMarshal, TpmUnmarshal, TpmWriter};

/// Where the kernel offers the TPM through its resource manager.
pub(super) const DEVICE_PATH: &str = "/dev/tpmrm0";

/// How long the TPM may take for making a key or for a signature, all of its commands together.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The label of draft-bottomley-tpm2-keys.
const LABEL: &str = "TSS2 PRIVATE KEY";

/// The TPM at a place.
#[derive(Debug)]
pub(super) struct TpmRung {
    path: PathBuf,
}

impl TpmRung {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Rung for TpmRung {
    fn protection(&self) -> KeyProtection {
        KeyProtection::Tpm
    }

    fn label(&self) -> &'static str {
        LABEL
    }

    fn reference(&self, _name: &str) -> Option<String> {
        None
    }

    fn create(&self, _name: &str) -> Result<Box<dyn HeldKey>, HardwareFault> {
        let mut tpm = Tpm::open(&self.path)?;
        let parent = tpm.primary()?;
        let made = tpm.create(parent);
        tpm.flush(parent)?;
        let made = made?;
        let blob = Blob { public: octets(&made.out_public)?, private: octets(&made.out_private)? };
        let key = TpmKey::from_blob(&self.path, blob);
        key.map(|key| Box::new(key) as _).ok_or_else(|| garbled("it made another key than it was asked for"))
    }

    fn read(&self, der: &[u8]) -> Option<Box<dyn HeldKey>> {
        Some(Box::new(TpmKey::from_blob(&self.path, Blob::from_der(der)?)?))
    }

    fn delete(&self, _reference: &str) -> Option<Result<(), HardwareFault>> {
        None
    }
}

/// A wrapped key and the TPM that is to use it.
#[derive(Debug)]
struct TpmKey {
    path: PathBuf,
    blob: Blob,
    point: [u8; 65],
}

impl TpmKey {
    fn from_blob(path: &Path, blob: Blob) -> Option<Self> {
        let (public, rest) = Tpm2bPublic::unmarshal(&blob.public).ok()?;
        let (_, private_rest) = Tpm2bPrivate::unmarshal(&blob.private).ok()?;
        let public = public.inner;
        let wanted = signing_key();
        // What keeps the key inside is among the attributes: a key that could leave is not passed off as one that can't.
        let as_wanted = public.object_attributes == wanted.object_attributes && public.parameters == wanted.parameters;
        let TpmuPublicId::Ecc(TpmsEccPoint { x, y }) = public.unique else { return None };
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&padded(&x)?);
        point[33..].copy_from_slice(&padded(&y)?);
        let whole = rest.is_empty() && private_rest.is_empty();
        (as_wanted && whole).then(|| Self { path: path.to_owned(), blob, point })
    }
}

impl HeldKey for TpmKey {
    fn protection(&self) -> KeyProtection {
        KeyProtection::Tpm
    }

    fn label(&self) -> &'static str {
        LABEL
    }

    fn point(&self) -> &[u8; 65] {
        &self.point
    }

    fn to_der(&self) -> Vec<u8> {
        self.blob.to_der()
    }

    fn reference(&self) -> Option<String> {
        None
    }

    fn sign(&self, octets: &[u8]) -> Result<[u8; 64], HardwareFault> {
        let mut tpm = Tpm::open(&self.path)?;
        let parent = tpm.primary()?;
        let key = tpm.load(parent, &self.blob);
        tpm.flush(parent)?;
        let key = key?;
        let signature = tpm.sign(key, digest(&SHA256, octets).as_ref());
        tpm.flush(key)?;
        signature
    }
}

/// A TPM that is being spoken with.
struct Tpm(Link);

impl Tpm {
    fn open(path: &Path) -> Result<Self, HardwareFault> {
        Link::open(path, TIME_LIMIT).map(Self)
    }

    fn primary(&mut self) -> Result<TpmHandle, HardwareFault> {
        let command = TpmCreatePrimaryCommand {
            handles: [TpmHandle::new(TpmRh::Owner as u32)],
            in_public: Tpm2bPublic { inner: storage_key() },
            ..TpmCreatePrimaryCommand::default()
        };
        let TpmCreatePrimaryResponse { handles: [handle], .. } = self.call(&command, Password::Empty)?;
        Ok(handle)
    }

    fn create(&mut self, parent: TpmHandle) -> Result<TpmCreateResponse, HardwareFault> {
        let command = TpmCreateCommand {
            handles: [parent],
            in_sensitive: Tpm2bSensitiveCreate::default(),
            in_public: Tpm2bPublic { inner: signing_key() },
            outside_info: Tpm2bData::default(),
            creation_pcr: TpmlPcrSelection::default(),
        };
        self.call(&command, Password::Empty)
    }

    fn load(&mut self, parent: TpmHandle, blob: &Blob) -> Result<TpmHandle, HardwareFault> {
        let command = TpmLoadCommand {
            handles: [parent],
            in_private: Tpm2bPrivate::unmarshal(&blob.private).map_err(misshapen)?.0,
            in_public: Tpm2bPublic::unmarshal(&blob.public).map_err(misshapen)?.0,
        };
        let TpmLoadResponse { handles: [handle], .. } = self.call(&command, Password::Empty)?;
        Ok(handle)
    }

    fn sign(&mut self, key: TpmHandle, digest: &[u8]) -> Result<[u8; 64], HardwareFault> {
        let command = TpmSignCommand {
            handles: [key],
            digest: Tpm2bDigest::try_from(digest).map_err(misshapen)?,
            in_scheme: TpmtSigScheme {
                scheme: TpmAlgId::Ecdsa,
                details: TpmuSigScheme::Hash(TpmsSchemeHash { hash_alg: TpmAlgId::Sha256 }),
            },
            // The key is not restricted, so that the digest need not have been made by the TPM (part 3, 20.2).
            validation: TpmtTkHashcheck {
                tag: TpmSt::HashCheck,
                hierarchy: TpmRh::Null,
                digest: Tpm2bDigest::default(),
            },
        };
        let TpmSignResponse { signature, .. } = self.call(&command, Password::Empty)?;
        let TpmuSignature::Ecdsa(ecdsa) = signature.signature else { return Err(garbled("it signed in another way")) };
        let (Some(r), Some(s)) = (padded(&ecdsa.signature_r), padded(&ecdsa.signature_s)) else {
            return Err(garbled("a part of its signature is too long"));
        };
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        Ok(signature)
    }

    /// Without a resource manager what is loaded stays, and there is room for three.
    fn flush(&mut self, handle: TpmHandle) -> Result<(), HardwareFault> {
        let TpmFlushContextResponse { .. } =
            self.call(&TpmFlushContextCommand { handles: [], flush_handle: handle }, Password::None)?;
        Ok(())
    }

    /// One command, repeated while the TPM asks for that (part 3, 5.3) and there is time.
    fn call<C: TpmFrame, R: TpmUnmarshalBody>(&mut self, command: &C, password: Password) -> Result<R, HardwareFault> {
        let empty = TpmsAuthCommand {
            session_handle: TpmHandle::new(TpmRh::Pw as u32),
            nonce: Tpm2bNonce::default(),
            session_attributes: TpmaSession::default(),
            hmac: Tpm2bAuth::default(),
        };
        let (tag, sessions) = match password {
            Password::Empty => (TpmSt::Sessions, &[empty][..]),
            Password::None => (TpmSt::NoSessions, &[][..]),
        };
        let mut buffer = [0; MAX_OCTETS];
        let mut writer = TpmWriter::new(&mut buffer);
        tpm_marshal_command(command, tag, sessions, &mut writer).map_err(misshapen)?;
        loop {
            let answer = self.0.exchange(writer.as_bytes())?;
            let response = TpmResponse::cast(&answer).map_err(misshapen)?;
            let code = answer.get(6..10).and_then(|code| code.try_into().ok()).map_or(0, u32::from_be_bytes);
            let base = response.rc().ok().as_ref().map(TpmRc::base);
            match base {
                Some(TpmRcBase::Success) => return response.unmarshal::<R>().map_err(misshapen),
                Some(TpmRcBase::Retry | TpmRcBase::Yielded | TpmRcBase::Testing) => self.0.pause()?,
                _ => return Err(fault(base, code)),
            }
        }
    }
}

/// Whether a command is authorised with the empty password, or needs no authorisation.
#[derive(Clone, Copy)]
enum Password {
    Empty,
    None,
}

fn fault(base: Option<TpmRcBase>, code: u32) -> HardwareFault {
    match base {
        // The wrapping is checked first: it is this TPM's only if this TPM's seed made it.
        Some(TpmRcBase::Integrity) => HardwareFault::OtherTpm,
        Some(TpmRcBase::BadAuth | TpmRcBase::AuthFail) => HardwareFault::OwnerPassword,
        Some(TpmRcBase::Hierarchy) => HardwareFault::SwitchedOff,
        Some(TpmRcBase::Lockout) => HardwareFault::LockedOut,
        Some(TpmRcBase::Failure | TpmRcBase::NeedsTest) => HardwareFault::Failed,
        _ => HardwareFault::Refused { code },
    }
}

fn misshapen(error: TpmError) -> HardwareFault {
    garbled(&error.to_string())
}

fn garbled(what: &str) -> HardwareFault {
    HardwareFault::Garbled { what: what.to_owned() }
}

fn octets(value: &impl TpmMarshal) -> Result<Vec<u8>, HardwareFault> {
    let mut buffer = [0; MAX_OCTETS];
    let mut writer = TpmWriter::new(&mut buffer);
    value.marshal(&mut writer).map_err(misshapen)?;
    Ok(writer.as_bytes().to_vec())
}

/// A number of at most 32 octets; TPMs may leave leading zeros out.
fn padded(number: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    out.get_mut(32_usize.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some(out)
}

/// The parent: a storage key that can't leave and whose private half nobody has seen, without a password of its own.
fn storage_key() -> TpmtPublic {
    let parameters = TpmsEccParms {
        symmetric: TpmtSymDefObject {
            algorithm: TpmAlgId::Aes,
            key_bits: TpmuSymKeyBits::Aes(128_u16.into()),
            mode: TpmuSymMode::Aes(TpmAlgId::Cfb),
        },
        scheme: TpmtEccScheme::default(),
        curve_id: TpmEccCurve::NistP256,
        kdf: TpmtKdfScheme::default(),
    };
    key(TpmaObject::RESTRICTED | TpmaObject::DECRYPT, parameters)
}

/// The device key: signs whatever digest it is given, with ECDSA and SHA-256 alone.
fn signing_key() -> TpmtPublic {
    let parameters = TpmsEccParms {
        symmetric: TpmtSymDefObject {
            algorithm: TpmAlgId::Null,
            key_bits: TpmuSymKeyBits::Null,
            mode: TpmuSymMode::Null,
        },
        scheme: TpmtEccScheme {
            scheme: TpmAlgId::Ecdsa,
            details: TpmuAsymScheme::Hash(TpmsSchemeHash { hash_alg: TpmAlgId::Sha256 }),
        },
        curve_id: TpmEccCurve::NistP256,
        kdf: TpmtKdfScheme::default(),
    };
    key(TpmaObject::SIGN_ENCRYPT, parameters)
}

/// `NO_DA`: wrong passwords for other keys, which lock the TPM, do not stop this one.
fn key(purpose: TpmaObject, parameters: TpmsEccParms) -> TpmtPublic {
    let kept_inside = TpmaObject::FIXED_TPM
        | TpmaObject::FIXED_PARENT
        | TpmaObject::SENSITIVE_DATA_ORIGIN
        | TpmaObject::USER_WITH_AUTH
        | TpmaObject::NO_DA;
    TpmtPublic {
        object_type: TpmAlgId::Ecc,
        name_alg: TpmAlgId::Sha256,
        object_attributes: kept_inside | purpose,
        auth_policy: Tpm2bDigest::default(),
        parameters: TpmuPublicParms::Ecc(parameters),
        unique: TpmuPublicId::Ecc(TpmsEccPoint::default()),
    }
}
