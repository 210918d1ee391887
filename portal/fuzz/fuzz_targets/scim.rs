//! Filters and paths of SCIM, alone: the rest of the portal, with its databases, is not built for the fuzzer.
#![no_main]

#[path = "../../src/scim/filter.rs"]
#[allow(dead_code, reason = "the portal uses more of it")]
mod filter;
#[path = "../../src/scim/properties.rs"]
#[allow(unreachable_pub, dead_code, reason = "the portal sees it from elsewhere")]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::reads(octets));
