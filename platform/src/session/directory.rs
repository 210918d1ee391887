//! Whether a directory knows an account, told from how this machine looks names up (nsswitch.conf(5), sssd.conf(5), smb.conf(5)).
//!
//! Only what root writes is believed. A Kerberos credential cache is the user's own file: its principal is reported and proves nothing.

use super::{keytab, standing::Standing};
use std::path::{Path, PathBuf};

const MOST_OCTETS: usize = 1024 * 1024;
/// Users of systemd-homed (systemd's UIDS-GIDS).
const HOMED: std::ops::RangeInclusive<u32> = 60_001..=60_513;

/// The files of one machine, below `root`.
pub(super) struct Machine {
    pub(super) root: PathBuf,
}

impl Machine {
    pub(super) fn here() -> Self {
        Self { root: "/".into() }
    }

    pub(super) fn standing(&self, name: &str, uid: u32) -> Standing {
        let mut standing = self.standing_by_lookup(name, uid);
        if let Some(ticket) = self.ticket_principal(uid) {
            standing.attributes.push(("kerberos.ticket", ticket));
        }
        standing
    }

    fn standing_by_lookup(&self, name: &str, uid: u32) -> Standing {
        if self.is_in_passwd(name, uid) {
            return Standing::local("is in this machine's /etc/passwd");
        }
        if HOMED.contains(&uid) {
            return Standing::local("is a home directory's own (systemd-homed)");
        }
        let services = self.name_services();
        let asks = |service: &str| services.iter().any(|known| known == service);
        let by_sssd = asks("sss") && self.path("etc/sssd/sssd.conf").exists();
        if !by_sssd && !asks("winbind") {
            return Standing::local("comes from no name service that vouches for a directory");
        }
        let join = self.join();
        if let Join::None(why) = join {
            return Standing::local(format!("comes from a name service, but {why} and so is not joined to a domain"));
        }
        if by_sssd { self.standing_by_sssd(name, &join) } else { self.standing_by_winbind(name, &join) }
    }

    fn join(&self) -> Join {
        let path = self.path("etc/krb5.keytab");
        if !path.exists() {
            return Join::None("the machine has no keytab");
        }
        match crate::files::read(&path, MOST_OCTETS) {
            Ok(Some(octets)) => match keytab::realms(&octets) {
                Some(realms) if !realms.is_empty() => Join::To(realms),
                _ => Join::None("the machine's keytab holds no key"),
            },
            Ok(None) => Join::None("the machine has no keytab"),
            Err(_) => Join::Hidden,
        }
    }

    fn standing_by_sssd(&self, name: &str, join: &Join) -> Standing {
        let Some(texts) = self.sssd_texts() else {
            return Standing::local("comes from SSSD, whose configuration only root may read");
        };
        let domains = sssd_domains(&texts);
        let (account, suffix) = match (name.split_once('\\'), name.rsplit_once('@')) {
            (Some((domain, account)), _) => (account, Some(domain)),
            (None, Some((account, suffix))) => (account, Some(suffix)),
            (None, None) => (name, None),
        };
        let matching: Vec<&SssdDomain> =
            domains.iter().filter(|domain| suffix.is_none_or(|suffix| domain.is_called(suffix))).collect();
        match matching.as_slice() {
            [] => Standing::directory(
                None,
                "comes from SSSD, from a trusted domain without a section of its own".to_owned(),
            ),
            [domain] if domain.is_directory() && !join.is_to(&domain.realm) => Standing::local(format!(
                "comes from SSSD's domain `{}`, but the machine's keytab holds no key of the realm `{}`",
                domain.name, domain.realm
            )),
            [domain] if domain.is_directory() => {
                let principal = format!("{account}@{}", domain.realm);
                Standing::directory(
                    Some(principal),
                    format!("comes from SSSD's domain `{}`, and the machine is joined", domain.name),
                )
            }
            [domain] => Standing::local(format!(
                "comes from SSSD's domain `{}`, which is no Active Directory, IPA or Kerberos domain",
                domain.name
            )),
            _ => Standing::directory(
                None,
                "comes from SSSD, which has several domains and was given no suffix to tell them apart".to_owned(),
            ),
        }
    }

    /// sssd.conf and its snippets, what counts first: the last snippet by name overrules the others, and all of them the file.
    fn sssd_texts(&self) -> Option<Vec<String>> {
        let main = self.text("etc/sssd/sssd.conf")?;
        let entries = std::fs::read_dir(self.path("etc/sssd/conf.d")).into_iter().flatten().map_while(Result::ok);
        let mut snippets: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_snippet(path)).collect();
        snippets.sort();
        let mut texts = Vec::new();
        for snippet in snippets.iter().rev() {
            texts.push(read_text(snippet)?);
        }
        texts.push(main);
        Some(texts)
    }

    fn standing_by_winbind(&self, name: &str, join: &Join) -> Standing {
        let global = self.text("etc/samba/smb.conf").map(|text| section(&text, "global")).unwrap_or_default();
        let setting = |key: &str| global.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        let separator = setting("winbind separator").and_then(|value| value.chars().next()).unwrap_or('\\');
        let (domain, account) =
            name.split_once(separator).map_or((None, name), |(domain, account)| (Some(domain), account));
        if let Some(realm) = setting("realm").filter(|realm| !join.is_to(realm)) {
            return Standing::local(format!(
                "comes from winbind, but the machine's keytab holds no key of the realm `{}`",
                realm.to_uppercase()
            ));
        }
        let own = domain
            .is_none_or(|domain| setting("workgroup").is_some_and(|workgroup| workgroup.eq_ignore_ascii_case(domain)));
        let principal = setting("realm").filter(|_| own).map(|realm| format!("{account}@{}", realm.to_uppercase()));
        Standing::directory(principal, "comes from winbind, and the machine is joined".to_owned())
    }

    fn is_in_passwd(&self, name: &str, uid: u32) -> bool {
        // Unreadable counts as listed: what cannot be judged must not be graded up.
        let Some(text) = self.text("etc/passwd") else { return true };
        text.lines().any(|line| {
            let mut fields = line.split(':');
            fields.next() == Some(name) || fields.nth(1) == Some(uid.to_string().as_str())
        })
    }

    fn name_services(&self) -> Vec<String> {
        let text = self.text("etc/nsswitch.conf").unwrap_or_default();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("passwd:")).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// The principal of the newest of the user's file credential caches: `kinit` names it `krb5cc_UID`, SSSD and sshd put a suffix behind.
    fn ticket_principal(&self, uid: u32) -> Option<String> {
        use std::os::unix::fs::MetadataExt;
        let name = format!("krb5cc_{uid}");
        let entries = std::fs::read_dir(self.path("tmp")).ok()?.map_while(Result::ok);
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

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    fn text(&self, relative: &str) -> Option<String> {
        read_text(&self.path(relative))
    }
}

/// Whether the machine is joined, as its keytab tells.
enum Join {
    /// Half a sentence says why not.
    None(&'static str),
    /// There is a keytab that this process may not read.
    Hidden,
    /// To these realms.
    To(Vec<String>),
}

impl Join {
    /// A keytab that only root may read is taken for one of the right realm, since root alone can have put it there.
    fn is_to(&self, realm: &str) -> bool {
        match self {
            Self::None(_) => false,
            Self::Hidden => true,
            Self::To(realms) => realms.iter().any(|known| known.eq_ignore_ascii_case(realm)),
        }
    }
}

/// sssd.conf(5): `*.conf`, unless hidden.
fn is_snippet(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.starts_with('.') && name.ends_with(".conf")
}

fn read_text(path: &Path) -> Option<String> {
    crate::files::read(path, MOST_OCTETS).ok().flatten().map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct SssdDomain {
    name: String,
    provider: String,
    realm: String,
}

impl SssdDomain {
    fn is_called(&self, suffix: &str) -> bool {
        self.name.eq_ignore_ascii_case(suffix) || self.realm.eq_ignore_ascii_case(suffix)
    }

    fn is_directory(&self) -> bool {
        matches!(self.provider.as_str(), "ad" | "ipa" | "krb5")
    }
}

/// The domains that sssd.conf(5) switches on; in `texts` what counts first comes first.
fn sssd_domains(texts: &[String]) -> Vec<SssdDomain> {
    let section = |wanted: &str| texts.iter().flat_map(|text| section(text, wanted)).collect::<Vec<_>>();
    let value = |section: &[(String, String)], key: &str| {
        section.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let active = value(&section("sssd"), "domains").unwrap_or_default();
    let names = active.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let settings = section(&format!("domain/{name}"));
            let id_provider = value(&settings, "id_provider").unwrap_or_default();
            // Names may come from LDAP while Kerberos checks the password.
            let provider = match value(&settings, "auth_provider") {
                Some(auth) if id_provider == "ldap" => auth,
                _ => id_provider,
            };
            let realm = value(&settings, "krb5_realm").unwrap_or_else(|| name.to_uppercase());
            SssdDomain { name: name.to_owned(), provider, realm }
        })
        .collect()
}

/// The settings of one section of an INI file, keys in lower case.
fn section(text: &str, wanted: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let is_heading = |line: &&str| line.starts_with('[');
    let is_wanted = |line: &str| {
        line.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|name| name.trim().eq_ignore_ascii_case(wanted))
    };
    let inside = lines.skip_while(|line| !is_wanted(line)).skip(1).take_while(|line| !is_heading(line));
    inside
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_lowercase(), value.trim().to_owned()))
        .collect()
}

/// The default principal of a credential cache in MIT's file format, versions 3 and 4.
fn ccache_principal(octets: &[u8]) -> Option<String> {
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

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
