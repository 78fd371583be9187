//! A file that passed whole: the only way to its records

use std::{
    fmt,
    io::{Read, Seek, SeekFrom},
    marker::PhantomData,
};

use crate::report::{CheckError, Report, UseError};

use super::{
    header::Header,
    reader::{Options, Placed, Reader, Step},
    record::Record,
};

/// Checks a whole file. Only where nothing refuses it is there a [`Checked`], and only that gives records.
///
/// Begins where the input stands and reads to its end. Memory does not grow with the file.
///
/// # Errors
/// [`CheckError::Refused`] with the report; [`CheckError::Read`].
pub fn check<R: Read + Seek, T: Record>(mut input: R, options: Options) -> Result<Checked<R, T>, CheckError> {
    let start = input.stream_position()?;
    let mut reader = Reader::<_, T>::open(&mut input, &options)?;
    while reader.step()?.is_some() {}
    let header = reader.header().cloned();
    let report = reader.into_report();
    match header {
        Some(header) if report.is_clean() => Ok(Checked { input, start, options, header, report, kind: PhantomData }),
        _ => Err(CheckError::Refused(Box::new(report))),
    }
}

/// A file that passed whole.
pub struct Checked<R, T> {
    input: R,
    start: u64,
    options: Options,
    header: Header,
    report: Report,
    kind: PhantomData<T>,
}

impl<R: Read + Seek, T: Record> Checked<R, T> {
    /// Its header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Number of records, notes, and the digest under which the file can be kept as an attachment.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Its records, in a second pass.
    ///
    /// **Record nothing before the iterator has ended without an error**: a file that was changed since it was checked is found
    /// out at the first record that differs in form, else at the end, by its digest.
    ///
    /// # Errors
    /// [`UseError::Read`].
    pub fn records(mut self) -> Result<Records<R, T>, UseError> {
        self.input.seek(SeekFrom::Start(self.start))?;
        let reader = Reader::open(self.input, &self.options)?;
        Ok(Records { reader, due: self.report, over: false })
    }
}

impl<R, T> fmt::Debug for Checked<R, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Checked").field("header", &self.header).field("report", &self.report).finish_non_exhaustive()
    }
}

/// The records of a checked file; an error is the last item.
pub struct Records<R, T> {
    reader: Reader<R, T>,
    due: Report,
    over: bool,
}

impl<R: Read, T: Record> Records<R, T> {
    fn step(&mut self) -> Option<Result<Placed<T>, UseError>> {
        match self.reader.step() {
            Ok(Some(Step::Record(placed))) if self.reader.report().is_clean() => return Some(Ok(placed)),
            Ok(None) if *self.reader.report() == self.due => self.over = true,
            Ok(_) => {
                self.over = true;
                return Some(Err(UseError::Changed));
            }
            Err(error) => {
                self.over = true;
                return Some(Err(UseError::Read(error)));
            }
        }
        None
    }
}

impl<R: Read, T: Record> Iterator for Records<R, T> {
    type Item = Result<Placed<T>, UseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over { None } else { self.step() }
    }
}
