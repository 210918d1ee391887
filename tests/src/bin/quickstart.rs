//! `cargo quickstart`: the main job on this machine, step by step.
//!
//! Makes a certificate authority, a portal with a tenant, a domain and a device token; gives the token, the domain and the
//! cloud's name to an agent; runs both as they are shipped; and shows what happens between them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for the terminal, which starts the two others and writes their files"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser as _;
use serde_json::{Value, json};
use tests::agent::{Agent, is_session};
use tests::binaries::binaries;
use tests::portal::Portal;
use tests::program::Program;

/// Runs a portal and an agent on this machine and signs you in.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo quickstart")]
struct Quickstart {
    /// End after the first verified session.
    #[arg(long)]
    once: bool,
    /// Print one JSON object on standard output, and the steps on standard error.
    #[arg(long)]
    json: bool,
    /// Forget everything from earlier runs first.
    #[arg(long)]
    reset: bool,
    /// Where everything is kept, in place of the user's data directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// The domain that people of the quick start are in; RFC 6761 keeps it from ever being somebody's.
const DOMAIN: &str = "example.test";

/// The programs that run, for the signal that ends us.
static CHILDREN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// The steps of one sign-in and what they took.
#[derive(Default)]
struct Watched {
    user: String,
    evidence: String,
    enrolled: bool,
    ms: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Quickstart::parse();
    let mut ended = platform::termination::Termination::install().expect("signals can be caught");
    let work = tokio::task::spawn_blocking(move || run(&options));
    tokio::select! {
        result = work => match result.expect("the quick start does not panic") {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("error: {why}");
                ExitCode::FAILURE
            }
        },
        () = ended.requested() => {
            stop_children();
            std::process::exit(130)
        }
    }
}

fn run(options: &Quickstart) -> Result<(), String> {
    let say = |line: &str| if options.json { eprintln!("{line}") } else { println!("{line}") };
    let dir = match &options.data_dir {
        Some(dir) => std::path::absolute(dir).map_err(|error| error.to_string())?,
        None => user_data_dir()?,
    };
    if options.reset {
        reset(&dir)?;
    }
    say("building    countersign and countersign-portal");
    binaries();
    let (portal, token) = prepare(&dir, &say)?;
    let agent = Agent::in_dir(&dir.join("agent"));

    let mut serving = started(Program::start(portal.serve_command()));
    wait_until_serving(&mut serving, &portal)?;
    say(&format!("portal      {} (process {})", portal.url(), serving.id()));
    if let Some(token) = token {
        let output = agent.configure(&portal, &token);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let cloud = portal.cloud_name();
        say(&format!("configured  deviceToken (over standard input), userDomain={DOMAIN}, cloudName={cloud}"));
    }

    let begun = Instant::now();
    let mut running = started(Program::start(agent.run_command()));
    say(&format!("agent       countersign run (process {})", running.id()));
    let first = watch(&mut running, &say)?;
    let start_to_session = begun.elapsed();
    let sign_in_ms = if first.enrolled {
        say("once more, with the key alone:");
        agent.ok(&["sign-in"]);
        watch(&mut running, &say)?.ms
    } else {
        first.ms
    };
    let status = agent.json(&["status", "--json"]);
    let result = json!({
        "signed_in": status["people"][0]["state"] == "signed-in",
        "user": first.user,
        "device": status["device"],
        "evidence": status["people"][0]["evidence"],
        "evidence_reason": first.evidence,
        "key_protection": status["key_protection"],
        "enrolled_now": first.enrolled,
        "enrol_ms": first.enrolled.then_some(first.ms),
        "sign_in_ms": sign_in_ms,
        "start_to_session_ms": rounded(start_to_session.as_secs_f64() * 1000.0),
        "agent_rss_kib": status["agent_rss_kib"],
        "portal": portal.url(),
        "data_dir": dir,
    });
    if options.json {
        println!("{}", serde_json::to_string_pretty(&result).expect("it has a JSON form"));
    } else {
        say(&summary(&result));
    }
    if !options.once {
        say(&what_to_try(&portal, &agent));
        say(&format!(
            "the pages of the portal (your browser does not know the CA yet); this link works once:\n  {}",
            pages_link(&portal)
        ));
        while !serving.has_ended() && !running.has_ended() {
            std::thread::sleep(Duration::from_millis(500));
        }
        return Err("one of the two programs has ended".to_owned());
    }
    for program in [&mut running, &mut serving] {
        program.signal("TERM");
        program.wait();
    }
    Ok(())
}

/// Removes what an earlier run made, and nothing else.
fn reset(dir: &Path) -> Result<(), String> {
    if !dir.exists() {
        return Ok(());
    }
    let ours = dir.join("quickstart.json").exists()
        || std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if !ours {
        return Err(format!("`{}` was not made by the quick start; nothing was removed", dir.display()));
    }
    std::fs::remove_dir_all(dir).map_err(|error| format!("can't remove `{}`: {error}", dir.display()))
}

/// Makes what is missing in `dir`. The token comes back the first time only: it is written nowhere.
fn prepare(dir: &Path, say: &dyn Fn(&str)) -> Result<(Portal, Option<String>), String> {
    let settings = dir.join("quickstart.json");
    if let Ok(bytes) = std::fs::read(&settings) {
        let found: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let port = found["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("`quickstart.json` is damaged; start over with `cargo quickstart --reset`")?;
        say(&format!("found       {} (start over with --reset)", dir.display()));
        let portal = Portal::in_dir(dir, port);
        // A run that was ended between making the portal and enrolling needs a token again.
        let enrolled = portal.json(&["device", "list", "--json"]).as_array().is_some_and(|devices| !devices.is_empty());
        let token = (!enrolled).then(|| device_token(&portal));
        return Ok((portal, token));
    }
    std::fs::create_dir_all(dir).map_err(|error| format!("can't make `{}`: {error}", dir.display()))?;
    restrict(dir);
    say(
        "making      a CA, an RSA and a P-256 signing key, the tenant `acme`, a device token for one device whose word is believed (`--people any`) …",
    );
    let portal = Portal::create(dir);
    let text = json!({ "port": portal.port }).to_string();
    std::fs::write(&settings, text).map_err(|error| format!("can't write `{}`: {error}", settings.display()))?;
    say(&format!("made        {}", dir.display()));
    let token = device_token(&portal);
    Ok((portal, Some(token)))
}

fn device_token(portal: &Portal) -> String {
    // Zero touch, as an explicit choice: the device's word is believed.
    portal.token(&[
        "--people",
        "any",
        "--domain",
        DOMAIN,
        "--uses",
        "1",
        "--expires",
        "1h",
        "--description",
        "quick start",
    ])
}

fn started(program: Program) -> Program {
    CHILDREN.lock().expect("nobody panicked").push(program.id());
    program
}

fn wait_until_serving(serving: &mut Program, portal: &Portal) -> Result<(), String> {
    while let Some(line) = serving.next_line() {
        if line.contains("\"serving\"") {
            return Ok(());
        }
    }
    let why = serving.seen.join("\n");
    Err(format!(
        "the portal did not start on port {} (if something else is there, `--reset` takes another):\n{why}",
        portal.port
    ))
}

/// Shows the steps of one sign-in as they happen.
fn watch(running: &mut Program, say: &dyn Fn(&str)) -> Result<Watched, String> {
    let mut watched = Watched::default();
    while let Some(line) = running.next_line() {
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            say(&format!("            {line}"));
            continue;
        };
        let Some(step) = value["step"].as_str() else {
            if value["level"] == "WARN" || value["level"] == "ERROR" {
                say(&format!("            {} {}", value["fields"]["message"], value["fields"]["error"]));
            }
            continue;
        };
        let (ms, detail) = (value["ms"].as_f64().unwrap_or(0.0), value["detail"].as_str().unwrap_or_default());
        say(&format!("{ms:>8.2} ms  {step:<18} {detail}"));
        watched.ms = rounded(watched.ms + ms);
        match step {
            "user" => {
                let (user, evidence) = detail.split_once(" (").unwrap_or((detail, ""));
                watched.user = user.to_owned();
                watched.evidence = evidence.trim_end_matches(')').to_owned();
            }
            "enrolled" => watched.enrolled = true,
            _ if is_session(&line) => return Ok(watched),
            _ => {}
        }
    }
    Err(format!("the agent ended without a session:\n{}", running.seen.join("\n")))
}

fn summary(result: &Value) -> String {
    let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
    let enrolled =
        result["enrol_ms"].as_f64().map_or_else(String::new, |ms| format!("enrolled and signed in in {ms:.1} ms, "));
    format!(
        "\n{} is signed in from {}\n{enrolled}signed in with the key alone in {:.1} ms; the agent holds {} KiB of memory",
        text("user"),
        text("device"),
        result["sign_in_ms"].as_f64().unwrap_or(0.0),
        result["agent_rss_kib"],
    )
}

fn what_to_try(portal: &Portal, agent: &Agent) -> String {
    let dir = agent.state_dir.parent().unwrap_or(&agent.state_dir).display();
    format!(
        "\nThe portal stays up at {url} until Ctrl-C. Try, in another terminal:\n\
         \x20 {program} --state-dir {dir}/state --runtime-dir {dir}/run --config {dir}/countersign.toml status\n\
         \x20 {portal_program} --data-dir {data} device list\n\
         \x20 curl --cacert {ca} {issuer}/metadata",
        url = portal.url(),
        issuer = portal.issuer_url(),
        program = binaries().agent.display(),
        portal_program = binaries().portal.display(),
        data = portal.data_dir.display(),
        ca = portal.authority.ca.display(),
    )
}

/// A link that signs the owner of this terminal in to the pages: made anew for each run, because it works once.
fn pages_link(portal: &Portal) -> String {
    let accounts = portal.json(&["admin", "list", "--json"]);
    let known =
        accounts.as_array().is_some_and(|accounts| accounts.iter().any(|account| account["name"] == "quickstart"));
    let step = if known { "reset" } else { "create" };
    portal.ok(&["admin", step, "quickstart", "--public-url", &portal.url()]).trim().to_owned()
}

fn rounded(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

fn user_data_dir() -> Result<PathBuf, String> {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from);
    let stated = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = stated.or_else(|| home.map(|home| home.join(".local/share")));
    Ok(base.ok_or("there is no home directory; say where with `--data-dir`")?.join("countersign-quickstart"))
}

fn restrict(dir: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Everything in it is private by itself; this only keeps names from strangers.
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    }
    #[cfg(not(unix))]
    let _ = dir;
}

/// Both programs get the signal that ended us, and have had it already if it came from a terminal.
fn stop_children() {
    for id in CHILDREN.lock().expect("nobody panicked").iter() {
        let _ = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
    }
}
