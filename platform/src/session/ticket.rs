//! The principal of a Kerberos credential cache: the user's own file, which proves nothing.

use std::{os::unix::fs::MetadataExt as _, path::Path};

const MOST_OCTETS: usize = 1024 * 1024;

/// The principal of the newest of the user's file credential caches in `tmp`: `kinit` names it `krb5cc_UID`, SSSD and sshd put a suffix behind.
pub(super) fn principal_of(tmp: &Path, uid: u32) -> Option<String> {
    let name = format!("krb5cc_{uid}");
    let entries = std::fs::read_dir(tmp).ok()?.map_while(Result::ok);
    let caches = entries.filter(|entry| {
        let found = entry.file_name();
        found
            .to_str()
            .and_then(|found| found.strip_prefix(&name))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    });
    // What a link leads to is not looked at: `metadata` of an entry is the link's own.
    let own = caches.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(|metadata| metadata.is_file() && metadata.uid() == uid)?;
        Some((metadata.modified().ok()?, entry.path()))
    });
    let (_, newest) = own.max()?;
    ccache_principal(&crate::files::read(&newest, MOST_OCTETS).ok()??)
}

/// The default principal of a credential cache in MIT's file format, versions 3 and 4.
pub(super) fn ccache_principal(octets: &[u8]) -> Option<String> {
    let mut rest = match octets {
        [5, 3, rest @ ..] => rest,
        [5, 4, high, low, rest @ ..] => rest.get(usize::from(u16::from_be_bytes([*high, *low]))..)?,
        _ => return None,
    };
    let _name_type = number(&mut rest)?;
    let components = number(&mut rest)?;
    let realm = counted_text(&mut rest)?;
    let names = (0..components.min(8)).map(|_| counted_text(&mut rest)).collect::<Option<Vec<_>>>()?;
    Some(format!("{}@{realm}", names.join("/")))
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (octets, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*octets))
}

fn counted_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (octets, after) = rest.split_at_checked(length)?;
    *rest = after;
    let text = std::str::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control))?;
    Some(text.to_owned())
}
