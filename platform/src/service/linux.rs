use super::{ServiceError, ServiceState, ServiceStatus};
use std::process::Command;

pub(super) const NAME: &str = "countersign";

const UNIT: &str = "countersign.service";

/// The unit comes with the package; this makes systemd start it with the machine.
pub(super) fn install() -> Result<(), ServiceError> {
    if status()?.state == ServiceState::NotInstalled {
        return Err(ServiceError::NoDescription { path: format!("/lib/systemd/system/{UNIT}").into() });
    }
    systemctl("install", &["enable", UNIT]).map(drop)
}

pub(super) fn uninstall() -> Result<bool, ServiceError> {
    if status()?.state == ServiceState::NotInstalled {
        return Ok(false);
    }
    systemctl("remove", &["disable", "--now", UNIT]).map(|_| true)
}

pub(super) fn start() -> Result<(), ServiceError> {
    installed()?;
    systemctl("start", &["start", UNIT]).map(drop)
}

pub(super) fn stop() -> Result<(), ServiceError> {
    installed()?;
    systemctl("stop", &["stop", UNIT]).map(drop)
}

pub(super) fn status() -> Result<ServiceStatus, ServiceError> {
    let properties = "--property=LoadState,ActiveState,MainPID,UnitFileState";
    systemctl("look at", &["show", properties, UNIT]).map(|text| parse(&text))
}

pub(super) fn starts_when_configured() -> bool {
    systemctl("look at", &["is-active", "countersign.path"]).is_ok()
}

fn installed() -> Result<(), ServiceError> {
    if status()?.state == ServiceState::NotInstalled { Err(ServiceError::NotInstalled) } else { Ok(()) }
}

fn systemctl(doing: &'static str, arguments: &[&str]) -> Result<String, ServiceError> {
    let output = Command::new("systemctl").args(arguments).output();
    let output = output.map_err(|error| ServiceError::Manager { doing, source: Box::new(error) })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let answer = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let command = format!("systemctl {}", arguments.join(" "));
    Err(ServiceError::Tool { doing, command, status: output.status, answer })
}

/// What `systemctl show` prints: `Name=value` lines.
fn parse(text: &str) -> ServiceStatus {
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    if matches!(value("LoadState"), "" | "not-found") {
        return ServiceStatus::NOT_INSTALLED;
    }
    let state = match value("ActiveState") {
        "active" | "reloading" => ServiceState::Running,
        "activating" => ServiceState::Starting,
        "deactivating" => ServiceState::Stopping,
        "failed" => ServiceState::Failed,
        _ => ServiceState::Stopped,
    };
    ServiceStatus {
        state,
        process_id: value("MainPID").parse().ok().filter(|id| *id != 0),
        starts_with_machine: value("UnitFileState").starts_with("enabled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_read() {
        let running = parse("MainPID=431\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n");
        assert_eq!(
            running,
            ServiceStatus { state: ServiceState::Running, process_id: Some(431), starts_with_machine: true }
        );
        let failed = parse("MainPID=0\nLoadState=loaded\nActiveState=failed\nUnitFileState=disabled\n");
        assert_eq!(failed, ServiceStatus { state: ServiceState::Failed, process_id: None, starts_with_machine: false });
        assert_eq!(parse("MainPID=0\nLoadState=not-found\nActiveState=inactive\n"), ServiceStatus::NOT_INSTALLED);
        assert_eq!(parse(""), ServiceStatus::NOT_INSTALLED);
    }
}
