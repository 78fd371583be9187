//! What readers see: the last sealed batch, as one immutable snapshot that is swapped whole.

use std::sync::Arc;

use tally_log::{TreeSize, checkpoint::Origin, heads::HeadsMap, tree::TreeView};
use tokio::sync::watch;

/// Everything that is sealed, as of one checkpoint.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Tree size of the checkpoint.
    pub size: TreeSize,
    /// `recorded_at` of its last batch, in microseconds.
    pub recorded_at_us: u64,
    /// The checkpoint, a signed note.
    pub checkpoint: Arc<str>,
    /// The tree at this size.
    pub tree: TreeView,
    /// The heads map whose root is in the last entry.
    pub heads: HeadsMap,
}

/// Publishes snapshots to readers, and tells how far the index is.
#[derive(Clone, Debug)]
pub struct Published {
    /// Name of the log.
    pub origin: Origin,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    applied: watch::Receiver<u64>,
}

impl Published {
    /// A view of what the two senders publish.
    pub fn new(origin: Origin, snapshot: watch::Receiver<Arc<Snapshot>>, applied: watch::Receiver<u64>) -> Self {
        Self { origin, snapshot, applied }
    }

    /// The newest snapshot.
    pub fn current(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    /// Waits until more than `size` entries are sealed; `None` where the sequencer has ended.
    pub async fn beyond(&mut self, size: u64) -> Option<Arc<Snapshot>> {
        let found = self.snapshot.wait_for(|snapshot| snapshot.size.get() > size).await.ok()?;
        Some(found.clone())
    }

    /// Waits until the index has applied `size` entries; `false` where the projector has ended before.
    pub async fn indexed(&mut self, size: u64) -> bool {
        self.applied.wait_for(|applied| *applied >= size).await.is_ok()
    }
}
