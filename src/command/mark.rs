//! `tally mark`: a mark with its proved history, and what a mark authority states about it.

use std::{path::Path, process::ExitCode};

use serde_json::{Map, Value, json};
use tally_client::{Client, client::MarkAnswer, json};
use tally_core::{
    event::{EventKind, mark::is_mark_number},
    id::SubjectId,
};
use tally_proto::v1::{self, Evidence, MarkState};

use super::{
    connection::{block_on, connect, identity},
    input,
    lookup::{Names, absent, basis_text, is_not_found},
    record::record_one,
    text::{at, count, day_text, short_name, standing, usage},
};
use crate::{
    cli::mark::{Mark, Stating},
    output::{CommandError, Output},
};

/// Bytes of a certificate's file: more than an event can hold.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Runs `tally mark …`.
pub fn run(args: Mark, output: &Output) -> anyhow::Result<ExitCode> {
    let text = |value: &str| Value::from(value);
    let list = |values: &[String]| Value::from(values.to_vec());
    match args {
        Mark::Show(args) => {
            let at = at(&args.clocks)?;
            block_on(async {
                let client = connect(&args.connection, identity(&args.asking)?).await?;
                show(&client, &args.number, at, output).await
            })
        }
        Mark::Issue(args) => {
            if !is_mark_number(&args.number) {
                let told = usage(format!("{} is no number that a mark can have", args.number));
                return Err(told.help("it is M or K, two letters, two digits of the year, four of the serial").into());
            }
            let mut body = body(&args.stating);
            body.insert("number".to_owned(), text(&args.number));
            body.insert("kind".to_owned(), text(&args.kind));
            body.insert("certificate".to_owned(), certificate(&args.file)?);
            body.insert("issuedOn".to_owned(), text(&args.issued_on));
            body.insert("validFrom".to_owned(), text(&args.from));
            put(&mut body, "validUntil", args.until.as_deref());
            body.insert("serials".to_owned(), list(&args.serials));
            body.insert("trialMines".to_owned(), list(&args.trial_mines));
            state(EventKind::MarkIssued, &args.number, body, &args.stating, output)
        }
        Mark::Change(args) => {
            let mut body = body(&args.stating);
            body.insert("certificate".to_owned(), certificate(&args.file)?);
            body.insert("producedFrom".to_owned(), text(&args.produced_from));
            body.insert("what".to_owned(), text(&args.what));
            body.insert("serialsAdded".to_owned(), list(&args.serials_added));
            state(EventKind::MarkChanged, &args.number, body, &args.stating, output)
        }
        Mark::Renew(args) => {
            let mut body = body(&args.stating);
            body.insert("validFrom".to_owned(), text(&args.from));
            body.insert("validUntil".to_owned(), text(&args.until));
            body.insert("issuedOn".to_owned(), text(&args.issued_on));
            state(EventKind::MarkRenewed, &args.number, body, &args.stating, output)
        }
        Mark::Suspend(args) => {
            let mut body = body(&args.stating);
            body.insert("from".to_owned(), text(&args.from));
            body.insert("stops".to_owned(), list(&args.stops));
            body.insert("reason".to_owned(), text(&args.reason));
            state(EventKind::MarkSuspended, &args.number, body, &args.stating, output)
        }
        Mark::Resume(args) => {
            let mut body = body(&args.stating);
            body.insert("from".to_owned(), text(&args.from));
            body.insert("remedied".to_owned(), text(&args.remedied));
            state(EventKind::MarkResumed, &args.number, body, &args.stating, output)
        }
        Mark::Revoke(args) => {
            let mut body = body(&args.stating);
            body.insert("from".to_owned(), text(&args.from));
            body.insert("reason".to_owned(), text(&args.reason));
            put(&mut body, "producedFrom", args.produced_from.as_deref());
            put(&mut body, "producedUntil", args.produced_until.as_deref());
            body.insert("serials".to_owned(), list(&args.serials));
            body.insert("stopsUse".to_owned(), args.stops_use.into());
            state(EventKind::MarkRevoked, &args.number, body, &args.stating, output)
        }
        Mark::Cancel(args) => {
            let mut body = body(&args.stating);
            body.insert("from".to_owned(), text(&args.from));
            body.insert("reason".to_owned(), text(&args.reason));
            state(EventKind::MarkCancelled, &args.number, body, &args.stating, output)
        }
    }
}

fn body(stating: &Stating) -> Map<String, Value> {
    let document_no = ("documentNo".to_owned(), Value::from(stating.document_no.as_str()));
    [document_no].into_iter().collect()
}

fn put(body: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

fn state(
    kind: EventKind,
    number: &str,
    body: Map<String, Value>,
    stating: &Stating,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    record_one(kind, &mark_text(number), body, &stating.connection, &stating.signing, output)
}

/// A mark as other commands name it.
fn mark_text(number: &str) -> String {
    if number.starts_with("mark/") { number.to_owned() } else { format!("mark/{number}") }
}

/// A certificate from its file: the certificate itself, or an event or body that holds one.
fn certificate(path: &Path) -> anyhow::Result<Value> {
    let text = input::text(path, FILE_BYTES_MAX)?;
    let json: Value = serde_json::from_str(&text).map_err(|error| usage(format!("{}: {error}", path.display())))?;
    let held = json.pointer("/body/certificate").or_else(|| json.get("certificate"));
    Ok(held.cloned().unwrap_or(json))
}

async fn show(client: &Client, number: &str, at: v1::At, output: &Output) -> anyhow::Result<ExitCode> {
    let number = number.strip_prefix("mark/").unwrap_or(number);
    let answer = match client.mark(number, at).await {
        Ok(answer) => answer,
        Err(error) if is_not_found(&error) => {
            let subject = SubjectId::mark(number).map_err(|error| usage(format!("{number}: {error}")))?;
            let head = client.head(subject).await.map_err(CommandError::from)?;
            return Err(absent(&format!("mark {number}"), &[head]).into());
        }
        Err(error) => return Err(CommandError::from(error).into()),
    };
    if output.is_json() {
        let head = &answer.history.head;
        output.json(&json!({
            "basis": json::to_json("tally.v1.Basis", &answer.basis)?,
            "mark": json::to_json("tally.v1.Mark", &answer.mark)?,
            "history": {
                "completeness": answer.history.completeness.to_string(),
                "positions": answer.history.touches.iter().map(|touch| touch.position.to_string()).collect::<Vec<_>>(),
                "checkpoint": head.checkpoint.note(),
            },
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(client, &answer, output).await;
    Ok(ExitCode::SUCCESS)
}

async fn say(client: &Client, answer: &MarkAnswer, output: &Output) {
    let mark = &answer.mark;
    let mut names = Names::new(client);
    let mut facts = vec![
        ("mark 安全标志编号", mark.number.clone()),
        ("kind 安标类型", kind_text(mark)),
        ("state 状态", state_text(mark.state())),
        ("authority 发证机构", names.organisation(&mark.authority).await),
        ("issued 发证日期", day_text(mark.issued_on.as_ref())),
    ];
    if !mark.trial_mines.is_empty() {
        let mut mines = Vec::new();
        for mine in &mark.trial_mines {
            mines.push(names.mine(mine).await);
        }
        facts.push(("trial mines 试验煤矿", mines.join(", ")));
    }
    output.facts(facts);
    let position = |evidence: &Option<Evidence>| evidence.map(|found| found.position.to_string()).unwrap_or_default();
    let versions = mark.versions.iter().map(|version| {
        let certificate = version.certificate.clone().unwrap_or_default();
        vec![
            version.produced_from.as_ref().map_or_else(|| "first 首版".to_owned(), |day| day_text(Some(day))),
            certificate.product_name,
            certificate.models.join(", "),
            certificate.producers.iter().map(|producer| producer.name.as_str()).collect::<Vec<_>>().join(", "),
            count(certificate.parts.len(), "part"),
            position(&version.evidence),
        ]
    });
    let header = [
        "made from 制造日期起",
        "product 产品",
        "models 型号",
        "producers 生产单位",
        "controlled 受控部件",
        "position",
    ];
    output.table(&header, versions.collect());
    let periods = mark.periods.iter().map(|period| {
        vec![day_text(period.from.as_ref()), day_text(period.until.as_ref()), position(&period.evidence)]
    });
    output.table(&["valid from 有效期起", "until 止", "position"], periods.collect());
    let changes = mark.changes.iter().map(|change| {
        vec![
            day_text(change.from.as_ref()),
            state_text(change.state()),
            change
                .stops()
                .map(|activity| short_name(activity.as_str_name(), "MARK_ACTIVITY"))
                .collect::<Vec<_>>()
                .join(", "),
            change.reason.clone(),
            change.document_no.clone(),
            position(&change.evidence),
        ]
    });
    output.table(&["from 起", "state 状态", "stops 停止", "why 原因", "document 文号", "position"], changes.collect());
    let serials: usize = mark.serials.iter().map(|batch| batch.serials.len()).sum();
    if serials > 0 {
        output.say(format!("{} of its batch 批次编号", count(serials, "serial")));
    }
    output.say(format!("the server's reading of its events, {}", basis_text(&answer.basis)));
    let head = &answer.history.head;
    output.say(format!(
        "proved: its history, {}, under checkpoint {} ({}); `tally history {}` shows each",
        answer.history.completeness,
        head.checkpoint.size(),
        standing(&head.checkpoint),
        mark_text(&mark.number)
    ));
}

fn kind_text(mark: &v1::Mark) -> String {
    let zh = match mark.kind() {
        v1::MarkKind::Type => "有效期",
        v1::MarkKind::Batch => "批次",
        v1::MarkKind::Trial => "工业性试验",
        v1::MarkKind::Unspecified => "",
    };
    format!("{} {zh}", short_name(mark.kind().as_str_name(), "MARK_KIND"))
}

fn state_text(state: MarkState) -> String {
    let zh = match state {
        MarkState::Valid => "有效",
        MarkState::Suspended => "暂停",
        MarkState::Cancelled => "注销",
        MarkState::Revoked => "撤销",
        MarkState::Expired => "过期",
        MarkState::NotYet => "未生效",
        MarkState::Unspecified => "未知",
    };
    format!("{} {zh}", short_name(state.as_str_name(), "MARK_STATE"))
}
