//! Which realms a keytab holds keys of (MIT's keytab file format, version 2): a machine is joined to those.

/// The realms of a keytab's entries, each once; `None` where it is no keytab.
pub(super) fn realms(octets: &[u8]) -> Option<Vec<String>> {
    let mut rest = octets.strip_prefix(&[5, 2])?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        let (entry, after) = after.split_at_checked(usize::try_from(length.unsigned_abs()).ok()?)?;
        rest = after;
        // A hole that a removed entry has left has its length below zero.
        if length > 0 {
            let realm = realm_of(entry)?;
            if !found.contains(&realm) {
                found.push(realm);
            }
        }
    }
    Some(found)
}

/// An entry begins with the number of the name's components and the realm, each with a length of two octets.
fn realm_of(entry: &[u8]) -> Option<String> {
    let (_components, rest) = entry.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let realm = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    std::str::from_utf8(realm).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two entries in the format's layout for `host/vm@CORP.EXAMPLE`, with a key of zeros, after a hole. What MIT Kerberos writes itself is read in
    /// the tests of the whole system.
    fn keytab() -> Vec<u8> {
        let name = [&[0, 2, 0, 12][..], b"CORP.EXAMPLE", &[0, 4], b"host", &[0, 2], b"vm", &[0, 0, 0, 1]].concat();
        let key = [&[0x65, 0, 0, 0, 2, 0, 18, 0, 32][..], &[0; 32], &[0, 0, 0, 2]].concat();
        let entry = [name, key].concat();
        let length = u8::try_from(entry.len()).unwrap();
        [&[5, 2, 0xff, 0xff, 0xff, 0xfd, 1, 2, 3, 0, 0, 0, length][..], &entry, &[0, 0, 0, length], &entry].concat()
    }

    #[test]
    fn the_realms_of_a_keytab_are_read() {
        assert_eq!(realms(&keytab()).unwrap(), ["CORP.EXAMPLE"]);
        assert_eq!(realms(&[5, 2]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_cut_short_or_no_keytab_has_none() {
        let whole = keytab();
        for cut in 0..whole.len() {
            let realms = realms(&whole[..cut]);
            assert!(realms.is_none_or(|realms| realms.len() <= 1), "{cut}");
        }
        assert_eq!(realms(b"keys"), None);
        assert_eq!(realms(&[5, 2, 0x80, 0, 0, 0]), None);
        assert_eq!(realms(&[5, 2, 0, 0, 0, 3, 0, 1, 9]), None);
    }
}
