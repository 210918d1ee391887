//! The EXE installer's command line, and the MSI properties that it stands for.

use crate::installer;
use installer_options::{
    Delivered, Flavour, InstallOptions, Layer, OPTIONS, OptionName, Origin, Parsed, RawOption, domain_from_file_name,
    parse_arguments, parse_values,
};
use std::{ffi::OsString, path::PathBuf};
use windows_sys::Win32::System::ApplicationInstallationAndServicing::{
    INSTALLUILEVEL, INSTALLUILEVEL_BASIC, INSTALLUILEVEL_NONE,
};

/// `ERROR_INVALID_COMMAND_LINE`.
const WRONG_ARGUMENTS: u32 = 1639;
/// What stands between domain and version in the installer's file name.
const PRODUCT: &str = "countersign";
/// Where faults are written: nobody sees the window of a silent installation.
const FAULTS_FILE: &str = "countersign-installer.log";
/// The largest token file that is read, in octets.
const LARGEST_TOKEN: u64 = 4096;

/// Every property of the MSI that carries an option for the agent; whether the service starts at once is the MSI's own business.
pub(crate) fn properties() -> impl Iterator<Item = String> {
    let for_agent = OPTIONS.iter().filter(|spec| spec.name != OptionName::LaunchTray);
    for_agent.flat_map(|spec| spec.spellings(Flavour::Msi))
}

/// What is wrong with these properties; nothing where there are none, since a policy may bring them.
pub(crate) fn faults_of(given: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let origin = Origin::new(Layer::Install, Flavour::Msi, "the installer's dialog");
    let parsed = parse_values(given.map(|(name, value)| (name, Delivered::Text(value))), &origin);
    let mut faults: Vec<_> = parsed.faults.iter().map(ToString::to_string).collect();
    if !parsed.options.is_empty() {
        faults.extend(InstallOptions::check(&parsed.options).err().map(|faults| faults.to_string()));
    }
    faults
}

/// Installs `package` with the options on the command line of this process.
pub(crate) fn install(package: &str) -> u32 {
    // The installer's own switches are no options.
    let is_own = |argument: &OsString| argument == "/S" || argument == "/NCRC";
    let (own, arguments): (Vec<_>, Vec<_>) = std::env::args_os().skip(1).partition(is_own);
    let mut parsed = parse_arguments(arguments, Layer::Install, "the installer's command line");
    let mut faults: Vec<_> = parsed.faults.iter().map(ToString::to_string).collect();
    if let Err(fault) = read_token_file(&mut parsed) {
        faults.push(fault);
    }
    if !faults.is_empty() {
        report(&faults);
        return WRONG_ARGUMENTS;
    }
    add_domain_of_file_name(&mut parsed);
    let level = level(&parsed, own.iter().any(|switch| switch == "/S"));
    installer::install(package, &property_list(&parsed), level)
}

/// `NAME="value"`, with quotes in a value doubled, as Windows Installer reads them. Options without a property concern the installer alone.
fn property_list(parsed: &Parsed) -> String {
    let property = |option: &RawOption| {
        let name = option.option.spec().spellings(Flavour::Msi).into_iter().next()?;
        Some(format!("{name}=\"{}\"", option.value.expose().replace('"', "\"\"")))
    };
    parsed.options.iter().filter_map(property).collect::<Vec<_>>().join(" ")
}

fn level(parsed: &Parsed, silent: bool) -> INSTALLUILEVEL {
    let is = |option, wanted| parsed.options.get(option).is_some_and(|raw| raw.value.expose() == wanted);
    let shows_progress =
        is(OptionName::UnattendedModeUi, "minimal") || is(OptionName::UnattendedModeUi, "minimalWithDialogs");
    let unattended = silent || is(OptionName::Mode, "unattended");
    if unattended && !shows_progress { INSTALLUILEVEL_NONE } else { INSTALLUILEVEL_BASIC }
}

/// `safemarch.com-countersign-windows-1.2.3-installer.exe` means `--userDomain safemarch.com`, unless that is given.
fn add_domain_of_file_name(parsed: &mut Parsed) {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if parsed.options.get(OptionName::UserDomain).is_none()
        && let Some(domain) = domain_from_file_name(&name, PRODUCT)
    {
        let origin = Origin::new(Layer::Install, Flavour::Arguments, "the installer's file name");
        parsed.options.insert(RawOption::new(OptionName::UserDomain, domain.to_string(), origin));
    }
}

/// Keeps the token off the command line: it is read from the file that `--deviceTokenFile` names.
fn read_token_file(parsed: &mut Parsed) -> Result<(), String> {
    let Some(option) = parsed.options.get(OptionName::DeviceTokenFile) else { return Ok(()) };
    let path = PathBuf::from(option.value.expose());
    let length = std::fs::metadata(&path).map(|file| file.len());
    let text = match length {
        Ok(0..=LARGEST_TOKEN) => std::fs::read_to_string(&path).map_err(|error| error.to_string()),
        Ok(_) => Err("it is too large for a token".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let text = text.map_err(|why| format!("`--deviceTokenFile` can't be read: {why}"))?;
    parsed.options.replace_token_file(text.trim().into());
    Ok(())
}

fn report(faults: &[String]) {
    let text: String = faults.iter().map(|fault| format!("{fault}\r\n")).collect();
    // There is nowhere else to say that this failed.
    let _ = std::fs::write(std::env::temp_dir().join(FAULTS_FILE), text);
}
