//! Writes every file that is made from the table of install options.
//!
//! `cargo run -p installer-options --example generate`; its tests fail when a file in the repository is not what this would write.

mod reference;

use std::path::{Path, PathBuf};

/// A generated file: its path in the repository, and its content.
struct Output {
    path: &'static str,
    content: String,
}

fn outputs() -> Vec<Output> {
    vec![Output { path: "docs/install-options.md", content: reference::page() }]
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool of the repository that writes into it; nothing of this is shipped"
)]
fn main() -> std::io::Result<()> {
    for Output { path, content } in outputs() {
        let target = repository().join(path);
        if let Some(dir) = target.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(target, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares files of the repository")]
    fn generated_files_are_not_stale() {
        for Output { path, content } in outputs() {
            let found = std::fs::read_to_string(repository().join(path)).unwrap_or_default();
            assert!(found == content, "`{path}` is stale: run `cargo run -p installer-options --example generate`");
        }
    }
}
