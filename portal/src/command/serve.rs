//! `countersign-portal serve`: the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tracing_subscriber::EnvFilter;

use super::tls::{self, TlsFiles};
use super::{CommandError, Context};
use crate::admin::Admin;
use crate::admission::Admission;
use crate::cloud::Cloud;
use crate::connections::Connections;
use crate::metrics::Metrics;
use crate::resolver::Resolver;
use crate::sign_on::{Portal, Rates};
use crate::signing::{CurrentKeys, SigningKeys};
use crate::store::issuer::Issuer;
use crate::store::signing_key::Purpose;
use crate::store::tenant::Tenant;
use crate::store::{diagnostics, seen_request, service_session};
use crate::web_client::{Reach, WebClient};
use crate::{admin, clock, door, files, logout};

/// How long requests that are being answered may take after SIGTERM.
const GRACE: Duration = Duration::from_millis(700);
/// How long the header of a request may take, and how long a silent HTTP/2 connection is left alone.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of an HTTP/1.1 request, in octets: a service's request by the Redirect binding is in its first line.
const LARGEST_HEAD: usize = 128 * 1024;
/// The same of HTTP/2.
const LARGEST_HEADER_LIST: u32 = 128 * 1024;
/// Requests that one HTTP/2 connection may have open.
const MOST_STREAMS: u32 = 32;
/// How often devices that were not heard are looked for.
const CLEAN_UP: Duration = Duration::from_secs(3600);
/// How often signing keys are looked for that were added or have retired.
const FOLLOW_KEYS: Duration = Duration::from_secs(2);
/// How often expired request IDs are swept out.
const SWEEP: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:443")]
    listen: SocketAddr,
    /// How devices and services reach the portal: `https://cloud.example.net`, with a port if it isn't 443.
    #[arg(long, value_name = "URL")]
    public_url: String,
    /// The TLS certificate and its chain, PEM.
    #[arg(long, value_name = "FILE")]
    tls_certificate: PathBuf,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
    /// A proxy in front of the portal whose `X-Forwarded-For` is believed: an address or a network; may be repeated.
    #[arg(long = "trusted-proxy", value_name = "NETWORK", value_parser = crate::network::parse)]
    trusted_proxies: Vec<ipnet::IpNet>,
    /// Requests that are answered at the same time; beyond it devices are told to come back later.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=900))]
    max_in_flight: u16,
    /// Connections that one address may have open at the same time, a `--trusted-proxy` any number; devices of a whole company may share one.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    max_connections_per_address: u32,
    /// Enrolments a second by one token; not given: no limit.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    token_rate: Option<u32>,
    /// Requests a second by one tenant's devices; not given: no limit.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tenant_rate: Option<u32>,
    /// Sign-ons a second that may begin at one address for one service whose requests are not signed.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    unsigned_rate: u32,
    /// Where Prometheus reads `/metrics`: plain HTTP, for an address that only your own machines reach.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// After SIGTERM, say on `/readyz` for so long that the portal stops, and go on answering.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    drain: Duration,
    /// How often a device tells that it is alive, in seconds, and hears whether it still may sign people in.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    keep_alive: u32,
    /// After how long a device brings its next key, which its present one vouches for; `0s`: never.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = humantime::parse_duration)]
    key_life: Duration,
    /// The ports of 127.0.0.1 on which agents wait for browsers, the first one first: an agent takes the first that is free. `none`: no browser
    /// is sent on, and agents open none.
    #[arg(long, value_name = "PORTS", default_value = "28517,28518,28519")]
    sign_on_ports: Ports,
    /// Trust the CA certificates in this PEM file as well, where the portal asks services itself: when it tells them that a session ends.
    #[arg(long, value_name = "FILE")]
    service_ca_file: Option<PathBuf>,
    /// Fetch metadata that administrators of the pages name from addresses of local networks too, and from this machine.
    #[arg(long)]
    allow_private_metadata_addresses: bool,
    /// The DNS server that is asked for the records that prove domains; not given: those of this machine.
    #[arg(long, value_name = "ADDRESS:PORT")]
    dns_server: Option<SocketAddr>,
    /// What to log: `error`, `warn`, `info`, `debug`, or a filter of tracing-subscriber.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: EnvFilter,
    /// Write the log as JSON lines.
    #[arg(long)]
    log_json: bool,
}

/// Up to eight ports above the system's own, with commas between them.
#[derive(Clone, Debug)]
struct Ports(Vec<u16>);

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let wanted = || format!("`{text}` is not `none` or up to eight ports from 1024 on, as in `28517,28518`");
        let ports: Result<Vec<u16>, _> = text.split(',').map(str::parse).collect();
        let ports = ports.map_err(|_| wanted())?;
        let sound = ports.len() <= 8 && ports.iter().all(|port| *port >= 1024);
        if sound { Ok(Self(ports)) } else { Err(wanted()) }
    }
}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        start_log(self.log, self.log_json);
        let reload = tls::reload_signal();
        let cloud = Cloud::new(&self.public_url)?;
        let is_own = |tenant: &Tenant| tenant.issuer == Issuer::Own;
        admin::key::create_missing_of_tenants(&context.admin, &context.keys_dir(), is_own).await?;
        let keys = SigningKeys::load(&context.admin.store, &context.keys_dir(), clock::now()).await?;
        let tls_files = TlsFiles { certificate: self.tls_certificate, key: self.tls_key };
        let tls = tls_files.load()?;
        let ca = self.service_ca_file.as_deref().map(files::read).transpose()?;
        let reach = if self.allow_private_metadata_addresses { Reach::Everywhere } else { Reach::Public };
        let client = WebClient::new(ca.as_deref(), reach);
        let client = client.map_err(|error| failed("ask services over TLS".to_owned(), error.into()))?;
        let per_address = usize::try_from(self.max_connections_per_address).unwrap_or(usize::MAX);
        let connections = Connections::new(per_address, &self.trusted_proxies);
        let portal = Arc::new(Portal {
            store: context.admin.store.clone(),
            keys: CurrentKeys::new(keys),
            keys_dir: context.keys_dir(),
            cloud,
            keep_alive_seconds: self.keep_alive,
            key_life_seconds: self.key_life.as_secs(),
            sign_on_ports: self.sign_on_ports.0,
            trusted_proxies: self.trusted_proxies,
            admission: Admission::new(usize::from(self.max_in_flight), Instant::now()),
            rates: Rates::new(self.token_rate, self.tenant_rate, self.unsigned_rate),
            resolver: Resolver::new(self.dns_server),
            client,
            metrics: Metrics::of_tls(tls.not_after),
            is_draining: AtomicBool::new(false),
        });

        let handle = Handle::new();
        let serving = |error| failed(format!("listen on {}", self.listen), error);
        let listener = std::net::TcpListener::bind(self.listen).map_err(|error| serving(error.into()))?;
        listener.set_nonblocking(true).map_err(|error| serving(error.into()))?;
        let address = listener.local_addr().map_err(|error| serving(error.into()))?;
        let stop = stop_signal().map_err(|error| failed("wait for signals".to_owned(), error.into()))?;
        tokio::spawn(stop_gracefully(stop, handle.clone(), Arc::clone(&portal), self.drain));
        if let Some(address) = self.metrics_listen {
            serve_operations(address, Arc::clone(&portal)).await?;
        }
        let sweeping = tokio::spawn(sweep(Arc::clone(&portal)));
        let cleaning = tokio::spawn(clean_up(Arc::clone(&portal)));
        let following = tokio::spawn(follow_keys(Arc::clone(&portal)));
        let ending = tokio::spawn(logout::end_sessions(Arc::clone(&portal)));
        let making = tokio::spawn(make_keys(context.admin.clone(), context.keys_dir()));
        let tls_config = RustlsConfig::from_config(Arc::clone(&tls.config));
        tracing::info!(
            %address,
            public_url = portal.cloud.base(),
            version = env!("CARGO_PKG_VERSION"),
            certificate_expires_at = %tls.not_after,
            "serving"
        );
        tls.warn_about(portal.cloud.host(), clock::now());
        let renewing = tokio::spawn(tls::follow(reload, tls_files, tls, tls_config.clone(), Arc::clone(&portal)));

        let server = axum_server::from_tcp(listener).map_err(|error| serving(error.into()))?;
        let acceptor = RustlsAcceptor::new(tls_config).handshake_timeout(HANDSHAKE_TIMEOUT).acceptor(connections);
        let mut server = server.acceptor(acceptor).handle(handle);
        bound(&mut server);
        let served = server.serve(door::router(portal).into_make_service_with_connect_info::<SocketAddr>()).await;
        sweeping.abort();
        cleaning.abort();
        following.abort();
        ending.abort();
        making.abort();
        renewing.abort();
        served.map_err(|error| failed("serve".to_owned(), error.into()))?;
        tracing::info!("stopped");
        Ok(String::new())
    }
}

/// What one connection may take of the portal's time and memory.
fn bound<A, Acceptor>(server: &mut axum_server::Server<A, Acceptor>)
where
    A: axum_server::Address,
{
    // Somebody who sends a header octet by octet holds a connection for this long and no longer.
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    server.http_builder().http1().max_buf_size(LARGEST_HEAD);
    server.http_builder().http2().timer(TokioTimer::new()).keep_alive_interval(HEADER_TIMEOUT);
    // What one connection may have the portal keep: bodies that are read are read at once.
    let mut http2 = server.http_builder().http2();
    http2.max_concurrent_streams(MOST_STREAMS).max_header_list_size(LARGEST_HEADER_LIST);
    http2.initial_stream_window_size(64 * 1024).initial_connection_window_size(256 * 1024);
}

fn start_log(filter: EnvFilter, json: bool) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { log.json().init() } else { log.with_ansi(false).init() }
}

pub(super) fn failed(doing: String, source: Box<dyn std::error::Error + Send + Sync>) -> CommandError {
    CommandError::Serve { doing, source }
}

/// A future that ends with the first SIGTERM or Ctrl-C. The handlers stand as soon as this returns.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let terminated = async move { terminate.recv().await };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    Ok(async move {
        tokio::select! {
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}

async fn stop_gracefully(
    stop: impl Future<Output = ()>,
    handle: Handle<SocketAddr>,
    portal: Arc<Portal>,
    drain: Duration,
) {
    stop.await;
    tracing::info!(?drain, "stopping");
    portal.is_draining.store(true, Ordering::Relaxed);
    tokio::time::sleep(drain).await;
    handle.graceful_shutdown(Some(GRACE));
}

/// Serves `/metrics` and the two questions of balancers, until the process ends.
async fn serve_operations(address: SocketAddr, portal: Arc<Portal>) -> Result<(), CommandError> {
    let listening = |error: std::io::Error| failed(format!("listen on {address} for metrics"), error.into());
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    tracing::info!(%address, "serving metrics");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, door::operations_router(portal)).await {
            tracing::error!(error = &error as &dyn std::error::Error, "can't serve metrics any more");
        }
    });
    Ok(())
}

async fn sweep(portal: Arc<Portal>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let now = clock::now();
        let swept = portal.store.write(move |connection| Box::pin(seen_request::forget_expired(connection, now))).await;
        if let Err(error) = swept {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't sweep old request IDs out");
        }
        if let Err(error) = crate::browser::forget_old(&portal.store, now).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't sweep old sign-ons out");
        }
        if let Err(error) = crate::proof::forget_old(&portal.store, now).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't sweep old proofs out");
        }
        // Those that were still to end are told for the last time just before.
        let ended = now.plus_seconds(-60);
        let swept =
            portal.store.write(move |connection| Box::pin(service_session::forget_ended_before(connection, ended)));
        if let Err(error) = swept.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't sweep ended sessions of services out");
        }
        if let Err(error) = admin::account::forget_ended_sessions(&portal.store, now).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't sweep ended sessions out");
        }
    }
}

/// Makes the keys of tenants that are older than issuers of their own, so that their services can be given the new metadata before it holds.
async fn make_keys(admin: Admin, directory: PathBuf) {
    match admin::key::create_missing_of_tenants(&admin, &directory, |_| true).await {
        Ok(made) if made.is_empty() => {}
        Ok(made) => tracing::info!(made = made.len(), "made the keys of tenants that had no issuer of their own"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "can't make the keys of tenants' own issuers");
        }
    }
}

/// Takes up signing keys that were added or have retired.
async fn follow_keys(portal: Arc<Portal>) {
    let mut ticks = tokio::time::interval(FOLLOW_KEYS);
    loop {
        ticks.tick().await;
        match portal.keys.follow(&portal.store, &portal.keys_dir, clock::now()).await {
            Ok(false) => {}
            Ok(true) => {
                let keys = portal.keys.now();
                let (service, agent) = (keys.id(Purpose::Service), keys.id(Purpose::Agent));
                tracing::info!(service, agent, "the signing keys have changed");
                for key in keys.without_file(&portal.keys_dir) {
                    tracing::warn!(
                        key,
                        "the private half of a signing key is not on this machine: copy it here before its turn comes"
                    );
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "can't take up the signing keys; signing with the former ones"
                );
            }
        }
    }
}

async fn clean_up(portal: Arc<Portal>) {
    let mut ticks = tokio::time::interval(CLEAN_UP);
    loop {
        ticks.tick().await;
        let now = clock::now();
        let forgotten = portal.store.write(move |connection| Box::pin(diagnostics::forget_old(connection, now))).await;
        if let Err(error) = forgotten {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't delete old diagnostics");
        }
        match admin::device::clean_up(&portal.store, clock::now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed devices that were not heard for long"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "can't look for devices that were not heard");
            }
        }
    }
}
