//! A small world that every random life begins with: mines with places, marks, schedules, a phase-out list.

use tally_core::{
    event::EventKind,
    id::{SubjectId, SubjectKind},
};
use tally_proto::v1::{statement::Body as Message, *};

use crate::{
    chronicle::record,
    common::{
        DAY, HOUR, Ledger, START,
        bodies::{self, day, measure},
        mine, organisation, staff_key,
    },
};

/// 2025-01-01T00:00:00+08:00.
pub(crate) const YEAR_BEFORE: i64 = START - 365 * DAY;

/// The places of the coal mine, by name.
pub(crate) const PLACES: &[(&str, PlaceKind, &str, AirCourse)] = &[
    ("yard", PlaceKind::Surface, "", AirCourse::None),
    ("level", PlaceKind::Level, "", AirCourse::Intake),
    ("district", PlaceKind::District, "level", AirCourse::Intake),
    ("face", PlaceKind::Face, "district", AirCourse::Return),
    ("return", PlaceKind::Roadway, "level", AirCourse::Return),
    ("chamber", PlaceKind::Chamber, "level", AirCourse::Intake),
];

/// The node of a place: its event id.
pub(crate) fn node(name: &str) -> [u8; 16] {
    let at = PLACES.iter().position(|(known, ..)| *known == name).unwrap();
    let mut id = [0xAA; 16];
    (id[6], id[8], id[15]) = (0x70, 0x80, u8::try_from(at).unwrap());
    id
}

/// A place in the coal mine.
pub(crate) fn place(name: &str) -> Option<Place> {
    Some(Place { mine: mine("coal").id().to_vec(), node: node(name).to_vec(), text: String::new() })
}

/// Category, group, explosion-proof check, mark number, model, marking.
pub(crate) struct Kind {
    pub(crate) category: &'static str,
    group: &'static str,
    ex: bool,
    pub(crate) mark: &'static str,
    pub(crate) ex_mark: &'static str,
    pub(crate) lot: bool,
}

const fn kind(
    category: &'static str,
    group: &'static str,
    ex: bool,
    mark: &'static str,
    ex_mark: &'static str,
) -> Kind {
    Kind { category, group, ex, mark, ex_mark, lot: false }
}

pub(crate) const KINDS: &[Kind] = &[
    kind("SHEARER", "L", true, "MLA250001", "Ex db I Mb"),
    kind("ROADHEADER", "L", true, "MLB250002", "Ex db I Mb"),
    Kind { lot: true, ..kind("BELT", "I", false, "MIA250003", "") },
    kind("BELT_CONVEYOR", "F", false, "MFA250004", ""),
    Kind { lot: true, ..kind("ROPE", "F", false, "MFB250005", "") },
    kind("HOIST", "F", false, "MFC250006", ""),
    kind("CHAIRLIFT", "F", false, "MFD250007", ""),
    kind("TRACKLESS", "G", true, "MGA250008", "Ex db ib I Mb"),
    kind("CH4_SENSOR", "J", true, "MJA250009", "Ex ib I Mb"),
    kind("SELF_RESCUER", "J", false, "MJB250010", ""),
    Kind { lot: true, ..kind("CABLE", "A", false, "MAA250011", "") },
    kind("SWITCHGEAR", "A", true, "MAB250012", "Ex db I Mb"),
    kind("MOTOR", "A", true, "MAC250013", "Ex db I Mb"),
    kind("MONITOR_SYSTEM", "J", true, "MJC250014", "Ex ib I Mb"),
];

/// A batch mark and a trial mark.
pub(crate) const BATCH: &str = "MGZ250020";
pub(crate) const TRIAL: &str = "MLZ250021";
/// A mark of the other sector, and one that is valid for long.
pub(crate) const NON_COAL: &str = "KAA250022";

pub(crate) fn published(layer: PublicationLayer, from: Option<Day>) -> Publication {
    let coal = mine("coal").id().to_vec();
    Publication {
        title: "发布".to_owned(),
        layer: layer as i32,
        from,
        area: if layer == PublicationLayer::Area { "1409".to_owned() } else { String::new() },
        mine: if layer == PublicationLayer::Mine { coal } else { Vec::new() },
        ..Publication::default()
    }
}

#[expect(clippy::too_many_arguments, reason = "the columns of a schedule")]
fn row(
    code: &str,
    applies_to: &str,
    work: ScheduledWork,
    interval: u32,
    unit: IntervalUnit,
    first_due: FirstDue,
    tolerance_days: u32,
    severity: Severity,
) -> ScheduleRow {
    ScheduleRow {
        code: code.to_owned(),
        applies_to: applies_to.to_owned(),
        work: work as i32,
        name_zh: code.to_owned(),
        name_en: code.to_owned(),
        interval,
        unit: unit as i32,
        first_due: first_due as i32,
        tolerance_days,
        by: vec![Role::Mine as i32],
        severity: severity as i32,
        ..ScheduleRow::default()
    }
}

/// Scheduled work: intervals are shorter than in the trade, so that a life of a year sees them pass.
pub(crate) fn schedule() -> Vec<ScheduleRow> {
    use FirstDue::{
        BeforeCommissioning, BeforeEntry, BeforeResumption, InUse, Installed, ProducedOn, Received, YearAfterInstalled,
    };
    use IntervalUnit::{Day, Month, Once, Shift, Week, Year};
    use ScheduledWork::{Accept, Calibrate, Exproof, Flaw, Inspect, Overhaul, Replace, Test};
    use Severity::{General, Major, Serious};
    let mut rows = vec![
        row("S-BEL-01", "BELT", Test, 0, Once, BeforeEntry, 0, Major),
        row("S-BEL-02", "BELT_CONVEYOR", Test, 1, Week, InUse, 2, Serious),
        row("S-CHR-01", "CHAIRLIFT", Test, 3, Month, InUse, 3, Major),
        row("S-CHR-02", "CHAIRLIFT", Inspect, 1, Day, InUse, 1, Serious),
        row("S-ELEC-01", "EX_ELECTRICAL", Exproof, 1, Month, InUse, 5, Serious),
        row("S-ELEC-09", "SWITCHGEAR", Test, 6, Month, BeforeCommissioning, 0, Serious),
        row("S-ENR-01", "SHEARER", Inspect, 0, Once, BeforeResumption, 0, Serious),
        row("S-HOI-03", "HOIST", Flaw, 2, Month, InUse, 3, Serious),
        row("S-MON-01", "CH4_SENSOR", Calibrate, 15, Day, InUse, 2, Serious),
        row("S-RES-01", "SELF_RESCUER", Inspect, 3, Month, InUse, 10, Major),
        row("S-RES-02", "SELF_RESCUER", Replace, 1, Year, ProducedOn, 0, Major),
        row("S-RES-04", "SELF_RESCUER", Accept, 1, Month, Received, 0, Serious),
        row("S-ROP-01", "ROPE_PERSON", Test, 3, Month, Installed, 10, Major),
        row("S-ROP-02", "ROPE", Test, 1, Month, YearAfterInstalled, 10, Serious),
        row("S-ROP-04", "ROPE", Replace, 4, Month, Installed, 0, Major),
        row("S-SHR-01", "SHEARER", Overhaul, 3, Month, InUse, 10, General),
        row("S-VEH-01", "TRACKLESS", Test, 2, Month, InUse, 5, Major),
        row("S-VEH-02", "TRACKLESS", Inspect, 1, Shift, InUse, 0, Serious),
        row("S-VEH-03", "TRACKLESS", Test, 0, Once, BeforeEntry, 0, Serious),
    ];
    rows.sort_by(|left, right| left.code.cmp(&right.code));
    rows
}

pub(crate) fn categories() -> CategoriesPublished {
    let mut categories: Vec<CategoryRow> = KINDS
        .iter()
        .map(|kind| CategoryRow {
            code: kind.category.to_owned(),
            group: kind.group.to_owned(),
            name_zh: kind.category.to_owned(),
            name_en: kind.category.to_owned(),
            identity_kind: if kind.lot { IdentityKind::Lot } else { IdentityKind::Unit } as i32,
            ex_check: kind.ex,
            mark_managed: true,
            ..CategoryRow::default()
        })
        .collect();
    categories.sort_by(|left, right| left.code.cmp(&right.code));
    let selector = |code: &str, any_of: Vec<Criteria>| SelectorRow {
        code: code.to_owned(),
        name_zh: code.to_owned(),
        means: code.to_owned(),
        any_of,
    };
    let ropes = vec!["ROPE".to_owned()];
    CategoriesPublished {
        publication: Some(published(PublicationLayer::Nation, day(2025, 1, 1))),
        categories,
        selectors: vec![
            selector("EX_ELECTRICAL", vec![Criteria { ex_mark: Presence::Given as i32, ..Criteria::default() }]),
            selector(
                "ROPE_PERSON",
                vec![Criteria { categories: ropes, functions: vec!["升降人员".to_owned()], ..Criteria::default() }],
            ),
        ],
    }
}

pub(crate) fn phase_out() -> PhaseOutPublished {
    let row = |code: &str, state: PhaseOutState, from: Option<Day>, criteria: Criteria| PhaseOutRow {
        code: code.to_owned(),
        name_zh: code.to_owned(),
        name_en: code.to_owned(),
        bans: vec![PhaseOutBan { from, criteria: Some(criteria) }],
        state: state as i32,
        ..PhaseOutRow::default()
    };
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let force = PhaseOutState::InForce;
    let rated = PlateBound {
        key: "power_kW".to_owned(),
        min: Some(measure("power_kW", 41, 0, "kW")),
        max: Some(measure("power_kW", 500, 0, "kW")),
    };
    let kinds = Criteria { categories: list(&["SWITCHGEAR"]), ..Criteria::default() };
    PhaseOutPublished {
        publication: Some(published(PublicationLayer::Nation, day(2025, 6, 1))),
        list: "目录".to_owned(),
        rows: vec![
            row("PO-1", force, day(2026, 5, 1), Criteria { model_prefixes: list(&["OLD"]), ..Criteria::default() }),
            row("PO-2", force, day(2026, 7, 1), Criteria { places: vec![PlaceKind::Face as i32], ..kinds.clone() }),
            row(
                "PO-3",
                force,
                day(2026, 3, 1),
                Criteria { component_prefixes: list(&["DW10"]), ..Criteria::default() },
            ),
            row("PO-4", PhaseOutState::Draft, day(2026, 1, 1), kinds.clone()),
            row("PO-5", force, day(2026, 9, 1), Criteria { plate: vec![rated], ..kinds }),
            row(
                "PO-6",
                force,
                day(2026, 2, 1),
                Criteria {
                    categories: list(&["BELT"]),
                    mark_no: Presence::Missing as i32,
                    gas_grades: vec![GasGrade::High as i32],
                    ..Criteria::default()
                },
            ),
            row(
                "PO-7",
                force,
                day(2026, 6, 15),
                Criteria { sits_in_slots: list(&["电机"]), inside: list(&["ROADHEADER"]), ..Criteria::default() },
            ),
        ],
    }
}

pub(crate) fn certificate(category: &str) -> MarkCertificate {
    let part = |model: &str, producer: &str| ControlledPart {
        slot: "截割电机".to_owned(),
        model: model.to_owned(),
        producer: producer.to_owned(),
        mark_no: String::new(),
    };
    let mut certificate = bodies::certificate("maker牌", "M1");
    certificate.models = vec!["M1".to_owned(), "M3".to_owned(), "OLD-1".to_owned()];
    certificate.producers[0].address = "太原".to_owned();
    certificate.parts = vec![part("YBU-1", ""), part("YBU-2", "南阳")];
    if category == "SWITCHGEAR" {
        certificate.scope.as_mut().unwrap().places_excluded = vec![PlaceKind::Face as i32];
    }
    if category == "ROADHEADER" {
        certificate.scope.as_mut().unwrap().gas_grades = vec![GasGrade::Low as i32];
    }
    if category == "MONITOR_SYSTEM" {
        certificate.joined = vec![JoinedProduct { model: "GJC4".to_owned(), mark_no: String::new() }];
    }
    certificate
}

fn engage(ledger: &mut Ledger, company: &str) {
    for party in [
        "contractor",
        "late contractor",
        "shop",
        "late shop",
        "laboratory",
        "late laboratory",
        "recycler",
        "late recycler",
    ] {
        let body = Engaged {
            organisation: organisation(party).as_bytes().to_vec(),
            purposes: (1..=5).collect(),
            from: day(2025, 1, 1),
            until: day(2030, 1, 1),
            ..Engaged::default()
        };
        let subject = organisation(company).subject();
        let draft = ledger.draft(company, Role::Mine, subject, Message::Engaged(body));
        record(ledger, &draft, &[]).unwrap();
    }
}

/// The world before anything happens to a machine.
pub(crate) fn scene() -> Ledger {
    let mut ledger = Ledger::scene();
    ledger.register("authority", &[Role::MarkAuthority], &[]);
    for (name, role) in [
        ("late contractor", Role::Contractor),
        ("late shop", Role::OverhaulShop),
        ("late laboratory", Role::Laboratory),
        ("late recycler", Role::Recycler),
    ] {
        let subject = organisation(name).subject();
        ledger.register(name, &[], &[]);
        let granted =
            RoleGranted { role: role as i32, from: day(2020, 1, 1), until: day(2026, 5, 31), ..RoleGranted::default() };
        ledger.by_registrar(subject, Message::RoleGranted(granted));
    }
    for (name, operator, sector) in [("coal", "company", MineSector::Coal), ("metal", "neighbour", MineSector::NonCoal)]
    {
        let body = MineRegistered {
            gas_grade: GasGrade::Low as i32,
            state: MineState::Producing as i32,
            area_code: "140921".to_owned(),
            sector: sector as i32,
            ..bodies::mine_registered(name, operator)
        };
        let registered = ledger.draft("registrar", Role::Registrar, mine(name), Message::MineRegistered(body));
        let registered = registered.hand("registrar-2").at(YEAR_BEFORE);
        record(&mut ledger, &registered, &[]).unwrap();
        let scope = Scope { mines: vec![mine(name).id().to_vec()], ..Scope::default() };
        let granted = RoleGranted {
            role: Role::Mine as i32,
            scope: Some(scope),
            from: day(2000, 1, 1),
            ..RoleGranted::default()
        };
        ledger.by_registrar(organisation(operator).subject(), Message::RoleGranted(granted));
        engage(&mut ledger, operator);
    }
    for (person, valid_until) in [("chen", day(2030, 1, 1)), ("wu", day(2026, 4, 30)), ("sun", None)] {
        for organisation_name in ["company", "contractor", "neighbour"] {
            let kinds = if person == "sun" { &[][..] } else { &["安全监测监控作业", "井下电气作业"][..] };
            let mut key = staff_key(&format!("{organisation_name}/{person}"));
            key.certificates = kinds
                .iter()
                .map(|kind| Certificate { kind: (*kind).to_owned(), number_digest: vec![5; 32], valid_until })
                .collect();
            ledger.by_registrar(organisation(organisation_name).subject(), Message::KeyAdded(key));
        }
    }
    for (name, kind, parent, air) in PLACES {
        let body = PlaceCreated {
            name: (*name).to_owned(),
            kind: *kind as i32,
            parent: if parent.is_empty() { Vec::new() } else { node(parent).to_vec() },
            air: *air as i32,
            position_code: String::new(),
        };
        let mut draft = ledger.draft("company", Role::Mine, mine("coal"), Message::PlaceCreated(body)).at(YEAR_BEFORE);
        draft.event_id = Some(node(name));
        record(&mut ledger, &draft, &[]).unwrap();
    }
    publish(&mut ledger);
    marks(&mut ledger);
    ledger.now += 7 * HOUR;
    ledger
}

/// Opens a publication; its id is that of the event.
pub(crate) fn open(
    ledger: &mut Ledger,
    who: (&str, Role),
    kind: SubjectKind,
    body: Message,
    at: i64,
) -> Option<SubjectId> {
    let count = u64::try_from(ledger.log.len()).unwrap();
    let mut id = crate::life::event_id(at, count);
    id[9] = 0x77;
    let subject = SubjectId::new(kind, id);
    let mut draft = ledger.draft(who.0, who.1, subject, body).at(at);
    draft.event_id = Some(id);
    record(ledger, &draft, &[]).ok().map(|_| subject)
}

fn publish(ledger: &mut Ledger) {
    let nation = published(PublicationLayer::Nation, day(2025, 1, 1));
    let kind = SubjectKind::Publication;
    let by = ("regulator", Role::Regulator);
    for body in [
        Message::CategoriesPublished(categories()),
        Message::SchedulePublished(SchedulePublished { publication: Some(nation), rows: schedule() }),
        Message::PhaseOutPublished(phase_out()),
    ] {
        assert_eq!(body_kind(&body).stage(), tally_core::event::kind::Stage::Publication);
        open(ledger, by, kind, body, YEAR_BEFORE + DAY).unwrap();
    }
}

fn body_kind(body: &Message) -> EventKind {
    EventKind::of(body)
}

fn marks(ledger: &mut Ledger) {
    let mut issue = |number: &str, category: &str, change: &dyn Fn(&mut MarkIssued)| {
        let mut body = MarkIssued {
            certificate: Some(certificate(category)),
            valid_until: day(2026, 6, 30),
            ..bodies::mark_issued(number, "maker牌", "M1")
        };
        change(&mut body);
        let subject = SubjectId::mark(number).unwrap();
        let draft = ledger.draft("authority", Role::MarkAuthority, subject, Message::MarkIssued(body)).at(YEAR_BEFORE);
        record(ledger, &draft, &[]).unwrap();
    };
    for kind in KINDS {
        issue(kind.mark, kind.category, &|_| {});
    }
    issue(BATCH, "", &|body| {
        body.kind = MarkKind::Batch as i32;
        body.valid_until = None;
        body.serials = vec!["1".to_owned(), "3".to_owned(), "5".to_owned()];
    });
    issue(TRIAL, "", &|body| {
        body.kind = MarkKind::Trial as i32;
        body.trial_mines = vec![mine("coal").id().to_vec()];
        body.valid_until = day(2026, 8, 31);
    });
    issue(NON_COAL, "", &|body| {
        body.certificate.as_mut().unwrap().scope.as_mut().unwrap().sectors = vec![MineSector::NonCoal as i32];
    });
}
