//! `docs/install-options.md`.

use installer_options::{Flavour, Kind, OPTIONS, OptionSpec, RECOGNISED, RULES, RecognisedIn, Rule};

pub(crate) fn page() -> String {
    let sections = [INTRODUCTION.to_owned(), names(), details(), rules(), DELIVERY.to_owned(), recognised()];
    sections.join("\n")
}

const INTRODUCTION: &str = "\
<!-- Made from the table in installer-options/src/table.rs by `cargo run -p installer-options --example generate`. Do not edit. -->
# Install options

Countersign takes its options under the names that administrators know from deploying the Zscaler Client Connector, in the same spelling, so that a
deployment carries over by changing the package and the token. Zscaler is a trademark of its owner, named here to state compatibility only; there is
no affiliation.

The strongest word wins: device management's policy, then `countersign params set`, then the install options, then the configuration file, then the
default. `countersign params list` shows every value with where it came from; what policy holds is locked: `params set` refuses it. A value that does not fit, an unknown name and a broken rule are errors,
all reported at once; nothing falls back to a default.
";

fn names() -> String {
    let mut text = "## Names\n\n| option | MSI property | argument | Linux flag | macOS | Android | iOS | file, Windows policy |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    for spec in OPTIONS {
        let cell = |flavour| spelled(spec, flavour);
        text.push_str(&format!(
            "| [{name}](#{anchor}) | {} | {} | {} | {} | {} | {} | {} |\n",
            cell(Flavour::Msi),
            cell(Flavour::Arguments),
            cell(Flavour::LinuxShortFlags),
            cell(Flavour::MacManaged),
            cell(Flavour::Android),
            cell(Flavour::Ios),
            cell(Flavour::File),
            name = spec.canonical,
            anchor = spec.canonical.to_lowercase(),
        ));
    }
    text
}

fn spelled(spec: &OptionSpec, flavour: Flavour) -> String {
    spec.spellings(flavour).iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn details() -> String {
    let mut text = "## Meaning\n".to_owned();
    for spec in OPTIONS {
        text.push_str(&format!("\n### {}\n\n{}\n\n- Values: {}.\n", spec.canonical, spec.help, values(spec.kind)));
        text.push_str(&format!(
            "- Default: {}.\n",
            spec.default.map_or("none".to_owned(), |value| format!("`{value}`"))
        ));
        let needed: Vec<String> = RULES.iter().filter(|rule| rule.option == spec.name).map(needed).collect();
        if !needed.is_empty() {
            text.push_str(&format!("- Also needs: {}.\n", needed.join(", ")));
        }
        if spec.secret {
            text.push_str("- A secret: never shown, and redacted wherever options are printed.\n");
        }
    }
    text
}

fn needed(rule: &Rule) -> String {
    let value = rule.needs_value.map(|value| format!("={value}")).unwrap_or_default();
    let when = if rule.values.is_empty() { String::new() } else { format!(" (when {})", rule.values.join(" or ")) };
    format!("`{}{value}`{when}", rule.needs)
}

fn values(kind: Kind) -> String {
    match kind {
        Kind::Text(most) => format!("text of at most {most} characters"),
        Kind::Alphanumeric(most) => format!("at most {most} letters and digits of ASCII"),
        Kind::Flag => "`0` or `1`; systems with typed values may say true or false".to_owned(),
        Kind::Choice(known) => format!("`{}`", known.join("`, `")),
        Kind::Seconds => "whole seconds, `0` to `86400`".to_owned(),
        Kind::Domain => "a DNS domain of two labels or more; Unicode is allowed".to_owned(),
        Kind::Cloud => {
            "`host`, `host:port`, or a short name that the option `clouds` lists; no scheme and no path".to_owned()
        }
        Kind::LocalPart => "the part of a mail address before the `@`, at most 64 characters".to_owned(),
        Kind::Path => "an absolute path".to_owned(),
        Kind::PathOrStdin => "a path, or `-` for standard input".to_owned(),
        Kind::List => "words with commas between them".to_owned(),
        Kind::Proxy => "`system`, `direct`, `http://host[:port]` or `https://host[:port]`".to_owned(),
        Kind::CloudDirectory => "`name=host` or `name=host:port`, with commas between them".to_owned(),
    }
}

fn rules() -> String {
    let mut text =
        "## Rules\n\nChecked together, and all broken ones reported at once.\n\n| if | then also |\n|---|---|\n"
            .to_owned();
    for rule in RULES {
        let condition = if rule.values.is_empty() {
            format!("`{}`", rule.option)
        } else {
            format!("`{}` is {}", rule.option, rule.values.join(" or "))
        };
        let value = rule.needs_value.map(|value| format!(" with the value `{value}`")).unwrap_or_default();
        text.push_str(&format!("| {condition} | `{}`{value} |\n", rule.needs));
    }
    text.push_str(
        "\nWhere a rule asks for `deviceToken`, `deviceTokenFile` is as good; the two exclude each other. `userName` holds no `@`: the domain is the option\n\
         `userDomain`. `enableFips=1` is refused by a build without FIPS-validated cryptography.\n",
    );
    text
}

const DELIVERY: &str = r#"## How they are delivered

| way | looks like |
|---|---|
| MSI | `msiexec /i countersign.msi /quiet CLOUDNAME=cloud.example.net USERDOMAIN=example.com DEVICETOKEN=…` |
| EXE | `countersign-installer.exe --mode unattended --cloudName cloud.example.net --userDomain example.com --deviceToken …` |
| Linux | `countersign configure --cloudName cloud.example.net --userDomain example.com --deviceTokenFile -`, or the short flags |
| macOS | managed preferences in the domain `org.countersign.installparams` with a dictionary `installation-parameters`: [profile](../packaging/macos/countersign.mobileconfig), [Jamf schema](../packaging/macos/jamf-manifest.json) |
| Linux policy | the same TOML as the file in `/etc/countersign/policy.toml`, which only root may write: [deploying on Linux](deploy-linux.md) |
| Windows policy | values with the canonical names in `HKLM\Software\Policies\Countersign`: text, `REG_DWORD` or `REG_MULTI_SZ`; [templates](../packaging/windows/policy/countersign.admx) |
| Android | managed configuration: a bundle with the Android names: [restrictions](../packaging/android/app_restrictions.xml) |
| iOS | managed app configuration: a dictionary with the iOS names: [specification](../packaging/ios/managed-app-configuration.xml) |
| systemd | the device token as a credential, by default `/etc/credstore/countersign.deviceToken`: [drop-in](../packaging/linux/token.conf) |
| file | flat TOML with the canonical names, one a line: `cloudName = "cloud.example.net"`: [example](../packaging/linux/countersign.toml) |

Arguments are `--name value` or `--name=value`. A value may begin with a hyphen; only the name of another option (`--…`) in a value's place is taken for a
missing value. Short flags are `-T value` or `-Tvalue`. An empty MSI property, policy value or mobile value counts as not given.

The user domain may also come from the EXE's file name: `example.com-countersign-windows-1.2.3-installer.exe` means `--userDomain example.com`.

The templates for Group Policy hold no secrets, since every user of the domain can read Group Policy.

A token on a command line shows in process lists and shell histories: prefer `--deviceTokenFile`, with `-` for standard input. A token that was put where no
option belongs is reported by its position and never repeated.
"#;

fn recognised() -> String {
    let mut text = "## Recognised, without effect here\n\nAccepted and noted, so that a carried-over script does not fail. Any other unknown name is an error that names the nearest known one.\n".to_owned();
    for (place, title) in [
        (RecognisedIn::Installers, "Installers and macOS (letter case does not count)"),
        (RecognisedIn::Android, "Android"),
        (RecognisedIn::Ios, "iOS"),
    ] {
        let names: Vec<String> =
            RECOGNISED.iter().filter(|entry| entry.place == place).map(|entry| format!("`{}`", entry.name)).collect();
        text.push_str(&format!("\n- {title}: {}.\n", names.join(", ")));
    }
    text
}
