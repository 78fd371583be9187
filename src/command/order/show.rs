//! `tally order show` and `tally recall show`: an order by its proved history.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::verify::VerifiedOrder;
use tally_core::event::UncheckedBody;
use tally_proto::v1::{InterimMeasure, statement::Body};

use super::{
    super::{
        connection::{block_on, connect, identity},
        lookup::Names,
        text::{count, day_text},
    },
    order_id, read,
};
use crate::{cli::order::ShowOrder, output::Output};

/// Shows an order.
pub(super) fn run(args: &ShowOrder, output: &Output) -> anyhow::Result<ExitCode> {
    let subject = order_id(&args.order)?;
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let order = read(&client, subject).await?;
        if output.is_json() {
            output.json(&to_json(&order)?)?;
        } else {
            say(&order, &mut Names::new(&client), output).await;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn to_json(order: &VerifiedOrder) -> anyhow::Result<Value> {
    let opened = UncheckedBody::from(order.opened.clone());
    let kind = opened.kind();
    let machines = order.machines.iter().map(|(id, machine)| {
        json!({
            "machine": id.to_string(),
            "named": machine.named.to_string(),
            "ended": machine.ended.map(|position| position.to_string()),
        })
    });
    let mines = order.mines.iter().map(|(id, receipt)| {
        json!({
            "mine": id.to_string(),
            "received": receipt.as_ref().map(|receipt| receipt.position.to_string()),
            "refused": receipt.as_ref().is_some_and(|receipt| receipt.refused),
        })
    });
    let order_fields = order.order();
    let text = |field: fn(&tally_proto::v1::Order) -> &String| order_fields.map(|order| field(order).clone());
    Ok(json!({
        "order": order.subject.to_string(),
        "kind": kind.field(),
        "position": order.position.to_string(),
        "occurredAt": order.occurred_at.to_string(),
        "orderNo": text(|order| &order.order_no),
        "authority": text(|order| &order.authority),
        "legalBasis": text(|order| &order.legal_basis),
        "query": text(|order| &order.query),
        "listHash": order_fields.map(|order| hex::encode(&order.list_hash)),
        "machines": machines.collect::<Vec<_>>(),
        "mines": mines.collect::<Vec<_>>(),
        "standing": order.standing().count(),
        "unread": order.unread,
    }))
}

async fn say(order: &VerifiedOrder, names: &mut Names<'_>, output: &Output) {
    let kind = UncheckedBody::from(order.opened.clone()).kind();
    let mut facts = vec![
        ("order 指令", order.subject.to_string()),
        ("kind", format!("{} {}", kind.name(), kind.zh())),
        ("given 时间", format!("{}, position {}", order.occurred_at, order.position)),
    ];
    if let Some(fields) = order.order() {
        facts.extend([
            ("number 文书编号", fields.order_no.clone()),
            ("authority 机关", fields.authority.clone()),
            ("legal basis 法律依据", fields.legal_basis.clone()),
        ]);
        if !fields.query.is_empty() {
            facts.push(("query 查询", fields.query.clone()));
            facts.push(("list hash", hex::encode(&fields.list_hash)));
        }
    }
    facts.extend(own(&order.opened));
    output.facts(facts);
    let machines = order.machines.iter().map(|(id, machine)| {
        let ended = match machine.ended {
            Some(position) => format!("ended 已解除, position {position}"),
            None => "stands 未解除".to_owned(),
        };
        vec![id.to_string(), machine.named.to_string(), ended]
    });
    output.table(&["machine 设备", "named at", ""], machines.collect());
    let mut mines = Vec::new();
    for (id, receipt) in &order.mines {
        let told = match receipt {
            Some(receipt) if receipt.refused => format!("refused to sign 拒签, position {}", receipt.position),
            Some(receipt) => format!("acknowledged 已签收 {}, position {}", receipt.occurred_at, receipt.position),
            None => "not acknowledged 未签收".to_owned(),
        };
        let note = receipt.as_ref().map(|receipt| receipt.note.clone()).unwrap_or_default();
        mines.push(vec![names.mine(id.id()).await, told, note]);
    }
    output.table(&["mine 煤矿", "receipt 签收", "note"], mines);
    let (standing, all) = (order.standing().count(), count(order.machines.len(), "machine"));
    output.say(format!("it stands for {standing} of {all}: proved by its whole history"));
    if order.unread > 0 {
        let unread = count(order.unread, "entry");
        output.say(format!("but for {unread} that cannot be read here: more may have become of it"));
    }
}

/// What only its kind has.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other body opens an order")]
fn own(opened: &Body) -> Vec<(&'static str, String)> {
    match opened {
        Body::StopUseOrdered(body) => {
            let mut facts = Vec::new();
            if body.until.is_some() {
                facts.push(("until 止", day_text(body.until.as_ref())));
            }
            if !body.condition.is_empty() {
                facts.push(("ends when 解除条件", body.condition.clone()));
            }
            facts
        }
        Body::SealedUp(body) => {
            let place = body.place.as_ref().map(|place| place.text.clone()).unwrap_or_default();
            vec![("seal 封条编号", body.seal_no.clone()), ("place 地点", place)]
        }
        Body::RecallIssued(body) => {
            let interim = match body.interim() {
                InterimMeasure::Stop => "stop 停用",
                InterimMeasure::Restrict => "restrict 限制使用",
                InterimMeasure::Inspect => "inspect 检查",
                InterimMeasure::Unspecified => "–",
            };
            vec![
                ("hazard 危害", body.hazard.clone()),
                ("until remedied 临时措施", interim.to_owned()),
                ("remedy 补救措施", body.remedy.clone()),
                ("due 完成期限", day_text(body.due_by.as_ref())),
            ]
        }
        _ => Vec::new(),
    }
}
