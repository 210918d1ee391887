//! `tests/measure agent`: what the agent takes of a machine, beside a daemon that everybody knows. Linux only: it reads `/proc`.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: it starts programs, reads `/proc`, prints, and a surprise must end it loudly"
)]

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use tests::agent::{Agent, is_session};
use tests::binaries::binaries;
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
}

/// What `/proc` says about a process.
struct Taken {
    rss_kib: u64,
    threads: u64,
    files: usize,
    switches: u64,
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
    }
}

fn wake_ups_a_minute(id: u32, seconds: u64) -> f64 {
    let before = taken(id).switches;
    std::thread::sleep(Duration::from_secs(seconds));
    let after = taken(id).switches;
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

/// A daemon of Debian's that waits for its server as ours does, if it is installed.
fn yardstick(seconds: u64) -> Option<(u64, f64)> {
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
    let mut child = command.spawn().ok()?;
    std::thread::sleep(Duration::from_secs(5));
    let alive = child.try_wait().ok()?.is_none();
    let measured = alive.then(|| (taken(child.id()).rss_kib, wake_ups_a_minute(child.id(), seconds)));
    let _ = child.kill();
    let _ = child.wait();
    measured
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
    let wake_ups = wake_ups_a_minute(id, arguments.seconds);
    let rest = taken(id);
    for _ in 0..arguments.renewals {
        renew(&agent);
    }
    let renewed = taken(id);
    serving.kill();
    for _ in 0..arguments.failures {
        assert!(!agent.run(&["sign-in"]).status.success());
    }
    let away = taken(id);
    let binary = std::fs::metadata(&binaries().agent).expect("the agent is a file").len();
    let other = yardstick(arguments.seconds);
    let growth = i128::from(away.rss_kib) - i128::from(renewed.rss_kib);
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({
                "binary_octets": binary, "start_ms": start.as_secs_f64() * 1000.0,
                "rss_kib_at_rest": rest.rss_kib, "rss_kib_after_renewals": renewed.rss_kib, "renewals": arguments.renewals,
                "rss_kib_growth_with_portal_away": i64::try_from(growth).unwrap_or(i64::MAX), "failures": arguments.failures,
                "wake_ups_a_minute": wake_ups, "threads": rest.threads, "files": rest.files,
                "zabbix_agent2": other.map(|(rss, wake_ups)| serde_json::json!({ "rss_kib": rss, "wake_ups_a_minute": wake_ups })),
            })
        );
        return;
    }
    println!("agent binary                               {:.1} MB", Duration::from_micros(binary).as_secs_f64());
    println!("process start to session, portal included  {:.1} ms", start.as_secs_f64() * 1000.0);
    println!("resident at rest                           {} KiB", rest.rss_kib);
    println!("resident after {:5} renewals              {} KiB", arguments.renewals, renewed.rss_kib);
    println!("growth over {:5} failures, portal away    {growth} KiB", arguments.failures);
    println!("wake-ups a minute                          {wake_ups:.1}");
    println!("threads, open files                        {}, {}", rest.threads, rest.files);
    match other {
        Some((rss, wake_ups)) => println!("zabbix_agent2: resident, wake-ups a minute  {rss} KiB, {wake_ups:.1}"),
        None => println!("zabbix_agent2                              not measured: install `zabbix-agent2`"),
    }
}
