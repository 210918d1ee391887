use crate::{needing, probe::Probe, unless_root};
use libtest_mimic::Trial;
use platform::{
    device_key::{self, KeyError},
    files::{self, Access, FileError},
};
use std::{path::Path, process::Command, time::Duration};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        needing("files: a killed writer leaves the old content or the new", None, a_killed_writer_tears_nothing),
        needing(
            "files: a full disk keeps what was there and leaves no litter",
            unless_root().or_else(unless_mounting),
            a_full_disk_loses_nothing,
        ),
    ]
}

fn a_killed_writer_tears_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    for round in 0..20_u64 {
        let writer = Probe::start("write", path.to_str().unwrap(), None, &[]);
        assert_eq!(writer.line(), "writing");
        std::thread::sleep(Duration::from_millis(10 + round));
        writer.kill();
        if let Some(content) = files::read(&path, 65_536).unwrap() {
            assert_eq!(content.len(), 65_536);
            assert!(content.iter().all(|octet| *octet == content[0]));
        }
    }
    files::write_atomically(&path, b"last", Access::Private).unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["state"], "leftovers of killed writers are cleaned by the next");
}

/// A small file system in memory, gone on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(dir.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn unless_mounting() -> Option<&'static str> {
    SmallDisk::mount("64k").is_none().then_some("the right to mount a tmpfs")
}

fn a_full_disk_loses_nothing() {
    let disk = SmallDisk::mount("64k").unwrap();
    let (state, other) = (disk.path().join("state"), disk.path().join("ballast"));
    files::create_private_dir(&state).unwrap();
    let path = state.join("state.json");
    files::write_atomically(&path, b"precious", Access::Private).unwrap();
    std::fs::write(&other, vec![0; 65_536]).unwrap_err();
    let error = files::write_atomically(&path, &[1; 16_384], Access::Private).unwrap_err();
    assert!(error.is_disk_full(), "{error:?}");
    assert_eq!(*files::read_private(&path, 100).unwrap().unwrap(), b"precious");
    let error = device_key::create(&state).unwrap_err();
    assert!(matches!(&error, KeyError::File { source: FileError::Io { .. }, .. }), "{error:?}");
    assert!(device_key::load(&state).unwrap().is_none(), "half a key is no key");
    let left: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["state.json"]);
    std::fs::remove_file(&other).unwrap();
    let key = device_key::create(&state).unwrap();
    assert_eq!(device_key::load(&state).unwrap().unwrap().public_key_spki(), key.key.public_key_spki());
}
