//! What the store asks of a disk, and the real one.
//!
//! Every write goes through here, so that a simulated disk can cut the power at each of them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file that is open. Reads and writes name their place, so that readers share it with the writer.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; whatever the disk says.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` from `offset` on. Durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// Whatever the disk says; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written to the file durable, its length included, its name not.
    ///
    /// # Errors
    /// After an error nobody knows what is durable, and a later success says nothing about it.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file. Durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// Whatever the disk says.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn length_bytes(&self) -> io::Result<u64>;
}

/// A disk with directories.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a file that must not exist, for reading and writing. Its name is durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// `AlreadyExists`; whatever the disk says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// `NotFound`; whatever the disk says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists, for reading only.
    ///
    /// # Errors
    /// `NotFound`; whatever the disk says.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Replaces `to` by `from`. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Whatever the disk says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// `NotFound`; whatever the disk says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and those above it, if they are not there.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted; none if it is not there.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// The whole content of a file.
///
/// # Errors
/// `NotFound`; `InvalidData` if it is longer than `bytes_max`; whatever the disk says.
pub fn read_file(disk: &dyn Disk, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = disk.open_read(path)?;
    let length = file.length_bytes()?;
    let too_long =
        || io::Error::new(io::ErrorKind::InvalidData, format!("file has {length} bytes, at most {bytes_max} are read"));
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes_max).ok_or_else(too_long)?;
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Puts `bytes` in place of a file by a temporary beside it and a rename. Whole at any time, but not synced: after a
/// power cut the old, the new or a torn file may be there.
///
/// # Errors
/// Whatever the disk says.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_temporary(disk, path, bytes, false).map_err(DurableError::into_inner)
}

/// Like [`replace_file`], and durable when it returns.
///
/// # Errors
/// Whatever the disk says.
pub fn replace_file_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_durably(disk, path, bytes).map_err(DurableError::into_inner)
}

/// Why something is not durable.
#[derive(Debug)]
pub(crate) enum DurableError {
    /// It was not written: it can be tried again.
    Write(io::Error),
    /// It may be there or not, now and after any later sync.
    Sync(io::Error),
}

impl DurableError {
    pub(crate) fn into_inner(self) -> io::Error {
        match self {
            Self::Write(error) | Self::Sync(error) => error,
        }
    }
}

pub(crate) fn replace_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    write_temporary(disk, path, bytes, true)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir)).map_err(DurableError::Sync)
}

fn write_temporary(disk: &dyn Disk, path: &Path, bytes: &[u8], synced: bool) -> Result<(), DurableError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let file = create_anew(disk, &temporary).map_err(DurableError::Write)?;
    file.write_at(bytes, 0).map_err(DurableError::Write)?;
    if synced {
        file.sync().map_err(DurableError::Sync)?;
    }
    disk.rename(&temporary, path).map_err(DurableError::Write)
}

/// Creates a file, or empties the one that an interrupted try left behind.
pub(crate) fn create_anew(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let left_over = disk.open(path)?;
            left_over.truncate(0)?;
            Ok(left_over)
        }
        other => other,
    }
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn length_bytes(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }
}

fn shared(file: File) -> Arc<dyn DiskFile> {
    Arc::new(RealFile(file))
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).map(shared)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        OpenOptions::new().read(true).write(true).open(path).map(shared)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        File::open(path).map(shared)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}
