//! The tie to the service control manager that started this process.

use super::{NAME, ServiceError};
use crate::session::{SessionChange, SessionId};
use std::{
    ffi::OsString,
    io,
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    time::Duration,
};
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use windows_service::{
    Error, define_windows_service,
    service::{
        PowerEventParam, ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus,
        ServiceType, SessionChangeParam, SessionChangeReason,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
};

/// How long the SCM waits for a start or a stop before it takes the service for hung.
const WAIT_HINT: Duration = Duration::from_secs(20);

/// The wish to stop; kept until somebody waits for it.
static STOP: Notify = Notify::const_new();
/// What the SCM tells of sessions and power, for the one subscriber.
static CHANGES: Mutex<Option<UnboundedReceiver<SessionChange>>> = Mutex::new(None);
/// Where the handler sends it.
static SENDER: OnceLock<UnboundedSender<SessionChange>> = OnceLock::new();
/// What `service_main`, which takes no arguments of ours, reports to [`attach`] over.
static REPORT: Mutex<Option<mpsc::Sender<Result<ServiceStatusHandle, Error>>>> = Mutex::new(None);
/// How this process reports its state, once it is tied.
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();

define_windows_service!(service_entry, service_main);

#[derive(Debug)]
pub(super) struct Attached {
    dispatcher: std::thread::JoinHandle<Result<(), Error>>,
}

pub(super) fn attach() -> Result<Attached, ServiceError> {
    let (report, reported) = mpsc::channel();
    *REPORT.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    let (sender, receiver) = unbounded_channel();
    // A second tie of one process is refused by the SCM below; the first subscriber stays.
    if SENDER.set(sender).is_ok() {
        *CHANGES.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    }
    let dispatcher = std::thread::Builder::new()
        .name("service dispatcher".to_owned())
        .spawn(move || {
            let ended = service_dispatcher::start(NAME, service_entry);
            if let Err(Error::Winapi(error)) = &ended {
                let code = error.raw_os_error().unwrap_or_default();
                // Nobody waits any more if the tie was there.
                let _ = report.send(Err(Error::Winapi(io::Error::from_raw_os_error(code))));
            }
            ended
        })
        .map_err(ServiceError::NotAService)?;
    let handle = match reported.recv() {
        Ok(Ok(handle)) => handle,
        Ok(Err(Error::Winapi(error))) => return Err(ServiceError::NotAService(error)),
        Ok(Err(_)) | Err(_) => return Err(ServiceError::NotAService(io::ErrorKind::BrokenPipe.into())),
    };
    let _ = STATUS.set(handle);
    tell(ServiceState::StartPending, 0).map_err(ServiceError::NotAService)?;
    Ok(Attached { dispatcher })
}

impl Attached {
    pub(super) fn stopped(self, exit_code: u8) {
        // If the SCM is gone, so is everybody who could be told.
        let _ = tell(ServiceState::Stopped, exit_code);
        // Ends when the SCM has taken note.
        let _ = self.dispatcher.join();
    }
}

/// Tells the SCM that the service runs; does nothing for a process that is not tied to it.
pub(crate) fn ready() -> io::Result<()> {
    tell(ServiceState::Running, 0)
}

/// Tells the SCM that the service is about to end.
pub(crate) fn stopping() -> io::Result<()> {
    tell(ServiceState::StopPending, 0)
}

/// Returns when the SCM asked the service to stop; pending for ever in a process that is not tied to it.
pub(crate) async fn stop_requested() {
    STOP.notified().await;
}

/// What the SCM will tell of sessions and power; `None` for a process that is not tied to it.
pub(crate) fn take_changes() -> Option<UnboundedReceiver<SessionChange>> {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The entry on a thread of the SCM's library. It may end at once: the handler stays.
fn service_main(_arguments: Vec<OsString>) {
    let registered = service_control_handler::register(NAME, handle);
    let report = REPORT.lock().unwrap_or_else(PoisonError::into_inner).take();
    // The thread that attached waits for exactly this.
    let _ = report.map(|report| report.send(registered));
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for, and more may be added")]
fn handle(control: ServiceControl) -> ServiceControlHandlerResult {
    let change = match control {
        ServiceControl::Interrogate => return ServiceControlHandlerResult::NoError,
        ServiceControl::Stop | ServiceControl::Shutdown => {
            let _ = stopping();
            STOP.notify_one();
            return ServiceControlHandlerResult::NoError;
        }
        ServiceControl::SessionChange(change) => session_change(change),
        ServiceControl::PowerEvent(PowerEventParam::ResumeAutomatic | PowerEventParam::ResumeSuspend) => {
            SessionChange::Resumed
        }
        ServiceControl::PowerEvent(_) => return ServiceControlHandlerResult::NoError,
        _ => return ServiceControlHandlerResult::NotImplemented,
    };
    // The subscriber may be gone already, on the way to the end.
    let _ = SENDER.get().map(|sender| sender.send(change));
    ServiceControlHandlerResult::NoError
}

fn session_change(change: SessionChangeParam) -> SessionChange {
    let id = SessionId::new(change.notification.session_id.to_string());
    match change.reason {
        SessionChangeReason::SessionLogon => SessionChange::Opened(id),
        SessionChangeReason::SessionLogoff | SessionChangeReason::SessionTerminate => SessionChange::Closed(id),
        SessionChangeReason::ConsoleConnect
        | SessionChangeReason::ConsoleDisconnect
        | SessionChangeReason::RemoteConnect
        | SessionChangeReason::RemoteDisconnect
        | SessionChangeReason::SessionLock
        | SessionChangeReason::SessionUnlock
        | SessionChangeReason::SessionRemoteControl
        | SessionChangeReason::SessionCreate => SessionChange::Changed,
    }
}

fn tell(state: ServiceState, exit_code: u8) -> io::Result<()> {
    let Some(handle) = STATUS.get() else { return Ok(()) };
    let accepted = ServiceControlAccept::STOP
        | ServiceControlAccept::SHUTDOWN
        | ServiceControlAccept::SESSION_CHANGE
        | ServiceControlAccept::POWER_EVENT;
    let pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: if state == ServiceState::Running { accepted } else { ServiceControlAccept::empty() },
        exit_code: if exit_code == 0 {
            ServiceExitCode::NO_ERROR
        } else {
            ServiceExitCode::ServiceSpecific(exit_code.into())
        },
        checkpoint: u32::from(pending),
        wait_hint: if pending { WAIT_HINT } else { Duration::ZERO },
        process_id: None,
    };
    handle.set_service_status(status).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_service::service::SessionNotification;

    #[test]
    fn session_changes_are_told_by_their_session() {
        let change = |reason| {
            session_change(SessionChangeParam { reason, notification: SessionNotification { size: 8, session_id: 3 } })
        };
        assert_eq!(change(SessionChangeReason::SessionLogon), SessionChange::Opened(SessionId::new("3")));
        assert_eq!(change(SessionChangeReason::SessionLogoff), SessionChange::Closed(SessionId::new("3")));
        assert_eq!(change(SessionChangeReason::SessionUnlock), SessionChange::Changed);
    }

    #[test]
    fn a_process_that_the_scm_did_not_start_is_told_so() {
        assert!(matches!(attach(), Err(ServiceError::NotAService(_))));
    }
}
