//! What each operation does: reads the request, calls the function of administration, shapes the answer.

pub(super) mod idp;
pub(super) mod services;

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Call, Problem};
use crate::store::page::{Cursor, Page};

/// Rows of a portion where the request names none, and at most.
const ROWS: u16 = 100;
const MOST_ROWS: u16 = 1000;

impl Call {
    /// The body as the operation takes it.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = if self.body.is_null() { json!({}) } else { self.body.clone() };
        serde_json::from_value(body).map_err(|error| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", &format!("the body can't be used: {error}"))
        })
    }

    fn after(&self) -> Result<Option<Cursor>, Problem> {
        let wrong = |()| {
            let detail = "`after` is not the `next` of a portion: leave it out to begin at the first";
            Problem { field: Some("after"), ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
        };
        self.query.some("after").map(|after| after.parse().map_err(wrong)).transpose()
    }

    fn limit(&self) -> Result<u16, Problem> {
        let Some(given) = self.query.some("limit") else { return Ok(ROWS) };
        let wrong = || Problem {
            field: Some("limit"),
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "`limit` is a number from 1 to 1000")
        };
        given.parse().ok().filter(|limit| (1..=MOST_ROWS).contains(limit)).ok_or_else(wrong)
    }
}

fn rows<T: serde::Serialize>(page: &Page<T>) -> Value {
    json!({ "items": page.rows, "next": page.next.as_ref().map(ToString::to_string) })
}

fn life(given: &str, field: &'static str) -> Result<Option<Duration>, Problem> {
    crate::admin::token::parse_life(given).map_err(|why| Problem {
        field: Some(field),
        ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", &why)
    })
}

pub(super) mod tenants {
    use super::*;
    use crate::admin::tenant::{self, Settings};
    use crate::admin::{AdminError, domain, domain_proof};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NewTenant {
        name: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        idp_enabled: Option<bool>,
        auto_provisioning: Option<bool>,
        minimum_evidence: Option<String>,
        minimum_claim: Option<String>,
        known_by_claim: Option<bool>,
        proof_days: Option<u16>,
        proof_idps: Option<Vec<String>>,
        devices_per_user: Option<u16>,
        session_seconds: Option<u32>,
        issuer: Option<String>,
    }

    pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
        call.admin.demand(crate::admin::Right::Read)?;
        Ok(json!({ "items": tenant::list(&call.admin).await? }))
    }

    pub(in crate::api) async fn create(call: Call) -> Result<Value, Problem> {
        let new: NewTenant = call.read()?;
        let made = tenant::create(&call.admin, &new.name).await?;
        call.portal.make_keys_of(&call.admin, &made.id).await?;
        Ok(json!(made))
    }

    pub(in crate::api) async fn one(call: Call) -> Result<Value, Problem> {
        call.admin.demand(crate::admin::Right::Read)?;
        Ok(json!(tenant::named(&call.admin, call.part("tenant")).await?))
    }

    pub(in crate::api) async fn set(call: Call) -> Result<Value, Problem> {
        let given: Given = call.read()?;
        let grade = |text: String| {
            let wanted = "a grade: `claimed`, `assigned`, `proved` or `verified`";
            text.parse().map_err(|()| AdminError::Invalid { field: "minimum_evidence", given: text.clone(), wanted })
        };
        let kind = |text: String| {
            let wanted = "a kind of claim: `local`, `managed` or `directory`";
            text.parse().map_err(|_| AdminError::Invalid { field: "minimum_claim", given: text.clone(), wanted })
        };
        let issuer = |text: String| {
            let wanted = "an issuer: `own`, or `shared`";
            text.parse().map_err(|()| AdminError::Invalid { field: "issuer", given: text.clone(), wanted })
        };
        let settings = Settings {
            idp_enabled: given.idp_enabled,
            auto_provisioning: given.auto_provisioning,
            minimum_evidence: given.minimum_evidence.map(grade).transpose()?,
            minimum_claim: given.minimum_claim.map(kind).transpose()?,
            known_by_claim: given.known_by_claim,
            proof_days: given.proof_days,
            proof_idps: given.proof_idps,
            devices_per_user: given.devices_per_user,
            session_seconds: given.session_seconds,
            issuer: given.issuer.map(issuer).transpose()?,
        };
        Ok(json!(tenant::set(&call.admin, call.part("tenant"), settings).await?))
    }

    pub(in crate::api) async fn domains(call: Call) -> Result<Value, Problem> {
        Ok(json!({ "items": domain::of_tenant(&call.admin, call.part("tenant")).await? }))
    }

    pub(in crate::api) async fn put_domain(call: Call) -> Result<Value, Problem> {
        let (tenant, name) = (call.part("tenant"), call.part("domain").to_lowercase());
        let added = domain_proof::add(&call.admin, &call.portal.resolver, tenant, &name).await;
        if matches!(added, Err(AdminError::Duplicate { .. })) {
            // It may be there because this is a repetition; for those who reach the whole cloud another tenant's stays a conflict.
            let own = domain::of_tenant(&call.admin, tenant).await?.into_iter().find(|domain| domain.name == name);
            if let Some(own) = own {
                return Ok(json!(own));
            }
        }
        Ok(json!(added?))
    }

    pub(in crate::api) async fn delete_domain(call: Call) -> Result<Value, Problem> {
        let (tenant, name) = (call.part("tenant"), call.part("domain").to_lowercase());
        let own = domain::of_tenant(&call.admin, tenant).await?;
        if !own.iter().any(|domain| domain.name == name) {
            return Err(AdminError::missing(crate::admin::Noun::Domain, &name).into());
        }
        domain::remove(&call.admin, &name).await?;
        Ok(Value::Null)
    }
}

pub(super) mod tokens {
    use saml::token::TokenId;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::admin::token::{self, CreatedToken};
    use crate::admin::token_binding::{self, Machines};
    use crate::admin::{AdminError, Noun};
    use crate::store::token::{Approval, People};

    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct NewToken {
        description: String,
        domains: Vec<String>,
        platforms: Vec<String>,
        networks: Vec<String>,
        groups: Vec<String>,
        approval: Option<String>,
        serials: Vec<String>,
        external_ids: Vec<String>,
        people: Option<String>,
        people_names: Vec<String>,
        people_groups: Vec<String>,
        /// Not given: the default; null: no limit.
        #[serde(deserialize_with = "given")]
        use_limit: Option<Option<u32>>,
        #[serde(deserialize_with = "given")]
        hourly_limit: Option<Option<u32>>,
        expires: Option<String>,
    }

    /// What is there, null too.
    fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
        Option::<u32>::deserialize(deserializer).map(Some)
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rotation {
        overlap: String,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Revocation {
        devices_too: bool,
    }

    fn id(call: &Call) -> Result<TokenId, AdminError> {
        let text = call.part("token");
        text.parse().map_err(|_| AdminError::missing(Noun::Token, text))
    }

    fn created(made: &CreatedToken) -> Value {
        json!({ "token": made.token, "secret": made.secret.reveal().expose_secret() })
    }

    pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
        let after = call.after()?;
        Ok(rows(&token::page(&call.admin, call.part("tenant"), after.as_ref(), call.limit()?).await?))
    }

    pub(in crate::api) async fn create(call: Call) -> Result<Value, Problem> {
        let given: NewToken = call.read()?;
        let approval = match given.approval.as_deref() {
            None | Some("auto") => Approval::Auto,
            Some("queue") => Approval::Queue,
            Some(other) => {
                let wanted = "a way of approval: `auto` or `queue`";
                return Err(AdminError::Invalid { field: "approval", given: other.to_owned(), wanted }.into());
            }
        };
        let people = match given.people.as_deref().map(str::parse) {
            None => People::Proven,
            Some(Ok(people)) => people,
            Some(Err(())) => {
                let wanted = "the people that devices may sign in: `proven`, `listed` or `any`";
                let given = given.people.unwrap_or_default();
                return Err(AdminError::Invalid { field: "people", given, wanted }.into());
            }
        };
        let new = token::NewToken {
            description: given.description,
            domains: given.domains,
            platforms: given.platforms,
            networks: given.networks,
            machines: Machines { serials: given.serials, external_ids: given.external_ids },
            approval,
            groups: given.groups,
            people,
            people_names: given.people_names,
            people_groups: given.people_groups,
            use_limit: given.use_limit.unwrap_or(Some(token::DEFAULT_USES)),
            hourly_limit: given.hourly_limit.unwrap_or(Some(token::DEFAULT_PER_HOUR)),
            life: life(given.expires.as_deref().unwrap_or("30d"), "expires")?,
        };
        Ok(created(&token::create(&call.admin, call.part("tenant"), new).await?))
    }

    pub(in crate::api) async fn one(call: Call) -> Result<Value, Problem> {
        Ok(json!(token::by_id(&call.admin, &id(&call)?).await?))
    }

    pub(in crate::api) async fn rotate(call: Call) -> Result<Value, Problem> {
        let given: Rotation = call.read()?;
        let overlap = life(&given.overlap, "overlap")?.unwrap_or(Duration::MAX);
        Ok(created(&token_binding::rotate(&call.admin, &id(&call)?, overlap).await?))
    }

    pub(in crate::api) async fn revoke(call: Call) -> Result<Value, Problem> {
        let given: Revocation = call.read()?;
        let removed = token::revoke(&call.admin, &id(&call)?, given.devices_too).await?;
        Ok(json!({ "removed_devices": removed }))
    }
}

pub(super) mod devices {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    use crate::admin::{AdminError, break_glass, device, diagnostics};
    use crate::store::device::{DeviceFilter, DeviceState, Move};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Step {
        step: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NewBreakGlassCode {
        #[serde(rename = "for")]
        life: String,
    }

    pub(in crate::api) async fn clones(call: Call) -> Result<Value, Problem> {
        call.admin.demand(crate::admin::Right::Read)?;
        let tenant_id = call.admin.tenant_id(call.part("tenant")).await?;
        let found = device::clones(&call.admin).await?.into_iter();
        let own = found.filter(|(device, _)| device.tenant_id == tenant_id);
        let items: Vec<_> = own.map(|(device, signs)| json!({ "device": device, "signs": signs })).collect();
        Ok(json!({ "items": items }))
    }

    pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
        let state = |text: String| {
            let wanted = "a state of a device";
            text.parse::<DeviceState>().map_err(|()| AdminError::Invalid {
                field: "state",
                given: text.clone(),
                wanted,
            })
        };
        let query = &call.query;
        let filter = DeviceFilter {
            state: query.some("state").map(state).transpose()?,
            platform: query.some("platform"),
            key_protection: query.some("key_protection"),
            agent_version: query.some("agent_version"),
            token_id: query.some("token"),
            search: query.some("q"),
        };
        let after = call.after()?;
        Ok(rows(&device::page(&call.admin, call.part("tenant"), &filter, after.as_ref(), call.limit()?).await?))
    }

    pub(in crate::api) async fn one(call: Call) -> Result<Value, Problem> {
        let detail = device::detail(&call.admin, call.part("device")).await?;
        Ok(json!({ "device": detail.device, "people": detail.people }))
    }

    pub(in crate::api) async fn step(call: Call) -> Result<Value, Problem> {
        let given: Step = call.read()?;
        let step = match given.step.as_str() {
            "remove" => Move::Remove,
            "wipe" => Move::Wipe,
            "force-remove" => Move::ForceRemove,
            "quarantine" => Move::Quarantine,
            "restore" => Move::Restore,
            "approve" => Move::Approve,
            "deny" => Move::Deny,
            _ => {
                let wanted = "a move: `remove`, `wipe`, `force-remove`, `quarantine`, `restore`, `approve` or `deny`";
                return Err(AdminError::Invalid { field: "step", given: given.step, wanted }.into());
            }
        };
        let state = device::step(&call.admin, call.part("device"), step).await?;
        Ok(json!({ "state": state.to_string() }))
    }

    pub(in crate::api) async fn ask_diagnostics(call: Call) -> Result<Value, Problem> {
        Ok(json!(diagnostics::ask(&call.admin, call.part("device")).await?))
    }

    pub(in crate::api) async fn diagnostics(call: Call) -> Result<Value, Problem> {
        Ok(json!({ "items": diagnostics::list(&call.admin, Some(call.part("device"))).await? }))
    }

    pub(in crate::api) async fn bundle(call: Call) -> Result<Value, Problem> {
        let bundle = diagnostics::read(&call.admin, call.part("request")).await?;
        Ok(json!({ "bundle": STANDARD.encode(bundle) }))
    }

    pub(in crate::api) async fn delete_diagnostics(call: Call) -> Result<Value, Problem> {
        diagnostics::delete(&call.admin, call.part("request")).await?;
        Ok(Value::Null)
    }

    pub(in crate::api) async fn break_glass(call: Call) -> Result<Value, Problem> {
        let given: NewBreakGlassCode = call.read()?;
        let life = humantime::parse_duration(&given.life).map_err(|_| AdminError::Invalid {
            field: "for",
            given: given.life.clone(),
            wanted: "a time such as `4h`",
        })?;
        let made = break_glass::make(&call.admin, call.part("device"), life).await?;
        Ok(json!({ "code": made.code, "until": made.until.to_string() }))
    }
}

pub(super) mod users {
    use super::*;
    use crate::admin::{AdminError, directory, user};
    use crate::store::person::PersonState;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NewUserCode {
        #[serde(rename = "for")]
        life: String,
    }

    pub(in crate::api) async fn code(call: Call) -> Result<Value, Problem> {
        use secrecy::ExposeSecret as _;
        let given: NewUserCode = call.read()?;
        let life = humantime::parse_duration(&given.life).map_err(|_| AdminError::Invalid {
            field: "for",
            given: given.life.clone(),
            wanted: "a time such as `24h`",
        })?;
        let made = user::proof_code(&call.admin, call.part("user"), life).await?;
        Ok(json!({ "code": made.code.expose_secret(), "until": made.until.to_string() }))
    }

    pub(in crate::api) async fn ask_again(call: Call) -> Result<Value, Problem> {
        user::ask_again(&call.admin, call.part("user")).await?;
        Ok(Value::Null)
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct UserState {
        state: String,
    }

    pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
        let (after, search) = (call.after()?, call.query.text("q"));
        Ok(rows(&user::page(&call.admin, call.part("tenant"), search, after.as_ref(), call.limit()?).await?))
    }

    pub(in crate::api) async fn put(call: Call) -> Result<Value, Problem> {
        let (tenant, name) = (call.part("tenant"), call.part("user"));
        let added = user::add(&call.admin, tenant, name).await;
        if matches!(added, Err(AdminError::Duplicate { .. })) {
            let tenant_id = call.admin.tenant_id(tenant).await?;
            // It may be there because this is a repetition; another tenant's stays a conflict.
            if let Ok(own) = user::by_name(&call.admin, name).await
                && own.tenant_id == tenant_id
            {
                return Ok(json!(own));
            }
        }
        Ok(json!(added?))
    }

    pub(in crate::api) async fn one(call: Call) -> Result<Value, Problem> {
        let detail = user::detail(&call.admin, call.part("user")).await?;
        Ok(json!({ "user": detail.person, "groups": detail.groups, "devices": detail.devices }))
    }

    pub(in crate::api) async fn delete(call: Call) -> Result<Value, Problem> {
        user::delete(&call.admin, call.part("user")).await?;
        Ok(Value::Null)
    }

    pub(in crate::api) async fn groups(call: Call) -> Result<Value, Problem> {
        let groups = directory::list_groups(&call.admin, call.part("tenant")).await?;
        let items = groups.iter().map(|(group, members)| {
            let mut row = json!(group);
            row["members"] = json!(members);
            row
        });
        Ok(json!({ "items": items.collect::<Vec<_>>() }))
    }

    pub(in crate::api) async fn set(call: Call) -> Result<Value, Problem> {
        let given: UserState = call.read()?;
        let wanted = "a state of a person: `active` or `suspended`";
        let state = given.state.parse::<PersonState>();
        let state = state.map_err(|()| AdminError::Invalid { field: "state", given: given.state, wanted })?;
        user::set_state(&call.admin, call.part("user"), state).await?;
        Ok(json!(user::by_name(&call.admin, call.part("user")).await?))
    }
}

pub(super) mod policy {
    use super::*;
    use crate::admin::policy;
    use crate::policy::Policy;

    pub(in crate::api) async fn one(call: Call) -> Result<Value, Problem> {
        call.admin.demand(crate::admin::Right::Read)?;
        Ok(json!(policy::show(&call.admin, call.part("tenant")).await?))
    }

    pub(in crate::api) async fn put(call: Call) -> Result<Value, Problem> {
        let given: Policy = call.read()?;
        Ok(json!(policy::replace(&call.admin, call.part("tenant"), given).await?))
    }
}

pub(super) mod keys {
    use super::*;
    use crate::admin::{Right, key};

    pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
        call.admin.demand(Right::Read)?;
        let row = |key: crate::store::signing_key::SigningKey| {
            json!({
                "id": key.id, "purpose": key.purpose.to_string(), "tenant_id": key.tenant_id, "created_at": key.created_at.to_string(),
                "retires_at": key.retires_at.map(|at| at.to_string()), "certificate": STANDARD.encode(&key.certificate),
            })
        };
        Ok(json!({ "items": key::list(&call.admin).await?.into_iter().map(row).collect::<Vec<_>>() }))
    }
}

pub(super) mod audit {
    use super::*;
    use crate::admin::audit;
    use crate::store::audit::{AuditFilter, AuditKind};

    pub(in crate::api) async fn list(call: Call) -> Result<Value, Problem> {
        let kind = match call.query.text("kind") {
            "refusals" => AuditKind::Refusals,
            "changes" => AuditKind::Changes,
            _ => AuditKind::All,
        };
        let filter = AuditFilter { kind, actor: call.query.some("actor"), subject: call.query.some("subject") };
        let after = call.after()?;
        Ok(rows(&audit::page(&call.admin, call.part("tenant"), &filter, after.as_ref(), call.limit()?).await?))
    }
}
