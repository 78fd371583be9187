//! The `tally` command line: flags in, words out. What a library user would miss lives in the crates.

#![allow(unreachable_pub, reason = "a program has no outside: `pub` is what the other modules here may use")]

mod cli;
mod command;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(cli.output);
    match command::run(cli, &output) {
        Ok(code) => code,
        Err(error) => output::report(&error),
    }
}
