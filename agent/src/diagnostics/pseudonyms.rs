//! Pseudonyms: a reader of a bundle can tell people, hosts and devices apart and does not learn which they are.
//!
//! What is known by value (this machine's accounts, names, serials) is replaced wherever it stands as a word; what is known by
//! shape (addresses, domains, long random strings) too. The same thing gets the same pseudonym within one bundle and another
//! one in the next. In doubt something is replaced: versions, times, codes and `localhost` are what must survive.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The shortest run of hexadecimal digits that counts as an identifier.
const LONG_HEX: usize = 16;
/// The shortest run of characters of base64 that counts as key material or an identifier.
const LONG_BASE64: usize = 40;
/// Dotted words that are no domains: our own files, and interfaces of systems.
const HARMLESS: &[&str] = &[
    "countersign.log",
    "countersign.service",
    "countersign.sock",
    "countersign.toml",
    "device-key.pem",
    "device.json",
    "device-copy.json",
    "errors.md",
    "options.toml",
    "resolv.conf",
    "systemd-logind.service",
];

/// What a pseudonym stands for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A person's account or name.
    User,
    /// A host's own name, or an address by name.
    Host,
    /// A domain.
    Domain,
    /// An IP address.
    Ip,
    /// A network interface's address.
    Mac,
    /// A serial number, an id of the hardware, or another fact that tells this device from others.
    Device,
    /// A random identifier, a digest, or key material.
    Id,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Domain => "domain",
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Device => "device",
            Self::Id => "id",
        }
    }
}

/// The pseudonyms of one bundle.
#[derive(Debug, Default)]
pub struct Pseudonyms {
    /// Values in lower case, the longest first.
    known: Vec<(String, Kind)>,
    given: HashMap<(Kind, String), String>,
    counts: BTreeMap<Kind, usize>,
}

impl Pseudonyms {
    /// Pseudonyms that know these values.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = (Kind, String)>) -> Self {
        let usable =
            |value: &str| value.chars().count() >= 2 && !matches!(value, "root" | "localhost" | "none" | "unknown");
        let mut known: Vec<_> = known
            .into_iter()
            .map(|(kind, value)| (value.trim().to_lowercase(), kind))
            .filter(|(value, _)| usable(value))
            .collect();
        known.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        known.dedup_by(|a, b| a.0 == b.0);
        Self { known, ..Self::default() }
    }

    /// How many things of each kind were replaced.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.counts.iter().map(|(kind, count)| (kind.word(), *count))
    }

    /// `text` with everything replaced.
    pub fn text(&mut self, text: &str) -> String {
        let known = self.replace_known(text);
        self.replace_shapes(&known)
    }

    /// `value` with every text in it replaced, keys of maps too where they are no plain words.
    pub fn json(&mut self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.text(text),
            serde_json::Value::Array(values) => values.iter_mut().for_each(|value| self.json(value)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|value| self.json(value)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }

    fn replace_known(&mut self, text: &str) -> String {
        let lower = text.to_lowercase();
        // Letters whose lower case has another length would shift every position: then shapes alone are left to go by.
        if lower.len() != text.len() || self.known.is_empty() {
            return self.replace_known_slowly(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            if let Some((length, kind)) = self.known_at(&lower, at) {
                let value = lower[at..at + length].to_owned();
                out.push_str(&self.pseudonym(kind, &value));
                at += length;
                continue;
            }
            let next = text[at..].chars().next().map_or(1, char::len_utf8);
            out.push_str(&text[at..at + next]);
            at += next;
        }
        out
    }

    fn known_at(&self, lower: &str, at: usize) -> Option<(usize, Kind)> {
        if lower[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            return None;
        }
        let here = &lower[at..];
        let found = self.known.iter().find(|(value, _)| {
            here.starts_with(value.as_str()) && !here[value.len()..].chars().next().is_some_and(char::is_alphanumeric)
        });
        found.map(|(value, kind)| (value.len(), *kind))
    }

    /// For texts with letters that change their length in lower case: word by word.
    fn replace_known_slowly(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for word in text.split_inclusive(|character: char| !character.is_alphanumeric()) {
            let bare = word.trim_end_matches(|character: char| !character.is_alphanumeric());
            let lower = bare.to_lowercase();
            match self.known.iter().find(|(value, _)| *value == lower).map(|(_, kind)| *kind) {
                Some(kind) => {
                    out.push_str(&self.pseudonym(kind, &lower));
                    out.push_str(&word[bare.len()..]);
                }
                None => out.push_str(word),
            }
        }
        out
    }

    fn replace_shapes(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(is_of_word) {
            out.push_str(&rest[..begin]);
            let length = rest[begin..].find(|character| !is_of_word(character)).unwrap_or(rest.len() - begin);
            let word = &rest[begin..begin + length];
            if ends_with_home(&out) {
                let name = word.to_lowercase();
                out.push_str(&self.pseudonym_unless_given(Kind::User, &name, word));
            } else {
                let replaced = self.word(word);
                out.push_str(&replaced);
            }
            rest = &rest[begin + length..];
        }
        out.push_str(rest);
        out
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_matches(['.', ':', '-', '+', '=']);
        if bare.is_empty() {
            return word.to_owned();
        }
        let (before, after) = word.split_once(bare).unwrap_or(("", ""));
        format!("{before}{}{after}", self.shape(bare))
    }

    /// `word` has no punctuation at its ends.
    fn shape(&mut self, word: &str) -> String {
        if let Some((user, domain)) = word.split_once('@') {
            let user = self.pseudonym_unless_given(Kind::User, &user.to_lowercase(), user);
            return format!("{user}@{}", self.pseudonym_unless_given(Kind::Domain, &domain.to_lowercase(), domain));
        }
        if let Some(replaced) = self.address(word) {
            return replaced;
        }
        if is_mac(word) {
            return self.pseudonym(Kind::Mac, &word.to_lowercase().replace('-', ":"));
        }
        if word.contains(':') {
            let parts: Vec<_> = word.split(':').map(|part| self.part(part)).collect();
            return parts.join(":");
        }
        self.part(word)
    }

    /// A part of a word, between colons.
    fn part(&mut self, part: &str) -> String {
        if let Some(replaced) = self.address(part) {
            return replaced;
        }
        if is_identifier(part) {
            return self.pseudonym(Kind::Id, &part.to_lowercase());
        }
        if is_domain(part) {
            return self.pseudonym(Kind::Host, &part.to_lowercase());
        }
        part.to_owned()
    }

    /// An IP address, with or without a port. This machine's own and the unspecified ones say nothing.
    fn address(&mut self, word: &str) -> Option<String> {
        if let Ok(address) = word.parse::<Ipv4Addr>() {
            let plain = address.is_loopback() || address.is_unspecified();
            return Some(if plain { word.to_owned() } else { self.pseudonym(Kind::Ip, word) });
        }
        if word.contains("::") || word.matches(':').count() == 7 {
            let address: Ipv6Addr = word.split('%').next()?.parse().ok()?;
            let plain = address.is_loopback() || address.is_unspecified();
            return Some(if plain { word.to_owned() } else { self.pseudonym(Kind::Ip, &address.to_string()) });
        }
        let (host, port) = word.split_once(':')?;
        host.parse::<Ipv4Addr>().ok()?;
        Some(format!("{}:{port}", self.address(host)?))
    }

    fn pseudonym_unless_given(&mut self, kind: Kind, value: &str, shown: &str) -> String {
        let given = self.given.values().any(|pseudonym| pseudonym == shown);
        if given || matches!(value, "localhost" | "root") { shown.to_owned() } else { self.pseudonym(kind, value) }
    }

    fn pseudonym(&mut self, kind: Kind, value: &str) -> String {
        if let Some(given) = self.given.get(&(kind, value.to_owned())) {
            return given.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let pseudonym = format!("{}-{count}", kind.word());
        self.given.insert((kind, value.to_owned()), pseudonym.clone());
        pseudonym
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || "._:@%-+=".contains(character)
}

/// Whether what comes next is the name of somebody's home directory.
fn ends_with_home(text: &str) -> bool {
    ["/home/", "/Users/", "\\Users\\", "\\\\Users\\\\", "/run/user/"].iter().any(|home| text.ends_with(home))
}

fn is_mac(word: &str) -> bool {
    [':', '-'].iter().any(|separator| {
        let parts: Vec<_> = word.split(*separator).collect();
        parts.len() == 6
            && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

/// A UUID, a digest, a random id, or key material.
fn is_identifier(part: &str) -> bool {
    let joined: String = part.chars().filter(|character| !"-_".contains(*character)).collect();
    let has_digit = joined.bytes().any(|byte| byte.is_ascii_digit());
    let hex = joined.len() >= LONG_HEX && joined.bytes().all(|byte| byte.is_ascii_hexdigit());
    let base64 =
        joined.len() >= LONG_BASE64 && joined.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=".contains(&byte));
    part.starts_with("cst1_") || (has_digit && (hex || base64))
}

fn is_domain(part: &str) -> bool {
    let labels: Vec<_> = part.split('.').collect();
    let label = |text: &&str| {
        !text.is_empty() && text.chars().all(|character| character.is_alphanumeric() || "-_".contains(character))
    };
    let last = labels.last().copied().unwrap_or_default();
    let named = last.chars().count() >= 2 && last.chars().all(char::is_alphabetic) || last.starts_with("xn--");
    let harmless = HARMLESS.contains(&part.to_lowercase().as_str()) || part.starts_with("org.freedesktop.");
    labels.len() >= 2 && labels.iter().all(label) && named && !harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms() -> Pseudonyms {
        let known = [(Kind::User, "canary"), (Kind::Host, "nest"), (Kind::Device, "SN 0815-X")];
        Pseudonyms::new(known.map(|(kind, value)| (kind, value.to_owned())))
    }

    #[test]
    fn what_names_somebody_or_something_is_replaced() {
        for (text, canary) in [
            ("canary is logged in", "canary"),
            ("CANARY's file", "canary"),
            ("`/home/tweety/x`", "tweety"),
            ("canary@cage.example signed in", "cage"),
            ("somebody@zoo.example.test,", "somebody"),
            ("https://portal.cage.example:8443/saml", "cage"),
            ("on nest.", "nest"),
            ("serial sn 0815-x.", "0815"),
            ("from 192.0.2.7:443", "192.0.2.7"),
            ("from [2001:db8::7]:443", "2001"),
            ("fe80::1%eth0", "fe80"),
            ("mac 52:54:00:ab:cd:ef", "52:54"),
            ("mac 52-54-00-AB-CD-EF", "52-54"),
            ("urn:countersign:device:00112233445566778899aabbccddeeff", "0011"),
            ("123e4567-e89b-12d3-a456-426614174000", "123e"),
            ("token cst1_abcdefgh", "abcdefgh"),
            ("\\Users\\tweety\\x", "tweety"),
        ] {
            let replaced = pseudonyms().text(text);
            assert!(!replaced.to_lowercase().contains(canary), "{text} became {replaced}");
        }
    }

    #[test]
    fn what_support_needs_survives() {
        for text in [
            "countersign 0.1.0 on Debian 12.5 x86_64, kernel 6.1.0-18-amd64, build 10.0.22631.2506",
            "2026-11-22T02:35:56.123456Z",
            "2026-11-22T02:35:56Z",
            "the cloud's name does not resolve [name-not-resolved], exit 10",
            "localhost:8443, 127.0.0.1:443 and [::1]:443, 0.0.0.0, ::",
            "`/var/lib/countersign/device.json` has mode 0644",
            "urn:oasis:names:tc:SAML:2.0:status:Responder",
            "TLS 1.3, P-256, ECDSA, tpm, grade local, sequence 12",
            "org.freedesktop.login1 and errors.md",
        ] {
            assert_eq!(pseudonyms().text(text), text);
        }
    }

    #[test]
    fn one_thing_has_one_pseudonym_and_two_have_two() {
        let mut pseudonyms = pseudonyms();
        let text = pseudonyms.text("canary and Canary@cage.example, 192.0.2.1, 192.0.2.2, 192.0.2.1");
        assert_eq!(text, "user-1 and user-1@domain-1, ip-1, ip-2, ip-1");
        assert_eq!(pseudonyms.text("again 192.0.2.2"), "again ip-2");
    }

    #[test]
    fn a_name_within_a_word_is_no_name() {
        assert_eq!(pseudonyms().text("canaryland nested"), "canaryland nested");
    }

    #[test]
    fn keys_of_json_stay() {
        let mut value = serde_json::json!({ "canary": { "user": "canary" }, "list": ["192.0.2.1", 7, null] });
        pseudonyms().json(&mut value);
        assert_eq!(value, serde_json::json!({ "canary": { "user": "user-1" }, "list": ["ip-1", 7, null] }));
    }
}
