//! Verifies a `SAMLResponse` form field: `cargo run -p saml --example verify_response -- METADATA.xml SERVICE_ENTITY_ID ACS_URL REQUEST_ID < FIELD`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example stands at the edge: it reads files and the clock, and prints"
)]

use saml::response::{Answer, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::{metadata::IdpMetadata, time::UtcTime};
use std::error::Error;

/// Who signed in, by the field that the browser posted.
pub(crate) fn verify(
    metadata: &[u8],
    [service, acs_url, request]: [&str; 3],
    field: &str,
    now: UtcTime,
) -> Result<String, Box<dyn Error>> {
    let identity_provider = IdpMetadata::parse(metadata)?;
    let expect = ResponseExpectations {
        issuer: &identity_provider.entity_id,
        audience: &service.parse()?,
        recipient: acs_url,
        in_response_to: InResponseTo::Exactly(&request.parse()?),
        now,
        max_skew_seconds: 60,
    };
    match UnverifiedResponse::parse_post(field)?.verify(&identity_provider.signing_keys()?, &expect)? {
        Answer::Verified(verified) => Ok(verified.into_assertion().subject.value),
        Answer::Refused(refusal) => Err(format!("refused: {:?}", refusal.status()).into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [metadata, service, acs_url, request] = arguments.as_slice() else {
        return Err("four arguments are needed".into());
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let field = std::io::read_to_string(std::io::stdin())?;
    let now = UtcTime::from_unix_seconds(i64::try_from(now)?);
    let who = verify(&std::fs::read(metadata)?, [service, acs_url, request], field.trim(), now)?;
    println!("{who} signed in");
    Ok(())
}
