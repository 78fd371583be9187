//! The projector: the thread that moves the index on, in log order, behind the log.

use std::sync::mpsc;

use tally_index::Index;
use tally_log::store::LogReader;
use tokio::sync::watch;

use crate::sequencer::Applied;

/// Batches that one write to the index takes together when it lags.
const BATCHES_MAX: usize = 16;

/// Applies batches until the sequencer ends, then makes the index durable.
///
/// An index that fails is left as it is: reads that wait for it answer UNAVAILABLE, and the next start rebuilds it.
pub(crate) fn run(index: &Index, log: &LogReader, batches: &mpsc::Receiver<Applied>, applied: &watch::Sender<u64>) {
    while let Ok(first) = batches.recv() {
        let Applied { mut events, mut size } = first;
        for more in batches.try_iter().take(BATCHES_MAX) {
            events.extend(more.events);
            size = more.size;
        }
        if let Err(error) = index.apply(&events, size, log) {
            tracing::error!(%error, "the index could not be moved on; it is rebuilt at the next start");
            return;
        }
        applied.send_replace(size);
    }
    if let Err(error) = index.close() {
        tracing::warn!(%error, "the index could not be closed cleanly; it is rebuilt at the next start on another boot");
    }
}
