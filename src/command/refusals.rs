//! `tally refusals`: what was refused, by the server's word.

use std::process::ExitCode;

use serde_json::Value;
use tally_client::json;
use tally_core::{
    event::EventKind,
    id::{SubjectId, SubjectKind},
    signed_event::Event,
};
use tally_proto::v1;

use super::{
    connection::{block_on, connect, identity},
    lookup::Names,
    text::{count, instant, organisation, subject, time, usage},
};
use crate::{
    cli::refusals::Refusals,
    output::{CommandError, Output, note},
};

/// Lists what was refused.
pub fn run(args: &Refusals, output: &Output) -> anyhow::Result<ExitCode> {
    let request = v1::ListRefusalsRequest {
        filter: Some(filter(args)?),
        page_size: args.page_size,
        page_token: args.page_token.clone().unwrap_or_default(),
    };
    block_on(async {
        let Some(asks) = identity(&args.asking)? else {
            let told = usage("--key is not given: what was refused is not for everybody");
            return Err(told
                .help("give --organisation, --role and --key, or set TALLY_ORGANISATION and its like")
                .into());
        };
        let client = connect(&args.connection, Some(asks)).await?;
        let answer = client.list_refusals(request).await.map_err(CommandError::from)?;
        if output.is_json() {
            print_json(&answer, output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut names = Names::new(&client);
        let mut rows = Vec::new();
        for refused in &answer.refusals {
            rows.push(vec![
                refused.number.to_string(),
                time(refused.refused_at_us),
                names.organisation(&refused.organisation).await,
                kind_text(&refused.kind),
                SubjectId::parse(&refused.subject).map(|subject| subject.to_string()).unwrap_or_default(),
                refused.reason.clone(),
                refused.message.clone(),
            ]);
        }
        output.table(&["no.", "when 时间", "who 单位", "kind 事件", "subject 主体", "reason 原因", "in words"], rows);
        let mut rows = Vec::new();
        for counted in &answer.organisations {
            let who = names.organisation(&counted.organisation).await;
            let v1::OrganisationRefusals { kept, pushed_out, .. } = counted;
            for v1::ReasonCount { reason, count } in &counted.reasons {
                rows.push(vec![
                    who.clone(),
                    reason.clone(),
                    count.to_string(),
                    format!("{kept} kept, {pushed_out} made room"),
                ]);
            }
        }
        output.table(&["who 单位", "reason 原因", "times", "of all"], rows);
        if let Some(unproven) = &answer.unproven {
            say_unproven(unproven, output);
        }
        output.say(format!("{}. {}", count(answer.refusals.len(), "refusal"), answer.standing));
        if answer.dropped > 0 {
            output.say(format!("{} more came faster than they could be kept", answer.dropped));
        }
        if !answer.next_page_token.is_empty() {
            note(format!("there are older ones: the same flags with --page-token {}", answer.next_page_token));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn say_unproven(unproven: &v1::UnprovenRefusals, output: &Output) {
    let reasons = unproven.reasons.iter().map(|one| vec![one.reason.clone(), one.count.to_string()]);
    output.table(&["signed by nobody known 签名无法证明", "times"], reasons.collect());
    let address = |address: &str| if address.is_empty() { "all others".to_owned() } else { address.to_owned() };
    let peers = unproven.peers.iter().map(|one| vec![address(&one.address), one.count.to_string()]);
    output.table(&["from address 来源", "times"], peers.collect());
}

fn kind_text(name: &str) -> String {
    match name.parse::<EventKind>() {
        Ok(kind) => format!("{} {}", kind.name(), kind.zh()),
        Err(_) => name.to_owned(),
    }
}

/// The answer as JSON, with each payload spelled out beside its bytes where it is an event.
fn print_json(answer: &v1::ListRefusalsResponse, output: &Output) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for refused in &answer.refusals {
        let mut row = json::to_json("tally.v1.RefusedEvent", refused)?;
        if let (Some(members), Ok(event)) = (row.as_object_mut(), Event::parse(&refused.payload)) {
            members.insert("event".to_owned(), json::event_to_json(&event)?);
        }
        rows.push(row);
    }
    if output.is_lines() {
        rows.iter().try_for_each(|row| output.json(row))?;
        note(&answer.standing);
        return Ok(());
    }
    let mut whole = json::to_json("tally.v1.ListRefusalsResponse", answer)?;
    if let Some(members) = whole.as_object_mut() {
        members.insert("refusals".to_owned(), Value::Array(rows));
    }
    output.json(&whole)
}

fn filter(args: &Refusals) -> anyhow::Result<v1::RefusalFilter> {
    let at = |text: &Option<String>| text.as_deref().map_or(Ok(0), |text| instant(text).map(|at| at.micros()));
    let tried_by = args.tried_by.as_deref().map(organisation).transpose()?;
    let about = args.about.as_deref().map(|about| subject(about, SubjectKind::Equipment)).transpose()?;
    Ok(v1::RefusalFilter {
        organisation: tried_by.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        reasons: args.reasons.clone(),
        kinds: args.kinds.clone(),
        subject: about.map(|about| about.key().to_vec()).unwrap_or_default(),
        from_us: at(&args.since)?,
        until_us: at(&args.before)?,
    })
}
