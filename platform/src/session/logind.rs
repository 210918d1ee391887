//! systemd-logind over D-Bus (org.freedesktop.login1(5)).

use super::{
    SessionChange, SessionError, SessionId, UserSession,
    imp::{stable_id, unjudged},
};
use std::{collections::HashMap, fmt, future::poll_fn, io::ErrorKind, pin::Pin, time::Duration};
use zbus::{
    Connection, MatchRule, MessageStream,
    export::futures_core::Stream,
    message::{Message, Type},
    zvariant::{OwnedObjectPath, OwnedValue},
};

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER_PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const PATIENCE: Duration = Duration::from_secs(5);

/// What logind said, or why there is nobody to ask.
#[derive(Debug)]
pub(super) enum Answer {
    Sessions(Vec<UserSession>),
    Absent(&'static str),
}

/// What the bus said, or why there is no bus.
enum Bus {
    Connected(Connection),
    Absent(&'static str),
}

const NO_BUS: &str = "there is no system bus to ask logind on";
const NO_LOGIND: &str = "no logind answers on the system bus";

pub(super) async fn sessions() -> Result<Answer, SessionError> {
    in_time(async {
        match connect().await? {
            Bus::Connected(connection) => sessions_over(&connection).await,
            Bus::Absent(why) => Ok(Answer::Absent(why)),
        }
    })
    .await
}

async fn in_time<T>(work: impl Future<Output = Result<T, SessionError>>) -> Result<T, SessionError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(SessionError::TimedOut { seconds: PATIENCE.as_secs() }),
    }
}

async fn connect() -> Result<Bus, SessionError> {
    match Connection::system().await {
        Ok(connection) => Ok(Bus::Connected(connection)),
        // No socket, or one that nobody listens on: a container without a bus, not a failure.
        Err(zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _))
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            Ok(Bus::Absent(NO_BUS))
        }
        Err(error) => Err(failed("open the bus", error)),
    }
}

async fn sessions_over(connection: &Connection) -> Result<Answer, SessionError> {
    let listed = connection.call_method(Some(SERVICE), MANAGER_PATH, Some(MANAGER), "ListSessions", &()).await;
    let reply = match listed {
        Ok(reply) => reply,
        Err(error) if is_absence(&error) => return Ok(Answer::Absent(NO_LOGIND)),
        Err(error) => return Err(failed("list the sessions", error)),
    };
    let entries: Vec<(String, u32, String, String, OwnedObjectPath)> =
        reply.body().deserialize().map_err(|error| failed("read the list of sessions", error))?;
    let mut sessions = Vec::with_capacity(entries.len());
    for (id, uid, name, _seat, path) in entries {
        let all = connection.call_method(Some(SERVICE), &path, Some(PROPERTIES), "GetAll", &(SESSION)).await;
        let reply = match all {
            Ok(reply) => reply,
            // It ended between the two questions.
            Err(error)
                if error_name(&error)
                    .is_some_and(|name| name.ends_with("UnknownObject") || name.ends_with("NoSuchSession")) =>
            {
                continue;
            }
            Err(error) => return Err(failed("read the properties of a session", error)),
        };
        let properties: HashMap<String, OwnedValue> =
            reply.body().deserialize().map_err(|error| failed("read the properties of a session", error))?;
        sessions.extend(Properties::from(&properties).person(id, uid, name));
    }
    Ok(Answer::Sessions(sessions))
}

fn failed(doing: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SessionError {
    SessionError::Service { doing, source: error.into() }
}

fn error_name(error: &zbus::Error) -> Option<&str> {
    if let zbus::Error::MethodError(name, _, _) = error { Some(name.as_str()) } else { None }
}

fn is_absence(error: &zbus::Error) -> bool {
    let absent = ["ServiceUnknown", "NameHasNoOwner", "Spawn.ServiceNotFound", "Spawn.ChildExited", "Spawn.ExecFailed"];
    error_name(error)
        .and_then(|name| name.strip_prefix("org.freedesktop.DBus.Error."))
        .is_some_and(|name| absent.contains(&name))
}

/// The properties of a session that decide whether it is a person's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Properties {
    class: String,
    state: String,
    kind: String,
    service: String,
    active: bool,
    remote: bool,
    locked: bool,
    remote_host: String,
}

impl From<&HashMap<String, OwnedValue>> for Properties {
    fn from(all: &HashMap<String, OwnedValue>) -> Self {
        let text =
            |name: &str| all.get(name).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default().to_owned();
        let flag = |name: &str| all.get(name).and_then(|value| bool::try_from(value).ok()).unwrap_or_default();
        Self {
            class: text("Class"),
            state: text("State"),
            kind: text("Type"),
            service: text("Service"),
            active: flag("Active"),
            remote: flag("Remote"),
            locked: flag("LockedHint"),
            remote_host: text("RemoteHost"),
        }
    }
}

impl Properties {
    fn person(self, id: String, uid: u32, local_name: String) -> Option<UserSession> {
        // sd-login(3): greeters, lock screens, cron jobs and user managers have classes of their own.
        let of_a_person = matches!(self.class.as_str(), "user" | "user-early" | "user-light" | "user-early-light");
        if !of_a_person || self.state == "closing" || !is_a_persons(uid) {
            return None;
        }
        let mut attributes = vec![
            ("session.type", self.kind),
            ("session.service", self.service),
            ("session.locked", self.locked.to_string()),
        ];
        attributes.push(("session.remote-host", self.remote_host));
        attributes.retain(|(_, value)| !value.is_empty());
        Some(UserSession {
            id: SessionId::new(id),
            stable_id: stable_id(uid),
            uid: Some(uid),
            active: self.active,
            remote: self.remote,
            evidence: unjudged("logind", attributes),
            local_name,
        })
    }
}

/// The user ids of systemd's UIDS-GIDS that belong to people; root counts, since people do log in as root.
pub(super) fn is_a_persons(uid: u32) -> bool {
    let system_account = (1..1000).contains(&uid);
    let dynamic_service = (61_184..=65_519).contains(&uid);
    let nobody = uid == 65_534 || uid == 65_535;
    !(system_account || dynamic_service || nobody)
}

/// logind's signals, turned into changes.
pub(super) struct Signals {
    from_logind: MessageStream,
    owner_changes: MessageStream,
}

impl fmt::Debug for Signals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signals")
    }
}

impl Signals {
    /// `None` where there is no bus.
    pub(super) async fn subscribe() -> Result<Option<Self>, SessionError> {
        in_time(async {
            match connect().await? {
                Bus::Connected(connection) => Self::over(&connection).await.map(Some),
                Bus::Absent(_) => Ok(None),
            }
        })
        .await
    }

    async fn over(connection: &Connection) -> Result<Self, SessionError> {
        let refused = |error: zbus::Error| failed("subscribe to the signals", error);
        let from_logind = rule(|rule| rule.sender(SERVICE)?.path_namespace(MANAGER_PATH)).map_err(refused)?;
        let owner_changes =
            rule(|rule| rule.sender("org.freedesktop.DBus")?.member("NameOwnerChanged")?.add_arg(SERVICE))
                .map_err(refused)?;
        Ok(Self {
            from_logind: MessageStream::for_match_rule(from_logind, connection, None).await.map_err(refused)?,
            owner_changes: MessageStream::for_match_rule(owner_changes, connection, None).await.map_err(refused)?,
        })
    }

    /// `None` when the bus has gone.
    pub(super) async fn next(&mut self) -> Option<SessionChange> {
        poll_fn(|context| {
            if let std::task::Poll::Ready(changed_or_gone) = Pin::new(&mut self.owner_changes).poll_next(context) {
                let changed = changed_or_gone.and_then(Result::ok);
                return std::task::Poll::Ready(changed.map(|_| SessionChange::ServiceRestarted));
            }
            loop {
                match std::task::ready!(Pin::new(&mut self.from_logind).poll_next(context)) {
                    Some(Ok(message)) => {
                        if let Some(change) = change_in(&message) {
                            return std::task::Poll::Ready(Some(change));
                        }
                    }
                    Some(Err(_)) | None => return std::task::Poll::Ready(None),
                }
            }
        })
        .await
    }
}

fn rule(
    narrow: impl FnOnce(zbus::match_rule::Builder<'static>) -> zbus::Result<zbus::match_rule::Builder<'static>>,
) -> zbus::Result<MatchRule<'static>> {
    Ok(narrow(MatchRule::builder().msg_type(Type::Signal))?.build())
}

fn change_in(message: &Message) -> Option<SessionChange> {
    let header = message.header();
    let session = || message.body().deserialize::<(String, OwnedObjectPath)>().map(|(id, _)| SessionId::new(id));
    match (header.interface()?.as_str(), header.member()?.as_str()) {
        (MANAGER, "SessionNew") => Some(session().map_or(SessionChange::Changed, SessionChange::Opened)),
        (MANAGER, "SessionRemoved") => Some(session().map_or(SessionChange::Changed, SessionChange::Closed)),
        // True before the machine goes to sleep, false when it is back.
        (MANAGER, "PrepareForSleep") => {
            message.body().deserialize().is_ok_and(|sleeping: bool| !sleeping).then_some(SessionChange::Resumed)
        }
        (PROPERTIES, "PropertiesChanged") => {
            let of_a_session = message.body().deserialize::<(String, HashMap<String, OwnedValue>, Vec<String>)>();
            of_a_session.is_ok_and(|(interface, ..)| interface == SESSION).then_some(SessionChange::Changed)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(class: &str, state: &str) -> Properties {
        Properties {
            class: class.to_owned(),
            state: state.to_owned(),
            active: state == "active",
            ..Properties::default()
        }
    }

    #[test]
    fn only_sessions_of_people_count() {
        let counts = |class: &str, state: &str, uid: u32| {
            properties(class, state).person("1".to_owned(), uid, "name".to_owned()).is_some()
        };
        assert!(counts("user", "active", 1000));
        assert!(counts("user", "online", 60_001));
        assert!(counts("user", "active", 0));
        assert!(counts("user", "active", 1_812_401_105));
        assert!(!counts("user", "closing", 1000));
        for class in [
            "greeter",
            "lock-screen",
            "background",
            "background-light",
            "manager",
            "manager-early",
            "user-incomplete",
            "",
        ] {
            assert!(!counts(class, "active", 1000), "{class}");
        }
        for uid in [1, 112, 999, 61_184, 65_519, 65_534] {
            assert!(!counts("user", "active", uid), "{uid}");
        }
    }

    #[test]
    fn properties_of_other_types_than_expected_are_empty_and_never_a_person() {
        let all = HashMap::from([
            ("Class".to_owned(), OwnedValue::from(7_u32)),
            ("Active".to_owned(), OwnedValue::from(true)),
        ]);
        let read = Properties::from(&all);
        assert!(read.active);
        assert_eq!(read.person("1".to_owned(), 1000, "a".to_owned()), None);
    }
}
