//! Two people at one computer: whoever comes has a session of their own in time, and whoever has gone has none any more. And what the
//! system can't tell at first is asked for again, for as long as it takes.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code: a surprise must end it loudly, and what a switch took is told"
)]

#[path = "../platform/tests/linux/bus.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::redundant_pub_crate,
    reason = "shared with the tests of `platform`, which use more of it"
)]
mod bus;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use bus::Bus;
use libtest_mimic::Arguments;
use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::components::trial;
use tests::portal::Portal;
use tests::program::Program;

/// What a switch may take (issue and design: from the new person's session at the machine to their session with the portal).
const LONGEST: Duration = Duration::from_secs(3);

fn main() {
    let mut needs = vec!["root", "dbus-daemon"];
    needs.extend(bus::missing());
    let tests = vec![
        trial("a_switch_gives_the_new_person_a_session_in_time_and_ends_the_old_one", &needs, switch),
        trial("a_bus_that_is_silent_at_the_start_is_asked_again", &needs, silent_bus),
        trial("a_machine_on_which_nothing_more_can_be_watched_signs_its_people_in", &needs, no_watches_left),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// A portal, an agent that is configured for it, and a bus on which alice is logged in.
struct Desk {
    _dir: TempDir,
    _serving: Program,
    agent: Agent,
    bus: Bus,
}

fn desk() -> Desk {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve();
    let bus = Bus::with_logind();
    bus.add_session("2", 4_201_000, "alice", true);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    Desk { _dir: dir, _serving: serving, agent, bus }
}

fn is_alices(line: &str) -> bool {
    is_session(line) && line.contains("alice@example.test")
}

/// As at the start of a machine that is overloaded: the bus takes the connection, and says nothing.
fn silent_bus() {
    let desk = desk();
    let place = tempfile::tempdir().expect("a directory can be made");
    let (silent, now) = (place.path().join("silent"), place.path().join("bus"));
    let listener = UnixListener::bind(&silent).expect("a socket can be made");
    symlink(&silent, &now).expect("a link can be made");
    let mut command = desk.agent.run_command();
    command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", now.display()));
    let mut running = Program::start(command);
    let (asked, _) = listener.accept().expect("the agent asks it");
    let link = place.path().join("link");
    symlink(desk.bus.address.trim_start_matches("unix:path="), &link).expect("a link can be made");
    fs::rename(link, now).expect("the link can be put in the other's place");
    running.wait_for(is_alices);
    drop(asked);
    // Who comes later is heard of: the changes are heard by now, too.
    desk.bus.add_session("3", 4_201_001, "bob", true);
    desk.bus.announce("SessionNew", "3");
    running.wait_for(|line| is_session(line) && line.contains("bob@example.test"));
}

/// As where other programs have used up what all of root's may watch together.
fn no_watches_left() {
    let desk = desk();
    let agent = desk.agent.run_command();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c"]);
    command.arg("echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"").arg("sh").arg(agent.get_program());
    command.args(agent.get_args()).envs(desk.bus.environment());
    Program::start(command).wait_for(is_alices);
}

fn switch() {
    let Desk { _dir, _serving, agent, bus } = desk();
    let mut command = agent.run_command();
    command.envs(bus.environment());
    let mut running = Program::start(command);
    running.wait_for(is_alices);

    for (id, uid, name, before) in [("3", 4_201_001, "bob", "2"), ("4", 4_201_002, "carol", "3")] {
        bus.update(before, "Active", false.into());
        bus.add_session(id, uid, name, true);
        let begun = Instant::now();
        bus.announce("SessionNew", id);
        running.wait_for(|line| is_session(line) && line.contains(&format!("{name}@example.test")));
        let took = begun.elapsed();
        println!("a switch to {name} took {} ms, portal included", took.as_millis());
        assert!(took <= LONGEST, "{took:?}");
    }
    let people = |agent: &Agent| agent.json(&["status", "--json"])["people"].as_array().expect("people").len();
    assert_eq!(people(&agent), 3, "each has a session of their own");
    bus.update("2", "State", "closing".into());
    bus.announce("SessionRemoved", "2");
    let mut looks = Program::start(agent.command(&["status", "--watch", "--json"]));
    looks.wait_for(|line| !line.contains("alice") && line.contains("bob") && line.contains("carol"));
}
