//! The lifecycle, every state and every kind of event: printed as `docs/lifecycle.md`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::fmt::Write as _;

use common::{
    bodies::{Names, sample},
    golden::{assert_golden, path},
};
use tally_core::{
    admission::CORRECTABLE,
    event::{Body, EventKind, UncheckedBody},
    id::SubjectKind,
    lifecycle::{From, LIFECYCLE, STATES, To, state_zh, step},
};
use tally_proto::v1::{
    CheckResult, Duty, FaultSeverity, ReceivedInto, ServiceState, ServiceState::*, statement::Body as Message,
};

fn body(message: Message) -> Body {
    UncheckedBody::from(message).check().unwrap()
}

/// The bodies of a kind that lead to different states, each with what tells it apart.
fn variants(kind: EventKind) -> Vec<(&'static str, Body)> {
    let plain = sample(kind, &Names::default());
    let failed = CheckResult::Fail as i32;
    let others: Vec<(&'static str, Message)> = match plain.clone() {
        Message::Enrolled(it) => {
            vec![
                ("", plain),
                ("`state` STOPPED", Message::Enrolled(tally_proto::v1::Enrolled { state: Stopped as i32, ..it })),
            ]
        }
        Message::Received(mut it) => {
            let store = ("`into` STORE", plain);
            it.into = ReceivedInto::Overhaul as i32;
            let overhaul = ("`into` OVERHAUL", Message::Received(it.clone()));
            it.into = ReceivedInto::Mine as i32;
            it.mine_entered = vec![2; 16];
            vec![store, ("`into` MINE", Message::Received(it)), overhaul]
        }
        Message::AcceptanceChecked(mut it) => {
            it.result = failed;
            vec![("passed", plain), ("failed", Message::AcceptanceChecked(it))]
        }
        Message::ExProofChecked(mut it) => {
            it.result = failed;
            vec![("passed", plain), ("failed", Message::ExProofChecked(it))]
        }
        Message::Commissioned(it) => {
            let standby = tally_proto::v1::Commissioned { duty: Duty::Standby as i32, ..it.clone() };
            let failed = tally_proto::v1::Commissioned { result: failed, ..it };
            vec![
                ("`duty` WORK", plain),
                ("`duty` STANDBY", Message::Commissioned(standby)),
                ("failed", Message::Commissioned(failed)),
            ]
        }
        Message::Resumed(it) => {
            let standby = tally_proto::v1::Resumed { duty: Duty::Standby as i32, ..it.clone() };
            let failed = tally_proto::v1::Resumed { result: failed, ..it };
            vec![
                ("`duty` WORK", plain),
                ("`duty` STANDBY", Message::Resumed(standby)),
                ("failed", Message::Resumed(failed)),
            ]
        }
        Message::DutyChanged(mut it) => {
            it.duty = Duty::Work as i32;
            vec![("`duty` WORK", Message::DutyChanged(it)), ("`duty` STANDBY", plain)]
        }
        Message::Moved(mut it) => {
            it.dismantled = true;
            vec![("", plain), ("dismantled", Message::Moved(it))]
        }
        Message::Tested(mut it) => {
            it.stop = true;
            vec![("", plain), ("`stop`", Message::Tested(it))]
        }
        Message::MaintenanceFinished(it) => {
            [("`next` IDLE", Idle), ("`next` IN_USE", InUse), ("`next` STANDBY", Standby)]
                .map(|(name, next)| {
                    let it = tally_proto::v1::MaintenanceFinished { next: next as i32, ..it.clone() };
                    (name, Message::MaintenanceFinished(it))
                })
                .to_vec()
        }
        Message::FaultReported(mut it) => {
            it.severity = FaultSeverity::Stop as i32;
            vec![("", plain), ("severity STOP", Message::FaultReported(it))]
        }
        _ => vec![("", plain)],
    };
    others.into_iter().map(|(name, message)| (name, body(message))).collect()
}

fn name(state: ServiceState) -> &'static str {
    state.as_str_name().strip_prefix("SERVICE_STATE_").unwrap()
}

fn short(state: ServiceState) -> &'static str {
    match state {
        Unspecified => "–",
        Manufactured => "MFD",
        InTransit => "TRA",
        InStore => "STO",
        AtMine => "ATM",
        Accepted => "ACC",
        ReadyDown => "RDY",
        Underground => "UND",
        Installed => "INS",
        InUse => "USE",
        Standby => "SBY",
        Idle => "IDL",
        UnderMaintenance => "MNT",
        AtOverhaul => "OVH",
        Stopped => "STP",
        ScrapProposed => "PRO",
        Scrapped => "SCR",
        Dismantled => "DIS",
        Lost => "LST",
        Exported => "EXP",
        Superseded => "SUP",
    }
}

/// What value.proto says of a state: English and Chinese.
fn meaning(state: ServiceState) -> (String, String) {
    let proto = std::fs::read_to_string(path("proto/tally/v1/value.proto")).unwrap();
    let lines: Vec<&str> = proto.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.starts_with(&format!("{} =", state.as_str_name()))).unwrap();
    let comment = lines[at - 1].strip_prefix("// ").unwrap();
    let (english, chinese) = comment.rsplit_once(' ').unwrap();
    (english.to_owned(), chinese.to_owned())
}

fn list(states: &[ServiceState]) -> String {
    states.iter().map(|state| name(*state)).collect::<Vec<_>>().join(", ")
}

const INTRO: &str = "\
# Lifecycle 生命周期

Printed by `crates/tally-core/tests/lifecycle.rs` from the table in `crates/tally-core/src/lifecycle.rs` and from what
that code answers; `UPDATE_GOLDEN=1 cargo test -p tally-core --test lifecycle` prints it again.

A machine has one *service state*. Custody, place and overlays (such as a stop-use order) are other axes, which move on
their own. The next state follows from the former state and the event's own fields, from nothing else, in the order of
what occurred. An event says what happened, so it is not refused because the state before it was not the orderly one: it
is recorded, the state follows the event, and the *jump* 状态跳变 is shown as irregular for ever. What is refused is what
cannot be true; that list stands at the end.
";

const REFUSED: &str = "\
## What is refused 拒收

The service state refuses nothing. These are refused because they cannot be true, whatever the state is:

| what | reason |
| --- | --- |
| any kind but an opening one on a chain that is not open | `SUBJECT_UNKNOWN` |
| a second opening of a chain; a second Manufactured | `ALREADY_OPENED` |
| an event said to have happened before the day of manufacture | `BEFORE_MANUFACTURE` |
| Dismantled on a machine that is dismantled | `ALREADY_DISMANTLED` |
| Received or ReceiptRefused where nothing is on the way | `NOTHING_DISPATCHED` |
| pieces of a split that do not add up to the lot, or a split of what is no lot | `LENGTHS_DIFFER` |
| a mine left, raised from, installed in or moved in that is not the one on record | `NOT_AS_RECORDED` |

Opening a chain that is open is allowed in three cases: a further Enrolled is recorded and changes nothing; the
Manufactured of a machine that was enrolled adds the maker's facts and changes no state; LotSplit stands on the chain of
the parent as well as at the beginning of each piece's. The other reasons are in `refusals.md`, who may sign in
`roles.md`.
";

#[test]
fn lifecycle_is_printed_as_documented() {
    let mut text = INTRO.to_owned();
    text.push_str(
        "\n## States 状态\n\n| no. | state | in the matrix | 中文 | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for state in STATES {
        let (english, chinese) = meaning(*state);
        assert_eq!(chinese, state_zh(*state));
        writeln!(text, "| {} | {} | {} | {chinese} | {english} |", *state as i32, name(*state), short(*state)).unwrap();
    }
    text.push_str("\n## Kinds 事件\n\nFrom any other state than the orderly ones, the same event leads to the same place as a jump.\n\n");
    text.push_str(
        "| no. | kind | 中文 | stage | orderly from | state after |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in LIFECYCLE {
        let from = match row.from {
            From::Opening => "– (opens the chain)".to_owned(),
            From::Any => "any".to_owned(),
            From::States(states) => list(states),
            From::AnyBut(states) => format!("any but {}", list(states)),
        };
        let to = match row.to {
            To::Same => "as before".to_owned(),
            To::State(state) => name(state).to_owned(),
            To::ByBody(how) => how.to_owned(),
        };
        let kind = row.kind;
        writeln!(text, "| {} | {kind} | {} | {} | {from} | {to} |", kind as u32, kind.zh(), kind.stage().zh()).unwrap();
    }
    text.push_str(
        "\n## Every state and every kind 全表\n\nA cell is the state after the event. `·` is orderly and leaves the state as it is; `!` is a jump. The column – is a\nchain that is not open yet: there only opening kinds are admitted.\n\n",
    );
    text.push_str("| kind | – |");
    STATES.iter().for_each(|state| write!(text, " {} |", short(*state)).unwrap());
    writeln!(text, "\n| --- | --- |{}", " --- |".repeat(STATES.len())).unwrap();
    for row in LIFECYCLE {
        for (variant, body) in variants(row.kind) {
            let title = if variant.is_empty() { row.kind.to_string() } else { format!("{}, {variant}", row.kind) };
            let opening = if row.kind.opens() { short(step(None, &body).state) } else { "refused" };
            write!(text, "| {title} | {opening} |").unwrap();
            for former in STATES {
                let step = step(Some(*former), &body);
                let same = step.state == *former;
                let state = if same && !step.jump { "·" } else { short(step.state) };
                write!(text, " {state}{} |", if step.jump { "!" } else { "" }).unwrap();
            }
            text.push('\n');
        }
    }
    text.push_str("\n## Kinds on other chains 其他主体\n\nThese stand on the chains of organisations, mines and models, and change no machine's state:");
    for kind in EventKind::ALL.iter().filter(|kind| LIFECYCLE.iter().all(|row| row.kind != **kind)) {
        write!(text, "\n{kind} {},", kind.zh()).unwrap();
    }
    text.pop();
    text.push_str(".\n\n");
    text.push_str(REFUSED);
    text.push_str("\n## What can be amended 更正\n\nCorrected names the original event and puts a whole body of the same kind in its place, or withdraws it. What moves\nkeys, roles, custody, ownership or the mine cannot be amended: record what undoes it. An event that opened a chain\ncannot be withdrawn. The replacement names the same subjects, the same plate and the same mine. These can be amended:\n");
    for kind in CORRECTABLE {
        write!(text, "\n{kind} {},", kind.zh()).unwrap();
    }
    text.pop();
    text.push_str(".\n");
    assert_golden("docs/lifecycle.md", &text);
}

#[test]
fn every_kind_that_stands_on_equipment_has_one_row() {
    for kind in EventKind::ALL {
        let rows = LIFECYCLE.iter().filter(|row| row.kind == *kind).count();
        assert_eq!(rows, usize::from(kind.subjects().contains(&SubjectKind::Equipment)), "{kind}");
    }
    let mut numbers: Vec<i32> = STATES.iter().map(|state| *state as i32).collect();
    numbers.dedup();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>(), "all states, in the order of their numbers");
}

#[test]
fn a_jump_follows_the_event_to_the_same_state_as_an_orderly_step() {
    for row in LIFECYCLE {
        let To::State(due) = row.to else { continue };
        for (_, body) in variants(row.kind) {
            for former in STATES {
                assert_eq!(step(Some(*former), &body).state, due, "{} from {former:?}", row.kind);
            }
        }
    }
}

#[test]
fn scrapped_machines_stay_scrapped_on_the_way_to_the_recycler() {
    let scrapped = Some(Scrapped);
    for kind in [EventKind::Dispatched, EventKind::Received, EventKind::ReceiptRefused, EventKind::RaisedToSurface] {
        for (variant, body) in variants(kind) {
            let step = step(scrapped, &body);
            assert_eq!((step.state, step.jump), (Scrapped, false), "{kind} {variant}");
        }
    }
    let used = step(scrapped, &variants(EventKind::Commissioned)[0].1);
    assert_eq!((used.state, used.jump), (InUse, true), "use of a scrapped machine is recorded, and shows");
}
