//! Name and header of a file: whose it is, and of when

use std::{fmt, str::FromStr};

use jiff::civil::DateTime;
use jiff::tz::Offset;
use tally_core::{
    credit_code::{self, CodeError},
    id::Scheme,
    time::Timestamp,
};

use crate::report::{Fault, Weight, snippet};

use super::{
    FIELD_BYTES_MAX, RESERVED,
    kind::FileKind,
    record::Faults,
    value::{YEARS, digits, parse_day},
};

/// UTC+8, the one zone of China.
const ZONE: Offset = Offset::constant(8);

/// Names of the header's fields, for messages.
pub(crate) const HEADER_FIELDS: [&str; 5] = ["mine_code", "mine_name", "system_code", "system_name", "time"];

/// A second at +08:00, in the years 1950 to 2200.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UploadTime(DateTime);

impl UploadTime {
    /// The second in which an instant lies; `None` outside the years 1950 to 2200.
    #[must_use]
    pub fn of(instant: Timestamp) -> Option<Self> {
        let seconds = instant.micros().div_euclid(1_000_000);
        let instant = jiff::Timestamp::from_second(seconds).ok()?;
        let time = ZONE.to_datetime(instant);
        YEARS.contains(&time.year()).then_some(Self(time))
    }

    /// Its first instant.
    #[must_use]
    pub fn instant(self) -> Timestamp {
        let micros = ZONE.to_timestamp(self.0).map(jiff::Timestamp::as_microsecond);
        // No second of these years is out of range.
        Timestamp::from_micros(micros.unwrap_or_default())
    }

    /// As in a header: `YYYY-MM-DD hh:mm:ss`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once(' ')?;
        parse_day(day)?;
        let mut parts = time.split(':');
        let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let part = |text| i8::try_from(digits(text, 2)?).ok();
        let (hour, minute, second) = (part(hour)?, part(minute)?, part(second)?);
        let date: jiff::civil::Date = day.parse().ok()?;
        // Leap seconds are none of this calendar: jiff refuses 60.
        Some(Self(date.to_datetime(jiff::civil::Time::new(hour, minute, second, 0).ok()?)))
    }

    /// As in the name of a file: `YYYYMMDDhhmmss`.
    fn parse_compact(text: &str) -> Option<Self> {
        digits(text.get(..4)?, 4)?;
        if text.len() != 14 || !text.is_ascii() {
            return None;
        }
        let part = |from: usize| text.get(from..from.saturating_add(2));
        let (year, month, day) = (text.get(..4)?, part(4)?, part(6)?);
        let (hour, minute, second) = (part(8)?, part(10)?, part(12)?);
        Self::parse(&format!("{year}-{month}-{day} {hour}:{minute}:{second}"))
    }
}

impl fmt::Display for UploadTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0;
        write!(out, "{:04}-{:02}-{:02} ", time.year(), time.month(), time.day())?;
        write!(out, "{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }
}

/// The header of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Mine code, 11 or 12 digits. 煤矿编码
    pub mine_code: String,
    /// Name of the mine. 煤矿名称
    pub mine_name: String,
    /// Code of the system that sends it. 系统标识
    pub system_code: String,
    /// Name of the system. 系统名称
    pub system_name: String,
    /// When it was written.
    pub time: UploadTime,
}

impl Header {
    /// The header of as many texts as it has fields, or `None` where a fault was refusing.
    pub(crate) fn from_texts(texts: &[&str; 5], faults: &mut Faults<'_>) -> Option<Self> {
        let mut clean = true;
        let mut refuse = |index, fault| {
            clean = false;
            faults(index, 0, fault, Weight::Refusal);
        };
        let [mine_code, mine_name, system_code, system_name, time] = texts.map(crate::text::trim);
        if let Err(error) = credit_code::check(Scheme::CnCoalMine, mine_code) {
            refuse(0, Fault::MineCode(error));
        }
        for (index, text) in [(1, mine_name), (2, system_code), (3, system_name)] {
            if text.is_empty() {
                refuse(index, Fault::NoValue);
            } else if text.len() > FIELD_BYTES_MAX {
                refuse(index, Fault::FieldTooLong { bytes: text.len(), bytes_max: FIELD_BYTES_MAX });
            }
        }
        let parsed = UploadTime::parse(time);
        if parsed.is_none() {
            refuse(4, Fault::form(time, "a time YYYY-MM-DD hh:mm:ss from 1950 to 2200"));
        }
        for (index, text) in (0..).zip(texts) {
            crate::text::check(text, &RESERVED, &mut |at, fault, weight| {
                // What is no code or time was said already.
                if matches!(index, 1..=3) || weight == Weight::Note {
                    clean &= weight == Weight::Note;
                    faults(index, at, fault, weight);
                }
            });
        }
        let header = Self {
            mine_code: mine_code.to_owned(),
            mine_name: mine_name.to_owned(),
            system_code: system_code.to_owned(),
            system_name: system_name.to_owned(),
            time: parsed?,
        };
        clean.then_some(header)
    }

    /// Texts of its fields.
    pub(crate) fn texts(&self) -> [String; 5] {
        let time = self.time.to_string();
        [self.mine_code.clone(), self.mine_name.clone(), self.system_code.clone(), self.system_name.clone(), time]
    }

    /// The name of the file of a kind that begins with it.
    #[must_use]
    pub fn file_name(&self, kind: FileKind) -> FileName {
        FileName { mine_code: self.mine_code.clone(), kind, time: self.time }
    }
}

/// Why a name is not that of an upload file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FileNameError {
    /// Not of its shape.
    #[error("{name} is not of the form 煤矿编码_类型_YYYYMMDDhhmmss.txt")]
    Shape {
        /// The name.
        name: String,
    },
    /// Its kind is not known.
    #[error("{kind} is no kind of file; JBSJ, ABSJ, JZTT and JCJY are")]
    Kind {
        /// The kind.
        kind: String,
    },
    /// Its mine code is none.
    #[error("the name begins with no mine code: {0}")]
    MineCode(CodeError),
    /// Its time is none.
    #[error("{time} is not a time YYYYMMDDhhmmss from 1950 to 2200")]
    Time {
        /// The time.
        time: String,
    },
}

/// The name of a file: `煤矿编码_类型_YYYYMMDDhhmmss.txt`. It holds no path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileName {
    mine_code: String,
    kind: FileKind,
    time: UploadTime,
}

impl FileName {
    /// The name of a file of a mine.
    ///
    /// # Errors
    /// [`CodeError`] where the mine code is not 11 or 12 digits.
    pub fn new(mine_code: &str, kind: FileKind, time: UploadTime) -> Result<Self, CodeError> {
        credit_code::check(Scheme::CnCoalMine, mine_code)?;
        Ok(Self { mine_code: mine_code.to_owned(), kind, time })
    }

    /// Mine code.
    #[must_use]
    pub fn mine_code(&self) -> &str {
        &self.mine_code
    }

    /// Kind.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        self.kind
    }

    /// Time.
    #[must_use]
    pub const fn time(&self) -> UploadTime {
        self.time
    }
}

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(name: &str) -> Result<Self, FileNameError> {
        let shape = || FileNameError::Shape { name: snippet(name) };
        let mut parts = name.strip_suffix(".txt").ok_or_else(shape)?.split('_');
        let (Some(mine_code), Some(kind), Some(time), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(shape());
        };
        let kind = FileKind::from_code(kind).ok_or_else(|| FileNameError::Kind { kind: snippet(kind) })?;
        let time = UploadTime::parse_compact(time).ok_or_else(|| FileNameError::Time { time: snippet(time) })?;
        Self::new(mine_code, kind, time).map_err(FileNameError::MineCode)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = self.time.to_string().chars().filter(char::is_ascii_digit).collect();
        write!(out, "{}_{}_{digits}.txt", self.mine_code, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_file_reads_back() {
        for name in ["140921021337_JBSJ_20260402083000.txt", "14122800315_JCJY_19500101000000.txt"] {
            assert_eq!(name.parse::<FileName>().unwrap().to_string(), name);
        }
        let name: FileName = "140921021337_ABSJ_20260402083000.txt".parse().unwrap();
        assert_eq!(name.time().instant().to_string(), "2026-04-02T08:30:00+08:00");
        assert_eq!((name.mine_code(), name.kind()), ("140921021337", FileKind::Mark));
    }

    #[test]
    fn names_that_are_none_are_told_apart() {
        type Is = fn(&FileNameError) -> bool;
        let shape: Is = |error| matches!(error, FileNameError::Shape { .. });
        let kind: Is = |error| matches!(error, FileNameError::Kind { .. });
        let code: Is = |error| matches!(error, FileNameError::MineCode(_));
        let time: Is = |error| matches!(error, FileNameError::Time { .. });
        for (name, is) in [
            ("", shape),
            ("140921021337_JBSJ_20260402083000", shape),
            ("140921021337_JBSJ_20260402083000.txt.exe", shape),
            ("140921021337_JBSJ_20260402083000_1.txt", shape),
            ("140921021337_jbsj_20260402083000.txt", kind),
            ("../../etc_JBSJ_20260402083000.txt", code),
            ("1409210213_JBSJ_20260402083000.txt", code),
            ("140921021337_JBSJ_20260431083000.txt", time),
            ("140921021337_JBSJ_20260402240000.txt", time),
            ("140921021337_JBSJ_20260402083060.txt", time),
            ("140921021337_JBSJ_2026040208300.txt", time),
            ("140921021337_JBSJ_２0260402083000.txt", time),
        ] {
            let error = name.parse::<FileName>().unwrap_err();
            assert!(is(&error), "{name}: {error}");
        }
    }

    #[test]
    fn time_of_an_instant_is_its_second_at_plus_eight() {
        let time = UploadTime::of(Timestamp::from_micros(-1)).unwrap();
        assert_eq!(time.to_string(), "1970-01-01 07:59:59");
        assert_eq!(UploadTime::parse("1970-01-01 07:59:59"), Some(time));
        assert_eq!(time.instant(), Timestamp::from_micros(-1_000_000));
        assert_eq!(UploadTime::of(Timestamp::from_micros(i64::MAX)), None);
        for wrong in ["1970-01-01 7:59:59", "1970-01-01T07:59:59", "1970-01-01 07:59", "1970-01-01 07:59:59+08:00"] {
            assert_eq!(UploadTime::parse(wrong), None, "{wrong}");
        }
    }
}
