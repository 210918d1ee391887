//! What commands share that fetch metadata.

use std::path::PathBuf;

use clap::Args;

use super::CommandError;
use super::serve::failed;
use crate::files;
use crate::web_client::{Reach, WebClient};

#[derive(Debug, Args)]
pub(super) struct CaFile {
    /// Certificates in PEM that are trusted besides the system's, where metadata is fetched.
    #[arg(long, value_name = "FILE")]
    service_ca_file: Option<PathBuf>,
}

/// The client that fetches.
pub(super) fn client(ca: &CaFile) -> Result<WebClient, CommandError> {
    let ca = ca.service_ca_file.as_deref().map(files::read).transpose()?;
    // A command on this machine reaches everything that the machine reaches.
    WebClient::new(ca.as_deref(), Reach::Everywhere)
        .map_err(|error| failed("fetch metadata over TLS".to_owned(), error.into()))
}
