//! The POST binding (Bindings 3.5): the base64 of the form fields; the form itself belongs to the caller that makes pages.

use crate::dsig;
use crate::rejection::{Rejection, RejectionReason};

/// The value of `SAMLRequest` or `SAMLResponse` for a document.
pub fn encode(xml: &str) -> String {
    dsig::encode(xml.as_bytes())
}

/// More than the largest document takes in base64 with a line end after every 64 characters.
const MAX_CHARS: usize = 384 * 1024;

/// The document in a form field.
pub(crate) fn decode(field: &str) -> Result<Vec<u8>, Rejection> {
    if field.len() > MAX_CHARS {
        return Err(RejectionReason::TooLarge.into());
    }
    dsig::decode(field)
}
