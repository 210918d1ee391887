//! The example does what it says, on the committed documents.

#[path = "../examples/verify_response.rs"]
#[expect(dead_code, reason = "its `main` reads arguments and the clock")]
mod example;
#[path = "properties/mod.rs"]
#[expect(dead_code, reason = "the expectations are used here")]
mod properties;

use base64::Engine;
use properties::{ACS, NOW, REQUEST_ID, SERVICE};
use saml::name::MessageId;

const METADATA: &[u8] = include_bytes!("../fuzz/corpus/metadata/idp.xml");
const RESPONSE: &str = include_str!("../fuzz/corpus/verify/response.xml");

fn signed_in(response: &str, service: &str) -> Result<String, String> {
    let field = base64::engine::general_purpose::STANDARD.encode(response);
    let request = MessageId::from_random(REQUEST_ID);
    example::verify(METADATA, [service, ACS, request.as_str()], &field, NOW).map_err(|error| error.to_string())
}

#[test]
fn the_example_says_who_signed_in_and_refuses_the_rest() {
    assert_eq!(signed_in(RESPONSE, SERVICE).as_deref(), Ok("alice@example.com"));
    let changed = signed_in(&RESPONSE.replace("alice@", "mallory@"), SERVICE);
    assert!(changed.expect_err("changed").starts_with("the signed element was changed"), "a changed name");
    let elsewhere = signed_in(RESPONSE, "https://other.example/metadata");
    assert!(elsewhere.expect_err("elsewhere").contains("another audience"), "another service");
}
