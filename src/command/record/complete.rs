//! What the ledger knows of a body, so that nobody has to copy it: the open dispatch, hashes of events that are named.

use serde_json::{Map, Value, json};
use tally_client::{Client, json, verify::VerifiedEntry};
use tally_core::{
    event::{EventKind, event_ref_message},
    id::{EventRef, OrganisationId, SubjectId, SubjectKind},
    number::ChainIndex,
    time::Timestamp,
};
use tally_proto::v1;

use super::super::text::{usage, uuid};
use super::{body_of, fill};
use crate::output::{CommandError, exit};

/// Completes a body: only what was not given, and only by what is proved to be on record.
pub(super) async fn complete(
    client: &Client,
    kind: EventKind,
    subject: SubjectId,
    occurred_at: Timestamp,
    body: &mut Value,
) -> anyhow::Result<()> {
    let Some(fields) = body.as_object_mut() else { return Ok(()) };
    if matches!(kind, EventKind::Inspected | EventKind::Maintained | EventKind::Rectified) {
        let instant = || Value::from(occurred_at.micros().to_string());
        if kind != EventKind::Rectified {
            fields.entry("startedUs").or_insert_with(instant);
        }
        fields.entry("finishedUs").or_insert_with(instant);
    }
    if matches!(kind, EventKind::Received | EventKind::ReceiptRefused) {
        dispatch(client, kind, subject, fields).await?;
    }
    if kind == EventKind::FactoryExit && !fields.contains_key("model") {
        made(client, subject, fields).await?;
    }
    // Events are named on the own chain, by their place.
    for name in ["dispatchEvent", "event", "engagement", "appraisalEvent", "markEvent"] {
        if let Some(Value::Object(reference)) = fields.get_mut(name)
            && !reference.contains_key("eventHash")
        {
            refer(client, subject, reference).await?;
        }
    }
    if kind == EventKind::Corrected {
        replacement(client, subject, fields).await?;
    }
    Ok(())
}

/// The dispatch that is open, and who sent it: proved by the machine's whole history.
async fn dispatch(
    client: &Client,
    kind: EventKind,
    subject: SubjectId,
    fields: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let asks = !fields.contains_key("dispatchEvent")
        || (kind == EventKind::Received && !fields.contains_key("fromOrganisation"));
    if !asks {
        return Ok(());
    }
    let history = client.history(subject).await.map_err(CommandError::from)?;
    let mut open: Option<(EventRef, OrganisationId)> = None;
    for (_, _, event) in history.events().filter(|(_, _, event)| event.statement().subject == subject) {
        match EventKind::from_number(event.statement().body_number) {
            Some(EventKind::FactoryExit | EventKind::Dispatched) => {
                open = Some((event.event_ref(), event.statement().organisation));
            }
            Some(EventKind::Received) => open = None,
            Some(_) | None => {}
        }
    }
    let (event, sender) = open.ok_or_else(|| {
        CommandError::new(exit::NO, format!("{subject} is not on the way: no dispatch is open on its chain"))
            .detail(format!("proved by its whole history under checkpoint {}", history.head.checkpoint.size()))
            .help("let the holder dispatch it first; `tally history` shows what is on record")
    })?;
    if !fields.contains_key("dispatchEvent") {
        fields.insert("dispatchEvent".to_owned(), json::to_json("tally.v1.EventRef", &event_ref_message(&event))?);
    }
    if kind == EventKind::Received {
        fields.entry("fromOrganisation").or_insert_with(|| sender.to_string().into());
    }
    Ok(())
}

/// The model and mark of a machine, as the maker stated them when it was made.
async fn made(client: &Client, subject: SubjectId, fields: &mut Map<String, Value>) -> anyhow::Result<()> {
    let machine = client.equipment(subject, v1::At::default()).await.map_err(CommandError::from)?.value;
    fields.insert("model".to_owned(), uuid(&machine.model).into());
    if !machine.mark_no.is_empty() {
        fields.entry("markNo").or_insert_with(|| machine.mark_no.into());
    }
    Ok(())
}

/// The hash of an event that is named by its place.
async fn refer(client: &Client, own: SubjectId, reference: &mut Map<String, Value>) -> anyhow::Result<()> {
    let named = reference.get("subject").and_then(Value::as_str);
    let subject = named.map_or(Ok(own), |named| super::super::text::subject(named, SubjectKind::Equipment))?;
    let entry = event_at(client, subject, reference).await?;
    reference.insert("subject".to_owned(), hex::encode(subject.key()).into());
    reference.insert("eventHash".to_owned(), entry.event.event_hash().to_string().into());
    Ok(())
}

async fn event_at(
    client: &Client,
    subject: SubjectId,
    reference: &Map<String, Value>,
) -> anyhow::Result<VerifiedEntry> {
    let place = match reference.get("chainIndex") {
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        None => Some(0),
        Some(_) => None,
    };
    let place = place.ok_or_else(|| usage("chainIndex is no whole number"))?;
    Ok(client.event_on_chain(subject, ChainIndex::new(place)).await.map_err(CommandError::from)?)
}

/// The body that takes the place of another one, in the form of the amended event's kind, as its bytes.
async fn replacement(client: &Client, subject: SubjectId, fields: &mut Map<String, Value>) -> anyhow::Result<()> {
    let Some(Value::Object(reference)) = fields.get("event") else { return Ok(()) };
    let Some(Value::Object(replacement)) = fields.get("replacement") else { return Ok(()) };
    let Some(body @ Value::Object(_)) = replacement.get("body") else { return Ok(()) };
    let amended = event_at(client, subject, reference).await?;
    let number = amended.event.statement().body_number;
    let kind = EventKind::from_number(number).ok_or_else(|| usage(format!("kind {number} is not known here")))?;
    let (_, bytes) = body_of(kind, &fill::fill(kind, body.clone())?)?.encode();
    let mut replacement = replacement.clone();
    replacement.insert("body".to_owned(), hex::encode(bytes).into());
    let occurred_at = amended.event.statement().occurred_at.micros().to_string();
    replacement.entry("occurredAtUs").or_insert_with(|| json!(occurred_at));
    fields.insert("replacement".to_owned(), Value::Object(replacement));
    Ok(())
}
