//! Questions about orders: which there are, and what happened to their machines since.

use std::{borrow::Cow, collections::BTreeSet};

use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::facts::{Before, goes_against},
    state::{Instant, Recorded, Step, equipment, in_order, order},
};
use tally_log::store::LogReader;
use tally_proto::v1::{CheckResult, Equipment, GivenOrder, OrderFilter, OrderedMachine, SinceOrder, statement::Body};

use crate::{
    Index, IndexError,
    keys::{self, Listing},
};

/// Orders of one page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderPage {
    /// Orders, by id.
    pub orders: Vec<GivenOrder>,
    /// The last id, where more follow.
    pub more_after: Option<[u8; 16]>,
}

/// An order as somebody sees it; `None` where he sees nothing of it.
pub type Shows<'a> = &'a dyn Fn(GivenOrder) -> Result<Option<GivenOrder>, IndexError>;

impl Index {
    /// An order at `instant`; `None` where it was not given then.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn order(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Option<GivenOrder>, IndexError> {
        self.state_at(log, subject, instant)
    }

    /// Orders that fit a filter at `instant`, as `shows` shows them, by id, at most `count` past `after`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn orders(
        &self,
        log: &LogReader,
        filter: &OrderFilter,
        instant: Instant,
        after: Option<[u8; 16]>,
        count: usize,
        shows: Shows<'_>,
    ) -> Result<OrderPage, IndexError> {
        let in_mine = match SubjectId::parse(&[&[SubjectKind::Mine.number()], filter.mine.as_slice()].concat()) {
            Ok(mine) if !filter.mine.is_empty() => Some(self.machines_in(log, &mine, instant)?),
            Ok(_) | Err(_) => None,
        };
        let mut page = OrderPage::default();
        for subject in self.ordered(filter, in_mine.as_ref(), after)? {
            let Some(state) = self.order(log, &subject, instant)? else { continue };
            if !fits(filter, in_mine.as_ref(), &state) {
                continue;
            }
            let Some(shown) = shows(state)? else { continue };
            if filter.open && shown.open_machines == 0 && shown.open_receipts == 0 {
                continue;
            }
            if page.orders.len() == count {
                page.more_after = page.orders.last().and_then(|last| <[u8; 16]>::try_from(last.id.as_slice()).ok());
                break;
            }
            page.orders.push(shown);
        }
        Ok(page)
    }

    /// Orders that the narrowest lists name, by id, past `after`.
    fn ordered(
        &self,
        filter: &OrderFilter,
        in_mine: Option<&BTreeSet<Vec<u8>>>,
        after: Option<[u8; 16]>,
    ) -> Result<BTreeSet<SubjectId>, IndexError> {
        let mut lists = Vec::new();
        if !filter.machine.is_empty() {
            lists.push(keys::listing(Listing::OrderOnMachine, &filter.machine));
        } else if let Some(machines) = in_mine {
            lists.push(keys::listing(Listing::OrderToMine, &filter.mine));
            lists.extend(machines.iter().map(|machine| keys::listing(Listing::OrderOnMachine, machine)));
        } else if !filter.given_by.is_empty() {
            lists.push(keys::listing(Listing::OrderBy, &filter.given_by));
        } else {
            lists.push(keys::subjects_of(SubjectKind::Order));
        }
        let mut found = BTreeSet::new();
        for list in lists {
            let start = after.map(|id| [list.as_slice(), &id[..]].concat());
            for row in self.store.scan_after(&list, start) {
                found.extend(keys::subject_at_end(SubjectKind::Order, &row?.0));
            }
        }
        Ok(found)
    }

    /// Machines that are in a mine at `instant`.
    fn machines_in(
        &self,
        log: &LogReader,
        mine: &SubjectId,
        instant: Instant,
    ) -> Result<BTreeSet<Vec<u8>>, IndexError> {
        let mut found = BTreeSet::new();
        for machine in self.ever_in_mine(mine)? {
            if self.equipment(log, &machine, instant)?.is_some_and(|state| state.mine[..] == mine.id()[..]) {
                found.insert(machine.id().to_vec());
            }
        }
        Ok(found)
    }

    /// Machines that ever were in a mine, by id.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn ever_in_mine(&self, mine: &SubjectId) -> Result<BTreeSet<SubjectId>, IndexError> {
        let mut found = BTreeSet::new();
        for row in self.store.scan(&keys::listing(Listing::EverInMine, mine.id())) {
            found.extend(keys::equipment_at_end(&row?.0));
        }
        Ok(found)
    }

    /// What happened to a machine since an order named it, in order of time. What was recorded later counts, and so does
    /// what is said to have happened later.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn since_order(
        &self,
        log: &LogReader,
        given: &GivenOrder,
        machine: &OrderedMachine,
        instant: Instant,
        sees: &dyn Fn(&Recorded) -> Result<bool, IndexError>,
    ) -> Result<Vec<SinceOrder>, IndexError> {
        let Ok(id) = <[u8; 16]>::try_from(machine.machine.as_slice()) else { return Ok(Vec::new()) };
        let subject = SubjectId::new(SubjectKind::Equipment, id);
        let Some(row) = self.row(&subject)? else { return Ok(Vec::new()) };
        let events = self.events(log, &subject, instant.size, &row.findings)?;
        let named = machine.named.unwrap_or_default();
        let mut state = Equipment { id: machine.machine.clone(), ..Equipment::default() };
        let (mut under, mut found) = (false, Vec::new());
        for step in in_order(&subject, &events, instant) {
            let of_order = holds_after(&step, given);
            let own = step.recorded.candidate.statement().subject == subject;
            let kind = u32::try_from(given.kind).unwrap_or_default();
            let against = under && own && goes_against(kind, given.until_us, &step, &Before::of(&state, &step));
            under = of_order.unwrap_or(under);
            equipment::apply(&mut state, &step);
            let evidence = step.evidence();
            let later = evidence.position > named.position || evidence.occurred_at_us > named.occurred_at_us;
            // The order's own entries are in its state.
            if !later || step.recorded.candidate.statement().subject.id()[..] == given.id[..] || !sees(step.recorded)? {
                continue;
            }
            found.push(SinceOrder {
                machine: machine.machine.clone(),
                kind: step.body.kind() as u32,
                evidence: Some(evidence),
                subject: step.recorded.candidate.statement().subject.key().to_vec(),
                organisation: step.signer(),
                against,
                backfilled: order::is_backfilled(&evidence, &named),
            });
        }
        Ok(found)
    }
}

/// Whether an order holds the machine after a step; `None` where the step says nothing about that.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds neither give nor end an order")]
fn holds_after(step: &Step<'_>, given: &GivenOrder) -> Option<bool> {
    let body: &Body = match &step.body {
        Cow::Borrowed(body) => body.message(),
        Cow::Owned(body) => body.message(),
    };
    let of_order = step.recorded.candidate.statement().subject.id()[..] == given.id[..];
    match body {
        Body::StopUseOrdered(_) | Body::SealedUp(_) | Body::RecallIssued(_) | Body::OrderExtended(_) => {
            of_order.then_some(true)
        }
        Body::StopUseLifted(_) | Body::Unsealed(_) => of_order.then_some(false),
        Body::RecallRemedied(body) => (body.recall == given.id && body.result() != CheckResult::Fail).then_some(false),
        _ => None,
    }
}

fn fits(filter: &OrderFilter, in_mine: Option<&BTreeSet<Vec<u8>>>, order: &GivenOrder) -> bool {
    let names = |machine: &Vec<u8>| order.machines.iter().any(|named| named.machine == *machine);
    (filter.kinds.is_empty() || filter.kinds.contains(&order.kind))
        && (filter.given_by.is_empty() || filter.given_by == order.given_by)
        && (filter.machine.is_empty() || names(&filter.machine))
        && in_mine.is_none_or(|machines| {
            order.mines.iter().any(|named| named.mine == filter.mine)
                || order.machines.iter().any(|named| machines.contains(&named.machine))
        })
}

/// Keys under which an order is found for ever: what it named once, it names.
pub(crate) fn listed_under(subject: &SubjectId, order: &GivenOrder) -> BTreeSet<Vec<u8>> {
    let key = |by, value: &[u8]| [keys::listing(by, value).as_slice(), subject.id()].concat();
    let mut found: BTreeSet<Vec<u8>> =
        order.machines.iter().map(|named| key(Listing::OrderOnMachine, &named.machine)).collect();
    found.extend(order.mines.iter().map(|named| key(Listing::OrderToMine, &named.mine)));
    found.insert(key(Listing::OrderBy, &order.given_by));
    found
}
