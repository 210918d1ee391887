//! The canary: a real token and a real key, looked for everywhere after they have done their work.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::path::Path;

use saml::token::DeviceToken;
use secrecy::ExposeSecret as _;
use tests::agent::Agent;
use tests::canary::Canary;
use tests::portal::Portal;

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Every file below `dir` with its content.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the directory can be read").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).expect("the file can be read")));
        }
    }
    found
}

#[test]
fn the_canary_sees_what_it_looks_for() {
    let canary = Canary::new("the test", b"0123456789abcdef0123456789abcdef");
    let wide: Vec<u8> = b"0123456789abcdef0123456789abcdef".iter().flat_map(|byte| [*byte, 0]).collect();
    assert_eq!(canary.found_in(&wide), ["UTF-16"]);
    for prefix in ["", "x", "xy"] {
        let text = base64(format!("{prefix}0123456789abcdef0123456789abcdef and more").as_bytes());
        assert_eq!(canary.found_in(text.as_bytes()).len(), 1, "{prefix}");
    }
}

#[test]
fn no_token_and_no_private_key_is_anywhere_after_enrolment() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let text = portal.token(&["--uses", "1"]);
    let token = DeviceToken::parse(&text).expect("a token");
    // The secret half of the token's text: the id before it is public.
    let secret_part = text.rsplit_once(token.id().as_str()).map_or(&text[21..], |(_, rest)| rest);
    let mut serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let configured = agent.configure(&portal, &text);
    assert!(configured.status.success());
    assert!(
        files(&agent.state_dir)
            .iter()
            .any(|(_, content)| Canary::new("it", secret_part.as_bytes()).found_in(content).len() == 1),
        "before enrolment the token waits in one private file"
    );

    let mut running = agent.start_signed_in();
    let (key_path, key) = files(&agent.state_dir)
        .into_iter()
        .find(|(path, _)| path.contains("key"))
        .expect("the device key is a file here");
    let canaries = [
        Canary::new("the token", token.reveal().expose_secret().as_bytes()),
        Canary::new("the token's secret", &secret_part.as_bytes()[..40]),
        // The middle of a P-256 PKCS#8 document is its private number.
        Canary::new("the private key", &private_number(&key)),
    ];

    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["params", "list", "--json"],
        &["whoami", "--json"],
        &["facts", "--json"],
        &["sign-in", "--json"],
    ] {
        let output = agent.run(arguments);
        places.push((format!("`countersign {}`", arguments.join(" ")), [output.stdout, output.stderr].concat()));
    }
    for arguments in [
        &["token", "list"][..],
        &["token", "list", "--json"],
        &["device", "list", "--json"],
        &["audit", "list", "--json"],
    ] {
        places.push((format!("`countersign-portal {}`", arguments.join(" ")), portal.ok(arguments).into_bytes()));
    }
    places.push(("`countersign configure`".to_owned(), [configured.stdout, configured.stderr].concat()));
    for (name, id) in [("agent", running.id()), ("portal", serving.id())] {
        for file in ["cmdline", "environ"] {
            if let Ok(content) = std::fs::read(format!("/proc/{id}/{file}")) {
                places.push((format!("{file} of the {name}"), content));
            }
        }
    }
    for (name, program) in [("agent", &mut running), ("portal", &mut serving)] {
        #[cfg(unix)]
        program.signal("TERM");
        program.wait();
        places.push((format!("the log of the {name}"), program.seen.join("\n").into_bytes()));
    }
    places.extend(files(dir.path()).into_iter().filter(|(path, _)| *path != key_path));
    assert!(places.len() > 20, "there is something to search");
    for (place, content) in &places {
        for canary in &canaries {
            canary.assert_not_in(content, place);
        }
    }
}

#[test]
fn an_error_about_a_token_does_not_repeat_it() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let token = portal.token(&[]);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    let mut mistyped = token.clone().into_bytes();
    let last = mistyped.len() - 1;
    mistyped[last] = if mistyped[last] == b'7' { b'8' } else { b'7' };
    let output = agent.configure(&portal, &String::from_utf8(mistyped).expect("ASCII"));
    assert_eq!(output.status.code(), Some(5));
    let canary = Canary::new("the token", &token.as_bytes()[25..60]);
    canary.assert_not_in(&[output.stdout, output.stderr].concat(), "the error");
    assert!(files(dir.path()).iter().all(|(_, content)| canary.found_in(content).is_empty()), "nothing was written");
}

/// The 32 octets of the private number in the PEM file with the device key: PKCS#8 wraps an RFC 5915 ECPrivateKey, in which the number
/// follows `02 01 01 04 20`.
fn private_number(file: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text = String::from_utf8_lossy(file);
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).expect("the file is PEM");
    let marker = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = der.windows(marker.len()).position(|window| window == marker).expect("the file holds PKCS#8");
    der[at + marker.len()..][..32].to_vec()
}
