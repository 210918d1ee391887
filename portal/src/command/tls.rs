//! The TLS certificate of `serve`: read at the start, again on SIGHUP, and where the files have changed, so that a renewal needs no restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use ring::digest::{Digest, SHA256, digest};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use saml::time::UtcTime;
use x509_cert::der::Decode as _;
use zeroize::Zeroizing;

use super::CommandError;
use super::serve::failed;
use crate::files::{self, FileError};
use crate::sign_on::Portal;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// The files, as options name them.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub(super) certificate: PathBuf,
    /// Its private key, PEM.
    pub(super) key: PathBuf,
}

/// What the files hold.
pub(super) struct Loaded {
    /// What connections are accepted with.
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate expires.
    pub(super) not_after: UtcTime,
    leaf: CertificateDer<'static>,
    content: Digest,
}

impl TlsFiles {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`CommandError::File`]; [`CommandError::Serve`] where they are no certificate and key, or do not belong together.
    pub(super) fn load(&self) -> Result<Loaded, CommandError> {
        self.parse(&self.read()?)
    }

    /// The same, unless the files hold what `held` is the digest of.
    fn load_newer(&self, held: &Digest) -> Result<Option<Loaded>, CommandError> {
        let read = self.read()?;
        if read.digest().as_ref() == held.as_ref() { Ok(None) } else { self.parse(&read).map(Some) }
    }

    fn parse(&self, read: &Read) -> Result<Loaded, CommandError> {
        let unusable = |path: &Path, error: Box<dyn std::error::Error + Send + Sync>| {
            failed(format!("use `{}` for TLS", path.display()), error)
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read.certificate).collect();
        let chain = chain.map_err(|error| unusable(&self.certificate, error.into()))?;
        let leaf =
            chain.first().cloned().ok_or_else(|| unusable(&self.certificate, "it holds no certificate".into()))?;
        let private = PrivateKeyDer::from_pem_slice(&read.key).map_err(|error| unusable(&self.key, error.into()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| failed("set TLS up".to_owned(), error.into()))?.with_no_client_auth();
        let config = config.with_single_cert(chain, private);
        let mut config = config.map_err(|error| unusable(&self.certificate, error.into()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let not_after = not_after(&leaf).map_err(|error| unusable(&self.certificate, error.into()))?;
        Ok(Loaded { config: Arc::new(config), not_after, leaf, content: read.digest() })
    }

    fn read(&self) -> Result<Read, FileError> {
        Ok(Read { certificate: files::read(&self.certificate)?, key: Zeroizing::new(files::read(&self.key)?) })
    }
}

impl Loaded {
    /// Says what is wrong with the certificate for a portal whose devices reach it at `host`; such a portal serves, and nobody can use it.
    pub(super) fn warn_about(&self, host: &str, now: UtcTime) {
        let names_host = ServerName::try_from(host).is_ok_and(|name| {
            ParsedCertificate::try_from(&self.leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
        });
        if !names_host {
            tracing::warn!(host, "the TLS certificate does not name the host of --public-url: no device will connect");
        }
        if self.not_after < now {
            tracing::warn!(expired_at = %self.not_after, "the TLS certificate has expired: no device will connect");
        }
    }
}

fn not_after(leaf: &CertificateDer<'_>) -> Result<UtcTime, x509_cert::der::Error> {
    let leaf = x509_cert::Certificate::from_der(leaf)?;
    let seconds = leaf.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
    Ok(UtcTime::from_unix_seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// The content of both files.
struct Read {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Read {
    fn digest(&self) -> Digest {
        let parts = [self.certificate.as_slice(), &self.key].map(|part| digest(&SHA256, part));
        digest(&SHA256, &[parts[0].as_ref(), parts[1].as_ref()].concat())
    }
}

/// Takes up a renewed certificate, for as long as the portal serves. Connections that are open go on with the former one. Files that can't be used, as
/// while only one of the two is replaced, change nothing.
pub(super) async fn follow(
    mut asked: ReloadSignal,
    files: TlsFiles,
    loaded: Loaded,
    config: RustlsConfig,
    portal: Arc<Portal>,
) {
    let (mut held, mut refused) = (loaded.content, None);
    loop {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            () = asked.next() => true,
        };
        let reading = files.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || reading.load_newer(&held)).await else { continue };
        match read {
            Ok(None) => {
                if is_asked {
                    tracing::info!("the TLS certificate is the same as before");
                }
            }
            Ok(Some(read)) => {
                config.reload_from_config(Arc::clone(&read.config));
                portal.metrics.tls_not_after.store(read.not_after.unix_seconds(), Ordering::Relaxed);
                tracing::info!(expires_at = %read.not_after, "serving with a new TLS certificate");
                read.warn_about(portal.cloud.host(), crate::clock::now());
                (held, refused) = (read.content, None);
            }
            Err(error) => {
                let why = super::chain(&error);
                // Said once for each fault, and whenever somebody has asked.
                if is_asked || refused.as_ref() != Some(&why) {
                    tracing::error!(why, "can't take up the TLS certificate; serving with the former one");
                }
                refused = Some(why);
            }
        }
    }
}

/// SIGHUP, where there are signals. Once it exists, the signal no longer ends the process.
pub(super) struct ReloadSignal(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

pub(super) fn reload_signal() -> ReloadSignal {
    #[cfg(unix)]
    {
        let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        ReloadSignal(hangup.inspect_err(|error| tracing::warn!(%error, "SIGHUP can't be waited for")).ok())
    }
    #[cfg(not(unix))]
    ReloadSignal()
}

impl ReloadSignal {
    /// Ends with the next signal; never where there are none.
    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.0
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
