//! A fleet of devices in one process: real keys, real requests, a TLS connection for each device, against a portal process
//! of its own. `tests/measure portal` and `tests/measure herd` run it.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measuring program: it starts programs, prints what it finds, and a surprise must end it loudly"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use saml::time::UtcTime;
use tests::device::Device;
use tests::portal::Portal;
use tests::postgres::Cluster;
use tests::program::Program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A fleet of devices against a portal.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many devices.
    #[arg(long, default_value_t = 3000)]
    devices: usize,
    /// How many of them are connected at the same time while they enrol and sign in.
    #[arg(long, default_value_t = 32)]
    at_once: usize,
    /// Devices that are in the database already.
    #[arg(long, default_value_t = 0)]
    known: usize,
    /// Let all of them come in the same moment at the end, and obey `Retry-After`.
    #[arg(long)]
    storm: bool,
    /// Which database.
    #[arg(long, default_value = "sqlite")]
    database: Database,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// One device of the fleet and how often it has asked.
struct Member {
    device: Device,
    sequence: u64,
}

/// What every device needs to know.
struct Fleet {
    portal: Portal,
    token: String,
    connector: TlsConnector,
    name: ServerName<'static>,
}

type Connection = TlsStream<TcpStream>;

/// An answer of the portal.
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    is_granted: bool,
}

fn main() {
    let arguments = Arguments::parse();
    // A second installation in the same process is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory can be made");
    let cluster = (arguments.database == Database::Postgres).then(|| Cluster::start(true));
    let portal = match &cluster {
        Some(cluster) => Portal::create_on(dir.path(), &cluster.url()),
        None => Portal::create(dir.path()),
    };
    portal.ok(&["tenant", "set", "acme", "--devices-per-user", "16"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    if arguments.known > 0 {
        runtime.block_on(fill(&portal, arguments.known));
    }
    let mut command = portal.serve_command();
    command.args(["--log", "warn"]);
    // Nothing is logged that could be waited for: it serves when it answers.
    let serving = Program::start(command);
    let fleet = Arc::new(Fleet::new(portal));
    runtime.block_on(async {
        while fleet.connect().await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        run(&arguments, &fleet, serving.id()).await;
    });
}

impl Fleet {
    fn new(portal: Portal) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let ca = std::fs::read(&portal.authority.ca).expect("the CA file is there");
        for certificate in CertificateDer::pem_slice_iter(&ca) {
            roots.add(certificate.expect("it is a certificate")).expect("it is a CA");
        }
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // Each device is another one: nothing is resumed.
        config.resumption = rustls::client::Resumption::disabled();
        let token = portal.token(&[]);
        let name = ServerName::try_from("localhost").expect("it is a name");
        Self { portal, token, connector: TlsConnector::from(Arc::new(config)), name }
    }

    async fn connect(&self) -> Option<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.portal.port)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        self.connector.connect(self.name.clone(), stream).await.ok()
    }

    /// The request of `member`, signed, as HTTP.
    fn request(&self, number: usize, member: &mut Member, enrols: bool) -> Vec<u8> {
        member.sequence += 1;
        let mut request = member.device.request(&self.portal, &format!("user{number}"), member.sequence);
        if enrols {
            request = member.device.enrolling(request, &self.token);
        }
        let body = member.device.sign(&request);
        let head = format!(
            "POST /saml/soap HTTP/1.1\r\nhost: {}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
            self.portal.cloud_name(),
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }
}

/// Sends `request` and reads the whole answer; none where the connection ends before.
async fn ask(connection: &mut Connection, request: &[u8]) -> Option<Answer> {
    connection.write_all(request).await.ok()?;
    let mut bytes = Vec::with_capacity(8192);
    loop {
        let mut chunk = [0; 8192];
        match connection.read(&mut chunk).await.ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
        let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = header("content-length:").and_then(|length| length.parse().ok()).expect("it has a length");
        if bytes.len() < head_end + 4 + length {
            continue;
        }
        let body = String::from_utf8_lossy(&bytes[head_end + 4..]);
        return Some(Answer {
            status: head.get(9..12).and_then(|status| status.parse().ok()).expect("it has a status"),
            retry_after: header("retry-after:").and_then(|seconds| seconds.parse().ok()),
            is_granted: body.contains("status:Success\""),
        });
    }
}

async fn run(arguments: &Arguments, fleet: &Arc<Fleet>, portal: u32) {
    let members: Vec<_> = (0..arguments.devices).map(|_| None).collect();
    let (members, enrolled) = phase(arguments, fleet, members, Kind::Enrol, portal).await;
    report(arguments, "enrol, a connection each", &enrolled);
    let (members, signed_in) = phase(arguments, fleet, members, Kind::SignIn, portal).await;
    report(arguments, "sign in, a connection each", &signed_in);
    let (members, kept) = phase(arguments, fleet, members, Kind::KeepAlive, portal).await;
    report(arguments, "sign in, connections kept", &kept);
    if arguments.storm {
        let at_once = Arguments { at_once: arguments.devices, json: arguments.json, ..*arguments };
        let (_, stormed) = phase(&at_once, fleet, members, Kind::SignIn, portal).await;
        report(arguments, "all at the same moment", &stormed);
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Enrol,
    SignIn,
    KeepAlive,
}

/// What a phase took.
struct Measured {
    number: usize,
    elapsed: Duration,
    /// From a device's first try to its answer, sorted.
    waits: Vec<Duration>,
    turned_away: usize,
    broken: usize,
    portal_cpu: Duration,
    portal_kib: u64,
}

/// Lets every member ask once, `at_once` of them at the same time; a member that is not there yet is made.
async fn phase(
    arguments: &Arguments,
    fleet: &Arc<Fleet>,
    members: Vec<Option<Member>>,
    kind: Kind,
    portal: u32,
) -> (Vec<Option<Member>>, Measured) {
    let (begun, cpu) = (Instant::now(), cpu_time(portal));
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let workers = arguments.at_once.min(members.len()).max(1);
    let mut shares: Vec<Vec<(usize, Option<Member>)>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, member) in members.into_iter().enumerate() {
        shares[number % workers].push((number, member));
    }
    let mut together = tokio::task::JoinSet::new();
    for share in shares {
        let (fleet, counts) = (Arc::clone(fleet), Arc::clone(&counts));
        together.spawn(async move {
            let (mut done, mut kept) = (Vec::with_capacity(share.len()), None);
            for (number, member) in share {
                let mut member = member.unwrap_or_else(|| Member { device: Device::new(), sequence: 0 });
                let asked = Instant::now();
                insist(&fleet, number, &mut member, kind, &mut kept, &counts).await;
                done.push((number, member, asked.elapsed()));
            }
            done
        });
    }
    let mut done: Vec<_> = together.join_all().await.into_iter().flatten().collect();
    done.sort_by_key(|(number, ..)| *number);
    let mut waits: Vec<_> = done.iter().map(|(_, _, wait)| *wait).collect();
    waits.sort();
    let measured = Measured {
        number: done.len(),
        elapsed: begun.elapsed(),
        waits,
        turned_away: counts.0.load(Ordering::Relaxed),
        broken: counts.1.load(Ordering::Relaxed),
        portal_cpu: cpu_time(portal).saturating_sub(cpu),
        portal_kib: resident_kib(portal),
    };
    (done.into_iter().map(|(_, member, _)| Some(member)).collect(), measured)
}

/// Asks until the answer is yes; waits for as long as the portal says. Any other answer is a fault of the portal's.
async fn insist(
    fleet: &Fleet,
    number: usize,
    member: &mut Member,
    kind: Kind,
    kept: &mut Option<Connection>,
    (turned_away, broken): &(AtomicUsize, AtomicUsize),
) {
    loop {
        let connection = match kept.take() {
            Some(connection) => Some(connection),
            None => fleet.connect().await,
        };
        let request = fleet.request(number, member, kind == Kind::Enrol);
        let answer = match connection {
            Some(mut connection) => {
                let answer = ask(&mut connection, &request).await;
                *kept = (kind == Kind::KeepAlive).then_some(connection);
                answer
            }
            None => None,
        };
        match answer {
            Some(answer) if answer.is_granted => return,
            Some(Answer { status: 503, retry_after: Some(seconds), .. }) => {
                turned_away.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            Some(answer) => panic!("refused wrongly: HTTP {}", answer.status),
            None => {
                broken.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

fn report(arguments: &Arguments, what: &str, measured: &Measured) {
    let Measured { number, elapsed, waits, turned_away, broken, portal_cpu, portal_kib } = measured;
    let at = |share: f64| waits[((number - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let rate = *number as f64 / elapsed.as_secs_f64();
    let cpu = portal_cpu.as_secs_f64() * 1e6 / *number as f64;
    let database = if arguments.database == Database::Sqlite { "sqlite" } else { "postgres" };
    if arguments.json {
        let line = serde_json::json!({
            "database": database, "known": arguments.known, "what": what, "number": number, "per_second": rate,
            "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": at(1.0),
            "turned_away": turned_away, "broken": broken, "portal_cpu_us": cpu, "portal_kib": portal_kib,
        });
        println!("{line}");
        return;
    }
    println!(
        "{database:8} {:>7} known  {what:27} {number:>6} in {:>6.1} s  {rate:>6.0}/s  p50 {:>6.1} p95 {:>6.1} p99 {:>7.1} max {:>7.1} ms  \
         portal {cpu:>5.0} µs CPU each, {} MiB  turned away {turned_away}, broken {broken}",
        arguments.known,
        elapsed.as_secs_f64(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        portal_kib / 1024,
    );
}

/// Processor time of the process so far, its own and the kernel's for it. Linux counts it in hundredths of a second.
fn cpu_time(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the portal runs");
    let (_, fields) = text.rsplit_once(')').expect("it has a name");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_kib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the portal runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("it is a number")
}

/// Puts `number` devices, each with its person, into the database, as if they had enrolled.
async fn fill(portal: &Portal, number: usize) {
    use portal::store::{Database as Place, Store, device, person, tenant, token};
    let place = match &portal.database_file {
        Some(file) => Place::Server(std::fs::read_to_string(file).expect("it is there").parse().expect("it is a URL")),
        None => Place::File(portal.data_dir.join("portal.db")),
    };
    let token_id = saml::token::DeviceToken::parse(&portal.token(&[])).expect("it is a token").id().clone();
    let store = Store::open(place).await.expect("the database can be opened");
    for first in (0..number).step_by(1000) {
        let token_id = token_id.clone();
        let written = store.write(move |connection| {
            Box::pin(async move {
                let tenant = tenant::by_name(connection, "acme").await?.expect("it was made");
                let token = token::by_id(connection, &token_id).await?.expect("it was made");
                for one in first..(first + 1000).min(number) {
                    let known = known_device(one, &tenant.id, &token.id);
                    device::register(connection, &known).await?;
                    person::insert(connection, &known_person(one, &tenant.id, known.enrolled_at)).await?;
                }
                Ok(())
            })
        });
        written.await.expect("they can be written");
    }
    store.close().await;
}

fn known_person(one: usize, tenant_id: &str, created_at: UtcTime) -> portal::store::person::Person {
    portal::store::person::Person {
        id: format!("{one:032x}"),
        tenant_id: tenant_id.to_owned(),
        name_id: format!("known{one}@example.test"),
        state: portal::store::person::PersonState::Active,
        created_at,
        last_sign_on_at: None,
    }
}

fn known_device(one: usize, tenant_id: &str, token_id: &saml::token::TokenId) -> portal::store::device::Device {
    let key = format!("known device {one}").into_bytes();
    let heard = UtcTime::from_unix_millis(platform::clock::unix_millis()).plus_seconds(-(one as i64));
    portal::store::device::Device {
        id: saml::device::entity_id_of_key(&key),
        tenant_id: tenant_id.to_owned(),
        token_id: token_id.clone(),
        key_name: saml::device::entity_id_of_key(&key),
        key_since: heard,
        next_key: None,
        public_key: key,
        state: portal::store::device::DeviceState::Registered,
        wipe: false,
        state_note: String::new(),
        sequence: 1,
        facts: [("urn:countersign:device:hostname".to_owned(), vec![format!("known-{one}")])].into(),
        fingerprint: format!("hw1:s:{one}"),
        groups: Vec::new(),
        owner_id: None,
        enrolled_at: heard,
        last_seen_at: heard,
    }
}
