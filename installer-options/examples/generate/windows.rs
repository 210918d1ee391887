//! Group Policy templates and the properties of the MSI.

use crate::text::xml;
use installer_options::{Flavour, Kind, OPTIONS, OptionSpec};

const KEY: &str = r"Software\Policies\Countersign";
const NAMESPACES: &str = r#"xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions""#;
const MADE: &str = "<!-- Made from the table of install options by the example `generate` of the crate `installer-options`. Do not edit. -->";

/// What Group Policy may set: not secrets, which every user of the domain could read there.
fn policies() -> impl Iterator<Item = &'static OptionSpec> {
    OPTIONS.iter().filter(|spec| spec.stored && !spec.secret)
}

pub(crate) fn admx() -> String {
    let mut text = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
{MADE}
<!-- Secrets are left out: every user of the domain can read Group Policy. -->
<policyDefinitions {NAMESPACES} revision="1.0" schemaVersion="1.0">
  <policyNamespaces>
    <target prefix="countersign" namespace="Countersign.Policies.Agent"/>
  </policyNamespaces>
  <resources minRequiredRevision="1.0"/>
  <supportedOn>
    <definitions>
      <definition name="SUPPORTED_Countersign" displayName="$(string.SUPPORTED_Countersign)"/>
    </definitions>
  </supportedOn>
  <categories>
    <category name="Countersign" displayName="$(string.Countersign)"/>
  </categories>
  <policies>
"#
    );
    policies().for_each(|spec| text.push_str(&policy(spec)));
    text.push_str("  </policies>\n</policyDefinitions>\n");
    text
}

fn policy(spec: &OptionSpec) -> String {
    let name = spec.canonical;
    let switch = spec.kind == Kind::Flag;
    let value_name =
        if switch { format!(r#" valueName="{name}""#) } else { format!(r#" presentation="$(presentation.{name})""#) };
    let values = if switch {
        "      <enabledValue><decimal value=\"1\"/></enabledValue>\n      <disabledValue><decimal value=\"0\"/></disabledValue>\n".to_owned()
    } else {
        format!("      <elements>\n{}      </elements>\n", element(spec))
    };
    format!(
        r#"    <policy name="{name}" class="Machine" displayName="$(string.{name})" explainText="$(string.{name}_help)"{value_name} key="{KEY}">
      <parentCategory ref="Countersign"/>
      <supportedOn ref="SUPPORTED_Countersign"/>
{values}    </policy>
"#
    )
}

fn element(spec: &OptionSpec) -> String {
    let name = spec.canonical;
    match spec.kind {
        Kind::Choice(words) => {
            let item = |word: &&str| {
                format!(
                    "          <item displayName=\"$(string.{name}_{word})\"><value><string>{word}</string></value></item>\n"
                )
            };
            let items: String = words.iter().map(item).collect();
            format!("        <enum id=\"{name}\" valueName=\"{name}\" required=\"true\">\n{items}        </enum>\n")
        }
        Kind::Seconds => format!(
            "        <decimal id=\"{name}\" valueName=\"{name}\" required=\"true\" minValue=\"0\" maxValue=\"86400\"/>\n"
        ),
        Kind::Text(most) | Kind::Alphanumeric(most) => text_element(name, most),
        Kind::Flag
        | Kind::Domain
        | Kind::Cloud
        | Kind::LocalPart
        | Kind::Path
        | Kind::PathOrStdin
        | Kind::List
        | Kind::CloudDirectory
        | Kind::Proxy => text_element(name, 1023),
    }
}

fn text_element(name: &str, most: usize) -> String {
    format!("        <text id=\"{name}\" valueName=\"{name}\" required=\"true\" maxLength=\"{most}\"/>\n")
}

pub(crate) fn adml() -> String {
    let mut strings = String::new();
    let mut presentations = String::new();
    let mut string =
        |id: &str, text: &str| strings.push_str(&format!("      <string id=\"{id}\">{}</string>\n", xml(text)));
    string("Countersign", "Countersign");
    string("SUPPORTED_Countersign", "Countersign on Windows 10 or later");
    for spec in policies() {
        let name = spec.canonical;
        string(name, name);
        string(&format!("{name}_help"), spec.help);
        let label = match spec.kind {
            Kind::Flag => continue,
            Kind::Choice(words) => {
                words.iter().for_each(|word| string(&format!("{name}_{word}"), word));
                format!("<dropdownList refId=\"{name}\" noSort=\"true\">{name}</dropdownList>")
            }
            Kind::Seconds => format!("<decimalTextBox refId=\"{name}\">{name}, in seconds</decimalTextBox>"),
            Kind::Text(_)
            | Kind::Alphanumeric(_)
            | Kind::Domain
            | Kind::Cloud
            | Kind::LocalPart
            | Kind::Path
            | Kind::PathOrStdin
            | Kind::List
            | Kind::CloudDirectory
            | Kind::Proxy => format!("<textBox refId=\"{name}\"><label>{name}</label></textBox>"),
        };
        presentations.push_str(&format!("      <presentation id=\"{name}\">{label}</presentation>\n"));
    }
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
{MADE}
<policyDefinitionResources {NAMESPACES} revision="1.0" schemaVersion="1.0">
  <displayName>Countersign</displayName>
  <description>Options of the Countersign agent</description>
  <resources>
    <stringTable>
{strings}    </stringTable>
    <presentationTable>
{presentations}    </presentationTable>
  </resources>
</policyDefinitionResources>
"#
    )
}

/// The custom action of the MSI whose data holds every option.
const DATA: &str = "ConfigureOptions";

/// An include for the MSI's source: which properties pass to the elevated part, and which stay out of logs.
///
/// `SecureCustomProperties` is a definition only: wixl makes that property itself, for upgrades, and the build adds these to it.
pub(crate) fn wxi() -> String {
    let properties = |wanted: &dyn Fn(&OptionSpec) -> bool| {
        let chosen = OPTIONS.iter().filter(|spec| wanted(spec)).flat_map(|spec| spec.spellings(Flavour::Msi));
        chosen.collect::<Vec<_>>().join(";")
    };
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
{MADE}
<Include>
  <?define SecureProperties = "{}"?>
  <Property Id="MsiHiddenProperties" Value="{};{DATA}"/>
</Include>
"#,
        properties(&|_| true),
        properties(&|spec| spec.secret),
    )
}
