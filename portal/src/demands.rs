//! What a service's request demands of the person and of the way of signing in: kept until somebody has signed in, and heeded then.

use saml::name::{EntityId, NameId, NameIdFormat};
use saml::request::{AuthnRequest, Comparison, RequestedAuthnContext};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use crate::authn_context;
use crate::issue::authn_contexts;
use crate::service_answer::Unable;
use crate::service_name;
use crate::store::StoreError;
use crate::store::person::Person;
use crate::store::service_provider::ServiceProvider;
use crate::store::service_session;

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What is kept of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Demands {
    /// The person that it asks for.
    pub subject: Option<Subject>,
    /// How they have to have signed in.
    pub context: Option<Context>,
    /// What is known from the beginning not to be possible: a service that is asked by a program hears it in the end.
    pub unable: Option<Unable>,
}

/// The person that a request asks for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Subject {
    /// Somebody of this name.
    Named {
        /// The URI of its format.
        format: String,
        /// The name itself.
        value: String,
    },
    /// Somebody who can't be anybody here: a name of another identity provider or for another service, or one that can't be read.
    Nobody,
}

/// `RequestedAuthnContext` (Core §3.3.2.2.1).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Context {
    /// `exact`, `minimum`, `maximum` or `better`.
    pub comparison: String,
    /// The classes; none where it names declarations, which nobody has here.
    pub classes: Vec<String>,
}

impl Context {
    /// As a request has it.
    #[must_use]
    pub fn requested(&self) -> RequestedAuthnContext {
        RequestedAuthnContext {
            comparison: Comparison::from_word(&self.comparison).unwrap_or_default(),
            class_refs: self.classes.clone(),
            decl_refs: Vec::new(),
        }
    }
}

/// What follows from the demands, where they are met.
#[derive(Clone, Debug)]
pub struct Heeded {
    /// The name by which the service has asked for the person; none: it has asked for nobody.
    pub name: Option<NameId>,
    /// The authentication context class that the service is told.
    pub context: String,
}

/// Somebody who has signed in, for a service.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// Who.
    pub person: &'a Person,
    /// The service that they sign in to.
    pub service: &'a ServiceProvider,
    /// The class of the way in which they have.
    pub context: &'a str,
}

impl Demands {
    /// What `request`, a service's, demands of the identity provider `own`.
    #[must_use]
    pub fn of(request: &AuthnRequest, own: &EntityId) -> Self {
        let details = &request.subject_details;
        let is_other = |qualifier: &Option<String>, own: &EntityId| {
            qualifier.as_deref().is_some_and(|qualifier| qualifier != own.as_str())
        };
        let subject = match &request.subject {
            _ if details.unreadable.as_deref() == Some("SubjectConfirmation") => None,
            None => details.unreadable.as_ref().map(|_| Subject::Nobody),
            Some(_) if is_other(&details.name_qualifier, own) => Some(Subject::Nobody),
            Some(_) if is_other(&details.sp_name_qualifier, &request.issuer) => Some(Subject::Nobody),
            Some(NameId { format, value }) => {
                Some(Subject::Named { format: format.uri().to_owned(), value: value.clone() })
            }
        };
        let context = request.requested_authn_context.as_ref().map(|asked| Context {
            comparison: asked.comparison.as_str().to_owned(),
            classes: asked.class_refs.clone(),
        });
        let other = details.confirmations.iter().find(|method| *method != BEARER);
        let unable = other.map(|method| Unable::Confirmation(method.clone()));
        Self { subject, context, unable }
    }

    /// Whether nothing is demanded of a class that the tenant has not allowed to be told; then another identity provider need not be asked for it.
    #[must_use]
    pub fn to_pass_on(&self, allowed: &[String]) -> Option<RequestedAuthnContext> {
        let requested = self.context.as_ref().filter(|context| !context.classes.is_empty())?.requested();
        // A class that nobody has is met only by `unspecified`, which asks for nothing.
        authn_context::told(&[], Some(&requested), ("", allowed)).is_none().then_some(requested)
    }

    /// The name of a person that another identity provider can be asked for: an address means the same there.
    #[must_use]
    pub fn address(&self) -> Option<NameId> {
        let Some(Subject::Named { format, value }) = &self.subject else { return None };
        let format = NameIdFormat::from_uri(format);
        (format == NameIdFormat::EmailAddress).then(|| NameId { format, value: value.clone() })
    }

    /// What the service gets, where `present` is who has signed in, for which service and how.
    ///
    /// # Errors
    /// [`StoreError`]; inside, what can't be done for the service.
    pub async fn heed(
        &self,
        connection: &mut AnyConnection,
        present: Present<'_>,
    ) -> Result<Result<Heeded, Unable>, StoreError> {
        if let Some(unable) = &self.unable {
            return Ok(Err(unable.clone()));
        }
        let name = match &self.subject {
            None => None,
            Some(Subject::Nobody) => return Ok(Err(Unable::Subject)),
            Some(Subject::Named { format, value }) => {
                let asked = NameId { format: NameIdFormat::from_uri(format), value: value.clone() };
                let Some(name) = same_person(connection, asked, present).await? else {
                    return Ok(Err(Unable::Subject));
                };
                Some(name)
            }
        };
        let requested = self.context.as_ref().map(Context::requested);
        let allowed = &present.service.settings.authn_contexts;
        let told = authn_context::told_by_us(&authn_contexts(), requested.as_ref(), (present.context, allowed));
        Ok(told.map(|context| Heeded { name, context: context.to_owned() }).ok_or(Unable::Context))
    }
}

/// The name that the service has asked for, if it is the person's (Core §3.3.4). A name without a format may be any of theirs.
async fn same_person(
    connection: &mut AnyConnection,
    asked: NameId,
    Present { person, service, .. }: Present<'_>,
) -> Result<Option<NameId>, StoreError> {
    let may_be = |format: &NameIdFormat| asked.format == *format || asked.format == NameIdFormat::Unspecified;
    let as_asked = |value: &str| Some(NameId { format: asked.format.clone(), value: value.to_owned() });
    // A service that is not to learn addresses is not told either whether it has guessed one.
    let is_address = may_be(&NameIdFormat::EmailAddress) && !service.settings.withholds_names();
    if is_address && asked.value.eq_ignore_ascii_case(&person.name_id) {
        return Ok(as_asked(&person.name_id));
    }
    if may_be(&NameIdFormat::Persistent) && asked.value == service_name::pairwise(person, &service.entity_id) {
        return Ok(as_asked(&asked.value));
    }
    if may_be(&NameIdFormat::Transient) {
        let name = NameId { format: NameIdFormat::Transient, value: asked.value.clone() };
        let sessions = service_session::of_name(connection, &service.tenant_id, &service.entity_id, &name).await?;
        if sessions.iter().any(|session| session.person == person.name_id) {
            return Ok(as_asked(&asked.value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use saml::name::MessageId;
    use saml::request::SubjectDetails;
    use saml::time::UtcTime;

    use super::*;
    use crate::service_settings::{NameFormat, ServiceSettings};
    use crate::store::person::Origin;
    use crate::store::{Store, testing};

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);
    const OWN: &str = "https://portal.example";
    const HIGH: &str = "urn:countersign:1.0:ac:classes:directory";

    fn request(format: NameIdFormat, value: &str) -> AuthnRequest {
        let issuer = "https://service.example".parse().unwrap();
        let mut request = AuthnRequest::new(MessageId::from_random([1; 20]), NOW, issuer);
        request.subject = Some(NameId { format, value: value.to_owned() });
        request
    }

    fn service(settings: ServiceSettings) -> ServiceProvider {
        ServiceProvider {
            entity_id: "https://service.example".parse().unwrap(),
            tenant_id: "t".to_owned(),
            acs_url: "https://service.example/acs".to_owned(),
            metadata: String::new(),
            created_at: NOW,
            metadata_url: None,
            settings,
        }
    }

    fn alice() -> Person {
        Person::new("p".to_owned(), "t".to_owned(), "alice@example.test".to_owned(), Origin::SignOn, NOW)
    }

    async fn heeded(request: &AuthnRequest, settings: ServiceSettings) -> Result<Heeded, Unable> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&testing::database(dir.path()).await).await.unwrap();
        let (person, service) = (alice(), service(settings));
        let present = Present { person: &person, service: &service, context: HIGH };
        let demands = Demands::of(request, &OWN.parse().unwrap());
        let kept: Demands = serde_json::from_str(&serde_json::to_string(&demands).unwrap()).unwrap();
        kept.heed(&mut store.read().await.unwrap(), present).await.unwrap()
    }

    #[tokio::test]
    async fn only_a_name_of_the_person_is_the_person() {
        let pairwise = service_name::pairwise(&alice(), &"https://service.example".parse().unwrap());
        for (format, value, is_hers) in [
            (NameIdFormat::EmailAddress, "alice@example.test", true),
            (NameIdFormat::EmailAddress, "Alice@Example.test", true),
            (NameIdFormat::EmailAddress, "bob@example.test", false),
            (NameIdFormat::Unspecified, "alice@example.test", true),
            (NameIdFormat::Unspecified, "alice", false),
            (NameIdFormat::Unspecified, &pairwise, true),
            (NameIdFormat::Persistent, &pairwise, true),
            (NameIdFormat::Persistent, "alice@example.test", false),
            (NameIdFormat::Transient, &pairwise, false),
            (NameIdFormat::Entity, "alice@example.test", false),
            (NameIdFormat::Other("urn:x".to_owned()), "alice@example.test", false),
        ] {
            let heeded = heeded(&request(format.clone(), value), ServiceSettings::default()).await;
            match heeded {
                Ok(heeded) if is_hers => {
                    let name = heeded.name.unwrap();
                    assert_eq!((&name.format, name.value.as_str()), (&format, value.to_ascii_lowercase().as_str()));
                }
                Err(Unable::Subject) if !is_hers => {}
                other => panic!("{format:?} {value}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_name_of_others_or_one_that_cannot_be_read_is_nobody_here() {
        let about = |details: SubjectDetails| {
            let mut request = request(NameIdFormat::EmailAddress, "alice@example.test");
            if details.unreadable.is_some() {
                request.subject = None;
            }
            request.subject_details = details;
            request
        };
        let some = |text: &str| Some(text.to_owned());
        let nothing = SubjectDetails::default;
        let own = SubjectDetails {
            name_qualifier: some(OWN),
            sp_name_qualifier: some("https://service.example"),
            ..nothing()
        };
        assert!(heeded(&about(own), ServiceSettings::default()).await.is_ok());
        for details in [
            SubjectDetails { name_qualifier: some("https://other.example"), ..nothing() },
            SubjectDetails { sp_name_qualifier: some("https://other.example"), ..nothing() },
            SubjectDetails { unreadable: some("EncryptedID"), ..nothing() },
            SubjectDetails { unreadable: some("BaseID"), ..nothing() },
        ] {
            let heeded = heeded(&about(details.clone()), ServiceSettings::default()).await;
            assert!(matches!(heeded, Err(Unable::Subject)), "{details:?}");
        }
        let confirmed = SubjectDetails { confirmations: vec![BEARER.to_owned()], ..nothing() };
        assert!(heeded(&about(confirmed), ServiceSettings::default()).await.is_ok());
        let held = SubjectDetails {
            confirmations: vec!["urn:oasis:names:tc:SAML:2.0:cm:holder-of-key".to_owned()],
            ..nothing()
        };
        assert!(matches!(heeded(&about(held), ServiceSettings::default()).await, Err(Unable::Confirmation(_))));
    }

    #[tokio::test]
    async fn a_service_that_is_not_to_learn_addresses_finds_nobody_by_one() {
        let settings =
            ServiceSettings { name_id_format: NameFormat::Persistent, mail: false, ..ServiceSettings::default() };
        let heeded = heeded(&request(NameIdFormat::EmailAddress, "alice@example.test"), settings).await;
        assert!(matches!(heeded, Err(Unable::Subject)));
    }

    #[tokio::test]
    async fn declarations_of_contexts_are_met_by_nobody() {
        let mut request = request(NameIdFormat::EmailAddress, "alice@example.test");
        request.requested_authn_context = Some(RequestedAuthnContext {
            comparison: Comparison::Exact,
            class_refs: Vec::new(),
            decl_refs: vec!["urn:d".to_owned()],
        });
        assert!(matches!(heeded(&request, ServiceSettings::default()).await, Err(Unable::Context)));
    }

    #[test]
    fn another_identity_provider_is_asked_for_what_the_portal_cannot_say_itself() {
        let of = |class: &str| Demands {
            context: Some(Context { comparison: "exact".to_owned(), classes: vec![class.to_owned()] }),
            ..Demands::default()
        };
        let password = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
        assert!(of(password).to_pass_on(&[]).is_some());
        assert!(of(password).to_pass_on(&[password.to_owned()]).is_none());
        assert!(of("urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified").to_pass_on(&[]).is_none());
        assert!(Demands::default().to_pass_on(&[]).is_none());
    }
}
