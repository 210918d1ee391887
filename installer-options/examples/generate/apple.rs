//! macOS managed preferences and iOS managed app configuration.

use crate::text::{example, json, xml};
use installer_options::{Flavour, Kind, OPTIONS, OptionName, OptionSpec};

const DOMAIN: &str = "org.countersign.installparams";
const IOS_BUNDLE: &str = "org.countersign.agent";
const MADE: &str = "<!-- Made from the table of install options by the example `generate` of the crate `installer-options`. Do not edit. -->";

fn of(flavour: Flavour) -> impl Iterator<Item = (&'static OptionSpec, String)> {
    OPTIONS.iter().filter_map(move |spec| Some((spec, spec.spellings(flavour).into_iter().next()?)))
}

/// A profile with the three options of the main job; the others stand in a comment.
pub(crate) fn mobileconfig() -> String {
    let (mut set, mut other) = (String::new(), String::new());
    for (spec, key) in of(Flavour::MacManaged) {
        let line = format!("                  <key>{key}</key><string>{}</string>\n", xml(example(spec)));
        let main = matches!(spec.name, OptionName::DeviceToken | OptionName::UserDomain | OptionName::CloudName);
        if main { set.push_str(&line) } else { other.push_str(&line) }
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
{MADE}
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadContent</key>
      <dict>
        <key>{DOMAIN}</key>
        <dict>
          <key>Forced</key>
          <array>
            <dict>
              <key>mcx_preference_settings</key>
              <dict>
                <key>installation-parameters</key>
                <dict>
{set}<!-- All others, where they are wanted:
{other}-->
                </dict>
              </dict>
            </dict>
          </array>
        </dict>
      </dict>
      <key>PayloadDisplayName</key><string>Countersign</string>
      <key>PayloadEnabled</key><true/>
      <key>PayloadIdentifier</key><string>{DOMAIN}.preferences</string>
      <key>PayloadType</key><string>com.apple.ManagedClient.preferences</string>
      <key>PayloadUUID</key><string>5E1B8E57-3C0E-4C0B-9B5D-6B9C0F6D3A11</string>
      <key>PayloadVersion</key><integer>1</integer>
    </dict>
  </array>
  <key>PayloadDisplayName</key><string>Countersign</string>
  <key>PayloadIdentifier</key><string>{DOMAIN}</string>
  <key>PayloadScope</key><string>System</string>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadUUID</key><string>0D5C7C0B-2A3F-4B57-8E5C-7F0C2E9B4D22</string>
  <key>PayloadVersion</key><integer>1</integer>
</dict>
</plist>
"#
    )
}

/// A custom schema for Jamf Pro's "Application & Custom Settings".
pub(crate) fn jamf() -> String {
    let property = |(spec, key): (&'static OptionSpec, String)| {
        let mut lines = vec![
            format!(r#""title": "{key}""#),
            format!(r#""description": "{}""#, json(spec.help)),
            r#""type": "string""#.to_owned(),
        ];
        match spec.kind {
            Kind::Flag => lines.push(r#""enum": ["0", "1"]"#.to_owned()),
            Kind::Choice(words) => lines.push(format!(r#""enum": ["{}"]"#, words.join("\", \""))),
            Kind::Text(most) | Kind::Alphanumeric(most) => lines.push(format!(r#""maxLength": {most}"#)),
            Kind::Seconds
            | Kind::Domain
            | Kind::Cloud
            | Kind::LocalPart
            | Kind::Path
            | Kind::PathOrStdin
            | Kind::List
            | Kind::CloudDirectory
            | Kind::Proxy => {}
        }
        lines.extend(spec.default.map(|value| format!(r#""default": "{}""#, json(value))));
        format!("        \"{key}\": {{ {} }}", lines.join(", "))
    };
    let properties: Vec<String> = of(Flavour::MacManaged).map(property).collect();
    format!(
        r#"{{
  "title": "Countersign ({DOMAIN})",
  "description": "Install options of Countersign, as managed preferences",
  "properties": {{
    "installation-parameters": {{
      "title": "installation-parameters",
      "type": "object",
      "properties": {{
{}
      }}
    }}
  }}
}}
"#,
        properties.join(",\n")
    )
}

/// AppConfig's specification of a managed app configuration.
pub(crate) fn ios() -> String {
    let (mut keys, mut fields) = (String::new(), String::new());
    for (spec, key) in of(Flavour::Ios) {
        let default = spec
            .default
            .map(|value| format!("<defaultValue><value>{}</value></defaultValue>", xml(value)))
            .unwrap_or_default();
        keys.push_str(&format!("    <string keyName=\"{key}\">{default}</string>\n"));
        fields.push_str(&format!(
            "    <field keyName=\"{key}\" type=\"input\">\n      <label><language value=\"en-US\">{key}</language></label>\n      <description><language value=\"en-US\">{}</language></description>\n    </field>\n",
            xml(spec.help)
        ));
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
{MADE}
<managedAppConfiguration>
  <version>1</version>
  <bundleId>{IOS_BUNDLE}</bundleId>
  <dict>
{keys}  </dict>
  <presentation defaultLocale="en-US">
{fields}  </presentation>
</managedAppConfiguration>
"#
    )
}
