//! What a tenant's first page shows: how sign-on goes, what the devices are, what needs somebody soon.

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::{Admin, AdminError, Right};
use crate::grade::Grade;
use crate::store::device::{self, Facet};
use crate::store::sign_on_count::{self, SignOnCount};
use crate::store::tenant::Tenant;
use crate::store::token::{self, Token};

/// Hours that the chart of sign-ons shows, the running one among them.
pub const HOURS: i64 = 48;
/// Seconds over which refusals are summed.
const REFUSALS_OVER_SECONDS: i64 = 7 * 86_400;
/// A token that expires within this is near its end, in seconds.
const SOON_SECONDS: i64 = 14 * 86_400;

/// Sign-ons of one hour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hour {
    /// When it began.
    pub begins: UtcTime,
    /// How many were answered with an assertion.
    pub signed_on: i64,
    /// How many were refused.
    pub refused: i64,
}

/// Everything on a tenant's first page.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The last [`HOURS`] hours, the oldest first, each of them there.
    pub hours: Vec<Hour>,
    /// Codes of refusals in the last seven days, the most frequent first.
    pub refusals: Vec<(String, i64)>,
    /// Devices by state.
    pub states: Vec<(String, i64)>,
    /// Devices by platform.
    pub platforms: Vec<(String, i64)>,
    /// Devices by what protects their key.
    pub key_protections: Vec<(String, i64)>,
    /// Devices by version of the agent.
    pub versions: Vec<(String, i64)>,
    /// What lets somebody be signed in as somebody else, and what ends it.
    pub risks: Vec<Risk>,
    /// Tokens that expire within two weeks or are nearly used up.
    pub ending_tokens: Vec<Token>,
}

/// Something that lets a claim stand for a person: what it is worth to an attacker, and what ends it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Risk {
    /// What there is, with its number.
    pub what: String,
    /// Who gets what by it.
    pub worth: &'static str,
    /// What an administrator does to end it.
    pub next_action: &'static str,
}

/// Reads the overview of `tenant`.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn of(admin: &Admin, tenant: &str) -> Result<Overview, AdminError> {
    admin.demand(Right::Read)?;
    let tenant = super::tenant::named(admin, tenant).await?;
    let tenant_id = tenant.id.clone();
    let mut connection = admin.store.read().await?;
    let counts =
        sign_on_count::since(&mut connection, &tenant_id, admin.now.plus_seconds(-REFUSALS_OVER_SECONDS)).await?;
    let soon = admin.now.plus_seconds(SOON_SECONDS);
    Ok(Overview {
        hours: hours(&counts, admin.now),
        refusals: refusals(&counts),
        states: device::count_by(&mut connection, &tenant_id, Facet::State).await?,
        platforms: device::count_by(&mut connection, &tenant_id, Facet::Platform).await?,
        key_protections: device::count_by(&mut connection, &tenant_id, Facet::KeyProtection).await?,
        versions: device::count_by(&mut connection, &tenant_id, Facet::AgentVersion).await?,
        risks: risks(&mut connection, &tenant, admin.now).await?,
        ending_tokens: token::near_their_end(&mut connection, &tenant_id, admin.now, soon).await?,
    })
}

/// What is weak about how people are recognised.
async fn risks(connection: &mut AnyConnection, tenant: &Tenant, now: UtcTime) -> Result<Vec<Risk>, AdminError> {
    let mut risks = Vec::new();
    if tenant.minimum_evidence > Grade::Claimed {
        // No claim signs anybody in.
        return Ok(risks);
    }
    let believed = device::count_believed(connection, &tenant.id).await?;
    if tenant.known_by_claim && believed > 0 {
        risks.push(Risk {
            what: format!("{believed} devices may sign in anybody of this tenant by their own word"),
            worth: "Root on any of them can be anybody at every service.",
            next_action: "`tenant set NAME --known-by-claim off`: people then prove once on each new device who they are; where they have signed on before nothing changes.",
        });
    }
    let tokens = token::count_believing(connection, &tenant.id, now).await?;
    if tokens > 0 {
        risks.push(Risk {
            what: format!("{tokens} device tokens enrol devices whose word is believed (`--people any`)"),
            worth: "A stolen one buys a device that signs in as people the tenant does not know yet.",
            next_action: "Make tokens with `--people proven`, or `listed`, and revoke these.",
        });
    }
    let claims = tenant.policy.rules.iter().filter(|rule| rule.minimum_claim.is_some()).count();
    if claims > 0 {
        risks.push(Risk {
            what: format!("{claims} rules demand a kind of claim"),
            worth: "A claim is the device's word: root on a device can write any kind.",
            next_action: "Demand a grade: `policy require --minimum-evidence proved`.",
        });
    }
    Ok(risks)
}

fn hours(counts: &[SignOnCount], now: UtcTime) -> Vec<Hour> {
    let running = now.unix_seconds().div_euclid(3600);
    let hour = |number: i64| {
        let begins = UtcTime::from_unix_seconds(number * 3600);
        let of_hour = counts.iter().filter(|count| count.hour == begins);
        let sum =
            |good: bool| of_hour.clone().filter(|count| (count.result == "ok") == good).map(|count| count.times).sum();
        Hour { begins, signed_on: sum(true), refused: sum(false) }
    };
    (running - HOURS + 1..=running).map(hour).collect()
}

fn refusals(counts: &[SignOnCount]) -> Vec<(String, i64)> {
    let mut by_code = std::collections::BTreeMap::new();
    for count in counts.iter().filter(|count| count.result != "ok") {
        *by_code.entry(count.result.clone()).or_insert(0) += count.times;
    }
    let mut by_code: Vec<_> = by_code.into_iter().collect();
    by_code.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    by_code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_is_there_and_refusals_are_summed_by_code() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let this_hour = UtcTime::from_unix_seconds(now.unix_seconds().div_euclid(3600) * 3600);
        let count = |hours_ago: i64, result: &str, times| SignOnCount {
            hour: this_hour.plus_seconds(-3600 * hours_ago),
            result: result.to_owned(),
            times,
        };
        let counts = [count(60, "busy", 2), count(1, "busy", 1), count(1, "ok", 7), count(0, "device-limit", 2)];
        let hours = hours(&counts, now);
        assert_eq!(hours.len(), 48);
        assert_eq!(hours[46], Hour { begins: this_hour.plus_seconds(-3600), signed_on: 7, refused: 1 });
        assert_eq!(hours[47], Hour { begins: this_hour, signed_on: 0, refused: 2 });
        assert_eq!(refusals(&counts), [("busy".to_owned(), 3), ("device-limit".to_owned(), 2)]);
    }
}
