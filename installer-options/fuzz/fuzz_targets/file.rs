//! What parses as a file is written and read back the same.
#![no_main]

use installer_options::{InstallOptions, Layer, parse_file, write_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: String| {
    let parsed = parse_file(&text, Layer::File, "fuzz");
    let again = parse_file(&write_file(&parsed.options), Layer::File, "fuzz");
    assert!(again.faults.is_empty());
    assert_eq!(parsed.options.iter().count(), again.options.iter().count());
    for (first, second) in parsed.options.iter().zip(again.options.iter()) {
        assert_eq!((first.option, first.value.expose()), (second.option, second.value.expose()));
    }
    let _ = InstallOptions::check(&parsed.options).map_err(|faults| faults.to_string());
});
