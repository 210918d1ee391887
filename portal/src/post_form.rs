//! A form that a browser takes from here to somebody else (Bindings §3.5).

/// The form, before a page is made of it.
#[derive(Clone, Debug)]
pub struct PostForm {
    /// Where to.
    pub action: String,
    /// `SAMLRequest` or `SAMLResponse`.
    pub field: &'static str,
    /// The document in base64.
    pub value: String,
    /// `RelayState`, as the service has sent it.
    pub relay_state: Option<String>,
}
