//! `kill -9` at every point: whatever the moment, afterwards there is one device, one use of the token, and a sign-in.
//!
//! strace sends SIGKILL to the program as it enters its first, second, third … system call that changes a file or speaks
//! to the other side, until a whole enrolment passes without one being left.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use std::process::Command;

use tests::agent::{Agent, is_session};
use tests::components::trial;
use tests::portal::Portal;
use tests::program::Program;

/// The portal's system calls between which a crash makes a difference.
const PORTAL_CALLS: &[&str] = &["pwrite64", "fsync", "fdatasync", "ftruncate", "write", "writev", "sendto"];
/// The agent's.
const AGENT_CALLS: &[&str] = &[
    "mkdir",
    "mkdirat",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "connect",
    "sendto",
    "writev",
];

/// The agent's between which a crash makes a difference to a change of its key.
const ROTATION_CALLS: &[&str] = &["rename", "renameat2", "linkat", "link", "unlink", "sendto", "writev"];

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let tests = vec![
        trial("enrolment_survives_the_death_of_the_agent_at_every_step", &["strace"], agent_dies),
        trial("enrolment_survives_the_death_of_the_portal_at_every_step", &["strace"], portal_dies),
        trial(
            "a_change_of_the_device_key_survives_the_death_of_the_agent_at_every_step",
            &["strace"],
            rotating_agent_dies,
        ),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// A point at which a program dies: as it enters this system call for the so-many-th time.
#[derive(Clone, Copy, Debug)]
struct Point {
    call: &'static str,
    count: usize,
}

impl std::fmt::Display for Point {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.call, self.count)
    }
}

/// Attaches strace to `program`, to kill it at `point`.
fn kill_at(program: &Program, point: Point) -> Program {
    let Point { call, count } = point;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=SIGKILL:when={count}")]);
    strace.args(["-o", "/dev/null", "-p", &program.id().to_string()]);
    let mut strace = Program::start(strace);
    strace.wait_for(|line| line.contains("attached"));
    strace
}

/// Waits until `program` has a session; false if it died before.
fn reaches_session(program: &mut Program) -> bool {
    std::iter::from_fn(|| program.next_line()).any(|line| is_session(&line))
}

/// What must hold however the enrolment by the token went.
fn check(portal: &Portal, agent: &Agent, token: &str, at: &str) {
    let id = saml::token::DeviceToken::parse(token).expect("a token").id().to_string();
    let of = |noun: &str, key: &str| {
        let rows = portal.json(&[noun, "list", "--json"]);
        rows.as_array().expect("a list").iter().filter(|row| row[key] == id.as_str()).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("device", "token_id").len(), 1, "{at}: one device");
    assert_eq!(of("token", "id")[0]["uses"], 1, "{at}: one use");
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["people"][0]["state"], "signed-in", "{at}: {status}");
    assert_eq!(status["token_waiting"], false, "{at}: the token is gone");
    assert!(portal.ok(&["audit", "verify"]).contains("intact"), "{at}: the audit is intact");
}

/// Goes through the points one by one: for each call until an enrolment passes without being disturbed. `enrol` says
/// whether the program died.
fn at_every_point(calls: &[&'static str], enrol: impl Fn(Point) -> bool) {
    let deaths: usize = calls.iter().map(|&call| (1..).take_while(|&count| enrol(Point { call, count })).count()).sum();
    assert!(deaths >= 12, "an enrolment has more than {deaths} points at which it can be cut off");
}

fn agent_dies() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    portal.ok(&["tenant", "set", "acme", "--devices-per-user", "1000"]);
    let _serving = portal.serve();
    at_every_point(AGENT_CALLS, |point| {
        let agent = Agent::in_dir(&dir.path().join(format!("agent-{point}")));
        let token = portal.token(&["--uses", "1"]);
        assert!(agent.configure(&portal, &token).status.success());
        let (mut running, strace) = start_killed(&agent, &dir.path().join(format!("gate-{point}")), point);
        let undisturbed = reaches_session(&mut running);
        drop(strace);
        if undisturbed {
            check(&portal, &agent, &token, "undisturbed");
            return false;
        }
        running.kill();
        let _running = agent.start_signed_in();
        check(&portal, &agent, &token, &format!("killed at {point}"));
        true
    });
}

/// Starts the agent with strace attached before its first call, to be killed at `point`.
fn start_killed(agent: &Agent, gate: &std::path::Path, point: Point) -> (Program, Program) {
    // The shell waits for a line before it becomes the agent, so that strace is there from the first call on.
    let run = agent.run_command();
    assert!(Command::new("mkfifo").arg(gate).status().expect("mkfifo can be started").success());
    let mut waiting = Command::new("sh");
    waiting.args(["-c", "read -r _ <\"$0\"; exec \"$@\""]).arg(gate).arg(run.get_program()).args(run.get_args());
    let running = Program::start(waiting);
    let strace = kill_at(&running, point);
    std::fs::write(gate, "\n").expect("the shell reads");
    (running, strace)
}

fn rotating_agent_dies() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let mut command = portal.serve_command();
    command.args(["--keep-alive", "1", "--key-life", "1s"]);
    let mut serving = Program::start(command);
    serving.wait_for(|line| line.contains("\"serving\""));
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    let before = portal.json(&["device", "list", "--json"])[0]["id"].clone();
    let is_rotation = |line: &str| line.starts_with("{\"step\":\"key-rotated\"");
    at_every_point(ROTATION_CALLS, |point| {
        let (mut running, strace) = start_killed(&agent, &dir.path().join(format!("gate-{point}")), point);
        let undisturbed = std::iter::from_fn(|| running.next_line()).any(|line| is_rotation(&line));
        drop(strace);
        running.kill();
        let mut running = agent.start_signed_in();
        running.wait_for(is_rotation);
        running.kill();
        let devices = portal.json(&["device", "list", "--json"]);
        assert_eq!(devices.as_array().expect("a list").len(), 1, "killed at {point}: {devices}");
        assert_eq!((&devices[0]["id"], &devices[0]["state"]), (&before, &"registered".into()), "killed at {point}");
        assert!(portal.ok(&["device", "clones"]).contains("no key is in two places"), "killed at {point}");
        !undisturbed
    });
    assert!(portal.ok(&["audit", "verify"]).contains("intact"));
}

fn portal_dies() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    portal.ok(&["tenant", "set", "acme", "--devices-per-user", "1000"]);
    at_every_point(PORTAL_CALLS, |point| {
        let agent = Agent::in_dir(&dir.path().join(format!("agent-{point}")));
        let token = portal.token(&["--uses", "1"]);
        assert!(agent.configure(&portal, &token).status.success());
        let mut serving = portal.serve();
        let strace = kill_at(&serving, point);
        let mut running = agent.start();
        // Either the portal dies, or the enrolment passes.
        let first = running.wait_for(|line| is_session(line) || line.contains("\"nobody was signed in\""));
        let undisturbed = is_session(&first);
        serving.kill();
        drop(strace);
        if undisturbed {
            check(&portal, &agent, &token, "undisturbed");
            return false;
        }
        let _serving = portal.serve();
        running.wait_for(is_session);
        check(&portal, &agent, &token, &format!("killed at {point}"));
        true
    });
}
