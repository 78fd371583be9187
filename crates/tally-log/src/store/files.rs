//! Open files, so many and no more.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, DiskFile};

/// How many segments stay open for readers.
const OPEN_FILES_MAX: usize = 64;

/// Segments that were read last, open.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    /// The most recent last. Held only to look up, never while reading.
    files: Mutex<VecDeque<(u64, Arc<dyn DiskFile>)>>,
}

impl OpenFiles {
    pub(crate) fn get(&self, disk: &dyn Disk, path: &Path, ordinal: u64) -> io::Result<Arc<dyn DiskFile>> {
        let held = |files: &VecDeque<(u64, Arc<dyn DiskFile>)>| {
            files.iter().find(|(held, _)| *held == ordinal).map(|(_, file)| Arc::clone(file))
        };
        if let Some(file) = held(&self.files.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(file);
        }
        let file = disk.open_read(path)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if held(&files).is_none() {
            if files.len() == OPEN_FILES_MAX {
                files.pop_front();
            }
            files.push_back((ordinal, Arc::clone(&file)));
        }
        Ok(file)
    }
}
