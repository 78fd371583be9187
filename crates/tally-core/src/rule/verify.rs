//! The verdict on the safety mark of one machine: nine questions, each answered by the record. 安标验证
//!
//! The verdict is the worst of the lines. What the record does not say is unknown, and never a pass; what is only worth
//! knowing is a note and does not count. Whoever may see no more than plate and certificate is shown no more.

use tally_proto::v1::{
    Evidence, MarkActivity, MarkKind, MarkState, MarkStateChange, ServiceState, Severity, Verdict, VerificationLine,
};

use super::{
    conditions::{
        Ask, World,
        mark::{Made, covers, in_scope, is_issued, is_maker, is_named, is_permitted, made},
        suits_place,
    },
    facts::Facts,
    known_mark::{KnownMark, Version},
};
use crate::{
    event::mark::is_mark_number,
    state::mark::{hits, starts, state_on},
};

/// The nine questions: Chinese, English.
pub const QUESTIONS: [(&str, &str); 9] = [
    ("该安标编号是否由有权机构发放", "is there a mark with this number, issued by an authority that could"),
    (
        "制造之日是否在有效期内且未暂停、撤销、注销",
        "on the day of manufacture: valid, not suspended, revoked or cancelled",
    ),
    ("型号规格是否在证书范围", "is the model and specification on the certificate"),
    ("制造单位、生产地址是否与证书一致", "is the maker the producer or holder, at a listed address"),
    ("批次或试验安标是否包含该台", "does a batch name this serial, a trial this mine and period"),
    ("适用范围是否覆盖所在地点", "does the scope cover where it stands"),
    ("受控部件(含历次更换)是否许可", "is every controlled component permitted, as built and after each replacement"),
    ("关联设备是否在清单内", "is joined equipment on the list of the system"),
    ("目前是否暂停、撤销、召回或过期", "is it suspended, revoked, recalled or expired now"),
];

/// Whom a verification is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Viewer {
    /// Anyone: plate and certificate only.
    Public,
    /// Who may see the machine.
    Insider,
}

struct Sheet {
    lines: Vec<VerificationLine>,
}

impl Sheet {
    fn put(&mut self, verdict: Verdict, why: (&str, &str), evidence: Vec<Evidence>, rule: &str) {
        self.put_as(verdict, why, evidence, rule, false, false);
    }

    fn put_as(
        &mut self,
        verdict: Verdict,
        (why_zh, why_en): (&str, &str),
        evidence: Vec<Evidence>,
        rule: &str,
        note: bool,
        withheld: bool,
    ) {
        let at = self.lines.len();
        let (question_zh, question_en) = QUESTIONS.get(at).copied().unwrap_or_default();
        self.lines.push(VerificationLine {
            number: u32::try_from(at + 1).unwrap_or_default(),
            question_zh: question_zh.to_owned(),
            question_en: question_en.to_owned(),
            verdict: verdict as i32,
            why_zh: why_zh.to_owned(),
            why_en: why_en.to_owned(),
            rule: rule.to_owned(),
            evidence,
            withheld,
            note,
        });
    }

    fn pass(&mut self, why: (&str, &str), evidence: Vec<Evidence>) {
        self.put(Verdict::Pass, why, evidence, "");
    }

    fn unknown(&mut self, why: (&str, &str)) {
        self.put(Verdict::Unknown, why, Vec::new(), "");
    }

    fn fail(&mut self, rule: &str, why: (&str, &str), evidence: Vec<Evidence>) {
        self.put(Verdict::Fail, why, evidence, rule);
    }

    fn note(&mut self, verdict: Verdict, rule: &str, why: (&str, &str), evidence: Vec<Evidence>) {
        self.put_as(verdict, why, evidence, rule, true, false);
    }

    fn withheld(&mut self) {
        self.put_as(Verdict::Unknown, ("不公开", "not public"), Vec::new(), "", false, true);
    }
}

/// The worst of the lines that count.
pub fn worst(lines: &[VerificationLine]) -> Verdict {
    let counted = lines.iter().filter(|line| !line.note && !line.withheld);
    counted.map(VerificationLine::verdict).max().unwrap_or(Verdict::Unknown)
}

/// Verifies the mark of a machine at an instant.
pub fn verify_machine(
    state: &tally_proto::v1::Equipment,
    facts: &Facts,
    world: &dyn World,
    at_us: i64,
    viewer: Viewer,
) -> Vec<VerificationLine> {
    let ask = Ask::new(state, facts, world, at_us);
    let mut sheet = Sheet { lines: Vec::with_capacity(QUESTIONS.len()) };
    let mark = world.mark(&state.mark_no).filter(|mark| !state.mark_no.is_empty() && is_issued(&ask, mark));
    existence(&ask, mark.as_deref(), &mut sheet);
    let Some(mark) = mark else {
        let why = ("无可核对的安标", "there is no mark to hold against");
        while sheet.lines.len() < QUESTIONS.len() {
            sheet.unknown(why);
        }
        return sheet.lines;
    };
    let made = made(&ask);
    made_in_time(&ask, &mark, made.as_ref(), &mut sheet);
    let version = made.as_ref().and_then(|made| mark.version_on(made.from_us, |evidence| ask.counts(evidence)));
    match version {
        Some(version) => certificate(&ask, version, &mut sheet),
        None => {
            let why = (
                "制造日期不明,无法确定证书版本",
                "the day of manufacture is not known, so no version of the certificate",
            );
            sheet.unknown(why);
            sheet.unknown(why);
        }
    }
    named(&ask, &mark, viewer, &mut sheet);
    match version {
        Some(version) => {
            scope(&ask, version, viewer, &mut sheet);
            components(&ask, &mark, version, viewer, &mut sheet);
            joined(&ask, version, viewer, &mut sheet);
        }
        None => (0..3).for_each(|_| sheet.unknown(("制造日期不明", "the day of manufacture is not known"))),
    }
    now(&ask, &mark, made.as_ref(), viewer, &mut sheet);
    sheet.lines
}

/// Verifies a mark alone: whether it is genuine, and its state at an instant.
pub fn verify_mark(number: &str, world: &dyn World, at_us: i64) -> Vec<VerificationLine> {
    let (state, facts) = (tally_proto::v1::Equipment::default(), Facts::default());
    let ask = Ask::new(&state, &facts, world, at_us);
    let mut sheet = Sheet { lines: Vec::with_capacity(QUESTIONS.len()) };
    let mark = world.mark(number).filter(|mark| is_issued(&ask, mark));
    let Some(mark) = mark else {
        sheet.fail("MARK-002", ("台账上没有此编号的安标", "no mark with this number is on record"), Vec::new());
        while sheet.lines.len() < QUESTIONS.len() {
            sheet.unknown(("无可核对的安标", "there is no mark to hold against"));
        }
        return sheet.lines;
    };
    let first = mark.versions.first().map(|first| first.evidence);
    if is_mark_number(&mark.mark.number) {
        sheet.pass(("已发放", "issued"), first.into_iter().collect());
    } else {
        sheet.fail("MARK-002", ("编号不可能存在", "the number cannot exist"), first.into_iter().collect());
    }
    // Lines 2 to 8 are about a machine.
    while sheet.lines.len() + 1 < QUESTIONS.len() {
        sheet.note(Verdict::Unknown, "", ("未指定设备", "no machine was named"), Vec::new());
    }
    let counts = |evidence: &Evidence| ask.counts(evidence);
    let (state, evidence) = (state_on(&mark.mark, at_us, counts), last_change(&ask, &mark, at_us));
    match state {
        MarkState::Valid => sheet.pass(("有效", "valid"), evidence),
        MarkState::Suspended => sheet.fail("MARK-005", ("已暂停", "suspended"), evidence),
        MarkState::Revoked => sheet.fail("MARK-005", ("已撤销", "revoked"), evidence),
        MarkState::Cancelled => sheet.fail("", ("已注销", "cancelled"), evidence),
        MarkState::Expired => sheet.fail("MARK-004", ("已过期", "expired"), evidence),
        MarkState::NotYet | MarkState::Unspecified => sheet.unknown(("尚未生效", "not valid yet")),
    }
    sheet.lines
}

fn existence(ask: &Ask<'_>, mark: Option<&KnownMark>, sheet: &mut Sheet) {
    let made = ask.facts.made.into_iter().collect();
    if ask.state.mark_no.is_empty() {
        let category = ask.in_force.categories.get(&ask.state.category);
        return match category {
            _ if !ask.facts.exempt_reason.is_empty() => {
                sheet.unknown(("制造单位称免安标", "the maker says that it needs no mark"));
            }
            Some(row) if row.mark_managed => {
                sheet.fail("MARK-001", ("纳入安标管理而无安标", "under mark management, and has no mark"), made);
            }
            Some(_) => sheet.pass(("未纳入安标管理", "not under mark management"), made),
            None => sheet.unknown(("类别未发布", "its category is not published")),
        };
    }
    match mark {
        None => sheet.fail("MARK-002", ("台账上没有此编号的安标", "no mark with this number is on record"), made),
        Some(mark) => {
            let first = mark.versions.first().map(|first| first.evidence).into_iter().collect();
            if is_mark_number(&mark.mark.number) {
                sheet.pass(("已发放", "issued"), first);
            } else {
                sheet.fail("MARK-002", ("编号不可能存在", "the number cannot exist"), first);
            }
        }
    }
}

fn made_in_time(ask: &Ask<'_>, mark: &KnownMark, made: Option<&Made>, sheet: &mut Sheet) {
    let Some(made) = made else { return sheet.unknown(("制造日期不明", "the day of manufacture is not known")) };
    let coverage = covers(ask, mark, made.from_us, made.until_us);
    let evidence = ask.facts.made.into_iter().chain(coverage.evidence).collect();
    match coverage.covered {
        Some(true) => sheet.pass(("在有效期内制造", "made while the mark was valid"), evidence),
        Some(false) => sheet.fail(
            "MARK-003",
            (
                "制造日期不在有效期内,或当时已暂停、撤销、注销",
                "made outside the validity, or while suspended, revoked or cancelled",
            ),
            evidence,
        ),
        None => sheet.unknown(("制造日期不完整", "the day of manufacture is known in part only")),
    }
}

fn certificate(ask: &Ask<'_>, version: &Version, sheet: &mut Sheet) {
    let evidence = || ask.facts.made.into_iter().chain([version.evidence]).collect();
    if version.models.contains(&ask.facts.model_normal) {
        sheet.pass(("型号在证书范围", "the model is listed"), evidence());
    } else {
        sheet.fail("MARK-006", ("型号不在证书范围", "the model is not listed"), evidence());
    }
    if is_maker(ask, version) {
        sheet.pass(("制造单位与证书一致", "the maker is listed"), evidence());
    } else {
        sheet.fail("MARK-007", ("制造单位或生产地址与证书不符", "maker or address is not listed"), evidence());
    }
}

fn named(ask: &Ask<'_>, mark: &KnownMark, viewer: Viewer, sheet: &mut Sheet) {
    let first = || mark.versions.first().map(|first| first.evidence).into_iter().collect();
    match (mark.mark.kind(), is_named(ask, mark)) {
        (MarkKind::Trial, _) if viewer == Viewer::Public => sheet.withheld(),
        (MarkKind::Trial, _) if ask.state.mine.is_empty() => {
            sheet.note(Verdict::Unknown, "", ("尚未到矿", "it is in no mine"), first());
        }
        (MarkKind::Trial, Some(false)) => {
            sheet.fail("MARK-011", ("不在试验煤矿或试验期内", "not in a mine or period of the trial"), first());
        }
        (MarkKind::Batch, Some(false)) => {
            sheet.fail("MARK-012", ("批次不含该出厂编号", "the batch does not name this serial"), first());
        }
        (MarkKind::Batch | MarkKind::Trial, _) => sheet.pass(("包含该台", "it is named"), first()),
        (MarkKind::Type | MarkKind::Unspecified, _) => {
            sheet.pass(("有效期安标,不限台", "a type mark names no units"), first());
        }
    }
}

fn scope(ask: &Ask<'_>, version: &Version, viewer: Viewer, sheet: &mut Sheet) {
    if viewer == Viewer::Public {
        return sheet.withheld();
    }
    let evidence = || [version.evidence].into_iter().chain(ask.facts.taken_on).collect();
    if ask.mine.is_none() {
        return sheet.note(Verdict::Unknown, "", ("不在任何煤矿", "it is in no mine"), Vec::new());
    }
    if !suits_place(ask) {
        let why = ("防爆型式与瓦斯等级、地点不符", "its protection does not suit gas grade and place");
        return sheet.fail("EX-004", why, evidence());
    }
    match in_scope(ask, version) {
        Some(true) => sheet.pass(("在适用范围内", "within the scope"), evidence()),
        Some(false) => sheet.fail("MARK-010", ("超出适用范围", "outside the scope"), evidence()),
        None => sheet.unknown(("煤矿信息不全", "the mine's profile does not say")),
    }
}

fn components(ask: &Ask<'_>, mark: &KnownMark, version: &Version, viewer: Viewer, sheet: &mut Sheet) {
    let mut judged = Vec::new();
    for fit in &ask.facts.fits {
        let Some(evidence) = fit.evidence else { continue };
        if !fit.as_built && viewer == Viewer::Public {
            continue;
        }
        let on_the_day = if fit.as_built {
            version
        } else {
            mark.version_on(evidence.occurred_at_us, |evidence| ask.counts(evidence)).unwrap_or(version)
        };
        match is_permitted(fit, on_the_day) {
            Some(false) if fit.as_built => {
                let why_zh = format!("{}: 出厂部件不在明细表", fit.slot);
                let why_en = format!("{}: the component as built is not on the certificate", fit.slot);
                return sheet.fail("MARK-008", (&why_zh, &why_en), vec![evidence, on_the_day.evidence]);
            }
            Some(false) => {
                let why_zh = format!("{}: 更换的部件不在明细表", fit.slot);
                let why_en = format!("{}: the replacement is not on the certificate", fit.slot);
                return sheet.fail("MARK-009", (&why_zh, &why_en), vec![evidence, on_the_day.evidence]);
            }
            Some(true) => judged.push(evidence),
            None => {}
        }
    }
    let mut slots: Vec<&String> = version.parts.iter().map(|(slot, ..)| slot).collect();
    slots.sort_unstable();
    slots.dedup();
    let documented = |slot: &&String| ask.facts.fits.iter().any(|fit| super::known_mark::normal(&fit.slot) == **slot);
    match slots.into_iter().find(|slot| !documented(slot)) {
        Some(slot) => {
            let why_zh = format!("{slot}: 无部件记录");
            let why_en = format!("{slot}: the record names no component");
            sheet.unknown((&why_zh, &why_en));
        }
        None => sheet.pass(("受控部件均许可", "all controlled components are permitted"), judged),
    }
}

fn joined(ask: &Ask<'_>, version: &Version, viewer: Viewer, sheet: &mut Sheet) {
    if version.joined.is_empty() {
        return sheet
            .pass(("证书无关联设备清单", "the certificate has no list of joined equipment"), vec![version.evidence]);
    }
    if viewer == Viewer::Public {
        return sheet.withheld();
    }
    let stranger = ask.state.members.iter().find(|member| {
        let model = super::known_mark::normal(&member.model);
        !model.is_empty() && !version.joined.contains(&model)
    });
    match stranger {
        Some(member) => {
            let why_zh = format!("{} 不在清单内", member.model);
            let why_en = format!("{} is not on the list", member.model);
            sheet.fail("MARK-013", (&why_zh, &why_en), vec![version.evidence]);
        }
        None => sheet.pass(("关联设备均在清单内", "all joined equipment is on the list"), vec![version.evidence]),
    }
}

/// The entry on which the state of a mark rests at an instant.
fn last_change(ask: &Ask<'_>, mark: &KnownMark, at_us: i64) -> Vec<Evidence> {
    let change = mark.mark.changes.iter().rev().find(|change| counted(ask, change, at_us));
    let evidence = match change {
        Some(change) if change.state() != MarkState::Valid => change.evidence,
        Some(_) | None => {
            let counts = |evidence: &Evidence| ask.counts(evidence);
            mark.mark
                .periods
                .iter()
                .filter(|period| period.evidence.as_ref().is_some_and(counts))
                .filter_map(|period| period.evidence)
                .next_back()
        }
    };
    evidence.into_iter().collect()
}

fn counted(ask: &Ask<'_>, change: &MarkStateChange, at_us: i64) -> bool {
    starts(change.from.as_ref()) <= at_us && change.evidence.as_ref().is_some_and(|evidence| ask.counts(evidence))
}

fn now(ask: &Ask<'_>, mark: &KnownMark, made: Option<&Made>, viewer: Viewer, sheet: &mut Sheet) {
    let recalled = ask.facts.orders.iter().find(|order| order.kind == 3);
    if let Some(order) = recalled.filter(|_| viewer == Viewer::Insider) {
        let why = ("已召回,未完成", "recalled, and not remedied");
        return sheet.fail("ORD-003", why, order.given.into_iter().collect());
    }
    let counts = |evidence: &Evidence| ask.counts(evidence);
    let evidence = last_change(ask, mark, ask.at_us);
    let state = state_on(&mark.mark, ask.at_us, counts);
    let change =
        mark.mark.changes.iter().rev().find(|change| change.state() == state && counted(ask, change, ask.at_us));
    let stops = |activity: MarkActivity| change.is_some_and(|change| change.stops.contains(&(activity as i32)));
    let not_sold =
        matches!(ask.state.state(), ServiceState::Manufactured | ServiceState::InTransit | ServiceState::InStore)
            && ask.state.mine.is_empty();
    match state {
        MarkState::Valid => sheet.pass(("有效", "valid"), evidence),
        MarkState::Suspended if stops(MarkActivity::Use) || (not_sold && stops(MarkActivity::Selling)) => {
            sheet.fail("MARK-005", ("已暂停", "suspended"), evidence);
        }
        MarkState::Suspended => {
            let why = ("已暂停生产、销售,不涉及在用", "suspended for making and selling; use goes on");
            sheet.note(Verdict::Fail, "", why, evidence);
        }
        MarkState::Revoked => {
            let hit =
                change.is_some_and(|change| hits(change, made.map(|made| made.from_us), &ask.facts.serial_normal));
            if hit {
                sheet.fail("MARK-005", ("已撤销", "revoked"), evidence);
            } else {
                let why = ("已撤销,不涉及该台", "revoked, but not for this unit");
                sheet.note(Verdict::Pass, "", why, evidence);
            }
        }
        MarkState::Cancelled => {
            let why = ("已注销;制造时有效的设备不受影响", "cancelled; what was made before stays good");
            sheet.note(Verdict::Pass, "", why, evidence);
        }
        MarkState::Expired => {
            let raised = ask.in_force.severity("MARK-004", "raise_to") > Severity::Note;
            if raised {
                sheet.fail(
                    "MARK-004",
                    ("已过期,本地区不得使用", "expired, and the area's policy forbids its use"),
                    evidence,
                );
            } else {
                let why = ("制造时有效,现已过期", "valid when made, expired since");
                sheet.note(Verdict::Pass, "MARK-004", why, evidence);
            }
        }
        MarkState::NotYet | MarkState::Unspecified => sheet.unknown(("尚未生效", "not valid yet")),
    }
}
