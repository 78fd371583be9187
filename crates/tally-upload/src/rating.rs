//! Rated values: what a plate says in UCUM units, and what the upload says in text

use std::fmt;

use tally_proto::v1::Measure;

/// What is rated, in the unit in which the ledger writes it for the upload. The unit of the upload is not known.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Quantity {
    /// Volts.
    Voltage,
    /// Amperes.
    Current,
    /// Kilowatts.
    Power,
}

impl Quantity {
    /// Keys of a plate that hold it, the first that is there counts; and units with their power of ten to the unit written.
    const fn table(self) -> (&'static [&'static str], &'static [(&'static str, i32)]) {
        match self {
            Self::Voltage => (&["voltage_V", "voltage_kV", "voltage"], &[("V", 0), ("kV", 3), ("mV", -3)]),
            Self::Current => (&["current_A", "current_mA", "current"], &[("A", 0), ("mA", -3), ("kA", 3)]),
            Self::Power => (&["power_kW", "power_W", "power"], &[("kW", 0), ("W", -3), ("MW", 3)]),
        }
    }

    fn exponent_of(self, unit: &str) -> Option<i32> {
        self.table().1.iter().find(|known| known.0 == unit).map(|known| known.1)
    }
}

/// A rated value: digits times a power of ten in the unit of its quantity. One number has one form.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rating {
    digits: i64,
    exponent: i32,
}

impl Rating {
    fn new(mut digits: i64, mut exponent: i32) -> Self {
        if digits == 0 {
            exponent = 0;
        }
        while digits != 0 && digits % 10 == 0 {
            digits /= 10;
            exponent = exponent.saturating_add(1);
        }
        Self { digits, exponent }
    }

    /// The rating of a measure; `None` where its unit is none of the quantity's, or is not given.
    #[must_use]
    pub fn of(quantity: Quantity, measure: &Measure) -> Option<Self> {
        let unit = quantity.exponent_of(&measure.unit)?;
        let scale = i32::try_from(measure.scale).ok().filter(|scale| *scale <= 9)?;
        Some(Self::new(measure.digits, unit.checked_sub(scale)?))
    }

    /// The rating that a plate states; `None` where it states none, or in a way that is not understood.
    #[must_use]
    pub fn on_plate(quantity: Quantity, nameplate: &[Measure]) -> Option<Self> {
        let keys = quantity.table().0.iter();
        let mut found = keys.filter_map(|key| nameplate.iter().find(|measure| measure.key == **key));
        Self::of(quantity, found.next()?)
    }

    /// The rating that a text states: a decimal number, perhaps with a unit of the quantity after it.
    #[must_use]
    pub fn parse(quantity: Quantity, text: &str) -> Option<Self> {
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let unit = unit.trim();
        let unit = if unit.is_empty() { 0 } else { quantity.exponent_of(unit)? };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || (part.is_empty() && number.contains('.')) || part.contains('.') {
            return None;
        }
        let digits = format!("{whole}{part}").parse().ok()?;
        Some(Self::new(digits, unit.checked_sub(i32::try_from(part.len()).ok()?)?))
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let places = usize::try_from(self.exponent.saturating_neg()).unwrap_or_default();
        if places == 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or_default();
            return write!(out, "{sign}{digits}{}", "0".repeat(zeros));
        }
        let padded = format!("{digits:0>width$}", width = places.saturating_add(1));
        let (whole, part) = padded.split_at(padded.len().saturating_sub(places));
        write!(out, "{sign}{whole}.{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(key: &str, digits: i64, scale: u32, unit: &str) -> Measure {
        Measure { key: key.to_owned(), digits, scale, unit: unit.to_owned() }
    }

    #[test]
    fn one_number_has_one_form_whatever_its_unit() {
        for (digits, scale, unit) in [(1_140, 0, "V"), (114, 2, "kV"), (11_400, 1, "V"), (1_140_000, 0, "mV")] {
            let rating = Rating::of(Quantity::Voltage, &measure("voltage_V", digits, scale, unit)).unwrap();
            assert_eq!(rating.to_string(), "1140", "{digits} {scale} {unit}");
            assert_eq!(Rating::parse(Quantity::Voltage, "1.14 kV"), Some(rating));
            assert_eq!(Rating::parse(Quantity::Voltage, "1140.0"), Some(rating));
        }
        assert_eq!(Rating::of(Quantity::Power, &measure("power_kW", 1, 0, "V")), None);
        assert_eq!(Rating::of(Quantity::Power, &measure("power_kW", 1, 10, "kW")), None);
        assert_eq!(Rating::of(Quantity::Power, &measure("power_kW", 75, 1, "kW")).unwrap().to_string(), "7.5");
        assert_eq!(Rating::of(Quantity::Current, &measure("current_mA", -5, 0, "mA")).unwrap().to_string(), "-0.005");
        assert_eq!(Rating::new(0, 7).to_string(), "0");
    }

    #[test]
    fn texts_that_are_no_single_number_have_no_rating() {
        for text in ["", "660/1140", "1140 伏", "1.1.4", ".5", "5.", "约1140", "99999999999999999999", "1140 kW"] {
            assert_eq!(Rating::parse(Quantity::Voltage, text), None, "{text}");
        }
    }

    #[test]
    fn plate_is_read_by_its_keys() {
        let plate = [measure("height_m", 3, 0, "m"), measure("power_W", 5_500, 0, "W")];
        assert_eq!(Rating::on_plate(Quantity::Power, &plate).unwrap().to_string(), "5.5");
        assert_eq!(Rating::on_plate(Quantity::Voltage, &plate), None);
    }
}
