//! The pages that browsers get: one that posts the Response by itself, and one that says what is wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use platform::random;

use super::{BrowserAnswer, BrowserEnd, Refused};
use crate::sign_in::Code;

const STYLE: &str = "html{color-scheme:light dark;background:#f5f6f8;color:#17202b}\
    body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;max-width:27rem;margin:10vh auto 3rem;padding:0 1rem}\
    main{background:#fff;border:1px solid #dde2e8;border-radius:8px;padding:1rem 1.125rem}\
    h1{font-size:1.375rem;line-height:1.25;margin:0 0 .75rem}p{margin:0 0 .75rem}.soft{color:#556272}\
    code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.8125rem}\
    button{font:inherit;font-weight:600;padding:.4375rem .875rem;border-radius:6px;border:1px solid #1b5cb8;background:#1b5cb8;color:#fff}\
    button:focus-visible{outline:2px solid #1b5cb8;outline-offset:2px}\
    @media (prefers-color-scheme:dark){html{background:#10151b;color:#e5eaf0}main{background:#181f27;border-color:#2b3541}\
    .soft{color:#9dabba}button{background:#84b4ff;border-color:#84b4ff;color:#0c1626}button:focus-visible{outline-color:#84b4ff}}";

/// The whole answer of HTTP to a browser that was sent here.
pub(super) fn of(end: Result<BrowserEnd, Code>) -> String {
    match end {
        Ok(BrowserEnd::Posts(answer)) => http("200 OK", "Signing in", &form(&answer), true),
        Ok(BrowserEnd::GoesBack(url)) => {
            format!("HTTP/1.1 303 See Other\r\nLocation: {url}\r\n{FIXED}Content-Length: 0\r\n\r\n")
        }
        Err(code) => http("403 Forbidden", "Not signed in", &problem(code), false),
    }
}

/// The answer to whatever else comes here.
pub(super) fn refused(refused: Refused) -> String {
    let (status, text) = match refused {
        Refused::NotUnderstood => ("400 Bad Request", "not understood"),
        Refused::NoSuchPage => ("404 Not Found", "there is nothing here"),
        Refused::Method => ("405 Method Not Allowed", "only GET"),
        Refused::Host => ("421 Misdirected Request", "this is another address"),
        Refused::NoNavigation => ("403 Forbidden", "only for pages that a person opens"),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n{FIXED}Content-Length: {}\r\n\r\n{text}\n",
        text.len() + 1
    )
}

/// What every answer says. There is no `Cross-Origin-Opener-Policy`: it would cut a service's pop-up off from the page that has opened it, for good.
/// Nobody keeps it, frames it, guesses what it is, or learns where it came from.
const FIXED: &str = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
    Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
    Connection: close\r\n";

fn http(status: &str, title: &str, body: &str, submits: bool) -> String {
    let nonce = BASE64.encode(random::bytes::<16>());
    let script = if submits {
        format!("<script nonce=\"{nonce}\">document.forms[0].submit()</script>\n")
    } else {
        String::new()
    };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · Countersign</title>\n\
         <style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n{script}</body>\n</html>\n"
    );
    // Where the form may go is not narrowed: browsers would hold the service's own redirects to it.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
    );
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {policy}\r\n{FIXED}Content-Length: {}\r\n\r\n{page}",
        page.len()
    )
}

fn form(answer: &BrowserAnswer) -> String {
    let relay_state = answer.relay_state.as_deref().map_or_else(String::new, |state| {
        format!("<input type=\"hidden\" name=\"RelayState\" value=\"{}\">\n", escape(state))
    });
    format!(
        "<h1>Signing in</h1>\n<form method=\"post\" action=\"{}\">\n\
         <input type=\"hidden\" name=\"SAMLResponse\" value=\"{}\">\n{relay_state}\
         <p>If nothing happens, press the button.</p>\n<button>Continue</button>\n</form>\n",
        escape(&answer.response.acs_url),
        BASE64.encode(answer.response.xml.as_bytes()),
    )
}

fn problem(code: Code) -> String {
    format!(
        "<h1>You were not signed in</h1>\n<p>The reason: {}.</p>\n<p>What to do: {}.</p>\n\
         <p class=\"soft\">Code: <code>{}</code>. If it stays like this, show this page to your organisation’s support.</p>\n",
        escape(code.meaning()),
        marked(&escape(code.next_action())),
        code.as_str(),
    )
}

/// Text between backquotes as code.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

/// Text as it may stand in HTML and in its attributes between double quotes; line ends are kept as they are.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' => escaped.push_str("&#10;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureCode;
    use crate::sign_in::ServiceResponse;

    #[test]
    fn neither_the_address_nor_the_state_breaks_out_of_the_form() {
        let hostile = "\"><script>alert(1)</script><x y='";
        let answer = BrowserAnswer {
            response: ServiceResponse { acs_url: format!("https://a.example/{hostile}"), xml: "<x/>".to_owned() },
            relay_state: Some(hostile.to_owned()),
        };
        let text = of(Ok(BrowserEnd::Posts(answer)));
        assert_eq!(text.matches("<script").count(), 1, "{text}");
        assert!(text.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;x y=&#39;\""), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(!head.to_ascii_lowercase().contains("access-control"), "no page elsewhere may read it");
        let nonce = body.split_once("nonce=\"").unwrap().1.split('"').next().unwrap();
        assert!(head.contains(&format!("script-src 'nonce-{nonce}'")), "{head}");
    }

    #[test]
    fn a_refusal_says_its_code_and_what_to_do() {
        let text = of(Err(Code::Failure(FailureCode::NobodyLoggedIn)));
        assert!(text.contains("<code>nobody-logged-in</code>") && text.contains("<code>countersign whoami</code>"));
        assert!(!text.contains("<script"));
    }
}
