use super::{WatchError, refused};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
};
use tokio::io::unix::AsyncFd;

/// A directory is watched and never a file: a file that is replaced would take its watch with it.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: AsyncFd<OwnedFd>,
    files: Vec<PathBuf>,
    /// The names that matter, by the watch of their directory.
    names: BTreeMap<i32, Vec<OsString>>,
}

impl Watch {
    pub(super) fn of(files: &[PathBuf]) -> Result<Self, WatchError> {
        let failed = |source: io::Error| refused(Path::new("inotify"), source);
        let descriptor =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
        // SAFETY: the descriptor is owned, so it is this one and open for as long as it is registered.
        #[expect(unsafe_code, reason = "tokio can't see that an owned descriptor stays what it is")]
        let inotify = unsafe { AsyncFd::register(descriptor) }.map_err(|error| failed(error.into()))?;
        let mut watch = Self { inotify, files: files.to_vec(), names: BTreeMap::new() };
        watch.arm()?;
        Ok(watch)
    }

    /// Watches the nearest directory above each file that there is. Watching one again changes nothing.
    fn arm(&mut self) -> Result<(), WatchError> {
        let wanted = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        self.names.clear();
        for file in &self.files {
            let Some((dir, name)) = nearest_directory(file) else { continue };
            let watch = match inotify::add_watch(self.inotify.get_ref(), dir, wanted) {
                Ok(watch) => watch,
                Err(error) => return Err(refused(dir, error)),
            };
            self.names.entry(watch).or_default().push(name);
        }
        Ok(())
    }

    pub(super) async fn changed(&mut self) {
        loop {
            let Ok(mut ready) = self.inotify.readable().await else {
                // The runtime is ending, and with it the task that waits.
                return std::future::pending().await;
            };
            let concerned = ready.try_io(|inotify| read_events(inotify.get_ref(), &self.names));
            if let Ok(Ok(true)) = concerned {
                // A directory that has come or gone moves the watch; where that fails, the next start sees everything.
                let _ = self.arm();
                return;
            }
        }
    }
}

/// Takes all waiting events; whether one of them concerns a file that is watched.
fn read_events(inotify: &OwnedFd, names: &BTreeMap<i32, Vec<OsString>>) -> io::Result<bool> {
    let mut concerned = false;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(rustix::io::Errno::AGAIN) if concerned => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let lost = ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
        let name = event.file_name().map(|name| OsString::from_vec(name.to_bytes().to_vec()));
        let named = name.is_some_and(|name| names.get(&event.wd()).is_some_and(|names| names.contains(&name)));
        // The file was only begun: its writer tells when it has ended, by closing or by moving it.
        let begun = event.events() == ReadFlags::CREATE;
        concerned |= event.events().intersects(lost) || (named && !begun);
    }
}

/// The nearest directory above `file` that exists, and the name in it that leads to the file.
fn nearest_directory(file: &Path) -> Option<(&Path, OsString)> {
    let mut below = file;
    loop {
        let dir = below.parent()?;
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        if dir.is_dir() {
            return Some((dir, below.file_name()?.to_owned()));
        }
        below = dir;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Watch;
    use crate::files::{Access, write_atomically};
    use std::{fs, time::Duration};

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_file_is_seen_when_it_comes_is_replaced_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("options.toml");
        let mut watch = Watch::of(std::slice::from_ref(&file)).unwrap();
        for content in ["one", "two"] {
            write_atomically(&file, content.as_bytes(), Access::Public).unwrap();
            tokio::time::timeout(SOON, watch.changed()).await.expect("a new content is seen");
        }
        fs::write(&file, "in place").unwrap();
        tokio::time::timeout(SOON, watch.changed()).await.expect("writing in place is seen");
        fs::remove_file(&file).unwrap();
        tokio::time::timeout(SOON, watch.changed()).await.expect("going is seen");
    }

    #[tokio::test]
    async fn a_directory_that_comes_later_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("etc/countersign");
        let file = below.join("policy.toml");
        let mut watch = Watch::of(std::slice::from_ref(&file)).unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::create_dir(&below).unwrap();
        fs::write(&file, "x").unwrap();
        tokio::time::timeout(SOON, async {
            while !file.exists() {
                watch.changed().await;
            }
        })
        .await
        .expect("the way there is seen");
        fs::remove_dir_all(dir.path().join("etc")).unwrap();
        tokio::time::timeout(SOON, watch.changed()).await.expect("going with its directory is seen");
    }

    #[tokio::test]
    async fn a_neighbour_wakes_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::of(&[dir.path().join("options.toml")]).unwrap();
        for _ in 0..3 {
            write_atomically(&dir.path().join("device.json"), b"x", Access::Private).unwrap();
        }
        let woken = tokio::time::timeout(Duration::from_millis(200), watch.changed()).await;
        assert!(woken.is_err());
    }
}
