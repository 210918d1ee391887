//! The portal is away for an hour, and comes back to a fleet that has been waiting for it.
//!
//! The hour is reckoned: each device goes through it by the agent's own state machine, with every try failing, so that at its end each
//! waits as a real one would. What follows is real: the portal starts, and each device asks it when its state machine says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::failure::FailureCode;
use agent::machine::{Event, Moment, State, Way};
use agent::session::Session;
use agent::sign_in::Code;
use saml::refusal::RefusalCode;
use saml::time::UtcTime;
use tests::plot::{Line, plot};
use tests::program::Program;

use crate::fleet::{Answer, Fleet, Member, ask};
use crate::phase::{Kind, percentile};
use crate::portal_process::{cpu_time, memory_kib};
use crate::{Arguments, serve};

/// How long the portal is away, in seconds.
const AWAY_SECONDS: i64 = 3600;
/// Life of a session, in seconds: the portal's default.
const SESSION_SECONDS: i64 = 3600;

/// How it went for one device.
struct Returned {
    /// From the portal's start to the device's session.
    wait: Duration,
    /// From its last request to the answer.
    answer: Duration,
    turned_away: u32,
    broken: u32,
}

/// Ends the portal, reckons the hour, starts it, and waits until everybody is signed in.
pub(crate) async fn away(
    arguments: &Arguments,
    fleet: &Arc<Fleet>,
    members: Vec<Option<Member>>,
    mut serving: Program,
) {
    serving.kill();
    let gone = UtcTime::from_unix_seconds(0);
    let back = gone.plus_seconds(AWAY_SECONDS);
    let waiting: Vec<_> = members.into_iter().flatten().map(|member| (member, through_the_hour(gone, back))).collect();
    let has_session = waiting.iter().filter(|(_, state)| state.session(back).is_some()).count();
    serving = serve(&fleet.portal, arguments.portal_on);
    let begun = Instant::now();
    let mut together = tokio::task::JoinSet::new();
    for (number, (member, state)) in waiting.into_iter().enumerate() {
        let fleet = Arc::clone(fleet);
        together.spawn(async move { come_back(&fleet, number, member, (state, back), begun).await });
    }
    let returned = together.join_all().await;
    report(arguments, &returned, has_session, &serving);
    if let Some(path) = &arguments.plot {
        let mut waits: Vec<_> = returned.iter().map(|one| one.wait.as_secs_f64() / 60.0).collect();
        waits.sort_by(f64::total_cmp);
        let number = waits.len() as f64;
        let line = waits.iter().enumerate().map(|(place, wait)| (*wait, 100.0 * (place + 1) as f64 / number));
        let line = Line {
            points: line.step_by(waits.len().div_ceil(500)).collect(),
            x: format!("minutes since the portal is back, {number} devices"),
            x_most: 15.0,
            y: "signed in",
            y_most: 100.0,
            y_unit: " %",
        };
        std::fs::write(path, plot(&line)).expect("the plot can be written");
    }
}

/// A device that was signed in when the portal went away, at some time in its session, after an hour in which it was not answered.
fn through_the_hour(gone: UtcTime, back: UtcTime) -> State {
    let jitter = random();
    let since = gone.plus_seconds(-i64::from(jitter % (SESSION_SECONDS as u32 * 3 / 4)));
    let session = Session {
        user: String::new(),
        index: String::new(),
        authn_context: String::new(),
        grade: None,
        origin: None,
        since,
        until: since.plus_seconds(SESSION_SECONDS),
        keep_alive_seconds: 300,
        sign_on_ports: Vec::new(),
    };
    let mut state = State::begin().0.step(Event::Granted(session), Moment { now: since, jitter: random() }).0;
    while let Some(now) = state.wake_at().filter(|wake_at| *wake_at < back) {
        state = state.step(Event::Timer, Moment { now, jitter: random() }).0;
        state =
            state.step(failed(Code::Failure(FailureCode::PortalUnreachable), None), Moment { now, jitter: random() }).0;
    }
    state
}

fn failed(code: Code, retry_after: Option<u32>) -> Event {
    Event::Failed { code, on: Way::SignIn, retry_after }
}

fn random() -> u32 {
    u32::from_le_bytes(platform::random::bytes())
}

/// Does what its state machine says until the device is signed in. A refusal would be a fault of the portal's.
async fn come_back(
    fleet: &Fleet,
    number: usize,
    mut member: Member,
    (mut state, back): (State, UtcTime),
    begun: Instant,
) -> Returned {
    let now = || back.plus_seconds(begun.elapsed().as_secs() as i64);
    let (mut turned_away, mut broken) = (0, 0);
    loop {
        let wake_at = state.wake_at().expect("who is not signed in has a next time");
        let seconds = u64::try_from(wake_at.seconds_since(back)).unwrap_or(0);
        tokio::time::sleep_until((begun + Duration::from_secs(seconds)).into()).await;
        state = state.step(Event::Timer, Moment { now: wake_at, jitter: random() }).0;
        let asked = Instant::now();
        let answer = match fleet.connect(number).await {
            Some(mut connection) => {
                let request = fleet.request(number, &mut member, Kind::SignIn);
                ask(&mut connection, &request).await
            }
            None => None,
        };
        let event = match answer {
            Some(answer) if answer.is_granted => {
                let (wait, answer) = (begun.elapsed(), asked.elapsed());
                return Returned { wait, answer, turned_away, broken };
            }
            Some(Answer { status: 503, retry_after, .. }) => {
                turned_away += 1;
                failed(Code::Refusal(RefusalCode::Busy), retry_after)
            }
            Some(answer) => panic!("refused wrongly: HTTP {}", answer.status),
            None => {
                broken += 1;
                failed(Code::Failure(FailureCode::PortalUnreachable), None)
            }
        };
        state = state.step(event, Moment { now: now(), jitter: random() }).0;
    }
}

fn report(arguments: &Arguments, returned: &[Returned], has_session: usize, serving: &Program) {
    let sorted = |of: fn(&Returned) -> Duration| {
        let mut all: Vec<_> = returned.iter().map(of).collect();
        all.sort();
        all
    };
    let (waits, answers) = (sorted(|one| one.wait), sorted(|one| one.answer));
    let sum = |of: fn(&Returned) -> u32| returned.iter().map(of).sum::<u32>();
    let (turned_away, broken) = (sum(|one| one.turned_away), sum(|one| one.broken));
    let mut seconds = std::collections::BTreeMap::<u64, u32>::new();
    for wait in &waits {
        *seconds.entry(wait.as_secs()).or_default() += 1;
    }
    let busiest = seconds.values().max().copied().unwrap_or(0);
    let cpu = cpu_time(serving.id());
    let (_, peak_kib) = memory_kib(serving.id());
    let wait = |share| percentile(&waits, share).as_secs_f64();
    let answer = |share| percentile(&answers, share).as_secs_f64() * 1000.0;
    if arguments.json {
        let line = serde_json::json!({
            "what": "an hour away", "number": returned.len(), "with_a_session": has_session,
            "p50_s": wait(0.5), "p95_s": wait(0.95), "p99_s": wait(0.99), "max_s": wait(1.0),
            "answer_p50_ms": answer(0.5), "answer_p99_ms": answer(0.99), "answer_max_ms": answer(1.0),
            "busiest_second": busiest, "turned_away": turned_away, "broken": broken,
            "portal_cpu_s": cpu.as_secs_f64(), "portal_peak_kib": peak_kib,
        });
        println!("{line}");
        return;
    }
    println!(
        "an hour away, {} devices, {has_session} of them with a session at its end: signed in after p50 {:.0} p95 {:.0} p99 {:.0} max {:.0} s; \
         answers p50 {:.1} p99 {:.1} max {:.1} ms; {busiest} in the busiest second; turned away {turned_away}, broken {broken}; \
         portal {:.1} s CPU, at most {} MiB",
        returned.len(),
        wait(0.5),
        wait(0.95),
        wait(0.99),
        wait(1.0),
        answer(0.5),
        answer(0.99),
        answer(1.0),
        cpu.as_secs_f64(),
        peak_kib / 1024,
    );
}
