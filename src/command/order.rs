//! `tally order` and `tally recall`: orders about machines that are named or found, and what became of them.

mod machines;
mod show;

use std::process::ExitCode;

use tally_client::{
    Client,
    client::Identity,
    draft::Draft,
    verify::{VerifiedOrder, order_in},
};
use tally_core::id::{SubjectId, SubjectKind};
use tally_proto::v1::{self, statement::Body};

use super::{
    connection::{block_on, connect, signing_identity},
    lookup::{self, absent},
    sign::{Member, Signer},
    text::{choice, count, day, subject, usage, uuid},
};
use crate::{
    cli::{
        Connection, Signing,
        order::{
            Extend, Interim, Lift, OfOrder, Order, Ordering, Recall, RecallIssue, RecallRemedy, Receive, Seal, StopUse,
            Unseal,
        },
    },
    output::{CommandError, Output, exit},
};
use machines::{Chosen, Part, chosen, found, parts};

/// Members of an atomic set.
const SET_MAX: usize = 64;

/// Runs `tally order …`.
pub fn order(args: Order, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Order::StopUse(args) => stop_use(&args, output),
        Order::Seal(args) => seal(&args, output),
        Order::Lift(args) => lift(&args, output),
        Order::Unseal(args) => unseal(&args, output),
        Order::Extend(args) => extend(&args, output),
        Order::Receive(args) => receive(&args, output),
        Order::Show(args) => show::run(&args, output),
    }
}

/// Runs `tally recall …`.
pub fn recall(args: Recall, output: &Output) -> anyhow::Result<ExitCode> {
    match args {
        Recall::Issue(args) => recall_issue(&args, output),
        Recall::Remedy(args) => remedy(&args, output),
        Recall::Show(args) => show::run(&args, output),
    }
}

/// A connection and who signs over it.
async fn desk(connection: &Connection, signing: &Signing) -> anyhow::Result<(Client, Signer)> {
    let identity: Option<Identity> = signing_identity(signing)?;
    let client = connect(connection, identity).await?;
    let signer = Signer::new(signing, connection, client.trust().origin.as_str())?;
    Ok((client, signer))
}

fn stop_use(args: &StopUse, output: &Output) -> anyhow::Result<ExitCode> {
    let until = args.until.as_deref().map(day).transpose()?;
    let condition = args.condition.clone().unwrap_or_default();
    block_on(async {
        let (client, signer) = desk(&args.connection, &args.signing).await?;
        let chosen = chosen(&client, &args.machines).await?;
        let body = |order| Body::StopUseOrdered(v1::StopUseOrdered { order, until, condition });
        give(&client, &signer, chosen, &args.ordering, body, output).await
    })
}

fn seal(args: &Seal, output: &Output) -> anyhow::Result<ExitCode> {
    let place = Some(v1::Place { text: args.place.clone(), ..v1::Place::default() });
    block_on(async {
        let (client, signer) = desk(&args.connection, &args.signing).await?;
        let chosen = chosen(&client, &args.machines).await?;
        let body = |order| Body::SealedUp(v1::SealedUp { order, seal_no: args.seal_no.clone(), place });
        give(&client, &signer, chosen, &args.ordering, body, output).await
    })
}

fn recall_issue(args: &RecallIssue, output: &Output) -> anyhow::Result<ExitCode> {
    let due_by = Some(day(&args.due_by)?);
    let model = args.model.as_deref().map(|model| subject(model, SubjectKind::Model)).transpose()?;
    let interim = match args.interim {
        Interim::Stop => v1::InterimMeasure::Stop,
        Interim::Restrict => v1::InterimMeasure::Restrict,
        Interim::Inspect => v1::InterimMeasure::Inspect,
    };
    block_on(async {
        let (client, signer) = desk(&args.connection, &args.signing).await?;
        let chosen = chosen(&client, &args.machines).await?;
        let body = |order| {
            Body::RecallIssued(v1::RecallIssued {
                order,
                model: model.map(|model| model.id().to_vec()).unwrap_or_default(),
                hazard: args.hazard.clone(),
                interim: interim.into(),
                remedy: args.remedy.clone(),
                due_by,
            })
        };
        give(&client, &signer, chosen, &args.ordering, body, output).await
    })
}

/// Opens an order with the first machines, and extends it by the others in order: one atomic set where they fit in one.
async fn give(
    client: &Client,
    signer: &Signer,
    chosen: Chosen,
    ordering: &Ordering,
    body: impl FnOnce(Option<v1::Order>) -> Body,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let named = mines_of(&ordering.mines)?;
    let parts = parts(&chosen.machines, &named);
    let mut rest = parts.iter();
    let first = rest.next().ok_or_else(|| usage("no machine is named: an order is about one at least"))?;
    let order = v1::Order {
        order_no: ordering.order_no.clone(),
        authority: ordering.authority.clone(),
        legal_basis: ordering.legal_basis.clone(),
        machines: first.machines(),
        mines: first.mines(),
        list_hash: chosen.list_hash(),
        query: chosen.query.clone().unwrap_or_default(),
    };
    let opening = signer.state_opening(None, signer.occurred_at(), body(Some(order)).into())?;
    let subject = opening.subject();
    let mut drafts = vec![opening];
    for part in rest {
        drafts.push(extension(signer, subject, part)?);
    }
    if let Some(query) = &chosen.query {
        output.say(format!("found by 查询: {query}"));
    }
    let mines: usize = parts.iter().map(|part| part.mines.len()).sum();
    output.say(format!(
        "{}, {} to acknowledge it, in {}",
        count(chosen.machines.len(), "machine"),
        count(mines, "mine"),
        count(drafts.len(), "event")
    ));
    send(client, signer, drafts, output).await
}

fn extension(signer: &Signer, order: SubjectId, part: &Part) -> Result<Draft, CommandError> {
    let body = v1::OrderExtended { machines: part.machines(), mines: part.mines() };
    signer.state(order, signer.occurred_at(), Body::OrderExtended(body).into())
}

/// Records events of one order in their order, as many in one atomic set as fit.
async fn send(client: &Client, signer: &Signer, drafts: Vec<Draft>, output: &Output) -> anyhow::Result<ExitCode> {
    let mut drafts = drafts.into_iter().map(Member::from).peekable();
    while drafts.peek().is_some() {
        let set: Vec<Member> = drafts.by_ref().take(SET_MAX).collect();
        signer.send(client, set, output).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lift(args: &Lift, output: &Output) -> anyhow::Result<ExitCode> {
    let body = |machines| {
        let (checked_by, result) = (args.checked_by.clone(), args.result.clone());
        Body::StopUseLifted(v1::StopUseLifted { machines, checked_by, result, document: None })
    };
    end(&args.of, &args.connection, &args.signing, body, output)
}

fn unseal(args: &Unseal, output: &Output) -> anyhow::Result<ExitCode> {
    let body = |machines| Body::Unsealed(v1::Unsealed { machines, decision: args.decision.clone(), document: None });
    end(&args.of, &args.connection, &args.signing, body, output)
}

/// Ends an order for machines of it; for all for which it stands, as its proved history says.
fn end(
    of: &OfOrder,
    connection: &Connection,
    signing: &Signing,
    body: impl Fn(Vec<Vec<u8>>) -> Body,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let subject = order_id(&of.order)?;
    block_on(async {
        let (client, signer) = desk(connection, signing).await?;
        let ids: Vec<SubjectId> = if of.all {
            let order = read(&client, subject).await?;
            if order.unread > 0 {
                let told = format!("{} of {subject} cannot be read here", count(order.unread, "entry"));
                return Err(CommandError::new(exit::NO, told).help("name the machines instead of --all").into());
            }
            order.standing().collect()
        } else {
            found(&client, &of.machines, false).await?.into_iter().map(|machine| machine.id).collect()
        };
        if ids.is_empty() {
            return Err(CommandError::new(exit::NO, format!("{subject} stands for no machine any more")).into());
        }
        let mut drafts = Vec::new();
        for some in ids.chunks(tally_core::event::supervision::ORDER_MACHINES_MAX) {
            let machines = some.iter().map(|id| id.id().to_vec()).collect();
            drafts.push(signer.state(subject, signer.occurred_at(), body(machines).into())?);
        }
        send(&client, &signer, drafts, output).await
    })
}

fn extend(args: &Extend, output: &Output) -> anyhow::Result<ExitCode> {
    let subject = order_id(&args.order)?;
    let named = mines_of(&args.mines)?;
    block_on(async {
        let (client, signer) = desk(&args.connection, &args.signing).await?;
        let texts = machines::listed(&args.machines, args.list.as_deref())?;
        let machines = found(&client, &texts, named.is_empty()).await?;
        let drafts = parts(&machines, &named)
            .iter()
            .map(|part| extension(&signer, subject, part))
            .collect::<Result<Vec<_>, _>>()?;
        if drafts.is_empty() {
            return Err(usage("nothing is added: name a machine or a --mine").into());
        }
        send(&client, &signer, drafts, output).await
    })
}

fn receive(args: &Receive, output: &Output) -> anyhow::Result<ExitCode> {
    let subject = order_id(&args.order)?;
    let mine = mine_of(&args.mine)?.id().to_vec();
    let body = v1::OrderReceived { mine, refused: args.refused, note: args.note.clone().unwrap_or_default() };
    block_on(async {
        let (client, signer) = desk(&args.connection, &args.signing).await?;
        signer.record(&client, subject, Body::OrderReceived(body), output).await
    })
}

fn remedy(args: &RecallRemedy, output: &Output) -> anyhow::Result<ExitCode> {
    let recall = order_id(&args.recall)?.id().to_vec();
    let result = choice(&args.result, "CHECK_RESULT", v1::CheckResult::from_str_name, "outcome")
        .map_err(|error| error.help("outcomes are pass, fail, conditional"))?;
    let body = v1::RecallRemedied { recall, work: args.work.clone(), result: result.into(), parts_in: Vec::new() };
    block_on(async {
        let (client, signer) = desk(&args.connection, &args.signing).await?;
        let machine = lookup::subject(&client, &args.machine, SubjectKind::Equipment).await?;
        signer.record(&client, machine, Body::RecallRemedied(body), output).await
    })
}

/// An order by its proved history.
async fn read(client: &Client, subject: SubjectId) -> anyhow::Result<VerifiedOrder> {
    let history = client.history(subject).await.map_err(CommandError::from)?;
    let order = order_in(&history).map_err(tally_client::ClientError::from).map_err(CommandError::from)?;
    if let Some(order) = order {
        return Ok(order);
    }
    if history.head.is_opened() {
        let told = format!("{subject} is on record, and what opened it is not for your eyes");
        return Err(CommandError::new(exit::NO, told)
            .help("say who asks: --organisation UUID --role ROLE --key FILE")
            .into());
    }
    Err(absent(&subject.to_string(), std::slice::from_ref(&history.head)).into())
}

fn order_id(text: &str) -> Result<SubjectId, CommandError> {
    let found = subject(text, SubjectKind::Order)?;
    if found.kind() == SubjectKind::Order {
        return Ok(found);
    }
    Err(usage(format!("{found} is no order")).help("write order/UUID, as `tally order` printed it"))
}

fn mine_of(text: &str) -> Result<SubjectId, CommandError> {
    let found = subject(text, SubjectKind::Mine)?;
    if found.kind() == SubjectKind::Mine { Ok(found) } else { Err(usage(format!("{found} is no mine"))) }
}

fn mines_of(texts: &[String]) -> Result<Vec<SubjectId>, CommandError> {
    let mut mines: Vec<SubjectId> = texts.iter().map(|text| mine_of(text)).collect::<Result<_, _>>()?;
    mines.sort_unstable();
    mines.dedup();
    Ok(mines)
}

/// A mine as a flag has it.
fn mine_flag(mine: SubjectId) -> String {
    uuid(mine.id())
}
