//! Approval: somebody who is asked on one device says yes on another that is theirs already, by picking the two words that the first one shows.

use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use super::browser::{Asked, entry, open as question, proved};
use super::{LIFE_SECONDS, words};
use crate::store::proof::{self, ProofRequest};
use crate::store::{StoreError, audit};

/// What a proof by approval is called.
const METHOD: &str = "approval";

/// Somebody on a device on which they have proved who they are.
pub(crate) struct Approver<'a> {
    pub(crate) tenant_id: &'a str,
    pub(crate) name_id: &'a str,
    pub(crate) device_id: &'a str,
}

/// A question that waits for approval on another device.
pub(crate) struct Open {
    pub(crate) request: ProofRequest,
    /// Three pairs of words, one of which the other device shows.
    pub(crate) choices: [String; 3],
}

/// The person's questions on other devices than `approver`'s, the newest first.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn open(
    connection: &mut AnyConnection,
    approver: &Approver<'_>,
    now: UtcTime,
) -> Result<Vec<Open>, StoreError> {
    let since = now.plus_seconds(-LIFE_SECONDS);
    let all = proof::open_of_person(connection, approver.tenant_id, approver.name_id, since).await?;
    let others = all.into_iter().filter(|request| request.device_id.as_str() != approver.device_id);
    Ok(others.map(|request| Open { choices: words::choices(&request.id, &request.words), request }).collect())
}

/// What the person has chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    /// These words.
    Words(String),
    /// They have not begun this.
    NotMine,
}

/// How an approval ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Approved {
    /// The other device goes on.
    Yes,
    /// It has ended: the words were others, or the person has not begun it.
    No,
    /// It was over before.
    Over,
}

/// Takes the person's choice for the question `id`. Whatever is not the right pair of words ends the question: nobody guesses twice.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn approve(
    connection: &mut AnyConnection,
    approver: &Approver<'_>,
    (id, choice): (&str, &Choice),
    now: UtcTime,
) -> Result<Approved, StoreError> {
    let asked = question(connection, id, now).await?;
    let asked = asked.filter(|asked| {
        let request = &asked.request;
        request.tenant_id == approver.tenant_id
            && request.name_id == approver.name_id
            && request.device_id.as_str() != approver.device_id
            && request.proved_at.is_none()
    });
    let Some(asked) = asked else { return Ok(Approved::Over) };
    let is_right = *choice == Choice::Words(asked.request.words.clone());
    note(connection, &asked, (approver, choice), now).await?;
    if is_right {
        let went_on = proved(connection, &asked, METHOD, now).await?.is_some();
        return Ok(if went_on { Approved::Yes } else { Approved::Over });
    }
    proof::delete(connection, id).await?;
    Ok(Approved::No)
}

/// The row of the audit about the choice.
async fn note(
    connection: &mut AnyConnection,
    asked: &Asked,
    (approver, choice): (&Approver<'_>, &Choice),
    now: UtcTime,
) -> Result<(), StoreError> {
    let result = match choice {
        Choice::Words(words) if *words == asked.request.words => "ok",
        Choice::Words(_) => "other-words",
        Choice::NotMine => "not-mine",
    };
    let mut entry = entry(asked, METHOD, result, now);
    entry.action = "user.approve";
    entry.detail["by"] = json!(approver.device_id);
    audit::append(connection, entry).await
}

#[cfg(test)]
mod tests {
    use saml::name::MessageId;

    use super::*;
    use crate::admin::{Actor, Admin, tenant};
    use crate::store::browser_sign_on::{self, BrowserSignOn, Scope};
    use crate::store::testing;

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);

    /// A question that was put to the browser `b` at [`NOW`].
    async fn asked(connection: &mut AnyConnection, tenant_id: &str) {
        let transaction = MessageId::from_random([1; 20]);
        let waiting = BrowserSignOn {
            id: transaction.clone(),
            tenant_id: tenant_id.to_owned(),
            issuer: crate::store::issuer::Issuer::Own,
            service: "https://wiki.test".parse().unwrap(),
            request_id: MessageId::from_random([2; 20]),
            acs_url: "https://wiki.test/acs".to_owned(),
            relay_state: None,
            scope: Scope::default(),
            elsewhere: None,
            is_passive: false,
            name_format: None,
            proof_request: None,
            demands: crate::demands::Demands::default(),
            browser_id: None,
            port: None,
            created_at: NOW,
            deadline: None,
            used_at: None,
        };
        browser_sign_on::insert(connection, &waiting).await.unwrap();
        browser_sign_on::send_on(connection, &transaction, ("b", 28_517), NOW).await.unwrap();
        let request = ProofRequest {
            id: "question".to_owned(),
            tenant_id: tenant_id.to_owned(),
            device_id: "urn:countersign:device:new".parse().unwrap(),
            hostname: "new".to_owned(),
            name_id: "alice@example.test".to_owned(),
            account: "1000".to_owned(),
            address: "192.0.2.7".to_owned(),
            service: "https://wiki.test".to_owned(),
            words: "amber tiger".to_owned(),
            transaction_id: transaction,
            completion_id: None,
            method: None,
            tries: 0,
            created_at: NOW,
            proved_at: None,
            used_at: None,
        };
        proof::insert(connection, &request).await.unwrap();
    }

    #[tokio::test]
    async fn a_question_is_approved_in_its_time_from_another_device() {
        let (_dir, store) = testing::store().await;
        let admin = Admin::whole(store.clone(), Actor::CommandLine, NOW);
        let tenant_id = tenant::create(&admin, "acme").await.unwrap().id;
        let work = store.write(move |connection| {
            Box::pin(async move {
                asked(connection, &tenant_id).await;
                let at = |device_id| Approver { tenant_id: &tenant_id, name_id: "alice@example.test", device_id };
                let words = ("question", &Choice::Words("amber tiger".to_owned()));
                let late = NOW.plus_seconds(LIFE_SECONDS + 1);
                let (old, new) = (at("urn:countersign:device:old"), at("urn:countersign:device:new"));
                assert_eq!(approve(connection, &old, words, late).await?, Approved::Over);
                assert_eq!(approve(connection, &new, words, NOW).await?, Approved::Over);
                assert_eq!(open(connection, &old, late).await?.len(), 0);
                assert_eq!(open(connection, &new, NOW).await?.len(), 0);
                assert_eq!(open(connection, &old, NOW).await?.len(), 1);
                assert_eq!(approve(connection, &old, words, NOW.plus_seconds(LIFE_SECONDS)).await?, Approved::Yes);
                Ok(())
            })
        });
        work.await.unwrap();
    }
}
