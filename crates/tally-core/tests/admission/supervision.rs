//! Marks, publications, orders and recalls: what must be refused, and what a higher authority, a maker and a mine may

use tally_core::{
    event::EventKind,
    id::{SubjectId, SubjectKind},
};
use tally_proto::v1::{self, PublicationLayer, Role, statement::Body as Message};

use crate::{
    cases::{Attempt, Case, by, one},
    common::{
        Draft, Ledger,
        bodies::{self, Names, sample},
        mine, organisation,
    },
};

/// The mark authority states something about the mark that it issued.
fn mark(ledger: &mut Ledger, kinds: &[EventKind]) -> Draft {
    let names = Names::default();
    let subject = SubjectId::mark("MEB250001").unwrap();
    let draft =
        |ledger: &Ledger, kind| ledger.draft("mark authority", Role::MarkAuthority, subject, sample(kind, &names));
    let (last, before) = kinds.split_last().unwrap();
    for kind in before {
        let draft = draft(ledger, *kind);
        ledger.accept(draft);
    }
    draft(ledger, *last)
}

/// Publishes a schedule in a layer.
fn publishes(ledger: &mut Ledger, by: (&str, Role), layer: PublicationLayer, area: &str, of: Option<&str>) -> Draft {
    let Message::SchedulePublished(mut body) = sample(EventKind::SchedulePublished, &Names::default()) else {
        panic!("another kind")
    };
    let publication = body.publication.as_mut().unwrap();
    publication.layer = layer as i32;
    area.clone_into(&mut publication.area);
    publication.mine = of.map(|name| mine(name).id().to_vec()).unwrap_or_default();
    ledger.opening(by.0, by.1, SubjectKind::Publication, Message::SchedulePublished(body))
}

const fn regulator(name: &str) -> (&str, Role) {
    (name, Role::Regulator)
}

/// A regulator of the nation, two of one province, one of a city in it, one of another province.
fn regulators(ledger: &mut Ledger) {
    for (name, areas) in [
        ("province", &["14"][..]),
        ("bureau", &["14"]),
        ("city", &["1402"]),
        ("other province", &["61"]),
        ("two provinces", &["14", "61"]),
    ] {
        ledger.register_regulator(name, areas);
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds open no order")]
fn with_mines(body: &mut Message, mines: &[&str]) {
    let order = match body {
        Message::StopUseOrdered(body) => &mut body.order,
        Message::SealedUp(body) => &mut body.order,
        Message::RecallIssued(body) => &mut body.order,
        _ => panic!("opens no order"),
    };
    let mut ids: Vec<Vec<u8>> = mines.iter().map(|name| mine(name).id().to_vec()).collect();
    ids.sort();
    order.as_mut().unwrap().mines = ids;
}

/// Somebody gives an order about machines; it names mines.
fn order(ledger: &mut Ledger, by: (&str, Role), kind: EventKind, machines: &[SubjectId], mines: &[&str]) -> Draft {
    let mut machines = machines.to_vec();
    machines.sort();
    let mut body = sample(kind, &Names { machines, ..Names::default() });
    with_mines(&mut body, mines);
    ledger.opening(by.0, by.1, SubjectKind::Order, body)
}

fn ordered(
    ledger: &mut Ledger,
    by: (&str, Role),
    kind: EventKind,
    machines: &[SubjectId],
    mines: &[&str],
) -> SubjectId {
    let draft = order(ledger, by, kind, machines, mines);
    let subject = draft.subject;
    ledger.accept(draft);
    subject
}

/// Something about an order that stands, about machines.
fn about(ledger: &Ledger, by: (&str, Role), order: SubjectId, kind: EventKind, machines: &[SubjectId]) -> Draft {
    ledger.draft(by.0, by.1, order, sample(kind, &Names { machines: machines.to_vec(), ..Names::default() }))
}

/// The province stops the machine, and somebody lifts that.
fn lifts(ledger: &mut Ledger, by: (&str, Role)) -> Draft {
    regulators(ledger);
    let machine = ledger.at_mine("0417");
    let stop = ordered(ledger, regulator("province"), EventKind::StopUseOrdered, &[machine], &[]);
    about(ledger, by, stop, EventKind::StopUseLifted, &[machine])
}

/// A receipt of an order that names the mine.
fn receives(ledger: &mut Ledger, by: (&str, Role), of: &str, refused: bool) -> Draft {
    let machine = ledger.at_mine("0417");
    let stop = ordered(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &["mine"]);
    let body = v1::OrderReceived { mine: mine(of).id().to_vec(), refused, note: String::new() };
    ledger.draft(by.0, by.1, stop, Message::OrderReceived(body))
}

fn remedied(ledger: &Ledger, machine: SubjectId, recall: SubjectId) -> Draft {
    let body = sample(EventKind::RecallRemedied, &Names { order: *recall.id(), ..Names::default() });
    ledger.draft("company", Role::Mine, machine, body).hand("maker")
}

/// The regulator decides about the machine by a rule of this code.
fn decides(ledger: &mut Ledger, rule: &str) -> Draft {
    let machine = ledger.at_mine("0417");
    let mut draft = by(ledger, "regulator", Role::Regulator, machine, EventKind::FindingDecided);
    let Message::FindingDecided(body) = &mut draft.body else { panic!("another kind") };
    rule.clone_into(&mut body.rule);
    draft
}

/// An opening under an id that is not that of its event.
fn under_another_id(ledger: &mut Ledger, kind: EventKind) -> Attempt {
    let machines = vec![ledger.at_mine("0417")];
    let body = sample(kind, &Names { machines, ..Names::default() });
    let draft = ledger.opening("regulator", Role::Regulator, kind.subjects()[0], body);
    let mut id = *draft.subject.id();
    id[0] ^= 1;
    one(Draft { subject: SubjectId::new(draft.subject.kind(), id), ..draft })
}

fn machine_of_another_maker(ledger: &mut Ledger) -> SubjectId {
    let names = Names { maker: "other maker牌".to_owned(), ..Ledger::names("0900") };
    let body = sample(EventKind::Manufactured, &names);
    ledger.accept(ledger.draft("other maker", Role::Manufacturer, names.machine(), body));
    names.machine()
}

const MAKER: (&str, Role) = ("maker", Role::Manufacturer);
const COMPANY: (&str, Role) = ("company", Role::Mine);
const NEIGHBOUR: (&str, Role) = ("neighbour", Role::Mine);

pub(crate) const CASES: &[Case] = &[
    Case {
        reason: "MARK_ENDED",
        what: "a change of a mark that was revoked",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRevoked, EventKind::MarkChanged])),
    },
    Case {
        reason: "MARK_ENDED",
        what: "a renewal of a mark that was cancelled",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkIssued, EventKind::MarkCancelled, EventKind::MarkRenewed])),
    },
    Case {
        reason: "MARK_ENDED",
        what: "a mark revoked twice",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRevoked, EventKind::MarkRevoked])),
    },
    Case {
        reason: "MARK_ENDED",
        what: "a resumption of a mark that was suspended, then cancelled",
        attempt: |ledger| {
            let kinds =
                [EventKind::MarkIssued, EventKind::MarkSuspended, EventKind::MarkCancelled, EventKind::MarkResumed];
            one(mark(ledger, &kinds))
        },
    },
    Case {
        reason: "MARK_ENDED",
        what: "a note on a mark that was revoked",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRevoked, EventKind::Noted])),
    },
    Case {
        reason: "MARK_ENDED",
        what: "a signature supplied late on a mark that was revoked",
        attempt: |ledger| {
            let mut draft = mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRevoked, EventKind::Countersigned]);
            let names = Names { event: ledger.last(&draft.subject), ..Names::default() };
            draft.body = sample(EventKind::Countersigned, &names);
            one(draft)
        },
    },
    Case {
        reason: "ALREADY_OPENED",
        what: "a mark issued twice",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkIssued, EventKind::MarkIssued])),
    },
    Case {
        reason: "ALREADY_OPENED",
        what: "a mark issued again after it was revoked",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRevoked, EventKind::MarkIssued])),
    },
    Case {
        reason: "SUBJECT_UNKNOWN",
        what: "a suspension of a mark that nobody issued",
        attempt: |ledger| one(mark(ledger, &[EventKind::MarkSuspended])),
    },
    Case {
        reason: "CANNOT_BE_CORRECTED",
        what: "a suspension of a mark withdrawn by an amendment",
        attempt: |ledger| {
            let mut draft = mark(ledger, &[EventKind::MarkIssued, EventKind::MarkSuspended, EventKind::Corrected]);
            draft.body =
                sample(EventKind::Corrected, &Names { event: ledger.last(&draft.subject), ..Names::default() });
            one(draft)
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "a mark issued by its manufacturer",
        attempt: |ledger| {
            let draft = mark(ledger, &[EventKind::MarkIssued]);
            one(ledger.draft("maker", Role::Manufacturer, draft.subject, draft.body))
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "a mark revoked by a regulator",
        attempt: |ledger| {
            let draft = mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRevoked]);
            one(ledger.draft("regulator", Role::Regulator, draft.subject, draft.body))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a mark issued under a number that cannot exist",
        attempt: |ledger| {
            let body = bodies::mark_issued("MZB250001", "厂", "型");
            let subject = SubjectId::mark("MZB250001").unwrap();
            one(ledger.draft("mark authority", Role::MarkAuthority, subject, Message::MarkIssued(body)))
        },
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a mark issued on the chain of another number",
        attempt: |ledger| {
            let draft = mark(ledger, &[EventKind::MarkIssued]);
            one(Draft { subject: SubjectId::mark("MEB250002").unwrap(), ..draft })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a period that ends before it begins",
        attempt: |ledger| {
            let mut draft = mark(ledger, &[EventKind::MarkIssued, EventKind::MarkRenewed]);
            let Message::MarkRenewed(body) = &mut draft.body else { panic!("another kind") };
            std::mem::swap(&mut body.valid_from, &mut body.valid_until);
            one(draft)
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a batch mark that names no unit",
        attempt: |ledger| {
            let mut draft = mark(ledger, &[EventKind::MarkIssued]);
            let Message::MarkIssued(body) = &mut draft.body else { panic!("another kind") };
            (body.kind, body.valid_until) = (v1::MarkKind::Batch as i32, None);
            one(draft)
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for the nation by a province",
        attempt: |ledger| {
            regulators(ledger);
            one(publishes(ledger, regulator("province"), PublicationLayer::Nation, "", None))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for the nation by a mine",
        attempt: |ledger| one(publishes(ledger, COMPANY, PublicationLayer::Nation, "", None)),
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for an area by the regulator of another",
        attempt: |ledger| {
            regulators(ledger);
            one(publishes(ledger, regulator("other province"), PublicationLayer::Area, "1402", None))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for a province by a city in it",
        attempt: |ledger| {
            regulators(ledger);
            one(publishes(ledger, regulator("city"), PublicationLayer::Area, "14", None))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for an area by a mine",
        attempt: |ledger| one(publishes(ledger, COMPANY, PublicationLayer::Area, "14", None)),
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a schedule for a group by a regulator, who runs no mines",
        attempt: |ledger| one(publishes(ledger, regulator("regulator"), PublicationLayer::Group, "", None)),
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a schedule for a mine by who runs another",
        attempt: |ledger| one(publishes(ledger, NEIGHBOUR, PublicationLayer::Mine, "", Some("mine"))),
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for a mine by who runs another and works in this one",
        attempt: |ledger| {
            let names = Names { partner: "neighbour".to_owned(), ..Names::default() };
            ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), sample(EventKind::Engaged, &names)));
            one(publishes(ledger, NEIGHBOUR, PublicationLayer::Mine, "", Some("mine")))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a schedule for a mine by the regulator of another area",
        attempt: |ledger| {
            regulators(ledger);
            ledger.accept(moved_to_area(ledger, "140200"));
            one(publishes(ledger, regulator("other province"), PublicationLayer::Mine, "", Some("mine")))
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "parameters of rules published by a mine",
        attempt: |ledger| {
            let body = sample(EventKind::PolicyPublished, &Names::default());
            one(ledger.opening("company", Role::Mine, SubjectKind::Publication, body))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a publication withdrawn by another",
        attempt: |ledger| {
            let published = publishes(ledger, regulator("regulator"), PublicationLayer::Nation, "", None);
            let subject = published.subject;
            ledger.accept(published);
            regulators(ledger);
            let body = sample(EventKind::PublicationWithdrawn, &Names::default());
            one(ledger.draft("province", Role::Regulator, subject, body))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a parameter that its rule does not have",
        attempt: |ledger| {
            let Message::PolicyPublished(mut body) = sample(EventKind::PolicyPublished, &Names::default()) else {
                panic!("another kind")
            };
            "days".clone_into(&mut body.parameters[0].key);
            one(ledger.opening("regulator", Role::Regulator, SubjectKind::Publication, Message::PolicyPublished(body)))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "categories that count in an area only",
        attempt: |ledger| {
            let Message::CategoriesPublished(mut body) = sample(EventKind::CategoriesPublished, &Names::default())
            else {
                panic!("another kind")
            };
            let publication = body.publication.as_mut().unwrap();
            (publication.layer, publication.area) = (PublicationLayer::Area as i32, "14".to_owned());
            let body = Message::CategoriesPublished(body);
            one(ledger.opening("regulator", Role::Regulator, SubjectKind::Publication, body))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a ban of every machine",
        attempt: |ledger| {
            let Message::PhaseOutPublished(mut body) = sample(EventKind::PhaseOutPublished, &Names::default()) else {
                panic!("another kind")
            };
            body.rows[0].bans[0].criteria = Some(v1::Criteria::default());
            let body = Message::PhaseOutPublished(body);
            one(ledger.opening("regulator", Role::Regulator, SubjectKind::Publication, body))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a model prefix that is in no normal form and would hit nothing",
        attempt: |ledger| {
            let Message::PhaseOutPublished(mut body) = sample(EventKind::PhaseOutPublished, &Names::default()) else {
                panic!("another kind")
            };
            body.rows[0].bans[0].criteria.as_mut().unwrap().model_prefixes = vec!["bjo2".to_owned()];
            let body = Message::PhaseOutPublished(body);
            one(ledger.opening("regulator", Role::Regulator, SubjectKind::Publication, body))
        },
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "parameters published under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::PolicyPublished),
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a schedule published under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::SchedulePublished),
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "categories published under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::CategoriesPublished),
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a phase-out list published under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::PhaseOutPublished),
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a stop ordered under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::StopUseOrdered),
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a seal ordered under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::SealedUp),
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a recall issued under an id that is not the event's",
        attempt: |ledger| under_another_id(ledger, EventKind::RecallIssued),
    },
    Case {
        reason: "WRONG_SUBJECT_KIND",
        what: "a stop ordered on the chain of the machine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "regulator", Role::Regulator, machine, EventKind::StopUseOrdered))
        },
    },
    Case {
        reason: "WRONG_MENTIONS",
        what: "a stop of a machine that is not mentioned",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = order(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            one(Draft { mentions: Some(Vec::new()), ..draft })
        },
    },
    Case {
        reason: "NAMED_UNKNOWN",
        what: "a stop of a machine that is not on record",
        attempt: |ledger| {
            let machine = Ledger::names("0999").machine();
            one(order(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]))
        },
    },
    Case {
        reason: "NAMED_UNKNOWN",
        what: "a stop to be acknowledged by a mine that is not on record",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(order(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &["no mine"]))
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "a stop ordered by a manufacturer",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(order(ledger, MAKER, EventKind::StopUseOrdered, &[machine], &[]))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a stop that nothing ends",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let mut draft = order(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            let Message::StopUseOrdered(body) = &mut draft.body else { panic!("another kind") };
            body.condition.clear();
            draft.mentions = Some(vec![machine]);
            one(draft)
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "an order extended by another authority, though a higher one",
        attempt: |ledger| {
            regulators(ledger);
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let stop = ordered(ledger, regulator("province"), EventKind::StopUseOrdered, &[machine], &[]);
            one(about(ledger, regulator("regulator"), stop, EventKind::OrderExtended, &[other]))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a stop extended by the maker of the machine",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let stop = ordered(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            one(about(ledger, MAKER, stop, EventKind::OrderExtended, &[other]))
        },
    },
    Case {
        reason: "SUBJECT_UNKNOWN",
        what: "an extension of an order that nobody gave",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let stop = SubjectId::new(SubjectKind::Order, [8; 16]);
            one(about(ledger, regulator("regulator"), stop, EventKind::OrderExtended, &[machine]))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a stop lifted by another authority for the same area",
        attempt: |ledger| one(lifts(ledger, regulator("bureau"))),
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a stop lifted by a lower authority",
        attempt: |ledger| one(lifts(ledger, regulator("city"))),
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a stop lifted by the authority of another area",
        attempt: |ledger| one(lifts(ledger, regulator("other province"))),
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a stop of one authority of the nation lifted by another",
        attempt: |ledger| {
            ledger.register("second regulator", &[Role::Regulator], &[]);
            let machine = ledger.at_mine("0417");
            let stop = ordered(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            one(about(ledger, regulator("second regulator"), stop, EventKind::StopUseLifted, &[machine]))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "a seal taken off by a lower authority",
        attempt: |ledger| {
            regulators(ledger);
            let machine = ledger.at_mine("0417");
            let seal = ordered(ledger, regulator("province"), EventKind::SealedUp, &[machine], &[]);
            one(about(ledger, regulator("city"), seal, EventKind::Unsealed, &[machine]))
        },
    },
    Case {
        reason: "OUTSIDE_JURISDICTION",
        what: "the stop of an authority that is none any more, lifted by its neighbour",
        attempt: |ledger| {
            let draft = lifts(ledger, regulator("bureau"));
            withdraw(ledger, "province");
            one(draft)
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "a stop lifted by the mine",
        attempt: |ledger| one(lifts(ledger, COMPANY)),
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a seal taken off where use was stopped",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let stop = ordered(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            one(about(ledger, regulator("regulator"), stop, EventKind::Unsealed, &[machine]))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a stop lifted on the chain of a recall",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let recall = ordered(ledger, regulator("regulator"), EventKind::RecallIssued, &[machine], &[]);
            one(about(ledger, regulator("regulator"), recall, EventKind::StopUseLifted, &[machine]))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a stop lifted for a machine that the order does not name",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let stop = ordered(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            one(about(ledger, regulator("regulator"), stop, EventKind::StopUseLifted, &[other]))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a receipt for a mine by who runs another",
        attempt: |ledger| one(receives(ledger, NEIGHBOUR, "mine", false)),
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a receipt for a mine by who runs another and works in this one",
        attempt: |ledger| {
            let names = Names { partner: "neighbour".to_owned(), ..Names::default() };
            ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), sample(EventKind::Engaged, &names)));
            one(receives(ledger, NEIGHBOUR, "mine", false))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a receipt by a mine that the order does not name",
        attempt: |ledger| one(receives(ledger, NEIGHBOUR, "other mine", false)),
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a refusal noted by the mine itself",
        attempt: |ledger| one(receives(ledger, COMPANY, "mine", true)),
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a receipt stated by the regulator in place of the mine",
        attempt: |ledger| one(receives(ledger, regulator("regulator"), "mine", false)),
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a recall of a machine that another maker made",
        attempt: |ledger| {
            let other = machine_of_another_maker(ledger);
            one(order(ledger, MAKER, EventKind::RecallIssued, &[other], &[]))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a recall by a maker of what it bought from another",
        attempt: |ledger| {
            let other = machine_of_another_maker(ledger);
            let why = v1::DispatchReason::Sale;
            let received = ledger.dispatch(("other maker", Role::Manufacturer), "maker", other, why);
            ledger.accept(ledger.draft("maker", Role::Manufacturer, other, Message::Received(received)));
            one(order(ledger, MAKER, EventKind::RecallIssued, &[other], &[]))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a machine recalled by its maker for the 257th time",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            for _ in 0..256 {
                ordered(ledger, MAKER, EventKind::RecallIssued, &[machine], &[]);
            }
            one(order(ledger, MAKER, EventKind::RecallIssued, &[machine], &[]))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a recall extended to a machine that another maker made",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), machine_of_another_maker(ledger));
            let recall = ordered(ledger, MAKER, EventKind::RecallIssued, &[machine], &[]);
            one(about(ledger, MAKER, recall, EventKind::OrderExtended, &[other]))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a recall by a maker that a mine without such a machine is to acknowledge",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(order(ledger, MAKER, EventKind::RecallIssued, &[machine], &["other mine"]))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a recall of one model that names a machine of another",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let mut draft = order(ledger, regulator("regulator"), EventKind::RecallIssued, &[machine], &[]);
            let Message::RecallIssued(body) = &mut draft.body else { panic!("another kind") };
            body.model = SubjectId::model("maker牌", "EBZ260").unwrap().id().to_vec();
            one(draft)
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a recall of one model extended to a machine of another",
        attempt: |ledger| {
            let (machine, lot) = (ledger.at_mine("0417"), ledger.make_lot("L-1", 100));
            let mut draft = order(ledger, MAKER, EventKind::RecallIssued, &[machine], &[]);
            let Message::RecallIssued(body) = &mut draft.body else { panic!("another kind") };
            body.model = SubjectId::model("maker牌", "EBZ200").unwrap().id().to_vec();
            let recall = draft.subject;
            ledger.accept(draft);
            one(about(ledger, MAKER, recall, EventKind::OrderExtended, &[lot]))
        },
    },
    Case {
        reason: "NAMED_UNKNOWN",
        what: "the remedy of a recall that nobody issued",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(remedied(ledger, machine, SubjectId::new(SubjectKind::Order, [8; 16])))
        },
    },
    Case {
        reason: "NAMED_UNKNOWN",
        what: "the remedy of something that is no recall",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let stop = ordered(ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
            one(remedied(ledger, machine, stop))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "the remedy of a recall that does not name the machine",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let recall = ordered(ledger, MAKER, EventKind::RecallIssued, &[machine], &[]);
            one(remedied(ledger, other, recall))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a decision by a rule that does not exist",
        attempt: |ledger| one(decides(ledger, "MON-999")),
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a decision by a rule that refuses and finds nothing",
        attempt: |ledger| one(decides(ledger, "ID-001")),
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "a finding dismissed by the mine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "company", Role::Mine, machine, EventKind::FindingDecided))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a comparison with a kind of file that the platform does not have",
        attempt: |ledger| {
            let mut draft = by(ledger, "company", Role::Mine, mine("mine"), EventKind::UploadCompared);
            let Message::UploadCompared(body) = &mut draft.body else { panic!("another kind") };
            "JBSJ2".clone_into(&mut body.file_kind);
            one(draft)
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a difference about a machine that is in another mine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let mut draft = by(ledger, "neighbour", Role::Mine, mine("other mine"), EventKind::UploadCompared);
            let Message::UploadCompared(body) = &mut draft.body else { panic!("another kind") };
            let field = "location".to_owned();
            let machine = machine.id().to_vec();
            body.differences = vec![v1::UploadDifference { machine, field, ..v1::UploadDifference::default() }];
            one(draft)
        },
    },
    Case {
        reason: "STRANGER",
        what: "a comparison on the chain of a mine by who runs another",
        attempt: |ledger| one(by(ledger, "neighbour", Role::Mine, mine("mine"), EventKind::UploadCompared)),
    },
];

fn moved_to_area(ledger: &Ledger, area: &str) -> Draft {
    let from = bodies::day(2026, 1, 1);
    let body = v1::MineProfileChanged { area_code: area.to_owned(), from, ..v1::MineProfileChanged::default() };
    ledger.draft("regulator", Role::Regulator, mine("mine"), Message::MineProfileChanged(body))
}

fn withdraw(ledger: &mut Ledger, name: &str) {
    let from = bodies::day(2026, 1, 1);
    let body = v1::RoleWithdrawn { role: Role::Regulator as i32, from, reason: "撤并".to_owned() };
    ledger.by_registrar(organisation(name).subject(), Message::RoleWithdrawn(body));
}

#[test]
fn a_mark_lives_until_it_ends() {
    let mut ledger = Ledger::scene();
    let kinds = [
        EventKind::MarkIssued,
        EventKind::MarkChanged,
        EventKind::MarkSuspended,
        EventKind::MarkResumed,
        EventKind::MarkRenewed,
        EventKind::Noted,
        EventKind::MarkCancelled,
    ];
    let last = mark(&mut ledger, &kinds);
    ledger.accept(last);
}

#[test]
fn each_layer_is_published_by_whose_it_is() {
    let mut ledger = Ledger::scene();
    regulators(&mut ledger);
    let draft = moved_to_area(&ledger, "140200");
    ledger.accept(draft);
    for (name, layer, area, of) in [
        (regulator("regulator"), PublicationLayer::Nation, "", None),
        (("registrar", Role::Registrar), PublicationLayer::Nation, "", None),
        (regulator("province"), PublicationLayer::Area, "14", None),
        (regulator("province"), PublicationLayer::Area, "1402", None),
        (regulator("regulator"), PublicationLayer::Area, "1402", None),
        (("registrar", Role::Registrar), PublicationLayer::Area, "61", None),
        (COMPANY, PublicationLayer::Group, "", None),
        (COMPANY, PublicationLayer::Mine, "", Some("mine")),
        (regulator("city"), PublicationLayer::Mine, "", Some("mine")),
        (regulator("regulator"), PublicationLayer::Mine, "", Some("other mine")),
        (("registrar", Role::Registrar), PublicationLayer::Mine, "", Some("mine")),
    ] {
        let draft = publishes(&mut ledger, name, layer, area, of);
        let subject = draft.subject;
        ledger.accept(draft);
        let withdrawn = sample(EventKind::PublicationWithdrawn, &Names::default());
        let draft = ledger.draft(name.0, name.1, subject, withdrawn);
        ledger.accept(draft);
    }
}

#[test]
fn the_same_authority_and_a_higher_one_lift_an_order() {
    for name in ["province", "regulator", "two provinces"] {
        let mut ledger = Ledger::scene();
        let draft = lifts(&mut ledger, regulator(name));
        ledger.accept(draft);
    }
    // Whoever took the authority over stands in its place; where it is none any more, the nation may.
    let mut ledger = Ledger::scene();
    let draft = lifts(&mut ledger, regulator("bureau"));
    let from = bodies::day(2026, 1, 1);
    let succeeded = v1::OrganisationSucceeded { successor: organisation("bureau").as_bytes().to_vec(), from };
    ledger.by_registrar(organisation("province").subject(), Message::OrganisationSucceeded(succeeded));
    ledger.accept(draft);
    let mut ledger = Ledger::scene();
    let draft = lifts(&mut ledger, regulator("regulator"));
    withdraw(&mut ledger, "province");
    ledger.accept(draft);
}

#[test]
fn an_order_is_extended_acknowledged_and_lifted_for_what_was_added() {
    let mut ledger = Ledger::scene();
    let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
    let by = regulator("regulator");
    let stop = ordered(&mut ledger, by, EventKind::StopUseOrdered, &[machine], &[]);
    let mut added = about(&ledger, by, stop, EventKind::OrderExtended, &[other]);
    let Message::OrderExtended(body) = &mut added.body else { panic!("another kind") };
    body.mines = vec![mine("mine").id().to_vec()];
    ledger.accept(added);
    for (name, refused) in [(COMPANY, false), (by, true)] {
        let body = v1::OrderReceived { mine: mine("mine").id().to_vec(), refused, note: String::new() };
        let draft = ledger.draft(name.0, name.1, stop, Message::OrderReceived(body));
        ledger.accept(draft);
    }
    let mut both = [machine, other];
    both.sort();
    let lifted = about(&ledger, by, stop, EventKind::StopUseLifted, &both);
    ledger.accept(lifted);
    let known = ledger.admission.equipment(&other).unwrap();
    assert_eq!(known.orders, [*stop.id()], "that it was named stays known");
}

#[test]
fn a_maker_recalls_what_it_made_and_names_the_mines_where_it_stands() {
    let mut ledger = Ledger::scene();
    let (machine, in_stock) = (ledger.at_mine("0417"), ledger.make("0418"));
    let mut draft = order(&mut ledger, MAKER, EventKind::RecallIssued, &[machine, in_stock], &["mine"]);
    let Message::RecallIssued(body) = &mut draft.body else { panic!("another kind") };
    body.model = SubjectId::model("maker牌", "EBZ200").unwrap().id().to_vec();
    let recall = draft.subject;
    ledger.accept(draft);
    let more = ledger.make("0419");
    let draft = about(&ledger, MAKER, recall, EventKind::OrderExtended, &[more]);
    ledger.accept(draft);
    let draft = remedied(&ledger, machine, recall);
    assert_eq!(ledger.accept(draft).findings, []);
    let alone = Draft { hands: Vec::new(), ..remedied(&ledger, machine, recall) };
    assert_eq!(ledger.accept(alone).findings, [v1::IrregularityKind::SecondSignatureMissing]);
}

#[test]
fn whatever_its_maker_did_an_authority_reaches_a_machine() {
    let mut ledger = Ledger::scene();
    let machine = ledger.make("0417");
    let mut last = None;
    for _ in 0..tally_core::admission::MAKER_ORDERS_MAX {
        last = Some(ordered(&mut ledger, MAKER, EventKind::RecallIssued, &[machine], &[]));
    }
    let again = about(&ledger, MAKER, last.unwrap(), EventKind::OrderExtended, &[machine]);
    ledger.accept(again);
    ordered(&mut ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
}

#[test]
fn an_authority_that_acts_before_its_grant_began_is_found() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    ledger.register("newcomer", &[], &[]);
    for role in [Role::Regulator, Role::MarkAuthority] {
        let from = bodies::day(2026, 6, 1);
        let granted = v1::RoleGranted { role: role as i32, from, ..v1::RoleGranted::default() };
        ledger.by_registrar(organisation("newcomer").subject(), Message::RoleGranted(granted));
    }
    let by = regulator("newcomer");
    let number = SubjectId::mark("MEB250001").unwrap();
    let body = sample(EventKind::MarkIssued, &Names::default());
    let issued = ledger.draft("newcomer", Role::MarkAuthority, number, body);
    let drafts = [
        order(&mut ledger, by, EventKind::StopUseOrdered, &[machine], &[]),
        publishes(&mut ledger, by, PublicationLayer::Nation, "", None),
        issued,
    ];
    for draft in drafts {
        assert_eq!(ledger.accept(draft).findings, [v1::IrregularityKind::OutsideGrant]);
    }
    let stop = order(&mut ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &[]);
    assert_eq!(ledger.accept(stop).findings, []);
}

#[test]
fn a_set_that_is_taken_back_takes_back_its_orders() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let before = ledger.admission.equipment(&machine).cloned();
    let stop = order(&mut ledger, regulator("regulator"), EventKind::StopUseOrdered, &[machine], &["mine"]);
    let never = SubjectId::new(SubjectKind::Order, [8; 16]);
    let lifted = about(&ledger, regulator("regulator"), never, EventKind::StopUseLifted, &[machine]);
    assert_eq!(ledger.offer_set(&[stop, lifted]).unwrap_err().reason(), "SUBJECT_UNKNOWN");
    assert_eq!(ledger.admission.equipment(&machine).cloned(), before);
}
