//! Questions about machines.

use std::collections::HashMap;

use tally_core::{
    id::{SubjectId, SubjectKind},
    state::Instant,
    text,
};
use tally_log::store::LogReader;
use tally_proto::v1::{AliasKind, Equipment, EquipmentFilter, IdentityKind, Mine, Plate};

use crate::{
    Index, IndexError,
    keys::{self, Listing},
};

/// The equipment ids that a plate can make: as a unit, and as a lot.
pub fn plate_ids(plate: &Plate) -> Vec<SubjectId> {
    [IdentityKind::Unit, IdentityKind::Lot]
        .into_iter()
        .filter_map(|kind| tally_core::event::plate_id(kind, &plate.maker, &plate.model, &plate.serial).ok())
        .collect()
}

/// Machines of one page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Machines, ordered by id.
    pub equipment: Vec<Equipment>,
    /// The last id, where more follow.
    pub more_after: Option<[u8; 16]>,
}

impl Index {
    /// The state of a machine at `instant`; `None` where its chain was not open then.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn equipment(
        &self,
        log: &LogReader,
        subject: &SubjectId,
        instant: Instant,
    ) -> Result<Option<Equipment>, IndexError> {
        self.state_at(log, subject, instant)
    }

    /// Every machine that bears a plate at `instant`, ordered by id.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn by_plate(&self, log: &LogReader, plate: &Plate, instant: Instant) -> Result<Vec<Equipment>, IndexError> {
        let ids = plate_ids(plate);
        let mut found: Vec<SubjectId> = ids.clone();
        for id in &ids {
            for row in self.store.scan(&keys::plate(id)) {
                found.extend(keys::equipment_at_end(&row?.0));
            }
        }
        found.sort_unstable();
        found.dedup();
        let mut machines = Vec::new();
        for subject in found {
            machines.extend(self.equipment(log, &subject, instant)?);
        }
        // The rows are those of the newest entry: earlier the machine may not have borne the plate yet.
        machines
            .retain(|machine| machine.plates.iter().any(|borne| plate_ids(borne).iter().any(|id| ids.contains(id))));
        Ok(machines)
    }

    /// The machines that bear an alias at `instant`, among those that bear it now, ordered by id.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn by_alias(
        &self,
        log: &LogReader,
        kind: AliasKind,
        value: &str,
        instant: Instant,
    ) -> Result<Vec<Equipment>, IndexError> {
        let kinds = match kind {
            AliasKind::Unspecified => 1..=AliasKind::Label as i32,
            AliasKind::MineNo
            | AliasKind::AssetNo
            | AliasKind::Mt1201
            | AliasKind::Rfid
            | AliasKind::Qr
            | AliasKind::Label => kind as i32..=kind as i32,
        };
        let mut found = Vec::new();
        for kind in kinds.clone() {
            for row in self.store.scan(&keys::alias(kind, value)) {
                found.extend(keys::equipment_at_end(&row?.0));
            }
        }
        found.sort_unstable();
        found.dedup();
        let mut machines = Vec::new();
        for subject in found {
            machines.extend(self.equipment(log, &subject, instant)?);
        }
        let bears = |machine: &Equipment| {
            machine.aliases.iter().any(|alias| alias.value == value && kinds.contains(&alias.kind))
        };
        machines.retain(bears);
        Ok(machines)
    }

    /// Machines that fit a filter at `instant` and that whoever asks `sees`, ordered by id, at most `count` past `after`.
    ///
    /// For the present the narrowest listing is walked; for the past every machine is folded, for a machine may have
    /// fitted then that no longer does.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn list(
        &self,
        log: &LogReader,
        filter: &EquipmentFilter,
        instant: Instant,
        after: Option<[u8; 16]>,
        count: usize,
        sees: &dyn Fn(&Equipment) -> Result<bool, IndexError>,
    ) -> Result<Page, IndexError> {
        if let Some(listing) = listing_of(filter)
            && self.is_present(instant)?
        {
            let page = self.list_below(listing, log, filter, instant, after, count, sees)?;
            // A listing shows the newest state: what was applied meanwhile may have taken a machine out of it.
            if self.is_present(instant)? {
                return Ok(page);
            }
        }
        self.list_below(keys::subjects_of(SubjectKind::Equipment), log, filter, instant, after, count, sees)
    }

    #[expect(clippy::too_many_arguments, reason = "one more than list has, which passes its own on")]
    fn list_below(
        &self,
        prefix: Vec<u8>,
        log: &LogReader,
        filter: &EquipmentFilter,
        instant: Instant,
        after: Option<[u8; 16]>,
        count: usize,
        sees: &dyn Fn(&Equipment) -> Result<bool, IndexError>,
    ) -> Result<Page, IndexError> {
        let start = after.map(|id| [prefix.as_slice(), &id[..]].concat());
        let mut whereabouts =
            Whereabouts { index: self, log, filter, instant, mines: HashMap::new(), holders: HashMap::new() };
        let mut page = Page::default();
        for row in self.store.scan_after(&prefix, start) {
            let Some(subject) = keys::equipment_at_end(&row?.0) else { continue };
            let Some(state) = self.equipment(log, &subject, instant)? else { continue };
            if !fits(filter, &state) || !whereabouts.fit(&state)? || !sees(&state)? {
                continue;
            }
            if page.equipment.len() == count {
                page.more_after = page.equipment.last().and_then(|last| <[u8; 16]>::try_from(last.id.as_slice()).ok());
                break;
            }
            page.equipment.push(state);
        }
        Ok(page)
    }

    /// Whether nothing that is applied lies past `instant`.
    pub(crate) fn is_present(&self, instant: Instant) -> Result<bool, IndexError> {
        Ok(instant.as_of == Instant::ALL.as_of && self.applied()? <= instant.size)
    }
}

/// Where machines are, for the filters by place and area; each mine and holder is read once.
struct Whereabouts<'a> {
    index: &'a Index,
    log: &'a LogReader,
    filter: &'a EquipmentFilter,
    instant: Instant,
    mines: HashMap<Vec<u8>, Option<Mine>>,
    /// Area codes.
    holders: HashMap<Vec<u8>, String>,
}

impl Whereabouts<'_> {
    fn fit(&mut self, machine: &Equipment) -> Result<bool, IndexError> {
        let Self { filter, .. } = *self;
        if !filter.area.is_empty() && !self.area(machine)?.starts_with(&filter.area) {
            return Ok(false);
        }
        if filter.place.is_empty() {
            return Ok(true);
        }
        Ok(self.mine(&machine.mine)?.is_some_and(|mine| stands_below(machine, mine, &filter.place)))
    }

    /// Area code of the mine that it is in; of its holder where it is in none.
    fn area(&mut self, machine: &Equipment) -> Result<String, IndexError> {
        if !machine.mine.is_empty() {
            return Ok(self.mine(&machine.mine)?.map(|mine| mine.area_code.clone()).unwrap_or_default());
        }
        if let Some(known) = self.holders.get(&machine.holder) {
            return Ok(known.clone());
        }
        let found = match <[u8; 16]>::try_from(machine.holder.as_slice()) {
            Ok(id) => {
                let subject = SubjectId::new(SubjectKind::Organisation, id);
                self.index.organisation(self.log, &subject, self.instant)?.map(|holder| holder.area_code)
            }
            Err(_) => None,
        };
        let found = found.unwrap_or_default();
        self.holders.insert(machine.holder.clone(), found.clone());
        Ok(found)
    }

    fn mine(&mut self, id: &[u8]) -> Result<Option<&Mine>, IndexError> {
        if !self.mines.contains_key(id) {
            let found = match <[u8; 16]>::try_from(id) {
                Ok(id) => self.index.mine(self.log, &SubjectId::new(SubjectKind::Mine, id), self.instant)?,
                Err(_) => None,
            };
            self.mines.insert(id.to_vec(), found);
        }
        Ok(self.mines.get(id).and_then(Option::as_ref))
    }
}

/// Whether a machine stands at a node of its mine's places or below it.
pub(crate) fn stands_below(machine: &Equipment, mine: &Mine, node: &[u8]) -> bool {
    let Some(place) = machine.place.as_ref().filter(|place| !place.node.is_empty() && place.mine == mine.id) else {
        return false;
    };
    let mut at = place.node.as_slice();
    // A tree of places is some levels deep; the bound keeps a circle from going on for ever.
    for _ in 0..32 {
        if at == node {
            return true;
        }
        match mine.places.iter().find(|known| known.id == at) {
            Some(known) if !known.parent.is_empty() => at = &known.parent,
            Some(_) | None => return false,
        }
    }
    false
}

/// The narrowest listing that a filter names.
fn listing_of(filter: &EquipmentFilter) -> Option<Vec<u8>> {
    let named = |by, value: &Vec<u8>| (!value.is_empty()).then(|| keys::listing(by, value));
    let maker = || text::normalise(&filter.maker).ok().map(|maker| keys::listing(Listing::Maker, maker.as_bytes()));
    named(Listing::Mine, &filter.mine)
        .or_else(|| named(Listing::Model, &filter.model))
        .or_else(|| named(Listing::Holder, &filter.holder))
        .or_else(|| named(Listing::Owner, &filter.owner))
        .or_else(maker)
        .or_else(|| (!filter.category.is_empty()).then(|| keys::listing(Listing::Category, filter.category.as_bytes())))
        .or_else(|| match filter.states.as_slice() {
            [state] => Some(keys::listing(Listing::State, &state.to_be_bytes())),
            _ => None,
        })
}

/// Whether a machine fits a filter, but for place and area, which its mine tells.
pub fn fits(filter: &EquipmentFilter, state: &Equipment) -> bool {
    let same = |wanted: &[u8], is: &[u8]| wanted.is_empty() || wanted == is;
    let maker = text::normalise(&filter.maker).ok();
    (filter.states.is_empty() || filter.states.contains(&state.state))
        && same(&filter.holder, &state.holder)
        && same(&filter.owner, &state.owner)
        && same(&filter.mine, &state.mine)
        && same(&filter.model, &state.model)
        && same(filter.category.as_bytes(), state.category.as_bytes())
        && maker.is_none_or(|maker| {
            state.plates.iter().any(|plate| text::normalise(&plate.maker).is_ok_and(|known| known == maker))
        })
}
