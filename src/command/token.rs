//! `tally token`: a token for programs that speak gRPC by themselves.

use std::process::ExitCode;

use serde_json::json;

use super::{
    connection::{identity, trust},
    text::usage,
};
use crate::{cli::Token, output::Output};

/// Prints a token.
pub fn run(args: &Token, output: &Output) -> anyhow::Result<ExitCode> {
    let trust = trust(args.log_key.as_deref())?;
    let Some(identity) = identity(&args.asking)? else {
        let told = usage("--key is not given: a token is signed by a key that is registered");
        return Err(told.help("give --organisation, --role and --key, or set TALLY_ORGANISATION and its like").into());
    };
    let token = identity.token(trust.origin.as_str(), args.minutes * 60);
    if output.is_json() {
        output.json(&json!({ "token": token, "lifeSeconds": args.minutes * 60 }))?;
    } else {
        output.say(token);
    }
    Ok(ExitCode::SUCCESS)
}
