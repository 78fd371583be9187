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

/// What has a chain of its own in the scene, without being a machine, a mine or an organisation.
struct Acts {
    machine: SubjectId,
    publication: SubjectId,
    stop: SubjectId,
    seal: SubjectId,
    recall: SubjectId,
}

/// A mark that the scene's authority issued; the number of the sample is still free.
fn mark() -> SubjectId {
    SubjectId::mark("MEB250002").unwrap()
}

fn acts(ledger: &mut Ledger, machine: SubjectId) -> Acts {
    let names = Names { machines: vec![machine], ..Names::default() };
    let issued = bodies::mark_issued("MEB250002", &names.maker, &names.model);
    ledger.accept(ledger.draft("mark authority", Role::MarkAuthority, mark(), Message::MarkIssued(issued)));
    let mut open = |kind: EventKind| {
        let mut body = sample(kind, &names);
        if let Message::StopUseOrdered(ordered) = &mut body {
            ordered.order.as_mut().unwrap().mines = vec![mine("mine").id().to_vec()];
        }
        let draft = ledger.opening("regulator", Role::Regulator, *kind.subjects().first().unwrap(), body);
        ledger.accept(draft.clone());
        draft.subject
    };
    Acts {
        machine,
        publication: open(EventKind::SchedulePublished),
        stop: open(EventKind::StopUseOrdered),
        seal: open(EventKind::SealedUp),
        recall: open(EventKind::RecallIssued),
    }
}

/// A machine of the company in its mine, another on the way to a dealer, and for each role an organisation that the mine
/// engaged; a regulator other than those published and ordered.
fn scene() -> (Ledger, Acts) {
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
    let acts = acts(&mut ledger, machine);
    (ledger, acts)
}

fn subject_of(kind: EventKind, name: &str, acts: &Acts) -> SubjectId {
    let fresh = Ledger::names("0999");
    match kind {
        EventKind::OrganisationRegistered => organisation("newcomer").subject(),
        EventKind::MineRegistered => mine("new mine"),
        EventKind::ModelRegistered => SubjectId::model(&fresh.maker, &fresh.model).unwrap(),
        EventKind::Manufactured | EventKind::Enrolled => fresh.machine(),
        EventKind::Received | EventKind::ReceiptRefused => Ledger::names("0418").machine(),
        EventKind::AssemblyFormed => SubjectId::named(organisation(name), "综采面1").unwrap(),
        EventKind::MarkIssued => SubjectId::mark("MEB250001").unwrap(),
        EventKind::Unsealed => acts.seal,
        _ => match kind.subjects() {
            [SubjectKind::Organisation] => organisation("partner").subject(),
            [SubjectKind::Mine] | [SubjectKind::Organisation, SubjectKind::Mine] => mine("mine"),
            [SubjectKind::Mark] => mark(),
            [SubjectKind::Publication] => acts.publication,
            [SubjectKind::Order] => acts.stop,
            _ => acts.machine,
        },
    }
}

/// The body of a kind as an organisation in that role may state it.
fn body_by(kind: EventKind, role: Role, names: &Names) -> Message {
    let mut body = sample(kind, names);
    match &mut body {
        Message::Inspected(inspected) if role == Role::Regulator => {
            inspected.kind = v1::InspectionKind::Supervision as i32;
        }
        Message::OrderReceived(received) => received.refused = role == Role::Regulator,
        _ => {}
    }
    body
}

fn ask(ledger: &mut Ledger, kind: EventKind, role: Role, acts: &Acts) -> Answer {
    let name = &in_no_position(role);
    let (subject, machine) = (subject_of(kind, name, acts), acts.machine);
    let serial = if subject == machine { "0417" } else { "0999" };
    let event = ledger.last(if subject == Ledger::names("0418").machine() { &subject } else { &machine });
    let machines = if subject.kind() == SubjectKind::Order { vec![machine] } else { Vec::new() };
    let order = *acts.recall.id();
    let names = Names { inside: Some(mine("mine")), event, machines, order, ..Ledger::names(serial) };
    let body = body_by(kind, role, &names);
    let has_own_id = matches!(subject.kind(), SubjectKind::Order | SubjectKind::Publication);
    let mut draft = if kind.opens() && has_own_id {
        ledger.opening(name, role, subject.kind(), body)
    } else {
        ledger.draft(name, role, subject, body)
    };
    if role == Role::Registrar {
        draft = draft.hand("registrar-2");
    }
    let sent = ledger.sign(&draft);
    let candidate = ledger.receive(&sent).unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
    let in_row = authority::of(kind).signers.contains(&Signer::Role(role));
    match ledger.judge(&candidate, &[]) {
        Err(Refusal::RoleMayNotSign { .. }) => Answer::MayNot,
        Err(Refusal::NotInPosition { .. } | Refusal::Stranger { .. } | Refusal::OutsideJurisdiction { .. })
            if in_row =>
        {
            Answer::Closer
        }
        // A recall mentions nothing but what is recalled.
        Err(Refusal::MentionNotAllowed { .. }) if kind == EventKind::RecallIssued => Answer::Closer,
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
| machine | mark authorities, regulators and investigators; its maker, owner, holder and user under a lease; consignee and sender of an open dispatch; who holds the role mine for the mine that it is in; whom that mine, its holder or its owner engaged |
| mine | mark authorities, regulators and investigators; who holds the role mine for it; its operator; whom it engaged |
| organisation | itself; the registrar |
| model | manufacturers |
| mark, order, publication | mark authorities, regulators and investigators |

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
| mine | who has to do with the mine; anybody entitled to sign about a machine that is in it on record; a maker in a recall of a machine that is in it on record; the registrar in a publication for it; it must be on record |
| machine, by an event on a machine's chain | who has to do with the mentioned machine; it must be on record |
| machine, by an event on a mine's chain | whoever may sign there, if the machine is in that mine on record |
| machine, by an order | mark authorities and regulators; in a recall, who made it, until 256 orders name it |
| machine, where an order is lifted for it | who may lift the order, if the order named it |
| model, mark | anybody entitled to sign what names it; a recall names the model of all its machines |
| recall, by RecallRemedied | who has to do with the machine, if the recall named it |

## How far an authority reaches 管辖

A regulator's grant names areas by prefixes of GB/T 2260 codes, or none for everywhere; on all of its grants together it
reaches as far as the widest. Beyond that is refused (`OUTSIDE_JURISDICTION`).

| what | who |
| --- | --- |
| publication for the nation | the registrar; a regulator everywhere |
| publication for an area | the registrar; a regulator whose area is that or a wider one |
| publication for a group | who runs mines, for those that it runs |
| publication for a mine | who runs it; the registrar; a regulator of the mine's area code, where it has none a regulator everywhere |
| receipt of an order | a mine that must acknowledge it, by who runs it; that it refused, a regulator notes |
| withdrawal of a publication | who published it, or its successor |
| more machines or mines of an order | who gave it, or its successor |
| lifting or unsealing | who gave the order, or its successor; a regulator that reaches over all that the giver does, and not the other way round; where the giver is no regulator any more, a regulator everywhere |
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
    let (mut ledger, acts) = scene();
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
    text.push_str("\n## Every role and every kind 全表\n\nWhat admission answers to an organisation in that role which the mine of the machine engaged, and which is in no other\nposition. ● may sign · ◐ the role may, but only who stands closer: the maker that still holds the machine or made what\nit recalls, who runs that very mine, who gave the order or published, a higher authority · ○ whoever is in the\nposition may, in whatever role it holds · empty: may not (`ROLE_MAY_NOT_SIGN`).\nKeyAdded and KeyRevoked are signed by the recovery key, too, in whatever role.\n\n| kind |");
    ROLES.iter().for_each(|role| write!(text, " {} |", role_name(*role)).unwrap());
    writeln!(text, "\n| --- |{}", " :-: |".repeat(ROLES.len())).unwrap();
    for kind in EventKind::ALL {
        write!(text, "| {kind} |").unwrap();
        for role in ROLES {
            let answer = ask(&mut ledger, *kind, *role, &acts);
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
    let (mut ledger, acts) = scene();
    for row in MAY_SIGN {
        let by_position = row.signers.iter().any(|signer| !matches!(signer, Signer::Role(_) | Signer::RecoveryKey));
        for role in ROLES {
            let answer = ask(&mut ledger, row.kind, *role, &acts);
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
    let (mut ledger, acts) = scene();
    let machine = acts.machine;
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
    for row in MAY_SIGN.iter().filter(|row| subject_of(row.kind, "nobody", &acts) == machine) {
        for role in ROLES.iter().filter(|role| row.signers.contains(&Signer::Role(**role))) {
            let name = &in_no_position(*role);
            let (event, order) = (ledger.last(&machine), *acts.recall.id());
            let names = Names { inside: Some(mine("mine")), event, order, ..Ledger::names("0417") };
            let draft = ledger.draft(name, *role, machine, body_by(row.kind, *role, &names));
            let sent = ledger.sign(&draft);
            let candidate = ledger.receive(&sent).unwrap();
            let answer = ledger.judge(&candidate, &[]);
            let is_kept_out = matches!(answer, Err(Refusal::Stranger { .. } | Refusal::NotInPosition { .. }));
            assert_eq!(is_kept_out, !RELATED_TO_ALL.contains(role), "{} by {name}: {answer:?}", row.kind);
        }
    }
}
