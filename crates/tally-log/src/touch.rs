//! Jump pointers along a subject's touches, so that any of them is found in few reads.
//!
//! Myers' skew-binary scheme: touches form complete binary trees whose sizes (2^k − 1) are the skew-binary digits of
//! their number; each touch names the one before it and the root of the tree behind its own. So only the roots are
//! kept for each subject, about log2 of them, and the log keeps two positions with each touch.
//!
//! Source: E. W. Myers, "An applicative random-access stack", Information Processing Letters 17 (1983).

use crate::LogPosition;
use crate::position::NUMBER_END;

/// What the log keeps beside an entry for each subject that it touches.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Link {
    /// Where the touch before this one is; `None` at the first.
    pub previous: Option<LogPosition>,
    /// Where the touch is that the jump pointer names.
    pub jump: Option<LogPosition>,
}

/// The positions that the next touch of a subject will need. About eight bytes for each doubling of the touches.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TouchStack {
    touches: u64,
    last: Option<LogPosition>,
    /// Roots of the trees, the oldest and largest first; the last one's root is also the last touch.
    roots: Vec<LogPosition>,
}

/// Why bytes are no touch stack.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{bytes} bytes are no touch stack")]
pub struct TouchStackError {
    /// How many there were.
    pub bytes: usize,
}

/// Why a touch was not found.
#[derive(Debug, thiserror::Error)]
pub enum SeekError<E> {
    /// There is no such touch yet.
    #[error("touch {wanted} was asked for, the last one is {last}")]
    NotYet {
        /// The 0-based number asked for.
        wanted: u64,
        /// The 0-based number of the last touch.
        last: u64,
    },
    /// A link leads nowhere although touches lie behind it, or not backwards: the log is damaged.
    #[error("the link at position {position} does not lead back to touch {wanted}")]
    BrokenLink {
        /// Where the link stands.
        position: LogPosition,
        /// The 0-based number looked for.
        wanted: u64,
    },
    /// A link could not be read.
    #[error("a link cannot be read")]
    Read(#[source] E),
}

impl TouchStack {
    /// No touches yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many touches there are.
    #[must_use]
    pub const fn touches(&self) -> u64 {
        self.touches
    }

    /// Where the last touch is.
    #[must_use]
    pub const fn last(&self) -> Option<LogPosition> {
        self.last
    }

    /// Adds the touch at `position` and gives the link to keep beside it.
    pub fn push(&mut self, position: LogPosition) -> Link {
        let previous = self.last;
        // Two trees of one size become the branches of the new touch.
        let sizes = tree_sizes(self.touches);
        if let [.., older, newer] = sizes.as_slice()
            && older == newer
        {
            self.roots.truncate(self.roots.len().saturating_sub(2));
        }
        let jump = self.roots.last().copied();
        self.roots.push(position);
        self.last = Some(position);
        self.touches = self.touches.saturating_add(1);
        Link { previous, jump }
    }

    /// The latest known touch at or after touch `wanted`, its number and position: where [`seek`] best begins.
    ///
    /// From here any of 65,536 touches takes at most 35 reads, whatever the number of touches.
    #[must_use]
    pub fn start_for(&self, wanted: u64) -> Option<(u64, LogPosition)> {
        let mut end: u64 = 0;
        for (size, root) in tree_sizes(self.touches).into_iter().zip(&self.roots) {
            end += size;
            if wanted < end {
                return Some((end - 1, *root));
            }
        }
        None
    }

    /// Number of touches u64 ‖ positions of the roots, oldest first, u64 each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.touches.to_be_bytes().to_vec();
        self.roots.iter().for_each(|root| bytes.extend_from_slice(&root.get().to_be_bytes()));
        bytes
    }

    /// Parses what [`TouchStack::to_bytes`] writes.
    ///
    /// # Errors
    /// [`TouchStackError`] if the number of roots is not that of the touches, or they do not rise.
    pub fn parse(bytes: &[u8]) -> Result<Self, TouchStackError> {
        let error = TouchStackError { bytes: bytes.len() };
        let (numbers, rest) = bytes.as_chunks::<8>();
        let (touches, roots) = numbers.split_first().ok_or(error)?;
        let touches = u64::from_be_bytes(*touches);
        let roots: Option<Vec<_>> = roots.iter().map(|root| LogPosition::new(u64::from_be_bytes(*root))).collect();
        let roots = roots.filter(|roots| roots.is_sorted_by(|a, b| a < b)).ok_or(error)?;
        let fits = rest.is_empty() && touches < NUMBER_END && roots.len() == tree_sizes(touches).len();
        fits.then(|| Self { touches, last: roots.last().copied(), roots }).ok_or(error)
    }
}

/// Finds touch `wanted` (0-based) of a subject from its last one, `last` (0-based), at position `at`.
///
/// `read` gives the subject's link at a position. Takes at most 3·log2(touches) reads from the last touch (35 when there
/// are 65,536), and 2·log2 from where [`TouchStack::start_for`] says.
///
/// # Errors
/// [`SeekError`] if there is no such touch, a read goes wrong, or a link does not lead back.
pub fn seek<E>(
    wanted: u64,
    last: u64,
    at: LogPosition,
    mut read: impl FnMut(LogPosition) -> Result<Link, E>,
) -> Result<LogPosition, SeekError<E>> {
    if wanted > last || last >= NUMBER_END {
        return Err(SeekError::NotYet { wanted, last });
    }
    let (mut number, mut position) = (last, at);
    while number > wanted {
        let link = read(position).map_err(SeekError::Read)?;
        let next = match jump_of(number) {
            Some(target) if target >= wanted => (target, link.jump),
            _ => (number - 1, link.previous),
        };
        let (next_number, Some(next_position)) = next else {
            return Err(SeekError::BrokenLink { position, wanted });
        };
        if next_position >= position {
            return Err(SeekError::BrokenLink { position, wanted });
        }
        (number, position) = (next_number, next_position);
    }
    Ok(position)
}

/// Which touch the jump pointer of touch `number` names; `None` where its tree is the oldest.
fn jump_of(number: u64) -> Option<u64> {
    let size = tree_sizes(number.saturating_add(1)).last().copied()?;
    number.checked_sub(size)
}

/// The sizes of the trees over `touches` touches, largest first: the skew-binary digits.
fn tree_sizes(touches: u64) -> Vec<u64> {
    let (mut sizes, mut rest) = (Vec::new(), touches);
    while rest > 0 {
        // The largest 2^k - 1 that fits.
        let size = match rest.checked_add(1) {
            Some(above) => (1_u64 << (u64::BITS - 1 - above.leading_zeros())) - 1,
            None => u64::MAX,
        };
        sizes.push(size);
        rest -= size;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Touch n stands at position 3n + 7.
    fn place(number: u64) -> LogPosition {
        LogPosition::new(3 * number + 7).unwrap()
    }

    fn history(touches: u64) -> (TouchStack, HashMap<LogPosition, Link>) {
        let (mut stack, mut links) = (TouchStack::new(), HashMap::new());
        for number in 0..touches {
            links.insert(place(number), stack.push(place(number)));
        }
        (stack, links)
    }

    fn reads(wanted: u64, last: u64, links: &HashMap<LogPosition, Link>) -> usize {
        let mut reads = 0;
        let found = seek(wanted, last, place(last), |at| {
            reads += 1;
            links.get(&at).copied().ok_or(())
        });
        assert_eq!(found.unwrap(), place(wanted));
        reads
    }

    #[test]
    fn any_of_65_536_touches_takes_at_most_35_reads() {
        let (_, links) = history(65_536);
        let worst = (0..65_536).map(|wanted| reads(wanted, 65_535, &links)).max().unwrap();
        assert!(worst <= 35, "{worst} reads");
        let far = (0..65_536).map(|last| reads(0, last, &links)).max().unwrap();
        assert!(far <= 46, "{far} reads to the first");
    }

    #[test]
    fn from_the_stack_any_touch_takes_at_most_35_reads_at_every_length() {
        let (_, links) = history(65_536);
        let mut stack = TouchStack::new();
        for last in 0..65_536 {
            stack.push(place(last));
            // Every number where each length is cheap, and where trees meet.
            for wanted in (0..=last).step_by(6_553).chain([last, last / 2, last / 3]) {
                let (number, position) = stack.start_for(wanted).unwrap();
                assert_eq!(position, place(number));
                assert!(reads(wanted, number, &links) <= 35);
            }
        }
        assert_eq!(stack.start_for(65_536), None);
    }

    #[test]
    fn every_touch_of_a_short_history_is_found_from_every_later_one() {
        let (_, links) = history(70);
        for last in 0..70 {
            (0..=last).for_each(|wanted| assert!(reads(wanted, last, &links) <= 14));
        }
    }

    #[test]
    fn stack_goes_on_the_same_after_its_bytes() {
        for touches in [0, 1, 2, 3, 4, 255, 256, 257, 65_535, 65_536] {
            let (mut stack, _) = history(touches);
            let mut parsed = TouchStack::parse(&stack.to_bytes()).unwrap();
            assert_eq!(parsed, stack);
            assert!(stack.to_bytes().len() <= 8 + 17 * 8);
            assert_eq!(parsed.push(place(touches)), stack.push(place(touches)));
        }
    }

    #[test]
    fn malformed_bytes_are_no_stack() {
        let (stack, _) = history(5);
        let bytes = stack.to_bytes();
        assert!(TouchStack::parse(&bytes[..bytes.len() - 1]).is_err());
        assert!(TouchStack::parse(&bytes[..bytes.len() - 8]).is_err());
        assert!(TouchStack::parse(&[]).is_err());
        assert!(TouchStack::parse(&[0xff; 16]).is_err());
    }

    #[test]
    fn links_that_lead_nowhere_or_forwards_are_damage() {
        let nowhere = seek(0, 5, place(5), |_| Ok::<_, ()>(Link::default()));
        assert!(matches!(nowhere, Err(SeekError::BrokenLink { .. })));
        let forwards = Link { previous: Some(place(9)), jump: Some(place(9)) };
        assert!(matches!(seek(0, 5, place(5), |_| Ok::<_, ()>(forwards)), Err(SeekError::BrokenLink { .. })));
        assert!(matches!(seek(6, 5, place(5), |_| Ok::<_, ()>(forwards)), Err(SeekError::NotYet { .. })));
    }
}
