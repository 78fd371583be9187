//! What is in force: the publications that count at an instant, for where a question is asked.
//!
//! Parameters and phase-out entries: the nearest publication counts, among equals the latest. Schedules have layers
//! (nation, area, group, mine): of each the latest row, and of all layers the strictest. Categories and groups: the
//! latest.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tally_proto::v1::{
    CategoryRow, IntervalUnit, PhaseOutRow, ScheduleRow, SelectorRow, Severity, statement::Body as Message,
};

use super::{Value, by_code, check_parameter};
use crate::state::publication::{Published, Reach};

/// What is in force, by number of the epoch and tree size.
type Epochs = HashMap<(usize, u64), Arc<InForce>>;

/// Every publication that is on record.
#[derive(Debug, Default)]
pub struct Publications {
    all: Vec<Published>,
    /// Instants at which what is in force may change, sorted and unique.
    changes: Vec<i64>,
    /// Tree size that knows all of them.
    size: u64,
    /// What was worked out before, for each reach.
    known: Mutex<HashMap<Reach, Epochs>>,
}

/// What is in force at an instant, for one reach.
#[derive(Debug, Default, PartialEq)]
pub struct InForce {
    parameters: BTreeMap<(String, String), Value>,
    /// Scheduled work, by code.
    pub schedule: Vec<ScheduleRow>,
    /// Categories, by code.
    pub categories: BTreeMap<String, CategoryRow>,
    /// Groups of equipment, by code.
    pub selectors: BTreeMap<String, SelectorRow>,
    /// Entries of phase-out lists, by code.
    pub phase_out: Vec<PhaseOutRow>,
    /// When the next publication begins or ends to count; the greatest there is for never.
    pub next_us: i64,
}

impl InForce {
    /// A number: as published, else the default of the rule's row.
    pub fn number(&self, rule: &str, key: &str) -> i64 {
        match self.value(rule, key) {
            Some(Value::Number(number)) => number,
            Some(Value::Severity(_) | Value::Day(..)) | None => 0,
        }
    }

    /// A severity.
    pub fn severity(&self, rule: &str, key: &str) -> Severity {
        match self.value(rule, key) {
            Some(Value::Severity(severity)) => severity,
            Some(Value::Number(_) | Value::Day(..)) | None => Severity::Unspecified,
        }
    }

    /// The first instant of a day; the greatest there is where there is none.
    pub fn day_starts(&self, rule: &str, key: &str) -> i64 {
        match self.value(rule, key) {
            Some(Value::Day(year, month, day)) => crate::time::Day::new(year, month, day)
                .and_then(crate::time::Day::starts)
                .map_or(i64::MAX, crate::time::Timestamp::micros),
            Some(Value::Number(_) | Value::Severity(_)) | None => i64::MAX,
        }
    }

    fn value(&self, rule: &str, key: &str) -> Option<Value> {
        // A look that allocates nothing: there are few published parameters.
        let published = self.parameters.iter().find(|((of, name), _)| of == rule && name == key);
        published.map(|(_, value)| *value).or_else(|| {
            let row = by_code(rule)?;
            row.parameters.iter().find(|parameter| parameter.key == key).map(|parameter| parameter.default)
        })
    }
}

impl Publications {
    /// All publications; the order does not matter.
    pub fn new(mut all: Vec<Published>) -> Self {
        all.sort_by_key(|published| published.evidence.position);
        let mut changes: Vec<i64> =
            all.iter().map(Published::from_us).chain(all.iter().flat_map(Published::ends_us)).collect();
        changes.retain(|change| *change != i64::MAX);
        changes.sort_unstable();
        changes.dedup();
        let published = all.iter().map(|published| published.evidence.position);
        let withdrawn = all.iter().flat_map(|published| &published.withdrawals);
        let size = published.chain(withdrawn.map(|(_, evidence)| evidence.position)).max().map_or(0, |last| last + 1);
        Self { all, changes, size, known: Mutex::default() }
    }

    /// The publications themselves, in the order in which they were recorded.
    pub fn all(&self) -> &[Published] {
        &self.all
    }

    /// What is in force at an instant, by the entries below `size`.
    pub fn in_force(&self, at_us: i64, size: u64, reach: &Reach) -> Arc<InForce> {
        let epoch = self.changes.partition_point(|change| *change <= at_us);
        // Sizes past the last publication know the same.
        let last = self.size;
        let key = (epoch, size.min(last));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(in_force) = known.get(reach).and_then(|of_reach| of_reach.get(&key)) {
            return Arc::clone(in_force);
        }
        let in_force = Arc::new(self.resolve(at_us, size, reach));
        // Bounded: a question about every mine at every past size must not fill the memory.
        if known.len() >= 4_096 {
            known.clear();
        }
        let of_reach = known.entry(reach.clone()).or_default();
        if of_reach.len() >= 256 {
            of_reach.clear();
        }
        of_reach.insert(key, Arc::clone(&in_force));
        in_force
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds publish nothing")]
    fn resolve(&self, at_us: i64, size: u64, reach: &Reach) -> InForce {
        let mut counted: Vec<(u8, &Published)> = self
            .all
            .iter()
            .filter(|published| published.evidence.position < size)
            .filter(|published| published.from_us() <= at_us && at_us < published.until_us(size))
            .filter_map(|published| Some((published.nearness(reach)?, published)))
            .collect();
        // Later ones overwrite: the farthest first, among equals the earliest.
        counted.sort_by_key(|(nearness, published)| (*nearness, published.from_us(), published.evidence.position));
        let mut in_force = InForce { next_us: self.next_change(at_us), ..InForce::default() };
        let mut layers: BTreeMap<(String, u8), ScheduleRow> = BTreeMap::new();
        let mut phase_out: BTreeMap<String, PhaseOutRow> = BTreeMap::new();
        for (nearness, published) in counted {
            match &published.body {
                Message::PolicyPublished(body) => {
                    for parameter in &body.parameters {
                        if let Ok(value) = check_parameter(&parameter.rule, &parameter.key, &parameter.value) {
                            in_force.parameters.insert((parameter.rule.clone(), parameter.key.clone()), value);
                        }
                    }
                }
                Message::SchedulePublished(body) => {
                    for row in &body.rows {
                        layers.insert((row.code.clone(), nearness), row.clone());
                    }
                }
                Message::CategoriesPublished(body) => {
                    for row in &body.categories {
                        in_force.categories.insert(row.code.clone(), row.clone());
                    }
                    for row in &body.selectors {
                        in_force.selectors.insert(row.code.clone(), row.clone());
                    }
                }
                Message::PhaseOutPublished(body) => {
                    for row in &body.rows {
                        phase_out.insert(row.code.clone(), row.clone());
                    }
                }
                _ => {}
            }
        }
        for ((code, _), row) in layers {
            match in_force.schedule.last_mut().filter(|last| last.code == code) {
                Some(last) => *last = strictest(last, &row),
                None => in_force.schedule.push(row),
            }
        }
        in_force.phase_out = phase_out.into_values().collect();
        in_force
    }

    fn next_change(&self, at_us: i64) -> i64 {
        let next = self.changes.partition_point(|change| *change <= at_us);
        self.changes.get(next).copied().unwrap_or(i64::MAX)
    }
}

/// The stricter of two rows of one code: the shorter interval, the shorter tolerance, the graver finding.
fn strictest(left: &ScheduleRow, right: &ScheduleRow) -> ScheduleRow {
    let shorter = if interval_days(right) < interval_days(left) { right } else { left };
    ScheduleRow {
        tolerance_days: left.tolerance_days.min(right.tolerance_days),
        severity: left.severity.max(right.severity),
        ..shorter.clone()
    }
}

/// Length of an interval in days, for comparison only; a third of a day is a shift.
fn interval_days(row: &ScheduleRow) -> f64 {
    let one = match row.unit() {
        IntervalUnit::Unspecified | IntervalUnit::Once => return f64::INFINITY,
        IntervalUnit::Shift => 1.0 / 3.0,
        IntervalUnit::Day => 1.0,
        IntervalUnit::Week => 7.0,
        IntervalUnit::Month => 30.4,
        IntervalUnit::Year => 365.25,
    };
    f64::from(row.interval) * one
}
