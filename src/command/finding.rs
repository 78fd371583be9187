//! `tally findings` and `tally due`: the server's word, by rule and cause.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::{Client, json};
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::{by_code, severity_name, severity_zh},
};
use tally_proto::v1::{self, Finding, FindingFilter};

use super::{
    connection::{block_on, connect, identity},
    lookup::{self, Names, basis_text},
    text::{at, count, instant, organisation, subject, time, usage, uuid},
};
use crate::{
    cli::finding::{Due, Findings, Severity},
    output::{CommandError, Output, note},
};

const HEADER: &[&str] = &[
    "rule 规则",
    "severity 严重程度",
    "machine or mine 主体",
    "mine 煤矿",
    "since 起",
    "until 止",
    "cause 原因",
    "问题 what",
    "position 依据",
];

/// Lists or counts findings.
pub fn findings(args: &Findings, output: &Output) -> anyhow::Result<ExitCode> {
    let at = at(&args.clocks)?;
    let filter = filter(args)?;
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let mut filter = filter;
        if let Some(machine) = &args.machine {
            let machine = lookup::subject(&client, machine, SubjectKind::Equipment).await?;
            filter.equipment = machine.id().to_vec();
        }
        if args.count {
            counted(&client, filter, at, output).await
        } else if args.all {
            streamed(&client, filter, at, output).await
        } else {
            listed(&client, filter, at, args, output).await
        }
    })
}

fn filter(args: &Findings) -> anyhow::Result<FindingFilter> {
    let id = |text: &Option<String>, kind: SubjectKind| -> Result<Vec<u8>, CommandError> {
        let Some(text) = text else { return Ok(Vec::new()) };
        let found = subject(text, kind)?;
        if found.kind() == kind { Ok(found.id().to_vec()) } else { Err(usage(format!("{text} is no {}", kind.name()))) }
    };
    let time = |text: &Option<String>| -> Result<i64, CommandError> {
        Ok(text.as_deref().map(instant).transpose()?.map_or(0, |instant| instant.micros()))
    };
    for rule in &args.rules {
        if by_code(&rule.to_uppercase()).is_none() {
            return Err(usage(format!("{rule} is no rule")).help("`tally rules` lists them").into());
        }
    }
    let place = args.place.as_deref().map(tally_core::id::parse_uuid).transpose();
    let place = place.map_err(|_| usage("--place is no UUID").help("`tally mine show` lists the places of a mine"))?;
    let holder = args.holder.as_deref().map(organisation).transpose()?;
    Ok(FindingFilter {
        rules: args.rules.iter().map(|rule| rule.to_uppercase()).collect(),
        severities: args.severities.iter().map(|severity| i32::from(severity_of(*severity))).collect(),
        mine: id(&args.mine, SubjectKind::Mine)?,
        holder: holder.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        equipment: Vec::new(),
        category: args.category.clone().unwrap_or_default(),
        area: args.area.clone().unwrap_or_default(),
        place: place.map(|place| place.to_vec()).unwrap_or_default(),
        from_us: time(&args.from)?,
        until_us: time(&args.until)?,
        closed: args.closed,
        legal_major: args.legal_major,
        cause: args.cause.clone().unwrap_or_default(),
    })
}

const fn severity_of(severity: Severity) -> v1::Severity {
    match severity {
        Severity::Note => v1::Severity::Note,
        Severity::General => v1::Severity::General,
        Severity::Serious => v1::Severity::Serious,
        Severity::Major => v1::Severity::Major,
    }
}

/// A severity in both languages; the legal term only where the law says so.
fn severity_text(severity: v1::Severity, legal_major: bool) -> String {
    let zh = severity_zh(severity, false);
    let legal = if legal_major { " 「重大事故隐患(判定标准)」" } else { "" };
    format!("{} {zh}{legal}", severity_name(severity))
}

async fn listed(
    client: &Client,
    filter: FindingFilter,
    at: v1::At,
    args: &Findings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let request = v1::ListFindingsRequest {
        filter: Some(filter),
        at: Some(at),
        page_size: args.page_size,
        page_token: args.page_token.clone().unwrap_or_default(),
    };
    let page = client.findings(request).await.map_err(CommandError::from)?;
    if output.is_json() {
        let rows = page.members.iter().map(|finding| json::to_json("tally.v1.Finding", finding));
        let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
        if output.is_lines() {
            rows.iter().try_for_each(|row| output.json(row))?;
            if !page.next_page_token.is_empty() {
                note(format!("next page: the same with --page-token {}", page.next_page_token));
            }
        } else {
            let basis = json::to_json("tally.v1.Basis", &page.basis)?;
            output.json(&json!({ "basis": basis, "findings": rows, "nextPageToken": page.next_page_token }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = Names::new(client);
    let mut rows = Vec::new();
    for finding in &page.members {
        rows.push(row(finding, &mut names).await);
    }
    output.table(HEADER, rows);
    say_dismissed(&page.members, output);
    let on_page = if page.next_page_token.is_empty() { "" } else { " on this page" };
    let number = count(page.members.len(), "finding");
    output.say(format!("{number}{on_page} by the server's word, {}", basis_text(&page.basis)));
    if !page.next_page_token.is_empty() {
        output.say(format!("next page: the same with --page-token {}", page.next_page_token));
    }
    Ok(ExitCode::SUCCESS)
}

/// All findings as they come; tables are printed part by part, so that none grows past one part.
async fn streamed(client: &Client, filter: FindingFilter, at: v1::At, output: &Output) -> anyhow::Result<ExitCode> {
    let mut stream = client.stream_findings(filter, at).await.map_err(CommandError::from)?;
    let mut names = Names::new(client);
    let (mut number, mut kept) = (0_usize, Vec::new());
    while let Some(findings) = stream.next().await.map_err(CommandError::from)? {
        number += findings.len();
        if output.is_json() {
            for finding in &findings {
                let finding = json::to_json("tally.v1.Finding", finding)?;
                // One line each needs no memory; one document holds them all.
                if output.is_lines() {
                    output.json(&finding)?;
                } else {
                    kept.push(finding);
                }
            }
            continue;
        }
        let mut rows = Vec::new();
        for finding in &findings {
            rows.push(row(finding, &mut names).await);
        }
        output.table(HEADER, rows);
        say_dismissed(&findings, output);
    }
    let basis = stream.basis().cloned().unwrap_or_default();
    if output.is_json() && !output.is_lines() {
        let basis = json::to_json("tally.v1.Basis", &basis)?;
        output.json(&json!({ "basis": basis, "findings": kept, "nextPageToken": "" }))?;
    }
    output.say(format!("{} by the server's word, {}", count(number, "finding"), basis_text(&basis)));
    Ok(ExitCode::SUCCESS)
}

async fn counted(client: &Client, filter: FindingFilter, at: v1::At, output: &Output) -> anyhow::Result<ExitCode> {
    let counted = client.count_findings(filter, at).await.map_err(CommandError::from)?;
    if output.is_json() {
        let rows = counted.groups.iter().map(|group| json::to_json("tally.v1.FindingGroup", group));
        let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
        if output.is_lines() {
            rows.iter().try_for_each(|row| output.json(row))?;
        } else {
            let basis = json::to_json("tally.v1.Basis", &counted.basis)?;
            output.json(&json!({ "basis": basis, "groups": rows, "total": counted.total.to_string() }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = Names::new(client);
    let mut rows = Vec::new();
    for group in &counted.groups {
        rows.push(vec![
            names.mine(&group.mine).await,
            group.rule.clone(),
            severity_text(group.severity(), group.legal_major),
            group.cause.clone(),
            group.count.to_string(),
            time(group.since_us),
            what(&group.rule),
        ]);
    }
    output.table(
        &["mine 煤矿", "rule 规则", "severity 严重程度", "cause 原因", "open 数量", "oldest since 最早", "问题 what"],
        rows,
    );
    let open = count(counted.total, "open finding");
    let groups = count(counted.groups.len(), "group");
    output.say(format!("{open} in {groups} by the server's word, {}", basis_text(&counted.basis)));
    Ok(ExitCode::SUCCESS)
}

async fn row(finding: &Finding, names: &mut Names<'_>) -> Vec<String> {
    let dismissed = if finding.dismissed.is_some() { ", dismissed 驳回" } else { "" };
    let evidence: Vec<String> = finding.evidence.iter().map(|evidence| evidence.position.to_string()).collect();
    let cause = if finding.cause.is_empty() { &finding.key } else { &finding.cause };
    vec![
        finding.rule.clone(),
        format!("{}{dismissed}", severity_text(finding.severity(), finding.legal_major)),
        subject_text(&finding.subject),
        names.mine(&finding.mine).await,
        time(finding.since_us),
        if finding.until_us == 0 { "open 未关闭".to_owned() } else { time(finding.until_us) },
        cause.clone(),
        what(&finding.rule),
        evidence.join(" "),
    ]
}

/// What is dismissed stays visible, with its reason.
fn say_dismissed(findings: &[Finding], output: &Output) {
    for finding in findings {
        if let Some(dismissed) = &finding.dismissed {
            let (rule, subject) = (&finding.rule, subject_text(&finding.subject));
            let why = &finding.dismissed_reason;
            output.say(format!("{rule} of {subject} was dismissed 驳回 at position {}: {why}", dismissed.position));
        }
    }
}

/// What a rule finds, in both languages.
fn what(rule: &str) -> String {
    by_code(rule).map_or_else(String::new, |rule| format!("{} {}", rule.zh, rule.en))
}

fn subject_text(key: &[u8]) -> String {
    SubjectId::parse(key).map_or_else(|_| uuid(key), |subject| subject.to_string())
}

/// Lists what falls due.
pub fn due(args: &Due, output: &Output) -> anyhow::Result<ExitCode> {
    let mine = match args.mine.as_deref().map(|mine| subject(mine, SubjectKind::Mine)).transpose()? {
        Some(mine) if mine.kind() != SubjectKind::Mine => return Err(usage(format!("{mine} is no mine")).into()),
        mine => mine.map(|mine| mine.id().to_vec()).unwrap_or_default(),
    };
    let category = args.category.clone().unwrap_or_default();
    let request = v1::ListDueRequest { mine, days: args.days, category, ..Default::default() };
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let answer = client.all_due(request).await.map_err(CommandError::from)?;
        if output.is_json() {
            let rows = answer.value.iter().map(|item| json::to_json("tally.v1.DueItem", item));
            let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
            if output.is_lines() {
                rows.iter().try_for_each(|row| output.json(row))?;
            } else {
                let basis = json::to_json("tally.v1.Basis", &answer.basis)?;
                output.json(&json!({ "basis": basis, "items": rows }))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut names = Names::new(&client);
        let mut rows = Vec::new();
        for item in &answer.value {
            rows.push(vec![
                time(item.due_us),
                item.rule.clone(),
                severity_text(item.severity(), false),
                subject_text(&item.subject),
                item.category.clone(),
                names.mine(&item.mine).await,
                item.key.clone(),
                what(&item.rule),
            ]);
        }
        output.table(
            &[
                "due 到期",
                "rule 规则",
                "would be 严重程度",
                "machine or mine 主体",
                "category",
                "mine 煤矿",
                "key",
                "问题 what",
            ],
            rows,
        );
        let number = count(answer.value.len(), "item");
        let within = if args.days == 1 { "1 day".to_owned() } else { format!("{} days", args.days) };
        output.say(format!("{number} within {within} by the server's word, {}", basis_text(&answer.basis)));
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legal_term_stands_only_where_the_law_says_so() {
        assert_eq!(severity_text(v1::Severity::Major, false), "MAJOR 严重");
        assert_eq!(severity_text(v1::Severity::Major, true), "MAJOR 严重 「重大事故隐患(判定标准)」");
        assert_eq!(severity_text(v1::Severity::Serious, false), "SERIOUS 较大");
    }
}
