//! The fence: a small file outside the log that knows how far the log was sealed.
//!
//! A directory alone cannot know that it was restored from an old copy, or runs twice. Before anything is signed, the
//! size and root are moved on here by compare-and-swap; a log that is older than its fence is not sequenced.

use std::{io, path::Path, sync::Arc};

use tally_core::hash::sha256;
use tally_log::{
    RootHash, TreeSize,
    store::disk::{Disk, DiskFile},
};

/// Two slots, written in turn, so that a torn write harms the older one only.
const SLOT_OFFSETS: [u64; 2] = [0, 4_096];
const SLOT_BYTES: usize = 104;
const MAGIC: [u8; 8] = *b"tallyfen";
const VERSION: u32 = 1;

/// Why the fence does not let a server sequence.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// No fence is there.
    #[error("there is no fence")]
    Missing,
    /// Neither slot reads back.
    #[error("the fence is damaged: no slot of it has a good checksum")]
    Damaged,
    /// It fences another log.
    #[error("the fence belongs to another log")]
    OtherOrigin,
    /// Another server has moved it on.
    #[error("FENCED: another server has moved the fence to epoch {epoch}, size {size}")]
    Lost {
        /// Its epoch.
        epoch: u64,
        /// Its size.
        size: TreeSize,
    },
    /// Whether it was moved is not known.
    #[error("the fence cannot be read or written")]
    Disk(#[from] io::Error),
}

/// What a slot says: magic 8 ‖ version u32 ‖ sequence u64 ‖ epoch u64 ‖ size u64 ‖ root 32 ‖ SHA-256 of the origin 32 ‖
/// CRC-32C u32.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Slot {
    /// One higher with every write.
    sequence: u64,
    /// One higher with every server that opens it.
    epoch: u64,
    size: TreeSize,
    root: RootHash,
    origin: [u8; 32],
}

impl Slot {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        for number in [self.sequence, self.epoch, self.size.get()] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.root.as_bytes());
        bytes.extend_from_slice(&self.origin);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (covered, checksum) = bytes.split_last_chunk::<4>()?;
        let (magic, rest) = covered.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (root, origin) = rest.split_first_chunk::<32>()?;
        let fits = *magic == MAGIC
            && u32::from_be_bytes(*version) == VERSION
            && u32::from_be_bytes(*checksum) == crc32c::crc32c(covered);
        let size = TreeSize::new(u64::from_be_bytes(*size))?;
        fits.then_some(Self {
            sequence: u64::from_be_bytes(*sequence),
            epoch: u64::from_be_bytes(*epoch),
            size,
            root: RootHash::from_bytes(*root),
            origin: origin.try_into().ok()?,
        })
    }

    /// The slot that a sequence number is written to: the other one than that before it.
    fn offset(&self) -> u64 {
        if self.sequence.is_multiple_of(2) { SLOT_OFFSETS[0] } else { SLOT_OFFSETS[1] }
    }
}

/// The fence of a log, held by the one server that may sequence it.
#[derive(Debug)]
pub struct Fence {
    file: Arc<dyn DiskFile>,
    held: Slot,
}

impl Fence {
    /// Creates the fence of a log that has `size` entries.
    ///
    /// # Errors
    /// [`FenceError::Disk`], also where one is there already.
    pub fn create(
        disk: &dyn Disk,
        path: &Path,
        origin: &str,
        size: TreeSize,
        root: RootHash,
    ) -> Result<Self, FenceError> {
        let file = disk.create(path)?;
        let held = Slot { sequence: 0, epoch: 0, size, root, origin: sha256(&[origin.as_bytes()]) };
        let mut fence = Self { file, held };
        fence.write(held)?;
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            disk.sync_dir(dir)?;
        }
        Ok(fence)
    }

    /// Opens the fence of a log and moves its epoch on, so that whoever had it before loses.
    ///
    /// # Errors
    /// [`FenceError`].
    pub fn open(disk: &dyn Disk, path: &Path, origin: &str) -> Result<Self, FenceError> {
        let file = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FenceError::Missing),
            other => other?,
        };
        let held = newest(file.as_ref())?.ok_or(FenceError::Damaged)?;
        if held.origin != sha256(&[origin.as_bytes()]) {
            return Err(FenceError::OtherOrigin);
        }
        let mut fence = Self { file, held };
        fence.write(Slot { sequence: held.sequence + 1, epoch: held.epoch + 1, ..held })?;
        Ok(fence)
    }

    /// Reads a fence without taking it: for an audit. `None` where there is none.
    ///
    /// # Errors
    /// [`FenceError`].
    pub fn peek(disk: &dyn Disk, path: &Path) -> Result<Option<(TreeSize, RootHash)>, FenceError> {
        let file = match disk.open_read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let held = newest(file.as_ref())?.ok_or(FenceError::Damaged)?;
        Ok(Some((held.size, held.root)))
    }

    /// How far the log was sealed when it was last moved.
    pub fn reached(&self) -> (TreeSize, RootHash) {
        (self.held.size, self.held.root)
    }

    /// Moves the fence on, durably, if it still is where this server left it.
    ///
    /// # Errors
    /// [`FenceError::Lost`]: stop sequencing. [`FenceError::Disk`]: the outcome is not known.
    pub fn advance(&mut self, size: TreeSize, root: RootHash) -> Result<(), FenceError> {
        match newest(self.file.as_ref())? {
            Some(found) if found == self.held => {}
            Some(found) => return Err(FenceError::Lost { epoch: found.epoch, size: found.size }),
            None => return Err(FenceError::Damaged),
        }
        self.write(Slot { sequence: self.held.sequence + 1, size, root, ..self.held })
    }

    fn write(&mut self, slot: Slot) -> Result<(), FenceError> {
        self.file.write_at(&slot.encode(), slot.offset())?;
        self.file.sync()?;
        self.held = slot;
        Ok(())
    }
}

/// The slot that was written last; `None` if none is whole.
fn newest(file: &dyn DiskFile) -> io::Result<Option<Slot>> {
    let mut found: Option<Slot> = None;
    for offset in SLOT_OFFSETS {
        let mut bytes = [0; SLOT_BYTES];
        match file.read_at(&mut bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other?,
        }
        if let Some(slot) = Slot::parse(&bytes)
            && found.is_none_or(|held| held.sequence < slot.sequence)
        {
            found = Some(slot);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tally_log::store::disk::RealDisk;

    use super::*;

    fn size(n: u64) -> TreeSize {
        TreeSize::new(n).unwrap()
    }

    fn root(n: u8) -> RootHash {
        RootHash::from_bytes([n; 32])
    }

    #[test]
    fn whoever_opened_it_last_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fence");
        assert!(matches!(Fence::open(&RealDisk, &path, "log/a"), Err(FenceError::Missing)));
        let mut first = Fence::create(&RealDisk, &path, "log/a", size(2), root(1)).unwrap();
        first.advance(size(4), root(2)).unwrap();
        assert!(matches!(Fence::open(&RealDisk, &path, "log/b"), Err(FenceError::OtherOrigin)));
        let mut second = Fence::open(&RealDisk, &path, "log/a").unwrap();
        assert_eq!(second.reached(), (size(4), root(2)));
        assert!(matches!(first.advance(size(6), root(3)), Err(FenceError::Lost { epoch: 1, .. })));
        second.advance(size(6), root(3)).unwrap();
        assert_eq!(Fence::peek(&RealDisk, &path).unwrap(), Some((size(6), root(3))));
    }

    #[test]
    fn torn_slot_leaves_the_one_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fence");
        let mut fence = Fence::create(&RealDisk, &path, "log/a", size(2), root(1)).unwrap();
        fence.advance(size(4), root(2)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[4_096 + 30] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Fence::peek(&RealDisk, &path).unwrap(), Some((size(2), root(1))));
        bytes[30] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Fence::peek(&RealDisk, &path), Err(FenceError::Damaged)));
    }
}
