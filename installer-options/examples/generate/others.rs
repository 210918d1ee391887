//! Android's restrictions and the configuration file of Linux.

use crate::text::{example, xml};
use installer_options::{Flavour, OPTIONS, OptionName};

/// `res/xml/app_restrictions.xml`: every option a string, as device managements fill them.
pub(crate) fn android() -> String {
    let mut text = r#"<?xml version="1.0" encoding="utf-8"?>
<!-- Made from the table of install options by the example `generate` of the crate `installer-options`. Do not edit. -->
<restrictions xmlns:android="http://schemas.android.com/apk/res/android">
"#
    .to_owned();
    for spec in OPTIONS {
        for key in spec.spellings(Flavour::Android) {
            let default = spec
                .default
                .map(|value| format!("\n        android:defaultValue=\"{}\"", xml(value)))
                .unwrap_or_default();
            text.push_str(&format!(
                "    <restriction\n        android:key=\"{key}\"\n        android:title=\"{key}\"\n        android:description=\"{}\"{default}\n        android:restrictionType=\"string\"/>\n",
                xml(spec.help)
            ));
        }
    }
    text.push_str("</restrictions>\n");
    text
}

/// `/etc/countersign/countersign.toml` with everything commented out.
pub(crate) fn toml() -> String {
    let mut text = "\
# Options of the Countersign agent. Device management, `countersign params set` and install options win over this file.
# The file is readable by everybody: a device token belongs into `countersign configure --deviceTokenFile -` or a systemd credential.
# Made from the table of install options by the example `generate` of the crate `installer-options`.
"
    .to_owned();
    for spec in OPTIONS.iter().filter(|spec| spec.stored && !spec.secret) {
        text.push_str(&format!("\n# {}\n#{} = \"{}\"\n", spec.help, spec.canonical, example(spec)));
    }
    text
}

/// A drop-in for the systemd unit: the device token from another place than the credential store.
pub(crate) fn systemd_credential() -> String {
    let name = OptionName::DeviceToken.spec().canonical;
    format!(
        "\
# /etc/systemd/system/countersign.service.d/token.conf: where the device token comes from, if not from
# /etc/credstore/countersign.{name}. The service does not start where the file is missing: remove this once the device has enrolled.
# Made from the table of install options by the example `generate` of the crate `installer-options`.
[Service]
LoadCredential={name}:/run/provisioning/countersign.{name}
# Or sealed to this machine by `systemd-creds encrypt --name={name} token /etc/countersign.{name}`:
#LoadCredentialEncrypted={name}:/etc/countersign.{name}
"
    )
}
