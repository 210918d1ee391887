use crate::{needing, probe::Probe, unless_root};
use libtest_mimic::Trial;
use std::os::unix::fs::{PermissionsExt, chown};

const STRANGER: u32 = 4321;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        needing("channel: another user is told apart by the agent", unless_root(), another_user_is_known),
        needing("channel: a stranger's server is refused by the client", unless_root(), a_strangers_server_is_refused),
        needing(
            "channel: a stranger's socket in the way is refused and kept",
            unless_root(),
            a_strangers_socket_is_refused,
        ),
        needing("channel: a person's own channel is closed to others", unless_root(), a_persons_channel_is_closed),
        needing("channel: a killed agent's socket is taken over", None, a_killed_agent_is_replaced),
    ]
}

/// A directory that every user may pass through.
fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn another_user_is_known() {
    let dir = open_dir();
    let run = dir.path().join("run");
    let agent = Probe::start("listen", run.to_str().unwrap(), None, &[]);
    assert_eq!(agent.line(), "listening");
    assert_eq!(Probe::start("connect", run.to_str().unwrap(), Some(STRANGER), &[]).all(), ["connected"]);
    let peer = agent.line();
    assert!(peer.contains("uid: Some(4321)") && peer.contains("privileged: false, same_user: false"), "{peer}");
    assert_eq!(Probe::start("connect", run.to_str().unwrap(), None, &[]).all(), ["connected"]);
    let peer = agent.line();
    assert!(peer.contains("uid: Some(0)") && peer.contains("privileged: true, same_user: true"), "{peer}");
}

fn a_strangers_server_is_refused() {
    let dir = open_dir();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    chown(&run, Some(STRANGER), Some(STRANGER)).unwrap();
    let server = Probe::start("listen", run.to_str().unwrap(), Some(STRANGER), &[]);
    assert_eq!(server.line(), "listening");
    let found = Probe::start("connect", run.to_str().unwrap(), None, &[]).all();
    assert!(found[0].contains("runs as user id 4321") && found[0].contains("nothing was sent"), "{found:?}");
}

fn a_strangers_socket_is_refused() {
    let dir = open_dir();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    let socket = run.join("countersign.sock");
    let squatter = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    chown(&socket, Some(STRANGER), None).unwrap();
    let found = Probe::start("listen", run.to_str().unwrap(), None, &[]).all();
    assert!(found[0].contains("a socket of user id 4321") && found[0].contains("remove it"), "{found:?}");
    assert!(socket.exists());
    drop(squatter);
}

fn a_persons_channel_is_closed() {
    let dir = open_dir();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    chown(&home, Some(STRANGER), Some(STRANGER)).unwrap();
    let run = home.join("run");
    let agent = Probe::start("listen", run.to_str().unwrap(), Some(STRANGER), &[]);
    assert_eq!(agent.line(), "listening");
    let found = Probe::start("connect", run.to_str().unwrap(), Some(STRANGER + 1), &[]).all();
    assert!(found[0].starts_with("error: could not connect to"), "{found:?}");
}

fn a_killed_agent_is_replaced() {
    let dir = open_dir();
    let run = dir.path().join("run");
    for _ in 0..3 {
        let agent = Probe::start("listen", run.to_str().unwrap(), None, &[]);
        assert_eq!(agent.line(), "listening");
        let second = Probe::start("listen", run.to_str().unwrap(), None, &[]).all();
        assert!(second[0].contains("another countersign listens"), "{second:?}");
        agent.kill();
        assert!(run.join("countersign.sock").exists());
    }
}
