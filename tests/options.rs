//! Options: who wins, what is locked, and that a running agent takes every change up by itself.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::portal::Portal;
use tests::program::Program;

/// A change takes effect within this time.
const PROMISED: Duration = Duration::from_secs(15);

fn agent() -> (TempDir, Agent) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let agent = Agent::in_dir(&dir.path().join("agent"));
    std::fs::create_dir_all(agent.config_file.parent().expect("it has a parent")).expect("a directory can be made");
    (dir, agent)
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the file can be written");
}

/// An option as `params get` shows it: value, origin, locked.
fn shown(agent: &Agent, option: &str) -> (String, String, bool) {
    let row = agent.json(&["params", "get", option, "--json"]);
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    (text("value"), text("origin"), row["locked"].as_bool().expect("a flag"))
}

fn error(agent: &Agent, arguments: &[&str], exit_code: i32) -> String {
    let output = agent.run(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit_code), "{text}");
    text
}

#[test]
fn policy_wins_over_params_set_over_install_options_over_the_file_over_the_default() {
    let (_dir, agent) = agent();
    assert_eq!(shown(&agent, "keepToken"), ("0".to_owned(), "default (built in)".to_owned(), false));

    write(&agent.config_file, "externalDeviceId = \"file\"\n");
    let file = format!("file ({})", agent.config_file.display());
    assert_eq!(shown(&agent, "externalDeviceId"), ("file".to_owned(), file.clone(), false));

    agent.ok(&["configure", "-c", "cloud.example.net", "-d", "example.test", "--externalDeviceId", "install"]);
    let (value, origin, _) = shown(&agent, "externalDeviceId");
    assert!(
        value == "install" && origin.starts_with("install options (") && origin.contains("options.toml"),
        "{origin}"
    );

    agent.ok(&["params", "set", "externalDeviceId", "set"]);
    let (value, origin, _) = shown(&agent, "externalDeviceId");
    assert!(value == "set" && origin.starts_with("params set (") && origin.contains("params.toml"), "{origin}");

    write(&agent.policy_file, "externalDeviceId = \"policy\"\n");
    let policy = format!("policy ({})", agent.policy_file.display());
    assert_eq!(shown(&agent, "externalDeviceId"), ("policy".to_owned(), policy.clone(), true));
    let list = agent.ok(&["params", "list"]);
    let line = list.lines().find(|line| line.starts_with("externalDeviceId ")).expect("it is listed");
    assert!(line.ends_with(&format!("{policy}, locked")), "{line}");

    // And the way back: each layer that goes uncovers the next one.
    std::fs::remove_file(&agent.policy_file).expect("it is there");
    assert_eq!(shown(&agent, "externalDeviceId").0, "set");
    agent.ok(&["params", "unset", "externalDeviceId"]);
    assert_eq!(shown(&agent, "externalDeviceId").0, "install");
    assert!(agent.ok(&["params", "unset", "externalDeviceId"]).contains("nothing has changed"));
}

#[test]
fn what_policy_holds_can_not_be_set_and_the_refusal_says_where_it_is_held() {
    let (_dir, agent) = agent();
    write(&agent.policy_file, "cloudName = \"cloud.example.net\"\nuserDomain = \"example.test\"\n");
    for arguments in [&["params", "set", "cloudName", "other.example.net"][..], &["params", "unset", "cloudName"]] {
        let text = error(&agent, arguments, 5);
        assert!(text.contains("`cloudName` is set by policy"), "{text}");
        assert!(text.contains(&agent.policy_file.display().to_string()), "{text}");
    }
    assert!(!agent.state_dir.join("params.toml").exists());
    // An installer's script must not fail on it; it is told.
    let text = agent.ok(&["configure", "--cloudName", "other.example.net"]);
    assert!(text.contains("note: `cloudName` is kept, and overruled by policy"), "{text}");
    assert_eq!(shown(&agent, "cloudName").0, "cloud.example.net");
}

#[test]
fn a_value_that_does_not_fit_or_not_together_with_others_is_refused_and_nothing_is_written() {
    let (_dir, agent) = agent();
    agent.ok(&["configure", "-c", "cloud.example.net", "-d", "example.test"]);
    for (option, value, part) in [
        ("userDomain", "nodots", "nodots"),
        ("userName", "alice@example.test", "alice"),
        ("keepToken", "perhaps", "`0` or `1`"),
        ("policyToken", "abc", "strictEnforcement"),
        ("deviceToken", "cst1_short", "from `cst1_` on"),
        ("deviceTokenFile", "/tmp/token", "is not kept"),
        ("cloudname", "x", "did you mean `cloudName`?"),
    ] {
        let text = error(&agent, &["params", "set", option, value], 5);
        assert!(text.contains(part), "{option}: {text}");
    }
    assert!(!agent.state_dir.join("params.toml").exists());
}

#[test]
fn a_policy_that_somebody_else_may_write_or_that_is_broken_is_an_error_and_never_silence() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, agent) = agent();
    write(&agent.policy_file, "cloudNmae = \"cloud.example.net\"\n");
    assert!(error(&agent, &["params", "list"], 5).contains("did you mean `cloudName`?"));
    write(&agent.policy_file, "cloudName = \"cloud.example.net\"\n");
    let loose = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&agent.policy_file, loose).expect("the mode can be set");
    assert!(error(&agent, &["params", "list"], 17).contains("chmod go-w"));
}

#[test]
fn a_secret_is_never_shown() {
    let (dir, agent) = agent();
    let portal = Portal::create(dir.path());
    let token = portal.token(&[]);
    let secret = &token[25..];
    agent.ok(&["configure", "-c", "cloud.example.net", "-d", "example.test"]);
    let file = dir.path().join("token");
    // As Windows editors write it.
    write(&file, &format!("\u{feff}{token}\r\n"));
    let said = agent.ok(&["params", "set", "deviceToken", "--file", file.to_str().expect("text")]);
    let all = [said, agent.ok(&["params", "list"]), agent.ok(&["params", "list", "--json"])].concat();
    assert!(all.contains("[secret]") && !all.contains(secret));
    assert_eq!(shown(&agent, "deviceToken").0, "[secret]");
}

/// A portal that serves, and an agent that is signed in to it as `alice`, named by its management.
struct Running {
    dir: TempDir,
    portal: Portal,
    agent: Agent,
    daemon: Program,
    _serving: Program,
}

fn running() -> Running {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    portal.ok(&["domain", "add", "second.test", "--tenant", "acme"]);
    let serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let token = portal.token(&["--domain", "example.test", "--domain", "second.test"]);
    let configured = agent.configure_with(&portal, &token, &["--userName", "alice"]);
    assert!(configured.status.success(), "{configured:?}");
    let daemon = agent.start_signed_in();
    Running { dir, portal, agent, daemon, _serving: serving }
}

impl Running {
    /// Waits until the daemon has signed `user` in, and asserts that it took no longer than is promised since `changed`.
    fn expect_user(&mut self, user: &str, changed: Instant) {
        self.daemon.wait_for(|line| is_session(line) && line.contains(user));
        assert!(changed.elapsed() < PROMISED, "{:?}", changed.elapsed());
        assert_eq!(self.agent.json(&["status", "--json"])["people"][0]["user"], user);
    }
}

#[test]
fn a_running_agent_takes_up_what_params_set_says() {
    let mut running = running();
    running.agent.ok(&["params", "set", "userName", "bob"]);
    running.expect_user("bob@example.test", Instant::now());
    running.agent.ok(&["params", "set", "userDomain", "second.test"]);
    running.expect_user("bob@second.test", Instant::now());
    running.agent.ok(&["params", "unset", "userName"]);
    running.expect_user("alice@second.test", Instant::now());
}

#[test]
fn a_running_agent_takes_up_files_that_somebody_else_writes() {
    let mut running = running();
    // A policy is written by the device's management, which knows nothing of the agent's channel.
    let policy = running.agent.policy_file.clone();
    write(&policy, "userName = \"carol\"\n");
    running.expect_user("carol@example.test", Instant::now());
    // Replaced as configuration management replaces files: by a rename.
    let next = running.dir.path().join("next");
    write(&next, "userName = \"dave\"\n");
    std::fs::rename(&next, &policy).expect("the file can be renamed");
    running.expect_user("dave@example.test", Instant::now());
    std::fs::remove_file(&policy).expect("it is there");
    running.expect_user("alice@example.test", Instant::now());
}

#[test]
fn another_cloud_and_another_token_need_no_reinstall() {
    let mut running = running();
    let other_dir = running.dir.path().join("other");
    std::fs::create_dir(&other_dir).expect("a directory can be made");
    let other = Portal::create(&other_dir);
    let _serving = other.serve();
    let ca = other.authority.ca.to_str().expect("text").to_owned();
    running.agent.ok(&["params", "set", "caFile", &ca]);
    running.agent.ok(&["params", "set", "cloudName", &other.cloud_name()]);
    running.daemon.wait_for(|line| line.contains("not-enrolled"));
    let token = running.dir.path().join("token");
    write(&token, &other.token(&[]));
    let changed = Instant::now();
    running.agent.ok(&["params", "set", "deviceToken", "--file", token.to_str().expect("text")]);
    running.expect_user("alice@example.test", changed);
    assert_eq!(other.json(&["device", "list", "--json"]).as_array().map(Vec::len), Some(1));
    assert_eq!(running.portal.json(&["device", "list", "--json"]).as_array().map(Vec::len), Some(1));
    // The token was used once and is gone; the other settings stay.
    let set = std::fs::read_to_string(running.agent.state_dir.join("params.toml")).expect("it is there");
    assert!(!set.contains("deviceToken") && set.contains("cloudName"), "{set}");
}

#[test]
fn writing_the_same_again_signs_nobody_in_anew() {
    let mut running = running();
    let requests = |running: &Running| -> usize {
        running.daemon.seen.iter().filter(|line| line.contains("\"request-signed\"")).count()
    };
    let before = requests(&running);
    write(&running.agent.config_file, "# nothing but a comment\n");
    running.agent.ok(&["params", "set", "userName", "alice"]);
    // This one matters, and is taken up after those that don't.
    running.agent.ok(&["params", "set", "userName", "bob"]);
    running.expect_user("bob@example.test", Instant::now());
    let after = requests(&running);
    assert_eq!(after, before + 1, "one sign-in, for the one change");
}
