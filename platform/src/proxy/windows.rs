use super::{
    ProxyAddress, Way, way_by,
    winhttp::{first_proxy, is_bypassed},
};
use crate::windows::wide;
use hyper_util::client::proxy::matcher::Matcher;
use std::{ffi::c_void, ptr};
use windows_sys::Win32::{
    Foundation::GlobalFree,
    Networking::WinHttp::{
        WINHTTP_ACCESS_TYPE_NAMED_PROXY, WINHTTP_ACCESS_TYPE_NO_PROXY, WINHTTP_AUTO_DETECT_TYPE_DHCP,
        WINHTTP_AUTO_DETECT_TYPE_DNS_A, WINHTTP_AUTOPROXY_AUTO_DETECT, WINHTTP_AUTOPROXY_OPTIONS, WINHTTP_PROXY_INFO,
        WinHttpCloseHandle, WinHttpGetDefaultProxyConfiguration, WinHttpGetProxyForUrl, WinHttpOpen,
    },
};
use windows_sys::core::PWSTR;

pub(super) async fn way_to(host: &str) -> Way {
    let by_environment = way_by(&Matcher::from_env(), host);
    if by_environment != Way::Direct {
        return by_environment;
    }
    let host = host.to_owned();
    // Looking for automatic configuration asks DHCP and DNS, and may fetch and run a script.
    tokio::task::spawn_blocking(move || detected(&host).or_else(|| configured(&host)).unwrap_or(Way::Direct))
        .await
        .unwrap_or(Way::Direct)
}

/// What automatic configuration says; `None` where the network has none.
#[expect(unsafe_code, reason = "the operating system's interface")]
fn detected(host: &str) -> Option<Way> {
    let session = Session::open()?;
    let url = wide(&format!("https://{host}/"));
    let mut options = WINHTTP_AUTOPROXY_OPTIONS {
        dwFlags: WINHTTP_AUTOPROXY_AUTO_DETECT,
        dwAutoDetectFlags: WINHTTP_AUTO_DETECT_TYPE_DHCP | WINHTTP_AUTO_DETECT_TYPE_DNS_A,
        ..WINHTTP_AUTOPROXY_OPTIONS::default()
    };
    let mut info = Info::default();
    // SAFETY: the session is open, the URL ends with a NUL, and both structures are ours; `Info` frees what is written into it.
    let found = unsafe { WinHttpGetProxyForUrl(session.0, url.as_ptr(), &raw mut options, &raw mut info.0) };
    if found == 0 {
        return None;
    }
    Some(first_proxy(&info.proxy()).map_or(Way::Direct, proxy))
}

/// What an administrator stored for the whole machine; `None` where that is nothing.
#[expect(unsafe_code, reason = "the operating system's interface")]
fn configured(host: &str) -> Option<Way> {
    let mut info = Info::default();
    // SAFETY: the structure is ours; `Info` frees what is written into it.
    if unsafe { WinHttpGetDefaultProxyConfiguration(&raw mut info.0) } == 0
        || info.0.dwAccessType != WINHTTP_ACCESS_TYPE_NAMED_PROXY
        || is_bypassed(&info.bypass(), host)
    {
        return None;
    }
    first_proxy(&info.proxy()).map(proxy)
}

fn proxy(url: String) -> Way {
    Way::Proxy(ProxyAddress { url, authorization: None })
}

/// A WinHTTP session, closed on drop.
struct Session(*mut c_void);

impl Session {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn open() -> Option<Self> {
        let agent = wide("countersign");
        // SAFETY: the name ends with a NUL; without a proxy the two lists are null.
        let handle = unsafe { WinHttpOpen(agent.as_ptr(), WINHTTP_ACCESS_TYPE_NO_PROXY, ptr::null(), ptr::null(), 0) };
        (!handle.is_null()).then_some(Self(handle))
    }
}

impl Drop for Session {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the handle is open and this session's own.
        unsafe { WinHttpCloseHandle(self.0) };
    }
}

/// An answer of WinHTTP, whose texts are freed on drop.
#[derive(Default)]
struct Info(WINHTTP_PROXY_INFO);

impl Info {
    fn proxy(&self) -> String {
        text(self.0.lpszProxy)
    }

    fn bypass(&self) -> String {
        text(self.0.lpszProxyBypass)
    }
}

impl Drop for Info {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        for list in [self.0.lpszProxy, self.0.lpszProxyBypass] {
            // SAFETY: WinHTTP allocates these with GlobalAlloc and leaves them to its caller; null is nothing to free.
            unsafe { GlobalFree(list.cast()) };
        }
    }
}

/// A text that Windows ended with a NUL; empty for null.
#[expect(unsafe_code, reason = "the operating system's interface")]
fn text(start: PWSTR) -> String {
    if start.is_null() {
        return String::new();
    }
    let mut length = 0;
    // SAFETY: the text ends with a NUL, and no further octet is read.
    while unsafe { *start.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: as many units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(start, length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winhttp_answers_whatever_it_knows() {
        // Wine and a fresh machine know no proxy; what is shown is that the calls are made as they should be.
        assert!(Session::open().is_some());
        assert!(matches!(configured("cloud.example.net"), None | Some(Way::Proxy(_))));
    }
}
