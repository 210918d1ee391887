//! The way to the portal, step by step: what the agent itself does at a sign-in, taken apart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use installer_options::ProxySetting;
use platform::proxy::ProxyAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::handshake::{self, Handshake};
use super::stage::Stage;
use crate::config::Config;
use crate::transport::{Look, Transport, TransportError, addresses_of, proxy_toward};

/// The longest that each step may take; together less than the limit of a check.
const RESOLVE_LIMIT: Duration = Duration::from_millis(2800);
const CONNECT_LIMIT: Duration = Duration::from_millis(2000);
const TUNNEL_LIMIT: Duration = Duration::from_millis(1000);
const HANDSHAKE_LIMIT: Duration = Duration::from_millis(1500);
const HTTP_LIMIT: Duration = Duration::from_millis(1800);
/// The largest beginning of a plain answer that is looked at, in octets.
const LARGEST_HEAD: usize = 4096;

/// Where to.
pub(super) struct Target {
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) shown: String,
    ca_pem: Option<Vec<u8>>,
    setting: ProxySetting,
    proxy: Option<ProxyAddress>,
}

impl Target {
    pub(super) async fn of(config: &Config) -> Self {
        let (host, port) = split(&config.cloud_host, 443);
        Self {
            url: config.cloud_url.clone(),
            host,
            port,
            shown: config.cloud_host.clone(),
            ca_pem: config.ca_pem.clone(),
            setting: config.proxy.clone(),
            proxy: proxy_toward(&config.cloud_host, &config.proxy).await,
        }
    }
}

/// What resolving gave.
pub(super) struct Resolved {
    pub(super) name: String,
    pub(super) addresses: Result<Vec<SocketAddr>, String>,
    pub(super) ms: u128,
}

/// What connecting gave.
pub(super) struct Connected {
    pub(super) to: Result<SocketAddr, String>,
    pub(super) ms: u128,
}

/// What a proxy said about the way through it.
pub(super) enum Tunnel {
    /// None is in the way.
    NoProxy,
    /// It lets the agent through.
    Open,
    /// It wants a name and a password.
    WantsCredentials,
    /// It does not.
    Refused(String),
}

/// What plain HTTP to the cloud's name gave: only whether somebody else answers in its place.
pub(super) enum Plain {
    /// Nobody answers, as it should be.
    Silent,
    /// The cloud's host answers for itself.
    Own,
    /// Somebody sends us elsewhere.
    SentTo(String),
}

/// The stages of one probe. A stage that could not begin is `None` inside.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) proxy: Option<(String, u16)>,
    pub(super) shown: String,
    pub(super) resolved: Stage<Resolved>,
    pub(super) connected: Stage<Option<Connected>>,
    pub(super) tunnel: Stage<Option<Tunnel>>,
    pub(super) handshake: Stage<Option<Handshake>>,
    pub(super) http: Stage<Option<Result<Look, TransportError>>>,
    pub(super) plain: Stage<Plain>,
}

/// Begins to find the way.
pub(super) fn probe(target: Target) -> Network {
    let proxy = target.proxy.as_ref().and_then(|address| address_of(address.url()));
    let authorization = target.proxy.as_ref().and_then(|address| address.authorization()).map(str::to_owned);
    let shown = target.shown.clone();
    let (host, port) = proxy.clone().unwrap_or((target.host.clone(), target.port));
    let resolved = Stage::of(resolve(host, port));
    let (connected, stream) = connect(resolved.clone());
    let tunnel_target = format!("{}:{}", target.host, target.port);
    let (tunnel, stream) = through_proxy(stream, proxy.is_some().then_some(authorization), tunnel_target);
    let ca_pem = target.ca_pem.clone();
    let host = target.host.clone();
    let handshake = Stage::of(async move {
        let stream = stream.await.ok().flatten()?;
        let shaken = tokio::time::timeout(HANDSHAKE_LIMIT, handshake::shake(stream, &host, ca_pem.as_deref())).await;
        Some(shaken.unwrap_or_else(|_| Handshake::failed("no answer in time")))
    });
    let before = handshake.clone();
    let http = Stage::of(async move {
        if before.get().await.as_ref().as_ref().is_none_or(|shaken| shaken.result.is_err()) {
            return None;
        }
        let transport = Transport::new(&target.shown, target.ca_pem.as_deref(), &target.setting);
        let url = format!("{}/saml/agent-metadata", target.url);
        Some(match transport {
            Ok(transport) => transport.look(&url, HTTP_LIMIT).await,
            Err(error) => Err(error),
        })
    });
    let plain = Stage::of(ask_plainly(target.host));
    Network { proxy, shown, resolved, connected, tunnel, handshake, http, plain }
}

/// Host and port of a proxy's URL.
fn address_of(url: &str) -> Option<(String, u16)> {
    let url: reqwest::Url = url.parse().ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

async fn resolve(name: String, port: u16) -> Resolved {
    let begun = Instant::now();
    let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    let found = tokio::time::timeout(RESOLVE_LIMIT, addresses_of(&bare, port)).await;
    let addresses = match found {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the name servers don't answer in time".to_owned()),
    };
    Resolved { name, addresses, ms: begun.elapsed().as_millis() }
}

type Pending<T> = tokio::sync::oneshot::Receiver<T>;

fn connect(resolved: Stage<Resolved>) -> (Stage<Option<Connected>>, Pending<TcpStream>) {
    let (sender, stream) = tokio::sync::oneshot::channel();
    let connected = Stage::of(async move {
        let resolved = resolved.get().await;
        let addresses = resolved.addresses.as_ref().ok()?;
        let begun = Instant::now();
        let tried = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(addresses.as_slice())).await;
        let to = match tried {
            Ok(Ok(stream)) => {
                let peer = stream.peer_addr().map_err(|error| error.to_string());
                let _ = sender.send(stream);
                peer
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing within {} s", CONNECT_LIMIT.as_secs())),
        };
        Some(Connected { to, ms: begun.elapsed().as_millis() })
    });
    (connected, stream)
}

fn through_proxy(
    stream: Pending<TcpStream>,
    proxy: Option<Option<String>>,
    target: String,
) -> (Stage<Option<Tunnel>>, Pending<Option<TcpStream>>) {
    let (sender, through) = tokio::sync::oneshot::channel();
    let tunnel = Stage::of(async move {
        let mut stream = stream.await.ok()?;
        let tunnel = match proxy {
            None => Tunnel::NoProxy,
            Some(authorization) => tokio::time::timeout(TUNNEL_LIMIT, open_tunnel(&mut stream, &target, authorization))
                .await
                .unwrap_or_else(|_| Tunnel::Refused("no answer in time".to_owned())),
        };
        let open = matches!(tunnel, Tunnel::NoProxy | Tunnel::Open);
        let _ = sender.send(open.then_some(stream));
        Some(tunnel)
    });
    (tunnel, through)
}

/// CONNECT (RFC 9110 §9.3.6), with the credentials that the environment holds for this proxy.
async fn open_tunnel(stream: &mut TcpStream, target: &str, authorization: Option<String>) -> Tunnel {
    let authorization = authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    let head = match exchange_head(stream, &request).await {
        Ok(head) => head,
        Err(error) => return Tunnel::Refused(error.to_string()),
    };
    match head.split_whitespace().nth(1) {
        Some("200") => Tunnel::Open,
        Some("407") => Tunnel::WantsCredentials,
        _ => Tunnel::Refused(head.lines().next().unwrap_or_default().chars().take(100).collect()),
    }
}

/// Asks the cloud's name without TLS whether anybody answers in its place. Nothing about the device or the person is sent.
async fn ask_plainly(host: String) -> Plain {
    let asked = async {
        let mut stream = TcpStream::connect((host.as_str(), 80)).await.ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange_head(&mut stream, &request).await.ok()
    };
    match tokio::time::timeout(Duration::from_secs(3), asked).await {
        Ok(Some(head)) => judge_plain(&head, &host),
        Ok(None) | Err(_) => Plain::Silent,
    }
}

fn judge_plain(head: &str, host: &str) -> Plain {
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim())
    });
    let elsewhere = location.and_then(|to| to.split_once("://")).map(|(_, rest)| {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        split(authority, 80).0
    });
    match elsewhere {
        Some(other) if !other.eq_ignore_ascii_case(host) => Plain::SentTo(other),
        // RFC 6585 §6: the status of captive portals.
        _ if head.split_whitespace().nth(1) == Some("511") => Plain::SentTo("its log-in page".to_owned()),
        _ => Plain::Own,
    }
}

async fn exchange_head(stream: &mut TcpStream, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut octet = [0; 1];
    while head.len() < LARGEST_HEAD && !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).await? == 1 {
        head.push(octet[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Host and port of `authority`; IPv6 addresses stand in brackets.
fn split(authority: &str, default_port: u16) -> (String, u16) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host.to_owned(), port.parse().unwrap_or(default_port)),
        _ => (authority.to_owned(), default_port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_another_host_is_a_captive_portal_and_one_to_ourselves_is_not() {
        let sent = |head| matches!(judge_plain(head, "cloud.example"), Plain::SentTo(_));
        assert!(sent("HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/?to=x\r\n\r\n"));
        assert!(sent("HTTP/1.1 511 Network Authentication Required\r\n\r\n"));
        assert!(!sent("HTTP/1.1 301 Moved\r\nlocation: https://cloud.example:8443/\r\n\r\n"));
        assert!(!sent("HTTP/1.1 200 OK\r\n\r\n"));
    }

    #[test]
    fn a_port_is_told_from_an_address_of_ipv6() {
        assert_eq!(split("cloud.example:8443", 443), ("cloud.example".to_owned(), 8443));
        assert_eq!(split("[2001:db8::1]", 443), ("[2001:db8::1]".to_owned(), 443));
        assert_eq!(split("[2001:db8::1]:8443", 443), ("[2001:db8::1]".to_owned(), 8443));
    }
}
