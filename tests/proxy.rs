//! The agent in a network whose way out is a proxy.

use tests::agent::{Agent, is_session};
use tests::portal::Portal;
use tests::program::Program;
use tests::proxy::Proxy;

/// `alice` and `s3cret`, as RFC 7617 sends them.
const ALICE: &str = "Basic YWxpY2U6czNjcmV0";

fn portal_and_agent(dir: &std::path::Path) -> (Portal, Agent) {
    let portal = Portal::create(dir);
    let agent = Agent::in_dir(&dir.join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    (portal, agent)
}

/// The daemon in an environment that names `url` as the way out.
fn start_behind(agent: &Agent, url: &str) -> Program {
    let mut command = agent.run_command();
    command.env("HTTPS_PROXY", url).env_remove("NO_PROXY").env_remove("no_proxy");
    Program::start(command)
}

#[test]
fn the_proxy_of_the_option_is_gone_through() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, agent) = portal_and_agent(dir.path());
    let _serving = portal.serve();
    let proxy = Proxy::start(None);
    agent.ok(&["configure", "--proxy", &format!("http://127.0.0.1:{}", proxy.port)]);
    let _running = agent.start_signed_in();
    let wanted = format!("CONNECT {} HTTP/1.1", portal.cloud_name());
    assert!(
        !proxy.requests().is_empty() && proxy.requests().iter().all(|line| *line == wanted),
        "{:?}",
        proxy.requests()
    );
}

#[test]
fn the_proxy_of_the_environment_is_gone_through_with_its_password() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, agent) = portal_and_agent(dir.path());
    let _serving = portal.serve();
    let proxy = Proxy::start(Some(ALICE));
    let mut running = start_behind(&agent, &format!("http://alice:s3cret@127.0.0.1:{}", proxy.port));
    running.wait_for(|line| {
        assert!(!line.contains("s3cret") && !line.contains(ALICE), "the password of the proxy is in the log: {line}");
        is_session(line)
    });
    assert!(!proxy.requests().is_empty());
}

#[test]
fn the_option_direct_overrules_the_environment() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (portal, agent) = portal_and_agent(dir.path());
    let _serving = portal.serve();
    let proxy = Proxy::start(None);
    agent.ok(&["configure", "--proxy", "direct"]);
    let mut running = start_behind(&agent, &format!("http://127.0.0.1:{}", proxy.port));
    running.wait_for(is_session);
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
}

#[test]
fn a_proxy_that_can_not_reach_the_portal_is_named() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    // The portal is not served, and the name is the proxy's to resolve.
    let (_portal, agent) = portal_and_agent(dir.path());
    let proxy = Proxy::start(None);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    agent.ok(&["configure", "--cloudName", "portal.invalid", "--proxy", &url]);
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"portal-unreachable\"") && line.contains(&url));
}

#[test]
fn credentials_in_the_option_are_refused_and_not_repeated() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (_portal, agent) = portal_and_agent(dir.path());
    let output = agent.run(&["configure", "--proxy", "http://alice:s3cret@127.0.0.1:3128"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("credentials") && !errors.contains("s3cret"), "{errors}");
}
