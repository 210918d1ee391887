//! The report for people: readable at 80 columns.

use super::{Line, Report, Verdict};

/// The width that everything fits in, in columns.
const WIDTH: usize = 80;
/// Where the text begins.
const INDENT: usize = 25;

/// The report as a table, in colour where that is wanted.
#[must_use]
pub fn table(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    for line in &report.checks {
        append(&mut text, line, colour);
    }
    let counts = Verdict::ALL.iter().map(|verdict| format!("{} {}", report.count(*verdict), verdict.as_str()));
    let counts: Vec<_> = counts.collect();
    let seconds = std::time::Duration::from_millis(report.ms).as_secs_f64();
    text.push_str(&format!("\n{} in {seconds:.1} s\n", counts.join(", ")));
    text
}

fn append(text: &mut String, line: &Line, colour: bool) {
    let word = format!("{:<5}", line.status.as_str());
    let word = if colour { format!("\x1b[{}m{word}\x1b[0m", colour_of(line.status)) } else { word };
    let code = line.code.map_or_else(String::new, |code| format!(" [{code}]"));
    text.push_str(&format!("{word} {:<19}", line.id));
    append_wrapped(text, &format!("{}{code}", line.text));
    if let Some(next) = &line.next {
        text.push_str(&" ".repeat(INDENT));
        append_wrapped(text, &format!("→ {next}"));
    }
}

/// Appends `words` from column [`INDENT`] on, which the text has reached.
fn append_wrapped(text: &mut String, words: &str) {
    let mut column = INDENT;
    for (index, word) in words.split_whitespace().enumerate() {
        let width = word.chars().count();
        if index > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(INDENT));
            column = INDENT;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

/// SGR codes of ECMA-48 §8.3.117.
const fn colour_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "32",
        Verdict::Warn => "33",
        Verdict::Fail => "31",
        Verdict::Error => "35",
        Verdict::Skip => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let line = Line {
            id: "tls-interception",
            status: Verdict::Fail,
            text: "CN=Somebody who has a long name and opens the connection on its way to the portal".to_owned(),
            next: Some(
                "exempt the portal from the inspection, or add the certificate authority with `caFile`".to_owned(),
            ),
            code: Some("tls-intercepted"),
            ms: 3,
        };
        Report { version: 1, agent_version: "0", at: String::new(), ms: 1234, checks: vec![line] }
    }

    #[test]
    fn nothing_is_wider_than_eighty_columns() {
        let text = table(&report(), false);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("[tls-intercepted]") && text.contains("→ exempt"), "{text}");
        assert!(text.ends_with("1 fail, 0 error, 0 warn, 0 pass, 0 skip in 1.2 s\n"), "{text}");
    }

    #[test]
    fn colour_is_there_only_when_it_is_wanted() {
        assert!(!table(&report(), false).contains('\x1b'));
        assert!(table(&report(), true).contains("\x1b[31mfail"));
    }
}
