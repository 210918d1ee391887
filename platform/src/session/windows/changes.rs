//! Windows tells a window of session changes, so there is one: without a face, on a thread of its own.

use super::super::{SessionChange, SessionId};
use crate::windows::wide;
use std::{cell::RefCell, io, ptr, thread::JoinHandle};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};
use windows_sys::Win32::{
    Foundation::{HWND, LPARAM, LRESULT, WPARAM},
    System::{
        LibraryLoader::GetModuleHandleW,
        RemoteDesktop::{NOTIFY_FOR_ALL_SESSIONS, WTSRegisterSessionNotification, WTSUnRegisterSessionNotification},
        Threading::GetCurrentThreadId,
    },
    UI::WindowsAndMessaging::{
        CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GetMessageW, HWND_MESSAGE, MSG,
        PostThreadMessageW, RegisterClassW, WM_QUIT, WM_WTSSESSION_CHANGE, WNDCLASSW, WTS_SESSION_LOGOFF,
        WTS_SESSION_LOGON,
    },
};

const CLASS: &str = "CountersignSessions";

thread_local! {
    /// Where the window of this thread sends what it hears.
    static SENDER: RefCell<Option<UnboundedSender<SessionChange>>> = const { RefCell::new(None) };
}

#[derive(Debug)]
pub(in crate::session) struct Changes {
    heard: UnboundedReceiver<SessionChange>,
    thread_id: u32,
    thread: Option<JoinHandle<()>>,
}

impl Changes {
    pub(in crate::session) async fn subscribe() -> io::Result<Self> {
        let (sender, heard) = unbounded_channel();
        let (report, started) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name("session changes".to_owned()).spawn(move || listen(sender, report))?;
        let thread_id = started.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { heard, thread_id, thread: Some(thread) })
    }

    /// `None` when the window is gone.
    pub(in crate::session) async fn next(&mut self) -> Option<SessionChange> {
        self.heard.recv().await
    }
}

impl Drop for Changes {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: takes plain numbers; a thread that has ended already makes this fail, which is as good.
        unsafe { PostThreadMessageW(self.thread_id, WM_QUIT, 0, 0) };
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[expect(unsafe_code, reason = "the operating system's interface")]
fn listen(sender: UnboundedSender<SessionChange>, report: oneshot::Sender<io::Result<u32>>) {
    SENDER.set(Some(sender));
    let window = match Window::open() {
        Ok(window) => window,
        Err(error) => {
            // The caller has gone if this fails, and then nobody needs the answer.
            let _ = report.send(Err(error));
            return;
        }
    };
    // SAFETY: takes nothing.
    let _ = report.send(Ok(unsafe { GetCurrentThreadId() }));
    let mut message = MSG::default();
    // SAFETY: `message` is ours; the call blocks until there is one, and gives 0 for WM_QUIT and -1 for an error.
    while unsafe { GetMessageW(&raw mut message, ptr::null_mut(), 0, 0) } > 0 {
        // SAFETY: the message was just received by this thread.
        unsafe { DispatchMessageW(&raw const message) };
    }
    drop(window);
}

/// A window that is told of all sessions; closed on drop, on the thread that opened it.
struct Window(HWND);

impl Window {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn open() -> io::Result<Self> {
        let class_name = wide(CLASS);
        // SAFETY: null stands for this program's own module.
        let module = unsafe { GetModuleHandleW(ptr::null()) };
        let class = WNDCLASSW {
            lpfnWndProc: Some(hear),
            hInstance: module,
            lpszClassName: class_name.as_ptr(),
            ..WNDCLASSW::default()
        };
        // SAFETY: the class names a function of this program and a name that ends with a NUL. Registering it twice fails, and the first stays.
        unsafe { RegisterClassW(&raw const class) };
        let (name, none) = (class_name.as_ptr(), ptr::null_mut());
        // SAFETY: the class is registered, its name ends with a NUL; a message-only window needs nothing else.
        let window = unsafe { CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, HWND_MESSAGE, none, module, ptr::null()) };
        if window.is_null() {
            return Err(io::Error::last_os_error());
        }
        let window = Self(window);
        // SAFETY: the window is open.
        if unsafe { WTSRegisterSessionNotification(window.0, NOTIFY_FOR_ALL_SESSIONS) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(window)
    }
}

impl Drop for Window {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the window is open and belongs to this thread; unregistering one that was not registered does no harm.
        unsafe {
            WTSUnRegisterSessionNotification(self.0);
            DestroyWindow(self.0);
        }
    }
}

/// The window's procedure. Runs on the thread that made the window.
#[expect(unsafe_code, reason = "the operating system's interface")]
unsafe extern "system" fn hear(window: HWND, message: u32, what: WPARAM, session: LPARAM) -> LRESULT {
    if message == WM_WTSSESSION_CHANGE {
        let id = SessionId::new(session.to_string());
        let change = match u32::try_from(what) {
            Ok(WTS_SESSION_LOGON) => SessionChange::Opened(id),
            Ok(WTS_SESSION_LOGOFF) => SessionChange::Closed(id),
            _ => SessionChange::Changed,
        };
        SENDER.with_borrow(|sender| sender.as_ref().map(|sender| sender.send(change)));
        return 0;
    }
    // SAFETY: passes on what the system called us with.
    unsafe { DefWindowProcW(window, message, what, session) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_to_the_window_arrives_as_a_change_and_dropping_ends_the_thread() {
        let (sender, mut heard) = unbounded_channel();
        SENDER.set(Some(sender));
        for (what, wanted) in [
            (WTS_SESSION_LOGON, SessionChange::Opened(SessionId::new("3"))),
            (WTS_SESSION_LOGOFF, SessionChange::Closed(SessionId::new("3"))),
            (7, SessionChange::Changed),
        ] {
            #[expect(unsafe_code, reason = "the procedure is called as the system calls it")]
            // SAFETY: for this message the procedure uses no window.
            let result = unsafe { hear(ptr::null_mut(), WM_WTSSESSION_CHANGE, usize::try_from(what).unwrap(), 3) };
            assert_eq!(result, 0);
            assert_eq!(heard.recv().await, Some(wanted));
        }
        let changes = Changes::subscribe().await.unwrap();
        drop(changes);
    }
}
