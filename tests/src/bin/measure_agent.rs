//! `tests/measure agent`: what the agent takes of a machine, beside a daemon that everybody knows. Linux only: it reads `/proc`.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: it starts programs, reads `/proc`, prints, and a surprise must end it loudly"
)]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use tests::agent::{Agent, is_session};
use tests::binaries::binaries;
use tests::plot::{Line, plot};
use tests::portal::Portal;

/// Measures the agent. The machine should have nothing else to do.
#[derive(Debug, Parser)]
struct Arguments {
    /// As one JSON object.
    #[arg(long)]
    json: bool,
    /// How many renewals.
    #[arg(long, default_value_t = 1000)]
    renewals: u32,
    /// How many failed tries with the portal away.
    #[arg(long, default_value_t = 1000)]
    failures: u32,
    /// For how many seconds wake-ups are counted.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Draw the memory over the failures as SVG into this file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// After how many failures the memory is looked at, each time.
const STEP: u32 = 50;

/// What `/proc` says about a process.
struct Taken {
    rss_kib: u64,
    threads: u64,
    files: usize,
    switches: u64,
    cpu: Duration,
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn taken(id: u32) -> Taken {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process lives");
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("it has threads").map_while(Result::ok);
    let switches = tasks.map(|task| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        field(&status, "voluntary_ctxt_switches")
    });
    Taken {
        rss_kib: field(&status, "VmRSS"),
        threads: field(&status, "Threads"),
        files: std::fs::read_dir(format!("/proc/{id}/fd")).expect("it has files").count(),
        switches: switches.sum(),
        cpu: cpu(id),
    }
}

/// The processor time that the process has taken: in ticks, of which Linux shows a hundred a second (proc_pid_stat(5)).
fn cpu(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the process lives");
    let (_, fields) = stat.rsplit_once(") ").expect("its name is in brackets");
    // Counted from the state, which is field 3: user and system time are fields 14 and 15.
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// What a process and all that it has started take together.
fn taken_by_family(id: u32) -> (u64, u64) {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let own = taken(id);
    let families = children.split_whitespace().filter_map(|child| child.parse().ok()).map(taken_by_family);
    families.fold((own.rss_kib, own.switches), |(rss, switches), family| (rss + family.0, switches + family.1))
}

/// Wake-ups of the process and of all that it has started.
fn wake_ups_a_minute(id: u32, seconds: u64) -> f64 {
    let before = taken_by_family(id).1;
    std::thread::sleep(Duration::from_secs(seconds));
    let after = taken_by_family(id).1;
    let per_second =
        Duration::from_secs(after.saturating_sub(before)).as_secs_f64() / Duration::from_secs(seconds).as_secs_f64();
    per_second * 60.0
}

/// One more sign-in. A portal lets one device come once a second, and says `busy` to one that comes faster.
fn renew(agent: &Agent) {
    loop {
        let output = agent.run(&["sign-in"]);
        if output.status.success() {
            return;
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("[busy]"), "{errors}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// What a daemon of Debian's takes with all that it has started: resident memory in KiB, and wake-ups a minute.
fn measured(mut child: Child, seconds: u64) -> Option<(u64, f64)> {
    std::thread::sleep(Duration::from_secs(5));
    let alive = child.try_wait().ok()?.is_none();
    let measured = alive.then(|| (taken_by_family(child.id()).0, wake_ups_a_minute(child.id(), seconds)));
    // A daemon that ends takes along what it has started.
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let _ = child.wait();
    measured
}

/// The one that knows who people are, with a directory that it can't reach, if it is installed and nothing else runs it.
fn sssd(seconds: u64) -> Option<(u64, f64)> {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().ok()?;
    let configuration = dir.path().join("sssd.conf");
    let text = "[sssd]\nservices = nss\ndomains = away\n[domain/away]\nid_provider = ldap\nauth_provider = ldap\n\
        ldap_uri = ldaps://127.0.0.1:1\nldap_search_base = dc=example,dc=test\n";
    std::fs::write(&configuration, text).ok()?;
    std::fs::set_permissions(&configuration, std::fs::Permissions::from_mode(0o600)).ok()?;
    let mut command = Command::new("sssd");
    command.args(["-i", "-c"]).arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    measured(command.spawn().ok()?, seconds)
}

/// One that waits for its server as ours does, if it is installed.
fn zabbix(seconds: u64) -> Option<(u64, f64)> {
    let dir = tempfile::tempdir().ok()?;
    let configuration = dir.path().join("zabbix.conf");
    // It takes no port above 32767, where the system's own choice lies.
    let port = (20_000_u16..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())?;
    let place = dir.path().display();
    let text = format!(
        "LogType=console\nServer=127.0.0.1\nServerActive=127.0.0.1\nHostname=x\nListenPort={port}\nControlSocket={place}/s\nPidFile={place}/p\n"
    );
    std::fs::write(&configuration, text).ok()?;
    let mut command = Command::new("zabbix_agent2");
    command.arg("-c").arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    measured(command.spawn().ok()?, seconds)
}

fn yardstick((rss, wake_ups): (u64, f64)) -> serde_json::Value {
    serde_json::json!({ "rss_kib": rss, "wake_ups_a_minute": wake_ups })
}

/// The memory over the failures, up to the budget of 10 MiB.
fn memory_plot(memory: &[(u32, u64)]) -> String {
    plot(&Line {
        points: memory.iter().map(|(failures, kib)| (f64::from(*failures), *kib as f64 / 1024.0)).collect(),
        x: "failed tries, portal away".to_owned(),
        x_most: memory.last().map_or(1.0, |(failures, _)| f64::from(*failures)),
        y: "budget",
        y_most: 10.0,
        y_unit: " MiB",
    })
}

fn main() {
    let arguments = Arguments::parse();
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let mut serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    let begun = Instant::now();
    let mut running = agent.start();
    running.wait_for(is_session);
    let start = begun.elapsed();
    let id = running.id();
    let before = cpu(id);
    let wake_ups = wake_ups_a_minute(id, arguments.seconds);
    let rest = taken(id);
    let idle = (rest.cpu - before) / u32::try_from(arguments.seconds).unwrap_or(1).max(1);
    for _ in 0..arguments.renewals {
        renew(&agent);
    }
    let renewed = taken(id);
    serving.kill();
    let mut memory = vec![(0, renewed.rss_kib)];
    for failure in 1..=arguments.failures {
        assert!(!agent.run(&["sign-in"]).status.success());
        if failure % STEP == 0 {
            memory.push((failure, taken(id).rss_kib));
        }
    }
    let away = taken(id);
    // The second half shows whether it goes on growing, or has only filled what it keeps.
    let halfway = memory.get(memory.len() / 2).map_or(0, |(_, rss)| *rss);
    let later = i128::from(away.rss_kib) - i128::from(halfway);
    let a_renewal = (renewed.cpu - rest.cpu) / arguments.renewals.max(1);
    // A keep-alive is one signature and one exchange, as a renewal is: twelve of them, and the renewal of an eighth of a session.
    let hour = idle * 3600 + a_renewal * 13;
    if let Some(path) = &arguments.plot {
        std::fs::write(path, memory_plot(&memory)).expect("the plot can be written");
    }
    let binary = std::fs::metadata(&binaries().agent).expect("the agent is a file").len();
    let (zabbix, sssd) = (zabbix(arguments.seconds), sssd(arguments.seconds));
    let growth = i128::from(away.rss_kib) - i128::from(renewed.rss_kib);
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({
                "binary_octets": binary, "start_ms": start.as_secs_f64() * 1000.0,
                "rss_kib_at_rest": rest.rss_kib, "rss_kib_after_renewals": renewed.rss_kib, "renewals": arguments.renewals,
                "rss_kib_growth_with_portal_away": i64::try_from(growth).unwrap_or(i64::MAX), "failures": arguments.failures,
                "wake_ups_a_minute": wake_ups, "threads": rest.threads, "files": rest.files,
                "rss_kib_growth_in_the_second_half": i64::try_from(later).unwrap_or(i64::MAX),
                "cpu_ms_a_renewal": a_renewal.as_secs_f64() * 1000.0, "cpu_ms_an_hour": hour.as_secs_f64() * 1000.0,
                "zabbix_agent2": zabbix.map(yardstick), "sssd": sssd.map(yardstick),
            })
        );
        return;
    }
    println!("agent binary                               {:.1} MB", Duration::from_micros(binary).as_secs_f64());
    println!("process start to session, portal included  {:.1} ms", start.as_secs_f64() * 1000.0);
    println!("resident at rest                           {} KiB", rest.rss_kib);
    println!("resident after {:5} renewals              {} KiB", arguments.renewals, renewed.rss_kib);
    println!("growth over {:5} failures, portal away    {growth} KiB", arguments.failures);
    println!("growth in the second half of them          {later} KiB");
    println!(
        "CPU of a renewal, of an hour at rest       {:.1} ms, {:.0} ms",
        a_renewal.as_secs_f64() * 1000.0,
        hour.as_secs_f64() * 1000.0
    );
    println!("wake-ups a minute                          {wake_ups:.1}");
    println!("threads, open files                        {}, {}", rest.threads, rest.files);
    for (name, package, other) in [("zabbix_agent2", "zabbix-agent2", zabbix), ("sssd", "sssd-ldap", sssd)] {
        match other {
            Some((rss, wake_ups)) => println!("{name:13}: resident, wake-ups a minute  {rss} KiB, {wake_ups:.1}"),
            None => println!("{name:13}: not measured: install `{package}`"),
        }
    }
}
