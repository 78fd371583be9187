//! Tables of publications: the defaults against the tables of the trade, what is read and written back, what is refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail by panic, too")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Cursor,
    path::PathBuf,
};

use tally_client::publication::{
    Encoding, FILE_BYTES_MAX, Fault, Rows, TableError, TableKind, body_bytes, defaults, read, recognise, write,
};
use tally_core::{
    event::UncheckedBody,
    rule::{self, RULES},
    text::normalise,
};
use tally_proto::v1::{
    Attribute, CategoryRow, Criteria, Day, FirstDue, GasGrade, IdentityKind, IntervalUnit, Measure, PhaseOutBan,
    PhaseOutRow, PhaseOutState, PlaceKind, PlateBound, Presence, Publication, PublicationLayer, Role, RuleParameter,
    ScheduleRow, ScheduledWork, SelectorRow, Severity, Slot, SourceMark, statement::Body,
};
use tally_upload::csv::{Column, Options, Row, read_table};

const DAY: Day = Day { year: 2026, month: 1, day: 1 };

fn default_rows(kind: TableKind) -> Rows {
    defaults::rows(kind).unwrap_or_else(|error| panic!("{kind:?}: {error:?}"))
}

fn schedule() -> Vec<ScheduleRow> {
    let Rows::Schedule(rows) = default_rows(TableKind::Schedule) else { panic!() };
    rows
}

fn categories() -> Vec<CategoryRow> {
    let Rows::Categories(rows) = default_rows(TableKind::Categories) else { panic!() };
    rows
}

fn selectors() -> Vec<SelectorRow> {
    let Rows::Selectors(rows) = default_rows(TableKind::Selectors) else { panic!() };
    rows
}

fn phase_out() -> Vec<PhaseOutRow> {
    let Rows::PhaseOut(rows) = default_rows(TableKind::PhaseOut) else { panic!() };
    rows
}

/// Every problem of a table that is refused, as people read it.
fn problems(kind: TableKind, text: &str) -> Vec<String> {
    problems_of(kind, text.as_bytes(), Encoding::Utf8)
}

fn problems_of(kind: TableKind, bytes: &[u8], encoding: Encoding) -> Vec<String> {
    match read(kind, bytes, encoding) {
        Err(TableError::Refused(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?} was not refused"),
    }
}

#[track_caller]
fn assert_says(problems: &[String], parts: &[&str]) {
    for part in parts {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part:?} is not said in {problems:#?}");
    }
}

// ---- the defaults

#[test]
fn default_tables_are_as_they_are_written() {
    for kind in TableKind::ALL {
        let written = String::from_utf8(write(&default_rows(kind), false).unwrap()).unwrap().replace("\r\n", "\n");
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("data")
            .join(format!("{}.csv", kind.name().replace('-', "")));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, &written).unwrap();
        }
        let differs = defaults::text(kind).lines().zip(written.lines()).find(|(stands, due)| stands != due);
        assert_eq!(differs, None, "UPDATE_GOLDEN=1 rewrites {}", file.display());
        assert_eq!(defaults::text(kind), written);
    }
}

#[test]
fn columns_have_names_and_each_its_own() {
    for kind in TableKind::ALL {
        let names: BTreeSet<&str> = kind.columns().iter().map(|column| column.name).collect();
        assert_eq!(names.len(), kind.columns().len(), "{kind:?}");
        assert!(!names.contains(""), "{kind:?}");
    }
}

#[test]
fn the_document_explains_every_column() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/publications.md");
    let document = fs::read_to_string(path).unwrap();
    for kind in TableKind::ALL {
        for column in kind.columns() {
            assert!(document.contains(&format!("`{}`", column.name)), "{kind:?}: {} is not explained", column.name);
        }
    }
    // Its examples are tables that pass.
    let tables: Vec<&str> = document.split("```csv\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(tables.len(), 3);
    for table in tables {
        let kind = recognise(table.as_bytes(), Encoding::Utf8).unwrap();
        let read = read(kind, table.as_bytes(), Encoding::Utf8).unwrap();
        assert_eq!(read.notes, [], "{table}");
    }
}

#[test]
fn default_bodies_are_four_that_the_ledger_takes() {
    let bodies = defaults::bodies(DAY).unwrap();
    let kinds: Vec<_> = bodies.iter().map(|body| tally_core::event::EventKind::of(body).name()).collect();
    assert_eq!(kinds, ["CategoriesPublished", "SchedulePublished", "PhaseOutPublished", "PolicyPublished"]);
    for body in bodies {
        UncheckedBody::from(body.clone()).check().unwrap();
        assert!(body_bytes(&body) < 40_000, "{} bytes leave no room to grow", body_bytes(&body));
    }
}

#[test]
fn default_tables_note_nothing() {
    for kind in TableKind::ALL {
        let table = read(kind, defaults::text(kind).as_bytes(), Encoding::Utf8).unwrap();
        assert_eq!(table.notes, [], "{kind:?}");
        assert_eq!(recognise(defaults::text(kind).as_bytes(), Encoding::Utf8).unwrap(), kind);
    }
}

#[test]
fn default_parameters_are_those_of_the_rules() {
    let Rows::Policy(parameters) = default_rows(TableKind::Policy) else { panic!() };
    let found: BTreeMap<_, _> =
        parameters.iter().map(|row| ((row.rule.as_str(), row.key.as_str()), row.value.clone())).collect();
    let due: BTreeMap<_, _> = RULES
        .iter()
        .flat_map(|rule| rule.parameters.iter().map(|parameter| (rule.code, parameter)))
        .map(|(rule, parameter)| ((rule, parameter.key), parameter.default.to_text()))
        .collect();
    assert_eq!(found, due);
}

#[test]
fn schedules_speak_only_of_categories_and_selectors_that_are_published() {
    let known: BTreeSet<String> =
        categories().into_iter().map(|row| row.code).chain(selectors().into_iter().map(|row| row.code)).collect();
    for row in schedule() {
        assert!(known.contains(&row.applies_to), "{} applies to {}", row.code, row.applies_to);
    }
    let codes: BTreeSet<String> = categories().into_iter().map(|row| row.code).collect();
    let bans = phase_out().into_iter().flat_map(|row| row.bans).filter_map(|ban| ban.criteria);
    for asked in bans.chain(selectors().into_iter().flat_map(|row| row.any_of)) {
        for code in asked.categories.iter().chain(&asked.inside) {
            assert!(codes.contains(code), "{code} is no category");
        }
        for model in asked.model_prefixes.iter().chain(&asked.models).chain(&asked.component_prefixes) {
            assert_eq!(normalise(model).as_ref(), Ok(model));
        }
    }
}

#[test]
fn explosion_proof_selector_names_the_categories_that_are_checked() {
    let selectors = selectors();
    let selector = selectors.iter().find(|row| row.code == "EX_ELECTRICAL").unwrap();
    let checked: Vec<String> = categories().into_iter().filter(|row| row.ex_check).map(|row| row.code).collect();
    assert_eq!(selector.any_of.len(), 1);
    assert_eq!(selector.any_of[0].categories, checked);
    assert_eq!(selector.any_of[0].ex_mark(), Presence::Given);
}

#[test]
fn what_the_ledger_cannot_tell_bans_nothing_and_says_so() {
    for row in phase_out() {
        if row.bans.is_empty() {
            assert!(row.note.contains("no criteria") || row.note.contains("not seen"), "{}: {}", row.code, row.note);
        }
        for ban in &row.bans {
            assert!(ban.from.is_some_and(|from| from.year > 2006), "{}", row.code);
        }
    }
    let helmets = phase_out().into_iter().find(|row| row.code == "PO-2006-12").unwrap();
    assert_eq!(helmets.bans, []);
    let mine = selectors().into_iter().find(|row| row.code == "MINE_VENT").unwrap();
    assert_eq!(mine.any_of, []);
}

// ---- the tables of the trade, where they are at hand

/// Rows of a table of the trade, by the names of its columns; `None` where the tables are not at hand.
fn trade(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    // They lie beside the vectors.
    let Some(vectors) = std::env::var_os("TALLY_VECTORS").map(PathBuf::from) else {
        eprintln!("skipped: TALLY_VECTORS is not set");
        return None;
    };
    let path = vectors.join("../domain").join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    let names = text.lines().next().unwrap().split(',');
    let columns = names.map(|name| Column::text(Box::leak(name.to_owned().into_boxed_str())));
    let columns: &'static [Column] = Vec::leak(columns.collect());
    let checked = read_table(Cursor::new(text), columns, Options::default()).unwrap();
    let row = |row: Row| {
        let fields = columns.iter().map(|column| (column.name.to_owned(), row.get(column.name).unwrap_or_default()));
        fields.map(|(name, field)| (name, field.to_owned())).collect()
    };
    Some(checked.rows().unwrap().map(|read| row(read.unwrap())).collect())
}

fn mark_of(text: &str) -> SourceMark {
    match text.chars().next() {
        Some('S') => SourceMark::Seen,
        Some('G') => SourceMark::General,
        Some('T') => SourceMark::Own,
        other => panic!("{other:?} is no mark"),
    }
}

fn split(text: &str) -> Vec<String> {
    let mut texts: Vec<String> = text.split(';').filter(|text| *text != "-").map(str::to_owned).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn every_row_of_the_trades_schedule_is_in_ours() {
    let Some(trade) = trade("schedule.csv") else { return };
    let ours: BTreeMap<String, ScheduleRow> = schedule().into_iter().map(|row| (row.code.clone(), row)).collect();
    assert_eq!((trade.len(), ours.len()), (61, 61));
    for row in trade {
        let code = &row["code"];
        let own = ours.get(code).unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!(own.applies_to, row["applies_to"], "{code}");
        assert_eq!(own.work(), ScheduledWork::from_str_name(&format!("SCHEDULED_WORK_{}", row["work"])).unwrap());
        assert_eq!((&own.name_zh, &own.name_en), (&row["name_zh"], &row["name_en"]));
        assert_eq!(own.interval.to_string(), row["interval_value"], "{code}");
        let unit = format!("INTERVAL_UNIT_{}", row["interval_unit"].to_uppercase());
        assert_eq!(own.unit(), IntervalUnit::from_str_name(&unit).unwrap(), "{code}");
        assert_eq!(own.tolerance_days.to_string(), row["tolerance_days"], "{code}");
        let mut roles: Vec<Role> = row["by"]
            .split('|')
            .map(|role| Role::from_str_name(&format!("ROLE_{}", role.to_uppercase())).unwrap())
            .collect();
        roles.sort_unstable();
        assert_eq!(own.by().collect::<Vec<_>>(), roles, "{code}");
        assert_eq!(own.standard, row["standard"], "{code}");
        assert!(own.condition.ends_with(&row["condition_zh"]), "{code}: {}", own.condition);
        let severity = Severity::from_str_name(&format!("SEVERITY_{}", row["severity_if_overdue"]));
        assert_eq!(own.severity(), severity.unwrap(), "{code}");
        assert_eq!((&own.source, own.mark()), (&row["source"], mark_of(&row["mark"])), "{code}");
        let due = match row["first_due"].as_str() {
            "in use" | "first issue" | "before rainy season" => FirstDue::InUse,
            "before EnteredMine" => FirstDue::BeforeEntry,
            "before commissioning" | "before first use" => FirstDue::BeforeCommissioning,
            "before Resumed" => FirstDue::BeforeResumption,
            "produced_on" => FirstDue::ProducedOn,
            "received" => FirstDue::Received,
            "on hanging" => FirstDue::Installed,
            "12 months after hanging" => FirstDue::YearAfterInstalled,
            other => panic!("{code}: {other} is not mapped"),
        };
        assert_eq!(own.first_due(), due, "{code}");
    }
}

#[test]
fn every_category_of_the_trade_is_in_ours() {
    let Some(trade) = trade("categories.csv") else { return };
    let ours: BTreeMap<String, CategoryRow> = categories().into_iter().map(|row| (row.code.clone(), row)).collect();
    assert_eq!((trade.len(), ours.len()), (50, 50));
    for row in trade {
        let code = &row["code"];
        let own = ours.get(code).unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!((&own.group, &own.name_zh, &own.name_en), (&row["group"], &row["zh"], &row["en"]));
        let identity = IdentityKind::from_str_name(&format!("IDENTITY_KIND_{}", row["identity"]));
        assert_eq!(own.identity_kind(), identity.unwrap(), "{code}");
        assert_eq!(own.usage_measures, split(&row["usage_measure"]), "{code}");
        assert_eq!(own.plate_keys, split(&row["plate_keys"]), "{code}");
        assert_eq!((own.ex_check, own.mark_managed), (row["ex_check"] != "N", row["mark_managed"] == "Y"), "{code}");
        assert_eq!((&own.place, own.mark()), (&row["where"], mark_of(&row["source"])), "{code}");
        // What the trade writes with blanks and slashes is a slot each here; each of ours comes from there.
        let slots = &row["typical_slots (C=controlled)"];
        let controlled = slots.matches("C)").count();
        assert!(own.slots.iter().filter(|slot| slot.controlled).count() >= controlled, "{code}: {slots}");
        assert_eq!(own.slots.is_empty(), slots == "-", "{code}");
    }
}

#[test]
fn every_selector_of_the_trade_is_in_ours() {
    let Some(trade) = trade("selectors.csv") else { return };
    let ours: BTreeMap<String, String> = selectors().into_iter().map(|row| (row.code, row.name_zh)).collect();
    let due: BTreeMap<String, String> =
        trade.into_iter().map(|row| (row["selector"].clone(), row["zh"].clone())).collect();
    assert_eq!((due.len(), ours), (20, due));
}

#[test]
fn every_entry_of_the_trades_phase_out_lists_is_in_ours() {
    let Some(trade) = trade("phaseout.csv") else { return };
    let ours: BTreeMap<String, PhaseOutRow> = phase_out().into_iter().map(|row| (row.code.clone(), row)).collect();
    assert_eq!((trade.len(), ours.len()), (29, 29));
    for row in trade {
        let code = &row["code"];
        let own = ours.get(code).unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!((&own.name_zh, &own.name_en), (&row["name_zh"], &row["name_en"]));
        let batch = row["batch"].replace(" (non-coal)", "");
        assert_eq!(own.batch, format!("{} {batch}", row["list"]), "{code}");
        assert_eq!((&own.document_no, &own.reason), (&row["doc_no"], &row["reason_zh"]), "{code}");
        assert_eq!((&own.scope, &own.replacement), (&row["scope_zh"], &row["replacement_zh"]), "{code}");
        let state = PhaseOutState::from_str_name(&format!("PHASE_OUT_STATE_{}", row["status"])).unwrap();
        assert_eq!((own.state(), own.mark()), (state, mark_of(&row["mark"])), "{code}");
        let told =
            !row["match_hint"].is_empty() && row["match_hint"] != "not tracked" && !row["list"].contains("非金属");
        assert_eq!(!own.bans.is_empty(), told, "{code}: {}", row["match_hint"]);
    }
}

#[test]
fn every_parameter_of_the_trades_rules_has_its_default() {
    let Some(trade) = trade("rules.csv") else { return };
    assert_eq!(trade.len(), RULES.len());
    let mut compared = 0;
    for row in trade {
        for (key, value) in row["params"].split(';').filter_map(|parameter| parameter.split_once('=')) {
            let rule = rule::by_code(&row["code"]).unwrap();
            // Where one parameter of the trade is several here, its test is that of the rules.
            if let Some(parameter) = rule.parameters.iter().find(|parameter| parameter.key == key) {
                let due = if value == "true" { "1" } else { value };
                if !due.contains('/') {
                    assert_eq!(parameter.default.to_text(), due, "{} {key}", rule.code);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 20, "{compared} parameters were compared");
}

// ---- there and back

fn round_trip(rows: &Rows) {
    for mark in [false, true] {
        let written = write(rows, mark).unwrap();
        let read = read(rows.kind(), written.as_slice(), Encoding::Utf8);
        let read = read.unwrap_or_else(|error| panic!("{error:#?}\n{}", String::from_utf8_lossy(&written)));
        assert_eq!(&read.rows, rows, "{}", String::from_utf8_lossy(&written));
        assert_eq!(write(&read.rows, mark).unwrap(), written);
    }
}

fn measure(key: &str, digits: i64, scale: u32, unit: &str) -> Option<Measure> {
    Some(Measure { key: key.to_owned(), digits, scale, unit: unit.to_owned() })
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Criteria with everything in them, and with whatever a table could stumble over.
fn awkward() -> Criteria {
    Criteria {
        categories: texts(&["A;B", "BELT"]),
        groups: texts(&["A", "L"]),
        model_prefixes: texts(&["=SUM(A1)", "DW\\10"]),
        models: texts(&["-320", "A,B", "“ZY3”"]),
        component_prefixes: texts(&["JDB"]),
        slots: texts(&["[C]", "防坠器"]),
        sits_in_slots: texts(&["a=b", "安全阀"]),
        inside: texts(&["SKIP_CAGE"]),
        functions: texts(&["升降人员", "；"]),
        attributes: vec![
            Attribute { key: "a=b".to_owned(), value: "c;d=e".to_owned() },
            Attribute { key: "core".to_owned(), value: "Al".to_owned() },
        ],
        plate: vec![
            PlateBound {
                key: "level_m".to_owned(),
                min: measure("level_m", -5, 1, "m"),
                max: measure("level_m", 1140, 0, "m"),
            },
            PlateBound { key: "p<q".to_owned(), min: None, max: measure("p<q", 100, 2, "") },
            PlateBound { key: "bare".to_owned(), min: None, max: None },
        ],
        ex_mark: Presence::Given.into(),
        mark_no: Presence::Missing.into(),
        ex_mark_parts: texts(&["Exd"]),
        ex_mark_parts_not: texts(&["IB", "ib"]),
        gas_grades: vec![GasGrade::Low.into(), GasGrade::Outburst.into()],
        places: vec![PlaceKind::Level.into(), PlaceKind::Face.into()],
        places_not: vec![PlaceKind::Surface.into(), PlaceKind::Store.into()],
    }
}

#[test]
fn tables_read_back_as_the_bodies_that_they_were_written_from() {
    for kind in TableKind::ALL {
        round_trip(&default_rows(kind));
    }
    let selector = SelectorRow {
        code: "=X".to_owned(),
        name_zh: "\"引号\",逗号".to_owned(),
        means: "@all".to_owned(),
        any_of: vec![awkward(), Criteria { groups: texts(&["B"]), ..Criteria::default() }],
    };
    round_trip(&Rows::Selectors(vec![selector]));
    let entry = PhaseOutRow {
        code: "P1".to_owned(),
        name_zh: "煤电钻".to_owned(),
        name_en: "drill".to_owned(),
        bans: vec![
            PhaseOutBan { from: Some(DAY), criteria: Some(awkward()) },
            PhaseOutBan { from: Some(Day { year: 2027, ..DAY }), criteria: Some(awkward()) },
        ],
        state: PhaseOutState::Ended.into(),
        ..PhaseOutRow::default()
    };
    round_trip(&Rows::PhaseOut(vec![entry]));
    let slot = |name: &str, controlled, mandatory| Slot { name: name.to_owned(), controlled, mandatory };
    let category = CategoryRow {
        code: "C".to_owned(),
        group: "A".to_owned(),
        name_zh: "甲".to_owned(),
        name_en: "a".to_owned(),
        identity_kind: IdentityKind::Lot.into(),
        slots: vec![slot("制动器(湿式)", true, true), slot("[C]", false, false), slot("b;c", false, true)],
        ..CategoryRow::default()
    };
    round_trip(&Rows::Categories(vec![category]));
}

#[test]
fn what_no_cell_can_hold_is_not_written() {
    let bound = PlateBound { key: "a".to_owned(), min: measure("b", 1, 0, ""), max: None };
    let row = SelectorRow {
        code: "X".to_owned(),
        any_of: vec![Criteria { plate: vec![bound], ..Criteria::default() }],
        ..SelectorRow::default()
    };
    let error = write(&Rows::Selectors(vec![row]), false).unwrap_err().to_string();
    assert_eq!(error, "X: plate cannot be written into a table: a bound of a names b");
    let row = RuleParameter { rule: "EX-002".to_owned(), key: "valid_days".to_owned(), value: "a\tb".to_owned() };
    assert!(write(&Rows::Policy(vec![row]), false).is_err());
}

#[test]
fn bodies_give_their_tables() {
    let tables: Vec<TableKind> =
        defaults::bodies(DAY).unwrap().iter().flat_map(Rows::of_body).map(|rows| rows.kind()).collect();
    use TableKind::{Categories, PhaseOut, Policy, Schedule, Selectors};
    assert_eq!(tables, [Categories, Selectors, Schedule, PhaseOut, Policy]);
    assert_eq!(Rows::of_body(&Body::Noted(tally_proto::v1::Noted::default())), []);
    for body in defaults::bodies(DAY).unwrap() {
        for rows in Rows::of_body(&body) {
            let publication = Publication {
                title: "t".to_owned(),
                layer: PublicationLayer::Nation.into(),
                from: Some(DAY),
                ..Publication::default()
            };
            UncheckedBody::from(rows.into_body(publication, "list".to_owned())).check().unwrap();
        }
    }
}

// ---- what is refused

const SCHEDULE_HEADER: &str = "code,applies_to,work,name_zh,name_en,interval,unit,first_due,tolerance_days,by,standard,condition,severity,source,mark\n";

#[test]
fn a_stricter_schedule_is_read_in_chinese_and_by_a_spreadsheets_habits() {
    let text = format!(
        "\u{FEFF}{SCHEDULE_HEADER}S-MON-01,CH4_SENSOR,调校,甲烷传感器调校,calibration,7,日,投用,,煤矿；检测检验机构,AQ 1029,,较大,本矿制度,s\n\n"
    );
    let table = read(TableKind::Schedule, text.as_bytes(), Encoding::Utf8).unwrap();
    let Rows::Schedule(rows) = table.rows else { panic!() };
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].work(), rows[0].unit(), rows[0].interval), (ScheduledWork::Calibrate, IntervalUnit::Day, 7));
    assert_eq!(rows[0].by().collect::<Vec<_>>(), [Role::Mine, Role::Laboratory]);
    assert_eq!((rows[0].severity(), rows[0].mark()), (Severity::Serious, SourceMark::Seen));
    assert_eq!(table.notes, []);

    let text = "rule,key,value\nMON-003,from,2025/7/1\nMARK-004,raise_to,较大\n";
    let Rows::Policy(rows) = read(TableKind::Policy, text.as_bytes(), Encoding::Utf8).unwrap().rows else { panic!() };
    let values: Vec<_> = rows.iter().map(|row| row.value.as_str()).collect();
    assert_eq!(values, ["SERIOUS", "2025-07-01"]);
}

#[test]
fn gb18030_is_read_where_it_is_said_and_refused_with_a_hint_where_not() {
    // 甲烷 in GB18030.
    let row = [b"S-X,CH4_SENSOR,test,", &[0xBC, 0xD7, 0xCD, 0xE9][..], b",x,7,day,in_use,0,mine,,,major,,\n"].concat();
    let bytes = [SCHEDULE_HEADER.as_bytes(), &row].concat();
    let table = read(TableKind::Schedule, bytes.as_slice(), Encoding::Gb18030).unwrap();
    let Rows::Schedule(rows) = table.rows else { panic!() };
    assert_eq!(rows[0].name_zh, "甲烷");
    assert_says(&problems_of(TableKind::Schedule, &bytes, Encoding::Utf8), &["line 2, column name_zh", "GB18030"]);
}

#[test]
fn every_problem_is_told_with_its_line_and_column_and_what_would_be_right() {
    let text = format!(
        "{SCHEDULE_HEADER}\
         S-1,CH4_SENSOR,tset,甲,a,7,day,in_use,0,mine,,,serious,,S\n\
         S-2,CH4_SENSOR,test,甲,a,-7,day,in_use,400,mine;mine,,,grave,,S\n\
         S-3,CH4_SENSOR,test,甲,a,0,day,in_use,0,miner,,,serious,,S\n\
         S-3,CH4_SENSOR,test,甲,a,30,year,in_use,0,mine;,,,serious,,S\n\
         S-4,CH4_SENSOR,test,{},a,1,day,in_use,0,mine,,,serious,,X\n",
        "甲".repeat(100)
    );
    let told = problems(TableKind::Schedule, &text);
    assert_says(
        &told,
        &[
            "line 2, column work: \"tset\" is none of its words; they are inspect 检查, test 检测检验",
            "line 3, column tolerance_days: \"400\" is no whole number from 0 to 366",
            "line 3, column by: \"mine;mine\" stands twice",
            "line 3, column severity: \"grave\" is none of its words; they are note 提示, general 一般",
            "line 4, column interval: is 0; 1 to 7320 of this unit are allowed",
            "line 4, column by: \"miner\" is none of its words",
            "line 5: \"S-3\" stands on line 4 already",
            "line 5, column interval: is 30; 1 to 20",
            "line 5, column by: has a semicolon with nothing before or behind it",
            "line 6, column name_zh: has 300 bytes; 1 to 256 are allowed",
            "line 6, column mark: \"X\" is none of its words; they are S, G, T",
        ],
    );
    assert!(told.iter().all(|problem| problem.starts_with("line ")), "{told:#?}");
    assert_eq!(told.iter().filter(|problem| problem.starts_with("line 2")).count(), 1, "{told:#?}");
}

#[test]
fn a_number_that_a_spreadsheet_would_run_is_refused() {
    let told = problems(
        TableKind::Schedule,
        &format!("{SCHEDULE_HEADER}=1+1,CH4_SENSOR,test,甲,a,7,day,in_use,0,mine,,,serious,,S\n"),
    );
    assert_says(&told, &["line 2, column code", "takes for a formula"]);
}

#[test]
fn columns_that_are_missing_or_misspelt_are_named() {
    let told = problems(TableKind::Policy, "rule,kee,value\nEX-002,valid_days,3\n");
    assert_says(
        &told,
        &["line 1: column \"kee\" is not known; \"key\" is the nearest", "line 1: column \"key\" is missing"],
    );
    assert_says(&problems(TableKind::Policy, ""), &["the file is empty"]);
    assert_says(&problems(TableKind::Policy, "rule;key;value\nEX-002;valid_days;3\n"), &["separated by ';'"]);
    assert_says(&problems(TableKind::Policy, "rule,key,value\n"), &["table: policy_published.parameters: has 0 items"]);
    assert_says(&problems(TableKind::Policy, "rule,key,value\nEX-002,\"valid\n"), &["a quoted field is not closed"]);
}

#[test]
fn parameters_that_no_rule_has_are_refused() {
    let told = problems(TableKind::Policy, "rule,key,value,note\nEX-002,valid_days,0,\nEX-099,x,1,\nEX-002,valid,1,\n");
    assert_says(
        &told,
        &["line 2", "EX-002 valid_days is 0; 1 to 365", "line 3", "EX-099 is no rule", "it has valid_days"],
    );
}

fn selector_table(rows: &[&str]) -> String {
    format!("code,or,name_zh,means,categories,attributes,plate,models,places\n{}\n", rows.join("\n"))
}

#[test]
fn alternatives_are_found_by_their_numbers_wherever_they_stand() {
    let table = selector_table(&["B,2,,,ROPE,,,,", "A,,甲,a,BELT,,,,", "B,1,乙,b,CABLE,core=Al,,,"]);
    let Rows::Selectors(rows) = read(TableKind::Selectors, table.as_bytes(), Encoding::Utf8).unwrap().rows else {
        panic!()
    };
    let codes: Vec<_> = rows.iter().map(|row| (row.code.as_str(), row.any_of.len())).collect();
    assert_eq!(codes, [("A", 1), ("B", 2)]);
    assert_eq!((rows[1].name_zh.as_str(), &rows[1].any_of[0].categories[..]), ("乙", &texts(&["CABLE"])[..]));
    assert_eq!(rows[1].any_of[1].categories, texts(&["ROPE"]));

    for (rows, due) in [
        (&["A,1,甲,a,BELT,,,,", "A,3,,,ROPE,,,,"][..], "column `or` must number them 1 to 2"),
        (&["A,,甲,a,BELT,,,,", "A,,,,ROPE,,,,"], "column `or` must number them 1 to 2"),
        (&["A,2,甲,a,BELT,,,,"], "column `or` must number them 1 to 1"),
        (
            &["A,1,甲,a,BELT,,,,", "A,2,乙,,ROPE,,,,"],
            "line 3, column name_zh: \"乙\" is not what the first row of \"A\" says",
        ),
        (&["A,1,甲,a,BELT,,,,", "A,2,,,,,,,"], "line 3, column categories: asks for nothing"),
        (&["A,x,甲,a,BELT,,,,"], "line 2, column or: \"x\" is no whole number"),
        (&["A,,,a,BELT,,,,"], "line 2, column name_zh: has 0 bytes; 1 to 128"),
        (&["A,,甲,a,BELT,core,,,"], "line 2, column attributes: \"core\" is no text of a plate"),
        (&["A,,甲,a,BELT,core=Al;core=Cu,,,"], "line 2, column attributes: \"core\" stands twice"),
        (
            &["A,,甲,a,BELT,,voltage_V=1140 V,,"],
            "line 2, column plate: \"voltage_V=1140 V\" are no bounds; write them like",
        ),
        (&["A,,甲,a,BELT,,voltage_V>=99999 V,,"], "line 2, column plate: 99999e-0 is not between 0 and 35000"),
        (&["A,,甲,a,BELT;BELT,,,,"], "line 2, column categories: \"BELT\" stands twice"),
        (&["A,,甲,a,,,,\u{E000},"], "line 2, column models: \"\\u{e000}\" cannot stand on a plate"),
        (&["A,,甲,a,,,,,moon"], "line 2, column places: \"moon\" is none of its words; they are surface 地面"),
    ] {
        assert_says(&problems(TableKind::Selectors, &selector_table(rows)), &[due]);
    }
}

#[test]
fn models_are_taken_in_their_normal_form() {
    let table = selector_table(&["A,,甲,a,,,,kj 1600×1220；ｚｙ３,"]);
    let Rows::Selectors(rows) = read(TableKind::Selectors, table.as_bytes(), Encoding::Utf8).unwrap().rows else {
        panic!()
    };
    assert_eq!(rows[0].any_of[0].models, texts(&["KJ1600X1220", "ZY3"]));
}

#[test]
fn codes_that_nothing_has_are_noted() {
    let table = selector_table(&["A,,甲,a,BELTT;A;BELT,,,,"]);
    let notes = read(TableKind::Selectors, table.as_bytes(), Encoding::Utf8).unwrap().notes;
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("line 2, column categories: \"BELTT\" is neither"), "{notes:?}");
}

#[test]
fn bans_have_a_day_and_criteria_or_neither() {
    let table = |row: &str| format!("code,or,name_zh,name_en,from,categories,state\n{row}\n");
    for (row, due) in [
        ("P1,,甲,a,2026-01-01,,in_force", "line 2, column categories: is empty, but the row has a day"),
        ("P1,,甲,a,,BELT,in_force", "line 2, column from: is empty, but the row has criteria"),
        ("P1,,甲,a,2026-13-01,BELT,in_force", "line 2, column from: \"2026-13-01\" is no day; write it like"),
        ("P1,,甲,a,1900-01-01,BELT,in_force", "line 2, column from: 1900-1-1 is no day between 1950 and 2200"),
        ("P1,,甲,a,2026-01-01,BELT,", "line 2, column state: is not given"),
        ("P1,,甲,a,2026-01-01,BELT,perhaps", "line 2, column state: \"perhaps\" is none of its words"),
    ] {
        let told = problems(TableKind::PhaseOut, &table(row));
        assert_says(&told, &[due]);
        assert_eq!(told.len(), 1, "{told:?}");
    }
    let Rows::PhaseOut(rows) =
        read(TableKind::PhaseOut, table("P1,,甲,a,,,draft").as_bytes(), Encoding::Utf8).unwrap().rows
    else {
        panic!()
    };
    assert_eq!(rows[0].bans, []);
}

#[test]
fn what_one_event_cannot_hold_is_refused_before_anything_is_signed() {
    let row = |number: u32| {
        format!(
            "S-{number:03},CH4_SENSOR,test,{},{},7,day,in_use,0,mine,,,serious,,S\n",
            "甲".repeat(85),
            "a".repeat(256)
        )
    };
    let table = |rows: u32| format!("{SCHEDULE_HEADER}{}", (0..rows).map(row).collect::<String>());
    assert!(read(TableKind::Schedule, table(90).as_bytes(), Encoding::Utf8).is_ok());
    assert_says(
        &problems(TableKind::Schedule, &table(200)),
        &["table: the rows take", "split the table into two publications"],
    );
    assert_says(&problems(TableKind::Schedule, &table(257)), &["has 257 items; 1 to 256 are allowed"]);
    let long = "x".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1);
    let error = read(TableKind::Schedule, long.as_bytes(), Encoding::Utf8).unwrap_err();
    assert!(matches!(error, TableError::TooLong { bytes_max: FILE_BYTES_MAX }));
}

#[test]
fn hostile_tables_are_refused_and_never_panic() {
    let good = defaults::text(TableKind::PhaseOut);
    let mut state = 1_u32;
    for _ in 0..300 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % bytes.len();
            let noise = b",;\"\n\\=<[\0\xFF\x80-";
            bytes[at] = noise[(state >> 8) as usize % noise.len()];
        }
        match read(TableKind::PhaseOut, bytes.as_slice(), Encoding::Utf8) {
            Ok(table) => {
                let body = table.rows.into_body(publication(), "list".to_owned());
                UncheckedBody::from(body).check().unwrap();
            }
            Err(TableError::Refused(problems)) => assert!(!problems.is_empty()),
            Err(other) => panic!("{other}"),
        }
    }
    let rows = "x,y,z\n".repeat(100_000);
    let told = problems(TableKind::Policy, &format!("rule,key,value\n{rows}"));
    assert_eq!(told.len(), tally_client::publication::PROBLEMS_MAX);
    assert!(matches!(Fault::NoCriteria.code(), "NO_CRITERIA"));
}

fn publication() -> Publication {
    Publication {
        title: "t".to_owned(),
        layer: PublicationLayer::Nation.into(),
        from: Some(DAY),
        ..Publication::default()
    }
}
