//! `countersign`: the agent and its command line.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    agent::command::CommandLine::parse().run().await
}
