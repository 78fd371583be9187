//! Values of fields: one text each way, or a refusal

use std::borrow::Cow;

use jiff::civil::Date;
use tally_core::time::Day;

use crate::report::{Fault, snippet};

use super::NO_VALUE;

/// Years that the ledger knows days of.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 1950..=2200;

/// Form of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Text.
    Text,
    /// A day at +08:00, `YYYY-MM-DD`.
    Day,
    /// A whole number.
    Count,
    /// 1 or 0.
    YesNo,
    /// State of a mark, 1 to 4.
    MarkState,
    /// 0 passed, 1 failed.
    TestResult,
    /// 1 to 4.
    ForbiddenKind,
}

/// State of a safety mark. 安标状态
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MarkState {
    /// 1, in force. 有效
    Valid,
    /// 2, suspended. 暂停
    Suspended,
    /// 3, cancelled. 注销
    Cancelled,
    /// 4, revoked. 撤销
    Revoked,
}

/// Result of a test. **0 is passed.** 检验结论
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TestResult {
    /// 0, passed. 合格
    Pass,
    /// 1, failed. 不合格
    Fail,
}

/// Kind of a forbidden or phased-out product, 1 to 4. What the numbers mean is not known here.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ForbiddenKind(u8);

impl ForbiddenKind {
    /// The kind of a number from 1 to 4.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if matches!(number, 1..=4) { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A value that a field may hold.
pub(crate) trait Value: Sized {
    /// Form of its field.
    const FORM: Form;

    /// The value of a text without blanks at its ends. Text has been looked at before.
    fn parse(text: &str) -> Result<Self, Fault>;

    /// Its text, which parses to it.
    fn text(&self) -> Result<Cow<'_, str>, Fault>;

    /// Whether there is one.
    fn is_given(&self) -> bool;
}

fn is_no_value(text: &str) -> bool {
    text.is_empty() || text == NO_VALUE
}

impl Value for String {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(if is_no_value(text) { Self::new() } else { text.to_owned() })
    }

    fn text(&self) -> Result<Cow<'_, str>, Fault> {
        if self == NO_VALUE { Err(Fault::ReadsAsNoValue { value: snippet(self) }) } else { Ok(Cow::Borrowed(self)) }
    }

    fn is_given(&self) -> bool {
        !self.is_empty()
    }
}

impl Value for Option<Day> {
    const FORM: Form = Form::Day;

    fn parse(text: &str) -> Result<Self, Fault> {
        if is_no_value(text) {
            return Ok(None);
        }
        // A time of 00:00:00 adds nothing; any other would be lost, so it is refused.
        let day = text.strip_suffix(" 00:00:00").unwrap_or(text);
        parse_day(day).map(Some).ok_or_else(|| Fault::form(text, "a day YYYY-MM-DD from 1950-01-01 to 2200-12-31"))
    }

    fn text(&self) -> Result<Cow<'_, str>, Fault> {
        let Some(day) = self else { return Ok(Cow::Borrowed(NO_VALUE)) };
        let text = day.to_string();
        if parse_day(&text).is_some() {
            Ok(Cow::Owned(text))
        } else {
            Err(Fault::form(&text, "a whole day from 1950-01-01 to 2200-12-31"))
        }
    }

    fn is_given(&self) -> bool {
        self.is_some()
    }
}

/// The digits of one part of a date or time: exactly so many, nothing else.
pub(crate) fn digits(text: &str, count: usize) -> Option<i16> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// A day, `YYYY-MM-DD`, within the years of the ledger.
pub(crate) fn parse_day(text: &str) -> Option<Day> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    if !YEARS.contains(&year) {
        return None;
    }
    Day::new(date.year(), u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

/// Values that are one of a few codes, or none.
macro_rules! coded {
    ($($type:ty, $form:ident, $due:literal: $($code:literal => $value:expr),+;)+) => {
        $(
            impl Value for Option<$type> {
                const FORM: Form = Form::$form;

                fn parse(text: &str) -> Result<Self, Fault> {
                    match text {
                        $($code => Ok(Some($value)),)+
                        none if is_no_value(none) => Ok(None),
                        other => Err(Fault::form(other, $due)),
                    }
                }

                fn text(&self) -> Result<Cow<'_, str>, Fault> {
                    $(if *self == Some($value) { return Ok(Cow::Borrowed($code)); })+
                    Ok(Cow::Borrowed(NO_VALUE))
                }

                fn is_given(&self) -> bool {
                    self.is_some()
                }
            }
        )+
    };
}

coded! {
    MarkState, MarkState, "a state of a mark: 1 有效, 2 暂停, 3 注销, 4 撤销":
        "1" => MarkState::Valid, "2" => MarkState::Suspended, "3" => MarkState::Cancelled, "4" => MarkState::Revoked;
    TestResult, TestResult, "a result: 0 passed, 1 failed": "0" => TestResult::Pass, "1" => TestResult::Fail;
    bool, YesNo, "1 for yes or 0 for no": "1" => true, "0" => false;
    ForbiddenKind, ForbiddenKind, "a kind from 1 to 4":
        "1" => ForbiddenKind(1), "2" => ForbiddenKind(2), "3" => ForbiddenKind(3), "4" => ForbiddenKind(4);
}

impl Value for Option<u32> {
    const FORM: Form = Form::Count;

    fn parse(text: &str) -> Result<Self, Fault> {
        if is_no_value(text) {
            return Ok(None);
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let number = if plain { text.parse().ok() } else { None };
        number.map(Some).ok_or_else(|| Fault::form(text, "a whole number without sign, blanks or leading zeros"))
    }

    fn text(&self) -> Result<Cow<'_, str>, Fault> {
        Ok(self.map_or(Cow::Borrowed(NO_VALUE), |number| Cow::Owned(number.to_string())))
    }

    fn is_given(&self) -> bool {
        self.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_empty_or_the_bad_value() {
        for none in ["", NO_VALUE] {
            assert_eq!(<Option<Day>>::parse(none), Ok(None));
            assert_eq!(<Option<u32>>::parse(none), Ok(None));
            assert_eq!(<Option<MarkState>>::parse(none), Ok(None));
            assert_eq!(String::parse(none), Ok(String::new()));
        }
        assert_eq!(None::<Day>.text().unwrap(), NO_VALUE);
        assert_eq!(String::new().text().unwrap(), "");
        assert!(NO_VALUE.to_owned().text().is_err());
    }

    #[test]
    fn codes_are_those_of_the_list_and_no_others() {
        let states = [MarkState::Valid, MarkState::Suspended, MarkState::Cancelled, MarkState::Revoked];
        for (number, state) in (1..).zip(states) {
            assert_eq!(<Option<MarkState>>::parse(&i32::to_string(&number)), Ok(Some(state)));
        }
        assert_eq!(<Option<TestResult>>::parse("0"), Ok(Some(TestResult::Pass)));
        assert_eq!(<Option<TestResult>>::parse("1"), Ok(Some(TestResult::Fail)));
        for wrong in ["0", "5", "01", "１", "有效", "-1"] {
            assert!(<Option<MarkState>>::parse(wrong).is_err(), "{wrong}");
        }
        assert!(<Option<TestResult>>::parse("2").is_err());
        assert!(<Option<bool>>::parse("是").is_err());
        assert!((0..=9).all(|number| ForbiddenKind::new(number).is_some() == (1..=4).contains(&number)));
    }

    #[test]
    fn days_are_whole_and_real() {
        let day = Day::new(2024, 2, 29);
        assert_eq!(<Option<Day>>::parse("2024-02-29"), Ok(day));
        assert_eq!(<Option<Day>>::parse("2024-02-29 00:00:00"), Ok(day));
        for wrong in [
            "2023-02-29",
            "2024-2-9",
            "2024/02/29",
            "20240229",
            "1949-12-31",
            "2201-01-01",
            "2024-02-29 08:30:00",
            "2024-02",
            "+024-02-29",
            "2024-02-29-",
            "２０２４-02-29",
        ] {
            assert!(<Option<Day>>::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Day::new(2024, 2, 0).text().is_err());
        assert!(Day::new(1949, 12, 31).text().is_err());
    }

    #[test]
    fn numbers_have_one_text() {
        assert_eq!(<Option<u32>>::parse("0"), Ok(Some(0)));
        assert_eq!(<Option<u32>>::parse("4294967295"), Ok(Some(u32::MAX)));
        for wrong in ["4294967296", "007", "+7", "-7", "7.0", "7 "] {
            assert!(<Option<u32>>::parse(wrong).is_err(), "{wrong}");
        }
    }
}
