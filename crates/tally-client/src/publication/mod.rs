//! Publications as tables that people edit: reading them into the rows of bodies, and writing bodies back
//!
//! A table is comma-separated values with one line of column names, which are the fields of the rows in
//! `publication.proto`. [`read`] looks at every line and reports every problem with its line and column; of a table that has
//! one, nothing is used. [`write()`] gives a table that reads back as it was. [`defaults`] are the tables that a ledger starts
//! with.
//!
//! | table | body |
//! | --- | --- |
//! | schedule | `SchedulePublished.rows` |
//! | categories, selectors | `CategoriesPublished.categories`, `.selectors` |
//! | phase-out | `PhaseOutPublished.rows` |
//! | policy | `PolicyPublished.parameters` |
//!
//! `docs/publications.md` explains the columns to whoever fills them in.

mod cell;
mod criteria;
pub mod defaults;
mod report;
mod rows;
mod words;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use prost::Message;
use serde_json::{Value, json};
use tally_core::{
    event::{EventKind, UncheckedBody},
    statement::PAYLOAD_BYTES_MAX,
};
use tally_proto::v1::{
    CategoriesPublished, CategoryRow, Criteria, Day, PhaseOutBan, PhaseOutPublished, PhaseOutRow, PolicyPublished,
    Publication, PublicationLayer, RuleParameter, SchedulePublished, ScheduleRow, SelectorRow, statement::Body,
};
pub use tally_upload::input::Encoding;
use tally_upload::{
    csv::{self, Column, Row},
    report::{CheckError, Fault as Foreign, Report, UseError, Weight},
};

use self::{cell::Cells, rows::Written};
use crate::json::{self, JsonError};

pub use report::{Fault, PROBLEMS_MAX, Problem, TableError, WriteError};

/// Longest table in bytes: 256 rows of 16 alternatives each have room in it, and no event holds so much.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of a payload that are kept for what is no body: ids, names, hands.
const ENVELOPE_BYTES: usize = 4_000;

/// A kind of table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableKind {
    /// Work that falls due. 检修周期
    Schedule,
    /// Categories of equipment. 类别
    Categories,
    /// Groups of equipment that schedules speak of. 设备组
    Selectors,
    /// A phase-out list. 淘汰目录
    PhaseOut,
    /// Parameters of rules. 规则参数
    Policy,
}

impl TableKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Schedule, Self::Categories, Self::Selectors, Self::PhaseOut, Self::Policy];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Categories => "categories",
            Self::Selectors => "selectors",
            Self::PhaseOut => "phase-out",
            Self::Policy => "policy",
        }
    }

    /// Its columns, in the order in which they are written.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Schedule => rows::SCHEDULE,
            Self::Categories => rows::CATEGORIES,
            Self::Selectors => &rows::SELECTORS,
            Self::PhaseOut => &rows::PHASE_OUT,
            Self::Policy => rows::POLICY,
        }
    }
}

/// The rows of a table: sorted, and each as the ledger takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Work that falls due.
    Schedule(Vec<ScheduleRow>),
    /// Categories.
    Categories(Vec<CategoryRow>),
    /// Groups.
    Selectors(Vec<SelectorRow>),
    /// Entries of a phase-out list.
    PhaseOut(Vec<PhaseOutRow>),
    /// Parameters of rules.
    Policy(Vec<RuleParameter>),
}

impl Rows {
    /// The kind of table that they make.
    #[must_use]
    pub const fn kind(&self) -> TableKind {
        match self {
            Self::Schedule(_) => TableKind::Schedule,
            Self::Categories(_) => TableKind::Categories,
            Self::Selectors(_) => TableKind::Selectors,
            Self::PhaseOut(_) => TableKind::PhaseOut,
            Self::Policy(_) => TableKind::Policy,
        }
    }

    /// How many there are; a code with several alternatives is one.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Schedule(rows) => rows.len(),
            Self::Categories(rows) => rows.len(),
            Self::Selectors(rows) => rows.len(),
            Self::PhaseOut(rows) => rows.len(),
            Self::Policy(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body that publishes these rows alone. Only a phase-out list has the name `list`.
    #[must_use]
    pub fn into_body(self, publication: Publication, list: String) -> Body {
        let publication = Some(publication);
        match self {
            Self::Schedule(rows) => Body::SchedulePublished(SchedulePublished { publication, rows }),
            Self::Categories(categories) => {
                Body::CategoriesPublished(CategoriesPublished { publication, categories, selectors: Vec::new() })
            }
            Self::Selectors(selectors) => {
                Body::CategoriesPublished(CategoriesPublished { publication, categories: Vec::new(), selectors })
            }
            Self::PhaseOut(rows) => Body::PhaseOutPublished(PhaseOutPublished { publication, list, rows }),
            Self::Policy(parameters) => Body::PolicyPublished(PolicyPublished { publication, parameters }),
        }
    }

    /// The rows as JSON, in the member that a body has for them.
    ///
    /// # Errors
    /// As of [`json::to_json`].
    pub fn to_json(&self) -> Result<Value, JsonError> {
        fn list<M: Message>(name: &str, rows: &[M]) -> Result<Value, JsonError> {
            rows.iter().map(|row| json::to_json(name, row)).collect()
        }
        Ok(match self {
            Self::Schedule(rows) => json!({ "rows": list("tally.v1.ScheduleRow", rows)? }),
            Self::Categories(rows) => json!({ "categories": list("tally.v1.CategoryRow", rows)? }),
            Self::Selectors(rows) => json!({ "selectors": list("tally.v1.SelectorRow", rows)? }),
            Self::PhaseOut(rows) => json!({ "rows": list("tally.v1.PhaseOutRow", rows)? }),
            Self::Policy(rows) => json!({ "parameters": list("tally.v1.RuleParameter", rows)? }),
        })
    }

    /// The tables of a body; none where it publishes nothing.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds publish nothing")]
    pub fn of_body(body: &Body) -> Vec<Self> {
        match body {
            Body::SchedulePublished(body) => vec![Self::Schedule(body.rows.clone())],
            Body::CategoriesPublished(body) => {
                let tables = [Self::Categories(body.categories.clone()), Self::Selectors(body.selectors.clone())];
                tables.into_iter().filter(|table| !table.is_empty()).collect()
            }
            Body::PhaseOutPublished(body) => vec![Self::PhaseOut(body.rows.clone())],
            Body::PolicyPublished(body) => vec![Self::Policy(body.parameters.clone())],
            _ => Vec::new(),
        }
    }
}

/// A table that was read: nothing about it is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its rows.
    pub rows: Rows,
    /// What whoever publishes it should look at.
    pub notes: Vec<Problem>,
}

/// Which kind of table it is, by the names of its columns; the nearest where none fits.
///
/// # Errors
/// [`TableError::TooLong`]; [`TableError::Read`].
pub fn recognise(input: impl Read, encoding: Encoding) -> Result<TableKind, TableError> {
    let bytes = whole(input)?;
    let mut best = (u64::MAX, TableKind::Schedule);
    for kind in TableKind::ALL {
        let wrong = match csv::read_table(Cursor::new(&bytes), kind.columns(), csv::Options { encoding }) {
            Ok(_) => 0,
            Err(CheckError::Refused(report)) => {
                let names = ["COLUMN_UNKNOWN", "COLUMN_MISSING"];
                names.iter().filter_map(|code| report.counts().get(code)).map(|count| count.refusals).sum()
            }
            Err(CheckError::Read(error)) => return Err(TableError::Read(error)),
        };
        if wrong < best.0 {
            best = (wrong, kind);
        }
    }
    Ok(best.1)
}

/// Reads a table. Memory is bounded by [`FILE_BYTES_MAX`].
///
/// # Errors
/// [`TableError::Refused`] with every problem by line and column; [`TableError::TooLong`]; [`TableError::Read`].
pub fn read(kind: TableKind, input: impl Read, encoding: Encoding) -> Result<Table, TableError> {
    let bytes = whole(input)?;
    let (found, mut notes) = foreign_rows(&bytes, kind.columns(), encoding)?;
    let mut reading = Reading { problems: Vec::new() };
    let rows = match kind {
        TableKind::Schedule => {
            let rows = reading.rows(&found, rows::schedule, |row| row.code.clone(), |row| Rows::Schedule(vec![row]));
            Rows::Schedule(rows)
        }
        TableKind::Categories => {
            let rows = reading.rows(&found, rows::category, |row| row.code.clone(), |row| Rows::Categories(vec![row]));
            Rows::Categories(rows)
        }
        TableKind::Policy => {
            let key = |row: &RuleParameter| (row.rule.clone(), row.key.clone());
            Rows::Policy(reading.rows(&found, rows::parameter, key, |row| Rows::Policy(vec![row])))
        }
        TableKind::Selectors => Rows::Selectors(reading.selectors(&found)),
        TableKind::PhaseOut => Rows::PhaseOut(reading.phase_out(&found)),
    };
    if reading.problems.is_empty() {
        reading.whole(&rows);
    }
    if !reading.problems.is_empty() {
        reading.problems.sort_by_key(|problem| problem.line);
        return Err(TableError::Refused(reading.problems));
    }
    notes.extend(unknown_codes(&found));
    notes.sort_by_key(|note| note.line);
    Ok(Table { rows, notes })
}

/// Writes rows as a table; `mark` puts a byte order mark first, without which common spreadsheets show Chinese as nonsense.
///
/// # Errors
/// [`WriteError`] names what no table can hold.
pub fn write(rows: &Rows, mark: bool) -> Result<Vec<u8>, WriteError> {
    let mut writer = csv::Writer::open(Vec::new(), rows.kind().columns(), mark)?;
    let mut put = |code: &str, written: Written| {
        let written = written.map_err(|(column, why)| WriteError::Field { code: code.to_owned(), column, why })?;
        for row in written {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            writer.write(&cells).map_err(|source| WriteError::Row { code: code.to_owned(), source })?;
        }
        Ok::<(), WriteError>(())
    };
    match rows {
        Rows::Schedule(rows) => rows.iter().try_for_each(|row| put(&row.code, rows::schedule_cells(row)))?,
        Rows::Categories(rows) => rows.iter().try_for_each(|row| put(&row.code, rows::category_cells(row)))?,
        Rows::Selectors(rows) => rows.iter().try_for_each(|row| put(&row.code, rows::selector_cells(row)))?,
        Rows::PhaseOut(rows) => rows.iter().try_for_each(|row| put(&row.code, rows::phase_out_cells(row)))?,
        Rows::Policy(rows) => rows.iter().try_for_each(|row| put(&row.rule, rows::parameter_cells(row)))?,
    }
    Ok(writer.finish()?)
}

fn whole(input: impl Read) -> Result<Vec<u8>, TableError> {
    let mut bytes = Vec::new();
    input.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(TableError::Read)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TableError::TooLong { bytes_max: FILE_BYTES_MAX });
    }
    Ok(bytes)
}

/// Rows of good form, by the names of their columns, and what is to be noted about them.
fn foreign_rows(
    bytes: &[u8],
    columns: &'static [Column],
    encoding: Encoding,
) -> Result<(Vec<Row>, Vec<Problem>), TableError> {
    let checked =
        csv::read_table(Cursor::new(bytes), columns, csv::Options { encoding }).map_err(|error| match error {
            CheckError::Refused(report) => TableError::Refused(foreign(&report, Weight::Refusal)),
            CheckError::Read(error) => TableError::Read(error),
        })?;
    let notes = foreign(checked.report(), Weight::Note);
    let changed = |error| match error {
        UseError::Read(error) => TableError::Read(error),
        UseError::Changed => TableError::Read(std::io::Error::other(UseError::Changed)),
    };
    let rows = checked.rows().map_err(changed)?.collect::<Result<Vec<_>, _>>().map_err(changed)?;
    Ok((rows, notes))
}

fn foreign(report: &Report, weight: Weight) -> Vec<Problem> {
    let problems = match weight {
        Weight::Refusal => report.problems(),
        Weight::Note => report.notes(),
    };
    // Spreadsheets need the mark, and tables are written for them.
    let problems = problems.iter().filter(|problem| problem.fault != Foreign::ByteOrderMark).map(|problem| Problem {
        line: problem.place.line,
        column: problem.field,
        fault: Fault::Foreign(problem.fault.clone()),
    });
    problems.collect()
}

/// A publication that nothing is wrong with: rows are checked as the ledger will check them, before anybody says where and
/// since when they count.
fn stand_in() -> Publication {
    Publication {
        title: "-".to_owned(),
        layer: PublicationLayer::Nation.into(),
        from: Some(Day { year: 2000, month: 1, day: 1 }),
        ..Publication::default()
    }
}

struct Reading {
    problems: Vec<Problem>,
}

impl Reading {
    fn push(&mut self, problems: impl IntoIterator<Item = Problem>) {
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        self.problems.extend(problems.into_iter().take(room));
    }

    /// Rows of which each has a code of its own.
    fn rows<T: Clone, K: Ord>(
        &mut self,
        found: &[Row],
        read: impl Fn(&mut Cells<'_>) -> T,
        key: impl Fn(&T) -> K,
        alone: impl Fn(T) -> Rows,
    ) -> Vec<T> {
        let mut rows: BTreeMap<K, (u64, T)> = BTreeMap::new();
        for row in found {
            let mut cells = Cells::new(row);
            let value = read(&mut cells);
            check(&mut cells, alone(value.clone()));
            let key = key(&value);
            match rows.get(&key) {
                Some((line, _)) => {
                    cells.fault("", Fault::RowTwice { code: row_code(row), line: *line });
                }
                None => drop(rows.insert(key, (row.line(), value))),
            }
            self.push(cells.finish());
        }
        rows.into_values().map(|(_, row)| row).collect()
    }

    fn selectors(&mut self, found: &[Row]) -> Vec<SelectorRow> {
        let mut selectors = Vec::new();
        for alternatives in self.grouped(found, rows::SELECTOR_HEAD) {
            let several = alternatives.len() > 1;
            let mut whole: Option<SelectorRow> = None;
            for row in alternatives {
                let mut cells = Cells::new(row);
                let head = whole.take().unwrap_or_else(|| rows::selector(&mut cells));
                let asked = criteria::read(&mut cells);
                if several && asked.is_none() {
                    cells.fault("categories", Fault::NoCriteria);
                }
                let alone: Vec<Criteria> = asked.into_iter().collect();
                check(&mut cells, Rows::Selectors(vec![SelectorRow { any_of: alone.clone(), ..head.clone() }]));
                self.push(cells.finish());
                let any_of = [head.any_of, alone].concat();
                whole = Some(SelectorRow { any_of, ..head });
            }
            selectors.extend(whole);
        }
        selectors
    }

    fn phase_out(&mut self, found: &[Row]) -> Vec<PhaseOutRow> {
        let mut entries = Vec::new();
        for alternatives in self.grouped(found, rows::PHASE_OUT_HEAD) {
            let several = alternatives.len() > 1;
            let mut whole: Option<PhaseOutRow> = None;
            for row in alternatives {
                let mut cells = Cells::new(row);
                let head = whole.take().unwrap_or_else(|| rows::phase_out(&mut cells));
                let ban = rows::ban(&mut cells);
                if several && ban.is_none() {
                    cells.fault("categories", Fault::NoCriteria);
                }
                let alone: Vec<PhaseOutBan> = ban.into_iter().collect();
                check(&mut cells, Rows::PhaseOut(vec![PhaseOutRow { bans: alone.clone(), ..head.clone() }]));
                self.push(cells.finish());
                let bans = [head.bans, alone].concat();
                whole = Some(PhaseOutRow { bans, ..head });
            }
            entries.extend(whole);
        }
        entries
    }

    /// The rows of each code in the order of their numbers, the codes sorted: a spreadsheet may have sorted them otherwise.
    fn grouped<'a>(&mut self, found: &'a [Row], head: &[&'static str]) -> Vec<Vec<&'a Row>> {
        let mut groups: BTreeMap<&str, Vec<(u32, &Row)>> = BTreeMap::new();
        for row in found {
            let mut cells = Cells::new(row);
            let number = cells.number(rows::OR, u32::MAX);
            self.push(cells.finish());
            groups.entry(row.get("code").unwrap_or_default()).or_default().push((number, row));
        }
        let mut sorted = Vec::with_capacity(groups.len());
        for (code, mut group) in groups {
            group.sort_by_key(|(number, row)| (*number, row.line()));
            let rows = group.len();
            let numbered = group.iter().zip(1..).all(|((number, _), due)| *number == due);
            let alone = matches!(group.as_slice(), [(0, _)]);
            if let Some((_, first)) = group.first()
                && !numbered
                && !alone
            {
                let fault = Fault::Numbering { code: code.to_owned(), rows };
                self.push([Problem { line: first.line(), column: rows::OR, fault }]);
            }
            if let Some(((_, first), further)) = group.split_first() {
                for (_, row) in further {
                    self.push(head.iter().filter_map(|column| differs(first, row, column, code)));
                }
            }
            sorted.push(group.into_iter().map(|(_, row)| row).collect());
        }
        sorted
    }

    /// What only the whole table shows: the number of its rows, and whether an event holds it.
    fn whole(&mut self, rows: &Rows) {
        let body = rows.clone().into_body(stand_in(), "-".to_owned());
        let unchecked = UncheckedBody::from(body);
        if let Err(error) = unchecked.check() {
            self.push(error.problems().iter().map(|problem| Problem {
                line: 0,
                column: "",
                fault: Fault::Form(problem.to_string()),
            }));
        }
        let (bytes, bytes_max) = (unchecked.encode().1.len(), PAYLOAD_BYTES_MAX - ENVELOPE_BYTES);
        if bytes > bytes_max {
            self.push([Problem { line: 0, column: "", fault: Fault::TooLong { bytes, bytes_max } }]);
        }
    }
}

/// What a further row of a code says otherwise than the first.
fn differs(first: &Row, row: &Row, column: &'static str, code: &str) -> Option<Problem> {
    let found = row.get(column).filter(|found| first.get(column) != Some(found))?;
    let fault = Fault::Differs { found: found.to_owned(), code: code.to_owned() };
    Some(Problem { line: row.line(), column, fault })
}

fn row_code(row: &Row) -> String {
    match (row.get("code"), row.get("rule"), row.get("key")) {
        (Some(code), ..) => code.to_owned(),
        (None, Some(rule), Some(key)) => format!("{rule} {key}"),
        (None, ..) => String::new(),
    }
}

/// Checks a row as the ledger will, and says in which column it finds something.
fn check(cells: &mut Cells<'_>, alone: Rows) {
    let kind = alone.kind();
    let Err(error) = UncheckedBody::from(alone.into_body(stand_in(), "-".to_owned())).check() else { return };
    let (event, containers): (EventKind, &[&str]) = match kind {
        TableKind::Schedule => (EventKind::SchedulePublished, &["rows."]),
        TableKind::Categories => (EventKind::CategoriesPublished, &["categories."]),
        TableKind::Selectors => (EventKind::CategoriesPublished, &["selectors.any_of.", "selectors."]),
        TableKind::PhaseOut => (EventKind::PhaseOutPublished, &["rows.bans.criteria.", "rows.bans.", "rows."]),
        TableKind::Policy => (EventKind::PolicyPublished, &["parameters."]),
    };
    for problem in error.problems() {
        let path = problem.field.strip_prefix(event.field()).and_then(|path| path.strip_prefix('.'));
        let within = path.and_then(|path| containers.iter().find_map(|container| path.strip_prefix(container)));
        let name = within.and_then(|path| path.split('.').next()).unwrap_or_default();
        let column = kind.columns().iter().find(|column| column.name == name).map_or("", |column| column.name);
        // What the cell itself was found to be comes first: its field is empty now.
        let known = if column.is_empty() { cells.has_problems() } else { cells.is_bad(column) };
        if !known {
            cells.fault(column, Fault::Form(problem.problem.to_string()));
        }
    }
}

/// Codes of categories and selectors that neither the defaults nor the table itself have: a slip of the pen judges nothing.
fn unknown_codes(found: &[Row]) -> Vec<Problem> {
    let own: Vec<&str> = found.iter().filter_map(|row| row.get("code")).collect();
    let known = defaults::codes();
    let mut notes = Vec::new();
    for row in found {
        for column in ["applies_to", "categories", "inside"] {
            let mut cells = Cells::new(row);
            for code in cells.list(column) {
                if !own.contains(&code.as_str()) && !known.contains(&code) {
                    notes.push(Problem { line: row.line(), column, fault: Fault::NotKnown { found: code } });
                }
            }
        }
    }
    notes.truncate(PROBLEMS_MAX);
    notes
}

/// Bytes of a body; what an event holds besides is little.
#[must_use]
pub fn body_bytes(body: &Body) -> usize {
    UncheckedBody::from(body.clone()).encode().1.len()
}
