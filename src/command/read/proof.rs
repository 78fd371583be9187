//! `tally proof`: proofs, fetched and checked.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::{
    ClientError, json,
    verify::{VerifiedCheckpoint, VerifiedHead, VerifyError},
};
use tally_core::{entry::EventEntry, id::SubjectKind};
use tally_log::{LeafHash, LogPosition, NodeHash, TreeSize};
use tally_proto::v1::head_proof::End;

use super::super::{
    connection::{block_on, connect, identity},
    text::{count, kind_name, role_text, standing, subject, usage},
};
use crate::{
    cli::{Asking, Connection, Proof},
    output::{CommandError, Output, exit},
};

/// Runs `tally proof …`.
pub fn run(args: Proof, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Proof::Event { position, connection, asking } => block_on(event(position, &connection, &asking, output)),
        Proof::Inclusion { position, size, connection } => block_on(inclusion(position, size, &connection, output)),
        Proof::Consistency { old, size, connection } => block_on(consistency(old, size, &connection, output)),
        Proof::Head { subject, connection } => block_on(head(&subject, &connection, output)),
    }
}

fn position_of(position: u64) -> Result<LogPosition, CommandError> {
    LogPosition::new(position).ok_or_else(|| usage(format!("{position} is past the last place that a log can have")))
}

fn size_of(size: u64) -> Result<TreeSize, CommandError> {
    let size = TreeSize::new(size).filter(|size| size.get() > 0);
    size.ok_or_else(|| usage("a tree size is at least 1: every tree extends the empty one"))
}

async fn event(position: u64, connection: &Connection, asking: &Asking, output: &Output) -> anyhow::Result<ExitCode> {
    let position = position_of(position)?;
    let client = connect(connection, identity(asking)?).await?;
    let entry = client.event(position).await.map_err(|error| {
        if !matches!(error, ClientError::Verify(VerifyError::Entry { .. })) {
            return CommandError::from(error);
        }
        let what = "is no event's: it ends a batch with the heads of all chains";
        CommandError::new(exit::NO, format!("the entry at {position} {what}"))
            .help(format!("prove that it stands there with `tally proof inclusion {position}`"))
    })?;
    // The path again, for whoever wants to check it with other tools.
    let size = entry.checkpoint.size();
    let proof = client.inclusion(position, Some(size)).await.map_err(CommandError::from)?;
    let leaf = LeafHash::of(&EventEntry::new(entry.recorded_at, entry.event.envelope().clone())?.encode());
    if leaf != proof.leaf {
        let told = CommandError::new(exit::NO, format!("two different entries are said to stand at {position}"));
        return Err(told.detail(format!("{leaf}")).detail(format!("{}", proof.leaf)).into());
    }
    if output.is_json() {
        let mut shown = json::entry_to_json(position, entry.recorded_at, &entry.event)?;
        if let Some(members) = shown.as_object_mut() {
            members.insert("leafHash".to_owned(), leaf.to_string().into());
            members.insert("inclusion".to_owned(), path_to_json(proof.proof.hashes()));
            members.insert("checkpoint".to_owned(), entry.checkpoint.note().into());
        }
        output.json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let statement = entry.event.statement();
    let mut facts = vec![
        ("position", position.to_string()),
        ("kind", kind_name(statement.body_number)),
        ("subject", statement.subject.to_string()),
        ("place on chain", entry.event.chain_index().to_string()),
        ("organisation", statement.organisation.to_string()),
        ("role", role_text(i32::try_from(statement.role).unwrap_or_default())),
        ("occurred_at", statement.occurred_at.to_string()),
        ("recorded_at", entry.recorded_at.to_string()),
        ("event hash", entry.event.event_hash().to_string()),
        ("issuer 签发方", format!("{}  signature verified", entry.event.issuer())),
    ];
    let hands = entry.event.hands().iter();
    facts.extend(hands.map(|hand| ("hand 签名人", format!("{}  signature verified", hand.key_id))));
    facts.push(("leaf hash", leaf.to_string()));
    output.facts(facts);
    say_path("inclusion 包含证明", proof.proof.hashes(), output);
    say_checkpoint(&entry.checkpoint, output);
    output.say("the entry stands there, and its signatures hold");
    output.say("that the keys were registered then, the organisation's own history proves:");
    output.say(format!("  tally history {}", statement.organisation.subject()));
    Ok(ExitCode::SUCCESS)
}

async fn inclusion(
    position: u64,
    size: Option<u64>,
    connection: &Connection,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let position = position_of(position)?;
    let size = size.map(size_of).transpose()?;
    let client = connect(connection, None).await?;
    let found = client.inclusion(position, size).await.map_err(CommandError::from)?;
    if output.is_json() {
        output.json(&json!({
            "position": position.to_string(),
            "leafHash": found.leaf.to_string(),
            "inclusion": path_to_json(found.proof.hashes()),
            "treeSize": found.tree.size.to_string(),
            "rootHash": found.tree.root.to_string(),
            "checkpoint": found.checkpoint.note(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.facts([
        ("position", position.to_string()),
        ("leaf hash", found.leaf.to_string()),
        ("tree size", found.tree.size.to_string()),
        ("root hash", found.tree.root.to_string()),
    ]);
    say_path("inclusion 包含证明", found.proof.hashes(), output);
    say_checkpoint(&found.checkpoint, output);
    output.say("checked: the leaf is in that tree, and that tree is part of the checkpoint");
    Ok(ExitCode::SUCCESS)
}

async fn consistency(
    old: u64,
    size: Option<u64>,
    connection: &Connection,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let old = size_of(old)?;
    let size = size.map(size_of).transpose()?;
    if let Some(size) = size.filter(|size| *size < old) {
        return Err(usage(format!("the new size {size} is below the old one, {old}")).into());
    }
    let client = connect(connection, None).await?;
    let found = client.consistency(old, size).await.map_err(CommandError::from)?;
    if output.is_json() {
        output.json(&json!({
            "oldSize": found.old.size.to_string(),
            "oldRootHash": found.old.root.to_string(),
            "newSize": found.new.size.to_string(),
            "newRootHash": found.new.root.to_string(),
            "consistency": path_to_json(found.proof.hashes()),
            "checkpoint": found.checkpoint.note(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.facts([
        ("old size", found.old.size.to_string()),
        ("old root hash", found.old.root.to_string()),
        ("new size", found.new.size.to_string()),
        ("new root hash", found.new.root.to_string()),
    ]);
    say_path("consistency 一致性证明", found.proof.hashes(), output);
    say_checkpoint(&found.checkpoint, output);
    output.say("checked: the new tree extends the old one, and both are part of the checkpoint");
    Ok(ExitCode::SUCCESS)
}

async fn head(asked: &str, connection: &Connection, output: &Output) -> anyhow::Result<ExitCode> {
    let subject = subject(asked, SubjectKind::Equipment)?;
    let client = connect(connection, None).await?;
    let (head, proof) = client.head_proof(subject).await.map_err(CommandError::from)?;
    if output.is_json() {
        output.json(&json!({ "head": head_to_json(&head), "proof": json::to_json("tally.v1.HeadProof", &proof)? }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut facts = vec![("subject", subject.to_string())];
    if let Some(value) = &head.value {
        facts.push(("chain length", head.head.chain_length.to_string()));
        facts.push(("head hash 链头", head.head.head_hash.to_string()));
        facts.push(("touches 触及", value.touches.to_string()));
        facts.push(("touch hash", value.touch_hash.to_string()));
    }
    facts.push(("last entry", hex::encode(&proof.last_entry)));
    output.facts(facts);
    let hashes = |hashes: &[Vec<u8>]| hashes.iter().map(hex::encode).collect::<Vec<_>>();
    say_hashes("inclusion of the last entry", &hashes(&proof.inclusion), output);
    say_hashes("path in the heads map, from the root down", &hashes(&proof.siblings), output);
    match &proof.end {
        Some(End::Value(value)) => output.say(format!(" ends in this subject's value {}", hex::encode(value))),
        Some(End::Other(other)) => {
            output.say(format!(
                " ends in another leaf: key {}, value hash {}",
                hex::encode(&other.key),
                hex::encode(&other.value_hash)
            ));
        }
        Some(End::Empty(_)) | None => output.say(" ends in nothing"),
    }
    say_checkpoint(&head.checkpoint, output);
    let under =
        format!("under checkpoint {} of {} ({})", head.checkpoint.size(), head.recorded_at, standing(&head.checkpoint));
    let what = match &head.value {
        Some(value) if head.is_opened() => {
            format!(
                "proved: {} on its chain, touched by {}",
                count(head.head.chain_length, "event"),
                count(value.touches, "entry")
            )
        }
        Some(value) => format!("proved: never opened, mentioned {}", count(value.touches, "time")),
        None => "proved: nothing about it is on record 未建档".to_owned(),
    };
    output.say(format!("{what}, {under}"));
    Ok(ExitCode::SUCCESS)
}

/// What is proved about a subject's last state.
pub fn head_to_json(head: &VerifiedHead) -> Value {
    json!({
        "subject": head.subject.to_string(),
        "opened": head.is_opened(),
        "chainLength": head.head.chain_length.to_string(),
        "headHash": head.head.head_hash.to_string(),
        "touches": head.value.map_or(0, |value| value.touches).to_string(),
        "recordedAtUs": head.recorded_at.micros().to_string(),
        "treeSize": head.checkpoint.size().to_string(),
        "checkpoint": head.checkpoint.note(),
        "cosignatures": head.checkpoint.other_signature_lines(),
    })
}

fn path_to_json(path: &[NodeHash]) -> Value {
    path.iter().map(ToString::to_string).collect()
}

fn say_path(name: &str, path: &[NodeHash], output: &Output) {
    say_hashes(name, &path.iter().map(ToString::to_string).collect::<Vec<_>>(), output);
}

fn say_hashes(name: &str, hashes: &[String], output: &Output) {
    let of = if hashes.len() == 1 { "hash" } else { "hashes" };
    output.say(format!(" {name}: {} {of}", hashes.len()));
    hashes.iter().for_each(|hash| output.say(format!("   {hash}")));
}

fn say_checkpoint(checkpoint: &VerifiedCheckpoint, output: &Output) {
    output.say(" checkpoint 检查点, signed by the log's key:");
    checkpoint.note().trim_end().lines().for_each(|line| output.say(format!("   {line}")));
}
