//! Proofs: somebody shows once who they are, for one device and one account of its operating system, and is signed in silently from then on.
//!
//! The device's request, which the portal refuses with `proof-needed` → the question is kept with the sign-on that waits ([`ask`]) → the browser
//! comes back from its device and is asked ([`browser::page`]) → the person shows a factor of their own ([`browser::proved`]) → the browser goes to
//! the device once more, with a sign-on that says so → the device's next request names that sign-on, and the proof is kept ([`assess`]).
//!
//! What makes it worthless to talk somebody into it: the last step leads to the loopback address of the machine on which the browser runs. A person
//! who follows another device's link proves who they are to their own device, or to nobody.

mod approval;
mod assess;
pub(crate) mod browser;
pub(crate) mod code;
pub(crate) mod passkey;
mod words;

pub(crate) use approval::{Approved, Approver, Choice, Open, approve, open};
pub(crate) use assess::{Assessed, Subject, account, ask, helps};

use saml::time::UtcTime;

use crate::store::{Store, StoreError, person_session, proof};

/// Name of the attribute of evidence with a one-time code, as the device sends it.
pub(crate) const PROOF_CODE: &str = saml::device::PROOF_CODE;
/// For how long somebody may take to prove who they are, in seconds.
pub(crate) const LIFE_SECONDS: i64 = 900;

/// Forgets questions that are over, and codes and tries of the day before.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_old(store: &Store, now: UtcTime) -> Result<(), StoreError> {
    let before = now.plus_seconds(-86_400);
    let forgotten = store.write(move |connection| {
        Box::pin(async move {
            proof::forget_before(connection, before).await?;
            person_session::forget_before(connection, before).await
        })
    });
    forgotten.await
}
