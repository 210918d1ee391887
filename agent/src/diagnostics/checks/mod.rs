//! The list of checks, in the order of the report, and what several of them need.

mod ca_file;
mod captive_portal;
mod clock;
mod configuration;
mod connection_owners;
mod daemon;
mod daemon_memory;
mod daemon_version;
mod device_key;
mod device_token;
mod disk_space;
mod enrolment;
mod facts;
mod identity;
mod last_problem;
mod lock;
mod log;
mod metadata;
mod name_resolution;
mod network_changes;
mod option_origins;
mod portal;
mod portal_keys;
mod private_files;
mod program;
mod proxy;
mod rights;
mod routes;
mod runtime_directory;
mod service;
mod sessions;
mod set_aside;
mod sign_ins;
mod state_directory;
mod state_file;
mod tcp;
mod tls;
mod tls_certificate;
mod tls_interception;
mod trust_store;

use std::path::Path;
use std::sync::Arc;

use platform::file_standing::file_standing;
use platform::process;

use super::network::Network;
use super::seen::Local;
use super::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use crate::system_access::{SystemAccess, Told};
use crate::transport::Look;

/// Every check.
pub(super) fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(program::Program),
        Box::new(rights::Rights),
        Box::new(configuration::Configuration),
        Box::new(option_origins::OptionOrigins),
        Box::new(state_directory::StateDirectory),
        Box::new(runtime_directory::RuntimeDirectory),
        Box::new(private_files::PrivateFiles),
        Box::new(disk_space::DiskSpace),
        Box::new(state_file::StateFile),
        Box::new(set_aside::SetAside),
        Box::new(device_key::DeviceKey),
        Box::new(device_token::DeviceToken),
        Box::new(enrolment::Enrolment),
        Box::new(ca_file::CaFile),
        Box::new(trust_store::TrustStore),
        Box::new(service::Service),
        Box::new(daemon::Daemon),
        Box::new(daemon_version::DaemonVersion),
        Box::new(daemon_memory::DaemonMemory),
        Box::new(connection_owners::ConnectionOwners),
        Box::new(network_changes::NetworkChanges),
        Box::new(lock::Lock),
        Box::new(sign_ins::SignIns),
        Box::new(last_problem::LastProblem),
        Box::new(log::Log),
        Box::new(sessions::Sessions),
        Box::new(identity::Identity),
        Box::new(facts::Facts),
        Box::new(routes::Routes),
        Box::new(proxy::Proxy),
        Box::new(name_resolution::NameResolution),
        Box::new(tcp::Tcp),
        Box::new(tls::Tls),
        Box::new(tls_interception::TlsInterception),
        Box::new(tls_certificate::TlsCertificate),
        Box::new(captive_portal::CaptivePortal),
        Box::new(portal::Portal),
        Box::new(metadata::Metadata),
        Box::new(portal_keys::PortalKeys),
        Box::new(clock::Clock),
    ]
}

/// A check of what is on the disk.
fn on_disk(seen: Arc<Seen>, look: fn(&Seen, &Local) -> Finding) -> Looking {
    Box::pin(async move {
        let local = seen.local.get().await;
        off_thread(move || look(&seen, &local)).await
    })
}

/// A check that blocks.
fn blocking(seen: Arc<Seen>, look: fn(&Seen) -> Finding) -> Looking {
    Box::pin(off_thread(move || look(&seen)))
}

async fn off_thread(look: impl FnOnce() -> Finding + Send + 'static) -> Finding {
    let looked = tokio::task::spawn_blocking(look).await;
    looked
        .unwrap_or_else(|_| Finding::error("the check itself broke", "send the bundle to the developers of the agent"))
}

/// A check of the way to the portal.
fn on_network<F>(seen: Arc<Seen>, look: fn(Network) -> F) -> Looking
where
    F: Future<Output = Finding> + Send + 'static,
{
    Box::pin(async move {
        match seen.network().await {
            Some(network) => look(network).await,
            None => Finding::skip("there is no configuration that names a cloud"),
        }
    })
}

/// A check of what the running agent is told by the system: this command runs outside of the agent's sandbox, and can't see that itself.
async fn system_access(
    seen: Arc<Seen>,
    part: fn(&SystemAccess) -> Option<&Told>,
    code: FailureCode,
    well: &'static str,
) -> Finding {
    let daemon = seen.daemon.get().await;
    let Ok(status) = &*daemon else { return Finding::skip("the agent does not answer") };
    match status.system_access.as_ref().and_then(part) {
        None => Finding::skip("this system, or the agent that runs, has no such way"),
        Some(Told { works: true, .. }) => Finding::pass(well),
        Some(Told { works: false, reason }) => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Finding::coded(Code::Failure(code), format!("{}{reason}", code.meaning()))
        }
    }
}

/// The token that registered the key with the configured cloud.
fn enrolled_by(local: &Local) -> Option<&str> {
    let (Ok(config), Ok(state)) = (&local.config, &local.state) else { return None };
    state.portal(&config.cloud_url)?.enrolled_by.as_deref()
}

/// Whether what answered is a page for people.
fn is_page(look: &Look) -> bool {
    look.content_type.as_deref().is_some_and(|kind| kind.trim_start().starts_with("text/html"))
}

/// Whether a directory of ours is one, and is closed to those it has to be closed to.
fn directory(path: &Path, private: bool) -> Finding {
    let standing = match file_standing(path) {
        Ok(Some(standing)) => standing,
        Ok(None) => return Finding::skip(format!("`{}` is not there yet", path.display())),
        Err(error) => return Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), &error),
    };
    let shown = path.display();
    if standing.kind != "a directory" {
        return Finding::fail(
            format!("`{shown}` is {}", standing.kind),
            "find out who put it there, then move it away",
        );
    }
    let open = standing.mode.unwrap_or(0) & if private { 0o077 } else { 0o022 };
    if open != 0 {
        let mode = if private { "700" } else { "755" };
        return Finding::fail(format!("others may reach into `{shown}`"), format!("run `chmod {mode} '{shown}'`"));
    }
    let own = process::user_id();
    match (standing.owner, own) {
        (Some(owner), Some(own)) if owner != 0 && owner != own && own != 0 => Finding::warn(
            format!("`{shown}` belongs to the user id {owner}"),
            "run the agent's commands as the account that runs the agent, or as root",
        ),
        _ => Finding::pass(format!("`{shown}`")),
    }
}
