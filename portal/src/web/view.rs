//! What pages show: the frame around them, times, states, rows.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use saml::time::UtcTime;

use super::access::Visitor;
use super::assets::Links;
use super::html;
use crate::admin::Right;
use crate::store::audit::Row;

/// Rows of a list on one page.
pub(super) const ROWS: u16 = 50;

/// What stands around every page of somebody who is signed in.
pub(crate) struct Frame {
    pub(crate) links: Links,
    pub(crate) title: String,
    pub(crate) tenant: Option<String>,
    pub(crate) section: &'static str,
    pub(crate) user: String,
    pub(crate) role: String,
    pub(crate) form_token: String,
    pub(crate) notice: Option<&'static str>,
    owns: bool,
}

impl Frame {
    pub(super) fn new(visitor: &Visitor, title: &str, tenant: Option<&str>, section: &'static str) -> Self {
        Self {
            links: Links,
            title: title.to_owned(),
            tenant: tenant.map(str::to_owned),
            section,
            user: visitor.who.account.name.clone(),
            role: visitor.who.account.role.to_string(),
            form_token: visitor.who.session.form_token.clone(),
            notice: notice(visitor.query.text("notice")),
            owns: visitor.admin().rights.contain(Right::Administrators),
        }
    }

    /// Where the tenant's pages are.
    pub(crate) fn base(&self) -> String {
        base(self.tenant.as_deref().unwrap_or_default())
    }

    /// The tenant's sections: end of the address, name.
    pub(crate) fn sections(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("", "Overview"),
            ("/devices", "Devices"),
            ("/users", "Users"),
            ("/tokens", "Device tokens"),
            ("/services", "Services"),
            ("/domains", "Domains"),
            ("/idp", "Identity providers"),
            ("/policy", "Sign-on"),
            ("/audit", "Audit"),
        ]
    }

    /// The portal's own sections.
    pub(crate) fn portal_sections(&self) -> &'static [(&'static str, &'static str)] {
        if self.owns {
            &[
                ("/tenants", "Tenants"),
                ("/administrators", "Administrators"),
                ("/api-keys", "API keys"),
                ("/signing-keys", "Signing keys"),
                ("/account", "Your account"),
            ]
        } else {
            &[("/tenants", "Tenants"), ("/account", "Your account")]
        }
    }
}

/// Where the tenant's pages are.
pub(super) fn base(tenant: &str) -> String {
    format!("/admin/t/{tenant}")
}

/// What a page says after a change. Only these texts: an address can't make a page say anything.
fn notice(code: &str) -> Option<&'static str> {
    Some(match code {
        "device-moved" => "Done: it holds from the device's next request on.",
        "devices-moved" => "Done: it holds from the devices' next requests on.",
        "some-not-moved" => "Some could not be moved from where they stand; the others were.",
        "diagnostics-asked" => {
            "It learns it at its next keep-alive; its policy decides whether somebody there has to allow it."
        }
        "diagnostics-deleted" => "The diagnostics are deleted.",
        "token-revoked" => "The token enrols no more devices.",
        "user-suspended" => "They can't sign on from any device any more.",
        "user-resumed" => "They can sign on again.",
        "user-asked-again" => "Each of their devices asks once more who they are.",
        "user-deleted" => "They are forgotten, and their devices are removed.",
        "user-added" => "They are provisioned.",
        "service-added" => "The service is registered.",
        "service-updated" => "The service's metadata is the new one from the next request on.",
        "service-removed" => "The service receives no more assertions.",
        "domain-added" => "The domain is the tenant's: its people can sign on.",
        "domain-removed" => "The domain is nobody's: its people can't sign on.",
        "saved" => "Saved: it holds from the next request on.",
        "activated" => "Activated: it holds from the next request on.",
        "prepared" => "Prepared. It holds when you activate it.",
        "discarded" => "The draft is thrown away.",
        "account-changed" => "The account is changed and its sessions have ended.",
        "linked" => "Linked: their sessions have ended, and they can sign in that way from now on.",
        "idp-added" => "Recorded. It signs in the accounts that you link with it.",
        "idp-removed" => "Removed: nobody is signed in by it any more.",
        "passkey-added" => "From now on the passkey signs you in, without password and code.",
        "passkey-removed" => "The passkey signs you in no more.",
        "key-revoked" => "The key opens nothing any more.",
        "password-changed" => "Your password is changed, and your other sessions have ended.",
        "totp-on" => "From now on you sign in with a code as well.",
        "totp-off" => "From now on your password alone signs you in.",
        _ => return None,
    })
}

/// A time, as people and as machines read it.
#[derive(Clone)]
pub(crate) struct When {
    pub(crate) stamp: String,
    pub(crate) ago: String,
}

impl When {
    pub(super) fn new(time: UtcTime, now: UtcTime) -> Self {
        let stamp = UtcTime::from_unix_seconds(time.unix_seconds()).to_string();
        let seconds = now.seconds_since(time);
        let span = match seconds.abs() {
            0..60 => "a moment".to_owned(),
            60..5400 => format!("{} min", seconds.abs() / 60),
            5400..172_800 => format!("{} h", seconds.abs() / 3600),
            _ => format!("{} days", seconds.abs() / 86_400),
        };
        let ago = if seconds >= 0 { format!("{span} ago") } else { format!("in {span}") };
        Self { stamp, ago }
    }
}

/// The colour of a state's badge: `good`, `warn`, `bad` or none.
pub(crate) fn tone(state: &str) -> &'static str {
    match state {
        "ok" | "signs" | "registered" | "active" | "on" | "enabled" => "good",
        "pending" | "removal-pending" | "invited" | "expired" | "used up" | "unregistered" => "warn",
        "removed" | "retired" | "listed" | "revoked" | "disabled" | "off" => "",
        _ => "bad",
    }
}

/// A row of the audit, as pages show it.
pub(crate) struct Event {
    pub(crate) at: When,
    pub(crate) action: String,
    pub(crate) detail: String,
    pub(crate) subject: String,
    pub(crate) result: String,
    pub(crate) meaning: &'static str,
    pub(crate) actor: String,
}

impl Event {
    pub(super) fn new(row: &Row, now: UtcTime) -> Self {
        let shown = |(name, value): (&String, &serde_json::Value)| {
            if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
                return None;
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text: String = text.chars().take(120).collect();
            (name != "request").then(|| format!("{name}: {text}"))
        };
        let detail: Vec<_> = row.detail.as_object().into_iter().flatten().filter_map(shown).collect();
        let code = row.result.parse::<saml::refusal::RefusalCode>().ok();
        Self {
            at: When::new(row.at, now),
            action: row.action.clone(),
            detail: detail.join(", "),
            subject: row.subject.clone(),
            result: row.result.clone(),
            meaning: code.map_or("", saml::refusal::RefusalCode::meaning),
            actor: row.actor.clone(),
        }
    }

    pub(super) fn all(rows: &[Row], now: UtcTime) -> Vec<Self> {
        rows.iter().map(|row| Self::new(row, now)).collect()
    }
}

/// A question before something is done, with what will happen.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub(super) frame: Frame,
    pub(super) question: String,
    pub(super) consequences: Vec<String>,
    pub(super) things: Vec<String>,
    pub(super) hidden: Vec<(String, String)>,
    pub(super) option: Option<(&'static str, String)>,
    /// Whether it takes the password of who is signed in.
    pub(super) wants_password: bool,
    pub(super) button: &'static str,
    pub(super) is_harsh: bool,
    pub(super) action: String,
    pub(super) back: String,
}

impl Confirm {
    pub(super) fn new(frame: Frame, question: String, button: &'static str, action: String, back: String) -> Self {
        Self {
            frame,
            question,
            consequences: Vec::new(),
            things: Vec::new(),
            hidden: Vec::new(),
            option: None,
            wants_password: false,
            button,
            is_harsh: true,
            action,
            back,
        }
    }

    pub(super) fn page(&self) -> Response {
        html(StatusCode::OK, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        for (seconds, told) in [(5, "a moment ago"), (600, "10 min ago"), (7200, "2 h ago"), (-864_000, "in 10 days")] {
            assert_eq!(When::new(now.plus_seconds(-seconds), now).ago, told);
        }
    }

    #[test]
    fn an_address_can_not_make_a_page_say_anything() {
        assert_eq!(notice("<b>Your account was hacked</b>"), None);
    }
}
