//! Which issuer is asked: one handler answers at the shared address and at those of tenants.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::issuer_address::IssuerAddress;

/// The part of a route that a tenant's id is taken from.
const TENANT: &str = "tenant";

impl<S: Send + Sync> FromRequestParts<S> for IssuerAddress {
    type Rejection = StatusCode;

    /// The issuer of the tenant that the path names, else the shared one; 404 where what is named can't be a tenant's id.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let params = match RawPathParams::from_request_parts(parts, state).await {
            Ok(params) => params,
            Err(RawPathParamsRejection::MissingPathParams(_)) => return Ok(Self::Shared),
            Err(_) => return Err(StatusCode::NOT_FOUND),
        };
        match params.iter().find(|(name, _)| *name == TENANT) {
            Some((_, id)) => Self::of_tenant(id).ok_or(StatusCode::NOT_FOUND),
            None => Ok(Self::Shared),
        }
    }
}
