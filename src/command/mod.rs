//! The commands: each reads flags, asks a library, prints.

mod audit;
mod bench;
mod connection;
mod demo;
mod finding;
mod init;
mod input;
mod key;
mod log;
mod lookup;
mod mark;
mod order;
mod publish;
mod read;
mod record;
mod refusals;
mod register;
mod rules;
mod serve;
mod sign;
mod text;
mod token;
mod upload;
mod verify_mark;

use std::process::ExitCode;

use crate::{
    cli::{Bench, Cli, Command, Index},
    output::Output,
};

/// Runs a command.
pub fn run(cli: Cli, output: &Output) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Init(args) => init::run(&args, output),
        Command::Serve(args) => serve::run(&args, output),
        Command::Index(Index::Rebuild { dir, index_cache }) => serve::rebuild(&dir, index_cache, output),
        Command::Demo(args) => demo::run(&args, output),
        Command::Bench(Bench::Record(args)) => bench::run(&args, output),
        Command::Key(args) => key::run(args, output),
        Command::Org(args) => register::organisation(args, output),
        Command::Mine(args) => register::mine(args, output),
        Command::Publish(args) => publish::run(*args, output),
        Command::Mark(args) => mark::run(args, output),
        Command::VerifyMark(args) => verify_mark::run(&args, output),
        Command::Rules(args) => rules::run(&args, output),
        Command::Findings(args) => finding::findings(&args, output),
        Command::Due(args) => finding::due(&args, output),
        Command::Order(args) => order::order(args, output),
        Command::Recall(args) => order::recall(args, output),
        Command::Record(args) => record::run(&args, output),
        Command::Show(args) => read::show(&args, output),
        Command::History(args) => read::history(&args, output),
        Command::List(args) => read::list(&args, output),
        Command::Overview(args) => audit::overview(&args, output),
        Command::Audit(args) => audit::run(*args, output),
        Command::Proof(args) => read::proof(args, output),
        Command::Log(args) => log::run(args, output),
        Command::Refusals(args) => refusals::run(&args, output),
        Command::Upload(args) => upload::run(args, output),
        Command::Token(args) => token::run(&args, output),
    }
}
