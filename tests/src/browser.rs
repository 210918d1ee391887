//! A headless Chromium, driven by the DevTools protocol over a pair of pipes: no driver program and no WebSocket between.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::PATIENCE;

/// True in the page after the one that was marked as left, once it is whole. (Load events can't tell: the old page's may still be on its way.)
const NEXT_PAGE: &str = "!window.left && document.readyState === 'complete'";
/// How long one look at a page that is still on its way may take.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(200);

/// A browser with one open page. It is killed when it is dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    loads: usize,
    _profile: TempDir,
}

impl Browser {
    /// Starts `chromium`, which takes any certificate: the tests' authority is known to nobody.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_by(Command::new("sh"), tempfile::tempdir().expect("a directory can be made"))
    }

    /// The same as the account `uid`, which takes the rights of root.
    ///
    /// # Panics
    /// Where it can't be started.
    #[cfg(unix)]
    #[must_use]
    pub fn start_as(uid: u32) -> Self {
        let profile = tempfile::tempdir().expect("a directory can be made");
        std::os::unix::fs::chown(profile.path(), Some(uid), Some(uid)).expect("the directory can be given away");
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()]);
        command.arg("sh").env("HOME", profile.path());
        Self::start_by(command, profile)
    }

    /// The same in a machine, as an account of it that is logged in there.
    ///
    /// # Panics
    /// Where it can't be started.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn start_in(machine: &crate::container::Container, account: &str) -> Self {
        // A directory of the same name is made in the machine, by the browser.
        let profile = tempfile::tempdir().expect("a directory can be made");
        let mut command = machine.command_as(account);
        command.arg("sh");
        Self::start_by(command, profile)
    }

    /// `command` is a shell.
    fn start_by(mut command: Command, profile: TempDir) -> Self {
        // Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null", "chromium"]);
        command.args([
            "--headless",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]);
        command.args([
            "--ignore-certificate-errors",
            "--no-first-run",
            "--disable-extensions",
            "--force-color-profile=srgb",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("chromium can be started");
        let (sender, from) = channel();
        let stdout = child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            let messages = BufReader::new(stdout).split(0).map_while(Result::ok);
            messages
                .filter_map(|message| serde_json::from_slice(&message).ok())
                .for_each(|message| drop(sender.send(message)));
        });
        let to = child.stdin.take().expect("it is piped");
        let mut browser = Self { child, to, from, last_id: 0, session: None, loads: 0, _profile: profile };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = self.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        self.call("Page.enable", &json!({}));
        self.call("Runtime.enable", &json!({}));
    }

    /// Calls a method of the protocol; returns its result.
    ///
    /// # Panics
    /// Where the browser answers with an error or not at all.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// The whole answer to a call, which may be an error.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).expect("the browser reads");
        self.to.write_all(&[0]).expect("the browser reads");
        loop {
            let answer = self.next_message();
            if answer["id"] == self.last_id {
                return answer;
            }
        }
    }

    fn next_message(&mut self) -> Value {
        let message = self.from.recv_timeout(PATIENCE).expect("the browser says something");
        self.note(&message);
        message
    }

    fn note(&mut self, message: &Value) {
        if message["method"] == "Page.loadEventFired" {
            self.loads += 1;
        }
    }

    /// Opens `url` and waits until it is loaded.
    ///
    /// # Panics
    /// Where it never is.
    pub fn open(&mut self, url: &str) {
        self.value("window.left = true; null");
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait_until(url, NEXT_PAGE);
    }

    /// The value of a JavaScript expression in the page.
    ///
    /// # Panics
    /// Where it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The text that the page shows.
    pub fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// The value of an expression; none while one page makes room for the next.
    fn value_now(&mut self, expression: &str) -> Option<Value> {
        let answer = self.ask("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }));
        answer["result"]["result"].get("value").cloned()
    }

    /// Lets the browser go on: until it says something, for a moment, or not at all where a page has loaded since `loads`.
    fn glance(&mut self, loads: usize) {
        if self.loads == loads
            && let Ok(message) = self.from.recv_timeout(GLANCE)
        {
            self.note(&message);
        }
    }

    /// Waits until the page shows `text`, however many pages send it on before.
    ///
    /// # Panics
    /// Where that does not come.
    pub fn wait_for_text(&mut self, text: &str) {
        let wanted = json!(text);
        let shows = format!("!!document.body && document.body.innerText.includes({wanted})");
        self.wait_until(&format!("“{text}”"), &shows);
    }

    /// Opens `url` and waits until a page shows `text`.
    pub fn open_until(&mut self, url: &str, text: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait_for_text(text);
    }

    /// Types `text` into the field `selector`.
    pub fn fill(&mut self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.value(&format!("document.querySelector({selector}).value = {text}; null"));
    }

    /// Ticks the box `selector`, or whatever else a click does that loads no page.
    pub fn tick(&mut self, selector: &str) {
        let selector = json!(selector);
        self.value(&format!("document.querySelector({selector}).click(); null"));
    }

    /// Clicks the button or link that shows exactly `label`, and waits for the page that comes of it.
    ///
    /// # Panics
    /// Where there is none, or no page comes of it.
    pub fn click(&mut self, label: &str) {
        let wanted = json!(label);
        let found = self.value(&format!(
            "(() => {{ const all = [...document.querySelectorAll('main button, main a, header button, nav a')];
                const found = all.find(element => element.innerText.trim() === {wanted});
                if (found) {{ window.left = true; found.click(); }} return !!found; }})()"
        ));
        assert!(found == true, "there is no “{label}” on this page:\n{}", self.text());
        self.wait_until("a page after the click", NEXT_PAGE);
    }

    /// Waits until `condition` is true in the page that is shown, however many come before.
    ///
    /// # Panics
    /// Where it never is; `what` says what was waited for.
    pub fn wait_until(&mut self, what: &str, condition: &str) {
        let begun = std::time::Instant::now();
        loop {
            let before = self.loads;
            if self.value_now(condition).is_some_and(|value| value == true) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} does not come; the page shows:\n{}", self.text());
            self.glance(before);
        }
    }

    /// Makes the window `width` wide, and the colours light or dark.
    pub fn look(&mut self, width: u32, dark: bool) {
        let mobile = width < 600;
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        // Without motion: a colour in the middle of its change is nobody's to judge.
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Writes a picture of the whole page to `path`.
    ///
    /// # Panics
    /// Where it can't be written.
    pub fn picture(&mut self, path: &Path) {
        let taken = self.call("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": true }));
        let encoded = taken["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory can be made");
        std::fs::write(path, bytes).expect("the picture can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
