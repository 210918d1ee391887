//! What people get from the packages for Linux: the promises of README's first page, under the unit that the package installs, on machines
//! that boot, with an ordinary browser in them and a service that none of us wrote.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code: a surprise must end it loudly, and times are told"
)]

use std::process::Command;
use std::time::Instant;

use libtest_mimic::Trial;
use platform::clock;
use saml::time::UtcTime;
use serde_json::{Value, json};
use tests::browser::Browser;
use tests::components::trial;
use tests::container::{self, Container};
use tests::installed::{Cloud, artefact, install_deb, install_rpm, install_tarball, json, log_in, signed_in};
use tests::mellon::{MODULE, Service};
use tests::program::Program;

/// What is in the machines beside the minimum.
const BROWSER: &[&str] = &["chromium", "curl"];
const ASKED: &str = "Sign in with this device";
const INSIDE: &str = "the protected page";

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let (deb, rpm) = (artefact("_", "_amd64.deb"), artefact("-", "-1.x86_64.rpm"));
    let tarball = artefact("-", "-linux-amd64.tar.gz");
    let booted =
        |name: &str, needs: &[&str], run: fn()| -> Trial { trial(name, &[&container::NEEDS[..], needs].concat(), run) };
    let tests = vec![
        booted("the_deb_signs_people_in_to_services", &["apache2", "curl", MODULE, &deb], deb_serves_people),
        booted("the_deb_serves_people_on_debian_13", &["apache2", "curl", MODULE, &deb], trixie),
        booted("the_rpm_signs_people_in_to_services", &["apache2", "curl", MODULE, &rpm], rpm_serves_people),
        booted(
            "the_tarball_signs_people_in_to_services",
            &["apache2", "curl", MODULE, &tarball],
            tarball_serves_people,
        ),
        booted("a_sandbox_that_is_too_strict_is_reported", &[&deb], strict_sandbox),
        booted("a_network_that_comes_back_is_used_at_once", &["ip", &deb], || network_comes_back(install_deb)),
        booted("a_network_that_comes_back_is_used_at_once_with_the_rpm", &["ip", &rpm], || {
            network_comes_back(install_rpm);
        }),
        booted("a_network_that_comes_back_is_used_at_once_with_the_tarball", &["ip", &tarball], || {
            network_comes_back(|machine| drop(install_tarball(machine, "022")));
        }),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// Opens the page as somebody does whose browser was never here.
fn opens(browser: &mut Browser, service: &Service, user: &str) {
    browser.open_until(&service.private(), ASKED);
    browser.click(ASKED);
    browser.wait_for_text(INSIDE);
    let person = browser.value("fetch(location.href).then(answer => answer.headers.get('x-person'))");
    assert_eq!(person, user);
}

/// What a package promises, from a silent installation on: `alice` opens a service in three ways, `bob` sits down beside her, she leaves, and diagnostics
/// find nothing to say.
fn a_day(machine: &Container, cloud: &Cloud, service: &Service, install: impl FnOnce(&Container)) {
    cloud.prepare(machine);
    log_in(machine, "alice");
    install(machine);
    let begun = Instant::now();
    cloud.enrol(machine);
    println!("signed in {:?} after `configure` began", begun.elapsed());

    let mut alices = Browser::start_in(machine, "alice");
    opens(&mut alices, service, "alice@example.test");
    opens_by_ecp(machine, service);
    opens_from_the_agent(machine, service, &mut alices);

    // Each is who they are, and one who leaves is gone.
    machine.ok("useradd --create-home --shell /bin/sh bob");
    let begun = Instant::now();
    log_in(machine, "bob");
    signed_in(machine, "bob");
    println!("the second person is signed in {:?} after they logged in", begun.elapsed());
    let mut bobs = Browser::start_in(machine, "bob");
    opens(&mut bobs, service, "bob@example.test");
    drop((alices, bobs));
    machine.ok("systemctl stop login-alice");
    machine.until("countersign status --json | grep -q bob@ && ! countersign status --json | grep -q alice@");

    assert_nothing_amiss(machine);
}

fn cloud_with_service() -> (Cloud, Service) {
    let cloud = Cloud::new();
    let service = Service::of(&cloud.portal, &cloud.dir.path().join("apache"));
    (cloud, service)
}

/// The package was taken away with everything that it has made, and the portal knows that the device has left.
fn assert_gone(machine: &Container, cloud: &Cloud) {
    assert_eq!(cloud.states(), ["unregistered"]);
    assert!(!machine.is("pgrep -x countersign || test -e /var/lib/countersign"));
}

fn deb_serves_people() {
    let (cloud, service) = cloud_with_service();
    let machine = Container::boot_with(BROWSER, &[]);
    a_day(&machine, &cloud, &service, install_deb);
    machine.ok("dpkg --purge countersign");
    assert_gone(&machine, &cloud);
}

/// The next systemd, kernel interfaces' defaults and browser: the same package under the same unit, from installation to purge.
fn trixie() {
    let (cloud, service) = cloud_with_service();
    let machine = Container::boot_trixie_with(BROWSER);
    a_day(&machine, &cloud, &service, install_deb);
    println!("{}", machine.ok("systemctl --version | head -1"));
    machine.ok("systemd-analyze security --no-pager --threshold=16 countersign.service");
    machine.ok("dpkg --purge countersign");
    assert_gone(&machine, &cloud);
}

fn rpm_serves_people() {
    let (cloud, service) = cloud_with_service();
    let machine = Container::boot_with(BROWSER, &[]);
    a_day(&machine, &cloud, &service, install_rpm);
    machine.ok("rpm -e --nodeps countersign");
    assert_eq!(cloud.states(), ["unregistered"]);
    assert!(!machine.is("pgrep -x countersign"));
}

/// What root unpacks and installs with a umask of its own is for everybody all the same.
fn tarball_serves_people() {
    let (cloud, service) = cloud_with_service();
    let machine = Container::boot_with(BROWSER, &[]);
    let mut script = String::new();
    a_day(&machine, &cloud, &service, |machine| script = install_tarball(machine, "077"));
    machine.ok(&format!("{script} --uninstall --purge"));
    assert_gone(&machine, &cloud);
}

fn assert_nothing_amiss(machine: &Container) {
    let report = json(machine, "diagnostics");
    let checks = report["checks"].as_array().expect("checks");
    let amiss = |check: &&Value| check["status"] == "fail" || check["status"] == "error";
    let amiss: Vec<_> = checks.iter().filter(amiss).collect();
    assert!(amiss.is_empty(), "{amiss:#?}");
    for id in ["connection-owners", "network-changes", "service", "daemon", "portal"] {
        assert_eq!(check(&report, id)["status"], "pass", "{}", check(&report, id));
    }
}

fn opens_by_ecp(machine: &Container, service: &Service) {
    let mut command = machine.command_as("alice");
    command.args(["countersign", "ecp", &service.private(), "--ca-file", "/etc/ssl/countersign-ca.pem"]);
    let output = command.output().expect("it can be started");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), INSIDE, "{output:?}");
}

/// `countersign open`: an address that serves its own account's browser, once.
fn opens_from_the_agent(machine: &Container, service: &Service, browser: &mut Browser) {
    browser.call("Network.clearBrowserCookies", &json!({}));
    let mut command = machine.command_as("alice");
    command.args(["countersign", "open", &service.entity_id(), "--print"]);
    let mut open = Program::start(command);
    let url = open.wait_for(|line| line.starts_with("http://127.0.0.1:"));
    browser.open(&url);
    assert!(open.wait().0.success(), "it ends when it was fetched");
    browser.wait_until("the service", &format!("location.origin === '{}'", service.base));
    browser.open_until(&service.private(), INSIDE);
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("a report has checks");
    checks.iter().find(|check| check["id"] == id).expect("every check is always there")
}

/// What only the process in the sandbox can find out: a drop-in takes netlink away, as the unit itself once did.
fn strict_sandbox() {
    let cloud = Cloud::new();
    let machine = Container::boot();
    cloud.prepare(&machine);
    log_in(&machine, "alice");
    install_deb(&machine);
    cloud.enrol(&machine);
    machine.ok("countersign status --check ready");

    let drop_in = "/run/systemd/system/countersign.service.d/strict.conf";
    machine.ok(&format!(
        "mkdir -p $(dirname {drop_in}) && printf '[Service]\\nRestrictAddressFamilies=~AF_NETLINK\\n' > {drop_in}"
    ));
    machine.ok("systemctl daemon-reload && systemctl restart countersign");
    signed_in(&machine, "alice");
    let status = json(&machine, "status");
    assert_eq!(status["problem"]["code"], "connection-owners-hidden", "{status}");
    assert_eq!(status["notices"][0]["code"], "network-changes-hidden", "{status}");
    assert_eq!(status["system_access"]["connection_owners"]["works"], false, "{status}");
    assert_eq!(machine.shell_with("countersign status --check ready", b"").status.code(), Some(78));
    assert!(machine.is("countersign status --check live"));
    let report = json(&machine, "diagnostics");
    for (id, code) in [("connection-owners", "connection-owners-hidden"), ("network-changes", "network-changes-hidden")]
    {
        assert_eq!((&check(&report, id)["status"], &check(&report, id)["code"]), (&json!("fail"), &json!(code)));
    }

    machine.ok(&format!("rm {drop_in} && systemctl daemon-reload && systemctl restart countersign"));
    signed_in(&machine, "alice");
    machine.ok("countersign status --check ready");
    let report = json(&machine, "diagnostics");
    assert_eq!(check(&report, "connection-owners")["status"], "pass");
    assert_eq!(check(&report, "network-changes")["status"], "pass");
}

/// The longest that the agent waits after a change of the network before it tries again, with what a sign-in takes.
const BACK_WITHIN_SECONDS: u64 = 10;

/// In a network of the machine's own, with the portal in it: it is lost while the agent starts, and given back.
fn network_comes_back(install: fn(&Container)) {
    let mut cloud = Cloud::new();
    let machine = Container::boot_alone();
    cloud.serving.kill();
    let mut serve = machine.host_command();
    let portal = cloud.portal.serve_command();
    serve.arg(portal.get_program()).args(portal.get_args());
    cloud.serving = Program::start(serve);
    cloud.serving.wait_for(|line| line.contains("\"serving\""));
    cloud.prepare(&machine);
    log_in(&machine, "alice");
    install(&machine);
    cloud.enrol(&machine);

    // The route, and not the link: systemd 252 brings loopback up again whenever it starts a service with `PrivateIPC=`.
    let routes = |changes: &str| {
        let mut command: Command = machine.host_command();
        command.args(["sh", "-ec", changes]);
        assert!(command.status().expect("`ip` can be started").success());
    };
    routes("ip route del table local local 127.0.0.1; ip route del table local local 127.0.0.0/8");
    machine.ok("systemctl restart countersign");
    // Until the agent would wait for longer than it takes to hear of a network.
    container::eventually("a long wait", || {
        let person = json(&machine, "status")["people"][0].clone();
        assert!(person["user"].is_null(), "there is no network: {person}");
        let next: Option<UtcTime> = person["next_at"].as_str().and_then(|text| text.parse().ok());
        next.is_some_and(|next| next.unix_millis() - clock::unix_millis() > 12_000)
    });
    let begun = Instant::now();
    routes("ip link set dev lo down; ip link set dev lo up");
    signed_in(&machine, "alice");
    let took = begun.elapsed();
    println!("signed in {took:?} after the network was back");
    assert!(took.as_secs() < BACK_WITHIN_SECONDS, "it was told, and did not wait: {took:?}");
}
