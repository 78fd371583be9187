//! Every operation of the disk fails, before and after it took effect, and the power goes at each of them

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tally_log::store::disk::{Disk, DiskFile};
use tally_log::store::{AppendError, Directory, Options, PublishError};
use tally_log::tree::Tree;
use tally_log::{LogPosition, TreeSize};
use tally_testkit::disk::{CUT_KEEPS_ALL, CUT_KEEPS_NOTHING, Fault as DiskFault, SimDisk};
use tally_testkit::random::for_each_seed;

use super::recovery::log_files;
use super::{LOG, Ledger, batch_at, check_log, note_of, rolling_at, root_of};

/// What the caller of [`Directory::append`] is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    NotWritten,
    Unknown,
}

/// Whether the batch is in the log after the power was cut and the log opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kept {
    Yes,
    No,
    /// As the disk pleases: nobody was told that it is.
    Either,
}

/// One operation of an append that fails.
struct Fault {
    /// The operation, as the simulated disk names it.
    at: &'static str,
    /// Whether it took effect all the same: what a timeout is.
    applied: bool,
    told: Told,
    kept: Kept,
    /// Whether the next batch can be appended without opening the log anew.
    goes_on: bool,
}

const fn not_written(at: &'static str, applied: bool) -> Fault {
    Fault { at, applied, told: Told::NotWritten, kept: Kept::No, goes_on: true }
}

const fn unknown(at: &'static str, applied: bool, kept: Kept) -> Fault {
    Fault { at, applied, told: Told::Unknown, kept, goes_on: false }
}

/// An append to a segment with room, operation by operation.
const APPEND: &[Fault] = &[
    not_written("write 00000000.segment", false),
    not_written("write 00000000.segment", true),
    unknown("sync 00000000.segment", false, Kept::Either),
    unknown("sync 00000000.segment", true, Kept::Yes),
];

/// An append that closes a segment first: tiles and index durable, the next segment begun, then the frame.
const APPEND_THAT_ROLLS: &[Fault] = &[
    unknown("sync tile/0/000", false, Kept::No),
    unknown("sync tile/0/000", true, Kept::No),
    unknown("sync_dir tile/0", false, Kept::No),
    unknown("sync_dir tile/0", true, Kept::No),
    unknown("sync_dir tile", false, Kept::No),
    unknown("sync_dir tile", true, Kept::No),
    unknown("sync_dir log before the index", false, Kept::No),
    unknown("sync_dir log before the index", true, Kept::No),
    not_written("create 00000000.index.tmp", false),
    not_written("create 00000000.index.tmp", true),
    not_written("write 00000000.index.tmp", false),
    not_written("write 00000000.index.tmp", true),
    unknown("sync 00000000.index.tmp", false, Kept::No),
    unknown("sync 00000000.index.tmp", true, Kept::No),
    not_written("rename 00000000.index.tmp", false),
    not_written("rename 00000000.index.tmp", true),
    unknown("sync_dir log after the index", false, Kept::No),
    unknown("sync_dir log after the index", true, Kept::No),
    not_written("create 00000001.segment", false),
    not_written("create 00000001.segment", true),
    not_written("write header 00000001.segment", false),
    not_written("write header 00000001.segment", true),
    unknown("sync header 00000001.segment", false, Kept::No),
    unknown("sync header 00000001.segment", true, Kept::No),
    unknown("sync_dir log after the segment", false, Kept::No),
    unknown("sync_dir log after the segment", true, Kept::No),
    not_written("write 00000001.segment", false),
    not_written("write 00000001.segment", true),
    unknown("sync 00000001.segment", false, Kept::Either),
    unknown("sync 00000001.segment", true, Kept::Yes),
];

/// Names of a trace's operations: short, and each once.
fn names_of(trace: &[String]) -> Vec<String> {
    let short = |line: &String| {
        let mut words = line.split(' ').skip(1);
        let (verb, path) = (words.next().unwrap(), words.next().unwrap());
        let path = if path == LOG { "log" } else { path.strip_prefix("/ledger/log/").unwrap_or(path) };
        format!("{verb} {}", path.trim_end_matches(','))
    };
    let mut names: Vec<String> = trace.iter().map(short).collect();
    // Those that stand there several times are told apart by what they come before or after.
    let (mut logs, mut places) = (0, ["before the index", "after the index", "after the segment"].iter());
    let rolls = names.iter().any(|name| name.starts_with("create 00000001.segment"));
    for name in &mut names {
        if name == "sync_dir log" {
            logs += 1;
            *name =
                format!("{name} {}", places.next().unwrap_or_else(|| panic!("a sync of the directory more: {logs}")));
        }
    }
    for verb in ["write", "sync"] {
        let is_segment = |name: &&mut String| rolls && **name == format!("{verb} 00000001.segment");
        if let Some(header) = names.iter_mut().find(is_segment) {
            *header = format!("{verb} header 00000001.segment");
        }
    }
    names
}

/// A log before the append that is made to fail: with a full tile, and so much in it that it rolls, or not.
fn before_the_append(rolls: bool) -> (SimDisk, Ledger) {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(if rolls { 0 } else { 1 << 20 }));
    ledger.seal(259, 10);
    (disk, ledger)
}

fn check_table(table: &[Fault], rolls: bool) {
    let (disk, mut ledger) = before_the_append(rolls);
    let first = disk.trace().len();
    ledger.append(3, 600).unwrap();
    let names = names_of(&disk.trace()[first..]);
    // The table is complete: an operation that is added to the append is added here.
    let due: Vec<_> = table.iter().filter(|fault| !fault.applied).map(|fault| fault.at).collect();
    assert_eq!(names, due);
    assert_eq!(table.iter().filter(|fault| fault.applied).map(|fault| fault.at).collect::<Vec<_>>(), due);
    for fault in table {
        let at = first + 1 + names.iter().position(|name| name == fault.at).unwrap();
        check_fault(fault, rolls, at as u64);
    }
}

fn check_fault(fault: &Fault, rolls: bool, at: u64) {
    let name = format!("{} applied: {}", fault.at, fault.applied);
    let (disk, mut ledger) = before_the_append(rolls);
    disk.fail_at(at, if fault.applied { DiskFault::After } else { DiskFault::Before });
    let told = match ledger.append(3, 600) {
        Err(AppendError::NotWritten(_)) => Told::NotWritten,
        Err(AppendError::Unknown(_)) => Told::Unknown,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(told, fault.told, "{name}");
    assert_eq!(ledger.directory.durable_reader().size(), ledger.tree.size(), "{name}: nothing of it is seen");
    // The power goes now.
    for seed in 0..8 {
        let found = reopened(&disk.cut(seed), &ledger, &name);
        match fault.kept {
            Kept::Yes => assert_eq!(found, Some(1), "{name}, seed {seed}"),
            Kept::No => assert_eq!(found, Some(0), "{name}, seed {seed}"),
            Kept::Either => assert!(matches!(found, Some(0 | 1)), "{name}, seed {seed}"),
        }
    }
    // Or it does not, and the next batch comes.
    let next = ledger.append(2, 700);
    match (fault.goes_on, next) {
        (true, Ok(_)) => {
            ledger.publish().1.unwrap();
            ledger.assert_sound();
            for seed in 0..8 {
                assert_eq!(reopened(&disk.cut(seed), &ledger, &name), Some(0), "{name}, seed {seed}");
            }
            ledger.seal(1, 10);
            ledger.reopen().0.assert_sound();
        }
        (false, Err(AppendError::Unknown(_))) => {
            assert!(matches!(ledger.append(0, 0), Err(AppendError::Unknown(_))), "{name}: and everything after it");
            let known = reopened(&disk.cut(CUT_KEEPS_ALL), &ledger, &name);
            assert!(known.is_some(), "{name}: opening it anew tells");
        }
        (goes_on, next) => panic!("{name}: goes on: {goes_on}, but {next:?}"),
    }
}

/// Opens what a cut left, and checks it whole; gives how many batches are there beyond those acknowledged, of those
/// that could be.
///
/// With and without the fence, which a server would have moved to the last batch that it acknowledged.
fn reopened(found: &SimDisk, ledger: &Ledger, name: &str) -> Option<usize> {
    let fenced = ledger.roots.last().copied();
    let fenced_disk = found.cut(CUT_KEEPS_ALL);
    let with_fence = reopened_with(&fenced_disk, ledger, &Options { fenced, ..ledger.options.clone() }, name);
    let without = reopened_with(found, ledger, &ledger.options, name);
    assert_eq!(with_fence, without, "{name}: the fence cuts nothing and saves nothing that is acknowledged");
    assert_eq!(log_files(&fenced_disk), log_files(found), "{name}");
    without
}

fn reopened_with(disk: &SimDisk, ledger: &Ledger, options: &Options, name: &str) -> Option<usize> {
    let open = || {
        Directory::open(disk.shared(), Path::new(LOG), options.clone())
            .unwrap_or_else(|error| panic!("{name}: {error:?}\n{}", disk.trace().join("\n")))
    };
    let (mut directory, mut tree, _) = open();
    let more = assert_acknowledged(&directory, &tree, ledger, name);
    // What it did once it need not do again.
    let before = log_files(disk);
    let (again, same, recovery) = open();
    assert_eq!(recovery.torn, None, "{name}: recovery is idempotent");
    assert_eq!((again.size(), same.root()), (directory.size(), tree.root()), "{name}");
    assert_eq!(log_files(disk), before, "{name}: recovery is idempotent");
    // The checkpoint is not synced: it is written anew, and then everything is sound and goes on.
    for _ in 0..2 {
        if tree.size() != TreeSize::EMPTY {
            directory.publish_checkpoint(&note_of(tree.size(), tree.root()), tree.size()).unwrap();
            let checked = check_log(disk, Path::new(LOG), options, &ledger.roots);
            assert_eq!((checked.damage, checked.torn_bytes), (vec![], 0), "{name}");
            assert_eq!((checked.size, checked.root), (tree.size(), tree.root()), "{name}");
        }
        let (batch, _) = batch_at(tree.size().get(), 1_000 + tree.size().get(), 2, 40);
        assert!(tree.append(batch.leaves()));
        directory.append(batch).unwrap();
        directory.write_tiles(&tree.take_full_tiles()).unwrap();
    }
    more
}

/// Everything that was acknowledged is there byte for byte, nothing half, and the tree is the one over it.
fn assert_acknowledged(directory: &Directory, tree: &Tree, ledger: &Ledger, name: &str) -> Option<usize> {
    let found = usize::try_from(directory.size().get()).unwrap();
    let due = ledger.entries.len();
    assert!(found >= due, "{name}: {due} entries were acknowledged, {found} are there");
    let entries = directory.durable_reader().read_range(LogPosition::FIRST, found).unwrap();
    assert_eq!(entries[..due], ledger.entries, "{name}");
    assert_eq!((tree.size(), tree.root()), (directory.size(), root_of(&entries)), "{name}");
    // Behind it the batch that was under way, whole, or nothing.
    let rest = &entries[due..];
    if rest.is_empty() {
        return Some(0);
    }
    let (_, under_way) = ledger.batch(rest.len() - 1, rest.first().map_or(0, |first| first.entry.len() - 10));
    assert_eq!(rest, under_way, "{name}");
    Some(1)
}

#[test]
fn append_survives_every_fault() {
    check_table(APPEND, false);
}

#[test]
fn append_that_rolls_survives_every_fault() {
    check_table(APPEND_THAT_ROLLS, true);
}

#[test]
fn what_cannot_be_taken_back_is_unknown() {
    for (second, is_applied) in [(1, false), (1, true), (2, false), (2, true)] {
        let (disk, mut ledger) = before_the_append(false);
        let at = disk.operations() + 1;
        // The write fails half-way, and so does taking it back: cutting the file, or syncing that.
        disk.fail_at(at, DiskFault::After);
        disk.fail_at(at + second, if is_applied { DiskFault::After } else { DiskFault::Before });
        assert!(matches!(ledger.append(3, 600), Err(AppendError::Unknown(_))));
        assert!(matches!(ledger.append(3, 600), Err(AppendError::Unknown(_))), "and everything after it");
        for seed in 0..8 {
            assert!(reopened(&disk.cut(seed), &ledger, "not taken back").is_some());
        }
    }
}

#[test]
fn publishing_survives_every_fault() {
    let (disk, mut ledger) = before_the_append(false);
    ledger.append(300, 10).unwrap();
    let first = disk.operations();
    ledger.publish().1.unwrap();
    for operation in first + 1..=disk.operations() {
        for fault in [DiskFault::Before, DiskFault::After] {
            let (disk, mut ledger) = before_the_append(false);
            ledger.append(300, 10).unwrap();
            disk.fail_at(operation, fault);
            let name = format!("operation {operation}, {fault:?}");
            let (tiles, published) = ledger.publish();
            assert!(tiles.is_err() != published.is_err(), "{name}: one of them failed");
            assert!(matches!(published, Ok(()) | Err(PublishError::File(_))), "{name}");
            // The batch is durable and seen all the same.
            assert_eq!(ledger.directory.reader().size(), ledger.tree.size(), "{name}");
            ledger.assert_whole();
            for seed in 0..4 {
                assert_eq!(reopened(&disk.cut(seed), &ledger, &name), Some(0));
            }
            // A tile that was not written is written at the next start, also from a segment that was closed since.
            ledger.options = rolling_at(0);
            ledger = ledger.reopen().0;
            ledger.seal(1, 10);
            ledger.seal(1, 10);
            ledger.assert_sound();
            assert_eq!(ledger.names(".segment").len(), 3);
            for seed in 0..8 {
                assert_eq!(reopened(&disk.cut(seed), &ledger, &name), Some(0));
            }
        }
    }
}

#[test]
fn a_tile_that_failed_after_it_was_there_is_synced_with_its_segment() {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(0));
    ledger.append(259, 10).unwrap();
    // The rename of the tile says that it failed.
    let rename = disk.trace().len() as u64 + 4;
    disk.fail_at(rename, DiskFault::After);
    ledger.publish().0.unwrap_err();
    assert!(disk.trace().iter().any(|line| line.contains("rename") && line.contains("failed, done")));
    ledger.seal(1, 10);
    for seed in 0..50 {
        assert_eq!(reopened(&disk.cut(seed), &ledger, "the tile"), Some(0), "seed {seed}");
    }
}

/// A disk with a log whose recovery has everything to do: a torn tail in the last segment and tiles to write.
fn torn(begun: bool) -> (SimDisk, Ledger) {
    let (disk, mut ledger) = before_the_append(true);
    ledger.seal(300, 10);
    let found = disk.cut(CUT_KEEPS_NOTHING);
    let last = Path::new(LOG).join("00000001.segment");
    if begun {
        found.put_file(Path::new(LOG).join("00000002.segment"), &[0; 20]);
    } else {
        let whole = found.file(&last).unwrap();
        found.put_file(&last, &[whole.as_slice(), b"tlf1", &[0; 700]].concat());
    }
    // A tile of a closed segment, which recovery computes.
    found.remove(&Path::new(LOG).join("tile/0/000")).unwrap();
    (found.cut(CUT_KEEPS_ALL), ledger)
}

#[test]
fn opening_survives_every_fault() {
    for begun in [false, true] {
        let (disk, ledger) = torn(begun);
        Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
        let operations = disk.operations();
        assert!(operations > 12, "{}", disk.trace().join("\n"));
        for operation in 1..=operations {
            for fault in [DiskFault::Before, DiskFault::After] {
                let (disk, ledger) = torn(begun);
                disk.fail_at(operation, fault);
                let name = format!("operation {operation} of opening, {fault:?}");
                let opened = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone());
                assert!(opened.is_err(), "{name}: {}", disk.trace().last().unwrap());
                for seed in 0..3 {
                    assert_eq!(reopened(&disk.cut(seed), &ledger, &name), Some(0));
                }
                assert_eq!(reopened(&disk, &ledger, &name), Some(0));
            }
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_of_opening_loses_nothing() {
    for begun in [false, true] {
        let (disk, ledger) = torn(begun);
        Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
        for operation in 1..=disk.operations() + 1 {
            let (disk, ledger) = torn(begun);
            disk.power_off_at(operation);
            let opened = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone());
            assert_eq!(opened.is_err(), disk.is_off());
            for seed in 0..8 {
                let found = disk.cut(seed);
                assert_eq!(reopened(&found, &ledger, &format!("cut {operation} of opening, seed {seed}")), Some(0));
            }
        }
    }
}

/// A life of a log from its creation on; it ends with the power. Gives what was acknowledged, or nothing if the log
/// was not even created.
fn live(disk: &SimDisk, options: &Options) -> Option<Ledger> {
    disk.make_durable_dir("/ledger");
    let (directory, tree, _) = Directory::create(disk.shared(), Path::new(LOG), options.clone()).ok()?;
    let log = Path::new(LOG).to_owned();
    let (options, entries, roots) = (options.clone(), Vec::new(), Vec::new());
    let mut ledger = Ledger { disk: disk.shared(), log, options, directory, tree, entries, roots };
    for (events, bytes) in [(0, 0), (5, 90), (255, 2), (3, 400), (260, 2), (1, 700), (2, 10)] {
        if ledger.append(events, bytes).is_err() {
            break;
        }
        // What fails now loses nothing that is acknowledged.
        let (_tiles, _published) = ledger.publish();
    }
    Some(ledger)
}

fn cut_a_life_at_every_operation(options: &Options, seeds: &[u64]) {
    let disk = SimDisk::new();
    let ledger = live(&disk, options).unwrap();
    assert_eq!(ledger.roots.len(), 7, "without a cut nothing fails");
    ledger.assert_sound();
    let mut torn = 0;
    for operation in 1..=disk.operations() + 1 {
        let disk = SimDisk::new();
        disk.power_off_at(operation);
        let Some(ledger) = live(&disk, options) else { continue };
        for seed in seeds {
            let found = disk.cut(*seed);
            let name = format!("cut at operation {operation} ({}), seed {seed}", disk.trace().last().unwrap());
            let before = found.file(Path::new(LOG).join("00000000.segment")).is_some();
            assert!(before, "{name}: the log was created");
            // Recovery is cut, too, and the one after it finds the rest.
            let recovering = found.cut(CUT_KEEPS_ALL);
            let (_, _, recovery) = Directory::open(recovering.shared(), Path::new(LOG), options.clone()).unwrap();
            let steps = recovering.operations();
            if recovery.torn.is_some() {
                torn += 1;
                let cut = found.cut(CUT_KEEPS_ALL);
                cut.power_off_at(1 + (seed + operation) % steps);
                Directory::open(cut.shared(), Path::new(LOG), options.clone()).unwrap_err();
                reopened(&cut.cut(seed + operation), &ledger, &format!("{name}, and again while it was opened"));
            }
            reopened(&found, &ledger, &name);
        }
    }
    assert!(torn > 5, "only {torn} torn tails were met");
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    cut_a_life_at_every_operation(&rolling_at(1 << 20), &[CUT_KEEPS_NOTHING, CUT_KEEPS_ALL, 2, 3]);
}

#[test]
fn a_power_cut_at_any_operation_of_a_log_that_rolls_loses_nothing_that_was_acknowledged() {
    cut_a_life_at_every_operation(&rolling_at(0), &[CUT_KEEPS_NOTHING, CUT_KEEPS_ALL, 2, 3]);
}

#[test]
fn a_life_of_cuts_and_faults_loses_nothing_that_was_acknowledged() {
    for_each_seed(25, |seed| {
        let mut random = tally_testkit::random::SeededRandom::new(seed);
        let (mut disk, mut ledger) = Ledger::simulated(rolling_at(random.below(3_000)));
        for _ in 0..12 {
            let ahead = disk.operations() + random.within(1..40);
            match random.below(3) {
                0 => disk.power_off_at(ahead),
                1 => disk.fail_at(ahead, DiskFault::Before),
                _ => disk.fail_at(ahead, DiskFault::After),
            }
            for _ in 0..6 {
                let events = usize::try_from(random.below(80)).unwrap();
                match ledger.append(events, 30) {
                    Ok(_) => drop(ledger.publish()),
                    Err(AppendError::NotWritten(_)) => {}
                    Err(AppendError::Unknown(_)) => break,
                    Err(error @ AppendError::Refused(_)) => panic!("{error:?}"),
                }
            }
            // Stopped one way or the other; what is found goes on as the log.
            disk = disk.cut(random.next_u64());
            ledger.disk = disk.shared();
            let (directory, tree, _) = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
            let found = usize::try_from(tree.size().get()).unwrap();
            let entries = directory.durable_reader().read_range(LogPosition::FIRST, found).unwrap();
            assert_eq!(entries[..ledger.entries.len()], ledger.entries);
            // A batch that nobody was told of may be there; from now on it is as good as any.
            if found > ledger.entries.len() {
                ledger.roots.push((tree.size(), tree.root()));
            }
            (ledger.directory, ledger.tree, ledger.entries) = (directory, tree, entries);
            ledger.seal(1, 5);
            ledger.assert_sound();
        }
    });
}

/// A disk with so many bytes left; what does not fit is written as far as it does.
#[derive(Clone, Debug)]
struct Crowded {
    disk: SimDisk,
    left: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct CrowdedFile {
    file: Arc<dyn DiskFile>,
    left: Arc<AtomicUsize>,
}

impl Crowded {
    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(CrowdedFile { file, left: Arc::clone(&self.left) })
    }
}

impl DiskFile for CrowdedFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        if bytes.len() <= left {
            self.left.store(left - bytes.len(), Ordering::Relaxed);
            return self.file.write_at(bytes, offset);
        }
        self.left.store(0, Ordering::Relaxed);
        self.file.write_at(&bytes[..left], offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn length_bytes(&self) -> io::Result<u64> {
        self.file.length_bytes()
    }
}

impl Disk for Crowded {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.wrap(file))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
}

#[test]
fn a_full_disk_takes_nothing_and_goes_on_when_there_is_room() {
    for rolls_at in [0, 1 << 20] {
        for left in (0..1_500).step_by(53) {
            let disk = SimDisk::new();
            disk.make_durable_dir("/ledger");
            let crowded = Crowded { disk: disk.clone(), left: Arc::new(AtomicUsize::new(usize::MAX)) };
            let mut ledger = Ledger::create(Arc::new(crowded.clone()), Path::new(LOG), rolling_at(rolls_at));
            ledger.seal(3, 100);
            crowded.left.store(left, Ordering::Relaxed);
            let mut not_written = 0;
            for _ in 0..4 {
                match ledger.append(3, 100) {
                    Ok(_) => drop(ledger.publish()),
                    Err(AppendError::NotWritten(error)) => {
                        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{left} bytes left");
                        not_written += 1;
                    }
                    Err(error) => panic!("{left} bytes left: {error:?}"),
                }
                ledger.assert_whole();
                for seed in 0..4 {
                    assert_eq!(reopened(&disk.cut(seed), &ledger, "full"), Some(0), "{left} bytes left, seed {seed}");
                }
            }
            assert!(not_written > 0, "{left} bytes left: it never was full");
            crowded.left.store(usize::MAX, Ordering::Relaxed);
            ledger.seal(3, 100);
            ledger.assert_sound();
            ledger.reopen().0.assert_sound();
        }
    }
}
