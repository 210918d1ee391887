//! Writes every file that is made from the table of install options.
//!
//! `cargo run -p installer-options --example generate`; its tests fail when a file in the repository is not what this would write.

mod apple;
mod intune;
mod others;
mod reference;
mod text;
mod windows;

use std::path::{Path, PathBuf};

/// A generated file: its path in the repository, and its content.
struct Output {
    path: &'static str,
    content: String,
}

fn outputs() -> Vec<Output> {
    let output = |path, content| Output { path, content };
    vec![
        output("docs/install-options.md", reference::page()),
        output("packaging/android/app_restrictions.xml", others::android()),
        output("packaging/ios/managed-app-configuration.xml", apple::ios()),
        output("docs/intune.md", intune::page()),
        output("packaging/linux/countersign.toml", others::toml()),
        output("packaging/linux/token.conf", others::systemd_credential()),
        output("packaging/macos/countersign.mobileconfig", apple::mobileconfig()),
        output("packaging/macos/jamf-manifest.json", apple::jamf()),
        output("packaging/windows/options.wxi", windows::wxi()),
        output("packaging/windows/policy/countersign.admx", windows::admx()),
        output("packaging/windows/policy/en-US/countersign.adml", windows::adml()),
    ]
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool of the repository that writes into it; nothing of this is shipped"
)]
fn main() -> std::io::Result<()> {
    for Output { path, content } in outputs() {
        let target = repository().join(path);
        if let Some(dir) = target.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(target, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use installer_options::{InstallOptions, Layer, parse_file, parse_managed_preferences};
    use plist::Value;
    use std::collections::BTreeSet;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares files of the repository")]
    fn generated_files_are_not_stale() {
        for Output { path, content } in outputs() {
            let found = std::fs::read_to_string(repository().join(path)).unwrap_or_default();
            assert!(found == content, "`{path}` is stale: run `cargo run -p installer-options --example generate`");
        }
    }

    /// The values of an attribute in every such element; fails where the text is not well-formed.
    fn attributes(text: &str, element: &str, attribute: &str) -> BTreeSet<String> {
        use quick_xml::events::Event;
        let mut reader = quick_xml::Reader::from_str(text);
        let mut found = BTreeSet::new();
        loop {
            let event = reader.read_event().expect("well-formed");
            if event == Event::Eof {
                return found;
            }
            if let Event::Start(start) | Event::Empty(start) = event
                && start.name().as_ref() == element
            {
                let value = start.try_get_attribute(attribute).expect("well-formed").expect("there");
                found.insert(value.value.into_owned());
            }
        }
    }

    #[test]
    fn every_xml_file_is_well_formed() {
        for output in outputs().iter().filter(|output| output.content.starts_with("<?xml")) {
            attributes(&output.content, "no-such-element", "none");
        }
    }

    #[test]
    fn what_the_policy_template_names_its_language_file_has() {
        let (admx, adml) = (windows::admx(), windows::adml());
        let named = |attribute: &str| attributes(&admx, "policy", attribute);
        let strings = attributes(&adml, "string", "id");
        for reference in named("displayName").into_iter().chain(named("explainText")) {
            let id = reference.trim_start_matches("$(string.").trim_end_matches(')');
            assert!(strings.contains(id), "{id}");
        }
        assert!(!named("name").contains("deviceToken"), "every user of the domain reads Group Policy");
    }

    #[test]
    fn the_profile_is_read_back_by_our_own_parser() {
        let profile = Value::from_reader(std::io::Cursor::new(apple::mobileconfig())).expect("a property list");
        let payload =
            &profile.as_dictionary().expect("a dictionary")["PayloadContent"].as_array().expect("an array")[0];
        let domain = payload.as_dictionary().expect("a dictionary")["PayloadContent"]
            .as_dictionary()
            .expect("a dictionary")
            .values()
            .next()
            .expect("one");
        let forced = &domain.as_dictionary().expect("a dictionary")["Forced"].as_array().expect("an array")[0];
        let mut octets = Vec::new();
        forced.as_dictionary().expect("a dictionary")["mcx_preference_settings"]
            .to_writer_xml(&mut octets)
            .expect("written");
        let parsed = parse_managed_preferences(&octets, Layer::Policy, "profile");
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        let options = InstallOptions::check(&parsed.options).expect("the example passes");
        assert!(options.device_token.is_some() && options.cloud_host().is_some());
    }

    #[test]
    fn the_example_file_parses_with_every_comment_sign_taken_off() {
        let lines = others::toml();
        let options: Vec<&str> =
            lines.lines().filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' '))).collect();
        assert!(options.len() > 10);
        let parsed = parse_file(&options.join("\n"), Layer::File, "example");
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    }

    #[test]
    fn the_jamf_manifest_is_json() {
        let manifest: serde_json::Value = serde_json::from_str(&apple::jamf()).expect("JSON");
        let properties = &manifest["properties"]["installation-parameters"]["properties"];
        assert_eq!(properties["strictEnforcement"]["enum"][1], "1");
    }

    #[test]
    fn secrets_of_the_msi_are_hidden() {
        let hidden = windows::wxi();
        assert!(
            hidden
                .contains(r#"Id="MsiHiddenProperties" Value="DEVICETOKEN;UNINSTALLPASSWORDCMDLINE;UNINSTALLPASSWORD;ConfigureOptions""#),
            "{hidden}"
        );
    }
}
