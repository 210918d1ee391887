#![no_main]
#[path = "../../tests/properties/mod.rs"]
#[expect(dead_code, reason = "each target runs one property")]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::redirect(octets));
