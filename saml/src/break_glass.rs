//! Break-glass codes: sixteen characters that somebody reads to a person over the telephone, and that hold for one device, once, until a
//! time that stands in them.
//!
//! A signature would be too long to type, so a code is authenticated by a key that device and portal share. They agree on it by X25519
//! (RFC 7748) inside a keep-alive, where the device's key signs the one half and the portal's the other: it is never on the wire.
//!
//! A code is 80 bits in Crockford's base 32: 20 of the time (quarters of an hour since 2026), 8 of the life (quarters of an hour), 8 of the
//! count, and 44 of an HMAC-SHA256 over all three. A program that reads codes has to limit wrong ones.

use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SecureRandom;
use ring::{digest, hkdf, hmac};
use zeroize::Zeroizing;

use crate::name::EntityId;
use crate::time::UtcTime;
use crate::token;

/// Name of the attribute by which the portal says which key it has for the device: [`BreakGlassKey::name`], or `none`.
pub const KEY: &str = "urn:countersign:1.0:break-glass:key";
/// Name of the attribute with one half of an agreement, base64: the device's in its evidence, the portal's in its answer.
pub const PUBLIC_KEY: &str = "urn:countersign:1.0:break-glass:public-key";
/// Name of the attribute by which a device tells that a code was used: its count, and when, with a space between.
pub const USED: &str = "urn:countersign:1.0:break-glass:used";

/// The longest that a code may hold.
pub const LONGEST_SECONDS: i64 = 48 * 3600;
/// Times and lives are counted in quarters of an hour.
pub const STEP_SECONDS: i64 = 900;

const DOMAIN: &[u8] = b"urn:countersign:1.0:break-glass";
/// 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600;
const OCTETS: usize = 10;
const CHARS: usize = 16;
const TAG_BITS: u32 = 44;
const KEY_OCTETS: usize = 32;

/// What a code says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permit {
    /// Which of the device's codes it is, counted from 1.
    pub count: u64,
    /// Until when it holds.
    pub until: UtcTime,
    /// How long it was meant to hold, in seconds, from when it was made.
    pub life_seconds: i64,
}

impl Permit {
    /// The permit number `count`, which holds for `life_seconds` from `now`, each rounded up to a quarter of an hour; none where that is not
    /// between a quarter of an hour and [`LONGEST_SECONDS`].
    pub fn new(count: u64, now: UtcTime, life_seconds: i64) -> Option<Self> {
        let up = |seconds: i64| (seconds + STEP_SECONDS - 1).div_euclid(STEP_SECONDS) * STEP_SECONDS;
        let life_seconds = up(life_seconds);
        let fits = (STEP_SECONDS..=LONGEST_SECONDS).contains(&life_seconds);
        let until = UtcTime::from_unix_seconds(EPOCH + up(now.unix_seconds() + life_seconds - EPOCH));
        fits.then_some(Self { count, until, life_seconds })
    }

    /// The fields of the code: time, life, the end of the count.
    fn fields(&self) -> u64 {
        let quarters = |seconds: i64, bits: u32| u64::try_from(seconds / STEP_SECONDS).unwrap_or(0) & ((1 << bits) - 1);
        let until = quarters(self.until.unix_seconds() - EPOCH, 20);
        (until << 16) | (quarters(self.life_seconds, 8) << 8) | (self.count & 0xff)
    }
}

/// Why a text is no code for this device.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CodeError {
    /// It doesn't have the form of one.
    #[error("a break-glass code has {CHARS} letters and digits, such as `7k2m-9xqa-04cw-hh3e`")]
    Form,
    /// It was not made with this key, or a later one was used already.
    #[error("the code is not one for this device, or was used already")]
    Wrong,
}

/// The key that device and portal share; its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct BreakGlassKey(Zeroizing<[u8; KEY_OCTETS]>);

impl BreakGlassKey {
    /// The key of these octets; none where there are not 32.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(octets.try_into().ok()?)))
    }

    /// The octets, for the caller that keeps them.
    pub fn octets(&self) -> &[u8; KEY_OCTETS] {
        &self.0
    }

    /// What tells it from another, which may be shown.
    pub fn name(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(DOMAIN);
        context.update(self.0.as_ref());
        context.finish().as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
    }

    /// The code for `permit`, in four groups.
    pub fn code(&self, permit: &Permit) -> String {
        let bits = (u128::from(permit.fields()) << TAG_BITS) | u128::from(self.tag(permit));
        let octets = bits.to_be_bytes();
        let text = token::encode(octets.get(octets.len() - OCTETS..).unwrap_or_default());
        let groups: Vec<_> = text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group)).collect();
        groups.join("-")
    }

    /// What the code `text` says, if this key has made it and its count is higher than `used`, by 256 at most.
    ///
    /// # Errors
    /// [`CodeError::Form`], which is no guess, and [`CodeError::Wrong`], which may be one.
    pub fn read(&self, text: &str, used: u64) -> Result<Permit, CodeError> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if plain.chars().count() != CHARS {
            return Err(CodeError::Form);
        }
        let mut octets = [0; OCTETS];
        token::decode(&plain, 0, &mut octets).map_err(|_| CodeError::Form)?;
        let bits = octets.iter().fold(0_u128, |bits, octet| (bits << 8) | u128::from(*octet));
        let field = |shift: u32, bits_of: u32| u64::try_from((bits >> shift) & ((1 << bits_of) - 1)).unwrap_or(0);
        let seconds = |quarters: u64| i64::try_from(quarters).unwrap_or(0) * STEP_SECONDS;
        let next = used.saturating_add(1);
        let count = next.saturating_add(field(TAG_BITS, 8).wrapping_sub(next) & 0xff);
        let permit = Permit {
            count,
            until: UtcTime::from_unix_seconds(EPOCH + seconds(field(TAG_BITS + 16, 20))),
            life_seconds: seconds(field(TAG_BITS + 8, 8)),
        };
        let is_ours = same(self.tag(&permit), field(0, TAG_BITS));
        if is_ours { Ok(permit) } else { Err(CodeError::Wrong) }
    }

    fn tag(&self, permit: &Permit) -> u64 {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref()));
        context.update(DOMAIN);
        context.update(&permit.fields().to_be_bytes());
        context.update(&permit.count.to_be_bytes());
        let tag = context.sign();
        tag.as_ref().iter().take(8).fold(0_u64, |bits, octet| (bits << 8) | u64::from(*octet)) >> (64 - TAG_BITS)
    }
}

impl std::fmt::Debug for BreakGlassKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "BreakGlassKey({})", self.name())
    }
}

/// Without a branch that depends on where they differ.
fn same(one: u64, other: u64) -> bool {
    std::hint::black_box(one ^ other) == 0
}

/// The system has no randomness, or the other half is no sound one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no break-glass key can be agreed on")]
pub struct NoAgreement;

/// The two parties that a key is agreed on for: it becomes another one for any other pair.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// The portal's entity ID.
    pub portal: &'a EntityId,
    /// The device as the portal lists it.
    pub device: &'a EntityId,
}

/// One side's half of an agreement; good for one.
pub struct Half {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl Half {
    /// A new half.
    ///
    /// # Errors
    /// [`NoAgreement`] where the system has no randomness.
    pub fn new(random: &dyn SecureRandom) -> Result<Self, NoAgreement> {
        let private = EphemeralPrivateKey::generate(&X25519, random).map_err(|_| NoAgreement)?;
        let public = private.compute_public_key().map_err(|_| NoAgreement)?.as_ref().to_vec();
        Ok(Self { private, public })
    }

    /// What the other side is told.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The device's key, from the portal's half.
    ///
    /// # Errors
    /// [`NoAgreement`] where that is no sound one.
    pub fn with_portal(self, portal: &[u8], parties: Parties<'_>) -> Result<BreakGlassKey, NoAgreement> {
        let device = self.public.clone();
        self.agree(portal, [&device, portal], parties)
    }

    /// The portal's key, from the device's half.
    ///
    /// # Errors
    /// [`NoAgreement`] where that is no sound one.
    pub fn with_device(self, device: &[u8], parties: Parties<'_>) -> Result<BreakGlassKey, NoAgreement> {
        let portal = self.public.clone();
        self.agree(device, [device, &portal], parties)
    }

    fn agree(self, other: &[u8], halves: [&[u8]; 2], parties: Parties<'_>) -> Result<BreakGlassKey, NoAgreement> {
        let [device, portal] = halves;
        let names = [parties.portal.as_str().as_bytes(), parties.device.as_str().as_bytes(), device, portal];
        let mut said = Vec::new();
        for name in names {
            said.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
            said.extend_from_slice(name);
        }
        agree_ephemeral(self.private, &UnparsedPublicKey::new(&X25519, other), |shared| {
            let mut key = Zeroizing::new([0; KEY_OCTETS]);
            let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, DOMAIN).extract(shared);
            let expanded = extracted.expand(&[&said], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut()));
            expanded.map(|()| BreakGlassKey(key)).map_err(|_| NoAgreement)
        })
        .map_err(|_| NoAgreement)?
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_800_000_123);

    fn key(octet: u8) -> BreakGlassKey {
        BreakGlassKey::from_octets(&[octet; 32]).unwrap()
    }

    #[test]
    fn both_sides_agree_and_nobody_else_does() {
        let random = SystemRandom::new();
        let (portal, device): (EntityId, EntityId) = ("urn:portal".parse().unwrap(), "urn:device".parse().unwrap());
        let other: EntityId = "urn:other".parse().unwrap();
        let agree = |at_portal: &EntityId| {
            let (ours, theirs) = (Half::new(&random).unwrap(), Half::new(&random).unwrap());
            let (device_half, portal_half) = (ours.public().to_vec(), theirs.public().to_vec());
            let at_device = ours.with_portal(&portal_half, Parties { portal: &portal, device: &device }).unwrap();
            let parties = Parties { portal: &portal, device: at_portal };
            (at_device.name(), theirs.with_device(&device_half, parties).unwrap().name())
        };
        let (one, same) = agree(&device);
        assert_eq!(one, same);
        assert_ne!(agree(&device).0, one, "each agreement gives another key");
        let (one, another) = agree(&other);
        assert_ne!(one, another, "the key is for these two");
        assert!(
            Half::new(&random).unwrap().with_portal(&[0; 32], Parties { portal: &portal, device: &device }).is_err()
        );
    }

    #[test]
    fn a_code_says_until_when_and_is_read_as_people_type_it() {
        let permit = Permit::new(1, NOW, 4 * 3600).unwrap();
        let code = key(1).code(&permit);
        assert_eq!(code.len(), 19);
        assert_eq!(key(1).read(&code, 0), Ok(permit));
        assert_eq!(key(1).read(&code.to_uppercase().replace('-', " "), 0), Ok(permit));
        assert_eq!(key(1).read(&code.replace('1', "I").replace('0', "o"), 0), Ok(permit));
        let left = permit.until.seconds_since(NOW);
        assert!((4 * 3600..4 * 3600 + STEP_SECONDS).contains(&left), "{left}");
    }

    #[test]
    fn a_code_is_for_one_device_once_and_can_not_be_changed() {
        let permit = Permit::new(7, NOW, 3600).unwrap();
        let code = key(1).code(&permit);
        assert_eq!(key(2).read(&code, 0), Err(CodeError::Wrong));
        assert_eq!(key(1).read(&code, 6), Ok(permit));
        assert_eq!(key(1).read(&code, 7), Err(CodeError::Wrong), "it was used");
        assert_eq!(key(1).read(&code, 300), Err(CodeError::Wrong), "it is older than one that was used");
        for (place, was) in code.char_indices().filter(|(_, c)| *c != '-') {
            let mut changed = code.clone();
            changed.replace_range(place..=place, if was == 'z' { "y" } else { "z" });
            assert_eq!(key(1).read(&changed, 0), Err(CodeError::Wrong), "{changed}");
        }
        for text in ["", "1234", "7k2m-9xqa-04cw-hh3e-0", "7k2m-9xqa-04cw-hh3!"] {
            assert_eq!(key(1).read(text, 0), Err(CodeError::Form), "{text}");
        }
    }

    #[test]
    fn codes_that_nobody_used_are_passed_over() {
        for count in [1, 200, 255, 256, 257, 1000] {
            let permit = Permit::new(count, NOW, 900).unwrap();
            assert_eq!(key(1).read(&key(1).code(&permit), count.saturating_sub(256)), Ok(permit), "{count}");
        }
    }

    #[test]
    fn lives_are_between_a_quarter_of_an_hour_and_two_days() {
        assert_eq!(Permit::new(1, NOW, 0), None);
        assert_eq!(Permit::new(1, NOW, LONGEST_SECONDS + 1), None);
        assert_eq!(Permit::new(1, NOW, 1).unwrap().life_seconds, STEP_SECONDS);
        assert!(Permit::new(1, NOW, LONGEST_SECONDS).is_some());
    }
}
