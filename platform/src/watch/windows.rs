use super::{WatchError, refused};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;
use windows_registry::{Key, LOCAL_MACHINE};
use windows_sys::Win32::{
    Foundation::ERROR_SUCCESS,
    System::Registry::{REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME, RegNotifyChangeKeyValue},
};

/// The key above ours, which may come and go.
const POLICIES: &str = r"Software\Policies";

/// The registry's policy key. Files of options are changed by commands, which tell the service.
#[derive(Debug)]
pub(super) struct Watch(mpsc::Receiver<()>);

impl Watch {
    pub(super) fn of(_files: &[PathBuf]) -> Result<Self, WatchError> {
        let failed = |source: io::Error| refused(Path::new(r"HKLM\Software\Policies"), source);
        let key = LOCAL_MACHINE.open(POLICIES).map_err(|error| failed(error.into()))?;
        let (sender, receiver) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("policy".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                while wait(&key) {
                    // One note that waits is as good as two.
                    if matches!(sender.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
                        return;
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self(receiver))
    }

    pub(super) async fn changed(&mut self) {
        if self.0.recv().await.is_none() {
            // The registry tells nothing more; what a command or the next start tells is still heard.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until something below the key changes; `false` when the registry does not tell.
#[expect(unsafe_code, reason = "`windows-registry` has no call for being told of changes")]
fn wait(key: &Key) -> bool {
    // SAFETY: the key is open for as long as `key` lives; without an event the call only waits.
    let result = unsafe {
        RegNotifyChangeKeyValue(
            key.as_raw(),
            1,
            REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET,
            std::ptr::null_mut(),
            0,
        )
    };
    result == ERROR_SUCCESS
}
