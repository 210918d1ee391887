use super::{ServiceError, ServiceState, ServiceStatus};
use std::{path::Path, process::Command};

pub(super) const NAME: &str = "org.countersign.agent";

const PLIST: &str = "/Library/LaunchDaemons/org.countersign.agent.plist";
const TARGET: &str = "system/org.countersign.agent";

/// The property list comes with the package; this makes launchd start it with the machine, and now, since it is to be kept alive.
pub(super) fn install() -> Result<(), ServiceError> {
    described()?;
    launchctl("install", &["enable", TARGET])?;
    load()
}

pub(super) fn uninstall() -> Result<bool, ServiceError> {
    let was_there = Path::new(PLIST).exists();
    if status()?.state != ServiceState::NotInstalled {
        launchctl("remove", &["bootout", TARGET])?;
    }
    if was_there {
        launchctl("remove", &["disable", TARGET])?;
    }
    Ok(was_there)
}

pub(super) fn start() -> Result<(), ServiceError> {
    described()?;
    load()?;
    launchctl("start", &["kickstart", TARGET]).map(drop)
}

pub(super) fn stop() -> Result<(), ServiceError> {
    described()?;
    if status()?.state == ServiceState::NotInstalled {
        return Ok(());
    }
    launchctl("stop", &["bootout", TARGET]).map(drop)
}

/// launchd keeps the service running, configured or not.
pub(super) fn starts_when_configured() -> bool {
    false
}

/// A job that launchd does not know is installed and stopped where its property list is there, since a job that is to be kept alive is stopped by
/// being unloaded.
pub(super) fn status() -> Result<ServiceStatus, ServiceError> {
    match launchctl("look at", &["print", TARGET]) {
        Ok(text) => Ok(parse(&text)),
        Err(ServiceError::Tool { .. }) if Path::new(PLIST).exists() => {
            Ok(ServiceStatus { state: ServiceState::Stopped, process_id: None, starts_with_machine: true })
        }
        Err(ServiceError::Tool { .. }) => Ok(ServiceStatus::NOT_INSTALLED),
        Err(error) => Err(error),
    }
}

fn described() -> Result<(), ServiceError> {
    if Path::new(PLIST).exists() { Ok(()) } else { Err(ServiceError::NoDescription { path: PLIST.into() }) }
}

/// Loads the job, unless launchd has it already.
fn load() -> Result<(), ServiceError> {
    if launchctl("look at", &["print", TARGET]).is_ok() {
        return Ok(());
    }
    launchctl("load", &["bootstrap", "system", PLIST]).map(drop)
}

fn launchctl(doing: &'static str, arguments: &[&str]) -> Result<String, ServiceError> {
    let output = Command::new("/bin/launchctl").args(arguments).output();
    let output = output.map_err(|error| ServiceError::Manager { doing, source: Box::new(error) })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let answer = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let command = format!("launchctl {}", arguments.join(" "));
    Err(ServiceError::Tool { doing, command, status: output.status, answer })
}

/// What `launchctl print` says: lines `name = value` below a head.
fn parse(text: &str) -> ServiceStatus {
    let value = |name: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(" = ")).unwrap_or_default()
    };
    let state = match value("state") {
        "running" => ServiceState::Running,
        "spawn scheduled" | "waiting" => ServiceState::Starting,
        _ if !matches!(value("last exit code"), "" | "0" | "(never exited)") => ServiceState::Failed,
        _ => ServiceState::Stopped,
    };
    ServiceStatus { state, process_id: value("pid").parse().ok(), starts_with_machine: true }
}
