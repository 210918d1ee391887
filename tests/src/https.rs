//! A plain HTTPS client, for requests that no agent would send.

use std::path::Path;

use tokio::runtime::Runtime;

/// A client that trusts one CA.
#[derive(Debug)]
pub struct Https {
    client: reqwest::Client,
    runtime: Runtime,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The body.
    pub body: String,
}

impl Https {
    /// A client that trusts the CA in the file `ca` and keeps no connection: portals come and go in tests.
    ///
    /// # Panics
    /// Where there is no such file.
    #[must_use]
    pub fn trusting(ca: &Path) -> Self {
        // A second installation in the same process is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(ca).expect("the CA file is there");
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).expect("it holds certificates");
        let client = reqwest::Client::builder()
            .tls_certs_only(certificates)
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client can be made");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        Self { client, runtime }
    }

    /// Fetches `url`.
    #[must_use]
    pub fn get(&self, url: &str) -> HttpAnswer {
        self.send(self.client.get(url))
    }

    /// Posts a SOAP envelope, or whatever is to be taken for one.
    #[must_use]
    pub fn post_soap(&self, url: &str, body: impl Into<Vec<u8>>) -> HttpAnswer {
        self.send(self.client.post(url).header("content-type", "text/xml; charset=utf-8").body(body.into()))
    }

    /// Posts `body` with these headers.
    #[must_use]
    pub fn post_with(&self, url: &str, headers: &[(&str, String)], body: impl Into<Vec<u8>>) -> HttpAnswer {
        let request = self.client.post(url).body(body.into());
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, value)))
    }

    /// The same, as a proxy passes it on for `forwarded_for`.
    #[must_use]
    pub fn post_soap_forwarded(&self, url: &str, body: String, forwarded_for: &str) -> HttpAnswer {
        let request = self.client.post(url).header("content-type", "text/xml; charset=utf-8");
        self.send(request.header("x-forwarded-for", forwarded_for).body(body))
    }

    /// The same as [`Https::post_soap`], where the portal may be dying: none when no whole answer came.
    #[must_use]
    pub fn try_post_soap(&self, url: &str, body: impl Into<Vec<u8>>) -> Option<HttpAnswer> {
        self.try_send(self.client.post(url).header("content-type", "text/xml; charset=utf-8").body(body.into())).ok()
    }

    fn send(&self, request: reqwest::RequestBuilder) -> HttpAnswer {
        self.try_send(request).expect("the portal answers")
    }

    fn try_send(&self, request: reqwest::RequestBuilder) -> Result<HttpAnswer, reqwest::Error> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let retry_after =
                response.headers().get("retry-after").map(|value| value.to_str().expect("it is text").to_owned());
            let status = response.status().as_u16();
            Ok(HttpAnswer { status, retry_after, body: response.text().await? })
        })
    }
}
