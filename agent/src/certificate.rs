//! The few things of a certificate that people ask for. Nothing is believed because of them.

use x509_cert::Certificate as X509;
use x509_cert::der::Decode as _;

/// What a certificate says of itself.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
}

impl Certificate {
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let certificate = X509::from_der(der).ok()?;
        let content = certificate.tbs_certificate();
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Some(Self {
            subject: short(&content.subject().to_string()),
            issuer: short(&content.issuer().to_string()),
            not_before: seconds(content.validity().not_before),
            not_after: seconds(content.validity().not_after),
        })
    }
}

fn short(name: &str) -> String {
    if name.is_empty() { "nobody named".to_owned() } else { name.chars().take(120).collect() }
}

/// Products that open TLS, by a word in the name of the issuer that they put in the portal's place.
const INTERCEPTORS: &[&str] = &[
    "avast",
    "blue coat",
    "bluecoat",
    "checkpoint",
    "charles proxy",
    "cisco umbrella",
    "eset ssl",
    "fiddler",
    "forcepoint",
    "fortinet",
    "fortigate",
    "kaspersky",
    "mitmproxy",
    "netskope",
    "palo alto",
    "sophos",
    "squid",
    "symantec web",
    "zscaler",
];

/// Whether `issuer` is the name of something that inspects TLS.
pub(crate) fn is_interceptor(issuer: &str) -> bool {
    let issuer = issuer.to_lowercase();
    INTERCEPTORS.iter().any(|word| issuer.contains(word))
        || issuer.contains("inspection")
        || issuer.contains("intercept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_that_open_tls_are_known_by_name() {
        assert!(is_interceptor("CN=Zscaler Intermediate Root CA,O=Zscaler Inc."));
        assert!(is_interceptor("CN=Acme TLS Inspection CA"));
        assert!(!is_interceptor("CN=R11,O=Let's Encrypt,C=US"));
    }
}
