//! Numbers of organisations and mines that carry a check: each is checked only in its own scheme

use crate::id::Scheme;

/// The characters of a unified social credit code; a character's value is its place. No I, O, S, V, Z.
///
/// Source: GB 32100-2015.
const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Weights of the first 17 characters: powers of 3 modulo 31.
///
/// Source: GB 32100-2015.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/// Why a number is not one of its scheme.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CodeError {
    /// Too long or too short.
    #[error("{scheme} number has {found} characters, {expected} are due")]
    Length {
        /// The scheme.
        scheme: &'static str,
        /// Characters found.
        found: usize,
        /// Lengths that the scheme knows.
        expected: &'static str,
    },
    /// A character that the scheme does not use.
    #[error("{scheme} number has a character {found:?} at {at}, which the scheme does not use")]
    Character {
        /// The scheme.
        scheme: &'static str,
        /// The character.
        found: char,
        /// 0-based place in characters.
        at: usize,
    },
    /// The last character does not follow from those before it: a slip of the pen.
    #[error("check character is {found:?}, the others ask for {expected:?}")]
    Check {
        /// The last character.
        found: char,
        /// What it would have to be.
        expected: char,
    },
}

/// Checks a number by the rules of its own scheme; `other` has none.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(scheme: Scheme, number: &str) -> Result<(), CodeError> {
    match scheme {
        Scheme::Uscc => check_uscc(number),
        Scheme::CnCoalMine => check_digits(scheme.name(), number, &[11, 12], "11 or 12"),
        Scheme::Msha => check_digits(scheme.name(), number, &[7], "7"),
        Scheme::Other => Ok(()),
    }
}

/// Checks a unified social credit code (统一社会信用代码): 18 capitals and digits, the last a check character.
///
/// # Errors
/// The first rule that it breaks.
///
/// Source: GB 32100-2015: c = (31 − Σ value·weight mod 31) mod 31.
pub fn check_uscc(number: &str) -> Result<(), CodeError> {
    let scheme = Scheme::Uscc.name();
    let found = number.chars().count();
    if found != WEIGHTS.len() + 1 {
        return Err(CodeError::Length { scheme, found, expected: "18" });
    }
    let mut sum = 0;
    let mut weights = WEIGHTS.iter();
    for (at, character) in number.chars().enumerate() {
        let value = ALPHABET.iter().zip(0_u32..).find(|(known, _)| char::from(**known) == character);
        let Some((_, value)) = value else { return Err(CodeError::Character { scheme, found: character, at }) };
        if let Some(weight) = weights.next() {
            sum += value * weight;
        } else {
            let due = usize::try_from((31 - sum % 31) % 31).unwrap_or_default();
            let expected = ALPHABET.get(due).map_or('0', |byte| char::from(*byte));
            if expected != character {
                return Err(CodeError::Check { found: character, expected });
            }
        }
    }
    Ok(())
}

fn check_digits(
    scheme: &'static str,
    number: &str,
    lengths: &[usize],
    expected: &'static str,
) -> Result<(), CodeError> {
    if let Some((at, found)) = number.chars().enumerate().find(|(_, character)| !character.is_ascii_digit()) {
        return Err(CodeError::Character { scheme, found, at });
    }
    if lengths.contains(&number.len()) {
        Ok(())
    } else {
        Err(CodeError::Length { scheme, found: number.len(), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_character_of_a_credit_code_is_computed() {
        for good in ["91410100170033534A", "91140000110055634T"] {
            let sum: u32 = WEIGHTS
                .iter()
                .zip(good.bytes())
                .map(|(weight, byte)| {
                    weight * u32::try_from(ALPHABET.iter().position(|known| *known == byte).unwrap()).unwrap()
                })
                .sum();
            let due = char::from(ALPHABET[usize::try_from((31 - sum % 31) % 31).unwrap()]);
            let right = format!("{}{due}", &good[..17]);
            assert_eq!(check_uscc(&right), Ok(()));
            let wrong = if due == '0' { '1' } else { '0' };
            let slip = format!("{}{wrong}", &good[..17]);
            assert_eq!(check_uscc(&slip), Err(CodeError::Check { found: wrong, expected: due }));
        }
    }

    #[test]
    fn published_credit_codes_pass_and_any_changed_character_fails() {
        // Codes printed on the companies' own pages: Alibaba (China), Tencent, Huawei.
        for code in ["91330100799655058B", "9144030071526726XG", "914403001922038216"] {
            assert_eq!(check_uscc(code), Ok(()), "{code}");
            for at in 0..code.len() {
                let mut changed = code.to_owned();
                let other = if &code[at..=at] == "7" { "8" } else { "7" };
                changed.replace_range(at..=at, other);
                assert!(check_uscc(&changed).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn letters_that_the_code_leaves_out_are_named() {
        let scheme = "uscc";
        assert_eq!(check_uscc("9133010079965505OB"), Err(CodeError::Character { scheme, found: 'O', at: 16 }));
        assert_eq!(check_uscc("9133"), Err(CodeError::Length { scheme, found: 4, expected: "18" }));
    }

    #[test]
    fn each_scheme_checks_only_its_own_numbers() {
        assert_eq!(check(Scheme::CnCoalMine, "140921021337"), Ok(()));
        assert_eq!(check(Scheme::CnCoalMine, "14122800315"), Ok(()));
        assert!(matches!(check(Scheme::CnCoalMine, "1412280031"), Err(CodeError::Length { found: 10, .. })));
        assert!(matches!(check(Scheme::CnCoalMine, "1412280031X"), Err(CodeError::Character { at: 10, .. })));
        assert_eq!(check(Scheme::Msha, "4608436"), Ok(()));
        assert!(matches!(check(Scheme::Msha, "46-08436"), Err(CodeError::Character { at: 2, .. })));
        assert_eq!(check(Scheme::Other, "海外-7"), Ok(()));
    }
}
