//! The groups of somebody who signs on.

use sqlx::AnyConnection;

use crate::policy::Policy;
use crate::store::device::{Device, Facts};
use crate::store::person::Person;
use crate::store::{StoreError, directory};

/// The names of the groups that the person has at this device: those of the device's token, those that the policy makes from its facts, and
/// those that a directory keeps of the person. Sorted, each once; without a device, the person's alone.
///
/// # Errors
/// [`StoreError`].
pub async fn of(
    connection: &mut AnyConnection,
    policy: &Policy,
    device: Option<&Device>,
    person: &Person,
) -> Result<Vec<String>, StoreError> {
    let mut groups = match device {
        Some(device) => policy.groups_of(&device.groups, &device.facts),
        None => policy.groups_of(&[], &Facts::new()),
    };
    groups.extend(directory::group_names(connection, &person.id).await?);
    groups.sort();
    groups.dedup();
    Ok(groups)
}
