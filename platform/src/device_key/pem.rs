//! The key file's form: PEM (RFC 7468), whose label says what holds the key.

use data_encoding::BASE64;
use zeroize::Zeroizing;

pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut text = Zeroizing::new(Vec::with_capacity(body.len() * 2 + 128));
    text.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in body.as_bytes().chunks(64) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text
}

pub(super) fn decode(text: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let mut lines = text.lines().map(str::trim_end);
    let label = lines
        .next()
        .and_then(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .ok_or("its first line is not a PEM label")?;
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    for line in lines.by_ref() {
        if let Some(end) = line.strip_prefix("-----END ").and_then(|rest| rest.strip_suffix("-----")) {
            if end != label || lines.any(|line| !line.is_empty()) {
                return Err("its last line does not close its first");
            }
            let der = BASE64.decode(body.as_bytes()).map_err(|_| "its body is not Base64")?;
            return Ok((label.to_owned(), Zeroizing::new(der)));
        }
        body.push_str(line);
    }
    Err("it is cut off")
}
