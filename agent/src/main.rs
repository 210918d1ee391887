//! `countersign`: the agent and its command line.
#![expect(clippy::print_stderr, reason = "the edge of the program")]

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let command = agent::command::CommandLine::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: can't begin: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit_code = runtime.block_on(command.run());
    // A name server that does not answer would hold the end up for as long as the resolver waits for it.
    runtime.shutdown_background();
    exit_code
}
