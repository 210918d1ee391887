//! What the key file says of a key that is sealed in it.

use super::super::der::{OCTET_STRING, SEQUENCE, take, value};
use ring::digest::{SHA256, digest};

const INTEGER: u8 = 0x02;
/// The version of this form.
const VERSION: u8 = 1;

/// A public key, and the PKCS #8 of its private half as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile {
    pub(super) point: [u8; 65],
    pub(super) sealed: Vec<u8>,
}

impl KeyFile {
    /// Version, point and what is sealed, with a digest over them, so that damage is seen as damage and not as another machine's key.
    pub(super) fn to_der(&self) -> Vec<u8> {
        let content = self.content();
        let check = value(OCTET_STRING, digest(&SHA256, &content).as_ref());
        value(SEQUENCE, &[content, check].concat())
    }

    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let (content, rest) = take(SEQUENCE, der)?;
        let (version, content) = take(INTEGER, content)?;
        let (point, content) = take(OCTET_STRING, content)?;
        let (sealed, _) = take(OCTET_STRING, content)?;
        let file = Self { point: point.try_into().ok()?, sealed: sealed.to_vec() };
        (version == [VERSION] && rest.is_empty() && file.to_der() == der).then_some(file)
    }

    fn content(&self) -> Vec<u8> {
        [value(INTEGER, &[VERSION]), value(OCTET_STRING, &self.point), value(OCTET_STRING, &self.sealed)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cut_and_no_flipped_bit_of_a_key_file_is_another_key() {
        let mut point = [7; 65];
        point[0] = 4;
        let file = KeyFile { point, sealed: vec![9; 300] };
        let der = file.to_der();
        assert_eq!(KeyFile::from_der(&der), Some(file));
        assert!((0..der.len()).all(|cut| KeyFile::from_der(&der[..cut]).is_none()));
        assert!(KeyFile::from_der(&[&der[..], &[0]].concat()).is_none());
        for (place, bit) in (0..der.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut other = der.clone();
            other[place] ^= 1 << bit;
            assert!(KeyFile::from_der(&other).is_none(), "bit {bit} of octet {place}");
        }
    }
}
