//! Style sheet, scripts and icon: files of ours, named after their content so that browsers keep them for a year.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

struct Asset {
    name: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: &'static str) -> Self {
        let hash = data_encoding::HEXLOWER.encode(digest(&SHA256, content.as_bytes()).as_ref());
        Self { name: format!("/assets/{stem}.{}.{extension}", &hash[..16]), kind, content }
    }
}

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        Asset::new("portal", "css", "text/css; charset=utf-8", include_str!("assets/portal.css")),
        Asset::new("portal", "js", "text/javascript; charset=utf-8", include_str!("assets/portal.js")),
        Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")),
        Asset::new("post", "js", "text/javascript; charset=utf-8", include_str!("assets/post.js")),
        Asset::new("passkey", "js", "text/javascript; charset=utf-8", include_str!("assets/passkey.js")),
        Asset::new("onward", "js", "text/javascript; charset=utf-8", include_str!("assets/onward.js")),
    ]
});

/// Addresses of the assets, for templates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links;

impl Links {
    pub(crate) fn css(&self) -> &'static str {
        &ASSETS[0].name
    }

    pub(crate) fn js(&self) -> &'static str {
        &ASSETS[1].name
    }

    pub(crate) fn icon(&self) -> &'static str {
        &ASSETS[2].name
    }

    pub(crate) fn post_js(&self) -> &'static str {
        &ASSETS[3].name
    }

    pub(crate) fn passkey_js(&self) -> &'static str {
        &ASSETS[4].name
    }

    pub(crate) fn onward_js(&self) -> &'static str {
        &ASSETS[5].name
    }
}

/// `GET /assets/{name}`.
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name.strip_prefix("/assets/") == Some(&name)) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let headers = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.content).into_response()
}
