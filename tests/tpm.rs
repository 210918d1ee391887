//! The agent with its key in a TPM 2.0: `swtpm` behind `/dev/tpmrm0`, in a mount namespace of the agent's own. Nothing in the agent knows of
//! the test: there is no option and no variable for the TPM's place.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use libtest_mimic::Arguments;
use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::components::trial;
use tests::portal::Portal;
use tests::program::Program;

fn main() {
    let mut needs = vec!["swtpm", "unshare", "mount"];
    // Only root may give a program a /dev of its own; the directory is there for root alone.
    if !Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
        needs.push("/the right to unshare mounts");
    }
    let trials = vec![
        trial("a key in the TPM signs in, and says so on both sides", &needs, key_in_the_tpm),
        trial("a TPM that comes late or goes away stops no start, and no file follows", &needs, late_and_gone),
        trial("a lost key is answered by enrolling again where there is a token", &needs, lost_key),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// An emulated TPM in a directory; it forgets nothing between two runs, unless its directory goes.
struct Tpm {
    process: Child,
    socket: PathBuf,
}

impl Tpm {
    fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a directory can be made");
        let socket = dir.join("socket");
        let mut command = Command::new("swtpm");
        command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
        command.arg("--tpmstate").arg(format!("dir={}", dir.display()));
        command.arg("--server").arg(format!("type=unixio,path={}", socket.display()));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("swtpm can be started");
        Self { process, socket }
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(std::fs::remove_file(&self.socket));
    }
}

/// The same command, with a `/dev` in which the TPM is `socket`, which need not be there yet.
fn with_tpm(command: &Command, dir: &Path, socket: &Path) -> Command {
    const OWN_DEV: &str = r#"set -e; dev=$1 socket=$2; shift 2; mkdir -p "$dev"; mount -t tmpfs tmpfs "$dev"
for node in null zero full random urandom tty; do touch "$dev/$node"; mount --bind "/dev/$node" "$dev/$node"; done
ln -s "$socket" "$dev/tpmrm0"; mount --rbind "$dev" /dev; exec "$@""#;
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "--propagation", "private", "sh", "-c", OWN_DEV, "sh"]);
    wrapped.arg(dir.join("dev")).arg(socket).arg(command.get_program()).args(command.get_args());
    wrapped
}

struct Fixture {
    dir: TempDir,
    portal: Portal,
    agent: Agent,
    _serving: Program,
}

impl Fixture {
    fn new(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let portal = Portal::create(dir.path());
        let token = portal.token(&["--uses", "9"]);
        let serving = portal.serve();
        let agent = Agent::in_dir(&dir.path().join("agent"));
        assert!(agent.configure_with(&portal, &token, options).status.success());
        Self { dir, portal, agent, _serving: serving }
    }

    fn tpm_dir(&self) -> PathBuf {
        self.dir.path().join("tpm")
    }

    fn start(&self) -> Program {
        let command = self.agent.run_command();
        Program::start(with_tpm(&command, self.dir.path(), &self.tpm_dir().join("socket")))
    }

    fn start_signed_in(&self) -> Program {
        let mut program = self.start();
        program.wait_for(is_session);
        program
    }

    fn devices(&self) -> Vec<serde_json::Value> {
        self.portal.json(&["device", "list", "--json"]).as_array().expect("a list").clone()
    }

    fn key_file(&self) -> String {
        std::fs::read_to_string(self.agent.state_dir.join("device-key.pem")).expect("the key file")
    }
}

fn key_in_the_tpm() {
    let fixture = Fixture::new(&[]);
    let tpm = Tpm::start(&fixture.tpm_dir());
    let mut running = fixture.start_signed_in();
    assert_eq!(fixture.agent.json(&["status", "--json"])["key_protection"], "tpm");
    assert!(fixture.agent.ok(&["status"]).contains("protected by: tpm"));
    assert!(fixture.portal.ok(&["device", "list"]).contains("tpm"), "{:?}", fixture.devices());
    assert!(fixture.key_file().starts_with("-----BEGIN TSS2 PRIVATE KEY-----"));
    running.kill();
    // A restart of both: the same device, and the token is gone.
    drop(tpm);
    let _tpm = Tpm::start(&fixture.tpm_dir());
    let again = fixture.start_signed_in();
    assert!(!again.seen.iter().any(|line| line.contains("\"step\":\"enrolled\"")), "{:?}", again.seen);
    assert_eq!(fixture.devices().len(), 1);
}

fn late_and_gone() {
    let fixture = Fixture::new(&[]);
    let tpm = Tpm::start(&fixture.tpm_dir());
    fixture.start_signed_in().kill();
    drop(tpm);
    let mut running = fixture.start();
    running.wait_for(|line| line.contains("\"running\""));
    let problem = |fixture: &Fixture| {
        let status = fixture.agent.json(&["status", "--json"]);
        status["people"][0]["problem"]["code"].as_str().map(str::to_owned)
    };
    let begun = std::time::Instant::now();
    while problem(&fixture).as_deref() != Some("key-hardware-unavailable") {
        assert!(begun.elapsed() < tests::program::PATIENCE, "{:?}", problem(&fixture));
        std::thread::yield_now();
    }
    assert_eq!(fixture.agent.json(&["status", "--json"])["key_protection"], "tpm", "the key is still the TPM's");
    let _tpm = Tpm::start(&fixture.tpm_dir());
    running.wait_for(is_session);
    assert_eq!(fixture.devices().len(), 1);
    assert!(fixture.key_file().starts_with("-----BEGIN TSS2 PRIVATE KEY-----"));
}

fn lost_key() {
    for (options, code) in [(&["--keepToken", "1"][..], None), (&[][..], Some("key-lost"))] {
        let fixture = Fixture::new(options);
        let tpm = Tpm::start(&fixture.tpm_dir());
        fixture.start_signed_in().kill();
        let before = fixture.key_file();
        drop(tpm);
        std::fs::remove_dir_all(fixture.tpm_dir()).expect("the TPM can be thrown away");
        let _other = Tpm::start(&fixture.tpm_dir());
        let mut running = fixture.start();
        let Some(code) = code else {
            running.wait_for(is_session);
            assert_ne!(fixture.key_file(), before);
            assert_eq!(fixture.agent.json(&["status", "--json"])["key_protection"], "tpm");
            assert_eq!(fixture.devices().len(), 2, "the lost key is another device, which an administrator removes");
            continue;
        };
        running.wait_for(|line| line.contains(code));
        assert_eq!(fixture.key_file(), before, "nothing is thrown away without a token");
    }
}
