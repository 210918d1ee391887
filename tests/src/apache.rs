//! An Apache of a test's own, on a port of its own: what service providers that none of us wrote run in.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use platform::clock;
use portal::signing;
use portal::store::signing_key::Purpose;
use saml::time::UtcTime;

use crate::authority::Authority;
use crate::components::program;
use crate::portal::free_port;
use crate::program::Program;

/// Where an Apache will run.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its directory; what it serves is in `htdocs`.
    pub dir: &'a Path,
    /// Its port.
    pub port: u16,
    /// Who has made its certificate; none: plain HTTP. Browsers want TLS: their cookies for pages that came from elsewhere take it.
    pub authority: Option<&'a Authority>,
}

impl<'a> Place<'a> {
    /// In `dir`, with a port that is free.
    ///
    /// # Panics
    /// Where the directory can't be made.
    #[must_use]
    pub fn new(dir: &'a Path, authority: Option<&'a Authority>) -> Self {
        let place = Self { dir, port: free_port(), authority };
        let private = dir.join("htdocs/private");
        std::fs::create_dir_all(&private).expect("the directory can be made");
        // Apache's workers run as another account, if Apache is started by root.
        for path in [dir, dir.parent().expect("it has a parent")] {
            set_mode(path, 0o755);
        }
        place.write("htdocs/private/index.html", "the protected page\n");
        place
    }

    /// The address of what is served, without a path.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http{}://localhost:{}", if self.authority.is_some() { "s" } else { "" }, self.port)
    }

    /// Writes a file into the directory.
    ///
    /// # Panics
    /// Where it can't be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory can be made");
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    /// Makes a directory that the workers may write into.
    ///
    /// # Panics
    /// Where it can't be made.
    pub fn writable(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(&path).expect("the directory can be made");
        set_mode(&path, 0o777);
        path
    }

    /// Makes the service's own key: `sp.key` and its certificate `sp.pem`, RSA, as some sign with nothing else.
    ///
    /// # Panics
    /// Where it can't be made.
    pub fn make_key(&self) {
        let now = UtcTime::from_unix_millis(clock::unix_millis());
        let key = signing::create(Purpose::Service, self.dir, "service.test", now).expect("a key can be made");
        let private = std::fs::read(self.dir.join(format!("{}.pk8", key.id))).expect("the key was written");
        self.write("sp.key", &pem("PRIVATE KEY", &private));
        self.write("sp.pem", &pem("CERTIFICATE", &key.certificate));
        // What runs in a worker reads it there.
        set_mode(&self.dir.join("sp.key"), 0o644);
    }

    /// Starts an Apache with these modules of its own and the further configuration `config`; returns when it serves.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(&self, modules: &[&str], config: &str) -> Program {
        let (at, port) = (self.dir.display(), self.port);
        let common = ["authn_core", "authz_core", "authz_user", "dir", "headers"];
        let modules: String = common
            .iter()
            .chain(modules)
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .collect();
        let tls = self.authority.map_or_else(String::new, |authority| {
            let (certificate, key) = (authority.certificate.display(), authority.key.display());
            format!(
                "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nSSLEngine on\nSSLCertificateFile {certificate}\n\
                 SSLCertificateKeyFile {key}\n"
            )
        });
        let base = self.base();
        let text = format!(
            "{modules}{tls}ServerRoot {at}\nServerName {base}\nUseCanonicalName On\nListen 127.0.0.1:{port}\n\
             User www-data\nGroup www-data\nPidFile {at}/apache.pid\nDefaultRuntimeDir {at}\nMutex file:{at}\n\
             ErrorLog /dev/stderr\nLogLevel info\nDocumentRoot {at}/htdocs\nDirectoryIndex index.php index.html\n{config}"
        );
        let path = self.write("apache.conf", &text);
        let mut command = Command::new(program("apache2").expect("it is there"));
        command.args(["-DFOREGROUND", "-f"]).arg(path);
        let mut apache = Program::start_group(command);
        apache.wait_for(|line| line.contains("resuming normal operations"));
        apache
    }

    /// Keeps what the service says of itself at `path`; returns the file.
    ///
    /// # Panics
    /// Where it says nothing.
    pub fn describe(&self, path: &str) -> PathBuf {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--insecure"])
            .arg(format!("{}{path}", self.base()))
            .output();
        let output = output.expect("curl can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.write("service.xml", &String::from_utf8_lossy(&output.stdout))
    }
}

fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode can be set");
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: String = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    format!("-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n")
}
