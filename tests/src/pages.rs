//! A visitor of the pages without a browser: sends what a browser would never send, and keeps cookies only if told to.

use std::path::Path;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::runtime::Runtime;

use crate::portal::Portal;

/// A client that trusts one CA and follows nothing.
#[derive(Debug)]
pub struct Pages {
    client: reqwest::Client,
    runtime: Runtime,
    base: String,
    /// Names and values of the cookies that are sent.
    pub cookies: Vec<(String, String)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct PageAnswer {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl PageAnswer {
    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What the hidden field with the form's token holds.
    ///
    /// # Panics
    /// Where the page has none.
    #[must_use]
    pub fn form_token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"form_token\" value=\"").expect("the page has a form");
        rest.split('"').next().expect("a value").to_owned()
    }
}

/// The password of the accounts that tests make.
pub const PASSWORD: &str = "correct horse battery";

impl Pages {
    /// Makes an account and returns a visitor that is signed in with it.
    ///
    /// # Panics
    /// Where that can't be done.
    #[must_use]
    pub fn signed_in(portal: &Portal, name: &str, role: &str) -> Self {
        Self::account(portal, name, role);
        let mut pages = Self::of(&portal.url(), &portal.authority.ca);
        let answer = pages.sign_in(name, PASSWORD);
        assert_eq!(answer.status, 303, "{}", answer.body);
        pages
    }

    /// Makes an account with [`PASSWORD`].
    ///
    /// # Panics
    /// Where that can't be done.
    pub fn account(portal: &Portal, name: &str, role: &str) {
        let link = portal.ok(&["admin", "create", name, "--role", role, "--public-url", &portal.url()]);
        let path = link.trim().strip_prefix(&portal.url()).expect("the link is the portal's").to_owned();
        let mut pages = Self::of(&portal.url(), &portal.authority.ca);
        let token = pages.get(&path).form_token();
        let answer = pages.post(&path, &[("form_token", &token), ("password", PASSWORD), ("again", PASSWORD)]);
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert_eq!(pages.get(&path).status, 404, "the link works once");
    }

    /// A visitor of the portal at `base`, whose CA is in the file `ca`.
    ///
    /// # Panics
    /// Where there is no such file.
    #[must_use]
    pub fn of(base: &str, ca: &Path) -> Self {
        // A second installation in the same process is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(ca).expect("the CA file is there");
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).expect("it holds certificates");
        let client = reqwest::Client::builder()
            .tls_certs_only(certificates)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client can be made");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { client, runtime, base: base.to_owned(), cookies: Vec::new() }
    }

    /// Sends a request with these headers; cookies that come back are kept.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> PageAnswer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = self.runtime.block_on(async {
            let response = request.send().await.expect("the portal answers");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            PageAnswer { status, headers, body: response.text().await.expect("the body can be read") }
        });
        answer.headers.get_all("set-cookie").iter().for_each(|line| self.keep(line));
        answer
    }

    fn keep(&mut self, line: &HeaderValue) {
        let text = line.to_str().expect("it is text");
        let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
        self.cookies.retain(|(kept, _)| kept != name);
        if !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Fetches a page.
    pub fn get(&mut self, path: &str) -> PageAnswer {
        self.send("GET", path, &[], None)
    }

    /// Sends a form.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> PageAnswer {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.send("POST", path, &headers, Some(body.join("&")))
    }

    /// The value of the cookie `name`.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.clone())
    }

    /// Signs in; returns the answer to the form.
    pub fn sign_in(&mut self, name: &str, password: &str) -> PageAnswer {
        let token = self.get("/admin/sign-in").form_token();
        self.post("/admin/sign-in", &[("form_token", &token), ("name", name), ("password", password), ("code", "")])
    }
}
