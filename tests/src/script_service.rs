//! Small web applications whose people sign in by a package that none of us wrote: pysaml2, and node-saml.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apache::Place;
use crate::authority::Authority;
use crate::binaries::workspace_dir;
use crate::program::Program;

/// Which package.
#[derive(Clone, Copy, Debug)]
pub enum Package {
    /// In Python; its requests are signed, and want a persistent name.
    Pysaml2,
    /// In Node; its requests are not signed, and want the package's own defaults.
    NodeSaml,
}

impl Package {
    /// Where `saml/tests/fetch-judges` puts it.
    #[must_use]
    pub fn dir(self) -> PathBuf {
        let name = match self {
            Self::Pysaml2 => "python",
            Self::NodeSaml => "node",
        };
        workspace_dir().join("target/judges").join(name)
    }
}

/// The application, running.
#[derive(Debug)]
pub struct Service {
    /// Its address without a path.
    pub base: String,
    /// What it says of itself.
    pub metadata: PathBuf,
    /// Its process.
    pub program: Program,
}

impl Service {
    /// Starts it in `dir`, with `idp_metadata` as its identity provider: by Redirect where that is there, else by POST.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(package: Package, dir: &Path, idp_metadata: &str, authority: &Authority) -> Self {
        let place = Place::new(dir, Some(authority));
        place.make_key();
        place.write("idp.xml", idp_metadata);
        let scripts = workspace_dir().join("tests/services");
        let mut command = match package {
            Package::Pysaml2 => Command::new("python3"),
            Package::NodeSaml => Command::new("node"),
        };
        command.arg(scripts.join(match package {
            Package::Pysaml2 => "pysaml2_service.py",
            Package::NodeSaml => "node_saml_service.js",
        }));
        command.env("PYTHONPATH", package.dir()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(place.port.to_string()).arg(dir).arg(&authority.certificate).arg(&authority.key).arg(package.dir());
        let mut program = Program::start(command);
        program.wait_for(|line| line == "serving");
        let metadata = place.describe("/metadata");
        Self { base: place.base(), metadata, program }
    }

    /// The address that only people may open whom the service knows.
    #[must_use]
    pub fn private(&self) -> String {
        format!("{}/private/", self.base)
    }
}
