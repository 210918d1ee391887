//! The fault matrix: what happens between an agent and its portal on bad days, the code that the agent gives it, that the
//! session holds as long as it lasts, and that the agent recovers. No row waits for time to pass.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use tests::agent::{Agent, is_session};
use tests::authority::Authority;
use tests::hostile::{Fault, Hostile};
use tests::portal::{Portal, free_port};
use tests::program::Program;

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

struct Row {
    name: &'static str,
    fault: Fault,
    code: &'static str,
}

fn rows(portal: &Portal, inspector: Authority, stranger: Authority) -> Vec<Row> {
    let answers = |answer: String| Fault::Answers { authority: portal.authority.clone(), answer };
    let page = "<html>Welcome to the hotel</html>";
    let row = |name, fault, code| Row { name, fault, code };
    vec![
        row("a connection that is closed at once", Fault::Closed, "portal-unreachable"),
        row("a connection that is cut in the handshake", Fault::CutAfter(100), "portal-unreachable"),
        row("a connection that is cut in the answer", Fault::CutAfter(3000), "portal-unreachable"),
        row("a page without TLS", Fault::Says(http("200 OK", "", page)), "answer-not-understood"),
        row(
            "TLS that is inspected",
            Fault::Answers { authority: inspector, answer: http("200 OK", "", "") },
            "tls-intercepted",
        ),
        row(
            "a certificate that nobody trusts",
            Fault::Answers { authority: stranger, answer: http("200 OK", "", "") },
            "tls-not-trusted",
        ),
        row(
            "a captive portal",
            answers(http("302 Found", "Location: https://login.hotel.example/\r\n", "")),
            "captive-portal",
        ),
        row(
            "a captive portal that says so",
            answers(http("511 Network Authentication Required", "", page)),
            "captive-portal",
        ),
        row("a web page", answers(http("200 OK", "Content-Type: text/html\r\n", page)), "answer-not-understood"),
        row(
            "a redirect to the same host",
            answers(http("301 Moved", "Location: https://localhost/\r\n", "")),
            "answer-not-understood",
        ),
        row("a proxy's error", answers(http("502 Bad Gateway", "", page)), "portal-failing"),
        row("a busy portal", answers(http("503 Service Unavailable", "Retry-After: 600\r\n", "")), "portal-failing"),
        row("an answer without end", answers(http("200 OK", "", &"x".repeat(300 * 1024))), "answer-not-understood"),
        row("rubbish", answers("\0\u{1}\u{2}rubbish\r\n\r\n".to_owned()), "portal-unreachable"),
        row("an answer that never comes", answers(String::new()), "portal-unreachable"),
    ]
}

/// A renewal is wanted, fails with the row's code while the session holds, and succeeds when the fault is over.
fn check(row: &Row, hostile: &Hostile, agent: &Agent, running: &mut Program) {
    hostile.set(row.fault.clone());
    let failed = agent.run(&["sign-in"]);
    let errors = String::from_utf8_lossy(&failed.stderr);
    assert!(errors.contains(&format!("[{}]", row.code)), "{}: {errors}", row.name);
    let status = agent.json(&["status", "--json"]);
    let person = &status["people"][0];
    assert_eq!(
        (person["state"].as_str(), person["problem"]["code"].as_str()),
        (Some("waiting"), Some(row.code)),
        "{}: {status}",
        row.name
    );
    assert!(person["user"].is_string(), "{}: the session holds as long as it lasts: {status}", row.name);
    assert!(person["next_at"].is_string(), "{}: it is tried again: {status}", row.name);
    assert_eq!(agent.run(&["status", "--check", "live"]).status.code(), Some(0), "{}", row.name);
    hostile.set(Fault::None);
    agent.ok(&["sign-in"]);
    running.wait_for(is_session);
}

#[test]
fn every_fault_on_the_way_has_its_code_and_passes() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.listen_port = free_port();
    let hostile = Hostile::between(portal.port, portal.listen_port);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut running = agent.start_signed_in();
    let inspector = Authority::create(&dir.path().join("inspector"), "Acme TLS Inspection");
    let stranger = Authority::create(&dir.path().join("stranger"), "Somebody");
    for row in rows(&portal, inspector, stranger) {
        check(&row, &hostile, &agent, &mut running);
    }
    // What a portal asks to wait is waited, and a command may ask all the same.
    let busy = http("503 Service Unavailable", "Retry-After: 600\r\n", "");
    hostile.set(Fault::Answers { authority: portal.authority.clone(), answer: busy });
    assert!(!agent.run(&["sign-in"]).status.success());
    let status = agent.json(&["status", "--json"]);
    let next: saml::time::UtcTime =
        status["people"][0]["next_at"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    let now = saml::time::UtcTime::from_unix_millis(platform::clock::unix_millis());
    assert!(next.seconds_since(now) > 500, "{status}");
}

#[test]
fn a_proxy_that_wants_credentials_is_named() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let port = free_port();
    let proxy = Hostile::between(port, portal.port);
    proxy.set(Fault::Says("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n".to_owned()));
    let with_proxy = |mut command: std::process::Command| {
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{port}")).env_remove("NO_PROXY").env_remove("no_proxy");
        command
    };
    let mut running = Program::start(with_proxy(agent.run_command()));
    running.wait_for(|line| line.contains("\"proxy-wants-credentials\""));
    let output = with_proxy(agent.command(&["diagnostics", "--json"])).output().expect("the agent can be started");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("output is JSON");
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["id"] == "proxy").expect("the check of the proxy");
    assert_eq!(check["code"], "proxy-wants-credentials", "{check}");
}

fn devices(portal: &Portal) -> usize {
    portal.json(&["device", "list", "--json"]).as_array().expect("a list").len()
}

/// Beginnings, rubbish and nothing, in place of what was there.
fn damages(sound: &[u8]) -> [Vec<u8>; 3] {
    [b"rubbish".to_vec(), sound[..sound.len() / 2].to_vec(), Vec::new()]
}

/// The contents of what was set aside of `file`, in the order of the names.
fn set_aside(agent: &Agent, file: &str) -> Vec<Vec<u8>> {
    let status = agent.json(&["status", "--json"]);
    let names = status["set_aside"].as_array().expect("a list").iter().filter_map(|name| name.as_str());
    let names = names.filter(|name| name.starts_with(&format!("{file}.damaged-")));
    names.map(|name| std::fs::read(agent.state_dir.join(name)).expect("it is kept")).collect()
}

#[test]
fn state_that_was_damaged_is_set_aside_and_the_agent_goes_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    let path = agent.state_dir.join("device.json");
    for damage in damages(&std::fs::read(&path).expect("it is there")) {
        std::fs::write(&path, &damage).expect("it can be written");
        let mut running = agent.start();
        running.wait_for(|line| line.contains("\"state-set-aside\""));
        running.wait_for(is_session);
        assert!(set_aside(&agent, "device.json").contains(&damage), "what was damaged is kept");
        let status = agent.json(&["status", "--json"]);
        assert_eq!(
            (status["enrolled"].as_bool(), &status["notices"][0]["code"]),
            (Some(true), &"state-set-aside".into())
        );
        assert!(agent.ok(&["status"]).contains("Set aside"), "a notice is not a failure");
    }
    assert_eq!(set_aside(&agent, "device.json").len(), 3);
    // Neither the state nor its copy: nothing is made up, and a device token brings the same key back.
    for file in ["device.json", "device-copy.json"] {
        std::fs::write(agent.state_dir.join(file), "rubbish").expect("it can be written");
    }
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"not-enrolled\""));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    running.wait_for(is_session);
    assert_eq!(devices(&portal), 1, "the same key is the same device");
}

#[test]
fn a_damaged_key_stays_until_a_device_token_can_enrol_another() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    let path = agent.state_dir.join("device-key.pem");
    let sound = std::fs::read(&path).expect("it is there");
    for damage in damages(&sound) {
        std::fs::write(&path, &damage).expect("it can be written");
        let mut running = agent.start();
        running.wait_for(|line| line.contains("\"key-unusable\""));
        assert_eq!(std::fs::read(&path).expect("it is there"), damage, "nothing takes its place");
    }
    std::fs::write(&path, &sound).expect("it can be written");
    drop(agent.start_signed_in());
    std::fs::write(&path, &sound[..sound.len() / 2]).expect("it can be written");
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"key-unusable\""));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    running.wait_for(is_session);
    assert_eq!(set_aside(&agent, "device-key.pem"), [&sound[..sound.len() / 2]]);
    assert_eq!(devices(&portal), 2, "another key is another device");
}
