//! The trick with the installer's file name: `safemarch.com-countersign-windows-1.2.3-installer.exe` means `--userDomain safemarch.com`.

use crate::names::UserDomain;

/// The user domain in the file name of an EXE installer; `None` when the name is not of that shape.
///
/// `product` is what stands between the domain and `-windows-`. A browser's ` (1)` before the ending does no harm.
pub fn domain_from_file_name(file_name: &str, product: &str) -> Option<UserDomain> {
    let lower = file_name.to_lowercase();
    let stem = lower.strip_suffix(".exe")?;
    let stem = match stem.rsplit_once(" (") {
        Some((before, copy))
            if copy.strip_suffix(')').is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_digit())) =>
        {
            before
        }
        _ => stem,
    };
    let (domain, version) =
        stem.strip_suffix("-installer")?.split_once(&format!("-{}-windows-", product.to_lowercase()))?;
    let is_version = version.starts_with(|sign: char| sign.is_ascii_digit())
        && version.chars().all(|sign| sign.is_ascii_alphanumeric() || "._-+".contains(sign));
    UserDomain::parse(domain).ok().filter(|_| is_version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_domain_is_read_from_the_name() {
        let domain = |name: &str| domain_from_file_name(name, "countersign").map(|domain| domain.to_string());
        assert_eq!(domain("safemarch.com-countersign-windows-1.2.3-installer.exe").as_deref(), Some("safemarch.com"));
        assert_eq!(
            domain("Safe-March.co.uk-Countersign-Windows-4.0.0.80-x64-installer (2).EXE").as_deref(),
            Some("safe-march.co.uk")
        );
        for other in [
            "countersign-windows-1.2.3-installer.exe",
            "safemarch-countersign-windows-1.2.3-installer.exe",
            "safemarch.com-countersign-windows-x-installer.exe",
            "installer.exe",
            "",
        ] {
            assert_eq!(domain(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(name in any::<String>(), product in any::<String>()) {
            domain_from_file_name(&name, &product);
        }
    }
}
