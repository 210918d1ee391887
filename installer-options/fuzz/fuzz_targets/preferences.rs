//! Property lists of any kind are parsed and checked.
#![no_main]

use installer_options::{InstallOptions, Layer, parse_managed_preferences};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let parsed = parse_managed_preferences(octets, Layer::Policy, "fuzz");
    let _ = InstallOptions::check(&parsed.options).map_err(|faults| faults.to_string());
});
