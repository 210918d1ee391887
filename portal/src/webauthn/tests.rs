use super::*;
use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaPublicKeyComponents,
};

const CHALLENGE: &[u8] = b"the challenge that was given out";

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn party() -> RelyingParty {
    RelyingParty::of("https://portal.test:8443")
}

/// An authenticator of the tests' own making: it says what it likes.
enum Key {
    P256(Box<EcdsaKeyPair>),
    Ed(Ed25519KeyPair),
}

impl Key {
    fn p256() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self::P256(Box::new(pair))
    }

    fn ed() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn cose(&self) -> Vec<u8> {
        let entry = |label: i64, value: Value| (Value::from(label), value);
        let octets = |octets: &[u8]| Value::Bytes(octets.to_vec());
        encoded(&Value::Map(match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                vec![
                    entry(1, 2.into()),
                    entry(3, (-7).into()),
                    entry(-1, 1.into()),
                    entry(-2, octets(&point[1..33])),
                    entry(-3, octets(&point[33..])),
                ]
            }
            Self::Ed(pair) => vec![
                entry(1, 1.into()),
                entry(3, (-8).into()),
                entry(-1, 6.into()),
                entry(-2, octets(pair.public_key().as_ref())),
            ],
        }))
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut octets = Vec::new();
    ciborium::into_writer(value, &mut octets).unwrap();
    octets
}

fn client_data(kind: &str, challenge: &[u8], origin: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#).into_bytes()
}

fn data(host: &str, flags: u8, count: u32, credential: &[u8]) -> Vec<u8> {
    [digest(&SHA256, host.as_bytes()).as_ref(), &[flags], &count.to_be_bytes(), credential].concat()
}

fn credential(key: &Key) -> Vec<u8> {
    [&[0; 16][..], &[0, 4], b"cred", &key.cose()].concat()
}

fn attestation(format: &str, statement: Vec<(Value, Value)>, data: Vec<u8>) -> Vec<u8> {
    let entry = |name: &str, value: Value| (Value::from(name), value);
    encoded(&Value::Map(vec![
        entry("fmt", format.into()),
        entry("attStmt", Value::Map(statement)),
        entry("authData", Value::Bytes(data)),
    ]))
}

fn register(client: &[u8], object: &[u8]) -> Result<Registered, NotBelieved> {
    verify_registration(&party(), CHALLENGE, client, object)
}

fn created() -> Vec<u8> {
    client_data("webauthn.create", CHALLENGE, "https://portal.test:8443")
}

#[test]
fn a_new_passkey_is_believed_once_everything_fits() {
    for key in [Key::p256(), Key::ed()] {
        let sound = attestation("none", Vec::new(), data("portal.test", 0x5d, 3, &credential(&key)));
        let made = register(&created(), &sound).unwrap();
        let wanted =
            Registered { credential_id: b"cred".to_vec(), public_key: key.cose(), sign_count: 3, is_backed_up: true };
        assert_eq!(made, wanted);
        // Extensions that nobody asked for say nothing.
        let more = [credential(&key), encoded(&Value::Map(vec![("credProtect".into(), 2.into())]))].concat();
        assert!(register(&created(), &attestation("none", Vec::new(), data("portal.test", 0xc5, 3, &more))).is_ok());
    }
}

#[test]
fn a_new_passkey_that_does_not_fit_is_refused_for_its_reason() {
    let key = Key::p256();
    let object = |flags, host| attestation("none", Vec::new(), data(host, flags, 0, &credential(&key)));
    let sound = object(0x45, "portal.test");
    assert!(register(&created(), &sound).is_ok());
    let client = |kind, challenge: &[u8], origin| register(&client_data(kind, challenge, origin), &sound).unwrap_err();
    assert_eq!(client("webauthn.get", CHALLENGE, "https://portal.test:8443"), NotBelieved::Type);
    assert_eq!(client("webauthn.create", b"another", "https://portal.test:8443"), NotBelieved::Challenge);
    for origin in
        ["https://portal.test", "http://portal.test:8443", "https://portal.test.evil.test", "https://evil.test"]
    {
        assert_eq!(client("webauthn.create", CHALLENGE, origin), NotBelieved::Origin, "{origin}");
    }
    let framed = String::from_utf8(created()).unwrap();
    for (from, to) in [("false", "true"), ("false", r#"false,"topOrigin":"https://evil.test""#)] {
        assert_eq!(register(framed.replace(from, to).as_bytes(), &sound).unwrap_err(), NotBelieved::Origin);
    }
    let refused = |object: &[u8]| register(&created(), object).unwrap_err();
    assert_eq!(refused(&object(0x45, "evil.test")), NotBelieved::RelyingParty);
    assert_eq!(refused(&object(0x44, "portal.test")), NotBelieved::NotPresent);
    assert_eq!(refused(&object(0x41, "portal.test")), NotBelieved::NotVerified);
    assert!(matches!(refused(&object(0x55, "portal.test")), NotBelieved::Malformed(_)), "kept elsewhere, and can't be");
    assert!(
        matches!(refused(&object(0x05, "portal.test")), NotBelieved::Malformed(_)),
        "no credential is said to come"
    );
    assert!(matches!(refused(&[&sound[..], b"x"].concat()), NotBelieved::Malformed(_)));
    let trailing = data("portal.test", 0x45, 0, &[&credential(&key)[..], b"x"].concat());
    assert!(matches!(refused(&attestation("none", Vec::new(), trailing)), NotBelieved::Malformed(_)));
    assert_eq!(refused(&vec![0; LONGEST_OBJECT + 1]), NotBelieved::TooLong);
    assert_eq!(register(&vec![b' '; LONGEST_CLIENT_DATA + 1], &sound).unwrap_err(), NotBelieved::TooLong);
    for end in 0..sound.len() {
        assert!(register(&created(), &sound[..end]).is_err(), "cut off at {end}");
    }
}

#[test]
fn attestations_are_nobodys_but_the_keys_own() {
    let key = Key::p256();
    let made = data("portal.test", 0x45, 0, &credential(&key));
    let packed = |alg: i64, sig: Vec<u8>, more: Vec<(Value, Value)>| {
        let own = vec![("alg".into(), alg.into()), ("sig".into(), Value::Bytes(sig))];
        attestation("packed", own.into_iter().chain(more).collect(), made.clone())
    };
    let client = created();
    let signature = key.sign(&signed(&made, &client));
    let refused = |object: &[u8]| register(&client, object).unwrap_err();
    assert!(register(&client, &packed(-7, signature.clone(), Vec::new())).is_ok());
    assert_eq!(refused(&packed(-8, signature.clone(), Vec::new())), NotBelieved::Attestation);
    assert_eq!(refused(&packed(-7, Key::p256().sign(b"x"), Vec::new())), NotBelieved::Signature);
    let certified = vec![("x5c".into(), Value::Array(vec![Value::Bytes(vec![1])]))];
    assert_eq!(refused(&packed(-7, signature, certified)), NotBelieved::Attestation);
    assert_eq!(refused(&attestation("tpm", Vec::new(), made.clone())), NotBelieved::Attestation);
    assert_eq!(
        refused(&attestation("none", vec![("sig".into(), Value::Bytes(vec![1]))], made.clone())),
        NotBelieved::Attestation
    );
}

#[test]
fn a_sign_in_is_believed_once_everything_fits() {
    let key = Key::ed();
    let client = client_data("webauthn.get", CHALLENGE, "https://portal.test:8443");
    let says = |client: &[u8], made: &[u8], signature: &[u8], kept: (&[u8], u32)| {
        let assertion = Assertion { client_data: client, authenticator_data: made, signature };
        verify_assertion(&party(), CHALLENGE, assertion, kept)
    };
    let cose = key.cose();
    let made = data("portal.test", 0x05, 7, b"");
    let signature = key.sign(&signed(&made, &client));
    let good = says(&client, &made, &signature, (&cose, 6));
    assert_eq!(good, Ok(Asserted { sign_count: 7, is_backed_up: false }));
    assert_eq!(says(&client, &made, &signature, (&cose, 7)), Err(NotBelieved::Counter), "it stands still");
    assert_eq!(says(&client, &made, &signature, (&cose, 8)), Err(NotBelieved::Counter), "it goes back");
    assert_eq!(says(&client, &made, &signature, (&Key::ed().cose(), 6)), Err(NotBelieved::Signature));
    assert_eq!(says(&client, &made, b"", (&cose, 6)), Err(NotBelieved::Signature));
    assert_eq!(says(&client, &made, &[0; LONGEST_SIGNATURE + 1], (&cose, 6)), Err(NotBelieved::TooLong));
    let other = client_data("webauthn.get", CHALLENGE, "https://evil.test");
    assert_eq!(says(&other, &made, &key.sign(&signed(&made, &other)), (&cose, 6)), Err(NotBelieved::Origin));
    let created = created();
    assert_eq!(says(&created, &made, &key.sign(&signed(&made, &created)), (&cose, 6)), Err(NotBelieved::Type));
    let with = |made: &[u8]| says(&client, made, &key.sign(&signed(made, &client)), (&cose, 0));
    assert_eq!(with(&data("evil.test", 0x05, 7, b"")), Err(NotBelieved::RelyingParty));
    assert_eq!(with(&data("portal.test", 0x01, 7, b"")), Err(NotBelieved::NotVerified));
    assert!(matches!(with(&data("portal.test", 0x45, 7, &credential(&key))), Err(NotBelieved::Malformed(_))));
    assert!(matches!(with(&data("portal.test", 0x05, 7, b"x")), Err(NotBelieved::Malformed(_))));
    // Who counts nothing counts nothing.
    assert!(with(&data("portal.test", 0x05, 0, b"")).is_ok());
}

/// Web Authentication Level 3, §16.2: ES256 without attestation, for `https://example.org`.
const OBJECT: &str = concat!(
    "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0",
    "f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec3",
    "30084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66",
    "334b03458abf879717c12cc68ed73290af2e2664796b9220"
);
const SIGN_IN_DATA: &str = "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000";
const SIGN_IN_CLIENT: &str = concat!(
    "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f334a5558543049",
    "393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c22",
    "63726f73734f726967696e223a66616c73657d"
);
const SIGN_IN_CHALLENGE: &str = "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408";
const SIGN_IN_SIGNATURE: &str = concat!(
    "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd5d78",
    "c6e486013f937295ea13653e331e87"
);

#[test]
fn the_vectors_of_the_standard_are_read_and_only_lack_the_verification_that_we_demand() {
    let object = hex(OBJECT);
    let value = cbor(&mut &object[..]).unwrap();
    let found = value.as_map().unwrap().iter().find(|(key, _)| key.as_text() == Some("authData")).unwrap();
    let parsed = AuthenticatorData::parse(found.1.as_bytes().unwrap()).unwrap();
    let credential = parsed.credential.unwrap();
    assert_eq!(credential.id, hex("f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4"));
    let key = PublicKey::parse(&credential.public_key).unwrap();
    let (data, client, signature) = (hex(SIGN_IN_DATA), hex(SIGN_IN_CLIENT), hex(SIGN_IN_SIGNATURE));
    key.verify(&signed(&data, &client), &signature).unwrap();
    assert_eq!(claimed_challenge(&client).unwrap(), hex(SIGN_IN_CHALLENGE));
    let assertion = Assertion { client_data: &client, authenticator_data: &data, signature: &signature };
    let party = RelyingParty::of("https://example.org");
    let verified = verify_assertion(&party, &hex(SIGN_IN_CHALLENGE), assertion, (&credential.public_key, 0));
    assert_eq!(verified, Err(NotBelieved::NotVerified));
}

#[test]
fn keys_that_were_not_asked_for_and_that_say_things_twice_are_none() {
    let entry = |label: i64, value: Value| (Value::from(label), value);
    let octets = |length| Value::Bytes(vec![7; length]);
    let ed = |curve: i64, length| {
        vec![entry(1, 1.into()), entry(3, (-8).into()), entry(-1, curve.into()), entry(-2, octets(length))]
    };
    let parsed = |map: Vec<(Value, Value)>| PublicKey::parse(&encoded(&Value::Map(map)));
    assert!(parsed(ed(6, 32)).is_ok());
    assert!(parsed(ed(7, 57)).is_err(), "Ed448");
    assert!(parsed(ed(6, 31)).is_err());
    assert!(parsed(ed(6, 32).into_iter().chain([entry(-2, octets(32))]).collect()).is_err());
    assert!(parsed(ed(6, 32).into_iter().chain([("x".into(), octets(1))]).collect()).is_err());
    let rsa = |length| {
        let exponent = Value::Bytes(vec![1, 0, 1]);
        parsed(vec![entry(1, 3.into()), entry(3, (-257).into()), entry(-1, octets(length)), entry(-2, exponent)])
    };
    assert_eq!(rsa(256), Ok(PublicKey::Rs256(vec![7; 256], vec![1, 0, 1])));
    assert!(rsa(128).is_err(), "RSA of 1024 bits");
    // What is nested deeper than any key.
    let deep = [vec![0x81; 100], vec![0]].concat();
    assert!(PublicKey::parse(&deep).is_err());
}

#[test]
fn an_rsa_key_verifies_what_it_has_signed() {
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    let dir = tempfile::tempdir().unwrap();
    let now = saml::time::UtcTime::from_unix_seconds(1_800_000_000);
    let purpose = crate::store::signing_key::Purpose::Service;
    let made = crate::signing::create(purpose, dir.path(), "a key", now).unwrap();
    let pkcs8 = crate::files::read(&dir.path().join(format!("{}.pk8", made.id))).unwrap();
    let pair = RsaKeyPair::from_pkcs8(&pkcs8).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"message", &mut signature).unwrap();
    let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
    let entry = |label: i64, value: Value| (Value::from(label), value);
    let (modulus, exponent) = (Value::Bytes(parts.n), Value::Bytes(parts.e));
    let cose = vec![entry(1, 3.into()), entry(3, (-257).into()), entry(-1, modulus), entry(-2, exponent)];
    let public = PublicKey::parse(&encoded(&Value::Map(cose))).unwrap();
    assert_eq!(public.verify(b"message", &signature), Ok(()));
    assert_eq!(public.verify(b"another", &signature), Err(NotBelieved::Signature));
}

#[test]
fn the_relying_party_is_the_pages_own_host() {
    let told = |base| {
        let RelyingParty { id, origin } = RelyingParty::of(base);
        (id, origin)
    };
    let (id, origin) = ("a.test".to_owned(), "https://a.test".to_owned());
    assert_eq!(told("https://a.test"), (id.clone(), origin.clone()));
    assert_eq!(told("https://a.test:443"), (id.clone(), origin));
    assert_eq!(told("https://a.test:8443"), (id, "https://a.test:8443".to_owned()));
}
