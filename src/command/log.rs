//! `tally log`: the log itself, on a disk or behind a server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tally_core::{entry::EventEntry, event::EventKind};
use tally_log::{
    LogPosition,
    entry::{EntryHeader, EntryKind, HeadsEntry},
    note::VerifierKey,
};
use tally_server::audit::{self, Against, AuditError, ExportError, Report};

use super::{
    connection::{block_on, connect, identity},
    text::usage,
};
use crate::{
    cli::{Asking, Connection, Log},
    output::{CommandError, Output, Progress, exit, note},
};

/// Runs `tally log …`.
pub fn run(args: Log, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Log::Verify { dir, checkpoint, log_key } => verify(&dir, checkpoint.as_deref(), log_key.as_deref(), output),
        Log::Export { dir, out } => export(&dir, &out, output),
        Log::Keys { dir } => keys(&dir, output),
        Log::Checkpoint { connection } => block_on(checkpoint(&connection, output)),
        Log::Follow { from, stop_at_end, connection, asking } => {
            block_on(follow(&connection, &asking, from, stop_at_end, output))
        }
    }
}

fn verify(dir: &Path, kept: Option<&Path>, log_key: Option<&Path>, output: &Output) -> anyhow::Result<ExitCode> {
    let kept = kept.map(|path| fs::read(path).map_err(|error| file_error(path, &error))).transpose()?;
    let against = Against { log_key: read_log_key(dir, log_key)?, kept };
    let progress = Progress::new("reading the log", 0);
    let report = audit::verify(dir, &against, &mut |entries| progress.at(entries, entries)).map_err(audit_error)?;
    drop(progress);
    print_report(&report, &against, log_key.is_some(), output)?;
    Ok(ExitCode::from(if report.wrong.is_empty() { exit::YES } else { exit::DAMAGE }))
}

fn print_report(report: &Report, against: &Against, key_was_given: bool, output: &Output) -> anyhow::Result<()> {
    let checkpoint = report.checkpoint_size.map(tally_log::TreeSize::get);
    if output.is_json() {
        return output.json(&serde_json::json!({
            "whole": report.wrong.is_empty(),
            "origin": against.log_key.name(),
            "logKeyGiven": key_was_given,
            "treeSize": report.size.get().to_string(),
            "rootHash": report.root.to_string(),
            "headsRoot": report.heads_root.to_string(),
            "checkpointSize": checkpoint.map(|size| size.to_string()),
            "events": report.events.to_string(),
            "batches": report.batches.to_string(),
            "signatures": report.signatures.to_string(),
            "tornBytes": report.torn_bytes.to_string(),
            "wrong": report.wrong,
        }));
    }
    let verdict = if report.wrong.is_empty() { "the log is whole 完整" } else { "THE LOG IS DAMAGED 已损坏" };
    output.say(format!("{verdict}: {} of {}", counted(report), against.log_key.name()));
    for wrong in &report.wrong {
        output.say(format!("  {wrong}"));
    }
    output.say(format!("  root         {}", report.root));
    output.say(format!("  heads root   {}", report.heads_root));
    match checkpoint {
        Some(size) => output.say(format!("  checkpoint   of size {size}, signed by the log's key")),
        None => output.say("  checkpoint   none that is signed by the log's key"),
    }
    if report.torn_bytes > 0 {
        let bytes = report.torn_bytes;
        output.say(format!(
            "  torn tail    {bytes} bytes of an interrupted batch, never acknowledged; start-up cuts them"
        ));
    }
    if !key_was_given {
        note("the key was read beside the log: this proves wholeness, not origin; name one you trust with --log-key");
    }
    Ok(())
}

fn counted(report: &Report) -> String {
    let Report { size, events, batches, signatures, .. } = report;
    format!("{size} entries, {events} events in {batches} batches, {signatures} signatures")
}

fn export(dir: &Path, out: &Path, output: &Output) -> anyhow::Result<ExitCode> {
    let against = Against { log_key: read_log_key(dir, None)?, kept: None };
    let size = audit::export(dir, &against, out).map_err(export_error)?;
    if output.is_json() {
        output.json(&serde_json::json!({ "out": out.display().to_string(), "treeSize": size.get().to_string() }))?;
    } else {
        output.say(format!("wrote {size} entries to {} as tlog-tiles, and keys.txt", out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn keys(dir: &Path, output: &Output) -> anyhow::Result<ExitCode> {
    let against = Against { log_key: read_log_key(dir, None)?, kept: None };
    let keys = audit::registered_keys(dir, &against).map_err(audit_error)?;
    if output.is_json() {
        let rows = keys.iter().map(
            |key| serde_json::json!({ "keyId": key.key_id().to_string(), "publicKey": hex::encode(key.as_bytes()) }),
        );
        output.json_list("keys", rows.collect())?;
    } else {
        keys.iter().for_each(|key| output.say(format!("{} {}", key.key_id(), hex::encode(key.as_bytes()))));
    }
    Ok(ExitCode::SUCCESS)
}

async fn checkpoint(connection: &Connection, output: &Output) -> anyhow::Result<ExitCode> {
    let client = connect(connection, None).await?;
    let checkpoint = client.checkpoint().await.map_err(CommandError::from)?;
    if output.is_json() {
        output.json(&serde_json::json!({
            "treeSize": checkpoint.size().get().to_string(),
            "rootHash": checkpoint.root().to_string(),
            "checkpoint": checkpoint.note(),
        }))?;
    } else {
        output.say(checkpoint.note().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(
    connection: &Connection,
    asking: &Asking,
    from: u64,
    stop_at_end: bool,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let client = connect(connection, identity(asking)?).await?;
    let from = LogPosition::new(from).ok_or_else(|| usage("--from is past the last place that a log can have"))?;
    let mut followed = client.follow(from, stop_at_end).await.map_err(CommandError::from)?;
    while let Some(entries) = followed.next().await {
        let entries = entries.map_err(CommandError::from)?;
        for (place, entry) in (0..).zip(&entries.entries) {
            let position = entries.first.checked_add(place).unwrap_or(entries.first);
            print_entry(position, entry, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_entry(position: LogPosition, entry: &[u8], output: &Output) -> anyhow::Result<()> {
    let (header, _) = EntryHeader::parse(entry)?;
    let recorded_at = i64::try_from(header.recorded_at.micros()).map(super::text::time).unwrap_or_default();
    match header.kind {
        EntryKind::Heads => {
            let heads = HeadsEntry::parse(entry)?;
            if output.is_json() {
                return output.json(&serde_json::json!({
                    "position": position.get().to_string(), "recordedAt": recorded_at, "kind": "heads",
                    "batchFirst": heads.batch_first.get().to_string(), "mapRoot": heads.map_root.to_string(),
                    "subjects": heads.subjects.to_string(), "entry": hex::encode(entry),
                }));
            }
            output
                .say(format!("{position:>9}  {recorded_at}  heads of {} subjects  {}", heads.subjects, heads.map_root));
        }
        EntryKind::Event => {
            let parsed = EventEntry::parse(entry)?;
            let event = parsed.unverified().parse()?;
            let statement = event.event().statement();
            let kind = EventKind::from_number(statement.body_number)
                .map_or_else(|| format!("kind {}", statement.body_number), |kind| kind.name().to_owned());
            if output.is_json() {
                return output.json(&serde_json::json!({
                    "position": position.get().to_string(), "recordedAt": recorded_at, "kind": kind,
                    "subject": statement.subject.to_string(),
                    "chainIndex": event.event().chain_index().get().to_string(), "entry": hex::encode(entry),
                }));
            }
            output.say(format!("{position:>9}  {recorded_at}  {kind}  {}", statement.subject));
        }
    }
    Ok(())
}

/// The log's verifier key: a file, or `log.pub` beside the log.
fn read_log_key(dir: &Path, given: Option<&Path>) -> anyhow::Result<VerifierKey> {
    let found = [dir.parent().unwrap_or(Path::new(".")).join("log.pub"), dir.join("log.pub"), dir.join("log.vkey")];
    let beside = || found.iter().find(|path| path.exists()).cloned().unwrap_or_else(|| found[0].clone());
    let path: PathBuf = given.map_or_else(beside, Path::to_owned);
    let text = fs::read_to_string(&path).map_err(|error| {
        file_error(&path, &error)
            .help("name the log's verifier key with --log-key FILE; it is log.pub in the ledger's directory")
    })?;
    Ok(VerifierKey::parse(text.trim_end()).map_err(|error| usage(format!("{}: {error}", path.display())))?)
}

fn file_error(path: &Path, error: &std::io::Error) -> CommandError {
    usage(format!("{}: {error}", path.display()))
}

fn audit_error(error: AuditError) -> CommandError {
    let message = error.to_string();
    match error {
        AuditError::NotThere { .. } => CommandError::new(exit::USAGE, message).help("name the log itself: DIR/log"),
        AuditError::Kept(_) => CommandError::new(exit::USAGE, message),
        AuditError::File { .. } => CommandError::new(exit::UNREACHED, message),
    }
}

fn export_error(error: ExportError) -> CommandError {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        message = format!("{message}: {next}");
        cause = next.source();
    }
    match error {
        ExportError::Audit(error) => audit_error(error),
        ExportError::Open(_) => CommandError::new(exit::DAMAGE, message),
        ExportError::Export(_) => CommandError::new(exit::USAGE, message),
    }
}
