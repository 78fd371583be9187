//! `tally audit` and `tally overview`.

mod export;
mod overview;

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::json;
use tally_core::id::SubjectKind;
use tally_proto::v1;

pub use overview::run as overview;

use super::{
    connection::{block_on, connect, identity},
    lookup::{Names, basis_text},
    text::{at, choice, count, kind_name, organisation, short_name, subject, time, usage, uuid},
};
use crate::{
    cli::audit::{Audit, Orders},
    output::{CommandError, Output, exit, note},
};

/// Runs `tally audit …`.
pub fn run(args: Audit, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Audit::Export(args) => export::run(&args, output),
        Audit::Verify { file, log_key } => export::verify(&file, &log_key, output),
        Audit::Orders(args) => orders(&args, output),
        Audit::Since { order, against, clocks, connection, asking } => {
            let order = of_kind(&order, SubjectKind::Order)?;
            let at = at(&clocks)?;
            block_on(async {
                let client = connect(&connection, identity(&asking)?).await?;
                let found = client.since_order(order, at, against).await.map_err(CommandError::from)?;
                print_since(&found.basis, &found.value, &mut Names::new(&client), output).await
            })
        }
    }
}

/// A subject that must be of a kind.
pub(super) fn of_kind(text: &str, kind: SubjectKind) -> Result<tally_core::id::SubjectId, CommandError> {
    let found = subject(text, kind)?;
    if found.kind() == kind { Ok(found) } else { Err(usage(format!("{text} is no {}", kind.name()))) }
}

fn orders(args: &Orders, output: &Output) -> anyhow::Result<ExitCode> {
    let id = |text: &Option<String>, kind| -> Result<Vec<u8>, CommandError> {
        Ok(text.as_deref().map(|text| of_kind(text, kind)).transpose()?.map(|id| id.id().to_vec()).unwrap_or_default())
    };
    let given_by = args.given_by.as_deref().map(organisation).transpose()?;
    let kinds = args.kinds.iter().map(|kind| {
        let found = choice(kind, "ORDER_KIND", v1::OrderKind::from_str_name, "kind of order");
        found.map(|kind| kind as i32).map_err(|error| error.help("kinds are stop_use, seal, recall"))
    });
    let filter = v1::OrderFilter {
        mine: id(&args.mine, SubjectKind::Mine)?,
        machine: id(&args.machine, SubjectKind::Equipment)?,
        given_by: given_by.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        kinds: kinds.collect::<Result<_, _>>()?,
        open: args.open,
    };
    let mut request = v1::ListOrdersRequest {
        filter: Some(filter),
        at: Some(at(&args.clocks)?),
        page_size: if args.all { 500 } else { args.page_size },
        page_token: args.page_token.clone().unwrap_or_default(),
    };
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let mut found = client.list_orders(request.clone()).await.map_err(CommandError::from)?;
        while args.all && !found.next_page_token.is_empty() {
            request.page_token = std::mem::take(&mut found.next_page_token);
            let next = client.list_orders(request.clone()).await.map_err(CommandError::from)?;
            found.members.extend(next.members);
            found.next_page_token = next.next_page_token;
        }
        print_orders(&found, &mut Names::new(&client), output).await
    })
}

async fn print_orders(
    found: &tally_client::client::Listed<v1::GivenOrder>,
    names: &mut Names<'_>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        let rows = found.members.iter().map(|order| json::to_json("tally.v1.GivenOrder", order));
        let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
        if output.is_lines() {
            rows.iter().try_for_each(|row| output.json(row))?;
            if !found.next_page_token.is_empty() {
                note(format!("next page: --page-token {}", found.next_page_token));
            }
        } else {
            let basis = json::to_json("tally.v1.Basis", &found.basis)?;
            output.json(&json!({ "basis": basis, "orders": rows, "nextPageToken": found.next_page_token }))?;
        }
        return Ok(ExitCode::from(exit::YES));
    }
    let mut rows = Vec::new();
    for order in &found.members {
        let ended = order.machines.iter().filter(|machine| machine.ended.is_some()).count();
        let refused = order.mines.iter().filter(|mine| mine.refused.is_some() && mine.received.is_none()).count();
        rows.push(vec![
            order.order_no.clone(),
            short_name(order.kind().as_str_name(), "ORDER_KIND"),
            order.given.map(|given| time(given.occurred_at_us)).unwrap_or_default(),
            names.organisation(&order.given_by).await,
            format!("{} open, {ended} ended", order.open_machines),
            format!("{} missing, {refused} refused, of {}", order.open_receipts, order.mines.len()),
            uuid(&order.id),
        ]);
    }
    output.table(&["NUMBER", "KIND", "GIVEN", "BY", "MACHINES", "RECEIPTS", "ORDER"], rows);
    let number = count(found.members.len(), "order");
    output.say(format!("{number} by the server's word, {}", basis_text(&found.basis)));
    if !found.next_page_token.is_empty() {
        output.say(format!("next page: --page-token {}", found.next_page_token));
    }
    Ok(ExitCode::from(exit::YES))
}

async fn print_since(
    basis: &v1::Basis,
    events: &[v1::SinceOrder],
    names: &mut Names<'_>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        let rows = events.iter().map(|event| json::to_json("tally.v1.SinceOrder", event));
        output.json_list("events", rows.collect::<Result<_, _>>()?)?;
        return Ok(ExitCode::from(exit::YES));
    }
    let mut rows = Vec::new();
    for event in events {
        let evidence = event.evidence.unwrap_or_default();
        let marks = [(event.against, "AGAINST IT 违反指令"), (event.backfilled, "backfilled 补录")];
        let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, text)| *text).collect();
        rows.push(vec![
            time(evidence.occurred_at_us),
            time(evidence.recorded_at_us),
            evidence.position.to_string(),
            kind_name(event.kind),
            names.organisation(&event.organisation).await,
            uuid(&event.machine),
            marks.join(", "),
        ]);
    }
    output.table(&["OCCURRED", "RECORDED", "POSITION", "KIND", "SIGNER", "MACHINE", ""], rows);
    let against = events.iter().filter(|event| event.against).count();
    let number = count(events.len(), "event");
    output.say(format!("{number}, {against} against the order, by the server's word, {}", basis_text(basis)));
    Ok(ExitCode::from(exit::YES))
}
