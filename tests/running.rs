//! Running a portal: too much at once, metrics, draining, backups, retention of the audit.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "test code: it starts programs and changes their files, and a surprise must end it loudly"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tests::authority::Authority;
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
fn a_renewed_certificate_is_taken_up_without_a_restart() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, mut serving, _, metrics) = served(dir.path(), &[]);
    let ready = format!("{}/readyz", portal.url());
    let renewed = Authority::create(&dir.path().join("renewed"), "Another CA");
    let replace = |from: &Path, to: &Path| {
        fs::copy(from, to).expect("a file can be replaced");
    };

    // One of the two files is there before the other: nothing changes, and the log says why.
    replace(&renewed.key, &portal.authority.key);
    serving.signal("HUP");
    let line = serving.wait_for(|line| line.contains("can't take up the TLS certificate"));
    assert!(line.contains("server.pem"), "{line}");
    assert_eq!(Https::trusting(&portal.authority.ca).get(&ready).status, 200);

    replace(&renewed.certificate, &portal.authority.certificate);
    serving.signal("HUP");
    serving.wait_for(|line| line.contains("serving with a new TLS certificate"));
    let https = Https::trusting(&renewed.ca);
    assert_eq!(https.get(&ready).status, 200);
    assert!(Https::trusting(&portal.authority.ca).try_post_soap(&ready, "").is_none(), "the former one is gone");
    // 2044-01-01
    assert!((sample(&https, &metrics, "countersign_tls_certificate_expiry_seconds ") - 2_335_219_200.0).abs() < 1.0);
}

#[test]
fn a_certificate_that_does_not_name_the_portal_is_said_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let mut command = portal.serve_command();
    command.args(["--metrics-listen", &format!("127.0.0.1:{}", free_port())]);
    let mut serving = Program::start(replaced(&command, &portal.url(), "https://cloud.example.net"));
    let line = serving.wait_for(|line| line.contains("does not name the host of --public-url"));
    assert!(line.contains("cloud.example.net"), "{line}");
}

/// `command` with `to` in the place of its argument `from`.
fn replaced(command: &Command, from: &str, to: &str) -> Command {
    let mut changed = Command::new(command.get_program());
    changed.args(command.get_args().map(|argument| if argument == from { to.as_ref() } else { argument }));
    changed
}

/// Everything that the portal has made below `dir`, with its owner and its mode.
fn made_below(dir: &Path) -> Vec<(PathBuf, u32, u32)> {
    let mut made = Vec::new();
    for entry in fs::read_dir(dir).expect("it is a directory") {
        let path = entry.expect("it is read").path();
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        if metadata.is_dir() {
            made.extend(made_below(&path));
        }
        made.push((path, metadata.uid(), metadata.mode() & 0o777));
    }
    made
}

/// `countersign-portal` with `arguments` where new files would be open to everybody; what it says on standard error.
fn with_open_umask(portal: &Portal, arguments: &[&str]) -> String {
    let portal = portal.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(portal.get_program()).args(portal.get_args());
    let output = command.output().expect("a shell can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_portals_files_are_its_accounts_and_nobody_elses() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal { data_dir: dir.path().join("made"), database_file: None, ..Portal::create(dir.path()) };
    fs::create_dir(&portal.data_dir).expect("a directory can be made");
    let own = fs::metadata(dir.path()).expect("it is there").uid();
    // As root, the directory is the service's; elsewhere there is one account alone.
    let service = if own == 0 { 65_534 } else { own };
    chown(&portal.data_dir, Some(service), None).expect("root may");
    with_open_umask(&portal, &["key", "create"]);
    with_open_umask(&portal, &["tenant", "create", "acme"]);
    with_open_umask(&portal, &["key", "add", "--for", "agent"]);
    let made = made_below(&portal.data_dir);
    assert!(
        made.len() >= 6,
        "two keys of the cloud, one of the tenant, one more, their directory and the database: {made:?}"
    );
    for (path, owner, mode) in &made {
        assert_eq!((*owner, mode & 0o077), (service, 0), "{}: {mode:o}", path.display());
    }

    let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it can be opened");
    open(&portal.data_dir);
    made.iter().for_each(|(path, ..)| open(path));
    portal.ok(&["key", "list"]);
    for path in [&portal.data_dir, &portal.data_dir.join("keys"), &portal.data_dir.join("portal.db")] {
        let mode = fs::metadata(path).expect("it is there").mode();
        assert_eq!(mode & 0o077, 0, "{} is open: {mode:o}", path.display());
    }

    let backup = dir.path().join("copy");
    with_open_umask(&portal, &["backup", &backup.display().to_string()]);
    for (path, _, mode) in made_below(&backup) {
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn a_command_that_reads_makes_no_portal() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal { data_dir: dir.path().join("none"), database_file: None, ..Portal::create(dir.path()) };
    for arguments in [&["tenant", "list"][..], &["key", "list"], &["audit", "verify"], &["device", "list"]] {
        let output = portal.command(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("there is no portal in"), "{arguments:?}: {said}");
    }
    assert!(!portal.data_dir.exists(), "nothing was made");
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
    let mut bytes = fs::read(&database).expect("it is there");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    fs::write(&database, bytes).expect("it can be written");
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
        fs::copy(portal.data_dir.join(from), portal.data_dir.join(to)).expect("it can be copied");
    };
    copy("portal.db", "earlier.db");
    portal.ok(&["tenant", "create", "second"]);
    let export = portal.ok(&["audit", "export", "--signed"]);
    let heads = dir.path().join("heads.jsonl");
    fs::write(&heads, &export).expect("it can be written");
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
