//! What the generated files share.

use installer_options::{Kind, OptionSpec};

/// Text for XML, in elements and in attributes with double quotes.
pub(crate) fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text for JSON, without the quotes around it.
pub(crate) fn json(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

/// A value that passes the rules of the option by itself, for examples.
pub(crate) fn example(spec: &OptionSpec) -> &'static str {
    match (spec.default, spec.kind) {
        (Some(value), _) => value,
        (None, Kind::Domain) => "example.com",
        (None, Kind::Cloud) => "cloud.example.net",
        (None, Kind::LocalPart) => "alice",
        (None, Kind::Path) => "/etc/ssl/certs/company.pem",
        (None, Kind::Proxy) => "system",
        (None, Kind::List) => "serial,mac",
        (None, Kind::CloudDirectory) => "production=cloud.example.net",
        (None, Kind::Choice(words)) => words.first().copied().unwrap_or_default(),
        (None, Kind::Text(_) | Kind::Alphanumeric(_) | Kind::PathOrStdin) => "PUT-YOURS-HERE",
        (None, Kind::Flag | Kind::Seconds) => "0",
    }
}
