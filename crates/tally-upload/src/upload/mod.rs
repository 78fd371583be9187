//! The four files of the national upload for equipment, MT/T 1201.2: JBSJ, ABSJ, JZTT, JCJY
//!
//! **As a public implementation writes them; the standard was not seen, and conformance is not claimed.**
//!
//! ```text
//! 140921021337_JBSJ_20260402083000.txt
//!
//! 140921021337;沁源二矿;30;主通风机系统;2026-04-02 08:30:00~
//! 设备编码;设备名称;…;功率~
//! ||
//! ```
//!
//! A file is named by mine code, kind and time. It is UTF-8 without a byte order mark: a header, records of fields separated by
//! `;`, each ended by `~` and a line feed, and `||` at the end. `-9999` stands for "no value". The characters `;`, `~` and `|`
//! cannot stand in a field, for how to escape them is not known.
//!
//! [`Reader`] gives one result a record and goes on after a bad one. [`check`] reads a whole file with it and gives a
//! [`Checked`] only where nothing refuses it. [`Writer`] refuses what the reader would refuse.

use std::borrow::Cow;

mod checked;
mod header;
mod kind;
mod reader;
mod record;
mod value;
mod writer;

pub use checked::{Checked, Records, check};
pub use header::{FileName, FileNameError, Header, UploadTime};
pub use kind::FileKind;
pub use reader::{Options, Placed, Reader, Step};
pub use record::{BasicRecord, Field, ForbiddenRecord, MarkRecord, Record, TestRecord};
pub use value::{ForbiddenKind, Form, MarkState, TestResult};
pub use writer::{WriteError, Writer};

/// Separates fields.
pub const FIELD_SEPARATOR: char = ';';
/// Ends a record.
pub const RECORD_END: char = '~';
/// Stands on the last line.
pub const FILE_END: &str = "||";
/// Stands where there is no value.
pub const NO_VALUE: &str = "-9999";
/// Longest record in bytes of UTF-8, without its end; longer ones are reported and skipped.
pub const RECORD_BYTES_MAX: usize = 16_384;
/// Longest field in bytes of UTF-8.
pub const FIELD_BYTES_MAX: usize = 2_048;
/// Most records of a file.
pub const RECORDS_MAX: u64 = 10_000_000;

/// Name of the encoding that is due, in messages.
pub(crate) const ENCODED_AS: &str = "UTF-8";
/// Characters that separate something and so cannot stand in a field.
pub(crate) const RESERVED: [char; 3] = [FIELD_SEPARATOR, RECORD_END, '|'];

/// Whether a text is a day as the upload and the tables write it.
pub(crate) fn is_day(text: &str) -> bool {
    value::parse_day(text).is_some()
}

/// Texts of the fields of a record; empty where there is no value, or none that could be written.
pub(crate) fn texts_of<T: Record>(record: &T) -> Vec<String> {
    let texts = record.texts().into_iter();
    texts
        .map(|text| text.map(Cow::into_owned).unwrap_or_default())
        .map(|text| if text == NO_VALUE { String::new() } else { text })
        .collect()
}
