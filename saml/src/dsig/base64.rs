//! `xs:base64Binary`: padded, with white space anywhere, and no bits that mean nothing.

use crate::rejection::{Rejection, RejectionReason};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Rejection> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let decoded = if text.bytes().any(|byte| is_space(&byte)) {
        let compact: Vec<u8> = text.bytes().filter(|byte| !is_space(byte)).collect();
        STANDARD.decode(compact)
    } else {
        STANDARD.decode(text)
    };
    decoded.map_err(|_| Rejection::about(RejectionReason::Base64, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_white_space_and_refuses_the_rest() {
        assert_eq!(decode(" YW\nJj\t").unwrap(), b"abc");
        for text in ["YWJ", "YW-_", "YQ==YQ==", "YR==", "YQ=", "Y W J j !"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
