//! The floors of the house: a crate uses only what lies below it.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use std::process::Command;

use serde_json::Value;

/// What each crate may use of the others. Only `tests` may see everything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("saml", &[]),
    ("installer-options", &[]),
    ("platform", &[]),
    ("agent", &["platform", "saml", "installer-options"]),
    ("portal", &["saml"]),
    ("tests", &["agent", "portal", "platform", "saml", "installer-options"]),
];

/// What the floor that is pure may not lean on: the network, the disk, the clock.
const IMPURE: &[&str] = &["tokio", "reqwest", "sqlx", "axum", "rustls", "zbus", "rustix"];

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(tests::binaries::workspace_dir())
        .output()
        .expect("cargo can be started");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// The libraries that the crate `package` is made with; what only its tests need is left out.
fn dependencies(package: &Value) -> Vec<String> {
    let all = package["dependencies"].as_array().expect("a list");
    let shipped = all.iter().filter(|dependency| dependency["kind"].is_null());
    shipped.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_crate_uses_only_the_floors_below_it() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("a list");
    let ours: Vec<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("`{name}` has no floor: give it one in tests/floors.rs"));
            continue;
        };
        for dependency in dependencies(package) {
            if ours.contains(&dependency.as_str()) && !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("`{name}` must not depend on `{dependency}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_floor_has_no_input_or_output() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("a list").iter();
    let pure = packages
        .filter(|package| ["saml", "installer-options"].contains(&package["name"].as_str().unwrap_or_default()));
    let wrong: Vec<_> = pure
        .flat_map(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            let impure = dependencies(package).into_iter().filter(|dependency| IMPURE.contains(&dependency.as_str()));
            impure.map(move |dependency| format!("`{name}` is pure and must not depend on `{dependency}`"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
