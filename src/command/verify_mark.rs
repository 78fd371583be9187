//! `tally verify-mark`: nine questions about a machine's mark, each answered by what is proved to be on record.

use std::process::ExitCode;

use serde_json::{Value, json};
use tally_client::{
    Client,
    client::MarkOf,
    json,
    verify::{TouchContent, VerifiedMarks},
};
use tally_core::id::{SubjectId, SubjectKind, parse_uuid};
use tally_proto::v1::{self, Verdict, Verification, VerificationLine};

use super::{
    connection::{block_on, connect, identity},
    lookup::{absent, absent_plate, basis_text, by_plate, is_not_found},
    text::{at, count, plate, standing, subject_id, usage, uuid},
};
use crate::{
    cli::mark::VerifyMark,
    output::{CommandError, Output, exit},
};

/// Verifies a mark.
pub fn run(args: &VerifyMark, output: &Output) -> anyhow::Result<ExitCode> {
    let at = at(&args.clocks)?;
    let of = of(&args.of)?;
    block_on(async {
        let client = connect(&args.connection, identity(&args.asking)?).await?;
        let found = match client.verify_mark(of.clone(), at).await {
            Ok(found) => found,
            Err(error) if is_not_found(&error) => return Err(not_found(&client, &args.of, &of, at).await?.into()),
            Err(error) => return Err(CommandError::from(error).into()),
        };
        print(&found, output)?;
        Ok(ExitCode::from(if found.verdict() == Verdict::Pass { exit::YES } else { exit::NO }))
    })
}

/// What somebody means: a plate, a machine's id, or else the number of a mark.
fn of(text: &str) -> Result<MarkOf, CommandError> {
    if let Some((plate, _)) = plate(text) {
        return Ok(MarkOf::Plate(plate));
    }
    if let Some(number) = text.strip_prefix("mark/")
        && number.parse::<SubjectId>().is_err()
    {
        return Ok(MarkOf::Number(number.to_owned()));
    }
    if let Some(subject) = subject_id(text) {
        if subject.kind() == SubjectKind::Equipment {
            return Ok(MarkOf::Equipment(subject));
        }
        return Err(usage(format!("{subject} is no machine")).help("name a machine, or a mark by its number"));
    }
    match parse_uuid(text) {
        Ok(id) => Ok(MarkOf::Equipment(SubjectId::new(SubjectKind::Equipment, id))),
        Err(_) => Ok(MarkOf::Number(text.to_owned())),
    }
}

/// Nothing is on record of what was asked for; says what of that is proved.
async fn not_found(client: &Client, text: &str, of: &MarkOf, at: v1::At) -> anyhow::Result<CommandError> {
    Ok(match of {
        MarkOf::Plate(asked) => {
            let found = by_plate(client, asked, v1::IdentityKind::Unit, at).await?;
            absent_plate(text, &found.heads)
        }
        MarkOf::Equipment(subject) => {
            absent(&subject.to_string(), &[client.head(*subject).await.map_err(CommandError::from)?])
        }
        MarkOf::Number(number) => absent(&format!("mark {number}"), &[]),
    })
}

fn print(found: &VerifiedMarks, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        let rows = found.verifications.iter().map(|one| json::to_json("tally.v1.Verification", one));
        let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
        if output.is_lines() {
            return rows.iter().try_for_each(|row| output.json(row));
        }
        let entries = found.entries.iter().map(|touch| {
            json!({
                "position": touch.position.to_string(),
                "withheld": matches!(touch.content, TouchContent::Withheld(_)),
            })
        });
        return output.json(&json!({
            "basis": json::to_json("tally.v1.Basis", &found.basis)?,
            "verdict": found.verdict().as_str_name(),
            "verifications": rows,
            "entries": entries.collect::<Vec<_>>(),
            "checkpoint": found.checkpoint.note(),
        }));
    }
    if found.verifications.len() > 1 {
        output.say(format!("{} bore that plate; each is verified:", count(found.verifications.len(), "machine")));
    }
    for verification in &found.verifications {
        say(verification, output);
        output.say("");
    }
    output.say(format!("the server's reading of its entries, {}", basis_text(&found.basis)));
    let withheld = found.entries.iter().filter(|touch| matches!(touch.content, TouchContent::Withheld(_))).count();
    let but = if withheld == 0 { String::new() } else { format!(", {withheld} of them by their hashes only") };
    output.say(format!(
        "proved: the {} named{but} under checkpoint {} ({})",
        count(found.entries.len(), "entry"),
        found.checkpoint.size(),
        standing(&found.checkpoint)
    ));
    Ok(())
}

fn say(verification: &Verification, output: &Output) {
    let mut facts = Vec::new();
    if verification.equipment.is_empty() {
        facts.push(("mark alone 仅安标", verification.mark_no.clone()));
    } else {
        facts.push(("machine 设备", format!("equipment/{}", uuid(&verification.equipment))));
        if let Some(plate) = &verification.plate {
            facts.push(("plate 铭牌", format!("{}::{}::{}", plate.maker, plate.model, plate.serial)));
        }
        let none = "none on record 无".to_owned();
        let mark_no = Some(verification.mark_no.clone()).filter(|number| !number.is_empty());
        facts.push(("mark no. 安全标志编号", mark_no.unwrap_or(none)));
    }
    facts.push(("verdict 结论", verdict_text(verification.verdict()).to_owned()));
    output.facts(facts);
    output.table(
        &["", "question 验证项", "answer", "why 原因", "rule", "position 依据"],
        verification.lines.iter().flat_map(rows).collect(),
    );
}

/// A line as two rows, one for each language.
fn rows(line: &VerificationLine) -> [Vec<String>; 2] {
    let positions: Vec<String> = line.evidence.iter().map(|evidence| evidence.position.to_string()).collect();
    let (answer, aside) = if line.withheld {
        ("withheld 不公开".to_owned(), "does not count 不计入")
    } else if line.note {
        (format!("note 提示: {}", verdict_text(line.verdict())), "does not count 不计入")
    } else {
        (verdict_text(line.verdict()).to_owned(), "")
    };
    [
        vec![
            line.number.to_string(),
            line.question_zh.clone(),
            answer,
            line.why_zh.clone(),
            line.rule.clone(),
            positions.join(" "),
        ],
        vec![
            String::new(),
            line.question_en.clone(),
            aside.to_owned(),
            line.why_en.clone(),
            String::new(),
            String::new(),
        ],
    ]
}

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS 通过",
        Verdict::Fail => "FAIL 不通过",
        Verdict::Unknown | Verdict::Unspecified => "UNKNOWN 未知",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_machine_is_the_number_of_a_mark() {
        assert!(matches!(of("A::B::C"), Ok(MarkOf::Plate(_))));
        assert!(matches!(of("01a20ef6-8404-76d9-9f3f-5b2e26d900e1"), Ok(MarkOf::Equipment(_))));
        assert_eq!(of("mark/MEA130001").unwrap(), MarkOf::Number("MEA130001".to_owned()));
        assert_eq!(of("MEA130001").unwrap(), MarkOf::Number("MEA130001".to_owned()));
        assert!(of("mine/01a20ef6-8404-76d9-9f3f-5b2e26d900e1").is_err());
    }

    #[test]
    fn what_is_withheld_is_never_shown_as_an_answer() {
        let line = VerificationLine { verdict: Verdict::Unknown.into(), withheld: true, ..Default::default() };
        assert_eq!(rows(&line)[0][2], "withheld 不公开");
        let line = VerificationLine { verdict: Verdict::Pass.into(), note: true, ..Default::default() };
        assert_eq!(rows(&line)[0][2], "note 提示: PASS 通过");
    }
}
