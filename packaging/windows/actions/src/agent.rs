//! The installed agent, and what it leaves behind.

use crate::installer::text_at;
use std::{
    io::Write as _,
    os::windows::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    ptr,
    time::{Duration, Instant},
};
use windows_service::{
    service::{ServiceAccess, ServiceErrorControl, ServiceInfo, ServiceStartType, ServiceType},
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::Win32::{
    System::Com::CoTaskMemFree,
    UI::Shell::{FOLDERID_ProgramData, SHGetKnownFolderPath},
};

const PROGRAM: &str = "countersign.exe";
const SERVICE: &str = "Countersign";
/// The directory in `ProgramData` with key, state and options.
const STATE: &str = "Countersign";
/// How long a portal may take when the agent is removed.
const PATIENCE: Duration = Duration::from_secs(15);
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Gives the agent the options over its standard input; what it says about them is the result, good or bad.
pub(crate) fn keep_options(dir: &str, options: &str) -> Result<String, String> {
    let mut command = command(dir, &["installer", "options"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| format!("the agent could not be given its options: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(options.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match (output.status.success(), written) {
        (false, _) => Err(text(&output.stderr)),
        (true, Some(Err(error))) => Err(failed(error)),
        (true, _) => Ok(text(&output.stdout)),
    }
}

/// Writes the service's command line anew, as the MSI describes the service and with the path in quotes.
pub(crate) fn quote_service_path(dir: &str) -> windows_service::Result<()> {
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?;
    let service = manager.open_service(SERVICE, ServiceAccess::CHANGE_CONFIG)?;
    service.change_config(&ServiceInfo {
        name: SERVICE.into(),
        display_name: SERVICE.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: Path::new(dir).join(PROGRAM),
        launch_arguments: vec!["run".into(), "--service".into()],
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    })
}

/// Has the agent deregister at its portal, for as long as that may take at most.
pub(crate) fn deregister(dir: &str) -> String {
    let mut command = command(dir, &["deregister"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return format!("the device was not deregistered: {error}"),
    };
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return "the device is deregistered".to_owned(),
            Ok(Some(status)) => return format!("the device was not deregistered ({status}); remove it in the portal"),
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return format!("the device was not deregistered: {error}"),
        }
    }
    // It may have ended in this moment.
    let _ = child.kill();
    "the portal did not answer in time; remove the device there".to_owned()
}

/// Removes the agent's directory in `ProgramData`; links in it are removed, not followed.
pub(crate) fn remove_state() -> Result<(), String> {
    let dir = program_data().ok_or("the folder ProgramData is not known")?.join(STATE);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("`{}` could not be removed: {error}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn command(dir: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(dir).join(PROGRAM));
    command.args(arguments).creation_flags(CREATE_NO_WINDOW);
    command
}

/// Asked of the system and not of the environment, which anybody who starts an installer can set.
fn program_data() -> Option<PathBuf> {
    let mut text = ptr::null_mut();
    // SAFETY: the identifier is readable, no token means this process's user, and `text` is a place for one pointer.
    let found = unsafe { SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, ptr::null_mut(), &raw mut text) };
    // SAFETY: on success the text ends with a NUL.
    let path = (found >= 0 && !text.is_null()).then(|| PathBuf::from(unsafe { text_at(text) }));
    // SAFETY: the text is to be freed so, on failure too, and is not used afterwards.
    unsafe { CoTaskMemFree(text.cast()) };
    path
}
