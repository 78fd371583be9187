//! Which machines an order is about: named, from a list, or found by a query; and how they fit into its events.

use std::{collections::BTreeSet, path::Path};

use tally_client::Client;
use tally_core::{
    event::supervision::{ORDER_MACHINES_MAX, ORDER_MINES_MAX},
    hash::sha256,
    id::{SubjectId, SubjectKind},
    rule::by_code,
    time::Timestamp,
};
use tally_proto::v1::{self, FindingFilter};

use super::{
    super::{input, lookup, text::usage},
    mine_flag, mine_of,
};
use crate::{
    cli::order::Machines,
    output::{CommandError, exit},
};

/// Bytes of a list of machines.
const LIST_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A machine of an order, and the mine that it is in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Machine {
    pub(super) id: SubjectId,
    pub(super) mine: Option<SubjectId>,
}

/// Machines that were chosen, sorted and each once.
pub(super) struct Chosen {
    pub(super) machines: Vec<Machine>,
    /// The query that found them: what it names is fixed, so that it finds the same ones again.
    pub(super) query: Option<String>,
}

impl Chosen {
    /// supervision.proto: SHA-256 over the equipment ids of all machines, sorted; empty without a query.
    pub(super) fn list_hash(&self) -> Vec<u8> {
        if self.query.is_none() {
            return Vec::new();
        }
        let ids: Vec<&[u8]> = self.machines.iter().map(|machine| machine.id.id().as_slice()).collect();
        sha256(&ids).to_vec()
    }
}

/// The machines that the flags choose.
pub(super) async fn chosen(client: &Client, args: &Machines) -> anyhow::Result<Chosen> {
    if let Some(rule) = &args.from_findings {
        return with_finding(client, rule, args).await;
    }
    let texts = listed(&args.machines, args.list.as_deref())?;
    if texts.is_empty() {
        let told = usage("no machine is named");
        return Err(told.help("name machines by plate or id, with --list FILE, or by --from-findings RULE").into());
    }
    Ok(Chosen { machines: found(client, &texts, true).await?, query: None })
}

/// The machines that are named, and those of a file with one a line.
pub(super) fn listed(named: &[String], list: Option<&Path>) -> Result<Vec<String>, CommandError> {
    let mut texts = named.to_vec();
    if let Some(path) = list {
        let text = input::text(path, LIST_BYTES_MAX)?;
        let lines = text.trim_start_matches('\u{FEFF}').lines().map(str::trim);
        texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    Ok(texts)
}

/// Machines by what people call them, sorted and each once; with their mines where that is asked for.
pub(super) async fn found(client: &Client, texts: &[String], with_mines: bool) -> anyhow::Result<Vec<Machine>> {
    let mut machines = BTreeSet::new();
    for text in texts {
        let id = lookup::subject(client, text, SubjectKind::Equipment).await?;
        if id.kind() != SubjectKind::Equipment {
            return Err(usage(format!("{id} is no machine")).into());
        }
        let mine = if with_mines { mine_that_holds(client, id).await? } else { None };
        machines.insert(Machine { id, mine });
    }
    Ok(machines.into_iter().collect())
}

/// The mine that a machine is in, as far as the signer may see it.
async fn mine_that_holds(client: &Client, id: SubjectId) -> anyhow::Result<Option<SubjectId>> {
    let answer = client.equipment(id, v1::At::default()).await.map_err(CommandError::from)?;
    Ok(mine_id(&answer.value.mine))
}

fn mine_id(id: &[u8]) -> Option<SubjectId> {
    Some(SubjectId::new(SubjectKind::Mine, <[u8; 16]>::try_from(id).ok()?))
}

/// The machines with an open finding of a rule, and the query with its instant and tree size.
async fn with_finding(client: &Client, rule: &str, args: &Machines) -> anyhow::Result<Chosen> {
    let rule = rule.to_uppercase();
    if by_code(&rule).is_none() {
        return Err(usage(format!("{rule} is no rule")).help("`tally rules` lists them").into());
    }
    let in_mine = args.in_mine.as_deref().map(mine_of).transpose()?;
    let cause = args.cause.clone().unwrap_or_default();
    let filter = FindingFilter {
        rules: vec![rule.clone()],
        mine: in_mine.map(|mine| mine.id().to_vec()).unwrap_or_default(),
        cause: cause.clone(),
        ..FindingFilter::default()
    };
    let answer = client.all_findings(filter, v1::At::default()).await.map_err(CommandError::from)?;
    let mut machines = BTreeSet::new();
    // A finding that a regulator dismissed counts no more.
    for finding in answer.value.iter().filter(|finding| finding.dismissed.is_none()) {
        let subject = SubjectId::parse(&finding.subject).ok();
        if let Some(id) = subject.filter(|subject| subject.kind() == SubjectKind::Equipment) {
            machines.insert(Machine { id, mine: mine_id(&finding.mine) });
        }
    }
    let mut query = format!("tally findings --rule {rule}");
    if let Some(mine) = in_mine {
        query.push_str(&format!(" --mine {}", mine_flag(mine)));
    }
    if !cause.is_empty() {
        query.push_str(&format!(" --cause '{cause}'"));
    }
    let (as_of, size) = (Timestamp::from_micros(answer.basis.as_of_us), answer.basis.tree_size);
    query.push_str(&format!(" --as-of {as_of} --known-size {size} --all"));
    if answer.value.iter().any(|finding| finding.dismissed.is_some()) {
        query.push_str(", without those dismissed");
    }
    let mut machines: Vec<Machine> = machines.into_iter().collect();
    machines.dedup_by_key(|machine| machine.id);
    if machines.is_empty() {
        return Err(CommandError::new(exit::NO, format!("no machine is found by: {query}")).into());
    }
    Ok(Chosen { machines, query: Some(query) })
}

/// What one event of an order names.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Part {
    machines: Vec<SubjectId>,
    pub(super) mines: BTreeSet<SubjectId>,
}

impl Part {
    /// Ids of its machines, sorted.
    pub(super) fn machines(&self) -> Vec<Vec<u8>> {
        self.machines.iter().map(|machine| machine.id().to_vec()).collect()
    }

    /// Ids of its mines, sorted.
    pub(super) fn mines(&self) -> Vec<Vec<u8>> {
        self.mines.iter().map(|mine| mine.id().to_vec()).collect()
    }
}

/// Parts the machines of an order into events: at most 240 machines and 8 mines each, in the order of their ids.
///
/// The mines are those that are named; where none is, those that the machines are in, each named with the first machine
/// in it: a maker may name no other.
pub(super) fn parts(machines: &[Machine], mines: &[SubjectId]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut known: BTreeSet<SubjectId> = BTreeSet::new();
    let mut part = Part::default();
    for machine in machines {
        let new = machine.mine.filter(|mine| mines.is_empty() && !known.contains(mine));
        let is_full =
            part.machines.len() == ORDER_MACHINES_MAX || (new.is_some() && part.mines.len() == ORDER_MINES_MAX);
        if is_full {
            parts.push(std::mem::take(&mut part));
        }
        part.machines.push(machine.id);
        known.extend(new);
        part.mines.extend(new);
    }
    if !part.machines.is_empty() {
        parts.push(part);
    }
    for (at, some) in mines.chunks(ORDER_MINES_MAX).enumerate() {
        match parts.get_mut(at) {
            Some(part) => part.mines.extend(some),
            None => parts.push(Part { machines: Vec::new(), mines: some.iter().copied().collect() }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(number: u16, mine: Option<u8>) -> Machine {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Machine { id: SubjectId::new(SubjectKind::Equipment, id), mine: mine.map(mine_number) }
    }

    fn mine_number(number: u8) -> SubjectId {
        SubjectId::new(SubjectKind::Mine, [number; 16])
    }

    fn shape(parts: &[Part]) -> Vec<(usize, usize)> {
        parts.iter().map(|part| (part.machines.len(), part.mines.len())).collect()
    }

    #[test]
    fn machines_are_parted_at_240_in_order() {
        for (number, due) in [(1, vec![(1, 1)]), (240, vec![(240, 1)]), (241, vec![(240, 1), (1, 0)])] {
            let machines: Vec<Machine> = (0..number).map(|at| machine(at, Some(1))).collect();
            let parts = parts(&machines, &[]);
            assert_eq!(shape(&parts), due, "{number}");
            let all: Vec<SubjectId> = parts.iter().flat_map(|part| part.machines.clone()).collect();
            assert_eq!(all, machines.iter().map(|machine| machine.id).collect::<Vec<_>>());
        }
    }

    #[test]
    fn mines_are_named_with_the_first_machine_in_them() {
        let machines: Vec<Machine> = (0..20_u8).map(|at| machine(at.into(), Some(at / 2))).collect();
        let found = parts(&machines, &[]);
        assert_eq!(shape(&found), [(16, 8), (4, 2)]);
        assert_eq!(found[1].mines.iter().copied().collect::<Vec<_>>(), [mine_number(8), mine_number(9)]);
    }

    #[test]
    fn mines_that_are_named_take_the_place_of_those_the_machines_are_in() {
        let mines: Vec<SubjectId> = (1..=10).map(mine_number).collect();
        assert_eq!(shape(&parts(&[machine(1, Some(77))], &mines)), [(1, 8), (0, 2)]);
        assert_eq!(shape(&parts(&[], &mines[..1])), [(0, 1)]);
        assert_eq!(parts(&[], &[]), []);
    }

    #[test]
    fn the_list_is_hashed_over_the_ids_alone() {
        let machines = vec![machine(1, Some(1)), machine(2, None)];
        let chosen = Chosen { machines, query: Some("q".to_owned()) };
        let ids = [[0, 1], [0, 2]].map(|start| [&start[..], &[0; 14]].concat()).concat();
        assert_eq!(chosen.list_hash(), sha256(&[&ids]));
        assert_eq!(Chosen { query: None, ..chosen }.list_hash(), [0; 0]);
    }
}
