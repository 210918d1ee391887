//! Files that people name in options, in the encodings in which Windows writes them: a byte order mark, UTF-16, certificates in DER.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

/// A file is not what it should be: words that follow its name.
pub(crate) type Fault = &'static str;

const NO_TEXT: Fault = "is not text: save it as UTF-8, or as UTF-16 with a byte order mark";

/// The text in `octets`, without the byte order mark: UTF-8, or UTF-16 as Windows PowerShell and Notepad write it.
///
/// # Errors
/// [`Fault`] where it is neither.
pub(crate) fn text(octets: &[u8]) -> Result<Zeroizing<String>, Fault> {
    let utf16 = |octets: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = octets.as_chunks::<2>();
        let units = Zeroizing::new(pairs.iter().copied().map(unit).collect::<Vec<_>>());
        let text = String::from_utf16(&units).map(Zeroizing::new);
        text.ok().filter(|_| rest.is_empty()).ok_or(NO_TEXT)
    };
    match octets {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(octets, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(octets, u16::from_be_bytes),
        _ => {
            let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
            std::str::from_utf8(octets).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| NO_TEXT)
        }
    }
}

/// The one line in `octets`, without the white space around it.
///
/// # Errors
/// [`Fault`] where it is no text, empty, or of several lines.
pub(crate) fn line(octets: &[u8]) -> Result<Zeroizing<String>, Fault> {
    let text = text(octets)?;
    let line = text.trim();
    if line.is_empty() {
        return Err("is empty");
    }
    if line.contains(['\n', '\r']) {
        return Err("has several lines: one is wanted, and nothing else in the file");
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// The certificates of authorities in `octets` as PEM: PEM in any of the encodings of [`text`], or one certificate in DER.
///
/// # Errors
/// [`Fault`] where there is none, or one that can't be an authority's.
pub(crate) fn authorities(octets: &[u8]) -> Result<Vec<u8>, Fault> {
    let pem = if octets.starts_with(&[0x30]) { in_pem(octets) } else { text(octets)?.as_bytes().to_vec() };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_| "is damaged: a certificate in it has no end, or is not base64")?;
    if found.is_empty() {
        return Err(if pem.windows(10).any(|part| part == b"BEGIN PKCS") {
            "is PKCS #7 and no certificate: convert it with `openssl pkcs7 -print_certs`"
        } else {
            "holds no certificate: give it one in PEM (`-----BEGIN CERTIFICATE-----`) or in DER"
        });
    }
    let mut store = RootCertStore::empty();
    for certificate in found {
        store
            .add(certificate)
            .map_err(|_| "holds a certificate that can't be read: export it again, as X.509 in PEM or DER")?;
    }
    Ok(pem)
}

fn in_pem(der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn the_encodings_of_windows_are_read() {
        let (little, big) = (u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes as fn(u16) -> [u8; 2]);
        for octets in [
            b"tok\xC3\xA9n\r\n".to_vec(),
            b"\xEF\xBB\xBFtok\xC3\xA9n\n".to_vec(),
            utf16("\u{feff}tokén\r\n", little),
            utf16("\u{feff}tokén\r\n", big),
            utf16("tokén", little),
            utf16("tokén", big),
        ] {
            assert_eq!(line(&octets).unwrap().as_str(), "tokén", "{octets:?}");
        }
    }

    #[test]
    fn what_is_no_one_line_is_said_to_be_so() {
        for (octets, fault) in [
            (&b""[..], "is empty"),
            (b"\xFF\xFE \0\n\0", "is empty"),
            (b"a\nb", "several lines"),
            (b"\xE9", "UTF-16"),
            (b"\xFF\xFEa\0b", "UTF-16"),
        ] {
            assert!(line(octets).unwrap_err().contains(fault), "{octets:?}");
        }
    }

    #[test]
    fn authorities_are_read_in_pem_and_der_in_every_encoding() {
        let made = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let (pem, der) = (made.cert.pem(), made.cert.der().to_vec());
        for octets in [
            pem.clone().into_bytes(),
            [b"\xEF\xBB\xBF", pem.as_bytes()].concat(),
            utf16(&format!("\u{feff}{pem}"), u16::to_le_bytes),
            der.clone(),
        ] {
            let read = authorities(&octets).unwrap();
            let found: Vec<_> = CertificateDer::pem_slice_iter(&read).map(|one| one.unwrap().to_vec()).collect();
            assert_eq!(found, std::slice::from_ref(&der));
        }
        for (octets, fault) in [
            (&b""[..], "no certificate"),
            (b"hello", "no certificate"),
            (b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "PKCS #7"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be read"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "damaged"),
            (&der[..40], "can't be read"),
        ] {
            assert!(authorities(octets).unwrap_err().contains(fault), "{:?}", String::from_utf8_lossy(octets));
        }
    }
}
