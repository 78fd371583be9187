//! The tables that a ledger starts with
//!
//! Read like anybody else's: there is no other way from a table to a body.

use std::{collections::BTreeSet, sync::LazyLock};

use tally_proto::v1::{
    CategoriesPublished, Day, PhaseOutPublished, PolicyPublished, Publication, PublicationLayer, SchedulePublished,
    statement::Body,
};

use super::{Encoding, Rows, TableError, TableKind, foreign_rows, read};

const SCHEDULE: &str = include_str!("../../data/schedule.csv");
const CATEGORIES: &str = include_str!("../../data/categories.csv");
const SELECTORS: &str = include_str!("../../data/selectors.csv");
const PHASE_OUT: &str = include_str!("../../data/phaseout.csv");
const POLICY: &str = include_str!("../../data/policy.csv");

/// Name of the list of the default phase-out list, which gathers several; each entry names its own in `batch`.
pub const PHASE_OUT_LIST: &str = "煤矿禁止使用和淘汰设备目录汇编";

/// The text of a default table.
#[must_use]
pub const fn text(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Schedule => SCHEDULE,
        TableKind::Categories => CATEGORIES,
        TableKind::Selectors => SELECTORS,
        TableKind::PhaseOut => PHASE_OUT,
        TableKind::Policy => POLICY,
    }
}

/// The rows of a default table.
///
/// # Errors
/// Never, as a test shows: [`TableError`] of the table.
pub fn rows(kind: TableKind) -> Result<Rows, TableError> {
    Ok(read(kind, text(kind).as_bytes(), Encoding::Utf8)?.rows)
}

/// The four bodies that publish the default tables for the nation, from a day on: categories, schedule, phase-out list,
/// parameters of rules.
///
/// # Errors
/// As of [`rows`].
pub fn bodies(from: Day) -> Result<Vec<Body>, TableError> {
    let publication = |title: &str| {
        Some(Publication {
            title: title.to_owned(),
            layer: PublicationLayer::Nation.into(),
            from: Some(from),
            ..Publication::default()
        })
    };
    let mut categories = CategoriesPublished {
        publication: publication("默认设备类别与设备组"),
        ..CategoriesPublished::default()
    };
    let mut schedule =
        SchedulePublished { publication: publication("默认检修周期"), ..SchedulePublished::default() };
    let mut phase_out = PhaseOutPublished {
        publication: publication("默认淘汰目录"),
        list: PHASE_OUT_LIST.to_owned(),
        ..PhaseOutPublished::default()
    };
    let mut policy = PolicyPublished { publication: publication("默认规则参数"), ..PolicyPublished::default() };
    for kind in TableKind::ALL {
        match rows(kind)? {
            Rows::Schedule(rows) => schedule.rows = rows,
            Rows::Categories(rows) => categories.categories = rows,
            Rows::Selectors(rows) => categories.selectors = rows,
            Rows::PhaseOut(rows) => phase_out.rows = rows,
            Rows::Policy(rows) => policy.parameters = rows,
        }
    }
    Ok(vec![
        Body::CategoriesPublished(categories),
        Body::SchedulePublished(schedule),
        Body::PhaseOutPublished(phase_out),
        Body::PolicyPublished(policy),
    ])
}

/// Codes of the default categories and selectors.
pub(super) fn codes() -> &'static BTreeSet<String> {
    static CODES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let kinds = [TableKind::Categories, TableKind::Selectors];
        // Not by `read`, which asks for these codes.
        let rows = kinds.iter().flat_map(|kind| {
            let rows = foreign_rows(text(*kind).as_bytes(), kind.columns(), Encoding::Utf8);
            rows.map(|(rows, _)| rows).unwrap_or_default()
        });
        rows.filter_map(|row| row.get("code").map(str::to_owned)).collect()
    });
    &CODES
}
