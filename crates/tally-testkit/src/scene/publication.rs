//! Publications of a scene: parameters of rules, schedules, categories, phase-out lists, and their end.

use tally_core::id::SubjectId;
use tally_proto::v1::{self, PublicationLayer, Role, statement::Body};

use super::{Scene, Sketch, day_of};

/// For whom a publication counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layer<'a> {
    /// Everywhere.
    Nation,
    /// An area, by a prefix of its code.
    Area(&'a str),
    /// The mines that the publisher runs.
    Group,
    /// The mine of a party.
    Mine(&'a str),
}

impl Scene {
    /// A publication that counts from today on.
    #[must_use]
    pub fn publication(&self, layer: Layer<'_>) -> v1::Publication {
        let (of, area, mine) = match layer {
            Layer::Nation => (PublicationLayer::Nation, "", Vec::new()),
            Layer::Area(area) => (PublicationLayer::Area, area, Vec::new()),
            Layer::Group => (PublicationLayer::Group, "", Vec::new()),
            Layer::Mine(party) => (PublicationLayer::Mine, "", self.party(party).mine().id().to_vec()),
        };
        v1::Publication {
            title: "published by a scene".to_owned(),
            layer: of.into(),
            area: area.to_owned(),
            mine,
            from: Some(day_of(self.now())),
            ..v1::Publication::default()
        }
    }

    /// Parameters of rules, each with rule, key and value.
    #[must_use]
    pub fn policy(&self, party: &str, layer: Layer<'_>, parameters: &[[&str; 3]]) -> Sketch {
        let mut parameters = parameters.to_vec();
        parameters.sort_unstable();
        let parameter = |[rule, key, value]: [&str; 3]| v1::RuleParameter {
            rule: rule.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.opening(
            party,
            Body::PolicyPublished(v1::PolicyPublished {
                publication: Some(self.publication(layer)),
                parameters: parameters.into_iter().map(parameter).collect(),
            }),
        )
    }

    /// Rows of a schedule.
    #[must_use]
    pub fn schedule(&self, party: &str, layer: Layer<'_>, mut rows: Vec<v1::ScheduleRow>) -> Sketch {
        rows.sort_by(|left, right| left.code.cmp(&right.code));
        let publication = Some(self.publication(layer));
        self.opening(party, Body::SchedulePublished(v1::SchedulePublished { publication, rows }))
    }

    /// Categories, everywhere.
    #[must_use]
    pub fn categories(&self, party: &str, mut categories: Vec<v1::CategoryRow>) -> Sketch {
        categories.sort_by(|left, right| left.code.cmp(&right.code));
        self.opening(
            party,
            Body::CategoriesPublished(v1::CategoriesPublished {
                publication: Some(self.publication(Layer::Nation)),
                categories,
                selectors: Vec::new(),
            }),
        )
    }

    /// Entries of a phase-out list.
    #[must_use]
    pub fn phase_out(&self, party: &str, layer: Layer<'_>, mut rows: Vec<v1::PhaseOutRow>) -> Sketch {
        rows.sort_by(|left, right| left.code.cmp(&right.code));
        let publication = Some(self.publication(layer));
        let list = "phased out".to_owned();
        self.opening(party, Body::PhaseOutPublished(v1::PhaseOutPublished { publication, list, rows }))
    }

    /// The end of a publication, from today on.
    #[must_use]
    pub fn withdrawal(&self, party: &str, publication: SubjectId) -> Sketch {
        let (from, reason) = (Some(day_of(self.now())), "published anew".to_owned());
        self.sketch(party, publication, Body::PublicationWithdrawn(v1::PublicationWithdrawn { from, reason }))
    }
}

/// Work of a mine on a category, every so many months in use.
#[must_use]
pub fn monthly(code: &str, category: &str, work: v1::ScheduledWork, months: u32) -> v1::ScheduleRow {
    v1::ScheduleRow {
        code: code.to_owned(),
        applies_to: category.to_owned(),
        work: work.into(),
        name_zh: "定期工作".to_owned(),
        name_en: "work that falls due".to_owned(),
        interval: months,
        unit: v1::IntervalUnit::Month.into(),
        first_due: v1::FirstDue::InUse.into(),
        by: vec![Role::Mine.into()],
        severity: v1::Severity::General.into(),
        ..v1::ScheduleRow::default()
    }
}

/// A category of units under mark management.
#[must_use]
pub fn category(code: &str) -> v1::CategoryRow {
    v1::CategoryRow {
        code: code.to_owned(),
        group: "L".to_owned(),
        name_zh: "设备".to_owned(),
        name_en: "machine".to_owned(),
        identity_kind: v1::IdentityKind::Unit.into(),
        mark_managed: true,
        ..v1::CategoryRow::default()
    }
}

/// A ban, from a day on, of the models that begin so; the beginning is in normal form.
#[must_use]
pub fn ban(code: &str, model_prefix: &str, from: v1::Day) -> v1::PhaseOutRow {
    let criteria = v1::Criteria { model_prefixes: vec![model_prefix.to_owned()], ..v1::Criteria::default() };
    v1::PhaseOutRow {
        code: code.to_owned(),
        name_zh: "淘汰设备".to_owned(),
        name_en: "machine that is phased out".to_owned(),
        bans: vec![v1::PhaseOutBan { from: Some(from), criteria: Some(criteria) }],
        state: v1::PhaseOutState::InForce.into(),
        ..v1::PhaseOutRow::default()
    }
}
