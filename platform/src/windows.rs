//! What several Windows leaves need: owners for handles and descriptors, and the texts of SIDs and access lists.

use std::{io, os::windows::io::RawHandle, path::PathBuf, ptr};
use windows_sys::Win32::{
    Foundation::{CloseHandle, HANDLE, LocalFree},
    Security::{
        Authorization::{
            ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
            ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_FILE_OBJECT,
        },
        DACL_SECURITY_INFORMATION, GetTokenInformation, LookupAccountNameW, OWNER_SECURITY_INFORMATION,
        PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES, TOKEN_ELEVATION, TOKEN_INFORMATION_CLASS, TOKEN_QUERY,
        TOKEN_USER, TokenElevation, TokenUser,
    },
    System::Com::CoTaskMemFree,
    System::Threading::{GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION},
    UI::Shell::SHGetKnownFolderPath,
};
use windows_sys::core::GUID;

/// The SID of SYSTEM.
pub(crate) const SYSTEM_SID: &str = "S-1-5-18";

/// A text as Windows takes it: UTF-16 with a closing NUL.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Whether this process runs elevated, as SYSTEM does; `false` where that cannot be told.
pub(crate) fn is_elevated() -> bool {
    Token::of_this_process().and_then(|token| token.is_elevated()).unwrap_or(false)
}

/// The SID of the user that this process runs as.
pub(crate) fn own_sid() -> io::Result<String> {
    Token::of_this_process()?.user_sid()
}

/// A folder of the system, which unlike an environment variable nobody can set to another place; `None` where it does not exist.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub(crate) fn known_folder(id: &GUID) -> Option<PathBuf> {
    let mut text = ptr::null_mut();
    // SAFETY: the identifier is readable, no token means this process's user, and `text` is a place for one pointer.
    let found = unsafe { SHGetKnownFolderPath(id, 0, ptr::null_mut(), &raw mut text) };
    // The text is to be freed on failure too.
    let owner = ComMemory(text.cast());
    // SAFETY: on success the text ends with a NUL and lives as long as `owner`.
    let path = (found >= 0 && !text.is_null()).then(|| PathBuf::from(unsafe { text_at(text) }));
    drop(owner);
    path
}

/// Memory of the COM allocator, freed on drop.
struct ComMemory(*const core::ffi::c_void);

impl Drop for ComMemory {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the pointer is null, or came from a call that tells its caller to free it so, and is not used afterwards.
        unsafe { CoTaskMemFree(self.0) };
    }
}

/// A handle that is closed on drop.
struct Handle(HANDLE);

impl Drop for Handle {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the handle came from a call that opened it for us, and nobody else closes it.
        unsafe { CloseHandle(self.0) };
    }
}

/// An access token.
pub(crate) struct Token(Handle);

impl Token {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(crate) fn of_this_process() -> io::Result<Self> {
        // SAFETY: takes nothing; the pseudo handle that it gives needs no closing.
        let process = unsafe { GetCurrentProcess() };
        Self::of_handle(process)
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(crate) fn of_process(id: u32) -> io::Result<Self> {
        // SAFETY: takes plain numbers; the result is checked before use.
        let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id) };
        if process.is_null() {
            return Err(io::Error::last_os_error());
        }
        let process = Handle(process);
        Self::of_handle(process.0)
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn of_handle(process: HANDLE) -> io::Result<Self> {
        let mut token = ptr::null_mut();
        // SAFETY: `process` is open for the length of the call, and `token` is a place for one handle.
        let opened = unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) };
        if opened == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(Handle(token))) }
    }

    pub(crate) fn is_elevated(&self) -> io::Result<bool> {
        let buffer = self.query(TokenElevation)?;
        // TOKEN_ELEVATION is one 32-bit number; the buffer holds at least one 64-bit word.
        debug_assert!(size_of::<TOKEN_ELEVATION>() <= size_of::<u64>());
        Ok(buffer.first().is_some_and(|word| word & 0xffff_ffff != 0))
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(crate) fn user_sid(&self) -> io::Result<String> {
        let buffer = self.query(TokenUser)?;
        // SAFETY: for TokenUser the buffer begins with a TOKEN_USER, whose SID points into the same buffer, which outlives the call; words of 64 bits
        // align it.
        let user = unsafe { &*buffer.as_ptr().cast::<TOKEN_USER>() };
        sid_text(user.User.Sid)
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn query(&self, class: TOKEN_INFORMATION_CLASS) -> io::Result<Vec<u64>> {
        // A SID has at most 68 octets: this is enough for both things that we ask for.
        let mut buffer = vec![0_u64; 32];
        let (size, mut used) = (u32::try_from(buffer.len() * 8).unwrap_or(u32::MAX), 0);
        // SAFETY: the buffer is ours and has the size that is given.
        let found = unsafe { GetTokenInformation(self.0.0, class, buffer.as_mut_ptr().cast(), size, &raw mut used) };
        if found == 0 { Err(io::Error::last_os_error()) } else { Ok(buffer) }
    }
}

/// Memory that the system allocated with `LocalAlloc`, freed on drop.
struct Local(*mut core::ffi::c_void);

impl Drop for Local {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the pointer came from a call that tells its caller to free it so, and is not used afterwards.
        unsafe { LocalFree(self.0) };
    }
}

/// `S-1-5-…` of a SID that is valid for the length of the call.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub(crate) fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = ptr::null_mut();
    // SAFETY: the caller's SID is valid; `text` is a place for one pointer.
    if unsafe { ConvertSidToStringSidW(sid, &raw mut text) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let owner = Local(text.cast());
    // SAFETY: the text ends with a NUL and lives as long as `owner`.
    let result = unsafe { text_at(text) };
    drop(owner);
    Ok(result)
}

/// The SID of the account of that name, `DOMAIN\\name`.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub(crate) fn account_sid(account: &str) -> io::Result<String> {
    let name = wide(account);
    // A SID has at most 68 octets; words of 64 bits align it.
    let mut sid = [0_u64; 9];
    let mut domain = [0_u16; 256];
    let (mut sid_size, mut domain_size, mut kind) = (size_of_val(&sid) as u32, domain.len() as u32, 0);
    // SAFETY: the name ends with a NUL; the two places are ours and as large as their sizes say.
    let found = unsafe {
        LookupAccountNameW(
            ptr::null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_size,
            domain.as_mut_ptr(),
            &raw mut domain_size,
            &raw mut kind,
        )
    };
    if found == 0 { Err(io::Error::last_os_error()) } else { sid_text(sid.as_mut_ptr().cast()) }
}

/// Owner and access list of an open file, directory or pipe, as SDDL.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub(crate) fn descriptor_text(handle: RawHandle) -> io::Result<String> {
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let (mut descriptor, none): (PSECURITY_DESCRIPTOR, *mut core::ffi::c_void) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the handle is open for the length of the call; places that are null are not written, `descriptor` is a place for one pointer.
    let status = unsafe {
        GetSecurityInfo(
            handle,
            SE_FILE_OBJECT,
            wanted,
            none.cast(),
            none.cast(),
            none.cast(),
            none.cast(),
            &raw mut descriptor,
        )
    };
    if status != 0 {
        return Err(io::Error::from_raw_os_error(status.cast_signed()));
    }
    let descriptor = Local(descriptor);
    let mut text = ptr::null_mut();
    // SAFETY: the descriptor is the one that was just given, and lives; `text` is a place for one pointer, a length is not asked for.
    let made = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            wanted,
            &raw mut text,
            ptr::null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let owner = Local(text.cast());
    // SAFETY: the text ends with a NUL and lives as long as `owner`.
    let result = unsafe { text_at(text) };
    drop(owner);
    Ok(result)
}

/// A text of the system.
///
/// # Safety
///
/// `text` points to UTF-16 that ends with a NUL.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub(crate) unsafe fn text_at(text: *const u16) -> String {
    let mut length = 0;
    // SAFETY: by the caller's word there is a NUL, and every unit before it may be read.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: these units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) })
}

/// A security descriptor that was made from SDDL, and the attributes that hand it to a call that creates something.
pub(crate) struct Attributes {
    attributes: SECURITY_ATTRIBUTES,
    _descriptor: Local,
}

impl Attributes {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(crate) fn from_sddl(sddl: &str) -> io::Result<Self> {
        let (text, mut descriptor): (_, PSECURITY_DESCRIPTOR) = (wide(sddl), ptr::null_mut());
        // SAFETY: `text` ends with a NUL and outlives the call; `descriptor` is a place for one pointer, a size is not asked for.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        if made == 0 {
            return Err(io::Error::last_os_error());
        }
        let length = u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(u32::MAX);
        let attributes = SECURITY_ATTRIBUTES { nLength: length, lpSecurityDescriptor: descriptor, bInheritHandle: 0 };
        Ok(Self { attributes, _descriptor: Local(descriptor) })
    }

    pub(crate) fn as_ptr(&self) -> *const SECURITY_ATTRIBUTES {
        &raw const self.attributes
    }
}
