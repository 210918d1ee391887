//! Diagnostics: one list of checks that says what is wrong with this agent, its device and its way to the portal.
//!
//! No check needs another one to succeed, the daemon, the network or any right: what can't be seen is a finding of its own.
//! All run side by side, each with its own time limit.

mod bundle;
mod checks;
mod handshake;
mod network;
mod pseudonyms;
mod seen;
mod stage;
mod table;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use platform::paths::Paths;
use saml::time::UtcTime;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::sign_in::Code;

pub use bundle::{Bundle, BundleError};
pub use pseudonyms::Pseudonyms;
pub use seen::Seen;
pub use table::table;

/// The version of the JSON that `countersign diagnostics --json` prints.
pub const REPORT_VERSION: u32 = 1;
/// How long a check may take that waits for nobody outside of this machine.
const LOCAL_LIMIT: Duration = Duration::from_secs(4);
/// How long a check may take that waits for a network.
const NETWORK_LIMIT: Duration = Duration::from_millis(9500);

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All is well.
    Pass,
    /// It works, and somebody should know.
    Warn,
    /// It is wrong.
    Fail,
    /// It could not be found out: no right, no answer in time.
    Error,
    /// There is nothing to check here.
    Skip,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: &[Self] = &[Self::Fail, Self::Error, Self::Warn, Self::Pass, Self::Skip];

    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug)]
pub struct Finding {
    verdict: Verdict,
    text: String,
    next: Option<String>,
    code: Option<Code>,
}

impl Finding {
    fn new(verdict: Verdict, text: impl Into<String>, next: Option<String>) -> Self {
        Self { verdict, text: text.into(), next, code: None }
    }

    fn pass(text: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, text, None)
    }

    fn skip(text: impl Into<String>) -> Self {
        Self::new(Verdict::Skip, text, None)
    }

    fn warn(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, text, Some(next.into()))
    }

    fn fail(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, text, Some(next.into()))
    }

    fn error(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Verdict::Error, text, Some(next.into()))
    }

    /// A failure with a code of the tables: its next action is the table's.
    fn coded(code: Code, text: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::fail(text, code.next_action()) }
    }

    /// A failure, or, where the reason is that this account may not look, an error.
    fn failed_or_unseen(code: Code, error: &(dyn Error + 'static)) -> Self {
        let text = chain(error);
        if is_denied(error) {
            return Self::error(text, "run `countersign diagnostics` as root, or as the account that runs the agent");
        }
        Self::coded(code, text)
    }
}

/// A future that a check is.
pub type Looking = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// One check.
pub trait Check: Send + Sync {
    /// Its stable name.
    fn id(&self) -> &'static str;

    /// How long it may take.
    fn limit(&self) -> Duration {
        LOCAL_LIMIT
    }

    /// Looks. Nothing is changed by it, on this machine or elsewhere.
    fn look(&self, seen: Arc<Seen>) -> Looking;
}

/// A check's line in the report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The check.
    pub id: &'static str,
    /// How it ended.
    pub status: Verdict,
    /// What was found, in one line.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The stable code, where the finding has one: see `docs/errors.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this JSON.
    pub version: u32,
    /// The agent's version.
    pub agent_version: &'static str,
    /// When, by this machine's clock.
    pub at: String,
    /// How long all of it took, in milliseconds.
    pub ms: u64,
    /// One line for each check, always all of them and always in this order.
    pub checks: Vec<Line>,
}

impl Report {
    /// How many checks ended in `verdict`.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|line| line.status == verdict).count()
    }

    /// 1 where something is wrong, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.count(Verdict::Fail) > 0)
    }
}

/// Runs every check on the agent whose places are `paths`. Takes up to ten seconds.
pub async fn examine(paths: Paths) -> (Report, Arc<Seen>) {
    let begun = Instant::now();
    let seen = Arc::new(Seen::begin(paths));
    let checks = checks::all();
    let mut running = JoinSet::new();
    let mut lines: Vec<Line> = checks.iter().map(|check| unfinished(check.as_ref())).collect();
    for (index, check) in checks.into_iter().enumerate() {
        let seen = Arc::clone(&seen);
        running.spawn(async move { (index, finish(check.as_ref(), seen).await) });
    }
    while let Some(finished) = running.join_next().await {
        // A check that broke keeps the line that it began with.
        if let Ok((index, line)) = finished
            && let Some(place) = lines.get_mut(index)
        {
            *place = line;
        }
    }
    let at = UtcTime::from_unix_millis(platform::clock::unix_millis()).to_string();
    let agent_version = env!("CARGO_PKG_VERSION");
    (Report { version: REPORT_VERSION, agent_version, at, ms: millis(begun), checks: lines }, seen)
}

async fn finish(check: &dyn Check, seen: Arc<Seen>) -> Line {
    let begun = Instant::now();
    let found = tokio::time::timeout(check.limit(), check.look(seen)).await;
    let finding = found.unwrap_or_else(|_| {
        Finding::error(
            format!("gave no answer within {:.1} s", check.limit().as_secs_f64()),
            "look at what this check waits for; the others don't depend on it",
        )
    });
    Line {
        id: check.id(),
        status: finding.verdict,
        text: finding.text,
        next: finding.next,
        code: finding.code.map(Code::as_str),
        ms: millis(begun),
    }
}

fn unfinished(check: &dyn Check) -> Line {
    let (text, next) = ("the check itself broke", "send the bundle to the developers of the agent");
    Line {
        id: check.id(),
        status: Verdict::Error,
        text: text.to_owned(),
        next: Some(next.to_owned()),
        code: None,
        ms: 0,
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The error and what caused it, in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = source.source();
    }
    text
}

fn is_denied(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        (dir, paths)
    }

    #[test]
    fn there_are_at_least_25_checks_each_with_a_name_of_its_own() {
        let checks = checks::all();
        let mut names: Vec<_> = checks.iter().map(|check| check.id()).collect();
        assert!(names.len() >= 25, "{}", names.len());
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(checks.iter().all(|check| check.limit() < Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn a_machine_with_nothing_on_it_still_gives_a_whole_report() {
        let (_dir, paths) = nowhere();
        let (report, _) = examine(paths).await;
        assert_eq!(report.checks.len(), checks::all().len());
        assert!(report.ms < 10_000, "{}", report.ms);
        let line = |id| report.checks.iter().find(|line| line.id == id).unwrap();
        assert_eq!(
            (line("configuration").status, line("configuration").code),
            (Verdict::Fail, Some("options-invalid"))
        );
        assert_eq!(line("daemon").code, Some("not-running"));
        assert_eq!(line("tcp").status, Verdict::Skip);
        let silent = report
            .checks
            .iter()
            .find(|line| matches!(line.status, Verdict::Warn | Verdict::Fail | Verdict::Error) && line.next.is_none());
        assert!(silent.is_none(), "whatever is not well says what to do: {silent:?}");
        assert_eq!(report.exit_code(), 1);
    }

    struct Stuck;

    impl Check for Stuck {
        fn id(&self) -> &'static str {
            "stuck"
        }

        fn limit(&self) -> Duration {
            Duration::from_millis(5)
        }

        fn look(&self, _: Arc<Seen>) -> Looking {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_a_finding() {
        let (_dir, paths) = nowhere();
        let line = finish(&Stuck, Arc::new(Seen::begin(paths))).await;
        assert_eq!(line.status, Verdict::Error);
    }
}
