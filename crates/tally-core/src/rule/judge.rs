//! The judge: a fold over what touches a machine or a mine, and over time, that opens and closes findings.
//!
//! A finding of a condition holds as long as the condition does; a finding of a breach is opened by an event and closed by
//! another, or never. What is found at an instant, by the entries below a size, follows from these entries and from what
//! is on record around them, and from nothing else.

use std::sync::Arc;

use tally_proto::v1::{Equipment, Evidence, Finding, FindingDecision, Mine, Severity, statement::Body as Message};

use super::{
    Legal, by_code,
    conditions::{Answer, Ask, Coming, Held, World, mine_conditions, reach_at},
    facts::{Before, Breach, Circumstances, Facts, OrderOn, Qualification},
    in_force::InForce,
    mine_facts::MineFacts,
    qualification::certificate_for,
};
use crate::{
    event::EventKind,
    id::{SubjectId, SubjectKind},
    state::{
        Instant, Recorded, Step, equipment, in_order,
        mark::{ends, starts},
        mine,
    },
};

/// Entries that a finding shows that it rests on.
pub const EVIDENCE_MAX: usize = 8;

/// A machine or a mine, with what the rules remember of it and what is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    subject: SubjectId,
    about: About,
    /// Conditions that hold, sorted by rule and key.
    open: Vec<Finding>,
    /// The instant up to which the case was judged.
    at_us: i64,
    /// When to look again without any event.
    next_us: i64,
}

#[derive(Clone, Debug, PartialEq)]
enum About {
    Machine(Box<Equipment>, Box<Facts>),
    Mine(Box<Mine>, Box<MineFacts>),
}

/// What changed about findings.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A finding opened.
    Opened(Finding),
    /// The open finding of this rule and key, as it is closed.
    Closed(Finding),
    /// Findings of breaches closed: of the rule, and of the key where one is given.
    BreachClosed {
        /// Code of the rule.
        rule: &'static str,
        /// Key; all of the rule where none is given.
        key: Option<String>,
        /// The event that closed them.
        evidence: Evidence,
    },
    /// Findings of this rule and key were dismissed; all of the rule where the key is empty.
    Dismissed {
        /// Code of the rule.
        rule: String,
        /// Key.
        key: String,
        /// The decision.
        evidence: Evidence,
        /// Why.
        reason: String,
    },
}

/// What the index keeps of a case between two events.
#[derive(Clone, PartialEq, prost::Message)]
pub struct KeptCase {
    /// Facts about a machine.
    #[prost(message, optional, tag = "1")]
    pub machine: Option<Facts>,
    /// Facts about a mine.
    #[prost(message, optional, tag = "5")]
    pub mine: Option<MineFacts>,
    /// Open findings of conditions.
    #[prost(message, repeated, tag = "2")]
    pub open: Vec<Finding>,
    /// Instant up to which it was judged.
    #[prost(int64, tag = "3")]
    pub at_us: i64,
    /// When to look again.
    #[prost(int64, tag = "4")]
    pub next_us: i64,
}

impl Case {
    /// A machine or mine of which nothing is known yet; `None` for a subject that is judged by no rule.
    pub fn new(subject: SubjectId) -> Option<Self> {
        let id = subject.id().to_vec();
        let about = if subject.kind() == SubjectKind::Equipment {
            About::Machine(Box::new(Equipment { id, ..Equipment::default() }), Box::default())
        } else if subject.kind() == SubjectKind::Mine {
            About::Mine(Box::new(Mine { id, ..Mine::default() }), Box::default())
        } else {
            return None;
        };
        Some(Self { subject, about, open: Vec::new(), at_us: i64::MIN, next_us: i64::MAX })
    }

    /// A case of a machine as it was kept.
    pub fn of_machine(subject: SubjectId, state: Equipment, kept: KeptCase) -> Self {
        let about = About::Machine(Box::new(state), Box::new(kept.machine.unwrap_or_default()));
        Self { subject, about, open: kept.open, at_us: kept.at_us, next_us: kept.next_us }
    }

    /// A case of a mine as it was kept.
    pub fn of_mine(subject: SubjectId, state: Mine, kept: KeptCase) -> Self {
        let about = About::Mine(Box::new(state), Box::new(kept.mine.unwrap_or_default()));
        Self { subject, about, open: kept.open, at_us: kept.at_us, next_us: kept.next_us }
    }

    /// What is to be kept of it beside the state.
    pub fn keep(self) -> KeptCase {
        let (machine, mine) = match self.about {
            About::Machine(_, facts) => (Some(*facts), None),
            About::Mine(_, facts) => (None, Some(*facts)),
        };
        KeptCase { machine, mine, open: self.open, at_us: self.at_us, next_us: self.next_us }
    }

    /// The machine's state; `None` for a mine.
    pub fn machine(&self) -> Option<&Equipment> {
        match &self.about {
            About::Machine(state, _) => Some(state),
            About::Mine(..) => None,
        }
    }

    /// The facts about the machine; `None` for a mine.
    pub fn facts(&self) -> Option<&Facts> {
        match &self.about {
            About::Machine(_, facts) => Some(facts),
            About::Mine(..) => None,
        }
    }

    /// The mine's state; `None` for a machine.
    pub fn mine(&self) -> Option<&Mine> {
        match &self.about {
            About::Machine(..) => None,
            About::Mine(state, _) => Some(state),
        }
    }

    /// What the rules remember of the mine; `None` for a machine.
    pub fn mine_facts(&self) -> Option<&MineFacts> {
        match &self.about {
            About::Machine(..) => None,
            About::Mine(_, facts) => Some(facts),
        }
    }

    /// Conditions that are open, sorted by rule and key.
    pub fn open(&self) -> &[Finding] {
        &self.open
    }

    /// Counts an entry that touches the machine.
    pub fn count(&mut self, touches: u64, own: bool) {
        if let About::Machine(state, _) = &mut self.about {
            state.touches = touches;
            state.chain_length += u64::from(own);
        }
    }

    /// Counts all entries that touch the machine.
    pub fn count_all<'a>(&mut self, events: impl Iterator<Item = &'a Recorded>) {
        if let About::Machine(state, _) = &mut self.about {
            equipment::count(state, &self.subject, events);
        }
    }

    /// When to look again without any event; the greatest there is for never.
    pub fn next_us(&self) -> i64 {
        self.next_us
    }

    /// The instant up to which it was judged.
    pub fn at_us(&self) -> i64 {
        self.at_us
    }

    /// Lets time pass up to and including `to_us`.
    pub fn advance(&mut self, world: &dyn World, to_us: i64, changes: &mut Vec<Change>) {
        while self.next_us <= to_us && self.next_us != i64::MAX {
            let at_us = self.next_us;
            self.judge_at(world, at_us, None, changes);
            // A question that asks for an instant that is reached already would never end.
            if self.next_us <= at_us {
                self.next_us = at_us.saturating_add(1);
            }
        }
    }

    /// Takes the next entry that touches the subject; it is not earlier than those before it.
    pub fn apply(&mut self, step: &Step<'_>, world: &dyn World, changes: &mut Vec<Change>) {
        let at_us = step.micros();
        self.advance(world, at_us.saturating_sub(1), changes);
        let breaches = match &mut self.about {
            About::Machine(state, facts) => {
                let before = Before::of(state, step);
                let around = Around::new(world, &state.mine, at_us);
                equipment::apply(state, step);
                facts.apply(step, &before, state, &around)
            }
            About::Mine(state, facts) => {
                if step.recorded.candidate.statement().subject == self.subject {
                    mine::apply(state, step);
                }
                let reach = reach_at(Some(state), at_us, world.size(), &mut |_| {});
                let in_force = world.publications().in_force(at_us, world.size(), &reach);
                let number_of = |id: &[u8]| world.order(id).map(|order| order.number);
                facts.apply(step, &state.id, in_force.number("TIME-005", "per_hour"), number_of)
            }
        };
        for breach in breaches {
            match breach {
                Breach::Open { rule, key, evidence } => changes.extend(self.breach(rule, key, evidence)),
                Breach::Close { rule, key, evidence } => changes.push(Change::BreachClosed { rule, key, evidence }),
            }
        }
        self.judge_at(world, at_us, Some(step.evidence()), changes);
        if let Message::FindingDecided(body) = step.body.message()
            && body.decision() == FindingDecision::Dismissed
            && step.recorded.candidate.statement().subject == self.subject
        {
            let evidence = step.evidence();
            for finding in &mut self.open {
                if finding.rule == body.rule && (body.key.is_empty() || finding.key == body.key) {
                    finding.dismissed = Some(evidence);
                    finding.dismissed_reason.clone_from(&body.reason);
                }
            }
            let (rule, key, reason) = (body.rule.clone(), body.key.clone(), body.reason.clone());
            changes.push(Change::Dismissed { rule, key, evidence, reason });
        }
    }

    fn breach(&self, code: &'static str, key: String, evidence: Evidence) -> Option<Change> {
        let rule = by_code(code)?;
        let legal_major = rule.severity == Severity::Major && rule.legal == Legal::Yes;
        let cause = String::new();
        let held = Held { rule, key, severity: rule.severity, legal_major, cause, evidence: vec![evidence] };
        Some(Change::Opened(self.finding(held, evidence.occurred_at_us)))
    }

    fn finding(&self, held: Held, since_us: i64) -> Finding {
        let (mine, holder, category) = self.whereabouts();
        let recorded = held.evidence.iter().map(|evidence| evidence.recorded_at_us).max().unwrap_or(since_us);
        let mut evidence = held.evidence;
        evidence.sort_by_key(|evidence| evidence.position);
        evidence.dedup();
        evidence.truncate(EVIDENCE_MAX);
        Finding {
            rule: held.rule.code.to_owned(),
            key: held.key,
            subject: self.subject.key().to_vec(),
            mine,
            holder,
            category,
            severity: held.severity as i32,
            legal_major: held.legal_major,
            since_us,
            until_us: 0,
            known_since_us: since_us.max(recorded),
            known_until_us: 0,
            evidence,
            cause: held.cause,
            dismissed: None,
            dismissed_reason: String::new(),
        }
    }

    /// Mine, holder and category as they are now.
    fn whereabouts(&self) -> (Vec<u8>, Vec<u8>, String) {
        match &self.about {
            About::Machine(state, _) => (state.mine.clone(), state.holder.clone(), state.category.clone()),
            About::Mine(state, _) => (state.id.clone(), state.operator.clone(), String::new()),
        }
    }

    /// What holds at an instant.
    pub fn ask(&self, world: &dyn World, at_us: i64) -> Answer {
        match &self.about {
            About::Machine(state, facts) => Ask::new(state, facts, world, at_us).answer(),
            About::Mine(state, facts) => mine_conditions(state, facts, world, at_us),
        }
    }

    /// What will hold after the instant up to which it was judged, if nothing happens before.
    pub fn coming(&self, world: &dyn World) -> Vec<Coming> {
        self.ask(world, self.at_us).coming
    }

    /// Looks again at the instant up to which it was judged, for what is on record around it has changed; `false` where
    /// what holds there is no longer what was found: then its history must be judged anew. Of the past before that instant it
    /// says nothing: [`Case::look_again_since`] does.
    pub fn look_again(&mut self, world: &dyn World) -> bool {
        let answer = self.ask(world, self.at_us);
        let same = answer.held.len() == self.open.len()
            && answer.held.iter().zip(&self.open).all(|(held, open)| {
                (held.rule.code, &held.key, held.severity as i32, held.legal_major)
                    == (open.rule.as_str(), &open.key, open.severity, open.legal_major)
            });
        self.next_us = answer.next_us;
        same
    }

    /// Looks again after an entry about another subject that changes what is true from an instant on, as
    /// [`changed_from_us`] tells it; `false` where the history must be judged anew.
    ///
    /// What holds now may be the same although the past is not: a mark can be suspended and resumed in it, a schedule can
    /// have come into force earlier.
    pub fn look_again_since(&mut self, world: &dyn World, changed_us: i64) -> bool {
        changed_us > self.at_us && self.look_again(world)
    }

    fn judge_at(&mut self, world: &dyn World, at_us: i64, event: Option<Evidence>, changes: &mut Vec<Change>) {
        let answer = self.ask(world, at_us);
        self.at_us = at_us;
        self.next_us = answer.next_us;
        let known_us = event.map_or(at_us, |event| event.recorded_at_us.max(at_us));
        let (mine, holder, category) = self.whereabouts();
        let mut former = std::mem::take(&mut self.open).into_iter().peekable();
        let mut open = Vec::with_capacity(answer.held.len());
        let close = |mut finding: Finding, changes: &mut Vec<Change>| {
            finding.until_us = at_us;
            finding.known_until_us = known_us;
            changes.push(Change::Closed(finding));
        };
        for held in answer.held {
            let name = (held.rule.code, held.key.as_str());
            while let Some(gone) = former.next_if(|known| (known.rule.as_str(), known.key.as_str()) < name) {
                close(gone, changes);
            }
            match former.next_if(|known| (known.rule.as_str(), known.key.as_str()) == name) {
                Some(mut known) => {
                    // It goes on; how grave it is, and where, follows what is true now.
                    let now = (held.severity as i32, held.legal_major, &mine, &holder);
                    if now != (known.severity, known.legal_major, &known.mine, &known.holder) {
                        known.severity = held.severity as i32;
                        known.legal_major = held.legal_major;
                        known.mine.clone_from(&mine);
                        known.holder.clone_from(&holder);
                        known.category.clone_from(&category);
                        changes.push(Change::Opened(known.clone()));
                    }
                    open.push(known);
                }
                None => {
                    let finding = self.finding(held, at_us);
                    changes.push(Change::Opened(finding.clone()));
                    open.push(finding);
                }
            }
        }
        for gone in former {
            close(gone, changes);
        }
        self.open = open;
    }
}

/// Judges the whole history of a machine or mine at `instant`: every finding that ever opened, closed ones too, sorted by
/// rule, key and begin; and the case as it stands. `None` where its chain was not open then.
pub fn judge(
    subject: &SubjectId,
    events: &[Recorded],
    instant: Instant,
    world: &dyn World,
) -> Option<(Case, Vec<Finding>)> {
    let (case, mut docket) = judge_events(subject, events, instant, world)?;
    let mut changes = Vec::new();
    case.clone().advance(world, instant.as_of.micros(), &mut changes);
    changes.into_iter().for_each(|change| docket.take(change));
    Some((case, docket.into_findings()))
}

/// The same up to the last event: no time passes after it.
pub fn judge_events(
    subject: &SubjectId,
    events: &[Recorded],
    instant: Instant,
    world: &dyn World,
) -> Option<(Case, Docket)> {
    let mut case = Case::new(*subject)?;
    let mut docket = Docket::default();
    let mut changes = Vec::new();
    let mut open = false;
    for step in in_order(subject, events, instant) {
        open |= step.recorded.candidate.statement().subject == *subject;
        case.apply(&step, world, &mut changes);
        changes.drain(..).for_each(|change| docket.take(change));
    }
    open.then_some((case, docket))
}

/// Findings of one subject as changes come.
#[derive(Clone, Debug, Default)]
pub struct Docket {
    findings: Vec<Finding>,
}

impl Docket {
    /// Begins with findings that are known.
    pub fn new(findings: Vec<Finding>) -> Self {
        Self { findings }
    }

    /// Takes a change.
    pub fn take(&mut self, change: Change) {
        match change {
            Change::Opened(finding) => {
                let same = |known: &&mut Finding| {
                    known.until_us == 0 && (&known.rule, &known.key) == (&finding.rule, &finding.key)
                };
                match self.findings.iter_mut().find(same) {
                    // A breach that is repeated stays as it began.
                    Some(known) if known.since_us < finding.since_us => {}
                    Some(known) => *known = finding,
                    None => self.findings.push(finding),
                }
            }
            Change::Closed(finding) => {
                // A breach of the same name may have closed it in the same breath.
                let same = |known: &&mut Finding| {
                    (&known.rule, &known.key) == (&finding.rule, &finding.key)
                        && (known.until_us == 0
                            || (known.since_us, known.until_us) == (finding.since_us, finding.until_us))
                };
                match self.findings.iter_mut().find(same) {
                    Some(known) => *known = finding,
                    None => self.findings.push(finding),
                }
            }
            Change::BreachClosed { rule, key, evidence } => {
                for known in &mut self.findings {
                    let hit =
                        known.until_us == 0 && known.rule == rule && key.as_ref().is_none_or(|key| known.key == *key);
                    if hit {
                        known.until_us = evidence.occurred_at_us.max(known.since_us);
                        known.known_until_us = evidence.recorded_at_us.max(known.until_us);
                    }
                }
            }
            Change::Dismissed { rule, key, evidence, reason } => {
                for known in &mut self.findings {
                    let hit = known.until_us == 0 && known.rule == rule && (key.is_empty() || known.key == key);
                    if hit {
                        known.dismissed = Some(evidence);
                        known.dismissed_reason.clone_from(&reason);
                    }
                }
            }
        }
    }

    /// The findings, sorted by rule, key and begin.
    pub fn into_findings(mut self) -> Vec<Finding> {
        let name = |finding: &Finding| (finding.rule.clone(), finding.key.clone(), finding.since_us);
        self.findings.sort_by_key(name);
        self.findings
    }
}

/// What the facts ask beyond the machine's own events.
struct Around<'a> {
    world: &'a dyn World,
    in_force: Arc<InForce>,
}

impl<'a> Around<'a> {
    fn new(world: &'a dyn World, mine: &[u8], at_us: i64) -> Self {
        let mine = if mine.is_empty() { None } else { world.mine(mine) };
        let reach = reach_at(mine.as_deref(), at_us, world.size(), &mut |_| {});
        Self { world, in_force: world.publications().in_force(at_us, world.size(), &reach) }
    }
}

impl Circumstances for Around<'_> {
    fn is_ex_checked(&self, category: &str) -> bool {
        self.in_force.categories.get(category).is_some_and(|row| row.ex_check)
    }

    fn persons(&self, step: &Step<'_>) -> Vec<Vec<u8>> {
        let event = step.recorded.candidate.event();
        let issuer = event.issuer().as_bytes().to_vec();
        let signers =
            std::iter::once(issuer.clone()).chain(event.hands().iter().map(|hand| hand.key_id.as_bytes().to_vec()));
        let organisation = self.world.organisation(&step.signer());
        let person = |key_id: &Vec<u8>| {
            let key =
                organisation.iter().flat_map(|organisation| &organisation.keys).find(|key| key.key_id == *key_id)?;
            (!key.person_id.is_empty()).then(|| key.person_id.clone())
        };
        let mut persons: Vec<Vec<u8>> = signers.filter_map(|key_id| person(&key_id)).collect();
        persons.sort_unstable();
        persons.dedup();
        if persons.is_empty() { vec![issuer] } else { persons }
    }

    fn qualification(&self, step: &Step<'_>, category: &str) -> Option<(&'static str, Qualification)> {
        let wanted = certificate_for(step.body.message(), category)?;
        let organisation = self.world.organisation(&step.signer())?;
        let event = step.recorded.candidate.event();
        let statement = step.recorded.candidate.statement();
        let workers = statement
            .performed_by
            .iter()
            .map(|key_id| key_id.as_bytes().to_vec())
            .chain(std::iter::once(event.issuer().as_bytes().to_vec()))
            .chain(event.hands().iter().map(|hand| hand.key_id.as_bytes().to_vec()));
        // Nobody signed as a person: that is PER-003's, and no certificate can be asked for.
        let mut answer = None;
        for key_id in workers {
            let Some(key) = organisation.keys.iter().find(|key| key.key_id == key_id && !key.person_id.is_empty())
            else {
                continue;
            };
            answer = answer.or(Some((wanted, Qualification::Missing)));
            for certificate in key.certificates.iter().filter(|certificate| certificate.kind == wanted) {
                if step.micros() < ends(certificate.valid_until.as_ref()) {
                    return Some((wanted, Qualification::Held));
                }
                answer = Some((wanted, Qualification::Expired));
            }
        }
        answer
    }

    fn order(&self, id: &[u8]) -> Option<OrderOn> {
        self.world.order(id)
    }

    fn number(&self, rule: &str, key: &str) -> i64 {
        self.in_force.number(rule, key)
    }
}

/// The first instant at which an entry about another subject can change what machines are judged by; the least there is
/// where no instant is too early.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others count from when they happened")]
pub fn changed_from_us(step: &Step<'_>) -> i64 {
    let from = |publication: Option<&tally_proto::v1::Publication>| {
        starts(publication.and_then(|publication| publication.from.as_ref()))
    };
    match step.body.message() {
        // A publication counts from its first day, whenever it was put on record.
        Message::PolicyPublished(body) => from(body.publication.as_ref()),
        Message::SchedulePublished(body) => from(body.publication.as_ref()),
        Message::CategoriesPublished(body) => from(body.publication.as_ref()),
        Message::PhaseOutPublished(body) => from(body.publication.as_ref()),
        // A second withdrawal can take back an earlier one, and a key is disputed by when things were recorded.
        Message::PublicationWithdrawn(_) | Message::KeyRevoked(_) => i64::MIN,
        _ => step.micros(),
    }
}

/// Whether an entry about another subject changes what its machines are judged by.
pub fn changes_the_world(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::MarkIssued
            | EventKind::MarkChanged
            | EventKind::MarkRenewed
            | EventKind::MarkSuspended
            | EventKind::MarkResumed
            | EventKind::MarkRevoked
            | EventKind::MarkCancelled
            | EventKind::PolicyPublished
            | EventKind::SchedulePublished
            | EventKind::CategoriesPublished
            | EventKind::PhaseOutPublished
            | EventKind::PublicationWithdrawn
            | EventKind::MineProfileChanged
            | EventKind::OperatorChanged
            | EventKind::KeyRevoked
    )
}
