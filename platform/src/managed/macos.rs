use super::{Managed, ManagedError};
use std::path::Path;

/// Where macOS keeps the preferences that a profile forces for the machine; only root writes there.
pub(super) const PLACE: &str = "/Library/Managed Preferences/org.countersign.installparams.plist";

const MOST_OCTETS: usize = 256 * 1024;

pub(super) fn read() -> Result<Managed, ManagedError> {
    let found = crate::files::read(Path::new(PLACE), MOST_OCTETS).map_err(ManagedError::File)?;
    Ok(found.map_or(Managed::Nothing, |list| Managed::PropertyList(list.into())))
}
