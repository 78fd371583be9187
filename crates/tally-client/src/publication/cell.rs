//! Cells: texts, words, lists, days and measures, there and back
//!
//! Values of a list are split by `;`. What would be read as punctuation stands behind `\`.

use std::collections::BTreeSet;

use tally_core::text::normalise;
use tally_proto::v1::{Attribute, Day, Measure, PlateBound, Slot};
use tally_upload::csv::Row;

use super::{
    report::{Fault, Problem},
    words::{self, Word},
};

/// Characters that mean something in a list unless `\` stands before them. Chinese keyboards give the wide ones.
const SPECIAL: [char; 10] = [';', '；', '=', '<', '>', '≤', '≥', '[', ']', '\\'];

/// A character, and whether it is meant as itself.
type Letter = (char, bool);

/// A row that is being read, with what was found wrong.
pub(super) struct Cells<'a> {
    row: &'a Row,
    problems: Vec<Problem>,
}

impl<'a> Cells<'a> {
    pub(super) const fn new(row: &'a Row) -> Self {
        Self { row, problems: Vec::new() }
    }

    /// Line on which the row begins.
    pub(super) const fn line(&self) -> u64 {
        self.row.line()
    }

    /// What was found wrong.
    pub(super) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether something was found wrong with a column.
    pub(super) fn is_bad(&self, column: &str) -> bool {
        self.problems.iter().any(|problem| problem.column == column)
    }

    /// Whether something was found wrong with any.
    pub(super) const fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(super) fn fault(&mut self, column: &'static str, fault: Fault) {
        self.problems.push(Problem { line: self.line(), column, fault });
    }

    /// The text of a cell; empty where there is none.
    pub(super) fn text(&self, column: &str) -> &'a str {
        self.row.get(column).unwrap_or_default()
    }

    /// The value of a word; 0 for an empty cell.
    pub(super) fn word(&mut self, column: &'static str, words: &[Word]) -> i32 {
        match self.text(column) {
            "" => 0,
            text => self.known(column, words, text),
        }
    }

    fn known(&mut self, column: &'static str, words: &[Word], text: &str) -> i32 {
        words::number_of(words, text).unwrap_or_else(|| {
            self.fault(column, Fault::Word { found: text.to_owned(), known: words::list(words) });
            0
        })
    }

    /// The values of words, sorted.
    pub(super) fn words(&mut self, column: &'static str, words: &[Word]) -> Vec<i32> {
        let values: Vec<i32> = self.list(column).iter().map(|text| self.known(column, words, text)).collect();
        let set: BTreeSet<i32> = values.iter().copied().collect();
        if set.len() < values.len() && !self.is_bad(column) {
            self.fault(column, Fault::Twice { found: self.text(column).to_owned() });
        }
        set.into_iter().collect()
    }

    /// A whole number; 0 for an empty cell.
    pub(super) fn number(&mut self, column: &'static str, max: u32) -> u32 {
        let text = self.text(column);
        if text.is_empty() {
            return 0;
        }
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.filter(|number| *number <= max).unwrap_or_else(|| {
            self.fault(column, Fault::Number { found: text.to_owned(), max });
            0
        })
    }

    /// A day, as people write it or as spreadsheets of China turn it: `2026-04-02`, `2026/4/2`.
    pub(super) fn day(&mut self, column: &'static str) -> Option<Day> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let day = day(text);
        if day.is_none() {
            self.fault(column, Fault::Day { found: text.to_owned() });
        }
        day
    }

    /// Texts in their order.
    pub(super) fn list(&mut self, column: &'static str) -> Vec<String> {
        self.letters(column).iter().map(|letters| plain(letters)).collect()
    }

    /// Texts, sorted.
    pub(super) fn set(&mut self, column: &'static str) -> Vec<String> {
        let texts = self.list(column);
        self.sorted(column, texts)
    }

    /// Models in their normal form, sorted.
    pub(super) fn models(&mut self, column: &'static str) -> Vec<String> {
        let mut models = Vec::new();
        for found in self.list(column) {
            match normalise(&found) {
                Ok(model) => models.push(model),
                Err(error) => self.fault(column, Fault::Model { found, error }),
            }
        }
        self.sorted(column, models)
    }

    fn sorted(&mut self, column: &'static str, texts: Vec<String>) -> Vec<String> {
        let mut set = BTreeSet::new();
        for text in texts {
            if set.contains(&text) {
                self.fault(column, Fault::Twice { found: text });
            } else {
                set.insert(text);
            }
        }
        set.into_iter().collect()
    }

    /// Texts of a plate, sorted by key.
    pub(super) fn attributes(&mut self, column: &'static str) -> Vec<Attribute> {
        let mut attributes: Vec<Attribute> = Vec::new();
        for letters in self.letters(column) {
            let found = plain(&letters);
            match split(&letters, &['=']) {
                Some((key, rest)) if !key.is_empty() => {
                    let (key, value) = (plain(key), plain(rest.get(1..).unwrap_or_default()));
                    if attributes.iter().any(|known| known.key == key) {
                        self.fault(column, Fault::Twice { found: key });
                    } else if value.is_empty() {
                        self.fault(column, Fault::Attribute { found });
                    } else {
                        attributes.push(Attribute { key, value });
                    }
                }
                Some(_) | None => self.fault(column, Fault::Attribute { found }),
            }
        }
        attributes.sort_by(|left, right| left.key.cmp(&right.key));
        attributes
    }

    /// Bounds of rated values.
    pub(super) fn bounds(&mut self, column: &'static str) -> Vec<PlateBound> {
        let mut bounds = Vec::new();
        for letters in self.letters(column) {
            match bound(&letters) {
                Some(bound) => bounds.push(bound),
                None => self.fault(column, Fault::Bounds { found: plain(&letters) }),
            }
        }
        bounds
    }

    /// Slots in their order.
    pub(super) fn slots(&mut self, column: &'static str) -> Vec<Slot> {
        let mut slots: Vec<Slot> = Vec::new();
        for letters in self.letters(column) {
            match slot(&letters) {
                Some(slot) if slots.iter().any(|known| known.name == slot.name) => {
                    self.fault(column, Fault::Twice { found: slot.name });
                }
                Some(slot) => slots.push(slot),
                None => self.fault(column, Fault::Slot { found: plain(&letters) }),
            }
        }
        slots
    }

    fn letters(&mut self, column: &'static str) -> Vec<Vec<Letter>> {
        let text = self.text(column);
        if text.is_empty() {
            return Vec::new();
        }
        let letters = letters(text);
        let values: Vec<Vec<Letter>> =
            letters.split(|letter| matches!(letter, (';' | '；', false))).map(trimmed).collect();
        if values.iter().any(Vec::is_empty) {
            self.fault(column, Fault::EmptyValue);
        }
        values.into_iter().filter(|value| !value.is_empty()).collect()
    }
}

/// Characters of a text; what stands behind `\` is meant as itself.
fn letters(text: &str) -> Vec<Letter> {
    let mut letters = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '\\' && SPECIAL.contains(next) => {
                letters.push((*next, true));
                characters.next();
            }
            Some(_) | None => letters.push((character, false)),
        }
    }
    letters
}

fn trimmed(letters: &[Letter]) -> Vec<Letter> {
    let is_blank = |letter: &Letter| matches!(letter.0, ' ' | '\u{3000}' | '\u{A0}');
    let start = letters.iter().position(|letter| !is_blank(letter)).unwrap_or(letters.len());
    let end = letters.iter().rposition(|letter| !is_blank(letter)).map_or(start, |last| last + 1);
    letters.get(start..end).unwrap_or_default().to_vec()
}

fn plain(letters: &[Letter]) -> String {
    let text: String = letters.iter().map(|letter| letter.0).collect();
    text.trim().to_owned()
}

/// What stands before the first of some signs, and the rest, which begins with it.
fn split<'a>(letters: &'a [Letter], signs: &[char]) -> Option<(&'a [Letter], &'a [Letter])> {
    let at = letters.iter().position(|(character, meant)| !meant && signs.contains(character))?;
    letters.split_at_checked(at)
}

/// `KEY`, `KEY>=MEASURE`, `KEY<=MEASURE` or `KEY>=MEASURE<=MEASURE`.
fn bound(letters: &[Letter]) -> Option<PlateBound> {
    const SIGNS: [char; 4] = ['>', '<', '≥', '≤'];
    let (key, mut rest) = split(letters, &SIGNS).unwrap_or((letters, &[]));
    // `voltage_V=1140 V` is no bound; it would be read as a key without one.
    if split(key, &['=']).is_some() {
        return None;
    }
    let key = plain(key);
    let mut bound = PlateBound { key: key.clone(), min: None, max: None };
    while let Some(((sign, _), behind)) = rest.split_first() {
        let behind = match (sign, behind.split_first()) {
            ('≥' | '≤', _) => behind,
            (_, Some((('=', false), behind))) => behind,
            (..) => return None,
        };
        let (text, further) = split(behind, &SIGNS).unwrap_or((behind, &[]));
        let measure = Some(measure(&key, &plain(text))?);
        match sign {
            '>' | '≥' if bound.min.is_none() && bound.max.is_none() => bound.min = measure,
            '<' | '≤' if bound.max.is_none() => bound.max = measure,
            _ => return None,
        }
        rest = further;
    }
    (!key.is_empty()).then_some(bound)
}

/// A number, and behind a blank its unit.
fn measure(key: &str, text: &str) -> Option<Measure> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let pointed = unsigned.contains('.');
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) || pointed == part.is_empty() {
        return None;
    }
    let scale = u32::try_from(part.len()).ok().filter(|scale| *scale <= 9)?;
    let sign = if number.starts_with('-') { "-" } else { "" };
    let digits = format!("{sign}{whole}{part}").parse().ok()?;
    Some(Measure { key: key.to_owned(), digits, scale, unit: unit.trim().to_owned() })
}

/// `NAME`, `NAME[C]`, `NAME[M]` or `NAME[CM]`.
fn slot(letters: &[Letter]) -> Option<Slot> {
    let Some((name, flags)) = split(letters, &['[']) else {
        return Some(Slot { name: plain(letters), controlled: false, mandatory: false });
    };
    let flags = plain(flags).to_uppercase();
    let (controlled, mandatory) = match flags.as_str() {
        "[C]" => (true, false),
        "[M]" => (false, true),
        "[CM]" | "[MC]" => (true, true),
        _ => return None,
    };
    let name = plain(name);
    (!name.is_empty()).then_some(Slot { name, controlled, mandatory })
}

/// The day of a text; `None` where it is none.
pub(super) fn day(text: &str) -> Option<Day> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = text.split(separator).collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| -> Option<u32> {
        let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let day = Day { year: number(year, 4..=4)?, month: number(month, 1..=2)?, day: number(day, 1..=2)? };
    (day.month > 0 && day.day > 0 && tally_core::event::day(&day).is_some()).then_some(day)
}

/// A text as a value of a list.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A list as a cell.
pub(super) fn list_to_cell(values: impl IntoIterator<Item = String>) -> String {
    values.into_iter().collect::<Vec<_>>().join(";")
}

pub(super) fn texts_to_cell(values: &[String]) -> String {
    list_to_cell(values.iter().map(|value| escaped(value)))
}

pub(super) fn day_to_cell(day: Option<&Day>) -> String {
    day.map(|day| format!("{:04}-{:02}-{:02}", day.year, day.month, day.day)).unwrap_or_default()
}

pub(super) fn attributes_to_cell(attributes: &[Attribute]) -> String {
    list_to_cell(attributes.iter().map(|text| format!("{}={}", escaped(&text.key), escaped(&text.value))))
}

pub(super) fn slots_to_cell(slots: &[Slot]) -> String {
    list_to_cell(slots.iter().map(|slot| {
        let flags = match (slot.controlled, slot.mandatory) {
            (false, false) => "",
            (true, false) => "[C]",
            (false, true) => "[M]",
            (true, true) => "[CM]",
        };
        format!("{}{flags}", escaped(&slot.name))
    }))
}

/// Bounds as a cell; why not, where they have none.
pub(super) fn bounds_to_cell(bounds: &[PlateBound]) -> Result<String, String> {
    let mut cells = Vec::with_capacity(bounds.len());
    for bound in bounds {
        let mut cell = escaped(&bound.key);
        for (sign, measure) in [(">=", &bound.min), ("<=", &bound.max)] {
            let Some(measure) = measure else { continue };
            if measure.key != bound.key {
                return Err(format!("a bound of {} names {}", bound.key, measure.key));
            }
            cell.push_str(sign);
            cell.push_str(&number_text(measure));
            if !measure.unit.is_empty() {
                cell.push(' ');
                cell.push_str(&escaped(&measure.unit));
            }
        }
        cells.push(cell);
    }
    Ok(list_to_cell(cells))
}

fn number_text(measure: &Measure) -> String {
    let sign = if measure.digits < 0 { "-" } else { "" };
    let digits = measure.digits.unsigned_abs().to_string();
    let scale = usize::try_from(measure.scale).unwrap_or_default();
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at_checked(padded.len() - scale).unwrap_or((&padded, ""));
    format!("{sign}{whole}.{part}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound_of(text: &str) -> Option<PlateBound> {
        bound(&letters(text))
    }

    fn measured(key: &str, digits: i64, scale: u32, unit: &str) -> Option<Measure> {
        Some(Measure { key: key.to_owned(), digits, scale, unit: unit.to_owned() })
    }

    #[test]
    fn bounds_are_read_as_people_write_them() {
        let both = bound_of("voltage_V>=380 V<=1140 V").unwrap();
        assert_eq!((both.min, both.max), (measured("voltage_V", 380, 0, "V"), measured("voltage_V", 1140, 0, "V")));
        assert_eq!(bound_of("p≥0.50").unwrap().min, measured("p", 50, 2, ""));
        assert_eq!(bound_of("p ≤ -1.5 MPa").unwrap().max, measured("p", -15, 1, "MPa"));
        assert_eq!(bound_of("p").unwrap(), PlateBound { key: "p".to_owned(), min: None, max: None });
        for bad in [
            "",
            ">=1",
            "p>1",
            "p>=",
            "p>=x",
            "p<=1>=0",
            "p>=1>=2",
            "p>=1.",
            "p>=.5",
            "p>=1e3",
            "p=1 V",
            "p>=0.1234567890",
        ] {
            assert_eq!(bound_of(bad), None, "{bad:?}");
        }
        assert_eq!(bound_of("p>=99999999999999999999"), None);
    }

    #[test]
    fn days_are_read_as_people_and_spreadsheets_write_them() {
        let due = Some(Day { year: 2026, month: 4, day: 2 });
        assert_eq!(day("2026-04-02"), due);
        assert_eq!(day("2026/4/2"), due);
        for bad in ["2026-04", "2026-02-30", "26-04-02", "2026-00-01", "2026-04-02T00:00", "2.4.2026", "２０２６-04-02"]
        {
            assert_eq!(day(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn slots_carry_their_flags() {
        let slot_of = |text: &str| slot(&letters(text)).map(|slot| (slot.name, slot.controlled, slot.mandatory));
        assert_eq!(slot_of("制动器(湿式)[C]"), Some(("制动器(湿式)".to_owned(), true, false)));
        assert_eq!(slot_of("a\\[C\\]"), Some(("a[C]".to_owned(), false, false)));
        assert_eq!(slot_of("a[mc]"), Some(("a".to_owned(), true, true)));
        for bad in ["[C]", "a[X]", "a[C]b", "a["] {
            assert_eq!(slot_of(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_as_it_was(texts in proptest::collection::vec("[a;；=<>≤≥\\[\\]\\\\采 .]{1,8}", 1..4)) {
            let texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
            prop_assume!(texts.iter().all(|text| !text.is_empty()));
            let cell = texts_to_cell(&texts);
            let read: Vec<String> = letters(&cell)
                .split(|letter| matches!(letter, (';' | '；', false)))
                .map(|value| plain(&trimmed(value)))
                .collect();
            prop_assert_eq!(read, texts);
        }

        #[test]
        fn bounds_read_as_they_were(digits in any::<i64>(), scale in 0_u32..10, key in "[a-z=<;\\[]{1,6}", unit in "([a-z<=;]{1,4})?") {
            let measure = Measure { key: key.clone(), digits, scale, unit };
            let bounds = [PlateBound { key, min: Some(measure.clone()), max: Some(measure) }];
            let cell = bounds_to_cell(&bounds).unwrap();
            prop_assert_eq!(bound_of(&cell), Some(bounds[0].clone()), "{}", cell);
        }
    }
}
