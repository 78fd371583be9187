//! What must be refused, and for which reason: one thing wrong in each

use prost::Message as _;
use tally_core::{
    event::{EventKind, event_ref_message},
    hash::EventHash,
    id::SubjectId,
    signed_event::Event,
    statement::PAYLOAD_BYTES_MAX,
    time::Timestamp,
};
use tally_proto::v1::{self, DispatchReason, Role, ServiceState, statement::Body as Message};

use crate::common::{
    self, DAY, Draft, HOUR, Ledger, START, Sent,
    bodies::{self, Names, described, measure, piece, sample},
    key, key_id, mine, organisation,
};

/// What is sent: it must be refused.
pub(crate) enum Attempt {
    One(Box<Draft>),
    Signed(Sent),
    Set(Vec<Draft>),
    SignedSet(Vec<Sent>),
}

pub(crate) struct Case {
    pub(crate) reason: &'static str,
    pub(crate) what: &'static str,
    /// Brings the ledger to where the attempt can be made.
    pub(crate) attempt: fn(&mut Ledger) -> Attempt,
}

pub(crate) fn one(draft: Draft) -> Attempt {
    Attempt::One(Box::new(draft))
}

/// A note of the company about its machine: right in everything.
pub(crate) fn note(ledger: &Ledger, machine: SubjectId) -> Draft {
    ledger.draft("company", Role::Mine, machine, sample(EventKind::Noted, &Names::default()))
}

pub(crate) fn by(ledger: &Ledger, name: &str, role: Role, machine: SubjectId, kind: EventKind) -> Draft {
    let names = Names { inside: Some(mine("mine")), ..Ledger::names("0417") };
    ledger.draft(name, role, machine, sample(kind, &names))
}

/// Changes the payload of a signed note and signs it again: only its form is wrong.
fn with_payload(ledger: &mut Ledger, change: fn(&mut Vec<u8>)) -> Attempt {
    let machine = ledger.at_mine("0417");
    let draft = note(ledger, machine);
    let mut payload = ledger.sign(&draft).payload;
    change(&mut payload);
    Attempt::Signed(ledger.issue("company", payload))
}

/// The company states a body of its machine with one field out of its bounds.
fn with_body(ledger: &mut Ledger, kind: EventKind, change: fn(&mut Message)) -> Attempt {
    let machine = ledger.at_mine("0417");
    let mut draft = by(ledger, "company", Role::Mine, machine, kind);
    draft.mentions = Some(Vec::new());
    change(&mut draft.body);
    one(draft)
}

fn registrar(ledger: &Ledger, subject: SubjectId, body: Message) -> Draft {
    ledger.draft("registrar", Role::Registrar, subject, body).hand("registrar-2")
}

fn recovery(ledger: &Ledger, name: &str, role: Role, body: Message) -> Draft {
    ledger.draft(name, role, organisation(name).subject(), body).issuer(&format!("{name}/recovery"))
}

fn revoked(name: &str, untrusted_since_us: i64) -> Message {
    Message::KeyRevoked(v1::KeyRevoked {
        key_id: key_id(name).as_bytes().to_vec(),
        reason: v1::KeyRevocationReason::Lost as i32,
        untrusted_since_us,
    })
}

fn corrected(ledger: &Ledger, machine: SubjectId, replacement: Option<v1::Replacement>) -> Draft {
    let withdrawn = replacement.is_none();
    let event = Some(event_ref_message(&ledger.last(&machine)));
    let body = v1::Corrected { event, replacement, withdrawn, reason: "误报".to_owned() };
    ledger.draft("company", Role::Mine, machine, Message::Corrected(body))
}

/// A split of a lot into two, on the parent's chain and opening the pieces.
pub(crate) fn split(ledger: &Ledger, lot: SubjectId, at: i64, end: i64) -> Vec<Draft> {
    let body = v1::LotSplit {
        parent: lot.id().to_vec(),
        children: vec![piece("A", 0, at), piece("B", at, end)],
        state: ServiceState::Manufactured as i32,
        mine: Vec::new(),
    };
    let pieces = ["A", "B"].map(|suffix| SubjectId::child(lot.id(), suffix).unwrap());
    let split = |subject| ledger.draft("maker", Role::Manufacturer, subject, Message::LotSplit(body.clone()));
    [lot].into_iter().chain(pieces).map(split).collect()
}

/// A part of the company that has a chain of its own, and the body that fits it into its machine.
pub(crate) fn part(ledger: &mut Ledger) -> (SubjectId, SubjectId, Message, Message) {
    let (machine, part) = (ledger.at_mine("0417"), ledger.at_mine("M-1"));
    let component = v1::Component { equipment: part.id().to_vec(), ..described("电机") };
    let slot = "截割电机".to_owned();
    let on_machine =
        v1::ComponentFitted { slot: slot.clone(), component: Some(component), machine: Vec::new(), controlled: false };
    let on_part = v1::ComponentFitted { slot, component: None, machine: machine.id().to_vec(), controlled: false };
    (machine, part, Message::ComponentFitted(on_machine), Message::ComponentFitted(on_part))
}

pub(crate) const CASES: &[Case] = &[
    Case {
        reason: "MALFORMED_EVENT",
        what: "a payload that is cut short",
        attempt: |ledger| with_payload(ledger, |payload| payload.truncate(payload.len() - 1)),
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a payload with a stray byte behind it",
        attempt: |ledger| with_payload(ledger, |payload| payload.push(0)),
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a chain index in a longer varint than it needs",
        attempt: |ledger| {
            with_payload(ledger, |payload| {
                payload[1] |= 0x80;
                payload.insert(2, 0);
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "an unknown field of the event",
        attempt: |ledger| with_payload(ledger, |payload| payload.extend([0x28, 1])),
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a payload over 60,000 bytes",
        attempt: |ledger| with_payload(ledger, |payload| payload.resize(PAYLOAD_BYTES_MAX + 1, 0)),
    },
    Case { reason: "MALFORMED_EVENT", what: "no bytes at all", attempt: |ledger| with_payload(ledger, Vec::clear) },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a signature of another length",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let mut sent = ledger.sign(&note(ledger, machine).clone());
            sent.signature.pop();
            Attempt::Signed(sent)
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a body number that nobody knows",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            let mut statement = ledger.statement(&draft, &[]);
            statement.body_number = 1_000;
            Attempt::Signed(ledger.sign_statement(&draft, &statement))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a body with a field that it does not have",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            let mut statement = ledger.statement(&draft, &[]);
            statement.body.extend([0x78, 1]);
            Attempt::Signed(ledger.sign_statement(&draft, &statement))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "the issuer among the hands",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).hand("company"))
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a note of more than 6,000 bytes",
        attempt: |ledger| {
            with_body(ledger, EventKind::Noted, |body| {
                *body = Message::Noted(v1::Noted { text: "x".repeat(6_001), attachments: Vec::new() });
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a control character in a text",
        attempt: |ledger| {
            with_body(ledger, EventKind::Idled, |body| {
                *body = Message::Idled(v1::Idled { reason: "a\u{1b}[2Jb".to_owned(), planned_until: None });
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a text that is not in NFC",
        attempt: |ledger| {
            with_body(ledger, EventKind::Idled, |body| {
                *body = Message::Idled(v1::Idled { reason: "A\u{308}".to_owned(), planned_until: None });
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "more running hours than there are",
        attempt: |ledger| {
            with_body(ledger, EventKind::UsageReported, |body| {
                let Message::UsageReported(usage) = body else { panic!("{body:?}") };
                usage.counter = Some(measure("running_h", 500_001, 0, "h"));
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "an inspection that ended before it began",
        attempt: |ledger| {
            with_body(ledger, EventKind::Inspected, |body| {
                let Message::Inspected(inspected) = body else { panic!("{body:?}") };
                inspected.finished_us = inspected.started_us - 1;
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a day that the calendar does not have",
        attempt: |ledger| {
            with_body(ledger, EventKind::Idled, |body| {
                *body = Message::Idled(v1::Idled { reason: "x".to_owned(), planned_until: bodies::day(2026, 2, 29) });
            })
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "pieces of a lot in different scales, which only seem to add up",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            let mut drafts = split(ledger, lot, 50, 100);
            for draft in &mut drafts {
                let Message::LotSplit(body) = &mut draft.body else { panic!("{draft:?}") };
                body.children[1].from = Some(measure("length_m", 50, 1, "m"));
                body.children[1].to = Some(measure("length_m", 1_000, 1, "m"));
            }
            Attempt::Set(drafts)
        },
    },
    Case {
        reason: "MALFORMED_EVENT",
        what: "a pass by a conditional result, without its number",
        attempt: |ledger| {
            with_body(ledger, EventKind::ExProofChecked, |body| {
                let Message::ExProofChecked(checked) = body else { panic!("{body:?}") };
                checked.result = v1::CheckResult::Conditional as i32;
                checked.pass_no.clear();
            })
        },
    },
    Case {
        reason: "BAD_SIGNATURE",
        what: "a flipped bit in the issuer's signature",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            let mut sent = ledger.sign(&draft);
            sent.signature[5] ^= 1;
            Attempt::Signed(sent)
        },
    },
    Case {
        reason: "BAD_SIGNATURE",
        what: "a hand that was stripped on the way",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine).hand("company/zhang");
            let sent = ledger.sign(&draft);
            let event = Event::parse(&sent.payload).unwrap();
            let (index, previous) = (event.chain_index(), event.previous_hash());
            let bare = Event::new(index, previous, event.statement_bytes(), Vec::new()).unwrap();
            Attempt::Signed(Sent { payload: bare.encode(), ..sent })
        },
    },
    Case {
        reason: "BAD_SIGNATURE",
        what: "a hand that was lent from another statement",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine).hand("company/zhang");
            let lender = Event::parse(&ledger.sign(&draft).payload).unwrap();
            let bare = Event::parse(&ledger.sign(&note(ledger, machine).clone()).payload).unwrap();
            let (index, previous) = (bare.chain_index(), bare.previous_hash());
            let event = Event::new(index, previous, bare.statement_bytes(), lender.hands().to_vec()).unwrap();
            Attempt::Signed(ledger.issue("company", event.encode()))
        },
    },
    Case {
        reason: "WRONG_ORIGIN",
        what: "an event of another log, sent again to this one",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(Draft { origin: "ledger.example/other".to_owned(), ..note(ledger, machine) })
        },
    },
    Case {
        reason: "SUBJECT_MISMATCH",
        what: "a plate that gives another id",
        attempt: |ledger| {
            let body = sample(EventKind::Manufactured, &Ledger::names("0417"));
            one(ledger.draft("maker", Role::Manufacturer, Ledger::names("0418").machine(), body))
        },
    },
    Case {
        reason: "WRONG_SUBJECT_KIND",
        what: "an installation on the chain of a mine",
        attempt: |ledger| one(by(ledger, "company", Role::Mine, mine("mine"), EventKind::Installed)),
    },
    Case {
        reason: "WRONG_MENTIONS",
        what: "a manufacture that mentions neither model nor mark",
        attempt: |ledger| {
            let names = Ledger::names("0417");
            let body = sample(EventKind::Manufactured, &names);
            let draft = ledger.draft("maker", Role::Manufacturer, names.machine(), body);
            one(Draft { mentions: Some(Vec::new()), ..draft })
        },
    },
    Case {
        reason: "WRONG_MENTIONS",
        what: "a mention that the body does not name",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(Draft { mentions: Some(vec![mine("mine")]), ..note(ledger, machine) })
        },
    },
    Case {
        reason: "WRONG_MENTIONS",
        what: "a round that does not mention a machine which it names",
        attempt: |ledger| {
            let machines = vec![ledger.at_mine("0417")];
            let body = sample(EventKind::Inspected, &Names { machines, ..Names::default() });
            let draft = ledger.draft("company", Role::Mine, mine("mine"), body);
            one(Draft { mentions: Some(Vec::new()), ..draft })
        },
    },
    Case {
        reason: "WRONG_MENTIONS",
        what: "a mention of a named machine that has no chain",
        attempt: |ledger| {
            let machines = vec![Ledger::names("0999").machine()];
            let body = sample(EventKind::Inspected, &Names { machines: machines.clone(), ..Names::default() });
            let draft = ledger.draft("company", Role::Mine, mine("mine"), body);
            one(Draft { mentions: Some(machines), ..draft })
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a machine said to go down in the mine of somebody else",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
            ledger.accept(ledger.draft("company", Role::Mine, machine, Message::Received(received)));
            let names = Names { mine: mine("other mine"), ..Names::default() };
            one(ledger.draft("company", Role::Mine, machine, sample(EventKind::EnteredMine, &names)))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a round over a machine that is in another mine",
        attempt: |ledger| {
            let machines = vec![ledger.at_mine("0417")];
            let body = sample(EventKind::Inspected, &Names { machines, ..Names::default() });
            one(ledger.draft("neighbour", Role::Mine, mine("other mine"), body))
        },
    },
    Case {
        reason: "MENTION_NOT_ALLOWED",
        what: "a machine that is named a member by who has nothing to do with it",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let member = v1::Component { equipment: machine.id().to_vec(), ..described("支架") };
            let Message::AssemblyFormed(mut body) = sample(EventKind::AssemblyFormed, &Names::default()) else {
                panic!("another kind")
            };
            body.members = vec![member];
            let subject = SubjectId::named(organisation("neighbour"), &body.own_number).unwrap();
            one(ledger.draft("neighbour", Role::Mine, subject, Message::AssemblyFormed(body)))
        },
    },
    Case {
        reason: "SET_MALFORMED",
        what: "half an atomic set",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            let mut sent = ledger.sign_set(&split(ledger, lot, 60, 100));
            sent.pop();
            Attempt::SignedSet(sent)
        },
    },
    Case {
        reason: "SET_MALFORMED",
        what: "a set whose members are issued by two keys",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            let mut drafts = split(ledger, lot, 60, 100);
            drafts[1].issuer = "maker/zhang".to_owned();
            Attempt::Set(drafts)
        },
    },
    Case {
        reason: "SET_MALFORMED",
        what: "a member changed after the digest was made",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            let drafts = split(ledger, lot, 60, 100);
            let mut sent = ledger.sign_set(&drafts);
            let mut statement = Event::parse(&sent[1].payload).unwrap().statement().clone();
            statement.occurred_at = Timestamp::from_micros(ledger.now - 1);
            sent[1] = ledger.sign_statement(&drafts[1], &statement);
            Attempt::SignedSet(sent)
        },
    },
    Case {
        reason: "SET_INCOMPLETE",
        what: "a member of a set, sent alone",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            Attempt::Signed(ledger.sign_set(&split(ledger, lot, 60, 100)).remove(0))
        },
    },
    Case {
        reason: "PART_EVENT_MISSING",
        what: "a part with a chain of its own, fitted without its own event",
        attempt: |ledger| {
            let (machine, _, on_machine, _) = part(ledger);
            one(ledger.draft("company", Role::Mine, machine, on_machine))
        },
    },
    Case {
        reason: "PART_EVENT_MISSING",
        what: "a split without the event of one of its pieces",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            Attempt::Set(split(ledger, lot, 60, 100)[..2].to_vec())
        },
    },
    Case {
        reason: "PART_EVENT_MISSING",
        what: "a link of two chains that stands on one only",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let Message::IdentityLinked(mut body) = sample(EventKind::IdentityLinked, &Names::default()) else {
                panic!("another kind")
            };
            body.other = other.id().to_vec();
            let draft = ledger.draft("maker", Role::Manufacturer, machine, Message::IdentityLinked(body));
            one(draft.hand("regulator"))
        },
    },
    Case {
        reason: "OCCURRED_IN_FUTURE",
        what: "an event of six minutes from now",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).at(ledger.now + HOUR / 10))
        },
    },
    Case {
        reason: "OCCURRED_IN_FUTURE",
        what: "an event of the last microsecond there is",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).at(i64::MAX))
        },
    },
    Case {
        reason: "OCCURRED_IN_FUTURE",
        what: "an amendment that moves an event into the future",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            ledger.accept(draft);
            let body = v1::Noted { text: "更正".to_owned(), attachments: Vec::new() }.encode_to_vec();
            let replacement = v1::Replacement { occurred_at_us: ledger.now + DAY, body };
            one(corrected(ledger, machine, Some(replacement)))
        },
    },
    Case {
        reason: "OCCURRED_TOO_EARLY",
        what: "an event before 1950",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).at(-631_180_800_000_001))
        },
    },
    Case {
        reason: "OCCURRED_TOO_EARLY",
        what: "an event of the first microsecond there is",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).at(i64::MIN))
        },
    },
    Case {
        reason: "BEFORE_MANUFACTURE",
        what: "an event before the machine was made",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).at(START - 40 * DAY))
        },
    },
    Case {
        reason: "BEFORE_MANUFACTURE",
        what: "a machine made on a day that is still to come",
        attempt: |ledger| {
            let names = Ledger::names("0417");
            let mut body = bodies::manufactured(&names.maker, &names.model, &names.serial);
            body.produced_on = bodies::day(2026, 3, 1);
            one(ledger.draft("maker", Role::Manufacturer, names.machine(), Message::Manufactured(body)))
        },
    },
    Case {
        reason: "BEFORE_MANUFACTURE",
        what: "an amendment that moves an event before the manufacture",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            ledger.accept(draft);
            let body = v1::Noted { text: "更正".to_owned(), attachments: Vec::new() }.encode_to_vec();
            let replacement = v1::Replacement { occurred_at_us: START - 40 * DAY, body };
            one(corrected(ledger, machine, Some(replacement)))
        },
    },
    Case {
        reason: "KEY_UNKNOWN",
        what: "a key that nobody registered",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).issuer("nobody"))
        },
    },
    Case {
        reason: "KEY_UNKNOWN",
        what: "the hand of a key that nobody registered",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).hand("nobody"))
        },
    },
    Case {
        reason: "KEY_UNKNOWN",
        what: "a revocation of a key that nobody registered",
        attempt: |ledger| one(recovery(ledger, "company", Role::Mine, revoked("nobody", 0))),
    },
    Case {
        reason: "KEY_REVOKED",
        what: "an issuer whose key was revoked earlier in the log",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            ledger.accept(recovery(ledger, "company", Role::Mine, revoked("company", 0)));
            one(note(ledger, machine).at(START))
        },
    },
    Case {
        reason: "KEY_REVOKED",
        what: "a hand whose key was revoked earlier in the log",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            ledger.accept(recovery(ledger, "company", Role::Mine, revoked("company/li", 0)));
            one(note(ledger, machine).hand("company/li"))
        },
    },
    Case {
        reason: "KEY_OF_ANOTHER",
        what: "a key of another organisation",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).issuer("dealer"))
        },
    },
    Case {
        reason: "KEY_OF_ANOTHER",
        what: "a revocation of somebody else's key",
        attempt: |ledger| one(recovery(ledger, "company", Role::Mine, revoked("dealer", 0))),
    },
    Case {
        reason: "KEY_NOT_MEANT",
        what: "a recovery key under a note",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).issuer("company/recovery"))
        },
    },
    Case {
        reason: "KEY_NOT_MEANT",
        what: "a recovery key among the hands",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).hand("company/recovery"))
        },
    },
    Case {
        reason: "KEY_IN_USE",
        what: "a key that another organisation registered",
        attempt: |ledger| {
            let added = v1::KeyAdded { key: key("dealer"), ..common::staff_key("company/wang") };
            one(recovery(ledger, "company", Role::Mine, Message::KeyAdded(added)))
        },
    },
    Case {
        reason: "KEY_IN_USE",
        what: "a key that was revoked: it stays its organisation's for ever",
        attempt: |ledger| {
            ledger.accept(recovery(ledger, "dealer", Role::Dealer, revoked("dealer/li", 0)));
            let added = v1::KeyAdded { key: key("dealer/li"), ..common::staff_key("company/wang") };
            one(recovery(ledger, "company", Role::Mine, Message::KeyAdded(added)))
        },
    },
    Case {
        reason: "KEY_IN_USE",
        what: "the key of the log",
        attempt: |ledger| {
            let added = v1::KeyAdded { key: key("the log"), ..common::staff_key("company/wang") };
            one(recovery(ledger, "company", Role::Mine, Message::KeyAdded(added)))
        },
    },
    Case {
        reason: "THRESHOLD_NOT_MET",
        what: "a registration by one registrar key of two",
        attempt: |ledger| {
            let body = sample(EventKind::OrganisationRegistered, &Names::default());
            one(ledger.draft("registrar", Role::Registrar, organisation("newcomer").subject(), body))
        },
    },
    Case {
        reason: "THRESHOLD_NOT_MET",
        what: "a role granted with the hand of the company in place of the second registrar key",
        attempt: |ledger| {
            let body = sample(EventKind::RoleGranted, &Names::default());
            one(ledger.draft("registrar", Role::Registrar, organisation("company").subject(), body).hand("company"))
        },
    },
    Case {
        reason: "ROLE_NOT_HELD",
        what: "a dealer that acts as manufacturer",
        attempt: |ledger| {
            let names = Ledger::names("0417");
            let body = sample(EventKind::Manufactured, &names);
            one(ledger.draft("dealer", Role::Manufacturer, names.machine(), body))
        },
    },
    Case {
        reason: "ROLE_NOT_HELD",
        what: "a role that was withdrawn earlier in the log",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let from = bodies::day(2026, 1, 1);
            let withdrawn = v1::RoleWithdrawn { role: Role::Mine as i32, from, reason: "吊证".to_owned() };
            ledger.by_registrar(organisation("company").subject(), Message::RoleWithdrawn(withdrawn));
            one(note(ledger, machine))
        },
    },
    Case {
        reason: "ROLE_NOT_HELD",
        what: "a registrar that is none",
        attempt: |ledger| {
            let body = sample(EventKind::OrganisationRegistered, &Names::default());
            one(ledger.draft("company", Role::Registrar, organisation("newcomer").subject(), body))
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "an overhaul stated by a mine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "company", Role::Mine, machine, EventKind::Overhauled))
        },
    },
    Case {
        reason: "ROLE_MAY_NOT_SIGN",
        what: "an inspection of supervision stated by a mine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let mut draft = by(ledger, "company", Role::Mine, machine, EventKind::Inspected);
            let Message::Inspected(body) = &mut draft.body else { panic!("another kind") };
            body.kind = v1::InspectionKind::Supervision as i32;
            one(draft)
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a dispatch by who does not hold the machine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "maker", Role::Manufacturer, machine, EventKind::Dispatched))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a receipt by another than the consignee",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
            one(ledger.draft("dealer", Role::Dealer, machine, Message::Received(received)))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a receipt by the consignee of goods that it refused",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
            let refused = v1::ReceiptRefused {
                dispatch_event: received.dispatch_event.clone(),
                reason: "损坏".to_owned(),
                photos: Vec::new(),
            };
            ledger.accept(ledger.draft("company", Role::Mine, machine, Message::ReceiptRefused(refused)));
            one(ledger.draft("company", Role::Mine, machine, Message::Received(received)))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a change of owner by the maker of a machine that it sold",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "maker", Role::Manufacturer, machine, EventKind::OwnershipChanged).hand("partner"))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "scrapping by who holds the machine and does not own it",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Loan);
            ledger.accept(ledger.draft("company", Role::Mine, machine, Message::Received(received)));
            one(by(ledger, "company", Role::Mine, machine, EventKind::ScrapProposed))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a second exit from the factory of a machine that left it",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "maker", Role::Manufacturer, machine, EventKind::FactoryExit))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "a test by the maker of a machine that left it",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "maker", Role::Manufacturer, machine, EventKind::Tested))
        },
    },
    Case {
        reason: "NOT_IN_POSITION",
        what: "an amendment of what somebody else stated",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            ledger.accept(draft);
            let corrected = corrected(ledger, machine, None);
            one(Draft {
                organisation: organisation("maker"),
                role: Role::Manufacturer,
                issuer: "maker".to_owned(),
                ..corrected
            })
        },
    },
    Case {
        reason: "STRANGER",
        what: "a mine that has nothing to do with the machine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "neighbour", Role::Mine, machine, EventKind::Idled))
        },
    },
    Case {
        reason: "STRANGER",
        what: "a contractor that was engaged no more",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let names = Names { partner: "contractor".to_owned(), ..Names::default() };
            let engaged = sample(EventKind::Engaged, &names);
            ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), engaged));
            ledger.accept(by(ledger, "contractor", Role::Contractor, machine, EventKind::Maintained));
            let event = ledger.last(&mine("mine"));
            let ended = sample(EventKind::EngagementEnded, &Names { event, ..Names::default() });
            ledger.accept(ledger.draft("company", Role::Mine, mine("mine"), ended));
            one(by(ledger, "contractor", Role::Contractor, machine, EventKind::Maintained))
        },
    },
    Case {
        reason: "STRANGER",
        what: "a place in the mine of somebody else",
        attempt: |ledger| one(by(ledger, "neighbour", Role::Mine, mine("mine"), EventKind::PlaceCreated)),
    },
    Case {
        reason: "HAND_MISSING",
        what: "a change of owner that the new one did not sign",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "company", Role::Mine, machine, EventKind::OwnershipChanged))
        },
    },
    Case {
        reason: "HAND_MISSING",
        what: "a lease that somebody else signed in the lessee's place",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "company", Role::Mine, machine, EventKind::LeaseStarted).hand("company/zhang"))
        },
    },
    Case {
        reason: "HAND_MISSING",
        what: "a mine handed over to an operator that did not sign",
        attempt: |ledger| one(by(ledger, "company", Role::Mine, mine("mine"), EventKind::OperatorChanged)),
    },
    Case {
        reason: "HAND_MISSING",
        what: "a past of more than 30 days disowned by the organisation alone",
        attempt: |ledger| {
            let revoked = revoked("company", ledger.now - 31 * DAY);
            one(recovery(ledger, "company", Role::Mine, revoked))
        },
    },
    Case {
        reason: "HAND_MISSING",
        what: "two chains linked without the regulator",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let link = |subject: SubjectId, other: SubjectId| {
                let Message::IdentityLinked(mut body) = sample(EventKind::IdentityLinked, &Names::default()) else {
                    panic!("another kind")
                };
                body.other = other.id().to_vec();
                ledger.draft("maker", Role::Manufacturer, subject, Message::IdentityLinked(body))
            };
            Attempt::Set(vec![link(machine, other), link(other, machine)])
        },
    },
    Case {
        reason: "HAND_FOREIGN",
        what: "the hand of an organisation that has nothing to do with the machine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(note(ledger, machine).hand("lessor"))
        },
    },
    Case {
        reason: "MAKER_NAME_NOT_REGISTERED",
        what: "a plate with the name of another maker",
        attempt: |ledger| {
            let names = Ledger::names("0417");
            let body = sample(EventKind::Manufactured, &names);
            one(ledger.draft("other maker", Role::Manufacturer, names.machine(), body))
        },
    },
    Case {
        reason: "SUBJECT_UNKNOWN",
        what: "a note about a machine that nobody opened",
        attempt: |ledger| one(note(ledger, Ledger::names("0999").machine())),
    },
    Case {
        reason: "SUBJECT_UNKNOWN",
        what: "a split of a lot that nobody opened",
        attempt: |ledger| {
            let lot = SubjectId::lot("maker牌", "ST1000", "L-9").unwrap();
            Attempt::Set(split(ledger, lot, 60, 100))
        },
    },
    Case {
        reason: "ALREADY_OPENED",
        what: "a second manufacture of the same plate",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(by(ledger, "maker", Role::Manufacturer, machine, EventKind::Manufactured))
        },
    },
    Case {
        reason: "ALREADY_OPENED",
        what: "a second registration of an organisation",
        attempt: |ledger| {
            let body = v1::OrganisationRegistered {
                first_key: key("new first key"),
                recovery_key: key("new recovery key"),
                ..bodies::organisation_registered("dealer")
            };
            let subject = organisation("dealer").subject();
            one(registrar(ledger, subject, Message::OrganisationRegistered(body)))
        },
    },
    Case {
        reason: "ALREADY_OPENED",
        what: "a second genesis",
        attempt: |ledger| {
            let genesis = v1::Genesis {
                log_key: key("another log"),
                format_version: 1,
                registrar_keys: vec![key("usurper")],
                threshold: 1,
            };
            let body =
                v1::OrganisationRegistered { genesis: Some(genesis), ..bodies::organisation_registered("newcomer") };
            one(registrar(ledger, organisation("newcomer").subject(), Message::OrganisationRegistered(body)))
        },
    },
    Case {
        reason: "NAMED_UNKNOWN",
        what: "an engagement of an organisation that is not on record",
        attempt: |ledger| {
            let names = Names { partner: "nobody".to_owned(), ..Names::default() };
            one(ledger.draft("company", Role::Mine, mine("mine"), sample(EventKind::Engaged, &names)))
        },
    },
    Case {
        reason: "NAMED_UNKNOWN",
        what: "a dispatch to an organisation that is not on record",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let names = Names { partner: "nobody".to_owned(), inside: Some(mine("mine")), ..Names::default() };
            one(ledger.draft("company", Role::Mine, machine, sample(EventKind::Dispatched, &names)))
        },
    },
    Case {
        reason: "ALREADY_DISMANTLED",
        what: "a machine dismantled twice",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            ledger.accept(by(ledger, "company", Role::Mine, machine, EventKind::Dismantled));
            one(by(ledger, "company", Role::Mine, machine, EventKind::Dismantled))
        },
    },
    Case {
        reason: "NOTHING_DISPATCHED",
        what: "goods received twice",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
            ledger.accept(ledger.draft("company", Role::Mine, machine, Message::Received(received.clone())));
            one(ledger.draft("company", Role::Mine, machine, Message::Received(received)))
        },
    },
    Case {
        reason: "WRONG_DISPATCH",
        what: "a receipt that names another event than the open dispatch",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let mut received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
            received.dispatch_event.as_mut().unwrap().event_hash[0] ^= 1;
            one(ledger.draft("company", Role::Mine, machine, Message::Received(received)))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "goods said to come from another than their sender",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let mut received = ledger.dispatch(("maker", Role::Manufacturer), "company", machine, DispatchReason::Sale);
            received.from_organisation = organisation("dealer").as_bytes().to_vec();
            one(ledger.draft("company", Role::Mine, machine, Message::Received(received)))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a machine that leaves a mine without naming it",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(ledger.draft("company", Role::Mine, machine, sample(EventKind::Dispatched, &Ledger::names("0417"))))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a machine installed in another mine than it is in",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let names = Names { inside: Some(mine("other mine")), ..Names::default() };
            one(ledger.draft("company", Role::Mine, machine, sample(EventKind::Installed, &names)))
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a piece opened by another split than its parent's",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            let mut drafts = split(ledger, lot, 60, 100);
            let Message::LotSplit(body) = &mut drafts[1].body else { panic!("another kind") };
            body.children[0].to = Some(measure("length_m", 5_000, 0, "m"));
            body.children[1] = piece("B", 5_000, 5_040);
            Attempt::Set(drafts)
        },
    },
    Case {
        reason: "NOT_AS_RECORDED",
        what: "a place renamed that was never created",
        attempt: |ledger| one(by(ledger, "company", Role::Mine, mine("mine"), EventKind::PlaceRenamed)),
    },
    Case {
        reason: "EVENT_NOT_ON_CHAIN",
        what: "a signature supplied late to an event of another chain",
        attempt: |ledger| {
            let (machine, other) = (ledger.at_mine("0417"), ledger.at_mine("0418"));
            let names = Names { event: ledger.last(&other), ..Names::default() };
            one(ledger.draft("company", Role::Mine, machine, sample(EventKind::Countersigned, &names)))
        },
    },
    Case {
        reason: "EVENT_NOT_ON_CHAIN",
        what: "an end to an engagement that there is not",
        attempt: |ledger| {
            let names = Names { event: ledger.last(&mine("mine")), ..Names::default() };
            one(ledger.draft("company", Role::Mine, mine("mine"), sample(EventKind::EngagementEnded, &names)))
        },
    },
    Case {
        reason: "CANNOT_BE_CORRECTED",
        what: "a receipt withdrawn: custody is undone by an event, not by an amendment",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(corrected(ledger, machine, None))
        },
    },
    Case {
        reason: "CANNOT_BE_CORRECTED",
        what: "an opening withdrawn",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            let corrected = corrected(ledger, machine, None);
            one(Draft {
                organisation: organisation("maker"),
                role: Role::Manufacturer,
                issuer: "maker".to_owned(),
                ..corrected
            })
        },
    },
    Case {
        reason: "CANNOT_BE_CORRECTED",
        what: "an installation amended into another mine",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            ledger.accept(by(ledger, "company", Role::Mine, machine, EventKind::Installed));
            let body = v1::Installed { location: bodies::at_mine(&mine("other mine")), ..v1::Installed::default() };
            let replacement = v1::Replacement { occurred_at_us: ledger.now, body: body.encode_to_vec() };
            one(corrected(ledger, machine, Some(replacement)))
        },
    },
    Case {
        reason: "CANNOT_BE_CORRECTED",
        what: "a daily inspection amended into one of supervision",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let inspected = by(ledger, "company", Role::Mine, machine, EventKind::Inspected);
            let Message::Inspected(body) = &inspected.body else { panic!("another kind") };
            let body = v1::Inspected { kind: v1::InspectionKind::Supervision as i32, ..body.clone() };
            ledger.accept(inspected);
            let replacement = v1::Replacement { occurred_at_us: ledger.now, body: body.encode_to_vec() };
            one(corrected(ledger, machine, Some(replacement)))
        },
    },
    Case {
        reason: "LENGTHS_DIFFER",
        what: "a lot split into more than there is",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            Attempt::Set(split(ledger, lot, 60, 101))
        },
    },
    Case {
        reason: "LENGTHS_DIFFER",
        what: "a lot split a second time",
        attempt: |ledger| {
            let lot = ledger.make_lot("L-1", 100);
            let drafts = split(ledger, lot, 60, 100);
            ledger.offer_set(&drafts).unwrap();
            let mut again = split(ledger, lot, 60, 100);
            for draft in &mut again {
                let Message::LotSplit(body) = &mut draft.body else { panic!("another kind") };
                (body.children[0].suffix, body.children[1].suffix) = ("C".to_owned(), "D".to_owned());
            }
            again[1].subject = SubjectId::child(lot.id(), "C").unwrap();
            again[2].subject = SubjectId::child(lot.id(), "D").unwrap();
            Attempt::Set(again)
        },
    },
    Case {
        reason: "LENGTHS_DIFFER",
        what: "a split of a machine, which is no lot",
        attempt: |ledger| {
            let machine = ledger.make("0417");
            Attempt::Set(split(ledger, machine, 60, 100))
        },
    },
    Case {
        reason: "STALE_HEAD",
        what: "another event for a place that is taken",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft =
                Draft { chain_index: Some(1), previous_hash: Some(EventHash::new([9; 32])), ..note(ledger, machine) };
            one(draft)
        },
    },
    Case {
        reason: "STALE_HEAD",
        what: "a second opening that claims the first place",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = by(ledger, "maker", Role::Manufacturer, machine, EventKind::Manufactured);
            one(Draft { chain_index: Some(0), previous_hash: Some(EventHash::ZERO), ..draft })
        },
    },
    Case {
        reason: "WRONG_PREVIOUS_HASH",
        what: "a forged link to the event before",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(Draft { previous_hash: Some(EventHash::new([9; 32])), ..note(ledger, machine) })
        },
    },
    Case {
        reason: "CHAIN_GAP",
        what: "a place beyond the head",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let index = ledger.admission.head(&machine).chain_length + 1;
            one(Draft { chain_index: Some(index), ..note(ledger, machine) })
        },
    },
    Case {
        reason: "CHAIN_GAP",
        what: "the last place that can be written",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            one(Draft { chain_index: Some(u64::MAX), first_index: Some(u64::MAX), ..note(ledger, machine) })
        },
    },
    Case {
        reason: "ISSUER_DIFFERS",
        what: "the same payload, issued by another key of the organisation",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let draft = note(ledger, machine);
            let sent = ledger.sign(&draft);
            ledger.send(&sent).unwrap().unwrap();
            Attempt::Signed(ledger.issue("company/zhang", sent.payload))
        },
    },
    Case {
        reason: "EVENT_ID_REUSED",
        what: "the same event id with other bytes at its place",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let mut draft = Draft { event_id: Some(id(1)), ..note(ledger, machine) };
            let (index, previous) = (ledger.admission.head(&machine).chain_length, ledger.last(&machine).event_hash);
            ledger.accept(draft.clone());
            (draft.chain_index, draft.previous_hash) = (Some(index), Some(previous));
            draft.body = Message::Noted(v1::Noted { text: "别的".to_owned(), attachments: Vec::new() });
            one(draft)
        },
    },
    Case {
        reason: "EVENT_ID_REUSED",
        what: "an event signed again on the new head though its first version was recorded",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            let first_index = ledger.admission.head(&machine).chain_length;
            let draft = Draft { event_id: Some(id(1)), ..note(ledger, machine) };
            ledger.accept(draft.clone());
            one(Draft { first_index: Some(first_index), ..draft })
        },
    },
    Case {
        reason: "REBASE_TOO_FAR",
        what: "an event first signed 257 places before",
        attempt: |ledger| {
            let machine = ledger.at_mine("0417");
            while ledger.admission.head(&machine).chain_length < 257 {
                let draft = note(ledger, machine);
                ledger.accept(draft);
            }
            one(Draft { first_index: Some(0), ..note(ledger, machine) })
        },
    },
];

fn id(number: u8) -> [u8; 16] {
    let mut id = [number; 16];
    (id[6], id[8]) = (0x70, 0x80);
    id
}
