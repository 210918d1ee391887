use super::*;
use crate::{
    arguments::parse_arguments,
    file::parse_file,
    raw::{Layer, Parsed},
    table::Flavour,
    values::{Delivered, parse_values},
};
use proptest::prelude::*;

fn arguments(line: &[&str]) -> RawOptions {
    let parsed = parse_arguments(line.iter().copied(), Layer::Install, "command line");
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    parsed.options
}

fn faults(line: &[&str]) -> Vec<String> {
    InstallOptions::check(&arguments(line))
        .err()
        .map(|faults| faults.0.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

#[test]
fn the_three_options_of_the_main_job_pass() {
    let raw = arguments(&[
        "--deviceToken",
        "a-b=c",
        "--userDomain",
        "Safemarch.com",
        "--cloudName",
        "cloud.example.net:8443",
    ]);
    let options = InstallOptions::check(&raw).unwrap();
    assert_eq!(options.user_domain.as_ref().unwrap().as_str(), "safemarch.com");
    assert_eq!(options.cloud_host().unwrap().base_url(), "https://cloud.example.net:8443");
    assert!(options.launch_tray && !options.keep_token && options.external_device_id.is_none());
    assert_eq!(options.origin(OptionName::CloudName).layer, Layer::Install);
    assert_eq!(options.origin(OptionName::KeepToken).layer, Layer::Default);
    let shown: Vec<_> = options.effective().filter_map(|(name, value, _)| Some(format!("{name}={}", value?))).collect();
    assert!(
        shown.contains(&"deviceToken=[secret]".to_owned()) && shown.contains(&"launchTray=1".to_owned()),
        "{shown:?}"
    );
    assert!(!format!("{options:?}").contains("a-b=c"));
}

#[test]
fn nothing_said_is_no_fault() {
    let options = InstallOptions::check(&RawOptions::default()).unwrap();
    assert!(options.device_token.is_none() && options.cloud_host().is_none());
    assert_eq!(options.effective().count(), OPTIONS.len());
}

#[test]
fn each_rule_names_the_option_that_is_missing() {
    for (line, option, needed) in [
        (
            vec!["--strictEnforcement", "1", "--policyToken", "p"],
            "--strictEnforcement",
            "`--cloudName cloud.example.net`",
        ),
        (vec!["--strictEnforcement", "1", "--cloudName", "a.example"], "--strictEnforcement", "`--policyToken TOKEN`"),
        (vec!["--policyToken", "p"], "--policyToken", "`--strictEnforcement 1`"),
        (vec!["--userName", "alice"], "--userName", "`--userDomain example.com`"),
        (vec!["--deviceToken", "t", "--cloudName", "a.example"], "--deviceToken", "`--userDomain example.com`"),
        (vec!["--deviceToken", "t", "--userDomain", "a.example"], "--deviceToken", "`--cloudName cloud.example.net`"),
        (
            vec!["--deviceTokenFile", "-", "--userDomain", "a.example"],
            "--deviceTokenFile",
            "`--cloudName cloud.example.net`",
        ),
        (vec!["--unattendedmodeui", "none"], "--unattendedmodeui", "`--mode unattended`"),
    ] {
        let found = faults(&line);
        assert_eq!(found.len(), 1, "{line:?}: {found:?}");
        assert!(
            found[0].starts_with(&format!("`{option}` from install options (command line)"))
                && found[0].contains(needed),
            "{}",
            found[0]
        );
    }
}

#[test]
fn mobile_enrolment_needs_its_three_options_in_mobile_spelling() {
    let entries = [("authByTunnel".to_owned(), Delivered::Text("2".to_owned()))];
    let parsed = parse_values(entries, &Origin::new(Layer::Policy, Flavour::Ios, "managed app configuration"));
    let found = InstallOptions::check(&parsed.options).unwrap_err().to_string();
    for needed in ["`deviceToken: TOKEN`", "`userDomain: example.com`", "`cloudname: cloud.example.net`"] {
        assert!(found.contains(needed), "{found}");
    }
}

#[test]
fn all_faults_come_at_once_and_say_what_to_write() {
    let found = faults(&[
        "--userName",
        "alice@example.com",
        "--userDomain",
        "alice@example.com",
        "--cloudName",
        "https://cloud.example.net/x",
        "--keepToken",
        "yes",
        "--configTimeout",
        "1.5",
        "--caFile",
        "ca.pem",
        "--enableFips",
        "1",
        "--mode",
        "quiet",
        "--clouds",
        "prod,a=b.example,a=c.example",
    ]);
    let all = found.join("\n");
    assert_eq!(found.len(), 10, "{all}");
    for instead in [
        "write `alice`, and the domain in the option `userDomain`",
        "write `example.com`",
        "write `cloud.example.net`",
        "`yes` does not fit: write `0` or `1`",
        "whole seconds",
        "an absolute path",
        "FIPS-validated",
        "`unattended`",
        "`prod` has no `=`",
        "`a` is there twice",
    ] {
        assert!(all.contains(instead), "{instead} is not in\n{all}");
    }
}

#[test]
fn a_secret_that_does_not_fit_is_not_repeated() {
    let found = faults(&["--deviceToken", "c4n4ry\u{7}", "--userDomain", "a.example", "--cloudName", "a.example"]);
    assert!(found.len() == 1 && !found[0].contains("c4n4ry"), "{found:?}");
}

#[test]
fn an_unknown_short_cloud_lists_the_known_ones() {
    let found = faults(&["--cloudName", "pord", "--clouds", "prod=a.example,test=b.example"]);
    assert!(found.len() == 1 && found[0].contains("`prod`, `test`"), "{found:?}");
    let options =
        InstallOptions::check(&arguments(&["--cloudName", "Prod", "--clouds", "prod=a.example:8443"])).unwrap();
    assert_eq!(options.cloud_host().unwrap().base_url(), "https://a.example:8443");
}

#[test]
fn token_and_token_file_exclude_each_other() {
    let found = faults(&[
        "--deviceToken",
        "t",
        "--deviceTokenFile",
        "-",
        "--userDomain",
        "a.example",
        "--cloudName",
        "a.example",
    ]);
    assert!(found.len() == 1 && found[0].contains("keep one of the two"), "{found:?}");
}

#[test]
fn policy_wins_over_arguments_and_arguments_over_the_file() {
    let file = parse_file("cloudName = \"file.example\"\nuserDomain = \"file.example\"\n", Layer::File, "file");
    let line = parse_arguments(["--cloudName", "line.example"], Layer::Install, "command line");
    let entries = [("keepToken".to_owned(), Delivered::Number(1))];
    let policy = parse_values(entries, &Origin::new(Layer::Policy, Flavour::WindowsPolicy, "policy key"));
    let merged = Parsed::merge([file, line, policy]);
    let options = InstallOptions::check(&merged.options).unwrap();
    assert_eq!(options.cloud_name.as_ref().unwrap().to_string(), "line.example");
    assert_eq!(options.user_domain.as_ref().unwrap().as_str(), "file.example");
    assert!(options.keep_token && options.origin(OptionName::KeepToken).is_locked());
}

proptest! {
    #[test]
    fn any_values_are_judged_without_panic_and_without_telling_secrets(values in proptest::collection::vec((0..OPTIONS.len(), "c4n4ry|[a-z0-9.:@=,/\\[\\]-]{0,12}|\\PC{0,8}"), 0..8)) {
        let mut raw = RawOptions::default();
        let origin = Origin::new(Layer::Install, Flavour::Arguments, "test");
        for (row, value) in values {
            raw.insert(RawOption::new(OPTIONS[row].name, value, origin.clone()));
        }
        for secret in [OptionName::DeviceToken, OptionName::UninstallPassword] {
            raw.remove(secret);
            raw.insert(RawOption::new(secret, "s3cr3t\u{1}", origin.clone()));
        }
        let told = InstallOptions::check(&raw).map_or_else(|faults| format!("{faults} {faults:?}"), |options| format!("{options:?}"));
        prop_assert!(!told.contains("s3cr3t"), "{}", told);
    }
}

#[test]
fn an_unfilled_macro_is_a_fault_of_every_option_and_no_secret_is_shown() {
    for (name, value) in [
        ("--externalDeviceId", "$SERIALNUMBER"),
        ("--userDomain", "{{domain}}"),
        ("--cloudName", "%Cloud%"),
        ("--deviceToken", "$ENROLMENT_SECRET"),
    ] {
        let faults = faults(&[name, value]);
        let told: Vec<&String> = faults.iter().filter(|line| line.contains("macro")).collect();
        assert_eq!(told.len(), 1, "{faults:?}");
        assert!(told[0].contains(name.trim_start_matches('-')), "{faults:?}");
        assert_eq!(told[0].contains(value), name != "--deviceToken", "{faults:?}");
    }
}
