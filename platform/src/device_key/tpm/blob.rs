//! A key that a TPM has wrapped, as other programs write it too: `TPMKey` of draft-bottomley-tpm2-keys, in DER.

use super::super::der::{OCTET_STRING, SEQUENCE, take, value};

/// `id-loadablekey`, 2.23.133.10.1.3.
const LOADABLE_KEY: [u8; 6] = [0x67, 0x81, 0x05, 0x0a, 0x01, 0x03];
/// `TPM_RH_OWNER`: the parent is the primary key that the draft describes, made anew each time.
const OWNER: [u8; 4] = [0x40, 0x00, 0x00, 0x01];

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const EMPTY_AUTH: u8 = 0xa0;

/// Both halves of a wrapped key, each a whole TPM2B structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) public: Vec<u8>,
    pub(super) private: Vec<u8>,
}

impl Blob {
    pub(super) fn to_der(&self) -> Vec<u8> {
        let parts = [
            value(OBJECT_IDENTIFIER, &LOADABLE_KEY),
            value(EMPTY_AUTH, &value(BOOLEAN, &[0xff])),
            value(INTEGER, &OWNER),
            value(OCTET_STRING, &self.public),
            value(OCTET_STRING, &self.private),
        ];
        value(SEQUENCE, &parts.concat())
    }

    /// Reads what [`Blob::to_der`] writes, octet for octet; keys with a password, a policy or another parent are none of ours.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let (content, rest) = take(SEQUENCE, der)?;
        let (kind, content) = take(OBJECT_IDENTIFIER, content)?;
        let (empty_auth, content) = take(EMPTY_AUTH, content)?;
        let (parent, content) = take(INTEGER, content)?;
        let (public, content) = take(OCTET_STRING, content)?;
        let (private, content) = take(OCTET_STRING, content)?;
        let ours = kind == LOADABLE_KEY && empty_auth == [BOOLEAN, 1, 0xff] && parent == OWNER;
        let whole = rest.is_empty() && content.is_empty();
        (ours && whole).then(|| Self { public: public.to_vec(), private: private.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_of_every_length_survive_the_round_trip_and_no_part_of_one_does() {
        for length in [0, 1, 90, 127, 128, 255, 256, 700] {
            let blob = Blob { public: vec![7; length], private: vec![9; length * 2] };
            let der = blob.to_der();
            assert_eq!(Blob::from_der(&der), Some(blob));
            assert!((0..der.len()).all(|cut| Blob::from_der(&der[..cut]).is_none()));
            assert_eq!(Blob::from_der(&[der, vec![0]].concat()), None);
        }
    }

    #[test]
    fn a_key_of_another_kind_is_none_of_ours() {
        let der = Blob { public: vec![1], private: vec![2] }.to_der();
        for place in 0..der.len() - 4 {
            let mut other = der.clone();
            other[place] ^= 1;
            let read = Blob::from_der(&other);
            assert!(read.is_none_or(|blob| blob.public != [1] || blob.private != [2]), "octet {place}");
        }
    }
}
