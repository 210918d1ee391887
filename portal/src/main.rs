//! `countersign-portal`: the identity provider and its administration.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    portal::command::CommandLine::parse().run().await
}
