//! The table of operations: requests are dispatched by it, and the OpenAPI document is made from it.

use std::pin::Pin;

use axum::http::StatusCode;
use serde_json::Value;

use super::{Call, Problem, calls};

/// The work of an operation.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Value, Problem>> + Send>>;

/// One operation.
pub(super) struct Operation {
    /// Its name in clients that are generated.
    pub(super) id: &'static str,
    pub(super) method: &'static str,
    /// Its address behind `/api/v1`; parts in braces are named.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// The scope that it takes.
    pub(super) scope: &'static str,
    /// Names and meanings of what may stand in the query.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The schema of the body, if it takes one.
    pub(super) body: Option<&'static str>,
    /// The schema of the answer; none: it has no content.
    pub(super) answer: Option<&'static str>,
    pub(super) call: fn(Call) -> Answer,
}

impl Operation {
    pub(super) fn success(&self) -> StatusCode {
        match (self.answer, self.id.starts_with("create")) {
            (None, _) => StatusCode::NO_CONTENT,
            (_, true) => StatusCode::CREATED,
            _ => StatusCode::OK,
        }
    }
}

const PORTIONS: &[(&str, &str)] = &[
    ("after", "`next` of the portion before"),
    ("limit", "rows of the portion: 1 to 1000, 100 where it is not given"),
];
const DEVICES: &[(&str, &str)] = &[
    ("after", "`next` of the portion before"),
    ("limit", "rows of the portion: 1 to 1000, 100 where it is not given"),
    ("q", "beginning of a host name, a user's name, or beginning of an entity ID"),
    ("state", "the device's state"),
    ("platform", "`linux`, `macos` or `windows`"),
    ("key_protection", "what protects the device's key"),
    ("agent_version", "the version of the agent"),
    ("token", "the token that enrolled it"),
];
const USERS: &[(&str, &str)] = &[
    ("after", "`next` of the portion before"),
    ("limit", "rows of the portion: 1 to 1000, 100 where it is not given"),
    ("q", "beginning of the name"),
];
const AUDIT: &[(&str, &str)] = &[
    ("after", "`next` of the portion before"),
    ("limit", "rows of the portion: 1 to 1000, 100 where it is not given"),
    ("kind", "`refusals` or `changes`; all where it is not given"),
    ("actor", "who did it"),
    ("subject", "the object that it was done to"),
];
const ENTITY: &[(&str, &str)] = &[
    ("entity_id", "the service's entity ID"),
    ("tenant", "its tenant, where several have a service of that entity ID"),
];
const TEST: &[(&str, &str)] = &[
    ("entity_id", "the service's entity ID"),
    ("tenant", "its tenant, where several have a service of that entity ID"),
    ("user", "`user@domain`"),
    ("device", "one of their devices; the one that they have used last where it is not given"),
];

macro_rules! operations {
    ($($id:ident $method:literal $path:literal $scope:literal $query:expr, $body:expr => $answer:expr, $call:path, $summary:literal;)+) => {
        /// Every operation.
        pub(super) const OPERATIONS: &[Operation] = &[$(Operation {
            id: stringify!($id), method: $method, path: $path, summary: $summary, scope: $scope, query: $query,
            body: $body, answer: $answer, call: |call| Box::pin($call(call)),
        },)+];
    };
}

operations! {
    listTenants "GET" "/tenants" "read" &[], None => Some("TenantList"), calls::tenants::list, "The tenants in reach";
    createTenant "POST" "/tenants" "tenants" &[], Some("NewTenant") => Some("Tenant"), calls::tenants::create, "Add a tenant";
    getTenant "GET" "/tenants/{tenant}" "read" &[], None => Some("Tenant"), calls::tenants::one, "A tenant";
    setTenant "PATCH" "/tenants/{tenant}" "policy" &[], Some("TenantSettings") => Some("Tenant"), calls::tenants::set, "Change what a tenant has decided about sign-on; what is not given stays";
    listDomains "GET" "/tenants/{tenant}/domains" "read" &[], None => Some("DomainList"), calls::tenants::domains, "The tenant's user domains";
    putDomain "PUT" "/tenants/{tenant}/domains/{domain}" "domains" &[], None => Some("Domain"), calls::tenants::put_domain, "Give the tenant a user domain; a repetition changes nothing";
    deleteDomain "DELETE" "/tenants/{tenant}/domains/{domain}" "domains" &[], None => None, calls::tenants::delete_domain, "Take a user domain away";
    listTokens "GET" "/tenants/{tenant}/tokens" "read" PORTIONS, None => Some("TokenPage"), calls::tokens::list, "The tenant's device tokens, the newest first";
    createToken "POST" "/tenants/{tenant}/tokens" "tokens" &[], Some("NewToken") => Some("CreatedToken"), calls::tokens::create, "Make a device token; its text is in this answer and nowhere else";
    getToken "GET" "/tokens/{token}" "read" &[], None => Some("Token"), calls::tokens::one, "A device token, without its secret";
    createRotation "POST" "/tokens/{token}/rotation" "tokens" &[], Some("Rotation") => Some("CreatedToken"), calls::tokens::rotate, "Make a token with the limits of this one, which ends after the overlap";
    revokeToken "PUT" "/tokens/{token}/revocation" "tokens" &[], Some("Revocation") => Some("Revoked"), calls::tokens::revoke, "Let a token enrol no more devices; a repetition changes nothing";
    listDevices "GET" "/tenants/{tenant}/devices" "read" DEVICES, None => Some("DevicePage"), calls::devices::list, "The tenant's devices, the one enrolled last first";
    getDevice "GET" "/devices/{device}" "read" &[], None => Some("DeviceDetail"), calls::devices::one, "A device with its people";
    moveDevice "POST" "/devices/{device}/moves" "devices" &[], Some("Move") => Some("Moved"), calls::devices::step, "Move a device: remove, wipe, force-remove, quarantine, restore, approve, deny";
    createBreakGlassCode "POST" "/devices/{device}/break-glass-codes" "devices" &[], Some("NewBreakGlassCode") => Some("BreakGlassCode"), calls::devices::break_glass, "Make a code that lets a device through that can't reach the portal; it is in this answer and nowhere else";
    createDiagnosticsRequest "POST" "/devices/{device}/diagnostics-requests" "devices" &[], None => Some("DiagnosticsRequest"), calls::devices::ask_diagnostics, "Ask a device for diagnostics; the request that it has not answered stands";
    listDiagnosticsRequests "GET" "/devices/{device}/diagnostics-requests" "read" &[], None => Some("DiagnosticsRequestList"), calls::devices::diagnostics, "What a device was asked for, the newest first";
    getDiagnosticsBundle "GET" "/diagnostics-requests/{request}/bundle" "devices" &[], None => Some("DiagnosticsBundle"), calls::devices::bundle, "The diagnostics that a device has sent: a zip, or such a zip in the format of age; the audit has who read it";
    deleteDiagnosticsRequest "DELETE" "/diagnostics-requests/{request}" "devices" &[], None => None, calls::devices::delete_diagnostics, "Delete a request with what has answered it";
    listUsers "GET" "/tenants/{tenant}/users" "read" USERS, None => Some("UserPage"), calls::users::list, "The tenant's people, by name";
    putUser "PUT" "/tenants/{tenant}/users/{user}" "users" &[], None => Some("User"), calls::users::put, "Provision somebody; a repetition changes nothing";
    getUser "GET" "/users/{user}" "read" &[], None => Some("UserDetail"), calls::users::one, "A person with their groups and devices";
    setUser "PATCH" "/users/{user}" "users" &[], Some("UserState") => Some("User"), calls::users::set, "Suspend or resume somebody";
    createUserCode "POST" "/users/{user}/codes" "users" &[], Some("NewUserCode") => Some("UserCode"), calls::users::code, "Make a one-time code by which somebody proves who they are on one device; it is in this answer and nowhere else";
    deleteUserProofs "DELETE" "/users/{user}/proofs" "users" &[], None => None, calls::users::ask_again, "Forget what somebody has proved on their devices: they are asked once more on each";
    deleteUser "DELETE" "/users/{user}" "users" &[], None => None, calls::users::delete, "Forget somebody, and remove the devices that are theirs";
    listGroups "GET" "/tenants/{tenant}/groups" "read" &[], None => Some("GroupList"), calls::users::groups, "The groups that a directory keeps, by name; the first 1000";
    listServices "GET" "/tenants/{tenant}/services" "read" &[], None => Some("ServiceList"), calls::services::list, "The tenant's services";
    createService "POST" "/tenants/{tenant}/services" "services" &[], Some("NewService") => Some("Service"), calls::services::create, "Register a service: by its SAML metadata, by the address of it, or by its entity ID and where it takes Responses";
    getService "GET" "/services" "read" ENTITY, None => Some("ServiceDetail"), calls::services::one, "A service with its metadata";
    setService "PATCH" "/services" "services" ENTITY, Some("ServiceSettings") => Some("Service"), calls::services::set, "Change who may open a service and what it is told; what is not given stays";
    updateService "PUT" "/services/metadata" "services" ENTITY, Some("ServiceMetadata") => Some("ServiceDetail"), calls::services::update, "Put other metadata of the service in the place of what there is; without a body, fetch it again from where it came";
    testService "GET" "/services/test" "read" TEST, None => Some("ServiceTest"), calls::services::test, "What a service would be told about somebody, and why; nothing is sent";
    deleteService "DELETE" "/services" "services" ENTITY, None => None, calls::services::delete, "Give a service no more assertions";
    getPolicy "GET" "/tenants/{tenant}/policy" "read" &[], None => Some("Policy"), calls::policy::one, "What a tenant demands of people and devices";
    putPolicy "PUT" "/tenants/{tenant}/policy" "policy" &[], Some("Policy") => Some("Policy"), calls::policy::put, "Put a policy in the place of the tenant's; rules without an id get one";
    getIdentityProviders "GET" "/tenants/{tenant}/identity-providers" "read" &[], None => Some("IdentityProviders"), calls::idp::standing, "Who answers for which of the tenant's people: what holds, and the draft";
    createIdentityProvider "POST" "/tenants/{tenant}/identity-providers" "policy" &[], Some("NewIdentityProvider") => Some("IdentityProviders"), calls::idp::create, "Record another identity provider in the draft";
    setIdentityProvider "PATCH" "/tenants/{tenant}/identity-providers/{name}" "policy" &[], Some("IdentityProviderChanges") => Some("IdentityProviders"), calls::idp::set, "Change an identity provider in the draft; what is not given stays";
    deleteIdentityProvider "DELETE" "/tenants/{tenant}/identity-providers/{name}" "policy" &[], None => Some("IdentityProviders"), calls::idp::delete, "Take an identity provider out of the draft";
    listIdentityProviderVersions "GET" "/tenants/{tenant}/identity-provider-versions" "read" &[], None => Some("IdentityProviderVersionList"), calls::idp::versions, "What holds and what has held";
    createIdentityProviderVersion "POST" "/tenants/{tenant}/identity-provider-versions" "policy" &[], None => Some("Activated"), calls::idp::activate, "Let the draft hold from the next request on";
    draftIdentityProviderVersion "PUT" "/tenants/{tenant}/identity-provider-draft" "policy" &[], Some("BroughtBack") => Some("IdentityProviders"), calls::idp::bring_back, "Make what a version said the draft";
    deleteIdentityProviderDraft "DELETE" "/tenants/{tenant}/identity-provider-draft" "policy" &[], None => None, calls::idp::discard, "Throw the draft away";
    listCopiedKeys "GET" "/tenants/{tenant}/copied-keys" "read" &[], None => Some("CopiedKeyList"), calls::devices::clones, "Devices whose key is in two places, each with what the other has said";
    listSigningKeys "GET" "/signing-keys" "read" &[], None => Some("SigningKeyList"), calls::keys::list, "The keys that sign Responses, retired ones too";
    listAudit "GET" "/tenants/{tenant}/audit" "audit" AUDIT, None => Some("AuditPage"), calls::audit::list, "The tenant's audit, the newest rows first";
}
