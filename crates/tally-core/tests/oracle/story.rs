//! The story of one subject: its entries in order, each with the machine before and after it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use tally_core::{
    event::{Body, day},
    id::{SubjectId, SubjectKind},
    state::{Recorded, Step, equipment},
    text,
    time::{Day, Timestamp},
};
use tally_proto::v1::{
    CheckResult, Equipment, IrregularityKind, Mine, PlaceKind, Role, ServiceState, Severity, statement::Body as Message,
};

use crate::{chronicle::Log, law::Law};

pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// One entry as it counts.
pub(crate) struct Seen<'a> {
    pub(crate) at: i64,
    pub(crate) position: u64,
    pub(crate) body: Body,
    pub(crate) recorded: &'a Recorded,
    /// On the subject's own chain.
    pub(crate) own: bool,
    pub(crate) before: Equipment,
    pub(crate) after: Equipment,
    /// What was in force when it happened, where the machine stood before it.
    pub(crate) law: Rc<Law>,
}

impl Seen<'_> {
    pub(crate) fn message(&self) -> &Message {
        self.body.message()
    }

    pub(crate) fn signer(&self) -> Vec<u8> {
        self.recorded.candidate.statement().organisation.as_bytes().to_vec()
    }

    pub(crate) fn is_role(&self, role: Role) -> bool {
        self.recorded.candidate.statement().role == role as u32
    }

    pub(crate) fn is_found(&self, kind: IrregularityKind) -> bool {
        self.recorded.findings.contains(&kind)
    }

    pub(crate) fn index(&self) -> u64 {
        self.recorded.candidate.event().chain_index().get()
    }

    pub(crate) fn opens_first(&self) -> bool {
        self.index() == 0
    }

    /// Keys that signed it.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let event = self.recorded.candidate.event();
        let hands = event.hands().iter().map(|hand| hand.key_id.as_bytes().to_vec());
        std::iter::once(event.issuer().as_bytes().to_vec()).chain(hands).collect()
    }

    /// Persons behind the signatures, as the signer's organisation registered them; where there is none, the issuing
    /// key stands for whoever used it.
    pub(crate) fn persons(&self, log: &Log<'_>) -> Vec<Vec<u8>> {
        let organisation = log.organisation(&self.signer());
        let mut persons: Vec<Vec<u8>> = Vec::new();
        for key_id in self.keys() {
            for key in organisation.iter().flat_map(|organisation| &organisation.keys) {
                if key.key_id == key_id && !key.person_id.is_empty() && !persons.contains(&key.person_id) {
                    persons.push(key.person_id.clone());
                }
            }
        }
        if persons.is_empty() { vec![self.keys().remove(0)] } else { persons }
    }
}

/// The story of a subject, as known at a size.
pub(crate) struct Story<'a> {
    pub(crate) log: &'a Log<'a>,
    pub(crate) subject: SubjectId,
    pub(crate) events: Vec<Seen<'a>>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(log: &'a Log<'a>, subject: SubjectId) -> Self {
        let touching: Vec<&Recorded> = log
            .known()
            .filter(|event| event.candidate.statement().touched().any(|touched| touched == subject))
            .collect();
        let mut told: Vec<(i64, u64, Body, &Recorded)> = Vec::new();
        for event in &touching {
            let statement = event.candidate.statement();
            let mut counts = Some((statement.occurred_at.micros(), event.candidate.body().clone()));
            // The last amendment on the same chain replaces it at its place, or takes it back.
            for later in touching.iter().filter(|_| statement.subject == subject) {
                if let Message::Corrected(body) = later.candidate.body().message()
                    && body.event.as_ref().unwrap().chain_index == event.candidate.event().chain_index().get()
                    && later.candidate.statement().subject == subject
                {
                    counts = body.replacement.as_ref().map(|new| {
                        let kind = event.candidate.kind() as u32;
                        (new.occurred_at_us, Body::parse(kind, &new.body).unwrap())
                    });
                }
            }
            if let Some((at, body)) = counts {
                told.push((at, event.position.get(), body, event));
            }
        }
        told.sort_by_key(|(at, position, ..)| (*at, *position));
        let mut state = Equipment { id: subject.id().to_vec(), ..Equipment::default() };
        let mut events = Vec::new();
        for (at, position, body, recorded) in told {
            let before = state.clone();
            if subject.kind() == SubjectKind::Equipment {
                let body = std::borrow::Cow::Owned(body.clone());
                equipment::apply(&mut state, &Step { occurred_at: Timestamp::from_micros(at), body, recorded });
            }
            let own = recorded.candidate.statement().subject == subject;
            let law =
                if subject.kind() == SubjectKind::Mine { log.law(at, subject.id()) } else { log.law(at, &before.mine) };
            events.push(Seen { at, position, body, recorded, own, before, after: state.clone(), law });
        }
        Self { log, subject, events }
    }

    /// What is true at an instant; `None` where the chain was not open.
    pub(crate) fn at(&self, at_us: i64) -> Option<Now<'_>> {
        let count = self.events.iter().take_while(|event| event.at <= at_us).count();
        let events = &self.events[..count];
        if !events.iter().any(|event| event.own) {
            return None;
        }
        let state = events.last()?.after.clone();
        let place =
            if self.subject.kind() == SubjectKind::Mine { self.subject.id().to_vec() } else { state.mine.clone() };
        Some(Now {
            at: at_us,
            log: self.log,
            subject: self.subject,
            events,
            law: self.log.law(at_us, &place),
            mine: self.log.mine(&place).cloned(),
            state,
            deadlines: RefCell::new(Vec::new()),
            said: RefCell::new(BTreeMap::new()),
        })
    }
}

/// Rule and key, with severity and whether the law says major.
pub(crate) type Verdict = BTreeMap<(String, String), (Severity, bool)>;

/// One instant of a story.
pub(crate) struct Now<'a> {
    pub(crate) at: i64,
    pub(crate) log: &'a Log<'a>,
    pub(crate) subject: SubjectId,
    /// All that has happened, in order.
    pub(crate) events: &'a [Seen<'a>],
    pub(crate) law: Rc<Law>,
    pub(crate) mine: Option<Mine>,
    pub(crate) state: Equipment,
    /// Instants at which something may change by itself.
    pub(crate) deadlines: RefCell<Vec<i64>>,
    pub(crate) said: RefCell<Verdict>,
}

impl<'a> Now<'a> {
    /// Events of the own chain, the first first.
    pub(crate) fn own(&self) -> impl DoubleEndedIterator<Item = &'a Seen<'a>> + use<'a> {
        self.events.iter().filter(|event| event.own)
    }

    /// The last event of the own chain that fits.
    pub(crate) fn last(&self, fits: impl Fn(&Seen<'_>) -> bool) -> Option<&'a Seen<'a>> {
        self.own().rfind(|event| fits(event))
    }

    /// Whether an event of the own chain that fits stands after this one.
    pub(crate) fn after(&self, event: &Seen<'_>, fits: impl Fn(&Seen<'_>) -> bool) -> bool {
        self.own().any(|later| place(later) > place(event) && fits(later))
    }

    /// Whether a deadline has come.
    pub(crate) fn due(&self, deadline: i64) -> bool {
        self.deadlines.borrow_mut().push(deadline);
        self.at >= deadline
    }

    pub(crate) fn category(&self) -> &str {
        &self.state.category
    }

    pub(crate) fn is_electrical_or_cable(&self) -> bool {
        let category = self.category();
        category == "CABLE" || self.law.categories.get(category).is_some_and(|row| row.group == "A")
    }

    /// A rule holds; where it is said twice, the first counts.
    pub(crate) fn say(&self, rule: &str, key: &str) {
        let row = tally_core::rule::RULES.iter().find(|row| row.code == rule).unwrap();
        self.say_as(rule, key, row.severity);
    }

    pub(crate) fn say_as(&self, rule: &str, key: &str, severity: Severity) {
        use tally_core::rule::Legal;
        let row = tally_core::rule::RULES.iter().find(|row| row.code == rule).unwrap();
        let listed = match row.legal {
            Legal::No => false,
            Legal::Yes => true,
            Legal::ElectricalAndCables => self.is_electrical_or_cable(),
        };
        let legal = listed && severity == Severity::Major;
        self.said.borrow_mut().entry((rule.to_owned(), key.to_owned())).or_insert((severity, legal));
    }

    /// Kinds of place at and above where the machine stands.
    pub(crate) fn places(&self) -> Vec<PlaceKind> {
        let mut kinds = Vec::new();
        let (Some(mine), Some(place)) = (&self.mine, &self.state.place) else { return kinds };
        let mut id = place.node.clone();
        while let Some(node) = mine.places.iter().find(|node| node.id == id && kinds.len() < 32) {
            kinds.push(node.kind());
            id = node.parent.clone();
        }
        kinds
    }

    /// The profile of the mine that counts now.
    pub(crate) fn profile(&self) -> Option<&tally_proto::v1::MineProfile> {
        self.mine.as_ref()?.profiles.iter().rfind(|profile| profile.from_us <= self.at)
    }
}

/// Order of the story.
pub(crate) fn place(event: &Seen<'_>) -> (i64, u64) {
    (event.at, event.position)
}

/// PASS, or PASS with conditions; not applicable is no outcome.
pub(crate) fn passed(result: CheckResult) -> bool {
    matches!(result, CheckResult::Pass | CheckResult::Conditional)
}

pub(crate) fn runs(state: ServiceState) -> bool {
    matches!(state, ServiceState::InUse | ServiceState::Standby)
}

/// At its place, running or not.
pub(crate) fn in_service(state: ServiceState) -> bool {
    use ServiceState::{Idle, InUse, Installed, Standby, Stopped, UnderMaintenance, Underground};
    matches!(state, Underground | Installed | InUse | Standby | Idle | UnderMaintenance | Stopped)
}

/// No machine any longer that could be used.
pub(crate) fn gone(state: ServiceState) -> bool {
    use ServiceState::{Dismantled, Exported, Scrapped, Superseded};
    matches!(state, Scrapped | Dismantled | Exported | Superseded)
}

pub(crate) fn normal(text: &str) -> String {
    text::normalise(text).unwrap_or_default()
}

pub(crate) fn day_of(message: Option<&tally_proto::v1::Day>) -> Option<Day> {
    message.and_then(day)
}

pub(crate) fn begins(message: Option<&tally_proto::v1::Day>) -> Option<i64> {
    Some(day_of(message)?.starts()?.micros())
}

/// First instant after the last day that is meant.
pub(crate) fn is_over(message: Option<&tally_proto::v1::Day>) -> Option<i64> {
    Some(day_of(message)?.ends()?.micros())
}
