//! SAML 2.0 for Countersign: one parse, and only what was signed is read.
