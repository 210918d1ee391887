//! Who made an API key or an invitation, and what they may do now: what somebody has made ends with their account, and never opens more than
//! they may do themselves.

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::{Right, Rights};
use crate::store::{StoreError, administrator, api_key};

/// A key that was made by a key that was made by a key … is followed so far.
const LONGEST_CHAIN: usize = 8;

/// What `made_by`, an actor as the audit writes it, may do at `now`; none where the account or the key that made something at `made_at` is gone,
/// disabled or over, and has perhaps been made anew by the same name.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn rights_of(
    connection: &mut AnyConnection,
    made_by: &str,
    made_at: UtcTime,
    now: UtcTime,
) -> Result<Option<Rights>, StoreError> {
    let (mut made_by, mut made_at, mut rights) = (made_by.to_owned(), made_at, Rights::all());
    for _ in 0..LONGEST_CHAIN {
        if let Some(name) = made_by.strip_prefix("administrator ") {
            let account = administrator::by_name(connection, name).await?;
            let account = account.filter(|account| account.enabled && account.created_at <= made_at);
            return Ok(account.map(|account| both(rights, account.role.rights())));
        }
        // The command line has the machine.
        let Some(id) = made_by.strip_prefix("API key ") else { return Ok(Some(rights)) };
        let Some(key) = api_key::by_id(connection, id).await? else { return Ok(None) };
        if key.revoked_at.is_some() || key.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Ok(None);
        }
        rights = both(rights, key.scopes.iter().filter_map(|scope| scope.parse::<Right>().ok()).collect());
        (made_by, made_at) = (key.created_by, key.created_at);
    }
    Ok(None)
}

/// What is in both.
pub(super) fn both(one: Rights, other: Rights) -> Rights {
    one.iter().filter(|right| other.contain(*right)).collect()
}
