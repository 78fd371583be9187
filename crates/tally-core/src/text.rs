//! Text that ids hang on: N() and canonical strings, by the tables of one Unicode version fixed for ever
//!
//! The compiler's own tables are never asked: upper case changed in Unicode 16, and an id must not change with a
//! toolchain. `unicode-normalization` is pinned to the version of [`UNICODE_VERSION`], which is checked when this builds.

mod tables;

use unicode_normalization::{UnicodeNormalization, is_nfc};

pub use tables::UNICODE_VERSION;
use tables::{CONTROL, DEFAULT_IGNORABLE, PRIVATE_USE, UNASSIGNED, UPPER_RUNS, UPPER_SPECIAL, WHITE_SPACE};

const _: () = {
    let theirs = unicode_normalization::UNICODE_VERSION;
    assert!(
        theirs.0 == UNICODE_VERSION.0 && theirs.1 == UNICODE_VERSION.1 && theirs.2 == UNICODE_VERSION.2,
        "normalisation and the other tables are of one Unicode version"
    );
};

/// Why a text has no id, or does not stand in a canonical statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TextError {
    /// A control character (General_Category Cc) that is no White_Space: tabs and line ends are blanks.
    #[error("control character U+{point:04X} at byte {at}")]
    Control {
        /// The code point.
        point: u32,
        /// Where it begins, in bytes of UTF-8.
        at: usize,
    },
    /// A code point without a character in [`UNICODE_VERSION`] (General_Category Cn).
    #[error("code point U+{point:04X} at byte {at} has no character in Unicode 18.0")]
    Unassigned {
        /// The code point.
        point: u32,
        /// Where it begins, in bytes of UTF-8.
        at: usize,
    },
    /// A private-use character (General_Category Co): nobody else knows what it means.
    #[error("private-use character U+{point:04X} at byte {at}")]
    PrivateUse {
        /// The code point.
        point: u32,
        /// Where it begins, in bytes of UTF-8.
        at: usize,
    },
    /// Nothing is left after N().
    #[error("text is empty once blanks and invisible characters are removed")]
    Empty,
    /// A string of a statement that is not in normalisation form C.
    #[error("text is not in Unicode normalisation form C")]
    NotNfc,
}

/// N(): the form of a maker, model, serial or other number under which ids are made.
///
/// NFKC; full upper case; × to X; White_Space and Default_Ignorable_Code_Point removed; NFKC again. N(N(x)) = N(x).
///
/// # Errors
/// A control (unless it is White_Space), unassigned or private-use character anywhere in `text`, or nothing left.
///
/// Source: FORMAT, section 2.
pub fn normalise(text: &str) -> Result<String, TextError> {
    for (at, character) in text.char_indices() {
        let point = u32::from(character);
        if contains(CONTROL, point) && !contains(WHITE_SPACE, point) {
            return Err(TextError::Control { point, at });
        }
        if contains(UNASSIGNED, point) {
            return Err(TextError::Unassigned { point, at });
        }
        if contains(PRIVATE_USE, point) {
            return Err(TextError::PrivateUse { point, at });
        }
    }
    let mut folded = String::with_capacity(text.len());
    for character in text.nfkc() {
        push_upper(character, &mut folded);
    }
    let kept =
        folded.chars().map(|character| if character == '\u{D7}' { 'X' } else { character }).filter(|character| {
            let point = u32::from(*character);
            !contains(WHITE_SPACE, point) && !contains(DEFAULT_IGNORABLE, point)
        });
    let normalised: String = kept.nfkc().collect();
    if normalised.is_empty() { Err(TextError::Empty) } else { Ok(normalised) }
}

/// Whether a string may stand in a canonical statement: NFC, and only assigned code points.
#[must_use]
pub fn is_nfc_assigned(text: &str) -> bool {
    check_canonical(text).is_ok()
}

/// Checks that a string may stand in a canonical statement: NFC, and only code points assigned in [`UNICODE_VERSION`].
///
/// Control and private-use characters are assigned; a field that forbids them says so itself.
///
/// # Errors
/// [`TextError::Unassigned`] or [`TextError::NotNfc`].
///
/// Source: FORMAT, section 1, "Canonical".
pub fn check_canonical(text: &str) -> Result<(), TextError> {
    if text.is_ascii() {
        return Ok(());
    }
    for (at, character) in text.char_indices() {
        let point = u32::from(character);
        if contains(UNASSIGNED, point) {
            return Err(TextError::Unassigned { point, at });
        }
    }
    if is_nfc(text) { Ok(()) } else { Err(TextError::NotNfc) }
}

/// Appends the full upper case of one character, without conditions of language or place.
fn push_upper(character: char, out: &mut String) {
    let point = u32::from(character);
    if let Ok(found) = UPPER_SPECIAL.binary_search_by_key(&point, |entry| entry.0) {
        out.push_str(UPPER_SPECIAL.get(found).map_or("", |entry| entry.1));
        return;
    }
    let after = UPPER_RUNS.partition_point(|run| run.1 < point);
    let capital = UPPER_RUNS.get(after).and_then(|&(first, _, step, distance)| {
        let offset = point.checked_sub(first)?;
        if offset.is_multiple_of(step) { char::from_u32(point.checked_add_signed(distance)?) } else { None }
    });
    out.push(capital.unwrap_or(character));
}

/// Whether a code point is in a table of inclusive, sorted ranges.
fn contains(ranges: &[(u32, u32)], point: u32) -> bool {
    let after = ranges.partition_point(|range| range.1 < point);
    ranges.get(after).is_some_and(|range| range.0 <= point)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn upper(text: &str) -> String {
        let mut out = String::new();
        text.chars().for_each(|character| push_upper(character, &mut out));
        out
    }

    fn is_nameable(character: char) -> bool {
        let point = u32::from(character);
        !contains(CONTROL, point) && !contains(UNASSIGNED, point) && !contains(PRIVATE_USE, point)
    }

    #[test]
    fn normalisation_is_idempotent_for_every_character_alone_and_before_or_after_marks() {
        let company = ["", "\u{301}", "\u{345}", "\u{308}\u{301}", "A", "i", "\u{1161}", "\u{AD}\u{30C}", " \u{307}"];
        for character in (0..=0x10_FFFF).filter_map(char::from_u32).filter(|&character| is_nameable(character)) {
            // Nothing composes with ideographs, and Hangul syllables only with jamo: those stand alone.
            let is_east_asian =
                matches!(u32::from(character), 0x3400..=0xA48F | 0xAC00..=0xD7A3 | 0x1_7000..=0x1_8DFF | 0x2_0000..);
            for other in if is_east_asian { &company[..1] } else { &company[..] } {
                for text in [format!("{character}{other}"), format!("{other}{character}")] {
                    let Ok(once) = normalise(&text) else { continue };
                    assert_eq!(normalise(&once).as_ref(), Ok(&once), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn upper_case_equals_the_standard_librarys_where_both_know_the_character() {
        // The standard library is of Unicode 17: it knows none of the characters that 18 added.
        let mut differ = 0;
        for character in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let theirs: String = character.to_uppercase().collect();
            if upper(&character.to_string()) != theirs {
                differ += 1;
            }
        }
        assert!(differ < 64, "{differ} characters have another capital");
        assert_eq!(upper("straße \u{149} \u{FB03} \u{390}"), "STRASSE \u{2BC}N FFI \u{399}\u{308}\u{301}");
        assert_eq!(upper("\u{3AC} \u{1C6} \u{264} \u{19B}"), "\u{386} \u{1C4} \u{A7CB} \u{A7DC}");
        assert_eq!(upper("ɐаяա\u{10428}\u{1E943}"), "\u{2C6F}АЯԱ\u{10400}\u{1E921}");
    }

    #[test]
    fn tables_are_short_sorted_ranges() {
        for table in [CONTROL, UNASSIGNED, PRIVATE_USE, WHITE_SPACE, DEFAULT_IGNORABLE] {
            assert!(table.iter().all(|range| range.0 <= range.1));
            assert!(table.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
        assert!(UPPER_RUNS.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(UPPER_SPECIAL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let bytes = 8 * (UNASSIGNED.len() + DEFAULT_IGNORABLE.len() + WHITE_SPACE.len()) + 16 * UPPER_RUNS.len();
        assert!(bytes < 16_384, "{bytes} bytes of tables");
    }

    #[test]
    fn what_cannot_be_read_on_a_plate_has_no_id() {
        assert_eq!(normalise("A\u{1F}B"), Err(TextError::Control { point: 0x1F, at: 1 }));
        assert_eq!(normalise("煤\0B"), Err(TextError::Control { point: 0, at: 3 }));
        assert_eq!(normalise("煤\t\u{85}B\r\n").as_deref(), Ok("煤B"));
        assert_eq!(normalise("\u{E000}"), Err(TextError::PrivateUse { point: 0xE000, at: 0 }));
        assert_eq!(normalise("\u{378}"), Err(TextError::Unassigned { point: 0x378, at: 0 }));
        assert_eq!(normalise("\u{FFFF}"), Err(TextError::Unassigned { point: 0xFFFF, at: 0 }));
        for empty in ["", " \u{3000}", "\u{200B}\u{FE00}\u{AD}"] {
            assert_eq!(normalise(empty), Err(TextError::Empty), "{empty:?}");
        }
    }

    #[test]
    fn canonical_strings_are_nfc_and_assigned() {
        assert!(is_nfc_assigned("采煤机 MG900\nÄ"));
        assert_eq!(check_canonical("A\u{308}"), Err(TextError::NotNfc));
        assert_eq!(check_canonical("\u{212B}"), Err(TextError::NotNfc));
        assert_eq!(check_canonical("Ä\u{378}"), Err(TextError::Unassigned { point: 0x378, at: 2 }));
    }

    proptest! {
        #[test]
        fn normalisation_is_idempotent(text in "\\PC{0,24}") {
            if let Ok(once) = normalise(&text) {
                prop_assert_eq!(normalise(&once), Ok(once));
            }
        }
    }
}
