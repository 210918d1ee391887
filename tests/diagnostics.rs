//! `countersign diagnostics` on real agents: dead, corrupted, cut off, healthy; and what a bundle tells about whom.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a surprise must end it loudly"
)]

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::agent::{Agent, is_session};
use tests::authority::Authority;
use tests::portal::Portal;

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("a report has checks");
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check `{id}` in {report}"))
}

fn assert_status(report: &Value, id: &str, status: &str) {
    assert_eq!(check(report, id)["status"], status, "{}", check(report, id));
}

/// A whole report, whatever it says: every check, in time.
fn report(agent: &Agent) -> Value {
    let begun = Instant::now();
    let report = agent.json(&["diagnostics", "--json"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(report["checks"].as_array().is_some_and(|checks| checks.len() >= 25), "{report}");
    report
}

#[test]
fn a_healthy_agent_has_nothing_to_fail() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let _running = agent.start_signed_in();
    let report = report(&agent);
    let checks = report["checks"].as_array().expect("checks");
    let failed: Vec<_> =
        checks.iter().filter(|check| ["fail", "error"].contains(&check["status"].as_str().unwrap_or("?"))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for id in [
        "configuration",
        "device-key",
        "enrolment",
        "daemon",
        "tls",
        "metadata",
        "portal-keys",
        "clock",
        "sign-ins",
        "log",
    ] {
        assert_status(&report, id, "pass");
    }
    assert_eq!(agent.run(&["diagnostics", "--json"]).status.code(), Some(0));

    let table = agent.ok(&["diagnostics"]);
    assert!(
        table.lines().all(|line| line.chars().count() <= 80 || !line.chars().skip(25).any(char::is_whitespace)),
        "{table}"
    );
    assert!(!table.contains('\x1b'), "a pipe gets no colour");
    let log = agent.ok(&["logs"]);
    assert!(log.contains("signed in"), "{log}");
    assert!(!log.contains("example.test"), "names are told at debug only: {log}");
}

#[test]
fn a_dead_agent_whose_state_is_corrupted_gets_a_whole_report() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let mut serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    serving.kill();
    for (file, check_id, code) in
        [("device.json", "state-file", "state-unusable"), ("device-key.pem", "device-key", "key-unusable")]
    {
        std::fs::write(agent.state_dir.join(file), "rubbish").expect("it can be written");
        let report = report(&agent);
        assert_eq!(
            (check(&report, check_id)["status"].as_str(), check(&report, check_id)["code"].as_str()),
            (Some("fail"), Some(code))
        );
        assert_eq!(check(&report, "daemon")["code"], "not-running");
        assert_eq!(check(&report, "tcp")["code"], "portal-unreachable");
        assert_eq!(agent.run(&["diagnostics"]).status.code(), Some(1));
    }
}

#[test]
fn an_account_without_rights_is_told_what_it_could_not_see() {
    let is_root = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Uid:\t0\t"));
    if !is_root || !Path::new("/usr/bin/setpriv").exists() {
        println!("skipped: it takes root and `setpriv` to run a command as somebody else");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    // The program and the way to it may be closed to others: they get copies.
    let copy = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .expect("a directory");
    let program = copy.path().join("countersign");
    std::fs::copy(agent.command(&[]).get_program(), &program).expect("the program can be copied");
    open_up(dir.path());
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(agent.command(&["diagnostics", "--json"]).get_args());
    let output = command.stderr(Stdio::inherit()).output().expect("setpriv can be started");
    let report: Value = serde_json::from_slice(&output.stdout).expect("output is JSON");
    assert_status(&report, "rights", "warn");
    for id in ["configuration", "private-files", "state-file", "device-key"] {
        assert_status(&report, id, "error");
        assert!(check(&report, id)["next"].as_str().is_some_and(|next| next.contains("root")), "{report}");
    }
}

/// Lets everybody pass through `dir` and what is right below it, as they pass through `/var/lib`.
fn open_up(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for path in [dir.to_owned(), dir.join("agent")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
}

#[test]
fn a_certificate_that_nobody_trusts_is_shown_with_its_issuer() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    portal.authority = Authority::create(&dir.path().join("inspector"), "Acme TLS Inspection");
    let _serving = portal.serve();
    let report = report(&agent);
    assert_eq!(check(&report, "tls")["code"], "tls-not-trusted");
    assert_eq!(check(&report, "tls-interception")["code"], "tls-intercepted");
    assert!(
        check(&report, "tls-interception")["text"].as_str().is_some_and(|text| text.contains("Acme TLS Inspection")),
        "{report}"
    );
}

#[test]
fn name_servers_that_do_not_know_the_portal_are_a_finding() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    agent.ok(&["configure", "--cloudName", "portal.invalid"]);
    let report = report(&agent);
    assert_eq!(check(&report, "name-resolution")["code"], "name-not-resolved");
    assert_status(&report, "tls", "skip");
}

/// The files of a bundle, by name.
fn unpacked(path: &Path) -> Vec<(String, String)> {
    let bytes = std::fs::read(path).expect("the bundle can be read");
    assert!(bytes.len() < 5_000_000);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("it is a zip");
    let files = (0..archive.len()).map(|index| {
        let mut file = archive.by_index(index).expect("a file of it");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it is text");
        (file.name().expect("a name").into_owned(), text)
    });
    files.collect()
}

#[test]
fn a_bundle_names_nobody_and_keeps_what_support_needs() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let token = portal.token(&[]);
    assert!(
        agent
            .configure_with(&portal, &token, &["--userName", "tweetybird", "--externalDeviceId", "CANARY-4711"])
            .status
            .success()
    );
    let mut running = agent.start();
    running.wait_for(|line| is_session(line) || line.contains("\"code\""));
    // What a log could have come to hold, in any field and as a text.
    let planted = r#"{"timestamp":"2026-01-01T01:02:03Z","level":"WARN","fields":{"message":"tweetybird on 192.0.2.99 [2001:db8::99] 52:54:00:ca:fe:42 of tweetybird@example.test at box.canaryzone.example","code":"busy","version":"12.34.56"},"target":"agent"}
not JSON: tweetybird 192.0.2.99 CANARY-4711
"#;
    let log = agent.state_dir.join("log/countersign.log");
    let mut whole = std::fs::read_to_string(&log).expect("there is a log");
    whole.push_str(planted);
    whole.push_str(&format!("{{\"fields\":{{\"message\":\"{token}\"}}}}\n"));
    std::fs::write(&log, whole).expect("it can be written");

    let key = std::fs::read_to_string(agent.state_dir.join("device-key.pem")).expect("there is a key");
    let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    let path = dir.path().join("bundle.zip");
    let told = agent.ok(&["diagnostics", "--bundle", path.to_str().expect("text")]);
    let files = unpacked(&path);
    for (name, _) in &files {
        assert!(told.contains(name.rsplit('/').next().expect("a name")), "{name} was not announced: {told}");
    }
    let mut canaries = vec![
        "tweetybird",
        "example.test",
        "canaryzone",
        "192.0.2.99",
        "2001:db8",
        "52:54:00",
        "4711",
        &token,
        &token[10..60],
        &body[20..60],
    ];
    if host.len() > 2 && host != "localhost" {
        canaries.push(&host);
    }
    for (name, text) in &files {
        for canary in &canaries {
            assert!(!text.to_lowercase().contains(&canary.to_lowercase()), "`{canary}` stands in {name}: {text}");
        }
    }
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    for kept in [
        env!("CARGO_PKG_VERSION"),
        "2026-01-01T01:02:03Z",
        "12.34.56",
        "\"busy\"",
        "localhost",
        "127.0.0.1",
        "user-1",
        "ip-1",
        "mac-1",
    ] {
        assert!(all.contains(kept), "`{kept}` is missing: {all}");
    }

    let again = agent.run(&["diagnostics", "--bundle", path.to_str().expect("text")]);
    assert!(!again.status.success(), "a file that is there is not overwritten");
    let full = dir.path().join("full.zip");
    agent.ok(&["diagnostics", "--full", "--bundle", full.to_str().expect("text")]);
    let all: String = unpacked(&full).into_iter().map(|(_, text)| text).collect();
    assert!(all.contains("tweetybird") && !all.contains(&body[20..60]), "with `--full` names stay, and still no key");
}
