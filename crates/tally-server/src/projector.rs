//! The projector: the thread that moves the index on, in log order, behind the log, and lets time pass in it.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use tally_index::{Index, IndexError};
use tally_log::store::LogReader;
use tokio::sync::watch;

use crate::{clock::Clock, sequencer::Applied};

/// Batches that one write to the index takes together when it lags.
const BATCHES_MAX: usize = 16;

/// How often time passes in the index where nothing is recorded.
const TICK: Duration = Duration::from_millis(250);

/// Machines that are looked at together because time has passed for them.
const DUE_MAX: usize = 512;

/// Applies batches until the sequencer ends, then makes the index durable.
///
/// An index that fails is left as it is: reads that wait for it answer UNAVAILABLE, and the next start rebuilds it.
pub(crate) fn run(
    index: &Index,
    log: &LogReader,
    clock: &dyn Clock,
    batches: &mpsc::Receiver<Applied>,
    applied: &watch::Sender<u64>,
) {
    loop {
        match batches.recv_timeout(TICK) {
            Ok(first) => {
                let Applied { mut events, mut size } = first;
                for more in batches.try_iter().take(BATCHES_MAX) {
                    events.extend(more.events);
                    size = more.size;
                }
                if let Err(error) = index.apply(&events, size, log, clock.now()) {
                    return broken(&error);
                }
                applied.send_replace(size);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // One look after each batch: time must not keep what was recorded waiting.
        if let Err(error) = index.pass_time(clock.now(), DUE_MAX) {
            return broken(&error);
        }
    }
    if let Err(error) = index.close() {
        tracing::warn!(%error, "the index could not be closed cleanly; it is rebuilt at the next start on another boot");
    }
}

fn broken(error: &IndexError) {
    tracing::error!(%error, "the index could not be moved on; it is rebuilt at the next start");
}
