//! One thing that every device of the fleet does, and what it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::fleet::{Answer, Connection, Fleet, Member, ask};
use crate::portal_process::{cpu_time, memory_kib};
use crate::{Arguments, Database};

/// What every device does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Enrols, over a connection of its own.
    Enrol,
    /// Signs in, over a connection of its own.
    SignIn,
    /// Signs in, over a connection that others have used.
    SignInKept,
    /// Signs on at a service, over a connection that others have used.
    ServiceKept,
}

impl Kind {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Enrol => "enrol, a connection each",
            Self::SignIn => "sign in, a connection each",
            Self::SignInKept => "sign in, connections kept",
            Self::ServiceKept => "at a service, connections kept",
        }
    }
}

/// What a phase took.
pub(crate) struct Measured {
    pub(crate) number: usize,
    pub(crate) elapsed: Duration,
    /// From a device's first try to its answer, sorted.
    pub(crate) waits: Vec<Duration>,
    pub(crate) turned_away: usize,
    pub(crate) broken: usize,
    pub(crate) portal_cpu: Duration,
    pub(crate) portal_kib: u64,
    pub(crate) portal_peak_kib: u64,
}

/// How far a phase is.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    turned_away: AtomicUsize,
    broken: AtomicUsize,
}

/// Says every ten seconds how far a phase is, to whoever waits for it.
async fn tell_progress(counts: Arc<Counts>, kind: Kind, number: usize) {
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        eprintln!("{}: {} of {number}", kind.what(), counts.answered.load(Ordering::Relaxed));
    }
}

/// Lets every member ask once, `at_once` of them at the same time; a member that is not there yet is made.
pub(crate) async fn phase(
    arguments: &Arguments,
    fleet: &Arc<Fleet>,
    members: Vec<Option<Member>>,
    kind: Kind,
    portal: u32,
) -> (Vec<Option<Member>>, Measured) {
    let (begun, cpu) = (Instant::now(), cpu_time(portal));
    let counts = Arc::new(Counts::default());
    let (workers, number) = (arguments.at_once.min(members.len()).max(1), members.len());
    let mut shares: Vec<Vec<(usize, Option<Member>)>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, member) in members.into_iter().enumerate() {
        shares[number % workers].push((number, member));
    }
    let mut together = tokio::task::JoinSet::new();
    for share in shares {
        let (fleet, counts) = (Arc::clone(fleet), Arc::clone(&counts));
        together.spawn(async move {
            let (mut done, mut kept) = (Vec::with_capacity(share.len()), None);
            for (number, member) in share {
                let mut member = member.unwrap_or_else(Member::new);
                let asked = Instant::now();
                insist(&fleet, number, &mut member, kind, &mut kept, &counts).await;
                counts.answered.fetch_add(1, Ordering::Relaxed);
                done.push((number, member, asked.elapsed()));
            }
            done
        });
    }
    let telling = tokio::spawn(tell_progress(Arc::clone(&counts), kind, number));
    let mut done: Vec<_> = together.join_all().await.into_iter().flatten().collect();
    telling.abort();
    done.sort_by_key(|(number, ..)| *number);
    let mut waits: Vec<_> = done.iter().map(|(_, _, wait)| *wait).collect();
    waits.sort();
    let (portal_kib, portal_peak_kib) = memory_kib(portal);
    let measured = Measured {
        number: done.len(),
        elapsed: begun.elapsed(),
        waits,
        turned_away: counts.turned_away.load(Ordering::Relaxed),
        broken: counts.broken.load(Ordering::Relaxed),
        portal_cpu: cpu_time(portal).saturating_sub(cpu),
        portal_kib,
        portal_peak_kib,
    };
    (done.into_iter().map(|(_, member, _)| Some(member)).collect(), measured)
}

/// Asks until the answer is yes; waits for as long as the portal says. Any other answer is a fault of the portal's.
async fn insist(
    fleet: &Fleet,
    number: usize,
    member: &mut Member,
    kind: Kind,
    kept: &mut Option<Connection>,
    Counts { turned_away, broken, .. }: &Counts,
) {
    loop {
        let connection = match kept.take() {
            Some(connection) => Some(connection),
            None => fleet.connect(number).await,
        };
        let request = fleet.request(number, member, kind);
        let answer = match connection {
            Some(mut connection) => {
                let answer = ask(&mut connection, &request).await;
                *kept = matches!(kind, Kind::SignInKept | Kind::ServiceKept).then_some(connection);
                answer
            }
            None => None,
        };
        match answer {
            Some(answer) if answer.is_granted => return,
            Some(Answer { status: 503, retry_after: Some(seconds), .. }) => {
                turned_away.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            }
            Some(answer) => panic!("refused wrongly: HTTP {}", answer.status),
            None => {
                broken.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// The wait that this share of `sorted` does not exceed.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[(sorted.len().saturating_sub(1) as f64 * share) as usize]
}

pub(crate) fn report(arguments: &Arguments, what: &str, measured: &Measured) {
    let Measured { number, elapsed, waits, turned_away, broken, portal_cpu, portal_kib, portal_peak_kib } = measured;
    let at = |share| percentile(waits, share).as_secs_f64() * 1000.0;
    let rate = *number as f64 / elapsed.as_secs_f64();
    let cpu = portal_cpu.as_secs_f64() * 1e6 / *number as f64;
    let database = if arguments.database == Database::Sqlite { "sqlite" } else { "postgres" };
    if arguments.json {
        let line = serde_json::json!({
            "database": database, "known": arguments.known, "what": what, "number": number, "per_second": rate,
            "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": at(1.0),
            "turned_away": turned_away, "broken": broken, "portal_cpu_us": cpu, "portal_kib": portal_kib, "portal_peak_kib": portal_peak_kib,
        });
        println!("{line}");
        return;
    }
    println!(
        "{database:8} {:>7} known  {what:30} {number:>6} in {:>6.1} s  {rate:>6.0}/s  p50 {:>6.1} p95 {:>6.1} p99 {:>7.1} max {:>7.1} ms  \
         portal {cpu:>5.0} µs CPU each, {} MiB, at most {}  turned away {turned_away}, broken {broken}",
        arguments.known,
        elapsed.as_secs_f64(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        portal_kib / 1024,
        portal_peak_kib / 1024,
    );
}

/// What the signatures of one sign-on take by themselves, and their share of what it took the portal.
pub(crate) fn report_raw(arguments: &Arguments, what: Kind, raw: Duration, measured: &Measured) {
    let micros = raw.as_secs_f64() * 1e6;
    let share = raw.as_secs_f64() * measured.number as f64 / measured.portal_cpu.as_secs_f64();
    let what = what.what();
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({ "what": what, "raw_cryptography_us": micros, "share_of_portal_cpu": share })
        );
    } else {
        println!("{what}: its signatures alone take {micros:.0} µs, {:.0} % of the portal's CPU", share * 100.0);
    }
}
