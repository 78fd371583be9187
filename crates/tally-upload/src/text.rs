//! Text of a field: what must not stand in it, and what a spreadsheet would run

use crate::report::{Fault, Weight, snippet};

/// Blanks that are left out at the ends of a field.
const BLANKS: [char; 3] = [' ', '\u{3000}', '\u{A0}'];

/// A field without the blanks at its ends.
pub(crate) fn trim(value: &str) -> &str {
    value.trim_matches(BLANKS)
}

/// Whether a character is a control character, a line break, or changes how text reads without being seen.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Reports what is wrong with the text of a field, with the place in characters.
///
/// `reserved` are the characters that separate fields and records where there is no escape.
pub(crate) fn check(value: &str, reserved: &[char], fault: &mut dyn FnMut(u64, Fault, Weight)) {
    let trimmed = trim(value);
    if let Some((start, weight)) = formula(trimmed) {
        fault(0, Fault::Formula { start, value: snippet(trimmed) }, weight);
    }
    if trimmed.len() != value.len() {
        fault(0, Fault::Blank, Weight::Note);
    }
    // One of each kind a field: a field full of them is one mistake.
    let (mut control, mut replaced, mut separates) = (false, false, false);
    for (at, character) in (0_u64..).zip(value.chars()) {
        // A tab or carriage return at the beginning is reported as the begin of a formula.
        if is_hidden(character) && !control && !(trimmed.starts_with(character) && matches!(character, '\t' | '\r')) {
            control = true;
            fault(at, Fault::Control { point: u32::from(character) }, Weight::Refusal);
        }
        if character == char::REPLACEMENT_CHARACTER && !replaced {
            replaced = true;
            fault(at, Fault::Replacement, Weight::Refusal);
        }
        if reserved.contains(&character) && !separates {
            separates = true;
            fault(at, Fault::Reserved { character }, Weight::Refusal);
        }
    }
}

/// The character by which a spreadsheet takes a text for a formula, and whether that is to be refused.
///
/// Levels of a mine are written `-320水平`, and a dash stands for "none": those are only noted. Whatever leaves the product as a
/// table is guarded either way.
pub(crate) fn formula(value: &str) -> Option<(char, Weight)> {
    let first = value.chars().next()?;
    let narrow = narrow(first);
    match narrow {
        '=' | '@' | '\t' | '\r' => Some((first, Weight::Refusal)),
        '+' | '-' => Some((first, if is_harmless(value) { Weight::Note } else { Weight::Refusal })),
        _ => None,
    }
}

/// Spreadsheets of this part of the world read the wide form of a sign as the sign.
fn narrow(character: char) -> char {
    match character {
        '＝' => '=',
        '＋' => '+',
        '－' => '-',
        '＠' => '@',
        other => other,
    }
}

/// A signed number with words around it, or dashes: nothing that calls a function or another program.
fn is_harmless(value: &str) -> bool {
    if value.chars().all(|character| narrow(character) == '-') {
        return value.chars().count() <= 4;
    }
    let mut characters = value.chars().map(narrow);
    let sign_then_digit =
        matches!((characters.next(), characters.next()), (Some('+' | '-'), Some(next)) if next.is_ascii_digit());
    let calls = value.chars().zip(value.chars().skip(1)).any(|(before, character)| {
        matches!(character, '(' | '（') && (before.is_ascii_alphabetic() || matches!(before, '.' | '_'))
    });
    sign_then_digit && !calls && !value.contains(['=', '|', '!', '@', '＝', '＠'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(value: &str) -> Vec<(u64, &'static str, Weight)> {
        let mut found = Vec::new();
        check(value, &[';', '~', '|'], &mut |at, fault, weight| found.push((at, fault.code(), weight)));
        found
    }

    #[test]
    fn texts_of_a_mine_pass_and_formulas_do_not() {
        for clean in ["", "采煤机", "MG900/2245-WD", "a-b=c", "ZY12000/28/62D（改）"] {
            assert_eq!(codes(clean), [], "{clean:?}");
        }
        for noted in ["-320水平中央变电所", "-320水平(一号)", "+850运输大巷", "-", "--", "－450m大巷", "-5.2"]
        {
            assert_eq!(codes(noted), [(0, "FORMULA", Weight::Note)], "{noted:?}");
        }
        for refused in
            ["=1+1", "@SUM(A1)", "+cmd", "-cmd", "＝1", "-2+HYPERLINK(\"x\")", "-1!A0", "\t=1", "\rx", "-2@x", "-----"]
        {
            assert_eq!(codes(refused), [(0, "FORMULA", Weight::Refusal)], "{refused:?}");
        }
    }

    #[test]
    fn what_must_not_stand_in_a_field_is_told_with_its_place() {
        assert_eq!(codes("a;b~c|d"), [(1, "RESERVED", Weight::Refusal)]);
        for hidden in ['\0', '\n', '\u{7F}', '\u{85}', '\u{200B}', '\u{202E}', '\u{2028}', '\u{2069}', '\u{FEFF}'] {
            assert_eq!(codes(&format!("煤{hidden}b{hidden}")), [(1, "CONTROL", Weight::Refusal)], "{hidden:?}");
        }
        assert_eq!(codes("煤矿\u{FFFD}"), [(2, "REPLACEMENT", Weight::Refusal)]);
        assert_eq!(codes(" 煤\u{3000}"), [(0, "BLANK", Weight::Note)]);
        assert_eq!(codes(" =1"), [(0, "FORMULA", Weight::Refusal), (0, "BLANK", Weight::Note)]);
    }
}
