//! What somebody is signed in by: what they have proved on this device, or the device's claim where that is enough.

use saml::device::Evidence;
use saml::refusal::RefusalCode;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::{PROOF_CODE, code, words};
use crate::decision::{PersonName, Stop};
use crate::evidence;
use crate::grade::Assurance;
use crate::policy::{demand, fits};
use crate::store::device::Device;
use crate::store::person::{OnDevice, Person, Proof};
use crate::store::proof::{self, ProofRequest};
use crate::store::tenant::Tenant;
use crate::store::token::{self, People};
use crate::store::{StoreError, directory};

/// Somebody at a device, and what speaks for them.
pub(crate) struct Subject<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) device: &'a Device,
    pub(crate) evidence: &'a Evidence,
    pub(crate) name: &'a PersonName,
    /// The person as the tenant knows them, and what is known of them on this device.
    pub(crate) known: Option<&'a (Person, Option<OnDevice>)>,
    /// The proof that the browser has brought back to the device.
    pub(crate) completing: Option<&'a str>,
    pub(crate) now: UtcTime,
}

/// What the person is signed in by, and what they have proved just now.
pub(crate) struct Assessed {
    pub(crate) assurance: Assurance,
    /// To be kept once the person is signed in.
    pub(crate) proof: Option<Proof>,
}

impl Subject<'_> {
    /// Finds out how far the portal has checked who the person is, and whether that is as far as device and tenant demand.
    ///
    /// # Errors
    /// [`RefusalCode::ProofNeeded`], [`RefusalCode::UserNotListed`], [`RefusalCode::ProofRefused`], [`RefusalCode::EvidenceTooWeak`].
    pub(crate) async fn assess(&self, connection: &mut AnyConnection) -> Result<Assessed, Stop> {
        let proved_now = match self.completing {
            Some(id) => Some(self.complete(connection, id).await?),
            None => self.code(connection).await?,
        };
        let earlier = self.known.and_then(|(_, on_device)| on_device.as_ref()?.proof.as_ref());
        let earlier = earlier.filter(|proof| self.now < proof.ends_at && proof.account == self.account());
        let method = proved_now.as_deref().or(earlier.map(|proof| proof.method.as_str()));
        let assurance = match method {
            Some(method) => Assurance::proved(method),
            None => {
                self.check_claim(connection).await?;
                Assurance::claimed(self.evidence.grade)
            }
        };
        demand(assurance.grade, self.tenant.minimum_evidence)?;
        let proof = proved_now.map(|method| Proof {
            method,
            account: self.account().to_owned(),
            proved_at: self.now,
            ends_at: self.now.plus_seconds(self.tenant.proof_days * 86_400),
        });
        Ok(Assessed { assurance, proof })
    }

    /// The operating system's id of the account, which stays when the account is renamed.
    fn account(&self) -> &str {
        account(self.evidence)
    }

    /// Takes the proof that the browser has brought back, if it is this person's, for this device and this account.
    async fn complete(&self, connection: &mut AnyConnection, id: &str) -> Result<String, Stop> {
        let asked = proof::by_id(connection, id).await?.ok_or(RefusalCode::SignOnOver)?;
        if !proof::use_up(connection, id, self.now).await? {
            return Err(RefusalCode::SignOnOver.into());
        }
        let ProofRequest { tenant_id, device_id, name_id, account, method, .. } = asked;
        // Somebody who proves who they are in a browser on another machine has been sent there by the device that asked: its page may be a trap.
        let is_same = tenant_id == self.tenant.id
            && device_id == self.device.id
            && name_id == self.name.name_id
            && account == self.account();
        if is_same {
            method.ok_or_else(|| RefusalCode::SignOnOver.into())
        } else {
            Err(RefusalCode::ProofNeeded.into())
        }
    }

    /// Takes the one-time code that came with the request, if one did.
    async fn code(&self, connection: &mut AnyConnection) -> Result<Option<String>, Stop> {
        let Some(given) = evidence::value(&self.evidence.attributes, PROOF_CODE) else { return Ok(None) };
        let device = self.device.id.as_str();
        match code::take(connection, &self.tenant.id, &self.name.name_id, device, given, self.now).await? {
            true => Ok(Some(code::METHOD.to_owned())),
            false => Err(RefusalCode::ProofRefused.into()),
        }
    }

    /// Whether the device's word is enough.
    async fn check_claim(&self, connection: &mut AnyConnection) -> Result<(), Stop> {
        match self.device.people {
            People::Proven => return Err(RefusalCode::ProofNeeded.into()),
            People::Listed if !self.is_listed(connection).await? => return Err(RefusalCode::UserNotListed.into()),
            People::Listed | People::Any => {}
        }
        let is_new_here = self.known.is_some_and(|(_, on_device)| on_device.is_none());
        if is_new_here && !self.tenant.known_by_claim {
            return Err(RefusalCode::ProofNeeded.into());
        }
        Ok(())
    }

    async fn is_listed(&self, connection: &mut AnyConnection) -> Result<bool, StoreError> {
        let Some(token) = token::by_id(connection, &self.device.token_id).await? else { return Ok(false) };
        if token.people_names.iter().any(|pattern| fits(pattern, &self.name.name_id)) {
            return Ok(true);
        }
        let Some((person, _)) = self.known.filter(|_| !token.people_groups.is_empty()) else { return Ok(false) };
        let groups = directory::group_names(connection, &person.id).await?;
        Ok(groups.iter().any(|group| token.people_groups.contains(group)))
    }
}

/// The operating system's id of the account in `evidence`; a device that states none has one account without a name.
pub(crate) fn account(evidence: &Evidence) -> &str {
    evidence::value(&evidence.attributes, evidence::ACCOUNT_ID).unwrap_or_default()
}

/// Keeps that the person is asked, for the browser that waits in `transaction`.
pub(crate) async fn ask(connection: &mut AnyConnection, row: ProofRequest) -> Result<(), StoreError> {
    let words = words::random()?;
    proof::insert(connection, &ProofRequest { words, ..row }).await
}

/// Whether a demand that is not met can be met by a proof.
#[must_use]
pub(crate) fn helps(code: RefusalCode) -> bool {
    code == RefusalCode::ProofNeeded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grade::Grade;

    #[test]
    fn only_what_a_person_can_do_by_themselves_is_asked_of_them() {
        assert!(helps(demand(Grade::Claimed, Grade::Proved).unwrap_err()));
        assert!(!helps(demand(Grade::Claimed, Grade::Verified).unwrap_err()));
    }
}
