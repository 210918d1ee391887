//! Arguments of any kind are parsed and checked; what is read of a known option is what was written.
#![no_main]

use installer_options::{InstallOptions, Layer, parse_arguments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: String| {
    let arguments: Vec<&str> = line.split('\n').collect();
    let parsed = parse_arguments(arguments.iter().copied(), Layer::Install, "fuzz");
    for option in parsed.options.iter() {
        let value = option.value.expose();
        assert!(arguments.iter().any(|argument| argument.ends_with(value)), "a value that nobody wrote");
    }
    let _ = InstallOptions::check(&parsed.options).map_err(|faults| faults.to_string());
});
