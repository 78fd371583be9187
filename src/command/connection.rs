//! Reaching and trusting a server.

use std::path::Path;

use tally_client::{Client, Options, key::SigningKey, verify::Trust};

use super::text::usage;
use crate::{
    cli::Connection,
    output::{CommandError, exit},
};

/// A runtime for the calls of one command.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Connects as the flags say.
pub async fn connect(connection: &Connection) -> anyhow::Result<Client> {
    let Some(log_key) = &connection.log_key else {
        return Err(usage("--log-key is not given: without the log's verifier key no answer can be believed")
            .help("pin it once, from a source you trust; it is log.pub in the ledger's directory")
            .into());
    };
    let trust = read_trust(log_key)?;
    let options = Options { state_dir: connection.state.clone(), ..Options::default() };
    let client = Client::connect(&connection.server, trust, options).await.map_err(|error| {
        let told = CommandError::from(error);
        if told.code() == exit::UNREACHED { told.help("is it running, and is --server its address?") } else { told }
    });
    Ok(client?)
}

/// The trust that a verifier key file gives.
pub fn read_trust(path: &Path) -> anyhow::Result<Trust> {
    let help = "name the log's verifier key with --log-key; it is log.pub in the ledger's directory";
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::new(exit::USAGE, format!("{}: {error}", path.display())).help(help))?;
    let trust = Trust::parse(text.trim_end());
    Ok(trust.map_err(|error| usage(format!("{}: {error}", path.display())).help(help))?)
}

/// Reads a key file.
pub fn read_key(path: &Path) -> anyhow::Result<SigningKey> {
    SigningKey::read_file(path).map_err(|error| {
        let told = usage(error.to_string());
        match std::error::Error::source(&error) {
            Some(cause) => told.detail(cause.to_string()).into(),
            None => told.into(),
        }
    })
}

/// A public key in hex, or that of a key file.
pub fn public_key(text: &str) -> anyhow::Result<Vec<u8>> {
    if text.len() == 64
        && let Ok(bytes) = hex::decode(text)
    {
        return Ok(bytes);
    }
    Ok(read_key(Path::new(text))?.public().as_bytes().to_vec())
}
