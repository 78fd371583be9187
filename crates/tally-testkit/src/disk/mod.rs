//! A disk in memory whose power a test can cut at every operation.
//!
//! It keeps two images. *Written* is what a running program reads back. *Synced* is what survives for certain; what came
//! later survives in part, as the seed of a cut decides. So a missing sync shows, which no kill -9 can show, for the
//! kernel keeps what a killed process wrote.
//!
//! The rules, each harsher than some file system and kinder than none:
//! - a file's content is durable after its `sync`, its name after `sync_dir` of the directory that it is in;
//! - what is not durable survives in any subset, contents by sectors of 512 bytes, in or out of order; a sector is
//!   never torn; a file's length may survive without the bytes, which are then zero;
//! - a rename is one step, undone or kept; one between directories is durable after `sync_dir` of the new one;
//! - a directory is a name, too: one whose parent was never synced may vanish with all that is in it;
//! - a sync that failed before it took effect leaves what it was for in doubt for ever: a later one, though it says
//!   yes, does not make it durable. Only what is written again is. That is what Linux does.

mod image;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tally_log::store::disk::{Disk, DiskFile};

use crate::random::SeededRandom;
use image::{
    Change, Coins, Edit, FileImage, NameChange, Names, Survival, certain_first, decide, is_root, missing_directories,
    not_found,
};

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// The seed of a cut that keeps nothing but what was synced.
pub const CUT_KEEPS_NOTHING: u64 = 0;
/// The seed of a cut that keeps all that was written, as after kill -9.
pub const CUT_KEEPS_ALL: u64 = 1;

/// How an operation fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It does nothing, and says that it failed.
    Before,
    /// It is done, and says that it failed.
    After,
}

/// A disk in memory. A clone is the same disk.
///
/// Operations that change something are counted from 1: create, write, sync, truncate, rename, remove, create_dir,
/// sync_dir. What is refused before it begins (a file that is there already) is not counted.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Every file that ever was; names point here.
    files: Vec<FileImage>,
    /// As a running program sees them.
    names: Names,
    /// As they survive for certain.
    durable_names: Names,
    /// What leads from the durable names to those that are seen.
    name_changes: Vec<Change<NameChange>>,
    trace: Vec<String>,
    faults: BTreeMap<u64, Fault>,
    power_off_at: Option<u64>,
    is_off: bool,
}

/// How an operation that was counted goes on.
enum Course {
    Plain,
    /// The error is what the operation answers.
    FailsBefore(io::Error),
    FailsAfter(io::Error),
    /// The power goes while it is under way: what it writes is not synced, what it syncs is not certain.
    PowerGoes(io::Error),
}

impl SimDisk {
    /// An empty disk: there is nothing but the root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same disk, as the store takes it.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Makes a directory, and those above it, that were there before the test: durable and not counted.
    pub fn make_durable_dir(&self, path: impl AsRef<Path>) {
        let mut state = self.state();
        for directory in missing_directories(&state.names, path.as_ref()) {
            state.names.directories.insert(directory.clone());
            state.durable_names.directories.insert(directory);
        }
    }

    /// Puts a file there, or other bytes into one that is there: durable and not counted.
    ///
    /// # Panics
    /// Where its directory is not there.
    pub fn put_file(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        let mut state = self.state();
        state.names.check_parent(path).unwrap();
        let file = state.files.len();
        state.files.push(FileImage { written: bytes.to_vec(), durable: bytes.to_vec(), changes: Vec::new() });
        state.names.files.insert(path.to_owned(), file);
        let what = NameChange::Create { path: path.to_owned(), file };
        state.name_changes.push(Change { what, survival: Survival::Certain });
        state.settle_names();
    }

    /// Flips one bit of a file, in every image: the medium went bad. Not counted.
    ///
    /// # Panics
    /// Where there is no such byte.
    pub fn flip_bit(&self, path: impl AsRef<Path>, byte: u64, bit: u8) {
        let path = path.as_ref();
        let at = usize::try_from(byte).unwrap();
        let mut state = self.state();
        let file = *state.names.files.get(path).unwrap_or_else(|| panic!("there is no {}", path.display()));
        let image = &mut state.files[file];
        let length = image.written.len();
        assert!(at < length, "{} has {length} bytes, there is no byte {at}", path.display());
        let mask = 1 << bit;
        image.written[at] ^= mask;
        if let Some(durable) = image.durable.get_mut(at) {
            *durable ^= mask;
        }
        for change in &mut image.changes {
            if let Edit::Write { offset, bytes } = &mut change.what
                && let Some(written) = at.checked_sub(*offset).and_then(|within| bytes.get_mut(within))
            {
                *written ^= mask;
            }
        }
    }

    /// Every file with its written content.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        state.names.files.iter().map(|(path, file)| (path.clone(), state.files[*file].written.clone())).collect()
    }

    /// The written content of a file; `None` where there is none.
    #[must_use]
    pub fn file(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.files.get(path.as_ref()).map(|file| state.files[*file].written.clone())
    }

    /// How many operations changed something, or tried to.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations()
    }

    /// The operations in words, the first one first: what a failing test prints.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// Makes the `operation`-th operation fail, counted from 1 since the disk was made. May be called for several.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// Cuts the power while the `operation`-th operation is under way, counted from 1: it and all later ones fail, reads
    /// too. What that one wrote counts as not synced. [`SimDisk::cut`] then gives the disk as found.
    pub fn power_off_at(&self, operation: u64) {
        self.state().power_off_at = Some(operation);
    }

    /// Whether the power went off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// The disk as found after a power cut at this point, on its own: what was synced, and of the rest what `seed`
    /// chooses. [`CUT_KEEPS_NOTHING`] and [`CUT_KEEPS_ALL`] are the extremes. This disk goes on unchanged.
    #[must_use]
    pub fn cut(&self, seed: u64) -> Self {
        let state = self.state();
        let mut random = SeededRandom::new(seed);
        let found = state.names_found(seed, &mut random);
        let mut after = State::default();
        for (path, file) in &found.files {
            let content = state.files[*file].found(seed, &mut random);
            after.durable_names.files.insert(path.clone(), after.files.len());
            after.files.push(FileImage { written: content.clone(), durable: content, changes: Vec::new() });
        }
        after.durable_names.directories = found.directories;
        after.names = after.durable_names.clone();
        Self { state: Arc::new(Mutex::new(after)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked with the lock held must not hide its own message behind a poisoned lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        write!(out, "SimDisk({} files, {} operations)", state.names.files.len(), state.operations())
    }
}

impl State {
    fn operations(&self) -> u64 {
        u64::try_from(self.trace.len()).unwrap()
    }

    fn check_power(&self) -> io::Result<()> {
        if self.is_off { Err(io::Error::other("simulated: the power is off")) } else { Ok(()) }
    }

    /// Counts an operation and says how it goes on. The caller has checked the power and that it can begin.
    fn begin(&mut self, what: &str) -> Course {
        let operation = self.operations() + 1;
        let error = |how: &str| io::Error::other(format!("simulated: operation {operation} ({what}) {how}"));
        let (course, remark) = if self.power_off_at == Some(operation) {
            self.is_off = true;
            (Course::PowerGoes(error("lost power")), "  << power off")
        } else {
            match self.faults.get(&operation) {
                None => (Course::Plain, ""),
                Some(Fault::Before) => {
                    (Course::FailsBefore(error("failed before it took effect")), "  << failed, not done")
                }
                Some(Fault::After) => (Course::FailsAfter(error("failed after it took effect")), "  << failed, done"),
            }
        };
        self.trace.push(format!("#{operation} {what}{remark}"));
        course
    }

    /// Does what changes an image, unless it is to fail before.
    fn change(&mut self, what: &str, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        match self.begin(what) {
            Course::FailsBefore(error) => Err(error),
            Course::Plain => {
                change(self);
                Ok(())
            }
            Course::FailsAfter(error) | Course::PowerGoes(error) => {
                change(self);
                Err(error)
            }
        }
    }

    /// How a sync ends, and what becomes of what it was for.
    fn sync(&mut self, what: &str) -> (Option<Survival>, io::Result<()>) {
        match self.begin(what) {
            Course::Plain => (Some(Survival::Certain), Ok(())),
            Course::FailsAfter(error) => (Some(Survival::Certain), Err(error)),
            Course::FailsBefore(error) => (Some(Survival::InDoubt), Err(error)),
            Course::PowerGoes(error) => (None, Err(error)),
        }
    }

    fn change_name(&mut self, what: NameChange) {
        self.names.apply(&what);
        self.name_changes.push(Change { what, survival: Survival::NotSynced });
    }

    /// Takes the certain changes that wait behind nothing into the durable names.
    fn settle_names(&mut self) {
        let settled = certain_first(&self.name_changes);
        for change in self.name_changes.drain(..settled) {
            self.durable_names.apply(&change.what);
        }
    }

    fn names_found(&self, seed: u64, random: &mut SeededRandom) -> Names {
        let mut coins = Coins::of(seed, random, self.name_changes.len());
        let mut found = self.durable_names.clone();
        for change in &self.name_changes {
            if change.survival == Survival::Certain || coins.keeps(random) {
                found.apply(&change.what);
            }
        }
        let Names { directories, files } = &mut found;
        let all = directories.clone();
        // A directory that is lost takes with it what is in it.
        let is_reached = |path: &Path| path.ancestors().skip(1).all(|above| is_root(above) || all.contains(above));
        directories.retain(|path| is_reached(path));
        files.retain(|path, _| is_reached(path));
        found
    }
}

/// An open file of a [`SimDisk`].
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
    /// As it was opened: for the trace.
    path: PathBuf,
    may_write: bool,
}

impl SimFile {
    fn check_may_write(&self) -> io::Result<()> {
        if self.may_write {
            Ok(())
        } else {
            let what = format!("simulated: {} is open for reading only", self.path.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        state.check_power()?;
        let content = &state.files[self.file].written;
        let wanted = usize::try_from(offset).ok().and_then(|start| content.get(start..start.checked_add(bytes.len())?));
        match wanted {
            Some(wanted) => {
                bytes.copy_from_slice(wanted);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_power()?;
        self.check_may_write()?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let what = format!("write {} at {offset}, {} bytes", self.path.display(), bytes.len());
        let edit = Edit::Write { offset, bytes: bytes.to_vec() };
        state.change(&what, |state| state.files[self.file].edit(edit))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_power()?;
        let (survival, answer) = state.sync(&format!("sync {}", self.path.display()));
        if let Some(survival) = survival {
            let image = &mut state.files[self.file];
            decide(&mut image.changes, survival, |_| true);
            image.settle();
        }
        answer
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_power()?;
        self.check_may_write()?;
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let what = format!("truncate {} to {bytes} bytes", self.path.display());
        state.change(&what, |state| state.files[self.file].edit(Edit::Truncate { bytes }))
    }

    fn length_bytes(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.check_power()?;
        u64::try_from(state.files[self.file].written.len()).map_err(io::Error::other)
    }
}

impl SimDisk {
    fn open_file(&self, path: &Path, may_write: bool) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        state.check_power()?;
        let file = state.names.file(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file, path: path.to_owned(), may_write }))
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.check_power()?;
        state.names.check_parent(path)?;
        if state.names.files.contains_key(path) || state.names.has_directory(path) {
            let what = format!("simulated: {} is there", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        let file = state.files.len();
        state.change(&format!("create {}", path.display()), |state| {
            state.files.push(FileImage::default());
            state.change_name(NameChange::Create { path: path.to_owned(), file });
        })?;
        Ok(Arc::new(SimFile { disk: self.clone(), file, path: path.to_owned(), may_write: true }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_file(path, true)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_file(path, false)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        let file = state.names.file(from)?;
        state.names.check_parent(to)?;
        let change = NameChange::Rename { from: from.to_owned(), to: to.to_owned(), file };
        let what = format!("rename {} to {}", from.display(), to.display());
        state.change(&what, |state| state.change_name(change))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        let file = state.names.file(path)?;
        let change = NameChange::Remove { path: path.to_owned(), file };
        state.change(&format!("remove {}", path.display()), |state| state.change_name(change))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        let missing = missing_directories(&state.names, path);
        if missing.is_empty() {
            return Ok(());
        }
        state.change(&format!("create_dir {}", path.display()), |state| {
            for path in missing {
                state.change_name(NameChange::CreateDirectory { path });
            }
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        if !state.names.has_directory(path) {
            return Err(not_found(path, "no such directory"));
        }
        let (survival, answer) = state.sync(&format!("sync_dir {}", path.display()));
        if let Some(survival) = survival {
            decide(&mut state.name_changes, survival, |change| change.is_in(path));
            state.settle_names();
        }
        answer
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check_power()?;
        let Names { directories, files } = &state.names;
        let is_in = |name: &&PathBuf| name.parent().is_some_and(|parent| parent == path);
        let names: BTreeSet<String> = files
            .keys()
            .chain(directories)
            .filter(is_in)
            .filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned()))
            .collect();
        Ok(names.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tally_log::store::disk::{read_file, replace_file, replace_file_durably};

    use super::*;

    const DIR: &str = "/ledger";
    const FILE: &str = "/ledger/a";

    /// A disk with one synced file.
    fn disk_with(content: &[u8]) -> (SimDisk, Arc<dyn DiskFile>) {
        let disk = SimDisk::new();
        disk.make_durable_dir(DIR);
        disk.put_file(FILE, content);
        let file = disk.open(Path::new(FILE)).unwrap();
        (disk, file)
    }

    /// Every content of a file that some cut leaves; `None` where the file is gone.
    fn outcomes(disk: &SimDisk, path: &str) -> HashSet<Option<Vec<u8>>> {
        (0..2_000).map(|seed| disk.cut(seed).file(path)).collect()
    }

    #[test]
    fn what_is_written_is_read_back_and_what_is_not_synced_is_lost() {
        let (disk, file) = disk_with(b"old");
        file.write_at(b"new!", 0).unwrap();
        assert_eq!(read_file(&disk, Path::new(FILE), 100).unwrap(), b"new!");
        assert_eq!(disk.cut(CUT_KEEPS_NOTHING).file(FILE).unwrap(), b"old");
        assert_eq!(disk.cut(CUT_KEEPS_ALL).file(FILE).unwrap(), b"new!");
        file.sync().unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"new!".to_vec())]));
    }

    #[test]
    fn a_file_whose_directory_was_not_synced_may_vanish() {
        let (disk, _) = disk_with(b"");
        let path = "/ledger/b";
        let file = disk.create(Path::new(path)).unwrap();
        file.write_at(b"content", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(outcomes(&disk, path), HashSet::from([None, Some(b"content".to_vec())]));
        disk.sync_dir(Path::new(DIR)).unwrap();
        assert_eq!(outcomes(&disk, path), HashSet::from([Some(b"content".to_vec())]));
    }

    #[test]
    fn a_synced_name_does_not_save_content_that_is_not() {
        let (disk, _) = disk_with(b"");
        let path = "/ledger/b";
        disk.create(Path::new(path)).unwrap().write_at(b"content", 0).unwrap();
        disk.sync_dir(Path::new(DIR)).unwrap();
        let zeros = vec![0; 7];
        let due = HashSet::from([Some(Vec::new()), Some(b"content".to_vec()), Some(zeros)]);
        assert_eq!(outcomes(&disk, path), due, "empty, whole, or the length without the bytes");
    }

    #[test]
    fn writes_are_torn_at_sectors_and_nowhere_else() {
        let (disk, file) = disk_with(&[b'o'; 1_200]);
        // From the middle of the first sector to the middle of the third.
        file.write_at(&[b'n'; 1_000], 100).unwrap();
        let found = outcomes(&disk, FILE);
        assert_eq!(found.len(), 8, "each of three sectors is old or new");
        for content in found.into_iter().flatten() {
            assert_eq!(content.len(), 1_200);
            for part in [100..512, 512..1_024, 1_024..1_100] {
                let first = content[part.start];
                assert!(content[part].iter().all(|byte| *byte == first), "a sector is torn");
            }
            assert!(content[..100].iter().chain(&content[1_100..]).all(|byte| *byte == b'o'));
        }
    }

    #[test]
    fn later_sectors_survive_earlier_ones_with_zeros_between() {
        let (disk, file) = disk_with(b"");
        file.write_at(&[b'n'; 1_024], 0).unwrap();
        let mut hole = vec![0; 512];
        hole.extend([b'n'; 512]);
        assert!(outcomes(&disk, FILE).contains(&Some(hole)));
    }

    #[test]
    fn a_truncation_is_undone_unless_it_is_synced() {
        let (disk, file) = disk_with(b"0123456789");
        file.truncate(4).unwrap();
        assert_eq!(file.length_bytes().unwrap(), 4);
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"0123456789".to_vec()), Some(b"0123".to_vec())]));
        file.sync().unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"0123".to_vec())]));
    }

    #[test]
    fn a_rename_is_undone_or_kept_whole_until_the_directory_is_synced() {
        let (disk, _) = disk_with(b"old");
        disk.put_file("/ledger/new", b"new");
        disk.rename(Path::new("/ledger/new"), Path::new(FILE)).unwrap();
        let both = |seed| (disk.cut(seed).file(FILE).unwrap(), disk.cut(seed).file("/ledger/new"));
        let found: HashSet<_> = (0..100).map(both).collect();
        let undone = (b"old".to_vec(), Some(b"new".to_vec()));
        assert_eq!(found, HashSet::from([undone, (b"new".to_vec(), None)]));
        disk.sync_dir(Path::new(DIR)).unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"new".to_vec())]));
    }

    #[test]
    fn a_removal_is_undone_until_the_directory_is_synced() {
        let (disk, _) = disk_with(b"old");
        disk.remove(Path::new(FILE)).unwrap();
        assert_eq!(disk.file(FILE), None);
        assert_eq!(outcomes(&disk, FILE), HashSet::from([None, Some(b"old".to_vec())]));
        disk.sync_dir(Path::new(DIR)).unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([None]));
    }

    #[test]
    fn a_rename_made_durable_leaves_no_second_name_behind() {
        let (disk, _) = disk_with(b"");
        disk.make_durable_dir("/ledger/torn");
        let (from, to) = (Path::new("/ledger/b"), Path::new("/ledger/torn/b"));
        disk.create(from).unwrap();
        disk.rename(from, to).unwrap();
        disk.sync_dir(Path::new("/ledger/torn")).unwrap();
        for seed in 0..100 {
            let found = disk.cut(seed);
            assert!(found.file(to).is_some() && found.file(from).is_none(), "seed {seed}");
        }
    }

    #[test]
    fn a_directory_that_was_not_synced_takes_its_files_with_it() {
        let (disk, _) = disk_with(b"");
        let (dir, path) = (Path::new("/ledger/log/tile"), "/ledger/log/tile/0");
        disk.create_dir(dir).unwrap();
        disk.create(Path::new(path)).unwrap().sync().unwrap();
        disk.sync_dir(dir).unwrap();
        assert_eq!(disk.cut(CUT_KEEPS_NOTHING).file(path), None);
        disk.sync_dir(Path::new("/ledger/log")).unwrap();
        assert_eq!(disk.cut(CUT_KEEPS_NOTHING).file(path), None, "its parent is not durable either");
        assert_eq!(
            disk.cut(CUT_KEEPS_NOTHING).list(Path::new("/ledger/log")).unwrap(),
            [""; 0],
            "nor is what is in it"
        );
        disk.sync_dir(Path::new(DIR)).unwrap();
        assert!(disk.cut(CUT_KEEPS_NOTHING).file(path).is_some());
        assert_eq!(disk.list(Path::new(DIR)).unwrap(), ["a", "log"]);
        assert_eq!(disk.list(Path::new("/nowhere")).unwrap(), [""; 0]);
    }

    #[test]
    fn replacing_without_a_sync_leaves_an_empty_file_under_the_name() {
        let (disk, _) = disk_with(b"old");
        replace_file(&disk, Path::new(FILE), b"new").unwrap();
        assert!(outcomes(&disk, FILE).contains(&Some(Vec::new())), "renamed, but nothing of the content survived");
        let (disk, _) = disk_with(b"old");
        replace_file_durably(&disk, Path::new(FILE), b"new").unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"new".to_vec())]));
    }

    #[test]
    fn operations_fail_before_or_after_they_took_effect() {
        for (fault, content) in [(Fault::Before, b"old"), (Fault::After, b"new")] {
            let (disk, file) = disk_with(b"old");
            disk.fail_at(1, fault);
            let error = file.write_at(b"new", 0).unwrap_err();
            assert!(error.to_string().contains("operation 1 (write /ledger/a at 0, 3 bytes)"), "{error}");
            assert_eq!(disk.file(FILE).unwrap(), content);
            file.write_at(b"end", 0).unwrap();
            assert_eq!((disk.file(FILE).unwrap(), disk.operations()), (b"end".to_vec(), 2));
        }
    }

    #[test]
    fn a_sync_that_failed_is_not_made_good_by_the_next_one() {
        let (disk, file) = disk_with(b"old");
        file.write_at(b"new", 0).unwrap();
        disk.fail_at(2, Fault::Before);
        file.sync().unwrap_err();
        assert_eq!(disk.file(FILE).unwrap(), b"new", "the page cache shows it");
        file.sync().unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
        file.write_at(b"new", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"new".to_vec())]), "written again, and synced");
    }

    #[test]
    fn a_sync_that_only_says_that_it_failed_has_synced() {
        let (disk, file) = disk_with(b"old");
        file.write_at(b"new", 0).unwrap();
        disk.fail_at(2, Fault::After);
        file.sync().unwrap_err();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"new".to_vec())]));
    }

    #[test]
    fn with_the_power_off_everything_fails_and_what_was_under_way_is_in_doubt() {
        let (disk, file) = disk_with(b"old");
        disk.power_off_at(2);
        file.write_at(b"new", 0).unwrap();
        file.sync().unwrap_err();
        assert!(disk.is_off());
        file.read_at(&mut [0; 3], 0).unwrap_err();
        file.sync().unwrap_err();
        disk.open(Path::new(FILE)).unwrap_err();
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
        assert_eq!(disk.trace(), ["#1 write /ledger/a at 0, 3 bytes", "#2 sync /ledger/a  << power off"]);
        let found = disk.cut(CUT_KEEPS_NOTHING);
        let file = found.open(Path::new(FILE)).unwrap();
        file.write_at(b"on!", 0).unwrap();
        assert_eq!((found.file(FILE).unwrap(), found.operations()), (b"on!".to_vec(), 1));
    }

    #[test]
    fn the_same_seed_gives_the_same_disk() {
        let (disk, file) = disk_with(&[b'o'; 5_000]);
        file.write_at(&[b'n'; 5_000], 0).unwrap();
        disk.create(Path::new("/ledger/b")).unwrap();
        for seed in 0..50 {
            assert_eq!(disk.cut(seed).files(), disk.cut(seed).files());
        }
    }

    #[test]
    fn a_flipped_bit_is_flipped_in_every_image() {
        let (disk, file) = disk_with(b"old");
        file.write_at(b"new", 0).unwrap();
        disk.flip_bit(FILE, 2, 0);
        assert_eq!(disk.file(FILE).unwrap(), b"nev");
        assert_eq!(outcomes(&disk, FILE), HashSet::from([Some(b"ole".to_vec()), Some(b"nev".to_vec())]));
    }

    #[test]
    fn what_cannot_begin_is_refused_and_not_counted() {
        let (disk, file) = disk_with(b"old");
        let kind = |error: io::Error| error.kind();
        assert_eq!(disk.create(Path::new(FILE)).map_err(kind).unwrap_err(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.create(Path::new("/no/b")).map_err(kind).unwrap_err(), io::ErrorKind::NotFound);
        assert_eq!(disk.open(Path::new("/ledger/b")).map_err(kind).unwrap_err(), io::ErrorKind::NotFound);
        let reader = disk.open_read(Path::new(FILE)).unwrap();
        assert_eq!(reader.write_at(b"x", 0).map_err(kind).unwrap_err(), io::ErrorKind::PermissionDenied);
        assert_eq!(file.read_at(&mut [0; 4], 0).map_err(kind).unwrap_err(), io::ErrorKind::UnexpectedEof);
        disk.create_dir(Path::new(DIR)).unwrap();
        assert_eq!(disk.operations(), 0);
    }
}
