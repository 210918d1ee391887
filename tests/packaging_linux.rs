//! The packages for Linux as `packaging/build` made them in `dist/`, installed on machines that boot, and what people do with them.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code: a surprise must end it loudly, and what it gets over is told"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::Trial;
use serde_json::Value;
use tests::binaries::workspace_dir;
use tests::canary::Canary;
use tests::components::trial;
use tests::container::{self, Container};
use tests::installed::{self, Cloud, VERSION, artefact, install_deb, install_rpm, log_in};

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let (deb, rpm) = (artefact("_", "_amd64.deb"), artefact("-", "-1.x86_64.rpm"));
    let (tarball, arm64) = (artefact("-", "-linux-amd64.tar.gz"), artefact("_", "_arm64.deb"));
    let cyclonedx = workspace_dir().join("target/judges/cyclonedx").display().to_string();
    let booted = |name: &str, artefact: &str, run: fn()| -> Trial {
        let needs: Vec<&str> = container::NEEDS.iter().copied().chain([artefact]).collect();
        trial(name, &needs, run)
    };
    let tests = vec![
        booted("the_deb_does_what_a_deployment_needs", &deb, deb_deployed),
        booted("a_credential_is_a_way_to_give_the_token", &deb, credential),
        booted("copies_of_a_golden_image_are_devices_of_their_own", &deb, golden_image),
        booted("the_rpm_and_the_tarball_install_and_leave_nothing", &rpm, rpm_and_tarball),
        trial("the_arm64_program_runs", &["qemu-aarch64-static", "dpkg-deb", &arm64], arm64_runs),
        trial(
            "packages_are_the_same_byte_for_byte_when_built_again",
            &["rpmbuild", &deb, &rpm, &tarball],
            reproducible,
        ),
        trial("a_signed_rpm_is_known_and_a_changed_one_is_not", &["rpmsign", "gpg", &rpm], signed_rpm),
        trial("signed_sums_are_known_and_changed_ones_are_not", &["gpg", &deb], signed_sums),
        trial("the_judges_of_debian_and_of_rpm_find_no_error", &["lintian", "rpmlint", &deb, &rpm], judged),
        trial("documents_in_packages_have_no_dead_links", &["dpkg-deb", &deb], documents),
        trial("bills_of_materials_list_what_is_linked", &[&deb], bill_of_materials),
        trial("bills_of_materials_are_valid_by_the_schema_of_cyclonedx", &["python3", &deb, &cyclonedx], valid_bill),
        trial("the_unit_keeps_the_service_away_from_the_machine", &["systemd-analyze"], hardened),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// Runs a command on the host that must succeed; returns what it printed.
fn host(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("the program can be started")
}

/// A machine with the portal's CA and `alice`, who is logged in.
fn machine(cloud: &Cloud) -> Container {
    let machine = Container::boot();
    cloud.prepare(&machine);
    log_in(&machine, "alice");
    machine
}

fn signed_in(machine: &Container) {
    installed::signed_in(machine, "alice");
}

fn process_id(machine: &Container) -> String {
    machine.ok("systemctl show --property=MainPID --value countersign")
}

/// From a silent installation to nothing: the whole life of a `.deb` on one machine.
fn deb_deployed() {
    let cloud = Cloud::new();
    let machine = machine(&cloud);
    install_deb(&machine);
    is_quiet_before_it_is_configured(&machine);
    let said = machine.ok("journalctl --quiet --no-pager _COMM=countersign");
    assert!(said.is_empty(), "{said}");

    // A token is 90 characters of a plain alphabet. What is no token may hold anything, and must not stay anywhere either.
    let odd = "cst1_c4n4ry-with=every+odd/sign and+a/space==";
    assert!(!machine.is(&format!("{} -T '{odd}'", cloud.configure(false))));
    let token = cloud.portal.token(&["--uses", "1"]);
    machine.ok_with(&cloud.configure(true), token.as_bytes());
    cloud.expect_devices(1);
    signed_in(&machine);
    runs_as_the_unit_says(&machine);
    alice_is_served(&machine);
    let users = cloud.portal.json(&["user", "list", "--json"]);
    assert_eq!(users[0]["name_id"], "alice@example.test", "{users}");

    comes_back_after_a_crash(&machine);
    an_upgrade_keeps_options_and_key(&machine);
    signed_in(&machine);
    assert_eq!(cloud.devices().len(), 1, "it was one device all the time");

    let canaries = [
        Canary::new("the token", token.as_bytes()),
        Canary::new("the token's secret", &token.as_bytes()[25..65]),
        Canary::new("what was no token", odd.as_bytes()),
    ];
    look_everywhere(&machine, &cloud, &canaries);
    // What is removed keeps its key, and comes back as the device that it was; what is purged leaves the cloud.
    machine.ok("dpkg --remove countersign");
    assert_eq!(cloud.states(), ["registered"]);
    machine.ok("dpkg -i /root/countersign.deb");
    signed_in(&machine);
    assert!(!machine.is("test -e /var/lib/countersign/program-removed"));
    machine.ok("dpkg --purge countersign");
    nothing_is_left(&machine);
    assert_eq!(cloud.states(), ["unregistered"]);
}

fn is_quiet_before_it_is_configured(machine: &Container) {
    for unit in ["countersign.service", "countersign.path"] {
        assert_eq!(machine.ok(&format!("systemctl is-enabled {unit}")), "enabled");
    }
    assert!(!machine.is("systemctl is-active --quiet countersign.service"));
    assert!(!machine.is("systemctl is-failed --quiet countersign.service"));
    assert!(!machine.is("pgrep -x countersign"));
    assert!(machine.is("countersign status | grep -q 'not configured'; test $? = 0"));
    assert!(!machine.is("test -e /var/lib/countersign"));
}

fn runs_as_the_unit_says(machine: &Container) {
    let unit = machine.ok("systemctl show countersign --property=Type,ActiveState,WatchdogUSec,NRestarts");
    for line in ["Type=notify", "ActiveState=active", "WatchdogUSec=3min", "NRestarts=0"] {
        assert!(unit.contains(line), "{unit}{}", machine.ok("journalctl --quiet --no-pager --lines=60"));
    }
    machine.ok("systemd-analyze security --no-pager --threshold=16 countersign.service");
    let process = process_id(machine);
    let status = machine.ok(&format!("cat /proc/{process}/status"));
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("NoNewPrivs:\t1"), "{status}");
    // Root alone, and still with nothing: the machine's files can't be written, homes can't be seen.
    let inside = format!("nsenter --target {process} --mount --wd=/ sh -c");
    assert!(machine.is(&format!("{inside} '! touch /etc/written && ! test -e /home/alice'")));
    let modes = machine.ok("stat -c '%a %U' /var/lib/countersign /var/lib/countersign/* /run/countersign");
    let private = modes.lines().all(|line| ["700 root", "600 root", "755 root"].contains(&line));
    assert!(private, "{modes}");
}

/// The person herself, with her own rights.
fn alice_is_served(machine: &Container) {
    let status: Value =
        serde_json::from_str(&machine.ok("runuser -u alice -- countersign status --json")).expect("JSON");
    assert_eq!(status["people"][0]["user"], "alice@example.test", "{status}");
    assert_eq!(status["people"][0]["evidence"], "logind", "{status}");
    assert!(!machine.is("runuser -u alice -- cat /var/lib/countersign/device-key.pem"));
    assert!(!machine.is("runuser -u alice -- countersign params set userName bob --state-dir /var/lib/countersign"));
}

fn comes_back_after_a_crash(machine: &Container) {
    let before = process_id(machine);
    machine.ok(&format!("kill -KILL {before}"));
    machine.until(&format!(
        "id=$(systemctl show --property=MainPID --value countersign); test $id != {before} && test $id != 0"
    ));
    signed_in(machine);
    // One that hangs is as good as dead. Its patience is shortened here, to be tried at all.
    machine.ok("mkdir -p /run/systemd/system/countersign.service.d");
    machine.ok("printf '[Service]\\nWatchdogSec=3\\n' > /run/systemd/system/countersign.service.d/short.conf");
    restart(machine);
    let before = process_id(machine);
    machine.ok(&format!("kill -STOP {before}"));
    machine.until(&format!(
        "id=$(systemctl show --property=MainPID --value countersign); test $id != {before} && test $id != 0"
    ));
    signed_in(machine);
    // One that is well is left alone: it tells so in time.
    let before = process_id(machine);
    machine.ok("sleep 7");
    assert_eq!(process_id(machine), before);
    machine.ok("rm -r /run/systemd/system/countersign.service.d");
    restart(machine);
    // An administrator's stop holds.
    machine.ok("systemctl stop countersign");
    assert!(!machine.is("systemctl is-active --quiet countersign"));
    machine.ok("systemctl start countersign");
}

/// Takes up a unit that was changed. A start that fails is told, and followed by the unit's own next one.
fn restart(machine: &Container) {
    let restarted = machine.shell_with("systemctl daemon-reload && systemctl restart countersign", b"");
    if !restarted.status.success() {
        let journal = machine.ok("journalctl --quiet --no-pager --lines=40");
        println!("a restart failed: {}\n{journal}", String::from_utf8_lossy(&restarted.stderr));
    }
    signed_in(machine);
}

fn an_upgrade_keeps_options_and_key(machine: &Container) {
    let newer = "set -e; cd /root; dpkg-deb -R countersign.deb newer; sed -i 's/^Version: .*/Version: 99.0/' newer/DEBIAN/control
        dpkg-deb --build newer newer.deb >/dev/null; rm -r newer";
    machine.ok(newer);
    let kept = "cd /var/lib/countersign && sha256sum device-key.pem options.toml";
    let (before, process) = (machine.ok(kept), process_id(machine));
    machine.ok("dpkg -i /root/newer.deb");
    assert_eq!(machine.ok(kept), before);
    assert_eq!(machine.ok("dpkg-query -W -f '${Version}' countersign"), "99.0");
    assert_ne!(process_id(machine), process, "what runs is what was installed");
    // What was disabled stays so over an upgrade.
    machine.ok("systemctl disable --quiet countersign.service && dpkg -i /root/countersign.deb 2>/dev/null");
    assert!(!machine.is("systemctl is-enabled --quiet countersign.service"));
    machine.ok("systemctl enable --quiet countersign.service");
}

/// Every file that was written since the machine was made, every process's arguments and environment, the journal.
fn look_everywhere(machine: &Container, cloud: &Cloud, canaries: &[Canary]) {
    machine.ok("journalctl --sync; journalctl --no-pager --output=export > /root/journal.export");
    let mut places = 0;
    let mut look = |content: &[u8], place: &str| {
        places += 1;
        canaries.iter().for_each(|canary| canary.assert_not_in(content, place));
    };
    for process in machine.processes() {
        for file in ["cmdline", "environ"] {
            if let Ok(content) = fs::read(format!("/proc/{process}/{file}")) {
                look(&content, &format!("{file} of process {process}"));
            }
        }
    }
    let since = fs::metadata(machine.seen().join("etc/ssl/countersign-ca.pem")).expect("it is there").ctime();
    let mut waiting = vec![machine.seen()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().map_while(Result::ok) {
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
            let apart = ["proc", "sys", "dev"].iter().any(|name| path == machine.seen().join(name));
            if metadata.is_dir() && !apart {
                waiting.push(path);
            } else if metadata.is_file() && metadata.ctime() >= since {
                look(&fs::read(&path).unwrap_or_default(), &path.display().to_string());
            }
        }
    }
    look(cloud.serving.seen.join("\n").as_bytes(), "the portal's log");
    assert!(places > 40, "there is something to search: {places}");
    // The search sees what is there: the same places hold what is no secret.
    let journal = fs::read(machine.seen().join("root/journal.export")).expect("it is there");
    assert!(!Canary::new("", b"somebody is logged in").found_in(&journal).is_empty());
}

fn nothing_is_left(machine: &Container) {
    let left = machine.ok(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /root -o -path /var/log -o -path /etc/ssl \\) -prune -o -iname '*countersign*' -print; \
         find /run -iname '*countersign*' -print; pgrep -x countersign; systemctl list-unit-files --no-legend 'countersign*'; true",
    );
    assert!(left.is_empty(), "{left}");
}

fn credential() {
    let cloud = Cloud::new();
    let machine = machine(&cloud);
    install_deb(&machine);
    let token = cloud.portal.token(&["--uses", "1"]);
    machine
        .ok_with("umask 077; mkdir -p /etc/credstore; cat > /etc/credstore/countersign.deviceToken", token.as_bytes());
    machine.ok(&cloud.configure(false));
    cloud.expect_devices(1);
    signed_in(&machine);
    let canary = Canary::new("the token", &token.as_bytes()[25..65]);
    for name in ["options.toml", "device.json", "device-key.pem"] {
        let content = fs::read(machine.seen().join("var/lib/countersign").join(name)).expect("it is there");
        canary.assert_not_in(&content, name);
    }
    machine.until("journalctl --quiet --no-pager _COMM=countersign | grep -q 'has been used and stands where'");
    machine.ok("systemctl restart countersign");
    signed_in(&machine);
    assert_eq!(cloud.devices().len(), 1);

    // Policy of the machine's configuration management, with no command of ours: it is locked, and in force at once.
    machine.ok("echo 'userName = \"bob\"' > /etc/countersign/policy.toml");
    machine.until("countersign status --json | grep -q '\"user\": \"bob@example.test\"'");
    assert!(!machine.is("countersign params set userName carol"));
    assert!(machine.ok("countersign params list").contains("policy (/etc/countersign/policy.toml), locked"));
    machine.ok("dpkg --purge countersign");
    nothing_is_left(&machine);
    assert!(!machine.is("ls /etc/credstore/* | grep -q countersign"));
}

fn golden_image() {
    let cloud = Cloud::new();
    let template = machine(&cloud);
    install_deb(&template);
    template.ok("countersign configure --golden-image");
    template.ok_with(&cloud.configure(true), cloud.portal.token(&["--uses", "2"]).as_bytes());
    template.until("countersign status | grep -q 'golden-image'");
    let image = template.switched_off();

    // The template itself is started again, with the id that it has.
    let again = Container::boot_from(&image);
    log_in(&again, "alice");
    again.until("countersign status | grep -q 'golden-image'");
    assert!(cloud.devices().is_empty());
    let image = again.switched_off();

    for count in [1, 2] {
        let copy = Container::boot_copy_of(&image);
        log_in(&copy, "alice");
        cloud.expect_devices(count);
        signed_in(&copy);
        assert!(!copy.is("test -e /var/lib/countersign/golden-image.json"));
    }
    fs::remove_dir_all(&image).expect("the image can be deleted");
}

fn rpm_and_tarball() {
    let cloud = Cloud::new();
    let machine = machine(&cloud);
    install_rpm(&machine);
    machine.ok("rpm -V --nodeps countersign");
    is_quiet_before_it_is_configured(&machine);
    machine.ok_with(&cloud.configure(true), cloud.portal.token(&[]).as_bytes());
    cloud.expect_devices(1);
    signed_in(&machine);
    let key = machine.ok("sha256sum /var/lib/countersign/device-key.pem");
    machine.ok("rpm -U --nodeps --force /root/countersign.rpm");
    signed_in(&machine);
    assert_eq!(machine.ok("sha256sum /var/lib/countersign/device-key.pem"), key, "an upgrade keeps the key");
    machine.ok("rpm -e --nodeps countersign");
    assert_eq!(cloud.states(), ["unregistered"]);
    machine.ok("rm -r /var/lib/rpm /root/.rpmdb 2>/dev/null; true");
    nothing_is_left(&machine);

    machine.put(Path::new(&artefact("-", "-linux-amd64.tar.gz")), "/root/countersign.tar.gz");
    let dir = format!("/root/countersign-{VERSION}-linux-amd64");
    machine.ok(&format!("tar -xzf /root/countersign.tar.gz -C /root && {dir}/install.sh"));
    is_quiet_before_it_is_configured(&machine);
    machine.ok_with(&cloud.configure(true), cloud.portal.token(&[]).as_bytes());
    cloud.expect_devices(2);
    signed_in(&machine);
    machine.ok(&format!("{dir}/install.sh"));
    signed_in(&machine);
    assert!(!machine.is(&format!("{dir}/install.sh --unistall")));
    machine.ok(&format!("{dir}/install.sh --uninstall"));
    assert!(machine.is("test -e /var/lib/countersign/device-key.pem"), "what is only uninstalled keeps its key");
    machine.ok(&format!("{dir}/install.sh --uninstall --purge"));
    nothing_is_left(&machine);
    assert_eq!(cloud.states(), ["unregistered", "unregistered"]);
}

fn arm64_runs() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let at = dir.path().to_str().expect("text");
    host("dpkg-deb", &["-x", &artefact("_", "_arm64.deb"), at]);
    let program = format!("{at}/usr/bin/countersign");
    assert_eq!(host("qemu-aarch64-static", &[&program, "--version"]), format!("countersign {VERSION}\n"));
    let facts: Value =
        serde_json::from_str(&host("qemu-aarch64-static", &[&program, "facts", "--json"])).expect("JSON");
    let architecture = facts.as_array().expect("a list").iter().find(|fact| fact["name"] == "architecture");
    assert_eq!(architecture.expect("it is there")["values"][0], "aarch64");
}

/// Builds all three again in two ways that must make no difference, from programs that are built already.
fn reproducible() {
    let programs = tempfile::tempdir().expect("a directory can be made");
    for architecture in ["amd64", "arm64"] {
        let at = programs.path().join(architecture);
        host("dpkg-deb", &["-x", &artefact("_", &format!("_{architecture}.deb")), at.to_str().expect("text")]);
        let program = programs.path().join(format!("countersign-{architecture}"));
        fs::rename(at.join("usr/bin/countersign"), program).expect("it is there");
    }
    let build = |umask: &str, zone: &str| -> BTreeMap<String, Vec<u8>> {
        let dir = tempfile::tempdir().expect("a directory can be made");
        for flavour in ["deb", "rpm", "tarball"] {
            let script = workspace_dir().join("packaging/linux").join(format!("build-{flavour}"));
            let command = format!("umask {umask}; exec {} {}", script.display(), dir.path().display());
            let output = Command::new("sh")
                .args(["-c", &command])
                .env("SOURCE_DATE_EPOCH", "1700000000")
                .env("TZ", zone)
                .env("COUNTERSIGN_PROGRAMS", programs.path())
                .output();
            let output = output.expect("the script can be started");
            assert!(output.status.success(), "{flavour}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let files = fs::read_dir(dir.path()).expect("it can be read").map_while(Result::ok);
        files
            .map(|file| (file.file_name().display().to_string(), fs::read(file.path()).expect("it can be read")))
            .collect()
    };
    let (first, second) = (build("022", "UTC"), build("077", "Asia/Tokyo"));
    assert_eq!(first.len(), 12, "{:?}", first.keys());
    for (name, content) in &first {
        assert!(second[name] == *content, "{name} differs");
    }
}

const SIGNER: &str = "Countersign test";
const MAKE_KEY: [&str; 6] = [
    "--passphrase=",
    "--quick-generate-key",
    "Countersign test <test@countersign.invalid>",
    "rsa2048",
    "sign",
    "never",
];

/// A key ring of its own: its folder, and GnuPG with it.
fn keyring(dir: &Path) -> (PathBuf, impl Fn(&[&str]) -> Output) {
    let home = dir.join("gnupg");
    fs::create_dir(&home).expect("a directory can be made");
    host("chmod", &["700", home.to_str().expect("text")]);
    let gpg = {
        let home = home.clone();
        move |arguments: &[&str]| {
            let output = Command::new("gpg").env("GNUPGHOME", &home).arg("--batch").args(arguments).output();
            output.expect("gpg can be started")
        }
    };
    (home, gpg)
}

fn gpg_ok(output: &Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.clone()
}

fn signed_sums() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (home, gpg) = keyring(dir.path());
    gpg_ok(&gpg(&MAKE_KEY));
    let dist = workspace_dir().join("dist");
    let listed = fs::read_to_string(dist.join("SHA256SUMS")).expect("the sums are there");
    let files = fs::read_dir(&dist).expect("it can be read").map_while(Result::ok);
    let names = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
    for name in names.filter(|name| !name.starts_with("SHA256SUMS")) {
        assert!(listed.contains(&format!("  {name}\n")), "`{name}` has its sum: {listed}");
    }
    let sums = dir.path().join("SHA256SUMS");
    fs::write(&sums, &listed).expect("the file can be written");
    let script = workspace_dir().join("packaging/sign-sums");
    let signed = Command::new(script).env("GNUPGHOME", &home).arg(SIGNER).arg(dir.path()).output();
    gpg_ok(&signed.expect("the script can be started"));
    let signature = dir.path().join("SHA256SUMS.asc").display().to_string();
    let verify = || gpg(&["--verify", &signature, sums.to_str().expect("text")]).status.success();
    assert!(verify());
    fs::write(&sums, listed.replacen('0', "1", 1)).expect("the file can be written");
    assert!(!verify(), "it was changed");
}

/// Their warnings are told; errors fail.
fn judged() {
    for deb in [artefact("_", "_amd64.deb"), artefact("_", "_arm64.deb")] {
        let arguments = ["--allow-root", "--fail-on", "error", "--tag-display-limit", "0", &deb];
        let judged = run("lintian", &arguments);
        let said = String::from_utf8_lossy(&judged.stdout);
        println!("{said}");
        assert!(judged.status.success() && !said.lines().any(|line| line.starts_with("E:")), "{said}");
    }
    for rpm in [artefact("-", "-1.x86_64.rpm"), artefact("-", "-1.aarch64.rpm")] {
        let configuration = workspace_dir().join("packaging/linux/rpmlint.toml");
        let judged = run("rpmlint", &["--config", configuration.to_str().expect("text"), &rpm]);
        let said = String::from_utf8_lossy(&judged.stdout);
        println!("{said}");
        assert!(judged.status.success() && said.contains("0 errors"), "{said}");
    }
}

/// Of the pages that packages bring: every link leads to a file beside the page, and to a heading in it.
fn documents() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    host("dpkg-deb", &["--extract", &artefact("_", "_amd64.deb"), dir.path().to_str().expect("text")]);
    let folder = dir.path().join("usr/share/doc/countersign");
    let anchors = |page: &str| -> Vec<String> {
        let headings =
            page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
        let plain = |heading: &str| heading.to_lowercase().replace(' ', "-");
        headings
            .map(|heading| plain(heading).replace(|sign: char| !sign.is_alphanumeric() && sign != '-', ""))
            .collect()
    };
    let (mut pages, mut links) = (0, 0);
    for entry in fs::read_dir(&folder).expect("it can be read").map_while(Result::ok) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        pages += 1;
        let page = fs::read_to_string(&path).expect("it is text");
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() { path.clone() } else { folder.join(file) };
            assert!(target.contains("://") || there.exists(), "{}: `{target}` leads nowhere", path.display());
            let known = || anchors(&fs::read_to_string(&there).expect("it is text"));
            assert!(anchor.is_empty() || known().iter().any(|known| known == anchor), "{}: {target}", path.display());
        }
    }
    assert!(pages >= 3 && links > 10, "there is something to follow: {pages} pages, {links} links");
}

fn signed_rpm() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (home, gpg) = keyring(dir.path());
    gpg_ok(&gpg(&MAKE_KEY));
    let key = dir.path().join("key.asc");
    fs::write(&key, gpg_ok(&gpg(&["--armor", "--export"]))).expect("the file can be written");
    let package: PathBuf = dir.path().join("signed.rpm");
    fs::copy(artefact("-", "-1.x86_64.rpm"), &package).expect("it can be copied");
    let package_text = package.to_str().expect("text");
    let script = workspace_dir().join("packaging/linux/sign-rpm");
    let signed = Command::new(script).env("GNUPGHOME", &home).args(["Countersign test", package_text]).status();
    assert!(signed.expect("the script can be started").success());

    let database = dir.path().join("rpmdb");
    let database = format!("--dbpath={}", database.display());
    let unsigned = run("rpmkeys", &[&database, "--checksig", "-v", package_text]);
    assert!(!unsigned.status.success(), "the key is not known yet");
    host("rpmkeys", &[&database, "--import", key.to_str().expect("text")]);
    let verified = host("rpmkeys", &[&database, "--checksig", "-v", package_text]);
    assert!(verified.contains("Signature") && verified.contains("OK") && !verified.contains("NOKEY"), "{verified}");
    let mut content = fs::read(&package).expect("it can be read");
    let at = content.len() - 1000;
    content[at] ^= 1;
    fs::write(&package, content).expect("the file can be written");
    assert!(!run("rpmkeys", &[&database, "--checksig", "-v", package_text]).status.success(), "it was changed");
}

/// The list agrees with what the lock file pins, and each entry that came from a registry has its checksum and a licence.
fn bill_of_materials() {
    let text =
        fs::read_to_string(format!("{}.cdx.json", artefact("_", "_amd64.deb"))).expect("it is beside the package");
    let bill: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "countersign");
    let lock = fs::read_to_string(workspace_dir().join("Cargo.lock")).expect("it is there");
    let components = bill["components"].as_array().expect("a list");
    let own = ["installer-options", "platform", "saml"];
    let mut names = Vec::new();
    for component in components {
        let (name, version) =
            (component["name"].as_str().expect("a name"), component["version"].as_str().expect("a version"));
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        assert!(component["licenses"][0]["expression"].is_string(), "{name}");
        let checksum = component["hashes"][0]["content"].as_str();
        assert_eq!(component["purl"].is_null(), own.contains(&name), "a registry has it, or not: {name}");
        assert!(own.contains(&name) || checksum.is_some_and(|sum| lock.contains(&format!("\"{sum}\""))), "{name}");
        names.push(name);
    }
    assert!(["ring", "rustls", "tokio", "zbus"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(["tempfile", "proptest", "windows-sys", "sqlx"].iter().all(|name| !names.contains(name)), "{names:?}");
    let references: Vec<_> =
        bill["dependencies"].as_array().expect("a list").iter().map(|entry| &entry["ref"]).collect();
    assert_eq!(references.len(), components.len() + 1, "each one says what it uses");
}

/// The judge is CycloneDX's own library, which brings its schemas along.
fn valid_bill() {
    let judge = "import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()) is not None)";
    let valid = |bill: &str| {
        let judges = workspace_dir().join("target/judges/cyclonedx");
        let output = Command::new("python3").args(["-c", judge, bill]).env("PYTHONPATH", judges).output();
        let output = output.expect("python can be started");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("Traceback"), "{output:?}");
        output.status.success()
    };
    let files = fs::read_dir(workspace_dir().join("dist")).expect("it can be read").map_while(Result::ok);
    let names: Vec<_> = files.map(|entry| entry.path().display().to_string()).collect();
    let kinds = [".deb", ".rpm", ".tar.gz", ".msi", ".exe", ".pkg"];
    for name in names.iter().filter(|name| kinds.iter().any(|kind| name.ends_with(kind))) {
        assert!(valid(&format!("{name}.cdx.json")), "every artefact has its bill: {name}");
    }
    let dir = tempfile::tempdir().expect("a directory can be made");
    let wrong = dir.path().join("wrong.json");
    let text = fs::read_to_string(format!("{}.cdx.json", artefact("_", "_amd64.deb"))).expect("it is there");
    fs::write(&wrong, text.replacen("\"library\"", "\"libary\"", 1)).expect("the file can be written");
    assert!(!valid(wrong.to_str().expect("text")), "the judge judges");
}

fn hardened() {
    let unit = workspace_dir().join("packaging/linux/countersign.service");
    let unit = unit.to_str().expect("text");
    host("systemd-analyze", &["security", "--no-pager", "--offline=true", "--threshold=16", unit]);
    // The judge judges: the same unit with one wall less is over the line.
    let dir = tempfile::tempdir().expect("a directory can be made");
    let weaker = dir.path().join("countersign.service");
    let text = fs::read_to_string(unit).expect("it is there").replace("ProtectSystem=strict\n", "");
    fs::write(&weaker, text).expect("the file can be written");
    let output = run(
        "systemd-analyze",
        &["security", "--no-pager", "--offline=true", "--threshold=16", weaker.to_str().expect("text")],
    );
    assert!(!output.status.success());
}
