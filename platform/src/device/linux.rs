//! Facts from files of the kernel and of the distribution. Everything is read below a root directory, so that recorded machines can be tested.

use super::{Fact, FactValue, NAMES, digest_of_machine_id, is_junk};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// `/proc/cpuinfo` grows by 1.5 KB a core, `mountinfo` by 150 octets a mount.
const MOST_OCTETS: usize = 4 * 1024 * 1024;
const SECURE_BOOT: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn facts() -> Vec<Fact> {
    facts_of(&Machine { root: "/".into() })
}

pub(super) fn ingredients() -> Vec<(char, String)> {
    Machine { root: "/".into() }.ingredients()
}

pub(super) fn machine_id() -> Option<String> {
    Machine { root: "/".into() }.text("etc/machine-id").filter(|id| !is_junk(id) && id != "uninitialized")
}

fn facts_of(machine: &Machine) -> Vec<Fact> {
    NAMES
        .iter()
        .map(|(name, sensitivity)| {
            let (source, value) = machine.fact(name);
            Fact { name, value, source, sensitivity: *sensitivity }
        })
        .collect()
}

/// What is read of a machine: its files below `root`.
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn fact(&self, name: &str) -> (&'static str, FactValue) {
        match name {
            "hostname" => ("uname", known(Some(uname(|uname| uname.nodename())), "the kernel has no host name")),
            "os.name" => ("/etc/os-release", known(self.os_release("NAME"), "no NAME in os-release")),
            "os.version" => {
                ("/etc/os-release", known(self.os_version(), "no VERSION_ID in os-release: a rolling distribution"))
            }
            "os.build" => ("/etc/os-release", known(self.os_release("BUILD_ID"), "no BUILD_ID in os-release")),
            "kernel" => ("uname", known(Some(uname(|uname| uname.release())), "the kernel has no release")),
            "architecture" => ("uname", known(Some(uname(|uname| uname.machine())), "the kernel names no machine")),
            "manufacturer" => ("/sys/class/dmi/id/sys_vendor", self.dmi("sys_vendor")),
            "model" => ("/sys/class/dmi/id/product_name", self.dmi("product_name")),
            "serial" => ("/sys/class/dmi/id/product_serial", self.dmi("product_serial")),
            "hardware.uuid" => ("/sys/class/dmi/id/product_uuid", self.dmi("product_uuid")),
            "machine-id.hash" => ("/etc/machine-id", known(self.machine_id_hash(), "there is no /etc/machine-id")),
            "mac" => ("/sys/class/net", several(self.built_in_macs(), "there is no built-in network interface")),
            "virtualization" => {
                ("/sys/class/dmi/id, /proc/cpuinfo", FactValue::Known(vec![self.virtualization().to_owned()]))
            }
            "secure-boot" => ("efivars SecureBoot", self.secure_boot()),
            "disk-encryption" => ("/proc/self/mountinfo, /sys/dev/block", self.disk_encryption()),
            "firewall" => ("/etc/ufw/ufw.conf, /run/firewalld", self.firewall()),
            "join" => ("/etc/sssd, /etc/krb5.keytab, /etc/samba", FactValue::Known(vec![self.join().to_owned()])),
            "boot-id" => (
                "/proc/sys/kernel/random/boot_id",
                known(self.text("proc/sys/kernel/random/boot_id"), "the kernel shows no boot id"),
            ),
            "locale" => ("/etc/locale.conf, /etc/default/locale", known(self.locale(), "no system locale is set")),
            "timezone" => ("/etc/localtime", known(self.timezone(), "/etc/localtime is no link into a zone database")),
            _ => ("", FactValue::Unknown("not read on Linux")),
        }
    }

    fn ingredients(&self) -> Vec<(char, String)> {
        let field = |letter, name: &str| self.dmi_text(name).ok().map(|value| (letter, value));
        let serials = [field('s', "product_serial"), field('b', "board_serial")].into_iter().flatten();
        let disks = self.built_in_disks().into_iter().map(|serial| ('d', serial));
        serials.chain(disks).chain(self.built_in_macs().into_iter().map(|mac| ('m', mac))).collect()
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    fn octets(&self, relative: &str) -> Option<Vec<u8>> {
        crate::files::read(&self.path(relative), MOST_OCTETS).ok().flatten()
    }

    /// The trimmed content of a text file that is not empty.
    fn text(&self, relative: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.octets(relative)?).trim().trim_matches('\0').to_owned();
        (!text.is_empty()).then_some(text)
    }

    fn exists(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    fn entries(&self, relative: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(relative)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn os_release(&self, key: &str) -> Option<String> {
        let text = self.text("etc/os-release").or_else(|| self.text("usr/lib/os-release"))?;
        shell_assignment(&text, key)
    }

    fn os_version(&self) -> Option<String> {
        // Debian keeps the point release apart from os-release.
        let point =
            self.text("etc/debian_version").filter(|version| version.starts_with(|sign: char| sign.is_ascii_digit()));
        let version = self.os_release("VERSION_ID");
        match (self.os_release("ID").as_deref(), point) {
            (Some("debian"), Some(point)) => Some(point),
            _ => version,
        }
    }

    fn dmi_text(&self, name: &str) -> Result<String, &'static str> {
        let relative = format!("sys/class/dmi/id/{name}");
        if !self.exists(&relative) {
            return Err("the firmware shows no such field");
        }
        let Some(octets) = self.octets(&relative) else { return Err("only root may read it") };
        match String::from_utf8_lossy(&octets).trim() {
            value if is_junk(value) => Err("the firmware's vendor left it unfilled"),
            value => Ok(value.to_owned()),
        }
    }

    fn dmi(&self, name: &str) -> FactValue {
        match self.dmi_text(name) {
            Ok(value) => FactValue::Known(vec![value]),
            Err(why) => FactValue::Unknown(why),
        }
    }

    fn machine_id_hash(&self) -> Option<String> {
        self.text("etc/machine-id")
            .filter(|id| !is_junk(id) && id != "uninitialized")
            .map(|id| digest_of_machine_id(&id))
    }

    /// Permanent addresses of interfaces on a bus of this machine: not virtual ones, not what is plugged in by USB, not randomised addresses.
    fn built_in_macs(&self) -> BTreeSet<String> {
        let on_board = |name: &String| {
            let subsystem = std::fs::read_link(self.path(&format!("sys/class/net/{name}/device/subsystem"))).ok();
            let bus = subsystem
                .as_deref()
                .and_then(Path::file_name)
                .and_then(|bus| bus.to_str())
                .unwrap_or_default()
                .to_owned();
            ["pci", "virtio", "vmbus", "xen", "platform", "sdio"].contains(&bus.as_str())
        };
        let permanent =
            |name: &String| self.text(&format!("sys/class/net/{name}/addr_assign_type")).as_deref() == Some("0");
        let interfaces = self.entries("sys/class/net").into_iter().filter(|name| on_board(name) && permanent(name));
        interfaces
            .filter_map(|name| self.text(&format!("sys/class/net/{name}/address")))
            .filter(|mac| !is_junk(mac))
            .collect()
    }

    /// Serial numbers of disks that are not removable and not on USB.
    fn built_in_disks(&self) -> BTreeSet<String> {
        let disks = self.entries("sys/block").into_iter().filter(|name| {
            let target = std::fs::canonicalize(self.path(&format!("sys/block/{name}"))).unwrap_or_default();
            let fixed = self.text(&format!("sys/block/{name}/removable")).as_deref() == Some("0");
            fixed && !target.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"))
        });
        let serial = |name: String| {
            self.text(&format!("sys/block/{name}/device/serial"))
                .or_else(|| self.text(&format!("sys/block/{name}/serial")))
        };
        disks.filter_map(serial).filter(|serial| !is_junk(serial)).collect()
    }

    /// The word of systemd-detect-virt(1) where the cause is plain from files; `none` for bare metal.
    fn virtualization(&self) -> &'static str {
        let container = self.text("run/systemd/container").unwrap_or_default();
        for (word, found) in [
            ("docker", self.exists(".dockerenv") || container == "docker"),
            ("podman", self.exists("run/.containerenv") || container == "podman"),
            ("systemd-nspawn", container == "systemd-nspawn"),
            ("lxc", container.starts_with("lxc")),
            ("container", !container.is_empty()),
            ("wsl", uname(|uname| uname.release()).to_lowercase().contains("microsoft")),
        ] {
            if found {
                return word;
            }
        }
        let maker = ["sys_vendor", "product_name", "board_vendor", "bios_vendor"]
            .map(|name| self.dmi_text(name).unwrap_or_default())
            .join("\n");
        let makers: [(&str, &[&str]); 8] = [
            ("kvm", &["KVM", "OpenStack", "Amazon EC2", "Google Compute Engine", "Hetzner", "DigitalOcean"]),
            ("qemu", &["QEMU"]),
            ("vmware", &["VMware", "VMW"]),
            ("oracle", &["innotek GmbH", "VirtualBox"]),
            ("xen", &["Xen"]),
            ("microsoft", &["Microsoft Corporation\nVirtual Machine"]),
            ("parallels", &["Parallels"]),
            ("apple", &["Apple Virtualization"]),
        ];
        let named =
            makers.into_iter().find(|(_, marks)| marks.iter().any(|mark| maker.contains(mark))).map(|(word, _)| word);
        let hypervisor_bit = || self.text("proc/cpuinfo").is_some_and(|text| has_cpu_flag(&text, "hypervisor"));
        named.unwrap_or_else(|| if hypervisor_bit() { "vm-other" } else { "none" })
    }

    fn secure_boot(&self) -> FactValue {
        if !self.exists("sys/firmware/efi") {
            return FactValue::Unknown("the machine did not boot by UEFI");
        }
        // An efivar is four octets of attributes and then the value (UEFI 2.10 section 3.3).
        match self.octets(SECURE_BOOT).as_deref() {
            Some([_, _, _, _, 1]) => FactValue::Known(vec!["on".to_owned()]),
            Some([_, _, _, _, 0]) => FactValue::Known(vec!["off".to_owned()]),
            _ => FactValue::Unknown("the firmware shows no SecureBoot variable"),
        }
    }

    /// Whether the root file system lies on dm-crypt, at any depth (LVM on LUKS, LUKS on RAID).
    fn disk_encryption(&self) -> FactValue {
        let Some(device) = self.text("proc/self/mountinfo").and_then(|text| root_device(&text)) else {
            return FactValue::Unknown("no root file system in mountinfo");
        };
        if device.starts_with("0:") {
            return FactValue::Unknown("the root file system is on no block device of its own");
        }
        let directory = format!("sys/dev/block/{device}");
        if !self.exists(&directory) {
            return FactValue::Unknown("the kernel does not show the root file system's device");
        }
        let answer = if self.on_crypt(&directory, 0) { "on" } else { "off" };
        FactValue::Known(vec![answer.to_owned()])
    }

    fn on_crypt(&self, directory: &str, depth: u8) -> bool {
        if self.text(&format!("{directory}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
            return true;
        }
        let below = self.entries(&format!("{directory}/slaves"));
        depth < 8 && below.into_iter().any(|slave| self.on_crypt(&format!("{directory}/slaves/{slave}"), depth + 1))
    }

    fn firewall(&self) -> FactValue {
        let ufw = self.text("etc/ufw/ufw.conf").and_then(|text| shell_assignment(&text, "ENABLED"));
        match ufw.as_deref() {
            Some("yes") => FactValue::Known(vec!["ufw".to_owned()]),
            _ if self.exists("run/firewalld") => FactValue::Known(vec!["firewalld".to_owned()]),
            Some(_) => FactValue::Known(vec!["off".to_owned()]),
            None => FactValue::Unknown("neither ufw nor firewalld is here, and bare nftables rules are not judged"),
        }
    }

    fn join(&self) -> &'static str {
        let keytab = self.exists("etc/krb5.keytab");
        match () {
            () if self.exists("etc/sssd/sssd.conf") && keytab => "sssd",
            () if self.exists("var/lib/samba/private/secrets.tdb") && keytab => "winbind",
            () if self.exists("etc/sssd/sssd.conf") => "sssd-without-keytab",
            () => "none",
        }
    }

    fn locale(&self) -> Option<String> {
        let files = ["etc/locale.conf", "etc/default/locale"];
        files.iter().find_map(|file| shell_assignment(&self.text(file)?, "LANG"))
    }

    fn timezone(&self) -> Option<String> {
        let target = std::fs::read_link(self.path("etc/localtime")).ok()?;
        let (_, zone) = target.to_str()?.split_once("zoneinfo/")?;
        Some(zone.to_owned())
    }
}

fn known(value: Option<String>, otherwise: &'static str) -> FactValue {
    value.filter(|value| !value.is_empty()).map_or(FactValue::Unknown(otherwise), |value| FactValue::Known(vec![value]))
}

fn several(values: BTreeSet<String>, otherwise: &'static str) -> FactValue {
    if values.is_empty() { FactValue::Unknown(otherwise) } else { FactValue::Known(values.into_iter().collect()) }
}

fn uname(field: impl Fn(&rustix::system::Uname) -> &std::ffi::CStr) -> String {
    field(&rustix::system::uname()).to_string_lossy().into_owned()
}

/// The value of `KEY=value` or `KEY="value"` (os-release(5)).
fn shell_assignment(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    let value = line.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

fn has_cpu_flag(cpuinfo: &str, flag: &str) -> bool {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .is_some_and(|line| line.split_whitespace().any(|word| word == flag))
}

/// `major:minor` of what is mounted on `/` (proc_pid_mountinfo(5)); the last one wins, as mounts cover each other.
fn root_device(mountinfo: &str) -> Option<String> {
    let fields = mountinfo.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.rev().find(|fields| fields.get(4) == Some(&"/")).and_then(|fields| fields.get(2).map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = dir.path().to_owned();
        (dir, Machine { root })
    }

    fn value(machine: &Machine, name: &str) -> FactValue {
        machine.fact(name).1
    }

    fn one(text: &str) -> FactValue {
        FactValue::Known(vec![text.to_owned()])
    }

    #[test]
    fn a_thinkpad_with_ubuntu_is_read() {
        let (dir, machine) = machine(&[
            (
                "etc/os-release",
                "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\n",
            ),
            ("sys/class/dmi/id/sys_vendor", "LENOVO\n"),
            ("sys/class/dmi/id/product_name", "21HM004GGE\n"),
            ("sys/class/dmi/id/product_serial", "PF4ABCDE\n"),
            ("sys/class/dmi/id/board_serial", "To be filled by O.E.M.\n"),
            ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme sse\n"),
            ("proc/self/mountinfo", "29 1 253:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw\n"),
            ("sys/dev/block/253:1/dm/uuid", "LVM-abc\n"),
            ("sys/dev/block/253:1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-5a1d-dm_crypt-0\n"),
            ("etc/ufw/ufw.conf", "# comment\nENABLED=yes\nLOGLEVEL=low\n"),
            ("sys/class/net/wlp1s0/address", "a0:b1:c2:d3:e4:f5\n"),
            ("sys/class/net/wlp1s0/addr_assign_type", "0\n"),
            ("sys/class/net/enx1/address", "00:e0:4c:68:00:01\n"),
            ("sys/class/net/enx1/addr_assign_type", "0\n"),
            ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("sys/class/net/lo/addr_assign_type", "0\n"),
            ("etc/default/locale", "LANG=de_DE.UTF-8\n"),
        ]);
        for (name, bus) in [("wlp1s0", "pci"), ("enx1", "usb")] {
            let device = dir.path().join(format!("sys/class/net/{name}/device"));
            std::fs::create_dir_all(&device).unwrap();
            symlink(format!("../../../bus/{bus}"), device.join("subsystem")).unwrap();
        }
        symlink("/usr/share/zoneinfo/Europe/Berlin", dir.path().join("etc/localtime")).unwrap();
        for (name, wanted) in [
            ("os.name", "Ubuntu"),
            ("os.version", "24.04"),
            ("manufacturer", "LENOVO"),
            ("serial", "PF4ABCDE"),
            ("disk-encryption", "on"),
            ("firewall", "ufw"),
            ("mac", "a0:b1:c2:d3:e4:f5"),
            ("locale", "de_DE.UTF-8"),
            ("timezone", "Europe/Berlin"),
            ("join", "none"),
        ] {
            assert_eq!(value(&machine, name), one(wanted), "{name}");
        }
        assert_eq!(value(&machine, "secure-boot"), FactValue::Unknown("the machine did not boot by UEFI"));
        assert_eq!(machine.ingredients(), [('s', "PF4ABCDE".to_owned()), ('m', "a0:b1:c2:d3:e4:f5".to_owned())]);
    }

    #[test]
    fn a_bare_container_knows_little_and_says_why() {
        let (_dir, machine) = machine(&[(".dockerenv", "")]);
        for fact in facts_of(&machine) {
            match fact.value {
                FactValue::Known(values) => {
                    assert!(!values.contains(&String::new()), "{}", fact.name);
                }
                FactValue::Unknown(why) => assert!(!why.is_empty(), "{}", fact.name),
            }
        }
        assert_eq!(value(&machine, "virtualization"), one("docker"));
        assert!(machine.ingredients().is_empty());
    }

    #[test]
    fn secure_boot_is_read_from_the_firmware_variable() {
        for (last, wanted) in [("\u{1}", "on"), ("\u{0}", "off")] {
            let (_dir, machine) = machine(&[(SECURE_BOOT, &format!("\u{6}\0\0\0{last}"))]);
            assert_eq!(value(&machine, "secure-boot"), one(wanted));
        }
    }

    #[test]
    fn virtual_machines_are_told_from_metal() {
        let dmi = |vendor: &str, product: &str, flags: &str| {
            let (_dir, machine) = machine(&[
                ("sys/class/dmi/id/sys_vendor", vendor),
                ("sys/class/dmi/id/product_name", product),
                ("proc/cpuinfo", &format!("flags : {flags}")),
            ]);
            machine.virtualization()
        };
        assert_eq!(dmi("VMware, Inc.", "VMware7,1", "hypervisor"), "vmware");
        assert_eq!(dmi("Microsoft Corporation", "Virtual Machine", "hypervisor"), "microsoft");
        assert_eq!(dmi("Microsoft Corporation", "Surface Laptop 5", "fpu"), "none");
        assert_eq!(dmi("QEMU", "Standard PC (Q35 + ICH9, 2009)", "hypervisor"), "qemu");
        assert_eq!(dmi("Somebody", "Something", "fpu hypervisor"), "vm-other");
    }
}
