//! What an authenticator says (§6.1): a binary header, a new credential in a registration, extensions.

use ring::digest::{SHA256, digest};

use super::{NotBelieved, RelyingParty, cbor};

/// Flags (§6.1).
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;
/// The longest credential ID (§7.1 step 25), in octets.
const LONGEST_ID: usize = 1023;

/// Authenticator data, read to its end.
#[derive(Debug)]
pub(super) struct AuthenticatorData {
    party_hash: [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) is_backed_up: bool,
    /// The new credential, in a registration.
    pub(super) credential: Option<Credential>,
}

/// `attestedCredentialData` (§6.5.2) without the model of the authenticator.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) id: Vec<u8>,
    /// The COSE key as it stands there.
    pub(super) public_key: Vec<u8>,
}

impl AuthenticatorData {
    pub(super) fn parse(octets: &[u8]) -> Result<Self, NotBelieved> {
        let short = NotBelieved::Malformed("authenticator data");
        let (party_hash, rest) = octets.split_first_chunk::<32>().ok_or(short)?;
        let ([flags], rest) = rest.split_first_chunk::<1>().ok_or(short)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let credential = if flags & HAS_CREDENTIAL == 0 { None } else { Some(Credential::parse(&mut rest)?) };
        if flags & HAS_EXTENSIONS != 0 {
            // None was asked for, and an authenticator may add some of its own: they say nothing here.
            let extensions = cbor(&mut rest)?;
            extensions.as_map().ok_or(short)?;
        }
        let is_backed_up = flags & BACKED_UP != 0;
        if !rest.is_empty() || is_backed_up && flags & BACKUP_ELIGIBLE == 0 {
            return Err(short);
        }
        let (party_hash, sign_count) = (*party_hash, u32::from_be_bytes(*count));
        Ok(Self { party_hash, flags: *flags, sign_count, is_backed_up, credential })
    }

    /// It was made for `party`, and somebody was there and was verified.
    pub(super) fn check(&self, party: &RelyingParty) -> Result<(), NotBelieved> {
        if digest(&SHA256, party.id.as_bytes()).as_ref() != self.party_hash {
            return Err(NotBelieved::RelyingParty);
        }
        if self.flags & PRESENT == 0 {
            return Err(NotBelieved::NotPresent);
        }
        if self.flags & VERIFIED == 0 {
            return Err(NotBelieved::NotVerified);
        }
        Ok(())
    }
}

impl Credential {
    /// The credential at the beginning of `rest`, which is moved behind it.
    fn parse(rest: &mut &[u8]) -> Result<Self, NotBelieved> {
        let short = NotBelieved::Malformed("credential");
        let (_model, after) = rest.split_first_chunk::<16>().ok_or(short)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or(short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (id, after) = after.split_at_checked(length).ok_or(short)?;
        if !(1..=LONGEST_ID).contains(&length) {
            return Err(short);
        }
        let mut behind = after;
        cbor(&mut behind)?;
        let public_key = after.get(..after.len() - behind.len()).ok_or(short)?;
        *rest = behind;
        Ok(Self { id: id.to_vec(), public_key: public_key.to_vec() })
    }
}
