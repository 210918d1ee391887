//! A service that none of us wrote: an Apache whose `/private/` is for people that mod_auth_mellon knows.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use platform::clock;
use portal::signing;
use portal::store::signing_key::Purpose;
use saml::time::UtcTime;

use crate::authority::Authority;
use crate::components::program;
use crate::https::Https;
use crate::portal::{Portal, free_port};
use crate::program::Program;

/// Debian's place for the module.
pub const MODULE: &str = "/usr/lib/apache2/modules/mod_auth_mellon.so";

/// The service, running.
#[derive(Debug)]
pub struct Service {
    /// Its address without a path.
    pub base: String,
    /// What it says of itself.
    pub metadata: PathBuf,
    /// The server.
    pub apache: Program,
}

impl Service {
    /// Starts it in `dir`, with `idp_metadata` as its identity provider; over TLS where there is an `authority`, as browsers want it: their
    /// cookies for pages that came from elsewhere take it.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(dir: &Path, idp_metadata: &str, authority: Option<&Authority>) -> Self {
        let port = free_port();
        let mut command = Command::new(program("apache2").expect("it is there"));
        command.args(["-DFOREGROUND", "-f"]).arg(configure(dir, port, idp_metadata, authority));
        let mut apache = Program::start(command);
        apache.wait_for(|line| line.contains("resuming normal operations"));
        let base = format!("http{}://localhost:{port}", if authority.is_some() { "s" } else { "" });
        // The service describes itself.
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--insecure"])
            .arg(format!("{base}/mellon/metadata"))
            .output();
        let described = output.expect("curl can be started").stdout;
        let metadata = dir.join("service.xml");
        std::fs::write(&metadata, described).expect("the file can be written");
        Self { base, metadata, apache }
    }

    /// Starts it in `dir` for `portal`, and registers it there.
    #[must_use]
    pub fn of(portal: &Portal, dir: &Path) -> Self {
        let metadata = Https::trusting(&portal.authority.ca).get(&format!("{}/saml/metadata", portal.url()));
        let service = Self::start(dir, &metadata.body, Some(&portal.authority));
        service.register_at(portal);
        service
    }

    /// Gives `portal` just what the service says of itself.
    ///
    /// # Panics
    /// Where the portal does not take it.
    pub fn register_at(&self, portal: &Portal) {
        portal.ok(&["service", "add", "--tenant", "acme", "--metadata", self.metadata.to_str().expect("text")]);
    }

    /// The address that only people may open whom the service knows.
    #[must_use]
    pub fn private(&self) -> String {
        format!("{}/private/", self.base)
    }

    /// Its entity ID.
    #[must_use]
    pub fn entity_id(&self) -> String {
        format!("{}/mellon/metadata", self.base)
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: String = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    format!("-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n")
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the file can be written");
    path
}

/// Writes the configuration of an Apache that serves `/private` on `port`.
fn configure(dir: &Path, port: u16, idp_metadata: &str, authority: Option<&Authority>) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let public = dir.join("htdocs/private");
    std::fs::create_dir_all(&public).expect("the directory can be made");
    write(&public, "index.html", "the protected page\n");
    // RSA: the module signs with nothing else, whatever kind of key it is given.
    let now = UtcTime::from_unix_millis(clock::unix_millis());
    let key = signing::create(Purpose::Service, dir, "service.test", now).expect("a key can be made");
    let private = std::fs::read(dir.join(format!("{}.pk8", key.id))).expect("the key was written");
    write(dir, "sp.key", &pem("PRIVATE KEY", &private));
    write(dir, "sp.pem", &pem("CERTIFICATE", &key.certificate));
    write(dir, "idp.xml", idp_metadata);
    // Apache's workers run as another account, if Apache is started by root.
    for path in [dir, dir.parent().expect("it has a parent")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("the mode can be set");
    }
    let at = dir.display();
    let modules: String = ["mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "auth_mellon"]
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let tls = authority.map_or_else(String::new, |authority| {
        let (certificate, key) = (authority.certificate.display(), authority.key.display());
        format!(
            "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nSSLEngine on\nSSLCertificateFile {certificate}\n\
             SSLCertificateKeyFile {key}\n<Location />\n  MellonSecureCookie On\n</Location>\n"
        )
    });
    let config = format!(
        "{modules}{tls}ServerRoot {at}\nServerName localhost\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n\
         PidFile {at}/apache.pid\nDefaultRuntimeDir {at}\nMutex file:{at}\nErrorLog /dev/stderr\nLogLevel info\nDocumentRoot {at}/htdocs\nDirectoryIndex index.html\n\
         <Location />\n  MellonEnable info\n  MellonEndpointPath /mellon\n  MellonSPPrivateKeyFile {at}/sp.key\n\
         \x20 MellonSPCertFile {at}/sp.pem\n  MellonIdPMetadataFile {at}/idp.xml\n  MellonUser NAME_ID\n</Location>\n\
         <Location /private>\n  MellonEnable auth\n  AuthType Mellon\n  Require valid-user\n\
         \x20 Header set X-Person \"expr=%{{REMOTE_USER}}\"\n</Location>\n"
    );
    write(dir, "apache.conf", &config)
}
