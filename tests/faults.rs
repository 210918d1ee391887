//! What the agent says and does when something between it and the portal is wrong.

use std::sync::Arc;

use agent::config;
use agent::device::{CorrectedClock, Device};
use agent::sign_in::{Granted, Wanted, sign_in};
use agent::steps::Steps;
use tests::agent::{Agent, is_session};
use tests::authority::Authority;
use tests::portal::Portal;
use tests::program::Program;

/// Starts an agent that can't get anywhere, waits for `code`, and returns what `status` says.
fn stuck(agent: &Agent, code: &str) -> String {
    let mut running = agent.start();
    running.wait_for(|line| line.contains(&format!("\"{code}\"")));
    let output = agent.run(&["status"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&format!("[{code}]")) && text.contains("Next"), "{text}");
    assert!(text.contains("tries again at"), "{text}");
    text
}

#[test]
fn an_unreachable_portal_is_named_and_enrolment_goes_on_when_it_is_back() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&["--uses", "1"])).status.success());
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"portal-unreachable\""));
    let _serving = portal.serve();
    running.wait_for(is_session);
}

#[test]
fn a_certificate_of_another_ca_is_not_trusted() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let stranger = Authority::create(&dir.path().join("stranger"), "Another CA");
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let ca = stranger.ca.to_str().expect("paths in tests are text");
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    agent.ok(&["configure", "--caFile", ca]);
    let text = stuck(&agent, "tls-not-trusted");
    assert!(text.contains("caFile"), "{text}");
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let agent = Agent::in_dir(&dir.path().join("agent"));
    // RFC 6761: this name resolves nowhere.
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    agent.ok(&["configure", "--cloudName", "portal.invalid"]);
    let text = stuck(&agent, "name-not-resolved");
    assert!(text.contains("portal.invalid"), "{text}");
}

#[test]
fn what_answers_and_is_no_portal_is_not_believed() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let other = Portal::create(&dir.path().join("other"));
    let mut serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    serving.kill();
    // Another portal under the same name, with a certificate that is trusted: it does not know the device, and its word is not signed by
    // a key that the device has pinned.
    let impostor = Portal { authority: portal.authority.clone(), port: portal.port, listen_port: portal.port, ..other };
    let _serving = impostor.serve();
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"portal-keys-unknown\""));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["enrolled"], true, "the registration is not thrown away: {status}");
}

#[test]
fn a_clock_that_is_wrong_by_a_day_signs_in_all_the_same() {
    for hours in [-24, 24] {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let portal = Portal::create(dir.path());
        let _serving = portal.serve();
        let agent = Agent::in_dir(&dir.path().join("agent"));
        assert!(agent.configure(&portal, &portal.token(&[])).status.success());
        let paths = platform::paths::Paths {
            config_file: agent.config_file.clone(),
            policy_file: Some(agent.policy_file.clone()),
            state_dir: agent.state_dir.clone(),
            runtime_dir: agent.runtime_dir.clone(),
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(async {
            let config = config::load(&paths).expect("the options are sound");
            let mut device = Device::open(Arc::new(config), paths).expect("the device can be opened");
            device.clock = CorrectedClock::off_by(hours * 3_600_000);
            let sessions = platform::session::sessions().await.expect("somebody runs this test");
            let granted =
                sign_in(&mut device, &sessions[0], &Wanted::Session, &Steps::silent()).await.expect("it signs in");
            let Granted::Session(session) = granted else { panic!("not a session: {granted:?}") };
            let off = session.since.seconds_since(CorrectedClock::default().now()).abs();
            assert!(off < 60, "the session counts by the portal's time, not {off} s off it");
        });
    }
}

#[test]
fn status_watch_follows_what_happens_until_nobody_reads() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut watching = Program::start(agent.command(&["status", "--watch", "--json"]));
    watching.wait_for(|line| line.contains("\"agent\":\"not-running\"") && line.contains("\"enrolled\":false"));
    let mut running = agent.start_signed_in();
    let line = watching.wait_for(|line| line.contains("\"state\":\"signed-in\"") && line.contains("\"enrolled\":true"));
    let status: serde_json::Value = serde_json::from_str(&line).expect("each line is one object");
    assert!(status["people"][0]["user"].is_string(), "{status}");
    let mut as_text = Program::start(agent.command(&["status", "--watch"]));
    as_text.wait_for(|line| line.starts_with("Person") && line.contains("signed in since"));
    agent.ok(&["sign-out"]);
    watching.wait_for(|line| line.contains("\"state\":\"signed-out\""));
    as_text.wait_for(|line| line.contains("[signed-out]"));
    running.kill();
    watching.wait_for(|line| line.contains("\"agent\":\"not-running\""));
    let _running = agent.start_signed_in();
    watching.wait_for(|line| line.contains("\"state\":\"signed-in\""));
}
