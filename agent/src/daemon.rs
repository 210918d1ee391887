//! The daemon: one loop, one mailbox. Whatever happens becomes a [`Mail`], and one match decides.

mod break_glass;
mod browsers;
mod farewell;
mod sources;
mod support;
mod watchers;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use platform::channel::{ChannelError, Connection, Listener, Peer};
use platform::clock;
use platform::files::{self, FileError};
use platform::paths::Paths;
use platform::random;
use platform::service_manager;
use platform::session::{self, SessionId, UserSession};
use platform::termination::Termination;
use platform::watch::Watch;
use tokio::sync::mpsc;

use crate::browser::{BrowserAsk, BrowserEnd, SignOnAddress};
use crate::config::{self, ConfigError};
use crate::control::{self, Ask, Problem, Reply, Status};
use crate::device::{CorrectedClock, Device};
use crate::diagnostics::BundleError;
use crate::failure::FailureCode;
use crate::heartbeat::Heartbeat;
use crate::machine::{self, Effect, Event, Moment, State};
use crate::sign_in::{Code, Granted, Wanted};
use crate::standing::{DeviceSummary, Standing};
use crate::steps::Steps;
use crate::system_access::SystemAccessSeen;
use break_glass::Codes;
use saml::refusal::RefusalCode;
use sources::{
    AGAIN_AFTER, listen, subscribe_to_network, subscribe_to_sessions, watch_network, watch_options, watch_sessions,
};
use support::Support;
use watchers::Watchers;
use work::{Job, Outcome, Work, for_asked, for_ecp, for_farewell, outcome_of};

/// The longest sleep: timers stand still while a laptop is asleep, so the clock is looked at again after this long.
const LONGEST_SLEEP: Duration = Duration::from_secs(300);
/// Within how many seconds of its start a device says for the first time that it is alive, if nobody signs in before.
const FIRST_HEARTBEAT_SECONDS: i64 = 60;
/// How long a command may take to say what it wants.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state directory could not be made or locked: another agent runs on it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The local channel could not be opened.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Signals can't be caught.
    #[error("can't wait for signals")]
    Signals(#[source] std::io::Error),
}

/// What arrives in the mailbox.
enum Mail {
    /// Who is logged in may have changed.
    SessionsChanged,
    /// It could not be seen who is logged in, a while ago.
    SessionsAgain,
    /// The options may have changed.
    OptionsChanged,
    /// The network is another one, or the machine has woken up.
    NetworkChanged,
    /// A command on the local channel.
    Asked { ask: Ask, peer: Peer, connection: Connection },
    /// A browser at the sign-on address.
    Browser(BrowserAsk),
    /// Somebody who was refused because of the device may be signed in now.
    Retry(SessionId),
    /// Diagnostics that the portal asked for are there.
    Collected { id: String, bundle: Result<Vec<u8>, BundleError> },
    /// What was in flight has ended.
    Finished { device: Box<Device>, job: Job, outcome: Outcome },
}

/// A person who is logged in.
struct Person {
    session: UserSession,
    state: State,
    /// Commands that wait for the sign-in that is on its way.
    waiting: Vec<Connection>,
}

struct Daemon {
    paths: Paths,
    steps: Arc<Steps>,
    standing: Standing,
    summary: DeviceSummary,
    /// What the options said when they were read.
    options: u64,
    reload_wanted: bool,
    /// Whether a [`Mail::SessionsAgain`] is on its way.
    asks_again: bool,
    clock: CorrectedClock,
    people: BTreeMap<SessionId, Person>,
    heartbeat: Heartbeat,
    codes: Codes,
    support: Support,
    jobs: VecDeque<Job>,
    watchers: Watchers,
    browsers: SignOnAddress,
    access: Arc<SystemAccessSeen>,
    mailbox: mpsc::UnboundedSender<Mail>,
}

/// Runs the agent until it is asked to end.
///
/// # Errors
/// [`DaemonError`], only at the start: afterwards whatever fails is reported and tried again.
pub async fn run(paths: Paths, steps: Steps) -> Result<(), DaemonError> {
    let mut termination = Termination::install().map_err(DaemonError::Signals)?;
    files::create_private_dir(&paths.state_dir)?;
    let _lock = files::lock(&paths.state_dir.join("lock"))?;
    let listener = Listener::bind(&paths.runtime_dir)?;
    let (mailbox, mut mail) = mpsc::unbounded_channel();
    let access = Arc::new(SystemAccessSeen::default());
    access.try_connection_owners().await;
    tokio::spawn(listen(listener, mailbox.clone(), Arc::clone(&access)));
    let changes = subscribe_to_sessions().await;
    tokio::spawn(watch_sessions(changes, mailbox.clone()));
    match Watch::of(&config::files(&paths)) {
        Ok(watch) => drop(tokio::spawn(watch_options(watch, mailbox.clone()))),
        Err(error) => tracing::info!(error = &error as &dyn std::error::Error, "files of options are not watched"),
    }
    tokio::spawn(watch_network(subscribe_to_network(&access), Arc::clone(&access), mailbox.clone()));
    let mut daemon = Daemon {
        paths,
        steps: Arc::new(steps),
        standing: Standing::Busy,
        summary: DeviceSummary::default(),
        options: 0,
        reload_wanted: false,
        asks_again: false,
        clock: CorrectedClock::default(),
        people: BTreeMap::new(),
        heartbeat: Heartbeat::default(),
        codes: Codes::default(),
        support: Support::default(),
        jobs: VecDeque::new(),
        watchers: Watchers::default(),
        browsers: SignOnAddress::default(),
        access,
        mailbox,
    };
    daemon.open_device();
    daemon.see_sessions().await;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "running");
    tell(service_manager::ready());
    // Half of what the service manager waits for: one heartbeat may come late.
    let heartbeat = service_manager::watchdog().map(|patience| patience / 2);
    loop {
        if heartbeat.is_some() {
            tell(service_manager::alive());
        }
        let sleep = tokio::time::sleep(daemon.sleep_for().min(heartbeat.unwrap_or(LONGEST_SLEEP)));
        tokio::select! {
            biased;
            () = termination.requested() => break,
            Some(message) = mail.recv() => daemon.take(message).await,
            () = sleep => daemon.on_timer(),
        }
        daemon.count_break_glass();
        daemon.tell_watchers();
    }
    tracing::info!("stopping");
    tell(service_manager::stopping());
    Ok(())
}

/// A service manager that can't be told will say so itself: by ending the service.
fn tell(told: std::io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!(error = &error as &dyn std::error::Error, "can't tell the service manager");
    }
}

impl Daemon {
    async fn take(&mut self, message: Mail) {
        match message {
            Mail::SessionsChanged => self.see_sessions().await,
            Mail::SessionsAgain => {
                self.asks_again = false;
                self.see_sessions().await;
            }
            Mail::OptionsChanged => self.reload_if_changed(),
            Mail::Asked { ask, peer, connection } => self.answer(ask, &peer, connection),
            Mail::Browser(ask) => self.browser_asked(ask),
            Mail::Retry(id) => self.step(&id, Event::Wanted),
            Mail::NetworkChanged => {
                tracing::debug!("the network has changed");
                self.step_everybody(&Event::NetworkChanged);
            }
            Mail::Collected { id, bundle } => self.collected(id, bundle),
            Mail::Finished { device, job, outcome } => self.finish(*device, job, outcome),
        }
        self.start_next_job();
    }

    /// Reads the configuration and opens the device with it; then everybody is to be signed in afresh.
    fn open_device(&mut self) {
        self.reload_wanted = false;
        self.open_break_glass();
        self.steps.begin();
        // Before they are read: what changes in between is read again, and not missed.
        self.options = config::mark(&self.paths);
        self.standing = match config::load(&self.paths) {
            Err(ConfigError::Faults(faults)) => {
                tracing::warn!(faults = faults.len(), "the options are not usable; see `countersign status`");
                Standing::Unconfigured { faults }
            }
            Err(
                error @ (ConfigError::File(_)
                | ConfigError::Managed(_)
                | ConfigError::Token(_)
                | ConfigError::Locked { .. }),
            ) => Standing::Unconfigured { faults: vec![error.to_string()] },
            Ok(config) => {
                self.steps.done("options-read", || format!("{} at {}", config.user_domain, config.cloud_host));
                match Device::open(Arc::new(config), self.paths.clone()) {
                    Ok(mut device) => {
                        device.clock = self.clock;
                        self.summary = DeviceSummary::of(&device);
                        if (device.is_enrolled() || device.state.is_leaving()) && self.heartbeat.wake_at().is_none() {
                            let within = if device.state.is_leaving() { 1 } else { FIRST_HEARTBEAT_SECONDS };
                            self.heartbeat.begin(within, self.moment());
                        }
                        Standing::Ready(Box::new(device))
                    }
                    Err(error) => {
                        tracing::warn!(
                            code = error.code().as_str(),
                            error = &error as &dyn std::error::Error,
                            "the device can't be used"
                        );
                        Standing::Broken { code: error.code(), text: error.to_string() }
                    }
                }
            }
        };
    }

    /// Compares who is logged in with who was.
    async fn see_sessions(&mut self) {
        let seen = match session::sessions().await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "can't see who is logged in; asking again soon"
                );
                self.see_sessions_again();
                return;
            }
        };
        self.people.retain(|id, _| seen.iter().any(|session| session.id == *id));
        for session in seen {
            if let Some(person) = self.people.get_mut(&session.id) {
                person.session = session;
                continue;
            }
            tracing::info!(session = %session.id, evidence = session.evidence.source, "somebody is logged in");
            let splay = machine::splay_seconds(clock::since_boot(), self.summary.is_enrolled());
            let (state, effect) = State::begin_within(splay, self.moment());
            let id = session.id.clone();
            self.people.insert(id.clone(), Person { session, state, waiting: Vec::new() });
            self.carry_out(id, effect);
        }
        self.start_next_job();
    }

    /// Nothing else may tell the daemon to look: a person who is logged in already would never be signed in.
    fn see_sessions_again(&mut self) {
        if std::mem::replace(&mut self.asks_again, true) {
            return;
        }
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            let _ = mailbox.send(Mail::SessionsAgain);
        });
    }

    fn answer(&mut self, ask: Ask, peer: &Peer, connection: Connection) {
        match ask {
            Ask::Status => {
                reply(connection, Reply::Status(Box::new(self.status_for(peer))));
            }
            Ask::Reload if peer.privileged || peer.same_user => {
                self.reload_if_changed();
                reply(connection, Reply::Done);
            }
            Ask::Deregister if peer.privileged || peer.same_user => {
                self.jobs.push_back(Job::Deregister { connection: Some(connection) });
            }
            Ask::Forgotten if peer.privileged || peer.same_user => {
                self.reload();
                reply(connection, Reply::Done);
            }
            Ask::Reload | Ask::Deregister | Ask::Forgotten => {
                reply(connection, Reply::Failed(Problem::not_allowed()));
            }
            Ask::Diagnostics { allow } => self.diagnostics_asked(allow, peer, connection),
            Ask::BreakGlass { code } => self.break_glass_asked(&code, peer, connection),
            Ask::Watch => self.watch_asked(peer.clone(), connection),
            Ask::SignOut => self.sign_out_asked(peer, connection),
            Ask::Services => self.services_asked(peer, connection),
            Ask::Prove { code } => self.proof_asked(code, peer, connection),
            Ask::Ecp { envelope } => self.ecp_asked(envelope, peer, connection),
            Ask::SignIn { service } => self.sign_in_asked(service, peer, connection),
        }
    }

    fn status_for(&self, peer: &Peer) -> Status {
        let mut status = self.standing.status(&self.summary, self.visible_people(peer), self.now());
        status.break_glass_until = self.let_through_until().map(|until| until.to_string());
        status.diagnostics_request = self.support.word().map(str::to_owned);
        status.with_set_aside(&self.paths.state_dir).with_system_access(self.access.now())
    }

    /// The sessions that the asking account may see: its own, and all of them for an administrator.
    fn visible_people<'a>(&'a self, peer: &'a Peer) -> impl Iterator<Item = (&'a UserSession, &'a State)> {
        let everybody = peer.privileged || peer.same_user;
        let people = self.people.values().map(|person| (&person.session, &person.state));
        people.filter(move |(session, _)| everybody || peer.owns(session))
    }

    fn step_everybody(&mut self, event: &Event) {
        for id in self.people.keys().cloned().collect::<Vec<_>>() {
            self.step(&id, event.clone());
        }
    }

    /// Of one change a command and the watch both tell; the second time there is nothing to do. What could not be used
    /// before may have been corrected elsewhere than in the options.
    fn reload_if_changed(&mut self) {
        let usable = matches!(self.standing, Standing::Ready(_) | Standing::Busy);
        if !usable || config::mark(&self.paths) != self.options {
            self.reload();
        }
    }

    fn reload(&mut self) {
        if matches!(self.standing, Standing::Busy) {
            self.reload_wanted = true;
            return;
        }
        self.open_device();
        // Who has signed out stays out.
        let wanting = self.people.iter().filter(|(_, person)| person.state != State::SignedOut);
        for id in wanting.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.step(&id, Event::Wanted);
        }
    }

    fn finish(&mut self, device: Device, job: Job, outcome: Outcome) {
        self.clock = device.clock;
        self.summary = DeviceSummary::of(&device);
        let keep_alive = match &outcome {
            Outcome::SignIn(Ok(Granted::Session(session))) => Some(session.keep_alive_seconds),
            Outcome::SignIn(_)
            | Outcome::Browser(_)
            | Outcome::Ecp(_)
            | Outcome::KeepAlive(_)
            | Outcome::Farewell(_)
            | Outcome::Bundle(_) => None,
        };
        if let Outcome::SignIn(Ok(Granted::Session(session))) = &outcome {
            self.await_browsers(&session.sign_on_ports);
        }
        let asks_for_proof = outcome.asks_for_proof();
        if asks_for_proof && !self.browsers.is_open() {
            // People prove who they are in a browser, and where those look for the agent the portal says in a keep-alive too.
            self.heartbeat.begin(0, self.moment());
        }
        let is_registered = matches!(outcome, Outcome::SignIn(Ok(_))) || asks_for_proof;
        let spent = is_registered && device.config.token.is_some() && !device.config.keep_token;
        self.standing = Standing::Ready(Box::new(device));
        if spent {
            self.forget_token();
        }
        if outcome.is_wipe() {
            self.forget(Code::Refusal(RefusalCode::DeviceWiped));
        }
        if let Some(seconds) = keep_alive {
            self.heartbeat.heard(seconds, self.moment());
        }
        match (job, outcome) {
            (Job::Session(id), Outcome::SignIn(result)) => self.step(&id, outcome_of(result)),
            (Job::Asked { session, connection, .. }, Outcome::SignIn(Ok(Granted::Session(opened)))) => {
                if let Some(person) = self.people.get_mut(&session.id) {
                    person.waiting.push(connection);
                }
                self.step(&session.id, Event::Granted(opened));
            }
            (Job::Asked { connection, .. }, Outcome::SignIn(result)) => reply(connection, for_asked(result)),
            (Job::Browser { session, ask }, Outcome::Browser(result)) => {
                if matches!(result, Ok(BrowserEnd::Posts(_))) {
                    self.may_be_signed_in_now(&session.id);
                }
                // The browser may have gone away.
                let _ = ask.answer.send(result.map_err(|error| error.code()));
            }
            (Job::Ecp { connection, .. }, Outcome::Ecp(result)) => reply(connection, for_ecp(result)),
            (Job::SignOut { connection, .. }, Outcome::Farewell(result)) => reply(connection, for_farewell(result)),
            (Job::Deregister { connection }, Outcome::Farewell(result)) => self.left(connection, result),
            (Job::Bundle { id, .. }, Outcome::Bundle(result)) => self.bundle_sent(&id, result),
            (_, Outcome::KeepAlive(result)) => self.kept_alive(result),
            // A job has the outcome of its own work.
            (
                _,
                Outcome::SignIn(_) | Outcome::Browser(_) | Outcome::Ecp(_) | Outcome::Farewell(_) | Outcome::Bundle(_),
            ) => {}
        }
        if self.reload_wanted {
            self.reload();
        }
    }

    /// Somebody who had to prove who they are has just been signed in at a service: their own session needs nothing more either.
    fn may_be_signed_in_now(&mut self, id: &SessionId) {
        let waits = self.people.get(id).is_some_and(|person| {
            matches!(person.state, State::Waiting { cause: Code::Refusal(RefusalCode::ProofNeeded), .. })
        });
        if waits {
            self.step(id, Event::Wanted);
        }
    }

    /// The token has bought what it buys: from now on it would only be a secret that lies about.
    fn forget_token(&mut self) {
        match config::forget_token(&self.paths) {
            Ok(None) => {
                self.steps.done("token-forgotten", || "the device token is gone from this device".to_owned());
                self.open_device();
            }
            Ok(Some(place)) => {
                tracing::warn!(%place, "the device token has been used and stands where the agent does not change it: remove it there");
                self.options = config::mark(&self.paths);
                if let Standing::Ready(device) = &mut self.standing {
                    device.forget_token();
                }
                self.summary.token_is_gone();
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "can't remove the device token; it is tried again at the next sign-in"
            ),
        }
    }

    fn step(&mut self, id: &SessionId, event: Event) {
        let at = self.moment();
        let now = at.now;
        let Some(mut person) = self.people.remove(id) else { return };
        let granted = matches!(event, Event::Granted(_));
        let (state, effect) = person.state.step(event, at);
        if let State::SignedIn { session, .. } = &state
            && granted
        {
            tracing::info!(session = %id, until = %session.until, "signed in");
            tracing::debug!(session = %id, user = session.user, "signed in as");
            self.steps.done("session", || format!("{} until {}", session.user, session.until));
        }
        person.state = state;
        if !matches!(person.state, State::SigningIn { .. }) {
            let status = self.standing.status(&self.summary, std::iter::once((&person.session, &person.state)), now);
            for connection in person.waiting.drain(..) {
                reply(connection, Reply::Status(Box::new(status.clone())));
            }
        }
        self.people.insert(id.clone(), person);
        self.carry_out(id.clone(), effect);
    }

    fn carry_out(&mut self, id: SessionId, effect: Option<Effect>) {
        match effect {
            Some(Effect::SignIn) => self.jobs.push_back(Job::Session(id)),
            None => {}
        }
    }

    fn on_timer(&mut self) {
        self.step_everybody(&Event::Timer);
        let now = self.now();
        if self.heartbeat.take_due(now) {
            let leaving = matches!(&self.standing, Standing::Ready(device) if device.state.is_leaving());
            self.jobs.push_back(if leaving { Job::Deregister { connection: None } } else { Job::KeepAlive });
        }
        self.start_next_job();
    }

    /// Hands the device to the next job, if it is free.
    fn start_next_job(&mut self) {
        while let Some(job) = self.jobs.pop_front() {
            let Some(work) = self.work_of(&job) else { continue };
            let mut device = match std::mem::replace(&mut self.standing, Standing::Busy) {
                Standing::Ready(device) => device,
                Standing::Busy => return self.jobs.push_front(job),
                standing @ (Standing::Unconfigured { .. } | Standing::Broken { .. }) => {
                    let code = standing.code();
                    self.standing = standing;
                    self.refuse(job, code);
                    continue;
                }
            };
            if device.state.is_leaving()
                && matches!(work, Work::SignIn { .. } | Work::Browser { .. } | Work::Ecp { .. } | Work::KeepAlive(_))
            {
                self.standing = Standing::Ready(device);
                self.refuse(job, Code::Failure(FailureCode::Leaving));
                continue;
            }
            let (steps, mailbox) = (Arc::clone(&self.steps), self.mailbox.clone());
            tokio::spawn(async move {
                let what = work.name();
                let outcome = work.carry_out(&mut device, &steps).await;
                if let Some(error) = outcome.error() {
                    tracing::warn!(code = error.code().as_str(), error = error as &dyn std::error::Error, "{what}");
                }
                // The daemon is ending if its mailbox is gone.
                let _ = mailbox.send(Mail::Finished { device, job, outcome });
            });
            return;
        }
    }

    fn work_of(&self, job: &Job) -> Option<Work> {
        Some(match job {
            Job::Session(id) => {
                Work::SignIn { session: Box::new(self.people.get(id)?.session.clone()), wanted: Wanted::Session }
            }
            Job::Asked { session, wanted, .. } => Work::SignIn { session: session.clone(), wanted: wanted.clone() },
            Job::Browser { session, ask } => {
                Work::Browser { session: session.clone(), query: ask.query.clone(), port: ask.port }
            }
            Job::Ecp { session, envelope, .. } => Work::Ecp { session: session.clone(), envelope: envelope.clone() },
            Job::KeepAlive => Work::KeepAlive(self.report()),
            Job::Bundle { id, bundle } => Work::Bundle { id: id.clone(), bundle: bundle.clone() },
            Job::SignOut { session, .. } => Work::SignOut { session: session.clone() },
            Job::Deregister { .. } => Work::Deregister,
        })
    }

    fn refuse(&mut self, job: Job, code: Code) {
        match job {
            Job::Session(id) => self.step(&id, Event::failed_here(code)),
            Job::Asked { connection, .. } | Job::Ecp { connection, .. } | Job::SignOut { connection, .. } => {
                reply(connection, Reply::Failed(Problem::of(code)));
            }
            // It may have gone away.
            Job::Browser { ask, .. } => drop(ask.answer.send(Err(code))),
            Job::Deregister { connection: Some(connection) } => reply(connection, Reply::Failed(Problem::of(code))),
            Job::Bundle { id, .. } => self.begin_again(&id),
            Job::KeepAlive | Job::Deregister { connection: None } => {
                let at = self.moment();
                self.heartbeat.failed(None, at);
            }
        }
    }

    fn sleep_for(&self) -> Duration {
        let now = self.now();
        let people = self.people.values().filter_map(|person| person.state.wake_at());
        let next = people.chain(self.heartbeat.wake_at()).chain(self.let_through_until()).min();
        let until = next.map(|at| u64::try_from(at.unix_millis() - now.unix_millis()).unwrap_or(0));
        until.map_or(LONGEST_SLEEP, |millis| Duration::from_millis(millis).min(LONGEST_SLEEP))
    }

    fn now(&self) -> saml::time::UtcTime {
        self.clock.now()
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now(), jitter: u32::from_le_bytes(random::bytes()) }
    }
}

/// Answers and ends the conversation; a command that has gone away needs no answer.
fn reply(mut connection: Connection, reply: Reply) {
    tokio::spawn(async move {
        let _ = tokio::time::timeout(ASK_TIMEOUT, control::write_line(&mut connection, &reply)).await;
    });
}
