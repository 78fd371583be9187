//! `tally history`: every entry that touched a subject, proved to be all of them.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::{
    Client, json,
    verify::{Completeness, TouchContent, VerifiedHistory, VerifiedTouch},
};
use tally_core::{id::SubjectKind, signed_event::VerifiedEvent, time::Timestamp};
use tally_log::TreeSize;
use tally_proto::v1;

use super::super::{
    connection::{block_on, connect, identity},
    lookup::{Names, absent, subject},
    text::{at, count, kind_name, role_text, standing},
};
use crate::{
    cli::History,
    output::{CommandError, Output, exit, note},
};

/// An event that is recorded later than this after it happened is marked.
const LATE_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What of a history is shown.
struct Cut {
    as_of: Option<Timestamp>,
    known_at: Option<Timestamp>,
    known_size: Option<TreeSize>,
}

impl Cut {
    fn new(at: v1::At) -> Self {
        let known_at = i64::try_from(at.known_at_us).unwrap_or(i64::MAX);
        Self {
            as_of: (at.as_of_us != 0).then(|| Timestamp::from_micros(at.as_of_us)),
            known_at: (known_at != 0).then(|| Timestamp::from_micros(known_at)),
            known_size: TreeSize::new(at.known_size).filter(|size| size.get() != 0),
        }
    }

    fn shows(&self, touch: &VerifiedTouch) -> bool {
        let known_size = self.known_size.is_none_or(|size| size.holds(touch.position));
        let TouchContent::Event { recorded_at, event } = &touch.content else { return known_size };
        known_size
            && self.known_at.is_none_or(|known_at| *recorded_at <= known_at)
            && self.as_of.is_none_or(|as_of| event.statement().occurred_at <= as_of)
    }

    /// What is not shown, in words.
    fn words(&self) -> String {
        let as_of = self.as_of.map(|as_of| format!("what had happened by {as_of}"));
        let known_at = self.known_at.map(|known_at| format!("what was recorded by {known_at}"));
        let known_size = self.known_size.map(|size| format!("what stands among the first {size} entries"));
        as_of.into_iter().chain(known_at).chain(known_size).collect::<Vec<_>>().join(" and ")
    }
}

/// Shows a history.
pub fn run(args: &History, output: &Output) -> anyhow::Result<ExitCode> {
    let cut = Cut::new(at(&args.clocks)?);
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let subject = subject(&client, &args.subject, SubjectKind::Equipment).await?;
        let history = client.history(subject).await.map_err(CommandError::from)?;
        if history.completeness == Completeness::Absent {
            return Err(absent(&subject.to_string(), &[history.head]).into());
        }
        let shown: Vec<&VerifiedTouch> = history.touches.iter().filter(|touch| cut.shows(touch)).collect();
        if output.is_json() {
            print_json(&history, &shown, output)?;
        } else {
            print_lines(&client, &history, &shown, &cut, output).await;
        }
        Ok(ExitCode::from(exit::YES))
    })
}

async fn print_lines(client: &Client, history: &VerifiedHistory, shown: &[&VerifiedTouch], cut: &Cut, output: &Output) {
    let subject = history.head.subject;
    output.say(format!("history of {subject} 履历"));
    let mut names = Names::new(client);
    let mut rows = Vec::new();
    for touch in shown {
        rows.push(match &touch.content {
            TouchContent::Event { recorded_at, event } => {
                let statement = event.statement();
                let on_chain = statement.subject == subject;
                let role = i32::try_from(statement.role).unwrap_or_default();
                vec![
                    touch.position.to_string(),
                    if on_chain { event.chain_index().to_string() } else { "mentions".to_owned() },
                    kind_name(statement.body_number),
                    statement.occurred_at.to_string(),
                    recorded_at.to_string(),
                    lateness(*recorded_at, event).map(|late| format!("LATE 迟报 {late}")).unwrap_or_default(),
                    format!("{} as {}", names.organisation(statement.organisation.as_bytes()).await, role_text(role)),
                    if on_chain { String::new() } else { statement.subject.to_string() },
                ]
            }
            TouchContent::Withheld(leaf) => {
                vec![touch.position.to_string(), String::new(), format!("withheld, leaf {leaf}")]
            }
        });
    }
    let header =
        ["position", "place", "kind", "occurred_at 发生时间", "recorded_at 记载时间", "", "who", "on the chain of"];
    let header = if history.touches.len() as u64 > history.head.head.chain_length { &header[..] } else { &header[..7] };
    output.table(header, rows);
    if shown.len() < history.touches.len() {
        let (shown, all) = (shown.len(), history.touches.len());
        output.say(format!("shown are {shown} of {}: {}", count(all, "entry"), cut.words()));
    }
    output.say(conclusion(history));
    note("names are the server's word; what was signed are ids, as --output json shows them");
}

/// How much later than a day an event was recorded, in days and hours.
fn lateness(recorded_at: Timestamp, event: &VerifiedEvent) -> Option<String> {
    let late = recorded_at.micros().saturating_sub(event.statement().occurred_at.micros());
    let hours = late / 3_600_000_000;
    (late > LATE_MICROS).then(|| format!("{} d {} h", hours / 24, hours % 24))
}

/// What was proved, under which checkpoint, by whose word, as of when: FORMAT, section 3.
fn conclusion(history: &VerifiedHistory) -> String {
    let (head, all) = (&history.head, history.touches.len());
    let on_chain = head.head.chain_length;
    let under =
        format!("under checkpoint {} of {} ({})", head.checkpoint.size(), head.recorded_at, standing(&head.checkpoint));
    match history.completeness {
        Completeness::Complete => {
            let mentions = u64::try_from(all).unwrap_or(u64::MAX).saturating_sub(on_chain);
            format!(
                "complete 完整: {}, {on_chain} on its chain and {mentions} by mention, nothing left out {under}",
                count(all, "entry")
            )
        }
        Completeness::Withheld { .. }
        | Completeness::NeverOpened { .. }
        | Completeness::Absent
        | Completeness::Suffix { .. } => format!("{}: {} {under}", history.completeness, count(all, "entry")),
    }
}

fn print_json(history: &VerifiedHistory, shown: &[&VerifiedTouch], output: &Output) -> anyhow::Result<()> {
    let entries = shown.iter().map(|touch| {
        Ok(match &touch.content {
            TouchContent::Event { recorded_at, event } => {
                let mut entry = json::entry_to_json(touch.position, *recorded_at, event)?;
                if let (Some(entry), Some(late)) = (entry.as_object_mut(), lateness(*recorded_at, event)) {
                    entry.insert("late".to_owned(), late.into());
                }
                entry
            }
            TouchContent::Withheld(leaf) => {
                json!({ "position": touch.position.to_string(), "leafHash": leaf.to_string() })
            }
        })
    });
    let entries: Vec<Value> = entries.collect::<anyhow::Result<_>>()?;
    let proved = json!({
        "head": super::proof::head_to_json(&history.head),
        "completeness": history.completeness.to_string(),
        "complete": history.completeness.is_complete(),
        "touches": history.touches.len().to_string(),
        "shown": shown.len().to_string(),
        "cosignatures": history.head.checkpoint.other_signature_lines(),
    });
    if output.is_lines() {
        entries.iter().try_for_each(|entry| output.json(entry))?;
        return output.json(&proved);
    }
    output.json(&json!({ "subject": history.head.subject.to_string(), "entries": entries, "proved": proved }))
}
