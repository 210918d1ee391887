//! What a service's request may hold: a table over the schema of `AuthnRequest` (Core 3.4.1), element by element and attribute by attribute.
//! `docs/saml-profile.md` has the same table, with the reasons.

use saml::request::{AuthnRequest, Comparison, RequestExpectations, UnverifiedRequest};
use saml::time::UtcTime;

const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);
const EXPECT: RequestExpectations<'_> = RequestExpectations {
    destinations: &["https://portal.example/saml/sso"],
    now: NOW,
    max_age_seconds: 300,
    max_skew_seconds: 60,
};

/// A request with these attributes and this content.
fn read(attributes: &str, inner: &str) -> Result<AuthnRequest, String> {
    let xml = format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
         ID=\"_a\" Version=\"2.0\" IssueInstant=\"{NOW}\" {attributes}><saml:Issuer>https://service.example</saml:Issuer>{inner}</samlp:AuthnRequest>"
    );
    let request = UnverifiedRequest::parse(xml.as_bytes()).map_err(|rejection| rejection.to_string())?;
    request.accept_unsigned(&EXPECT).map(|request| request.request().clone()).map_err(|rejection| rejection.to_string())
}

#[test]
fn every_part_of_the_schema_is_read_or_passed_over() {
    let attributes = "Destination=\" https://portal.example/saml/sso\n\" Consent=\"urn:x\" ForceAuthn=\" 1 \" IsPassive=\" false \" \
        ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST \" AssertionConsumerServiceURL=\" https://service.example/acs \" \
        AssertionConsumerServiceIndex=\" 3 \" AttributeConsumingServiceIndex=\"1\" ProviderName=\"A service\"";
    let inner = "<samlp:Extensions><x xmlns=\"urn:x\"/></samlp:Extensions>\
        <saml:Subject><saml:NameID Format=\" urn:oasis:names:tc:SAML:2.0:nameid-format:persistent \" NameQualifier=\"n\" SPNameQualifier=\"s\">p</saml:NameID>\
        <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"/></saml:Subject>\
        <samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\" SPNameQualifier=\"s\" AllowCreate=\"true\"/>\
        <saml:Conditions NotBefore=\"2026-01-01T00:00:00Z\" NotOnOrAfter=\"2999-01-01T00:00:00Z\"><saml:AudienceRestriction>\
        <saml:Audience>a</saml:Audience></saml:AudienceRestriction><saml:OneTimeUse/></saml:Conditions>\
        <samlp:RequestedAuthnContext Comparison=\"better\"><saml:AuthnContextClassRef> urn:c </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>\
        <samlp:Scoping ProxyCount=\" 2 \"><samlp:IDPList><samlp:IDPEntry ProviderID=\"https://i\" Name=\"n\" Loc=\"https://i/sso\"/>\
        <samlp:GetComplete>https://i/list</samlp:GetComplete></samlp:IDPList><samlp:RequesterID> https://r </samlp:RequesterID></samlp:Scoping>";
    let read = read(attributes, inner).unwrap();
    assert_eq!(read.destination.as_deref(), Some("https://portal.example/saml/sso"));
    assert!(read.force_authn && !read.is_passive);
    assert_eq!(read.protocol_binding.as_deref(), Some("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"));
    assert_eq!((read.acs_url.as_deref(), read.acs_index), (Some("https://service.example/acs"), Some(3)));
    let (subject, details) = (read.subject.unwrap(), read.subject_details);
    assert_eq!(
        (subject.format.uri(), subject.value.as_str()),
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "p")
    );
    assert_eq!((details.name_qualifier.as_deref(), details.sp_name_qualifier.as_deref()), (Some("n"), Some("s")));
    assert_eq!(details.confirmations, ["urn:oasis:names:tc:SAML:2.0:cm:bearer"]);
    let policy = read.name_id_policy.unwrap();
    assert!(policy.allow_create && policy.sp_name_qualifier.as_deref() == Some("s"));
    let context = read.requested_authn_context.unwrap();
    assert_eq!((context.comparison, context.class_refs), (Comparison::Better, vec!["urn:c".to_owned()]));
    assert_eq!(read.proxy_count, Some(2));
    assert_eq!(read.requesters[0].as_str(), "https://r");
}

#[test]
fn conditions_stand_where_the_schema_has_them() {
    let (conditions, policy) = ("<saml:Conditions/>", "<samlp:NameIDPolicy/>");
    assert!(read("", &[policy, conditions].concat()).is_ok());
    assert!(read("", conditions).is_ok());
    assert!(read("", &[conditions, policy].concat()).unwrap_err().contains("AuthnRequest/NameIDPolicy"));
}

#[test]
fn somebody_who_cannot_be_read_is_still_asked_for() {
    for (subject, unreadable) in [
        ("<saml:BaseID/>", "BaseID"),
        ("<saml:EncryptedID><x xmlns=\"http://www.w3.org/2001/04/xmlenc#\"/></saml:EncryptedID>", "EncryptedID"),
        ("<saml:SubjectConfirmation Method=\"urn:m\"/>", "SubjectConfirmation"),
    ] {
        let read = read("", &format!("<saml:Subject>{subject}</saml:Subject>")).unwrap();
        assert_eq!((read.subject, read.subject_details.unreadable.as_deref()), (None, Some(unreadable)));
    }
    assert!(read("", "<saml:Subject/>").unwrap_err().contains("Subject/NameID"));
    let hidden = "<saml:Conditions><saml:EncryptedID/></saml:Conditions>";
    assert!(read("", hidden).unwrap_err().contains("encrypted"));
}

#[test]
fn declarations_in_the_place_of_classes_are_read() {
    let context = |inner: &str| {
        let inner = format!("<samlp:RequestedAuthnContext>{inner}</samlp:RequestedAuthnContext>");
        read("", &inner).map(|read| read.requested_authn_context.unwrap())
    };
    let declared = context("<saml:AuthnContextDeclRef>urn:d</saml:AuthnContextDeclRef>").unwrap();
    assert_eq!((declared.decl_refs, declared.comparison), (vec!["urn:d".to_owned()], Comparison::Exact));
    assert!(context("").unwrap_err().contains("RequestedAuthnContext/AuthnContextClassRef"));
}

#[test]
fn a_value_that_is_not_of_its_type_is_named_with_its_element() {
    for (attributes, inner, told) in [
        ("IsPassive=\"yes\"", "", "AuthnRequest/@IsPassive"),
        ("ForceAuthn=\"\"", "", "AuthnRequest/@ForceAuthn"),
        ("AssertionConsumerServiceIndex=\"70000\"", "", "AuthnRequest/@AssertionConsumerServiceIndex"),
        ("AssertionConsumerServiceURL=\"\"", "", "AuthnRequest/@AssertionConsumerServiceURL"),
        ("Other=\"\"", "", "AuthnRequest/@Other"),
        ("", "<samlp:NameIDPolicy AllowCreate=\"no\"/>", "NameIDPolicy/@AllowCreate"),
        ("", "<samlp:RequestedAuthnContext Comparison=\"least\"/>", "RequestedAuthnContext/@Comparison"),
        ("", "<samlp:Scoping ProxyCount=\"-1\"/>", "Scoping/@ProxyCount"),
        ("", "<samlp:Scoping><samlp:RequesterID/></samlp:Scoping>", "RequesterID"),
    ] {
        let refused = read(attributes, inner).unwrap_err();
        assert!(refused.contains(told), "{attributes}{inner}: {refused}");
    }
    assert_eq!(read("", "<samlp:Scoping ProxyCount=\"99999999999\"/>").unwrap().proxy_count, Some(u32::MAX));
}

/// The parts of the schema, as the documentation has to name each.
const PARTS: [&str; 28] = [
    "ID",
    "Version",
    "IssueInstant",
    "Issuer",
    "Destination",
    "Signature",
    "Extensions",
    "Consent",
    "ProviderName",
    "Subject/NameID",
    "NameQualifier",
    "SPNameQualifier",
    "Subject/BaseID",
    "EncryptedID",
    "SubjectConfirmation",
    "NameIDPolicy",
    "AllowCreate",
    "Conditions",
    "RequestedAuthnContext",
    "AuthnContextDeclRef",
    "Scoping",
    "IDPList",
    "ForceAuthn",
    "IsPassive",
    "AssertionConsumerServiceURL",
    "AssertionConsumerServiceIndex",
    "ProtocolBinding",
    "AttributeConsumingServiceIndex",
];

#[test]
fn the_documentation_says_of_each_part_what_becomes_of_it() {
    let document = include_str!("../../docs/saml-profile.md");
    let table = document.split("## What a service's request may hold").nth(1).unwrap().split("\n## ").next().unwrap();
    for part in PARTS {
        assert!(table.contains(&format!("`{part}`")), "{part}");
    }
}
