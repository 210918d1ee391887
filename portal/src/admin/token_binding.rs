//! Tokens that are bound to machines, and tokens that take the place of others.

use std::time::Duration;

use saml::token::{DeviceToken, TokenId};
use serde_json::json;

use super::token::CreatedToken;
use super::{Admin, AdminError, Done, Noun};
use crate::random;
use crate::store::token::{self, BindingKind, Token};

/// Machines in one list at most.
const MOST: usize = 100_000;
/// The longest time that an old token may go on beside the new one.
const LONGEST_OVERLAP: Duration = Duration::from_secs(366 * 86_400);

/// Machines by the names that administrators have for them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Machines {
    /// Makers' serial numbers.
    pub serials: Vec<String>,
    /// The management's own ids.
    pub external_ids: Vec<String>,
}

impl Machines {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.serials.is_empty() && self.external_ids.is_empty()
    }

    /// Reads a list of comma-separated values: its first line names the columns, `serial` and `external-id` in any order
    /// among others, each further line is one machine. Quotes around a value are taken off.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] with the number of the line.
    pub fn from_csv(text: &str) -> Result<Self, AdminError> {
        let invalid = |given: String, wanted| AdminError::Invalid { field: "machines", given, wanted };
        let mut lines =
            text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, heading) = lines.next().ok_or_else(|| invalid(String::new(), "a list of machines: it is empty"))?;
        let headings: Vec<_> = cells(heading).map(str::to_ascii_lowercase).collect();
        let column = |name: &str| headings.iter().position(|heading| heading == name);
        let (serial, external_id) = (column("serial"), column("external-id"));
        if serial.is_none() && external_id.is_none() {
            let wanted = "the first line of a list of machines: it names the columns `serial` or `external-id`";
            return Err(invalid(heading.to_owned(), wanted));
        }
        let mut machines = Self::default();
        for (number, line) in lines {
            let values: Vec<_> = cells(line).collect();
            let value =
                |column: Option<usize>| column.and_then(|column| values.get(column)).filter(|value| !value.is_empty());
            let (serial, external_id) = (value(serial), value(external_id));
            if serial.is_none() && external_id.is_none() {
                let wanted = "a machine: it has neither a serial number nor an external id";
                return Err(invalid(format!("line {}", number + 1), wanted));
            }
            machines.serials.extend(serial.map(|value| (*value).to_owned()));
            machines.external_ids.extend(external_id.map(|value| (*value).to_owned()));
        }
        Ok(machines)
    }

    /// Checks what a list may hold.
    pub(super) fn checked(self) -> Result<Self, AdminError> {
        let invalid = |given: String, wanted| Err(AdminError::Invalid { field: "machines", given, wanted });
        let number = self.serials.len() + self.external_ids.len();
        if number > MOST {
            return invalid(number.to_string(), "a number of machines for one token: 100,000 at most");
        }
        let mut names = self.serials.iter().chain(&self.external_ids);
        match names.find(|name| name.trim().is_empty() || name.len() > 255 || name.chars().any(char::is_control)) {
            Some(name) => invalid(name.clone(), "a serial number or external id: 1 to 255 characters"),
            None => Ok(self),
        }
    }

    pub(super) async fn bind(&self, connection: &mut sqlx::AnyConnection, id: &TokenId) -> Result<(), AdminError> {
        let serials = self.serials.iter().map(|value| (BindingKind::Serial, value));
        for (kind, value) in serials.chain(self.external_ids.iter().map(|value| (BindingKind::ExternalId, value))) {
            token::bind(connection, id, kind, value.trim()).await?;
        }
        Ok(())
    }
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"').trim())
}

/// Lets a token that is bound to machines enrol these too; says how many were given.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`] where the token is bound to none: it enrols every machine already.
pub async fn bind(admin: &Admin, id: &TokenId, machines: Machines) -> Result<usize, AdminError> {
    let machines = machines.checked()?;
    let (id, name) = (id.clone(), id.to_string());
    admin
        .change("token.bind", (Noun::Token, &name), move |connection| {
            Box::pin(async move {
                let row = known(connection, &id).await?;
                if !row.is_bound {
                    let wanted = "a token that is bound to machines: make one with a list of them";
                    return Err(AdminError::Invalid { field: "token", given: id.to_string(), wanted });
                }
                machines.bind(connection, &id).await?;
                let number = machines.serials.len() + machines.external_ids.len();
                Ok(Done { tenant_id: Some(row.tenant_id), detail: json!({ "machines": number }), value: number })
            })
        })
        .await
}

/// Makes a token with the limits of `id`, which ends after `overlap`: deploy the new one in that time.
///
/// The new one lives as long as the old one was to live, and has the uses that the old one has left.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`] where the old one enrols nothing any more, or for the overlap.
pub async fn rotate(admin: &Admin, id: &TokenId, overlap: Duration) -> Result<CreatedToken, AdminError> {
    if overlap > LONGEST_OVERLAP {
        let given = humantime::format_duration(overlap).to_string();
        return Err(AdminError::Invalid { field: "overlap", given, wanted: "an overlap: a year at most" });
    }
    let secret = DeviceToken::from_parts(TokenId::from_random(random::bytes()?), random::bytes()?);
    let (new_id, public_key) = (secret.id().clone(), secret.public_key());
    let (old_id, name, now, actor) = (id.clone(), id.to_string(), admin.now, admin.actor.to_string());
    let ends_at = now.plus_seconds(i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX));
    let token = admin
        .change("token.rotate", (Noun::Token, &name), move |connection| {
            Box::pin(async move {
                let old = known(connection, &old_id).await?;
                if super::token::standing(&old, now) != "active" {
                    let wanted = "a token that enrols devices: make a new one instead";
                    return Err(AdminError::Invalid { field: "token", given: old_id.to_string(), wanted });
                }
                let life = old.expires_at.map(|expires_at| expires_at.seconds_since(old.created_at));
                let row = Token {
                    id: new_id,
                    public_key,
                    created_by: actor,
                    use_limit: old.use_limit.map(|limit| limit - old.uses),
                    uses: 0,
                    hour: 0,
                    hour_uses: 0,
                    last_used_at: None,
                    expires_at: life.map(|life| now.plus_seconds(life)),
                    rotated_from: Some(old_id.clone()),
                    created_at: now,
                    ..old
                };
                token::insert(connection, &row).await?;
                token::copy_bindings(connection, &old_id, &row.id).await?;
                token::end_at(connection, &old_id, ends_at).await?;
                let detail = json!({ "new": row.id.to_string(), "old_ends": ends_at.to_string() });
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
            })
        })
        .await?;
    Ok(CreatedToken { token, secret })
}

async fn known(connection: &mut sqlx::AnyConnection, id: &TokenId) -> Result<Token, AdminError> {
    let row = token::by_id(connection, id).await?;
    row.ok_or_else(|| AdminError::missing(Noun::Token, &id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_machines_names_its_columns() {
        let text = "\u{feff}Name,Serial,External-Id\r\nlap,\"S 1\",\r\n\r\nlap2, S2 ,X2\r\n";
        let expected =
            Machines { serials: vec!["S 1".to_owned(), "S2".to_owned()], external_ids: vec!["X2".to_owned()] };
        assert_eq!(Machines::from_csv(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_list_of_machines_is_told_with_its_line() {
        for (text, told) in [("", "empty"), ("name\nlap\n", "`serial`"), ("serial\nS1\n\n,\n", "line 4")] {
            let error = Machines::from_csv(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
