//! What an access list in SDDL (Security Descriptor Definition Language) lets strangers do. Pure, so that it is tested everywhere.

/// Who may always reach what is ours: SYSTEM, administrators, the owner, and the placeholder for the creator of something below.
const TRUSTED: &[&str] = &["SY", "BA", "OW", "CO", "S-1-5-18", "S-1-5-32-544", "S-1-3-0", "S-1-3-4"];
/// Rights that change nothing: read and execute, generic and of files, and the bits of both.
const HARMLESS_WORDS: &[&str] = &["FR", "FX", "GR", "GX", "RC", "LC", "RP", "LO"];
/// `FILE_GENERIC_READ | FILE_GENERIC_EXECUTE`, and the generic bits for reading and executing.
const HARMLESS_BITS: u32 = 0x0012_00a9 | 0x8000_0000 | 0x2000_0000;

/// What strangers must not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// Anything at all.
    Access,
    /// Anything but reading.
    Change,
}

/// The strangers that a descriptor lets do what is forbidden: their SIDs or SDDL's short names. An owner that is neither trusted nor `own` is one, and
/// so is everybody where there is no access list.
pub(super) fn strangers(sddl: &str, own: &str, forbidden: Forbidden) -> Vec<String> {
    let is_trusted = |sid: &str| TRUSTED.contains(&sid) || sid == own;
    let owner = part(sddl, "O:").map(|owner| owner.split_once("G:").map_or(owner, |(owner, _)| owner));
    let mut found: Vec<String> =
        owner.filter(|owner| !is_trusted(owner)).map(|owner| format!("the owner {owner}")).into_iter().collect();
    let Some(list) = part(sddl, "D:").filter(|list| !list.starts_with("NO_ACCESS_CONTROL")) else {
        found.push("everybody, for want of an access list".to_owned());
        return found;
    };
    for entry in list.split('(').skip(1).filter_map(|entry| entry.split(')').next()) {
        let fields: Vec<&str> = entry.split(';').collect();
        let [kind, flags, rights, _, _, sid, ..] = fields.as_slice() else {
            found.push("an access rule that cannot be read".to_owned());
            continue;
        };
        let allows = matches!(*kind, "A" | "OA" | "XA");
        let inherited_only = flags.contains("IO");
        let harmless = forbidden == Forbidden::Change && are_harmless(rights);
        if allows && !inherited_only && !harmless && !is_trusted(sid) {
            found.push((*sid).to_owned());
        }
    }
    found
}

/// What follows `mark`, up to the next part.
fn part<'a>(sddl: &'a str, mark: &str) -> Option<&'a str> {
    let (_, rest) = if sddl.starts_with(mark) { sddl.split_at(0) } else { sddl.split_at(sddl.find(mark)?) };
    let rest = rest.strip_prefix(mark)?;
    let end = ["D:", "S:"].iter().filter_map(|next| rest.find(next)).min().unwrap_or(rest.len());
    Some(&rest[..end])
}

fn are_harmless(rights: &str) -> bool {
    if let Some(hex) = rights.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).is_ok_and(|bits| bits & !HARMLESS_BITS == 0);
    }
    rights.is_ascii()
        && rights.len().is_multiple_of(2)
        && (0..rights.len()).step_by(2).all(|at| HARMLESS_WORDS.contains(&&rights[at..at + 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "S-1-5-21-1-2-3-1001";

    fn found(sddl: &str, forbidden: Forbidden) -> Vec<String> {
        strangers(sddl, OWN, forbidden)
    }

    #[test]
    fn our_own_list_lets_no_stranger_in() {
        for sddl in [
            "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)",
            "O:SYD:P(A;;FA;;;SY)(A;;FA;;;S-1-5-32-544)(A;OICIIO;GA;;;CO)",
            "O:S-1-5-21-1-2-3-1001G:S-1-5-21-1-2-3-513D:AI(A;ID;FA;;;SY)(A;ID;FA;;;S-1-5-21-1-2-3-1001)",
        ] {
            assert!(found(sddl, Forbidden::Access).is_empty(), "{sddl}");
        }
    }

    #[test]
    fn what_program_data_inherits_is_found() {
        let inherited = "O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)";
        assert_eq!(found(inherited, Forbidden::Access), ["BU"]);
        assert!(found(inherited, Forbidden::Change).is_empty());
        let writable = "O:BAD:AI(A;OICIID;FA;;;SY)(A;CIID;DCLCRPCR;;;BU)(A;;FRFX;;;WD)";
        assert_eq!(found(writable, Forbidden::Change), ["BU"]);
        assert_eq!(found("O:BAD:(A;;0x1301bf;;;AU)", Forbidden::Change), ["AU"]);
    }

    #[test]
    fn no_list_and_foreign_owners_are_strangers() {
        assert_eq!(found("O:SYD:NO_ACCESS_CONTROL", Forbidden::Change), ["everybody, for want of an access list"]);
        assert_eq!(found("O:SY", Forbidden::Change), ["everybody, for want of an access list"]);
        assert_eq!(
            found("O:S-1-5-21-9-9-9-1004G:SYD:P(A;;FA;;;SY)", Forbidden::Change),
            ["the owner S-1-5-21-9-9-9-1004"]
        );
        assert_eq!(found("O:SYD:P(A;;FA)", Forbidden::Change), ["an access rule that cannot be read"]);
    }

    #[test]
    fn a_denial_is_no_access() {
        assert!(found("O:SYD:P(D;;FA;;;WD)(A;;FA;;;SY)", Forbidden::Access).is_empty());
    }
}
