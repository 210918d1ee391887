//! SimpleSAMLphp, which none of us wrote, in an Apache of its own: as a service, and as whatever else its files make of it.

use std::path::{Path, PathBuf};

use crate::apache::Place;
use crate::authority::Authority;
use crate::portal::Portal;
use crate::program::Program;

/// Debian's place for the PHP module.
pub const MODULE: &str = "/usr/lib/apache2/modules/libphp8.2.so";
/// What SimpleSAMLphp's own pages are loaded from.
pub const AUTOLOAD: &str = "/usr/share/simplesamlphp/lib/_autoload.php";

/// Starts an Apache that serves SimpleSAMLphp at `/simplesamlphp` and, beside it, what is in the place's `htdocs`.
///
/// `config` is PHP that adds to `$config`, as `$config['enable.saml20-idp'] = true;`. What it is besides is said by the files of the place:
/// `config/authsources.php`, `metadata/saml20-idp-hosted.php`, and so on. Those it talks to are in `metadata/peers.xml`, one entity's metadata
/// as it gives it out; keys are named as they are in the place itself (`sp.key`, `sp.pem` of [`Place::make_key`]).
///
/// # Panics
/// Where it can't be started.
#[must_use]
pub fn start(place: &Place<'_>, config: &str) -> Program {
    let (at, base) = (place.dir.display(), place.base());
    let (temporary, sessions) = (place.writable("temporary"), place.writable("sessions"));
    let (temporary, sessions) = (temporary.display(), sessions.display());
    let secure = place.authority.is_some();
    place.write(
        "config/config.php",
        &format!(
            "<?php\n$config = [\n  'baseurlpath' => '{base}/simplesamlphp/',\n  'certdir' => '{at}/',\n  'datadir' => '{temporary}/',\n\
             \x20 'loggingdir' => '{temporary}/',\n  'tempdir' => '{temporary}/',\n  'metadatadir' => '{at}/metadata/',\n\
             \x20 'technicalcontact_email' => 'nobody@example.test',\n  'timezone' => 'UTC',\n  'secretsalt' => 'of-a-test-and-nothing-else',\n\
             \x20 'auth.adminpassword' => 'not-used',\n  'logging.handler' => 'errorlog',\n  'showerrors' => true,\n\
             \x20 'module.enable' => ['core' => true, 'saml' => true],\n  'store.type' => 'phpsession',\n\
             \x20 'session.cookie.secure' => {secure},\n  'session.cookie.samesite' => 'None',\n\
             \x20 'session.phpsession.savepath' => '{sessions}',\n\
             \x20 'metadata.sources' => [['type' => 'flatfile'], ['type' => 'xml', 'file' => '{at}/metadata/peers.xml']],\n];\n{config}\n"
        ),
    );
    place.start(
        &["mpm_prefork", "alias", "env"],
        &format!(
            "LoadModule php_module {MODULE}\n<FilesMatch \"\\.php$\">\n  SetHandler application/x-httpd-php\n</FilesMatch>\n\
             Alias /simplesamlphp /usr/share/simplesamlphp/www\nSetEnv SIMPLESAMLPHP_CONFIG_DIR {at}/config\n"
        ),
    )
}

/// The form by which the identity provider asks who it is.
pub const LOGIN_FORM: &str = "Enter your username and password";
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// Starts SimpleSAMLphp as an identity provider for the one service whose metadata is `service`. `people` have a name with a password, as
/// `carol:curtain`, and an address, which is what it calls them.
///
/// # Panics
/// Where it can't be started.
#[must_use]
pub fn identity_provider(place: &Place<'_>, service: &str, people: &[(&str, &str)]) -> Program {
    place.make_key();
    place.write("metadata/peers.xml", service);
    let people: String =
        people.iter().map(|(login, mail)| format!("  '{login}' => ['mail' => ['{mail}']],\n")).collect();
    place.write(
        "config/authsources.php",
        &format!("<?php\n$config = ['people' => ['exampleauth:UserPass',\n{people}]];\n"),
    );
    place.write(
        "metadata/saml20-idp-hosted.php",
        &format!(
            "<?php\n$metadata['__DYNAMIC:1__'] = ['host' => '__DEFAULT__', 'privatekey' => 'sp.key', 'certificate' => 'sp.pem',\n\
             \x20 'auth' => 'people', 'NameIDFormat' => '{EMAIL}',\n\
             \x20 'authproc' => [50 => ['class' => 'saml:AttributeNameID', 'attribute' => 'mail', 'Format' => '{EMAIL}']]];\n"
        ),
    );
    start(place, "$config['enable.saml20-idp'] = true;\n$config['module.enable']['exampleauth'] = true;")
}

/// Where the identity provider's metadata is, in its Apache.
pub const IDP_METADATA: &str = "/simplesamlphp/saml2/idp/metadata.php";

/// SimpleSAMLphp as a service, running.
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
    /// Starts it in `dir`, with `idp_metadata` as its identity provider, over TLS; `options` is PHP that adds to the authentication source, as
    /// `'NameIDPolicy' => false,`.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(dir: &Path, idp_metadata: &str, authority: &Authority, options: &str) -> Self {
        let place = Place::new(dir, Some(authority));
        place.make_key();
        place.write("metadata/peers.xml", idp_metadata);
        let (_, idp) = idp_metadata.split_once("entityID=\"").expect("metadata has an entity ID");
        let idp = idp.split('"').next().expect("it ends");
        let base = place.base();
        place.write(
            "config/authsources.php",
            &format!(
                "<?php\n$config = ['default-sp' => [\n  'saml:SP',\n  'entityID' => '{base}/simplesamlphp',\n  'idp' => '{idp}',\n\
                 \x20 'privatekey' => 'sp.key',\n  'certificate' => 'sp.pem',\n{options}\n]];\n"
            ),
        );
        std::fs::remove_file(place.dir.join("htdocs/private/index.html")).expect("it is there");
        place.write(
            "htdocs/private/index.php",
            &format!(
                "<?php\nrequire '{AUTOLOAD}';\n$source = new \\SimpleSAML\\Auth\\Simple('default-sp');\n$source->requireAuth();\n\
                 header('X-Person: ' . $source->getAttributes()['urn:oid:0.9.2342.19200300.100.1.3'][0]);\n\
                 header('X-Format: ' . $source->getAuthData('saml:sp:NameID')->getFormat());\n\
                 echo 'the protected page';\n"
            ),
        );
        let apache = start(&place, "");
        let metadata = place.describe("/simplesamlphp/module.php/saml/sp/metadata.php/default-sp");
        Self { base, metadata, apache }
    }

    /// Starts it in `dir` for `portal`, and registers it there.
    #[must_use]
    pub fn of(portal: &Portal, dir: &Path, options: &str) -> Self {
        let service = Self::start(dir, &portal.metadata(), &portal.authority, options);
        portal.add_service(&service.metadata);
        service
    }

    /// The address that only people may open whom the service knows.
    #[must_use]
    pub fn private(&self) -> String {
        format!("{}/private/", self.base)
    }
}
