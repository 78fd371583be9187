//! Following the log: entries as they are sealed, each proved to stand where it is said to

use std::collections::VecDeque;
use std::fmt;

use tally_log::{LeafHash, LogPosition, NodeHash, RootHash, TreeSize};
use tally_proto::v1;
use tonic::Streaming;

use super::Client;
use crate::error::{ClientError, Failure};
use crate::verify::{Kept, VerifiedCheckpoint, VerifyError};

/// Name of the call in errors.
const CALL: &str = "FollowEntries";

/// Entries of the log, one behind the other, that are proved to stand there. Their signatures were not looked at.
#[derive(Clone, Debug)]
pub struct FollowedEntries {
    /// Where the first one stands.
    pub first: LogPosition,
    /// The entries as they are in the log, events and heads entries.
    pub entries: Vec<Vec<u8>>,
    /// The checkpoint that covers them.
    pub checkpoint: VerifiedCheckpoint,
}

/// The log from one position on.
pub struct Follow {
    client: Client,
    answers: Streaming<v1::FollowEntriesResponse>,
    frontier: Frontier,
    /// What was kept when the stream began: its checkpoints wait their turn, and others are kept meanwhile.
    before: Option<Kept>,
    has_ended: bool,
}

impl fmt::Debug for Follow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Follow").field("frontier", &self.frontier).finish_non_exhaustive()
    }
}

impl Client {
    /// Follows the log from a position on; ends at the latest checkpoint, or goes on with what is sealed later.
    ///
    /// The hashes of everything before the position are taken from an inclusion proof, and all that follows is hashed on
    /// top: the roots fit only if both are right.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a position past the end; [`ClientError::Verify`], [`ClientError::Unreachable`].
    pub async fn follow(&self, from: LogPosition, stop_at_end: bool) -> Result<Follow, ClientError> {
        let mut frontier = Frontier::default();
        if let (Some(size), Some(last)) =
            (TreeSize::new(from.get()), from.get().checked_sub(1).and_then(LogPosition::new))
        {
            let last_before = self.inclusion(last, Some(size)).await?;
            frontier = Frontier::before(last, last_before.proof.hashes());
            frontier.push(last_before.leaf);
        }
        let before = self.kept();
        let request = v1::FollowEntriesRequest { from_position: from.get(), stop_at_end };
        let answers = self.log().follow_entries(request).await;
        let answers = answers.map_err(|status| Failure::of_status(&status).into_error(CALL, 1, false))?;
        Ok(Follow { client: self.clone(), answers: answers.into_inner(), frontier, before, has_ended: false })
    }
}

impl Follow {
    /// The next entries; `None` at the end. A caller who goes on later follows from the position after the last one.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if the stream broke; [`ClientError::Verify`] for entries that are not those of the
    /// log. After an error the stream is at its end.
    pub async fn next(&mut self) -> Option<Result<FollowedEntries, ClientError>> {
        if self.has_ended {
            return None;
        }
        let answered = self.answered().await;
        self.has_ended = !matches!(answered, Ok(Some(_)));
        answered.transpose()
    }

    async fn answered(&mut self) -> Result<Option<FollowedEntries>, ClientError> {
        loop {
            let answer = match self.answers.message().await {
                Ok(Some(answer)) => answer,
                Ok(None) => return Ok(None),
                Err(status) => return Err(Failure::of_status(&status).into_error(CALL, 1, false)),
            };
            let first = crate::verify::position("first_position", answer.first_position)?;
            if first.get() != self.frontier.size {
                let problem = format!("is {first}, {} is due", self.frontier.size);
                return Err(VerifyError::malformed("first_position", problem).into());
            }
            for entry in &answer.entries {
                self.frontier.push(LeafHash::of(entry));
            }
            let size = self.frontier.size().ok_or_else(|| VerifyError::malformed("entries", "go on past 2^63"))?;
            let checkpoint = if answer.checkpoint.is_empty() {
                self.covering(size).await?
            } else {
                let checkpoint = self.client.checkpoint_of(&answer.checkpoint)?;
                self.client.keep(&checkpoint, self.before, None).await?;
                checkpoint
            };
            if answer.entries.is_empty() {
                continue;
            }
            self.prove(size, &checkpoint).await?;
            return Ok(Some(FollowedEntries { first, entries: answer.entries, checkpoint }));
        }
    }

    /// A checkpoint over at least so many entries: the kept one where it reaches.
    async fn covering(&self, size: TreeSize) -> Result<VerifiedCheckpoint, ClientError> {
        if let Some(kept) = self.client.kept_checkpoint().filter(|kept| kept.size() >= size) {
            return Ok(kept);
        }
        self.client.checkpoint().await
    }

    /// Everything up to here is part of the log as of the checkpoint.
    async fn prove(&self, size: TreeSize, checkpoint: &VerifiedCheckpoint) -> Result<(), ClientError> {
        let Some(root) = self.frontier.root() else { return Ok(()) };
        if checkpoint.size() < size {
            let problem = format!("is of size {}, but the entries reach to {size}", checkpoint.size());
            return Err(VerifyError::malformed("checkpoint", problem).into());
        }
        if checkpoint.size() == size && checkpoint.root() != root {
            return Err(VerifyError::RootDiffers { size, due: checkpoint.root(), found: root }.into());
        }
        self.client.prove_part(&Kept { size, root }, checkpoint).await
    }
}

/// The right edge of a tree that grows: the complete subtrees that it is made of, the largest first.
#[derive(Clone, Debug, Default)]
struct Frontier {
    size: u64,
    /// One for each bit that is set in `size`, from the highest down.
    peaks: Vec<NodeHash>,
}

impl Frontier {
    /// What stands before a position, from the inclusion proof of the last entry of a tree: its siblings are exactly
    /// those subtrees, the smallest first.
    fn before(last: LogPosition, siblings: &[NodeHash]) -> Self {
        Self { size: last.get(), peaks: siblings.iter().rev().copied().collect() }
    }

    fn push(&mut self, leaf: LeafHash) {
        let mut node = NodeHash::from(leaf);
        // A subtree for each trailing 1 is complete now, and joins the new one.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = NodeHash::of_children(&left, &node);
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    fn size(&self) -> Option<TreeSize> {
        TreeSize::new(self.size)
    }

    /// `None` while there is no entry.
    fn root(&self) -> Option<RootHash> {
        let mut peaks: VecDeque<NodeHash> = self.peaks.iter().copied().collect();
        let mut root = peaks.pop_back()?;
        while let Some(left) = peaks.pop_back() {
            root = NodeHash::of_children(&left, &root);
        }
        Some(RootHash::from(root))
    }
}

#[cfg(test)]
mod tests {
    use tally_log::tile::NoTiles;
    use tally_log::tree::Tree;

    use super::*;

    fn leaf(at: u64) -> LeafHash {
        LeafHash::of(&at.to_be_bytes())
    }

    #[test]
    fn the_right_edge_has_the_roots_of_the_tree() {
        let (mut tree, mut frontier) = (Tree::new(), Frontier::default());
        assert_eq!(frontier.root(), None);
        for at in 0..300 {
            assert!(tree.append(&[leaf(at)]));
            frontier.push(leaf(at));
            assert_eq!((frontier.size(), frontier.root()), (Some(tree.size()), Some(tree.root())), "size {}", at + 1);
        }
    }

    #[test]
    fn following_can_begin_anywhere() {
        let mut tree = Tree::new();
        assert!(tree.append(&(0..300).map(leaf).collect::<Vec<_>>()));
        for from in [1_u64, 2, 3, 255, 256, 257, 299] {
            let (last, size) = (LogPosition::new(from - 1).unwrap(), TreeSize::new(from).unwrap());
            let proof = tree.view().inclusion_proof(last, size, &NoTiles).unwrap();
            let mut frontier = Frontier::before(last, proof.hashes());
            frontier.push(leaf(from - 1));
            (from..300).for_each(|at| frontier.push(leaf(at)));
            assert_eq!(frontier.root(), Some(tree.root()), "from {from}");
        }
    }
}
