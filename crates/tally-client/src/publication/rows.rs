//! Rows of the five tables, there and back: which column is which field

use tally_core::rule::{self, Value};
use tally_proto::v1::{CategoryRow, Criteria, PhaseOutBan, PhaseOutRow, RuleParameter, ScheduleRow, SelectorRow};
use tally_upload::csv::Column;

use super::{
    cell::{self, Cells},
    criteria::{self, list},
    report::Fault,
    words::{self, FIRST_DUES, IDENTITIES, MARKS, STATES, UNITS, WORKS, YES},
};

/// Rows of a table, cell by cell; the column that has no cell, and why.
pub(super) type Written = Result<Vec<Vec<String>>, (&'static str, String)>;

pub(super) const SCHEDULE: &[Column] = &[
    Column::text("code").filled(),
    Column::text("applies_to").filled(),
    Column::text("work").filled(),
    Column::text("name_zh").filled(),
    Column::text("name_en").filled(),
    Column::text("interval").filled(),
    Column::text("unit").filled(),
    Column::text("first_due").filled(),
    Column::text("tolerance_days"),
    list("by").filled(),
    Column::text("standard"),
    Column::text("condition"),
    Column::text("severity").filled(),
    Column::text("source"),
    Column::text("mark"),
];

pub(super) fn schedule(cells: &mut Cells<'_>) -> ScheduleRow {
    ScheduleRow {
        code: cells.text("code").to_owned(),
        applies_to: cells.text("applies_to").to_owned(),
        work: cells.word("work", WORKS),
        name_zh: cells.text("name_zh").to_owned(),
        name_en: cells.text("name_en").to_owned(),
        interval: cells.number("interval", u32::MAX),
        unit: cells.word("unit", UNITS),
        first_due: cells.word("first_due", FIRST_DUES),
        tolerance_days: cells.number("tolerance_days", 366),
        by: cells.words("by", &words::roles()),
        standard: cells.text("standard").to_owned(),
        condition: cells.text("condition").to_owned(),
        severity: cells.word("severity", &words::severities()),
        source: cells.text("source").to_owned(),
        mark: cells.word("mark", MARKS),
    }
}

pub(super) fn schedule_cells(row: &ScheduleRow) -> Written {
    Ok(vec![vec![
        row.code.clone(),
        row.applies_to.clone(),
        words::to_cell("work", WORKS, row.work)?,
        row.name_zh.clone(),
        row.name_en.clone(),
        row.interval.to_string(),
        words::to_cell("unit", UNITS, row.unit)?,
        words::to_cell("first_due", FIRST_DUES, row.first_due)?,
        row.tolerance_days.to_string(),
        words::list_to_cell("by", &words::roles(), &row.by)?,
        row.standard.clone(),
        row.condition.clone(),
        words::to_cell("severity", &words::severities(), row.severity)?,
        row.source.clone(),
        words::to_cell("mark", MARKS, row.mark)?,
    ]])
}

pub(super) const CATEGORIES: &[Column] = &[
    Column::text("code").filled(),
    Column::text("group").filled(),
    Column::text("name_zh").filled(),
    Column::text("name_en").filled(),
    Column::text("identity_kind").filled(),
    list("usage_measures"),
    Column::text("ex_check").filled(),
    Column::text("place"),
    list("slots"),
    list("plate_keys"),
    Column::text("mark_managed").filled(),
    Column::text("mark"),
];

pub(super) fn category(cells: &mut Cells<'_>) -> CategoryRow {
    CategoryRow {
        code: cells.text("code").to_owned(),
        group: cells.text("group").to_owned(),
        name_zh: cells.text("name_zh").to_owned(),
        name_en: cells.text("name_en").to_owned(),
        identity_kind: cells.word("identity_kind", IDENTITIES),
        usage_measures: cells.set("usage_measures"),
        ex_check: cells.word("ex_check", YES) == 1,
        place: cells.text("place").to_owned(),
        slots: cells.slots("slots"),
        plate_keys: cells.set("plate_keys"),
        mark_managed: cells.word("mark_managed", YES) == 1,
        mark: cells.word("mark", MARKS),
    }
}

pub(super) fn category_cells(row: &CategoryRow) -> Written {
    Ok(vec![vec![
        row.code.clone(),
        row.group.clone(),
        row.name_zh.clone(),
        row.name_en.clone(),
        words::to_cell("identity_kind", IDENTITIES, row.identity_kind)?,
        cell::texts_to_cell(&row.usage_measures),
        words::to_cell("ex_check", YES, row.ex_check.into())?,
        row.place.clone(),
        cell::slots_to_cell(&row.slots),
        cell::texts_to_cell(&row.plate_keys),
        words::to_cell("mark_managed", YES, row.mark_managed.into())?,
        words::to_cell("mark", MARKS, row.mark)?,
    ]])
}

/// The column that numbers alternatives.
pub(super) const OR: &str = "or";

pub(super) static SELECTORS: [Column; 22] = joined(
    &[
        Column::text("code").filled(),
        Column::text(OR),
        Column::text("name_zh").required(),
        Column::text("means").required(),
    ],
    &criteria::COLUMNS,
    &[],
);

/// Columns that only the first alternative fills.
pub(super) const SELECTOR_HEAD: &[&str] = &["name_zh", "means"];

pub(super) fn selector(cells: &mut Cells<'_>) -> SelectorRow {
    SelectorRow {
        code: cells.text("code").to_owned(),
        name_zh: cells.text("name_zh").to_owned(),
        means: cells.text("means").to_owned(),
        any_of: Vec::new(),
    }
}

pub(super) fn selector_cells(row: &SelectorRow) -> Written {
    let none = [Criteria::default()];
    let alternatives = if row.any_of.is_empty() { &none[..] } else { &row.any_of };
    let rows = alternatives.iter().zip(1..).map(|(alternative, number)| {
        let first = |text: &String| if number == 1 { text.clone() } else { String::new() };
        let or = numbering(number, alternatives.len());
        let head = vec![row.code.clone(), or, first(&row.name_zh), first(&row.means)];
        Ok([head, criteria::write(alternative)?].concat())
    });
    rows.collect()
}

pub(super) static PHASE_OUT: [Column; 31] = joined(
    &[
        Column::text("code").filled(),
        Column::text(OR),
        Column::text("batch"),
        Column::text("document_no"),
        Column::text("name_zh").required(),
        Column::text("name_en").required(),
        Column::text("reason"),
        Column::text("scope"),
        Column::text("from").required(),
    ],
    &criteria::COLUMNS,
    &[Column::text("replacement"), Column::text("state").required(), Column::text("mark"), Column::text("note")],
);

/// Columns that only the first ban fills.
pub(super) const PHASE_OUT_HEAD: &[&str] =
    &["batch", "document_no", "name_zh", "name_en", "reason", "scope", "replacement", "state", "mark", "note"];

pub(super) fn phase_out(cells: &mut Cells<'_>) -> PhaseOutRow {
    PhaseOutRow {
        code: cells.text("code").to_owned(),
        batch: cells.text("batch").to_owned(),
        document_no: cells.text("document_no").to_owned(),
        name_zh: cells.text("name_zh").to_owned(),
        name_en: cells.text("name_en").to_owned(),
        reason: cells.text("reason").to_owned(),
        scope: cells.text("scope").to_owned(),
        bans: Vec::new(),
        replacement: cells.text("replacement").to_owned(),
        state: cells.word("state", STATES),
        mark: cells.word("mark", MARKS),
        note: cells.text("note").to_owned(),
    }
}

/// The ban of a row; `None` where it has none.
pub(super) fn ban(cells: &mut Cells<'_>) -> Option<PhaseOutBan> {
    let written = !cells.text("from").is_empty();
    let from = cells.day("from");
    let criteria = criteria::read(cells);
    match (written, &criteria) {
        (false, None) => return None,
        (true, Some(_)) => {}
        (true, None) => cells.fault("categories", Fault::HalfABan { has: "a day" }),
        (false, Some(_)) => cells.fault("from", Fault::HalfABan { has: "criteria" }),
    }
    Some(PhaseOutBan { from, criteria })
}

pub(super) fn phase_out_cells(row: &PhaseOutRow) -> Written {
    let none = [PhaseOutBan::default()];
    let bans = if row.bans.is_empty() { &none[..] } else { &row.bans };
    let rows = bans.iter().zip(1..).map(|(ban, number)| {
        let first = |text: &String| if number == 1 { text.clone() } else { String::new() };
        let word = |column, known, value| {
            if number == 1 { words::to_cell(column, known, value) } else { Ok(String::new()) }
        };
        let head = vec![
            row.code.clone(),
            numbering(number, bans.len()),
            first(&row.batch),
            first(&row.document_no),
            first(&row.name_zh),
            first(&row.name_en),
            first(&row.reason),
            first(&row.scope),
            cell::day_to_cell(ban.from.as_ref()),
        ];
        let asked = criteria::write(&ban.criteria.clone().unwrap_or_default())?;
        let tail = vec![
            first(&row.replacement),
            word("state", STATES, row.state)?,
            word("mark", MARKS, row.mark)?,
            first(&row.note),
        ];
        Ok([head, asked, tail].concat())
    });
    rows.collect()
}

pub(super) const POLICY: &[Column] = &[
    Column::text("rule").filled(),
    Column::text("key").filled(),
    Column::text("value").filled(),
    // For people: it is not published.
    Column::text("note"),
];

pub(super) fn parameter(cells: &mut Cells<'_>) -> RuleParameter {
    let text = |column: &str| cells.text(column).to_owned();
    let (rule, key, value) = (text("rule"), text("key"), text("value"));
    // In the body severities stand in capitals and days with hyphens; a table has them as the other tables do.
    let value = match default_of(&rule, &key) {
        Some(Value::Severity(_)) => {
            let known = words::severities();
            let name = words::number_of(&known, &value).and_then(|number| words::name_of(&known, number));
            name.map_or(value, |name| name.to_uppercase())
        }
        Some(Value::Day(..)) => cell::day(&value).map_or(value, |day| cell::day_to_cell(Some(&day))),
        Some(Value::Number(_)) | None => value,
    };
    RuleParameter { rule, key, value }
}

fn default_of(rule: &str, key: &str) -> Option<Value> {
    let parameters = rule::by_code(rule)?.parameters;
    parameters.iter().find(|parameter| parameter.key == key).map(|parameter| parameter.default)
}

pub(super) fn parameter_cells(row: &RuleParameter) -> Written {
    let known = rule::by_code(&row.rule);
    let parameter = known.and_then(|rule| rule.parameters.iter().find(|parameter| parameter.key == row.key));
    let note = known.zip(parameter).map(|(rule, parameter)| match parameter.default {
        Value::Number(_) => format!("{}; {} to {}", rule.zh, parameter.min, parameter.max),
        Value::Severity(_) => format!("{}; NOTE, GENERAL, SERIOUS, MAJOR", rule.zh),
        Value::Day(..) => format!("{}; a day", rule.zh),
    });
    Ok(vec![vec![row.rule.clone(), row.key.clone(), row.value.clone(), note.unwrap_or_default()]])
}

fn numbering(number: u32, of: usize) -> String {
    if of > 1 { number.to_string() } else { String::new() }
}

/// Columns of three parts, one behind the other.
#[expect(clippy::mem_replace_with_default, reason = "`take` cannot run before the program does")]
const fn joined<const N: usize>(head: &[Column], middle: &[Column], tail: &[Column]) -> [Column; N] {
    let mut columns = [Column::text(""); N];
    let mut rest: &mut [Column] = &mut columns;
    let mut parts: &[&[Column]] = &[head, middle, tail];
    while let Some((part, others)) = parts.split_first() {
        let mut part = *part;
        while let Some((column, further)) = part.split_first() {
            if let Some((place, free)) = std::mem::replace(&mut rest, &mut []).split_first_mut() {
                *place = *column;
                rest = free;
            }
            part = further;
        }
        parts = others;
    }
    columns
}
