//! A directory on a machine of its own: MIT Kerberos for passwords, OpenLDAP for accounts, and SSSD that asks both, as a machine that is joined does.

use std::path::Path;

use crate::container::Container;
use crate::portal::free_port;

/// What the machine needs from Debian.
pub const PACKAGES: [&str; 9] = [
    "krb5-admin-server",
    "krb5-kdc",
    "libnss-sss",
    "libpam-sss",
    "openssh-client",
    "openssh-server",
    "slapd",
    "sssd-krb5",
    "sssd-ldap",
];

/// Services of these packages, which the realm starts on ports of its own.
pub const SERVICES: [&str; 5] = ["krb5-admin-server", "krb5-kdc", "slapd", "ssh", "sssd"];

/// The Kerberos realm.
pub const NAME: &str = "CORP.EXAMPLE";

/// The realm's one person, known to no file of the machine.
pub const PERSON: &str = "erin";

const PERSON_ID: u32 = 70_001;
const PASSWORD: &str = "Corr3ct-horse";

/// A machine that is joined to a realm, which runs on it.
#[derive(Debug)]
pub struct Realm {
    /// The machine.
    pub machine: Container,
    ssh_port: u16,
}

impl Realm {
    /// A machine, its realm with one person, and sshd, which lets people in through PAM.
    ///
    /// # Panics
    /// Where a part of it does not start.
    #[must_use]
    pub fn boot() -> Self {
        let machine = Container::boot_with(&PACKAGES, &SERVICES);
        let [kdc, ldap, ssh_port] = [free_port(), free_port(), free_port()];
        let realm = Self { machine, ssh_port };
        realm.start_kerberos(kdc);
        realm.start_ldap(ldap);
        realm.join(kdc, ldap);
        realm.start_ssh();
        realm
    }

    fn write(&self, path: &str, content: &str) {
        self.machine.ok_with(&format!("umask 077; cat > {path}; chmod 644 {path}"), content.as_bytes());
    }

    fn start_kerberos(&self, port: u16) {
        self.write("/etc/krb5.conf", &format!(
            "[libdefaults]\ndefault_realm = {NAME}\ndns_lookup_kdc = false\ndns_canonicalize_hostname = false\n[realms]\n{NAME} = {{\n  kdc = 127.0.0.1:{port}\n}}\n",
        ));
        self.write("/etc/krb5kdc/kdc.conf", &format!(
            "[kdcdefaults]\nkdc_ports = {port}\nkdc_tcp_ports = {port}\n[realms]\n{NAME} = {{\n  key_stash_file = /etc/krb5kdc/stash\n}}\n",
        ));
        self.machine.ok(&format!(
            "set -e; kdb5_util create -s -r {NAME} -P of-the-database; kadmin.local -q 'addprinc -pw {PASSWORD} {PERSON}'
             kadmin.local -q \"addprinc -randkey host/$(hostname)\"; kadmin.local -q \"ktadd host/$(hostname)\"
             systemctl start krb5-kdc",
        ));
    }

    fn start_ldap(&self, port: u16) {
        self.write("/etc/ldap/corp.conf", "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nsuffix dc=corp,dc=example\ndirectory /var/lib/corp\n");
        let entries = format!(
            "dn: dc=corp,dc=example\nobjectClass: domain\ndc: corp

dn: uid={PERSON},dc=corp,dc=example\nobjectClass: account\nobjectClass: posixAccount\nuid: {PERSON}\ncn: Erin
uidNumber: {PERSON_ID}\ngidNumber: {PERSON_ID}\nhomeDirectory: /home/{PERSON}\nloginShell: /bin/sh\n"
        );
        let start = format!(
            "set -e; mkdir /var/lib/corp; slapadd -f /etc/ldap/corp.conf
             systemd-run --quiet --unit=corp-ldap slapd -d 0 -f /etc/ldap/corp.conf -h ldap://127.0.0.1:{port}"
        );
        self.machine.ok_with(&start, entries.as_bytes());
        self.machine.until(&format!("bash -c ': < /dev/tcp/127.0.0.1/{port}'"));
    }

    fn join(&self, kdc: u16, ldap: u16) {
        let settings = format!("[sssd]\nservices = nss, pam\ndomains = corp.example\n\n[domain/corp.example]\nid_provider = ldap
ldap_uri = ldap://127.0.0.1:{ldap}\nldap_search_base = dc=corp,dc=example\nauth_provider = krb5\nkrb5_server = 127.0.0.1:{kdc}
krb5_realm = {NAME}\nkrb5_validate = true\n");
        self.machine.ok_with("umask 077; cat > /etc/sssd/sssd.conf", settings.as_bytes());
        self.machine.ok("systemctl start sssd");
        self.machine.until(&format!("getent passwd {PERSON}"));
        self.machine.ok(&format!("install --directory --owner={PERSON_ID} --group={PERSON_ID} /home/{PERSON}"));
    }

    fn start_ssh(&self) {
        let port = self.ssh_port;
        let settings = format!("Port {port}\nListenAddress 127.0.0.1\nPasswordAuthentication yes\nUsePAM yes\n");
        self.write("/etc/ssh/sshd_config", &settings);
        // logind keeps the name of somebody's last login for ten seconds.
        let at_once = "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\\nUserStopDelaySec=0\\n' > /etc/systemd/logind.conf.d/test.conf";
        self.machine.ok(&format!("{at_once}; systemctl restart systemd-logind; systemctl start ssh"));
        self.machine.until(&format!("bash -c ': < /dev/tcp/127.0.0.1/{port}'"));
    }

    /// Makes an account of the machine alone, with the same password as the realm's person.
    ///
    /// # Panics
    /// Where it can't be made.
    pub fn add_local(&self, account: &str) {
        self.machine.ok(&format!("useradd --create-home --shell /bin/sh {account}"));
        self.machine.ok_with("chpasswd", format!("{account}:{PASSWORD}\n").as_bytes());
    }

    /// The command that logs somebody in by ssh with a password and runs `command` there.
    fn ssh(&self, account: &str, password: &str, command: &str) -> String {
        self.machine.ok_with(
            "cat > /root/password; chmod 700 /root/password",
            format!("#!/bin/sh\necho {password}\n").as_bytes(),
        );
        format!(
            "env SSH_ASKPASS=/root/password SSH_ASKPASS_REQUIRE=force setsid --wait ssh -p {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o NumberOfPasswordPrompts=1 -l {account} 127.0.0.1 {command}",
            self.ssh_port
        )
    }

    /// Logs somebody in by ssh with their password, until the machine ends; returns when logind has the session.
    ///
    /// # Panics
    /// Where they are not let in.
    pub fn log_in(&self, account: &str) {
        let command = self.ssh(account, PASSWORD, "sleep infinity");
        self.machine.ok(&format!("systemd-run --quiet --collect --unit=login-{account} {command}"));
        self.machine.until(&format!("loginctl list-sessions --no-legend | grep -q ' {account} '"));
    }

    /// Ends the sessions of somebody who is logged in; returns when logind has forgotten them.
    ///
    /// # Panics
    /// Where they do not end.
    pub fn log_out(&self, account: &str) {
        self.machine.ok(&format!("loginctl terminate-user {account}"));
        self.machine.until(&format!("! loginctl list-users --no-legend | grep -q ' {account} '"));
    }

    /// Has SSSD call people by their account and its domain, as tools that join machines set it up; returns the person's name then.
    ///
    /// # Panics
    /// Where SSSD does not come back.
    #[must_use]
    pub fn qualify_names(&self) -> String {
        let snippet = "[domain/corp.example]\nuse_fully_qualified_names = true\n";
        self.machine.ok_with("umask 077; cat > /etc/sssd/conf.d/10-names.conf", snippet.as_bytes());
        self.machine.ok("systemctl restart sssd");
        let name = format!("{PERSON}@corp.example");
        self.machine.until(&format!("getent passwd {name}"));
        name
    }

    /// Whether somebody is let in with this password.
    #[must_use]
    pub fn lets_in(&self, account: &str, password: &str) -> bool {
        self.machine.is(&self.ssh(account, password, "true"))
    }

    /// Leaves the realm: takes the machine's key away, which [`Realm::rejoin`] brings back.
    ///
    /// # Panics
    /// Where there is none.
    pub fn leave(&self) {
        self.machine.ok("mv /etc/krb5.keytab /root/krb5.keytab");
    }

    /// Brings the machine's key back.
    ///
    /// # Panics
    /// Where [`Realm::leave`] took none.
    pub fn rejoin(&self) {
        self.machine.ok("mv /root/krb5.keytab /etc/krb5.keytab");
    }

    /// Puts the agent where a package puts it, with the package's unit.
    ///
    /// # Panics
    /// Where it can't be copied.
    pub fn install_agent(&self, agent: &Path, unit: &Path) {
        self.machine.put(agent, "/usr/bin/countersign");
        self.machine.put(unit, "/etc/systemd/system/countersign.service");
        self.machine.ok("chmod 755 /usr/bin/countersign; systemctl daemon-reload");
    }
}
