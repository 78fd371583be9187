//! `tally overview`.

use std::process::ExitCode;

use serde_json::json;
use tally_client::json;
use tally_core::id::SubjectKind;
use tally_proto::v1;

use super::{
    super::{
        connection::{block_on, connect, identity},
        lookup::basis_text,
        text::{at, state, uuid},
    },
    of_kind,
};
use crate::{
    cli::audit::Overview,
    output::{CommandError, Output, exit},
};

/// Shows the figures of a mine, or of an area and each of its mines.
pub fn run(args: &Overview, output: &Output) -> anyhow::Result<ExitCode> {
    let at = at(&args.clocks)?;
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let Some(mine) = &args.mine else {
            let area = args.area.as_deref().unwrap_or_default();
            let found = client.jurisdiction_overview(area, at).await.map_err(CommandError::from)?;
            return print_area(area, &found.basis, &found.value.0, &found.value.1, output);
        };
        let mine = of_kind(mine, SubjectKind::Mine)?;
        let found = client.mine_overview(mine, at).await.map_err(CommandError::from)?;
        if output.is_json() {
            let basis = json::to_json("tally.v1.Basis", &found.basis)?;
            let overview = json::to_json("tally.v1.MineFigures", &found.value)?;
            output.json(&json!({ "basis": basis, "overview": overview }))?;
        } else {
            output.say(format!("{} ({mine})", found.value.name));
            say(&found.value.figures.clone().unwrap_or_default(), output);
            output.say(format!("the server's word, {}", basis_text(&found.basis)));
        }
        Ok(ExitCode::from(exit::YES))
    })
}

fn print_area(
    area: &str,
    basis: &v1::Basis,
    figures: &v1::Figures,
    mines: &[v1::MineFigures],
    output: &Output,
) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        let each = mines.iter().map(|mine| json::to_json("tally.v1.MineFigures", mine));
        output.json(&json!({
            "basis": json::to_json("tally.v1.Basis", basis)?,
            "figures": json::to_json("tally.v1.Figures", figures)?,
            "mines": each.collect::<Result<Vec<_>, _>>()?,
        }))?;
        return Ok(ExitCode::from(exit::YES));
    }
    output.say(if area.is_empty() { "all mines that you may see".to_owned() } else { format!("area {area}") });
    say(figures, output);
    let rows = mines.iter().map(|mine| {
        let of = mine.figures.clone().unwrap_or_default();
        vec![
            mine.name.clone(),
            mine.area_code.clone(),
            of.machines.to_string(),
            share(of.fit),
            share(of.ex_fit),
            share(of.work_on_time),
            of.run_with_fault.to_string(),
            of.findings_legal_major.to_string(),
            of.findings_major.to_string(),
            of.findings_serious.to_string(),
            uuid(&mine.mine),
        ]
    });
    let header = [
        "MINE",
        "AREA",
        "MACHINES",
        "FIT 完好率",
        "EX FIT 防爆合格率",
        "ON TIME 检测及时率",
        "RUN WITH FAULT 带病",
        "LEGAL 重大隐患",
        "MAJOR 严重",
        "SERIOUS 较大",
        "ID",
    ];
    output.table(&header, rows.collect());
    output.say(format!("the server's word, {}", basis_text(basis)));
    Ok(ExitCode::from(exit::YES))
}

fn say(figures: &v1::Figures, output: &Output) {
    let states: Vec<String> =
        figures.states.iter().map(|count| format!("{} {}", state(count.state), count.machines)).collect();
    let categories: Vec<String> =
        figures.categories.iter().map(|count| format!("{} {}", count.category, count.machines)).collect();
    output.facts([
        ("machines 设备", figures.machines.to_string()),
        ("by state 状态", states.join(", ")),
        ("by category 类别", categories.join(", ")),
        ("fit 完好率", share(figures.fit)),
        ("awaiting repair 待修率", share(figures.awaiting_repair)),
        ("explosion-proof fit 防爆合格率", share(figures.ex_fit)),
        ("scheduled work on time 检测及时率", share(figures.work_on_time)),
        ("running with a fault 带病运行", figures.run_with_fault.to_string()),
        ("stopped by order 责令停用", figures.stop_use.to_string()),
        ("sealed 查封", figures.sealed.to_string()),
        ("recalled 召回", figures.recalled.to_string()),
        ("receipts missing 未签收", figures.receipts_due.to_string()),
        ("open findings 问题", findings(figures)),
    ]);
}

fn findings(figures: &v1::Figures) -> String {
    format!(
        "{} major, {} serious, {} general, {} notes; {} in the legal list 重大事故隐患(判定标准)",
        figures.findings_major,
        figures.findings_serious,
        figures.findings_general,
        figures.findings_notes,
        figures.findings_legal_major
    )
}

/// A share in per cent, to a tenth, rounded down: 99.97 % are not all.
fn share(share: Option<v1::Share>) -> String {
    let v1::Share { part, whole } = share.unwrap_or_default();
    match part.saturating_mul(1_000).checked_div(whole) {
        Some(tenths) => format!("{}.{} % ({part} of {whole})", tenths / 10, tenths % 10),
        None => "–".to_owned(),
    }
}
