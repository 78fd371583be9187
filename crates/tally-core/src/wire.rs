//! The wire form of protobuf, read strictly: one sequence of bytes for one message
//!
//! Enough for the headers of Event and Statement; bodies are opaque here. Source: the protobuf encoding guide, and
//! FORMAT, section 1, "Canonical".

use crate::form::{Problem, Problems};

/// The greatest field number that protobuf has.
pub(crate) const FIELD_NUMBER_MAX: u32 = (1 << 29) - 1;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// The value of a field as it lies on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// How often a field may stand in a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Presence {
    /// Once, and never with its default value.
    Singular,
    /// Once; an empty message says that it is there.
    Message,
    /// Any number of times, one behind another.
    Repeated,
}

/// The type of a field on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Varint,
    Bytes,
}

/// What a message says about one of its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldRule {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
}

/// What a message says about all of its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageRule {
    pub(crate) fields: &'static [FieldRule],
    /// Fields from here on are one oneof: bytes, exactly one, the last field.
    pub(crate) body_from: Option<u32>,
}

/// The fields of a message that are right in themselves, in the order in which they came.
pub(crate) type Fields<'a> = Vec<(u32, Value<'a>)>;

/// Reads a message and reports everything that is not canonical about its encoding.
///
/// Never allocates more than the bytes warrant. After bytes that cannot be split into fields nothing more is read.
pub(crate) fn read_message<'a>(rule: &MessageRule, path: &str, bytes: &'a [u8], problems: &mut Problems) -> Fields<'a> {
    let mut reader = Reader { rest: bytes };
    let mut fields = Fields::new();
    let mut last = 0;
    while !reader.rest.is_empty() {
        let raw = match reader.field() {
            Ok(raw) => raw,
            Err(problem) => {
                problems.push(path, problem);
                return fields;
            }
        };
        let number = raw.number;
        let Some(expected) = rule_of(rule, number) else {
            problems.push(path, Problem::FieldUnknown { number });
            continue;
        };
        let name = join(path, expected.name);
        if !raw.shortest {
            problems.push(&name, Problem::VarintNotShortest);
        }
        let is_body = rule.body_from.is_some_and(|first| number >= first);
        let body_stands = rule.body_from.is_some_and(|first| last >= first);
        if is_body && body_stands {
            problems.push(&name, Problem::BodyTwice { number });
            continue;
        }
        if number < last {
            problems.push(&name, Problem::FieldOrder { number, behind: last });
        } else if number == last && expected.presence != Presence::Repeated {
            problems.push(&name, Problem::FieldTwice { number });
            continue;
        }
        last = last.max(number);
        match (expected.kind, raw.value) {
            (Kind::Varint, Some(value @ Value::Varint(written))) => {
                if written == 0 && expected.presence == Presence::Singular {
                    problems.push(&name, Problem::DefaultWritten);
                }
                fields.push((number, value));
            }
            (Kind::Bytes, Some(value @ Value::Bytes(written))) => {
                if written.is_empty() && expected.presence == Presence::Singular {
                    problems.push(&name, Problem::DefaultWritten);
                }
                fields.push((number, value));
            }
            (Kind::Varint, Some(Value::Bytes(_)) | None) | (Kind::Bytes, Some(Value::Varint(_)) | None) => {
                problems.push(&name, Problem::WireType { number, found: raw.wire_type });
            }
        }
    }
    fields
}

fn rule_of(rule: &MessageRule, number: u32) -> Option<FieldRule> {
    if rule.body_from.is_some_and(|first| number >= first) {
        return Some(FieldRule { number, name: "body", kind: Kind::Bytes, presence: Presence::Message });
    }
    rule.fields.iter().copied().find(|field| field.number == number)
}

/// `a.b`, or `b` at the top.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Reader<'a> {
    rest: &'a [u8],
}

struct RawField<'a> {
    number: u32,
    wire_type: u8,
    /// Whether tag, value and length are the shortest varints.
    shortest: bool,
    /// `None` for fixed32 and fixed64, which no header has.
    value: Option<Value<'a>>,
}

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<RawField<'a>, Problem> {
        let (tag, mut shortest) = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..=FIELD_NUMBER_MAX).contains(number));
        let number = number.ok_or(Problem::FieldNumber { number: tag >> 3 })?;
        let wire_type = u8::try_from(tag & 7).unwrap_or_default();
        let value = match tag & 7 {
            VARINT => {
                let (value, is_shortest) = self.varint()?;
                shortest &= is_shortest;
                Some(Value::Varint(value))
            }
            LENGTH_DELIMITED => {
                let (length, is_shortest) = self.varint()?;
                shortest &= is_shortest;
                Some(Value::Bytes(self.take(length)?))
            }
            FIXED64 => self.take(8).map(|_| None)?,
            FIXED32 => self.take(4).map(|_| None)?,
            _ => return Err(Problem::WireType { number, found: wire_type }),
        };
        Ok(RawField { number, wire_type, shortest, value })
    }

    /// A varint of at most 64 bits, and whether it is the shortest for its value.
    fn varint(&mut self) -> Result<(u64, bool), Problem> {
        let mut value = 0_u64;
        for at in 0..10 {
            let Some((&byte, rest)) = self.rest.split_first() else { return Err(Problem::Truncated) };
            self.rest = rest;
            // The tenth byte holds the 64th bit and nothing else.
            if at == 9 && byte > 1 {
                return Err(Problem::VarintTooLong);
            }
            value |= u64::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok((value, at == 0 || byte != 0));
            }
        }
        Err(Problem::VarintTooLong)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Problem> {
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Writes fields; the caller keeps them in ascending number.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes a singular varint; nothing for 0.
    pub(crate) fn varint(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.tag(number, VARINT);
            self.raw_varint(value);
        }
    }

    /// Writes bytes, also when they are empty: repeated fields, messages, bodies.
    pub(crate) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.tag(number, LENGTH_DELIMITED);
        self.raw_varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.bytes.extend_from_slice(value);
    }

    /// Writes singular bytes or a string; nothing when they are empty.
    pub(crate) fn nonempty(&mut self, number: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(number, value);
        }
    }

    fn tag(&mut self, number: u32, wire_type: u64) {
        self.raw_varint(u64::from(number) << 3 | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        loop {
            let [.., low] = value.to_be_bytes();
            value >>= 7;
            if value == 0 {
                self.bytes.push(low & 0x7F);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: MessageRule = MessageRule {
        fields: &[
            FieldRule { number: 1, name: "count", kind: Kind::Varint, presence: Presence::Singular },
            FieldRule { number: 2, name: "many", kind: Kind::Bytes, presence: Presence::Repeated },
        ],
        body_from: Some(20),
    };

    fn problems_of(bytes: &[u8]) -> Vec<Problem> {
        let mut problems = Problems::default();
        read_message(&RULE, "", bytes, &mut problems);
        problems.into_vec().into_iter().map(|found| found.problem).collect()
    }

    #[test]
    fn varints_of_every_length_come_back() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut writer = Writer::default();
                writer.raw_varint(value);
                let bytes = writer.finish();
                let mut reader = Reader { rest: &bytes };
                assert_eq!(reader.varint(), Ok((value, true)));
                assert!(reader.rest.is_empty());
            }
        }
    }

    #[test]
    fn what_a_lenient_reader_takes_is_named() {
        assert_eq!(problems_of(&[0x08, 0x01, 0x12, 0x00, 0x12, 0x01, 0x2A, 0xA2, 0x01, 0x00]), []);
        assert_eq!(problems_of(&[0x08, 0x81, 0x00]), [Problem::VarintNotShortest]);
        assert_eq!(problems_of(&[0x88, 0x00, 0x01]), [Problem::VarintNotShortest]);
        assert_eq!(problems_of(&[0x08, 0x00]), [Problem::DefaultWritten]);
        assert_eq!(problems_of(&[0x08, 0x01, 0x08, 0x01]), [Problem::FieldTwice { number: 1 }]);
        assert_eq!(problems_of(&[0x12, 0x00, 0x08, 0x01]), [Problem::FieldOrder { number: 1, behind: 2 }]);
        assert_eq!(problems_of(&[0x18, 0x01]), [Problem::FieldUnknown { number: 3 }]);
        assert_eq!(problems_of(&[0x0D, 1, 2, 3, 4]), [Problem::WireType { number: 1, found: 5 }]);
        assert_eq!(problems_of(&[0x0B]), [Problem::WireType { number: 1, found: 3 }]);
        assert_eq!(problems_of(&[0x00]), [Problem::FieldNumber { number: 0 }]);
        let twice = [0xA2, 0x01, 0x00, 0xAA, 0x01, 0x00];
        assert_eq!(problems_of(&twice), [Problem::BodyTwice { number: 21 }]);
    }

    #[test]
    fn lengths_are_compared_with_what_is_left() {
        assert_eq!(problems_of(&[0x12, 0x05, 0x00]), [Problem::Truncated]);
        let far = [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        assert_eq!(problems_of(&far), [Problem::Truncated]);
        let beyond = [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02];
        assert_eq!(problems_of(&beyond), [Problem::VarintTooLong]);
        assert_eq!(problems_of(&[0x08]), [Problem::Truncated]);
    }

    #[test]
    fn one_message_gives_all_its_problems() {
        let bytes = [0x12, 0x00, 0x08, 0x00, 0x18, 0x81, 0x00];
        let expected = [
            Problem::FieldOrder { number: 1, behind: 2 },
            Problem::DefaultWritten,
            Problem::FieldUnknown { number: 3 },
        ];
        assert_eq!(problems_of(&bytes), expected);
    }
}
