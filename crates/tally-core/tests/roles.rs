//! Who may sign what, every role and every kind of event: asked of admission, and printed as `docs/roles.md`

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::fmt::Write as _;

use common::{
    Ledger,
    bodies::{self, Names, sample},
    golden::assert_golden,
    mine, organisation,
};
use tally_core::{
    authority::{
        self, IfMissing, MAY_SIGN, RELATED_TO_ALL, ROLES, Second, Signer, When, role_name, role_zh, second_name,
        signer_name,
    },
    event::EventKind,
    id::{SubjectId, SubjectKind},
    refusal::Refusal,
};
use tally_proto::v1::{self, Role, statement::Body as Message};

/// What admission says to an organisation that acts in a role and is in no position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// Nothing against the signer.
    May,
    /// The role may, but only who stands closer to the subject.
    Closer,
    /// Not the role counts, but who is in the position.
    Position,
    MayNot,
}

impl Answer {
    const fn sign(self) -> &'static str {
        match self {
            Self::May => "●",
            Self::Closer => "◐",
            Self::Position => "○",
            Self::MayNot => "",
        }
    }
}

/// An organisation of a role that neither made nor holds the machine.
fn in_no_position(role: Role) -> String {
    if role == Role::Registrar { "registrar".to_owned() } else { format!("some {}", role_name(role)) }
}

/// A machine of the company in its mine, another on the way to a dealer, and for each role an organisation that the mine engaged.
fn scene() -> (Ledger, SubjectId) {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let on_the_way = ledger.at_mine("0418");
    ledger.dispatch(("company", Role::Mine), "partner", on_the_way, v1::DispatchReason::Transfer);
    for role in ROLES.iter().filter(|role| **role != Role::Registrar) {
        let name = &in_no_position(*role);
        ledger.register(name, &[*role], &[mine("elsewhere")]);
        let engaged = v1::Engaged {
            organisation: organisation(name).as_bytes().to_vec(),
            purposes: vec![v1::EngagementPurpose::Maintain as i32],
            from: bodies::day(2026, 1, 1),
            until: bodies::day(2030, 1, 1),
            ..v1::Engaged::default()
        };
        ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), Message::Engaged(engaged)));
    }
    (ledger, machine)
}

fn subject_of(kind: EventKind, name: &str, machine: SubjectId) -> SubjectId {
    let fresh = Ledger::names("0999");
    match kind {
        EventKind::OrganisationRegistered => organisation("newcomer").subject(),
        EventKind::MineRegistered => mine("new mine"),
        EventKind::ModelRegistered => SubjectId::model(&fresh.maker, &fresh.model).unwrap(),
        EventKind::Manufactured | EventKind::Enrolled => fresh.machine(),
        EventKind::Received | EventKind::ReceiptRefused => Ledger::names("0418").machine(),
        EventKind::AssemblyFormed => SubjectId::named(organisation(name), "综采面1").unwrap(),
        _ => match kind.subjects() {
            [SubjectKind::Organisation] => organisation("partner").subject(),
            [SubjectKind::Mine] | [SubjectKind::Organisation, SubjectKind::Mine] => mine("mine"),
            _ => machine,
        },
    }
}

fn ask(ledger: &mut Ledger, kind: EventKind, role: Role, machine: SubjectId) -> Answer {
    let name = &in_no_position(role);
    let subject = subject_of(kind, name, machine);
    let serial = if subject == machine { "0417" } else { "0999" };
    let event = ledger.last(if subject == Ledger::names("0418").machine() { &subject } else { &machine });
    let names = Names { inside: Some(mine("mine")), event, ..Ledger::names(serial) };
    let mut body = sample(kind, &names);
    if let Message::Inspected(inspected) = &mut body
        && role == Role::Regulator
    {
        inspected.kind = v1::InspectionKind::Supervision as i32;
    }
    let mut draft = ledger.draft(name, role, subject, body);
    if role == Role::Registrar {
        draft = draft.hand("registrar-2");
    }
    let sent = ledger.sign(&draft);
    let candidate = ledger.receive(&sent).unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
    let in_row = authority::of(kind).signers.contains(&Signer::Role(role));
    match ledger.judge(&candidate, &[]) {
        Err(Refusal::RoleMayNotSign { .. }) => Answer::MayNot,
        Err(Refusal::NotInPosition { .. } | Refusal::Stranger { .. }) if in_row => Answer::Closer,
        Err(Refusal::NotInPosition { .. }) => Answer::Position,
        Err(refusal @ (Refusal::RoleNotHeld { .. } | Refusal::ThresholdNotMet { .. } | Refusal::Stranger { .. })) => {
            panic!("{kind} by {name}: {refusal}")
        }
        Ok(_) | Err(_) => Answer::May,
    }
}

const INTRO: &str = "\
# Roles 角色

Printed by `crates/tally-core/tests/roles.rs` from the table in `crates/tally-core/src/authority.rs` and from what
admission answers; `UPDATE_GOLDEN=1 cargo test -p tally-core --test roles` prints it again.

An event is signed by an organisation that acts in one role. It must hold that role at the event's place in the log,
whatever the period of the grant: a period or scope that does not cover the day of the work is recorded and shown
(`OUTSIDE_GRANT`), not refused. The role must be one that may sign the kind, or the organisation must be in the position
that the kind asks for. And it must have to do with the subject, so that strangers do not move heads.
";

const RELATION: &str = "\
## Who has to do with a subject 关系

| subject | who |
| --- | --- |
| machine | its maker, owner, holder and user under a lease; consignee and sender of an open dispatch; who holds the role mine for the mine that it is in; whom that mine, its holder or its owner engaged |
| mine | who holds the role mine for it; its operator; whom it engaged |
| organisation | itself; the registrar |
| model | manufacturers |

Whoever took an organisation over (OrganisationSucceeded) stands in its place as maker, owner, holder, user, consignee,
sender and operator. A grant of a role does not pass.

A hand belongs to the signing organisation, to the party that must sign besides, to the registrar, or to one of those
above; any other is refused (`HAND_FOREIGN`).

## Who may mention whom 提及

The mentions of an event are exactly the subjects that its body names and that it touches: one too many or too few is
refused (`WRONG_MENTIONS`).

| mentioned | who may |
| --- | --- |
| organisation | anybody; it must be on record |
| mine | who has to do with the mine; anybody entitled to sign about a machine that is in it on record; it must be on record |
| machine, by an event on a machine's chain | who has to do with the mentioned machine; it must be on record |
| machine, by an event on a mine's chain | whoever may sign there, if the machine is in that mine on record |
| model, mark | anybody entitled to sign what names it |
";

const KEYS: &str = "\
## Keys 密钥

The issuer's key belongs to the organisation of the statement at the event's place in the log. Organisation, staff and
device keys sign events; a recovery key signs KeyAdded and KeyRevoked on its own organisation's chain and nothing else.
Keys are added and revoked by the recovery key or by the registrar, never by an operational or staff key.

The registrar acts by the keys that genesis named and those added to its chain since. As many of them as the threshold
says must sign OrganisationRegistered, RoleGranted and RoleWithdrawn, and KeyAdded and KeyRevoked on the registrar's own
chain; one suffices for what else the registrar signs. The registrar's recovery key stands above the threshold, so that
a registrar that lost its keys can go on: it is to be kept accordingly.

Where `untrusted_since` lies more than 30 days back, KeyRevoked needs the hand of the registrar or of a regulator: nobody
disowns its own past alone.
";

fn when(when: When) -> &'static str {
    match when {
        When::Always => "always",
        When::Controlled => "where the part is a controlled one",
        When::ByLaboratory => "where a laboratory signs",
        When::LongAgo => "where `untrusted_since` is over 30 days back",
        When::WithoutConsent => "where neither consent nor a change of the mark is named",
    }
}

#[test]
fn who_may_sign_is_printed_as_documented() {
    let (mut ledger, machine) = scene();
    let mut text = INTRO.to_owned();
    text.push_str("\n## Roles that are granted\n\n| no. | role | 中文 | has to do with every machine and mine |\n| --- | --- | --- | --- |\n");
    for role in ROLES {
        let all = if RELATED_TO_ALL.contains(role) { "yes" } else { "" };
        writeln!(text, "| {} | {} | {} | {all} |", *role as i32, role_name(*role), role_zh(*role)).unwrap();
    }
    text.push_str("\n## Who signs, and who besides 签发与第二签名\n\n| no. | kind | 中文 | who may issue it | second signature | when | missing |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for row in MAY_SIGN {
        let signers: Vec<&str> = row.signers.iter().map(|signer| signer_name(*signer)).collect();
        let (second, when, missing) = match (row.second, row.if_missing) {
            (Second::Nobody, _) => ("–", "", ""),
            (second, IfMissing::Refuse) => (second_name(second), when(row.when), "REFUSE"),
            (second, IfMissing::Find) => (second_name(second), when(row.when), "FIND"),
        };
        let kind = row.kind;
        writeln!(
            text,
            "| {} | {kind} | {} | {} | {second} | {when} | {missing} |",
            kind as u32,
            kind.zh(),
            signers.join(", "),
        )
        .unwrap();
    }
    text.push_str("\nREFUSE: without it the event is refused (`HAND_MISSING`). FIND: it is recorded and shown as `SECOND_SIGNATURE_MISSING`;\na Countersigned supplies it late, and the history shows both.\n");
    text.push_str("\n## Every role and every kind 全表\n\nWhat admission answers to an organisation in that role which the mine of the machine engaged, and which is in no other\nposition. ● may sign · ◐ the role may, but only who stands closer: the maker that still holds the machine, or who runs\nthat very mine · ○ whoever is in the position may, in whatever role it holds · empty: may not (`ROLE_MAY_NOT_SIGN`).\nKeyAdded and KeyRevoked are signed by the recovery key, too, in whatever role.\n\n| kind |");
    ROLES.iter().for_each(|role| write!(text, " {} |", role_name(*role)).unwrap());
    writeln!(text, "\n| --- |{}", " :-: |".repeat(ROLES.len())).unwrap();
    for kind in EventKind::ALL {
        write!(text, "| {kind} |").unwrap();
        for role in ROLES {
            let answer = ask(&mut ledger, *kind, *role, machine);
            write!(text, " {} |", answer.sign()).unwrap();
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(RELATION);
    text.push('\n');
    text.push_str(KEYS);
    assert_golden("docs/roles.md", &text);
}

#[test]
fn a_role_that_is_not_in_the_row_never_passes_and_one_that_is_always_may() {
    let (mut ledger, machine) = scene();
    for row in MAY_SIGN {
        let by_position = row.signers.iter().any(|signer| !matches!(signer, Signer::Role(_) | Signer::RecoveryKey));
        for role in ROLES {
            let answer = ask(&mut ledger, row.kind, *role, machine);
            let due: &[Answer] = match (row.signers.contains(&Signer::Role(*role)), by_position) {
                (true, _) => &[Answer::May, Answer::Closer],
                // All are related to this machine, and none of them is in another position.
                (false, true) if row.signers == [Signer::AnyRelated] && *role != Role::Registrar => &[Answer::May],
                (false, true) => &[Answer::Position],
                (false, false) => &[Answer::MayNot],
            };
            assert!(due.contains(&answer), "{} by {}: {answer:?}", row.kind, role_name(*role));
        }
    }
}

#[test]
fn without_an_engagement_the_same_organisations_are_strangers() {
    let (mut ledger, machine) = scene();
    let engaged: Vec<_> = ledger.touching(&mine("mine"));
    for event in engaged {
        if event.candidate.kind() == EventKind::Engaged {
            let ended = v1::EngagementEnded {
                engagement: Some(tally_core::event::event_ref_message(&event.candidate.event().event_ref())),
                from: bodies::day(2026, 2, 1),
                reason: "期满".to_owned(),
            };
            ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), Message::EngagementEnded(ended)));
        }
    }
    for row in MAY_SIGN.iter().filter(|row| subject_of(row.kind, "nobody", machine) == machine) {
        for role in ROLES.iter().filter(|role| row.signers.contains(&Signer::Role(**role))) {
            let name = &in_no_position(*role);
            let names = Names { inside: Some(mine("mine")), event: ledger.last(&machine), ..Ledger::names("0417") };
            let mut body = sample(row.kind, &names);
            if let Message::Inspected(inspected) = &mut body
                && *role == Role::Regulator
            {
                inspected.kind = v1::InspectionKind::Supervision as i32;
            }
            let draft = ledger.draft(name, *role, machine, body);
            let sent = ledger.sign(&draft);
            let candidate = ledger.receive(&sent).unwrap();
            let answer = ledger.judge(&candidate, &[]);
            let is_kept_out = matches!(answer, Err(Refusal::Stranger { .. } | Refusal::NotInPosition { .. }));
            assert_eq!(is_kept_out, !RELATED_TO_ALL.contains(role), "{} by {name}: {answer:?}", row.kind);
        }
    }
}
