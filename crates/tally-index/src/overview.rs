//! Overviews: the figures of a mine from the rows of its machines and the counts of its findings, and their sum.

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::figures,
    state::Instant,
};
use tally_log::store::LogReader;
use tally_proto::v1::{Figures, Finding, FindingFilter, Mine, MineFigures, Severity};

use crate::{
    Index, IndexError,
    docket::Count,
    findings::Sees,
    keys::{self, Listing},
    world::IndexWorld,
};

/// Findings that are looked at in one go where they are counted one by one.
const FINDINGS_A_PAGE: usize = 1_000;

impl Index {
    /// The figures of a mine at `instant`, of the machines that are seen; `None` where it was not registered then.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn mine_figures(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
        sees: Sees<'_>,
    ) -> Result<Option<MineFigures>, IndexError> {
        let Some(case) = self.case_at(log, subject, instant)? else { return Ok(None) };
        let Some(mine) = case.mine() else { return Ok(None) };
        let world = IndexWorld::new(self, instant.size);
        let mut sum = Figures::default();
        let is_present = self.is_present(instant)?;
        let mut sees_all = true;
        for machine in self.machines_of(subject, is_present)? {
            let Some(case) = self.case_at(log, &machine, instant)? else { continue };
            if case.machine().is_none_or(|state| state.mine[..] != subject.id()[..]) {
                continue;
            }
            if sees(&machine)? {
                figures::add_machine(&mut sum, &case, &world, self.moment(instant, &case));
            } else {
                sees_all = false;
            }
        }
        let due =
            case.mine_facts().map_or(0, |facts| facts.orders.iter().filter(|order| order.received.is_none()).count());
        sum.receipts_due = u64::try_from(due).unwrap_or(u64::MAX);
        if is_present && sees_all {
            self.findings_counted(subject, &mut sum)?;
        } else {
            self.findings_one_by_one(log, subject, instant, sees, &mut sum)?;
        }
        Ok(Some(MineFigures {
            mine: subject.id().to_vec(),
            name: mine.name.clone(),
            area_code: mine.area_code.clone(),
            figures: Some(sum),
        }))
    }

    /// The figures of every mine of an area that is seen, those with the gravest findings first, and their sum.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn area_figures(
        &self,
        log: &LogReader,
        area: &str,
        instant: Instant,
        sees: Sees<'_>,
    ) -> Result<(Figures, Vec<MineFigures>), IndexError> {
        let here = |mine: &Mine| mine.area_code.starts_with(area);
        let (mines, _) = self.list_registered(log, SubjectKind::Mine, instant, None, usize::MAX, here)?;
        let (mut sum, mut each) = (Figures::default(), Vec::new());
        for mine in mines {
            let Ok(id) = <[u8; 16]>::try_from(mine.id.as_slice()) else { continue };
            let subject = SubjectId::new(SubjectKind::Mine, id);
            if !sees(&subject)? {
                continue;
            }
            let Some(found) = self.mine_figures(log, &subject, instant, sees)? else { continue };
            figures::add(&mut sum, &found.figures.clone().unwrap_or_default());
            each.push(found);
        }
        let weight = |mine: &MineFigures| {
            let Some(of) = &mine.figures else { return [0; 5] };
            let [legal, major, serious] = [of.findings_legal_major, of.findings_major, of.findings_serious];
            [legal, major, serious, of.findings_general, of.findings_notes]
        };
        each.sort_by(|left, right| weight(right).cmp(&weight(left)).then_with(|| left.mine.cmp(&right.mine)));
        Ok((sum, each))
    }

    /// Machines that may be in a mine: of the present those that are, else those that ever were.
    fn machines_of(&self, mine: &SubjectId, is_present: bool) -> Result<Vec<SubjectId>, IndexError> {
        let by = if is_present { Listing::Mine } else { Listing::EverInMine };
        let mut found = Vec::new();
        for row in self.store.scan(&keys::listing(by, mine.id())) {
            found.extend(keys::equipment_at_end(&row?.0));
        }
        Ok(found)
    }

    fn findings_counted(&self, mine: &SubjectId, sum: &mut Figures) -> Result<(), IndexError> {
        for row in self.store.scan(&keys::finding_counts(mine.id())) {
            let (_, value) = row?;
            let count = Count::decode(value.as_slice()).map_err(|error| self.store.damaged(&error.to_string()))?;
            sum.findings_major += count.major;
            sum.findings_serious += count.serious;
            sum.findings_general += count.general;
            sum.findings_notes += count.notes;
            sum.findings_legal_major += count.legal_major;
        }
        Ok(())
    }

    fn findings_one_by_one(
        &self,
        log: &LogReader,
        mine: &SubjectId,
        instant: Instant,
        sees: Sees<'_>,
        sum: &mut Figures,
    ) -> Result<(), IndexError> {
        let filter = FindingFilter { mine: mine.id().to_vec(), ..FindingFilter::default() };
        let mut after = None;
        loop {
            let page = self.findings(log, &filter, instant, after, FINDINGS_A_PAGE, sees)?;
            page.findings.iter().filter(|finding| finding.dismissed.is_none()).for_each(|finding| count(finding, sum));
            match page.more_after {
                Some(more) => after = Some(more),
                None => return Ok(()),
            }
        }
    }
}

fn count(finding: &Finding, sum: &mut Figures) {
    let field = match finding.severity() {
        Severity::Major => &mut sum.findings_major,
        Severity::Serious => &mut sum.findings_serious,
        Severity::General => &mut sum.findings_general,
        Severity::Note | Severity::Unspecified => &mut sum.findings_notes,
    };
    *field += 1;
    sum.findings_legal_major += u64::from(finding.legal_major);
}
