//! The EXE installer: a shell around the MSI that takes `--name value` and `--name=value`.
//!
//! It speaks no language of its own: what there is to say, Windows Installer says, and where that failed, it stands in a log. The options go from
//! this process's command line to Windows Installer by a call, not by another command line.

#![windows_subsystem = "windows"]
#![cfg(windows)]

mod arguments;
mod log;

use platform::installer::{self, ClosedFolder};

/// The MSI, as it is published.
static PACKAGE: &[u8] = include_bytes!(env!("COUNTERSIGN_MSI"));
/// What the folder begins with that the MSI is unpacked into.
const FOLDER: &str = "Countersign Setup ";

/// `ERROR_INSTALL_FAILURE`.
const FAILURE: u32 = 1603;
/// `ERROR_INVALID_COMMAND_LINE`.
const WRONG_ARGUMENTS: u32 = 1639;
/// `ERROR_ELEVATION_REQUIRED`.
const NO_ADMINISTRATOR: u32 = 740;
/// Success, and success of which Windows has to be started anew: by somebody, or by Windows Installer, which has begun to.
const SUCCESS: [u32; 3] = [0, 3010, 1641];

fn main() {
    let code = match run() {
        Ok(code) => {
            log::remove();
            code
        }
        Err(refused) => {
            log::write(&refused.reasons);
            refused.code
        }
    };
    std::process::exit(code.cast_signed());
}

/// An installation that was refused, and why.
struct Refused {
    code: u32,
    reasons: Vec<String>,
}

impl Refused {
    fn new(code: u32, reason: String) -> Self {
        Self { code, reasons: vec![reason] }
    }
}

fn run() -> Result<u32, Refused> {
    installer::load_system_libraries_only()
        .map_err(|error| Refused::new(FAILURE, format!("libraries can't be kept to the system's own: {error}")))?;
    if std::env::args_os().skip(1).any(|argument| argument == "--help" || argument == "/?") {
        log::show_options(&arguments::listed());
        return Ok(0);
    }
    let wanted = arguments::read().map_err(|reasons| Refused { code: WRONG_ARGUMENTS, reasons })?;
    // The manifest asks for it; where User Account Control is told not to, nobody does.
    if !installer::is_elevated() {
        return Err(Refused::new(NO_ADMINISTRATOR, "run this as an administrator".to_owned()));
    }
    let unpacked =
        ClosedFolder::create(FOLDER).and_then(|folder| Ok((folder.put("countersign.msi", PACKAGE)?, folder)));
    let (package, folder) =
        unpacked.map_err(|error| Refused::new(FAILURE, format!("the package can't be unpacked: {error}")))?;
    let outcome = installer::install(&package, &wanted.properties, wanted.shown);
    drop(folder);
    if SUCCESS.contains(&outcome.code) {
        return Ok(outcome.code);
    }
    let mut reasons = outcome.reasons;
    let meaning = std::io::Error::from_raw_os_error(outcome.code.cast_signed());
    reasons.push(format!("Windows Installer ended with {}: {meaning}", outcome.code));
    Err(Refused { code: outcome.code, reasons })
}
