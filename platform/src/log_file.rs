//! A log in a private file that never grows beyond its cap: when it is full it becomes the first of the old ones, and the oldest goes.

use crate::files::{self, FileError};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The file that is written to.
pub const NAME: &str = "countersign.log";
/// How many full ones are kept beside it.
const OLD: u32 = 3;
/// The largest file, in octets: with the old ones, what the log may take of the disk is four times this.
const LARGEST: u64 = 1024 * 1024;

/// A log that is being written.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
    largest: u64,
}

impl LogFile {
    /// Opens the log in `dir`, which is made where it lacks, and goes on where it ended.
    ///
    /// # Errors
    ///
    /// When the directory is not private or the file cannot be opened.
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        Self::open_with(dir, LARGEST)
    }

    fn open_with(dir: &Path, largest: u64) -> Result<Self, FileError> {
        files::create_private_dir(dir)?;
        let path = dir.join(NAME);
        let file = open_to_append(&path)?;
        let written = file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        Ok(Self { path, file, written, largest })
    }

    fn rotate(&mut self) -> Result<(), FileError> {
        for number in (1..OLD).rev() {
            // The older one need not be there yet.
            let _ = std::fs::rename(old(&self.path, number), old(&self.path, number + 1));
        }
        let _ = std::fs::rename(&self.path, old(&self.path, 1));
        self.file = open_to_append(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

impl Write for LogFile {
    /// Takes all of `octets`. What can't be written is lost: a full disk must not stop who is logging.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let full = self.written > 0 && self.written.saturating_add(length) > self.largest;
        if !(full && self.rotate().is_err()) && self.file.write_all(octets).is_ok() {
            self.written = self.written.saturating_add(length);
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last `limit` octets of the log in `dir`, the old files included, beginning with a whole line; `None` where there is no log.
///
/// # Errors
///
/// When it cannot be read, as by an account that is not the agent's.
pub fn read_tail(dir: &Path, limit: u64) -> Result<Option<String>, FileError> {
    let path = dir.join(NAME);
    let mut tail: Vec<u8> = Vec::new();
    let mut found = false;
    for place in std::iter::once(path.clone()).chain((1..=OLD).map(|number| old(&path, number))) {
        let room = limit.saturating_sub(u64::try_from(tail.len()).unwrap_or(u64::MAX));
        let Some((part, whole)) = end_of(&place, room)? else { break };
        found = true;
        tail.splice(0..0, part);
        if !whole {
            break;
        }
    }
    Ok(found.then(|| String::from_utf8_lossy(&tail).into_owned()))
}

/// The end of one file, cut at the beginning of a line, and whether it is all of it.
fn end_of(path: &Path, limit: u64) -> Result<Option<(Vec<u8>, bool)>, FileError> {
    let failed = |source| FileError::Io { doing: "read", path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let length = file.metadata().map_err(failed)?.len();
    let skipped = length.saturating_sub(limit);
    file.seek(SeekFrom::Start(skipped)).map_err(failed)?;
    let mut octets = Vec::new();
    file.take(limit).read_to_end(&mut octets).map_err(failed)?;
    if skipped > 0 {
        let line = octets.iter().position(|octet| *octet == b'\n').map_or(octets.len(), |end| end + 1);
        octets.drain(..line);
    }
    Ok(Some((octets, skipped == 0)))
}

fn old(path: &Path, number: u32) -> PathBuf {
    path.with_extension(format!("log.{number}"))
}

fn open_to_append(path: &Path) -> Result<File, FileError> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map_err(|source| FileError::Io { doing: "open", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_becomes_an_old_one_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("log");
        let mut log = LogFile::open_with(&place, 100).unwrap();
        for number in 0..60 {
            writeln!(log, "line {number:04}").unwrap();
        }
        let names: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        let tail = read_tail(&place, 10_000).unwrap().unwrap();
        assert!(tail.ends_with("line 0059\n") && !tail.contains("line 0000"), "{tail}");
        let numbers: Vec<_> = tail.lines().collect();
        assert!(numbers.is_sorted(), "old ones come first: {tail}");
    }

    #[test]
    fn a_tail_begins_with_a_whole_line_and_may_reach_into_old_files() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("log");
        let mut log = LogFile::open_with(&place, 50).unwrap();
        for number in 0..9 {
            writeln!(log, "line {number:04}").unwrap();
        }
        let tail = read_tail(&place, 65).unwrap().unwrap();
        assert_eq!(tail.lines().count(), 6, "{tail}");
        assert!(tail.starts_with("line 0003\n"), "{tail}");
        assert_eq!(read_tail(dir.path(), 65).unwrap(), None);
    }

    #[test]
    fn a_log_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("log");
        for number in 0..2 {
            writeln!(LogFile::open(&place).unwrap(), "run {number}").unwrap();
        }
        assert_eq!(read_tail(&place, 1000).unwrap().unwrap(), "run 0\nrun 1\n");
    }
}
