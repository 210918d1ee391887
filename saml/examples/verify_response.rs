//! Verifies a `SAMLResponse` form field: `cargo run -p saml --example verify_response -- METADATA.xml SERVICE_ENTITY_ID ACS_URL REQUEST_ID < FIELD`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example stands at the edge: it reads files and the clock, and prints"
)]

use saml::response::{Answer, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::{metadata::IdpMetadata, name::EntityId, name::MessageId, time::UtcTime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [metadata, service, acs_url, request] = arguments.as_slice() else {
        return Err("four arguments are needed".into());
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();

    let identity_provider = IdpMetadata::parse(&std::fs::read(metadata)?)?;
    let (service, request): (EntityId, MessageId) = (service.parse()?, request.parse()?);
    let expect = ResponseExpectations {
        issuer: &identity_provider.entity_id,
        audience: &service,
        recipient: acs_url,
        in_response_to: InResponseTo::Exactly(&request),
        now: UtcTime::from_unix_seconds(i64::try_from(now)?),
        max_skew_seconds: 60,
    };
    let response = UnverifiedResponse::parse_post(std::io::read_to_string(std::io::stdin())?.trim())?;
    match response.verify(&identity_provider.signing_keys()?, &expect)? {
        Answer::Verified(verified) => println!("{} signed in", verified.assertion().subject.value),
        Answer::Refused(refusal) => println!("refused: {:?}", refusal.status()),
    }
    Ok(())
}
