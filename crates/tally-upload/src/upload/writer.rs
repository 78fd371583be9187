//! The writer: refuses what the reader would refuse

use std::{
    io::{self, Write},
    marker::PhantomData,
};

use crate::{
    report::{Fault, Weight},
    text::trim,
};

use super::{
    FIELD_SEPARATOR, FILE_END, RECORD_BYTES_MAX, RECORD_END,
    header::{HEADER_FIELDS, Header},
    record::Record,
};

/// Why a record was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A field cannot stand in the file.
    #[error("{field}: {fault}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The record would be too long.
    #[error("the record has {bytes} bytes; at most {RECORD_BYTES_MAX} are allowed")]
    RecordTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The output failed: what it holds now is not known.
    #[error("the file could not be written")]
    Write(#[from] io::Error),
}

/// Writes a file, record by record, without a byte order mark.
///
/// A writer that is dropped before [`Writer::finish`] leaves a file without an end mark, which no reader takes.
pub struct Writer<W, T> {
    output: W,
    kind: PhantomData<T>,
}

impl<W: Write, T: Record> Writer<W, T> {
    /// Begins a file with its header.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn open(mut output: W, header: &Header) -> Result<Self, WriteError> {
        let texts = header.texts();
        let mut refused = None;
        let again = Header::from_texts(&texts.each_ref().map(String::as_str), &mut |index, _, fault, weight| {
            note(&mut refused, HEADER_FIELDS.get(index).copied(), fault, weight);
        });
        if let Some(error) = refused {
            return Err(error);
        }
        // Nothing refuses it, so it is there and the same.
        debug_assert_eq!(again.as_ref(), Some(header));
        put(&mut output, &texts)?;
        Ok(Self { output, kind: PhantomData })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`WriteError`]; the record is written whole or not at all, unless the output failed.
    pub fn write(&mut self, record: &T) -> Result<(), WriteError> {
        let mut texts = Vec::with_capacity(T::FIELDS.len());
        for (text, field) in record.texts().into_iter().zip(T::FIELDS) {
            texts.push(text.map_err(|fault| WriteError::Field { field: field.name, fault })?.into_owned());
        }
        let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut refused = None;
        let again = T::from_texts(&plain, &mut |index, _, fault, weight| {
            note(&mut refused, T::FIELDS.get(index).map(|field| field.name), fault, weight);
        });
        if let Some(error) = refused {
            return Err(error);
        }
        debug_assert_eq!(again.as_ref(), Some(record));
        put(&mut self.output, &texts)
    }

    /// Ends the file and flushes it.
    ///
    /// # Errors
    /// What the output answers.
    pub fn finish(mut self) -> Result<W, WriteError> {
        writeln!(self.output, "{FILE_END}")?;
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Keeps the first fault that reading would refuse, or that would not read back as it was.
fn note(refused: &mut Option<WriteError>, field: Option<&'static str>, fault: Fault, weight: Weight) {
    if refused.is_none() && (weight == Weight::Refusal || fault == Fault::Blank) {
        *refused = Some(WriteError::Field { field: field.unwrap_or_default(), fault });
    }
}

fn put(output: &mut impl Write, texts: &[String]) -> Result<(), WriteError> {
    let mut line = String::new();
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            line.push(FIELD_SEPARATOR);
        }
        line.push_str(trim(text));
    }
    if line.len() > RECORD_BYTES_MAX {
        return Err(WriteError::RecordTooLong { bytes: line.len() });
    }
    line.push(RECORD_END);
    line.push('\n');
    Ok(output.write_all(line.as_bytes())?)
}
