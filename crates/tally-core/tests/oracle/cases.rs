//! What a person of the trade expects of a rule: a short history, and when a finding opens and closes.

use tally_core::{
    event::EventKind,
    id::{SubjectId, SubjectKind},
    rule::judge::{Case, changed_from_us, judge},
    state::{Instant, Recorded, Step},
    time::{Day, Timestamp},
};
use tally_proto::v1::{statement::Body as Message, *};

use crate::{
    chronicle::record,
    common::{
        DAY, HOUR, Ledger,
        bodies::{self, Names, day, sample},
        mine, organisation,
    },
    scene,
    world::Around,
};

/// An instant of the clock in China.
fn at(year: i16, month: u8, day: u8, hour: i64) -> i64 {
    Day::new(year, month, day).unwrap().starts().unwrap().micros() + hour * HOUR
}

/// A history of one machine, told as it happens.
struct Tale {
    ledger: Ledger,
    machine: SubjectId,
    category: &'static str,
}

const COMPANY: (&str, Role) = ("company", Role::Mine);

impl Tale {
    /// A machine that its maker finished on a day.
    fn made(category: &'static str, on: (i16, u8, u8)) -> Self {
        let kind = scene::KINDS.iter().find(|kind| kind.category == category).unwrap();
        let identity_kind = if kind.lot { IdentityKind::Lot } else { IdentityKind::Unit };
        let machine = match identity_kind {
            IdentityKind::Lot => SubjectId::lot("maker牌", "M1", "7").unwrap(),
            _ => SubjectId::unit("maker牌", "M1", "7").unwrap(),
        };
        let body = Manufactured {
            category: category.to_owned(),
            identity_kind: identity_kind as i32,
            quantity: kind.lot.then(|| bodies::measure("length_m", 100, 0, "m")),
            produced_on: day(on.0.unsigned_abs().into(), on.1.into(), on.2.into()),
            mark_no: kind.mark.to_owned(),
            ex_mark: kind.ex_mark.to_owned(),
            ex_cert_no: "CNEx 20.1234".to_owned(),
            ..bodies::manufactured("maker牌", "M1", "7")
        };
        let mut tale = Self { ledger: scene::scene(), machine, category };
        tale.tell(at(on.0, on.1, on.2, 16), ("maker", Role::Manufacturer), Message::Manufactured(body));
        tale
    }

    /// Tells an event that two persons sign, and that is recorded at once.
    fn tell(&mut self, when: i64, who: (&str, Role), body: Message) -> Recorded {
        self.tell_by(when, who, &["zhang", "li"], body)
    }

    fn tell_by(&mut self, when: i64, who: (&str, Role), persons: &[&str], body: Message) -> Recorded {
        self.ledger.now = self.ledger.now.max(when);
        let mut draft = self.ledger.draft(who.0, who.1, self.machine, body).at(when);
        draft.hands = persons.iter().map(|person| format!("{}/{person}", who.0)).collect();
        record(&mut self.ledger, &draft, &[]).unwrap()
    }

    fn names(&self) -> Names {
        Names { inside: Some(mine("coal")), event: self.ledger.last(&self.machine), ..Ledger::names("7") }
    }

    /// A body of the mine, right in itself.
    fn body(&self, kind: EventKind) -> Message {
        let mut body = sample(kind, &self.names());
        match &mut body {
            Message::EnteredMine(body) => body.mine = mine("coal").id().to_vec(),
            Message::RaisedToSurface(body) => body.mine = mine("coal").id().to_vec(),
            Message::Installed(body) => body.location = scene::place("chamber"),
            _ => {}
        }
        body
    }

    fn at_mine(&mut self, when: i64, kind: EventKind) -> Recorded {
        let body = self.body(kind);
        self.tell(when, COMPANY, body)
    }

    fn factory_exit(&mut self, when: i64) {
        let kind = scene::KINDS.iter().find(|kind| kind.category == self.category).unwrap();
        let body = FactoryExit {
            consignee: organisation("company").as_bytes().to_vec(),
            reason: DispatchReason::Sale as i32,
            model: SubjectId::model("maker牌", "M1").unwrap().id().to_vec(),
            mark_no: kind.mark.to_owned(),
            ..FactoryExit::default()
        };
        self.tell(when, ("maker", Role::Manufacturer), Message::FactoryExit(body));
    }

    fn received(&mut self, when: i64) {
        let body = Received {
            dispatch_event: self.names().event.into_message(),
            into: ReceivedInto::Mine as i32,
            from_organisation: organisation("maker").as_bytes().to_vec(),
            mine_entered: mine("coal").id().to_vec(),
            ..Received::default()
        };
        self.tell(when, COMPANY, Message::Received(body));
    }

    /// Delivered and accepted on two days.
    fn delivered(&mut self, exit: i64) {
        self.factory_exit(exit);
        self.received(exit + DAY);
        self.at_mine(exit + DAY + HOUR, EventKind::AcceptanceChecked);
    }

    /// Installed on the surface and in use an hour later.
    fn in_use(&mut self, when: i64) {
        let mut body = self.body(EventKind::Installed);
        if let Message::Installed(body) = &mut body {
            body.location = scene::place("yard");
        }
        self.tell(when, COMPANY, body);
        self.at_mine(when + HOUR / 2, EventKind::InstallationAccepted);
        self.at_mine(when + HOUR, EventKind::Commissioned);
    }

    fn calibrated(&mut self, when: i64) {
        let mut body = self.body(EventKind::Calibrated);
        if let Message::Calibrated(body) = &mut body {
            body.schedule_code = "S-MON-01".to_owned();
        }
        self.tell(when, COMPANY, body);
    }

    fn tested(&mut self, when: i64, who: (&str, Role), code: &str, result: CheckResult) {
        let mut body = self.body(EventKind::Tested);
        if let Message::Tested(body) = &mut body {
            body.schedule_code = code.to_owned();
            body.result = result as i32;
        }
        self.tell(when, who, body);
    }

    /// When findings of a rule began and ended, by what is on record, as of an instant.
    fn found(&self, rule: &str, as_of: i64) -> Vec<(i64, Option<i64>)> {
        let size = u64::try_from(self.ledger.log.len()).unwrap();
        let world = Around::new(&self.ledger.log, size, size);
        let instant = Instant { as_of: Timestamp::from_micros(as_of), size };
        let (_, findings) = judge(&self.machine, &self.ledger.touching(&self.machine), instant, &world).unwrap();
        let of_rule = findings.iter().filter(|finding| finding.rule == rule);
        of_rule.map(|finding| (finding.since_us, (finding.until_us != 0).then_some(finding.until_us))).collect()
    }
}

trait IntoMessage {
    fn into_message(self) -> Option<EventRef>;
}

impl IntoMessage for tally_core::id::EventRef {
    fn into_message(self) -> Option<EventRef> {
        Some(tally_core::event::event_ref_message(&self))
    }
}

/// 逢春: the skip was made and sold after its mark lapsed, with the renewal under way.
#[test]
fn made_and_sold_while_the_renewal_was_pending_is_without_mark_for_good() {
    let mut tale = Tale::made("SHEARER", (2026, 7, 5));
    let exit = at(2026, 7, 10, 9);
    tale.factory_exit(exit);
    let renewed = MarkRenewed {
        valid_from: day(2026, 8, 1),
        valid_until: day(2031, 7, 31),
        issued_on: day(2026, 8, 1),
        document_no: "安标延2026-9".to_owned(),
    };
    let mark = SubjectId::mark("MLA250001").unwrap();
    let draft = tale.ledger.draft("authority", Role::MarkAuthority, mark, Message::MarkRenewed(renewed));
    tale.ledger.now = at(2026, 8, 1, 9);
    record(&mut tale.ledger, &draft.at(at(2026, 8, 1, 9)), &[]).unwrap();
    assert_eq!(tale.found("MARK-003", exit - 1), [], "nothing before it left");
    assert_eq!(tale.found("MARK-003", at(2028, 1, 1, 0)), [(exit, None)], "and the renewal heals nothing");
}

#[test]
fn a_mark_covers_its_last_day_and_expires_with_it() {
    let mut tale = Tale::made("HOIST", (2026, 6, 30));
    tale.delivered(at(2026, 6, 30, 17));
    tale.in_use(at(2026, 7, 5, 8));
    let later = at(2027, 6, 1, 0);
    assert_eq!(tale.found("MARK-003", later), []);
    // It is expired when it comes into service: a note from then on.
    assert_eq!(tale.found("MARK-004", later), [(at(2026, 7, 5, 8), None)]);
    let mut tale = Tale::made("HOIST", (2026, 1, 10));
    tale.delivered(at(2026, 1, 12, 8));
    tale.in_use(at(2026, 1, 15, 8));
    assert_eq!(tale.found("MARK-004", at(2026, 7, 1, 0) - 1), []);
    assert_eq!(tale.found("MARK-004", later), [(at(2026, 7, 1, 0), None)]);
}

/// S-MON-01: every 15 days with 2 days of tolerance, by days in China.
#[test]
fn a_methane_sensor_is_overdue_after_fifteen_days_and_two() {
    let mut tale = Tale::made("CH4_SENSOR", (2026, 1, 10));
    tale.delivered(at(2026, 1, 12, 8));
    tale.in_use(at(2026, 2, 20, 8));
    tale.calibrated(at(2026, 3, 1, 23));
    let opens = at(2026, 3, 19, 0);
    assert_eq!(tale.found("MON-001", opens - 1), []);
    // Time alone opens it.
    assert_eq!(tale.found("MON-001", opens), [(opens, None)]);
    let done = at(2026, 3, 20, 10);
    tale.calibrated(done);
    assert_eq!(tale.found("MON-001", at(2026, 4, 7, 0) - 1), [(opens, Some(done))]);
    assert_eq!(tale.found("MON-001", at(2026, 4, 7, 0)), [(opens, Some(done)), (at(2026, 4, 7, 0), None)]);
}

/// S-HOI-03 is every two months with 3 days: the same day, else the last of the month.
#[test]
fn two_months_after_the_last_of_december_is_the_last_of_february() {
    let mut tale = Tale::made("HOIST", (2025, 12, 1));
    tale.delivered(at(2025, 12, 2, 8));
    tale.in_use(at(2025, 12, 10, 8));
    tale.tested(at(2025, 12, 31, 20), ("laboratory", Role::Laboratory), "S-HOI-03", CheckResult::Pass);
    let opens = at(2026, 3, 4, 0);
    assert_eq!(tale.found("DUE-001", opens - 1), []);
    assert_eq!(tale.found("DUE-001", opens), [(opens, None)], "28 February and three days");
    let done = at(2026, 3, 5, 9);
    tale.tested(done, ("laboratory", Role::Laboratory), "S-HOI-03", CheckResult::Fail);
    assert_eq!(tale.found("DUE-001", done + DAY), [(opens, None)], "a failed test is none");
    tale.tested(done + DAY, ("laboratory", Role::Laboratory), "S-HOI-03", CheckResult::Pass);
    assert_eq!(tale.found("DUE-001", done + DAY), [(opens, Some(done + DAY))]);
}

#[test]
fn what_is_idle_is_not_overdue_until_it_is_used_again() {
    let mut tale = Tale::made("CH4_SENSOR", (2026, 1, 10));
    tale.delivered(at(2026, 1, 12, 8));
    tale.in_use(at(2026, 2, 20, 8));
    tale.calibrated(at(2026, 3, 1, 9));
    tale.at_mine(at(2026, 3, 10, 9), EventKind::Idled);
    assert_eq!(tale.found("MON-001", at(2026, 4, 10, 8)), []);
    let resumed = at(2026, 4, 10, 9);
    tale.at_mine(resumed, EventKind::Resumed);
    assert_eq!(tale.found("MON-001", resumed), [(resumed, None)]);
}

#[test]
fn an_acceptance_after_use_closes_what_its_lack_opened() {
    let mut tale = Tale::made("ROADHEADER", (2026, 1, 10));
    tale.factory_exit(at(2026, 1, 12, 8));
    tale.received(at(2026, 1, 14, 8));
    let down = at(2026, 1, 20, 8);
    tale.at_mine(down, EventKind::EnteredMine);
    assert_eq!(tale.found("ACC-001", down), [(down, None)]);
    assert_eq!(tale.found("EX-002", down), [(down, None)]);
    let accepted = at(2026, 1, 22, 8);
    tale.at_mine(accepted, EventKind::AcceptanceChecked);
    assert_eq!(tale.found("ACC-001", accepted + DAY), [(down, Some(accepted))]);
    let raised = at(2026, 1, 25, 8);
    tale.at_mine(raised, EventKind::RaisedToSurface);
    assert_eq!(tale.found("EX-002", raised), [(down, Some(raised))]);
}

/// 假整改: whoever put it right confirms it.
#[test]
fn the_same_hand_closes_a_fault_but_not_the_question_who_looked() {
    let mut tale = Tale::made("SWITCHGEAR", (2026, 1, 10));
    tale.delivered(at(2026, 1, 12, 8));
    tale.in_use(at(2026, 1, 20, 8));
    let reported = at(2026, 2, 1, 8);
    let mut fault = tale.body(EventKind::FaultReported);
    if let Message::FaultReported(fault) = &mut fault {
        (fault.loss_of_protection, fault.due_by) = (true, day(2026, 2, 3));
    }
    tale.tell(reported, COMPANY, fault);
    let rectified = tale.body(EventKind::Rectified);
    tale.tell_by(at(2026, 2, 5, 8), COMPANY, &["zhang"], rectified);
    let confirmed = tale.body(EventKind::RectificationConfirmed);
    let same = at(2026, 2, 5, 9);
    tale.tell_by(same, COMPANY, &["zhang"], confirmed.clone());
    let later = at(2026, 3, 1, 0);
    assert_eq!(tale.found("FLT-001", later), [(at(2026, 2, 4, 0), Some(at(2026, 2, 5, 8)))]);
    assert_eq!(tale.found("FLT-003", later), [(same, None)]);
    assert_eq!(tale.found("EX-003", later), [(reported, None)], "失爆 takes another person");
    let other = at(2026, 2, 6, 8);
    tale.tell_by(other, COMPANY, &["li"], confirmed);
    assert_eq!(tale.found("FLT-003", later), [(same, Some(other))]);
    assert_eq!(tale.found("EX-003", later), [(reported, Some(other))]);
}

#[test]
fn a_belt_goes_down_only_after_a_third_party_passed_it() {
    let untested = |tale: &mut Tale, down: i64| {
        tale.at_mine(down, EventKind::EnteredMine);
        tale.found("BELT-001", down)
    };
    let belt = || {
        let mut tale = Tale::made("BELT", (2026, 1, 10));
        tale.delivered(at(2026, 1, 12, 8));
        tale
    };
    let (tested, down) = (at(2026, 1, 20, 8), at(2026, 1, 25, 8));
    let laboratory = ("laboratory", Role::Laboratory);
    let mut tale = belt();
    assert_eq!(untested(&mut tale, down), [(down, None)]);
    let mut tale = belt();
    tale.tested(tested, COMPANY, "S-BEL-01", CheckResult::Pass);
    tale.tested(tested + HOUR, laboratory, "S-BEL-01", CheckResult::Fail);
    assert_eq!(untested(&mut tale, down), [(down, None)], "its own pass, a third party's failure");
    assert_eq!(tale.found("BELT-002", down), [(down, None)]);
    let mut tale = belt();
    tale.tested(tested, laboratory, "S-BEL-01", CheckResult::Pass);
    tale.tested(tested + HOUR, COMPANY, "S-BEL-01", CheckResult::Pass);
    assert_eq!(untested(&mut tale, down), []);
}

#[test]
fn what_was_sent_off_150_days_ago_is_missing_for_120() {
    let mut tale = Tale::made("HOIST", (2026, 1, 10));
    let sent = at(2026, 1, 12, 8);
    tale.factory_exit(sent);
    let opens = sent + 30 * DAY;
    assert_eq!(tale.found("CUS-003", opens - 1), []);
    assert_eq!(tale.found("CUS-003", sent + 150 * DAY), [(opens, None)]);
    tale.received(sent + 150 * DAY);
    assert_eq!(tale.found("CUS-003", sent + 151 * DAY), [(opens, Some(sent + 150 * DAY))]);
}

/// Judging to the end of time ends.
#[test]
fn all_that_will_ever_be_found_is_found_in_the_end() {
    let mut tale = Tale::made("HOIST", (2026, 1, 10));
    tale.delivered(at(2026, 1, 12, 8));
    tale.in_use(at(2026, 1, 20, 8));
    assert_eq!(tale.found("MARK-004", i64::MAX), [(at(2026, 7, 1, 0), None)]);
}

/// A policy that is put on record late counts from its day: nothing is other today, and the past is.
#[test]
fn a_policy_told_late_changes_the_past_alone() {
    let mut tale = Tale::made("HOIST", (2026, 1, 10));
    tale.delivered(at(2026, 1, 12, 8));
    tale.in_use(at(2026, 1, 20, 8));
    let publish = |tale: &mut Tale, days: &str, from: Option<tally_proto::v1::Day>, told: i64| {
        let parameter = RuleParameter { rule: "LIFE-004".to_owned(), key: "days".to_owned(), value: days.to_owned() };
        let publication = Some(scene::published(PublicationLayer::Nation, from));
        let body = PolicyPublished { publication, parameters: vec![parameter] };
        tale.ledger.now = told;
        let by = ("regulator", Role::Regulator);
        scene::open(&mut tale.ledger, by, SubjectKind::Publication, Message::PolicyPublished(body), told).unwrap();
        tale.ledger.log.last().unwrap().clone()
    };
    publish(&mut tale, "900", day(2026, 2, 10), at(2026, 2, 1, 8));
    let judged = at(2026, 3, 1, 0);
    tale.at_mine(judged, EventKind::DutyChanged);
    let touching = tale.ledger.touching(&tale.machine);
    let before = u64::try_from(tale.ledger.log.len()).unwrap();
    let instant = Instant { as_of: Timestamp::from_micros(judged), size: before };
    let world = Around::new(&tale.ledger.log, before, before);
    let (case, _): (Case, _) = judge(&tale.machine, &touching, instant, &world).unwrap();
    assert_eq!(tale.found("LIFE-004", judged), []);
    let late = publish(&mut tale, "5", day(2026, 2, 1), at(2026, 3, 2, 8));
    assert_eq!(tale.found("LIFE-004", judged), [(at(2026, 2, 1, 0), Some(at(2026, 2, 10, 0)))]);
    let world = Around::new(&tale.ledger.log, before + 1, before + 1);
    assert!(case.clone().look_again(&world), "today all is as it was");
    assert!(!case.clone().look_again_since(&world, changed_from_us(&Step::of(&late))));
}
