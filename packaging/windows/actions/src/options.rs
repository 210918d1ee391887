//! The MSI properties that carry options.

use installer_options::{Delivered, Flavour, InstallOptions, Layer, OPTIONS, OptionName, Origin, parse_values};

/// Every property of the MSI that carries an option for the agent; whether the service starts at once is the MSI's own business.
pub(crate) fn properties() -> impl Iterator<Item = String> {
    let for_agent = OPTIONS.iter().filter(|spec| spec.name != OptionName::LaunchTray);
    for_agent.flat_map(|spec| spec.spellings(Flavour::Msi))
}

/// What is wrong with these properties; nothing where there are none, since a policy may bring them.
pub(crate) fn faults_of(given: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let origin = Origin::new(Layer::Install, Flavour::Msi, "the installer's dialog");
    let parsed = parse_values(given.map(|(name, value)| (name, Delivered::Text(value))), &origin);
    let mut faults: Vec<_> = parsed.faults.iter().map(ToString::to_string).collect();
    if !parsed.options.is_empty() {
        faults.extend(InstallOptions::check(&parsed.options).err().map(|faults| faults.to_string()));
    }
    faults
}
