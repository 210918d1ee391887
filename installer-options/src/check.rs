//! The rules, checked together: what comes out is proof that they all hold.

use crate::{
    cloud::{CloudFault, CloudHost, CloudName},
    fault::{Fault, Faults, Problem, placeholder, written},
    names::{LocalPart, LocalPartFault, UserDomain, UserDomainFault, shown},
    proxy::{ProxyFault, ProxySetting},
    raw::{Origin, RawOption, RawOptions},
    table::{Kind, OPTIONS, OptionName, RULES, Rule},
    unfilled::is_macro,
};
use secrecy::SecretString;
use std::collections::BTreeMap;

/// Options that satisfy every rule; the only way to one is [`InstallOptions::check`].
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// The right to enrol this device.
    pub device_token: Option<SecretString>,
    /// A file to read the token from, or `-`; gone once [`RawOptions::replace_token_file`] was called.
    pub device_token_file: Option<String>,
    /// The domain of the user's name.
    pub user_domain: Option<UserDomain>,
    /// The cloud to authenticate to.
    pub cloud_name: Option<CloudName>,
    /// The user's name where the device must not decide.
    pub user_name: Option<LocalPart>,
    /// The device management's id for the device.
    pub external_device_id: Option<String>,
    /// The profile in force before enrolment.
    pub policy_token: Option<String>,
    /// No internet until enrolled.
    pub strict_enforcement: bool,
    /// No window before enrolment.
    pub hide_app_ui_on_launch: bool,
    /// Start the service after installing.
    pub launch_tray: bool,
    /// FIPS-validated cryptography only.
    pub enable_fips: bool,
    /// Silent enrolment: 0 off, 1 always, 2 once.
    pub auto_enroll: u8,
    /// Install silently.
    pub unattended: bool,
    /// State for each user.
    pub vdi: bool,
    /// How long to wait for a roamed configuration, in seconds.
    pub config_timeout: u32,
    /// The password for a silent removal.
    pub uninstall_password: Option<SecretString>,
    /// A posture variable.
    pub ownership: Option<String>,
    /// More certificate authorities, as a path.
    pub ca_file: Option<String>,
    /// Keep the token after enrolment.
    pub keep_token: bool,
    /// Names of facts that are never sent.
    pub disabled_facts: Vec<String>,
    /// The way to the cloud.
    pub proxy: ProxySetting,
    /// Whether the portal gets diagnostics when it asks: `always`, `ask` or `never`.
    pub diagnostics_requests: String,
    /// The public key that diagnostics are encrypted to.
    pub support_key: Option<String>,
    /// The directory of clouds.
    pub clouds: Vec<(String, CloudHost)>,
    shown: BTreeMap<OptionName, (Option<String>, Origin)>,
}

impl InstallOptions {
    /// Checks every value and every rule between values.
    ///
    /// # Errors
    ///
    /// All that is wrong, at once.
    pub fn check(raw: &RawOptions) -> Result<Self, Faults> {
        let mut checker = Checker { raw, faults: Vec::new() };
        let options = checker.values();
        checker.macros();
        checker.rules();
        if checker.faults.is_empty() { Ok(options) } else { Err(Faults(checker.faults)) }
    }

    /// Where the value of an option came from.
    pub fn origin(&self, option: OptionName) -> &Origin {
        &self.shown[&option].1
    }

    /// Every option with its value for people (`None`: not set; a secret shows as `[secret]`) and its origin, in the order of the table.
    pub fn effective(&self) -> impl Iterator<Item = (OptionName, Option<&str>, &Origin)> {
        OPTIONS.iter().map(|spec| {
            let (value, origin) = &self.shown[&spec.name];
            (spec.name, value.as_deref(), origin)
        })
    }

    /// The cloud's host, by way of the directory for a short name; `None` when no cloud was given.
    pub fn cloud_host(&self) -> Option<CloudHost> {
        // A short name that the directory lacks was a fault.
        self.cloud_name.as_ref().and_then(|name| name.resolve(&self.clouds).ok())
    }
}

struct Checker<'a> {
    raw: &'a RawOptions,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn values(&mut self) -> InstallOptions {
        use OptionName as Name;
        let options = InstallOptions {
            device_token: self.text(Name::DeviceToken).map(SecretString::from),
            device_token_file: self.text(Name::DeviceTokenFile),
            user_domain: self.parsed(Name::UserDomain, UserDomain::parse, instead_of_domain),
            cloud_name: self.parsed(Name::CloudName, CloudName::parse, instead_of_cloud),
            user_name: self.parsed(Name::UserName, LocalPart::parse, instead_of_name),
            external_device_id: self.text(Name::ExternalDeviceId).filter(|id| id != "0"),
            policy_token: self.text(Name::PolicyToken),
            strict_enforcement: self.flag(Name::StrictEnforcement),
            hide_app_ui_on_launch: self.flag(Name::HideAppUiOnLaunch),
            launch_tray: self.flag(Name::LaunchTray),
            enable_fips: self.flag(Name::EnableFips),
            auto_enroll: self.text(Name::AutoEnroll).and_then(|text| text.parse().ok()).unwrap_or(0),
            unattended: self.text(Name::Mode).as_deref() == Some("unattended"),
            vdi: self.flag(Name::Vdi),
            config_timeout: self.text(Name::ConfigTimeout).and_then(|text| text.parse().ok()).unwrap_or(0),
            uninstall_password: self.text(Name::UninstallPassword).map(SecretString::from),
            ownership: self.text(Name::Ownership),
            ca_file: self.text(Name::CaFile),
            keep_token: self.flag(Name::KeepToken),
            disabled_facts: self.text(Name::DisabledFacts).map(|text| words(&text)).unwrap_or_default(),
            proxy: self.parsed(Name::Proxy, ProxySetting::parse, instead_of_proxy).unwrap_or(ProxySetting::System),
            diagnostics_requests: self.text(Name::DiagnosticsRequests).unwrap_or_else(|| "ask".to_owned()),
            support_key: self.text(Name::SupportKey),
            clouds: self.clouds(),
            shown: OPTIONS.iter().map(|spec| (spec.name, self.shown(spec.name))).collect(),
        };
        self.text(Name::UnattendedModeUi);
        if options.enable_fips {
            let why =
                "this build has no FIPS-validated cryptography: leave the option out, or install a build that has it";
            self.fault(Name::EnableFips, Problem::Unavailable { why });
        }
        if let Some(Err(unknown)) = options.cloud_name.as_ref().map(|name| name.resolve(&options.clouds)) {
            let text = unknown.to_string();
            let (found, expected) = text.split_once(": write ").unwrap_or((&text, "a host name"));
            self.fault(Name::CloudName, Problem::Value { found: found.to_owned(), expected: expected.to_owned() });
        }
        options
    }

    /// A macro is a fault of its own: what it should have been can't be told from it.
    fn macros(&mut self) {
        let unfilled =
            OPTIONS.iter().filter(|spec| spec.name != OptionName::UninstallPassword && spec.kind != Kind::LocalPart);
        let unfilled = unfilled.filter(|spec| self.said(spec.name).is_some_and(|raw| is_macro(raw.value.expose())));
        let unfilled: Vec<_> = unfilled.map(|spec| (spec.name, spec.secret)).collect();
        for (option, secret) in unfilled {
            let value = self.said(option).map(|raw| shown(raw.value.expose().trim())).unwrap_or_default();
            let what = if secret { "the value".to_owned() } else { format!("`{value}`") };
            let found = format!("{what} is a macro that the device management did not fill");
            let expected = "the value itself, or a macro that this management knows for this device".to_owned();
            let name = option.spec().spellings(self.origin(option).flavour).into_iter().next();
            let name = name.unwrap_or_else(|| option.to_string());
            self.faults.retain(|fault| fault.option != name);
            self.fault(option, Problem::Value { found, expected });
        }
    }

    fn rules(&mut self) {
        let broken: Vec<&Rule> = RULES.iter().filter(|rule| self.is_broken(rule)).collect();
        for rule in broken {
            let flavour = self.origin(rule.option).flavour;
            let value = rule.needs_value.unwrap_or_else(|| placeholder(rule.needs));
            self.fault(rule.option, Problem::Requires { needed: format!("`{}`", written(rule.needs, flavour, value)) });
        }
        if self.is_given(OptionName::DeviceToken) && self.is_given(OptionName::DeviceTokenFile) {
            self.fault(OptionName::DeviceTokenFile, Problem::Excludes { other: OptionName::DeviceToken });
        }
    }

    fn is_broken(&self, rule: &Rule) -> bool {
        let asks = if rule.values.is_empty() {
            self.is_given(rule.option)
        } else {
            rule.values.iter().any(|value| self.is(rule.option, value))
        };
        let from_file = rule.needs == OptionName::DeviceToken && self.is_given(OptionName::DeviceTokenFile);
        let there =
            rule.needs_value.map_or_else(|| self.is_given(rule.needs) || from_file, |value| self.is(rule.needs, value));
        asks && !there
    }

    fn is(&self, option: OptionName, value: &str) -> bool {
        self.said(option).is_some_and(|raw| raw.value.expose().trim() == value)
    }

    fn is_given(&self, option: OptionName) -> bool {
        self.said(option).is_some_and(|raw| !raw.value.expose().trim().is_empty())
    }

    fn said(&self, option: OptionName) -> Option<&RawOption> {
        self.raw.get(option)
    }

    fn origin(&self, option: OptionName) -> Origin {
        self.said(option).map_or_else(Origin::of_default, |raw| raw.origin.clone())
    }

    fn shown(&self, option: OptionName) -> (Option<String>, Origin) {
        let value = self.said(option).map(|raw| raw.value.shown().to_owned());
        (value.or_else(|| option.spec().default.map(str::to_owned)), self.origin(option))
    }

    fn fault(&mut self, option: OptionName, problem: Problem) {
        let origin = self.origin(option);
        let spelling = option.spec().spellings(origin.flavour).into_iter().next().unwrap_or_else(|| option.to_string());
        self.faults.push(Fault::new(spelling, &origin, problem));
    }

    /// The value that was given, or the default, if it fits the option's kind.
    fn text(&mut self, option: OptionName) -> Option<String> {
        let Some(raw) = self.said(option) else { return option.spec().default.map(str::to_owned) };
        let value = raw.value.expose().trim().to_owned();
        match fits(option.spec().kind, &value) {
            Ok(()) => Some(value),
            Err(expected) => {
                let found = if option.spec().secret {
                    "the value does not fit".to_owned()
                } else {
                    format!("`{}` does not fit", shown(&value))
                };
                self.fault(option, Problem::Value { found, expected });
                None
            }
        }
    }

    fn flag(&mut self, option: OptionName) -> bool {
        self.text(option).as_deref() == Some("1")
    }

    fn parsed<T, E: std::fmt::Display>(
        &mut self,
        option: OptionName,
        parse: fn(&str) -> Result<T, E>,
        instead: fn(&E) -> String,
    ) -> Option<T> {
        let result = parse(self.said(option)?.value.expose());
        result
            .map_err(|error| {
                let problem = Problem::Value { found: error.to_string(), expected: instead(&error) };
                self.fault(option, problem);
            })
            .ok()
    }

    fn clouds(&mut self) -> Vec<(String, CloudHost)> {
        let Some(text) = self.text(OptionName::Clouds) else { return Vec::new() };
        let mut clouds: Vec<(String, CloudHost)> = Vec::new();
        for entry in words(&text) {
            match cloud_entry(&entry) {
                Ok((name, _)) if clouds.iter().any(|(known, _)| *known == name) => {
                    let problem = Problem::Value {
                        found: format!("`{name}` is there twice"),
                        expected: "each name once".to_owned(),
                    };
                    self.fault(OptionName::Clouds, problem);
                }
                Ok(cloud) => clouds.push(cloud),
                Err(found) => self.fault(
                    OptionName::Clouds,
                    Problem::Value { found, expected: "`name=host` or `name=host:port`".to_owned() },
                ),
            }
        }
        clouds
    }
}

fn cloud_entry(entry: &str) -> Result<(String, CloudHost), String> {
    let (name, host) = entry.split_once('=').ok_or_else(|| format!("`{}` has no `=`", shown(entry)))?;
    let Ok(CloudName::Short(name)) = CloudName::parse(name) else {
        return Err(format!("`{}` is not a short name", shown(name)));
    };
    CloudHost::parse(host).map(|host| (name, host)).map_err(|error| error.to_string())
}

/// Words between commas; empty ones do not count.
fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a text fits a kind; else what to write.
fn fits(kind: Kind, text: &str) -> Result<(), String> {
    let length = text.chars().count();
    let no_controls = !text.chars().any(char::is_control);
    let (fits, expected) = match kind {
        Kind::Text(most) => {
            ((1..=most).contains(&length) && no_controls, format!("1 to {most} characters on one line"))
        }
        Kind::Alphanumeric(most) => {
            let plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric());
            ((1..=most).contains(&length) && plain, format!("1 to {most} letters and digits of ASCII"))
        }
        Kind::Flag => (matches!(text, "0" | "1"), "`0` or `1`".to_owned()),
        Kind::Choice(known) => (known.contains(&text), format!("one of `{}`", known.join("`, `"))),
        Kind::Seconds => {
            let number = text.parse::<u32>().is_ok_and(|seconds| seconds <= 86_400);
            (number && text.bytes().all(|octet| octet.is_ascii_digit()), "whole seconds from `0` to `86400`".to_owned())
        }
        Kind::Path => (is_absolute(text) && no_controls, "an absolute path".to_owned()),
        Kind::PathOrStdin => (length > 0 && no_controls, "a path, or `-` for standard input".to_owned()),
        Kind::List | Kind::CloudDirectory => (no_controls, "words with commas between them".to_owned()),
        // These have parsers of their own.
        Kind::Domain | Kind::Cloud | Kind::LocalPart | Kind::Proxy => (true, String::new()),
    };
    if fits { Ok(()) } else { Err(expected) }
}

/// Absolute on any of our systems: this crate does not know on which one it runs.
fn is_absolute(path: &str) -> bool {
    let octets = path.as_bytes();
    let drive = octets.len() > 2
        && octets[0].is_ascii_alphabetic()
        && octets[1] == b':'
        && (octets[2] == b'\\' || octets[2] == b'/');
    path.starts_with('/') || path.starts_with(r"\\") || drive
}

fn instead_of_domain(fault: &UserDomainFault) -> String {
    match fault {
        UserDomainFault::At(given) => match given.rsplit_once('@') {
            Some((_, domain)) if UserDomain::parse(domain).is_ok() => format!("`{domain}`"),
            _ => "the domain alone, like `example.com`".to_owned(),
        },
        UserDomainFault::Url(_)
        | UserDomainFault::OneLabel(_)
        | UserDomainFault::Address(_)
        | UserDomainFault::Syntax(_) => "a DNS domain of two labels or more, like `example.com`".to_owned(),
    }
}

fn instead_of_cloud(fault: &CloudFault) -> String {
    match fault {
        CloudFault::Scheme { host, .. } | CloudFault::Path { host, .. } if CloudName::parse(host).is_ok() => {
            format!("`{host}`")
        }
        CloudFault::Scheme { .. } | CloudFault::Path { .. } | CloudFault::Port(_) | CloudFault::Syntax(_) => {
            "a host name like `cloud.example.net` or `cloud.example.net:8443`, or a short name".to_owned()
        }
    }
}

fn instead_of_proxy(fault: &ProxyFault) -> String {
    match fault {
        ProxyFault::Credentials => {
            "the address alone, and let the proxy pass the cloud's host without a password".to_owned()
        }
        ProxyFault::Scheme(_) | ProxyFault::Host(_) => {
            "`system`, `direct`, or an address like `http://proxy.example.com:3128`".to_owned()
        }
    }
}

fn instead_of_name(fault: &LocalPartFault) -> String {
    match fault {
        LocalPartFault::At { before, .. } if !before.is_empty() => {
            format!("`{before}`, and the domain in the option `userDomain`")
        }
        LocalPartFault::At { .. }
        | LocalPartFault::TooLong
        | LocalPartFault::Macro(_)
        | LocalPartFault::Character { .. }
        | LocalPartFault::Dots(_) => "the part of the mail address before the `@`".to_owned(),
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
