//! The page that a reviewer reads names every rule that the code has, and no other.

use saml::rejection::RejectionReason;
use std::fmt::Write;

const PAGE: &str = include_str!("../../docs/saml-profile.md");

#[test]
fn the_page_lists_every_rule() {
    let mut table = String::from("| rule | what was wrong | answered with |\n|---|---|---|\n");
    for reason in RejectionReason::ALL {
        writeln!(table, "| `{}` | {} | `{}` |", reason.name(), reason.text(), reason.code()).expect("written");
    }
    let (_, given) = PAGE.split_once("## Every rule\n\n").expect("the section");
    assert_eq!(
        given.trim_end(),
        table.trim_end(),
        "put this under `## Every rule` of docs/saml-profile.md:\n\n{table}"
    );
}
