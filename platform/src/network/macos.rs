use crate::macos::StoreChanges;
use std::io;

/// Which service is primary, its addresses and its router: what changes whenever the way out does.
const KEYS: [&str; 2] = ["State:/Network/Global/IPv4", "State:/Network/Global/IPv6"];

#[derive(Debug)]
pub(super) struct NetworkChanges(StoreChanges);

impl NetworkChanges {
    pub(super) fn subscribe() -> io::Result<Self> {
        StoreChanges::of(&KEYS).map(Self)
    }

    pub(super) async fn next(&mut self) -> io::Result<()> {
        self.0.next().await;
        Ok(())
    }
}
