//! Criteria: a column for each thing that a machine can be asked for

use tally_proto::v1::Criteria;
use tally_upload::csv::Column;

use super::{
    cell::{self, Cells},
    words::{self, GAS_GRADES, PLACES, PRESENCES},
};

/// Longest cell of a list: 64 codes of 64 bytes, with what stands between them.
pub(super) const LIST_BYTES_MAX: usize = 16_384;

/// Columns of criteria, in the order of the message.
pub(super) const COLUMNS: [Column; 18] = [
    list("categories"),
    list("groups"),
    list("model_prefixes"),
    list("models"),
    list("component_prefixes"),
    list("slots"),
    list("sits_in_slots"),
    list("inside"),
    list("functions"),
    list("attributes"),
    list("plate"),
    list("ex_mark"),
    list("mark_no"),
    list("ex_mark_parts"),
    list("ex_mark_parts_not"),
    list("gas_grades"),
    list("places"),
    list("places_not"),
];

pub(super) const fn list(name: &'static str) -> Column {
    Column::text(name).at_most(LIST_BYTES_MAX)
}

/// The criteria of a row; `None` where it asks for nothing.
pub(super) fn read(cells: &mut Cells<'_>) -> Option<Criteria> {
    let asked = COLUMNS.iter().any(|column| !cells.text(column.name).is_empty());
    asked.then(|| Criteria {
        categories: cells.set("categories"),
        groups: cells.set("groups"),
        model_prefixes: cells.models("model_prefixes"),
        models: cells.models("models"),
        component_prefixes: cells.models("component_prefixes"),
        slots: cells.set("slots"),
        sits_in_slots: cells.set("sits_in_slots"),
        inside: cells.set("inside"),
        functions: cells.set("functions"),
        attributes: cells.attributes("attributes"),
        plate: cells.bounds("plate"),
        ex_mark: cells.word("ex_mark", PRESENCES),
        mark_no: cells.word("mark_no", PRESENCES),
        ex_mark_parts: cells.set("ex_mark_parts"),
        ex_mark_parts_not: cells.set("ex_mark_parts_not"),
        gas_grades: cells.words("gas_grades", GAS_GRADES),
        places: cells.words("places", PLACES),
        places_not: cells.words("places_not", PLACES),
    })
}

/// The cells of criteria; the column that has none, and why.
pub(super) fn write(criteria: &Criteria) -> Result<Vec<String>, (&'static str, String)> {
    let Criteria {
        categories,
        groups,
        model_prefixes,
        models,
        component_prefixes,
        slots,
        sits_in_slots,
        inside,
        functions,
        attributes,
        plate,
        ex_mark,
        mark_no,
        ex_mark_parts,
        ex_mark_parts_not,
        gas_grades,
        places,
        places_not,
    } = criteria;
    let text = cell::texts_to_cell;
    Ok(vec![
        text(categories),
        text(groups),
        text(model_prefixes),
        text(models),
        text(component_prefixes),
        text(slots),
        text(sits_in_slots),
        text(inside),
        text(functions),
        cell::attributes_to_cell(attributes),
        cell::bounds_to_cell(plate).map_err(|why| ("plate", why))?,
        words::to_cell("ex_mark", PRESENCES, *ex_mark)?,
        words::to_cell("mark_no", PRESENCES, *mark_no)?,
        text(ex_mark_parts),
        text(ex_mark_parts_not),
        words::list_to_cell("gas_grades", GAS_GRADES, gas_grades)?,
        words::list_to_cell("places", PLACES, places)?,
        words::list_to_cell("places_not", PLACES, places_not)?,
    ])
}
