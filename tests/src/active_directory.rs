//! An Active Directory of Samba's and two members of it, one by winbind and one by SSSD: three machines in a network of their own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::container::{Container, eventually, files_with};

/// What the machines need from Debian: any of them can be any part.
pub const PACKAGES: [&str; 16] = [
    "adcli",
    "iproute2",
    "ldb-tools",
    "libnss-extrausers",
    "libnss-sss",
    "libnss-winbind",
    "libpam-sss",
    "libpam-winbind",
    "python3-samba",
    "samba",
    "samba-ad-provision",
    "samba-dsdb-modules",
    "samba-vfs-modules",
    "sssd-ad",
    "sssd-tools",
    "winbind",
];

/// Services that start when their configuration is there.
pub const SERVICES: [&str; 5] = ["nmbd", "samba-ad-dc", "smbd", "sssd", "winbind"];

/// The directory's realm.
pub const REALM: &str = "DOM.TEST";
/// The user id of somebody whom only a third name service knows.
pub const STRANGER: &str = "7000";

const PASSWORD: &str = "Corr3ct-horse";

/// A network namespace with a bridge, and one more for each machine.
#[derive(Debug)]
struct Network {
    names: Vec<String>,
}

impl Network {
    fn new(machines: &[&str]) -> Self {
        let name = |part: &str| format!("cs{}-{part}", std::process::id());
        let bridge = name("bridge");
        let mut network = Self { names: vec![bridge.clone()] };
        ip(&["netns", "add", &bridge]);
        ip(&["-n", &bridge, "link", "add", "br0", "type", "bridge"]);
        ip(&["-n", &bridge, "link", "set", "br0", "up"]);
        for (index, machine) in machines.iter().enumerate() {
            let own = name(machine);
            network.names.push(own.clone());
            ip(&["netns", "add", &own]);
            ip(&["-n", &bridge, "link", "add", machine, "type", "veth", "peer", "name", "host0", "netns", &own]);
            ip(&["-n", &bridge, "link", "set", machine, "master", "br0", "up"]);
            ip(&["-n", &own, "address", "add", &format!("{}/24", address(index)), "dev", "host0"]);
            ip(&["-n", &own, "link", "set", "host0", "up"]);
            ip(&["-n", &own, "link", "set", "lo", "up"]);
        }
        network
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("`ip` can be started");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn address(index: usize) -> String {
    format!("10.77.0.{}", 11 + index)
}

/// The three machines; they end before their network does.
#[derive(Debug)]
pub struct ActiveDirectory {
    /// The domain controller.
    pub controller: Container,
    /// The member by winbind, joined with Samba's own settings: its key is in Samba's secrets alone.
    pub by_winbind: Container,
    /// The member by SSSD.
    pub by_sssd: Container,
    _network: Network,
}

const MACHINES: [&str; 3] = ["dc", "wb", "ss"];

impl ActiveDirectory {
    /// Boots the machines, makes the domain with `people` (a script for the controller), and joins the members.
    ///
    /// # Panics
    /// Where a part of it does not start.
    #[must_use]
    pub fn boot(people: &str) -> Self {
        let network = Network::new(&MACHINES);
        let boots: Vec<_> = (0..MACHINES.len())
            .map(|index| {
                let namespace = network.names[index + 1].clone();
                thread::spawn(move || boot(index, &namespace))
            })
            .collect();
        let mut machines = boots.into_iter().map(|boot| boot.join().expect("the machine boots"));
        let mut next = || machines.next().expect("as many as were booted");
        let (controller, by_winbind, by_sssd) = (next(), next(), next());
        let directory = Self { controller, by_winbind, by_sssd, _network: network };
        directory.controller.ok(&format!(
            "set -e; rm -f /etc/samba/smb.conf
             samba-tool domain provision --realm={REALM} --domain=DOM --server-role=dc --dns-backend=SAMBA_INTERNAL --adminpass={PASSWORD} --host-ip={} 2>&1
             systemctl unmask samba-ad-dc; systemctl start samba-ad-dc; samba-tool domain passwordsettings set --complexity=off",
            address(0)
        ));
        directory.controller.ok(people);
        directory.join();
        directory
    }

    fn join(&self) {
        // The first to ask may come before the controller answers.
        let joined = "getent hosts dc.dom.test && (net ads testjoin || net ads join -U Administrator%Corr3ct-horse)";
        self.by_winbind.until(&format!("{joined} >/dev/null 2>&1"));
        self.by_winbind.ok("systemctl start winbind");
        self.by_winbind.until("wbinfo --ping-dc && getent passwd 'DOM\\alice'");
        let joined = format!("adcli join -D dom.test -U Administrator --stdin-password <<P\n{PASSWORD}\nP");
        self.by_sssd.until(&format!("{{ {joined}\n}} >/dev/null 2>&1"));
        self.by_sssd.ok("systemctl start sssd");
        self.by_sssd.until("getent passwd alice");
    }
}

fn boot(index: usize, namespace: &str) -> Container {
    let name = MACHINES[index];
    let root = files_with(&PACKAGES, &SERVICES);
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        // Some are links to what the machine does not have.
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the directory can be made");
        fs::write(path, text).expect("the file can be written");
    };
    write("etc/hostname", &format!("{name}\n"));
    write("etc/hosts", &format!("127.0.0.1 localhost\n{} {name}.dom.test {name}\n", address(index)));
    write("etc/resolv.conf", &format!("search dom.test\nnameserver {}\n", address(0)));
    write("etc/krb5.conf", &format!("[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = true\nrdns = false\n"));
    write("var/lib/extrausers/passwd", &format!("eve:x:{STRANGER}:{STRANGER}::/:/bin/sh\n"));
    write("var/lib/extrausers/shadow", "eve:*:19000:0:99999:7:::\n");
    let nsswitch = |service: &str| {
        format!(
            "passwd: files extrausers {service}\ngroup: files {service}\nshadow: files extrausers\nhosts: files dns\n"
        )
    };
    match name {
        "wb" => {
            write("etc/nsswitch.conf", &nsswitch("winbind"));
            // The realm is in another file, as tools that join machines put it.
            let settings = "security = ads\nidmap config * : backend = tdb\nidmap config * : range = 3000-7999\n\
                idmap config DOM : backend = rid\nidmap config DOM : range = 10000-999999\n\
                template shell = /bin/sh\ntemplate homedir = /\nwinbind cache time = 1\n";
            write("etc/samba/smb.conf", &format!("[global]\ninclude = /etc/samba/domain.conf\n{settings}"));
            write("etc/samba/domain.conf", "[global]\nrealm = DOM.TEST\nworkgroup = DOM\n");
        }
        "ss" => {
            write("etc/nsswitch.conf", &nsswitch("sss"));
            sssd(&root, "");
        }
        _ => {}
    }
    Container::boot_in_network(&root, namespace)
}

/// The section has a name of its own, and the domain's is in `ad_domain`.
fn sssd(root: &Path, more: &str) {
    let path = root.join("etc/sssd/sssd.conf");
    let text = format!(
        "[sssd]\ndomains = corp\nservices = nss, pam\n{more}[domain/corp]\nid_provider = ad\naccess_provider = permit\n\
         ad_domain = dom.test\nuse_fully_qualified_names = False\nfallback_homedir = /\ndefault_shell = /bin/sh\n\
         dyndns_update = False\n"
    );
    fs::write(&path, text).expect("the file can be written");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, private).expect("the mode can be set");
}

/// Opens a session of somebody, as a login does, and returns when logind has it.
///
/// # Panics
/// Where the machine does not know them.
pub fn open_session(machine: &Container, account: &str) {
    machine.until(&format!("id -u '{account}'"));
    let id = machine.ok(&format!("id -u '{account}'"));
    machine.ok(&format!(
        "systemd-run --quiet --collect --unit=login-{id} -p PAMName=login -p User={id} --setenv=XDG_SESSION_CLASS=user \
         --setenv=XDG_SESSION_TYPE=tty sleep infinity"
    ));
    machine.until(&format!("loginctl list-sessions --no-legend | grep -q ' {id} '"));
}

/// Puts the agent and its unit on a member. The unit asks who is logged in, and is the package's own in all that it may.
///
/// # Panics
/// Where it can't be put there.
pub fn install_agent(machine: &Container, agent: &Path, unit: &Path) {
    machine.put(agent, "/usr/bin/countersign");
    machine.put(unit, "/etc/systemd/system/countersign.service");
    let once = "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=/usr/bin/countersign whoami --json\n\
        StandardOutput=truncate:/run/whoami.json\n";
    machine.ok_with(
        "mkdir -p /etc/systemd/system/countersign.service.d; cat > /etc/systemd/system/countersign.service.d/once.conf",
        once.as_bytes(),
    );
    machine.ok("chmod 755 /usr/bin/countersign; systemctl daemon-reload; countersign configure -c cloud.example.net -d example.com");
}

/// What the agent says of everybody who is logged in on a member, within the package's sandbox.
///
/// # Panics
/// Where it does not run.
#[must_use]
pub fn whoami(machine: &Container) -> Vec<Value> {
    machine.ok("systemctl start countersign");
    serde_json::from_str(&machine.ok("cat /run/whoami.json")).expect("JSON")
}

/// Waits until the agent says something of the account with that user id.
///
/// # Panics
/// Where it doesn't in time.
pub fn until(machine: &Container, id: &str, what: &str, holds: impl Fn(&Value) -> bool) {
    eventually(what, || {
        whoami(machine).iter().any(|person| {
            person["account_id"].as_str().is_some_and(|own| own.starts_with(&format!("{id}@"))) && holds(person)
        })
    });
}
