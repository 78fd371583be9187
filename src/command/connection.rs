//! Reaching and trusting a server.

use std::{path::Path, sync::Arc};

use tally_client::{Client, Options, client::Identity, clock::SystemClock, key::SigningKey, verify::Trust};

use super::text::{organisation, role, usage};
use crate::{
    cli::{Asking, Connection, Signing},
    output::{CommandError, exit},
};

/// A runtime for the calls of one command.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Who asks, as the flags say; nobody without a key.
pub fn identity(asking: &Asking) -> anyhow::Result<Option<Identity>> {
    let Some(key) = &asking.key else { return Ok(None) };
    let needed = [
        (asking.organisation.is_none(), "--organisation UUID  the organisation that asks 单位"),
        (asking.role.is_none(), "--role ROLE          the role in which it asks 角色"),
    ];
    let missing = needed.iter().filter(|(is_missing, _)| *is_missing).map(|(_, flag)| *flag);
    let (Some(asks), Some(acts)) = (&asking.organisation, &asking.role) else {
        let told = missing.fold(usage("it is not said whose --key this is"), CommandError::detail);
        return Err(told.help("give the flags, or set TALLY_ORGANISATION and TALLY_ROLE").into());
    };
    Ok(Some(Identity {
        key: Arc::new(read_key(key)?),
        organisation: organisation(asks)?,
        role: role(acts)?,
        clock: Arc::new(SystemClock),
    }))
}

/// Who signs, as it asks meanwhile: names and aliases are not for everybody. Flags that are missing are told by whoever
/// signs.
pub fn signing_identity(signing: &Signing) -> anyhow::Result<Option<Identity>> {
    let Signing { organisation, role, key, .. } = signing;
    if organisation.is_none() || role.is_none() {
        return Ok(None);
    }
    identity(&Asking { organisation: organisation.clone(), role: role.clone(), key: key.clone() })
}

/// Connects as the flags say.
pub async fn connect(connection: &Connection, identity: Option<Identity>) -> anyhow::Result<Client> {
    let trust = trust(connection.log_key.as_deref())?;
    let options = Options { state_dir: connection.state.clone(), identity, ..Options::default() };
    let client = Client::connect(&connection.server, trust, options).await.map_err(|error| {
        let told = CommandError::from(error);
        if told.code() == exit::UNREACHED { told.help("is it running, and is --server its address?") } else { told }
    });
    Ok(client?)
}

/// The trust that `--log-key` gives.
pub fn trust(log_key: Option<&Path>) -> anyhow::Result<Trust> {
    let Some(log_key) = log_key else {
        return Err(usage("--log-key is not given: without the log's verifier key no answer can be believed")
            .help("pin it once, from a source you trust; it is log.pub in the ledger's directory")
            .into());
    };
    read_trust(log_key)
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
