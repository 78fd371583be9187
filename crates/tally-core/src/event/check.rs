//! Bounds of the fields of bodies: every problem of a body is collected, with its path.

use tally_proto::v1::{
    Attachment, Attribute, Certificate, CheckItem, Component, Day, EventRef, LotPiece, Measure, PartFate, Place, Scope,
    SettingChange, Slot,
};

use crate::{
    form::{FieldProblem, PROBLEMS_MAX, Problem},
    id::SubjectId,
    key::PublicKey,
    text,
};

/// Entries of most lists, unless said otherwise.
pub const LIST_MAX: usize = 64;
/// Components of a machine; more follow as ComponentFitted in the same set.
pub const COMPONENTS_MAX: usize = 128;
/// Machines of one round or count.
pub const MACHINES_MAX: usize = 256;
/// Bytes of a maker or model on a plate.
pub const PLATE_BYTES_MAX: usize = 192;
/// Bytes of a serial, lot or reel number.
pub const SERIAL_BYTES_MAX: usize = 128;
/// Bytes of a note.
pub const NOTE_BYTES_MAX: usize = 6_000;
/// Bytes of a reason.
pub const REASON_BYTES_MAX: usize = 1_000;
/// Bytes of a short name, number or code.
pub const CODE_BYTES_MAX: usize = 64;
/// First year of a day.
pub const YEAR_MIN: u32 = 1950;
/// Last year of a day.
pub const YEAR_MAX: u32 = 2200;

/// Collects what is wrong with a body.
pub(crate) struct Checker {
    path: String,
    problems: Vec<FieldProblem>,
}

impl Checker {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), problems: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<FieldProblem> {
        self.problems
    }

    pub(crate) fn problem(&mut self, field: &str, what: impl Into<String>) {
        // A hostile body has as many problems as it has bytes.
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let field = format!("{}.{field}", self.path);
        self.problems.push(FieldProblem { field, problem: Problem::Body(what.into()) });
    }

    pub(crate) fn within(&mut self, field: &str, check: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(field);
        check(self);
        self.path.truncate(length);
    }

    /// Text of `min` to `max` bytes, in NFC, without control characters, without blanks at its ends.
    pub(crate) fn text(&mut self, field: &str, value: &str, min: usize, max: usize) {
        let _: bool = self.text_but(field, value, min, max, char::is_control);
    }

    /// As [`Checker::text`]; whether it is one, so that what is said about its content may show it.
    pub(crate) fn is_text(&mut self, field: &str, value: &str, max: usize) -> bool {
        self.text_but(field, value, 1, max, char::is_control)
    }

    /// Text of several lines: line feeds and no other control characters.
    pub(crate) fn note(&mut self, field: &str, value: &str, min: usize) {
        let is_refused = |character: char| character.is_control() && character != '\n';
        let _: bool = self.text_but(field, value, min, NOTE_BYTES_MAX, is_refused);
    }

    fn text_but(&mut self, field: &str, value: &str, min: usize, max: usize, is_refused: fn(char) -> bool) -> bool {
        let problem = if value.len() < min || value.len() > max {
            format!("has {} bytes; {min} to {max} are allowed", value.len())
        } else if let Err(error) = text::check_canonical(value) {
            error.to_string()
        } else if let Some((at, character)) = value.char_indices().find(|(_, character)| is_refused(*character)) {
            format!("control character U+{:04X} at byte {at}", u32::from(character))
        } else if value.trim() != value {
            "begins or ends with a blank".to_owned()
        } else {
            return true;
        };
        self.problem(field, problem);
        false
    }

    /// Text that may be empty.
    pub(crate) fn optional(&mut self, field: &str, value: &str, max: usize) {
        self.text(field, value, 0, max);
    }

    pub(crate) fn code(&mut self, field: &str, value: &str) {
        self.text(field, value, 1, CODE_BYTES_MAX);
    }

    pub(crate) fn optional_code(&mut self, field: &str, value: &str) {
        self.text(field, value, 0, CODE_BYTES_MAX);
    }

    pub(crate) fn reason(&mut self, field: &str, value: &str) {
        self.text(field, value, 1, REASON_BYTES_MAX);
    }

    /// A value of an enum other than its zero.
    pub(crate) fn choice<E: TryFrom<i32>>(&mut self, field: &str, value: i32) {
        if value == 0 {
            self.problem(field, "is not given");
        } else {
            self.optional_choice::<E>(field, value);
        }
    }

    pub(crate) fn optional_choice<E: TryFrom<i32>>(&mut self, field: &str, value: i32) {
        if E::try_from(value).is_err() {
            self.problem(field, format!("{value} is no value of this field"));
        }
    }

    /// Values of an enum other than its zero, sorted and unique.
    pub(crate) fn choices<E: TryFrom<i32>>(&mut self, field: &str, values: &[i32], min: usize) {
        self.count(field, values.len(), min, LIST_MAX);
        self.sorted(field, values);
        for value in values {
            self.choice::<E>(field, *value);
        }
    }

    /// Texts of a plate by key.
    pub(crate) fn attributes(&mut self, field: &str, attributes: &[Attribute]) {
        self.count(field, attributes.len(), 0, 32);
        let keys: Vec<&str> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        self.sorted(field, &keys);
        for attribute in attributes {
            self.within(field, |check| {
                check.code("key", &attribute.key);
                check.text("value", &attribute.value, 1, 128);
            });
        }
    }

    /// A 16-byte id.
    pub(crate) fn id(&mut self, field: &str, value: &[u8]) {
        if value.len() != 16 {
            self.problem(field, format!("has {} bytes; an id has 16", value.len()));
        }
    }

    pub(crate) fn optional_id(&mut self, field: &str, value: &[u8]) {
        if !value.is_empty() {
            self.id(field, value);
        }
    }

    /// Ids, sorted and unique.
    pub(crate) fn ids(&mut self, field: &str, values: &[Vec<u8>], max: usize) {
        self.count(field, values.len(), 0, max);
        for value in values {
            self.id(field, value);
        }
        self.sorted(field, values);
    }

    pub(crate) fn hash(&mut self, field: &str, value: &[u8]) {
        if value.len() != 32 {
            self.problem(field, format!("has {} bytes; it must have 32", value.len()));
        }
    }

    /// A public key that may be registered.
    pub(crate) fn key(&mut self, field: &str, value: &[u8]) {
        if let Err(error) = PublicKey::parse(value) {
            self.problem(field, error.to_string());
        }
    }

    pub(crate) fn count(&mut self, field: &str, count: usize, min: usize, max: usize) {
        if count < min || count > max {
            self.problem(field, format!("has {count} items; {min} to {max} are allowed"));
        }
    }

    pub(crate) fn sorted<T: Ord>(&mut self, field: &str, values: &[T]) {
        if !values.is_sorted_by(|left, right| left < right) {
            self.problem(field, "is not sorted and unique");
        }
    }

    /// Texts, sorted and unique.
    pub(crate) fn text_set(&mut self, field: &str, values: &[String], max: usize, bytes_max: usize) {
        self.texts(field, values, 0, max, bytes_max);
        self.sorted(field, values);
    }

    /// Texts in an order that means something.
    pub(crate) fn texts(&mut self, field: &str, values: &[String], min: usize, max: usize, bytes_max: usize) {
        self.count(field, values.len(), min, max);
        for value in values {
            self.text(field, value, 1, bytes_max);
        }
    }

    /// A day that must be given; `whole` asks for month and day, too.
    pub(crate) fn day(&mut self, field: &str, day: Option<&Day>, whole: bool) {
        match day {
            None => self.problem(field, "is not given"),
            Some(day) => {
                self.optional_day(field, Some(day));
                if whole && (day.month == 0 || day.day == 0) {
                    self.problem(field, "lacks its month or day");
                }
            }
        }
    }

    pub(crate) fn optional_day(&mut self, field: &str, day: Option<&Day>) {
        let Some(day) = day else { return };
        if day.year < YEAR_MIN || day.year > YEAR_MAX || super::day(day).is_none() {
            let Day { year, month, day } = day;
            self.problem(field, format!("{year}-{month}-{day} is no day between {YEAR_MIN} and {YEAR_MAX}"));
        }
    }

    /// `from` is given, and `until`, where given, is not before it.
    pub(crate) fn period(&mut self, from: Option<&Day>, until: Option<&Day>) {
        self.day("from", from, true);
        self.optional_day("until", until);
        if let (Some(from), Some(until)) = (from, until)
            && (until.year, until.month, until.day) < (from.year, from.month, from.day)
        {
            self.problem("until", "is before from");
        }
    }

    /// An instant between 1950 and 2200, in microseconds since 1970.
    pub(crate) fn instant(&mut self, field: &str, micros: i64) {
        const FIRST: i64 = -631_152_000_000_000; // 1950-01-01 UTC
        const LAST: i64 = 7_258_118_400_000_000; // 2200-01-01 UTC
        if !(FIRST..LAST).contains(&micros) {
            self.problem(field, format!("{micros} µs since 1970 is not between 1950 and 2200"));
        }
    }

    pub(crate) fn span(&mut self, started_us: i64, finished_us: i64) {
        self.instant("started_us", started_us);
        self.instant("finished_us", finished_us);
        if finished_us < started_us {
            self.problem("finished_us", "is before started_us");
        }
    }

    /// A quantity that must be given; `bounds` are whole units, both included, beside those of well-known keys.
    pub(crate) fn measure(&mut self, field: &str, measure: Option<&Measure>, bounds: Option<(i64, i64)>) {
        match measure {
            None => self.problem(field, "is not given"),
            Some(_) => self.optional_measure(field, measure, bounds),
        }
    }

    pub(crate) fn optional_measure(&mut self, field: &str, measure: Option<&Measure>, bounds: Option<(i64, i64)>) {
        let Some(measure) = measure else { return };
        self.within(field, |check| {
            check.text("key", &measure.key, 1, 64);
            check.text("unit", &measure.unit, 0, 32);
            if measure.scale > 9 {
                return check.problem("scale", format!("is {}; at most 9 decimal places", measure.scale));
            }
            let unit = 10_i128.pow(measure.scale);
            let digits = i128::from(measure.digits);
            for (min, max) in [bounds, bounds_of(&measure.key)].into_iter().flatten() {
                if digits < i128::from(min) * unit || digits > i128::from(max) * unit {
                    check.problem("digits", format!("{digits}e-{} is not between {min} and {max}", measure.scale));
                }
            }
        });
    }

    /// Quantities with unique keys.
    pub(crate) fn measures(&mut self, field: &str, measures: &[Measure]) {
        self.count(field, measures.len(), 0, LIST_MAX);
        let mut keys: Vec<&str> = measures.iter().map(|measure| measure.key.as_str()).collect();
        keys.sort_unstable();
        if !keys.is_sorted_by(|left, right| left < right) {
            self.problem(field, "has a key twice");
        }
        for measure in measures {
            self.optional_measure(field, Some(measure), None);
        }
    }

    pub(crate) fn attachment(&mut self, field: &str, attachment: Option<&Attachment>) {
        match attachment {
            None => self.problem(field, "is not given"),
            Some(_) => self.optional_attachment(field, attachment),
        }
    }

    pub(crate) fn optional_attachment(&mut self, field: &str, attachment: Option<&Attachment>) {
        let Some(attachment) = attachment else { return };
        self.within(field, |check| {
            check.hash("sha256", &attachment.sha256);
            check.text("media_type", &attachment.media_type, 3, 127);
            if !attachment.media_type.contains('/') {
                check.problem("media_type", "has no slash");
            }
            if attachment.size_bytes == 0 {
                check.problem("size_bytes", "is 0");
            }
        });
    }

    pub(crate) fn attachments(&mut self, field: &str, attachments: &[Attachment]) {
        self.count(field, attachments.len(), 0, LIST_MAX);
        for attachment in attachments {
            self.optional_attachment(field, Some(attachment));
        }
    }

    pub(crate) fn event_ref(&mut self, field: &str, event: Option<&EventRef>) {
        match event {
            None => self.problem(field, "is not given"),
            Some(_) => self.optional_event_ref(field, event),
        }
    }

    pub(crate) fn optional_event_ref(&mut self, field: &str, event: Option<&EventRef>) {
        let Some(event) = event else { return };
        self.within(field, |check| {
            if let Err(error) = SubjectId::parse(&event.subject) {
                check.problem("subject", error.to_string());
            }
            check.hash("event_hash", &event.event_hash);
        });
    }

    pub(crate) fn items(&mut self, field: &str, items: &[CheckItem], min: usize) {
        self.count(field, items.len(), min, LIST_MAX);
        for item in items {
            self.within(field, |check| {
                check.text("code", &item.code, 1, 128);
                check.choice::<tally_proto::v1::CheckResult>("result", item.result);
                check.optional_measure("value", item.value.as_ref(), None);
                check.optional("remark", &item.remark, 512);
            });
        }
    }

    pub(crate) fn component(&mut self, field: &str, component: &Component) {
        self.within(field, |check| {
            check.optional_code("slot", &component.slot);
            check.optional("maker", &component.maker, PLATE_BYTES_MAX);
            check.optional("model", &component.model, PLATE_BYTES_MAX);
            check.optional("serial", &component.serial, SERIAL_BYTES_MAX);
            check.optional("lot", &component.lot, SERIAL_BYTES_MAX);
            check.optional_code("mark_no", &component.mark_no);
            check.optional_code("ex_cert_no", &component.ex_cert_no);
            check.optional_id("equipment", &component.equipment);
            check.optional("description", &component.description, 256);
            if !component.serial.is_empty() && !component.lot.is_empty() {
                check.problem("lot", "stands beside a serial; a component has one of the two");
            }
            if component.model.is_empty() && component.equipment.is_empty() && component.description.is_empty() {
                check.problem("model", "is empty, and neither equipment nor description says what it is");
            }
        });
    }

    pub(crate) fn components(&mut self, field: &str, components: &[Component], max: usize) {
        self.count(field, components.len(), 0, max);
        for component in components {
            self.component(field, component);
        }
    }

    pub(crate) fn required_component(&mut self, field: &str, component: Option<&Component>) {
        match component {
            None => self.problem(field, "is not given"),
            Some(component) => self.component(field, component),
        }
    }

    pub(crate) fn fate(&mut self, field: &str, part: &PartFate) {
        self.within(field, |check| {
            check.required_component("component", part.component.as_ref());
            check.choice::<tally_proto::v1::Fate>("fate", part.fate);
        });
    }

    pub(crate) fn fates(&mut self, field: &str, parts: &[PartFate], max: usize) {
        self.count(field, parts.len(), 0, max);
        for part in parts {
            self.fate(field, part);
        }
    }

    pub(crate) fn place(&mut self, field: &str, place: Option<&Place>) {
        match place {
            None => self.problem(field, "is not given"),
            Some(_) => self.optional_place(field, place),
        }
    }

    pub(crate) fn optional_place(&mut self, field: &str, place: Option<&Place>) {
        let Some(place) = place else { return };
        self.within(field, |check| {
            check.optional_id("mine", &place.mine);
            check.optional_id("node", &place.node);
            check.optional("text", &place.text, 256);
            if !place.node.is_empty() && place.mine.is_empty() {
                check.problem("mine", "is empty, but a node of a mine's places is named");
            }
            if place.mine.is_empty() && place.text.is_empty() {
                check.problem("text", "is empty, and no mine is named");
            }
        });
    }

    pub(crate) fn scope(&mut self, field: &str, scope: Option<&Scope>) {
        let Some(scope) = scope else { return };
        self.within(field, |check| {
            check.ids("mines", &scope.mines, 256);
            check.text_set("areas", &scope.areas, LIST_MAX, 6);
            for area in &scope.areas {
                if !matches!(area.len(), 2 | 4 | 6) || !area.bytes().all(|byte| byte.is_ascii_digit()) {
                    check.problem("areas", format!("{area} is no prefix of 2, 4 or 6 digits"));
                }
            }
            check.text_set("categories", &scope.categories, LIST_MAX, CODE_BYTES_MAX);
            check.text_set("protections", &scope.protections, 32, CODE_BYTES_MAX);
            check.text_set("schedule_codes", &scope.schedule_codes, LIST_MAX, CODE_BYTES_MAX);
        });
    }

    pub(crate) fn area_code(&mut self, field: &str, code: &str) {
        if !code.is_empty() && (code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            self.problem(field, format!("{code} is no GB/T 2260 code of 6 digits"));
        }
    }

    pub(crate) fn certificates(&mut self, field: &str, certificates: &[Certificate]) {
        self.count(field, certificates.len(), 0, 16);
        for certificate in certificates {
            self.within(field, |check| {
                check.code("kind", &certificate.kind);
                check.hash("number_digest", &certificate.number_digest);
                check.optional_day("valid_until", certificate.valid_until.as_ref());
            });
        }
    }

    pub(crate) fn settings(&mut self, field: &str, settings: &[SettingChange]) {
        self.count(field, settings.len(), 1, LIST_MAX);
        let mut keys: Vec<&str> = settings.iter().map(|setting| setting.key.as_str()).collect();
        keys.sort_unstable();
        if !keys.is_sorted_by(|left, right| left < right) {
            self.problem(field, "has a key twice");
        }
        for setting in settings {
            self.within(field, |check| {
                check.code("key", &setting.key);
                check.optional_measure("old_value", setting.old_value.as_ref(), None);
                check.measure("new_value", setting.new_value.as_ref(), None);
            });
        }
    }

    pub(crate) fn slots(&mut self, field: &str, slots: &[Slot]) {
        self.count(field, slots.len(), 0, COMPONENTS_MAX);
        let mut names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        names.sort_unstable();
        if !names.is_sorted_by(|left, right| left < right) {
            self.problem(field, "has a name twice");
        }
        for slot in slots {
            self.within(field, |check| check.code("name", &slot.name));
        }
    }

    pub(crate) fn pieces(&mut self, field: &str, pieces: &[LotPiece]) {
        self.count(field, pieces.len(), 2, 63);
        for piece in pieces {
            self.within(field, |check| {
                check.code("suffix", &piece.suffix);
                check.measure("from", piece.from.as_ref(), Some((0, 50_000)));
                check.measure("to", piece.to.as_ref(), Some((0, 50_000)));
            });
        }
    }
}

/// Bounds of well-known quantities, in whole units, both included.
///
/// Source: the trade's usual ranges; `docs/format.md` lists them.
pub const QUANTITY_BOUNDS: &[(&str, i64, i64)] = &[
    ("voltage_V", 0, 35_000),
    ("power_kW", 0, 20_000),
    ("running_h", 0, 500_000),
    ("coal_t", 0, 1_000_000_000),
    ("cycles", 0, 1_000_000_000),
    ("length_m", 0, 50_000),
    ("diameter_mm", 0, 100),
    ("methane_pct", 0, 100),
    ("flamepath_mm", 0, 5),
    ("insulation_MOhm", 0, 100_000),
];

fn bounds_of(key: &str) -> Option<(i64, i64)> {
    QUANTITY_BOUNDS.iter().find(|(name, ..)| *name == key).map(|(_, min, max)| (*min, *max))
}
