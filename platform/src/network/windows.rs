use std::{ffi::c_void, io, ptr};
use tokio::sync::Notify;
use windows_sys::Win32::{
    Foundation::{HANDLE, NO_ERROR},
    NetworkManagement::IpHelper::{
        CancelMibChangeNotify2, MIB_NOTIFICATION_TYPE, MIB_UNICASTIPADDRESS_ROW, NotifyUnicastIpAddressChange,
    },
    Networking::WinSock::AF_UNSPEC,
};

/// A registration with the IP helper, which calls [`changed`] from threads of its own until it is cancelled.
#[derive(Debug)]
pub(super) struct NetworkChanges {
    registration: HANDLE,
    /// Its address is the callback's context, so it stays where it is until the registration has ended.
    changed: Box<Notify>,
}

// SAFETY: the handle is only used to cancel the registration, which any thread may do; `Notify` is made for several threads.
#[expect(unsafe_code, reason = "a handle of the IP helper belongs to no thread")]
unsafe impl Send for NetworkChanges {}
// SAFETY: as above; nothing is changed through a shared reference but `Notify`.
#[expect(unsafe_code, reason = "a handle of the IP helper belongs to no thread")]
unsafe impl Sync for NetworkChanges {}

impl NetworkChanges {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(super) fn subscribe() -> io::Result<Self> {
        let changed = Box::new(Notify::new());
        let context = ptr::from_ref(changed.as_ref()).cast::<c_void>();
        let mut registration: HANDLE = ptr::null_mut();
        // SAFETY: the context outlives the registration, which `drop` ends first; the handle is written before the call returns.
        let result =
            unsafe { NotifyUnicastIpAddressChange(AF_UNSPEC, Some(on_change), context, false, &raw mut registration) };
        match result {
            NO_ERROR => Ok(Self { registration, changed }),
            code => Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }

    pub(super) async fn next(&mut self) -> io::Result<()> {
        self.changed.notified().await;
        Ok(())
    }
}

impl Drop for NetworkChanges {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the handle is this registration's; the call returns when no callback runs any more.
        unsafe { CancelMibChangeNotify2(self.registration) };
    }
}

#[expect(unsafe_code, reason = "called by the operating system")]
unsafe extern "system" fn on_change(
    context: *const c_void,
    _row: *const MIB_UNICASTIPADDRESS_ROW,
    _kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: the context is the `Notify` of a registration that has not ended, see `subscribe`.
    let changed = unsafe { &*context.cast::<Notify>() };
    changed.notify_one();
}
