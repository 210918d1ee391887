//! Break-glass codes: support makes one, a person types it in on a device without a network, and local software is told to let it through.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use tempfile::TempDir;
use tests::agent::Agent;
use tests::portal::Portal;
use tests::program::Program;

fn serve(portal: &Portal) -> Program {
    portal.serve_with(&["--keep-alive", "1"])
}

/// A portal, a device that has agreed on a key with it, and the device's id.
fn house() -> (TempDir, Portal, Program, Agent, String) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = serve(&portal);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    agent.start_signed_in().wait_for(|line| line.contains("a break-glass key was agreed on"));
    let id = portal.json(&["device", "list", "--json"])[0]["id"].as_str().expect("an id").to_owned();
    (dir, portal, serving, agent, id)
}

fn make(portal: &Portal, id: &str, life: &str) -> String {
    let told = portal.ok(&["device", "break-glass", id, "--for", life]);
    told.lines().next().expect("the code is the first line").to_owned()
}

fn exit(agent: &Agent, arguments: &[&str]) -> Option<i32> {
    agent.run(arguments).status.code()
}

const ENROLLED: &[&str] = &["status", "--check", "enrolled"];

#[test]
fn a_code_opens_one_device_once_without_a_network_and_the_portal_hears_of_it_later() {
    let (_dir, portal, mut serving, agent, id) = house();
    let (unused, code) = (make(&portal, &id, "4h"), make(&portal, &id, "4h"));
    assert_ne!(unused, code);
    serving.kill();
    // The device loses what it is enrolled by, on a day on which nobody can be asked.
    let (key, away) = (agent.state_dir.join("device-key.pem"), agent.state_dir.join("away"));
    std::fs::rename(&key, &away).expect("the key can be moved");
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"running\""));
    assert_eq!(exit(&agent, ENROLLED), Some(8));

    assert_eq!(exit(&agent, &["break-glass", "7k2m-9xqa-04cw-hh3e"]), Some(60), "a guess");
    assert_eq!(exit(&agent, &["break-glass", "7k2m"]), Some(60), "half a code");
    assert_eq!(exit(&agent, ENROLLED), Some(8));
    assert!(agent.ok(&["break-glass", &code.to_uppercase().replace('-', " ")]).contains("until"));
    assert_eq!(exit(&agent, ENROLLED), Some(0));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["enrolled"], false, "{status}");
    assert!(status["break_glass_until"].is_string(), "{status}");
    assert_eq!(exit(&agent, &["status", "--check", "ready"]), Some(8), "nobody is signed in by it");
    for used in [&code, &unused] {
        assert_eq!(exit(&agent, &["break-glass", used]), Some(60), "it was used, or a later one was");
    }

    // It holds over a restart, and the portal hears of it when the device comes back.
    drop(running);
    std::fs::rename(&away, &key).expect("the key can be moved back");
    let _serving = serve(&portal);
    let mut running = agent.start_signed_in();
    assert!(agent.json(&["status", "--json"])["break_glass_until"].is_string());
    running.wait_for(|line| line.contains("the portal has heard that a break-glass code was used"));
    let audit = portal.ok(&["audit", "list", "--json"]);
    assert_eq!(audit.matches("\"device.break-glass-used\"").count(), 1, "{audit}");
    assert_eq!(audit.matches("\"device.break-glass\"").count(), 2, "{audit}");
    assert!(!audit.contains(&code) && !running.seen.join("\n").contains(&code), "a code is shown to whoever made it");
}

#[test]
fn no_code_is_made_for_a_device_that_was_shut_out_or_for_too_long() {
    let (_dir, portal, _serving, agent, id) = house();
    let refused = |life: &str| {
        let output = portal.command(&["device", "break-glass", &id, "--for", life]).output().expect("it starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("3d").contains("48 hours"));
    portal.ok(&["device", "quarantine", &id]);
    assert!(refused("4h").contains("quarantined"));

    // A device that forgets who it was forgets its key too.
    assert!(agent.state_dir.join("break-glass.json").exists());
    agent.ok(&["deregister", "--local"]);
    assert!(!agent.state_dir.join("break-glass.json").exists());
    assert_eq!(exit(&agent, &["break-glass", "7k2m-9xqa-04cw-hh3e"]), Some(62));
}

#[test]
fn a_code_is_taken_while_no_agent_runs() {
    let (_dir, portal, _serving, agent, id) = house();
    let code = make(&portal, &id, "15m");
    assert!(agent.ok(&["break-glass", &code]).contains("until"));
    assert!(agent.json(&["status", "--json"])["break_glass_until"].is_string());
    assert_eq!(exit(&agent, &["break-glass", &code]), Some(60));
}
