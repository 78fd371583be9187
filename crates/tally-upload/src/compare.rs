//! The upload against the ledger: which fields differ, and which units are on one side only (rule DATA-001)

use std::collections::BTreeMap;

use tally_core::{
    text::normalise,
    time::{Day, Timestamp},
};
use tally_proto::v1::Equipment;

use crate::{
    ledger::{BasicFacts, day, device_codes, ledger_view},
    rating::{Quantity, Rating},
    upload::{BasicRecord, Form, Placed, Record, texts_of},
};

/// A field in which the two sides differ; empty where a side has no value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The field.
    pub field: &'static str,
    /// What the upload says.
    pub upload: String,
    /// What the ledger says.
    pub ledger: String,
}

/// A machine of the ledger with what else is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// Its state.
    pub state: &'a Equipment,
    /// What else is known; what is `None` is not compared.
    pub facts: BasicFacts<'a>,
}

/// Compares a record of JBSJ with the machine that it is about.
///
/// Texts are compared in the normal form under which ids are made, so that `ＭＧ９００×２２４５` equals `MG900X2245`; ratings as numbers;
/// days so that a partial day of the ledger equals every day that it can mean. Where the machine bore several plates, the one
/// that it bears now counts.
#[must_use]
pub fn compare(basic: &BasicRecord, machine: &Machine<'_>) -> Vec<Difference> {
    let facts = &machine.facts;
    let view = ledger_view(machine.state, facts);
    let mut differences = Vec::new();
    let mut differ = |field, upload: &str, ledger: &str, same: bool| {
        if !same {
            differences.push(Difference { field, upload: upload.to_owned(), ledger: ledger.to_owned() });
        }
    };
    let codes: Vec<&str> = device_codes(machine.state).collect();
    let known = codes.iter().any(|code| same_text(code, &basic.device_code));
    differ("device_code", &basic.device_code, &codes.join(" "), known);

    let made = facts.manufactured.is_some();
    for (field, upload, ledger, compared) in [
        ("name", &basic.name, &view.name, facts.name.is_some()),
        ("model", &basic.model, &view.model, true),
        ("category", &basic.category, &view.category, facts.category.is_some()),
        ("system", &basic.system, &view.system, facts.system.is_some()),
        ("install_place", &basic.install_place, &view.install_place, facts.install_place.is_some()),
        ("maker", &basic.maker, &view.maker, true),
        ("factory_code", &basic.factory_code, &view.factory_code, true),
        ("mark_no", &basic.mark_no, &view.mark_no, true),
        ("ex_no", &basic.ex_no, &view.ex_no, made),
    ] {
        differ(field, upload, ledger, !compared || same_text(upload, ledger));
    }
    let produced_on = day(machine.state.produced_on.as_ref());
    for (field, upload, ledger, compared) in [
        ("production_date", basic.production_date, produced_on, true),
        ("install_date", basic.install_date, facts.installed_on, facts.installed_on.is_some()),
    ] {
        differ(field, &shown(upload), &shown(ledger), !compared || same_day(upload, ledger));
    }
    for (field, quantity, upload, ledger) in [
        ("rated_voltage", Quantity::Voltage, &basic.rated_voltage, &view.rated_voltage),
        ("rated_current", Quantity::Current, &basic.rated_current, &view.rated_current),
        ("rated_power", Quantity::Power, &basic.rated_power, &view.rated_power),
    ] {
        differ(field, upload, ledger, !made || same_rating(quantity, upload, ledger));
    }
    differences
}

/// Compares two records of a kind field by field: one of an upload, and one made from the ledger.
///
/// Texts are compared in the normal form under which ids are made.
#[must_use]
pub fn compare_records<T: Record>(upload: &T, ledger: &T) -> Vec<Difference> {
    let sides = texts_of(upload).into_iter().zip(texts_of(ledger));
    let fields = T::FIELDS.iter().zip(sides).filter(|(field, (upload, ledger))| match field.form {
        Form::Text => !same_text(upload, ledger),
        Form::Day | Form::Count | Form::YesNo | Form::MarkState | Form::TestResult | Form::ForbiddenKind => {
            upload != ledger
        }
    });
    fields.map(|(field, (upload, ledger))| Difference { field: field.name, upload, ledger }).collect()
}

/// Normal form, where a text has one; else the text, so that what has no normal form equals only itself.
fn key(text: &str) -> String {
    normalise(text).unwrap_or_else(|_| text.to_owned())
}

fn same_text(left: &str, right: &str) -> bool {
    left == right || key(left) == key(right)
}

fn shown(day: Option<Day>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

/// Whether the day of the upload is one that the ledger's can mean.
fn same_day(upload: Option<Day>, ledger: Option<Day>) -> bool {
    let span = |day: Day| -> Option<(Timestamp, Timestamp)> { Some((day.starts()?, day.ends()?)) };
    match (upload, ledger) {
        (None, None) => true,
        (Some(upload), Some(ledger)) => match (span(upload), span(ledger)) {
            (Some(upload), Some(ledger)) => ledger.0 <= upload.0 && upload.1 <= ledger.1,
            _ => upload == ledger,
        },
        (Some(_), None) => false,
        // A partial day cannot be uploaded: no value is the most that could be said.
        (None, Some(ledger)) => ledger.day() == 0,
    }
}

fn same_rating(quantity: Quantity, upload: &str, ledger: &str) -> bool {
    match (Rating::parse(quantity, upload), Rating::parse(quantity, ledger)) {
        (Some(upload), Some(ledger)) => upload == ledger,
        _ => same_text(upload, ledger),
    }
}

/// By what a record and a machine were found to be the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MatchedBy {
    /// Factory code, model and maker of a plate that it bears or bore.
    Plate,
    /// Device code.
    DeviceCode,
}

/// What became of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// One machine of the ledger is meant.
    Matched {
        /// Index of the machine.
        machine: usize,
        /// By what.
        by: MatchedBy,
        /// Fields that differ.
        differences: Vec<Difference>,
        /// Whether an earlier record of the file meant the same machine.
        again: bool,
    },
    /// Several machines could be meant; none is taken.
    Ambiguous {
        /// Indices of the machines.
        machines: Vec<usize>,
        /// By what.
        by: MatchedBy,
    },
    /// The ledger has no such machine.
    OnlyInUpload,
}

/// Compares a whole file with the machines of a mine. It holds the machines, and of the file nothing.
pub struct Comparison<'a> {
    machines: Vec<Machine<'a>>,
    by_plate: BTreeMap<[String; 3], Vec<usize>>,
    by_device_code: BTreeMap<String, Vec<usize>>,
    met: Vec<bool>,
}

impl<'a> Comparison<'a> {
    /// Begins with the machines that should be in the file.
    #[must_use]
    pub fn new(machines: Vec<Machine<'a>>) -> Self {
        let mut by_plate: BTreeMap<[String; 3], Vec<usize>> = BTreeMap::new();
        let mut by_device_code: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, machine) in machines.iter().enumerate() {
            let plates = machine.state.plates.iter().filter(|plate| !plate.serial.is_empty());
            for plate in plates {
                let found =
                    by_plate.entry([&plate.serial, &plate.model, &plate.maker].map(|text| key(text))).or_default();
                add(found, index);
            }
            for code in device_codes(machine.state) {
                add(by_device_code.entry(key(code)).or_default(), index);
            }
        }
        let met = vec![false; machines.len()];
        Self { machines, by_plate, by_device_code, met }
    }

    /// Compares one record: by factory code, model and maker, and where no plate says these, by device code.
    pub fn offer(&mut self, record: &Placed<BasicRecord>) -> Outcome {
        let record = &record.record;
        let plate = [&record.factory_code, &record.model, &record.maker].map(|text| key(text));
        let code = key(&record.device_code);
        let found = match self.by_plate.get(&plate).filter(|_| !record.factory_code.is_empty()) {
            Some(found) => Some((found, MatchedBy::Plate)),
            None => self.by_device_code.get(&code).map(|found| (found, MatchedBy::DeviceCode)),
        };
        let Some((found, by)) = found else { return Outcome::OnlyInUpload };
        let &[index] = found.as_slice() else {
            for &index in found {
                if let Some(met) = self.met.get_mut(index) {
                    *met = true;
                }
            }
            return Outcome::Ambiguous { machines: found.clone(), by };
        };
        let differences = self.machines.get(index).map(|machine| compare(record, machine)).unwrap_or_default();
        let again = self.met.get_mut(index).is_some_and(|met| std::mem::replace(met, true));
        Outcome::Matched { machine: index, by, differences, again }
    }

    /// Machines that no record meant, by index.
    #[must_use]
    pub fn only_in_ledger(&self) -> Vec<usize> {
        self.met.iter().enumerate().filter(|(_, met)| !**met).map(|(index, _)| index).collect()
    }
}

fn add(found: &mut Vec<usize>, index: usize) {
    if found.last() != Some(&index) {
        found.push(index);
    }
}
