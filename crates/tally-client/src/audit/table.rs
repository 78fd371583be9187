//! The table of an export, for spreadsheets: what is written is what was verified, and no cell is run as a formula

use std::io::Write;

use serde_json::Value;
use tally_core::event::EventKind;
use tally_core::time::Timestamp;
use tally_log::LogPosition;
use tally_upload::csv::{Column, TableWriteError, Writer};

use crate::json::{JsonError, statement_to_json};
use crate::verify::VerifiedAuditEntry;

/// Bytes of a cell that holds a body: an entry has 65,535 at most, and JSON says it at more length.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Columns of the table.
const COLUMNS: &[Column] = &[
    Column::text("position"),
    Column::text("recorded_at"),
    Column::text("occurred_at"),
    Column::text("kind"),
    Column::text("kind_zh"),
    Column::text("subject"),
    Column::text("chain_index"),
    Column::text("organisation"),
    Column::text("mentions").at_most(BODY_BYTES_MAX),
    Column::text("leaf_hash"),
    Column::text("withheld"),
    Column::text("body").at_most(BODY_BYTES_MAX),
];

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditTableError {
    /// The table does not take it.
    #[error("the entry at {position} cannot stand in the table")]
    Row {
        /// Which.
        position: LogPosition,
        /// Why.
        #[source]
        source: TableWriteError,
    },
    /// The event's body cannot be shown.
    #[error("the entry at {position} cannot be shown")]
    Json {
        /// Which.
        position: LogPosition,
        /// Why.
        #[source]
        source: JsonError,
    },
    /// The output failed.
    #[error("the table cannot be written")]
    Write(#[source] TableWriteError),
}

/// Writes the entries of an export as a table: UTF-8 with a byte order mark, what looks like a formula guarded.
pub struct Table<W>(Writer<W>);

impl<W> std::fmt::Debug for Table<W> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Table").finish_non_exhaustive()
    }
}

impl<W: Write> Table<W> {
    /// Begins a table with the names of its columns.
    ///
    /// # Errors
    /// [`AuditTableError::Write`].
    pub fn open(output: W) -> Result<Self, AuditTableError> {
        Writer::open(output, COLUMNS, true).map(Self).map_err(AuditTableError::Write)
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// [`AuditTableError`].
    pub fn write(&mut self, entry: &VerifiedAuditEntry) -> Result<(), AuditTableError> {
        let position = entry.position;
        let cells = cells(entry).map_err(|source| AuditTableError::Json { position, source })?;
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        self.0.write(&cells).map_err(|source| AuditTableError::Row { position, source })
    }

    /// Flushes, and gives the output back.
    ///
    /// # Errors
    /// [`AuditTableError::Write`].
    pub fn finish(self) -> Result<W, AuditTableError> {
        self.0.finish().map_err(AuditTableError::Write)
    }
}

fn cells(entry: &VerifiedAuditEntry) -> Result<[String; 12], JsonError> {
    let time = |time: Timestamp| time.to_string();
    let mut cells: [String; 12] = std::array::from_fn(|_| String::new());
    let [position, recorded, occurred, kind, zh, subject, index, organisation, mentions, leaf, withheld, body] =
        &mut cells;
    *position = entry.position.to_string();
    *recorded = time(entry.recorded_at);
    *leaf = hex::encode(entry.leaf.as_bytes());
    *withheld = if entry.event.is_some() { "no" } else { "yes" }.to_owned();
    if let Some(event) = &entry.event {
        let statement = event.statement();
        *occurred = time(statement.occurred_at);
        let known = EventKind::from_number(statement.body_number);
        *kind = known.map_or_else(|| statement.body_number.to_string(), |kind| kind.name().to_owned());
        *zh = known.map_or_else(String::new, |kind| kind.zh().to_owned());
        *subject = statement.subject.to_string();
        *index = event.chain_index().get().to_string();
        *organisation = statement.organisation.to_string();
        *mentions = statement.mentions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let spelled = statement_to_json(statement)?;
        *body = visible(&body_of(&spelled, known).to_string());
    }
    Ok(cells)
}

/// The body in a statement's JSON: under the name of its kind, or as bytes.
fn body_of(statement: &Value, kind: Option<EventKind>) -> Value {
    let name = kind.map_or_else(String::new, |kind| {
        let mut letters = kind.name().chars();
        letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
    });
    statement.get(name).or_else(|| statement.get("bodyBytes")).cloned().unwrap_or_default()
}

/// Characters that nobody sees, spelled out as JSON does: a table refuses them, and the body must stand in it.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let hidden = character.is_control()
            || matches!(u32::from(character), 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB);
        if hidden {
            shown.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_spelled_out() {
        assert_eq!(visible("\u{202e}a\u{85}\u{feff}矿"), "\\u202ea\\u0085\\ufeff矿");
    }
}
