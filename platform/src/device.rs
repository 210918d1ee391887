//! What the device is: claims for the portal's administrators, each with where it came from and how sensitive it is.

#[cfg(target_os = "linux")]
#[path = "device/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "device/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "device/windows.rs"]
mod imp;

#[cfg(any(windows, test))]
mod smbios;

use ring::digest::{Context, SHA256};

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactValue {
    /// One value or several, never empty.
    Known(Vec<String>),
    /// Not known, and why.
    Unknown(&'static str),
}

/// How much a fact tells about a person or helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensitivity {
    /// Says nothing about which device or whose it is.
    Low,
    /// Tells this device from others, or how well it is defended.
    Device,
    /// May name or locate a person.
    Person,
}

impl Sensitivity {
    /// The word in `facts` and in the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Device => "device",
            Self::Person => "person",
        }
    }
}

/// One fact about the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its stable name, which policy switches it off by.
    pub name: &'static str,
    /// What it says.
    pub value: FactValue,
    /// Where it was read.
    pub source: &'static str,
    /// How much it tells.
    pub sensitivity: Sensitivity,
}

/// Every fact of [`NAMES`] in that order, known or not. Reads files only; takes milliseconds.
pub fn facts() -> Vec<Fact> {
    imp::facts()
}

/// The names of all facts with their sensitivity, in the order of [`facts`].
pub const NAMES: &[(&str, Sensitivity)] = &[
    ("hostname", Sensitivity::Person),
    ("os.name", Sensitivity::Low),
    ("os.version", Sensitivity::Low),
    ("os.build", Sensitivity::Low),
    ("kernel", Sensitivity::Low),
    ("architecture", Sensitivity::Low),
    ("manufacturer", Sensitivity::Low),
    ("model", Sensitivity::Low),
    ("serial", Sensitivity::Device),
    ("hardware.uuid", Sensitivity::Device),
    ("machine-id.hash", Sensitivity::Device),
    ("mac", Sensitivity::Device),
    ("virtualization", Sensitivity::Low),
    ("secure-boot", Sensitivity::Device),
    ("disk-encryption", Sensitivity::Device),
    ("firewall", Sensitivity::Device),
    ("join", Sensitivity::Device),
    ("boot-id", Sensitivity::Device),
    ("locale", Sensitivity::Person),
    ("timezone", Sensitivity::Person),
];

/// Something of the hardware that survives reinstalling and changes with the machine: `hw1:` with a letter for each ingredient (`b` baseboard serial, `d`
/// disk serial, `m` built-in network addresses, `s` system serial), and a SHA-256 over them in hexadecimal.
///
/// Two fingerprints are comparable when their letters are the same: an agent that may not read serials sees fewer ingredients. Never an identity.
///
/// # Errors
///
/// The reason, where the machine shows nothing of its own, as in most containers.
pub fn fingerprint() -> Result<String, &'static str> {
    let mut ingredients = imp::ingredients();
    ingredients.sort();
    ingredients.dedup();
    if ingredients.is_empty() {
        return Err("the machine shows no serial number and no built-in network interface");
    }
    let mut letters: Vec<char> = ingredients.iter().map(|(letter, _)| *letter).collect();
    letters.dedup();
    let mut digest = Context::new(&SHA256);
    digest.update(b"countersign hardware fingerprint 1\n");
    for (letter, value) in &ingredients {
        digest.update(format!("{letter} {}\n", value.to_lowercase()).as_bytes());
    }
    Ok(format!(
        "hw1:{}:{}",
        letters.into_iter().collect::<String>(),
        data_encoding::HEXLOWER.encode(digest.finish().as_ref())
    ))
}

/// A short digest of the installation's id, by which user ids of different machines are told apart; `None` where there is no such id.
pub fn machine_hash() -> Option<String> {
    imp::machine_id().map(|id| digest_of_machine_id(&id))
}

/// Digests of what tells this machine from a copy of it; each `None` where it is not known, or only root may read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Of the installation's id: changes when a copy gets an id of its own, or the system is installed anew.
    pub installation: Option<String>,
    /// Of the firmware's serial number: changes with the hardware, also with that of a virtual machine that tells one.
    pub serial: Option<String>,
    /// Of the firmware's UUID: changes with every copy that a hypervisor makes.
    pub uuid: Option<String>,
    /// Whether the firmware is another machine's too: a container of a whole system shows its host's.
    pub shares_firmware: bool,
}

/// Words of the fact `virtualization` for whole systems that show their host's firmware, and that get machine ids of their own when they are copied.
/// Docker's and Podman's have that of their image, which tells nothing.
const CONTAINERS: [&str; 3] = ["systemd-nspawn", "lxc", "container"];

/// This machine.
pub fn machine() -> Machine {
    let facts = facts();
    let digest = |name: &str| {
        let text = known(&facts, name)?;
        let digest = ring::digest::digest(&SHA256, format!("countersign {name} 1\n{}", text.to_lowercase()).as_bytes());
        Some(data_encoding::HEXLOWER.encode(&digest.as_ref()[..16]))
    };
    let shares_firmware = known(&facts, "virtualization").is_some_and(|word| CONTAINERS.contains(&word.as_str()));
    Machine { installation: machine_hash(), serial: digest("serial"), uuid: digest("hardware.uuid"), shares_firmware }
}

/// The id of this boot; `None` where the system has none.
pub fn boot_id() -> Option<String> {
    known(&facts(), "boot-id")
}

fn known(facts: &[Fact], name: &str) -> Option<String> {
    facts.iter().find(|fact| fact.name == name).and_then(|fact| match &fact.value {
        FactValue::Known(values) => values.first().cloned(),
        FactValue::Unknown(_) => None,
    })
}

/// machine-id(5) asks that the id itself never leaves the machine.
fn digest_of_machine_id(id: &str) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(b"countersign machine id 1\n");
    digest.update(id.trim().to_lowercase().as_bytes());
    data_encoding::HEXLOWER.encode(&digest.finish().as_ref()[..16])
}

/// What a firmware vendor left in a field that nobody filled in.
fn is_junk(value: &str) -> bool {
    const JUNK: &[&str] = &[
        "",
        "default string",
        "empty",
        "n/a",
        "na",
        "none",
        "not applicable",
        "not available",
        "not specified",
        "o.e.m.",
        "oem",
        "system manufacturer",
        "system product name",
        "system serial number",
        "to be filled by o.e.m.",
        "to be filled by oem",
        "unknown",
        "chassis serial number",
        "base board serial number",
        "serial number",
        "invalid",
        "123456789",
        "1234567890",
        "0123456789",
    ];
    let lower = value.trim().to_lowercase();
    let signs: Vec<char> = lower.chars().filter(|sign| sign.is_alphanumeric()).collect();
    let all_alike = signs.windows(2).all(|pair| pair[0] == pair[1]);
    JUNK.contains(&lower.as_str()) || all_alike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_there_in_order_with_its_sensitivity() {
        let facts: Vec<_> = facts().into_iter().map(|fact| (fact.name, fact.sensitivity)).collect();
        assert_eq!(facts, NAMES);
    }

    #[test]
    fn every_fact_is_documented_with_its_sensitivity() {
        let page = include_str!("../../docs/device-facts.md");
        for (name, sensitivity) in NAMES {
            assert!(page.contains(&format!("\n| `{name}` | {} |", sensitivity.as_str())), "{name}");
        }
        let documented = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(documented, NAMES.len());
    }

    #[test]
    fn junk_of_firmware_is_recognised() {
        for junk in [
            "To be filled by O.E.M.",
            "0",
            "00000000",
            "Default string",
            " None ",
            "xxxxxxx",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "...",
        ] {
            assert!(is_junk(junk), "{junk}");
        }
        for real in ["PF2ABC12", "VMware-56 4d 1c", "C02XL0FGJGH5", "10", "4CE0460D0G"] {
            assert!(!is_junk(real), "{real}");
        }
    }

    #[test]
    fn the_machine_id_itself_never_shows() {
        let id = "0123456789abcdef0123456789abcdef";
        let hash = digest_of_machine_id(&format!("{id}\n"));
        assert_eq!(hash, digest_of_machine_id(&id.to_uppercase()));
        assert_eq!(hash.len(), 32);
        assert!(!hash.contains(&id[..8]));
    }
}
