//! What the rules remember of a machine: a fold over the entries that touch it, bounded by what a machine has, not by
//! how long its history is.

use tally_proto::v1::{
    Attribute, CheckItem, CheckResult, Component, Conformity, DispatchReason, Equipment, Evidence, Fate, FaultSeverity,
    FindingDecision, IdentityVerdict, InspectionKind, IrregularityKind, Measure, MeterReading, ReceivedInto,
    RectificationResult, Role, ScrapVerdict, ServiceState, statement::Body as Message,
};

use super::known_mark::normal;
use crate::{
    event::EventKind,
    id::SubjectKind,
    number::ChainIndex,
    state::{Step, mark::ends},
};

/// Most of the lists below; what comes later replaces the oldest.
pub const LIST_MAX: usize = 64;

/// A piece of scheduled work that was done last.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Work {
    /// Code of the schedule, or the kind of work behind a tilde.
    #[prost(string, tag = "1")]
    pub code: String,
    /// When it was done and passed last.
    #[prost(message, optional, tag = "2")]
    pub done: Option<Evidence>,
    /// When it failed last, unless it passed since.
    #[prost(message, optional, tag = "3")]
    pub failed: Option<Evidence>,
    /// Done last by a laboratory outside its grant.
    #[prost(message, optional, tag = "4")]
    pub outside_grant: Option<Evidence>,
    /// Whether another organisation than the holder did it, and it passed.
    #[prost(bool, tag = "5")]
    pub by_third_party: bool,
    /// Whether what failed last must stop at once.
    #[prost(bool, tag = "6")]
    pub must_stop: bool,
}

/// A fault that is not closed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Fault {
    /// The reporter's number.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Kind.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// How severe, of `FaultSeverity`.
    #[prost(int32, tag = "3")]
    pub severity: i32,
    /// When it was reported.
    #[prost(message, optional, tag = "4")]
    pub reported: Option<Evidence>,
    /// First instant after the day by which it is to be put right; 0 where none is given.
    #[prost(int64, tag = "5")]
    pub due_us: i64,
    /// Whether explosion protection is lost.
    #[prost(bool, tag = "6")]
    pub loss_of_protection: bool,
    /// When it was put right.
    #[prost(message, optional, tag = "7")]
    pub rectified: Option<Evidence>,
    /// Who put it right: ids of persons, or the key where none is named.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub rectified_by: Vec<Vec<u8>>,
    /// Run although it must stop.
    #[prost(message, optional, tag = "9")]
    pub run_with: Option<Evidence>,
    /// Confirmed by none but those who put it right: closed, but for what needs another person.
    #[prost(message, optional, tag = "10")]
    pub confirmed_by_same: Option<Evidence>,
}

/// A component in a slot, with when it came.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Fit {
    /// Slot.
    #[prost(string, tag = "1")]
    pub slot: String,
    /// What sits there; absent where it was taken out.
    #[prost(message, optional, tag = "2")]
    pub component: Option<Component>,
    /// When.
    #[prost(message, optional, tag = "3")]
    pub evidence: Option<Evidence>,
    /// Whether it came with the machine.
    #[prost(bool, tag = "4")]
    pub as_built: bool,
    /// Model in normal form.
    #[prost(string, tag = "5")]
    pub model_normal: String,
}

/// An order that the machine is under.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OrderOn {
    /// The order, 16-byte id.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// 1 stop-use, 2 seal, 3 recall.
    #[prost(uint32, tag = "2")]
    pub kind: u32,
    /// Number of the order.
    #[prost(string, tag = "3")]
    pub number: String,
    /// When it was given.
    #[prost(message, optional, tag = "4")]
    pub given: Option<Evidence>,
    /// First instant after its last day; 0 where a condition ends it.
    #[prost(int64, tag = "5")]
    pub until_us: i64,
    /// Of a recall: what must be done until it is remedied, of `InterimMeasure`.
    #[prost(int32, tag = "6")]
    pub interim: i32,
    /// First event that goes against it.
    #[prost(message, optional, tag = "7")]
    pub broken: Option<Evidence>,
}

/// A decision of a regulator about a finding.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Decided {
    /// Rule.
    #[prost(string, tag = "1")]
    pub rule: String,
    /// Key.
    #[prost(string, tag = "2")]
    pub key: String,
    /// The decision, of `FindingDecision`.
    #[prost(int32, tag = "3")]
    pub decision: i32,
    /// When.
    #[prost(message, optional, tag = "4")]
    pub evidence: Option<Evidence>,
    /// Why.
    #[prost(string, tag = "5")]
    pub reason: String,
}

/// A key that signed, with the last entry that it signed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedBy {
    /// Id of the key.
    #[prost(bytes = "vec", tag = "1")]
    pub key_id: Vec<u8>,
    /// Organisation that acted.
    #[prost(bytes = "vec", tag = "2")]
    pub organisation: Vec<u8>,
    /// The entry with the latest `recorded_at`.
    #[prost(message, optional, tag = "3")]
    pub last: Option<Evidence>,
}

/// Work by somebody without the certificate that it takes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Unqualified {
    /// Kind of certificate.
    #[prost(string, tag = "1")]
    pub certificate: String,
    /// Whether there was one that had expired.
    #[prost(bool, tag = "2")]
    pub expired: bool,
    /// The work.
    #[prost(message, optional, tag = "3")]
    pub evidence: Option<Evidence>,
}

/// An organisation that used the machine without holding, owning or leasing it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stranger {
    /// The organisation, 16-byte id.
    #[prost(bytes = "vec", tag = "1")]
    pub organisation: Vec<u8>,
    /// Its first use.
    #[prost(message, optional, tag = "2")]
    pub evidence: Option<Evidence>,
}

/// A kind of fault that was reported.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FaultKind {
    /// Kind.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// When first: microseconds since 1970 UTC.
    #[prost(int64, tag = "2")]
    pub at_us: i64,
}

/// What the rules remember of a machine.
#[derive(Clone, PartialEq, prost::Message)]
#[expect(missing_docs, reason = "each field is named for the fact; the rule that asks it is in `conditions`")]
pub struct Facts {
    // Plate and papers.
    #[prost(string, tag = "1")]
    pub exempt_reason: String,
    #[prost(string, tag = "2")]
    pub ex_mark: String,
    #[prost(string, tag = "3")]
    pub ex_cert_no: String,
    #[prost(message, repeated, tag = "4")]
    pub nameplate: Vec<Measure>,
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<Attribute>,
    #[prost(string, tag = "6")]
    pub production_address: String,
    #[prost(message, optional, tag = "7")]
    pub design_life: Option<Measure>,
    #[prost(bytes = "vec", tag = "8")]
    pub maker: Vec<u8>,
    #[prost(message, optional, tag = "9")]
    pub made: Option<Evidence>,
    #[prost(message, optional, tag = "10")]
    pub exited: Option<Evidence>,
    #[prost(message, optional, tag = "11")]
    pub extended: Option<Evidence>,
    #[prost(string, tag = "12")]
    pub model_normal: String,
    #[prost(string, tag = "13")]
    pub maker_normal: String,
    #[prost(string, tag = "14")]
    pub serial_normal: String,
    #[prost(bool, tag = "15")]
    pub enrolled: bool,
    // Arrival and acceptance at the mine where it is.
    #[prost(message, optional, tag = "20")]
    pub received: Option<Evidence>,
    #[prost(message, optional, tag = "21")]
    pub accepted: Option<Evidence>,
    #[prost(message, optional, tag = "22")]
    pub acceptance_failed: Option<Evidence>,
    #[prost(message, optional, tag = "23")]
    pub taken_on: Option<Evidence>,
    #[prost(message, optional, tag = "24")]
    pub used_unaccepted: Option<Evidence>,
    #[prost(message, optional, tag = "25")]
    pub used_after_failure: Option<Evidence>,
    #[prost(message, optional, tag = "26")]
    pub installed: Option<Evidence>,
    #[prost(bytes = "vec", repeated, tag = "27")]
    pub installed_by: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "28")]
    pub installation_accepted: Option<Evidence>,
    #[prost(message, optional, tag = "29")]
    pub commissioned_unaccepted: Option<Evidence>,
    #[prost(message, optional, tag = "30")]
    pub in_use: Option<Evidence>,
    #[prost(string, tag = "31")]
    pub function: String,
    #[prost(message, optional, tag = "32")]
    pub plate_differs: Option<Evidence>,
    #[prost(message, optional, tag = "33")]
    pub label_differs: Option<Evidence>,
    #[prost(message, optional, tag = "34")]
    pub ex_cert_missing: Option<Evidence>,
    #[prost(bool, tag = "35")]
    pub ex_cert_shown: bool,
    #[prost(message, optional, tag = "36")]
    pub first_received: Option<Evidence>,
    // Explosion protection.
    #[prost(message, optional, tag = "40")]
    pub ex_checked: Option<Evidence>,
    #[prost(int64, tag = "41")]
    pub ex_valid_until_us: i64,
    #[prost(message, optional, tag = "42")]
    pub went_down: Option<Evidence>,
    #[prost(message, optional, tag = "43")]
    pub went_down_unchecked: Option<Evidence>,
    #[prost(message, optional, tag = "44")]
    pub opened: Option<Evidence>,
    #[prost(message, optional, tag = "45")]
    pub ex_overhaul_doubtful: Option<Evidence>,
    #[prost(bool, tag = "46")]
    pub overhaul_without_documents: bool,
    // Work and faults.
    #[prost(message, repeated, tag = "50")]
    pub works: Vec<Work>,
    #[prost(message, repeated, tag = "51")]
    pub faults: Vec<Fault>,
    #[prost(message, repeated, tag = "52")]
    pub fault_kinds: Vec<FaultKind>,
    #[prost(message, optional, tag = "53")]
    pub overhauled: Option<Evidence>,
    #[prost(message, repeated, tag = "54")]
    pub unqualified: Vec<Unqualified>,
    #[prost(message, optional, tag = "55")]
    pub rope_worn: Option<Evidence>,
    #[prost(message, optional, tag = "57")]
    pub resumed_unchecked: Option<Evidence>,
    #[prost(message, optional, tag = "58")]
    pub last: Option<Evidence>,
    // Parts.
    #[prost(message, repeated, tag = "60")]
    pub fits: Vec<Fit>,
    #[prost(string, tag = "61")]
    pub sits_in_slot: String,
    #[prost(message, optional, tag = "62")]
    pub discarded: Option<Evidence>,
    #[prost(message, optional, tag = "63")]
    pub reused: Option<Evidence>,
    // Orders and decisions.
    #[prost(message, repeated, tag = "70")]
    pub orders: Vec<OrderOn>,
    #[prost(message, repeated, tag = "71")]
    pub decided: Vec<Decided>,
    // Scrapping.
    #[prost(message, optional, tag = "80")]
    pub scrapped: Option<Evidence>,
    #[prost(message, optional, tag = "81")]
    pub revived: Option<Evidence>,
    #[prost(message, optional, tag = "82")]
    pub to_be_scrapped: Option<Evidence>,
    // Custody.
    #[prost(message, optional, tag = "90")]
    pub dispatched: Option<Evidence>,
    #[prost(message, optional, tag = "91")]
    pub gap: Option<Evidence>,
    #[prost(message, optional, tag = "92")]
    pub overlap: Option<Evidence>,
    #[prost(bytes = "vec", tag = "93")]
    pub former_holder: Vec<u8>,
    #[prost(message, repeated, tag = "94")]
    pub strangers: Vec<Stranger>,
    #[prost(message, optional, tag = "96")]
    pub lease_unsafe: Option<Evidence>,
    #[prost(message, optional, tag = "97")]
    pub not_found: Option<Evidence>,
    #[prost(bytes = "vec", tag = "98")]
    pub seen_in_mine: Vec<u8>,
    #[prost(message, optional, tag = "99")]
    pub seen: Option<Evidence>,
    // Keys.
    #[prost(message, repeated, tag = "110")]
    pub signers: Vec<SignedBy>,
    // Belts.
    #[prost(message, optional, tag = "120")]
    pub belt_went_down_untested: Option<Evidence>,
    #[prost(message, optional, tag = "121")]
    pub belt_failed: Option<Evidence>,
}

/// A breach that an event itself is, or an end of such.
#[derive(Clone, Debug, PartialEq)]
pub enum Breach {
    /// It opens; `key` tells it from others of its rule.
    Open {
        /// Code of the rule.
        rule: &'static str,
        /// Key.
        key: String,
        /// The event.
        evidence: Evidence,
    },
    /// It closes; without a key all of the rule close.
    Close {
        /// Code of the rule.
        rule: &'static str,
        /// Key.
        key: Option<String>,
        /// The event.
        evidence: Evidence,
    },
}

/// Whether somebody who did a piece of work had the certificate that it takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Qualification {
    /// Somebody had it.
    Held,
    /// It had expired.
    Expired,
    /// Nobody ever had it.
    Missing,
}

/// A machine before an event: what the facts ask of it and no more, for it is made for every event.
#[derive(Clone, Debug)]
pub struct Before {
    state: ServiceState,
    state_since_us: i64,
    holder: Vec<u8>,
    user: Vec<u8>,
    owner: Vec<u8>,
    consignee: Vec<u8>,
    /// Its meters, where the event is a reading.
    meters: Vec<MeterReading>,
}

impl Before {
    /// Of a state that an event has not changed yet.
    #[must_use]
    pub fn of(state: &Equipment, step: &Step<'_>) -> Self {
        let reads = matches!(step.body.kind(), EventKind::UsageReported);
        Self {
            state: state.state(),
            state_since_us: state.state_since_us,
            holder: state.holder.clone(),
            user: state.user.clone(),
            owner: state.owner.clone(),
            consignee: state.consignee.clone(),
            meters: if reads { state.meters.clone() } else { Vec::new() },
        }
    }
}

/// What a fact needs to know beyond the machine's own events.
pub trait Circumstances {
    /// Whether the machine's category needs an explosion-proof check.
    fn is_ex_checked(&self, category: &str) -> bool;
    /// Ids of the persons behind the keys that an event names, or the key itself where there is no person.
    fn persons(&self, step: &Step<'_>) -> Vec<Vec<u8>>;
    /// The kind of certificate that the work takes, and whether somebody who did it had it; `None` where it takes none, or
    /// where nobody is known to have done it.
    fn qualification(&self, step: &Step<'_>, category: &str) -> Option<(&'static str, Qualification)>;
    /// What an order does, by its 16-byte id; `None` where it is not on record.
    fn order(&self, id: &[u8]) -> Option<OrderOn>;
    /// Number parameter of a rule in force.
    fn number(&self, rule: &str, key: &str) -> i64;
}

impl Facts {
    /// Whether an organisation signed an entry that touches the machine.
    pub fn was_signed_by(&self, organisation: &[u8]) -> bool {
        self.signers.iter().any(|signer| signer.organisation == organisation)
    }

    /// Moves the facts on by one entry that touches the machine; `before` is the machine's state before it, `after` that
    /// after it. Gives the breaches that the entry is.
    pub fn apply(
        &mut self,
        step: &Step<'_>,
        before: &Before,
        after: &Equipment,
        around: &impl Circumstances,
    ) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let statement = step.recorded.candidate.statement();
        let own = statement.subject.kind() == SubjectKind::Equipment && statement.subject.id()[..] == after.id[..];
        let evidence = step.evidence();
        self.note_signers(step, evidence);
        self.last = Some(evidence);
        self.mention(step, after, evidence, around);
        self.works(step, after, evidence, own);
        self.looked_at(step, after, own, around);
        self.counted(step, after, own, evidence);
        if !own {
            return breaches;
        }
        self.papers(step, evidence);
        self.arrival(step, before, evidence, around);
        self.explosion_protection(step, after, evidence, around);
        self.parts(step, evidence);
        self.faults(step, before, evidence, around, &mut breaches);
        self.scrapping(step, before, evidence, &mut breaches);
        self.custody(step, before, evidence, around, &mut breaches);
        self.belts(step, after, evidence, around);
        self.orders_broken(step, before, evidence);
        self.signatures(step, after, evidence, around, &mut breaches);
        self.usage(step, before, evidence, &mut breaches);
        let in_use = is_running(after.state());
        if in_use && self.in_use.is_none() {
            self.in_use = Some(evidence);
        }
        breaches
    }

    /// The issuer, and the hands: these are the persons' keys.
    fn note_signers(&mut self, step: &Step<'_>, evidence: Evidence) {
        let event = step.recorded.candidate.event();
        let hands = event.hands().iter().map(|hand| hand.key_id);
        for key_id in std::iter::once(event.issuer()).chain(hands) {
            let (key_id, organisation) = (key_id.as_bytes().to_vec(), step.signer());
            match self.signers.iter_mut().find(|known| known.key_id == key_id && known.organisation == organisation) {
                Some(known) => {
                    if known.last.is_none_or(|last| last.recorded_at_us <= evidence.recorded_at_us) {
                        known.last = Some(evidence);
                    }
                }
                None => push_bounded(&mut self.signers, SignedBy { key_id, organisation, last: Some(evidence) }),
            }
        }
    }

    /// What stands on another chain and is about this machine.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds order nothing and discard nothing")]
    fn mention(&mut self, step: &Step<'_>, machine: &Equipment, evidence: Evidence, around: &impl Circumstances) {
        let statement = step.recorded.candidate.statement();
        let id = statement.subject.id().to_vec();
        match step.body.message() {
            Message::StopUseOrdered(_) | Message::SealedUp(_) | Message::RecallIssued(_) => {
                if let Some(order) = order_of(step) {
                    self.put_order(order);
                }
            }
            Message::OrderExtended(_) => {
                // What the order does, the event that opened it says. A machine that is under it already stays so.
                if let Some(order) = around.order(&id) {
                    self.put_order(OrderOn { given: Some(evidence), ..order });
                }
            }
            Message::StopUseLifted(_) | Message::Unsealed(_) => self.orders.retain(|known| known.id != id),
            Message::Dismantled(body) => {
                let fate = body.parts.iter().find(|part| names(part.component.as_ref(), machine));
                if let Some(part) = fate.filter(|_| statement.subject.id()[..] != machine.id[..])
                    // A part that was kept as a spare is one once it is appraised.
                    && part.fate() != Fate::Repair
                {
                    self.discarded = Some(evidence);
                }
            }
            _ => {}
        }
    }

    /// An extension can be told of a time before its order: what is known stays.
    fn put_order(&mut self, order: OrderOn) {
        if self.orders.iter().all(|known| known.id != order.id) {
            push_bounded(&mut self.orders, order);
        }
    }

    fn work(&mut self, code: &str, change: impl FnOnce(&mut Work)) {
        if let Some(work) = self.works.iter_mut().find(|work| work.code == code) {
            return change(work);
        }
        let mut work = Work { code: code.to_owned(), ..Work::default() };
        change(&mut work);
        push_bounded(&mut self.works, work);
    }

    fn done(&mut self, code: &str, evidence: Evidence, passed: bool) {
        self.work(code, |work| {
            if passed {
                work.done = Some(evidence);
                work.failed = None;
            } else {
                work.failed = Some(evidence);
            }
        });
    }

    fn done_with(&mut self, code: &str, evidence: Evidence, result: CheckResult) {
        if is_pass(result) || result == CheckResult::Fail {
            self.done(code, evidence, is_pass(result));
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are no scheduled work")]
    fn works(&mut self, step: &Step<'_>, machine: &Equipment, evidence: Evidence, own: bool) {
        match step.body.message() {
            Message::Inspected(body) => {
                let failed = body.items.iter().any(|item| item.result() == CheckResult::Fail);
                let about_it = own || body.machines.contains(&machine.id);
                if !about_it {
                    return;
                }
                if !body.schedule_code.is_empty() {
                    self.done(&body.schedule_code, evidence, !failed);
                }
                let by_kind = match body.kind() {
                    InspectionKind::Daily => "~DAILY",
                    InspectionKind::Weekly => "~WEEKLY",
                    InspectionKind::Monthly => "~MONTHLY",
                    InspectionKind::Quarterly => "~QUARTERLY",
                    InspectionKind::Exproof => "~EXPROOF",
                    InspectionKind::Special | InspectionKind::Supervision | InspectionKind::Unspecified => "~ANY",
                };
                self.done(by_kind, evidence, !failed);
                self.resumed_unchecked = None;
            }
            Message::Tested(body) => {
                let passed = is_pass(body.result());
                let by_laboratory = is_role(step, Role::Laboratory);
                let outside = by_laboratory && is_irregular(step, IrregularityKind::OutsideGrant);
                self.done_with(&body.schedule_code, evidence, body.result());
                let by_third_party = passed && step.signer() != machine.holder;
                self.work(&body.schedule_code, |work| {
                    work.by_third_party |= by_third_party;
                    work.must_stop = body.stop;
                    work.outside_grant = outside.then_some(evidence);
                });
                if by_laboratory && passed {
                    self.ex_overhaul_doubtful = None;
                }
            }
            Message::Calibrated(body) => self.done_with(&body.schedule_code, evidence, body.result()),
            Message::ExProofChecked(body) => self.done_with("~EXPROOF", evidence, body.result()),
            Message::AcceptanceChecked(body) => self.done_with("~ACCEPT", evidence, body.result()),
            // On the chain of a part the overhaul of its machine is a mention.
            Message::Overhauled(body) if own => {
                let passed = matches!(body.conformity(), Conformity::Conforms | Conformity::Modified);
                self.done("~OVERHAUL", evidence, passed);
                self.overhauled = Some(evidence);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds say nothing of plate and papers")]
    fn papers(&mut self, step: &Step<'_>, evidence: Evidence) {
        match step.body.message() {
            Message::Manufactured(body) => {
                self.exempt_reason.clone_from(&body.exempt_reason);
                self.ex_mark.clone_from(&body.ex_mark);
                self.ex_cert_no.clone_from(&body.ex_cert_no);
                self.nameplate.clone_from(&body.nameplate);
                self.attributes.clone_from(&body.attributes);
                self.production_address.clone_from(&body.production_address);
                self.design_life.clone_from(&body.design_life);
                self.maker = step.signer();
                self.made = Some(evidence);
                self.name_plate(&body.maker, &body.model, &body.serial);
                for component in &body.components {
                    self.fit(&component.slot, Some(component.clone()), evidence, true);
                }
            }
            // A further Enrolled changes nothing.
            Message::Enrolled(body) if step.recorded.candidate.event().chain_index() == ChainIndex::FIRST => {
                // The maker's facts, where they came first in time, stand over what was only declared.
                if self.made.is_none() {
                    self.ex_mark.clone_from(&body.ex_mark);
                    self.ex_cert_no.clone_from(&body.ex_cert_no);
                    self.nameplate.clone_from(&body.nameplate);
                    self.attributes.clone_from(&body.attributes);
                    self.design_life.clone_from(&body.design_life);
                    self.made = Some(evidence);
                    self.name_plate(&body.maker, &body.model, &body.serial);
                }
                self.enrolled = true;
                // What was taken on in service counts as accepted: the rules begin where the record does.
                if is_in_service(body.state()) || body.state() == ServiceState::Accepted {
                    self.accepted = Some(evidence);
                    self.taken_on = Some(evidence);
                    self.installation_accepted = Some(evidence);
                    self.used_unaccepted = None;
                    self.commissioned_unaccepted = None;
                }
            }
            Message::FactoryExit(_) => self.exited = Some(evidence),
            Message::PlateReplaced(_) if !is_irregular(step, IrregularityKind::SecondSignatureMissing) => {
                self.plate_differs = None;
            }
            Message::ScrapAppraised(body) => match body.verdict() {
                ScrapVerdict::Scrap => self.to_be_scrapped = Some(evidence),
                ScrapVerdict::Repair | ScrapVerdict::Downgrade => {
                    self.to_be_scrapped = None;
                    self.extended = Some(evidence);
                    self.discarded = None;
                    self.reused = None;
                }
                ScrapVerdict::Unspecified => {}
            },
            Message::FindingDecided(body) => {
                self.decided.retain(|known| (&known.rule, &known.key) != (&body.rule, &body.key));
                let decided = Decided {
                    rule: body.rule.clone(),
                    key: body.key.clone(),
                    decision: body.decision,
                    evidence: Some(evidence),
                    reason: body.reason.clone(),
                };
                push_bounded(&mut self.decided, decided);
            }
            _ => {}
        }
    }

    fn name_plate(&mut self, maker: &str, model: &str, serial: &str) {
        self.maker_normal = normal(maker);
        self.model_normal = normal(model);
        self.serial_normal = normal(serial);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are no arrival, acceptance or first use")]
    fn arrival(&mut self, step: &Step<'_>, before: &Before, evidence: Evidence, around: &impl Circumstances) {
        match step.body.message() {
            Message::Received(body) => {
                self.first_received.get_or_insert(evidence);
                if body.into() == ReceivedInto::Mine {
                    self.received = Some(evidence);
                }
                self.accepted = None;
                self.acceptance_failed = None;
                self.taken_on = None;
                self.in_use = None;
                self.leave_service();
            }
            Message::AcceptanceChecked(body) => {
                if body.result() == CheckResult::Fail {
                    self.acceptance_failed = Some(evidence);
                } else if is_pass(body.result()) {
                    self.accepted = Some(evidence);
                    self.acceptance_failed = None;
                    self.used_unaccepted = None;
                    self.used_after_failure = None;
                }
                self.taken_on.get_or_insert(evidence);
                judge_item(&body.checks, "plate", evidence, &mut self.plate_differs);
                judge_item(&body.checks, "label", evidence, &mut self.label_differs);
                judge_item(&body.checks, "ex_cert", evidence, &mut self.ex_cert_missing);
                self.ex_cert_shown =
                    self.ex_cert_missing.is_none() && (self.ex_cert_shown || has_passed(&body.checks, "ex_cert"));
            }
            Message::Inspected(body) => {
                judge_item(&body.items, "plate", evidence, &mut self.plate_differs);
                judge_item(&body.items, "label", evidence, &mut self.label_differs);
            }
            Message::Installed(body) => {
                self.installed = Some(evidence);
                self.installed_by = around.persons(step);
                self.installation_accepted = None;
                self.commissioned_unaccepted = None;
                self.function.clone_from(&body.function);
                self.take_into_use(evidence);
            }
            Message::Moved(body) if body.dismantled => {
                self.installation_accepted = None;
                self.commissioned_unaccepted = None;
                self.installed = Some(evidence);
            }
            Message::InstallationAccepted(body) if is_pass(body.result()) => {
                self.installation_accepted = Some(evidence);
                self.commissioned_unaccepted = None;
            }
            Message::EnteredMine(_) => self.take_into_use(evidence),
            Message::Commissioned(body) if is_pass(body.result()) => {
                if self.installed.is_some() && self.installation_accepted.is_none() {
                    self.commissioned_unaccepted = Some(evidence);
                }
                self.take_into_use(evidence);
            }
            Message::Resumed(body) if is_pass(body.result()) => {
                // 闲置超过6个月: to be looked at before it is used again.
                let since_us = before.state_since_us;
                let long = before.state == ServiceState::Idle && evidence.occurred_at_us - since_us > SIX_MONTHS_US;
                let looked =
                    self.works.iter().any(|work| work.done.is_some_and(|done| done.occurred_at_us >= since_us));
                if long && !looked {
                    self.resumed_unchecked = Some(evidence);
                }
                self.take_into_use(evidence);
            }
            // Full acceptance again before use.
            Message::Recovered(_) => self.accepted = None,
            Message::Exported(_) => {
                self.accepted = None;
                self.leave_service();
            }
            Message::Dispatched(_) | Message::RaisedToSurface(_) => self.leave_service(),
            _ => {}
        }
    }

    fn take_into_use(&mut self, evidence: Evidence) {
        self.taken_on.get_or_insert(evidence);
        if self.accepted.is_none() && self.used_unaccepted.is_none() {
            self.used_unaccepted = Some(evidence);
        }
        if self.acceptance_failed.is_some() && self.used_after_failure.is_none() {
            self.used_after_failure = Some(evidence);
        }
    }

    fn leave_service(&mut self) {
        self.used_unaccepted = None;
        self.used_after_failure = None;
        self.commissioned_unaccepted = None;
        self.resumed_unchecked = None;
        self.strangers.clear();
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds leave explosion protection alone")]
    fn explosion_protection(
        &mut self,
        step: &Step<'_>,
        after: &Equipment,
        evidence: Evidence,
        around: &impl Circumstances,
    ) {
        let ex = around.is_ex_checked(&after.category);
        match step.body.message() {
            Message::ExProofChecked(body) if is_pass(body.result()) => {
                self.ex_checked = Some(evidence);
                self.ex_valid_until_us = body.valid_until.as_ref().map_or(0, |day| ends(Some(day)));
                self.opened = None;
                // 井下补检: two persons check it where it stands.
                if self.went_down.is_some() && around.persons(step).len() >= 2 {
                    self.went_down_unchecked = None;
                }
            }
            Message::EnteredMine(_) => {
                self.went_down = Some(evidence);
                let days = around.number("EX-002", "valid_days");
                let valid = self.ex_checked.is_some_and(|checked| {
                    let until = match self.ex_valid_until_us {
                        0 => checked.occurred_at_us.saturating_add(days.saturating_mul(DAY_US)),
                        until => until,
                    };
                    evidence.occurred_at_us < until
                });
                self.went_down_unchecked = (ex && !valid).then_some(evidence);
            }
            // What is sent off or received elsewhere came up, even where nobody recorded that.
            Message::RaisedToSurface(_) | Message::Dispatched(_) | Message::Received(_) | Message::Exported(_) => {
                self.went_down = None;
                self.went_down_unchecked = None;
                self.ex_checked = None;
                self.opened = None;
            }
            Message::Maintained(body) => self.repaired(ex && body.enclosure_opened, evidence),
            Message::MaintenanceFinished(body) => self.repaired(ex && body.enclosure_opened, evidence),
            Message::Altered(_) | Message::ComponentReplaced(_) => self.ex_checked = None,
            Message::ComponentTakenOut(body) if body.component.is_some() => self.ex_checked = None,
            Message::ComponentFitted(body) if body.component.is_some() => self.ex_checked = None,
            Message::OverhaulStarted(body) => {
                self.ex_checked = None;
                self.overhaul_without_documents =
                    body.documents_available.is_empty() && body.documents_missing_steps.is_empty();
            }
            Message::Overhauled(_) => {
                self.ex_checked = None;
                let doubtful = self.overhaul_without_documents || is_irregular(step, IrregularityKind::OutsideGrant);
                self.ex_overhaul_doubtful = (ex && doubtful).then_some(evidence);
                self.overhaul_without_documents = false;
            }
            _ => {}
        }
    }

    /// A count of this machine alone, or of those in a mine.
    fn counted(&mut self, step: &Step<'_>, machine: &Equipment, own: bool, evidence: Evidence) {
        if let Message::StockChecked(body) = step.body.message()
            && (own || body.machines.contains(&machine.id))
        {
            self.not_found = (!body.found).then_some(evidence);
        }
    }

    /// A look at the explosion protection that found nothing, at this machine alone or in a round.
    fn looked_at(&mut self, step: &Step<'_>, machine: &Equipment, own: bool, around: &impl Circumstances) {
        if let Message::Inspected(body) = step.body.message()
            && body.kind() == InspectionKind::Exproof
            && (own || body.machines.contains(&machine.id))
            && body.items.iter().all(|item| item.result() != CheckResult::Fail)
        {
            self.opened = None;
            if around.persons(step).len() >= 2 {
                self.went_down_unchecked = None;
            }
        }
    }

    /// Any repair voids the pass; an enclosure that was opened must be looked at besides.
    fn repaired(&mut self, opened: bool, evidence: Evidence) {
        self.ex_checked = None;
        if opened {
            // The time runs from the first opening that nobody looked at since.
            self.opened.get_or_insert(evidence);
        }
    }

    fn fit(&mut self, slot: &str, component: Option<Component>, evidence: Evidence, as_built: bool) {
        if slot.is_empty() {
            return;
        }
        self.fits.retain(|fit| fit.slot != slot);
        let model_normal = component.as_ref().map(|component| normal(&component.model)).unwrap_or_default();
        let fit = Fit { slot: slot.to_owned(), component, evidence: Some(evidence), as_built, model_normal };
        if self.fits.len() >= 2 * LIST_MAX {
            self.fits.remove(0);
        }
        self.fits.push(fit);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds move no parts")]
    fn parts(&mut self, step: &Step<'_>, evidence: Evidence) {
        match step.body.message() {
            Message::ComponentReplaced(body) => self.fit(&body.slot, body.r#in.clone(), evidence, false),
            Message::ComponentTakenOut(body) if body.component.is_some() => {
                self.fit(&body.slot, None, evidence, false);
            }
            Message::ComponentFitted(body) if body.component.is_some() => {
                self.fit(&body.slot, body.component.clone(), evidence, false);
            }
            Message::ComponentFitted(body) => {
                self.sits_in_slot.clone_from(&body.slot);
                if self.discarded.is_some() {
                    self.reused = Some(evidence);
                }
            }
            Message::ComponentTakenOut(_) => {
                self.sits_in_slot.clear();
                self.reused = None;
            }
            Message::Overhauled(body) => {
                for part in &body.parts_out {
                    if let Some(component) = &part.component {
                        self.fit(&component.slot, None, evidence, false);
                    }
                }
                for part in &body.parts_in {
                    self.fit(&part.slot, Some(part.clone()), evidence, false);
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are about no fault")]
    fn faults(
        &mut self,
        step: &Step<'_>,
        before: &Before,
        evidence: Evidence,
        around: &impl Circumstances,
        breaches: &mut Vec<Breach>,
    ) {
        match step.body.message() {
            Message::FaultReported(body) => {
                let within = around.number("FLT-005", "days").saturating_mul(DAY_US);
                let again = self.overhauled.is_some_and(|overhauled| {
                    evidence.occurred_at_us - overhauled.occurred_at_us < within
                        && self
                            .fault_kinds
                            .iter()
                            .any(|known| known.kind == body.kind && known.at_us < overhauled.occurred_at_us)
                });
                if again {
                    breaches.push(Breach::Open { rule: "FLT-005", key: body.fault_id.clone(), evidence });
                }
                if self.fault_kinds.iter().all(|known| known.kind != body.kind) {
                    let first = FaultKind { kind: body.kind.clone(), at_us: evidence.occurred_at_us };
                    push_bounded(&mut self.fault_kinds, first);
                }
                self.faults.retain(|fault| fault.id != body.fault_id);
                let fault = Fault {
                    id: body.fault_id.clone(),
                    kind: body.kind.clone(),
                    severity: body.severity,
                    reported: Some(evidence),
                    due_us: body.due_by.as_ref().map_or(0, |day| ends(Some(day))),
                    loss_of_protection: body.loss_of_protection,
                    ..Fault::default()
                };
                push_bounded(&mut self.faults, fault);
            }
            Message::Rectified(body) => {
                let persons = around.persons(step);
                for fault in self.faults.iter_mut().filter(|fault| fault.id == body.fault_id) {
                    fault.rectified = Some(evidence);
                    fault.rectified_by.clone_from(&persons);
                }
            }
            Message::RectificationConfirmed(body) => {
                let persons = around.persons(step);
                let Some(at) = self.faults.iter().position(|fault| fault.id == body.fault_id) else { return };
                let Some(fault) = self.faults.get_mut(at) else { return };
                if body.result() == RectificationResult::Reopened {
                    fault.rectified = None;
                    fault.confirmed_by_same = None;
                    return;
                }
                let key = body.fault_id.clone();
                // Whoever put it right does not confirm it: at least one person must be another.
                if persons.iter().all(|person| fault.rectified_by.contains(person)) && fault.rectified.is_some() {
                    fault.confirmed_by_same.get_or_insert(evidence);
                    breaches.push(Breach::Open { rule: "FLT-003", key, evidence });
                } else {
                    self.faults.remove(at);
                    breaches.push(Breach::Close { rule: "FLT-003", key: Some(key), evidence });
                }
            }
            _ => {}
        }
        if is_run(step, before) {
            for fault in self.faults.iter_mut().filter(|fault| fault.severity == FaultSeverity::Stop as i32) {
                fault.run_with.get_or_insert(evidence);
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds neither scrap nor revive")]
    fn scrapping(&mut self, step: &Step<'_>, before: &Before, evidence: Evidence, breaches: &mut Vec<Breach>) {
        match step.body.message() {
            Message::Scrapped(_) => self.scrapped = Some(evidence),
            Message::Dispatched(body) if self.scrapped.is_some() && body.reason() != DispatchReason::Scrap => {
                self.revived.get_or_insert(evidence);
            }
            Message::Dismantled(body) => {
                let underground = body.place() == tally_proto::v1::DismantlingPlace::Underground;
                if underground && (body.plan.is_none() || is_irregular(step, IrregularityKind::OutsideGrant)) {
                    breaches.push(Breach::Open { rule: "SCR-004", key: String::new(), evidence });
                }
            }
            _ if self.scrapped.is_some() && (is_run(step, before) || is_entry(step)) => {
                self.revived.get_or_insert(evidence);
            }
            _ => {}
        }
        if before.state == ServiceState::Superseded {
            self.scrapped = None;
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds leave custody alone")]
    fn custody(
        &mut self,
        step: &Step<'_>,
        before: &Before,
        evidence: Evidence,
        around: &impl Circumstances,
        breaches: &mut Vec<Breach>,
    ) {
        let signer = step.signer();
        match step.body.message() {
            Message::FactoryExit(_) | Message::Dispatched(_) => self.dispatched = Some(evidence),
            Message::Received(_) => {
                self.dispatched = None;
                self.gap = None;
                self.overlap = None;
                if before.holder != signer {
                    self.former_holder.clone_from(&before.holder);
                }
            }
            Message::LeaseStarted(body) => {
                self.lease_unsafe = body.safety_agreement.is_none().then_some(evidence);
                self.strangers.retain(|known| known.organisation != body.lessee);
            }
            Message::LeaseEnded(_) => self.lease_unsafe = None,
            Message::OwnershipChanged(body) => self.strangers.retain(|known| known.organisation != body.new_owner),
            Message::LostReported(_) | Message::Recovered(_) => {
                self.not_found = None;
                self.dispatched = None;
            }
            Message::ReceiptRefused(_) | Message::Exported(_) => self.dispatched = None,
            Message::IdentityLinked(body) if body.verdict() != IdentityVerdict::Unspecified => {
                breaches.push(Breach::Close { rule: "ID-002", key: None, evidence });
            }
            Message::Enrolled(_) if is_irregular(step, IrregularityKind::EnrolledAgain) && signer != before.holder => {
                let key = evidence.position.to_string();
                breaches.push(Breach::Open { rule: "ID-002", key, evidence });
            }
            _ => {}
        }
        self.seen_at(step, evidence, around, breaches);
        if !(is_use(step) || is_entry(step)) {
            return;
        }
        let of_holder = [&before.holder, &before.user, &before.owner].contains(&&signer);
        // The dispatch is open until it is received, whatever state an event out of order gave the machine.
        if !of_holder && signer == before.consignee {
            self.gap.get_or_insert(evidence);
            return;
        }
        if !of_holder && signer == self.former_holder {
            self.overlap.get_or_insert(evidence);
        } else if !of_holder
            && is_role(step, Role::Mine)
            // Before the record of an enrolled machine begins nobody is known to hold it.
            && !before.holder.is_empty()
            && !self.strangers.iter().any(|known| known.organisation == signer)
        {
            push_bounded(&mut self.strangers, Stranger { organisation: signer, evidence: Some(evidence) });
        }
    }

    /// One machine is not in two mines within the time that the way takes.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds name no mine where it is")]
    fn seen_at(
        &mut self,
        step: &Step<'_>,
        evidence: Evidence,
        around: &impl Circumstances,
        breaches: &mut Vec<Breach>,
    ) {
        let place = |place: &Option<tally_proto::v1::Place>| place.as_ref().map(|place| place.mine.clone());
        let mine = match step.body.message() {
            Message::EnteredMine(body) => Some(body.mine.clone()),
            Message::Received(body) => Some(body.mine_entered.clone()),
            Message::Installed(body) => place(&body.location),
            Message::Moved(body) => place(&body.to_location),
            Message::StockChecked(body) if body.found => place(&body.place),
            Message::Recovered(body) => place(&body.place),
            _ => None,
        };
        let Some(mine) = mine.filter(|mine| !mine.is_empty()) else { return };
        let within = around.number("ID-002", "travel_time_min").saturating_mul(60_000_000);
        let too_soon = self.seen.is_some_and(|seen| evidence.occurred_at_us - seen.occurred_at_us < within);
        if too_soon && !self.seen_in_mine.is_empty() && self.seen_in_mine != mine {
            breaches.push(Breach::Open { rule: "ID-002", key: evidence.position.to_string(), evidence });
        }
        self.seen_in_mine = mine;
        self.seen = Some(evidence);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds leave belts and ropes alone")]
    fn belts(&mut self, step: &Step<'_>, machine: &Equipment, evidence: Evidence, around: &impl Circumstances) {
        // What happened before the record begins, when the category is not known yet, is remembered, too.
        match step.body.message() {
            Message::EnteredMine(_) => {
                let test = self.works.iter().find(|work| work.code == "S-BEL-01");
                let passed = test.is_some_and(|test| test.by_third_party);
                self.belt_went_down_untested = (!passed).then_some(evidence);
                if test.is_some_and(|test| test.failed.is_some()) {
                    self.belt_failed = Some(evidence);
                }
            }
            Message::Tested(body) if body.schedule_code == "S-BEL-01" => {
                let failed = body.result() == CheckResult::Fail;
                if failed && (self.went_down.is_some() || is_in_service(machine.state())) {
                    self.belt_failed = Some(evidence);
                }
            }
            Message::Inspected(body) => {
                let for_persons = self.function.contains('人');
                if is_worn(&body.items, around, for_persons) {
                    self.rope_worn = Some(evidence);
                }
            }
            Message::RaisedToSurface(_) | Message::Dispatched(_) | Message::Received(_) | Message::Exported(_) => {
                if step.body.kind() == EventKind::RaisedToSurface {
                    self.rope_worn = None;
                }
                self.belt_went_down_untested = None;
                self.belt_failed = None;
            }
            _ => {}
        }
    }

    fn orders_broken(&mut self, step: &Step<'_>, before: &Before, evidence: Evidence) {
        for order in &mut self.orders {
            let breaks = goes_against(order.kind, order.until_us, step, before);
            if breaks {
                order.broken.get_or_insert(evidence);
            }
        }
        if let Message::RecallRemedied(body) = step.body.message()
            && is_pass(body.result())
        {
            self.orders.retain(|order| order.id != body.recall);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds close no missing signature")]
    fn signatures(
        &mut self,
        step: &Step<'_>,
        machine: &Equipment,
        evidence: Evidence,
        around: &impl Circumstances,
        breaches: &mut Vec<Breach>,
    ) {
        let kind = step.body.kind();
        let key = step.recorded.candidate.event().chain_index().get().to_string();
        if is_irregular(step, IrregularityKind::SecondSignatureMissing)
            && let Some(rule) = missing_signature_rule(kind)
        {
            breaches.push(Breach::Open { rule, key: key.clone(), evidence });
        }
        if kind == EventKind::InstallationAccepted {
            let persons = around.persons(step);
            if persons.iter().any(|person| self.installed_by.contains(person)) {
                breaches.push(Breach::Open { rule: "ACC-003", key: key.clone(), evidence });
            }
        }
        if is_irregular(step, IrregularityKind::MachineSigned) {
            breaches.push(Breach::Open { rule: "PER-003", key: key.clone(), evidence });
        }
        if is_irregular(step, IrregularityKind::OutsideGrant) && !is_role(step, Role::Laboratory) {
            breaches.push(Breach::Open { rule: "PER-004", key, evidence });
        }
        match step.body.message() {
            Message::Countersigned(body) => {
                if let Some(event) = &body.event {
                    for rule in ["ACC-003", "ID-004", "MARK-009", "PER-003"] {
                        let key = Some(event.chain_index.to_string());
                        breaches.push(Breach::Close { rule, key, evidence });
                    }
                }
            }
            Message::FindingDecided(body) if body.decision() == FindingDecision::Lifted => {
                breaches.extend(lifted(body, evidence));
                // What the authority decided about is settled; what is done to the seal after that is not.
                let named = |order: &&mut OrderOn| body.key.is_empty() || order.number == body.key;
                if body.rule == "ORD-002" {
                    self.orders
                        .iter_mut()
                        .filter(named)
                        .filter(|order| order.kind == 2)
                        .for_each(|order| order.broken = None);
                }
            }
            _ => {}
        }
        if let Some((certificate, qualification)) = around.qualification(step, &machine.category) {
            self.unqualified.retain(|known| known.certificate != certificate);
            if qualification != Qualification::Held {
                let expired = qualification == Qualification::Expired;
                let certificate = certificate.to_owned();
                push_bounded(&mut self.unqualified, Unqualified { certificate, expired, evidence: Some(evidence) });
            }
        }
        let late = evidence.recorded_at_us.saturating_sub(evidence.occurred_at_us);
        if kind != EventKind::Enrolled && late > self.late_limit(step, around) {
            breaches.push(Breach::Open { rule: "TIME-001", key: evidence.position.to_string(), evidence });
        }
    }

    /// What was stated soon after it happened and came late was taken without a network: it has longer.
    fn late_limit(&self, step: &Step<'_>, around: &impl Circumstances) -> i64 {
        let usual = around.number("TIME-001", "hours").saturating_mul(HOUR_US);
        let stated_us = step.recorded.candidate.statement().event_id.stated_at_us();
        if stated_us.saturating_sub(step.micros()) <= usual {
            around.number("TIME-001", "offline_hours").saturating_mul(HOUR_US).max(usual)
        } else {
            usual
        }
    }

    fn usage(&mut self, step: &Step<'_>, before: &Before, evidence: Evidence, breaches: &mut Vec<Breach>) {
        let Message::UsageReported(body) = step.body.message() else { return };
        let Some(counter) = body.counter.as_ref().filter(|_| !body.meter_exchanged) else { return };
        let Some(last) = before.meters.iter().find(|meter| meter.meter_no == body.meter_no) else { return };
        let Some(growth) = last.counter.as_ref().and_then(|former| minus(counter, former)) else { return };
        let key = evidence.position.to_string();
        if growth < 0 {
            breaches.push(Breach::Open { rule: "LIFE-002", key, evidence });
        } else if counter.key == "running_h" {
            // Hours in units of 10^-9, and elapsed time in µs: more than 24 h a day cannot be.
            let elapsed_h =
                i128::from(evidence.occurred_at_us.saturating_sub(last.at_us)) * 1_000_000_000 / i128::from(HOUR_US);
            if growth > elapsed_h + 1_000_000_000 {
                breaches.push(Breach::Open { rule: "LIFE-003", key, evidence });
            }
        }
    }
}

/// Rules that find breaches: events that are wrong in themselves. A decision closes these; what any other rule finds ends
/// with the fact.
const BREACHES: &[&str] = &[
    "ACC-003", "FLT-003", "FLT-005", "ID-002", "ID-004", "LIFE-002", "LIFE-003", "MARK-009", "PER-003", "PER-004",
    "SCR-004", "TIME-001", "TIME-005",
];

/// What the lifting of a finding closes.
pub(crate) fn lifted(body: &tally_proto::v1::FindingDecided, evidence: Evidence) -> Option<Breach> {
    let rule = BREACHES.iter().find(|rule| **rule == body.rule)?;
    let key = (!body.key.is_empty()).then(|| body.key.clone());
    // Of MARK-009 only what an event is; slots, which are no numbers, follow the part that sits there.
    let is_event = key.as_ref().is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_digit()));
    (*rule != "MARK-009" || is_event).then_some(Breach::Close { rule, key, evidence })
}

/// Whether an event on a machine's own chain goes against an order that the machine is under: `kind` and `until_us` as of
/// [`OrderOn`], `before` is the machine's state before the event.
pub fn goes_against(kind: u32, until_us: i64, step: &Step<'_>, before: &Before) -> bool {
    match kind {
        1 => (until_us == 0 || step.micros() < until_us) && is_run(step, before),
        2 => is_handled(step) || is_run(step, before),
        _ => false,
    }
}

/// What an event that opens an order does; `None` for any other event.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds open no order")]
pub fn order_of(step: &Step<'_>) -> Option<OrderOn> {
    let (kind, order, until_us, interim) = match step.body.message() {
        Message::StopUseOrdered(body) => {
            (1, body.order.as_ref(), body.until.as_ref().map_or(0, |day| ends(Some(day))), 0)
        }
        Message::SealedUp(body) => (2, body.order.as_ref(), 0, 0),
        Message::RecallIssued(body) => (3, body.order.as_ref(), ends(body.due_by.as_ref()), body.interim),
        _ => return None,
    };
    Some(OrderOn {
        id: step.recorded.candidate.statement().subject.id().to_vec(),
        kind,
        number: order.map(|order| order.order_no.clone()).unwrap_or_default(),
        given: Some(step.evidence()),
        until_us,
        interim,
        broken: None,
    })
}

/// Whether an outcome is a pass; "not applicable" is neither a pass nor a failure.
pub(crate) fn is_pass(result: CheckResult) -> bool {
    matches!(result, CheckResult::Pass | CheckResult::Conditional)
}

/// A second, in the unit of the ledger.
pub const SECOND_US: i64 = 1_000_000;
/// An hour.
pub const HOUR_US: i64 = 3_600 * SECOND_US;
/// A day.
pub const DAY_US: i64 = 24 * HOUR_US;
/// Six months, as 183 days.
pub const SIX_MONTHS_US: i64 = 183 * DAY_US;

fn push_bounded<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= LIST_MAX {
        list.remove(0);
    }
    list.push(item);
}

/// The difference of two readings of one quantity, in 10^-9 of the unit; `None` where they are not alike.
fn minus(left: &Measure, right: &Measure) -> Option<i128> {
    if (&left.key, &left.unit) != (&right.key, &right.unit) {
        return None;
    }
    Some(nano(left)? - nano(right)?)
}

/// A quantity in 10^-9 of its unit; `None` for a scale that no quantity has.
pub(crate) fn nano(measure: &Measure) -> Option<i128> {
    let scale = 9_u32.checked_sub(measure.scale)?;
    Some(i128::from(measure.digits) * 10_i128.pow(scale))
}

fn usage_grows(step: &Step<'_>, before: &Before) -> bool {
    let Message::UsageReported(body) = step.body.message() else { return false };
    let last =
        before.meters.iter().find(|meter| meter.meter_no == body.meter_no).and_then(|meter| meter.counter.as_ref());
    match (body.counter.as_ref(), last) {
        (Some(counter), Some(last)) => minus(counter, last).is_some_and(|growth| growth > 0),
        _ => false,
    }
}

fn judge_item(items: &[CheckItem], code: &str, evidence: Evidence, differs: &mut Option<Evidence>) {
    match items.iter().find(|item| item.code == code).map(CheckItem::result) {
        Some(CheckResult::Fail) => *differs = Some(evidence),
        Some(CheckResult::Pass | CheckResult::Conditional) => *differs = None,
        Some(CheckResult::NotApplicable | CheckResult::Unspecified) | None => {}
    }
}

fn has_passed(items: &[CheckItem], code: &str) -> bool {
    items.iter().find(|item| item.code == code).is_some_and(|item| is_pass(item.result()))
}

fn names(component: Option<&Component>, machine: &Equipment) -> bool {
    component.and_then(crate::event::component_id).is_some_and(|id| id.id()[..] == machine.id[..])
}

/// Whether admission found this about the event.
pub(crate) fn is_irregular(step: &Step<'_>, kind: IrregularityKind) -> bool {
    step.recorded.findings.contains(&kind)
}

/// Whether the organisation acted in this role.
pub(crate) fn is_role(step: &Step<'_>, role: Role) -> bool {
    step.recorded.candidate.statement().role == role as u32
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are no use")]
/// Whether the event is use: taking into use, changing over, running hours.
fn is_use(step: &Step<'_>) -> bool {
    match step.body.message() {
        Message::Commissioned(body) => is_pass(body.result()),
        Message::Resumed(body) => is_pass(body.result()),
        Message::DutyChanged(_) | Message::UsageReported(_) => true,
        Message::MaintenanceFinished(body) => is_running(body.next()),
        _ => false,
    }
}

/// Whether the machine ran: use, but for a report of hours that did not grow.
fn is_run(step: &Step<'_>, before: &Before) -> bool {
    if step.body.kind() == EventKind::UsageReported { usage_grows(step, before) } else { is_use(step) }
}

/// Whether the event brings the machine into place: entry, installation, a move.
fn is_entry(step: &Step<'_>) -> bool {
    matches!(step.body.kind(), EventKind::EnteredMine | EventKind::Installed | EventKind::Moved)
}

/// Whether somebody laid hands on the machine.
fn is_handled(step: &Step<'_>) -> bool {
    is_entry(step)
        || matches!(
            step.body.kind(),
            EventKind::Maintained
                | EventKind::MaintenanceStarted
                | EventKind::MaintenanceFinished
                | EventKind::ComponentReplaced
                | EventKind::ComponentTakenOut
                | EventKind::ComponentFitted
                | EventKind::Altered
                | EventKind::Dispatched
                | EventKind::RaisedToSurface
        )
}

/// The rule under which a missing second signature of a kind is found.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are shown with the event and have no rule of their own")]
fn missing_signature_rule(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::AcceptanceChecked | EventKind::InstallationAccepted => Some("ACC-003"),
        EventKind::PlateReplaced => Some("ID-004"),
        EventKind::Altered => Some("MARK-009"),
        _ => None,
    }
}

/// In use or standing by.
pub fn is_running(state: ServiceState) -> bool {
    matches!(state, ServiceState::InUse | ServiceState::Standby)
}

/// At its place in a mine, whether it runs or not.
pub fn is_in_service(state: ServiceState) -> bool {
    matches!(
        state,
        ServiceState::Underground
            | ServiceState::Installed
            | ServiceState::InUse
            | ServiceState::Standby
            | ServiceState::Idle
            | ServiceState::UnderMaintenance
            | ServiceState::Stopped
    )
}

/// Scrapped, dismantled, exported, rebuilt under another plate: no longer a machine that could be used.
pub fn is_gone(state: ServiceState) -> bool {
    matches!(
        state,
        ServiceState::Scrapped | ServiceState::Dismantled | ServiceState::Exported | ServiceState::Superseded
    )
}

/// Whether an inspection of a rope found it worn to the limit of replacement.
///
/// Source: general knowledge of articles 408 to 415 of the 2022 safety rules; the limits are parameters.
fn is_worn(items: &[CheckItem], around: &impl Circumstances, for_persons: bool) -> bool {
    items.iter().any(|item| {
        let Some(value) = &item.value else { return false };
        let limit = match value.key.as_str() {
            "broken_wires_pct" if for_persons => around.number("HOIST-003", "broken_wires_person_pct"),
            "broken_wires_pct" => around.number("HOIST-003", "material_pct"),
            "diameter_loss_pct" => around.number("HOIST-003", "diameter_loss_pct"),
            _ => return false,
        };
        nano(value).is_some_and(|value| value >= i128::from(limit) * 1_000_000_000)
    })
}
