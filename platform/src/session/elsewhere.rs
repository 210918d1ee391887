//! Name services without a socket of their own, asked through getent(1), which also a static program can start.

use super::name_service::{Account, Deadline};
use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How often a program that runs is looked after.
const LOOKED_AFTER: Duration = Duration::from_millis(2);
const MOST_OCTETS: u64 = 64 * 1024;

/// What the other name services say of a user id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    Known { service: String, account: Account },
    Unknown,
}

/// Asks `services` in turn, each alone.
pub(super) fn ask(getent: &Path, services: &[String], uid: u32, deadline: Deadline) -> Elsewhere {
    let found = services.iter().find_map(|service| {
        let account = account_in(getent, service, uid, deadline)?;
        Some(Elsewhere::Known { service: service.clone(), account })
    });
    found.unwrap_or(Elsewhere::Unknown)
}

fn account_in(getent: &Path, service: &str, uid: u32, deadline: Deadline) -> Option<Account> {
    let mut command = Command::new(getent);
    command.args(["-s", service, "passwd", &uid.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
    if !ends_in_time(&mut child, deadline) {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    let mut lines = String::new();
    child.stdout.take()?.take(MOST_OCTETS).read_to_string(&mut lines).ok()?;
    let accounts = lines.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some(Account { name: fields.next()?.to_owned(), uid: fields.nth(1)?.parse().ok()? })
    });
    accounts.into_iter().find(|account| account.uid == uid && !account.name.is_empty())
}

/// One line of passwd(5) fits into a pipe, so the program ends without a reader.
fn ends_in_time(child: &mut Child, deadline: Deadline) -> bool {
    while deadline.left().is_ok() {
        match child.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) => std::thread::sleep(LOOKED_AFTER),
            Err(_) => return false,
        }
    }
    false
}
