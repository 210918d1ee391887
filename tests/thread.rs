//! The main job: from three install options to a signed-in person, with both programs as they are.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::portal::Portal;
use tests::program::Program;

fn portal() -> (TempDir, Portal) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    (dir, portal)
}

fn count(portal: &Portal, noun: &str) -> usize {
    portal.json(&[noun, "list", "--json"]).as_array().expect("a list").len()
}

#[test]
fn three_options_sign_a_person_in_and_the_next_start_needs_the_key_alone() {
    let (dir, portal) = portal();
    let token = portal.token(&["--uses", "1"]);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &token).status.success());

    let mut running = agent.start_signed_in();
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["enrolled"], true, "{status}");
    assert_eq!(status["token_waiting"], false, "{status}");
    let user = status["people"][0]["user"].as_str().expect("a user").to_owned();
    assert!(user.ends_with("@example.test"), "{status}");
    assert!(running.seen.iter().any(|line| line.contains("\"step\":\"enrolled\"")));
    running.kill();

    let again = agent.start_signed_in();
    assert!(!again.seen.iter().any(|line| line.contains("\"step\":\"enrolled\"")), "{:?}", again.seen);
    assert_eq!(portal.json(&["token", "list", "--json"])[0]["uses"], 1);
    assert_eq!(count(&portal, "device"), 1);
    assert_eq!(portal.json(&["user", "list", "--json"])[0]["name_id"], user.as_str());
    assert!(portal.ok(&["audit", "verify"]).contains("intact"));
}

#[test]
fn two_agents_with_one_token_are_two_devices() {
    let (dir, portal) = portal();
    let token = portal.token(&["--uses", "2"]);
    let _serving = portal.serve();
    for name in ["first", "second"] {
        let agent = Agent::in_dir(&dir.path().join(name));
        assert!(agent.configure(&portal, &token).status.success());
        let _running = agent.start_signed_in();
    }
    assert_eq!(count(&portal, "device"), 2);
    assert_eq!(count(&portal, "user"), 1);
    assert_eq!(portal.json(&["token", "list", "--json"])[0]["uses"], 2);
}

#[test]
fn a_daemon_that_runs_takes_up_new_options_without_a_restart() {
    let (dir, portal) = portal();
    let token = portal.token(&[]);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"running\""));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["problem"]["code"], "options-invalid", "{status}");
    assert!(agent.configure(&portal, &token).status.success());
    running.wait_for(is_session);
}

#[test]
fn a_session_is_renewed_before_it_ends() {
    let (dir, portal) = portal();
    let token = portal.token(&[]);
    // The shortest session that the portal gives: it is renewed after three quarters of a minute.
    portal.ok(&["tenant", "set", "acme", "--session-seconds", "60"]);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &token).status.success());
    let mut running = agent.start_signed_in();
    let first = agent.json(&["status", "--json"])["people"][0]["until"].clone();
    running.wait_for(is_session);
    assert_ne!(agent.json(&["status", "--json"])["people"][0]["until"], first);
}

#[test]
fn sigterm_and_ctrl_c_end_both_programs_within_a_second() {
    let (dir, portal) = portal();
    let token = portal.token(&[]);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &token).status.success());
    for signal in ["TERM", "INT"] {
        // The quickest of three: a machine that is busy with something else must not decide this.
        let quickest = (0..3).map(|_| {
            let mut serving = portal.serve();
            let mut running = agent.start_signed_in();
            let end = |program: &mut Program| {
                program.signal(signal);
                let (status, took) = program.wait();
                assert!(status.success(), "{signal}: {status}");
                took
            };
            end(&mut running).max(end(&mut serving))
        });
        let quickest = quickest.min().expect("there are three");
        assert!(quickest.as_millis() < 1000, "{signal}: {quickest:?}");
    }
    assert!(portal.ok(&["audit", "verify"]).contains("intact"));
}

#[test]
fn only_one_agent_runs_on_a_state_directory() {
    let (dir, portal) = portal();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut first = agent.start();
    first.wait_for(|line| line.contains("\"running\""));
    let second = agent.run(&["run"]);
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("error: "), "{second:?}");
}

#[test]
fn whoami_and_facts_tell_what_would_be_sent_and_why() {
    let (dir, portal) = portal();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure_with(&portal, &portal.token(&[]), &["--disabledFacts", "hostname"]).status.success());
    let people = agent.json(&["whoami", "--json"]);
    assert!(people[0]["user"].as_str().expect("a name").ends_with("@example.test"), "{people}");
    assert!(!people[0]["reason"].as_str().expect("a reason").is_empty(), "{people}");
    let facts = agent.json(&["facts", "--json"]);
    let hostname =
        facts.as_array().expect("a list").iter().find(|fact| fact["name"] == "hostname").expect("it is there");
    assert_eq!(hostname["sent"], false, "{hostname}");
}

#[test]
fn management_can_name_the_person_and_the_grade_says_so() {
    let (dir, portal) = portal();
    portal.ok(&["tenant", "set", "acme", "--minimum-claim", "managed"]);
    let token = portal.token(&[]);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure_with(&portal, &token, &["--userName", "alice"]).status.success());
    let _running = agent.start_signed_in();
    assert_eq!(agent.json(&["status", "--json"])["people"][0]["user"], "alice@example.test");
}

#[test]
fn what_is_configured_wrongly_is_told_all_at_once_and_nothing_is_written() {
    let (dir, portal) = portal();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let wrong =
        agent.run(&["configure", "--userName", "alice@example.test", "--cloudNmae", "x", "--userDomain", "nodots"]);
    assert_eq!(wrong.status.code(), Some(5));
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    for part in ["userName", "--cloudName", "nodots"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert!(!agent.state_dir.join("options.toml").exists());
    let cut_off = &portal.token(&[])[..40];
    let refused = agent.configure(&portal, cut_off);
    assert_eq!(refused.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cut off"), "{refused:?}");
    assert!(!String::from_utf8_lossy(&refused.stderr).contains(cut_off), "the token is not repeated");
}
