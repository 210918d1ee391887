//! A service that none of us wrote: an Apache whose `/private/` is for people that mod_auth_mellon knows.

use std::path::{Path, PathBuf};

use crate::apache::Place;
use crate::authority::Authority;
use crate::portal::Portal;
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
        let place = Place::new(dir, authority);
        place.make_key();
        place.write("idp.xml", idp_metadata);
        let apache = place.start(&["mpm_event", "auth_mellon"], &configuration(&place));
        let metadata = place.describe("/mellon/metadata");
        let base = place.base();
        Self { base, metadata, apache }
    }

    /// Starts it in `dir` for `portal`, and registers it there.
    #[must_use]
    pub fn of(portal: &Portal, dir: &Path) -> Self {
        let service = Self::start(dir, &portal.metadata(), Some(&portal.authority));
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
        format!("{}/mellon/metadata", self.base)
    }
}

/// An Apache that serves `/private` to people whom the module knows.
fn configuration(place: &Place<'_>) -> String {
    let at = place.dir.display();
    let secure = if place.authority.is_some() { "On" } else { "Off" };
    format!(
        "<Location />\n  MellonEnable info\n  MellonEndpointPath /mellon\n  MellonSPPrivateKeyFile {at}/sp.key\n\
         \x20 MellonSPCertFile {at}/sp.pem\n  MellonIdPMetadataFile {at}/idp.xml\n  MellonUser urn:oid:0.9.2342.19200300.100.1.3\n\
         \x20 MellonSecureCookie {secure}\n</Location>\n\
         <Location /private>\n  MellonEnable auth\n  AuthType Mellon\n  Require valid-user\n\
         \x20 Header set X-Person \"expr=%{{REMOTE_USER}}\"\n</Location>\n"
    )
}
