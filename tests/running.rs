//! Running a portal: too much at once, metrics, draining, backups, retention of the audit.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "test code: it starts programs and changes their files, and a surprise must end it loudly"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tests::device::{Device, code};
use tests::https::{HttpAnswer, Https};
use tests::portal::{Portal, free_port};
use tests::program::Program;

/// A portal that is served with these options, and its metrics' address.
fn served(dir: &Path, options: &[&str]) -> (Portal, Program, Https, String) {
    let portal = Portal::create(dir);
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut command = portal.serve_command();
    command.args(["--metrics-listen", &metrics]).args(options);
    let mut serving = Program::start(command);
    serving.wait_for(|line| line.contains("\"serving\""));
    let https = Https::trusting(&portal.authority.ca);
    (portal, serving, https, format!("http://{metrics}"))
}

/// The value of a sample.
fn sample(https: &Https, metrics: &str, name: &str) -> f64 {
    let text = https.get(&format!("{metrics}/metrics")).body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is counted");
    line.trim().parse().expect("it is a number")
}

/// Another program that holds the write lock of the portal's SQLite file until it is dropped.
struct Lock(Child);

impl Lock {
    fn take(portal: &Portal) -> Self {
        let script = "import sqlite3, sys\n\
            c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n\
            c.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()";
        let database = portal.data_dir.join("portal.db");
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 can be started");
        let mut said = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().expect("it is piped"), &mut said).expect("it takes the lock");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_comes_when_there_is_too_much_is_asked_back_and_who_was_let_in_is_served() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, _serving, https, metrics) = served(dir.path(), &["--max-in-flight", "1"]);
    let token = portal.token(&[]);
    let first = Device::new();
    let request = first.enrolling(first.request(&portal, "alice", 1), &token);
    let lock = Lock::take(&portal);
    let answers: Vec<HttpAnswer> = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let own = Https::trusting(&portal.authority.ca);
            code(&first.send(&own, &portal, &request))
        });
        while sample(&https, &metrics, "countersign_in_flight ") < 1.0 {}
        let turned_away = (0..20).map(|_| {
            let device = Device::new();
            device.send(&https, &portal, &device.enrolling(device.request(&portal, "bob", 1), &token))
        });
        let answers = turned_away.collect();
        drop(lock);
        assert_eq!(waiting.join().expect("it ends well"), "success", "who was let in is served");
        answers
    });
    let waits: Vec<u32> = answers
        .iter()
        .map(|answer| {
            assert_eq!((answer.status, code(answer).as_str()), (503, "busy"));
            answer.retry_after.as_ref().and_then(|seconds| seconds.parse().ok()).expect("it says when to come back")
        })
        .collect();
    assert!(waits.iter().all(|seconds| (1..=900).contains(seconds)), "{waits:?}");
    assert!((sample(&https, &metrics, "countersign_answers_total{code=\"turned-away\"}") - 20.0).abs() < 0.5);
    assert!((sample(&https, &metrics, "countersign_answers_total{code=\"granted\"}") - 1.0).abs() < 0.5);
    assert!(sample(&https, &metrics, "countersign_commits_total") >= 1.0);
}

#[test]
fn a_device_that_comes_too_often_is_slowed_down_and_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, _serving, https, _) = served(dir.path(), &[]);
    let token = portal.token(&[]);
    let (hasty, other) = (Device::new(), Device::new());
    for device in [&hasty, &other] {
        let request = device.enrolling(device.request(&portal, "alice", 1), &token);
        assert_eq!(code(&device.send(&https, &portal, &request)), "success");
    }
    let mut answers = (2..1000).map(|sequence| hasty.send(&https, &portal, &hasty.request(&portal, "alice", sequence)));
    let slowed = answers.find(|answer| code(answer) != "success").expect("it is slowed down");
    assert_eq!((slowed.status, code(&slowed).as_str()), (200, "busy"));
    assert!(slowed.body.contains("RetryAfter=\"1\""), "{}", slowed.body);
    assert_eq!(code(&other.send(&https, &portal, &other.request(&portal, "alice", 2))), "success", "the same address");
}

#[test]
fn a_portal_that_stops_says_so_first_and_answers_meanwhile() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, mut serving, https, metrics) = served(dir.path(), &["--drain", "3s"]);
    let (device, token) = (Device::new(), portal.token(&[]));
    assert_eq!(https.get(&format!("{}/readyz", portal.url())).status, 200);
    serving.signal("TERM");
    serving.wait_for(|line| line.contains("\"stopping\""));
    while https.get(&format!("{metrics}/readyz")).status == 200 {}
    assert_eq!(https.get(&format!("{}/readyz", portal.url())).status, 503);
    let request = device.enrolling(device.request(&portal, "alice", 1), &token);
    assert_eq!(code(&device.send(&https, &portal, &request)), "success");
    let (status, _) = serving.wait();
    assert!(status.success());
}

#[test]
fn a_live_portal_is_backed_up_and_brought_back() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, serving, https, _) = served(dir.path(), &[]);
    let token = portal.token(&[]);
    let (before, after) = (Device::new(), Device::new());
    let enrol = |device: &Device| {
        code(&device.send(&https, &portal, &device.enrolling(device.request(&portal, "alice", 1), &token)))
    };
    assert_eq!(enrol(&before), "success");
    let backup = dir.path().join("backup");
    let named = backup.display().to_string();
    // The cloud has two, and the tenant one.
    assert!(portal.ok(&["backup", &named]).contains("3 private signing keys"));
    assert_eq!(enrol(&after), "success");
    drop(serving);

    let refused = portal.command(&["restore", &named]).output().expect("it starts");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is a portal in"));
    let restored = Portal { data_dir: dir.path().join("restored"), ..portal.clone() };
    assert!(restored.ok(&["restore", &named]).contains("its audit is intact"));
    let _serving = restored.serve();
    let sign_in = |device: &Device| code(&device.send(&https, &restored, &device.request(&restored, "alice", 2)));
    assert_eq!(sign_in(&before), "success");
    assert_eq!(sign_in(&after), "device-unknown", "it came after the backup");

    let database = backup.join("portal.db");
    let mut bytes = std::fs::read(&database).expect("it is there");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    std::fs::write(&database, bytes).expect("it can be written");
    let other = Portal { data_dir: dir.path().join("other"), ..portal.clone() };
    let refused = other.command(&["restore", &named]).output().expect("it starts");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not what it was when the backup was taken"));
    assert!(!other.data_dir.exists(), "nothing is written of a backup that was changed");
}

#[test]
fn the_audit_is_exported_from_where_a_reader_was_and_cut_without_breaking_the_chain() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let all = portal.ok(&["audit", "export"]);
    let sequence =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("it is JSON")["sequence"].as_i64();
    let numbers: Vec<_> = all.lines().filter_map(sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    assert_eq!(portal.ok(&["audit", "export", "--after", "2"]).lines().next().and_then(sequence), Some(3));

    let cut = portal.ok(&["audit", "cut", "--older-than", "0s"]);
    assert!(cut.starts_with(&format!("cut off {} rows", numbers.len() - 1)), "{cut}");
    assert!(portal.ok(&["audit", "verify"]).contains("intact"));
    assert_eq!(portal.ok(&["audit", "export"]).lines().count(), 2, "the newest, and the cut's own");
}

#[test]
fn a_signed_head_shows_that_the_audit_was_cut_off_or_made_anew() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    if portal.database_file.is_some() {
        // Another database's file can't be put back like this; what is compared is the same.
        return;
    }
    let copy = |from: &str, to: &str| {
        std::fs::copy(portal.data_dir.join(from), portal.data_dir.join(to)).expect("it can be copied");
    };
    copy("portal.db", "earlier.db");
    portal.ok(&["tenant", "create", "second"]);
    let export = portal.ok(&["audit", "export", "--signed"]);
    let heads = dir.path().join("heads.jsonl");
    std::fs::write(&heads, &export).expect("it can be written");
    let heads = heads.to_str().expect("it is text");
    let verify = || portal.run(&["audit", "verify", "--against", heads]);
    assert!(verify().status.success(), "{:?}", verify());
    copy("earlier.db", "portal.db");
    let cut = verify();
    assert!(!cut.status.success() && String::from_utf8_lossy(&cut.stderr).contains("cut off"), "{cut:?}");
    portal.ok(&["tenant", "create", "other"]);
    let remade = verify();
    assert!(!remade.status.success() && String::from_utf8_lossy(&remade.stderr).contains("made anew"), "{remade:?}");
}
