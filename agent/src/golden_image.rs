//! Golden images: a machine that is a template enrols nothing, and each copy of it is a device of its own.
//!
//! A seal remembers the machine that it was made on. A copy shows another installation (machine id) or other hardware; where
//! neither is known, another boot.

use std::path::Path;

use platform::device::{self, Machine};
use platform::files::{self, Access, FileError};
use serde::{Deserialize, Serialize};

/// The file in the state directory.
const FILE: &str = "golden-image.json";
/// The largest file that is read, in octets.
const LARGEST: usize = 4096;

/// The seal of a template.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenImage {
    machine: MachineMark,
    boot: Option<String>,
}

/// What a state directory remembers of the machine that it belongs to.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MachineMark {
    /// Digest of the operating system's machine id.
    installation: Option<String>,
    /// Digest of the firmware's serial number.
    serial: Option<String>,
    /// Digest of the firmware's UUID.
    uuid: Option<String>,
    /// Whether the firmware tells nothing by itself, since others have the same: a container shows its host's. Not kept: it is asked of the machine that is here.
    #[serde(skip)]
    shares_firmware: bool,
}

/// The seal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GoldenImageError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is something else.
    #[error("`{path}` can't be understood: run `countersign configure --golden-image` again, or with `off`")]
    Damaged {
        /// The file.
        path: String,
    },
}

impl MachineMark {
    /// The mark of this machine.
    #[must_use]
    pub fn here() -> Self {
        let Machine { installation, serial, uuid, shares_firmware } = device::machine();
        Self { installation, serial, uuid, shares_firmware }
    }

    /// Whether `other` is another machine: something that both know differs. A new network card or disk makes no other
    /// machine; a firmware that begins to tell its serial doesn't either, nor does another machine id where serial number and UUID are both the same:
    /// systemd makes a new id at each boot where /etc can't be written.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        let own_firmware = !self.shares_firmware && !other.shares_firmware;
        if own_firmware && same(&self.serial, &other.serial) && same(&self.uuid, &other.uuid) {
            return false;
        }
        let pairs =
            [(&self.installation, &other.installation), (&self.serial, &other.serial), (&self.uuid, &other.uuid)];
        pairs.iter().any(|(one, other)| one.is_some() && other.is_some() && one != other)
    }

    /// Whether nothing is known.
    fn is_empty(&self) -> bool {
        self.installation.is_none() && self.serial.is_none() && self.uuid.is_none()
    }
}

impl GoldenImage {
    /// Seals this machine.
    ///
    /// # Errors
    /// [`GoldenImageError::File`].
    pub fn seal(state_dir: &Path) -> Result<(), GoldenImageError> {
        let seal = Self { machine: MachineMark::here(), boot: device::boot_id() };
        let bytes = serde_json::to_vec_pretty(&seal).unwrap_or_default();
        files::create_private_dir(state_dir)?;
        Ok(files::write_atomically(&state_dir.join(FILE), &bytes, Access::Private)?)
    }

    /// Takes the seal away; says whether there was one.
    ///
    /// # Errors
    /// [`GoldenImageError::File`].
    pub fn unseal(state_dir: &Path) -> Result<bool, GoldenImageError> {
        Ok(files::remove(&state_dir.join(FILE))?)
    }

    /// The seal in `state_dir`, if there is one.
    ///
    /// # Errors
    /// [`GoldenImageError`].
    pub fn load(state_dir: &Path) -> Result<Option<Self>, GoldenImageError> {
        let path = state_dir.join(FILE);
        let Some(bytes) = files::read_private(&path, LARGEST)? else { return Ok(None) };
        let damaged = |_| GoldenImageError::Damaged { path: path.display().to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Whether this is still the machine that was sealed, and no copy of it.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.is(&MachineMark::here(), device::boot_id().as_deref())
    }

    fn is(&self, machine: &MachineMark, boot: Option<&str>) -> bool {
        if self.machine.is_empty() || machine.is_empty() {
            return self.boot.as_deref() == boot;
        }
        !self.machine.differs_from(machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(installation: Option<&str>, serial: Option<&str>) -> MachineMark {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        MachineMark { installation: owned(installation), serial: owned(serial), uuid: None, shares_firmware: false }
    }

    #[test]
    fn another_installation_or_another_serial_is_another_machine() {
        let machine = mark(Some("a"), Some("1"));
        assert!(machine.differs_from(&mark(Some("b"), Some("1"))));
        assert!(machine.differs_from(&mark(Some("a"), Some("2"))));
        assert!(!machine.differs_from(&mark(Some("a"), Some("1"))));
    }

    #[test]
    fn a_new_machine_id_on_the_same_hardware_is_the_same_machine_unless_the_hardware_is_a_hosts() {
        let uuid = |uuid: &str, mark: MachineMark| MachineMark { uuid: Some(uuid.to_owned()), ..mark };
        let first = uuid("u", mark(Some("a"), Some("1")));
        let second = uuid("u", mark(Some("b"), Some("1")));
        assert!(!first.differs_from(&second));
        assert!(first.differs_from(&uuid("v", mark(Some("b"), Some("1")))), "the hypervisor has made a copy");
        assert!(first.differs_from(&uuid("u", mark(Some("b"), Some("2")))));
        assert!(first.differs_from(&MachineMark { shares_firmware: true, ..second }), "another container of the host");
    }

    #[test]
    fn what_only_one_side_knows_makes_no_difference() {
        let machine = mark(Some("a"), Some("1"));
        for other in [mark(Some("a"), None), mark(None, Some("1")), mark(None, None)] {
            assert!(!machine.differs_from(&other) && !other.differs_from(&machine));
        }
    }

    #[test]
    fn a_template_stays_one_over_its_own_restarts() {
        let seal = GoldenImage { machine: mark(Some("a"), None), boot: Some("first".to_owned()) };
        assert!(seal.is(&mark(Some("a"), None), Some("second")));
        assert!(!seal.is(&mark(Some("b"), None), Some("second")));
    }

    #[test]
    fn where_no_machine_is_known_the_boot_decides() {
        // The usual way of images: `/etc/machine-id` was emptied before the seal.
        let seal = GoldenImage { machine: mark(None, None), boot: Some("first".to_owned()) };
        assert!(seal.is(&mark(None, None), Some("first")));
        assert!(!seal.is(&mark(Some("b"), None), Some("second")));
    }
}
