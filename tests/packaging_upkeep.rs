//! What administrators do to the packages for Linux beside installing them: leaving a cloud whose name was changed, purging where nothing may
//! run or be removed, switching the service off, installing under a umask, for another processor, or in two halves with a restart between.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::process::Command;

use libtest_mimic::Trial;
use tests::binaries::workspace_dir;
use tests::components::trial;
use tests::container::{self, Container};
use tests::installed::{Cloud, artefact, install_deb, install_tarball, log_in, signed_in};
use tests::portal::free_port;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let (deb, tarball) = (artefact("_", "_amd64.deb"), artefact("-", "-linux-amd64.tar.gz"));
    let booted = |name: &str, artefact: &str, run: fn()| -> Trial {
        let needs: Vec<&str> = container::NEEDS.iter().copied().chain([artefact]).collect();
        trial(name, &needs, run)
    };
    let tests = vec![
        booted("a_purge_tells_the_portal_that_enrolled_the_device_wherever_it_can", &deb, purges),
        booted("a_tarball_is_purged_where_it_may_not_run_and_says_what_it_could_not_do", &tarball, tarball_purged),
        booted("what_an_administrator_has_switched_off_stays_off", &deb, switched_off),
        booted("a_package_that_is_configured_after_a_restart_is_enabled", &deb, two_halves),
        booted("a_tarball_is_for_its_processor_and_for_everybody", &tarball, tarball_installed),
        trial("a_pre_release_is_older_than_its_release", &["dpkg", "rpm"], pre_release),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// A machine on which `alice` is signed in by the installed package.
fn enrolled(cloud: &Cloud, install: impl Fn(&Container)) -> Container {
    let machine = Container::boot();
    cloud.prepare(&machine);
    log_in(&machine, "alice");
    install(&machine);
    cloud.enrol(&machine);
    machine
}

/// The state directory as a file system of its own, on which nothing runs.
const MOUNT: &str = "mkdir -p /var/lib/countersign && mount -t tmpfs -o noexec,mode=700 tmpfs /var/lib/countersign";

fn purges() {
    let cloud = Cloud::new();
    let machine = enrolled(&cloud, |machine| {
        machine.ok(MOUNT);
        install_deb(machine);
    });
    // The configured cloud knows nothing of the device, and there is nobody at that address either.
    machine.ok(&format!("countersign params set cloudName localhost:{}", free_port()));
    machine.ok("dpkg --remove countersign");
    assert!(!machine.is("/var/lib/countersign/program-removed --version"), "nothing runs there");
    let said = machine.ok("dpkg --purge countersign 2>&1");
    assert_eq!(cloud.states(), ["unregistered"], "{said}");
    assert!(said.contains("`/var/lib/countersign` is a mount of its own") && said.contains("it is empty"), "{said}");
    assert_eq!(machine.ok("ls -A /var/lib/countersign; ls -A /usr/bin | grep leaving || :"), "");
    assert!(!machine.is("dpkg-query --show countersign"), "it is gone, and not stuck");

    // A portal that is away is not said to have been told, and does not keep the package on the machine.
    machine.ok("umount /var/lib/countersign");
    install_deb(&machine);
    machine.ok_with(&cloud.configure(true), cloud.portal.token(&[]).as_bytes());
    cloud.expect_devices(2);
    signed_in(&machine, "alice");
    let Cloud { portal, mut serving, dir: _dir } = cloud;
    serving.kill();
    let said = machine.ok("dpkg --purge countersign 2>&1");
    assert!(said.contains("the portal could not be told") && !said.contains("has left the cloud"), "{said}");
    assert!(!machine.is("test -e /var/lib/countersign"));
    let devices = portal.json(&["device", "list", "--json"]);
    let states = devices.as_array().expect("a list").iter().filter(|device| device["state"] == "registered");
    assert_eq!(states.count(), 1, "{devices}");
}

fn tarball_purged() {
    let cloud = Cloud::new();
    let machine = enrolled(&cloud, |machine| drop(install_tarball(machine, "022")));
    // Unpacked where nothing runs, and uninstalled in two steps: the only program is the one that may not run.
    machine
        .ok("mkdir /mnt/noexec && mount -t tmpfs -o noexec tmpfs /mnt/noexec && mv /root/countersign-* /mnt/noexec/");
    let script = "sh /mnt/noexec/countersign-*/install.sh --uninstall";
    machine.ok(script);
    machine.ok(&format!("{script} --purge"));
    assert_eq!(cloud.states(), ["unregistered"]);
    assert!(!machine.is("ls -A /usr/bin /run /root | grep leaving"));

    let install = "sh /mnt/noexec/countersign-*/install.sh";
    machine.ok(install);
    machine.ok_with(&cloud.configure(true), cloud.portal.token(&[]).as_bytes());
    cloud.expect_devices(2);
    signed_in(&machine, "alice");
    let Cloud { mut serving, dir: _dir, portal: _ } = cloud;
    serving.kill();
    let untold = machine.shell_with(&format!("{script} --purge"), b"");
    assert_eq!(untold.status.code(), Some(3), "{untold:?}");
    let said = String::from_utf8_lossy(&untold.stderr).into_owned();
    assert!(said.contains("the portal could not be told"), "{said}");
    assert!(!machine.is("test -e /var/lib/countersign || test -e /usr/bin/countersign"));
}

fn switched_off() {
    let cloud = Cloud::new();
    let machine = enrolled(&cloud, install_deb);
    let is_off = "test $(systemctl is-active countersign.service) = inactive";
    // Stopped is stopped: what would start the service has stopped with it, and starts again with it.
    machine.ok("systemctl stop countersign");
    let said = machine.ok("countersign configure --userDomain example.test");
    assert!(said.contains("configured; the agent is not running"), "{said}");
    machine.ok(&format!("sleep 1; {is_off}"));
    machine.ok("systemctl start countersign && systemctl is-active --quiet countersign.path");
    machine.ok("systemctl disable --quiet --now countersign");
    machine.ok(&format!("touch /var/lib/countersign/options.toml; sleep 1; {is_off}"));
    let units = "systemctl is-enabled countersign.service countersign.path";
    assert_eq!(machine.shell_with(units, b"").stdout, b"disabled\ndisabled\n");
    // Over an upgrade, and over a removal and what comes back after it.
    for step in ["dpkg -i /root/countersign.deb", "dpkg --remove countersign", "dpkg -i /root/countersign.deb"] {
        machine.ok(step);
    }
    assert_eq!(machine.shell_with(units, b"").stdout, b"disabled\ndisabled\n");
    machine.ok(is_off);
    machine.ok("systemctl enable --quiet --now countersign");
    signed_in(&machine, "alice");
    machine.ok("systemctl mask --quiet --now countersign.service");
    for step in ["dpkg -i /root/countersign.deb", "dpkg --remove countersign", "dpkg -i /root/countersign.deb"] {
        machine.ok(step);
    }
    assert_eq!(machine.shell_with(units, b"").stdout, b"masked\nenabled\n");
    machine.ok(is_off);
    machine.ok("systemctl unmask --quiet countersign.service");

    // What an account without rights would configure, nothing would read.
    let refused = machine.shell_with("runuser -u alice -- countersign configure --userDomain example.test", b"");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("with `sudo`"), "{refused:?}");
    assert!(!machine.is("find /home/alice -name '*countersign*' | grep -q ."));
}

fn two_halves() {
    let cloud = Cloud::new();
    let machine = Container::boot();
    cloud.prepare(&machine);
    log_in(&machine, "alice");
    // The name of this machine itself is not always in its list of names.
    machine.ok(": > /etc/hosts");
    machine.put(std::path::Path::new(&artefact("_", "_amd64.deb")), "/root/countersign.deb");
    machine.ok("dpkg --unpack /root/countersign.deb");
    // What a restart leaves nothing of.
    machine.ok("find /run -name '*countersign*' -delete");
    machine.ok("dpkg --configure countersign");
    for unit in ["countersign.service", "countersign.path"] {
        assert_eq!(machine.ok(&format!("systemctl is-enabled {unit}")), "enabled");
    }
    assert!(machine.is("test -d /etc/countersign") && !machine.is("ls /var/lib | grep -q countersign"));
    let token = cloud.portal.token(&[]);
    let said = machine.ok_with(&cloud.configure(true), token.as_bytes());
    assert!(said.contains("configured; the service starts now"), "{said}");
    signed_in(&machine, "alice");
}

fn tarball_installed() {
    let machine = Container::boot();
    // An administrator's own preset comes before ours.
    machine.ok("mkdir -p /etc/systemd/system-preset && echo 'disable countersign.*' > /etc/systemd/system-preset/00-site.preset");
    let script = install_tarball(&machine, "027");
    let units = machine.shell_with("systemctl is-enabled countersign.service countersign.path", b"");
    assert_eq!(units.stdout, b"disabled\ndisabled\n");
    assert!(machine.is("test -e /usr/share/man/man1/countersign-configure.1.gz"));
    machine.ok("useradd alice && runuser -u alice -- countersign --version");
    let modes = machine.ok("stat -c %a /usr/bin/countersign /usr/lib/systemd/system/countersign.service /usr/share/doc/countersign /etc/countersign");
    assert_eq!(modes, "755\n644\n755\n755");
    machine.ok(&format!("{script} --uninstall --purge"));
    assert!(!machine.is("find /usr -name '*countersign*' | grep -q ."));
    // The same on another processor, by what the kernel says of it.
    machine.ok("printf '#!/bin/sh\\necho aarch64\\n' > /usr/local/bin/uname && chmod 755 /usr/local/bin/uname");
    let refused = machine.shell_with(&format!("PATH=/usr/local/bin:$PATH {script}"), b"");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("this tarball is for amd64, and this machine is aarch64")
    );
    assert!(!machine.is("test -e /usr/bin/countersign"));
}

fn pre_release() {
    let version = |of: &str| {
        let script = workspace_dir().join("packaging/linux/package-version");
        let output = Command::new(script).arg(of).output().expect("the script can be started");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(version("0.2.0-rc.1"), "0.2.0~rc.1");
    assert_eq!(version("0.2.0"), "0.2.0");
    let older = version("0.2.0-rc.1");
    let dpkg = Command::new("dpkg").args(["--compare-versions", &older, "lt", "0.2.0"]).status();
    assert!(dpkg.expect("dpkg can be started").success());
    let compared = format!("%{{lua: print(rpm.vercmp('{older}', '0.2.0'))}}");
    let rpm = Command::new("rpm").args(["--eval", &compared]).output().expect("rpm can be started");
    assert_eq!(String::from_utf8_lossy(&rpm.stdout).trim(), "-1", "{rpm:?}");
}
