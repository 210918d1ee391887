use super::{ServiceError, ServiceState, ServiceStatus};
use crate::event_log;
use std::{
    ffi::{OsStr, OsString},
    time::{Duration, Instant},
};
use windows_service::{
    Error,
    service::{
        Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceFailureActions,
        ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState as ScmState, ServiceType,
    },
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::Win32::Foundation::{
    ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_EXISTS, ERROR_SERVICE_NOT_ACTIVE,
};

pub(super) const NAME: &str = "Countersign";

const DISPLAY_NAME: &str = "Countersign";
const DESCRIPTION: &str =
    "Signs the people of this device in to the cloud, silently, with a key that never leaves the device.";
/// What the SCM starts the program with.
const ARGUMENTS: [&str; 2] = ["run", "--service"];
/// How long after a first, second and each further failure the service is started again.
const RESTARTS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
/// After so long without a failure the next one counts as the first.
const RESET: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the SCM is asked meanwhile: it tells nobody of itself.
const PACE: Duration = Duration::from_millis(50);

pub(super) fn install() -> Result<(), ServiceError> {
    let program = std::env::current_exe().map_err(|error| failed("install")(Error::Winapi(error)))?;
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program,
        launch_arguments: ARGUMENTS.map(OsString::from).to_vec(),
        dependencies: Vec::new(),
        // LocalSystem.
        account_name: None,
        account_password: None,
    };
    let manager = manager("install", ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = match manager.create_service(&info, access) {
        Err(error) if is_code(&error, ERROR_SERVICE_EXISTS) => {
            let there = manager.open_service(NAME, access).map_err(failed("install"))?;
            there.change_config(&info).map_err(failed("install"))?;
            there
        }
        made => made.map_err(failed("install"))?,
    };
    let restart = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(RESET),
        reboot_msg: None,
        command: None,
        actions: Some(RESTARTS.map(restart).to_vec()),
    };
    service.set_description(DESCRIPTION).map_err(failed("describe"))?;
    event_log::register().map_err(|error| failed("name the event source of")(Error::Winapi(error.into())))?;
    service.update_failure_actions(actions).map_err(failed("set the failure actions of"))?;
    // An end with an error that the service reported itself counts too.
    service.set_failure_actions_on_non_crash_failures(true).map_err(failed("set the failure actions of"))
}

pub(super) fn uninstall() -> Result<bool, ServiceError> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let Some(service) = open("remove", access)? else { return Ok(false) };
    stop_service(&service)?;
    service.delete().map_err(failed("remove"))?;
    event_log::unregister().map_err(|error| failed("forget the event source of")(Error::Winapi(error.into())))?;
    Ok(true)
}

pub(super) fn start() -> Result<(), ServiceError> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::START;
    let service = open("start", access)?.ok_or(ServiceError::NotInstalled)?;
    match service.start::<&OsStr>(&[]) {
        Err(error) if !is_code(&error, ERROR_SERVICE_ALREADY_RUNNING) => Err(failed("start")(error)),
        _ => wait(&service, ScmState::Running),
    }
}

pub(super) fn stop() -> Result<(), ServiceError> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP;
    stop_service(&open("stop", access)?.ok_or(ServiceError::NotInstalled)?)
}

/// The service runs, configured or not.
pub(super) fn starts_when_configured() -> bool {
    false
}

pub(super) fn status() -> Result<ServiceStatus, ServiceError> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG;
    let Some(service) = open("look at", access)? else { return Ok(ServiceStatus::NOT_INSTALLED) };
    let status = service.query_status().map_err(failed("look at"))?;
    let config = service.query_config().map_err(failed("look at"))?;
    let ended_badly = status.exit_code != windows_service::service::ServiceExitCode::NO_ERROR;
    let state = match status.current_state {
        ScmState::Stopped if ended_badly && !was_never_started(&status) => ServiceState::Failed,
        ScmState::Stopped => ServiceState::Stopped,
        ScmState::StartPending | ScmState::ContinuePending => ServiceState::Starting,
        ScmState::StopPending => ServiceState::Stopping,
        ScmState::Running | ScmState::PausePending | ScmState::Paused => ServiceState::Running,
    };
    let starts_with_machine = config.start_type == ServiceStartType::AutoStart;
    Ok(ServiceStatus { state, process_id: status.process_id, starts_with_machine })
}

/// A service that was not started since the machine was has this code in the place of its own.
fn was_never_started(status: &windows_service::service::ServiceStatus) -> bool {
    const ERROR_SERVICE_NEVER_STARTED: u32 = 1077;
    status.exit_code == windows_service::service::ServiceExitCode::Win32(ERROR_SERVICE_NEVER_STARTED)
}

fn stop_service(service: &Service) -> Result<(), ServiceError> {
    match service.stop() {
        Err(error) if is_code(&error, ERROR_SERVICE_NOT_ACTIVE) => Ok(()),
        Err(error) => Err(failed("stop")(error)),
        Ok(_) => wait(service, ScmState::Stopped),
    }
}

/// Asks until the service is where it should be, or where it will not come from.
fn wait(service: &Service, wanted: ScmState) -> Result<(), ServiceError> {
    let begun = Instant::now();
    loop {
        let state = service.query_status().map_err(failed("look at"))?.current_state;
        if state == wanted {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE || state == ScmState::Stopped {
            let state = status()?.state;
            return Err(ServiceError::TimedOut { state, seconds: begun.elapsed().as_secs() });
        }
        std::thread::sleep(PACE);
    }
}

fn manager(doing: &'static str, access: ServiceManagerAccess) -> Result<ServiceManager, ServiceError> {
    ServiceManager::local_computer(None::<&OsStr>, access).map_err(failed(doing))
}

/// `None` where there is no such service.
fn open(doing: &'static str, access: ServiceAccess) -> Result<Option<Service>, ServiceError> {
    match manager(doing, ServiceManagerAccess::CONNECT)?.open_service(NAME, access) {
        Ok(service) => Ok(Some(service)),
        Err(error) if is_code(&error, ERROR_SERVICE_DOES_NOT_EXIST) => Ok(None),
        Err(error) => Err(failed(doing)(error)),
    }
}

fn failed(doing: &'static str) -> impl Fn(Error) -> ServiceError {
    move |error| ServiceError::Manager { doing, source: Box::new(error) }
}

fn is_code(error: &Error, code: u32) -> bool {
    matches!(error, Error::Winapi(error) if error.raw_os_error() == Some(code.cast_signed()))
}
