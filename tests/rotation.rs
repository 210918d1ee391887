//! Keys that change while everything runs: the portal's, which agents follow.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;

/// A portal that wants to hear devices every second, and an agent with a token.
fn pair() -> (TempDir, Portal, Program, Agent) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = serve(&portal);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    (dir, portal, serving, agent)
}

fn serve(portal: &Portal) -> Program {
    let mut command = portal.serve_command();
    command.args(["--keep-alive", "1"]);
    let mut program = Program::start(command);
    program.wait_for(|line| line.contains("\"serving\""));
    program
}

/// The portal's signing keys for `purpose`: identifier and state, the oldest first.
fn keys(portal: &Portal, purpose: &str) -> Vec<(String, String)> {
    let list = portal.ok(&["key", "list"]);
    let rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&purpose)).map(|row| (row[0].to_owned(), row[2].to_owned())).collect()
}

/// Adds a key for `purpose` and waits until the portal lists it; returns the old and the new one.
fn add(portal: &Portal, serving: &mut Program, purpose: &str) -> (String, String) {
    let old = keys(portal, purpose)[0].0.clone();
    let new = portal.ok(&["key", "add", "--for", purpose]).trim().to_owned();
    serving.wait_for(|line| line.contains("the signing keys have changed") && line.contains(&old));
    (old, new)
}

fn retire(portal: &Portal, serving: &mut Program, old: &str, new: &str) {
    portal.ok(&["key", "retire", old, "--in", "0s"]);
    serving.wait_for(|line| line.contains("the signing keys have changed") && line.contains(new));
}

/// The certificates that the agent has pinned.
fn pinned(agent: &Agent) -> Vec<String> {
    let state = std::fs::read(agent.state_dir.join("device.json")).expect("there is a state");
    let state: serde_json::Value = serde_json::from_slice(&state).expect("it is JSON");
    let list = state["portal"]["signing_certificates"].as_array().expect("a list").clone();
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

const FOLLOWED: &str = "has vouched for the keys";

#[test]
fn agents_follow_the_portals_keys_from_one_to_the_next() {
    let (_dir, portal, mut serving, agent) = pair();
    let mut running = agent.start_signed_in();
    let first = pinned(&agent);
    let (old, new) = add(&portal, &mut serving, "agent");
    running.wait_for(|line| line.contains(FOLLOWED));
    let both = pinned(&agent);
    assert!(both.len() == 3 && first.iter().all(|key| both.contains(key)), "the old and the new one");
    assert_eq!(keys(&portal, "agent"), [(old.clone(), "signs".to_owned()), (new.clone(), "listed".to_owned())]);
    retire(&portal, &mut serving, &old, &new);
    running.wait_for(|line| line.contains(FOLLOWED));
    let last = pinned(&agent);
    assert!(last.len() == 2 && last != first, "the old one is not believed any more");
    agent.ok(&["sign-in"]);
    running.wait_for(is_session);
    assert_eq!(keys(&portal, "agent"), [(old, "retired".to_owned()), (new.clone(), "signs".to_owned())]);
    let refused = portal.command(&["key", "retire", &new, "--in", "0s"]).output().expect("it can be started");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("key add"), "the last one stays: {refused:?}");
    let audit = portal.ok(&["audit", "list"]);
    assert!(audit.contains("key.add") && audit.contains("key.retire"), "{audit}");
}

#[test]
fn who_was_away_for_the_whole_change_of_keys_believes_nothing_new() {
    let (_dir, portal, mut serving, agent) = pair();
    drop(agent.start_signed_in());
    let before = pinned(&agent);
    let (old, new) = add(&portal, &mut serving, "agent");
    retire(&portal, &mut serving, &old, &new);
    // A new token does not make it believe TLS alone.
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"portal-keys-unknown\""));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["people"][0]["problem"]["code"], "portal-keys-unknown", "{status}");
    assert_eq!(pinned(&agent), before);
    drop(running);
    // What the code says to do.
    agent.ok(&["deregister", "--local"]);
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    assert_ne!(pinned(&agent), before);
}

#[test]
fn who_was_away_while_both_keys_were_listed_follows_at_the_next_keep_alive() {
    let (_dir, portal, mut serving, agent) = pair();
    drop(agent.start_signed_in());
    let (old, new) = add(&portal, &mut serving, "agent");
    let mut running = agent.start_signed_in();
    running.wait_for(|line| line.contains(FOLLOWED));
    drop(running);
    retire(&portal, &mut serving, &old, &new);
    drop(agent.start_signed_in());
}

#[test]
fn a_key_for_services_is_listed_before_it_signs() {
    let (_dir, portal, mut serving, _agent) = pair();
    let https = Https::trusting(&portal.authority.ca);
    let listed = || {
        let metadata = https.get(&format!("{}/saml/metadata", portal.url())).body;
        let parts = metadata.split("<ds:X509Certificate>").skip(1);
        parts.map(|part| part.split('<').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let before = listed();
    let (old, new) = add(&portal, &mut serving, "service");
    let both = listed();
    assert_eq!((before.len(), both.len()), (1, 2));
    assert_eq!(both[0], before[0], "the one that signs comes first");
    retire(&portal, &mut serving, &old, &new);
    assert_eq!(listed(), both[1..]);
}
