//! Files that people name in options: whatever they hold, they are read or refused without a crash, and what is read is read the same once more.
#![no_main]

#[path = "../../src/written.rs"]
mod written;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(line) = written::line(octets) {
        assert!(!line.is_empty() && !line.contains(['\n', '\r']));
    }
    if let Ok(pem) = written::authorities(octets) {
        assert_eq!(written::authorities(&pem).ok().as_deref(), Some(&*pem), "what was accepted is accepted again");
    }
});
