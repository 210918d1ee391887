//! Ready-made command lines and profiles for a new device token, for each way in which agents are deployed.
//!
//! The names of the options are those of `docs/install-options.md`.

/// Something to paste.
pub(super) struct Snippet {
    pub(super) title: &'static str,
    pub(super) hint: &'static str,
    pub(super) text: String,
}

/// What a device needs to enrol.
pub(super) struct Options<'a> {
    pub(super) token: &'a str,
    pub(super) domain: &'a str,
    pub(super) cloud: &'a str,
}

/// A snippet for each flavour.
pub(super) fn for_token(options: &Options<'_>) -> Vec<Snippet> {
    let Options { token, domain, cloud } = *options;
    let snippet = |title, hint, text| Snippet { title, hint, text };
    vec![
        snippet(
            "Linux",
            "As root, after the package is installed. The token goes over standard input, so that no process list shows it.",
            format!(
                "countersign configure --userDomain {domain} --cloudName {cloud} --deviceTokenFile - <<'TOKEN'\n{token}\nTOKEN"
            ),
        ),
        snippet(
            "Windows: MSI",
            "For Intune, Group Policy or SCCM; the property is hidden from the installer's log.",
            format!("msiexec /i countersign.msi /quiet CLOUDNAME={cloud} USERDOMAIN={domain} DEVICETOKEN={token}"),
        ),
        snippet(
            "Windows: EXE",
            "For a start-up script or a deployment tool.",
            format!(
                "countersign-installer.exe --mode unattended --cloudName {cloud} --userDomain {domain} --deviceToken {token}"
            ),
        ),
        snippet(
            "macOS: managed preferences",
            "For Jamf or another MDM: the domain org.countersign.installparams.",
            plist(&[("deviceToken", token), ("userDomain", domain), ("cloudName", cloud)]),
        ),
        snippet(
            "Android: managed configuration",
            "The tool fills in the serial number.",
            format!(
                "{{\"userDomain\":\"{domain}\",\"cloudName\":\"{cloud}\",\"autoEnrollWithMDM\":\"1\",\
                 \"deviceToken\":\"{token}\",\"externalDeviceId\":\"${{DEVICE_SERIAL_NUMBER}}\"}}"
            ),
        ),
        snippet(
            "iOS: managed app configuration",
            "The keys as the vendor's agents spell them.",
            dict(&[("deviceToken", token), ("userDomain", domain), ("cloudname", cloud), ("authByTunnel", "1")], ""),
        ),
    ]
}

fn plist(pairs: &[(&str, &str)]) -> String {
    format!("<key>installation-parameters</key>\n{}", dict(pairs, ""))
}

fn dict(pairs: &[(&str, &str)], indent: &str) -> String {
    let line = |(key, value): &(&str, &str)| format!("{indent}  <key>{key}</key><string>{value}</string>\n");
    format!("{indent}<dict>\n{}{indent}</dict>", pairs.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_options_stand_in_each() {
        let options = Options { token: "cst1.abc", domain: "example.test", cloud: "cloud.example.net:8443" };
        for Snippet { title, text, .. } in for_token(&options) {
            for value in [options.token, options.domain, options.cloud] {
                assert!(text.contains(value), "{value} in {title}: {text}");
            }
        }
    }
}
