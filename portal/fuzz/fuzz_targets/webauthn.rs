//! What a browser sends as a passkey: whatever it is, it is refused without a crash, and in little time.
#![no_main]

#[path = "../../src/webauthn/mod.rs"]
#[expect(dead_code, reason = "the portal uses the rest")]
mod webauthn;

use webauthn::{Assertion, PublicKey, RelyingParty, claimed_challenge, verify_assertion, verify_registration};

const CLIENT_DATA: &[u8] = br#"{"type":"webauthn.create","challenge":"AA","origin":"https://a.test"}"#;
const USED: &[u8] = br#"{"type":"webauthn.get","challenge":"AA","origin":"https://a.test"}"#;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let party = RelyingParty::of("https://a.test");
    let _ = claimed_challenge(octets);
    if let Ok(made) = verify_registration(&party, &[0], CLIENT_DATA, octets) {
        assert!(PublicKey::parse(&made.public_key).is_ok() && !made.credential_id.is_empty());
    }
    if PublicKey::parse(octets).is_ok() {
        let assertion = Assertion { client_data: USED, authenticator_data: octets, signature: octets };
        assert!(verify_assertion(&party, &[0], assertion, (octets, 0)).is_err(), "nobody has signed");
    }
    let assertion = Assertion { client_data: USED, authenticator_data: octets, signature: &[] };
    assert!(verify_assertion(&party, &[0], assertion, (octets, 0)).is_err(), "nobody has signed");
});
