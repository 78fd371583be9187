//! The log itself: checkpoints and proofs between them

use tally_log::proof::{ConsistencyProof, InclusionProof, VerifyError as PathError};
use tally_log::{LeafHash, LogPosition, RootHash, TreeSize};
use tally_proto::v1;

use super::Client;
use crate::error::ClientError;
use crate::verify::{Kept, VerifiedCheckpoint, VerifyError, bytes32, hashes};

/// An entry's hash at its place in the tree of one size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedInclusion {
    /// Where it stands.
    pub position: LogPosition,
    /// Its leaf hash.
    pub leaf: LeafHash,
    /// The tree that it was proved to be in.
    pub tree: Kept,
    /// The proof.
    pub proof: InclusionProof,
    /// The checkpoint, which that tree was proved to be part of.
    pub checkpoint: VerifiedCheckpoint,
}

/// Two trees of the log, the newer of which extends the older one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedConsistency {
    /// The older tree.
    pub old: Kept,
    /// The newer tree.
    pub new: Kept,
    /// The proof.
    pub proof: ConsistencyProof,
    /// The checkpoint, which both were proved to be part of.
    pub checkpoint: VerifiedCheckpoint,
}

impl Client {
    /// The latest checkpoint, proved to extend the one that was kept.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Verify`].
    pub async fn checkpoint(&self) -> Result<VerifiedCheckpoint, ClientError> {
        let before = self.kept();
        let request = v1::GetCheckpointRequest { kept_size: before.map_or(0, |kept| kept.size.get()) };
        let answered = self.call("GetCheckpoint", false, || {
            let mut log = self.log();
            async move { log.get_checkpoint(request).await }
        });
        let answer = match answered.await {
            Ok(answer) => answer,
            Err(error) => return Err(self.went_back(error, before).await),
        };
        let checkpoint = self.checkpoint_of(&answer.checkpoint)?;
        self.keep(&checkpoint, before, Some(&answer.consistency)).await?;
        Ok(checkpoint)
    }

    /// Proves that the entry at a position is in the tree of a size, or of the latest checkpoint.
    ///
    /// The tree of an older size is proved to be part of the checkpoint. Which entry has the hash, [`Client::event`]
    /// shows.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a position or size past the end; [`ClientError::Verify`].
    pub async fn inclusion(
        &self,
        position: LogPosition,
        size: Option<TreeSize>,
    ) -> Result<VerifiedInclusion, ClientError> {
        let before = self.kept();
        let request =
            v1::GetInclusionProofRequest { position: position.get(), tree_size: size.map_or(0, TreeSize::get) };
        let answered = self.call("GetInclusionProof", false, || {
            let mut log = self.log();
            async move { log.get_inclusion_proof(request).await }
        });
        let answer = answered.await?;
        let checkpoint = self.checkpoint_of(&answer.checkpoint)?;
        self.keep(&checkpoint, before, None).await?;
        let size = check_size(size, answer.tree_size, &checkpoint)?;
        let leaf = LeafHash::from_bytes(bytes32("leaf_hash", &answer.leaf_hash)?);
        let proof = InclusionProof::from_hashes(hashes("inclusion", &answer.inclusion)?);
        let root = if size == checkpoint.size() {
            let holds = proof.verify(leaf, position, size, checkpoint.root());
            holds.map_err(|problem| VerifyError::NotIncluded { position, problem })?;
            checkpoint.root()
        } else {
            root_of(&proof, leaf, position, size)?
        };
        let tree = Kept { size, root };
        self.prove_part(&tree, &checkpoint).await?;
        Ok(VerifiedInclusion { position, leaf, tree, proof, checkpoint })
    }

    /// Proves that the tree of one size, or of the latest checkpoint, extends the tree of an older one, at least 1.
    ///
    /// Both are proved to be part of the checkpoint.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a size past the end or of 0; [`ClientError::Verify`].
    pub async fn consistency(&self, old: TreeSize, new: Option<TreeSize>) -> Result<VerifiedConsistency, ClientError> {
        let before = self.kept();
        let request = v1::GetConsistencyProofRequest { old_size: old.get(), new_size: new.map_or(0, TreeSize::get) };
        let answered = self.call("GetConsistencyProof", false, || {
            let mut log = self.log();
            async move { log.get_consistency_proof(request).await }
        });
        let answer = answered.await?;
        let checkpoint = self.checkpoint_of(&answer.checkpoint)?;
        self.keep(&checkpoint, before, None).await?;
        let size = check_size(new, answer.new_size, &checkpoint)?;
        let (old, new) = (self.tree_at(old, &checkpoint).await?, self.tree_at(size, &checkpoint).await?);
        let path = hashes("consistency", &answer.consistency)?;
        new.proves(&old, &path)?;
        Ok(VerifiedConsistency { old, new, proof: ConsistencyProof::from_hashes(path), checkpoint })
    }

    /// The tree of a size, proved to be part of the log as of a checkpoint.
    async fn tree_at(&self, size: TreeSize, checkpoint: &VerifiedCheckpoint) -> Result<Kept, ClientError> {
        if size == checkpoint.size() {
            return Ok(checkpoint.kept());
        }
        let last = size.last().ok_or_else(|| VerifyError::malformed("old_size", "is 0"))?;
        Ok(self.inclusion(last, Some(size)).await?.tree)
    }

    /// Proves that a tree is part of the log as of a checkpoint.
    pub(super) async fn prove_part(&self, tree: &Kept, checkpoint: &VerifiedCheckpoint) -> Result<(), ClientError> {
        if *tree == checkpoint.kept() {
            return Ok(());
        }
        let proof = self.consistency_hashes(tree.size, checkpoint.size(), checkpoint.kept()).await?;
        Ok(checkpoint.kept().proves(tree, &proof)?)
    }
}

/// The size that an answer is for must be the one that was asked for, and under its checkpoint.
fn check_size(asked: Option<TreeSize>, found: u64, checkpoint: &VerifiedCheckpoint) -> Result<TreeSize, VerifyError> {
    let due = asked.unwrap_or(checkpoint.size());
    if found != due.get() || due > checkpoint.size() {
        let problem = format!("is {found}, {due} is due under a checkpoint of size {}", checkpoint.size());
        return Err(VerifyError::malformed("tree_size", problem));
    }
    Ok(due)
}

/// The root that an inclusion proof leads to: what an older tree claims to be, until it is proved part of a newer one.
fn root_of(
    proof: &InclusionProof,
    leaf: LeafHash,
    position: LogPosition,
    size: TreeSize,
) -> Result<RootHash, VerifyError> {
    // No tree that holds an entry has the root of the empty tree, so verifying against it always gives the other root.
    match proof.verify(leaf, position, size, RootHash::of_empty()) {
        Ok(()) => Ok(RootHash::of_empty()),
        Err(PathError::RootDiffers { found, .. }) => Ok(found),
        Err(
            problem @ (PathError::PositionOutOfRange { .. }
            | PathError::SizesOutOfRange { .. }
            | PathError::WrongLength { .. }),
        ) => Err(VerifyError::NotIncluded { position, problem }),
    }
}

#[cfg(test)]
mod tests {
    use tally_log::tile::NoTiles;
    use tally_log::tree::Tree;

    use super::*;

    #[test]
    fn an_inclusion_proof_leads_to_the_root_of_its_tree() {
        let mut tree = Tree::new();
        let leaves: Vec<LeafHash> = (0..11_u8).map(|leaf| LeafHash::of(&[leaf])).collect();
        assert!(tree.append(&leaves));
        for (size, position) in [(1, 0), (8, 7), (8, 3), (11, 10), (11, 0)] {
            let (size, position) = (TreeSize::new(size).unwrap(), LogPosition::new(position).unwrap());
            let proof = tree.view().inclusion_proof(position, size, &NoTiles).unwrap();
            let leaf = leaves[usize::try_from(position.get()).unwrap()];
            let root = tree.view().root_at(size, &NoTiles).unwrap();
            assert_eq!(root_of(&proof, leaf, position, size), Ok(root));
            let longer = InclusionProof::from_hashes([proof.hashes(), &[leaf.into()]].concat());
            assert!(root_of(&longer, leaf, position, size).is_err());
        }
    }
}
