//! `countersign status`: one screen that says who is signed in, until when, and what to do where something is wrong.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::ValueEnum;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::break_glass::BreakGlass;
use crate::config::{self, ConfigError};
use crate::control::{self, Ask, ControlError, PersonStatus, Problem, Reply, STATUS_VERSION, Status};
use crate::device::CorrectedClock;
use crate::device_state::DeviceState;
use crate::failure::FailureCode;

#[derive(Debug, clap::Args)]
pub(super) struct StatusCommand {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Print nothing, and end with 0 if the agent is alive, ready (could authenticate now), or the device enrolled.
    #[arg(long, value_name = "WHAT")]
    check: Option<Check>,
    /// Go on, and show it again whenever it changes, until ended with Ctrl-C; with `--json`, one object a line.
    #[arg(long, conflicts_with = "check")]
    watch: bool,
}

/// How often is looked whether an agent has come.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Clears a terminal and goes to its first place (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[2J";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Check {
    /// The daemon answers.
    Live,
    /// Somebody is signed in, or could be now.
    Ready,
    /// The device's key is registered with the cloud, or a break-glass code holds: what a firewall or forwarder asks that lets nothing through before.
    Enrolled,
}

impl StatusCommand {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        if self.watch {
            return follow(paths, self.json).await;
        }
        let status = match control::ask(paths, &Ask::Status).await {
            Ok(Reply::Status(status)) => *status,
            Ok(Reply::Failed(problem)) => return Err(CommandError::Problem(problem)),
            Ok(Reply::Done | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. }) => {
                return Err(CommandError::Problem(Problem::failure(FailureCode::NotRunning)));
            }
            Err(ControlError::Channel(_)) => without_daemon(paths),
            Err(error) => return Err(error.into()),
        };
        let exit_code = match self.check {
            Some(Check::Live) if status.agent == "running" => 0,
            Some(Check::Enrolled) if status.enrolled || status.break_glass_until.is_some() => 0,
            Some(Check::Enrolled) => FailureCode::NotEnrolled.exit_code(),
            Some(Check::Live | Check::Ready) | None => exit_code(&status),
        };
        Ok(match (self.check, self.json) {
            (Some(_), _) => Outcome { text: String::new(), exit_code },
            (None, true) => Outcome::json(&status, exit_code),
            (None, false) => Outcome { text: screen(&status), exit_code },
        })
    }
}

/// Shows the status whenever it changes, for as long as somebody reads. The agent tells by itself; only while none runs is it looked for.
async fn follow(paths: &Paths, json: bool) -> Result<Outcome, CommandError> {
    let mut shown: Option<Status> = None;
    loop {
        match control::watch(paths).await {
            Ok(mut watching) => {
                while let Ok(reply) = watching.next().await {
                    match reply {
                        Reply::Status(status) if show(&status, json).is_ok() => shown = Some(*status),
                        Reply::Failed(problem) => return Err(CommandError::Problem(problem)),
                        Reply::Status(_) => return Ok(Outcome::success(String::new())),
                        Reply::Done | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. } => {}
                    }
                }
            }
            Err(ControlError::Channel(_) | ControlError::Broken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let status = without_daemon(paths);
        if !shown.as_ref().is_some_and(|shown| shown.says_the_same_as(&status)) {
            if show(&status, json).is_err() {
                return Ok(Outcome::success(String::new()));
            }
            shown = Some(status);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Fails where the reader has gone.
fn show(status: &Status, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, status)?;
        writeln!(out)?;
    } else if out.is_terminal() {
        write!(out, "{CLEAR}{}", screen(status))?;
    } else {
        writeln!(out, "{}", screen(status))?;
    }
    out.flush()
}

/// What the disk tells while no daemon answers.
fn without_daemon(paths: &Paths) -> Status {
    let mut faults = Vec::new();
    let config = match config::load(paths) {
        Ok(config) => Some(config),
        Err(ConfigError::Faults(found)) => {
            faults = found;
            None
        }
        Err(error) => {
            faults.push(error.to_string());
            None
        }
    };
    let state = DeviceState::load(&paths.state_dir);
    if let Err(error) = &state {
        faults.push(error.to_string());
    }
    let portal =
        config.as_ref().zip(state.as_ref().ok()).and_then(|(config, state)| state.portal(&config.cloud_url).cloned());
    Status {
        version: STATUS_VERSION,
        agent: "not-running".to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        agent_rss_kib: None,
        cloud: config.as_ref().map(|config| config.cloud_host.clone()),
        device: None,
        enrolled: portal.is_some_and(|portal| portal.enrolled_by.is_some()),
        break_glass_until: let_through_until(paths),
        diagnostics_request: None,
        key_protection: None,
        key_since: None,
        token_waiting: config.as_ref().is_some_and(|config| config.token.is_some()),
        faults,
        set_aside: Vec::new(),
        notices: Vec::new(),
        people: Vec::new(),
        problem: Some(Problem::failure(FailureCode::NotRunning)),
    }
    .with_set_aside(&paths.state_dir)
}

/// What the disk tells of a break-glass code that was taken.
fn let_through_until(paths: &Paths) -> Option<String> {
    let kept = BreakGlass::load(&paths.state_dir).ok()?;
    kept.until(CorrectedClock::default().now()).map(|until| until.to_string())
}

/// 0 if somebody is signed in; otherwise the number of what is in the way.
fn exit_code(status: &Status) -> u8 {
    if let Some(problem) = &status.problem {
        return problem.exit_code;
    }
    if status.people.iter().any(|person| person.user.is_some()) {
        return 0;
    }
    let problem = status.people.iter().find_map(|person| person.problem.as_ref());
    problem.map_or(FailureCode::NotSignedIn.exit_code(), |problem| problem.exit_code)
}

fn screen(status: &Status) -> String {
    let mut text = String::new();
    let enrolled = match (status.enrolled, status.token_waiting) {
        (true, _) => "enrolled",
        (false, true) => "not enrolled yet; a device token is waiting",
        (false, false) => "not enrolled, and there is no device token",
    };
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<10} {value}");
    };
    line("Agent", &format!("{} ({})", status.agent.replace('-', " "), status.agent_version));
    line("Cloud", status.cloud.as_deref().unwrap_or("not configured"));
    line(
        "Device",
        &status.device.as_ref().map_or_else(|| enrolled.to_owned(), |device| format!("{device}, {enrolled}")),
    );
    if let Some(protection) = &status.key_protection {
        let since = status.key_since.as_ref().map(|since| format!(", since {since}")).unwrap_or_default();
        line("Key", &format!("P-256, protected by: {protection}{since}"));
    }
    if let Some(until) = &status.break_glass_until {
        line("Emergency", &format!("a break-glass code has the device let through until {until}"));
    }
    if let Some(answer) = &status.diagnostics_request {
        let next = if answer == "waits" {
            "`countersign diagnostics --allow` or `--deny`; `--preview` shows what would be sent"
        } else {
            answer
        };
        line("Support", &format!("the portal asks for diagnostics: {next}"));
    }
    for person in &status.people {
        line("Person", &person_line(person));
    }
    for fault in &status.faults {
        line("Fault", fault);
    }
    for name in &status.set_aside {
        line("Set aside", name);
    }
    for notice in &status.notices {
        line("Notice", &format!("{} [{}]", notice.meaning, notice.code));
        line("Next", &notice.next_action);
    }
    let problems = status.problem.iter().chain(status.people.iter().filter_map(|person| person.problem.as_ref()));
    for problem in problems {
        line("Problem", &format!("{} [{}]", problem.meaning, problem.code));
        line("Next", &problem.next_action);
    }
    text
}

fn person_line(person: &PersonStatus) -> String {
    let state = person.state.replace('-', " ");
    let mut text = match &person.user {
        Some(user) => format!("{user}, {state}"),
        None => format!("{}, {state}", person.account),
    };
    if let (Some(since), Some(until)) = (&person.since, &person.until) {
        let _ = write!(text, " since {since} until {until}");
    }
    if let (Some(grade), Some(origin)) = (&person.grade, &person.origin) {
        let _ = write!(text, "; {grade} ({origin})");
    }
    if let Some(next) = person.next_at.as_ref().filter(|_| person.problem.is_some()) {
        let _ = write!(text, "; tries again at {next}");
    }
    text
}
