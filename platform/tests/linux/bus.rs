//! A private message bus with logind's interface on it, as python-dbusmock models it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use zbus::blocking::{Connection, Proxy, connection::Builder};

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: &str = "/org/freedesktop/login1";
const MOCK: &str = "org.freedesktop.DBus.Mock";
/// Debian's own interpreter, for which Debian packages the mock.
const PYTHON: &str = "/usr/bin/python3";

const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=SOCKET</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
    <allow eavesdrop="false" send_destination="*"/>
  </policy>
</busconfig>"#;

/// What is missing for these tests, if anything.
pub(crate) fn missing() -> Option<&'static str> {
    if !Path::new("/usr/bin/dbus-daemon").exists() {
        return Some("dbus-daemon, from the Debian package of that name");
    }
    let mock = Command::new(PYTHON).args(["-c", "import dbusmock"]).stderr(Stdio::null()).status();
    (!mock.is_ok_and(|status| status.success())).then_some("python-dbusmock, from the Debian package python3-dbusmock")
}

/// A bus; ended with everything on it on drop.
pub(crate) struct Bus {
    daemon: Child,
    mock: Option<Child>,
    pub(crate) address: String,
    dir: tempfile::TempDir,
}

impl Bus {
    /// A bus on which nobody answers for logind.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let socket = dir.path().join("bus");
        std::fs::write(dir.path().join("bus.conf"), CONFIGURATION.replace("SOCKET", socket.to_str().unwrap())).unwrap();
        let daemon = start_daemon(dir.path());
        Self { daemon, mock: None, address: format!("unix:path={}", socket.display()), dir }
    }

    /// The bus ends with everybody's connection, and comes back at the same address, with a logind that knows nobody.
    pub(crate) fn restart(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        self.stop_logind();
        std::fs::remove_file(self.dir.path().join("bus")).unwrap();
        self.daemon = start_daemon(self.dir.path());
        self.start_logind();
    }

    /// A bus with a logind that knows nobody yet.
    pub(crate) fn with_logind() -> Self {
        let mut bus = Self::empty();
        bus.start_logind();
        bus
    }

    pub(crate) fn start_logind(&mut self) {
        let mut command = Command::new(PYTHON);
        command.args(["-m", "dbusmock", "--template", "logind"]).env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
        let log = std::fs::File::create(self.dir.path().join("mock.log")).unwrap();
        self.mock = Some(command.stdout(Stdio::from(log)).stdin(Stdio::null()).spawn().unwrap());
        let connection = self.connection();
        wait_until("the mock is up", || {
            Self::proxy(&connection, MANAGER, "org.freedesktop.login1.Manager").call_method("ListSessions", &()).is_ok()
        });
    }

    pub(crate) fn stop_logind(&mut self) {
        let mut mock = self.mock.take().unwrap();
        mock.kill().unwrap();
        mock.wait().unwrap();
    }

    pub(crate) fn mock_id(&self) -> u32 {
        self.mock.as_ref().unwrap().id()
    }

    pub(crate) fn add_session(&self, id: &str, uid: u32, name: &str, active: bool) {
        self.mock(MANAGER, "AddSession", &(id, "seat0", uid, name, active));
    }

    pub(crate) fn update(&self, id: &str, property: &str, value: zbus::zvariant::Value<'_>) {
        let path = format!("{MANAGER}/session/{id}");
        self.mock(
            &path,
            "UpdateProperties",
            &("org.freedesktop.login1.Session", std::collections::HashMap::from([(property, value)])),
        );
    }

    /// Sends `SessionNew` or `SessionRemoved`, which the mock does not by itself.
    pub(crate) fn announce(&self, signal: &str, id: &str) {
        let path = zbus::zvariant::ObjectPath::try_from(format!("{MANAGER}/session/{id}")).unwrap();
        let arguments = vec![zbus::zvariant::Value::from(id), zbus::zvariant::Value::from(path)];
        self.mock(MANAGER, "EmitSignal", &("org.freedesktop.login1.Manager", signal, "so", arguments));
    }

    /// Sends what logind sends before the machine sleeps and after it woke.
    pub(crate) fn announce_sleep(&self, sleeping: bool) {
        let arguments = vec![zbus::zvariant::Value::from(sleeping)];
        self.mock(MANAGER, "EmitSignal", &("org.freedesktop.login1.Manager", "PrepareForSleep", "b", arguments));
    }

    pub(crate) fn environment(&self) -> [(&str, &str); 1] {
        [("DBUS_SYSTEM_BUS_ADDRESS", &self.address)]
    }

    fn mock<B: serde::Serialize + zbus::zvariant::DynamicType>(&self, path: &str, method: &str, body: &B) {
        Self::proxy(&self.connection(), path, MOCK).call_method(method, body).unwrap();
    }

    fn connection(&self) -> Connection {
        Builder::address(self.address.as_str()).unwrap().build().unwrap()
    }

    fn proxy<'a>(connection: &Connection, path: &'a str, interface: &'a str) -> Proxy<'a> {
        Proxy::new(connection, SERVICE, path, interface).unwrap()
    }
}

fn start_daemon(dir: &Path) -> Child {
    let mut command = Command::new("/usr/bin/dbus-daemon");
    let daemon = command.arg("--nofork").arg("--config-file").arg(dir.join("bus.conf")).spawn().unwrap();
    wait_until("the bus is up", || dir.join("bus").exists());
    daemon
}

impl Drop for Bus {
    fn drop(&mut self) {
        for child in self.mock.iter_mut().chain([&mut self.daemon]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}, in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
