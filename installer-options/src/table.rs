//! The one table. Everything that names an option (parsers, templates, manifests, the reference page) comes from here.

/// A way in which administrators deliver options; each has its own spelling of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flavour {
    /// Public properties of Windows Installer: `DEVICETOKEN=…`.
    Msi,
    /// Arguments of the EXE and macOS installers and of `countersign configure`: `--deviceToken …`.
    Arguments,
    /// Short flags of the Linux configuration command: `-T …`.
    LinuxShortFlags,
    /// The dictionary `installation-parameters` in macOS managed preferences.
    MacManaged,
    /// The configuration file.
    File,
    /// Values of the Windows policy key.
    WindowsPolicy,
    /// Android managed configuration.
    Android,
    /// iOS managed app configuration.
    Ios,
}

impl Flavour {
    /// Every flavour, in the order of the reference page.
    pub const ALL: [Self; 8] = [
        Self::Msi,
        Self::Arguments,
        Self::LinuxShortFlags,
        Self::MacManaged,
        Self::File,
        Self::WindowsPolicy,
        Self::Android,
        Self::Ios,
    ];
}

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Free text of at most so many characters.
    Text(usize),
    /// Letters and digits of ASCII, at most so many.
    Alphanumeric(usize),
    /// `0` or `1`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number of seconds.
    Seconds,
    /// A DNS domain of two labels or more.
    Domain,
    /// A cloud's host, with a port if need be, or its short name.
    Cloud,
    /// The part of a mail address before the `@`.
    LocalPart,
    /// A file's absolute path.
    Path,
    /// A file's path, or `-` for standard input.
    PathOrStdin,
    /// Words with commas between them.
    List,
    /// `name=host[:port]` with commas between them.
    CloudDirectory,
    /// `system`, `direct`, or the URL of a proxy.
    Proxy,
}

/// One option: its spellings, its values and what it means.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Which one.
    pub name: OptionName,
    /// The name in the configuration file, in Windows policy and in our documents.
    pub canonical: &'static str,
    /// MSI properties; the first is today's, the others are older.
    pub msi: &'static [&'static str],
    /// Long arguments without `--`; the first is today's.
    pub arguments: &'static [&'static str],
    /// The short flag of the Linux configuration command.
    pub short: Option<char>,
    /// The key in macOS managed preferences.
    pub mac: Option<&'static str>,
    /// The key in Android managed configuration.
    pub android: Option<&'static str>,
    /// The key in iOS managed app configuration.
    pub ios: Option<&'static str>,
    /// Whether the configuration file and Windows policy may hold it, under its canonical name.
    pub stored: bool,
    /// What values it takes.
    pub kind: Kind,
    /// What holds when nobody says anything; `None`: nothing.
    pub default: Option<&'static str>,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// One sentence of help.
    pub help: &'static str,
}

impl OptionSpec {
    /// How this option is spelled in a flavour, today's spelling first; empty where the flavour does not have it.
    pub fn spellings(&self, flavour: Flavour) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        match flavour {
            Flavour::Msi => owned(self.msi),
            Flavour::Arguments => self.arguments.iter().map(|name| format!("--{name}")).collect(),
            Flavour::LinuxShortFlags => self.short.iter().map(|letter| format!("-{letter}")).collect(),
            Flavour::MacManaged => owned(self.mac.as_slice()),
            Flavour::File | Flavour::WindowsPolicy if self.stored => vec![self.canonical.to_owned()],
            Flavour::File | Flavour::WindowsPolicy => Vec::new(),
            Flavour::Android => owned(self.android.as_slice()),
            Flavour::Ios => owned(self.ios.as_slice()),
        }
    }
}

/// The option that a flavour spells so; spelling is exact, as it is for the administrators' existing deployments.
pub(crate) fn find(flavour: Flavour, spelling: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|spec| spec.spellings(flavour).iter().any(|name| name == spelling))
}

macro_rules! options {
    ($( $(#[$attribute:meta])* $name:ident { $($field:ident: $value:expr),* $(,)? } )*) => {
        /// The name of an option.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OptionName { $( $(#[$attribute])* $name, )* }

        /// Every option that the agent acts on.
        pub const OPTIONS: &[OptionSpec] = &[ $( OptionSpec { name: OptionName::$name, $($field: $value,)* ..NONE }, )* ];
    };
}

/// What a row leaves out.
const NONE: OptionSpec = OptionSpec {
    name: OptionName::DeviceToken,
    canonical: "",
    msi: &[],
    arguments: &[],
    short: None,
    mac: None,
    android: None,
    ios: None,
    stored: true,
    kind: Kind::Text(255),
    default: None,
    secret: false,
    help: "",
};

options! {
    /// The right to enrol this device.
    DeviceToken {
        canonical: "deviceToken", msi: &["DEVICETOKEN"], arguments: &["deviceToken"], short: Some('T'),
        mac: Some("deviceToken"), android: Some("deviceToken"), ios: Some("deviceToken"),
        kind: Kind::Text(1024), secret: true,
        help: "The right to enrol this device, once; forgotten after enrolment.",
    }
    /// The domain of the user's name.
    UserDomain {
        canonical: "userDomain", msi: &["USERDOMAIN"], arguments: &["userDomain"], short: Some('d'),
        mac: Some("userDomain"), android: Some("userDomain"), ios: Some("userDomain"),
        kind: Kind::Domain,
        help: "The domain of the user's name: people sign in as `user@userDomain`.",
    }
    /// Which cloud to authenticate to.
    CloudName {
        canonical: "cloudName", msi: &["CLOUDNAME"], arguments: &["cloudName"], short: Some('c'),
        mac: Some("cloudName"), android: Some("cloudName"), ios: Some("cloudname"),
        kind: Kind::Cloud,
        help: "The cloud to authenticate to: its host name, with a port if need be, or a short name from the directory of clouds.",
    }
    /// The user's name where the device must not decide.
    UserName {
        canonical: "userName", msi: &["UNAME"], arguments: &["userName"], short: Some('u'),
        mac: Some("userName"), android: Some("userName"), ios: Some("username"),
        kind: Kind::LocalPart,
        help: "The user's name before the `@`, where the device must not decide; an MDM macro may fill it.",
    }
    /// The MDM's id for the device.
    ExternalDeviceId {
        canonical: "externalDeviceId", msi: &["EXTERNALDEVICEID"], arguments: &["externalDeviceId"],
        mac: Some("externalDeviceId"), android: Some("externalDeviceId"), ios: Some("externalDeviceId"),
        kind: Kind::Text(255), default: Some("0"),
        help: "The device management's id for this device, shown in the portal; `0` means none.",
    }
    /// The profile in force before enrolment.
    PolicyToken {
        canonical: "policyToken", msi: &["POLICYTOKEN"], arguments: &["policyToken"], short: Some('t'),
        mac: Some("policyToken"), ios: Some("policyToken"),
        kind: Kind::Text(255),
        help: "The profile in force before enrolment: an identifier, not a secret.",
    }
    /// No internet until enrolled.
    StrictEnforcement {
        canonical: "strictEnforcement", msi: &["STRICTENFORCEMENT"], arguments: &["strictEnforcement"], short: Some('s'),
        mac: Some("strictEnforcement"), ios: Some("strictEnforcement"),
        kind: Kind::Flag, default: Some("0"),
        help: "Whether the device is kept off the internet until it is enrolled.",
    }
    /// No window before enrolment.
    HideAppUiOnLaunch {
        canonical: "hideAppUIOnLaunch", msi: &["HIDEAPPUIONLAUNCH"], arguments: &["hideAppUIOnLaunch"], short: Some('l'),
        mac: Some("hideAppUIOnLaunch"),
        kind: Kind::Flag, default: Some("0"),
        help: "Whether no window is shown before enrolment.",
    }
    /// Start the service after installing.
    LaunchTray {
        canonical: "launchTray", msi: &["LAUNCHTRAY"], arguments: &["launchTray"], mac: Some("launchTray"),
        kind: Kind::Flag, default: Some("1"),
        help: "Whether the service starts right after it was installed.",
    }
    /// FIPS-validated cryptography only.
    EnableFips {
        canonical: "enableFips", msi: &["ENABLEFIPS"], arguments: &["enableFips"], short: Some('f'),
        mac: Some("enableFips"), android: Some("enableFips"), ios: Some("enableFips"),
        kind: Kind::Flag, default: Some("0"),
        help: "Whether only FIPS-validated cryptography may be used; refused by a build that has none.",
    }
    /// Silent enrolment on mobile devices.
    AutoEnroll {
        canonical: "autoEnroll", android: Some("autoEnrollWithMDM"), ios: Some("authByTunnel"),
        kind: Kind::Choice(&["0", "1", "2"]), default: Some("0"),
        help: "Silent enrolment: `0` off, `1` always (also after signing out), `2` once.",
    }
    /// Silent or interactive installation.
    Mode {
        canonical: "mode", arguments: &["mode"], stored: false,
        kind: Kind::Choice(&["unattended", "interactive", "win32", "qt", "osx", "text"]),
        help: "`unattended` installs silently; anything else asks.",
    }
    /// What a silent install shows.
    UnattendedModeUi {
        canonical: "unattendedmodeui", arguments: &["unattendedmodeui"], stored: false,
        kind: Kind::Choice(&["none", "minimal", "minimalWithDialogs"]),
        help: "What a silent installation shows.",
    }
    /// State for each user.
    Vdi {
        canonical: "vdi", msi: &["VDI"], arguments: &["vdi"],
        kind: Kind::Flag, default: Some("0"),
        help: "Whether state is kept for each user instead of for the machine (virtual desktops of one person).",
    }
    /// Wait for a roamed configuration.
    ConfigTimeout {
        canonical: "configTimeout", msi: &["CONFIGTIMEOUT"], arguments: &["configTimeout"],
        kind: Kind::Seconds, default: Some("0"),
        help: "How many seconds to wait for a roamed configuration.",
    }
    /// Silent removal of a protected agent.
    UninstallPassword {
        canonical: "uninstallPassword", msi: &["UNINSTALLPASSWORDCMDLINE", "UNINSTALLPASSWORD"],
        arguments: &["uninstallPasswordCmdLine", "uninstallPassword"], stored: false,
        kind: Kind::Text(255), secret: true,
        help: "The password for the silent removal of a protected agent.",
    }
    /// A posture variable.
    Ownership {
        canonical: "ownership", android: Some("Ownership"), ios: Some("ownership"),
        kind: Kind::Alphanumeric(32),
        help: "Whose the device is, as a variable for posture rules.",
    }
    /// More certificate authorities.
    CaFile {
        canonical: "caFile", msi: &["CAFILE"], arguments: &["caFile"], mac: Some("caFile"),
        kind: Kind::Path,
        help: "A PEM file of certificate authorities that are trusted for the cloud besides those of the operating system.",
    }
    /// Keep the token after enrolment.
    KeepToken {
        canonical: "keepToken", msi: &["KEEPTOKEN"], arguments: &["keepToken"], mac: Some("keepToken"),
        kind: Kind::Flag, default: Some("0"),
        help: "Whether the device token is kept after enrolment, so that a lost key can enrol again.",
    }
    /// Facts that stay on the device.
    DisabledFacts {
        canonical: "disabledFacts", msi: &["DISABLEDFACTS"], arguments: &["disabledFacts"], mac: Some("disabledFacts"),
        android: Some("disabledFacts"), ios: Some("disabledFacts"),
        kind: Kind::List,
        help: "Names of device facts that are never sent, with commas between them.",
    }
    /// The directory of short cloud names.
    Clouds {
        canonical: "clouds", msi: &["CLOUDS"], arguments: &["clouds"], mac: Some("clouds"), android: Some("clouds"), ios: Some("clouds"),
        kind: Kind::CloudDirectory,
        help: "The directory of clouds: `name=host` or `name=host:port`, with commas between them.",
    }
    /// The way to the cloud.
    Proxy {
        canonical: "proxy", msi: &["PROXY"], arguments: &["proxy"], mac: Some("proxy"), android: Some("proxy"), ios: Some("proxy"),
        kind: Kind::Proxy, default: Some("system"),
        help: "The way to the cloud: `system` as the operating system is set up, `direct` without a proxy, or a proxy's `http://host:port`.",
    }
    /// Whether the portal gets diagnostics when it asks.
    DiagnosticsRequests {
        canonical: "diagnosticsRequests", msi: &["DIAGNOSTICSREQUESTS"], arguments: &["diagnosticsRequests"], mac: Some("diagnosticsRequests"),
        kind: Kind::Choice(&["always", "ask", "never"]), default: Some("ask"),
        help: "Whether the portal gets diagnostics when it asks for them: `always`, `ask` after somebody at the device has allowed it, or `never`.",
    }
    /// The key that diagnostics are encrypted to.
    SupportKey {
        canonical: "supportKey", msi: &["SUPPORTKEY"], arguments: &["supportKey"], mac: Some("supportKey"),
        kind: Kind::Text(128),
        help: "The public key of `age` (`age1…`) that diagnostics bundles are encrypted to; anybody who has its other half can read them, the portal can't.",
    }
    /// Where to read the device token.
    DeviceTokenFile {
        canonical: "deviceTokenFile", arguments: &["deviceTokenFile"], stored: false,
        kind: Kind::PathOrStdin,
        help: "A file that holds the device token, or `-` for standard input: keeps it out of process lists and shell histories.",
    }
}

impl OptionName {
    /// The row of the table.
    pub fn spec(self) -> &'static OptionSpec {
        // The macro writes enum and table from the same rows, so position and discriminant are the same.
        &OPTIONS[self as usize]
    }

    /// The option of that canonical name.
    pub fn from_canonical(name: &str) -> Option<Self> {
        OPTIONS.iter().find(|spec| spec.canonical == name).map(|spec| spec.name)
    }
}

impl std::fmt::Display for OptionName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.spec().canonical)
    }
}

/// A rule between two options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The option that asks for another.
    pub option: OptionName,
    /// The values with which it asks; empty: any.
    pub values: &'static [&'static str],
    /// The option that it asks for.
    pub needs: OptionName,
    /// The value that this one must have; `None`: any.
    pub needs_value: Option<&'static str>,
}

const fn rule(
    option: OptionName,
    values: &'static [&'static str],
    needs: OptionName,
    needs_value: Option<&'static str>,
) -> Rule {
    Rule { option, values, needs, needs_value }
}

/// Every rule between options. Where a rule needs `deviceToken`, `deviceTokenFile` is as good.
pub const RULES: &[Rule] = &[
    rule(OptionName::StrictEnforcement, &["1"], OptionName::CloudName, None),
    rule(OptionName::StrictEnforcement, &["1"], OptionName::PolicyToken, None),
    rule(OptionName::PolicyToken, &[], OptionName::StrictEnforcement, Some("1")),
    rule(OptionName::UserName, &[], OptionName::UserDomain, None),
    rule(OptionName::DeviceToken, &[], OptionName::UserDomain, None),
    rule(OptionName::DeviceToken, &[], OptionName::CloudName, None),
    rule(OptionName::DeviceTokenFile, &[], OptionName::UserDomain, None),
    rule(OptionName::DeviceTokenFile, &[], OptionName::CloudName, None),
    rule(OptionName::AutoEnroll, &["1", "2"], OptionName::DeviceToken, None),
    rule(OptionName::AutoEnroll, &["1", "2"], OptionName::UserDomain, None),
    rule(OptionName::AutoEnroll, &["1", "2"], OptionName::CloudName, None),
    rule(OptionName::UnattendedModeUi, &[], OptionName::Mode, Some("unattended")),
];

/// An option of the deployments that we carry over, which has nothing to act on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its name; letter case counts on Android and iOS only, since installers spell it in several ways.
    pub name: &'static str,
    /// Where it occurs.
    pub place: RecognisedIn,
}

/// Where a recognised option occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecognisedIn {
    /// MSI properties, installer arguments and macOS managed preferences.
    Installers,
    /// Android managed configuration.
    Android,
    /// iOS managed app configuration.
    Ios,
}

macro_rules! recognised {
    ($($place:ident: $($name:literal)*;)*) => {
        /// Options that are accepted without effect, so that a carried-over deployment does not fail.
        pub const RECOGNISED: &[Recognised] = &[ $($( Recognised { name: $name, place: RecognisedIn::$place }, )*)* ];
    };
}

recognised! {
    Installers:
        "REINSTALLDRIVER" "ENABLEANTITAMPERING" "ENABLEIMPRIVATAINTEGRATION" "BCPCONFIGFILEPATH" "BCPMAPUBKEYHASH" "IMPORTSEFAILCLOSECONFIG"
        "SEFAILCLOSECONFIGTHUMBPRINT" "INSTALLWEBVIEW2" "ENABLESSO" "EXTERNALREDIRECT" "MTAUTHREQUIRED" "INSTALLLWFDRIVER" "USELWFDRIVER"
        "LWFBOOTSTART" "ENABLECUSTOMPROXYDETECTION" "UPGRADEPASSWORDCMDLINE" "REVERTPASSWORDCMDLINE" "revertzcc" "installer-language";
    Android: "customDNS" "allowRunningOnRootedDevice" "allowRunningOnEmulator" "httpAuthAllowedHosts";
    Ios:
        "excludeList" "newBindFlow" "PAVConnectionSynced" "SkipInterfaceInstallation" "DropNonRoutingTraffic" "MatchDomainsNoSearch"
        "disableCaptivePortalNotification" "SystemDNSEnabled";
}

/// Whether a flavour knows this spelling as an option without effect.
pub(crate) fn is_recognised(flavour: Flavour, spelling: &str) -> bool {
    let name = spelling.trim_start_matches('-');
    let listed = |place: RecognisedIn, same: &dyn Fn(&str) -> bool| {
        RECOGNISED.iter().any(|entry| entry.place == place && same(entry.name))
    };
    match flavour {
        Flavour::Msi | Flavour::Arguments | Flavour::MacManaged | Flavour::WindowsPolicy | Flavour::File => {
            listed(RecognisedIn::Installers, &|known| known.eq_ignore_ascii_case(name))
        }
        Flavour::LinuxShortFlags => false,
        Flavour::Android => listed(RecognisedIn::Android, &|known| known == name),
        Flavour::Ios => listed(RecognisedIn::Ios, &|known| known == name),
    }
}

/// The spelling of this flavour that is nearest to an unknown one, if any is near.
pub(crate) fn nearest(flavour: Flavour, spelling: &str) -> Option<String> {
    let distance = |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &spelling.to_lowercase());
    let known = OPTIONS.iter().flat_map(|spec| spec.spellings(flavour)).filter(|known| known.len() > 2);
    let (steps, name) = known.map(|known| (distance(&known), known)).min()?;
    (steps <= 1 + name.trim_start_matches('-').len() / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_and_names_are_in_step() {
        for spec in OPTIONS {
            assert_eq!(spec.name.spec().canonical, spec.canonical);
            assert_eq!(OptionName::from_canonical(spec.canonical), Some(spec.name));
            assert!(spec.help.ends_with('.') && !spec.canonical.is_empty(), "{}", spec.canonical);
        }
    }

    #[test]
    fn no_spelling_means_two_things() {
        for flavour in Flavour::ALL {
            let mut seen = BTreeSet::new();
            for spelling in OPTIONS.iter().flat_map(|spec| spec.spellings(flavour)) {
                assert!(!is_recognised(flavour, &spelling), "{spelling}");
                assert!(seen.insert(spelling.clone()), "{spelling} twice in {flavour:?}");
            }
        }
    }

    #[test]
    fn spellings_are_those_that_administrators_have() {
        let spelled = |name: OptionName, flavour| name.spec().spellings(flavour).join(" ");
        assert_eq!(spelled(OptionName::UserName, Flavour::Msi), "UNAME");
        assert_eq!(spelled(OptionName::UserName, Flavour::Ios), "username");
        assert_eq!(spelled(OptionName::CloudName, Flavour::Ios), "cloudname");
        assert_eq!(spelled(OptionName::DeviceToken, Flavour::LinuxShortFlags), "-T");
        assert_eq!(spelled(OptionName::PolicyToken, Flavour::LinuxShortFlags), "-t");
        assert_eq!(spelled(OptionName::PolicyToken, Flavour::Android), "");
        assert_eq!(spelled(OptionName::AutoEnroll, Flavour::Android), "autoEnrollWithMDM");
        assert_eq!(spelled(OptionName::UninstallPassword, Flavour::Msi), "UNINSTALLPASSWORDCMDLINE UNINSTALLPASSWORD");
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest(Flavour::Arguments, "--devicetoken").as_deref(), Some("--deviceToken"));
        assert_eq!(nearest(Flavour::Arguments, "--deviceTokne").as_deref(), Some("--deviceToken"));
        assert_eq!(nearest(Flavour::Msi, "CLOUDNAM").as_deref(), Some("CLOUDNAME"));
        assert_eq!(nearest(Flavour::Msi, "FROBNICATE"), None);
    }
}
