//! The last checkpoint that was verified, in a file that survives a power cut
//!
//! Whoever forgets it can be shown an older ledger, or another one, without noticing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tally_log::note::NOTE_BYTES_MAX;

use crate::verify::{Trust, VerifiedCheckpoint, VerifyError};

/// Name of the file in the state directory: the note as the log signed it.
const FILE: &str = "checkpoint";
/// Name of the file whose lock whoever replaces the checkpoint holds.
const LOCK: &str = "checkpoint.lock";

/// Why the kept checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The file holds no checkpoint of this log. It is not thrown away: it may be the only proof of a fork.
    #[error("{} holds no checkpoint of the log that is trusted; look at it before you remove it", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: VerifyError,
    },
}

/// Reads the checkpoint that was kept; `None` where there is none yet.
pub(crate) fn read(directory: &Path, trust: &Trust) -> Result<Option<VerifiedCheckpoint>, StateError> {
    let path = directory.join(FILE);
    let failed = |cause| StateError::File { path: path.clone(), cause };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let mut note = Vec::new();
    file.take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut note).map_err(failed)?;
    let checkpoint = trust.checkpoint(&note).map_err(|cause| StateError::Checkpoint { path: path.clone(), cause })?;
    Ok(Some(checkpoint))
}

/// Puts a checkpoint in the place of an older one. One that another client over this directory kept since, and that is
/// newer, stays.
pub(crate) fn advance(directory: &Path, trust: &Trust, fresh: &VerifiedCheckpoint) -> Result<(), StateError> {
    let path = directory.join(LOCK);
    let failed = |cause| StateError::File { path: path.clone(), cause };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    lock.lock().map_err(failed)?;
    match read(directory, trust)? {
        Some(kept) if kept.size() >= fresh.size() => Ok(()),
        Some(_) | None => replace(directory, fresh.note()),
    }
}

/// Puts the note in the place of the one before: a power cut leaves the old one or the new one.
fn replace(directory: &Path, note: &str) -> Result<(), StateError> {
    let path = directory.join(FILE);
    let failed = |cause| StateError::File { path: path.clone(), cause };
    let fresh = directory.join(format!("{FILE}.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&fresh)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        sync_directory_of(&path)
    };
    write().map_err(failed)
}

/// Makes the name of a new or renamed file durable.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use tally_log::checkpoint::{Checkpoint, Origin};
    use tally_log::note::SignerKey;
    use tally_log::{RootHash, TreeSize};

    use super::*;

    #[test]
    fn kept_checkpoint_comes_back_and_a_foreign_one_is_named() {
        let signer = SignerKey::from_seed("log.example/a", &[7; 32]).unwrap();
        let trust = Trust::new(signer.verifier().clone()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        assert!(read(directory.path(), &trust).unwrap().is_none());
        for (size, kept) in [(2, 2), (5, 5), (3, 5)] {
            let origin = Origin::parse("log.example/a").unwrap();
            let root = RootHash::from_bytes([9; 32]);
            let note = Checkpoint { origin, size: TreeSize::new(size).unwrap(), root }.sign(&signer).unwrap();
            advance(directory.path(), &trust, &trust.checkpoint(note.as_bytes()).unwrap()).unwrap();
            let found = read(directory.path(), &trust).unwrap().unwrap();
            assert_eq!(found.size().get(), kept, "what is kept never goes back");
        }
        let other = SignerKey::from_seed("log.example/a", &[8; 32]).unwrap();
        let trust = Trust::new(other.verifier().clone()).unwrap();
        assert!(matches!(read(directory.path(), &trust), Err(StateError::Checkpoint { .. })));
    }
}
