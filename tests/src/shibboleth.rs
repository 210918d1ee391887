//! A service that none of us wrote: an Apache with the Shibboleth SP, whose daemon runs beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apache::Place;
use crate::authority::Authority;
use crate::components::program;
use crate::portal::Portal;
use crate::program::Program;

/// Debian's place for the module.
pub const MODULE: &str = "/usr/lib/apache2/modules/mod_shib.so";

/// The service, running.
///
/// It speaks ECP too: `ECP="true"` stands on its `SSO` element, and its metadata has an assertion consumer service for PAOS. For that it wants
/// an identity provider whose metadata has a `SingleSignOnService` for SOAP.
#[derive(Debug)]
pub struct Service {
    /// Its address without a path.
    pub base: String,
    /// What it says of itself.
    pub metadata: PathBuf,
    /// The server.
    pub apache: Program,
    /// Its daemon.
    pub shibd: Program,
}

impl Service {
    /// Starts it in `dir`, with `idp_metadata` as its identity provider, over TLS.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(dir: &Path, idp_metadata: &str, authority: &Authority) -> Self {
        let place = Place::new(dir, Some(authority));
        place.make_key();
        place.write("idp.xml", idp_metadata);
        place.write("attribute-map.xml", ATTRIBUTE_MAP);
        place.write("log.conf", LOG);
        let config = place.write("shibboleth2.xml", &configuration(&place, entity_id_in(idp_metadata)));
        // Line by line: what it writes to a pipe, it keeps back otherwise.
        let mut command = Command::new("stdbuf");
        command.arg("-oL").arg(program("shibd").expect("it is there"));
        command.args(["-F", "-f", "-p"]).arg(dir.join("shibd.pid")).arg("-c").arg(&config);
        let mut shibd = Program::start(command);
        shibd.wait_for(|line| line.contains("listener service starting"));
        let apache = place.start(
            &["mpm_event"],
            &format!(
                "LoadModule mod_shib {MODULE}\nShibConfig {}\n<Location /Shibboleth.sso>\n  SetHandler shib\n</Location>\n\
                 <Location /private>\n  AuthType shibboleth\n  ShibRequestSetting requireSession 1\n  Require shib-session\n\
                 \x20 Header set X-Person \"expr=%{{REMOTE_USER}}\"\n</Location>\n",
                config.display()
            ),
        );
        let metadata = place.describe("/Shibboleth.sso/Metadata");
        Self { base: place.base(), metadata, apache, shibd }
    }

    /// Starts it in `dir` for `portal`, and registers it there.
    #[must_use]
    pub fn of(portal: &Portal, dir: &Path) -> Self {
        let service = Self::start(dir, &portal.metadata(), &portal.authority);
        portal.add_service(&service.metadata);
        service
    }

    /// The address that only people may open whom the service knows.
    #[must_use]
    pub fn private(&self) -> String {
        format!("{}/private/", self.base)
    }

    /// Its entity ID.
    #[must_use]
    pub fn entity_id(&self) -> String {
        format!("{}/shibboleth", self.base)
    }
}

/// Names the person by the `NameID`, as Shibboleth takes everything from this map.
const ATTRIBUTE_MAP: &str = "<Attributes xmlns=\"urn:mace:shibboleth:2.0:attribute-map\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
    <Attribute name=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\" id=\"mail\">\n\
    <AttributeDecoder xsi:type=\"NameIDAttributeDecoder\" formatter=\"$Name\"/>\n</Attribute>\n</Attributes>\n";

const LOG: &str = "log4j.rootCategory=INFO, log\nlog4j.appender.log=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.log.layout=org.apache.log4j.PatternLayout\n\
    log4j.appender.log.layout.ConversionPattern=%p %c: %m%n\n";

fn entity_id_in(metadata: &str) -> &str {
    let (_, rest) = metadata.split_once("entityID=\"").expect("metadata has an entity ID");
    rest.split('"').next().expect("it ends")
}

/// Debian's own configuration with the paths and addresses of the test.
fn configuration(place: &Place<'_>, idp: &str) -> String {
    let (at, base) = (place.dir.display(), place.base());
    format!(
        "<SPConfig xmlns=\"urn:mace:shibboleth:3.0:native:sp:config\" clockSkew=\"180\">\n\
         <OutOfProcess logger=\"{at}/log.conf\"/>\n<InProcess logger=\"{at}/log.conf\"/>\n<UnixListener address=\"{at}/shibd.sock\"/>\n\
         <ApplicationDefaults entityID=\"{base}/shibboleth\" REMOTE_USER=\"mail\">\n\
         <Sessions lifetime=\"28800\" timeout=\"3600\" relayState=\"ss:mem\" checkAddress=\"false\" handlerSSL=\"true\" \
         cookieProps=\"https\" redirectLimit=\"exact\">\n\
         <SSO entityID=\"{idp}\" ECP=\"true\">SAML2</SSO>\n<Logout>SAML2 Local</Logout>\n\
         <Handler type=\"MetadataGenerator\" Location=\"/Metadata\" signing=\"false\"/>\n</Sessions>\n\
         <MetadataProvider type=\"XML\" validate=\"true\" path=\"{at}/idp.xml\"/>\n\
         <AttributeExtractor type=\"XML\" validate=\"true\" path=\"{at}/attribute-map.xml\"/>\n\
         <CredentialResolver type=\"File\" key=\"{at}/sp.key\" certificate=\"{at}/sp.pem\"/>\n</ApplicationDefaults>\n\
         <SecurityPolicyProvider type=\"XML\" validate=\"true\" path=\"/etc/shibboleth/security-policy.xml\"/>\n\
         <ProtocolProvider type=\"XML\" validate=\"true\" reloadChanges=\"false\" path=\"/etc/shibboleth/protocols.xml\"/>\n\
         </SPConfig>\n"
    )
}
