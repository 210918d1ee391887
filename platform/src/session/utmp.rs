//! Who is logged in according to utmp(5), for machines without logind.
//!
//! Programs of the group `utmp` may write that file, so a record only says where to look: the account is the one that login(1) made owner of the
//! terminal, and its name is looked up afresh.

use super::{
    SessionChange, SessionId, UserSession,
    imp::{stable_id, unjudged},
    logind::is_a_persons,
};
use rustix::fs::inotify;
use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tokio::io::{Interest, unix::AsyncFd};

const MOST_OCTETS: usize = 1024 * 1024;
/// The C library's `struct utmp`: where records carry a 64-bit `ut_session` they are longer, and begin alike.
const RECORD: usize = if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) { 400 } else { 384 };
const USER_PROCESS: i16 = 7;

/// The files that tell, below `root`.
pub(super) struct Utmp {
    root: PathBuf,
}

/// A login, as a record claims it.
#[derive(Debug, PartialEq, Eq)]
struct Login {
    pid: i32,
    line: String,
    host: String,
}

impl Utmp {
    pub(super) fn here() -> Self {
        Self { root: "/".into() }
    }

    /// The logins that are still there; `None` where there is no such file.
    pub(super) fn sessions(&self) -> Option<Vec<UserSession>> {
        let octets = crate::files::read(&self.file(), MOST_OCTETS).ok()??;
        Some(logins(&octets).into_iter().filter_map(|login| self.person(login)).collect())
    }

    fn file(&self) -> PathBuf {
        self.root.join("var/run/utmp")
    }

    fn person(&self, login: Login) -> Option<UserSession> {
        // A record outlives a terminal that was torn down.
        if !self.root.join(format!("proc/{}", login.pid)).exists() {
            return None;
        }
        let uid = std::fs::symlink_metadata(self.root.join("dev").join(&login.line)).ok()?.uid();
        if !is_a_persons(uid) {
            return None;
        }
        let local_name = account_name(&self.root.join("etc/passwd"), uid)?;
        let remote = !login.host.is_empty() && !login.host.starts_with(':');
        let mut attributes = vec![("session.terminal", login.line.clone()), ("session.remote-host", login.host)];
        attributes.retain(|(name, value)| *name != "session.remote-host" || (remote && !value.is_empty()));
        Some(UserSession {
            id: SessionId::new(login.line),
            stable_id: stable_id(uid),
            uid: Some(uid),
            active: true,
            remote,
            evidence: unjudged("utmp", attributes),
            local_name,
        })
    }
}

/// The records of people on a terminal. Names that are no plain path below `/dev` are passed over.
fn logins(octets: &[u8]) -> Vec<Login> {
    let text = |field: &[u8]| {
        let end = field.iter().position(|&octet| octet == 0).unwrap_or(field.len());
        String::from_utf8(field.get(..end)?.to_vec()).ok().filter(|text| !text.chars().any(char::is_control))
    };
    let login = |record: &[u8]| {
        let kind = i16::from_ne_bytes(record.get(..2)?.try_into().ok()?);
        let pid = i32::from_ne_bytes(record.get(4..8)?.try_into().ok()?);
        let (line, host) = (text(record.get(8..40)?)?, text(record.get(76..332)?)?);
        let plain =
            !line.is_empty() && !line.starts_with('/') && line.split('/').all(|part| !matches!(part, "" | "." | ".."));
        (kind == USER_PROCESS && pid > 0 && plain).then_some(Login { pid, line, host })
    };
    octets.chunks_exact(RECORD).filter_map(login).collect()
}

/// The name of an account: from the machine's own list, else from its name services through getent(1), which also a static program can ask.
fn account_name(passwd: &Path, uid: u32) -> Option<String> {
    let local = crate::files::read(passwd, MOST_OCTETS).ok().flatten().unwrap_or_default();
    name_of(&String::from_utf8_lossy(&local), uid).or_else(|| {
        let mut getent = Command::new("/usr/bin/getent");
        getent.args(["passwd", &uid.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
        name_of(&String::from_utf8_lossy(&getent.output().ok()?.stdout), uid)
    })
}

/// The first account of that number in lines of passwd(5).
fn name_of(lines: &str, uid: u32) -> Option<String> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Writes to the file, told by inotify(7).
#[derive(Debug)]
pub(super) struct Changes {
    watch: AsyncFd<OwnedFd>,
}

impl Changes {
    /// `None` where there is no such file to watch.
    #[expect(unsafe_code, reason = "registering a descriptor with the runtime")]
    pub(super) fn subscribe(utmp: &Utmp) -> io::Result<Option<Self>> {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        match inotify::add_watch(&watch, utmp.file(), inotify::WatchFlags::MODIFY) {
            Ok(_) => {}
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // SAFETY: an `OwnedFd` stays open, and is the same descriptor, for as long as the registration owns it.
        let watch = unsafe { AsyncFd::register_with_interest(watch, Interest::READABLE) }?;
        Ok(Some(Self { watch }))
    }

    /// `None` when nothing more will come.
    pub(super) async fn next(&mut self) -> Option<SessionChange> {
        let mut octets = [0; 4096];
        loop {
            let mut ready = self.watch.readable().await.ok()?;
            match rustix::io::read(self.watch.get_ref(), &mut octets) {
                Ok(_) => return Some(SessionChange::Changed),
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, pid: u32, line: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&pid.to_ne_bytes());
        record[8..8 + line.len()].copy_from_slice(line.as_bytes());
        record[44..49].copy_from_slice(b"liars");
        record[76..76 + host.len()].copy_from_slice(host.as_bytes());
        record
    }

    fn machine() -> (tempfile::TempDir, u32) {
        let dir = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        for path in ["var/run", "dev/pts", "etc", "proc/10"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(
            dir.path().join("etc/passwd"),
            format!("other:x:99999:1::/:/bin/sh\nalice:x:{uid}:1::/:/bin/sh\n"),
        )
        .unwrap();
        std::fs::write(dir.path().join("dev/pts/3"), "").unwrap();
        std::fs::write(dir.path().join("dev/tty1"), "").unwrap();
        (dir, uid)
    }

    #[test]
    fn the_owner_of_the_terminal_is_who_is_logged_in_whatever_the_record_says() {
        let (dir, uid) = machine();
        let file = [
            record(2, 1, "~", ""),
            record(USER_PROCESS, 10, "pts/3", "198.51.100.4"),
            record(USER_PROCESS, 10, "tty1", ""),
            record(8, 10, "tty1", ""),
            record(USER_PROCESS, 11, "tty1", "gone"),
            record(USER_PROCESS, 10, "pts/9", "no such terminal"),
            record(USER_PROCESS, 10, "../etc/passwd", ""),
        ];
        std::fs::write(dir.path().join("var/run/utmp"), file.concat()).unwrap();
        let found = Utmp { root: dir.path().to_owned() }.sessions().unwrap();
        let shown: Vec<_> =
            found.iter().map(|found| (found.id.as_str(), found.local_name.as_str(), found.uid, found.remote)).collect();
        assert_eq!(shown, [("pts/3", "alice", Some(uid), true), ("tty1", "alice", Some(uid), false)]);
        assert_eq!(found[0].evidence.source, "utmp");
        assert!(found[0].evidence.attributes.contains(&("session.remote-host", "198.51.100.4".to_owned())));
    }

    #[test]
    fn no_file_is_told_apart_from_nobody() {
        let (dir, _) = machine();
        let utmp = Utmp { root: dir.path().to_owned() };
        assert!(utmp.sessions().is_none());
        std::fs::write(dir.path().join("var/run/utmp"), b"cut short").unwrap();
        assert_eq!(utmp.sessions(), Some(Vec::new()));
    }

    #[test]
    fn a_name_comes_from_the_machines_list_or_its_name_services() {
        assert_eq!(account_name(Path::new("/nonexistent"), 0).as_deref(), Some("root"));
        assert_eq!(name_of("a:x:1:\n:x:2:\nb:x:2:2::/:\n", 2).as_deref(), Some("b"));
        assert_eq!(name_of("a:x:1:\n", 3), None);
    }

    #[tokio::test]
    async fn a_write_to_the_file_is_a_change() {
        let (dir, _) = machine();
        let utmp = Utmp { root: dir.path().to_owned() };
        assert!(Changes::subscribe(&utmp).unwrap().is_none());
        std::fs::write(utmp.file(), b"").unwrap();
        let mut changes = Changes::subscribe(&utmp).unwrap().unwrap();
        std::fs::write(utmp.file(), record(USER_PROCESS, 10, "tty1", "")).unwrap();
        assert_eq!(changes.next().await, Some(SessionChange::Changed));
    }
}
