//! Questions about findings, marks and what falls due.

use std::collections::BTreeMap;

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::{
        self,
        judge::{Case, judge_events},
        verify::{Viewer, verify_machine, verify_mark},
    },
    state::Instant,
};
use tally_log::store::LogReader;
use tally_proto::v1::{
    DueItem, Equipment, Finding, FindingFilter, FindingGroup, Mark, Mine, Organisation, Severity, VerificationLine,
};

use crate::{
    Index, IndexError,
    docket::Count,
    equipment::stands_below,
    keys::{self, FindingListing},
    world::IndexWorld,
};

/// Findings of one page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindingPage {
    /// Findings, in the order of the list.
    pub findings: Vec<Finding>,
    /// Where the next page begins, if more follow.
    pub more_after: Option<Vec<u8>>,
}

/// What falls due, of one page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DuePage {
    /// Items, the soonest first.
    pub items: Vec<DueItem>,
    /// Whether more follow.
    pub more: bool,
}

impl Index {
    /// The instant up to which time has passed in the findings: microseconds since 1970 UTC.
    pub fn passed_us(&self) -> i64 {
        self.memory.passed_us()
    }

    /// The instant for which an answer by `case` holds: the one asked for, else that up to which time has passed.
    pub(crate) fn moment(&self, instant: Instant, case: &Case) -> i64 {
        if instant.as_of == Instant::ALL.as_of { self.passed_us().max(case.at_us()) } else { instant.as_of.micros() }
    }

    /// A safety mark at `instant`; `None` where it was not issued then.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn mark(&self, log: &LogReader, subject: &SubjectId, instant: Instant) -> Result<Option<Mark>, IndexError> {
        self.state_at(log, subject, instant)
    }

    /// The nine lines about a machine at `instant`, and its state; `None` where its chain was not open then.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn verify_machine(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
        viewer: Viewer,
    ) -> Result<Option<(Equipment, Vec<VerificationLine>)>, IndexError> {
        let Some(case) = self.case_at(log, subject, instant)? else { return Ok(None) };
        let world = IndexWorld::new(self, instant.size);
        let (Some(state), Some(facts)) = (case.machine(), case.facts()) else { return Ok(None) };
        let lines = verify_machine(state, facts, &world, self.moment(instant, &case), viewer);
        Ok(Some((state.clone(), lines)))
    }

    /// The nine lines about a mark alone at `instant`.
    pub fn verify_mark(&self, number: &str, at_us: i64, size: u64) -> Vec<VerificationLine> {
        verify_mark(number, &IndexWorld::new(self, size), at_us)
    }

    /// Findings that fit a filter at `instant`, at most `count` past `after`.
    ///
    /// By all that is on record they are read from the lists; by what was on record earlier the history of each machine is
    /// judged anew, for what was found then may never have been so.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn findings(
        &self,
        log: &LogReader,
        filter: &FindingFilter,
        instant: Instant,
        after: Option<Vec<u8>>,
        count: usize,
        sees: Sees<'_>,
    ) -> Result<FindingPage, IndexError> {
        if self.applied()? <= instant.size {
            self.findings_listed(log, filter, instant, after, count, sees)
        } else {
            self.findings_judged(log, filter, instant, after, count, sees)
        }
    }

    fn findings_listed(
        &self,
        log: &LogReader,
        filter: &FindingFilter,
        instant: Instant,
        after: Option<Vec<u8>>,
        count: usize,
        sees: Sees<'_>,
    ) -> Result<FindingPage, IndexError> {
        let mut page = FindingPage::default();
        let mut last = None;
        // An instant that has passed may lie before the end of what is closed by now.
        let closed_too = filter.closed || instant.as_of.micros() < self.passed_us();
        for prefix in self.lists(log, filter, closed_too)? {
            let start = match &after {
                Some(after) if after.as_slice() >= prefix.as_slice() && !after.starts_with(&prefix) => continue,
                Some(after) if after.starts_with(&prefix) => Some(after.clone()),
                Some(_) | None => None,
            };
            for row in self.store.scan_after(&prefix, start) {
                let (key, value) = row?;
                let Some(mut finding) = self.listed(&key, &value)? else { continue };
                if !as_of(&mut finding, instant.as_of.micros()) || !self.fits(log, filter, &finding, instant)? {
                    continue;
                }
                if !seen(sees, &finding)? {
                    continue;
                }
                if page.findings.len() == count {
                    page.more_after = last;
                    return Ok(page);
                }
                page.findings.push(finding);
                last = Some(key);
            }
        }
        Ok(page)
    }

    /// The finding of a row: itself, or the one that a list names.
    fn listed(&self, key: &[u8], value: &[u8]) -> Result<Option<Finding>, IndexError> {
        let bytes = if value.is_empty() {
            let Some(at) = keys::finding_at_end(key) else { return Ok(None) };
            // It may have moved since the list was read.
            let Some(found) = self.store.get(&at)? else { return Ok(None) };
            found
        } else {
            value.to_vec()
        };
        Finding::decode(bytes.as_slice()).map(Some).map_err(|error| self.store.damaged(&error.to_string()))
    }

    /// The lists to read for a filter, in the order of their keys.
    fn lists(&self, log: &LogReader, filter: &FindingFilter, closed: bool) -> Result<Vec<Vec<u8>>, IndexError> {
        if let Ok(id) = <[u8; 16]>::try_from(filter.equipment.as_slice()) {
            let subject = SubjectId::new(SubjectKind::Equipment, id).key();
            return Ok(vec![keys::findings_of(&subject)]);
        }
        let (by, mut values) = if !filter.mine.is_empty() {
            (FindingListing::Mine, vec![filter.mine.clone()])
        } else if !filter.holder.is_empty() {
            (FindingListing::Holder, vec![filter.holder.clone()])
        } else if !filter.area.is_empty() {
            (FindingListing::Mine, self.mines_in(log, &filter.area)?)
        } else {
            (FindingListing::Rule, vec![Vec::new()])
        };
        values.sort_by_cached_key(|value| keys::listed_findings(true, by, value));
        let mut rules: Vec<u8> = filter.rules.iter().filter_map(|code| rule::number_of(code)).collect();
        rules.sort_unstable();
        let mut lists = Vec::new();
        for open in [true, false] {
            if !open && !closed {
                continue;
            }
            for value in &values {
                if filter.rules.is_empty() {
                    lists.push(keys::listed_findings(open, by, value));
                }
                lists.extend(rules.iter().map(|rule| keys::listed_findings_of_rule(open, by, value, *rule)));
            }
        }
        Ok(lists)
    }

    /// Mines whose area code begins so, and the empty id for machines in none.
    fn mines_in(&self, log: &LogReader, area: &str) -> Result<Vec<Vec<u8>>, IndexError> {
        let here = |mine: &Mine| mine.area_code.starts_with(area);
        let (mines, _) = self.list_registered(log, SubjectKind::Mine, Instant::ALL, None, usize::MAX, here)?;
        let mut ids: Vec<Vec<u8>> = mines.into_iter().map(|mine| mine.id).collect();
        ids.push(Vec::new());
        Ok(ids)
    }

    fn fits(
        &self,
        log: &LogReader,
        filter: &FindingFilter,
        finding: &Finding,
        instant: Instant,
    ) -> Result<bool, IndexError> {
        let same = |wanted: &[u8], is: &[u8]| wanted.is_empty() || wanted == is;
        let plain = (filter.rules.is_empty() || filter.rules.contains(&finding.rule))
            && (filter.severities.is_empty() || filter.severities.contains(&finding.severity))
            && same(&filter.mine, &finding.mine)
            && same(&filter.holder, &finding.holder)
            && same(&filter.equipment, finding.subject.get(1..).unwrap_or_default())
            && same(filter.category.as_bytes(), finding.category.as_bytes())
            && same(filter.cause.as_bytes(), finding.cause.as_bytes())
            && (filter.closed || finding.until_us == 0)
            && (!filter.legal_major || finding.legal_major)
            && (filter.from_us == 0 || finding.until_us == 0 || finding.until_us >= filter.from_us)
            && (filter.until_us == 0 || finding.since_us <= filter.until_us);
        if !plain {
            return Ok(false);
        }
        if !filter.area.is_empty() && !self.is_in_area(log, finding, &filter.area)? {
            return Ok(false);
        }
        if filter.place.is_empty() {
            return Ok(true);
        }
        self.is_below(log, finding, &filter.place, instant)
    }

    fn is_in_area(&self, log: &LogReader, finding: &Finding, area: &str) -> Result<bool, IndexError> {
        let code = if let Ok(id) = <[u8; 16]>::try_from(finding.mine.as_slice()) {
            let mine = SubjectId::new(SubjectKind::Mine, id);
            self.state_at::<Mine>(log, &mine, Instant::ALL)?.map(|mine| mine.area_code)
        } else if let Ok(id) = <[u8; 16]>::try_from(finding.holder.as_slice()) {
            let holder = SubjectId::new(SubjectKind::Organisation, id);
            self.state_at::<Organisation>(log, &holder, Instant::ALL)?.map(|holder| holder.area_code)
        } else {
            None
        };
        Ok(code.is_some_and(|code| code.starts_with(area)))
    }

    /// Whether the machine stands at a node of its mine's places or below it.
    fn is_below(&self, log: &LogReader, finding: &Finding, node: &[u8], instant: Instant) -> Result<bool, IndexError> {
        let Ok(subject) = SubjectId::parse(&finding.subject) else { return Ok(false) };
        if subject.kind() != SubjectKind::Equipment {
            return Ok(false);
        }
        let Some(state) = self.equipment(log, &subject, instant)? else { return Ok(false) };
        let Some(place) = &state.place else { return Ok(false) };
        let Ok(id) = <[u8; 16]>::try_from(place.mine.as_slice()) else { return Ok(false) };
        let mine = self.mine(log, &SubjectId::new(SubjectKind::Mine, id), instant)?;
        Ok(mine.is_some_and(|mine| stands_below(&state, &mine, node)))
    }

    fn findings_judged(
        &self,
        log: &LogReader,
        filter: &FindingFilter,
        instant: Instant,
        after: Option<Vec<u8>>,
        count: usize,
        sees: Sees<'_>,
    ) -> Result<FindingPage, IndexError> {
        let mut page = FindingPage::default();
        let kinds: &[SubjectKind] =
            if filter.equipment.is_empty() { &[SubjectKind::Mine, SubjectKind::Equipment] } else { &[] };
        let mut subjects: Vec<SubjectId> = Vec::new();
        if let Ok(id) = <[u8; 16]>::try_from(filter.equipment.as_slice()) {
            subjects.push(SubjectId::new(SubjectKind::Equipment, id));
        }
        for kind in kinds {
            for row in self.store.scan(&keys::subjects_of(*kind)) {
                subjects.extend(keys::subject_of(&row?.0));
            }
        }
        subjects.sort_unstable();
        for subject in subjects {
            let key = subject.key().to_vec();
            if after.as_ref().is_some_and(|after| *after >= key) {
                continue;
            }
            if !sees(&subject)? {
                continue;
            }
            for finding in self.findings_of(log, &subject, instant)? {
                if self.fits(log, filter, &finding, instant)? {
                    page.findings.push(finding);
                }
            }
            // A page ends with a subject, so that the next one knows where to begin.
            if page.findings.len() >= count {
                page.more_after = Some(key);
                break;
            }
        }
        Ok(page)
    }

    /// Every finding of a subject at `instant`, closed ones too, by what was on record then.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn findings_of(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Vec<Finding>, IndexError> {
        let Some(row) = self.row(subject)? else { return Ok(Vec::new()) };
        let events = self.events(log, subject, instant.size, &row.findings)?;
        let world = IndexWorld::new(self, instant.size);
        let Some((mut case, mut docket)) = judge_events(subject, &events, instant, &world) else {
            return Ok(Vec::new());
        };
        let mut changes = Vec::new();
        let until_us = self.moment(instant, &case);
        case.advance(&world, until_us, &mut changes);
        changes.into_iter().for_each(|change| docket.take(change));
        Ok(docket.into_findings())
    }

    /// Open findings counted by mine, rule and cause: the gravest groups first, then the largest. Where only some subjects
    /// are seen, their findings are counted one by one.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn count_findings(
        &self,
        log: &LogReader,
        filter: &FindingFilter,
        instant: Instant,
        sees: Option<Sees<'_>>,
    ) -> Result<Vec<FindingGroup>, IndexError> {
        let filter = FindingFilter { closed: false, ..filter.clone() };
        let mut groups = if sees.is_none() && self.is_counted(&filter, instant)? {
            self.groups_counted(log, &filter)?
        } else {
            self.groups_scanned(log, &filter, instant, sees.unwrap_or(&everything))?
        };
        groups.sort_by(|left, right| {
            let name = |group: &FindingGroup| (group.mine.clone(), group.rule.clone(), group.cause.clone());
            let weight = |group: &FindingGroup| (group.legal_major, group.severity, group.count);
            weight(right).cmp(&weight(left)).then_with(|| name(left).cmp(&name(right)))
        });
        Ok(groups)
    }

    /// Whether the counts that are kept answer a filter: they know mine, rule, cause and severity.
    fn is_counted(&self, filter: &FindingFilter, instant: Instant) -> Result<bool, IndexError> {
        let plain = FindingFilter {
            mine: filter.mine.clone(),
            area: filter.area.clone(),
            rules: filter.rules.clone(),
            cause: filter.cause.clone(),
            ..FindingFilter::default()
        };
        // Machines in no mine belong to an area by their holders, which the counts do not know.
        let by_area = !filter.area.is_empty();
        Ok(*filter == plain
            && !by_area
            && self.applied()? <= instant.size
            && instant.as_of.micros() >= self.passed_us())
    }

    fn groups_counted(&self, _: &LogReader, filter: &FindingFilter) -> Result<Vec<FindingGroup>, IndexError> {
        let prefix =
            if filter.mine.is_empty() { keys::all_finding_counts() } else { keys::finding_counts(&filter.mine) };
        let mut groups = Vec::new();
        for row in self.store.scan(&prefix) {
            let (_, value) = row?;
            let count = Count::decode(value.as_slice()).map_err(|error| self.store.damaged(&error.to_string()))?;
            let wanted = (filter.rules.is_empty() || filter.rules.contains(&count.rule))
                && (filter.cause.is_empty() || filter.cause == count.cause);
            if !wanted {
                continue;
            }
            let since_us = self.oldest(&count)?;
            groups.push(FindingGroup {
                severity: count.gravest() as i32,
                legal_major: count.legal_major > 0,
                count: count.total(),
                since_us,
                mine: count.mine,
                rule: count.rule,
                cause: count.cause,
            });
        }
        Ok(groups)
    }

    /// When the oldest open finding of a group began: they are listed in that order.
    fn oldest(&self, count: &Count) -> Result<i64, IndexError> {
        let Some(rule) = rule::number_of(&count.rule) else { return Ok(0) };
        let prefix = keys::listed_findings_of_cause(FindingListing::Mine, &count.mine, rule, &count.cause);
        for row in self.store.scan(&prefix) {
            let (key, value) = row?;
            if let Some(finding) = self.listed(&key, &value)?.filter(|finding| finding.dismissed.is_none()) {
                return Ok(finding.since_us);
            }
        }
        Ok(0)
    }

    fn groups_scanned(
        &self,
        log: &LogReader,
        filter: &FindingFilter,
        instant: Instant,
        sees: Sees<'_>,
    ) -> Result<Vec<FindingGroup>, IndexError> {
        let mut groups: BTreeMap<(Vec<u8>, String, String), FindingGroup> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.findings(log, filter, instant, after, 1_000, sees)?;
            for finding in page.findings.into_iter().filter(|finding| finding.dismissed.is_none()) {
                let name = (finding.mine.clone(), finding.rule.clone(), finding.cause.clone());
                let group = groups.entry(name).or_insert_with(|| FindingGroup {
                    mine: finding.mine.clone(),
                    rule: finding.rule.clone(),
                    cause: finding.cause.clone(),
                    since_us: finding.since_us,
                    ..FindingGroup::default()
                });
                group.count += 1;
                group.severity = group.severity.max(finding.severity);
                group.legal_major |= finding.legal_major;
                group.since_us = group.since_us.min(finding.since_us);
            }
            match page.more_after {
                Some(more) => after = Some(more),
                None => return Ok(groups.into_values().collect()),
            }
        }
    }

    /// What falls due by `until_us`, the soonest first, at most `count` past `after`, an instant and a subject.
    ///
    /// For one mine its machines are asked; else the queue is followed, for whoever is in it falls due no sooner than it
    /// says.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn due(
        &self,
        mine: Option<&SubjectId>,
        until_us: i64,
        after: Option<&DueItem>,
        count: usize,
        category: &str,
        sees: Sees<'_>,
    ) -> Result<DuePage, IndexError> {
        let mut items: Vec<DueItem> = Vec::new();
        let wanted = |item: &DueItem| {
            item.due_us <= until_us
                && after.is_none_or(|after| due_order(after) < due_order(item))
                && (category.is_empty() || item.category == category)
        };
        match mine {
            Some(mine) => {
                for row in self.store.scan(&keys::listing(keys::Listing::Mine, mine.id())) {
                    if let Some(machine) = keys::equipment_at_end(&row?.0)
                        && sees(&machine)?
                    {
                        items.extend(self.coming(&machine)?.into_iter().filter(wanted));
                    }
                }
                if sees(mine)? {
                    items.extend(self.coming(mine)?.into_iter().filter(wanted));
                }
                items.sort_by_key(due_order);
            }
            None => {
                for row in self.store.scan(&keys::queue()) {
                    let Some((when_us, subject)) = keys::of_queue(&row?.0) else { continue };
                    let enough = items.len() > count && items.get(count).is_some_and(|last| last.due_us < when_us);
                    if when_us > until_us || enough {
                        break;
                    }
                    if !sees(&subject)? {
                        continue;
                    }
                    items.extend(self.coming(&subject)?.into_iter().filter(wanted));
                    items.sort_by_key(due_order);
                    // What is past the page may still be needed while sooner ones come, but no more than a page of it.
                    items.truncate(count.saturating_mul(2).max(count + 1));
                }
            }
        }
        let more = items.len() > count;
        items.truncate(count);
        Ok(DuePage { items, more })
    }

    /// What will be found of a subject, if nothing happens before.
    fn coming(&self, subject: &SubjectId) -> Result<Vec<DueItem>, IndexError> {
        let Some(case) = self.case_now(subject)? else { return Ok(Vec::new()) };
        let world = IndexWorld::new(self, u64::MAX);
        let mut view: Case = case;
        view.advance(&world, self.passed_us(), &mut Vec::new());
        let (mine, category) = match view.machine() {
            Some(machine) => (machine.mine.clone(), machine.category.clone()),
            None => (view.mine().map(|mine| mine.id.clone()).unwrap_or_default(), String::new()),
        };
        let item = |coming: rule::conditions::Coming| DueItem {
            rule: coming.held.rule.code.to_owned(),
            key: coming.held.key,
            subject: subject.key().to_vec(),
            mine: mine.clone(),
            due_us: coming.at_us,
            severity: coming.held.severity as i32,
            category: category.clone(),
        };
        Ok(view.coming(&world).into_iter().map(item).collect())
    }

    /// The greatest severity among the open findings of a mine.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn gravest_of_mine(&self, mine: &SubjectId) -> Result<Severity, IndexError> {
        let mut gravest = Severity::Unspecified;
        for row in self.store.scan(&keys::finding_counts(mine.id())) {
            let (_, value) = row?;
            let count = Count::decode(value.as_slice()).map_err(|error| self.store.damaged(&error.to_string()))?;
            gravest = gravest.max(count.gravest());
        }
        Ok(gravest)
    }
}

/// Whether the findings of a subject are for the caller's eyes.
pub type Sees<'a> = &'a dyn Fn(&SubjectId) -> Result<bool, IndexError>;

/// Sees every subject.
///
/// # Errors
/// None.
pub fn everything(_: &SubjectId) -> Result<bool, IndexError> {
    Ok(true)
}

fn seen(sees: Sees<'_>, finding: &Finding) -> Result<bool, IndexError> {
    SubjectId::parse(&finding.subject).map_or(Ok(false), |subject| sees(&subject))
}

fn due_order(item: &DueItem) -> (i64, Vec<u8>, String, String) {
    (item.due_us, item.subject.clone(), item.rule.clone(), item.key.clone())
}

/// The finding as of an instant that may have passed; `false` where it had not begun. What ended later is open then.
fn as_of(finding: &mut Finding, as_of_us: i64) -> bool {
    if finding.since_us > as_of_us {
        return false;
    }
    if finding.until_us > as_of_us {
        finding.until_us = 0;
        finding.known_until_us = 0;
    }
    true
}
