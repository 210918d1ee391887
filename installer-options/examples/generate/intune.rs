//! `docs/intune.md`: what an administrator of Intune fills in, from the table.

use crate::text::example;
use installer_options::{Flavour, Kind, OPTIONS, OptionSpec};

const INTRODUCTION: &str = r#"<!-- Made from the table in installer-options/src/table.rs by `cargo run -p installer-options --example generate`. Do not edit. -->
# Notes for Intune

Nothing on this page has been tried in Intune: there was none. The MSI's and the EXE's command lines, the policy key and the profile are tried as
the README says; the rest is how Intune is documented to deliver them.

## Windows, line-of-business app (MSI)

Upload the MSI and give as command-line arguments, in one line:

```
"#;

const AFTER_MSI: &str = r#"
```

Intune shows the arguments to everybody who may read the app. Windows Installer keeps the token out of its log, unless the machine's policy `Debug` is 7. So use a token with few
uses and a short life, or leave `DEVICETOKEN` out and give it later with `countersign configure --deviceTokenFile`.

As a Win32 app the install command is the same after `msiexec /i countersign.msi /quiet`, the uninstall command `msiexec /x {ProductCode} /quiet`; detect it by the MSI's
product code.

## Windows, policy

Import [`countersign.admx`](../packaging/windows/policy/countersign.admx) with its [`countersign.adml`](../packaging/windows/policy/en-US/countersign.adml)
(Devices, Configuration, Import ADMX), then make an imported administrative template of it. Secrets are left out: every user of the device can read policy. What is set
here is locked on the device: `countersign params set` refuses it and says where it is held.

| setting | value |
|---|---|
"#;

const MACOS: &str = r#"
## macOS

A custom profile with [`countersign.mobileconfig`](../packaging/macos/countersign.mobileconfig), or a preference file for the domain
`org.countersign.installparams` with the dictionary `installation-parameters`. These keys:

"#;

const LINUX: &str = r#"
## Linux

Intune runs scripts on Ubuntu and RHEL. Deliver the package through the distribution's repository, and as a platform script, run as root:

```sh
"#;

const MOBILE: &str = r#"```

## Android and iOS

App configuration policies take the keys of [`app_restrictions.xml`](../packaging/android/app_restrictions.xml) and
[`managed-app-configuration.xml`](../packaging/ios/managed-app-configuration.xml). There is no app yet.
"#;

/// The three options without which nothing works, and then the rest.
fn first_three() -> impl Iterator<Item = &'static OptionSpec> {
    ["cloudName", "userDomain", "deviceToken"]
        .into_iter()
        .filter_map(|name| OPTIONS.iter().find(|spec| spec.canonical == name))
}

fn value(spec: &OptionSpec) -> &'static str {
    if spec.secret { "TOKEN" } else { example(spec) }
}

pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let properties = first_three().map(|spec| format!("{}={}", spec.msi[0], value(spec)));
    page.push_str(&properties.collect::<Vec<_>>().join(" "));
    page.push_str(AFTER_MSI);
    for spec in OPTIONS.iter().filter(|spec| spec.stored && !spec.secret) {
        let value = match spec.kind {
            Kind::Flag => "enabled for 1, disabled for 0".to_owned(),
            Kind::Choice(words) => format!("`{}`", words.join("`, `")),
            Kind::Seconds => "seconds".to_owned(),
            Kind::Text(_)
            | Kind::Alphanumeric(_)
            | Kind::Domain
            | Kind::Cloud
            | Kind::LocalPart
            | Kind::Path
            | Kind::PathOrStdin
            | Kind::List
            | Kind::CloudDirectory
            | Kind::Proxy => format!("text, like `{}`", example(spec)),
        };
        page.push_str(&format!("| `{}` | {value} |\n", spec.canonical));
    }
    page.push_str(MACOS);
    let keys: Vec<_> = OPTIONS.iter().flat_map(|spec| spec.spellings(Flavour::MacManaged)).collect();
    page.push_str(&format!("`{}`.\n", keys.join("`, `")));
    page.push_str(LINUX);
    let arguments = first_three().filter(|spec| !spec.secret);
    let arguments: Vec<_> = arguments.map(|spec| format!("--{} {}", spec.arguments[0], value(spec))).collect();
    page.push_str(&format!("printf '%s' TOKEN | countersign configure {} --deviceTokenFile -\n", arguments.join(" ")));
    page.push_str(MOBILE);
    page
}
