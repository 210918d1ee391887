//! A certificate authority of our own: the TLS in tests and in the quick start is real TLS.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};

/// A CA and a server certificate for `localhost`, as files.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The CA's certificate.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl Authority {
    /// The files in `dir`, where they are or will be.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self { ca: dir.join("ca.pem"), certificate: dir.join("server.pem"), key: dir.join("server.key") }
    }

    /// Makes a CA named `name` and a certificate for `localhost` in `dir`.
    ///
    /// The dates are generous: a clock that is wrong by days must not fail at TLS, where it could not be corrected.
    ///
    /// # Panics
    /// Where the files can't be written.
    #[must_use]
    pub fn create(dir: &Path, name: &str) -> Self {
        let files = Self::in_dir(dir);
        std::fs::create_dir_all(dir).expect("the directory can be made");
        let ca_key = KeyPair::generate().expect("a key can be made");
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (ca.not_before, ca.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2044, 1, 1));
        let ca_certificate = ca.self_signed(&ca_key).expect("a CA can be made");

        let key = KeyPair::generate().expect("a key can be made");
        let mut server =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names are sound");
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.use_authority_key_identifier_extension = true;
        (server.not_before, server.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2044, 1, 1));
        let certificate = server.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate can be signed");

        write_private(&files.ca, &ca_certificate.pem());
        write_private(&files.certificate, &certificate.pem());
        write_private(&files.key, &key.serialize_pem());
        files
    }
}

/// Writes a file that only its owner may read, as administrators are told to.
///
/// # Panics
/// Where it can't be written.
pub fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the file can be written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("the mode can be set");
    }
}
