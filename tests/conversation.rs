//! What a device says to the portal besides signing people in: that it is alive, that somebody leaves, that it leaves.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use tempfile::TempDir;
use tests::agent::{Agent, is_session};
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
    portal.serve_with(&["--keep-alive", "1"])
}

fn device(portal: &Portal) -> (String, String) {
    let devices = portal.json(&["device", "list", "--json"]);
    let text = |name: &str| devices[0][name].as_str().expect("a text").to_owned();
    (text("id"), text("state"))
}

fn actions(portal: &Portal) -> Vec<String> {
    let audit = portal.ok(&["audit", "list", "--json"]);
    let lines = audit.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|entry| Some(entry["action"].as_str()?.to_owned())).collect()
}

fn has_key(agent: &Agent) -> bool {
    agent.state_dir.join("device-key.pem").exists()
}

#[test]
fn a_removal_ends_the_session_at_the_next_keep_alive() {
    let (_dir, portal, _serving, agent) = pair();
    let mut running = agent.start_signed_in();
    let (id, _) = device(&portal);
    for (word, code) in [("remove", "device-removed"), ("quarantine", "device-quarantined")] {
        portal.ok(&["device", word, &id]);
        running.wait_for(|line| line.contains(&format!("\"{code}\"")));
        let status = agent.json(&["status", "--json"]);
        assert_eq!(status["people"][0]["state"], "refused", "{status}");
        assert_eq!(status["people"][0]["problem"]["code"], code, "{status}");
        assert!(status["people"][0]["user"].is_null(), "the session is over: {status}");
        portal.ok(&["device", "restore", &id]);
        agent.ok(&["sign-in"]);
        running.wait_for(is_session);
    }
    let audit = actions(&portal);
    assert!(audit.iter().filter(|action| *action == "keep-alive").count() >= 2, "refused ones are audited: {audit:?}");
}

#[test]
fn a_device_that_is_to_be_wiped_deletes_key_and_state_whatever_token_it_has() {
    let (_dir, portal, _serving, agent) = pair();
    agent.ok(&["configure", "--keepToken", "1"]);
    let mut running = agent.start_signed_in();
    let (id, _) = device(&portal);
    portal.ok(&["device", "remove", "--wipe", &id]);
    running.wait_for(|line| line.contains("this device has left the cloud") && line.contains("\"device-wiped\""));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["people"][0]["problem"]["code"], "device-wiped", "{status}");
    assert_eq!((&status["enrolled"], &status["token_waiting"]), (&false.into(), &false.into()), "{status}");
    assert!(!has_key(&agent) && !agent.state_dir.join("device.json").exists());
    assert_eq!(device(&portal).1, "removed");
    assert!(actions(&portal).contains(&"device.wipe".to_owned()));
    drop(running);
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"not-enrolled\""));
}

#[test]
fn who_signs_out_is_out_until_they_ask() {
    let (_dir, portal, _serving, agent) = pair();
    let mut running = agent.start_signed_in();
    agent.ok(&["sign-out"]);
    assert_eq!(agent.run(&["status"]).status.code(), Some(54));
    assert!(actions(&portal).contains(&"sign-out".to_owned()));
    let again = agent.run(&["sign-out"]);
    assert!(!again.status.success(), "there is no session to end");
    agent.ok(&["sign-in"]);
    running.wait_for(is_session);
    assert_eq!(agent.run(&["status"]).status.code(), Some(0));
}

#[test]
fn a_device_leaves_with_and_without_its_daemon() {
    for with_daemon in [true, false] {
        let (_dir, portal, _serving, agent) = pair();
        let running = agent.start_signed_in();
        if !with_daemon {
            drop(running);
        }
        agent.ok(&["deregister"]);
        assert_eq!(device(&portal).1, "unregistered");
        assert!(!has_key(&agent) && !agent.state_dir.join("device.json").exists());
        assert!(actions(&portal).contains(&"deregister".to_owned()));
        assert!(agent.ok(&["deregister"]).contains("not enrolled"), "leaving twice is no failure, and no leaving");
    }
}

/// `countersign deregister` after `cloudName` was changed: the portal that lists the device is told, and not the configured one.
#[test]
fn a_device_whose_cloud_was_changed_leaves_the_one_that_enrolled_it() {
    for with_daemon in [true, false] {
        let (_dir, portal, mut serving, agent) = pair();
        let running = agent.start_signed_in();
        let elsewhere = format!("localhost:{}", tests::portal::free_port());
        if with_daemon {
            agent.ok(&["params", "set", "cloudName", &elsewhere]);
        } else {
            drop(running);
            agent.ok(&["params", "set", "cloudName", &elsewhere]);
            // What can't be told is not said to have been, and what enrolled the device is not forgotten.
            serving.kill();
            let untold = agent.run(&["deregister"]);
            assert_eq!((untold.status.code(), untold.stdout.as_slice()), (Some(53), &b""[..]), "{untold:?}");
            assert!(has_key(&agent));
            serving = serve(&portal);
        }
        assert!(agent.ok(&["deregister"]).contains("has left the cloud"));
        assert_eq!(device(&portal).1, "unregistered");
        assert!(!has_key(&agent));
        drop(serving);
    }
}

#[test]
fn a_device_whose_key_is_gone_does_not_say_that_it_has_left() {
    let (_dir, portal, _serving, agent) = pair();
    drop(agent.start_signed_in());
    std::fs::remove_file(agent.state_dir.join("device-key.pem")).expect("it is there");
    let untold = agent.run(&["deregister"]);
    assert_eq!((untold.status.code(), untold.stdout.as_slice()), (Some(16), &b""[..]), "{untold:?}");
    assert_eq!(device(&portal).1, "registered");
}

#[test]
fn a_device_that_leaves_while_the_portal_is_away_says_so_and_tells_it_later() {
    let (_dir, portal, mut serving, agent) = pair();
    drop(agent.start_signed_in());
    serving.kill();
    assert_eq!(agent.run(&["deregister"]).status.code(), Some(53));
    assert!(has_key(&agent), "the good-bye is still to be signed");
    let mut running = agent.start();
    running.wait_for(|line| line.contains("deregistration-queued") || line.contains("portal-unreachable"));
    let _serving = serve(&portal);
    running.wait_for(|line| line.contains("this device has left the cloud"));
    assert_eq!(device(&portal).1, "unregistered");
    assert!(!has_key(&agent));
}

#[test]
fn a_device_can_forget_without_telling_anybody() {
    let (_dir, portal, mut serving, agent) = pair();
    assert_eq!(agent.run(&["status", "--check", "enrolled"]).status.code(), Some(8));
    drop(agent.start_signed_in());
    assert_eq!(agent.run(&["status", "--check", "enrolled"]).status.code(), Some(0), "also while no agent runs");
    serving.kill();
    agent.ok(&["deregister", "--local"]);
    assert_eq!(agent.run(&["status", "--check", "enrolled"]).status.code(), Some(8));
    assert!(!has_key(&agent));
    assert_eq!(device(&portal).1, "registered");
}

#[test]
fn a_quarantined_device_can_not_leave_its_quarantine_by_leaving() {
    let (_dir, portal, _serving, agent) = pair();
    drop(agent.start_signed_in());
    let (id, _) = device(&portal);
    portal.ok(&["device", "quarantine", &id]);
    let refused = agent.run(&["deregister"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("quarantine"), "{refused:?}");
    assert_eq!(device(&portal).1, "quarantined");
}
