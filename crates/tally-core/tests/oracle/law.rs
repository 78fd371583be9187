//! What is in force, plainly: for an instant and a mine, walk all publications.

use std::collections::BTreeMap;

use tally_core::{
    event::day,
    rule::RULES,
    state::{Recorded, mine, publication},
    time::Timestamp,
};
use tally_proto::v1::{
    CategoryRow, IntervalUnit, PhaseOutRow, PublicationLayer, ScheduleRow, SelectorRow, Severity,
    statement::Body as Message,
};

use crate::chronicle::Log;

/// What is in force at an instant, where a machine stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Law {
    parameters: BTreeMap<(String, String), String>,
    pub(crate) categories: BTreeMap<String, CategoryRow>,
    pub(crate) selectors: BTreeMap<String, SelectorRow>,
    pub(crate) phase_out: BTreeMap<String, PhaseOutRow>,
    pub(crate) schedule: BTreeMap<String, ScheduleRow>,
}

fn starts(day_of: Option<&tally_proto::v1::Day>) -> i64 {
    day_of.and_then(day).and_then(|day| day.starts()).map_or(i64::MIN, Timestamp::micros)
}

impl Law {
    /// Reading: a publication counts from its first day, whenever it was put on the ledger, until the day of its
    /// withdrawal. The nearest counts (mine before group before area before nation), among equals the one that began
    /// last. Of schedules the strictest of the layers counts: shortest interval, least tolerance, gravest.
    pub(crate) fn at(log: &Log<'_>, at_us: i64, mine_id: &[u8]) -> Self {
        let (mut area, mut operator) = (String::new(), Vec::new());
        if let Some(state) = log.mine(mine_id) {
            for profile in state.profiles.iter().filter(|profile| profile.from_us <= at_us) {
                area = profile.area_code.clone();
                operator = profile.operator.clone();
            }
        }
        let mut counted = Vec::new();
        for published in log.publications() {
            let withdrawn = published.withdrawn.as_ref().map_or(i64::MAX, |(day, _)| starts(Some(day)));
            let from_us = starts(published.publication.from.as_ref());
            if at_us < from_us || at_us >= withdrawn {
                continue;
            }
            let nearness = match published.publication.layer() {
                PublicationLayer::Mine if published.publication.mine == mine_id => 1_000,
                PublicationLayer::Group if published.publisher.as_bytes()[..] == operator[..] => 100,
                PublicationLayer::Area if area.starts_with(&published.publication.area) => {
                    published.publication.area.len()
                }
                PublicationLayer::Nation | PublicationLayer::Unspecified => 0,
                PublicationLayer::Mine | PublicationLayer::Group | PublicationLayer::Area => continue,
            };
            counted.push(((nearness, from_us, published.evidence.position), published));
        }
        counted.sort_by_key(|(rank, _)| *rank);
        let mut law = Self::default();
        let mut layers: BTreeMap<(String, usize), ScheduleRow> = BTreeMap::new();
        for ((nearness, ..), published) in counted {
            match &published.body {
                Message::PolicyPublished(body) => {
                    for parameter in &body.parameters {
                        let key = (parameter.rule.clone(), parameter.key.clone());
                        law.parameters.insert(key, parameter.value.clone());
                    }
                }
                Message::SchedulePublished(body) => {
                    for row in &body.rows {
                        layers.insert((row.code.clone(), nearness), row.clone());
                    }
                }
                Message::CategoriesPublished(body) => {
                    for row in &body.categories {
                        law.categories.insert(row.code.clone(), row.clone());
                    }
                    for row in &body.selectors {
                        law.selectors.insert(row.code.clone(), row.clone());
                    }
                }
                Message::PhaseOutPublished(body) => {
                    for row in &body.rows {
                        law.phase_out.insert(row.code.clone(), row.clone());
                    }
                }
                _ => panic!("no publication"),
            }
        }
        for ((code, _), row) in layers {
            let strictest = match law.schedule.remove(&code) {
                None => row,
                Some(farther) => {
                    let shorter = if hours(&row) < hours(&farther) { &row } else { &farther };
                    ScheduleRow {
                        tolerance_days: row.tolerance_days.min(farther.tolerance_days),
                        severity: row.severity.max(farther.severity),
                        ..shorter.clone()
                    }
                }
            };
            law.schedule.insert(code, strictest);
        }
        law
    }

    /// A parameter as text: as published, else the default of the rule's row.
    pub(crate) fn text(&self, rule: &str, key: &str) -> String {
        self.parameters.get(&(rule.to_owned(), key.to_owned())).cloned().unwrap_or_else(|| {
            let rule = RULES.iter().find(|row| row.code == rule).unwrap();
            rule.parameters.iter().find(|parameter| parameter.key == key).unwrap().default.to_text()
        })
    }

    pub(crate) fn number(&self, rule: &str, key: &str) -> i64 {
        self.text(rule, key).parse().unwrap()
    }

    pub(crate) fn severity(&self, rule: &str, key: &str) -> Severity {
        match self.text(rule, key).as_str() {
            "NOTE" => Severity::Note,
            "GENERAL" => Severity::General,
            "SERIOUS" => Severity::Serious,
            "MAJOR" => Severity::Major,
            other => panic!("{other} is no severity"),
        }
    }

    pub(crate) fn is_ex(&self, category: &str) -> bool {
        self.categories.get(category).is_some_and(|row| row.ex_check)
    }
}

/// About how long an interval is; only to compare two.
fn hours(row: &ScheduleRow) -> u64 {
    let one = match row.unit() {
        IntervalUnit::Once | IntervalUnit::Unspecified => return u64::MAX,
        IntervalUnit::Shift => 8,
        IntervalUnit::Day => 24,
        IntervalUnit::Week => 168,
        IntervalUnit::Month => 730,
        IntervalUnit::Year => 8_766,
    };
    one * u64::from(row.interval)
}

/// All publications below a size.
pub(crate) fn publications(log: &[Recorded], size: u64) -> Vec<publication::Published> {
    let mut subjects: Vec<_> = log
        .iter()
        .map(|event| event.candidate.statement().subject)
        .filter(|subject| subject.kind() == tally_core::id::SubjectKind::Publication)
        .collect();
    subjects.sort();
    subjects.dedup();
    let instant = tally_core::state::Instant { size, ..tally_core::state::Instant::ALL };
    subjects
        .iter()
        .filter_map(|subject| {
            let events: Vec<Recorded> =
                log.iter().filter(|event| event.candidate.statement().subject == *subject).cloned().collect();
            publication::fold(subject, &events, instant)
        })
        .collect()
}

/// A mine as all entries below a size tell it.
pub(crate) fn mine_of(
    log: &[Recorded],
    subject: &tally_core::id::SubjectId,
    size: u64,
) -> Option<tally_proto::v1::Mine> {
    let events: Vec<Recorded> =
        log.iter().filter(|event| event.candidate.statement().subject == *subject).cloned().collect();
    mine::fold(subject, &events, tally_core::state::Instant { size, ..tally_core::state::Instant::ALL })
}
