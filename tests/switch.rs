//! Two people at one computer: whoever comes has a session of their own in time, and whoever has gone has none any more.
#![expect(
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

use std::time::{Duration, Instant};

use bus::Bus;
use libtest_mimic::Arguments;
use tests::agent::{Agent, is_session};
use tests::components::trial;
use tests::portal::Portal;
use tests::program::Program;

/// What a switch may take (issue and design: from the new person's session at the machine to their session with the portal).
const LONGEST: Duration = Duration::from_secs(3);

fn main() {
    let mut needs = vec!["root", "dbus-daemon"];
    needs.extend(bus::missing());
    let name = "a_switch_gives_the_new_person_a_session_in_time_and_ends_the_old_one";
    libtest_mimic::run(&Arguments::from_args(), vec![trial(name, &needs, switch)]).exit();
}

fn switch() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let bus = Bus::with_logind();
    bus.add_session("2", 1000, "alice", true);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut command = agent.run_command();
    command.envs(bus.environment());
    let mut running = Program::start(command);
    running.wait_for(|line| is_session(line) && line.contains("alice@example.test"));

    for (id, uid, name, before) in [("3", 1001, "bob", "2"), ("4", 1002, "carol", "3")] {
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
