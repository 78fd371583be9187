//! Which checkpoints were shown to belong to one ledger
//!
//! Every checkpoint that comes is held against the last one that was kept. Two questions are asked, and they are not
//! the same:
//!
//! - *Is it fresh?* An answer must be at least as new as what was kept **when the call began**: a server that answers
//!   from an older ledger went back. What was kept since by another call says nothing about this one, whose answer may
//!   have been on its way already.
//! - *Is it of the same ledger?* It must be proved consistent with what is kept **now**: the newer of the two extends
//!   the older one, whichever came first. Both that extend a third may still contradict each other.

use std::collections::VecDeque;

use tally_log::NodeHash;
use tally_log::proof::VerifyError as PathError;

use crate::verify::{Kept, VerifiedCheckpoint, VerifyError};

/// Checkpoints that are remembered as proved: more than answers can be on their way at a time without being proved twice.
const PROVED_MAX: usize = 64;

/// The last checkpoint, and which others were proved consistent with it.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    kept: Option<VerifiedCheckpoint>,
    /// Proved consistent with `kept`, the last one proved at the end.
    proved: VecDeque<Kept>,
}

/// What has to be shown of a checkpoint before it is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nothing: it was shown before.
    Proved,
    /// Nothing: it is the first, and taken on the log's word.
    First,
    /// That it extends this one.
    Extends(Kept),
    /// That this one, which was kept while the answer was on its way, extends it.
    ExtendedBy(Kept),
}

impl Keeper {
    pub(super) fn new(kept: Option<VerifiedCheckpoint>) -> Self {
        Self { kept, proved: VecDeque::new() }
    }

    pub(super) const fn checkpoint(&self) -> Option<&VerifiedCheckpoint> {
        self.kept.as_ref()
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        self.kept.as_ref().map(VerifiedCheckpoint::kept)
    }

    /// What has to be shown of a checkpoint that answers a call; `before` is what was kept when the call began.
    ///
    /// # Errors
    /// [`VerifyError::OlderThanKept`] for an answer that is not fresh; [`VerifyError::Forked`] for another root of the
    /// same size.
    pub(super) fn judge(&self, fresh: Kept, before: Option<Kept>) -> Result<Standing, VerifyError> {
        if let Some(before) = before.filter(|before| fresh.size < before.size) {
            return Err(VerifyError::OlderThanKept { found: fresh.size, kept: before.size });
        }
        let Some(kept) = self.kept() else { return Ok(Standing::First) };
        if let Some(known) = self.proved.iter().chain([&kept]).find(|known| known.size == fresh.size) {
            if known.root == fresh.root {
                return Ok(Standing::Proved);
            }
            let problem = PathError::RootDiffers { expected: known.root, found: fresh.root };
            return Err(VerifyError::Forked { kept: known.size, size: fresh.size, problem });
        }
        Ok(if fresh.size > kept.size { Standing::Extends(kept) } else { Standing::ExtendedBy(kept) })
    }

    /// Takes a checkpoint with the proof that its standing asks for; gives whether it is now the one that is kept.
    ///
    /// # Errors
    /// [`VerifyError::Forked`] if the proof does not hold.
    pub(super) fn take(
        &mut self,
        fresh: &VerifiedCheckpoint,
        standing: Standing,
        proof: &[NodeHash],
    ) -> Result<bool, VerifyError> {
        match standing {
            Standing::Proved => return Ok(false),
            Standing::First => {}
            Standing::Extends(kept) => fresh.extends(&kept, proof)?,
            Standing::ExtendedBy(kept) => kept.proves(&fresh.kept(), proof)?,
        }
        if self.proved.len() == PROVED_MAX {
            self.proved.pop_front();
        }
        self.proved.push_back(fresh.kept());
        let is_newest = self.kept.as_ref().is_none_or(|kept| fresh.size() > kept.size());
        if is_newest {
            self.kept = Some(fresh.clone());
        }
        Ok(is_newest)
    }
}

#[cfg(test)]
mod tests {
    use tally_log::checkpoint::{Checkpoint, Origin};
    use tally_log::note::SignerKey;
    use tally_log::tile::NoTiles;
    use tally_log::tree::Tree;
    use tally_log::{LeafHash, RootHash, TreeSize};

    use super::*;
    use crate::verify::Trust;

    const ORIGIN: &str = "log.example/a";

    /// A log whose leaves from `fork` on depend on `name`.
    struct Log {
        tree: Tree,
    }

    impl Log {
        fn new(name: u8, fork: u64) -> Self {
            let mut tree = Tree::new();
            let leaf =
                |at: u64| LeafHash::of(&[at.to_be_bytes().as_slice(), &[if at < fork { 0 } else { name }]].concat());
            assert!(tree.append(&(0..20).map(leaf).collect::<Vec<_>>()));
            Self { tree }
        }

        fn at(&self, size: u64) -> VerifiedCheckpoint {
            let size = TreeSize::new(size).unwrap();
            let signer = SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap();
            let root = self.tree.view().root_at(size, &NoTiles).unwrap();
            let note = Checkpoint { origin: Origin::parse(ORIGIN).unwrap(), size, root }.sign(&signer).unwrap();
            Trust::new(signer.verifier().clone()).unwrap().checkpoint(note.as_bytes()).unwrap()
        }

        fn proof(&self, old: u64, size: u64) -> Vec<NodeHash> {
            let (old, size) = (TreeSize::new(old).unwrap(), TreeSize::new(size).unwrap());
            self.tree.view().consistency_proof(old, size, &NoTiles).unwrap().hashes().to_vec()
        }
    }

    #[test]
    fn answers_that_come_out_of_order_are_proved_both_ways() {
        let log = Log::new(0, 0);
        let mut keeper = Keeper::new(None);
        let first = log.at(5);
        assert_eq!(keeper.judge(first.kept(), None), Ok(Standing::First));
        assert_eq!(keeper.take(&first, Standing::First, &[]), Ok(true));
        let before = keeper.kept();

        let newer = log.at(13);
        let standing = keeper.judge(newer.kept(), before).unwrap();
        assert_eq!(standing, Standing::Extends(first.kept()));
        assert_eq!(keeper.take(&newer, standing, &log.proof(5, 13)), Ok(true));

        // Began before the last one was kept: it raced, and is of the same ledger.
        let raced = log.at(9);
        let standing = keeper.judge(raced.kept(), before).unwrap();
        assert_eq!(standing, Standing::ExtendedBy(newer.kept()));
        assert_eq!(keeper.take(&raced, standing, &log.proof(9, 13)), Ok(false));
        assert_eq!(keeper.kept(), Some(newer.kept()), "what is kept never goes back");
        assert_eq!(keeper.judge(raced.kept(), before), Ok(Standing::Proved), "nothing is proved twice");

        // Began after it: the server went back.
        let went_back = keeper.judge(raced.kept(), keeper.kept());
        let (found, kept) = (raced.size(), newer.size());
        assert_eq!(went_back, Err(VerifyError::OlderThanKept { found, kept }));
    }

    #[test]
    fn a_raced_answer_of_a_fork_is_found_out() {
        let (log, fork) = (Log::new(0, 0), Log::new(1, 6));
        let mut keeper = Keeper::new(Some(log.at(5)));
        let before = keeper.kept();
        let standing = keeper.judge(log.at(13).kept(), before).unwrap();
        keeper.take(&log.at(13), standing, &log.proof(5, 13)).unwrap();
        // It extends what was kept when the call began, and still is another ledger.
        let other = fork.at(9);
        assert_eq!(other.extends(&before.unwrap(), &fork.proof(5, 9)), Ok(()));
        let standing = keeper.judge(other.kept(), before).unwrap();
        for proof in [fork.proof(9, 13), log.proof(9, 13), Vec::new()] {
            let taken = keeper.take(&other, standing, &proof);
            assert!(matches!(taken, Err(VerifyError::Forked { .. })), "{taken:?}");
        }
        let same_size = keeper.judge(fork.at(13).kept(), before);
        assert!(matches!(same_size, Err(VerifyError::Forked { .. })), "{same_size:?}");
    }

    #[test]
    fn only_so_many_proved_checkpoints_are_remembered() {
        let log = Log::new(0, 0);
        let mut keeper = Keeper::new(Some(log.at(1)));
        for size in 2..=20 {
            let standing = keeper.judge(log.at(size).kept(), keeper.kept()).unwrap();
            keeper.take(&log.at(size), standing, &log.proof(size - 1, size)).unwrap();
        }
        keeper.proved.extend(std::iter::repeat_n(
            Kept { size: TreeSize::EMPTY, root: RootHash::from_bytes([0; 32]) },
            PROVED_MAX - keeper.proved.len(),
        ));
        let mut longer = Log::new(0, 0);
        assert!(longer.tree.append(&[LeafHash::of(b"x")]));
        let standing = keeper.judge(longer.at(21).kept(), keeper.kept()).unwrap();
        keeper.take(&longer.at(21), standing, &longer.proof(20, 21)).unwrap();
        assert_eq!(keeper.proved.len(), PROVED_MAX);
        // Forgotten is proved again, never taken on trust.
        assert_eq!(keeper.judge(log.at(1).kept(), None), Ok(Standing::ExtendedBy(longer.at(21).kept())));
    }
}
