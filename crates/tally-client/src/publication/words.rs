//! Words of a cell for the values of an enum: one table for reading, writing and messages

use tally_core::{authority, rule};
use tally_proto::v1::{
    FirstDue, GasGrade, IdentityKind, IntervalUnit, PhaseOutState, PlaceKind, Presence, Role, ScheduledWork, SourceMark,
};

/// A value with its word in English, which is written, and in Chinese, which is read as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) number: i32,
    pub(super) name: &'static str,
    pub(super) zh: &'static str,
}

const fn word(number: i32, name: &'static str, zh: &'static str) -> Word {
    Word { number, name, zh }
}

pub(super) const WORKS: &[Word] = &[
    word(ScheduledWork::Inspect as i32, "inspect", "检查"),
    word(ScheduledWork::Test as i32, "test", "检测检验"),
    word(ScheduledWork::Calibrate as i32, "calibrate", "调校"),
    word(ScheduledWork::Flaw as i32, "flaw", "探伤"),
    word(ScheduledWork::Exproof as i32, "exproof", "防爆检查"),
    word(ScheduledWork::Overhaul as i32, "overhaul", "大修"),
    word(ScheduledWork::Replace as i32, "replace", "更换"),
    word(ScheduledWork::Accept as i32, "accept", "验收"),
];

pub(super) const UNITS: &[Word] = &[
    word(IntervalUnit::Once as i32, "once", "一次"),
    word(IntervalUnit::Shift as i32, "shift", "班"),
    word(IntervalUnit::Day as i32, "day", "日"),
    word(IntervalUnit::Week as i32, "week", "周"),
    word(IntervalUnit::Month as i32, "month", "月"),
    word(IntervalUnit::Year as i32, "year", "年"),
];

pub(super) const FIRST_DUES: &[Word] = &[
    word(FirstDue::InUse as i32, "in_use", "投用"),
    word(FirstDue::BeforeEntry as i32, "before_entry", "入井前"),
    word(FirstDue::BeforeCommissioning as i32, "before_commissioning", "投用前"),
    word(FirstDue::BeforeResumption as i32, "before_resumption", "复用前"),
    word(FirstDue::ProducedOn as i32, "produced_on", "制造"),
    word(FirstDue::Received as i32, "received", "到货"),
    word(FirstDue::Installed as i32, "installed", "安装"),
    word(FirstDue::YearAfterInstalled as i32, "year_after_installed", "安装后12个月"),
];

pub(super) const IDENTITIES: &[Word] = &[
    word(IdentityKind::Unit as i32, "unit", "单台"),
    word(IdentityKind::Lot as i32, "lot", "批次"),
    word(IdentityKind::Assembly as i32, "assembly", "成套"),
];

pub(super) const MARKS: &[Word] = &[
    word(SourceMark::Seen as i32, "S", "S"),
    word(SourceMark::General as i32, "G", "G"),
    word(SourceMark::Own as i32, "T", "T"),
];

pub(super) const PRESENCES: &[Word] =
    &[word(Presence::Given as i32, "given", "有"), word(Presence::Missing as i32, "missing", "无")];

pub(super) const GAS_GRADES: &[Word] = &[
    word(GasGrade::Low as i32, "low", "低瓦斯"),
    word(GasGrade::High as i32, "high", "高瓦斯"),
    word(GasGrade::Outburst as i32, "outburst", "突出"),
];

pub(super) const PLACES: &[Word] = &[
    word(PlaceKind::Surface as i32, "surface", "地面"),
    word(PlaceKind::Shaft as i32, "shaft", "井筒"),
    word(PlaceKind::Level as i32, "level", "水平"),
    word(PlaceKind::District as i32, "district", "采区"),
    word(PlaceKind::Roadway as i32, "roadway", "巷道"),
    word(PlaceKind::Face as i32, "face", "工作面"),
    word(PlaceKind::Chamber as i32, "chamber", "硐室"),
    word(PlaceKind::Point as i32, "point", "里程点"),
    word(PlaceKind::Store as i32, "store", "库房"),
];

pub(super) const STATES: &[Word] = &[
    word(PhaseOutState::InForce as i32, "in_force", "施行"),
    word(PhaseOutState::Draft as i32, "draft", "征求意见"),
    word(PhaseOutState::Ended as i32, "ended", "废止"),
];

pub(super) const YES: &[Word] = &[word(1, "yes", "是"), word(0, "no", "否")];

/// The words of roles.
pub(super) fn roles() -> Vec<Word> {
    let roles = (1..).map_while(|number| Role::try_from(number).ok());
    roles.map(|role| word(role as i32, authority::role_name(role), authority::role_zh(role))).collect()
}

/// The words of severities.
pub(super) fn severities() -> Vec<Word> {
    rule::SEVERITIES.iter().map(|(severity, name, zh)| word(*severity as i32, name, zh)).collect()
}

/// The value of a word, in either language; capitals count as small letters.
pub(super) fn number_of(words: &[Word], text: &str) -> Option<i32> {
    words.iter().find(|word| word.name.eq_ignore_ascii_case(text) || word.zh == text).map(|word| word.number)
}

/// The word of a value; `None` for one that has none.
pub(super) fn name_of(words: &[Word], number: i32) -> Option<String> {
    words.iter().find(|word| word.number == number).map(|word| {
        let shouts = word.name.len() > 1 && word.name.bytes().all(|byte| byte.is_ascii_uppercase());
        if shouts { word.name.to_lowercase() } else { word.name.to_owned() }
    })
}

/// The cell of a value, empty for the zero; the column and why not, for a value without a word.
pub(super) fn to_cell(column: &'static str, words: &[Word], number: i32) -> Result<String, (&'static str, String)> {
    match name_of(words, number) {
        Some(name) => Ok(name),
        None if number == 0 => Ok(String::new()),
        None => Err((column, format!("{number} has no word"))),
    }
}

/// The cell of several values.
pub(super) fn list_to_cell(
    column: &'static str,
    words: &[Word],
    numbers: &[i32],
) -> Result<String, (&'static str, String)> {
    let names = numbers.iter().map(|number| name_of(words, *number).ok_or((column, format!("{number} has no word"))));
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(";"))
}

/// All words, for a message.
pub(super) fn list(words: &[Word]) -> String {
    let words = words.iter().map(|word| {
        let name = name_of(words, word.number).unwrap_or_default();
        if word.zh == name { name } else { format!("{name} {}", word.zh) }
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use tally_proto::v1::Severity;

    use super::*;

    /// Every value but the zero has a word, and the word is the name of the value.
    fn covers<E: TryFrom<i32>>(words: &[Word], full: impl Fn(E) -> &'static str) {
        let values: Vec<E> = (1..).map_while(|number| E::try_from(number).ok()).collect();
        assert_eq!(values.len(), words.len());
        for (number, value) in (1..).zip(values) {
            let name = name_of(words, number).unwrap();
            let full = full(value);
            assert!(full.ends_with(&name.to_uppercase()), "{full} is called {name}");
            assert_eq!(number_of(words, &name), Some(number));
        }
        let mut zh: Vec<&str> = words.iter().map(|word| word.zh).collect();
        zh.sort_unstable();
        assert!(zh.is_sorted_by(|left, right| left < right), "a Chinese word stands for two values");
    }

    #[test]
    fn every_value_has_its_word() {
        covers(WORKS, |value: ScheduledWork| value.as_str_name());
        covers(UNITS, |value: IntervalUnit| value.as_str_name());
        covers(FIRST_DUES, |value: FirstDue| value.as_str_name());
        covers(IDENTITIES, |value: IdentityKind| value.as_str_name());
        covers(PRESENCES, |value: Presence| value.as_str_name());
        covers(GAS_GRADES, |value: GasGrade| value.as_str_name());
        covers(PLACES, |value: PlaceKind| value.as_str_name());
        covers(STATES, |value: PhaseOutState| value.as_str_name());
        covers(&roles(), |value: Role| value.as_str_name());
        covers(&severities(), |value: Severity| value.as_str_name());
        let marks = ["SEEN", "GENERAL", "OWN"].map(|name| SourceMark::from_str_name(&format!("SOURCE_MARK_{name}")));
        let words: Vec<_> = MARKS.iter().map(|word| SourceMark::try_from(word.number).ok()).collect();
        assert_eq!(words, marks);
    }

    #[test]
    fn words_are_read_in_both_languages() {
        assert_eq!(number_of(WORKS, "Test"), Some(ScheduledWork::Test as i32));
        assert_eq!(number_of(WORKS, "检测检验"), Some(ScheduledWork::Test as i32));
        assert_eq!(number_of(&severities(), "较大"), Some(Severity::Serious as i32));
        assert_eq!(number_of(WORKS, ""), None);
        assert_eq!(list(PRESENCES), "given 有, missing 无");
        assert_eq!(list(MARKS), "S, G, T");
    }
}
