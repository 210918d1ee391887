//! What every facade of this crate keeps on every system, whichever leaf is below it: the same checks run over this system's own leaves (here), over
//! emulated hardware and a session service of the tests' own (`tests/linux`), and under Wine.
//!
//! A leaf may say that it can't do a thing. It may not say `Ok` and have done nothing: each check looks at the effect.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of the one door to the operating system: they look behind it, and stop at the first surprise"
)]

mod changes;
mod channel;
mod device_key;
mod facts;
mod files;
mod sessions;

use platform::device_key::Ladder;

#[tokio::test]
async fn sessions_of_this_system() {
    sessions::hold().await;
}

#[test]
fn facts_of_this_device() {
    facts::hold();
}

#[test]
fn a_device_key_without_hardware() {
    let dir = tempfile::tempdir().unwrap();
    device_key::hold(&Ladder::with_tpm(dir.path().join("no-tpm")));
}

/// On Linux the system's own TPM is not asked: `tests/linux` has one of its own.
#[cfg(windows)]
#[test]
fn a_device_key_by_cng_or_what_it_leaves() {
    device_key::hold(&Ladder::default());
}

#[test]
fn files_of_this_system() {
    files::hold();
}

#[tokio::test]
async fn the_local_channel_of_this_system() {
    channel::hold().await;
}

#[tokio::test]
async fn changes_of_files() {
    changes::of_files().await;
}

#[tokio::test]
async fn changes_of_the_network() {
    changes::of_the_network().await;
}
