//! Facts from the registry and the firmware's tables.

use super::{
    Fact, FactValue, NAMES, digest_of_machine_id, is_junk,
    smbios::{self, System},
};
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::SystemInformation::GetSystemFirmwareTable;

const VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const BIOS: &str = r"HARDWARE\DESCRIPTION\System\BIOS";
const CONTROL: &str = r"SYSTEM\CurrentControlSet\Control";
const FIREWALL: &str = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";
const NO_VALUE: &str = "the registry has no such value";
const NOT_READ: &str = "not read by this build on Windows";

pub(super) fn facts() -> Vec<Fact> {
    NAMES
        .iter()
        .map(|(name, sensitivity)| {
            let (source, value) = fact(name);
            Fact { name, value, source, sensitivity: *sensitivity }
        })
        .collect()
}

pub(super) fn ingredients() -> Vec<(char, String)> {
    let system = firmware();
    [('s', system.serial), ('b', system.board_serial)].into_iter().filter(|(_, value)| !is_junk(value)).collect()
}

/// The table that the firmware left in memory; empty where there is none.
#[expect(unsafe_code, reason = "the operating system's interface")]
fn firmware() -> System {
    const RSMB: u32 = u32::from_be_bytes(*b"RSMB");
    /// Before the table stand its version and length, in 8 octets.
    const HEADER: usize = 8;
    // SAFETY: with no buffer the call only tells the size.
    let size = unsafe { GetSystemFirmwareTable(RSMB, 0, std::ptr::null_mut(), 0) };
    let mut octets = vec![0_u8; usize::try_from(size).unwrap_or(0)];
    // SAFETY: the buffer is ours and has the size that is given.
    let used = unsafe { GetSystemFirmwareTable(RSMB, 0, octets.as_mut_ptr(), size) };
    octets.truncate(usize::try_from(used).unwrap_or(0));
    octets.get(HEADER..).map(smbios::parse).unwrap_or_default()
}

fn firmware_field(value: String) -> FactValue {
    if is_junk(&value) { FactValue::Unknown("the firmware does not say") } else { FactValue::Known(vec![value]) }
}

pub(super) fn machine_id() -> Option<String> {
    text(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")
}

fn fact(name: &str) -> (&'static str, FactValue) {
    match name {
        "hostname" => ("GetComputerNameExW", known(whoami::hostname().ok())),
        "os.name" => (VERSION, known(os_name())),
        "os.version" => (VERSION, known(text(VERSION, "DisplayVersion"))),
        "os.build" | "kernel" => (VERSION, known(build())),
        "architecture" => ("build", known(Some(std::env::consts::ARCH.to_owned()))),
        "manufacturer" => (BIOS, known(text(BIOS, "SystemManufacturer"))),
        "model" => (BIOS, known(text(BIOS, "SystemProductName"))),
        "serial" => ("SMBIOS", firmware_field(firmware().serial)),
        "hardware.uuid" => ("SMBIOS", firmware_field(firmware().uuid)),
        "machine-id.hash" => ("MachineGuid", known(machine_id().map(|id| digest_of_machine_id(&id)))),
        "virtualization" => (BIOS, known(virtualization())),
        "secure-boot" => {
            ("UEFISecureBootEnabled", switch(number(&format!(r"{CONTROL}\SecureBoot\State"), "UEFISecureBootEnabled")))
        }
        "firewall" => (FIREWALL, firewall()),
        "join" => ("CloudDomainJoin, Tcpip", known(Some(join().to_owned()))),
        "timezone" => {
            ("TimeZoneInformation", known(text(&format!(r"{CONTROL}\TimeZoneInformation"), "TimeZoneKeyName")))
        }
        _ => ("build", FactValue::Unknown(NOT_READ)),
    }
}

fn text(key: &str, value: &str) -> Option<String> {
    let text = LOCAL_MACHINE.open(key).ok()?.get_string(value).ok()?;
    Some(text.trim().to_owned()).filter(|text| !is_junk(text))
}

fn number(key: &str, value: &str) -> Option<u32> {
    LOCAL_MACHINE.open(key).ok()?.get_u32(value).ok()
}

fn known(value: Option<String>) -> FactValue {
    value.map_or(FactValue::Unknown(NO_VALUE), |value| FactValue::Known(vec![value]))
}

fn switch(value: Option<u32>) -> FactValue {
    known(value.map(|value| if value == 0 { "off" } else { "on" }.to_owned()))
}

/// The registry of Windows 11 says `Windows 10`.
fn os_name() -> Option<String> {
    let name = text(VERSION, "ProductName")?;
    let eleven = text(VERSION, "CurrentBuildNumber")
        .and_then(|build| build.parse::<u32>().ok())
        .is_some_and(|build| build >= 22_000);
    Some(if eleven { name.replace("Windows 10", "Windows 11") } else { name })
}

fn build() -> Option<String> {
    let build = text(VERSION, "CurrentBuildNumber")?;
    Some(number(VERSION, "UBR").map_or(build.clone(), |revision| format!("{build}.{revision}")))
}

fn virtualization() -> Option<String> {
    let maker =
        format!("{} {}", text(BIOS, "SystemManufacturer")?, text(BIOS, "SystemProductName").unwrap_or_default());
    let marks = [
        ("VMware", "vmware"),
        ("QEMU", "qemu"),
        ("KVM", "kvm"),
        ("VirtualBox", "oracle"),
        ("Xen", "xen"),
        ("Parallels", "parallels"),
        ("Virtual Machine", "microsoft"),
    ];
    Some(marks.into_iter().find(|(mark, _)| maker.contains(mark)).map_or("none", |(_, word)| word).to_owned())
}

fn firewall() -> FactValue {
    let profiles = ["DomainProfile", "StandardProfile", "PublicProfile"]
        .map(|profile| number(&format!(r"{FIREWALL}\{profile}"), "EnableFirewall"));
    let all: Option<Vec<u32>> = profiles.into_iter().collect();
    switch(all.map(|all| u32::from(!all.contains(&0))))
}

fn join() -> &'static str {
    let entra = LOCAL_MACHINE
        .open(format!(r"{CONTROL}\CloudDomainJoin\JoinInfo"))
        .ok()
        .and_then(|key| Some(key.keys().ok()?.count() > 0));
    let domain = text(r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters", "Domain").is_some();
    match (entra.unwrap_or(false), domain) {
        (true, true) => "hybrid",
        (true, false) => "entra",
        (false, true) => "domain",
        (false, false) => "none",
    }
}
