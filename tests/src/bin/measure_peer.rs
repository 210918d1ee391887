//! The portal beside another identity provider in the same run: how many sign-ons at one service each answers a second, and with how much of the
//! processor. `tests/measure peer` runs it.
//!
//! The work is as equal as the two are: each request is new, comes over a kept TLS connection, is answered with a Response that RSA has signed, and is of
//! somebody who is known already. SimpleSAMLphp knows them by its session; the portal by a signature of their device, and writes replay protection, session
//! and audit to the disk before it answers. What asks is one program on the same machine.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: it starts programs, prints what it finds, and a surprise must end it loudly"
)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use saml::binding::redirect::{self, Direction, unsigned_query};
use saml::metadata::{Binding, IdpMetadata, IndexedEndpoint, SpMetadata};
use saml::name::MessageId;
use saml::request::AuthnRequest;
use saml::time::UtcTime;
use serde_json::json;
use tests::apache::Place;
use tests::components::program;
use tests::device::Device;
use tests::pages::Pages;
use tests::portal::Portal;
use tests::program::Program;
use tests::simplesamlphp::{self, IDP_METADATA, MODULE};

const SERVICE: &str = "https://service.example.test/saml";
const ACS: &str = "https://service.example.test/acs";
/// Ticks of `/proc/PID/stat` a second.
const TICKS: f64 = 100.0;

/// The portal beside another identity provider.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long each is asked, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many ask at the same time.
    #[arg(long, default_value_t = 16)]
    at_once: usize,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Found {
    name: &'static str,
    a_second: f64,
    cpu_ms: f64,
}

fn main() {
    let arguments = Arguments::parse();
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    portal.ok(&["tenant", "set", "acme", "--devices-per-user", &DEVICES.to_string()]);
    portal.ok(&["service", "add", "--tenant", "acme", "--entity-id", SERVICE, "--acs-url", ACS]);
    let mut command = portal.serve_command();
    command.args(["--log", "warn"]);
    let serving = Program::start(command);
    // Nothing is logged that could be waited for: it serves when it takes a connection.
    while std::net::TcpStream::connect(("127.0.0.1", portal.port)).is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    let mut found = vec![ours(&arguments, &portal, &serving)];
    let there =
        program("apache2").is_some() && Path::new(MODULE).exists() && Path::new(simplesamlphp::AUTOLOAD).exists();
    found.extend(there.then(|| theirs(&arguments, &portal, &dir.path().join("peer"))));
    if arguments.json {
        let rows = found.iter().map(|one| json!({ "name": one.name, "a_second": one.a_second, "cpu_ms": one.cpu_ms }));
        println!("{}", json!(rows.collect::<Vec<_>>()));
        return;
    }
    println!("{:<28} {:>12} {:>22}", "sign-ons at a service", "a second", "CPU of each, in ms");
    for one in &found {
        println!("{:<28} {:>12.0} {:>22.2}", one.name, one.a_second, one.cpu_ms);
    }
    match found.as_slice() {
        [ours, theirs] => println!(
            "{:<28} {:>11.1}x {:>21.1}x",
            "ratio",
            ours.a_second / theirs.a_second,
            theirs.cpu_ms / ours.cpu_ms
        ),
        _ => println!("SimpleSAMLphp was not measured: install simplesamlphp and libapache2-mod-php"),
    }
}

/// Asks from `at_once` threads for so long; `worker` makes what each thread asks with, which says whether it was answered.
fn measure<W: FnMut() -> bool>(
    name: &'static str,
    arguments: &Arguments,
    cpu: impl Fn() -> f64,
    worker: impl Fn(usize) -> W + Sync,
) -> Found {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (ready, all_ready) = mpsc::channel();
    let mut found = (0.0, 0.0);
    thread::scope(|scope| {
        for number in 0..arguments.at_once {
            let (ready, over, answered, worker) = (ready.clone(), &over, &answered, &worker);
            scope.spawn(move || {
                let mut ask = worker(number);
                // The first of each opens its connection and fills caches.
                assert!(ask(), "{name} answers");
                ready.send(()).expect("it is waited for");
                while !over.load(Ordering::Relaxed) {
                    assert!(ask(), "{name} answers");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        drop(ready);
        assert_eq!(all_ready.iter().take(arguments.at_once).count(), arguments.at_once, "all of them are answered");
        let (begun, cpu_before, before) = (Instant::now(), cpu(), answered.load(Ordering::Relaxed));
        thread::sleep(Duration::from_secs(arguments.seconds));
        let count = answered.load(Ordering::Relaxed).saturating_sub(before);
        found = (count as f64 / begun.elapsed().as_secs_f64(), (cpu() - cpu_before) * 1000.0 / count.max(1) as f64);
        over.store(true, Ordering::Relaxed);
    });
    Found { name, a_second: found.0, cpu_ms: found.1 }
}

/// Devices of each thread: the portal lets each come so often at once, and no more.
const DEVICES: usize = 40;
const REQUESTS_OF_EACH: u64 = 55;

fn ours(arguments: &Arguments, portal: &Portal, serving: &Program) -> Found {
    let (token, process) = (portal.token(&["--uses", "unlimited", "--per-hour", "unlimited"]), serving.id());
    measure(
        "this portal",
        arguments,
        || cpu_seconds(&[process]),
        |number| {
            let mut pages = Pages::of(&portal.url(), &portal.authority.ca);
            let mut post = move |device: &Device, request: &AuthnRequest| {
                pages.send("POST", "/saml/soap", &[("content-type", "text/xml")], Some(device.sign(request))).body
            };
            let user = format!("user{number}");
            let devices: Vec<_> = (0..DEVICES).map(|_| Device::new()).collect();
            for device in &devices {
                let enrolment = device.enrolling(device.request(portal, &user, 1), &token);
                let answer = post(device, &enrolment);
                assert!(answer.contains("status:Success"), "{answer}");
            }
            let mut asked = 0;
            move || {
                let (device, sequence) = (&devices[asked % DEVICES], 2 + (asked / DEVICES) as u64);
                assert!(
                    sequence < REQUESTS_OF_EACH,
                    "ask for fewer seconds: the devices have come as often as they may"
                );
                asked += 1;
                let mut request = device.request(portal, &user, sequence);
                request.respond_to = Some(SERVICE.parse().expect("an entity ID"));
                let answer = post(device, &request);
                assert!(answer.contains("status:Success"), "{answer}");
                answer.contains(ACS)
            }
        },
    )
}

fn theirs(arguments: &Arguments, portal: &Portal, dir: &Path) -> Found {
    let place = Place::new(dir, Some(&portal.authority));
    let service = SpMetadata {
        entity_id: SERVICE.parse().expect("an entity ID"),
        valid_until: None,
        signing_certificates: Vec::new(),
        acs: vec![IndexedEndpoint { binding: Binding::Post, location: ACS.to_owned(), index: 0, is_default: true }],
        slo: Vec::new(),
        display_name: None,
        request_initiator: None,
        want_assertions_signed: true,
        authn_requests_signed: false,
        name_id_formats: Vec::new(),
    };
    let apache =
        simplesamlphp::identity_provider(&place, &service.to_xml(), &[("carol:curtain", "carol@example.test")]);
    let described = std::fs::read_to_string(place.describe(IDP_METADATA)).expect("it can be read");
    let described = IdpMetadata::parse(described.as_bytes()).expect("metadata");
    let sso = described.sso.iter().find(|endpoint| endpoint.binding == Binding::Redirect).expect("it takes Redirect");
    let (base, group) = (place.base(), apache.id());
    measure(
        "SimpleSAMLphp, Apache",
        arguments,
        || cpu_seconds(&group_of(group)),
        |_| {
            let mut pages = Pages::of(&base, &portal.authority.ca);
            let base = base.clone();
            log_in(&mut pages, &base, &sso.location);
            move || {
                let answer = pages.get(&begun(&base, &sso.location));
                answer.body.contains("name=\"SAMLResponse\"")
            }
        },
    )
}

/// The path by which a new request of the service arrives.
fn begun(base: &str, sso: &str) -> String {
    let now = UtcTime::from_unix_millis(platform::clock::unix_millis());
    let id = MessageId::from_random(platform::random::bytes());
    let request = AuthnRequest {
        destination: Some(sso.to_owned()),
        ..AuthnRequest::new(id, now, SERVICE.parse().expect("an entity ID"))
    };
    let query = unsigned_query(Direction::Request, &request.to_unsigned_xml(), None);
    let address = redirect::address(sso, &query);
    address.strip_prefix(base).expect("it is the same server's").to_owned()
}

/// Signs in with the password, so that there is a session from then on.
fn log_in(pages: &mut Pages, base: &str, sso: &str) {
    let mut answer = pages.get(&begun(base, sso));
    while answer.status == 302 || answer.status == 303 {
        let path = answer.header("location").strip_prefix(base).expect("it stays there").to_owned();
        answer = pages.get(&path);
    }
    let (_, rest) = answer.body.split_once("name=\"AuthState\" value=\"").expect("the form of the password");
    let state =
        rest.split('"').next().expect("a value").replace("&amp;", "&").replace("&#x3D;", "=").replace("&#x3A;", ":");
    let form = [("username", "carol"), ("password", "curtain"), ("AuthState", state.as_str())];
    let answer = pages.post("/simplesamlphp/module.php/core/loginuserpass.php", &form);
    assert!(answer.status < 400, "{} {}", answer.status, answer.body);
    let after = pages.get(&begun(base, sso));
    assert!(after.body.contains("name=\"SAMLResponse\""), "{} {}", after.status, after.body);
}

/// The processes of the group that `leader` leads.
fn group_of(leader: u32) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc")
        .expect("it is Linux")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| field(*id, 2) == Some(u64::from(leader))).collect()
}

/// The time of the processor that these processes have had, and those that they have seen end, in seconds.
fn cpu_seconds(processes: &[u32]) -> f64 {
    let ticks: u64 = processes.iter().flat_map(|id| (11..=14).filter_map(|time| field(*id, time))).sum();
    ticks as f64 / TICKS
}

/// The `number`th field behind the name in `/proc/ID/stat`.
fn field(id: u32, number: usize) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split_whitespace().nth(number)?.parse().ok()
}
