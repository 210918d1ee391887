use super::{ChannelError, Peer};
use std::path::Path;
use tokio::io::DuplexStream;

pub(super) type Stream = DuplexStream;

const REASON: &str = "named pipes are not in this build";

/// Has no value: there is no listener on this system yet.
#[derive(Debug)]
pub(super) enum Listener {}

impl Listener {
    pub(super) fn bind(_runtime_dir: &Path) -> Result<Self, ChannelError> {
        Err(ChannelError::Unsupported { reason: REASON })
    }

    pub(super) async fn accept(&mut self) -> Result<(Stream, Peer), ChannelError> {
        match *self {}
    }
}

pub(super) async fn connect(_runtime_dir: &Path) -> Result<Stream, ChannelError> {
    Err(ChannelError::Unsupported { reason: REASON })
}
