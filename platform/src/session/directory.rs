//! Whether a directory knows an account, and by which name: asked of the directory's own name service, and joined with how this machine is set up.
//!
//! A Kerberos credential cache is the user's own file: its principal is reported and proves nothing.

use super::{
    elsewhere::{self, Elsewhere},
    join::{Files, Join, SssdDomain},
    name_service::{Account, Deadline},
    sssd::{Original, Sssd},
    standing::Standing,
    ticket,
    winbind::Winbind,
};
use std::{
    io,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Users of systemd-homed (systemd's UIDS-GIDS).
const HOMED: std::ops::RangeInclusive<u32> = 60_001..=60_513;
/// How long the name services have for all that is asked at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
const SSSD_SOCKET: &str = "var/lib/sss/pipes/nss";
const WINBIND_PIPE: &str = "run/samba/winbindd/pipe";
/// `ACCOUNTDISABLE` (MS-ADTS section 2.2.16).
const DISABLED: u64 = 2;

/// One machine: its files and sockets are below `root`.
pub(super) struct Machine {
    files: Files,
}

/// What a name service says of a user id.
enum Said {
    Is(Standing),
    /// It knows no such account.
    Unknown,
    /// It is not in use on this machine.
    Absent,
    /// It should know, and does not say.
    Silent(String),
}

impl Machine {
    pub(super) fn here() -> Self {
        Self::below("/".into())
    }

    pub(super) fn below(root: PathBuf) -> Self {
        Self { files: Files { root } }
    }

    /// What is known about the account of that user id, which a session calls `name`. Waits for name services, so not for a task's thread.
    pub(super) fn standing(&self, name: &str, uid: u32, deadline: Deadline) -> Standing {
        let mut standing = self.standing_by_lookup(name, uid, deadline);
        if let Some(ticket) = ticket::principal_of(&self.files.path("tmp"), uid) {
            standing.attributes.push(("kerberos.ticket", ticket));
        }
        standing
    }

    fn standing_by_lookup(&self, name: &str, uid: u32, deadline: Deadline) -> Standing {
        // Unreadable counts as listed: what cannot be judged must not be graded up.
        let Some(passwd) = self.files.text("etc/passwd") else {
            return Standing::local("can't be told from those in /etc/passwd, which is not readable");
        };
        if let Some(standing) = by_passwd(&passwd, name, uid) {
            return standing;
        }
        if HOMED.contains(&uid) {
            return Standing::local("is a home directory's own (systemd-homed)");
        }
        let (mut asked, mut silent, mut others) = (false, None, Vec::new());
        for service in self.name_services() {
            let said = match service.as_str() {
                "files" => continue,
                "sss" => self.by_sssd(name, uid, deadline),
                "winbind" => self.by_winbind(name, uid, deadline),
                _ => {
                    others.push(service);
                    continue;
                }
            };
            match said {
                Said::Is(standing) => return standing,
                Said::Unknown => asked = true,
                Said::Absent => {}
                Said::Silent(why) => silent = Some(why),
            }
        }
        let getent = self.files.path("usr/bin/getent");
        match elsewhere::ask(&getent, &others, uid, deadline) {
            Elsewhere::Known { service, account } => {
                let because = format!("comes from the name service `{service}`, which vouches for no directory");
                Standing { name: other_than(name, &account.name), ..Standing::local(because) }
            }
            Elsewhere::Unknown => unknown_to_all(asked, silent),
        }
    }

    fn by_sssd(&self, name: &str, uid: u32, deadline: Deadline) -> Said {
        let configured = self.files.path("etc/sssd/sssd.conf").try_exists().unwrap_or(true);
        let said = Sssd::at(&self.files.path(SSSD_SOCKET), deadline).and_then(|mut sssd| {
            let Some(account) = sssd.by_id(uid)? else { return Ok(Said::Unknown) };
            if sssd.by_name(&account.name)?.is_none_or(|found| found.uid != uid) {
                return Ok(Said::Is(ambiguous("SSSD", &account)));
            }
            let original = sssd.original(&account.name)?;
            let standing = self.standing_in_sssd(&account.name, &original);
            Ok(Said::Is(Standing { name: other_than(name, &account.name), ..standing }))
        });
        said.unwrap_or_else(|error| absent_or_silent("SSSD", &error, configured))
    }

    fn standing_in_sssd(&self, name: &str, original: &Original) -> Standing {
        let (account, affix) = parted(name);
        let upn = original.value("userPrincipalName").filter(|upn| upn.contains('@')).map(str::to_owned);
        if let Some(why) = not_any_more(original) {
            return Standing::nobody(why);
        }
        let Some(sssd) = self.files.sssd() else {
            let because = "comes from SSSD, whose configuration only root may read".to_owned();
            return lowered(because, account, upn);
        };
        let home = original.value("originalDN").and_then(dns_domain);
        let Some(domain) = choose(&sssd.domains, affix, home.as_deref()) else {
            let because = "comes from SSSD, and which of its domains the account is in can't be told".to_owned();
            return lowered(because, account, upn);
        };
        let of_domain = format!("comes from SSSD's domain `{}`", domain.name);
        if !domain.is_directory() {
            return lowered(format!("{of_domain}, which is no Active Directory, IPA or Kerberos domain"), account, upn);
        }
        let trusted = home.filter(|home| domain.keeps_originals() && !domain.is_called(home));
        let realm = trusted.map_or_else(|| domain.realm.clone(), |home| home.to_uppercase());
        let may_be_rewritten = domain.renames || sssd.space.is_some_and(|space| account.contains(space));
        let unknown = domain.keeps_originals() && original.is_empty();
        if upn.is_none() && (may_be_rewritten || unknown) {
            return Standing::nobody(format!(
                "{of_domain} by a name that this machine has given it, and SSSD does not tell the directory's own: set the option `userName`"
            ));
        }
        let principal = upn.unwrap_or_else(|| format!("{account}@{realm}"));
        match self.files.is_joined_by(domain) {
            Join::Not(why) => lowered(format!("{of_domain}, but {why}"), account, Some(principal)),
            Join::Joined => {
                let because = format!("{of_domain}, which knows the account, and the machine is joined");
                Standing { realm: Some(realm), ..Standing::directory(Some(principal), because) }
            }
        }
    }

    fn by_winbind(&self, name: &str, uid: u32, deadline: Deadline) -> Said {
        let join = self.files.is_joined_by_samba();
        let said = Winbind::at(&self.files.path(WINBIND_PIPE), deadline).and_then(|mut winbind| {
            let Some(account) = winbind.by_id(uid)? else { return Ok(Said::Unknown) };
            if winbind.by_name(&account.name)?.is_none_or(|found| found.uid != uid) {
                return Ok(Said::Is(ambiguous("winbind", &account)));
            }
            let owner = winbind.sid_of(uid)?.map(|sid| winbind.owner_of(&sid)).transpose()?.flatten();
            let Some(owner) = owner else {
                return Ok(Said::Is(Standing::nobody("comes from winbind, and its SID is nobody's in the directory")));
            };
            let of_domain = format!("comes from winbind's domain `{}`", owner.domain);
            let standing = match (winbind.dns_name_of(&owner.domain)?, &join) {
                (None, _) => Standing::local(format!("{of_domain}, which winbind knows as no Active Directory")),
                (Some(_), _) if self.files.samba_may_have_rewritten(&owner.account) => Standing::nobody(format!(
                    "{of_domain} as `{}`, which may be a name that Samba has made up (`winbind normalize names`): set the option `userName`",
                    owner.account
                )),
                (Some(_), Join::Not(why)) => Standing::local(format!("{of_domain}, but {why}")),
                (Some(dns), Join::Joined) => {
                    let principal = format!("{}@{}", owner.account, dns.to_uppercase());
                    let because = format!(
                        "{of_domain}, which has the account's SID as `{}`, and the machine is joined; winbind tells no UPN, so one that differs is not known",
                        owner.account
                    );
                    Standing::directory(Some(principal), because)
                }
            };
            Ok(Said::Is(Standing { name: other_than(name, &account.name), ..standing }))
        });
        said.unwrap_or_else(|error| absent_or_silent("winbind", &error, join == Join::Joined))
    }

    fn name_services(&self) -> Vec<String> {
        let text = self.files.text("etc/nsswitch.conf").unwrap_or_default();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("passwd:")).unwrap_or_default();
        let line = line.split('#').next().unwrap_or_default();
        // What is in brackets says when to stop looking.
        let mut inside = false;
        let services = line.split_whitespace().filter(|word| {
            let begins = word.starts_with('[');
            let skipped = inside || begins;
            inside = skipped && !word.ends_with(']');
            !skipped
        });
        services.map(str::to_owned).collect()
    }
}

/// What /etc/passwd says, if anything: it is looked at before all other name services.
fn by_passwd(passwd: &str, name: &str, uid: u32) -> Option<Standing> {
    let accounts = || {
        passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?, fields.nth(1)?.parse::<u32>().ok()?))
        })
    };
    let listed = "is in this machine's /etc/passwd";
    if accounts().any(|account| account == (name, uid)) {
        return Some(Standing::local(listed));
    }
    if let Some((present, _)) = accounts().find(|(_, id)| *id == uid) {
        return Some(Standing { name: Some(present.to_owned()), ..Standing::local(listed) });
    }
    let another = accounts().any(|(known, _)| known == name);
    another.then(|| Standing::nobody("has the name of an account of another user id in this machine's /etc/passwd"))
}

fn unknown_to_all(asked: bool, silent: Option<String>) -> Standing {
    match (asked, silent) {
        (_, Some(why)) => Standing { silent: true, ..Standing::nobody(format!("may be a directory's, but {why}")) },
        (true, None) => Standing::nobody("is known to no name service of this machine any more, so it is deleted"),
        (false, None) => Standing::local("comes from no name service that vouches for a directory"),
    }
}

/// A service without a socket is not there, unless the machine is set up for it.
fn absent_or_silent(service: &str, error: &io::Error, configured: bool) -> Said {
    let absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    if absent && !configured {
        return Said::Absent;
    }
    Said::Silent(if error.kind() == io::ErrorKind::TimedOut {
        format!("{service} did not answer within {} s", PATIENCE.as_secs())
    } else if absent {
        format!("{service} is set up and not running")
    } else {
        format!("{service} can't be asked: {error}")
    })
}

fn ambiguous(service: &str, account: &Account) -> Standing {
    Standing::nobody(format!("is called `{}` by {service}, which has another user id for that name", account.name))
}

/// The name that the account has by now, unless it is the session's.
fn other_than(name: &str, present: &str) -> Option<String> {
    (name != present).then(|| present.to_owned())
}

/// An account that the machine vouches for no further. Where the directory has another name for it than the machine, the machine's would be
/// somebody else's, perhaps.
fn lowered(because: String, account: &str, principal: Option<String>) -> Standing {
    let differs = principal.as_ref().and_then(|principal| principal.rsplit_once('@'));
    match differs.filter(|(name, _)| !name.eq_ignore_ascii_case(account)) {
        Some((name, _)) => Standing::nobody(format!("{because}; the directory has it as `{name}`")),
        None => Standing::local(because),
    }
}

/// Why an account is none any more, by what SSSD has last read in the directory.
fn not_any_more(original: &Original) -> Option<&'static str> {
    let number = |key: &str| original.value(key).and_then(|value| value.parse::<u64>().ok());
    if number("adUserAccountControl").is_some_and(|flags| flags & DISABLED != 0) {
        return Some("is disabled in the directory");
    }
    let expires = number("adAccountExpires").filter(|expires| (1..i64::MAX.unsigned_abs()).contains(expires))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Tenths of microseconds since the year 1601 (MS-DTYP section 2.3.3).
    let now = (now.as_secs() + 11_644_473_600).saturating_mul(10_000_000);
    (expires < now).then_some("has expired in the directory")
}

/// A name without its domain, and the domain: `DOMAIN\name` or `name@domain`.
fn parted(name: &str) -> (&str, Option<&str>) {
    match (name.split_once('\\'), name.rsplit_once('@')) {
        (Some((domain, account)), _) => (account, Some(domain)),
        (None, Some((account, suffix))) => (account, Some(suffix)),
        (None, None) => (name, None),
    }
}

/// The domain of SSSD that an account is in: the one that its name says, the one that its place in the directory says, or the only one.
fn choose<'a>(domains: &'a [SssdDomain], affix: Option<&str>, home: Option<&str>) -> Option<&'a SssdDomain> {
    let called = |name: Option<&str>| domains.iter().find(|domain| name.is_some_and(|name| domain.is_called(name)));
    if let Some(found) = called(home).or_else(|| called(affix)) {
        return Some(found);
    }
    let [only] = domains else { return None };
    // A domain that is trusted says so by its place in the directory; a suffix alone may be anything.
    (affix.is_none() || home.is_some() || !only.is_directory()).then_some(only)
}

/// The DNS domain in a distinguished name (RFC 2247): `CN=a,DC=corp,DC=example` is in `corp.example`.
fn dns_domain(name: &str) -> Option<String> {
    let parts = name.split(',').filter_map(|part| part.trim().split_once('='));
    let labels: Vec<&str> = parts.filter(|(key, _)| key.eq_ignore_ascii_case("dc")).map(|(_, label)| label).collect();
    (labels.len() > 1).then(|| labels.join(".").to_lowercase())
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
