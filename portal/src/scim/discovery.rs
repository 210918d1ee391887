//! What this server can do, in the words of RFC 7643 §5 to §7.

use serde_json::{Value, json};

use super::schema::describe::{complex, flag, link, list, needed, number, text, texts};
use super::schema::{Attribute, ENTERPRISE, GROUP, USER};

pub(super) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
const CONFIGURATION: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

/// `ServiceProviderConfig`.
pub(super) fn configuration(base: &str) -> Value {
    let no = json!({ "supported": false });
    let yes = json!({ "supported": true });
    json!({
        "schemas": [CONFIGURATION],
        "patch": yes,
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": super::search::MOST },
        "changePassword": no, "sort": no, "etag": yes,
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "API key", "primary": true,
            "description": "An API key of the portal with the scope `scim`, made for one tenant",
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}

/// `ResourceTypes`.
pub(super) fn resource_types(base: &str) -> Vec<Value> {
    let kind = |name: &str, endpoint: &str, schema: &str, meaning: &str| {
        json!({
            "schemas": [RESOURCE_TYPE],
            "id": name, "name": name, "endpoint": endpoint, "schema": schema, "description": meaning,
            "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}") },
        })
    };
    let mut user = kind("User", "/Users", USER, "People that the portal signs in");
    user["schemaExtensions"] = json!([{ "schema": ENTERPRISE, "required": false }]);
    vec![user, kind("Group", "/Groups", GROUP, "Groups of people")]
}

const SUPPORTED: &[Attribute] = &[flag("supported", "Whether the server can do it")];

/// Schemas of the description itself: id, name, meaning, attributes.
pub(super) const DESCRIBING: &[(&str, &str, &str, &[Attribute])] = &[
    (
        CONFIGURATION,
        "ServiceProviderConfig",
        "What the server can do",
        &[
            link("documentationUri", &["external"], "Where it is described for people"),
            complex("patch", SUPPORTED, "PATCH"),
            complex(
                "bulk",
                &[
                    flag("supported", "Whether the server can do it"),
                    number("maxOperations", "The most operations in one request"),
                    number("maxPayloadSize", "The largest request, in octets"),
                ],
                "Many operations in one request",
            ),
            complex(
                "filter",
                &[
                    flag("supported", "Whether the server can do it"),
                    number("maxResults", "The most resources in one answer"),
                ],
                "Filters",
            ),
            complex("changePassword", SUPPORTED, "Changes of passwords"),
            complex("sort", SUPPORTED, "Sorted lists"),
            complex("etag", SUPPORTED, "Versions of resources"),
            list(
                "authenticationSchemes",
                &[
                    needed("type", "What kind it is"),
                    needed("name", "What it is called"),
                    needed("description", "What it is"),
                    link("specUri", &["external"], "Where it is specified"),
                    link("documentationUri", &["external"], "Where it is described for people"),
                ],
                "How clients show who they are",
            ),
        ],
    ),
    (
        RESOURCE_TYPE,
        "ResourceType",
        "A kind of resource",
        &[
            text("id", "Names it"),
            needed("name", "What it is called"),
            text("description", "What it is"),
            Attribute { is_required: true, ..link("endpoint", &["uri"], "Where its resources are") },
            Attribute { is_required: true, ..link("schema", &["uri"], "Its schema") },
            list(
                "schemaExtensions",
                &[
                    Attribute { is_required: true, ..link("schema", &["uri"], "The extension's schema") },
                    flag("required", "Whether every resource has it"),
                ],
                "Schemas that add attributes",
            ),
        ],
    ),
    (
        SCHEMA,
        "Schema",
        "A schema",
        &[
            needed("id", "Its URN"),
            text("name", "What it is called"),
            text("description", "What it is for"),
            Attribute { is_required: true, ..list("attributes", ATTRIBUTES, "Its attributes") },
        ],
    ),
];

/// How an attribute is described, down to its parts.
const ATTRIBUTES: &[Attribute] = &[
    needed("name", "What it is called"),
    needed("type", "What kind of value it has"),
    list("subAttributes", PARTS, "Its parts"),
    flag("multiValued", "Whether it has several values"),
    text("description", "What it is"),
    flag("required", "Whether it must be given"),
    texts("canonicalValues", "Values that are usual"),
    Attribute { is_required: false, ..flag("caseExact", "Whether upper and lower case differ") },
    text("mutability", "Who may set it"),
    text("returned", "When it is in an answer"),
    text("uniqueness", "Whether others may have the same value"),
    texts("referenceTypes", "What it may refer to"),
];

const PARTS: &[Attribute] = &[
    needed("name", "What it is called"),
    needed("type", "What kind of value it has"),
    flag("multiValued", "Whether it has several values"),
    text("description", "What it is"),
    flag("required", "Whether it must be given"),
    texts("canonicalValues", "Values that are usual"),
    Attribute { is_required: false, ..flag("caseExact", "Whether upper and lower case differ") },
    text("mutability", "Who may set it"),
    text("returned", "When it is in an answer"),
    text("uniqueness", "Whether others may have the same value"),
    texts("referenceTypes", "What it may refer to"),
];
