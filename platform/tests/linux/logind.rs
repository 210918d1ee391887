use crate::{
    bus::{Bus, missing},
    needing,
    probe::Probe,
    unless_root,
};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

/// systemd gives this to services that tell it when they are ready.
const AS_A_SERVICE: (&str, &str) = ("NOTIFY_SOCKET", "/run/nowhere");

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        needing(
            "logind: people's sessions are listed and nothing else",
            missing().or(unless_root()),
            people_are_listed,
        ),
        needing(
            "logind: an ordinary user sees only their own sessions",
            missing().or(unless_root()).or(unless_account()),
            users_see_their_own,
        ),
        needing(
            "logind: what holds for every session service holds for it, for whoever asks",
            missing().or(unless_root()).or(unless_account()),
            holds_for_every_service,
        ),
        needing(
            "sessions: what holds for every session service holds for utmp and without any",
            None,
            holds_without_logind,
        ),
        needing("logind: changes arrive as events and cost nothing between", missing(), changes_arrive),
        needing("logind: a bus without logind means the owner of the process", missing(), no_logind),
        needing(
            "logind: one without a session, for an agent started by hand, means the owner of the process",
            missing(),
            no_session,
        ),
        needing("logind: a service without logind means nobody", missing(), no_logind_for_a_service),
        needing("logind: no bus at all means the owner of the process", None, no_bus),
        needing("logind: one that hangs is an error in time", missing(), hanging_logind),
    ]
}

/// What a service sees.
fn sessions(bus: &Bus, user: Option<u32>) -> Vec<String> {
    let environment = [bus.environment()[0], AS_A_SERVICE];
    let mut lines = Probe::start("sessions", "", user, &environment).all();
    assert_eq!(lines.pop().as_deref(), Some("end"));
    lines.sort();
    lines
}

fn people_are_listed() {
    let bus = Bus::with_logind();
    assert!(sessions(&bus, None).is_empty(), "nobody is an answer");
    bus.add_session("2", 4_201_000, "alice", true);
    bus.add_session("c1", 112, "gdm", true);
    bus.update("c1", "Class", "greeter".into());
    bus.add_session("5", 4_201_001, "bob", true);
    bus.update("5", "Remote", true.into());
    bus.add_session("7", 4_201_002, "carol", false);
    bus.add_session("8", 4_201_003, "dave", true);
    bus.update("8", "State", "closing".into());
    let found = sessions(&bus, None);
    let wanted = [
        "2 alice Some(4201000) active=true remote=false local logind",
        "5 bob Some(4201001) active=true remote=true local logind",
        "7 carol Some(4201002) active=false remote=false local logind",
    ];
    assert_eq!(found, wanted);
    bus.update("2", "Active", false.into());
    bus.update("7", "Active", true.into());
    let found = sessions(&bus, None);
    assert!(
        found[0].contains("alice Some(4201000) active=false") && found[2].contains("carol Some(4201002) active=true"),
        "{found:?}"
    );
}

/// A person's account of this machine: the bus lets nobody in whom it cannot look up.
fn ordinary_account() -> Option<u32> {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    accounts.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).find(|uid| (1000..60_000).contains(uid))
}

fn unless_account() -> Option<&'static str> {
    ordinary_account().is_none().then_some("an account with a user id of 1000 or more, as `useradd` makes")
}

/// Also by a name that logind has kept from somebody before them: the account's present one counts.
fn users_see_their_own() {
    let own = ordinary_account().unwrap();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = accounts.lines().find(|line| line.split(':').nth(2) == Some(own.to_string().as_str())).unwrap();
    let name = line.split(':').next().unwrap();
    let bus = Bus::with_logind();
    bus.add_session("2", 4_201_001, "alice", true);
    bus.add_session("5", own, "a-former-name", true);
    assert_eq!(sessions(&bus, Some(own)), [format!("5 {name} Some({own}) active=true remote=false local logind")]);
}

fn holds_for_every_service() {
    let own = ordinary_account().unwrap();
    let bus = Bus::with_logind();
    let holds = |user: Option<u32>, more: &[(&str, &str)]| {
        let environment = [&bus.environment()[..], more].concat();
        assert_eq!(Probe::start("any-sessions", "", user, &environment).all(), ["holds"], "{user:?} {more:?}");
    };
    holds(None, &[AS_A_SERVICE]);
    bus.add_session("2", own, "alice", true);
    bus.add_session("5", own + 1, "bob@corp.example.com", false);
    for user in [None, Some(own)] {
        holds(user, &[AS_A_SERVICE]);
        holds(user, &[]);
    }
}

fn holds_without_logind() {
    let nowhere = ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/nowhere/bus");
    for environment in [&[nowhere][..], &[nowhere, AS_A_SERVICE]] {
        assert_eq!(Probe::start("any-sessions", "", None, environment).all(), ["holds"], "{environment:?}");
    }
}

fn changes_arrive() {
    let mut bus = Bus::with_logind();
    bus.add_session("2", 4_201_000, "alice", true);
    let probe = Probe::start("watch", "", None, &bus.environment());
    assert_eq!(probe.line(), "subscribed");
    // Long enough for a poller to give itself away by waking up.
    std::thread::sleep(std::time::Duration::from_secs(2));
    bus.announce("SessionNew", "5");
    let line = probe.line();
    let switches: u64 = line.rsplit_once("switches=").unwrap().1.parse().unwrap();
    assert!(line.starts_with(r#"Opened(SessionId("5"))"#), "{line}");
    assert!(switches <= 10, "woken {switches} times in two quiet seconds");
    for (property, value) in [("LockedHint", true.into()), ("Active", false.into()), ("LockedHint", false.into())] {
        bus.update("2", property, value);
        let line = probe.line();
        assert!(line.starts_with("Changed"), "{property}: {line}");
    }
    bus.announce("SessionRemoved", "5");
    let line = probe.line();
    assert!(line.starts_with(r#"Closed(SessionId("5"))"#), "{line}");
    bus.announce_sleep(true);
    bus.announce_sleep(false);
    assert!(probe.line().starts_with("Resumed"), "falling asleep is no change, waking up is");
    bus.stop_logind();
    assert!(probe.line().starts_with("ServiceRestarted"));
    bus.start_logind();
    assert!(probe.line().starts_with("ServiceRestarted"));
    bus.add_session("9", 4_201_000, "alice", true);
    bus.announce("SessionNew", "9");
    let line = probe.line();
    assert!(line.starts_with(r#"Opened(SessionId("9"))"#), "after a restart of logind: {line}");
    bus.restart();
    assert!(probe.line().starts_with("ServiceRestarted"), "the bus is found again");
    bus.announce("SessionNew", "10");
    // It may have been found before logind was on it.
    let line = std::iter::repeat_with(|| probe.line()).find(|line| !line.starts_with("ServiceRestarted")).unwrap();
    assert!(line.starts_with(r#"Opened(SessionId("10"))"#), "after a restart of the bus: {line}");
}

fn started_by_hand(bus: &Bus) -> Vec<String> {
    Probe::start("sessions", "", None, &bus.environment()).all()
}

fn no_logind() {
    let found = started_by_hand(&Bus::empty());
    assert!(found.len() == 2 && found[0].ends_with("local process-owner"), "{found:?}");
}

fn no_session() {
    let found = started_by_hand(&Bus::with_logind());
    assert!(found.len() == 2 && found[0].ends_with("local process-owner"), "{found:?}");
}

fn no_logind_for_a_service() {
    let bus = Bus::empty();
    assert!(sessions(&bus, None).is_empty());
}

fn no_bus() {
    let environment = [("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")];
    let found = Probe::start("sessions", "", None, &environment).all();
    assert!(found.len() == 2 && found[0].ends_with("local process-owner"), "{found:?}");
}

fn hanging_logind() {
    let bus = Bus::with_logind();
    let mock = Pid::from_raw(bus.mock_id().cast_signed()).unwrap();
    kill_process(mock, Signal::STOP).unwrap();
    let found = Probe::start("sessions", "", None, &bus.environment()).all();
    assert!(found[0].starts_with("error: the session service did not answer within 5 s"), "{found:?}");
}
