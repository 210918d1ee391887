//! How this machine is joined to directories, by the files that root writes (sssd.conf(5), smb.conf(5), keytabs, Samba's secrets).

use super::keytab;
use std::path::{Path, PathBuf};

const MOST_OCTETS: usize = 1024 * 1024;
/// How many files of smb.conf(5) may include one another.
const DEEPEST: usize = 8;

/// The files of one machine, below `root`.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) root: PathBuf,
}

/// Whether the machine is joined.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Join {
    Joined,
    /// Half a sentence says what is missing.
    Not(String),
}

impl Files {
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        read_text(&self.path(path))
    }

    /// The domains that SSSD asks; `None` where its configuration can't be read.
    pub(super) fn sssd(&self) -> Option<SssdConfiguration> {
        self.sssd_texts().map(|texts| SssdConfiguration::of(&texts))
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

    /// Whether the machine has a key of the domain's realm, which only a join puts there.
    pub(super) fn is_joined_by(&self, domain: &SssdDomain) -> Join {
        match self.realms_of(&domain.keytab) {
            Keytab::Hidden => Join::Joined,
            Keytab::Absent => Join::Not(format!("there is no keytab `{}`", domain.keytab)),
            Keytab::Of(realms) if realms.is_empty() => {
                Join::Not(format!("the keytab `{}` holds no key", domain.keytab))
            }
            Keytab::Of(realms) if realms.iter().any(|realm| realm.eq_ignore_ascii_case(&domain.realm)) => Join::Joined,
            Keytab::Of(_) => {
                Join::Not(format!("the keytab `{}` holds no key of the realm `{}`", domain.keytab, domain.realm))
            }
        }
    }

    /// Whether Samba has the machine's password, in its own secrets or, where it is set up so, in a keytab.
    pub(super) fn is_joined_by_samba(&self) -> Join {
        let settings = self.smb_settings();
        let setting =
            |key: &str| settings.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        let secrets = format!("{}/secrets.tdb", setting("privatedir").unwrap_or("/var/lib/samba/private"));
        // A folder that only root may look into is there because root has made it.
        if self.path(&secrets).try_exists().unwrap_or(true) {
            return Join::Joined;
        }
        let keytab = setting("dedicatedkeytabfile").map(|path| path.trim_start_matches("FILE:")).unwrap_or(KEYTAB);
        match self.realms_of(keytab) {
            Keytab::Hidden => Join::Joined,
            Keytab::Of(realms) if !realms.is_empty() => Join::Joined,
            Keytab::Of(_) | Keytab::Absent => {
                Join::Not(format!("Samba has neither the secrets `{secrets}` nor a key in the keytab `{keytab}`"))
            }
        }
    }

    /// Whether winbind may have written the name otherwise than the directory has it: then it tells the SID's owner no better.
    pub(super) fn samba_may_have_rewritten(&self, account: &str) -> bool {
        let settings = self.smb_settings();
        let setting =
            |key: &str| settings.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        let is_on = |value: &str| ["yes", "true", "1", "on"].iter().any(|word| value.eq_ignore_ascii_case(word));
        let has_aliases = setting("winbindnssinfo").is_some_and(|value| !value.eq_ignore_ascii_case("template"));
        setting("winbindnormalizenames").is_some_and(is_on) && (has_aliases || account.contains('_'))
    }

    fn realms_of(&self, keytab: &str) -> Keytab {
        match crate::files::read(&self.path(keytab), MOST_OCTETS) {
            Ok(Some(octets)) => Keytab::Of(keytab::realms(&octets).unwrap_or_default()),
            Ok(None) => Keytab::Absent,
            Err(_) => Keytab::Hidden,
        }
    }

    /// The global settings of smb.conf and of the files that it includes, in order: the last one counts. Keys are in small letters without spaces.
    fn smb_settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        let mut is_global = true;
        self.read_smb("etc/samba/smb.conf", DEEPEST, &mut is_global, &mut settings);
        settings
    }

    fn read_smb(&self, path: &str, depth: usize, is_global: &mut bool, settings: &mut Vec<(String, String)>) {
        let Some(text) = self.text(path).filter(|_| depth > 0) else { return };
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                *is_global = name.trim().eq_ignore_ascii_case("global");
            } else if let Some((key, value)) = line.split_once('=') {
                let key: String = key.chars().filter(|sign| !sign.is_whitespace()).collect::<String>().to_lowercase();
                let value = value.trim().trim_matches('"');
                if key == "include" {
                    self.read_smb(value, depth - 1, is_global, settings);
                } else if *is_global {
                    settings.push((key, value.to_owned()));
                }
            }
        }
    }
}

/// Where a machine keeps its keys unless something else is said.
const KEYTAB: &str = "/etc/krb5.keytab";

enum Keytab {
    Absent,
    /// It is there, and only root may read it: root alone can have put it there.
    Hidden,
    /// With keys of these realms.
    Of(Vec<String>),
}

/// sssd.conf(5): `*.conf`, unless hidden.
fn is_snippet(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.starts_with('.') && name.ends_with(".conf")
}

fn read_text(path: &Path) -> Option<String> {
    crate::files::read(path, MOST_OCTETS).ok().flatten().map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

/// What sssd.conf(5) says that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SssdConfiguration {
    pub(super) domains: Vec<SssdDomain>,
    /// What SSSD writes for each space of a name.
    pub(super) space: Option<char>,
}

/// A domain that SSSD asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SssdDomain {
    pub(super) name: String,
    provider: String,
    pub(super) realm: String,
    /// The directory's own domain, where the section says it.
    dns: Option<String>,
    keytab: String,
    /// Accounts go by another attribute than their name in the directory.
    pub(super) renames: bool,
}

impl SssdDomain {
    pub(super) fn is_called(&self, name: &str) -> bool {
        let known = [Some(&self.name), Some(&self.realm), self.dns.as_ref()];
        known.into_iter().flatten().any(|known| known.eq_ignore_ascii_case(name))
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.provider.as_str(), "ad" | "ipa" | "krb5")
    }

    /// Whether SSSD knows what the directory itself calls an account, and in which of its domains it is.
    pub(super) fn keeps_originals(&self) -> bool {
        matches!(self.provider.as_str(), "ad" | "ipa")
    }
}

impl SssdConfiguration {
    /// In `texts` what counts first comes first.
    fn of(texts: &[String]) -> Self {
        let section = |wanted: &str| texts.iter().flat_map(|text| section(text, wanted)).collect::<Vec<_>>();
        let sssd = section("sssd");
        let listed = value(&sssd, "domains").unwrap_or_default();
        let mut names: Vec<String> = listed.split(',').map(|name| name.trim().to_owned()).collect();
        // `enabled` adds to the list and takes from it.
        for name in texts.iter().flat_map(|text| domain_names(text)) {
            match value(&section(&format!("domain/{name}")), "enabled").map(|value| value.to_lowercase()) {
                Some(value) if value == "true" && !names.contains(&name) => names.push(name),
                Some(value) if value == "false" => names.retain(|known| *known != name),
                _ => {}
            }
        }
        names.retain(|name| !name.is_empty());
        let domains = names.into_iter().map(|name| domain(&section(&format!("domain/{name}")), name)).collect();
        Self { domains, space: value(&sssd, "override_space").and_then(|value| value.chars().next()) }
    }
}

fn domain(settings: &[(String, String)], name: String) -> SssdDomain {
    let id_provider = value(settings, "id_provider").unwrap_or_default();
    let dns = value(settings, &format!("{id_provider}_domain"));
    // Names may come from LDAP while Kerberos checks the password.
    let provider = match value(settings, "auth_provider") {
        Some(auth) if id_provider == "ldap" => auth,
        _ => id_provider,
    };
    let realm = value(settings, "krb5_realm");
    let realm = realm.unwrap_or_else(|| dns.as_ref().unwrap_or(&name).to_uppercase());
    let keytab = value(settings, "krb5_keytab").or_else(|| value(settings, "ldap_krb5_keytab"));
    let keytab = keytab.map_or_else(|| KEYTAB.to_owned(), |path| path.trim_start_matches("FILE:").to_owned());
    let usual = if provider == "ad" { "samaccountname" } else { "uid" };
    let renames = value(settings, "ldap_user_name").is_some_and(|attribute| attribute.to_lowercase() != usual);
    SssdDomain { name, provider, realm, dns, keytab, renames }
}

fn value(section: &[(String, String)], key: &str) -> Option<String> {
    section.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

fn domain_names(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    let names = headings.filter_map(|name| name.trim().strip_prefix("domain/"));
    // `domain/NAME/SUBDOMAIN` is about a part of one.
    names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
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
