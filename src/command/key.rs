//! `tally key`: making keys, and registering them.

use std::{path::Path, process::ExitCode};

use serde_json::json;
use tally_client::key::{SigningKey, new_person_id};
use tally_core::{hash::parse_hex32, id::parse_uuid};
use tally_proto::v1::{self, statement::Body};

use super::{
    connection::{block_on, connect, public_key, read_key},
    sign::Signer,
    text::{instant, organisation, usage},
};
use crate::{
    cli::{Connection, Key, KeyKind, RevocationReason, Signing},
    output::Output,
};

/// Runs `tally key …`.
pub fn run(args: Key, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Key::Generate { file } => {
            let key = SigningKey::generate()?;
            key.create_file(&file)?;
            print_key(&file, &key, output)
        }
        Key::Show { file } => print_key(&file, &read_key(&file)?, output),
        Key::Add { whose, public_key: key, kind, post, section, person, connection, signing } => {
            if !matches!(kind, KeyKind::Staff) && (post.is_some() || section.is_some() || person.is_some()) {
                return Err(usage("--post, --section and --person are for staff keys: --kind staff").into());
            }
            if matches!(kind, KeyKind::Staff) && post.is_none() {
                return Err(usage("--post is not given: a staff key belongs to a person with a post 岗位").into());
            }
            let person_id = match (kind, person) {
                (KeyKind::Staff, Some(person)) => {
                    parse_uuid(&person).map_err(|error| usage(error.to_string()))?.to_vec()
                }
                (KeyKind::Staff, None) => new_person_id()?.to_vec(),
                (KeyKind::Organisation | KeyKind::Device | KeyKind::Recovery, _) => Vec::new(),
            };
            let body = v1::KeyAdded {
                key: public_key(&key)?,
                algorithm: v1::KeyAlgorithm::Ed25519 as i32,
                kind: kind_of(kind) as i32,
                person_id,
                post: post.unwrap_or_default(),
                section: section.unwrap_or_default(),
                certificates: Vec::new(),
            };
            block_on(record(&whose, Body::KeyAdded(body), &connection, signing, output))
        }
        Key::Revoke { whose, key_id, reason, untrusted_since, connection, signing } => {
            let body = v1::KeyRevoked {
                key_id: parse_hex32(&key_id).map_err(|error| usage(format!("{key_id}: {error}")))?.to_vec(),
                reason: reason_of(reason) as i32,
                untrusted_since_us: untrusted_since.as_deref().map(instant).transpose()?.map_or(0, |at| at.micros()),
            };
            block_on(record(&whose, Body::KeyRevoked(body), &connection, signing, output))
        }
    }
}

fn print_key(file: &Path, key: &SigningKey, output: &Output) -> anyhow::Result<ExitCode> {
    let (public, key_id) = (hex::encode(key.public().as_bytes()), key.key_id().to_string());
    if output.is_json() {
        output.json(&json!({ "file": file.display().to_string(), "keyId": key_id, "key": public }))?;
    } else {
        output.facts([("file", file.display().to_string()), ("public key 公钥", public), ("key id", key_id)]);
    }
    Ok(ExitCode::SUCCESS)
}

/// Records an event about an organisation's keys; without `--organisation` it is the organisation itself that signs,
/// with its recovery key.
async fn record(
    whose: &str,
    body: Body,
    connection: &Connection,
    mut signing: Signing,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let subject = organisation(whose)?.subject();
    signing.organisation.get_or_insert_with(|| subject.to_string());
    let client = connect(connection, None).await?;
    let signer = Signer::new(&signing, connection, client.trust().origin.as_str())?;
    signer.record(&client, subject, body, output).await
}

fn kind_of(kind: KeyKind) -> v1::KeyKind {
    match kind {
        KeyKind::Organisation => v1::KeyKind::Organisation,
        KeyKind::Staff => v1::KeyKind::Staff,
        KeyKind::Device => v1::KeyKind::Device,
        KeyKind::Recovery => v1::KeyKind::Recovery,
    }
}

fn reason_of(reason: RevocationReason) -> v1::KeyRevocationReason {
    match reason {
        RevocationReason::Rotated => v1::KeyRevocationReason::Rotated,
        RevocationReason::Left => v1::KeyRevocationReason::Left,
        RevocationReason::Lost => v1::KeyRevocationReason::Lost,
        RevocationReason::Leaked => v1::KeyRevocationReason::Leaked,
    }
}
