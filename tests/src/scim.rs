//! A directory of the tests' own making: it sends what it likes to a portal's SCIM server.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::portal::Portal;

/// A client with an API key.
#[derive(Debug)]
pub struct Directory {
    client: reqwest::Client,
    runtime: Runtime,
    base: String,
    key: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct ScimAnswer {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; null where there is none.
    pub body: Value,
}

impl ScimAnswer {
    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Its id.
    ///
    /// # Panics
    /// Where it has none.
    #[must_use]
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }

    /// The values of `attribute` in a list's resources, sorted.
    ///
    /// # Panics
    /// Where it is no list.
    #[must_use]
    pub fn listed(&self, attribute: &str) -> Vec<String> {
        let resources = self.body["Resources"].as_array().unwrap_or_else(|| panic!("no list: {self:?}"));
        let mut all: Vec<_> =
            resources.iter().map(|one| one[attribute].as_str().unwrap_or_default().to_owned()).collect();
        all.sort();
        all
    }
}

impl Directory {
    /// A directory that shows `key` to the portal.
    ///
    /// # Panics
    /// Where there is no file with its CA.
    #[must_use]
    pub fn with_key(portal: &Portal, key: &str) -> Self {
        // A second installation in the same process is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(&portal.authority.ca).expect("the CA file is there");
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).expect("it holds certificates");
        let client = reqwest::Client::builder().tls_certs_only(certificates).build().expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { client, runtime, base: format!("{}/scim/v2", portal.url()), key: key.to_owned() }
    }

    /// A directory of the tenant `acme`.
    #[must_use]
    pub fn of(portal: &Portal) -> Self {
        let key = portal.ok(&["api-key", "create", "--scopes", "scim", "--tenant", "acme"]);
        Self::with_key(portal, key.trim())
    }

    /// Sends a request with these headers.
    ///
    /// # Panics
    /// Where no answer comes, or one that is no SCIM.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> ScimAnswer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.header("authorization", format!("Bearer {}", self.key));
        request = request.header("content-type", "application/scim+json");
        request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        if let Some(body) = body {
            request = request.body(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.expect("the portal answers");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await.expect("the body can be read");
            let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("it is JSON") };
            let is_scim = headers.get("content-type").is_some_and(|kind| kind == "application/scim+json");
            assert!(body.is_null() || is_scim, "{headers:?}");
            ScimAnswer { status, headers, body }
        })
    }

    /// Fetches `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> ScimAnswer {
        self.send("GET", path, &[], None)
    }

    /// The resources below `path` that fit `filter`.
    ///
    /// # Panics
    /// Where they are not told.
    #[must_use]
    pub fn find(&self, path: &str, filter: &str) -> ScimAnswer {
        let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = self.get(&format!("{path}?filter={filter}"));
        assert_eq!(found.status, 200, "{found:?}");
        found
    }

    /// Posts a new resource.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> ScimAnswer {
        self.send("POST", path, &[], Some(body.to_string()))
    }

    /// Puts a resource in the place of another.
    #[must_use]
    pub fn put(&self, path: &str, body: &Value) -> ScimAnswer {
        self.send("PUT", path, &[], Some(body.to_string()))
    }

    /// Applies these operations.
    #[must_use]
    pub fn patch(&self, path: &str, operations: &Value) -> ScimAnswer {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        self.send("PATCH", path, &[], Some(body.to_string()))
    }

    /// Deletes a resource.
    #[must_use]
    pub fn delete(&self, path: &str) -> ScimAnswer {
        self.send("DELETE", path, &[], None)
    }

    /// Adds the user `name`; returns the id.
    ///
    /// # Panics
    /// Where that is refused.
    #[must_use]
    pub fn user(&self, name: &str) -> String {
        let added = self.post("/Users", &json!({ "userName": name, "active": true }));
        assert_eq!(added.status, 201, "{added:?}");
        added.id()
    }
}
