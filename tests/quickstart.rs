//! The quick start, as a stranger runs it.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn quickstart(dir: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(&tests::binaries::binaries().quickstart);
    command.args(["--once", "--json", "--data-dir"]).arg(dir).args(more);
    command.output().expect("it can be started")
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else")
}

#[test]
fn the_first_run_enrols_the_second_needs_the_key_alone_and_reset_starts_over() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let place = dir.path().join("quickstart");
    let first = json(&quickstart(&place, &[]));
    for field in ["user", "device", "evidence", "key_protection"] {
        assert!(first[field].as_str().is_some_and(|value| !value.is_empty()), "{field} in {first}");
    }
    for field in ["enrol_ms", "sign_in_ms", "agent_rss_kib"] {
        assert!(first[field].as_f64().is_some_and(|value| value > 0.0), "{field} in {first}");
    }
    assert_eq!(first["signed_in"], true, "{first}");

    let second = json(&quickstart(&place, &[]));
    assert_eq!(second["device"], first["device"]);
    assert_eq!(second["enrolled_now"], false, "{second}");

    let third = json(&quickstart(&place, &["--reset"]));
    assert_ne!(third["device"], first["device"]);
    assert_eq!(third["enrolled_now"], true, "{third}");
}

#[test]
fn reset_removes_nothing_that_the_quick_start_did_not_make() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "mine").expect("the file can be written");
    let output = quickstart(dir.path(), &["--reset"]);
    assert!(!output.status.success());
    assert!(precious.exists());
}
