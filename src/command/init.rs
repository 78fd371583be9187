//! `tally init`: founds a ledger, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use tally_client::{
    Client, Options,
    clock::{Clock as _, SystemClock},
    draft::{Author, Draft},
    key::SigningKey,
    verify::Trust,
};
use tally_core::{
    hash::EventHash,
    id::{OrganisationId, SubjectId},
    number::ChainIndex,
    time::Timestamp,
};
use tally_log::{checkpoint::Origin, note::SignerKey};
use tally_proto::v1::{self, statement::Body};
use tally_server::{
    init,
    server::{Config, Server},
    startup::Layout,
};

use super::{
    publish::publish_defaults,
    text::{day, day_of, usage},
};
use crate::{
    cli::{Init, Scheme},
    output::{CommandError, Output, exit},
};

const INDEX_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The scheme of the contract and that of the domain.
pub fn scheme(scheme: Scheme) -> (v1::Scheme, tally_core::id::Scheme) {
    match scheme {
        Scheme::Uscc => (v1::Scheme::Uscc, tally_core::id::Scheme::Uscc),
        Scheme::CnCoalMine => (v1::Scheme::CnCoalMine, tally_core::id::Scheme::CnCoalMine),
        Scheme::Msha => (v1::Scheme::Msha, tally_core::id::Scheme::Msha),
        Scheme::Other => (v1::Scheme::Other, tally_core::id::Scheme::Other),
    }
}

/// What a ledger is founded with.
pub struct Founding<'a> {
    /// Where.
    pub dir: &'a Path,
    /// Name of the log.
    pub origin: &'a str,
    /// Name of the registrar.
    pub registrar: &'a str,
    /// Its numbering scheme.
    pub scheme: Scheme,
    /// Its number.
    pub number: &'a str,
    /// When.
    pub now: Timestamp,
}

/// A ledger that was founded.
pub struct Founded {
    /// The log's key.
    pub signer: SignerKey,
    /// Who registers.
    pub registrar: OrganisationId,
    /// The key that registers.
    pub registrar_key: SigningKey,
    /// The folder of the registrar's key files.
    pub keys: PathBuf,
}

/// Founds a ledger: makes the log's key and the registrar's, and seals the first batch.
pub fn found(founding: &Founding<'_>) -> anyhow::Result<Founded> {
    let Founding { dir, origin, registrar, now, .. } = *founding;
    Origin::parse(origin).map_err(|error| usage(format!("--origin {origin}: {error}")))?;
    let layout = Layout::new(dir);
    if layout.log_pub().exists() || layout.log().exists() {
        return Err(usage(format!("there is a ledger in {} already", dir.display()))
            .help("choose another directory; a ledger is founded once")
            .into());
    }
    let (scheme, id_scheme) = scheme(founding.scheme);
    let subject = SubjectId::organisation(id_scheme, founding.number)?;
    let organisation = OrganisationId::try_from(subject)?;
    let keys = dir.join("keys");
    fs::create_dir_all(&keys)?;
    let log_key = SigningKey::generate()?;
    let signer = SignerKey::from_seed(origin, &log_key.seed())?;
    let registrar_key = SigningKey::generate()?;
    let first = SigningKey::generate()?;
    let recovery = SigningKey::generate()?;
    let body = Body::OrganisationRegistered(v1::OrganisationRegistered {
        name: registrar.to_owned(),
        scheme: scheme as i32,
        number: founding.number.to_owned(),
        first_key: first.public().as_bytes().to_vec(),
        recovery_key: recovery.public().as_bytes().to_vec(),
        genesis: Some(v1::Genesis {
            log_key: signer.verifier().public_key().to_vec(),
            format_version: 1,
            registrar_keys: vec![registrar_key.public().as_bytes().to_vec()],
            threshold: 1,
        }),
        ..v1::OrganisationRegistered::default()
    });
    let author = Author { origin: origin.to_owned(), organisation, role: v1::Role::Registrar };
    let mut draft = Draft::new(&author, subject, now, body, now)?;
    let genesis = draft.sign(ChainIndex::FIRST, EventHash::ZERO, &registrar_key, &[])?;
    // Keys before the ledger that needs them: a ledger without its keys is lost.
    log_key.create_file(&layout.log_key())?;
    registrar_key.create_file(&keys.join("registrar.key"))?;
    first.create_file(&keys.join("registrar-first.key"))?;
    recovery.create_file(&keys.join("registrar-recovery.key"))?;
    init::found(&layout, &signer, &genesis.message(), now).map_err(super::serve::start_error)?;
    Ok(Founded { signer, registrar: organisation, registrar_key, keys })
}

/// Runs `tally init`.
pub fn run(args: &Init, output: &Output) -> anyhow::Result<ExitCode> {
    // A day that is none must not leave a ledger behind.
    let now = SystemClock.now();
    let from = args.from.as_deref().map_or_else(|| Ok(day_of(now)), day)?;
    let founded = found(&Founding {
        dir: &args.dir,
        origin: &args.origin,
        registrar: &args.registrar,
        scheme: args.scheme,
        number: args.number.as_deref().unwrap_or(&args.origin),
        now,
    })?;
    let published = if args.publish_defaults {
        publish(&founded, &args.dir, from).map_err(|error| {
            let told = format!("the ledger in {} is founded, but its tables are not published", args.dir.display());
            let told = CommandError::new(exit::UNREACHED, told).detail(error.to_string());
            told.help("serve it, and publish them with `tally publish defaults`")
        })?
    } else {
        Vec::new()
    };
    let (verifier, organisation) = (founded.signer.verifier().to_string(), founded.registrar);
    if output.is_json() {
        output.json(&serde_json::json!({
            "dir": args.dir.display().to_string(),
            "origin": args.origin,
            "logKey": verifier,
            "registrar": organisation.to_string(),
            "publications": published.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.say(format!("founded the ledger {} in {}", args.origin, args.dir.display()));
    output.say(format!("  registrar    {organisation}"));
    output.say(format!("  log key      {verifier}"));
    output.say(format!("  keys         {} (move registrar-recovery.key offline)", founded.keys.display()));
    for publication in &published {
        output.say(format!("  published    {publication}"));
    }
    output.say(format!("next: tally serve {}", args.dir.display()));
    if published.is_empty() {
        output.say("then: tally publish defaults --from DAY, or tables of your own; without them nothing falls due");
    }
    Ok(ExitCode::SUCCESS)
}

/// Publishes the product's own tables through a server that runs for no longer than that: there is one way into a ledger.
fn publish(founded: &Founded, dir: &Path, from: v1::Day) -> anyhow::Result<Vec<SubjectId>> {
    let config = Config {
        dir: dir.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        insecure_plaintext: false,
        log_readers: Vec::new(),
        public_rate: 0,
        chain_limit: true,
        accept_clock: false,
        fence: None,
        new_fence: false,
        verify_threads: 1,
        index_cache_bytes: INDEX_CACHE_BYTES,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let signer = super::serve::signer(&Layout::new(dir))?;
        let clock = Arc::new(tally_server::clock::SystemClock::new());
        let server = Server::start(&config, signer, clock, &mut |_, _| {}).await.map_err(super::serve::start_error)?;
        let address = format!("http://{}", server.address());
        let trust = Trust::new(founded.signer.verifier().clone())?;
        let origin = founded.signer.verifier().name().to_owned();
        let author = Author { origin, organisation: founded.registrar, role: v1::Role::Registrar };
        let published = async {
            let client = Client::connect(&address, trust, Options::default()).await.map_err(CommandError::from)?;
            publish_defaults(&client, &author, from, &founded.registrar_key, SystemClock.now()).await
        };
        let published = published.await;
        server.stop().await;
        published
    })
}
