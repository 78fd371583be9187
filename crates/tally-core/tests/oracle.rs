//! The judge against an oracle: plain folds that share no code with it, under random lives, at random instants and sizes

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stderr,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

#[path = "oracle/cases.rs"]
mod cases;
#[path = "oracle/chronicle.rs"]
mod chronicle;
#[path = "oracle/due.rs"]
mod due;
#[path = "oracle/law.rs"]
mod law;
#[path = "oracle/life.rs"]
mod life;
#[path = "oracle/machine.rs"]
mod machine;
#[path = "oracle/marks.rs"]
mod marks;
#[path = "oracle/mines.rs"]
mod mines;
#[path = "oracle/scene.rs"]
mod scene;
#[path = "oracle/story.rs"]
mod story;
#[path = "oracle/world.rs"]
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
};

use chronicle::Log;
use life::{Dice, Life};
use prost::Message as _;
use story::{Story, Verdict};
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::judge::{Case, Docket, KeptCase, changed_from_us, changes_the_world, judge},
    state::{Instant, Step, in_order},
    time::Timestamp,
};
use tally_proto::v1::Finding;
use world::Around;

/// Seeds of the lives that a test tries: the first ones, unless TALLY_SEED names one, or the first and the last of many.
fn seeds(count: u64) -> Vec<u64> {
    let Ok(named) = std::env::var("TALLY_SEED") else { return (1..=count).collect() };
    let (first, last) = named.split_once('-').unwrap_or((&named, &named));
    (first.parse().unwrap()..=last.parse().unwrap()).collect()
}

/// Steps of a life.
const STEPS: usize = 240;

/// The life of a seed; each is lived once for all tests.
fn life(seed: u64) -> Arc<Life> {
    static LIVED: Mutex<BTreeMap<u64, Arc<OnceLock<Arc<Life>>>>> = Mutex::new(BTreeMap::new());
    let cell = Arc::clone(LIVED.lock().unwrap().entry(seed).or_default());
    Arc::clone(cell.get_or_init(|| Arc::new(Life::live(seed, STEPS))))
}

/// What the oracle says at an instant.
fn oracle(story: &Story<'_>, at_us: i64) -> (Option<Verdict>, Vec<i64>) {
    let Some(now) = story.at(at_us) else { return (None, Vec::new()) };
    let verdict = if story.subject.kind() == SubjectKind::Mine { mines::verdict(&now) } else { machine::verdict(&now) };
    (Some(verdict), now.deadlines.into_inner())
}

/// What the judge says holds at an instant.
fn judged(life: &Life, subject: &SubjectId, at_us: i64, size: u64, world: &Around) -> Option<Verdict> {
    let instant = Instant { as_of: Timestamp::from_micros(at_us), size };
    let touching = life.ledger.touching(subject);
    let (_, findings) = judge(subject, &touching, instant, world)?;
    let open = findings.into_iter().filter(|finding| finding.until_us == 0);
    Some(
        open.map(|finding| ((finding.rule.clone(), finding.key.clone()), (finding.severity(), finding.legal_major)))
            .collect(),
    )
}

/// What only one of the two says.
fn difference(told: Option<&Verdict>, found: Option<&Verdict>) -> Vec<(String, String)> {
    let empty = Verdict::new();
    let (told, found) = (told.unwrap_or(&empty), found.unwrap_or(&empty));
    let names: BTreeSet<&(String, String)> = told.keys().chain(found.keys()).collect();
    let differs = names.into_iter().filter(|name| told.get(*name) != found.get(*name));
    let text = |(rule, key): &(String, String)| {
        let name = (rule.clone(), key.clone());
        let side = |verdict: &Verdict| verdict.get(&name).map_or("not".to_owned(), |what| format!("{what:?}"));
        (rule.clone(), format!("{rule} {key:?}: oracle {}, judge {}", side(told), side(found)))
    };
    differs.map(text).collect()
}

/// Characters of a line of a story.
const LINE: usize = 230;

/// The story of a subject in lines, for whoever reads a failure.
fn lines(life: &Life, subject: &SubjectId, size: u64, until_us: i64) -> String {
    let log = Log::new(&life.ledger.log, size);
    let story = Story::new(&log, *subject);
    let mut text = String::new();
    for event in story.events.iter().filter(|event| event.at <= until_us) {
        use std::fmt::Write as _;
        let what = format!("{:?}", event.body.message());
        let what: String = what.chars().take(LINE).collect();
        writeln!(
            text,
            "  {} #{} {} {:?} found {:?}: {what}",
            Timestamp::from_micros(event.at),
            event.position,
            if event.own { "own" } else { "mention" },
            event.after.state(),
            event.recorded.findings
        )
        .unwrap();
    }
    text
}

/// The judge and the oracle agree on what holds, at random instants by what is known at random sizes.
#[test]
fn the_judge_agrees_with_the_oracle_at_any_instant_and_size() {
    let mut failures: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for seed in seeds(40) {
        let life = life(seed);
        let mut dice = Dice::new(seed ^ 0x5EED);
        let total = u64::try_from(life.ledger.log.len()).unwrap();
        for subject in life.subjects() {
            for round in 0..4 {
                let size = if round == 0 { total } else { total - dice.below(150) };
                let at_us = life.ledger.now - dice.between(-200, 600) * dice.between(1, 24) * 3_600_000_000;
                let log = Log::new(&life.ledger.log, size);
                let (told, _) = oracle(&Story::new(&log, subject), at_us);
                // An index that knows more than was known then answers the same.
                let folded = if dice.percent(50) { size } else { total };
                let found = judged(&life, &subject, at_us, size, &Around::new(&life.ledger.log, size, folded));
                for (rule, difference) in difference(told.as_ref(), found.as_ref()) {
                    let at = Timestamp::from_micros(at_us);
                    let text = || {
                        let story = lines(&life, &subject, size, at_us);
                        format!("seed {seed}, {subject} at {at}, size {size} of {folded}: {difference}\n{story}")
                    };
                    failures.entry(rule).or_insert_with(|| (0, text())).0 += 1;
                }
            }
        }
    }
    report(&failures);
}

/// Stretches in which a rule held, by rule and key: from, and until where it ended.
type Stretches = BTreeMap<(String, String), Vec<(i64, Option<i64>)>>;

/// When what the oracle says changes, up to an instant: it is asked at every event and at every deadline that it met.
fn stretches(story: &Story<'_>, until_us: i64) -> Stretches {
    let mut waiting: BTreeSet<i64> = story.events.iter().map(|event| event.at).collect();
    waiting.extend(story.log.instants());
    waiting.insert(until_us);
    let mut asked: BTreeMap<i64, Verdict> = BTreeMap::new();
    while let Some(at_us) = waiting.pop_first() {
        if at_us > until_us || asked.contains_key(&at_us) {
            continue;
        }
        let (verdict, deadlines) = oracle(story, at_us);
        waiting.extend(deadlines.into_iter().filter(|deadline| !asked.contains_key(deadline)));
        asked.insert(at_us, verdict.unwrap_or_default());
    }
    let mut held: Stretches = BTreeMap::new();
    for (at_us, verdict) in asked {
        for (name, stretches) in &mut held {
            if let Some(last) = stretches.last_mut().filter(|last| last.1.is_none() && !verdict.contains_key(name)) {
                last.1 = Some(at_us);
            }
        }
        for name in verdict.keys() {
            let stretches = held.entry(name.clone()).or_default();
            if stretches.last().is_none_or(|last| last.1.is_some()) {
                stretches.push((at_us, None));
            }
        }
    }
    held
}

/// The stretches of findings. What began and ended in one instant was never true at any; what ended and began again in one
/// instant went on.
fn of_findings(findings: &[Finding]) -> Stretches {
    let mut all: Stretches = BTreeMap::new();
    for finding in findings {
        let stretches = all.entry((finding.rule.clone(), finding.key.clone())).or_default();
        let until = (finding.until_us != 0).then_some(finding.until_us);
        if until == Some(finding.since_us) {
            continue;
        }
        match stretches.last_mut().filter(|last| last.1 == Some(finding.since_us)) {
            Some(last) => last.1 = until,
            None => stretches.push((finding.since_us, until)),
        }
    }
    all.retain(|_, stretches| !stretches.is_empty());
    all
}

/// Rules that nothing on record can open: accidents, attachments and other machines decide these, and a lease without a
/// safety agreement (CUS-005) is refused by its form.
const UNDECIDED: &[&str] = &["CUS-005", "DUE-006", "TIME-003", "TIME-004", "TIME-006", "TIME-007", "TIME-008"];

/// What never closes: no event heals it. The signatures of a leaked key (KEY-001) cannot be made again.
const NEVER_CLOSED: &[&str] = &["KEY-001", "SCR-001"];

/// For every finding that ever opened, since when and until when agree; and among all the lives each rule opens and closes.
#[test]
fn findings_open_and_close_when_the_oracle_says() {
    let mut failures: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let (mut opened, mut closed): (BTreeMap<String, usize>, BTreeMap<String, usize>) = Default::default();
    let seeds = seeds(40);
    for seed in &seeds {
        let life = life(*seed);
        let size = u64::try_from(life.ledger.log.len()).unwrap();
        let end_us = life.ledger.now + 400 * common::DAY;
        let world = Around::new(&life.ledger.log, size, size);
        let log = Log::new(&life.ledger.log, size);
        for subject in life.subjects() {
            let told = stretches(&Story::new(&log, subject), end_us);
            let touching = life.ledger.touching(&subject);
            let instant = Instant { as_of: Timestamp::from_micros(end_us), size };
            let findings =
                judge(&subject, &touching, instant, &world).map(|(_, findings)| findings).unwrap_or_default();
            let found = of_findings(&findings);
            for (name, stretches) in &told {
                *opened.entry(name.0.clone()).or_default() += stretches.len();
                let ended = stretches.iter().filter(|stretch| stretch.1.is_some()).count();
                *closed.entry(name.0.clone()).or_default() += ended;
            }
            let names: BTreeSet<_> = told.keys().chain(found.keys()).collect();
            for name in names.into_iter().filter(|name| told.get(*name) != found.get(*name)) {
                let show = |stretches: Option<&Vec<(i64, Option<i64>)>>| {
                    let text = |at: i64| Timestamp::from_micros(at).to_string();
                    let stretches = stretches.map(Vec::as_slice).unwrap_or_default();
                    stretches.iter().map(|(from, until)| (text(*from), until.map(text))).collect::<Vec<_>>()
                };
                let text = || {
                    let (told, found) = (show(told.get(name)), show(found.get(name)));
                    let story = lines(&life, &subject, size, end_us);
                    format!("seed {seed}, {subject}, {name:?}: oracle {told:?}, judge {found:?}\n{story}")
                };
                failures.entry(name.0.clone()).or_insert_with(|| (0, text())).0 += 1;
            }
        }
    }
    report(&failures);
    if std::env::var("TALLY_SEED").is_ok() {
        return;
    }
    let rules = tally_core::rule::RULES.iter().filter(|rule| rule.action == tally_core::rule::Action::Find);
    let decided = rules.map(|rule| rule.code).filter(|rule| !UNDECIDED.contains(rule));
    let never: Vec<&str> = decided.clone().filter(|rule| !opened.contains_key(*rule)).collect();
    let stuck: Vec<&str> = decided
        .filter(|rule| closed.get(*rule).is_none_or(|count| *count == 0) && !NEVER_CLOSED.contains(rule))
        .collect();
    assert!(
        never.is_empty() && stuck.is_empty(),
        "never opened: {never:?}; never closed: {stuck:?}\n{opened:?}\n{closed:?}"
    );
}

/// A case as an index keeps it between two events.
fn kept(case: &Case, subject: SubjectId) -> Case {
    let kept = KeptCase::decode(case.clone().keep().encode_to_vec().as_slice()).unwrap();
    match (case.machine(), case.mine()) {
        (Some(machine), _) => Case::of_machine(subject, machine.clone(), kept),
        (_, Some(mine)) => Case::of_mine(subject, mine.clone(), kept),
        (None, None) => panic!("a case of nothing"),
    }
}

/// Judged event by event, with time passing in between and the case put away and taken up, it is as judged all at once.
#[test]
fn event_by_event_is_as_all_at_once() {
    for seed in seeds(20) {
        let life = life(seed);
        let mut dice = Dice::new(seed ^ 0x1E77);
        let size = u64::try_from(life.ledger.log.len()).unwrap();
        let world = Around::new(&life.ledger.log, size, size);
        let end_us = life.ledger.now + 100 * common::DAY;
        let instant = Instant { as_of: Timestamp::from_micros(end_us), size };
        for subject in life.subjects() {
            let touching = life.ledger.touching(&subject);
            let Some((_, whole)) = judge(&subject, &touching, instant, &world) else { continue };
            let mut case = Case::new(subject).unwrap();
            let (mut docket, mut changes, mut now_us) = (Docket::default(), Vec::new(), i64::MIN / 2);
            for step in in_order(&subject, &touching, instant) {
                let at_us = step.micros();
                now_us = now_us.max(at_us - 200 * common::DAY);
                while dice.percent(60) && now_us + 1 < at_us {
                    now_us += dice.between(0, at_us - 1 - now_us);
                    case.advance(&world, now_us, &mut changes);
                }
                if dice.percent(30) {
                    case = kept(&case, subject);
                }
                case.apply(&step, &world, &mut changes);
                changes.drain(..).for_each(|change| docket.take(change));
            }
            case.advance(&world, end_us, &mut changes);
            changes.drain(..).for_each(|change| docket.take(change));
            assert_eq!(docket.into_findings(), whole, "seed {seed}, {subject}");
        }
    }
}

/// After an entry about another subject a case either says that it must be judged anew, or all that was found stands.
#[test]
fn a_change_of_the_world_is_noticed_wherever_it_changes_the_past() {
    let mut answers = [0_u32; 2];
    for seed in seeds(20) {
        let life = life(seed);
        let mut dice = Dice::new(seed ^ 0xC4A6);
        let log = &life.ledger.log;
        let changes: Vec<_> =
            log.iter().rev().take(200).filter(|event| changes_the_world(event.candidate.kind())).collect();
        for _ in 0..6.min(changes.len()) {
            let entry = *dice.pick(&changes);
            let size = entry.position.get();
            let as_of = Timestamp::from_micros(entry.recorded_at.micros() + dice.between(-20, 60) * common::DAY);
            let (before, after) = (Around::new(log, size, size), Around::new(log, size + 1, size + 1));
            for subject in &life.machines {
                let touching = life.ledger.touching(subject);
                let instant = Instant { as_of, size };
                let Some((mut case, _)) = judge(subject, &touching, instant, &before) else { continue };
                case.advance(&before, as_of.micros(), &mut Vec::new());
                let judged_us = case.at_us();
                let stands = case.look_again_since(&after, changed_from_us(&Step::of(entry)));
                answers[usize::from(stands)] += 1;
                if stands {
                    let until = |size, world: &Around| {
                        let as_of = Timestamp::from_micros(judged_us);
                        let found = judge(subject, &touching, Instant { as_of, size }, world);
                        of_findings(&found.unwrap().1)
                    };
                    let kind = entry.candidate.kind();
                    assert_eq!(
                        until(size, &before),
                        until(size + 1, &after),
                        "seed {seed}, {subject}, {kind} at {size}"
                    );
                }
            }
        }
    }
    let some = std::env::var("TALLY_SEED").is_ok();
    assert!(some || answers.iter().all(|count| *count > 0), "judged anew and not: {answers:?}");
}

fn report(failures: &BTreeMap<String, (usize, String)>) {
    for (rule, (count, text)) in failures {
        eprintln!("{rule}: {count} times, first:\n{text}");
    }
    let counts: Vec<String> = failures.iter().map(|(rule, (count, _))| format!("{rule} {count}")).collect();
    assert!(failures.is_empty(), "they differ: {}", counts.join(", "));
}
