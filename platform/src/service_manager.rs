//! What this process tells the service manager that started it.
//!
//! systemd is told over sd_notify(3); launchd asks for nothing; the Windows SCM is told by the service's control handler.

use std::time::Duration;

/// Tells that the service has started and hears commands. Does nothing where nobody waits for it.
///
/// # Errors
///
/// When the service manager gave an address that can't be reached: it will end the service after its time-out.
pub fn ready() -> std::io::Result<()> {
    tell(Word::Ready)
}

/// Tells that the service is on its way to its end.
///
/// # Errors
///
/// As [`ready`].
pub fn stopping() -> std::io::Result<()> {
    tell(Word::Stopping)
}

/// Tells that the service is alive; one that is silent for longer than [`watchdog`] says is killed and started anew.
///
/// # Errors
///
/// As [`ready`].
pub fn alive() -> std::io::Result<()> {
    tell(Word::Alive)
}

/// How often at least the service manager wants to hear [`alive`]; `None` where it does not watch this process.
pub fn watchdog() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    return sd_notify::watchdog_enabled();
    #[cfg(not(target_os = "linux"))]
    None
}

enum Word {
    Ready,
    Stopping,
    Alive,
}

#[cfg(target_os = "linux")]
fn tell(word: Word) -> std::io::Result<()> {
    use sd_notify::NotifyState;
    sd_notify::notify(&[match word {
        Word::Ready => NotifyState::Ready,
        Word::Stopping => NotifyState::Stopping,
        Word::Alive => NotifyState::Watchdog,
    }])
}

#[cfg(windows)]
fn tell(word: Word) -> std::io::Result<()> {
    match word {
        Word::Ready => crate::service::scm::ready(),
        Word::Stopping => crate::service::scm::stopping(),
        Word::Alive => Ok(()),
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
fn tell(word: Word) -> std::io::Result<()> {
    match word {
        Word::Ready | Word::Stopping | Word::Alive => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn without_a_service_manager_there_is_nobody_to_tell() {
        super::ready().unwrap();
        assert_eq!(super::watchdog(), None);
    }
}
