//! A fleet of devices in one process: real keys, real requests, a TLS connection for each device, against a portal process
//! of its own. `tests/measure portal` and `tests/measure herd` run it.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a measuring program: it starts programs, prints what it finds, and a surprise must end it loudly"
)]

mod away;
mod fill;
mod fleet;
mod phase;
mod portal_process;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tests::portal::Portal;
use tests::postgres::Cluster;
use tests::program::Program;

use crate::fleet::Fleet;
use crate::phase::{Kind, phase, report};
use crate::portal_process::RawCryptography;

/// Open files that each process needs besides a connection for each device.
const FILES_OF_ITS_OWN: usize = 1000;

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
    /// Let all of them come in the same moment at the end, as far as open files are allowed, and obey `Retry-After`.
    #[arg(long)]
    storm: bool,
    /// Take the portal away for an hour, which is reckoned, and let it come back, which is waited for: a quarter of an hour.
    #[arg(long)]
    away: bool,
    /// Draw who is signed in again after that as SVG into this file.
    #[arg(long, value_name = "FILE", requires = "away")]
    plot: Option<PathBuf>,
    /// Leave the portal this processor alone.
    #[arg(long, value_name = "NUMBER")]
    portal_on: Option<usize>,
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
    let acs = "https://service.example.test/acs";
    portal.ok(&["service", "add", "--tenant", "acme", "--entity-id", fleet::SERVICE, "--acs-url", acs]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    if arguments.known > 0 {
        runtime.block_on(fill::fill(&portal, arguments.known));
    }
    let fleet = Arc::new(Fleet::new(portal));
    let serving = serve(&fleet.portal, arguments.portal_on);
    runtime.block_on(run(&arguments, &fleet, serving));
}

/// Starts the portal. Nothing is logged that could be waited for: it serves when it answers.
fn serve(portal: &Portal, processor: Option<usize>) -> Program {
    let mut serving = portal.serve_command();
    // The whole herd comes from one address.
    serving.args(["--max-connections-per-address", "1000000"]);
    serving.args(["--log", "warn"]);
    let Some(processor) = processor else { return Program::start(serving) };
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &processor.to_string()]).arg(serving.get_program()).args(serving.get_args());
    Program::start(command)
}

async fn run(arguments: &Arguments, fleet: &Arc<Fleet>, serving: Program) {
    while fleet.connect(0).await.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let portal = serving.id();
    let mut members: Vec<_> = (0..arguments.devices).map(|_| None).collect();
    let raw = RawCryptography::measure();
    for (kind, raw) in [
        (Kind::Enrol, None),
        (Kind::SignIn, None),
        (Kind::SignInKept, Some(raw.session)),
        (Kind::ServiceKept, Some(raw.service)),
    ] {
        let measured;
        (members, measured) = phase(arguments, fleet, members, kind, portal).await;
        report(arguments, kind.what(), &measured);
        if let Some(raw) = raw {
            phase::report_raw(arguments, kind, raw, &measured);
        }
    }
    if arguments.storm {
        let at_once = arguments.devices.min(portal_process::open_files_allowed().saturating_sub(FILES_OF_ITS_OWN));
        let together = Arguments { at_once, json: arguments.json, plot: None, ..*arguments };
        let stormed;
        (members, stormed) = phase(&together, fleet, members, Kind::SignIn, portal).await;
        report(arguments, &format!("{at_once} at the same moment"), &stormed);
    }
    if arguments.away {
        away::away(arguments, fleet, members, serving).await;
    }
}
