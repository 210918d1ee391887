//! A passkey of the person's own as a proof: registered on their own page, where they had proved already who they are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use saml::name::MessageId;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::browser::{Asked, entry, proved};
use crate::admin::passkey::{Used, answered};
use crate::sign_on::Portal;
use crate::store::person_passkey::{self, PersonPasskey};
use crate::store::{StoreError, audit, proof};
use crate::webauthn::{self, Asserted, Assertion, NotBelieved, RelyingParty};

/// What a proof by a passkey is called.
const METHOD: &str = "passkey";

/// What the challenge for a question is bound to: the question, which is one browser's.
#[must_use]
pub(crate) fn held_for(asked: &Asked) -> String {
    format!("proof {}", asked.request.id)
}

/// Takes what a passkey has signed for the question; says which sign-on goes on, if it was good.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn take(
    portal: &Portal,
    asked: &Asked,
    used: Used,
    now: UtcTime,
) -> Result<Option<MessageId>, StoreError> {
    let party = RelyingParty::of(portal.cloud.base());
    let claimed = webauthn::claimed_challenge(&used.client_data).unwrap_or_default();
    let challenge = answered(&portal.store, &claimed, &held_for(asked), now).await?.then_some(claimed);
    let asked = asked.clone();
    let taken = portal.store.write(move |connection| {
        Box::pin(async move {
            match check(connection, &party, &asked, (challenge.as_deref(), &used)).await? {
                Ok(passkey) => {
                    person_passkey::note_use(connection, &passkey, now).await?;
                    proved(connection, &asked, METHOD, now).await
                }
                Err(why) => {
                    proof::count_try(connection, &asked.request.id).await?;
                    let mut entry = entry(&asked, METHOD, "proof-refused", now);
                    entry.detail["why"] = serde_json::json!(why);
                    audit::append(connection, entry).await?;
                    Ok(None)
                }
            }
        })
    });
    taken.await
}

/// The passkey as it is after the use, if it is the person's who is asked, and answers `challenge`; else why not.
async fn check(
    connection: &mut AnyConnection,
    party: &RelyingParty,
    asked: &Asked,
    (challenge, used): (Option<&[u8]>, &Used),
) -> Result<Result<PersonPasskey, String>, StoreError> {
    let known = person_passkey::by_id(connection, &URL_SAFE_NO_PAD.encode(&used.credential_id)).await?;
    let Some(known) = known else { return Ok(Err("nobody has registered it".to_owned())) };
    let is_theirs = asked.person_id.as_deref() == Some(known.person_id.as_str());
    if !is_theirs || used.user_handle != known.person_id.as_bytes() {
        return Ok(Err("it is another person's".to_owned()));
    }
    let Some(challenge) = challenge else { return Ok(Err(NotBelieved::Challenge.to_string())) };
    let assertion = Assertion {
        client_data: &used.client_data,
        authenticator_data: &used.authenticator_data,
        signature: &used.signature,
    };
    let checked =
        webauthn::verify_assertion(party, challenge, assertion, (known.public_key.as_slice(), known.sign_count));
    Ok(match checked {
        Ok(Asserted { sign_count, is_backed_up }) => Ok(PersonPasskey { sign_count, is_backed_up, ..known }),
        Err(error) => Err(error.to_string()),
    })
}
