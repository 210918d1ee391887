//! The bundle for support: one zip with one top folder, in which every file is explained and nobody is named.
//!
//! It is made of serialised values only; tokens and keys are of types that have no serialised form, so none can get in.

use std::collections::BTreeSet;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use installer_options::OptionName;
use platform::device::{FactValue, NAMES, Sensitivity};
use platform::files::{self, Access, FileError};
use platform::log_file::read_tail;
use platform::{accounts, environment, routes};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::pseudonyms::{Kind, Pseudonyms};
use super::{Report, Seen, chain, table};
use crate::age_file::{Recipient, SealError};
use crate::control;
use crate::logs::log_dir;

/// How much of the log goes in, in octets. With the rest that stays below 5 MB even if nothing could be compressed.
const LONGEST_LOG: u64 = 3 * 1024 * 1024;
/// The largest file other than the log, in octets.
const LONGEST_FILE: usize = 256 * 1024;

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file could not be written, or is there already.
    #[error(transparent)]
    File(#[from] FileError),
    /// The archive could not be made.
    #[error("can't make the archive")]
    Zip(#[from] zip::result::ZipError),
    /// It could not be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A part of it could not be written.
    #[error("can't make the archive")]
    Io(#[from] std::io::Error),
}

struct Part {
    name: &'static str,
    explanation: &'static str,
    content: String,
}

/// What would be sent, complete.
pub struct Bundle {
    folder: String,
    parts: Vec<Part>,
    replaced: Vec<(&'static str, usize)>,
    full: bool,
}

impl Bundle {
    /// Collects the bundle. With `full`, names and addresses stay as they are; secrets are never there.
    pub async fn collect(report: &Report, seen: &Arc<Seen>, full: bool) -> Self {
        let known = if full { Vec::new() } else { known_values(seen).await };
        let mut pseudonyms = Pseudonyms::new(known);
        let mut hide = |text: String| if full { text } else { pseudonyms.text(&text) };
        let mut shown = report.clone();
        for line in &mut shown.checks {
            line.text = hide(std::mem::take(&mut line.text));
            line.next = line.next.take().map(&mut hide);
        }
        let mut parts = vec![
            part("report.txt", "the checks, for people", table(&shown, false)),
            part("report.json", "the checks, for programs; `docs/diagnostics.md` explains the fields", pretty(&shown)),
        ];
        let mut hide_json = |mut value: serde_json::Value| {
            if !full {
                pseudonyms.json(&mut value);
            }
            pretty(&value)
        };
        parts.push(part(
            "options.json",
            "every option, its value and where it comes from; secrets are not shown",
            hide_json(options(seen).await),
        ));
        parts.push(part(
            "status.json",
            "what the running agent says of itself; `null` where it does not answer",
            hide_json(status(seen).await),
        ));
        parts.push(part(
            "state.json",
            "what the agent remembers over a restart, without certificates",
            hide_json(state(seen).await),
        ));
        parts.push(part("facts.json", "the facts about the device", hide_json(facts(full))));
        let log = log(seen).unwrap_or_else(|why| format!("{}\n", serde_json::json!({ "not-read": why })));
        let log: Vec<_> = log.lines().map(|line| hide_line(line, full, &mut pseudonyms)).collect();
        parts.push(part("log.jsonl", "the end of the agent's log, one event a line", capped(log.join("\n") + "\n")));
        let replaced = pseudonyms.counts().collect();
        let folder = format!("countersign-diagnostics-{}", report.at.replace([':', '.'], "").replace('T', "-"));
        let mut bundle = Self { folder, parts, replaced, full };
        let readme = bundle.readme(report);
        bundle.parts.insert(0, part("README.md", "this list", readme));
        bundle
    }

    /// What is in it, for the person who decides to send it.
    #[must_use]
    pub fn preview(&self) -> String {
        let mut text = format!("{}/\n", self.folder);
        for part in &self.parts {
            text.push_str(&format!("  {:<13} {:>8} octets  {}\n", part.name, part.content.len(), part.explanation));
        }
        text.push_str(&self.hidden());
        text
    }

    /// All of it as text, for a person who wants to read it before it is sent.
    #[must_use]
    pub fn whole(&self) -> String {
        self.parts.iter().map(|part| format!("==== {}/{}\n{}\n", self.folder, part.name, part.content)).collect()
    }

    /// Writes it to `path`, readable by this account alone; encrypted where there is somebody to encrypt it `to`.
    ///
    /// # Errors
    /// [`BundleError`]; [`FileError::Exists`] where there is a file already.
    pub fn write(&self, path: &Path, to: Option<&Recipient>) -> Result<u64, BundleError> {
        let octets = self.octets(to)?;
        files::write_new(path, &octets, Access::Private)?;
        Ok(u64::try_from(octets.len()).unwrap_or(u64::MAX))
    }

    /// The archive itself; encrypted where there is somebody to encrypt it `to`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn octets(&self, to: Option<&Recipient>) -> Result<Vec<u8>, BundleError> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o600);
        for part in &self.parts {
            archive.start_file(format!("{}/{}", self.folder, part.name), options)?;
            archive.write_all(part.content.as_bytes())?;
        }
        let octets = archive.finish()?.into_inner();
        match to {
            Some(recipient) => Ok(recipient.seal(&octets)?),
            None => Ok(octets),
        }
    }

    fn hidden(&self) -> String {
        if self.full {
            return "names and addresses are shown (`--full`); there is no secret in it\n".to_owned();
        }
        let counts: Vec<_> = self.replaced.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let counts = if counts.is_empty() { "nothing had to be".to_owned() } else { counts.join(", ") };
        format!("replaced by pseudonyms: {counts}; there is no secret in it\n")
    }

    fn readme(&self, report: &Report) -> String {
        let mut text = format!(
            "# Diagnostics of countersign {}\n\nMade at {} by `countersign diagnostics --bundle`.\n\n{}\n| file | what it is |\n|---|---|\n",
            report.agent_version,
            report.at,
            self.hidden(),
        );
        for part in &self.parts {
            text.push_str(&format!("| `{}` | {} |\n", part.name, part.explanation));
        }
        text.push_str(
            "\nRead `report.txt` first: what is wrong stands there with its next action. A pseudonym such as `user-1` or\n\
             `host-2` means the same thing in every file of this bundle, and something else in the next bundle. Codes in\n\
             brackets have a page in `docs/errors.md`.\n",
        );
        text
    }
}

fn part(name: &'static str, explanation: &'static str, content: String) -> Part {
    Part { name, explanation, content }
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The log keeps its end, cut at a line, whatever pseudonyms did to its length.
fn capped(log: String) -> String {
    let most = usize::try_from(LONGEST_LOG).unwrap_or(usize::MAX);
    let Some(skipped) = log.len().checked_sub(most) else { return log };
    let begin = log.bytes().skip(skipped).position(|byte| byte == b'\n').map_or(log.len(), |at| skipped + at + 1);
    log.get(begin..).unwrap_or_default().to_owned()
}

/// A line of the log is JSON, of which the values are hidden and the names of fields kept; anything else is hidden as a text.
fn hide_line(line: &str, full: bool, pseudonyms: &mut Pseudonyms) -> String {
    if full {
        return line.to_owned();
    }
    match serde_json::from_str(line) {
        Ok(mut value) => {
            pseudonyms.json(&mut value);
            value.to_string()
        }
        Err(_) => pseudonyms.text(line),
    }
}

/// What names people and things here, as far as this account can know it.
async fn known_values(seen: &Seen) -> Vec<(Kind, String)> {
    let mut known: Vec<(Kind, String)> = accounts::people().into_iter().map(|name| (Kind::User, name)).collect();
    for variable in ["USER", "LOGNAME", "USERNAME", "SUDO_USER"] {
        known.extend(environment::var(variable).map(|name| (Kind::User, name)));
    }
    if let Ok(sessions) = &*seen.sessions.get().await {
        for session in sessions {
            known.push((Kind::User, session.local_name.clone()));
            known.push((Kind::Id, session.stable_id.clone()));
            known.extend(session.evidence.principal.iter().map(|name| (Kind::User, name.clone())));
        }
    }
    known.extend(routes::search_domains().into_iter().map(|domain| (Kind::Domain, domain)));
    for fact in platform::device::facts() {
        let FactValue::Known(values) = fact.value else { continue };
        let kind = match (fact.name, fact.sensitivity) {
            ("hostname", _) => Kind::Host,
            ("mac", _) => Kind::Mac,
            ("serial" | "hardware.uuid" | "machine-id.hash" | "boot-id", _) => Kind::Device,
            _ => continue,
        };
        known.extend(values.into_iter().flat_map(|value| {
            let first = value.split('.').next().unwrap_or_default().to_owned();
            if kind == Kind::Host { vec![(kind, first), (kind, value)] } else { vec![(kind, value)] }
        }));
    }
    let local = seen.local.get().await;
    if let Ok(options) = &local.options {
        known.extend(options.user_domain.iter().map(|domain| (Kind::Domain, domain.to_string())));
        known.extend(options.user_name.iter().map(|name| (Kind::User, name.to_string())));
        known.extend(options.external_device_id.iter().map(|id| (Kind::Device, id.clone())));
        known.extend(options.ownership.iter().map(|text| (Kind::Device, text.clone())));
        known.extend(options.cloud_host().map(|host| (Kind::Host, host.to_string())));
        let host = options.cloud_host().map(|host| host.to_string());
        known.extend(host.and_then(|host| Some((Kind::Host, host.split_once(':')?.0.to_owned()))));
    }
    if let Ok(status) = &*seen.daemon.get().await {
        known.extend(status.people.iter().map(|person| (Kind::User, person.account.clone())));
    }
    known
}

async fn options(seen: &Seen) -> serde_json::Value {
    let local = seen.local.get().await;
    let options = match &local.options {
        Ok(options) => options,
        Err(error) => return serde_json::json!({ "not-read": chain(error) }),
    };
    let rows = options.effective().filter(|(option, ..)| option.spec().stored).map(|(option, value, origin)| {
        let value = if is_opaque(option) && value.is_some() { Some("[set]") } else { value };
        serde_json::json!({ "option": option.spec().canonical, "value": value, "origin": origin.to_string() })
    });
    rows.collect()
}

/// Options whose value is of no use to support, and may be of use to somebody else.
fn is_opaque(option: OptionName) -> bool {
    matches!(option, OptionName::PolicyToken | OptionName::DeviceToken | OptionName::UninstallPassword)
}

async fn status(seen: &Seen) -> serde_json::Value {
    let daemon = seen.daemon.get().await;
    let status: Option<&control::Status> = daemon.as_ref().as_ref().ok();
    serde_json::to_value(status).unwrap_or_default()
}

async fn state(seen: &Seen) -> serde_json::Value {
    let path = seen.paths.state_dir.join("device.json");
    let read = tokio::task::spawn_blocking(move || files::read_private(&path, LONGEST_FILE)).await;
    let mut value: serde_json::Value = match read {
        Ok(Ok(None)) | Err(_) => return serde_json::Value::Null,
        Ok(Ok(Some(octets))) => serde_json::from_slice(&octets)
            .unwrap_or_else(|error| serde_json::json!({ "not-understood": error.to_string(), "octets": octets.len() })),
        Ok(Err(error)) => return serde_json::json!({ "not-read": chain(&error) }),
    };
    if let Some(portal) = value.get_mut("portal").and_then(serde_json::Value::as_object_mut) {
        portal.remove("signing_certificates");
    }
    value
}

/// Facts that name or locate somebody or tell this device from others are left out, unless everything is wanted.
fn facts(full: bool) -> serde_json::Value {
    let low: BTreeSet<_> =
        NAMES.iter().filter(|(_, sensitivity)| *sensitivity == Sensitivity::Low).map(|(name, _)| *name).collect();
    let facts = platform::device::facts().into_iter().map(|fact| {
        let value = match fact.value {
            FactValue::Known(values) if full || low.contains(fact.name) => serde_json::json!(values),
            FactValue::Known(_) => serde_json::json!("[known]"),
            FactValue::Unknown(reason) => serde_json::json!({ "unknown": reason }),
        };
        (fact.name.to_owned(), value)
    });
    serde_json::Value::Object(facts.collect())
}

fn log(seen: &Seen) -> Result<String, String> {
    match read_tail(&log_dir(&seen.paths), LONGEST_LOG) {
        Ok(log) => Ok(log.unwrap_or_default()),
        Err(error) => Err(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use platform::paths::Paths;

    use super::*;

    async fn bundle_of(paths: Paths, full: bool) -> Bundle {
        let (report, seen) = crate::diagnostics::examine(paths).await;
        Bundle::collect(&report, &seen, full).await
    }

    #[tokio::test]
    async fn an_archive_has_one_folder_whose_readme_names_every_file() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = bundle_of(Paths::below(dir.path()), false).await;
        let path = dir.path().join("bundle.zip");
        let octets = bundle.write(&path, None).unwrap();
        assert!(octets < 5_000_000);
        let read = files::read(&path, 5_000_000).unwrap().unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(read)).unwrap();
        let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let mut readme = String::new();
        archive.by_name(&format!("{}/README.md", bundle.folder)).unwrap().read_to_string(&mut readme).unwrap();
        for name in &names {
            let (folder, file) = name.split_once('/').unwrap();
            assert_eq!(folder, bundle.folder);
            assert!(file == "README.md" || readme.contains(&format!("`{file}`")), "{file} is not explained");
            assert!(bundle.preview().contains(file));
        }
        assert!(names.len() >= 7, "{names:?}");
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = bundle_of(Paths::below(dir.path()), false).await;
        let path = dir.path().join("bundle.zip");
        files::write_atomically(&path, b"precious", Access::Private).unwrap();
        assert!(matches!(bundle.write(&path, None), Err(BundleError::File(FileError::Exists { .. }))));
        assert_eq!(files::read(&path, 100).unwrap().unwrap(), b"precious");
    }

    #[test]
    fn a_log_that_grew_is_cut_at_its_beginning() {
        let line = "x".repeat(99);
        let log = format!("{line}\n").repeat(40_000);
        let capped = capped(log);
        assert!(capped.len() <= 3 * 1024 * 1024 && capped.starts_with('x') && capped.len().is_multiple_of(100));
    }
}
