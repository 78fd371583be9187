//! The log on a disk, a real and a simulated one: what is acknowledged stays, what is damaged is named

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic, its helpers too"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tally_log::checkpoint::{Checkpoint, Origin};
use tally_log::entry::{EntryHeader, EntryKind, HeadsEntry, RecordedAt};
use tally_log::note::SignerKey;
use tally_log::store::check::{Checked, check};
use tally_log::store::disk::{Disk, RealDisk, read_file};
use tally_log::store::{
    AppendError, Batch, BatchError, Directory, FRAME_BYTES_MAX, LogReader, Options, PublishError, ReadError, Recovery,
    StoredEntry,
};
use tally_log::touch::{Link, TouchStack};
use tally_log::tree::Tree;
use tally_log::{HeadsRoot, LeafHash, LogPosition, RootHash, TreeSize};
use tally_testkit::disk::SimDisk;

#[path = "store/faults.rs"]
mod faults;
#[path = "store/flips.rs"]
mod flips;
#[path = "store/recovery.rs"]
mod recovery;

/// Where the simulated log lies.
const LOG: &str = "/ledger/log";

fn signer() -> SignerKey {
    SignerKey::from_seed("log.example/store", &[7; 32]).unwrap()
}

/// A segment is closed once it has more than so many bytes.
fn rolling_at(bytes: u64) -> Options {
    // It is closed when the longest frame, header included twice, would not fit any more.
    let segment_bytes_max = FRAME_BYTES_MAX as u64 + 60 + bytes;
    Options { log_key: Some(signer().verifier().clone()), segment_bytes_max, ..Options::default() }
}

fn size(number: u64) -> TreeSize {
    TreeSize::new(number).unwrap()
}

fn position(number: u64) -> LogPosition {
    LogPosition::new(number).unwrap()
}

/// A log under test, and everything that it has acknowledged.
struct Ledger {
    disk: Arc<dyn Disk>,
    log: PathBuf,
    options: Options,
    directory: Directory,
    tree: Tree,
    /// Every entry that is durable, links included.
    entries: Vec<StoredEntry>,
    /// Root by size, one for each batch.
    roots: Vec<(TreeSize, RootHash)>,
}

impl Ledger {
    fn create(disk: Arc<dyn Disk>, log: &Path, options: Options) -> Self {
        let (directory, tree, _) = Directory::create(Arc::clone(&disk), log, options.clone()).unwrap();
        Self { disk, log: log.to_owned(), options, directory, tree, entries: Vec::new(), roots: Vec::new() }
    }

    /// On a simulated disk.
    fn simulated(options: Options) -> (SimDisk, Self) {
        let disk = SimDisk::new();
        disk.make_durable_dir("/ledger");
        let ledger = Self::create(disk.shared(), Path::new(LOG), options);
        (disk, ledger)
    }

    /// The next batch: `events` of them, each of `bytes` bytes beyond its header.
    fn batch(&self, events: usize, bytes: usize) -> (Batch, Vec<StoredEntry>) {
        batch_at(self.entries.len() as u64, self.roots.len() as u64 + 1, events, bytes)
    }

    /// Appends and acknowledges, without publishing.
    fn append(&mut self, events: usize, bytes: usize) -> Result<TreeSize, AppendError> {
        let (batch, entries) = self.batch(events, bytes);
        let leaves = batch.leaves().to_vec();
        let size = self.directory.append(batch)?;
        self.entries.extend(entries);
        assert!(self.tree.append(&leaves));
        assert_eq!((size, size.get()), (self.tree.size(), self.entries.len() as u64));
        self.roots.push((size, self.tree.root()));
        Ok(size)
    }

    /// What follows a durable batch: tiles, signature, publication. Failures here lose nothing.
    fn publish(&mut self) -> (io::Result<()>, Result<(), PublishError>) {
        let tiles = self.directory.write_tiles(&self.tree.take_full_tiles());
        (tiles, self.directory.publish_checkpoint(&self.note(), self.tree.size()))
    }

    /// Everything that the sequencer does with a batch.
    fn seal(&mut self, events: usize, bytes: usize) {
        self.append(events, bytes).unwrap();
        let (tiles, published) = self.publish();
        tiles.unwrap();
        published.unwrap();
    }

    fn note(&self) -> String {
        note_of(self.tree.size(), self.tree.root())
    }

    /// Stops as if killed, and opens what is there.
    fn reopen(mut self) -> (Self, Recovery) {
        let (directory, tree, recovery) =
            Directory::open(Arc::clone(&self.disk), &self.log, self.options.clone()).unwrap();
        (self.directory, self.tree) = (directory, tree);
        self.assert_whole();
        (self, recovery)
    }

    /// Everything acknowledged is there, byte for byte, and the tree is the one over it.
    fn assert_whole(&self) {
        let due = self.entries.len();
        assert_eq!(self.directory.size(), size(due as u64));
        let found = self.directory.durable_reader().read_range(LogPosition::FIRST, due).unwrap();
        assert_eq!(found, self.entries);
        assert_eq!((self.tree.size(), self.tree.root()), (size(due as u64), root_of(&self.entries)));
        for (size, root) in &self.roots {
            // Old roots are computed from the tiles on the disk.
            let tiles = self.directory.tiles();
            let readable = self.directory.reader().size();
            if *size <= readable {
                assert_eq!(self.tree.view().root_at(*size, &tiles).unwrap(), *root, "root of {size}");
            }
        }
    }

    fn check(&self) -> Checked {
        check_log(self.disk.as_ref(), &self.log, &self.options, &self.roots)
    }

    /// A complete look at the directory finds nothing wrong.
    fn assert_sound(&self) {
        self.assert_whole();
        let checked = self.check();
        assert_eq!(checked.damage, []);
        assert_eq!((checked.size, checked.root, checked.torn_bytes), (self.tree.size(), self.tree.root(), 0));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.log.join(name)
    }

    fn file(&self, name: &str) -> Vec<u8> {
        read_file(self.disk.as_ref(), &self.path(name), 64 * 1024 * 1024).unwrap()
    }

    /// Names in the log directory that end like this.
    fn names(&self, end: &str) -> Vec<String> {
        self.disk.list(&self.log).unwrap().into_iter().filter(|name| name.ends_with(end)).collect()
    }
}

fn check_log(disk: &dyn Disk, log: &Path, options: &Options, known: &[(TreeSize, RootHash)]) -> Checked {
    check(disk, log, options, known, |_| {}).unwrap()
}

fn note_of(size: TreeSize, root: RootHash) -> String {
    let origin = Origin::parse(signer().verifier().name()).unwrap();
    Checkpoint { origin, size, root }.sign(&signer()).unwrap()
}

fn leaf_of(entry: &StoredEntry) -> LeafHash {
    LeafHash::of(&entry.entry)
}

fn root_of(entries: &[StoredEntry]) -> RootHash {
    let mut tree = Tree::new();
    assert!(tree.append(&entries.iter().map(leaf_of).collect::<Vec<_>>()));
    tree.root()
}

/// A batch that follows from its place alone: the same call gives the same bytes.
fn batch_at(first: u64, number: u64, events: usize, bytes: usize) -> (Batch, Vec<StoredEntry>) {
    let recorded_at = RecordedAt::from_micros(1_780_000_000_000_000 + number).unwrap();
    let mut batch = Batch::new(position(first));
    let (mut entries, mut stack) = (Vec::new(), TouchStack::new());
    for at in first..first + events as u64 {
        let mut entry = EntryHeader { kind: EntryKind::Event, recorded_at }.encode();
        entry.extend(at.to_be_bytes().iter().cycle().take(bytes));
        let links: Vec<Link> = (0..at % 3).map(|_| stack.push(position(at))).collect();
        batch.push(&entry, &links).unwrap();
        entries.push(StoredEntry { position: position(at), entry, links });
    }
    let entry = heads_of(first, recorded_at).encode().unwrap();
    batch.push(&entry, &[]).unwrap();
    entries.push(StoredEntry { position: position(first + events as u64), entry, links: Vec::new() });
    (batch, entries)
}

fn heads_of(first: u64, recorded_at: RecordedAt) -> HeadsEntry {
    let map_root = HeadsRoot::from_bytes([9; 32]);
    HeadsEntry { recorded_at, batch_first: position(first), map_root, subjects: 3, cosigned: Vec::new() }
}

/// Runs a test over the real disk and over the simulated one.
fn on_both_disks(options: &Options, test: impl Fn(Ledger)) {
    let folder = tempfile::tempdir().unwrap();
    test(Ledger::create(Arc::new(RealDisk), &folder.path().join("log"), options.clone()));
    test(Ledger::simulated(options.clone()).1);
}

fn positions(reader: &LogReader) -> Vec<u64> {
    let frames: Vec<_> = reader.frames(LogPosition::FIRST).map(Result::unwrap).collect();
    frames.iter().flat_map(|frame| &frame.entries).map(|stored| stored.position.get()).collect()
}

#[test]
fn entries_are_read_back_one_by_one_in_ranges_and_in_frames() {
    on_both_disks(&rolling_at(20_000), |mut ledger| {
        for (events, bytes) in [(1, 0), (0, 0), (300, 40), (5, 60_000), (2, 65_525), (40, 10)] {
            ledger.seal(events, bytes);
        }
        assert!(ledger.names(".segment").len() > 2, "it rolled");
        let reader = ledger.directory.reader();
        let total = ledger.entries.len();
        for at in 0..total {
            assert_eq!(reader.read(position(at as u64)).unwrap(), ledger.entries[at]);
        }
        for first in (0..total).step_by(7) {
            let count = (total - first).min(1 + first % 50);
            let found = reader.read_range(position(first as u64), count).unwrap();
            assert_eq!(found, ledger.entries[first..first + count]);
        }
        let mut next = 0;
        for (frame, (size, _)) in reader.frames(LogPosition::FIRST).map(Result::unwrap).zip(&ledger.roots) {
            assert_eq!(frame.first.get(), next);
            let end = usize::try_from(size.get()).unwrap();
            assert_eq!(frame.entries, ledger.entries[usize::try_from(next).unwrap()..end]);
            assert_eq!(frame.heads.batch_first, frame.first);
            next = size.get();
        }
        assert_eq!(next, total as u64);
        // From the middle of a batch, the whole of it comes first.
        let from_the_middle = reader.frames(position(150)).next().unwrap().unwrap();
        assert_eq!(from_the_middle.entries.first().unwrap().position, position(3));
        assert!(reader.frames(position(total as u64)).next().is_none());
        ledger.assert_sound();
    });
}

#[test]
fn a_reader_does_not_see_what_is_not_published() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        let (reader, durable) = (ledger.directory.reader(), ledger.directory.durable_reader());
        ledger.seal(3, 10);
        let published = ledger.tree.size();
        ledger.append(2, 10).unwrap();
        assert_eq!((reader.size(), durable.size()), (published, size(7)));
        assert!(matches!(reader.read(position(4)), Err(ReadError::PastEnd { size, .. }) if size == published));
        assert!(matches!(reader.read_range(position(3), 2), Err(ReadError::PastEnd { .. })));
        assert_eq!(durable.read(position(4)).unwrap(), ledger.entries[4]);
        assert_eq!((positions(&reader).len(), positions(&durable).len()), (4, 7));
        // A frame iterator that reached the end goes on for whoever asks anew.
        let too_large = ledger.directory.publish_checkpoint(&ledger.note(), size(8));
        assert!(matches!(too_large, Err(PublishError::NotDurable { durable, .. }) if durable == size(7)));
        ledger.publish().1.unwrap();
        assert_eq!(reader.read(position(6)).unwrap(), ledger.entries[6]);
        assert_eq!(positions(&reader), (0..7).collect::<Vec<_>>());
        // An older checkpoint takes nothing back.
        ledger.directory.publish_checkpoint(&note_of(published, ledger.roots[0].1), published).unwrap();
        assert_eq!(reader.size(), size(7));
    });
}

#[test]
fn after_opening_a_reader_sees_what_the_checkpoint_covers() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        ledger.seal(3, 10);
        ledger.append(2, 10).unwrap();
        let (ledger, recovery) = ledger.reopen();
        assert_eq!(recovery.checkpoint.size(), Some(size(4)));
        assert_eq!((ledger.directory.reader().size(), ledger.directory.durable_reader().size()), (size(4), size(7)));
    });
}

#[test]
fn a_segment_is_closed_when_the_longest_frame_might_not_fit() {
    on_both_disks(&rolling_at(1_000), |mut ledger| {
        let mut lengths = Vec::new();
        for _ in 0..12 {
            ledger.seal(3, 100);
            lengths.push(ledger.names(".segment").len());
        }
        let segments = ledger.names(".segment");
        let names: Vec<_> = (0..segments.len()).map(|ordinal| format!("{ordinal:08}.segment")).collect();
        assert_eq!(segments, names);
        assert!(segments.len() >= 3, "{segments:?}");
        for (place, name) in segments.iter().enumerate() {
            let bytes = ledger.file(name).len();
            let is_last = place + 1 == segments.len();
            assert!(bytes > 1_000 || is_last, "{name} was closed with {bytes} bytes");
            // The frame before its last left it within the bound.
            assert!(bytes <= 1_000 + 700, "{name} was not closed with {bytes} bytes");
        }
        // Every closed segment has its index, and the last one has none.
        assert_eq!(ledger.names(".index").len(), segments.len() - 1);
        ledger.assert_sound();
        let (ledger, recovery) = ledger.reopen();
        assert_eq!((recovery.torn.clone(), recovery.tiles_written, recovery.describe().count()), (None, 0, 0));
        ledger.assert_sound();
    });
}

#[test]
fn appending_goes_on_the_same_after_every_reopening() {
    let mut files = Vec::new();
    for reopens in [false, true] {
        let (disk, mut ledger) = Ledger::simulated(rolling_at(5_000));
        for events in [0, 1, 254, 1, 255, 3, 3] {
            ledger.seal(events, 30);
            if reopens {
                ledger = ledger.reopen().0;
            }
        }
        ledger.assert_sound();
        files.push(disk.files());
    }
    assert_eq!(files[0], files[1]);
}

#[test]
fn proofs_after_opening_are_those_from_before() {
    on_both_disks(&rolling_at(9_000), |mut ledger| {
        for events in [100, 200, 300, 255, 1, 0, 400] {
            ledger.seal(events, 3);
        }
        let proofs = |ledger: &Ledger| {
            let (tiles, view, total) = (ledger.directory.tiles(), ledger.tree.view(), ledger.tree.size());
            let inclusion: Vec<_> = (0..total.get())
                .step_by(13)
                .map(|at| {
                    let proof = view.inclusion_proof(position(at), total, &tiles).unwrap();
                    let leaf = leaf_of(&ledger.entries[usize::try_from(at).unwrap()]);
                    proof.verify(leaf, position(at), total, ledger.tree.root()).unwrap();
                    proof
                })
                .collect();
            let consistency: Vec<_> = ledger
                .roots
                .iter()
                .map(|(old, old_root)| {
                    let proof = view.consistency_proof(*old, total, &tiles).unwrap();
                    proof.verify(*old, total, *old_root, ledger.tree.root()).unwrap();
                    proof
                })
                .collect();
            (inclusion, consistency)
        };
        let before = proofs(&ledger);
        let (ledger, _) = ledger.reopen();
        assert_eq!(proofs(&ledger), before);
    });
}

#[test]
fn a_batch_that_is_not_the_next_one_changes_nothing() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        ledger.seal(3, 10);
        let before = (ledger.names(""), ledger.file("00000000.segment"));
        let refused = |ledger: &mut Ledger, batch: Batch| match ledger.directory.append(batch) {
            Err(AppendError::Refused(error)) => error,
            other => panic!("{other:?}"),
        };
        let (again, _) = batch_at(0, 9, 3, 10);
        let error = refused(&mut ledger, again);
        assert_eq!(error, BatchError::NotNext { expected: position(4), found: position(0) });
        let (gap, _) = batch_at(5, 9, 3, 10);
        assert!(matches!(refused(&mut ledger, gap), BatchError::NotNext { .. }));
        // The first batch has number 1, and so does this one.
        let (too_early, _) = batch_at(4, 1, 3, 10);
        assert!(matches!(refused(&mut ledger, too_early), BatchError::TimeNotAfter { .. }));
        assert_eq!(refused(&mut ledger, Batch::new(position(4))), BatchError::NoHeads);
        assert_eq!((ledger.names(""), ledger.file("00000000.segment")), before);
        ledger.seal(3, 10);
        ledger.assert_sound();
    });
}

#[test]
fn what_is_no_batch_is_refused_entry_by_entry() {
    let at = |micros| RecordedAt::from_micros(micros).unwrap();
    let event = |micros| EntryHeader { kind: EntryKind::Event, recorded_at: at(micros) }.encode();
    let mut batch = Batch::new(position(7));
    batch.push(&event(5), &[]).unwrap();
    let other_time = BatchError::OtherTime { batch: at(5), found: at(6) };
    assert_eq!(batch.push(&event(6), &[]), Err(other_time));
    let elsewhere = heads_of(8, at(5)).encode().unwrap();
    let heads_first = BatchError::HeadsFirst { first: position(7), found: position(8) };
    assert_eq!(batch.push(&elsewhere, &[]), Err(heads_first));
    assert!(matches!(batch.push(&[2; 20], &[]), Err(BatchError::Entry(_))));
    assert!(matches!(batch.push(&event(5), &[Link::default(); 258]), Err(BatchError::TooManyLinks { links: 258 })));
    batch.push(&event(5), &[Link::default(); 257]).unwrap();
    batch.push(&heads_of(7, at(5)).encode().unwrap(), &[]).unwrap();
    assert_eq!(batch.push(&event(5), &[]), Err(BatchError::AfterHeads));
    assert_eq!((batch.len(), batch.first()), (3, position(7)));
}

#[test]
fn a_full_batch_takes_no_more_and_is_sealed_whole() {
    let (_, mut ledger) = Ledger::simulated(rolling_at(0));
    let recorded_at = RecordedAt::from_micros(5).unwrap();
    let mut entry = EntryHeader { kind: EntryKind::Event, recorded_at }.encode();
    entry.resize(65_535, 7);
    let mut batch = Batch::new(LogPosition::FIRST);
    let full = loop {
        let mark = batch.mark();
        if let Err(error) = batch.push(&entry, &[]) {
            break error;
        }
        // Room is kept for the heads entry by whoever fills a batch.
        if batch.push(&heads_of(0, recorded_at).encode().unwrap(), &[]).is_err() {
            batch.roll_back(mark);
            break BatchError::Full { entries: batch.len(), bytes: 0 };
        }
        let with_heads = batch.clone();
        batch.roll_back(mark);
        batch.push(&entry, &[]).unwrap();
        assert_eq!(with_heads.len(), batch.len() + 1);
    };
    assert!(matches!(full, BatchError::Full { entries: 511.., .. }), "{full}");
    batch.push(&heads_of(0, recorded_at).encode().unwrap(), &[]).unwrap();
    let entries = batch.len();
    ledger.directory.append(batch).unwrap();
    assert_eq!(ledger.directory.durable_reader().read_range(LogPosition::FIRST, entries).unwrap().len(), entries);
}

#[test]
fn a_batch_rolled_back_is_as_if_nothing_had_been_pushed() {
    let files: Vec<_> = [false, true]
        .into_iter()
        .map(|rolls_back| {
            let (disk, mut ledger) = Ledger::simulated(rolling_at(0));
            let (mut batch, _) = ledger.batch(3, 10);
            if rolls_back {
                let mut other = Batch::new(LogPosition::FIRST);
                let empty = other.mark();
                let elsewhen = RecordedAt::from_micros(5).unwrap();
                let entry = EntryHeader { kind: EntryKind::Event, recorded_at: elsewhen }.encode();
                other.push(&entry, &[Link::default()]).unwrap();
                other.push(&heads_of(0, elsewhen).encode().unwrap(), &[]).unwrap();
                other.roll_back(empty);
                assert!(other.is_empty() && other.heads().is_none());
                for stored in batch_at(0, 1, 3, 10).1 {
                    let mark = other.mark();
                    other.push(&stored.entry, &stored.links).unwrap();
                    other.roll_back(mark);
                    other.push(&stored.entry, &stored.links).unwrap();
                }
                batch = other;
            }
            ledger.directory.append(batch).unwrap();
            disk.files()
        })
        .collect();
    assert_eq!(files[0], files[1]);
}

#[test]
fn a_log_is_created_once_and_never_where_there_is_none_opened() {
    use tally_log::store::OpenError;
    on_both_disks(&rolling_at(0), |ledger| {
        let again = Directory::create(Arc::clone(&ledger.disk), &ledger.log, ledger.options.clone());
        assert!(matches!(again, Err(OpenError::AlreadyThere { .. })));
        let elsewhere = ledger.log.with_file_name("elsewhere");
        let opened = Directory::open(Arc::clone(&ledger.disk), &elsewhere, ledger.options.clone());
        assert!(matches!(opened, Err(OpenError::NotThere { .. })));
        assert_eq!(ledger.disk.list(&elsewhere).unwrap(), [""; 0]);
        let (ledger, recovery) = ledger.reopen();
        assert_eq!((recovery.torn, ledger.tree.size()), (None, TreeSize::EMPTY));
        ledger.assert_sound();
    });
}

#[test]
fn an_export_is_the_whole_log_as_others_read_it() {
    use tally_log::store::export::{ExportError, export};
    use tally_log::tile::{TileKind, TilePath, parse_bundle, parse_tile};
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(Arc::new(RealDisk), &folder.path().join("log"), rolling_at(5_000));
    for events in [100, 300, 200] {
        ledger.seal(events, 20);
    }
    let (reader, tiles, out) = (ledger.directory.reader(), ledger.directory.tiles(), folder.path().join("out"));
    assert_eq!(export(&RealDisk, &reader, &tiles, &out).unwrap(), ledger.tree.size());
    assert_eq!(read_file(&RealDisk, &out.join("checkpoint"), 1_000).unwrap(), ledger.note().as_bytes());
    let due = [("tile/0/000", 256), ("tile/0/001", 256), ("tile/0/002.p/91", 91), ("tile/1/000.p/2", 2)];
    for (path, width) in due {
        let hashes = parse_tile(&std::fs::read(out.join(path)).unwrap()).unwrap();
        assert_eq!(hashes.len(), width);
        if path.starts_with("tile/0/") {
            let first = TilePath::parse(path).unwrap().index() * 256;
            let first = usize::try_from(first).unwrap();
            let leaves: Vec<_> =
                ledger.entries[first..first + width].iter().map(|entry| leaf_of(entry).into()).collect();
            assert_eq!(hashes, leaves, "{path}");
        }
    }
    let mut entries = Vec::new();
    for (index, width) in [(0, 256), (1, 256), (2, 91)] {
        let path = TilePath::new(TileKind::Entries, index, width).unwrap();
        let bundle = std::fs::read(out.join(path.to_string())).unwrap();
        entries.extend(parse_bundle(&bundle, width).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    assert_eq!(entries, ledger.entries.iter().map(|stored| stored.entry.clone()).collect::<Vec<_>>());
    let again = export(&RealDisk, &reader, &tiles, &out);
    assert!(matches!(again, Err(ExportError::AlreadyThere { .. })));
}
