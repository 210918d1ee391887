//! Documents: their words, and those of pages, help, messages and comments, are plain; their links lead somewhere; their
//! tables are whole.
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
    ("mending", "correcting, repairing"),
    ("good-bye", "deregistration, sign-out"),
    ("goodbye", "deregistration, sign-out"),
    ("hear of", "learn, be told"),
    ("hears of", "learns, is told"),
    ("heard of", "learnt, known"),
    ("unmake", "remove, forget"),
    ("unmakes", "removes, forgets"),
];

/// The documents beside the folders.
const FIRST: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// What of a file is words.
#[derive(Clone, Copy)]
enum Kind {
    /// All of it.
    Text,
    /// Comments and string literals; a name in code is no word.
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

/// How the file is read, if it has words.
fn kind(path: &Path) -> Option<Kind> {
    let text = path.to_str()?;
    match path.extension()?.to_str()? {
        "md" | "html" => Some(Kind::Text),
        "rs" if text.contains("/src/") => Some(Kind::Code),
        _ => None,
    }
}

/// Where the string literal ends that `code` begins with; `hashes` is `None` where a backslash escapes.
fn end_of_string(code: &str, hashes: Option<&str>) -> usize {
    let Some(hashes) = hashes else {
        let mut is_escaped = false;
        let end = code.char_indices().skip(1).find(|(_, letter)| {
            let is_end = *letter == '"' && !is_escaped;
            is_escaped = *letter == '\\' && !is_escaped;
            is_end
        });
        return end.map_or(code.len(), |(at, _)| at + 1);
    };
    let start = 1 + hashes.len() + 1;
    let end = format!("\"{hashes}");
    code[start..].find(&end).map_or(code.len(), |at| start + at + end.len())
}

/// How long the piece is that `code` begins with, in octets, and whether it is a comment or a string literal.
fn piece(code: &str) -> (usize, bool) {
    // A quote as a character begins no string.
    if let Some(quote) = ["'\"'", "'\\\"'"].into_iter().find(|quote| code.starts_with(quote)) {
        return (quote.len(), false);
    }
    if code.starts_with("//") {
        return (code.find('\n').unwrap_or(code.len()), true);
    }
    if code.starts_with('"') {
        return (end_of_string(code, None), true);
    }
    let raw = code.strip_prefix('r').and_then(|rest| rest.split_once('"'));
    if let Some((hashes, _)) = raw.filter(|(hashes, _)| hashes.chars().all(|letter| letter == '#')) {
        return (end_of_string(code, Some(hashes)), true);
    }
    (code.chars().next().map_or(code.len(), char::len_utf8), false)
}

/// What of a file is words; all else is blank, so that a line keeps its number.
fn words(text: &str, kind: Kind) -> String {
    if matches!(kind, Kind::Text) {
        return text.to_owned();
    }
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (length, is_words) = piece(rest);
        let (taken, after) = rest.split_at(length);
        if is_words {
            // The letter of an escaped line end is no part of the word behind it.
            words.push_str(&taken.replace("\\n", "  "));
        } else {
            words.push(if taken == "\n" { '\n' } else { ' ' });
        }
        rest = after;
    }
    words
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
fn documents_pages_messages_and_comments_use_plain_words() {
    let root = workspace_dir();
    let mut files = Vec::from(FIRST.map(|name| root.join(name)));
    for directory in ["docs", "packaging", "portal/templates", "agent/src", "installer-options/src"]
        .into_iter()
        .chain(["platform/src", "portal/src", "saml/src"])
    {
        files_below(&root.join(directory), &mut files);
    }
    let mut found = Vec::new();
    for file in &files {
        let Some(kind) = kind(file) else { continue };
        let text = fs::read_to_string(file).expect("documents and code are text");
        for (number, line) in words(&text, kind).lines().enumerate() {
            for (word, plain) in wrong(line) {
                let name = file.strip_prefix(&root).unwrap_or(file).display();
                found.push(format!("{name}:{}: `{word}` ({plain})", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn words_are_found_in_prose_strings_and_comments_and_not_in_code_or_other_words() {
    let lines = |text: &str, kind| -> Vec<usize> {
        let words = words(text, kind);
        let found = words.lines().enumerate();
        found.flat_map(|(number, line)| wrong(line).map(move |_| number + 1)).collect()
    };
    let none: &[usize] = &[];
    assert_eq!(lines("Whoever keeps a portal up mends it.", Kind::Text), [1, 1]);
    assert_eq!(lines("It is amended, and recommended.", Kind::Text), none);
    assert_eq!(lines(r#"    Err("tell whoever runs it")"#, Kind::Code), [1]);
    assert_eq!(lines("    /// Whoever posts it is signed in.", Kind::Code), [1]);
    assert_eq!(lines("    let end = 1; // The device hears of it.", Kind::Code), [1]);
    assert_eq!(lines("    let whom = mended(whoever);", Kind::Code), none);
    assert_eq!(lines("    // It is amended, and recommended.", Kind::Code), none);
    assert_eq!(lines("let a = \"one \\\"\n whoever\";\nlet whom = 1;", Kind::Code), [2]);
    assert_eq!(lines("let a = \"one\\nwhoever\";", Kind::Code), [1]);
    assert_eq!(lines("let a = r#\"one \"\nwhoever\"#;\nlet whom = r\"\\\";\nlet whom = 1;", Kind::Code), [2]);
    assert_eq!(lines("let a = '\"';\nlet whom = '\\\"';\nlet whom = \"whom\";", Kind::Code), [3]);
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
