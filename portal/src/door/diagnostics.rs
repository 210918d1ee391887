//! `POST /device/diagnostics/{request}`: the bundle that a device was asked for, signed by its key.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::diagnostics::{DEVICE_HEADER, LARGEST, SIGNATURE_HEADER, UploadProof, address};
use saml::key::VerifyingKey;
use saml::name::EntityId;

use crate::clock;
use crate::sign_on::Portal;
use crate::store::audit::{self, Entry};
use crate::store::device::DeviceState;
use crate::store::device_key::{self, KeyRole};
use crate::store::{StoreError, diagnostics};

/// How long a bundle may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a bundle was not taken.
pub(super) enum Refusal {
    /// Nobody asked this device for it, or no longer.
    NotAsked,
    /// The device's key has not signed it.
    NotProven,
    /// It is larger than any may be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// It is not the device's fault.
    Failed(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotAsked => (StatusCode::NOT_FOUND, "this device was not asked for that\n"),
            Self::NotProven => (StatusCode::FORBIDDEN, "the device's key has not signed this\n"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "a bundle may have 5,000,000 octets\n"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the bundle did not come in a minute\n"),
            Self::Failed(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "could not keep diagnostics");
                (StatusCode::SERVICE_UNAVAILABLE, "the portal could not keep it\n")
            }
        };
        (status, text).into_response()
    }
}

/// Takes the bundle. Nothing is read of it before the device, the request and the device's state are known.
pub(super) async fn receive(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (parts, body) = request.into_parts();
    let name: EntityId = header(&parts.headers, DEVICE_HEADER).ok_or(Refusal::NotProven)?;
    let signature: String = header(&parts.headers, SIGNATURE_HEADER).ok_or(Refusal::NotProven)?;
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::NotProven)?;
    let key = key_of_asked(&portal, &id, &name).await?;
    let bundle = read(body).await?;
    let to = address(portal.cloud.base(), &id);
    if !(UploadProof { device: &name, address: &to, bundle: &bundle }).is_signed_by(&key, &signature) {
        return Err(Refusal::NotProven);
    }
    let now = clock::now();
    let kept = portal.store.write(move |connection| {
        Box::pin(async move {
            let Some(request) = diagnostics::by_id(connection, &id).await? else { return Ok(false) };
            if !diagnostics::keep(connection, &id, &bundle, now).await? {
                return Ok(false);
            }
            let entry = Entry {
                at: now,
                tenant_id: Some(request.tenant_id),
                actor: request.device_id.clone(),
                action: "device.diagnostics-sent",
                subject: request.device_id,
                result: "ok".to_owned(),
                detail: serde_json::json!({ "request": id, "octets": bundle.len() }),
            };
            audit::append(connection, entry).await?;
            Ok(true)
        })
    });
    if kept.await? { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::NotAsked) }
}

/// The key of the device that was asked, if it is the one called `name` and still signs people in.
async fn key_of_asked(portal: &Portal, id: &str, name: &EntityId) -> Result<VerifyingKey, Refusal> {
    let mut connection = portal.store.read().await?;
    let known = device_key::by_key(&mut connection, name.as_str()).await?.ok_or(Refusal::NotAsked)?;
    let open = diagnostics::open_of(&mut connection, known.device.id.as_str(), clock::now()).await?;
    let asked = open.is_some_and(|request| request.id == id);
    if !asked || known.role != KeyRole::Present || known.device.state != DeviceState::Registered {
        return Err(Refusal::NotAsked);
    }
    let unreadable = StoreError::Unreadable { table: "device", column: "public_key" };
    VerifyingKey::from_spki_der(&known.public_key).map_err(|_| Refusal::Failed(unreadable))
}

fn header<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, LARGEST)).await;
    Ok(read.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::TooLarge)?.to_vec())
}
