//! Golden images and copied state: two machines never go by one key.
//!
//! A copy on another machine is made here by changing what the state remembers of its machine: the real machine's ids can't be
//! changed for a test. `packaging_linux` copies a whole system with another machine id.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::portal::Portal;

fn portal() -> (TempDir, Portal) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    (dir, portal)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file can be read")).expect("JSON")
}

/// Makes the file say that it was written on another machine.
fn from_another_machine(path: &Path) {
    let mut content = json(path);
    assert!(content["machine"]["installation"].is_string(), "this machine has an id: {content}");
    content["machine"]["installation"] = "0123456789abcdef0123456789abcdef".into();
    std::fs::write(path, content.to_string()).expect("the file can be written");
}

fn copy(from: &Agent, to: &Agent) {
    let status = std::process::Command::new("cp").arg("-a").arg(&from.state_dir).arg(&to.state_dir).status();
    assert!(status.expect("`cp` can be started").success());
}

fn devices(portal: &Portal) -> usize {
    portal.json(&["device", "list", "--json"]).as_array().expect("a list").len()
}

#[test]
fn a_golden_image_enrols_nothing_and_each_copy_of_it_is_a_device_of_its_own() {
    let (dir, portal) = portal();
    let token = portal.token(&["--uses", "2"]);
    let _serving = portal.serve();
    let template = Agent::in_dir(&dir.path().join("template"));
    template.ok(&["configure", "--golden-image"]);
    assert!(template.configure(&portal, &token).status.success());

    let mut running = template.start();
    running.wait_for(|line| line.contains("golden-image"));
    let status = template.json(&["status", "--json"]);
    assert_eq!(status["problem"]["code"], "golden-image", "{status}");
    running.kill();
    // A template is started again and again while it is made.
    let mut running = template.start();
    running.wait_for(|line| line.contains("golden-image"));
    assert_eq!((devices(&portal), template.state_dir.join("device-key.pem").exists()), (0, false));

    let mut names = Vec::new();
    for name in ["first", "second"] {
        let clone = Agent::in_dir(&dir.path().join(name));
        std::fs::create_dir(dir.path().join(name)).expect("a directory can be made");
        copy(&template, &clone);
        from_another_machine(&clone.state_dir.join("golden-image.json"));
        let _running = clone.start_signed_in();
        names.push(clone.json(&["status", "--json"])["device"].clone());
        assert!(!clone.state_dir.join("golden-image.json").exists());
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(devices(&portal), 2);
}

#[test]
fn a_template_can_be_made_an_ordinary_machine_again() {
    let (dir, portal) = portal();
    let token = portal.token(&[]);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &token).status.success());
    agent.ok(&["configure", "--golden-image"]);
    let mut running = agent.start();
    running.wait_for(|line| line.contains("golden-image"));
    assert!(agent.ok(&["configure", "--golden-image", "off"]).contains("works with that now"));
    running.wait_for(is_session);
    assert!(agent.ok(&["configure", "--golden-image=off"]).contains("nothing has changed"));
    let wrong = agent.run(&["configure", "--golden-image", "--userName", "alice"]);
    assert_eq!(wrong.status.code(), Some(5));
}

#[test]
fn state_that_was_copied_to_another_machine_enrols_anew_and_drops_the_key() {
    let (dir, portal) = portal();
    let token = portal.token(&["--uses", "2"]);
    let _serving = portal.serve();
    let original = Agent::in_dir(&dir.path().join("original"));
    assert!(original.configure_with(&portal, &token, &["--keepToken", "1"]).status.success());
    original.start_signed_in().kill();
    let key = std::fs::read(original.state_dir.join("device-key.pem")).expect("the key is a file here");

    let clone = Agent::in_dir(&dir.path().join("clone"));
    std::fs::create_dir(dir.path().join("clone")).expect("a directory can be made");
    copy(&original, &clone);
    from_another_machine(&clone.state_dir.join("device.json"));
    let _running = clone.start_signed_in();
    assert_eq!(devices(&portal), 2);
    assert_ne!(std::fs::read(clone.state_dir.join("device-key.pem")).expect("it has its own"), key);
    // The original goes on as what it was, and nothing was sent in its name.
    let _original = original.start_signed_in();
    assert_eq!(devices(&portal), 2);
    let states = portal.json(&["device", "list", "--json"]);
    assert!(!states.to_string().contains("uarantined"), "{states}");
}

#[test]
fn a_copy_without_a_token_says_that_it_needs_one() {
    let (dir, portal) = portal();
    let token = portal.token(&[]);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &token).status.success());
    agent.start_signed_in().kill();
    from_another_machine(&agent.state_dir.join("device.json"));
    let mut running = agent.start();
    running.wait_for(|line| line.contains("not-enrolled"));
    assert!(!agent.state_dir.join("device-key.pem").exists(), "the key of the other machine is gone");
    assert_eq!(devices(&portal), 1);
}
