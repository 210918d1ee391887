//! Three portal processes over one PostgreSQL database, behind a plain TCP balancer.
#![expect(clippy::expect_used, clippy::panic, reason = "test code: a surprise must end it loudly")]

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use libtest_mimic::Arguments;
use tests::authority::write_private;
use tests::balancer;
use tests::components::trial;
use tests::device::{Device, code};
use tests::https::{HttpAnswer, Https};
use tests::portal::{Portal, free_port};
use tests::postgres::{Cluster, NEEDS, PASSWORD, query};
use tests::program::Program;

/// Devices in the herd, how many come at the same time, and sign-ins of each after its enrolment.
const DEVICES: usize = 60;
const AT_ONCE: usize = 12;
const SIGN_INS: u64 = 4;

fn main() {
    let trials = vec![
        trial("three_processes_share_one_database_and_one_of_them_dies", NEEDS, three_processes),
        trial("the_database_goes_away_and_comes_back", NEEDS, database_restarts),
        trial("a_password_is_taken_from_a_file_only_and_shown_nowhere", NEEDS, password),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A portal process that listens on a port of its own and is reached through the balancer's.
fn process(portal: &Portal) -> (Program, u16) {
    let own = Portal { listen_port: free_port(), ..portal.clone() };
    (own.serve(), own.listen_port)
}

struct Herd<'p> {
    portal: &'p Portal,
    token: String,
    next: AtomicUsize,
    /// Answers that were heard so far; the killer waits for some.
    heard: mpsc::Sender<()>,
}

impl Herd<'_> {
    /// Sends requests for `device` until one is answered with success; returns that request's ID and text.
    ///
    /// What a dying process swallowed is sent again as a new request with the next number, as the agent does it.
    fn insist(&self, https: &Https, device: &Device, sequence: &mut u64, enrol: bool) -> (String, String) {
        for _ in 0..100 {
            *sequence += 1;
            let mut request = device.request(self.portal, "alice", *sequence);
            if enrol {
                request = device.enrolling(request, &self.token);
            }
            let signed = device.sign(&request);
            let Some(answer) = https.try_post_soap(&self.portal.soap_url(), signed.clone()) else { continue };
            if answer.status == 503 {
                continue;
            }
            assert_eq!(code(&answer), "success");
            // The killer may have gone.
            let _ = self.heard.send(());
            return (request.id.as_str().to_owned(), signed);
        }
        panic!("a device was not answered in a hundred tries");
    }

    /// Devices one after the other until the herd is through; returns each successful request's ID and one signed text.
    fn work(&self) -> (Vec<String>, Vec<(String, String)>) {
        let https = Https::trusting(&self.portal.authority.ca);
        let (mut answered, mut samples) = (Vec::new(), Vec::new());
        while self.next.fetch_add(1, Ordering::Relaxed) < DEVICES {
            let (device, mut sequence) = (Device::new(), 0);
            let (id, signed) = self.insist(&https, &device, &mut sequence, true);
            answered.push(id);
            samples.push((device.id.as_str().to_owned(), signed));
            for _ in 0..SIGN_INS {
                answered.push(self.insist(&https, &device, &mut sequence, false).0);
            }
        }
        (answered, samples)
    }
}

fn three_processes() {
    let cluster = Cluster::start(false);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create_on(dir.path(), &cluster.url());
    let mut serving: Vec<_> = (0..3).map(|_| process(&portal)).collect();
    let ports: Vec<_> = serving.iter().map(|(_, port)| *port).collect();
    balancer::start(portal.port, ports.clone());
    portal.ok(&["tenant", "set", "acme", "--devices-per-user", "1000"]);

    let (heard, hearing) = mpsc::channel();
    let token = portal.token(&["--uses", &DEVICES.to_string()]);
    let herd = Herd { portal: &portal, token, next: AtomicUsize::new(0), heard };
    let (answered, samples) = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| herd.work())).collect();
        // In the middle of it, one of the three is killed without warning.
        hearing.iter().take(DEVICES * (SIGN_INS as usize + 1) / 3).for_each(drop);
        serving[1].0.kill();
        let (mut answered, mut samples) = (Vec::new(), Vec::new());
        for worker in workers {
            let (ids, texts) = worker.join().expect("a worker ends well");
            answered.extend(ids);
            samples.extend(texts);
        }
        (answered, samples)
    });

    // Nothing lost: every answer that was given is in the audit, whose one chain holds.
    assert_eq!(answered.len(), DEVICES * (SIGN_INS as usize + 1));
    let audit = portal.ok(&["audit", "list", "--json", "--limit", "100000"]);
    let granted: Vec<String> = audit
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a row is JSON"))
        .filter(|row| row["result"] == "ok")
        .filter_map(|row| row["detail"]["request"].as_str().map(str::to_owned))
        .collect();
    let distinct: BTreeSet<_> = granted.iter().collect();
    assert_eq!(distinct.len(), granted.len(), "no request was granted twice");
    assert!(answered.iter().all(|id| distinct.contains(id)), "an answer without its row");
    assert!(portal.ok(&["audit", "verify"]).contains("intact"));
    // Nothing counted twice, though the dying process made some devices enrol again.
    assert_eq!(portal.json(&["device", "list", "--json"]).as_array().expect("a list").len(), DEVICES);
    assert_eq!(portal.json(&["token", "list", "--json"])[0]["uses"], DEVICES);

    // What one process has believed, no other believes.
    let https = Https::trusting(&portal.authority.ca);
    for (_, signed) in &samples {
        for port in [ports[0], ports[2]] {
            let answer = https.post_soap(&format!("https://localhost:{port}/saml/soap"), signed.clone());
            assert_eq!(code(&answer), "replayed");
        }
    }
}

fn database_restarts() {
    let mut cluster = Cluster::start(false);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create_on(dir.path(), &cluster.url());
    let _serving = portal.serve();
    let https = Https::trusting(&portal.authority.ca);
    let (device, token) = (Device::new(), portal.token(&[]));
    let send = |request| -> HttpAnswer { device.send(&https, &portal, &request) };
    assert_eq!(code(&send(device.enrolling(device.request(&portal, "alice", 1), &token))), "success");

    cluster.stop();
    let answer = send(device.request(&portal, "alice", 2));
    assert_eq!((answer.status, code(&answer).as_str()), (503, "busy"), "{answer:?}");
    assert!(answer.retry_after.is_some());
    assert_eq!(https.get(&format!("{}/readyz", portal.url())).status, 503);
    assert_eq!(https.get(&format!("{}/healthz", portal.url())).status, 200);

    cluster.start_again();
    assert_eq!(https.get(&format!("{}/readyz", portal.url())).status, 200);
    assert_eq!(code(&send(device.request(&portal, "alice", 3))), "success");
}

fn password() {
    let cluster = Cluster::start(false);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create_on(dir.path(), &cluster.url());
    let plain = Portal { database_file: None, ..portal.clone() };
    let refused = plain.command(&["tenant", "list", "--database", &cluster.url()]).output().expect("it starts");
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--database-file") && !said.contains(PASSWORD), "{said}");

    // The directory of such a portal holds the signing keys alone; it is the account's as well.
    let keys = portal.data_dir.join("keys");
    for open in [&portal.data_dir, &keys] {
        std::fs::set_permissions(open, Permissions::from_mode(0o755)).expect("it can be opened to everybody");
    }
    portal.ok(&["key", "list"]);
    for closed in [&portal.data_dir, &keys] {
        let mode = std::fs::metadata(closed).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", closed.display());
    }

    // A wrong password: the error names the database, and neither the right nor the wrong password.
    let wrong = dir.path().join("wrong.url");
    write_private(&wrong, &cluster.url().replace(PASSWORD, "canary-wrong"));
    let portal_with_wrong = Portal { database_file: Some(wrong.clone()), ..portal.clone() };
    let refused = portal_with_wrong.command(&["tenant", "list"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("postgres://portal@localhost/postgres"), "{said}");
    assert!(!said.contains("canary"), "{said}");
    std::fs::set_permissions(&wrong, Permissions::from_mode(0o644)).expect("it can be opened to everybody");
    let refused = portal_with_wrong.command(&["tenant", "list"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("chmod o= ") && !said.contains("canary"), "{said}");

    // And a portal at work with everything in its log.
    let mut command = portal.serve_command();
    command.args(["--log", "trace"]);
    let mut serving = Program::start(command);
    serving.wait_for(|line| line.contains("\"serving\""));
    let https = Https::trusting(&portal.authority.ca);
    let (device, token) = (Device::new(), portal.token(&[]));
    let request = device.enrolling(device.request(&portal, "alice", 1), &token);
    assert_eq!(code(&device.send(&https, &portal, &request)), "success");
    serving.signal("TERM");
    let _ = serving.wait();
    assert!(serving.seen.iter().all(|line| !line.contains(PASSWORD)));
    assert!(!query(&cluster.url(), "SELECT 1").is_empty());
}
