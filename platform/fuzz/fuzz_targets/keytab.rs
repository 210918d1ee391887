//! A keytab, which a machine's administrators and their tools write: whatever it holds, its realms are read without a crash.
#![no_main]

#[path = "../../src/session/keytab.rs"]
mod keytab;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| drop(keytab::realms(octets)));
