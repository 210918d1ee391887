//! The same tests over PostgreSQL: every test of the programs named here is run a second time on a server of our own.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "test code: it starts programs, and a surprise must end it loudly"
)]

use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::{Arguments, Trial};
use tests::binaries::workspace_dir;
use tests::components::trial;
use tests::postgres::{Cluster, NEEDS, VARIABLE};

/// Test programs, as cargo calls them.
const PROGRAMS: [&str; 13] = [
    "portal",
    "refusals",
    "limits",
    "rotation",
    "thread",
    "external_idp",
    "admin_saml",
    "passkeys",
    "scim",
    "services",
    "impersonation",
    "proof_people",
    "copied_key",
];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let mut cluster = None;
    // The programs are looked for only where there is a server to run them on: without one a single line says so.
    if arguments.list || !there() {
        trials.push(trial("everything_over_postgresql", NEEDS, || ()));
    } else {
        let server = cluster.insert(Cluster::start(false)).url();
        let built = build();
        for program in PROGRAMS {
            trials.extend(trials_of(program, &built, &server));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` drops nothing.
    drop(cluster);
    conclusion.exit();
}

fn there() -> bool {
    let there = |need: &&str| if need.starts_with('/') { PathBuf::from(need).exists() } else { program(need) };
    NEEDS.iter().all(there)
}

fn program(name: &str) -> bool {
    tests::components::program(name).is_some()
}

fn trials_of(program: &str, built: &[serde_json::Value], server: &str) -> Vec<Trial> {
    let is_it =
        |message: &&serde_json::Value| message["target"]["name"] == program && message["profile"]["test"] == true;
    // The portal's program has the library's name on some systems; its tests are in the library.
    let executables = built.iter().filter(is_it).filter(|message| message["target"]["kind"][0] != "bin");
    let executable = executables.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next();
    let executable = executable.expect("cargo names the program that it built");
    let listed = Command::new(&executable).args(["--list", "--format", "terse"]).output().expect("it can be started");
    let listed = String::from_utf8(listed.stdout).expect("names are text");
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let trials: Vec<_> =
        names.map(|test| one(program, test.to_owned(), executable.clone(), server.to_owned())).collect();
    assert!(!trials.is_empty(), "{program} has tests");
    trials
}

fn one(program: &str, test: String, executable: PathBuf, server: String) -> Trial {
    Trial::test(format!("{program}::{test}"), move || {
        let mut command = Command::new(executable);
        command.args(["--exact", &test, "--nocapture"]).env(VARIABLE, server);
        command.current_dir(workspace_dir().join("tests"));
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !said.contains("1 passed") {
            return Err(said.into());
        }
        Ok(())
    })
}

/// Builds the test programs like us; returns what cargo says about each.
fn build() -> Vec<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // The same packages as for the programs, so that features are resolved as they were and nothing is built twice.
    build.args(["test", "--release", "--no-run", "--message-format=json"]);
    build.args(["--package", "tests", "--package", "agent", "--package", "portal"]);
    build.args(["--lib", "--test", "refusals", "--test", "limits", "--test", "rotation", "--test", "thread"]);
    build.args([
        "--test",
        "external_idp",
        "--test",
        "admin_saml",
        "--test",
        "passkeys",
        "--test",
        "scim",
        "--test",
        "services",
        "--test",
        "impersonation",
        "--test",
        "proof_people",
        "--test",
        "copied_key",
    ]);
    for (name, _) in std::env::vars_os() {
        // What cargo tells us about ourselves would make it build again whatever reads that.
        if name.to_string_lossy().starts_with("CARGO_MANIFEST_") || name.to_string_lossy().starts_with("CARGO_PKG_") {
            build.env_remove(name);
        }
    }
    let output = build.current_dir(workspace_dir()).output().expect("cargo can be started");
    assert!(output.status.success(), "they can be built: {}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).expect("cargo prints text");
    messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
