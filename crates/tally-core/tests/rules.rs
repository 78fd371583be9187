//! The table of rules, printed as `docs/rules.md`; and the table against the trade's own list.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic, its helpers too")]
#![expect(clippy::print_stderr, reason = "what is skipped is said")]

mod common;

use std::fmt::Write as _;

use common::golden::assert_golden;
use tally_core::rule::{Action, Legal, RULES, Rule, Value, severity_name, severity_zh};
use tally_proto::v1::SourceMark;

const HEAD: &str = "\
# Rules

What is found although it is on record, and the few rules that refuse. This page is printed from the one table in
`crates/tally-core/src/rule/table.rs`; `tally rules` prints the same, `tally rules --output json` for programs.

- **Severity** is the ledger's own grade: MAJOR 严重, SERIOUS 较大 (no legal class), GENERAL 一般, NOTE 提示 (worth knowing,
  never counted as a hazard). Screens say 「重大事故隐患(判定标准)」 only where the column *legal* says so.
- **Source**: *S* was seen in a source, *G* is general knowledge of the trade, *T* is this ledger's own choice. What rests on *G*
  is an interval or limit from what is published on the ledger, and is never stated as law.
- **Time**: a finding holds from the instant of the fact, and it says since when the ledger could know it. Days are those of
  +08:00, the last day included. A past day is judged by the publications in force on that day.
- A finding that closed stays visible. A regulator's signed decision can dismiss one, with a reason; it stays visible, too.
- **Parameters** can be set by a publication (`tally publish policy`), the nearest one counts: of an area before the nation's.
";

fn row(rule: &Rule) -> String {
    let mark = match rule.mark {
        SourceMark::Seen => "S",
        SourceMark::General => "G",
        SourceMark::Own => "T",
        SourceMark::Unspecified => "-",
    };
    let legal = match rule.legal {
        Legal::No => "",
        Legal::Yes => "yes",
        Legal::ElectricalAndCables => "electrical equipment, cables",
    };
    let graded = match rule.action {
        Action::Refuse => "refuses 拒收".to_owned(),
        Action::Find => format!("{} {}", severity_name(rule.severity), severity_zh(rule.severity, false)),
    };
    let text = |text: &str| text.replace('|', "\\|");
    let mut closes = text(rule.closes);
    if let Some(waits_for) = rule.waits_for {
        write!(closes, " *Not judged yet: {waits_for}.*").unwrap();
    }
    let parameters: Vec<String> =
        rule.parameters.iter().map(|parameter| format!("{}={}", parameter.key, parameter.default.to_text())).collect();
    format!(
        "| {} | {}<br>{} | {graded} | {legal} | {} [{mark}] | {} | {} | {closes} | {} |\n",
        rule.code,
        text(rule.zh),
        text(rule.en),
        text(rule.source),
        text(rule.inputs),
        text(rule.opens),
        parameters.join("<br>"),
    )
}

#[test]
fn rules_are_printed_as_documented() {
    let mut page = HEAD.to_owned();
    let mut area = "";
    for rule in RULES {
        let of = rule.code.split_once('-').unwrap().0;
        if of != area {
            area = of;
            let head = "| rule | what | severity | legal | source | judged by | opens | closes | parameters |\n";
            write!(page, "\n## {area}\n\n{head}| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n").unwrap();
        }
        page += &row(rule);
    }
    assert_golden("docs/rules.md", &page);
}

/// The trade's own list, where it is at hand: every code, its words, severity, legal class, action and source.
#[test]
fn the_table_is_the_list_of_the_trade() {
    let Some(vectors) = std::env::var_os("TALLY_VECTORS") else {
        return eprintln!("skipped: TALLY_VECTORS does not say where the list is");
    };
    let text = std::fs::read_to_string(std::path::Path::new(&vectors).join("../domain/rules.csv")).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), RULES.len());
    for (line, rule) in lines.iter().zip(RULES) {
        assert!(line.starts_with(&format!("{},", rule.code)), "{line}");
        for part in [rule.zh, rule.en, rule.source] {
            assert!(line.contains(part), "{}: {part}", rule.code);
        }
        let severity = format!(",{},", severity_name(rule.severity));
        assert!(line.contains(&severity), "{}: {severity}", rule.code);
    }
}

#[test]
fn parameters_have_a_value_and_bounds_that_hold_it() {
    for parameter in RULES.iter().flat_map(|rule| rule.parameters) {
        if let Value::Number(number) = parameter.default {
            assert!((parameter.min..=parameter.max).contains(&number), "{}", parameter.key);
        }
    }
}
