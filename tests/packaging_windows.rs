//! The installers for Windows as `packaging/build` made them, installed under Wine and judged by their effects: at the portal, in the
//! registry, on the disk. Never by exit codes alone, which Wine cuts off. What Wine can't show is read from the MSI's tables.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a surprise must end it loudly, and its steps are told with their times"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use msi::{Package, Row, Select};
use tempfile::TempDir;
use tests::binaries::workspace_dir;
use tests::canary::Canary;
use tests::components::trial;
use tests::portal::Portal;
use tests::program::{PATIENCE, Program};
use tests::wine::{self, Ran, Wine};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const NEWER: &str = "99.1.0";
const HOME_URL: &str = "https://countersign.test/";
const SUPPORT_URL: &str = "https://countersign.test/support";
const SERVICE_KEY: &str = r"HKLM\System\CurrentControlSet\Services\Countersign";
const EVENTS_KEY: &str = r"HKLM\System\CurrentControlSet\Services\EventLog\Application\Countersign";
const UNINSTALL_KEY: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall";

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let (msi, exe) = (msi_path(&dist()), exe_path(&dist()));
    let (msi, exe) = (msi.display().to_string(), exe.display().to_string());
    let agent = programs().join("countersign.exe").display().to_string();
    let under_wine: Vec<&str> = wine::NEEDS.iter().copied().chain(["wixl", "msibuild", &msi, &exe, &agent]).collect();
    let tests = vec![
        trial("the_tables_of_the_msi_hide_secrets_and_keep_the_service_alive", &[&msi], tables),
        trial("the_dialogs_of_the_msi_refer_to_what_is_there", &[&msi], dialogs),
        trial("the_msi_does_what_a_deployment_needs", &under_wine, msi_deployed),
        trial("who_opens_the_msi_by_hand_is_asked_and_told", &under_wine, by_hand),
        trial("the_msi_is_for_the_machine_and_remembers_its_folder", &under_wine, folder),
        trial("a_version_that_windows_installer_does_not_take_is_refused", &["wixl", "msibuild"], versions),
        trial("options_that_are_wrong_undo_the_installation", &under_wine, wrong_options),
        trial("the_exe_takes_the_arguments_that_deployments_have", &under_wine, exe_deployed),
        trial("the_exe_asks_for_rights_and_takes_libraries_from_the_system_alone", &[&exe], exe_header),
        trial("signatures_are_made_verified_and_broken", &["osslsigncode", "openssl", &agent, &msi, &exe], signatures),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

fn dist() -> PathBuf {
    workspace_dir().join("dist")
}

/// Where `packaging/windows/binaries` lets cargo put the programs.
fn programs() -> PathBuf {
    workspace_dir().join("target/x86_64-pc-windows-gnu/dist")
}

fn msi_path(dir: &Path) -> PathBuf {
    dir.join(format!("countersign-{VERSION}-windows-x64.msi"))
}

fn exe_path(dir: &Path) -> PathBuf {
    dir.join(format!("countersign-windows-{VERSION}-installer.exe"))
}

/// Tells each step with the time that it took.
struct Steps(Instant);

impl Steps {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn done(&mut self, step: &str) {
        println!("{:7.1} s  {step}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

/// A portal that is served, and a Windows beside it.
struct Site {
    dir: TempDir,
    portal: Portal,
    _serving: Program,
    wine: Wine,
    steps: Steps,
}

impl Site {
    fn create() -> Self {
        let mut steps = Steps::begin();
        let dir = tempfile::tempdir().expect("a directory can be made");
        let portal = Portal::create(&dir.path().join("portal"));
        portal.ok(&["tenant", "set", "acme", "--minimum-claim", "local"]);
        let serving = portal.serve();
        steps.done("a portal is served");
        let wine = Wine::create(&dir.path().join("wine"));
        steps.done("a Windows is made");
        Self { dir, portal, _serving: serving, wine, steps }
    }

    /// `PROPERTY=value` of the three options and the CA, and more.
    fn properties(&self, token: &str, more: &[&str]) -> Vec<String> {
        let ca = Wine::outside(&self.portal.authority.ca);
        let mut properties = vec![
            format!("DEVICETOKEN={token}"),
            "USERDOMAIN=example.test".to_owned(),
            format!("CLOUDNAME={}", self.portal.cloud_name()),
            format!("CAFILE={ca}"),
        ];
        properties.extend(more.iter().map(ToString::to_string));
        properties
    }

    fn msiexec(&self, what: &str, package: &Path, properties: &[String]) -> Ran {
        let package = Wine::outside(package);
        let arguments: Vec<&str> =
            [what, &package, "/qn"].into_iter().chain(properties.iter().map(String::as_str)).collect();
        self.wine.run("msiexec", &arguments)
    }

    fn agent(&self, arguments: &[&str]) -> Ran {
        self.wine.run(r"C:\Program Files\Countersign\countersign.exe", arguments)
    }

    fn devices(&self) -> Vec<serde_json::Value> {
        self.portal.json(&["device", "list", "--json"]).as_array().expect("a list").clone()
    }

    /// Waits until somebody is signed in from the Windows.
    fn wait_until_signed_in(&self) {
        eventually("somebody is signed in", || self.agent(&["status"]).code == 0);
    }

    fn state(&self) -> PathBuf {
        self.wine.drive().join("ProgramData/Countersign/State")
    }

    fn options(&self) -> String {
        fs::read_to_string(self.state().join("options.toml")).expect("the options are there")
    }

    /// What the EXE says of an installation that was refused.
    fn refusal(&self) -> Option<String> {
        fs::read_to_string(self.wine.drive().join("users/alice/Temp/countersign-installer.log")).ok()
    }

    /// Whether there is something of the EXE's package in its own folder or among the temporary files.
    fn is_unpacked(&self) -> bool {
        let named = |dir: &str, part: &str| {
            let entries = fs::read_dir(self.wine.drive().join(dir)).into_iter().flatten().map_while(Result::ok);
            entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains(part))
        };
        named("Program Files", "Countersign Setup") || named("users/alice/Temp", ".msi")
    }

    fn assert_nothing_left(&self) {
        assert!(!self.wine.drive().join("Program Files/Countersign").exists(), "the programs are gone");
        assert!(!self.wine.drive().join("ProgramData/Countersign").exists(), "key, state and options are gone");
        assert_eq!(self.wine.registry(SERVICE_KEY), None, "the service is gone");
        assert_eq!(self.wine.registry(r"HKLM\Software\Countersign"), None, "the key is gone");
        assert_eq!(self.wine.registry(EVENTS_KEY), None, "the source of events is gone");
        let listed = self.wine.registry(UNINSTALL_KEY).unwrap_or_default();
        assert!(!listed.contains("Countersign"), "the list of programs does not have it: {listed}");
        assert!(self.devices().iter().all(|device| device["state"] == "unregistered"), "the portal was told");
    }
}

/// Asks until it holds. Every question starts a process, which is pause enough.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
    }
}

fn msi_deployed() {
    let mut site = Site::create();
    let token = site.portal.token(&["--uses", "2"]);
    let package = msi_path(&dist());
    let id = "EXTERNALDEVICEID=a-b=c+d/e f";
    let installed = site.msiexec("/i", &package, &site.properties(&token, &[id]));
    assert_eq!(installed.code, 0, "{}", installed.text);
    site.steps.done("installed");
    site.wait_until_signed_in();
    site.steps.done("signed in as a service");
    assert_eq!(site.devices().len(), 1);
    // Wine's CNG makes no key, so that it is on the rung below.
    let status = site.agent(&["status", "--json"]).text;
    assert!(status.contains(r#""key_protection": "sealed-file""#), "{status}");
    let service = site.wine.registry(SERVICE_KEY).expect("the service is registered");
    // Quoted: Windows would try `C:\Program.exe` otherwise.
    let command_line = r#""C:\Program Files\Countersign\countersign.exe" run --service"#;
    assert!(service.contains(command_line), "{service}");
    assert!(!service.contains(&token), "the token is on no command line");
    assert!(site.wine.registry(EVENTS_KEY).is_some_and(|events| events.contains("EventCreate.exe")));
    let options = site.options();
    assert!(options.contains("a-b=c+d/e f") && !options.contains("deviceToken"), "{options}");

    // The same package again with another option: it is applied, as over an upgrade.
    let again = site.msiexec("/i", &package, &site.properties(&token, &["EXTERNALDEVICEID=another"]));
    assert_eq!(again.code, 0, "{}", again.text);
    let options = site.options();
    assert!(options.contains("another") && !options.contains("a-b=c") && !options.contains("deviceToken"), "{options}");
    site.wait_until_signed_in();
    assert_eq!(site.devices().len(), 1);
    site.steps.done("options changed by the same package");

    let newer = build_msi(site.dir.path(), NEWER);
    site.steps.done("a newer MSI is built");
    // As deployment tools do: the whole command line again, with the token that is used.
    let upgraded = site.msiexec("/i", &newer, &site.properties(&token, &[id]));
    assert_eq!(upgraded.code, 0, "{}", upgraded.text);
    assert!(
        site.wine.registry(UNINSTALL_KEY).is_some_and(|listed| listed.contains(NEWER)),
        "the newer version is there"
    );
    let listed = site.wine.registry(UNINSTALL_KEY).expect("it is listed");
    for entry in [HOME_URL, SUPPORT_URL] {
        assert!(listed.contains(entry), "`{entry}` is in the list of programs: {listed}");
    }
    site.wait_until_signed_in();
    // Wine does not tell the older version that it makes room for a newer one (UPGRADINGPRODUCTCODE), so that key and options go with
    // it here; that they stay on Windows hangs on the condition that `tables` reads.
    assert!(!site.options().contains("deviceToken"), "a used token is not kept");
    let devices = site.devices().len();
    site.steps.done("upgraded, signed in again");

    site.msiexec("/i", &package, &site.properties(&token, &[]));
    let listed = site.wine.registry(UNINSTALL_KEY).unwrap_or_default();
    assert!(listed.contains(NEWER) && !listed.contains(&format!("{VERSION}\r")), "a downgrade is refused: {listed}");
    assert_eq!(site.agent(&["service", "status"]).code, 0, "and leaves what is there running");
    site.steps.done("downgrade refused");

    fs::remove_file(site.wine.drive().join("Program Files/Countersign/countersign.exe")).ok();
    // What `/fa` comes to: Wine's msiexec takes `/f` for product codes only, and no properties with it.
    let repair = ["REINSTALL=ALL", "REINSTALLMODE=amus"];
    let repaired = site.msiexec("/i", &newer, &site.properties(&token, &repair));
    assert!(site.wine.drive().join("Program Files/Countersign/countersign.exe").exists(), "{}", repaired.text);
    assert!(!site.options().contains("deviceToken"), "a repair writes no token back");
    site.wait_until_signed_in();
    assert_eq!(site.devices().len(), devices, "the same device");
    site.steps.done("repaired");

    let removed = site.msiexec("/x", &newer, &[]);
    assert_eq!(removed.code, 0, "{}", removed.text);
    site.assert_nothing_left();
    site.steps.done("removed");
    search_for_canaries(&mut site, &token);
}

/// The used token, and its secret half, in every file and in the registry.
fn search_for_canaries(site: &mut Site, token: &str) {
    site.wine.shut_down();
    let canaries =
        [Canary::new("the token", token.as_bytes()), Canary::new("the token's end", &token.as_bytes()[30..])];
    let files = site.wine.files();
    assert!(files.iter().any(|(path, _)| path.ends_with("system.reg")), "the registry is searched too");
    for (path, content) in &files {
        // Binary values of the registry are octets with commas between them.
        let joined: Vec<u8> = match path.extension().is_some_and(|extension| extension == "reg") {
            true => content.iter().copied().filter(|sign| !b",\\\n\r ".contains(sign)).collect(),
            false => Vec::new(),
        };
        for canary in &canaries {
            canary.assert_not_in(content, &path.display().to_string());
            canary.assert_not_in(&joined, &path.display().to_string());
        }
    }
    site.steps.done(&format!("searched {} files for the token", files.len()));
}

fn by_hand() {
    let mut site = Site::create();
    let token = site.portal.token(&[]);
    let package = Wine::outside(&msi_path(&dist()));
    let command = format!("msiexec /i {package} CAFILE={}", Wine::outside(&site.portal.authority.ca));
    let cut_off = format!("type:0:{}", &token[..40]);
    let (whole, cloud) = (format!("type:0:{token}"), format!("type:2:{}", site.portal.cloud_name()));
    let question = "see:Sign-in for this device";

    let ran = site.wine.run_by_hand(&command, &[question, "click:Cancel", "see:Cancelled", "click:Close"]);
    assert!(ran.text.contains("click:Close"), "{}", ran.text);
    site.assert_nothing_left();
    site.steps.done("cancelled");

    let steps = [
        question,
        &cut_off,
        "type:1:no domain",
        &cloud,
        "click:Install",
        "see:USERDOMAIN",
        "click:Back",
        question,
        "type:1:example.test",
        "click:Install",
        "see:the device token is cut off",
        "click:OK",
        "see:It did not work",
        "click:Close",
    ];
    let ran = site.wine.run_by_hand(&command, &steps);
    assert!(ran.text.contains("click:Close"), "{}", ran.text);
    site.assert_nothing_left();
    site.steps.done("wrong options named, and undone");

    let steps = [
        question,
        &whole,
        "type:1:example.test",
        &cloud,
        "click:Install",
        "see:Nothing else is to be done",
        "click:Close",
    ];
    let ran = site.wine.run_by_hand(&command, &steps);
    assert!(ran.code == 0 && ran.text.contains("click:Close"), "{}", ran.text);
    site.wait_until_signed_in();
    assert_eq!(site.devices().len(), 1);
    site.steps.done("installed, and signed in as a service");

    let again = ["see:is installed", "click:Cancel", "see:Cancelled", "click:Close"];
    let ran = site.wine.run_by_hand(&command, &again);
    assert!(ran.text.contains("click:Close"), "{}", ran.text);
    assert_eq!(site.agent(&["service", "status"]).code, 0, "cancelled, it goes on");
    // Wine computes what is to be removed anew after the dialogs and then keeps the files: removing by hand is seen on Windows only.
    let removed = site.msiexec("/x", &msi_path(&dist()), &[]);
    assert_eq!(removed.code, 0, "{}", removed.text);
    site.assert_nothing_left();
    site.steps.done("removed");
    search_for_canaries(&mut site, &token);
}

fn folder() {
    let mut site = Site::create();
    let package = msi_path(&dist());
    for per_user in [&["ALLUSERS="][..], &["ALLUSERS=2", "MSIINSTALLPERUSER=1"]] {
        let per_user: Vec<String> = per_user.iter().map(ToString::to_string).collect();
        site.msiexec("/i", &package, &per_user);
        site.assert_nothing_left();
    }
    site.steps.done("refused for one user");
    let elsewhere = site.wine.drive().join("Elsewhere/Countersign");
    let installed = site.msiexec("/i", &package, &[r"INSTALLDIR=C:\Elsewhere\Countersign".to_owned()]);
    assert!(installed.code == 0 && elsewhere.join("countersign.exe").exists(), "{}", installed.text);
    let newer = build_msi(site.dir.path(), NEWER);
    let upgraded = site.msiexec("/i", &newer, &[]);
    assert_eq!(upgraded.code, 0, "{}", upgraded.text);
    let listed = site.wine.registry(UNINSTALL_KEY).expect("it is listed");
    assert!(listed.contains(NEWER) && elsewhere.join("countersign.exe").exists(), "{listed}");
    assert!(!site.wine.drive().join("Program Files/Countersign").exists());
    let service = site.wine.registry(SERVICE_KEY).expect("the service is registered");
    assert!(service.contains(r"C:\Elsewhere\Countersign\countersign.exe"), "{service}");
    site.steps.done("upgraded where it was");
    site.msiexec("/x", &newer, &[]);
    site.assert_nothing_left();
    assert!(!elsewhere.exists());
    site.steps.done("removed");
}

fn versions() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    for version in ["256.0.0", "1.256.0", "1.2.65536", "0.2.0-rc.1", "1.2", "1.2.3.4"] {
        let mut build = Command::new(workspace_dir().join("packaging/windows/build-msi"));
        let output = build.arg(dir.path()).arg(version).output().expect("the script can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("is no version for Windows Installer"), "{version}: {said}");
    }
}

fn wrong_options() {
    let mut site = Site::create();
    let token = site.portal.token(&[]);
    let package = msi_path(&dist());
    let cut_off = &token[..40];
    let log = Wine::outside(&site.dir.path().join("install.log"));
    let mut properties = site.properties(cut_off, &[]);
    properties.extend(["/l*v".to_owned(), log]);
    site.msiexec("/i", &package, &properties);
    site.assert_nothing_left();
    assert!(site.devices().is_empty());
    site.steps.done("undone");
    // Without options it installs, and waits for them; with LAUNCHTRAY=0 it does not start.
    let installed = site.msiexec("/i", &package, &["LAUNCHTRAY=0".to_owned()]);
    assert_eq!(installed.code, 0, "{}", installed.text);
    let status = site.agent(&["service", "status", "--json"]);
    assert!(status.text.contains("\"stopped\"") && status.text.contains("\"starts_with_machine\": true"), "{status:?}");
    site.steps.done("installed without a start");
    let cloud = site.portal.cloud_name();
    let kept = site.agent(&["configure", "-c", &cloud, "-d", "example.test", "-T", &token]);
    let options = site.options();
    assert!(kept.code == 0 && options.contains(r#"deviceToken = "sealed:"#), "{kept:?}");
    Canary::new("the token", token.as_bytes()).assert_not_in(options.as_bytes(), "the options");
    site.steps.done("a token that waits is sealed");
}

fn exe_deployed() {
    let mut site = Site::create();
    let token = site.portal.token(&["--uses", "1"]);
    // The domain comes from the file's name.
    let installer = site.dir.path().join(format!("example.test-countersign-windows-{VERSION}-installer.exe"));
    fs::copy(exe_path(&dist()), &installer).expect("the installer can be copied");
    let (installer, ca) = (Wine::outside(&installer), Wine::outside(&site.portal.authority.ca));
    let unknown = site.wine.run(&installer, &["--mode", "unattended", "--cloudNmae", "x"]);
    assert_eq!(unknown.code, 1639 % 256, "wrong arguments have a code of their own: {}", unknown.text);
    let told = site.refusal();
    assert!(told.as_ref().is_some_and(|text| text.contains("did you mean `--cloudName`?")), "{told:?}");
    site.steps.done("unknown argument refused");
    // What Windows Installer refuses: the reason that it gives, and its code, are in the log.
    let cut_off = format!("--deviceToken={}", &token[..40]);
    let refused = site.wine.run(&installer, &["--mode", "unattended", "--cloudName=portal.example.test", &cut_off]);
    assert_eq!(refused.code, 1603 % 256, "{}", refused.text);
    let told = site.refusal().expect("a refusal is told");
    assert!(told.contains("the device token is cut off") && told.contains("ended with 1603"), "{told}");
    assert!(!told.contains("did you mean"), "an earlier refusal is not told again: {told}");
    assert!(!told.contains(&token[10..40]), "{told}");
    site.assert_nothing_left();
    assert!(!site.is_unpacked(), "the folder with the package is gone");
    site.steps.done("a cut-off token refused");
    let (cloud, token_argument) = (site.portal.cloud_name(), format!("--deviceToken={token}"));
    let arguments = [
        "--mode",
        "unattended",
        "--unattendedmodeui",
        "none",
        "--cloudName",
        &cloud,
        &token_argument,
        "--caFile",
        &ca,
        "--externalDeviceId",
        "a-b=c+d/e f",
        "--reinstallDriver",
        "1",
    ];
    let installed = site.wine.run(&installer, &arguments);
    assert_eq!(installed.code, 0, "{}", installed.text);
    site.steps.done("installed");
    assert!(!site.is_unpacked() && site.refusal().is_none(), "nothing stays of it");
    site.wait_until_signed_in();
    assert_eq!(site.devices().len(), 1);
    let options = site.options();
    assert!(options.contains("userDomain = \"example.test\"") && options.contains("a-b=c+d/e f"), "{options}");
    site.steps.done("signed in as a service");
    let listed = site.wine.registry(UNINSTALL_KEY).unwrap_or_default();
    let removed = site.wine.run("msiexec", &["/x", &product_code(&listed), "/qn"]);
    assert_eq!(removed.code, 0, "{}", removed.text);
    site.assert_nothing_left();
    site.steps.done("removed");
    search_for_canaries(&mut site, &token);
}

/// What Wine acts on neither of: the manifest, and the flags of the loader (Microsoft, "PE Format", "The Load Configuration Structure").
fn exe_header() {
    let content = fs::read(exe_path(&dist())).expect("it can be read");
    let number = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().expect("four octets")) as usize;
    let manifest = br#"<requestedExecutionLevel level="requireAdministrator""#;
    assert!(!Canary::new("", manifest).found_in(&content).is_empty(), "it asks for an administrator");
    let header = number(60);
    // The tenth of sixteen directories of the optional header of PE32+.
    let (address, size) = (number(header + 24 + 112 + 80), number(header + 24 + 112 + 84));
    let (sections, optional) = (number(header + 6) & 0xffff, number(header + 20) & 0xffff);
    let section = (0..sections).map(|index| header + 24 + optional + 40 * index).find(|at| {
        let start = number(at + 12);
        (start..start + number(at + 8)).contains(&address)
    });
    let section = section.expect("the load configuration is in a section");
    let at = number(section + 20) + address - number(section + 12);
    assert!(size >= 0x50 && number(at) == size, "{size}");
    // LOAD_LIBRARY_SEARCH_SYSTEM32
    assert_eq!(number(at + 0x4c) >> 16, 0x800, "libraries come from the system's directory");
}

/// The product's code in what `reg query` printed of the list of programs.
fn product_code(listed: &str) -> String {
    let at = listed.find("Countersign").expect("it is listed");
    let key = listed[..at].rfind('{').expect("its key is its code");
    listed[key..key + 38].to_owned()
}

fn tables() {
    let mut package = msi::open(msi_path(&dist())).expect("the MSI can be read");
    let property = |package: &mut Package<fs::File>, name: &str| {
        let rows = rows(package, "Property");
        let row = rows.iter().find(|row| text(row, "Property") == name).unwrap_or_else(|| panic!("no `{name}`"));
        text(row, "Value")
    };
    let hidden = property(&mut package, "MsiHiddenProperties");
    for name in ["DEVICETOKEN", "UNINSTALLPASSWORDCMDLINE", "UNINSTALLPASSWORD", "ConfigureOptions"] {
        assert!(hidden.split(';').any(|entry| entry == name), "`{name}` is hidden: {hidden}");
    }
    let secure = property(&mut package, "SecureCustomProperties");
    for name in ["DEVICETOKEN", "USERDOMAIN", "CLOUDNAME", "UNAME", "LAUNCHTRAY", "WIX_UPGRADE_DETECTED"] {
        assert!(secure.split(';').any(|entry| entry == name), "`{name}` passes to the elevated part: {secure}");
    }
    let actions = rows(&mut package, "CustomAction");
    let action = |name: &str| actions.iter().find(|row| text(row, "Action") == name).expect("the action is there");
    // In-script 1024, no impersonation 2048, hidden data 8192 (Windows Installer, "Custom Action Hidden Target Option").
    assert_eq!(number(action("ConfigureOptions"), "Type") & (1024 | 2048 | 8192), 1024 | 2048 | 8192);
    assert_eq!(number(action("CollectOptions"), "Type"), 1, "immediate, in the caller's name");
    let sequence = rows(&mut package, "InstallExecuteSequence");
    let at = |name: &str| {
        let row = sequence.iter().find(|row| text(row, "Action") == name).unwrap_or_else(|| panic!("no `{name}`"));
        number(row, "Sequence")
    };
    let order = [
        "InstallInitialize",
        "RemoveExistingProducts",
        "Deregister",
        "StopServices",
        "RemoveFiles",
        "InstallFiles",
        "InstallServices",
        "PlaceOfService",
        "QuoteServicePath",
        "ConfigureOptions",
        "MsiConfigureServices",
        "StartServices",
        "RemoveState",
        "InstallFinalize",
    ];
    assert!(order.is_sorted_by_key(|name| at(name)), "{:?}", order.map(at));
    let condition =
        |name: &str| text(sequence.iter().find(|row| text(row, "Action") == name).expect("there"), "Condition");
    let takes_options = "NOT Installed OR NOT (REMOVE OR REINSTALL)";
    assert_eq!(condition("ConfigureOptions"), takes_options, "a repair writes nothing");
    assert_eq!(condition("CollectOptions"), takes_options);
    assert_eq!(
        condition("RemoveState"),
        "REMOVE=\"ALL\" AND NOT UPGRADINGPRODUCTCODE",
        "an upgrade keeps key and options"
    );
    let failure = &rows(&mut package, "MsiServiceConfigFailureActions")[0];
    assert_eq!((text(failure, "Name").as_str(), text(failure, "Actions").as_str()), ("Countersign", "1[~]1[~]1"));
    let config = &rows(&mut package, "MsiServiceConfig")[0];
    assert_eq!(
        (number(config, "ConfigType"), text(config, "Argument").as_str()),
        (4, "1"),
        "restarted after errors too"
    );
    let service = &rows(&mut package, "ServiceInstall")[0];
    assert_eq!((number(service, "StartType"), text(service, "Arguments").as_str()), (2, "run --service"));
    let registry = rows(&mut package, "Registry");
    let messages = registry.iter().find(|row| text(row, "Name") == "EventMessageFile").expect("a source of events");
    // `#%` is the mark of an expandable text.
    assert_eq!(text(messages, "Value"), r"#%%SystemRoot%\System32\EventCreate.exe");
    let refusals: Vec<_> = rows(&mut package, "LaunchCondition").iter().map(|row| text(row, "Condition")).collect();
    for condition in ["NOT WIX_DOWNGRADE_DETECTED", "Installed OR (ALLUSERS=1 AND NOT MSIINSTALLPERUSER)"] {
        assert!(refusals.iter().any(|refusal| refusal == condition), "{refusals:?}");
    }
    assert_eq!(property(&mut package, "ALLUSERS"), "1");
    let icon = property(&mut package, "ARPPRODUCTICON");
    assert!(rows(&mut package, "Icon").iter().any(|row| text(row, "Name") == icon), "{icon}");
    // The folder of an older version: of the machine's 64-bit registry (2 + 16), found before folders are decided.
    let remembered = &rows(&mut package, "RegLocator")[0];
    assert_eq!((number(remembered, "Root"), number(remembered, "Type")), (2, 18));
    assert!(["AppSearch", "SameFolder", "CostInitialize"].is_sorted_by_key(|name| at(name)));
}

/// What Windows Installer's own validation (ICE17, ICE20, ICE31) asks of dialogs, and that no field gives its secret away or loses what was typed.
fn dialogs() {
    let mut package = msi::open(msi_path(&dist())).expect("the MSI can be read");
    let controls = rows(&mut package, "Control");
    let there = |dialog: &str, control: &str| {
        controls.iter().any(|row| text(row, "Dialog_") == dialog && text(row, "Control") == control)
    };
    let dialogs = rows(&mut package, "Dialog");
    for dialog in &dialogs {
        let name = text(dialog, "Dialog");
        for role in ["Control_First", "Control_Default", "Control_Cancel"] {
            assert!(there(&name, &text(dialog, role)), "{name}: {role}");
        }
    }
    let properties = rows(&mut package, "Property");
    let property = |name: &str| {
        let row = properties.iter().find(|row| text(row, "Property") == name).expect("the property is there");
        text(row, "Value")
    };
    assert!(dialogs.iter().any(|dialog| text(dialog, "Dialog") == property("ErrorDialog")));
    let styles = rows(&mut package, "TextStyle");
    assert!(styles.iter().any(|style| text(style, "TextStyle") == property("DefaultUIFont")));
    let secure = property("SecureCustomProperties");
    for field in controls.iter().filter(|row| text(row, "Type") == "Edit") {
        let bound = text(field, "Property");
        assert!(secure.split(';').any(|name| name == bound), "`{bound}` passes to the elevated part");
        // Password control attribute: 0x200000.
        let masked = number(field, "Attributes") & 0x0020_0000 != 0;
        assert_eq!(masked, bound == "DEVICETOKEN", "{bound}");
    }
    for event in rows(&mut package, "ControlEvent") {
        assert!(there(&text(&event, "Dialog_"), &text(&event, "Control_")), "{:?}", text(&event, "Control_"));
    }
    for control in controls.iter().filter(|row| !row["Control_Next"].is_null()) {
        assert!(there(&text(control, "Dialog_"), &text(control, "Control_Next")), "{:?}", text(control, "Control"));
    }
    let shown = rows(&mut package, "InstallUISequence");
    for (name, sequence) in [("Done", -1), ("Cancelled", -2), ("Failed", -3), ("Options", 1230), ("Progress", 1280)] {
        assert!(shown.iter().any(|row| text(row, "Action") == name && number(row, "Sequence") == sequence), "{name}");
    }
}

fn rows(package: &mut Package<fs::File>, table: &str) -> Vec<Row> {
    package.select_rows(Select::table(table)).unwrap_or_else(|error| panic!("`{table}`: {error}")).collect()
}

fn text(row: &Row, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Row, column: &str) -> i32 {
    row[column].as_int().expect("a number")
}

/// An MSI of another version around the same programs.
fn build_msi(dir: &Path, version: &str) -> PathBuf {
    let mut command = Command::new(workspace_dir().join("packaging/windows/build-msi"));
    command.arg(dir.join("newer")).arg(version).env("COUNTERSIGN_PROGRAMS", programs());
    command.env("COUNTERSIGN_HOME_URL", HOME_URL).env("COUNTERSIGN_SUPPORT_URL", SUPPORT_URL);
    ok(&mut command);
    dir.join(format!("newer/countersign-{version}-windows-x64.msi"))
}

fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn signatures() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (certificate, key) = (dir.path().join("publisher.pem"), dir.path().join("publisher.key"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Test publisher"]);
    make.args(["-addext", "extendedKeyUsage=codeSigning", "-addext", "keyUsage=digitalSignature"]);
    ok(make.arg("-out").arg(&certificate).arg("-keyout").arg(&key));
    for source in [programs().join("countersign.exe"), msi_path(&dist()), exe_path(&dist())] {
        let file = dir.path().join(source.file_name().expect("it has a name"));
        fs::copy(&source, &file).expect("it can be copied");
        let mut sign = Command::new(workspace_dir().join("packaging/windows/sign"));
        sign.arg(&file).env("COUNTERSIGN_SIGN_CERTIFICATE", &certificate).env("COUNTERSIGN_SIGN_KEY", &key);
        ok(&mut sign);
        let verify = || {
            let mut verify = Command::new("osslsigncode");
            verify.arg("verify").arg("-CAfile").arg(&certificate).arg("-in").arg(&file);
            verify.output().expect("osslsigncode can be started").status.success()
        };
        assert!(verify(), "{} is signed", file.display());
        let mut content = fs::read(&file).expect("it can be read");
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&file, content).expect("it can be written");
        assert!(!verify(), "a changed {} is found", file.display());
    }
}
