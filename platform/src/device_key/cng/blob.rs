//! What CNG says of a key, and what the key file says of a key that CNG keeps.

use super::super::der::{OCTET_STRING, SEQUENCE, take, value};
use super::Provider;
use ring::digest::{SHA256, digest};

/// `BCRYPT_ECDSA_PUBLIC_P256_MAGIC`, the beginning of an `ECCPUBLICBLOB`, and the length of each coordinate behind it.
const PUBLIC_P256: [u8; 8] = *b"ECS1\x20\0\0\0";
const UTF8_STRING: u8 = 0x0c;
/// What the names of our keys begin with, so that an administrator who lists the machine's keys knows them.
const BEGINNING: &str = "Countersign device key ";

/// The point of an `ECCPUBLICBLOB` (`BCRYPT_ECCKEY_BLOB` and both coordinates, big-endian), uncompressed (SEC 1, 2.3.3).
pub(super) fn point_of(blob: &[u8]) -> Option<[u8; 65]> {
    let coordinates: &[u8; 64] = blob.strip_prefix(&PUBLIC_P256)?.try_into().ok()?;
    let mut point = [4; 65];
    point[1..].copy_from_slice(coordinates);
    Some(point)
}

/// The name under which CNG keeps a key, from what tells it from others.
pub(super) fn name_of(unique: &str) -> String {
    format!("{BEGINNING}{unique}")
}

/// Where a key is kept, and its public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile {
    pub(super) provider: Provider,
    pub(super) name: String,
    pub(super) point: [u8; 65],
}

impl KeyFile {
    /// Provider, name and point, with a digest over them, so that damage is seen as damage and not as another key.
    pub(super) fn to_der(&self) -> Vec<u8> {
        let content = self.content();
        let check = value(OCTET_STRING, digest(&SHA256, &content).as_ref());
        value(SEQUENCE, &[content, check].concat())
    }

    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let (content, rest) = take(SEQUENCE, der)?;
        let (provider, content) = take(UTF8_STRING, content)?;
        let (name, content) = take(UTF8_STRING, content)?;
        let (point, _) = take(OCTET_STRING, content)?;
        let name = std::str::from_utf8(name).ok().filter(|name| name.starts_with(BEGINNING))?;
        let provider = Provider::of_name(std::str::from_utf8(provider).ok()?)?;
        let file = Self { provider, name: name.to_owned(), point: point.try_into().ok()? };
        (rest.is_empty() && file.to_der() == der).then_some(file)
    }

    fn content(&self) -> Vec<u8> {
        let provider = value(UTF8_STRING, self.provider.name().as_bytes());
        let name = value(UTF8_STRING, self.name.as_bytes());
        [provider, name, value(OCTET_STRING, &self.point)].concat()
    }
}

/// `provider` and the key's name on one line.
pub(super) fn reference(provider: Provider, name: &str) -> String {
    format!("{}: {name}", provider.name())
}

/// The name of the key that a [`reference()`] of this provider is about.
pub(super) fn name_in(reference: &str, provider: Provider) -> Option<&str> {
    reference.strip_prefix(provider.name())?.strip_prefix(": ").filter(|name| name.starts_with(BEGINNING))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> KeyFile {
        let mut point = [7; 65];
        point[0] = 4;
        KeyFile { provider: Provider::Platform, name: name_of("abababababababababababababababab"), point }
    }

    #[test]
    fn a_public_blob_of_p256_and_no_other_is_a_point() {
        let mut blob = b"ECS1\x20\0\0\0".to_vec();
        blob.extend([1; 32]);
        blob.extend([2; 32]);
        let point = point_of(&blob).unwrap();
        assert_eq!((point[0], &point[1..33], &point[33..]), (4, &[1; 32][..], &[2; 32][..]));
        assert!((0..blob.len()).all(|cut| point_of(&blob[..cut]).is_none()));
        assert!(point_of(&[&blob[..], &[0]].concat()).is_none());
        for other in [*b"ECS2", *b"ECK1", *b"ECS3"] {
            let mut key = blob.clone();
            key[..4].copy_from_slice(&other);
            assert!(point_of(&key).is_none());
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_of_a_key_file_is_another_key() {
        let der = file().to_der();
        assert_eq!(KeyFile::from_der(&der), Some(file()));
        assert!((0..der.len()).all(|cut| KeyFile::from_der(&der[..cut]).is_none()));
        assert!(KeyFile::from_der(&[&der[..], &[0]].concat()).is_none());
        for (place, bit) in (0..der.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut other = der.clone();
            other[place] ^= 1 << bit;
            assert!(KeyFile::from_der(&other).is_none(), "bit {bit} of octet {place}");
        }
    }

    #[test]
    fn a_key_that_is_not_ours_is_neither_read_nor_deleted() {
        let foreign = KeyFile { name: "te-1d3a".to_owned(), ..file() };
        assert!(KeyFile::from_der(&foreign.to_der()).is_none());
        assert!(name_in(&reference(Provider::Platform, "te-1d3a"), Provider::Platform).is_none());
        let ours = reference(Provider::Platform, &file().name);
        assert_eq!(name_in(&ours, Provider::Platform), Some(&file().name[..]));
        assert!(name_in(&ours, Provider::Software).is_none());
    }
}
