//! The line to a TPM: one command, one answer, within a time limit.

use super::super::hardware::HardwareFault;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `TPM_MAX_COMMAND_SIZE` and its like for answers in every TPM there is.
pub(super) const MAX_OCTETS: usize = 4096;
/// Tag, length and code (TPM 2.0 part 1, 18.2).
const HEADER: usize = 10;

/// An open line with the instant at which patience ends.
#[derive(Debug)]
pub(super) struct Link {
    file: File,
    path: PathBuf,
    limit: Duration,
    end: Instant,
}

impl Link {
    /// Opens the kernel's TPM with its resource manager; a Unix socket in its place is spoken with in the same way, as emulators and
    /// containers have it.
    pub(super) fn open(path: &Path, limit: Duration) -> Result<Self, HardwareFault> {
        let file = Self::connect(path).map_err(|source| {
            let kind = source.kind();
            let no_device = source.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error());
            if kind == ErrorKind::NotFound || no_device {
                HardwareFault::Absent { path: path.to_owned() }
            } else if kind == ErrorKind::PermissionDenied {
                HardwareFault::Denied { path: path.to_owned() }
            } else if matches!(kind, ErrorKind::ResourceBusy | ErrorKind::WouldBlock) {
                HardwareFault::Busy { seconds: limit.as_secs() }
            } else {
                HardwareFault::Link { path: path.to_owned(), source }
            }
        })?;
        Ok(Self { file, path: path.to_owned(), limit, end: Instant::now() + limit })
    }

    fn connect(path: &Path) -> std::io::Result<File> {
        if std::fs::metadata(path)?.file_type().is_socket() {
            let stream = UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            return Ok(File::from(OwnedFd::from(stream)));
        }
        // With this flag the kernel answers a command in the background, so that waiting for it can end.
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).map_err(std::io::Error::other)?;
        OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(path)
    }

    /// Whether patience has ended; sleeps for a moment otherwise.
    pub(super) fn pause(&self) -> Result<(), HardwareFault> {
        if Instant::now() + RETRY_PAUSE >= self.end {
            return Err(self.busy());
        }
        std::thread::sleep(RETRY_PAUSE);
        Ok(())
    }

    /// Sends a command and returns the whole answer.
    pub(super) fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, HardwareFault> {
        let mut sent = 0;
        while let Some(rest) = command.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(count) => sent += count,
                Err(error) => self.wait_after(error, PollFlags::OUT)?,
            }
        }
        let mut answer = Vec::with_capacity(MAX_OCTETS);
        let mut part = [0; MAX_OCTETS];
        loop {
            match self.file.read(&mut part) {
                Ok(0) => return Err(self.failed(ErrorKind::UnexpectedEof.into())),
                Ok(count) => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) => self.wait_after(error, PollFlags::IN)?,
            }
            let announced =
                answer.first_chunk::<HEADER>().map(|[_, _, length @ .., _, _, _, _]| u32::from_be_bytes(*length));
            match announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX)) {
                Some(length) if !(HEADER..=MAX_OCTETS).contains(&length) || answer.len() > length => {
                    return Err(HardwareFault::Garbled { what: format!("it announces {length} octets") });
                }
                Some(length) if answer.len() == length => return Ok(answer),
                _ => {}
            }
        }
    }

    /// Goes on after an interruption, waits where there is nothing to do yet, and fails otherwise.
    fn wait_after(&self, error: std::io::Error, flags: PollFlags) -> Result<(), HardwareFault> {
        let kind = error.kind();
        if kind == ErrorKind::Interrupted {
            Ok(())
        } else if matches!(kind, ErrorKind::WouldBlock | ErrorKind::ResourceBusy) {
            self.wait(flags)
        } else {
            Err(self.failed(error))
        }
    }

    fn wait(&self, flags: PollFlags) -> Result<(), HardwareFault> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.busy());
        }
        let timeout = Timespec::try_from(left).map_err(|error| self.failed(std::io::Error::other(error)))?;
        match poll(&mut [PollFd::new(&self.file, flags)], Some(&timeout)) {
            Ok(0) => Err(self.busy()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(self.failed(error.into())),
        }
    }

    fn busy(&self) -> HardwareFault {
        HardwareFault::Busy { seconds: self.limit.as_secs() }
    }

    fn failed(&self, source: std::io::Error) -> HardwareFault {
        HardwareFault::Link { path: self.path.clone(), source }
    }
}

/// Between two tries of a command that the TPM asks to repeat.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
