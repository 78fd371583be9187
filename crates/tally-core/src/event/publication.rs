//! Bodies of publications. 发布

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{CODE_BYTES_MAX, Checker, LIST_MAX, PLATE_BYTES_MAX},
};
use crate::{id::SubjectKind, rule, statement::Statement, text};

/// Rows of a schedule, and categories, in one publication.
pub const ROWS_MAX: usize = 256;
/// Longest interval of a schedule, in years.
pub const INTERVAL_YEARS_MAX: u32 = 20;

fn publication(check: &mut Checker, publication: Option<&Publication>) {
    let Some(publication) = publication else { return check.problem("publication", "is not given") };
    check.text("publication.title", &publication.title, 1, 256);
    check.optional_code("publication.document_no", &publication.document_no);
    check.choice::<PublicationLayer>("publication.layer", publication.layer);
    check.day("publication.from", publication.from.as_ref(), true);
    let area = &publication.area;
    let is_prefix = matches!(area.len(), 2 | 4 | 6) && area.bytes().all(|byte| byte.is_ascii_digit());
    let for_area = publication.layer == PublicationLayer::Area as i32;
    if for_area && !is_prefix {
        check.problem("publication.area", "is no GB/T 2260 prefix of 2, 4 or 6 digits");
    } else if !for_area && !area.is_empty() {
        check.problem("publication.area", "is given; only the layer area has one");
    }
    if publication.layer == PublicationLayer::Mine as i32 {
        check.id("publication.mine", &publication.mine);
    } else if !publication.mine.is_empty() {
        check.problem("publication.mine", "is given; only the layer mine has one");
    }
}

fn names_mine(publication: Option<&Publication>, named: &mut Named) {
    if let Some(publication) = publication {
        named.id(SubjectKind::Mine, &publication.mine);
    }
}

fn sorted_codes<'a>(check: &mut Checker, field: &str, codes: impl Iterator<Item = &'a str>) {
    let codes: Vec<&str> = codes.collect();
    check.sorted(field, &codes);
}

impl Fields for PolicyPublished {
    fn check(&self, check: &mut Checker) {
        publication(check, self.publication.as_ref());
        check.count("parameters", self.parameters.len(), 1, 128);
        let keys: Vec<(&str, &str)> =
            self.parameters.iter().map(|parameter| (parameter.rule.as_str(), parameter.key.as_str())).collect();
        check.sorted("parameters", &keys);
        for parameter in &self.parameters {
            let RuleParameter { rule, key, value } = parameter;
            let are_texts = [
                check.is_text("parameters.rule", rule, 16),
                check.is_text("parameters.key", key, CODE_BYTES_MAX),
                check.is_text("parameters.value", value, CODE_BYTES_MAX),
            ];
            if are_texts == [true; 3]
                && let Err(problem) = rule::check_parameter(rule, key, value)
            {
                check.problem("parameters", problem);
            }
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names_mine(self.publication.as_ref(), named);
    }
}

impl Fields for SchedulePublished {
    fn check(&self, check: &mut Checker) {
        publication(check, self.publication.as_ref());
        check.count("rows", self.rows.len(), 1, ROWS_MAX);
        sorted_codes(check, "rows", self.rows.iter().map(|row| row.code.as_str()));
        for row in &self.rows {
            check.code("rows.code", &row.code);
            check.code("rows.applies_to", &row.applies_to);
            check.choice::<ScheduledWork>("rows.work", row.work);
            check.text("rows.name_zh", &row.name_zh, 1, 256);
            check.text("rows.name_en", &row.name_en, 1, 256);
            check.choice::<IntervalUnit>("rows.unit", row.unit);
            check.choice::<FirstDue>("rows.first_due", row.first_due);
            interval(check, row);
            if row.tolerance_days > 366 {
                check.problem("rows.tolerance_days", format!("is {}; at most 366", row.tolerance_days));
            }
            check.choices::<Role>("rows.by", &row.by, 1);
            check.optional_code("rows.standard", &row.standard);
            check.optional("rows.condition", &row.condition, 256);
            check.choice::<Severity>("rows.severity", row.severity);
            check.optional("rows.source", &row.source, 256);
            check.optional_choice::<SourceMark>("rows.mark", row.mark);
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names_mine(self.publication.as_ref(), named);
    }
}

fn interval(check: &mut Checker, row: &ScheduleRow) {
    let per_year = match row.unit() {
        IntervalUnit::Unspecified | IntervalUnit::Once => 0,
        IntervalUnit::Shift => 3 * 366,
        IntervalUnit::Day => 366,
        IntervalUnit::Week => 53,
        IntervalUnit::Month => 12,
        IntervalUnit::Year => 1,
    };
    let most = per_year * INTERVAL_YEARS_MAX;
    let least = u32::from(per_year > 0);
    if row.interval < least || row.interval > most {
        let interval = row.interval;
        check.problem("rows.interval", format!("is {interval}; {least} to {most} of this unit are allowed"));
    }
}

impl Fields for CategoriesPublished {
    fn check(&self, check: &mut Checker) {
        publication(check, self.publication.as_ref());
        if self.publication.as_ref().is_some_and(|publication| publication.layer() != PublicationLayer::Nation) {
            check.problem("publication.layer", "is not the nation; a category counts everywhere");
        }
        check.count("categories", self.categories.len(), 0, ROWS_MAX);
        check.count("selectors", self.selectors.len(), 0, 128);
        if self.categories.is_empty() && self.selectors.is_empty() {
            check.problem("categories", "nothing is published");
        }
        sorted_codes(check, "categories", self.categories.iter().map(|row| row.code.as_str()));
        sorted_codes(check, "selectors", self.selectors.iter().map(|row| row.code.as_str()));
        for row in &self.categories {
            check.code("categories.code", &row.code);
            if !matches!(row.group.as_bytes(), [b'A'..=b'L']) {
                check.problem("categories.group", "is none of A to L");
            }
            check.text("categories.name_zh", &row.name_zh, 1, 128);
            check.text("categories.name_en", &row.name_en, 1, 128);
            check.choice::<IdentityKind>("categories.identity_kind", row.identity_kind);
            check.text_set("categories.usage_measures", &row.usage_measures, 8, CODE_BYTES_MAX);
            check.optional_code("categories.place", &row.place);
            check.slots("categories.slots", &row.slots);
            check.text_set("categories.plate_keys", &row.plate_keys, LIST_MAX, CODE_BYTES_MAX);
            check.optional_choice::<SourceMark>("categories.mark", row.mark);
        }
        for row in &self.selectors {
            check.code("selectors.code", &row.code);
            check.text("selectors.name_zh", &row.name_zh, 1, 128);
            check.text("selectors.means", &row.means, 1, 256);
            check.count("selectors.any_of", row.any_of.len(), 0, 16);
            for wanted in &row.any_of {
                criteria(check, "selectors.any_of", wanted);
            }
        }
    }
}

fn criteria(check: &mut Checker, field: &str, criteria: &Criteria) {
    check.within(field, |check| {
        check.text_set("categories", &criteria.categories, LIST_MAX, CODE_BYTES_MAX);
        check.text_set("groups", &criteria.groups, 12, 1);
        for (field, list) in [
            ("model_prefixes", &criteria.model_prefixes),
            ("models", &criteria.models),
            ("component_prefixes", &criteria.component_prefixes),
            ("slots", &criteria.slots),
            ("sits_in_slots", &criteria.sits_in_slots),
            ("inside", &criteria.inside),
            ("functions", &criteria.functions),
            ("ex_mark_parts", &criteria.ex_mark_parts),
            ("ex_mark_parts_not", &criteria.ex_mark_parts_not),
        ] {
            check.text_set(field, list, 16, PLATE_BYTES_MAX);
        }
        for (field, models) in [("model_prefixes", &criteria.model_prefixes), ("models", &criteria.models)] {
            if models.iter().any(|model| text::normalise(model).as_ref() != Ok(model)) {
                check.problem(field, "is not in normal form, so that no machine would be hit");
            }
        }
        check.count("attributes", criteria.attributes.len(), 0, 16);
        check.attributes("attributes", &criteria.attributes);
        check.count("plate", criteria.plate.len(), 0, 16);
        for bound in &criteria.plate {
            check.code("plate.key", &bound.key);
            check.optional_measure("plate.min", bound.min.as_ref(), None);
            check.optional_measure("plate.max", bound.max.as_ref(), None);
        }
        check.optional_choice::<Presence>("ex_mark", criteria.ex_mark);
        check.optional_choice::<Presence>("mark_no", criteria.mark_no);
        check.choices::<GasGrade>("gas_grades", &criteria.gas_grades, 0);
        check.choices::<PlaceKind>("places", &criteria.places, 0);
        check.choices::<PlaceKind>("places_not", &criteria.places_not, 0);
        if *criteria == Criteria::default() {
            check.problem("categories", "nothing is asked for; that would be every machine");
        }
    });
}

impl Fields for PhaseOutPublished {
    fn check(&self, check: &mut Checker) {
        publication(check, self.publication.as_ref());
        check.text("list", &self.list, 1, 128);
        check.count("rows", self.rows.len(), 1, 128);
        sorted_codes(check, "rows", self.rows.iter().map(|row| row.code.as_str()));
        for row in &self.rows {
            check.code("rows.code", &row.code);
            check.optional_code("rows.batch", &row.batch);
            check.optional_code("rows.document_no", &row.document_no);
            check.text("rows.name_zh", &row.name_zh, 1, 256);
            check.text("rows.name_en", &row.name_en, 1, 256);
            for (field, text) in [
                ("rows.reason", &row.reason),
                ("rows.scope", &row.scope),
                ("rows.replacement", &row.replacement),
                ("rows.note", &row.note),
            ] {
                check.optional(field, text, 256);
            }
            check.choice::<PhaseOutState>("rows.state", row.state);
            check.optional_choice::<SourceMark>("rows.mark", row.mark);
            check.count("rows.bans", row.bans.len(), 0, 8);
            for ban in &row.bans {
                check.day("rows.bans.from", ban.from.as_ref(), true);
                match &ban.criteria {
                    None => check.problem("rows.bans.criteria", "is not given"),
                    Some(wanted) => criteria(check, "rows.bans.criteria", wanted),
                }
            }
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        names_mine(self.publication.as_ref(), named);
    }
}

impl Fields for PublicationWithdrawn {
    fn check(&self, check: &mut Checker) {
        check.day("from", self.from.as_ref(), true);
        check.reason("reason", &self.reason);
    }
}
