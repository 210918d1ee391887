//! The Linux leaves against the real things: a message bus, logind's interface, another user, a full disk, a killed process.
//!
//! A component that is missing makes a test ignored, with the reason in its name; with `CI=true` it makes it fail.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::print_stdout,
        clippy::unwrap_used,
        reason = "tests of the one door to the operating system: they play the operating system, and stop at the first surprise"
    )
)]

#[cfg(target_os = "linux")]
#[path = "../contract/device_key.rs"]
mod any_device_key;
#[cfg(target_os = "linux")]
#[path = "../contract/sessions.rs"]
mod any_sessions;
#[cfg(target_os = "linux")]
mod bus;
#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod logind;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod tpm;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    if let Some(role) = platform::environment::var(probe::ROLE) {
        return probe::play(&role);
    }
    // Before there are threads: a child that is forked while the copy is being written holds it open, and then it cannot be run.
    let copy = probe::copy_for_everybody();
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [logind::trials(), channel::trials(), files::trials(), network::trials(), tpm::trials()];
    let trials = trials.into_iter().flatten().collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(copy);
    conclusion.exit();
}

/// A trial that needs something that may be missing here.
#[cfg(target_os = "linux")]
fn needing(name: &str, missing: Option<&'static str>, test: fn()) -> libtest_mimic::Trial {
    let strict = platform::environment::var("CI").is_some_and(|value| value == "true");
    match missing {
        None => libtest_mimic::Trial::test(name, move || {
            test();
            Ok(())
        }),
        Some(what) if strict => libtest_mimic::Trial::test(name, move || Err(format!("missing here: {what}").into())),
        Some(what) => {
            libtest_mimic::Trial::test(format!("{name} (missing here: {what})"), || Ok(())).with_ignored_flag(true)
        }
    }
}

#[cfg(target_os = "linux")]
fn unless_root() -> Option<&'static str> {
    (!platform::paths::Paths::is_privileged()).then_some("root, to act as several users")
}
