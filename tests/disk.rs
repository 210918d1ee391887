//! A full disk: nothing is half written, sessions and sign-ins go on with the numbers that are left, the code says so, and the
//! agent comes back by itself when there is room.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "test code: a surprise must end it loudly"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Arguments;
use tests::agent::{Agent, is_session};
use tests::components::trial;
use tests::portal::Portal;

fn main() {
    let mut needs = vec!["mount", "umount", "unshare"];
    // Containers often have root and not this.
    if !Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
        needs.push("/the right to mount");
    }
    let trials = vec![
        trial("a_disk_that_fills_up_stops_nobody_who_was_signed_in", &needs, fills_up),
        trial(
            "an_agent_that_starts_on_a_full_disk_says_so_and_goes_on_when_there_is_room",
            &needs,
            is_full_at_the_start,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A file system of one megabyte.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a directory can be made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"]).arg(at).status();
        assert!(mounted.expect("`mount` can be started").success());
        Self(at.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let mut filler = std::fs::File::create(self.filler()).expect("a file can be made");
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("it is there");
    }

    /// The names of files that a writer left unfinished.
    fn leftovers(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("state")).expect("it is there").map_while(Result::ok);
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".tmp"))
            .collect()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn agent_on_small_disk(dir: &Path, portal: &Portal) -> (SmallDisk, Agent) {
    let disk = SmallDisk::mount(&dir.join("disk"));
    let agent = Agent { state_dir: disk.0.join("state"), ..Agent::in_dir(&dir.join("agent")) };
    assert!(agent.configure(portal, &portal.token(&[])).status.success());
    (disk, agent)
}

fn is_sound(agent: &Agent) -> bool {
    let state = std::fs::read(agent.state_dir.join("device.json")).expect("it is there");
    serde_json::from_slice::<serde_json::Value>(&state).is_ok_and(|state| state["portal"]["enrolled_by"].is_string())
}

fn fills_up() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let mut serving = portal.serve();
    let (disk, agent) = agent_on_small_disk(dir.path(), &portal);
    drop(agent.start_signed_in());
    // The token is gone, and with it the last thing to write but the count.
    let _running = agent.start_signed_in();
    disk.fill();
    for _ in 0..3 {
        agent.ok(&["sign-in"]);
    }
    // Requests that nobody answers use up the numbers that are left.
    serving.kill();
    let mut codes = (0..1000).map(|_| agent.run(&["sign-in"]).status.code());
    let unheard = codes.by_ref().take_while(|code| *code == Some(11)).count();
    assert!(unheard >= 50, "a full disk stops nobody at once: {unheard}");
    assert_eq!(agent.run(&["sign-in"]).status.code(), Some(59));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["people"][0]["problem"]["code"], "disk-full", "{status}");
    assert!(status["people"][0]["user"].is_string(), "the session holds as long as it lasts: {status}");
    assert_eq!(status["notices"][0]["code"], "disk-full", "{status}");
    assert!(is_sound(&agent) && disk.leftovers().is_empty());
    let _serving = portal.serve();
    disk.make_room();
    agent.ok(&["sign-in"]);
    assert!(agent.json(&["status", "--json"])["notices"].as_array().is_some_and(Vec::is_empty));
    assert!(is_sound(&agent) && disk.leftovers().is_empty());
}

fn is_full_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let (disk, agent) = agent_on_small_disk(dir.path(), &portal);
    drop(agent.start_signed_in());
    disk.fill();
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"disk-full\""));
    assert!(is_sound(&agent) && disk.leftovers().is_empty());
    disk.make_room();
    // Nobody asks: it tries again by itself.
    running.wait_for(is_session);
    assert!(is_sound(&agent));
}
