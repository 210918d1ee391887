//! Documents: their words, and those of pages, help and messages, are plain; their links lead somewhere; their tables are whole. A comment in the code
//! that is no help text is left to its readers.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use std::fs;
use std::path::{Path, PathBuf};

use tests::binaries::workspace_dir;

/// Words that are not used, and what is said in their place.
const WORDS: &[(&str, &str)] = &[
    ("whoever", "name who: the administrators of the portal, anybody, a person who"),
    ("whom", "that, or the name of who"),
    ("mend", "correct, repair"),
    ("mends", "corrects, repairs"),
    ("mended", "corrected, repaired"),
    ("good-bye", "deregistration, sign-out"),
    ("hear of", "learn, be told"),
    ("hears of", "learns, is told"),
    ("heard of", "learnt, known"),
    ("unmake", "remove, forget"),
    ("unmakes", "removes, forgets"),
];

/// The documents beside the folders.
const FIRST: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// What somebody who is no developer reads, in a file.
#[derive(Clone, Copy)]
enum Kind {
    /// All of it.
    Text,
    /// The help of a command, in doc comments, and string literals.
    Command,
    /// String literals.
    Code,
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of the workspace") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// How the file is read, if anybody but a developer reads of it.
fn kind(path: &Path) -> Option<Kind> {
    let text = path.to_str()?;
    match path.extension()?.to_str()? {
        "md" | "html" => Some(Kind::Text),
        "rs" if text.contains("/src/command/") => Some(Kind::Command),
        "rs" if text.contains("/src/") && !text.ends_with("tests.rs") => Some(Kind::Code),
        _ => None,
    }
}

/// What of a line somebody may be shown. String literals are told from code by their quotes, which is enough for words.
fn shown(line: &str, kind: Kind) -> String {
    let trimmed = line.trim_start();
    match kind {
        Kind::Text => line.to_owned(),
        Kind::Command if trimmed.starts_with("///") => line.to_owned(),
        Kind::Command | Kind::Code if trimmed.starts_with("//") => String::new(),
        Kind::Command | Kind::Code => line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" "),
    }
}

/// The words of `text` that are not used, with what is said in their place.
fn wrong(text: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let text = text.to_lowercase();
    WORDS.iter().copied().filter(move |(word, _)| {
        let is_letter = |found: Option<char>| found.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        text.match_indices(word).any(|(at, _)| {
            !is_letter(text[..at].chars().next_back()) && !is_letter(text[at + word.len()..].chars().next())
        })
    })
}

#[test]
fn documents_pages_help_and_messages_use_plain_words() {
    let root = workspace_dir();
    let mut files = Vec::from(FIRST.map(|name| root.join(name)));
    for directory in
        ["docs", "packaging/macos", "packaging/windows", "portal/templates", "agent/src", "installer-options/src"]
            .into_iter()
            .chain(["platform/src", "portal/src", "saml/src"])
    {
        files_below(&root.join(directory), &mut files);
    }
    let mut found = Vec::new();
    for file in &files {
        let Some(kind) = kind(file) else { continue };
        let text = fs::read_to_string(file).expect("documents and code are text");
        for (number, line) in text.lines().enumerate() {
            for (word, plain) in wrong(&shown(line, kind)) {
                let name = file.strip_prefix(&root).unwrap_or(file).display();
                found.push(format!("{name}:{}: `{word}` ({plain})", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn words_are_found_where_they_are_shown_and_nowhere_else() {
    let count = |line: &str, kind| wrong(&shown(line, kind)).count();
    assert_eq!(count("Whoever keeps a portal up mends it.", Kind::Text), 2);
    assert_eq!(count("It is amended, and recommended.", Kind::Text), 0);
    assert_eq!(count(r#"    Err("tell whoever runs it")"#, Kind::Code), 1);
    assert_eq!(count("    /// Whoever posts it is signed in.", Kind::Command), 1);
    assert_eq!(count("    /// Whoever posts it is signed in.", Kind::Code), 0);
    assert_eq!(count("    let whom = mended(whoever);", Kind::Code), 0);
}

/// Every document that is written in Markdown.
fn documents() -> Vec<PathBuf> {
    let root = workspace_dir();
    let mut files = Vec::from(FIRST.map(|name| root.join(name)));
    ["docs", "findings", "packaging"].iter().for_each(|directory| files_below(&root.join(directory), &mut files));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files
}

/// The lines of a document that are no code, each with its number.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let lines = text.lines().enumerate().filter(|(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.map(|(number, line)| (number + 1, line)).collect()
}

/// What a heading is called in links, as forges of Git do it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The targets of the links in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut wrong = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).expect("a document is text");
        for (number, line) in prose(&text) {
            for target in links(line).filter(|target| !target.contains("://") && !target.starts_with("mailto:")) {
                let (path, heading) = target.split_once('#').unwrap_or((target, ""));
                let meant = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
                let is_there = meant.exists()
                    && (heading.is_empty()
                        || fs::read_to_string(&meant).is_ok_and(|text| {
                            prose(&text).iter().any(|(_, line)| line.starts_with('#') && anchor(line) == heading)
                        }));
                if !is_there {
                    wrong.push(format!("{}:{number}: {target}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tables_are_whole() {
    let mut wrong = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).expect("a document is text");
        let lines = prose(&text);
        let mut before = "";
        for (place, (number, line)) in lines.iter().enumerate() {
            let begins = line.starts_with('|') && !before.starts_with('|');
            let is_headed =
                lines.get(place + 1).is_some_and(|(_, next)| next.starts_with("|--") || next.starts_with("| -"));
            if begins && !is_headed {
                wrong.push(format!("{}:{number}: a row without its table's head", file.display()));
            }
            before = line;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_first_page_is_short() {
    let text = fs::read_to_string(workspace_dir().join("README.md")).expect("it is there");
    assert!(text.chars().count() <= 7000, "README.md has {} characters; 7,000 are what is read", text.chars().count());
}
