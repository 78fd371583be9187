//! `tally rules`: the table of rules that this program was built with.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_core::rule::{Action, Legal, RULES, Rule, severity_name, severity_zh};
use tally_proto::v1::{Severity, SourceMark};

use super::text::usage;
use crate::{
    cli::finding::Rules,
    output::{CommandError, Output},
};

/// Prints rules.
pub fn run(args: &Rules, output: &Output) -> anyhow::Result<ExitCode> {
    let rules = chosen(args.code.as_deref())?;
    if output.is_json() {
        let rows: Vec<Value> = rules.iter().map(|rule| to_json(rule)).collect();
        if output.is_lines() {
            rows.iter().try_for_each(|row| output.json(row))?;
        } else {
            output.json(&Value::Array(rows))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    match rules.as_slice() {
        [only] => say(only, output),
        several => {
            let rows = several.iter().map(|rule| {
                vec![
                    rule.code.to_owned(),
                    grade(rule),
                    legal(rule.legal).to_owned(),
                    rule.zh.to_owned(),
                    rule.en.to_owned(),
                ]
            });
            output.table(&["rule 规则", "severity 严重程度", "legal 判定标准", "问题", "what"], rows.collect());
            output.say(format!("{} rules; `tally rules CODE` shows all of one", several.len()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules of a code, or of an area, which is the beginning of codes.
fn chosen(code: Option<&str>) -> Result<Vec<&'static Rule>, CommandError> {
    let Some(code) = code else { return Ok(RULES.iter().collect()) };
    let upper = code.to_uppercase();
    let area = format!("{}-", upper.trim_end_matches('-'));
    let found: Vec<&Rule> = RULES.iter().filter(|rule| rule.code == upper || rule.code.starts_with(&area)).collect();
    if found.is_empty() {
        let mut areas: Vec<&str> =
            RULES.iter().filter_map(|rule| rule.code.rsplit_once('-')).map(|(area, _)| area).collect();
        areas.dedup();
        return Err(usage(format!("{code} is no rule")).help(format!("areas are {}", areas.join(", "))));
    }
    Ok(found)
}

fn say(rule: &Rule, output: &Output) {
    let parameters: Vec<String> =
        rule.parameters.iter().map(|parameter| format!("{}={}", parameter.key, parameter.default.to_text())).collect();
    let mut facts = vec![
        ("rule 规则", rule.code.to_owned()),
        ("问题", rule.zh.to_owned()),
        ("what", rule.en.to_owned()),
        ("severity 严重程度", grade(rule)),
        (
            "legal 判定标准",
            match rule.legal {
                Legal::No => "no: the severity is this ledger's own grade 否".to_owned(),
                Legal::Yes | Legal::ElectricalAndCables => format!("重大事故隐患(判定标准): {}", legal(rule.legal)),
            },
        ),
        ("source 依据", format!("{} [{}]", rule.source, mark(rule.mark))),
        ("judged by 依据事件", rule.inputs.to_owned()),
    ];
    if rule.action == Action::Find {
        facts.extend([("opens 产生", rule.opens.to_owned()), ("closes 关闭", rule.closes.to_owned())]);
    }
    if !parameters.is_empty() {
        facts.push(("parameters 参数", parameters.join(", ")));
    }
    if let Some(waits_for) = rule.waits_for {
        facts.push(("waits for 待", waits_for.to_owned()));
    }
    output.facts(facts);
}

fn grade(rule: &Rule) -> String {
    match rule.action {
        Action::Refuse => "refuses 拒收".to_owned(),
        Action::Find => format!("{} {}", severity_name(rule.severity), severity_zh(rule.severity, false)),
    }
}

const fn legal(legal: Legal) -> &'static str {
    match legal {
        Legal::No => "",
        Legal::Yes => "yes",
        Legal::ElectricalAndCables => "electrical equipment and cables",
    }
}

fn mark(mark: SourceMark) -> &'static str {
    match mark {
        SourceMark::Seen => "S: seen in a source",
        SourceMark::General => "G: general knowledge of the trade, not law",
        SourceMark::Own => "T: this ledger's own choice",
        SourceMark::Unspecified => "-",
    }
}

fn to_json(rule: &Rule) -> Value {
    let parameters = rule.parameters.iter().map(|parameter| {
        json!({ "key": parameter.key, "default": parameter.default.to_text(), "min": parameter.min, "max": parameter.max })
    });
    let refuses = rule.severity == Severity::Unspecified;
    json!({
        "code": rule.code,
        "zh": rule.zh,
        "en": rule.en,
        "severity": (!refuses).then(|| severity_name(rule.severity)),
        "severity_zh": (!refuses).then(|| severity_zh(rule.severity, false)),
        "legal_major": match rule.legal {
            Legal::No => "no",
            Legal::Yes => "yes",
            Legal::ElectricalAndCables => "electrical equipment and cables",
        },
        "action": match rule.action {
            Action::Refuse => "refuse",
            Action::Find => "find",
        },
        "source": rule.source,
        "mark": match rule.mark {
            SourceMark::Seen => "S",
            SourceMark::General => "G",
            SourceMark::Own => "T",
            SourceMark::Unspecified => "",
        },
        "inputs": rule.inputs,
        "opens": rule.opens,
        "closes": rule.closes,
        "parameters": parameters.collect::<Vec<_>>(),
        "waits_for": rule.waits_for,
    })
}
