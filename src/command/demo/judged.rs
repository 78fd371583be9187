//! The part of the demo in which the ledger judges: the verdicts on four marks, and the findings of a mine.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use tally_client::{
    Client,
    client::MarkOf,
    verify::{TouchContent, VerifiedTouch},
};
use tally_core::{
    event::EventKind,
    id::{SubjectId, SubjectKind},
    rule::{by_code, severity_zh},
    time::Timestamp,
};
use tally_proto::v1::{self, Verdict};
use tally_server::clock::{Clock as _, ReplayClock};

use super::{Story, minute, plate_text, replay::Replay};
use crate::{command::text, output::CommandError};

/// The machines of the story about marks, in the order in which it is told.
const MACHINES: [&str; 4] = ["good", "suspended", "misapplied", "lapsed"];

/// Groups of findings that are shown.
const GROUPS: usize = 8;

/// How often it is asked whether time has passed, and how many times.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS_MAX: u32 = 500;

/// The first instant of a day.
pub fn day(day: &str) -> anyhow::Result<Timestamp> {
    let day = text::day(day)?;
    tally_core::event::day(&day).and_then(tally_core::time::Day::starts).context("a day of the calendar")
}

/// Turns the clock of the replay on, and waits until that has passed in the findings.
pub async fn pass_time(client: &Client, clock: &ReplayClock, now: Timestamp) -> anyhow::Result<()> {
    clock.set(now);
    for _ in 0..LOOKS_MAX {
        let counted =
            client.count_findings(v1::FindingFilter::default(), v1::At::default()).await.map_err(CommandError::from)?;
        if counted.basis.as_of_us >= clock.now().micros() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("time does not pass in the findings")
}

/// Verifies the four marks; gives the verdicts by machine.
pub async fn show_marks(
    story: &Story<'_>,
    client: &Client,
    replay: &Replay,
) -> anyhow::Result<BTreeMap<String, &'static str>> {
    let mut verdicts = BTreeMap::new();
    for name in MACHINES {
        let machine = replay.machines.get(name).context("the story has four machines")?;
        let of = MarkOf::Equipment(machine.subject);
        let answer = client.verify_mark(of, v1::At::default()).await.map_err(CommandError::from)?;
        let verdict = answer.verdict();
        story.say(format!("{}: {}", plate_text(&machine.plate), verdict_text(verdict)));
        for line in answer.verifications.iter().flat_map(|verification| &verification.lines) {
            if line.verdict() == Verdict::Fail && !line.note {
                story.say(format!("  line {} {} {}: {}", line.number, line.rule, line.question_zh, line.why_zh));
                for evidence in &line.evidence {
                    story.say(format!("    rests on {}", entry_text(evidence, &answer.entries)));
                }
            }
        }
        verdicts.insert(name.to_owned(), verdict_name(verdict));
    }
    let lapsed = replay.machines.get("lapsed").context("the story has a skip that lapsed")?;
    let filter = v1::FindingFilter {
        equipment: lapsed.subject.id().to_vec(),
        rules: vec!["MARK-003".to_owned()],
        ..v1::FindingFilter::default()
    };
    let request = v1::ListFindingsRequest { filter: Some(filter), ..Default::default() };
    let listed = client.findings(request).await.map_err(CommandError::from)?;
    let found = listed.members.first().context("MARK-003 is found")?;
    story.say(format!(
        "MARK-003 is known since {}, the minute in which the skip left its factory; the renewal of December closed nothing",
        minute(Timestamp::from_micros(found.known_since_us))
    ));
    Ok(verdicts)
}

fn entry_text(evidence: &v1::Evidence, entries: &[VerifiedTouch]) -> String {
    let position = evidence.position;
    let event = entries.iter().find(|entry| entry.position.get() == position).and_then(|entry| match &entry.content {
        TouchContent::Event { event, .. } => Some(event),
        TouchContent::Withheld(_) => None,
    });
    match event.and_then(|event| EventKind::from_number(event.statement().body_number)) {
        Some(kind) => format!("entry {position}, {} {}, proved", kind.name(), kind.zh()),
        None => format!("entry {position}"),
    }
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Unknown | Verdict::Unspecified => "UNKNOWN",
    }
}

fn verdict_text(verdict: Verdict) -> String {
    let zh = match verdict {
        Verdict::Pass => "通过",
        Verdict::Fail => "不通过",
        Verdict::Unknown | Verdict::Unspecified => "未知",
    };
    format!("{} {zh}", verdict_name(verdict))
}

/// Shows the mine with the most open findings; gives how many are open in all.
pub async fn show_findings(story: &Story<'_>, client: &Client) -> anyhow::Result<u64> {
    let all =
        client.count_findings(v1::FindingFilter::default(), v1::At::default()).await.map_err(CommandError::from)?;
    let mut by_mine: BTreeMap<&[u8], u64> = BTreeMap::new();
    for group in all.groups.iter().filter(|group| !group.mine.is_empty()) {
        *by_mine.entry(&group.mine).or_default() += group.count;
    }
    let (mine, count) = by_mine.into_iter().max_by_key(|(_, count)| *count).context("a mine has findings")?;
    let id = <[u8; 16]>::try_from(mine).ok().context("a mine has an id")?;
    let state =
        client.mine(SubjectId::new(SubjectKind::Mine, id), v1::At::default()).await.map_err(CommandError::from)?;
    story.say(format!("{} open findings on the ledger; {count} of them at {}", all.total, state.value.name));
    story.say("most events of the sample are generated: what is found says nothing about any real mine or maker");
    for group in all.groups.iter().filter(|group| group.mine == mine).take(GROUPS) {
        let rule = by_code(&group.rule).context("a rule of this version")?;
        let cause = if group.cause.is_empty() { String::new() } else { format!(" ({})", group.cause) };
        story.say(format!(
            "{:>3} x {:<9} {} {}{cause}, since {}",
            group.count,
            group.rule,
            severity_zh(group.severity(), group.legal_major),
            rule.zh,
            minute(Timestamp::from_micros(group.since_us)),
        ));
    }
    Ok(all.total)
}
