//! What can go wrong on the agent's side, in one table: code, what it means, what to do next, exit code.
//!
//! What the portal refuses has its own table, [`saml::refusal::RefusalCode`]; the exit codes of the two don't meet.

use std::fmt;

use saml::refusal::RefusalCode;

macro_rules! failures {
    ($($variant:ident, $code:literal, $exit:literal, $meaning:literal, $next:literal;)*) => {
        /// A kind of failure with a stable code.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum FailureCode {
            $(#[doc = $meaning]
            $variant,)*
        }

        impl FailureCode {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable text, for scripts and search.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What has happened, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What an administrator does about it.
            #[must_use]
            pub const fn next_action(self) -> &'static str {
                match self { $(Self::$variant => $next),* }
            }

            /// The exit code of a command that ends with it.
            #[must_use]
            pub const fn exit_code(self) -> u8 {
                match self { $(Self::$variant => $exit),* }
            }
        }
    };
}

failures! {
    NotRunning, "not-running", 3,
        "the agent is not running",
        "start it with `countersign run`, or start its service";
    NotSignedIn, "not-signed-in", 4,
        "the agent is running and has not signed anybody in yet",
        "wait a moment and look again with `countersign status`";
    OptionsInvalid, "options-invalid", 5,
        "the install options are not complete or contradict each other",
        "correct each fault that `countersign status` lists with `countersign configure`";
    NobodyLoggedIn, "nobody-logged-in", 6,
        "nobody is logged in that the agent could sign in",
        "log in to the computer; `countersign whoami` says what the agent sees";
    NameUnusable, "name-unusable", 7,
        "the name of the account can't become the local part of a user name",
        "see `countersign whoami`; an administrator can set `userName`";
    NotEnrolled, "not-enrolled", 8,
        "the device has no registered key and there is no device token to register one with",
        "get a device token from the portal and give it to `countersign configure --deviceTokenFile FILE`";
    NameNotResolved, "name-not-resolved", 10,
        "the cloud's name does not resolve to an address",
        "check `cloudName` with `countersign params list` and the name servers of this network";
    PortalUnreachable, "portal-unreachable", 11,
        "the portal does not accept a connection, or did not answer in time",
        "check the network, the proxy and the firewall; the agent tries again by itself";
    TlsNotTrusted, "tls-not-trusted", 12,
        "the portal's certificate was not issued by an authority that this device trusts, or is for another name",
        "if the portal has a CA of its own, set `caFile`; if a proxy inspects TLS, exempt the portal or add the proxy's CA";
    PortalFailing, "portal-failing", 13,
        "the portal answers with an error of its own",
        "tell the administrators of the portal; the agent tries again by itself";
    AnswerNotUnderstood, "answer-not-understood", 14,
        "what answered is no SAML identity provider: a captive portal, a proxy's page, or another server",
        "open the portal's address in a browser on this network, and check `cloudName`";
    AnswerNotTrusted, "answer-not-trusted", 15,
        "the answer is not signed by the portal that this device enrolled with, or is not for this request",
        "ask the administrators of the portal whether its keys were replaced; if so, enrol again with a new token";
    KeyUnusable, "key-unusable", 16,
        "the device's key can't be read or can't sign",
        "see the log for the reason; a lost key needs `countersign configure` with a new device token";
    StateUnusable, "state-unusable", 17,
        "the agent's state can't be read or written",
        "see the message: free space on the disk, or correct the permissions that it names";
    GoldenImage, "golden-image", 18,
        "this machine is a golden image: nothing enrols here until a copy of it boots",
        "nothing, if it is a template; otherwise `countersign configure --golden-image off`";
    CaptivePortal, "captive-portal", 50,
        "this network's own log-in page answers in the portal's place",
        "open a web page in a browser on this network and log in to the network; the agent tries again by itself";
    ProxyWantsCredentials, "proxy-wants-credentials", 51,
        "the proxy wants a name and a password, which the agent does not have",
        "allow the portal's address at the proxy without credentials, or name it in `NO_PROXY` for the agent's service";
    Leaving, "deregistration-queued", 53,
        "the device was told to leave the cloud, and the portal has not heard so yet",
        "nothing: the agent tells the portal as soon as it can be reached; `countersign deregister --local` forgets without telling it";
    SignedOut, "signed-out", 54,
        "the person has signed out",
        "run `countersign sign-in` to sign in again";
    TlsIntercepted, "tls-intercepted", 52,
        "something on the way to the portal opens TLS and shows a certificate of its own",
        "exempt the portal's address from TLS inspection, or set `caFile` to the inspecting product's CA";
    KeyHardware, "key-hardware-unavailable", 55,
        "the hardware that holds the device's key, or has to hold it, can't be used now",
        "see the log for what is wrong with the TPM, and correct that; the agent tries again by itself, and never puts a key into a file instead";
    PortalKeysUnknown, "portal-keys-unknown", 57,
        "the portal signs with keys that no key which this device knows has vouched for",
        "ask the administrators of the portal whether its keys were replaced while this device was away: if so, run `countersign deregister --local` and enrol with a new device token; if not, another server answers in its place";
    KeyLost, "key-lost", 56,
        "the device's key is lost: the TPM was cleared or replaced, or this is another machine",
        "get a device token from the portal and give it to `countersign configure --deviceTokenFile FILE`: the device enrols with a new key";
    StateSetAside, "state-set-aside", 58,
        "a file of the agent's state was damaged: it was set aside and kept, and the agent goes on with what was left",
        "look for what damages files on this disk, then remove the file that `countersign status` names; if the device is not enrolled any more, give it a new device token";
    DiskFull, "disk-full", 59,
        "there is no room on the disk for the agent's state",
        "free some of the disk: sessions hold as long as they last, and the agent goes on by itself when there is room";
    BreakGlassRefused, "break-glass-refused", 60,
        "the text is no break-glass code for this device, was used already, or its time is over",
        "compare it with what support has read out, letter by letter; if it is the same, ask for another one";
    BreakGlassWaiting, "break-glass-wait", 61,
        "too many wrong break-glass codes were typed",
        "wait a quarter of an hour and type the code again";
    BreakGlassNoKey, "break-glass-no-key", 62,
        "this device and its portal have agreed on no break-glass key, so that no code can be checked",
        "connect the device to its portal once: the agent agrees on a key in its first keep-alive";
    SignOnNotTrusted, "sign-on-not-trusted", 63,
        "a page has sent this browser here with a sign-on that the device's own portal has not signed for this device, or that is older than a minute",
        "open the service again; if it comes back, tell support which page it was";
    BrowserOwnerUnknown, "browser-owner-unknown", 64,
        "the operating system does not tell whose browser this is",
        "close the page and open the service again";
    ServiceNotUnderstood, "service-not-understood", 65,
        "the service does not answer with an ECP request that can be passed on",
        "open its address in a browser: if it asks there for a sign-in by SAML, the administrators of the service have to enable ECP";
    ServiceAddressDiffers, "service-address-differs", 66,
        "the service wants the answer at another address than the portal has on record for it",
        "the administrators of the service give the portal its current metadata; it was told, and nothing was signed for that address";
    ServiceUnreachable, "service-unreachable", 67,
        "the service does not answer, or its certificate is not trusted here",
        "open its address in a browser on this computer; a CA of its own is named with `--ca-file`";
    ServiceRefused, "service-refused", 68,
        "the service did not accept the Response, or does not let this person in",
        "see the service's own log; its clock and its copy of the portal's metadata are the usual causes";
    ConnectionOwnersHidden, "connection-owners-hidden", 78,
        "the operating system does not tell the running agent whose connection it is: no service opens in a browser here",
        "let the service see that: under systemd its unit needs `AF_NETLINK` in `RestrictAddressFamilies=` and no drop-in that takes it away (`systemctl cat countersign`); then restart it";
    NetworkChangesHidden, "network-changes-hidden", 79,
        "the running agent does not hear that the network has changed: what failed is tried again later than it could be",
        "let the service hear it: under systemd its unit needs `AF_NETLINK` in `RestrictAddressFamilies=` and no drop-in that takes it away (`systemctl cat countersign`); then restart it";
}

impl fmt::Display for FailureCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// The page that explains every code, as Markdown: both tables, the agent's and the portal's.
#[must_use]
pub fn reference_page() -> String {
    let mut page = "# Codes\n\nEvery failure that `countersign` reports has one of these codes. `countersign status` shows it with the next action, and ends with\n\
         its number; a log line names it in the field `code`. 0 is success, 1 an error without a code of its own, 2 wrong usage.\n\n\
         This page is made from the tables in `agent/src/failure.rs` and `saml/src/refusal.rs` by\n\
         `cargo run -p agent --example errors_page > docs/errors.md`; a test fails when it is stale.\n"
        .to_owned();
    let rows = FailureCode::ALL.iter().map(|code| (code.code(), code.exit_code(), code.meaning(), code.next_action()));
    page.push_str("\n## What the agent finds out itself\n");
    append_table(&mut page, rows);
    let rows = RefusalCode::ALL.iter().map(|code| (code.code(), code.exit_code(), code.meaning(), code.next_action()));
    page.push_str("\n## What the portal refuses\n");
    append_table(&mut page, rows);
    page
}

fn append_table(page: &mut String, rows: impl Iterator<Item = (&'static str, u8, &'static str, &'static str)>) {
    page.push_str("\n| code | exit | what has happened | what to do |\n|---|---|---|---|\n");
    for (code, exit, meaning, next) in rows {
        page.push_str(&format!("| `{code}` | {exit} | {meaning} | {next} |\n"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_and_exit_codes_are_told_apart_from_each_other_and_from_the_portals() {
        let codes: HashSet<_> = FailureCode::ALL
            .iter()
            .map(|code| code.code())
            .chain(RefusalCode::ALL.iter().map(|code| code.code()))
            .collect();
        let exits: HashSet<_> = FailureCode::ALL
            .iter()
            .map(|code| code.exit_code())
            .chain(RefusalCode::ALL.iter().map(|code| code.exit_code()))
            .collect();
        assert_eq!(codes.len(), FailureCode::ALL.len() + RefusalCode::ALL.len());
        assert_eq!(exits.len(), FailureCode::ALL.len() + RefusalCode::ALL.len());
        assert!(exits.iter().all(|&exit| exit > 2), "0, 1 and 2 mean success, any error, wrong usage");
    }

    #[test]
    fn the_page_of_codes_is_what_the_tables_say() {
        assert_eq!(
            include_str!("../../docs/errors.md"),
            reference_page(),
            "run: cargo run -p agent --example errors_page > docs/errors.md"
        );
    }
}
