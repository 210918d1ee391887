//! A running program whose output is read line by line as it comes.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The longest that a test waits for something that must happen: generous, because it only ends a test that fails anyway.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A child process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    leads_group: bool,
    lines: Receiver<String>,
    /// Every line that was taken so far.
    pub seen: Vec<String>,
}

impl Program {
    /// Starts `command`; its standard output and standard error are read together.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::start_as(command, false)
    }

    /// The same, with whatever it starts in its turn: all of that ends with it.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start_group(command: Command) -> Self {
        Self::start_as(command, true)
    }

    fn start_as(mut command: Command, leads_group: bool) -> Self {
        #[cfg(unix)]
        if leads_group {
            use std::os::unix::process::CommandExt as _;
            command.process_group(0);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("it is piped")), Box::new(child.stderr.take().expect("it is piped"))];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
        Self { child, leads_group, lines, seen: Vec::new() }
    }

    /// The next line of output; none when the program has closed it.
    ///
    /// # Panics
    /// Where none comes for [`PATIENCE`].
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no output for {PATIENCE:?}; so far:\n{}", self.seen.join("\n")),
        }
    }

    /// Waits for a line that `wanted` holds for.
    ///
    /// # Panics
    /// Where the program ends before.
    pub fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        while let Some(line) = self.next_line() {
            if wanted(&line) {
                return line;
            }
        }
        panic!("the program ended before the line that was waited for:\n{}", self.seen.join("\n"));
    }

    /// Its process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it `signal` (`TERM`, `INT`, `KILL`, `STOP`, `CONT`).
    ///
    /// # Panics
    /// Where there is no `kill`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.id().to_string()]).status();
        assert!(status.expect("`kill` can be started").success(), "the signal {signal} can be sent");
    }

    /// Waits for its end, and tells how long that took.
    ///
    /// # Panics
    /// Where it doesn't end within [`PATIENCE`].
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        while self.next_line().is_some() {}
        (self.child.wait().expect("a child can be waited for"), begun.elapsed())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Kills it without warning, and waits for its end.
    pub fn kill(&mut self) {
        if self.leads_group && !self.has_ended() {
            let group = format!("-{}", self.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
