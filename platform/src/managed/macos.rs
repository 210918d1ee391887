use super::{Managed, ManagedError};
use crate::{files, paths::Paths};

/// Only said where there is no file, which there always is here.
pub(super) const PLACE: &str = "no managed preferences";

const MOST_OCTETS: usize = 256 * 1024;

pub(super) fn read(paths: &Paths) -> Result<Managed, ManagedError> {
    let Some(file) = &paths.policy_file else { return Ok(Managed::Nothing) };
    let found = files::read_trusted(file, MOST_OCTETS).map_err(ManagedError::File)?;
    Ok(found.map_or(Managed::Nothing, Managed::PropertyList))
}
