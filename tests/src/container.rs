//! A machine to install on: Debian with systemd as its first process, in a container that shares the host's network, so that a
//! portal on the host's loopback is reached.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::binaries::workspace_dir;
use crate::program::{PATIENCE, Program};

/// What is in every machine beside Debian's minimum.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,libpam-systemd,procps,rpm";
/// Debian 12.
const BOOKWORM: Release = Release { name: "bookworm", image: "base" };
/// Debian 13.
const TRIXIE: Release = Release { name: "trixie", image: "base-trixie" };

/// A release of Debian, and what its image is called.
#[derive(Clone, Copy)]
struct Release {
    name: &'static str,
    image: &'static str,
}

/// A machine that has booted. It is switched off and deleted when it is dropped.
#[derive(Debug)]
pub struct Container {
    root: PathBuf,
    leader: u32,
    nspawn: Program,
    /// What its root is mounted from, where it is.
    layers: Option<Layers>,
}

/// A root that is an image with a directory of its own above it. It is deleted when it is dropped; the image stays.
#[derive(Debug)]
struct Layers {
    root: PathBuf,
    own: PathBuf,
}

/// What a container needs on the host.
pub const NEEDS: [&str; 4] = ["root", "systemd-nspawn", "debootstrap", "nsenter"];

impl Container {
    /// A new machine.
    ///
    /// # Panics
    /// Where it can't be made or does not boot.
    #[must_use]
    pub fn boot() -> Self {
        Self::boot_over(&base(BOOKWORM), &[])
    }

    /// A new machine with further packages of Debian, whose `services` do not start by themselves: machines share the host's ports.
    ///
    /// # Panics
    /// As [`Container::boot`], and where the packages can't be had.
    #[must_use]
    pub fn boot_with(packages: &[&str], services: &[&str]) -> Self {
        Self::boot_over(&base_with(BOOKWORM, packages, services), &[])
    }

    /// The same with Debian 13.
    ///
    /// # Panics
    /// As [`Container::boot_with`].
    #[must_use]
    pub fn boot_trixie_with(packages: &[&str]) -> Self {
        Self::boot_over(&base_with(TRIXIE, packages, &[]), &[])
    }

    /// A copy of a machine that is switched off; like every copy of an image it makes a machine id of its own.
    ///
    /// # Panics
    /// As [`Container::boot`].
    #[must_use]
    pub fn boot_copy_of(image: &Path) -> Self {
        let root = copy_of(image);
        fs::write(root.join("etc/machine-id"), "").expect("the id can be emptied");
        // systemd would take the id over from here.
        let _ = fs::remove_file(root.join("var/lib/dbus/machine-id"));
        Self::boot_from(&root)
    }

    /// Boots the system in `root`, which is deleted in the end.
    ///
    /// # Panics
    /// As [`Container::boot`].
    #[must_use]
    pub fn boot_from(root: &Path) -> Self {
        Self::boot_in(root, &[])
    }

    /// Boots the system in `root`, which is deleted in the end, in a network namespace instead of the host's network.
    ///
    /// # Panics
    /// As [`Container::boot`].
    #[must_use]
    pub fn boot_in_network(root: &Path, namespace: &str) -> Self {
        Self::boot_in(root, &[&format!("--network-namespace-path=/run/netns/{namespace}"), "--resolv-conf=off"])
    }

    /// A new machine with a network of its own, which has loopback alone.
    ///
    /// # Panics
    /// As [`Container::boot`].
    #[must_use]
    pub fn boot_alone() -> Self {
        Self::boot_over(&base(BOOKWORM), &["--private-network"])
    }

    /// Machines share what is in the image, which is up to a gigabyte, where the host can layer one directory over another.
    fn boot_over(image: &Path, options: &[&str]) -> Self {
        let Some(layers) = Layers::over(image) else { return Self::boot_in(&copy_of(image), options) };
        let mut machine = Self::boot_in(&layers.root, options);
        machine.layers = Some(layers);
        machine
    }

    fn boot_in(root: &Path, options: &[&str]) -> Self {
        let mut command = Command::new("systemd-nspawn");
        command.args(["--quiet", "--boot", "--register=no", "--keep-unit", "--link-journal=no"]);
        command.args(options).arg("--directory");
        command.arg(root).arg(format!("--machine={}", root.file_name().expect("it has a name").display()));
        let mut nspawn = Program::start(command);
        nspawn.wait_for(|line| line.contains("Multi-User System"));
        let children = format!("/proc/{0}/task/{0}/children", nspawn.id());
        let children = fs::read_to_string(children).expect("the kernel tells a process's children");
        let leader = children.split_whitespace().next().and_then(|id| id.parse().ok());
        Self { root: root.to_owned(), leader: leader.expect("it has a first process"), nspawn, layers: None }
    }

    /// Runs a shell script in it as root, with `input` on its standard input.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn shell_with(&self, script: &str, input: &[u8]) -> Output {
        let mut command = self.inside("/root");
        command.args(["sh", "-c"]);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter can be started");
        // A script that does not read its input may have ended already.
        drop(child.stdin.take().expect("it is piped").write_all(input));
        child.wait_with_output().expect("it can be waited for")
    }

    /// A command line in it that waits for its words.
    fn inside(&self, home: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--root"]);
        command.args(["env", "-i", "-C", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]);
        command.arg(format!("HOME={home}"));
        command
    }

    /// The same as the account `account`: the words are a program and its arguments.
    #[must_use]
    pub fn command_as(&self, account: &str) -> Command {
        let mut command = self.inside(&format!("/home/{account}"));
        command.args(["runuser", "-u", account, "--"]);
        command
    }

    /// A command of the host's in its network: one that it does not share.
    #[must_use]
    pub fn host_command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--net", "--"]);
        command
    }

    /// The same for a script that must succeed; returns what it printed, without the end of line.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ok_with(&self, script: &str, input: &[u8]) -> String {
        let output = self.shell_with(script, input);
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            // Why a service does not start stands nowhere else.
            let journal = self.shell_with("journalctl --quiet --no-pager --lines=40", b"").stdout;
            panic!("`{script}` failed: {text}{errors}the end of its journal:\n{}", String::from_utf8_lossy(&journal));
        }
        text.trim_end().to_owned()
    }

    /// The same without input.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ok(&self, script: &str) -> String {
        self.ok_with(script, b"")
    }

    /// Whether a script succeeds.
    #[must_use]
    pub fn is(&self, script: &str) -> bool {
        self.shell_with(script, b"").status.success()
    }

    /// Waits until a script succeeds.
    ///
    /// # Panics
    /// Where it doesn't within [`PATIENCE`].
    pub fn until(&self, script: &str) {
        eventually(script, || self.is(script));
    }

    /// Puts a file of the host into it.
    ///
    /// # Panics
    /// Where it can't be copied.
    pub fn put(&self, file: &Path, at: &str) {
        let target = self.root.join(at.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("it has a parent")).expect("the directory can be made");
        fs::copy(file, &target).unwrap_or_else(|error| panic!("{} can't be copied: {error}", file.display()));
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).expect("the mode can be set");
    }

    /// Its file system as its first process sees it, so with what lies in memory.
    #[must_use]
    pub fn seen(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.leader))
    }

    /// The ids that its processes have on the host.
    ///
    /// # Panics
    /// Where the kernel does not tell.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let namespace = |id: u32| fs::read_link(format!("/proc/{id}/ns/pid")).ok();
        let own = namespace(self.leader);
        let all = fs::read_dir("/proc").expect("the kernel tells of processes").map_while(Result::ok);
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| namespace(*id) == own).collect()
    }

    /// Switches it off and keeps its disk, as an image that copies are made of. Whoever has it deletes it.
    ///
    /// # Panics
    /// Where it does not end.
    #[must_use]
    pub fn switched_off(mut self) -> PathBuf {
        self.shell_with("systemctl poweroff", b"");
        self.nspawn.wait();
        if self.layers.is_some() {
            return copy_of(&self.root);
        }
        std::mem::take(&mut self.root)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // With its first process the kernel ends all others; it would outlive an `nspawn` that is killed.
        if !self.nspawn.has_ended() {
            let _ = Command::new("kill").args(["-KILL", &self.leader.to_string()]).status();
        }
        self.nspawn.kill();
        if self.layers.is_none() && !self.root.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// Waits until `what` holds.
///
/// # Panics
/// Where it doesn't within [`PATIENCE`].
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        // What happens in another machine can't wake us.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Debian's minimum with systemd: made once, and kept in the target directory.
fn base(release: Release) -> PathBuf {
    static MAKING: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    // Two releases may be made at the same time.
    let _one = MAKING[usize::from(release.image == TRIXIE.image)].lock();
    let (base, making) = (rootfs_dir().join(release.image), rootfs_dir().join(format!("making-{}", release.name)));
    if base.exists() {
        return base;
    }
    fs::create_dir_all(rootfs_dir()).expect("the directory can be made");
    // What is left of one that was begun and not ended.
    let _ = fs::remove_dir_all(&making);
    let status = Command::new("debootstrap")
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), release.name])
        .arg(&making)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("debootstrap can be started").success(), "Debian can be fetched");
    fs::write(making.join("etc/hosts"), "127.0.0.1 localhost\n").expect("the file can be written");
    // A prompt would take the console away from systemd, sometimes before it has said there that it has booted.
    let prompt = making.join("etc/systemd/system/console-getty.service");
    std::os::unix::fs::symlink("/dev/null", prompt).expect("a link can be made");
    fs::rename(&making, &base).expect("it can be renamed");
    base
}

/// A new machine's files, with further packages of Debian as in [`Container::boot_with`], for whoever changes them before it boots.
///
/// # Panics
/// Where the packages can't be had.
#[must_use]
pub fn files_with(packages: &[&str], services: &[&str]) -> PathBuf {
    let root = copy_of(&base_with(BOOKWORM, packages, services));
    fs::write(root.join("etc/machine-id"), "").expect("the id can be emptied");
    let _ = fs::remove_file(root.join("var/lib/dbus/machine-id"));
    root
}

/// The same with further packages. The names of the packages name it, so another list is another image.
fn base_with(release: Release, packages: &[&str], services: &[&str]) -> PathBuf {
    let image = rootfs_dir().join(format!("{}+{}", release.image, packages.join("+")));
    if image.exists() {
        return image;
    }
    let making = copy_of(&base(release));
    fs::copy("/etc/resolv.conf", making.join("etc/resolv.conf")).expect("the host's resolver can be taken over");
    let policy = making.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n").expect("the file can be written");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
    let inside = |command: &[&str]| {
        let mut chroot = Command::new("chroot");
        chroot.arg(&making).args(["env", "DEBIAN_FRONTEND=noninteractive"]).args(command).stdin(Stdio::null());
        let output = chroot.output().expect("`chroot` can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} in a new machine: {errors}");
    };
    inside(&["apt-get", "update", "-qq"]);
    inside(&[&["apt-get", "install", "-y", "-qq", "--no-install-recommends"], packages].concat());
    if !services.is_empty() {
        inside(&[&["systemctl", "disable"], services].concat());
    }
    // Each machine is a copy of all of it.
    inside(&["apt-get", "clean"]);
    fs::remove_file(policy).expect("it can be removed");
    // Another test program may have made the same meanwhile; one is as good as the other.
    if fs::rename(&making, &image).is_err() {
        fs::remove_dir_all(&making).expect("the directory can be removed");
    }
    image
}

impl Layers {
    /// None where this kernel or file system does not layer.
    fn over(image: &Path) -> Option<Self> {
        let root = new_place();
        let own = root.with_extension("layers");
        for dir in [&root, &own.join("upper"), &own.join("work")] {
            fs::create_dir_all(dir).expect("the directory can be made");
        }
        let at = own.display();
        let options = format!("lowerdir={},upperdir={at}/upper,workdir={at}/work", image.display());
        let layers = Self { root, own };
        let mounted =
            Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&layers.root).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(layers)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        // There may be nothing to unmount.
        let _ = Command::new("umount").args(["--lazy", "--quiet"]).arg(&self.root).status();
        let _ = fs::remove_dir(&self.root);
        let _ = fs::remove_dir_all(&self.own);
    }
}

fn new_place() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    rootfs_dir().join(format!("cs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

fn copy_of(image: &Path) -> PathBuf {
    let copy = new_place();
    let status = Command::new("cp").args(["--archive", "--reflink=auto"]).arg(image).arg(&copy).status();
    assert!(status.expect("`cp` can be started").success(), "the machine can be copied");
    copy
}

fn rootfs_dir() -> PathBuf {
    workspace_dir().join("target/rootfs")
}
