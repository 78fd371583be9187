//! Instants and days: UTC on the ledger, shown and counted in days at +08:00, the one zone of China

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// The zone in which days begin and times are shown: UTC+8, no summer time.
const ZONE: Offset = Offset::constant(8);

/// An instant in microseconds since 1970-01-01T00:00:00Z; negative before.
///
/// Every `i64` is one; those outside the years −9999 to 9999 have no day and are shown as a number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant so many microseconds after 1970 began.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The instant so many microseconds later; `None` past the last one.
    #[must_use]
    pub fn checked_add_micros(self, micros: i64) -> Option<Self> {
        self.0.checked_add(micros).map(Self)
    }

    /// The calendar day of this instant at +08:00; `None` outside the years −9999 to 9999.
    #[must_use]
    pub fn day(self) -> Option<Day> {
        let instant = jiff::Timestamp::from_microsecond(self.0).ok()?;
        let date = ZONE.to_datetime(instant).date();
        Day::new(date.year(), u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => instant.display_with_offset(ZONE).fmt(out),
            Err(_) => write!(out, "{} µs since 1970", self.0),
        }
    }
}

/// A day, a month or a year of the calendar at +08:00: certificates and orders speak in these.
///
/// What is not known is 0, as on the wire. Validity includes the last day.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Day {
    year: i16,
    month: u8,
    day: u8,
}

impl Day {
    /// The day, or the month (`day` 0), or the year (`month` and `day` 0); `None` if the calendar has no such.
    #[must_use]
    pub fn new(year: i16, month: u8, day: u8) -> Option<Self> {
        let (year_known, month_known) = (month == 0, day == 0);
        if year_known && !month_known {
            return None;
        }
        date(year, month.max(1), day.max(1))?;
        Some(Self { year, month, day })
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12; 0 if it is not known.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31; 0 if it is not known.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    /// The first instant of the first day that this can mean.
    #[must_use]
    pub fn starts(self) -> Option<Timestamp> {
        start_of(date(self.year, self.month.max(1), self.day.max(1))?)
    }

    /// The first instant after the last day that this can mean; itself no part of it.
    #[must_use]
    pub fn ends(self) -> Option<Timestamp> {
        let last = match (self.month, self.day) {
            (0, _) => date(self.year, 12, 31)?,
            (month, 0) => date(self.year, month, 1)?.last_of_month(),
            (month, day) => date(self.year, month, day)?,
        };
        start_of(last.tomorrow().ok()?)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.month, self.day) {
            (0, _) => write!(out, "{:04}", self.year),
            (month, 0) => write!(out, "{:04}-{month:02}", self.year),
            (month, day) => write!(out, "{:04}-{month:02}-{day:02}", self.year),
        }
    }
}

fn date(year: i16, month: u8, day: u8) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn start_of(date: Date) -> Option<Timestamp> {
    let start = ZONE.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
    Some(Timestamp(start.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;
    const EIGHT_HOURS: i64 = DAY / 3;

    #[test]
    fn instants_are_shown_at_plus_eight() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T08:00:00+08:00");
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1970-01-01T07:59:59.999999+08:00");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9223372036854775807 µs since 1970");
        assert_eq!(Timestamp::from_micros(i64::MIN).day(), None);
    }

    #[test]
    fn days_begin_at_midnight_of_plus_eight() {
        let before = Timestamp::from_micros(-EIGHT_HOURS - 1).day();
        let first = Timestamp::from_micros(-EIGHT_HOURS).day();
        assert_eq!(before, Day::new(1969, 12, 31));
        assert_eq!(first, Day::new(1970, 1, 1));
        let day = first.unwrap();
        assert_eq!(day.starts(), Some(Timestamp::from_micros(-EIGHT_HOURS)));
        assert_eq!(day.ends(), Some(Timestamp::from_micros(DAY - EIGHT_HOURS)));
    }

    #[test]
    fn unknown_months_and_days_reach_to_the_end_of_what_is_known() {
        let (year, month) = (Day::new(2024, 0, 0).unwrap(), Day::new(2024, 2, 0).unwrap());
        assert_eq!(year.to_string(), "2024");
        assert_eq!(month.to_string(), "2024-02");
        assert_eq!(month.ends(), Day::new(2024, 3, 1).unwrap().starts());
        assert_eq!(year.ends(), Day::new(2025, 1, 1).unwrap().starts());
        assert_eq!(Day::new(2023, 2, 29), None);
        assert_eq!(Day::new(2024, 0, 5), None);
        assert_eq!(Day::new(2024, 13, 1), None);
    }
}
