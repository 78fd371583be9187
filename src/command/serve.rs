//! `tally serve` and `tally index rebuild`.

use std::{path::Path, process::ExitCode, sync::Arc};

use tally_client::key::SigningKey;
use tally_log::note::SignerKey;
use tally_server::{
    clock::SystemClock,
    fence::FenceError,
    server::{Config, Server},
    startup::{self, Layout, StartError},
};
use tracing_subscriber::EnvFilter;

use super::text::organisation;
use crate::{
    cli::Serve,
    output::{CommandError, Output, Progress, exit, note},
};

const MIB: u64 = 1024 * 1024;

/// Serves until a signal asks for the end.
pub fn run(args: &Serve, output: &Output) -> anyhow::Result<ExitCode> {
    log_to_stderr();
    let config = Config {
        dir: args.dir.clone(),
        listen: args.listen,
        insecure_plaintext: args.insecure_plaintext,
        log_readers: args.log_readers.iter().map(|id| organisation(id)).collect::<Result<_, _>>()?,
        accept_clock: args.accept_clock,
        fence: args.fence.clone(),
        new_fence: args.new_fence,
        verify_threads: std::thread::available_parallelism().map_or(2, usize::from),
        index_cache_bytes: args.index_cache * MIB,
        public_rate: args.public_rate,
        chain_limit: true,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&config, output))
}

async fn serve(config: &Config, output: &Output) -> anyhow::Result<ExitCode> {
    let signer = signer(&Layout::new(&config.dir))?;
    let mut bar = None;
    let mut progress = |done: u64, total: u64| {
        bar.get_or_insert_with(|| Progress::new("reading the log", total)).at(done, total);
    };
    let server = Server::start(config, signer, Arc::new(SystemClock::new()), &mut progress).await;
    let server = server.map_err(start_error)?;
    drop(bar);
    let found = server.found();
    for cut in found.recovery.describe() {
        tracing::warn!("{cut}");
    }
    if let Some(why) = &found.index_discarded {
        tracing::warn!(why, "the index was rebuilt from the log");
    }
    tracing::info!(address = %server.address(), entries = found.size, "serving");
    if output.is_json() {
        output.json(&serde_json::json!({ "listening": server.address().to_string(), "entries": found.size }))?;
    } else {
        output.say(format!("listening on {}", server.address()));
    }

    let mut stopped = std::pin::pin!(signal());
    let code = tokio::select! {
        () = &mut stopped => exit::YES,
        why = server.ended() => {
            note(format!("error: {why}"));
            exit::UNREACHED
        }
    };
    tracing::info!("stopping; a second signal ends at once");
    tokio::select! {
        () = server.stop() => Ok(ExitCode::from(code)),
        // Start-up always recovers, so an end at once is safe.
        () = signal() => Ok(ExitCode::from(130)),
    }
}

/// Throws the index away and rebuilds it.
pub fn rebuild(dir: &Path, cache_mib: u64, output: &Output) -> anyhow::Result<ExitCode> {
    let progress = Progress::new("rebuilding the index", 0);
    let ledger =
        startup::open(&Layout::new(dir), cache_mib * MIB, false, true, &mut |done, total| progress.at(done, total));
    let ledger = ledger.map_err(start_error)?;
    ledger.index.close()?;
    drop(progress);
    let entries = ledger.state.tree.size().get();
    if output.is_json() {
        output.json(&serde_json::json!({ "entries": entries }))?;
    } else {
        output.say(format!("the index was rebuilt from {entries} entries"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The log's key of a data directory.
pub fn signer(layout: &Layout) -> anyhow::Result<SignerKey> {
    let verifier = layout.verifier_key().map_err(start_error)?;
    let key = SigningKey::read_file(&layout.log_key())?;
    Ok(SignerKey::from_seed(verifier.name(), &key.seed())?)
}

/// What an operator can do about a start that failed.
pub fn start_error(error: StartError) -> CommandError {
    let message = error.to_string();
    match error {
        StartError::NotThere { dir } => CommandError::new(exit::USAGE, message)
            .help(format!("found one with `tally init {} --origin NAME`", dir.display())),
        StartError::AlreadyThere { .. } => CommandError::new(exit::USAGE, message),
        StartError::InUse { .. } => CommandError::new(exit::USAGE, message).help("stop the other process first"),
        StartError::Damaged { .. } => CommandError::new(exit::DAMAGE, message)
            .help("nothing was changed; look with `tally log verify DIR/log`, then restore a whole copy"),
        StartError::RolledBack { .. } => CommandError::new(exit::DAMAGE, message)
            .help("this is an old copy, or another server went on; find the newer data, and never start both"),
        StartError::Fence { source: FenceError::Missing, path } => CommandError::new(exit::USAGE, message)
            .help(format!("if {} was lost with its disk and the log is whole, say --new-fence once", path.display())),
        StartError::Fence { .. } => CommandError::new(exit::DAMAGE, message)
            .help("look whether another server has this fence before you touch it"),
        StartError::Clock(_) | StartError::Configuration(_) => CommandError::new(exit::USAGE, message),
        StartError::File { .. } | StartError::Listen { .. } | StartError::Index(_) => {
            CommandError::new(exit::UNREACHED, message)
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("TALLY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).finish();
    // Only a test that starts two servers in one process has one already.
    drop(tracing::subscriber::set_global_default(subscriber));
}

async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = interrupt => drop(ended),
        () = terminate => {}
    }
}
