//! The other process: this test program started again in a role, with an environment and a user of its own.

use std::{
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

pub(crate) const ROLE: &str = "PLATFORM_TEST_ROLE";
const OBJECT: &str = "PLATFORM_TEST_OBJECT";
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a role in this process, which was started for it.
pub(crate) fn play(role: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let object = platform::environment::var(OBJECT).unwrap_or_default();
    match role {
        "sessions" => runtime.block_on(sessions()),
        "any-sessions" => {
            runtime.block_on(crate::any_sessions::hold());
            println!("holds");
        }
        "watch" => runtime.block_on(watch()),
        "network" => runtime.block_on(network()),
        "write" => write_for_ever(Path::new(&object)),
        "listen" => runtime.block_on(listen(Path::new(&object))),
        "connect" => runtime.block_on(connect(Path::new(&object))),
        other => println!("no such role: {other}"),
    }
}

async fn sessions() {
    match platform::session::sessions().await {
        Ok(sessions) => {
            for session in sessions {
                let evidence = &session.evidence;
                println!(
                    "{} {} {:?} active={} remote={} {} {}",
                    session.id,
                    session.local_name,
                    session.uid,
                    session.active,
                    session.remote,
                    evidence.grade,
                    evidence.source
                );
            }
        }
        Err(error) => println!(
            "error: {error}: {}",
            std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
        ),
    }
    println!("end");
}

/// In a network of its own, which this role changes by itself: what happens in the machine's own network disturbs nothing.
async fn network() {
    let mut changes = platform::network::NetworkChanges::subscribe().unwrap();
    println!("subscribed");
    let quiet = tokio::time::timeout(Duration::ZERO, changes.next()).await;
    println!("{}", if quiet.is_err() { "quiet" } else { "something changed by itself" });
    for arguments in [["addr", "add", "192.0.2.7/24", "dev", "lo"], ["link", "set", "dev", "lo", "up"]] {
        let status = Command::new("ip").args(arguments).status().unwrap();
        let heard = tokio::time::timeout(PATIENCE, changes.next()).await;
        println!("{} {}", status.success(), if matches!(heard, Ok(Ok(()))) { "changed" } else { "not heard" });
    }
    println!("end");
}

async fn watch() {
    let mut changes = platform::session::SessionChanges::subscribe().await.unwrap();
    println!("subscribed");
    loop {
        let before = context_switches();
        let change = changes.next().await;
        println!("{change:?} switches={}", context_switches() - before);
    }
}

/// How often this process has been woken.
fn context_switches() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap().trim().parse().unwrap()
}

fn write_for_ever(path: &Path) {
    println!("writing");
    loop {
        for letter in *b"ab" {
            platform::files::write_atomically(path, &[letter; 65_536], platform::files::Access::Private).unwrap();
        }
    }
}

async fn listen(runtime_dir: &Path) {
    let mut listener = match platform::channel::Listener::bind(runtime_dir) {
        Ok(listener) => listener,
        Err(error) => return println!("error: {error}"),
    };
    println!("listening");
    loop {
        let (_, peer) = listener.accept().await.unwrap();
        println!("{peer:?}");
    }
}

async fn connect(runtime_dir: &Path) {
    match platform::channel::connect(runtime_dir).await {
        Ok(_) => println!("connected"),
        Err(error) => println!("error: {error}"),
    }
}

/// A process in a role, ended on drop.
pub(crate) struct Probe {
    child: Child,
    lines: Receiver<String>,
}

impl Probe {
    pub(crate) fn start(role: &str, object: &str, user: Option<u32>, environment: &[(&str, &str)]) -> Self {
        // Other users cannot reach the build directory.
        let mut command = Command::new(COPY.get().unwrap());
        if let Some(uid) = user {
            command.uid(uid).gid(uid);
        }
        Self::spawn(command, role, object, environment)
    }

    /// Starts it in a network of its own, with nothing but a loopback interface that is down. Needs root.
    pub(crate) fn start_in_new_network(role: &str) -> Self {
        let mut command = Command::new("unshare");
        command.arg("--net").arg(COPY.get().unwrap());
        Self::spawn(command, role, "", &[])
    }

    fn spawn(mut command: Command, role: &str, object: &str, environment: &[(&str, &str)]) -> Self {
        command.env_remove("INVOCATION_ID").env_remove("NOTIFY_SOCKET");
        command
            .env(ROLE, role)
            .env(OBJECT, object)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line, which must come in time.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the probe says something in time")
    }

    /// All lines up to the end of the process.
    pub(crate) fn all(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.lines.recv_timeout(PATIENCE).ok()).collect();
        self.child.wait().unwrap();
        lines
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static COPY: OnceLock<PathBuf> = OnceLock::new();

/// Puts this program where every user may run it, until the directory is dropped.
pub(crate) fn copy_for_everybody() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("probe");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    COPY.set(copy).unwrap();
    dir
}
