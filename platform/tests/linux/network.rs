use crate::{needing, probe::Probe};
use libtest_mimic::Trial;
use platform::paths::Paths;
use std::process::{Command, Stdio};

pub(crate) fn trials() -> Vec<Trial> {
    vec![needing("network: a new address and a link that comes up are heard", missing(), changes_are_heard)]
}

fn missing() -> Option<&'static str> {
    if !Paths::is_privileged() {
        return Some("root, to make a network of its own");
    }
    let runs = |program: &str, argument: &str| {
        let mut command = Command::new(program);
        command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !runs("ip", "-V") {
        return Some("`ip`: install iproute2");
    }
    (!runs("unshare", "--version")).then_some("`unshare`: install util-linux")
}

fn changes_are_heard() {
    let probe = Probe::start_in_new_network("network");
    assert_eq!(probe.all(), ["subscribed", "quiet", "true changed", "true changed", "end"]);
}
