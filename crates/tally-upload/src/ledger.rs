//! Records from what the ledger knows, and what it knows from records: pure functions, and nothing is made up
//!
//! What the ledger has no field for comes in through plain structs that the caller fills: names, places in words, systems,
//! safety marks, lists of forbidden equipment.

use tally_core::{event::EventKind, time::Day};
use tally_proto::v1::{self, AliasKind, CheckResult, Equipment, Manufactured, Tested};

use crate::{
    rating::{Quantity, Rating},
    upload::{BasicRecord, ForbiddenKind, ForbiddenRecord, MarkRecord, MarkState, TestRecord, TestResult},
};

/// Why the ledger's facts make no record.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MappingError {
    /// The machine has no device code.
    #[error("machine {machine} has no alias of kind MT1201: set its device code with AliasSet first")]
    DeviceCodeMissing {
        /// What its plate says.
        machine: String,
    },
    /// The machine has several device codes.
    #[error("machine {machine} has {count} aliases of kind MT1201 in force: end all but one with AliasEnded")]
    DeviceCodeAmbiguous {
        /// What its plate says.
        machine: String,
        /// How many.
        count: usize,
    },
    /// The machine bears no plate.
    #[error("the machine bears no plate: its factory code is not known")]
    PlateMissing,
    /// A result that the upload has no code for.
    #[error("{result} has no code in JCJY, which knows passed and failed")]
    ResultWithoutCode {
        /// The result, by its name on the wire.
        result: &'static str,
    },
    /// A field that a body must have.
    #[error("{field} has no value, and {body} asks for one")]
    ValueMissing {
        /// The field.
        field: &'static str,
        /// The body.
        body: &'static str,
    },
}

/// What is known of a machine beside its state. What is `None` is not known, is written as no value and is not compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct BasicFacts<'a> {
    /// Name, as the category's list or the mine's own book has it.
    pub name: Option<&'a str>,
    /// Category as the upload codes it; how is not known.
    pub category: Option<&'a str>,
    /// System that it belongs to, as the upload codes it.
    pub system: Option<&'a str>,
    /// Day of the last Installed.
    pub installed_on: Option<Day>,
    /// Where it is, in words.
    pub install_place: Option<&'a str>,
    /// The Manufactured of its chain: ratings and the explosion-proof certificate.
    pub manufactured: Option<&'a Manufactured>,
}

/// The device code of a machine: its alias of kind MT1201.
///
/// # Errors
/// [`MappingError::DeviceCodeMissing`], [`MappingError::DeviceCodeAmbiguous`].
pub fn device_code(machine: &Equipment) -> Result<&str, MappingError> {
    let mut codes = device_codes(machine);
    match (codes.next(), codes.count()) {
        (Some(code), 0) => Ok(code),
        (Some(_), more) => Err(MappingError::DeviceCodeAmbiguous { machine: shown(machine), count: more + 1 }),
        (None, _) => Err(MappingError::DeviceCodeMissing { machine: shown(machine) }),
    }
}

/// Every device code in force.
pub(crate) fn device_codes(machine: &Equipment) -> impl Iterator<Item = &str> {
    machine.aliases.iter().filter(|alias| alias.kind() == AliasKind::Mt1201).map(|alias| alias.value.as_str())
}

fn shown(machine: &Equipment) -> String {
    let Some(plate) = machine.plates.last() else { return "without a plate".to_owned() };
    format!("{} {}:{}", plate.maker, plate.model, plate.serial)
}

/// A day of the wire; `None` where it is absent or none.
pub(crate) fn day(wire: Option<&v1::Day>) -> Option<Day> {
    let wire = wire?;
    Day::new(i16::try_from(wire.year).ok()?, u8::try_from(wire.month).ok()?, u8::try_from(wire.day).ok()?)
}

/// A day that is known to the day: the upload has no partial ones.
fn whole(day: Option<Day>) -> Option<Day> {
    day.filter(|day| day.day() != 0)
}

/// JBSJ from the state of a machine. The plate that it bears now counts; a partial day is no value.
///
/// # Errors
/// [`MappingError`] where it has not exactly one device code.
pub fn basic_record(machine: &Equipment, facts: &BasicFacts<'_>) -> Result<BasicRecord, MappingError> {
    let device_code = device_code(machine)?.to_owned();
    Ok(BasicRecord { device_code, ..ledger_view(machine, facts) })
}

/// What the ledger would upload of a machine but for its device code.
pub(crate) fn ledger_view(machine: &Equipment, facts: &BasicFacts<'_>) -> BasicRecord {
    let plate = machine.plates.last().cloned().unwrap_or_default();
    let text = |fact: Option<&str>| fact.unwrap_or_default().to_owned();
    let nameplate = facts.manufactured.map(|made| made.nameplate.as_slice()).unwrap_or_default();
    let rated = |quantity| Rating::on_plate(quantity, nameplate).map(|rating| rating.to_string()).unwrap_or_default();
    BasicRecord {
        device_code: String::new(),
        name: text(facts.name),
        model: plate.model,
        category: text(facts.category),
        production_date: whole(day(machine.produced_on.as_ref())),
        system: text(facts.system),
        install_date: whole(facts.installed_on),
        install_place: text(facts.install_place),
        maker: plate.maker,
        factory_code: plate.serial,
        mark_no: machine.mark_no.clone(),
        ex_no: facts.manufactured.map(|made| made.ex_cert_no.clone()).unwrap_or_default(),
        rated_voltage: rated(Quantity::Voltage),
        rated_current: rated(Quantity::Current),
        rated_power: rated(Quantity::Power),
    }
}

/// What is known of a test beside its body. Contact and telephone are personal: the ledger has neither.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestFacts<'a> {
    /// Name of the machine.
    pub name: &'a str,
    /// Name of who tested: the organisation of the statement.
    pub body: &'a str,
    /// What was tested, in words; the code of the scheduled work where it is empty.
    pub item: &'a str,
    /// Interval in months, of the schedule.
    pub interval_months: Option<u32>,
    /// Remark.
    pub remark: &'a str,
    /// Contact.
    pub contact: &'a str,
    /// Telephone number.
    pub phone: &'a str,
}

/// JCJY from a test of a machine. A test is valid from its day.
///
/// # Errors
/// [`MappingError::PlateMissing`]; [`MappingError::ResultWithoutCode`] where it neither passed nor failed;
/// [`MappingError::ValueMissing`] where its day is not whole.
pub fn test_record(tested: &Tested, machine: &Equipment, facts: &TestFacts<'_>) -> Result<TestRecord, MappingError> {
    let plate = machine.plates.last().filter(|plate| !plate.serial.is_empty()).ok_or(MappingError::PlateMissing)?;
    let result = match tested.result() {
        CheckResult::Pass => TestResult::Pass,
        CheckResult::Fail => TestResult::Fail,
        other @ (CheckResult::Unspecified | CheckResult::NotApplicable | CheckResult::Conditional) => {
            return Err(MappingError::ResultWithoutCode { result: other.as_str_name() });
        }
    };
    let missing = MappingError::ValueMissing { field: "tested_on", body: "JCJY" };
    let tested_on = whole(day(tested.test_date.as_ref())).ok_or(missing)?;
    let item = if facts.item.is_empty() { &tested.schedule_code } else { facts.item };
    Ok(TestRecord {
        factory_code: plate.serial.clone(),
        name: facts.name.to_owned(),
        model: plate.model.clone(),
        test_no: tested.report_no.clone(),
        item: item.to_owned(),
        result: Some(result),
        tested_on: Some(tested_on),
        body: facts.body.to_owned(),
        valid_from: Some(tested_on),
        valid_to: whole(day(tested.valid_until.as_ref())),
        interval_months: facts.interval_months,
        remark: facts.remark.to_owned(),
        contact: facts.contact.to_owned(),
        phone: facts.phone.to_owned(),
    })
}

/// What a record of JCJY says, as a body that somebody may sign. The report itself and its values are not in the file.
///
/// # Errors
/// [`MappingError::ValueMissing`] where it has no number, result or day.
pub fn tested_draft(record: &TestRecord, schedule_code: &str, standard: &str) -> Result<Tested, MappingError> {
    let missing = |field| MappingError::ValueMissing { field, body: EventKind::Tested.name() };
    if record.test_no.is_empty() {
        return Err(missing("test_no"));
    }
    let result = match record.result.ok_or_else(|| missing("result"))? {
        TestResult::Pass => CheckResult::Pass,
        TestResult::Fail => CheckResult::Fail,
    };
    Ok(Tested {
        schedule_code: schedule_code.to_owned(),
        standard: standard.to_owned(),
        report_no: record.test_no.clone(),
        test_date: Some(wire_day(record.tested_on.ok_or_else(|| missing("tested_on"))?)),
        result: result.into(),
        valid_until: record.valid_to.map(wire_day),
        ..Tested::default()
    })
}

fn wire_day(day: Day) -> v1::Day {
    v1::Day {
        year: u32::try_from(day.year()).unwrap_or_default(),
        month: u32::from(day.month()),
        day: u32::from(day.day()),
    }
}

/// What is known of a safety mark and of the machine that bears it. An empty text and `None` are "not known".
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MarkFacts {
    /// Product, as on the certificate.
    pub product_name: String,
    /// Model, as on the certificate.
    pub model: String,
    /// Serial number of the machine.
    pub factory_code: String,
    /// Number of the mark.
    pub mark_no: String,
    /// First day of validity.
    pub valid_from: Option<Day>,
    /// Last day of validity.
    pub valid_to: Option<Day>,
    /// State.
    pub state: Option<MarkState>,
    /// Producer.
    pub producer: String,
    /// Address of production.
    pub production_address: String,
    /// Contact; personal.
    pub contact: String,
    /// Telephone number; personal.
    pub phone: String,
    /// Holder.
    pub holder: String,
}

/// What is known of an entry of a list of forbidden or phased-out equipment. An empty text and `None` are "not known".
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PhaseOutFacts {
    /// Product.
    pub product: String,
    /// Model.
    pub model: String,
    /// Reason.
    pub reason: String,
    /// Whether at once.
    pub at_once: Option<bool>,
    /// Last day of use.
    pub deadline: Option<Day>,
    /// Batch of the list.
    pub batch: String,
    /// Day of announcement.
    pub announced_on: Option<Day>,
    /// Day of effect.
    pub effective_on: Option<Day>,
    /// Kind, 1 to 4; what the numbers mean is not known.
    pub kind: Option<ForbiddenKind>,
    /// Remark.
    pub remark: String,
}

/// The same fields on both sides, so that one that is added to one of them does not compile without the other.
macro_rules! same_fields {
    ($facts:ident, $record:ident: $($field:ident),+; $($day:ident),+) => {
        impl From<$facts> for $record {
            /// A day that is not known to the day becomes no value.
            fn from(facts: $facts) -> Self {
                Self { $($field: facts.$field,)+ $($day: whole(facts.$day),)+ }
            }
        }

        impl From<$record> for $facts {
            fn from(record: $record) -> Self {
                Self { $($field: record.$field,)+ $($day: record.$day,)+ }
            }
        }
    };
}

same_fields!(
    MarkFacts, MarkRecord:
    product_name, model, factory_code, mark_no, state, producer, production_address, contact, phone, holder;
    valid_from, valid_to
);
same_fields!(
    PhaseOutFacts, ForbiddenRecord:
    product, model, reason, at_once, batch, kind, remark;
    deadline, announced_on, effective_on
);
