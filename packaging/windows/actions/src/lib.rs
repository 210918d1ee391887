//! What the MSI calls: its custom actions.
//!
//! No option ever stands on a command line that these start: the agent reads them from its standard input.

#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    reason = "an installer is outside the agent and its door to the operating system; it has a door of its own in two files"
)]

mod agent;
mod installer;
mod options;

use installer::{SUCCESS, Session};

/// Names the data of the action that has it as its own name, as Windows Installer does.
const CONFIGURE: &str = "ConfigureOptions";
/// What is wrong with the options that the dialog has, for another dialog to show.
const FAULTS: &str = "OPTIONFAULTS";
/// The first line of that data: where the agent is.
const PLACE: &str = "INSTALLDIR";

/// Immediate, when somebody has filled in the dialog: puts what is wrong with the options into the property that the next dialog shows.
#[unsafe(no_mangle)]
pub extern "system" fn CheckOptions(session: u32) -> u32 {
    let session = Session::new(session);
    let given =
        options::properties().map(|name| (session.property(&name), name)).filter(|(value, _)| !value.is_empty());
    let faults = options::faults_of(given.map(|(value, name)| (name, value)));
    session.set_property(FAULTS, &faults.join("\r\n\r\n"))
}

/// Immediate: puts every install option that was given into the data of `ConfigureOptions`.
#[unsafe(no_mangle)]
pub extern "system" fn CollectOptions(session: u32) -> u32 {
    let session = Session::new(session);
    let mut lines = Vec::new();
    for name in options::properties() {
        let value = session.property(&name);
        if value.contains(['\r', '\n']) {
            return session.fail(&format!("`{name}` holds a line break, which no option may"));
        }
        if !value.is_empty() {
            lines.push(format!("{name}={value}"));
        }
    }
    if lines.is_empty() {
        return SUCCESS;
    }
    lines.insert(0, format!("{PLACE}={}", session.property(PLACE)));
    session.set_property(CONFIGURE, &lines.join("\n"))
}

/// Deferred, as SYSTEM: has the agent keep the options. What is wrong with them ends the installation, which is then undone.
#[unsafe(no_mangle)]
pub extern "system" fn ConfigureOptions(session: u32) -> u32 {
    let session = Session::new(session);
    let data = session.property("CustomActionData");
    let Some((dir, options)) = place_and_rest(&data) else { return SUCCESS };
    match agent::keep_options(dir, options) {
        Ok(report) => session.log(&report),
        Err(why) => return session.fail(&why),
    }
    SUCCESS
}

/// Deferred, as SYSTEM, after the service is there: puts quotes around its program's path, without which Windows would try `C:\Program.exe` first. What
/// Windows Installer makes of the path by itself is nowhere promised.
#[unsafe(no_mangle)]
pub extern "system" fn QuoteServicePath(session: u32) -> u32 {
    let session = Session::new(session);
    if let Err(why) = agent::quote_service_path(&session.property("CustomActionData")) {
        session.log(&format!("the path of the service could not be put in quotes: {why}"));
    }
    SUCCESS
}

/// Deferred, as SYSTEM, before the service is stopped: tells the portal that this device goes. A portal that can't be reached keeps nobody here.
#[unsafe(no_mangle)]
pub extern "system" fn Deregister(session: u32) -> u32 {
    let session = Session::new(session);
    let dir = session.property("CustomActionData");
    session.log(&agent::deregister(&dir));
    SUCCESS
}

/// Deferred, as SYSTEM, last: removes key, state and options.
#[unsafe(no_mangle)]
pub extern "system" fn RemoveState(session: u32) -> u32 {
    let session = Session::new(session);
    if let Err(why) = agent::remove_state() {
        session.log(&why);
    }
    SUCCESS
}

fn place_and_rest(data: &str) -> Option<(&str, &str)> {
    let (place, rest) = data.split_once('\n')?;
    Some((place.strip_prefix(PLACE)?.strip_prefix('=')?, rest))
}
