//! The reader: one result a record, in memory that does not grow with the file

use std::{
    io::{self, Read},
    marker::PhantomData,
    num::Saturating,
};

use crate::{
    input::{Encoding, Input, Opening, Seen},
    report::{Fault, Place, Problem, Report, Weight},
};

use super::{
    ENCODED_AS, FIELD_SEPARATOR, FILE_END, RECORD_BYTES_MAX, RECORDS_MAX,
    header::{FileName, HEADER_FIELDS, Header},
    kind::FileKind,
    record::Record,
};

/// How a file is to be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Its encoding. UTF-8 is right; GB18030 is decoded where somebody says that it is that.
    pub encoding: Encoding,
    /// Its name, where it has one: kind, mine code and time are held against the header.
    pub name: Option<FileName>,
}

/// A record and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placed<T> {
    /// Where it begins.
    pub place: Place,
    /// The record.
    pub record: T,
}

/// What a step of the reader met.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step<T> {
    /// A record with which nothing is wrong but what notes say.
    Record(Placed<T>),
    /// A record that is bad; reading goes on after it.
    Bad {
        /// Where it begins.
        place: Place,
        /// What is wrong with it, at least one problem.
        problems: Vec<Problem>,
    },
}

/// Fields whose values no report shows.
const PERSONAL: [&str; 2] = ["contact", "phone"];

/// Reads a file, record by record.
///
/// It holds a chunk of input, one record of at most [`RECORD_BYTES_MAX`] bytes and the report, whatever the file is like.
/// **What it gives must not be recorded while the rest of the file is not known**: [`super::check`] is for that.
pub struct Reader<R, T> {
    input: Input<R>,
    report: Report,
    header: Option<Header>,
    /// The record that is being read. Owned here so that one allocation does for all.
    record: Vec<u8>,
    line: u64,
    column: Saturating<u64>,
    /// Whether the end mark was seen.
    ended: bool,
    finished: bool,
    held_bytes_max: usize,
    kind: PhantomData<T>,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Mark,
    Line,
    File,
}

/// A record as it stands in [`Reader::record`].
#[derive(Clone, Copy)]
struct Span {
    place: Place,
    end: End,
    too_long: bool,
}

impl<R: Read, T: Record> Reader<R, T> {
    /// Begins to read: the header.
    ///
    /// # Errors
    /// What the input answers. What is wrong with the header is in the report.
    pub fn open(input: R, options: &Options) -> io::Result<Self> {
        let mut reader = Self {
            input: Input::new(input, options.encoding),
            report: Report::default(),
            header: None,
            record: Vec::new(),
            line: 1,
            column: Saturating(1),
            ended: false,
            finished: false,
            held_bytes_max: 0,
            kind: PhantomData,
        };
        reader.begin(options)?;
        Ok(reader)
    }

    /// The header; `None` where something refuses it.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// What was found so far.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// What was found. Complete once [`Reader::step`] has given `None`.
    #[must_use]
    pub fn into_report(self) -> Report {
        self.report
    }

    /// The most bytes of the file that its buffers ever had room for.
    #[must_use]
    pub const fn held_bytes_max(&self) -> usize {
        self.held_bytes_max
    }

    /// Reads the next record; `None` at the end.
    ///
    /// # Errors
    /// What the input answers; reading is over then.
    pub fn step(&mut self) -> io::Result<Option<Step<T>>> {
        if self.finished {
            return Ok(None);
        }
        let Some(span) = self.next_span().inspect_err(|_| self.finished = true)? else {
            self.finish()?;
            return Ok(None);
        };
        if self.take_end_mark(&span) {
            self.after_end_mark(&span)?;
            return Ok(None);
        }
        if self.report.records >= RECORDS_MAX {
            self.refuse_file(span.place, Fault::TooManyRecords { records_max: RECORDS_MAX });
            self.finished = true;
            return Ok(None);
        }
        self.report.records += 1;
        let step = self.parse(&span);
        if self.ended {
            self.after_end_mark(&span)?;
        }
        Ok(Some(step))
    }

    fn begin(&mut self, options: &Options) -> io::Result<()> {
        let at_start = Place { line: 1, column: 1, field: 0 };
        match self.input.opening()? {
            Opening::Plain => {}
            Opening::Mark => self.refuse_file(at_start, Fault::ByteOrderMark),
            Opening::Wrong(seen) => {
                let due = if options.encoding == Encoding::Utf8 { ENCODED_AS } else { "GB18030" };
                self.refuse_file(at_start, Fault::Encoding { due, seen });
                // Not a character of it can be trusted.
                self.finished = true;
                return Ok(());
            }
        }
        if let Some(name) = &options.name
            && name.kind() != T::KIND
        {
            self.not_as_named("kind", T::KIND.code(), name.kind().code(), Weight::Refusal);
        }
        let Some(span) = self.next_span()? else {
            self.refuse_file(at_start, Fault::Empty);
            return Ok(());
        };
        let mut problems = Vec::new();
        let texts = self.texts(&span, HEADER_FIELDS.len(), None, &mut problems);
        if let Some(texts) = texts
            && let Some(texts) = <[(u64, &str); 5]>::try_from(texts).ok()
        {
            self.header = Header::from_texts(&texts.map(|text| text.1), &mut |index, at, fault, weight| {
                problems.push(in_field(span.place, &texts, &HEADER_FIELDS, index, at, fault, weight));
            });
        }
        for problem in problems {
            self.report.push(problem);
        }
        if let (Some(header), Some(name)) = (self.header.clone(), &options.name) {
            if header.mine_code != name.mine_code() {
                self.not_as_named("mine code", &header.mine_code, name.mine_code(), Weight::Refusal);
            }
            if header.time != name.time() {
                // Whether the two must be the same second is not known.
                self.not_as_named("time", &header.time.to_string(), &name.time().to_string(), Weight::Note);
            }
        }
        if self.ended {
            self.after_end_mark(&span)?;
        }
        Ok(())
    }

    fn not_as_named(&mut self, what: &'static str, found: &str, named: &str, weight: Weight) {
        let fault = Fault::NotAsNamed { what, found: found.to_owned(), named: named.to_owned() };
        self.report.push(Problem { place: Place::default(), field: "", fault, weight });
    }

    fn refuse_file(&mut self, place: Place, fault: Fault) {
        self.report.push(Problem { place, field: "", fault, weight: Weight::Refusal });
    }

    /// Reads up to the end of the next record into [`Reader::record`]; `None` at the end of the input.
    fn next_span(&mut self) -> io::Result<Option<Span>> {
        self.record.clear();
        let mut place = Place { line: self.line, column: self.column.0, field: 0 };
        let mut too_long = false;
        loop {
            let held = self.input.held_bytes().saturating_add(self.record.capacity());
            self.held_bytes_max = self.held_bytes_max.max(held);
            let ready = self.input.fill()?;
            if ready.is_empty() {
                let blank = is_blank(&self.record) && !too_long;
                return Ok((!blank).then_some(Span { place, end: End::File, too_long }));
            }
            let found = ready.iter().position(|byte| matches!(byte, b'~' | b'\n'));
            let (piece, mark) = match found {
                Some(at) => (ready.get(..at).unwrap_or_default(), ready.get(at).copied()),
                None => (ready, None),
            };
            let room = RECORD_BYTES_MAX.saturating_sub(self.record.len());
            too_long |= piece.len() > room;
            self.record.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
            self.column += characters(piece);
            let used = piece.len().saturating_add(usize::from(mark.is_some()));
            self.input.consume(used);
            match mark {
                None => {}
                Some(b'~') => {
                    self.column += 1;
                    return Ok(Some(Span { place, end: End::Mark, too_long }));
                }
                Some(_) => {
                    self.line = self.line.saturating_add(1);
                    self.column = Saturating(1);
                    if !is_blank(&self.record) || too_long {
                        return Ok(Some(Span { place, end: End::Line, too_long }));
                    }
                    self.record.clear();
                    place = Place { line: self.line, column: 1, field: 0 };
                }
            }
        }
    }

    /// Whether the record is the end mark, alone.
    fn take_end_mark(&mut self, span: &Span) -> bool {
        let is_mark = !span.too_long && trim_end(&self.record) == FILE_END.as_bytes();
        self.ended |= is_mark;
        is_mark
    }

    /// The end mark was seen: nothing may follow it.
    fn after_end_mark(&mut self, span: &Span) -> io::Result<()> {
        self.finished = true;
        let next = if span.end == End::Mark { Some(*span) } else { self.next_span()? };
        if let Some(next) = next {
            self.refuse_file(next.place, Fault::AfterEnd);
            return Ok(());
        }
        self.finish()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        if !self.ended {
            let place = Place { line: self.line, column: self.column.0, field: 0 };
            self.refuse_file(place, Fault::MissingEnd);
        }
        self.input.drain()?;
        if self.input.is_utf8_after_all() {
            self.refuse_file(Place::default(), Fault::Utf8AfterAll);
        }
        (self.report.bytes, self.report.sha256) = (self.input.bytes(), self.input.sha256());
        Ok(())
    }

    fn parse(&mut self, span: &Span) -> Step<T> {
        let mut problems = Vec::new();
        let names: Vec<&'static str> = T::FIELDS.iter().map(|field| field.name).collect();
        let record = self.texts(span, names.len(), Some(T::KIND), &mut problems).and_then(|texts| {
            let plain: Vec<&str> = texts.iter().map(|text| text.1).collect();
            T::from_texts(&plain, &mut |index, at, fault, weight| {
                problems.push(in_field(span.place, &texts, &names, index, at, fault, weight));
            })
        });
        let refused = problems.iter().any(|problem| problem.weight == Weight::Refusal);
        for problem in &problems {
            self.report.push(problem.clone());
        }
        match record {
            Some(record) if !refused => Step::Record(Placed { place: span.place, record }),
            _ => Step::Bad { place: span.place, problems },
        }
    }

    /// The fields of the record, each with the column at which it begins; `None` where it has not as many as are due.
    fn texts<'a>(
        &'a mut self,
        span: &Span,
        due: usize,
        kind: Option<FileKind>,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<(u64, &'a str)>> {
        let mut refuse = |place, fault| problems.push(Problem { place, field: "", fault, weight: Weight::Refusal });
        if span.too_long {
            let hint = "and skipped: is the ~ at its end missing?";
            refuse(span.place, Fault::RecordTooLong { bytes_max: RECORD_BYTES_MAX, hint });
            return None;
        }
        let mut bytes = self.record.as_slice();
        if span.end != End::Mark {
            refuse(span.place, Fault::Unterminated);
            bytes = trim_end(bytes);
            // The end mark on the line of a record that lacks its own.
            if let Some(record) = bytes.strip_suffix(FILE_END.as_bytes()) {
                self.ended = true;
                bytes = record;
            }
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = characters(bytes.get(..error.valid_up_to()).unwrap_or_default());
                let place = Place { column: span.place.column.saturating_add(before), ..span.place };
                let fault = if self.input.encoding() == Encoding::Utf8 {
                    Fault::not_utf8(bytes)
                } else {
                    Fault::Encoding { due: "GB18030", seen: Seen::Unknown }
                };
                refuse(place, fault);
                return None;
            }
        };
        let mut column = span.place.column;
        let texts: Vec<(u64, &str)> = text
            .split(FIELD_SEPARATOR)
            .map(|field| {
                let begins = column;
                column = column.saturating_add(characters(field.as_bytes())).saturating_add(1);
                (begins, field)
            })
            .collect();
        if texts.len() == due {
            return Some(texts);
        }
        let other = [',', '\t', '；', '，', '|', '、'].into_iter().find(|other| text.split(*other).count() == due);
        let fault = match other {
            Some(seen) => Fault::Separator { seen, due: FIELD_SEPARATOR },
            None => {
                let like = kind.and(FileKind::with_fields(texts.len()));
                Fault::FieldCount { found: texts.len(), due, like }
            }
        };
        refuse(span.place, fault);
        None
    }
}

fn in_field(
    place: Place,
    texts: &[(u64, &str)],
    names: &[&'static str],
    index: usize,
    at: u64,
    mut fault: Fault,
    weight: Weight,
) -> Problem {
    let begins = texts.get(index).map_or(place.column, |text| text.0);
    let field = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
    let place = Place { column: begins.saturating_add(at), field, ..place };
    let name = names.get(index).copied().unwrap_or_default();
    if let Fault::Formula { value, .. } = &mut fault
        && PERSONAL.contains(&name)
    {
        // Reports are passed on; who the people are is nobody's business there.
        "it".clone_into(value);
    }
    Problem { place, field: name, fault, weight }
}

/// Characters that begin in these bytes.
fn characters(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\r'))
}

fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}
