//! The words of documents, pages, help and messages: plain ones. A comment in the code that is no help text is left to its readers.
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
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
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
