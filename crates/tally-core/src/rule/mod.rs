//! Rules: what is wrong with a machine or a mine although it is on record. One table says which rules there are.
//!
//! A rule finds, or it refuses; which of the two stands in its row. What is found follows from what is on record, an
//! instant and a tree size, and from nothing else.

pub mod conditions;
pub mod criteria;
pub mod facts;
pub mod figures;
pub mod in_force;
pub mod judge;
pub mod known_mark;
pub mod mine_facts;
pub mod qualification;
mod table;
pub mod verify;

use tally_proto::v1::{Severity, SourceMark};

use crate::time::Day;
pub use table::RULES;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Its code.
    pub code: &'static str,
    /// What it finds, in Chinese.
    pub zh: &'static str,
    /// What it finds, in English.
    pub en: &'static str,
    /// How grave it is, unless the words of `opens` say otherwise: Tally's grade, not a legal class.
    pub severity: Severity,
    /// Whether it is in the closed legal list of major hazards 重大事故隐患.
    pub legal: Legal,
    /// Whether it refuses or finds.
    pub action: Action,
    /// Where it comes from.
    pub source: &'static str,
    /// How far that is backed.
    pub mark: SourceMark,
    /// What it is judged by.
    pub inputs: &'static str,
    /// When it opens; for a rule that refuses `-`.
    pub opens: &'static str,
    /// When it closes; `-` for never.
    pub closes: &'static str,
    /// Parameters that a publication can set.
    pub parameters: &'static [Parameter],
    /// What has to be on record before it can be judged; `None` where it is judged.
    pub waits_for: Option<&'static str>,
}

/// Whether a rule is in the closed list of major hazards 重大事故隐患.
///
/// Source: 煤矿重大事故隐患判定标准 (2020); 煤矿安全生产条例 (2024) §36.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Legal {
    /// It is not; the severity is Tally's grade only.
    No,
    /// It is.
    Yes,
    /// It is for electrical equipment and cables only.
    ElectricalAndCables,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The event is refused.
    Refuse,
    /// The event is recorded, and what is wrong is found.
    Find,
}

/// A parameter of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Name; its end says the unit.
    pub key: &'static str,
    /// Value where nothing is published.
    pub default: Value,
    /// Least number.
    pub min: i64,
    /// Greatest number.
    pub max: i64,
}

/// Value of a parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// A severity.
    Severity(Severity),
    /// A day: year, month, day.
    Day(i16, u8, u8),
}

impl Value {
    /// Its text, as in a publication.
    pub fn to_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Severity(severity) => severity_name(severity).to_owned(),
            Self::Day(year, month, day) => format!("{year:04}-{month:02}-{day:02}"),
        }
    }

    /// Reads a text as a value of the same kind; `None` where it is none.
    fn parse_like(self, text: &str) -> Option<Self> {
        match self {
            Self::Number(_) => text.parse().ok().map(Self::Number),
            Self::Severity(_) => SEVERITIES.iter().find(|(_, name, _)| *name == text).map(|row| Self::Severity(row.0)),
            Self::Day(..) => {
                let mut parts = text.splitn(3, '-');
                let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
                if (year.len(), month.len(), day.len()) != (4, 2, 2) {
                    return None;
                }
                let day = Day::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
                (day.month() > 0 && day.day() > 0).then(|| Self::Day(day.year(), day.month(), day.day()))
            }
        }
    }
}

/// Severities by name, in English and Chinese, the least first.
pub const SEVERITIES: &[(Severity, &str, &str)] = &[
    (Severity::Note, "NOTE", "提示"),
    (Severity::General, "GENERAL", "一般"),
    (Severity::Serious, "SERIOUS", "较大"),
    (Severity::Major, "MAJOR", "严重"),
];

/// The name of a severity; `-` for none.
pub fn severity_name(severity: Severity) -> &'static str {
    SEVERITIES.iter().find(|(known, ..)| *known == severity).map_or("-", |(_, name, _)| name)
}

/// The Chinese name of a severity; 重大 stands only where the law says so.
pub fn severity_zh(severity: Severity, legal_major: bool) -> &'static str {
    if legal_major && severity == Severity::Major {
        return "重大事故隐患(判定标准)";
    }
    SEVERITIES.iter().find(|(known, ..)| *known == severity).map_or("-", |(.., zh)| zh)
}

/// The rule with this code; `None` where there is none.
pub fn by_code(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

/// Number of a rule: its place in the table, which only grows at its end within a format of the index.
pub fn number_of(code: &str) -> Option<u8> {
    RULES.iter().position(|rule| rule.code == code).and_then(|at| u8::try_from(at).ok())
}

/// Checks a parameter as it would be published.
///
/// # Errors
/// What is wrong with it.
pub fn check_parameter(rule: &str, key: &str, value: &str) -> Result<Value, String> {
    let Some(known) = by_code(rule) else { return Err(format!("{rule} is no rule; `tally rules` lists them")) };
    let Some(parameter) = known.parameters.iter().find(|parameter| parameter.key == key) else {
        let keys: Vec<&str> = known.parameters.iter().map(|parameter| parameter.key).collect();
        return Err(match keys.as_slice() {
            [] => format!("{rule} has no parameters"),
            keys => format!("{rule} has no parameter {key}; it has {}", keys.join(", ")),
        });
    };
    match parameter.default.parse_like(value) {
        Some(Value::Number(number)) if number < parameter.min || number > parameter.max => {
            Err(format!("{rule} {key} is {number}; {} to {} are allowed", parameter.min, parameter.max))
        }
        Some(value) => Ok(value),
        None => Err(format!("{rule} {key} is {value}; a value like {} is meant", parameter.default.to_text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_findings_have_a_severity() {
        let mut codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
        codes.sort_unstable();
        assert!(codes.is_sorted_by(|left, right| left < right), "a code stands twice");
        for rule in RULES {
            let graded = rule.severity != Severity::Unspecified;
            assert_eq!(graded, rule.action == Action::Find, "{}", rule.code);
            let keys: Vec<&str> = rule.parameters.iter().map(|parameter| parameter.key).collect();
            assert!(keys.is_sorted_by(|left, right| left < right), "{}: parameters are not sorted", rule.code);
            for parameter in rule.parameters {
                let text = parameter.default.to_text();
                assert_eq!(check_parameter(rule.code, parameter.key, &text), Ok(parameter.default));
            }
        }
    }

    #[test]
    fn parameters_out_of_bounds_are_named() {
        assert_eq!(
            check_parameter("EX-002", "valid_days", "0"),
            Err("EX-002 valid_days is 0; 1 to 365 are allowed".to_owned())
        );
        assert!(check_parameter("EX-002", "valid", "3").unwrap_err().contains("it has valid_days"));
        assert!(check_parameter("MON-003", "from", "2025-6-1").unwrap_err().contains("2025-06-01"));
        assert_eq!(check_parameter("MARK-004", "raise_to", "SERIOUS"), Ok(Value::Severity(Severity::Serious)));
    }
}
