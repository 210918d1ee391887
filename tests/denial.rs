//! Strangers who take connections, places and memory: devices are served meanwhile, and what was taken comes back.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tests::device::{Device, code};
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;

type Line = StreamOwned<ClientConnection, TcpStream>;

struct House {
    portal: Portal,
    https: Https,
    serving: Program,
    _dir: tempfile::TempDir,
}

fn house(options: &[&str]) -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve_with(options);
    let https = Https::trusting(&portal.authority.ca);
    House { portal, https, serving, _dir: dir }
}

fn trusting(ca: &Path) -> Arc<ClientConfig> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(ca).expect("the CA file is there");
    let certificates = CertificateDer::pem_slice_iter(&pem).map(|found| found.expect("it is a certificate"));
    roots.add_parsable_certificates(certificates);
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// A connection that has said `text` and then waits; none where the portal does not let it in.
fn says(portal: &Portal, config: &Arc<ClientConfig>, text: &str) -> Option<Line> {
    let socket = TcpStream::connect(("127.0.0.1", portal.port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("it can be set");
    let name = ServerName::try_from("localhost").expect("it is a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a connection can begin");
    let mut line = StreamOwned::new(connection, socket);
    line.write_all(text.as_bytes()).ok()?;
    line.flush().ok()?;
    Some(line)
}

impl House {
    /// A new device enrols and signs somebody in.
    fn a_device_is_served(&self, user: &str) {
        let device = Device::new();
        let enrolment = device.enrolling(device.request(&self.portal, user, 1), &self.portal.token(&[]));
        assert_eq!(code(&device.send(&self.https, &self.portal, &enrolment)), "success");
        let sign_in = device.request(&self.portal, user, 2);
        assert_eq!(code(&device.send(&self.https, &self.portal, &sign_in)), "success");
    }

    /// What the portal's process holds of memory, in MiB; none where the system does not say.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serving.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
    }
}

#[test]
fn hundreds_of_unfinished_forms_at_every_door_keep_no_device_out() {
    let house = house(&["--max-in-flight", "4"]);
    let config = trusting(&house.portal.authority.ca);
    let doors = [
        ("/saml/soap", "text/xml"),
        ("/saml/ecp", "text/xml"),
        ("/saml/sso", "application/x-www-form-urlencoded"),
        ("/saml/acs", "application/x-www-form-urlencoded"),
        ("/saml/admin/acs", "application/x-www-form-urlencoded"),
        ("/admin/sign-in", "application/x-www-form-urlencoded"),
    ];
    let mut lines = Vec::new();
    for number in 0..300 {
        let (path, kind) = doors[number % doors.len()];
        let begun = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 200000\r\n\r\nSAML"
        );
        lines.push(says(&house.portal, &config, &begun).expect("it is let in"));
    }
    house.a_device_is_served("alice");
    // Each is answered by itself, in the ten seconds that a body may take, and without its end.
    for line in lines.iter_mut().rev().take(doors.len()) {
        let mut answer = Vec::new();
        let _ = line.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    drop(lines);
    house.a_device_is_served("bob");
    assert!(house.memory().is_none_or(|mebibytes| mebibytes < 100), "{:?} MiB", house.memory());
}

#[test]
fn connections_that_say_nothing_or_half_a_header_keep_no_device_out() {
    let house = house(&["--max-in-flight", "4"]);
    let config = trusting(&house.portal.authority.ca);
    let mut lines: Vec<_> = (0..128).map(|_| says(&house.portal, &config, "POST /saml/soap HT")).collect();
    // And those that do not even begin TLS.
    let silent: Vec<_> = (0..128).map(|_| TcpStream::connect(("127.0.0.1", house.portal.port))).collect();
    house.a_device_is_served("alice");
    assert!(silent.iter().all(Result::is_ok));
    // The portal hangs up by itself.
    let line = lines.pop().flatten();
    let mut rest = Vec::new();
    let _ = line.expect("it was let in").read_to_end(&mut rest);
}

#[test]
fn one_address_has_so_many_connections_and_each_end_makes_room() {
    let house = house(&["--max-connections-per-address", "8"]);
    let config = trusting(&house.portal.authority.ca);
    let half = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    let mut lines: Vec<_> = (0..8).map(|_| says(&house.portal, &config, half).expect("it is let in")).collect();
    assert!(says(&house.portal, &config, half).is_none(), "a ninth is not let in");
    let mut first = lines.remove(0);
    first.write_all(b"Connection: close\r\n\r\n").expect("it can be written");
    let mut answer = String::new();
    let _ = first.read_to_string(&mut answer);
    assert!(answer.contains("200 OK"), "{answer}");
    drop(first);
    // The portal notices the end a moment later.
    while says(&house.portal, &config, half).is_none() {}
}

#[test]
fn two_hundred_wrong_passwords_at_once_keep_no_device_out_and_the_memory_comes_back() {
    let house = house(&[]);
    let config = trusting(&house.portal.authority.ca);
    let token = "a".repeat(32);
    let lines: Vec<_> = (0..200)
        .map(|number| {
            let form = format!("form_token={token}&name=nobody{number}&password=guess-number-{number}&code=");
            let post = format!(
                "POST /admin/sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: __Host-countersign-form={token}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            );
            says(&house.portal, &config, &post).expect("it is let in")
        })
        .collect();
    house.a_device_is_served("alice");
    for mut line in lines {
        let mut answer = String::new();
        let _ = line.read_to_string(&mut answer);
        assert!(answer.contains(" 403 ") || answer.contains(" 503 "), "{answer}");
    }
    assert!(house.memory().is_none_or(|mebibytes| mebibytes < 100), "{:?} MiB", house.memory());
}
