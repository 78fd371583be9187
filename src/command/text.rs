//! What people write and read: subjects, times, days, names of enums.

use tally_client::verify::VerifiedCheckpoint;
use tally_core::{
    event::EventKind,
    id::{OrganisationId, SubjectId, SubjectKind, parse_uuid},
    time::Timestamp,
};
use tally_proto::v1;

use crate::{
    cli::Clocks,
    output::{CommandError, exit},
};

/// An error about a flag or argument.
pub fn usage(message: impl Into<String>) -> CommandError {
    CommandError::new(exit::USAGE, message)
}

/// An instant as RFC 3339.
pub fn instant(text: &str) -> Result<Timestamp, CommandError> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed.map(|instant| Timestamp::from_micros(instant.as_microsecond())).map_err(|error| {
        usage(format!("{text} is no instant: {error}")).help("write it like 2026-04-02T08:00:00+08:00")
    })
}

/// A day as YYYY-MM-DD.
pub fn day(text: &str) -> Result<v1::Day, CommandError> {
    let wrong = || usage(format!("{text} is no day")).help("write it like 2026-04-02");
    let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
    let unsigned = |number: i16| u32::try_from(number).map_err(|_| wrong());
    Ok(v1::Day {
        year: unsigned(date.year())?,
        month: unsigned(date.month().into())?,
        day: unsigned(date.day().into())?,
    })
}

/// The day of an instant in +08:00.
pub fn day_of(instant: Timestamp) -> v1::Day {
    instant.day().map_or_else(v1::Day::default, |day| v1::Day {
        year: u32::try_from(day.year()).unwrap_or_default(),
        month: u32::from(day.month()),
        day: u32::from(day.day()),
    })
}

/// The two clocks of a query.
pub fn at(clocks: &Clocks) -> Result<v1::At, CommandError> {
    let as_of_us = match &clocks.as_of {
        Some(text) => instant(text)?.micros(),
        None => 0,
    };
    let known_at_us = match &clocks.known_at {
        Some(text) => u64::try_from(instant(text)?.micros()).map_err(|_| usage("--known-at is before 1970"))?,
        None => 0,
    };
    Ok(v1::At { as_of_us, known_at_us, known_size: clocks.known_size.unwrap_or_default() })
}

/// A plate, written `MAKER::MODEL::SERIAL`; `lot:` before it for a lot.
pub fn plate(text: &str) -> Option<(v1::Plate, v1::IdentityKind)> {
    let (kind, text) = match text.strip_prefix("lot:") {
        Some(rest) => (v1::IdentityKind::Lot, rest),
        None => (v1::IdentityKind::Unit, text),
    };
    let mut parts = text.split("::");
    let (maker, model, serial) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some((v1::Plate { maker: maker.to_owned(), model: model.to_owned(), serial: serial.to_owned() }, kind))
}

/// A subject by its id: `KIND/UUID`, or `mark/NUMBER` for a mark.
pub fn subject_id(text: &str) -> Option<SubjectId> {
    let by_number = || SubjectId::mark(text.strip_prefix("mark/")?).ok();
    text.parse().ok().or_else(by_number)
}

/// A subject: a plate, `KIND/UUID`, a bare UUID of the kind that is expected, or the number of a mark.
pub fn subject(text: &str, expected: SubjectKind) -> Result<SubjectId, CommandError> {
    if let Some((plate, kind)) = plate(text) {
        return tally_core::event::plate_id(kind, &plate.maker, &plate.model, &plate.serial)
            .map_err(|error| usage(format!("{text}: {error}")));
    }
    if let Some(subject) = subject_id(text) {
        return Ok(subject);
    }
    if expected == SubjectKind::Mark && parse_uuid(text).is_err() {
        return SubjectId::mark(text).map_err(|error| usage(format!("{text}: {error}")));
    }
    parse_uuid(text).map(|id| SubjectId::new(expected, id)).map_err(|_| {
        usage(format!("{text} names no {}", expected.name()))
            .help(format!("write MAKER::MODEL::SERIAL for a machine, or {}/UUID", expected.name()))
    })
}

/// An organisation: its id, with or without its kind before it.
pub fn organisation(text: &str) -> Result<OrganisationId, CommandError> {
    let subject = subject(text, SubjectKind::Organisation)?;
    OrganisationId::try_from(subject).map_err(|_| usage(format!("{text} is no organisation")))
}

/// A 16-byte id as text; a dash where there is none.
pub fn uuid(id: &[u8]) -> String {
    match <[u8; 16]>::try_from(id) {
        Ok(id) => OrganisationId::new(id).to_string(),
        Err(_) => "–".to_owned(),
    }
}

/// So many of something: `1 machine`, `2 machines`, `2 entries`.
pub fn count(number: impl std::fmt::Display, what: &str) -> String {
    let number = number.to_string();
    match what.strip_suffix('y') {
        _ if number == "1" => format!("{number} {what}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {what}s"),
    }
}

/// An instant in microseconds as text.
pub fn time(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

/// The value of an enum by its short name: `in_use` for SERVICE_STATE_IN_USE.
pub fn choice<E>(
    text: &str,
    prefix: &str,
    from_name: impl Fn(&str) -> Option<E>,
    what: &str,
) -> Result<E, CommandError> {
    let full = format!("{prefix}_{}", text.to_uppercase().replace('-', "_"));
    from_name(&full).ok_or_else(|| usage(format!("{text} is no {what}")))
}

/// A role by its name.
pub fn role(text: &str) -> Result<v1::Role, CommandError> {
    choice(text, "ROLE", v1::Role::from_str_name, "role").map_err(|error| {
        let names: Vec<&str> =
            tally_core::authority::ROLES.iter().map(|role| tally_core::authority::role_name(*role)).collect();
        error.help(format!("roles are {}", names.join(", ")))
    })
}

/// The short name of an enum's value: `in_use` for SERVICE_STATE_IN_USE.
pub fn short_name(full: &str, prefix: &str) -> String {
    full.strip_prefix(prefix).unwrap_or(full).trim_start_matches('_').to_lowercase()
}

/// A service state in both languages.
pub fn state(state: i32) -> String {
    let state = v1::ServiceState::try_from(state).unwrap_or_default();
    let zh = tally_core::lifecycle::state_zh(state);
    format!("{} {zh}", short_name(state.as_str_name(), "SERVICE_STATE"))
}

/// A kind of event in both languages, by its body number.
pub fn kind_name(number: u32) -> String {
    match EventKind::from_number(number) {
        Some(kind) => format!("{} {}", kind.name(), kind.zh()),
        None => format!("kind {number}, which this program does not know"),
    }
}

/// A role in both languages.
pub fn role_text(role: i32) -> String {
    let role = v1::Role::try_from(role).unwrap_or_default();
    format!("{} {}", tally_core::authority::role_name(role), tally_core::authority::role_zh(role))
}

/// A day as text; a dash where there is none.
pub fn day_text(day: Option<&v1::Day>) -> String {
    let known = day.and_then(tally_core::event::day);
    known.map_or_else(|| "–".to_owned(), |day| day.to_string())
}

/// What is irregular about an event, in both languages.
pub fn irregularity(kind: i32) -> &'static str {
    match v1::IrregularityKind::try_from(kind).unwrap_or_default() {
        v1::IrregularityKind::Unspecified => "of a kind that this program does not know",
        v1::IrregularityKind::LifecycleJump => "the state before it does not lead here 状态跳变",
        v1::IrregularityKind::SecondSignatureMissing => "the second signature is missing 缺少第二签名",
        v1::IrregularityKind::MachineSigned => "no person signed it 无人签名",
        v1::IrregularityKind::CounterBackwards => "a counter ran backwards 计数回退",
        v1::IrregularityKind::EnrolledAgain => "it was enrolled again 重复补录",
        v1::IrregularityKind::OutsideGrant => "the signer's role did not cover the day or place 资质期限或范围不符",
        v1::IrregularityKind::PlaceNotOpen => "its place was closed, or is not on record 地点已封闭或不存在",
    }
}

/// Whose word a statement about the heads map is: FORMAT, section 3, "What is proved, by whom".
pub fn standing(checkpoint: &VerifiedCheckpoint) -> String {
    match checkpoint.other_signature_lines() {
        0 => "the log's own word; no replica has cosigned".to_owned(),
        others => {
            format!("the log's own word; {others} more signatures are by keys that are not known here, and not counted")
        }
    }
}
