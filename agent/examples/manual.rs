//! Writes the manual pages and the shells' completions that packages bring, from the command line's own description.
//!
//! `cargo run -p agent --example manual`; its test fails when a file in the repository is not what this would write.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool of the repository that writes into it; nothing of this is shipped"
)]

use std::io;
use std::path::PathBuf;

use agent::command::CommandLine;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

/// A file of the repository, below `packaging`, and its content.
type Output = (String, Vec<u8>);

fn packaging() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

fn outputs() -> io::Result<Vec<Output>> {
    let mut command = CommandLine::command();
    command.build();
    let mut outputs = Vec::new();
    pages(&command, "countersign", &mut outputs)?;
    // Where each shell's completions are looked for below /usr/share.
    for (shell, name) in [
        (Shell::Bash, "bash-completion/completions/countersign"),
        (Shell::Fish, "fish/vendor_completions.d/countersign.fish"),
        (Shell::Zsh, "zsh/vendor-completions/_countersign"),
    ] {
        let mut content = Vec::new();
        clap_complete::generate(shell, &mut CommandLine::command(), "countersign", &mut content);
        outputs.push((format!("manual/{name}"), content));
    }
    Ok(outputs)
}

/// A page for the command, and one for each below it that people are told of.
fn pages(command: &Command, name: &str, outputs: &mut Vec<Output>) -> io::Result<()> {
    // clap wants a name for ever, which for a tool of a second it may have.
    let own = command.clone().name(&*name.to_owned().leak()).disable_help_subcommand(true);
    let mut content = Vec::new();
    clap_mangen::Man::new(own).manual("Countersign").render(&mut content)?;
    outputs.push((format!("manual/man/man1/{name}.1"), content));
    let mut told = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    told.try_for_each(|below| pages(below, &format!("{name}-{}", below.get_name()), outputs))
}

fn main() -> io::Result<()> {
    for (path, content) in outputs()? {
        let target = packaging().join(path);
        if let Some(dir) = target.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(target, content)?;
    }
    Ok(())
}

#[test]
fn manual_pages_and_completions_are_not_stale() {
    for (path, content) in outputs().expect("they can be made") {
        let found = std::fs::read(packaging().join(&path)).unwrap_or_default();
        assert!(found == content, "`packaging/{path}` is stale: run `cargo run -p agent --example manual`");
    }
}
