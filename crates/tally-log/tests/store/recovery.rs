//! Opening what is there after whatever happened: cut only what nobody was promised, and name the rest

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tally_log::store::disk::Disk;
use tally_log::store::{CheckpointFile, Damage, Directory, Fault, OpenError, Options, ReadError, open_to_read};
use tally_log::{LogPosition, RootHash};
use tally_testkit::disk::{CUT_KEEPS_ALL, SimDisk};

use super::{LOG, Ledger, check_log, note_of, on_both_disks, position, rolling_at, signer, size};

/// Options without a log key: no checkpoint is looked at, so nothing is promised but by the fence.
fn without_a_checkpoint(bytes: u64) -> Options {
    Options { log_key: None, ..rolling_at(bytes) }
}

fn open(disk: &SimDisk, options: Options) -> Result<(), OpenError> {
    Directory::open(disk.shared(), Path::new(LOG), options).map(|_| ())
}

fn damage(disk: &SimDisk, options: Options) -> Damage {
    match open(disk, options) {
        Err(OpenError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

fn in_log(name: &str) -> PathBuf {
    Path::new(LOG).join(name)
}

/// A log whose last batch is about to be written, and the bytes of its frame.
fn before_a_frame(batches: usize) -> (SimDisk, Ledger, Vec<u8>) {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(1 << 20));
    (0..batches).for_each(|_| ledger.seal(4, 300));
    let before = ledger.file("00000000.segment");
    let after = disk.cut(CUT_KEEPS_ALL);
    let (directory, _, _) = Directory::open(after.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
    let mut directory = directory;
    directory.append(ledger.batch(4, 300).0).unwrap();
    let frame = after.file(in_log("00000000.segment")).unwrap()[before.len()..].to_vec();
    (disk, ledger, frame)
}

fn append_bytes(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let before = disk.file(in_log(name)).unwrap();
    disk.put_file(in_log(name), &[before.as_slice(), bytes].concat());
}

#[test]
fn torn_tail_is_cut_kept_and_reported() {
    let (base, ledger, frame) = before_a_frame(2);
    let end = ledger.file("00000000.segment").len();
    let mut tails: Vec<Vec<u8>> = (1..frame.len()).step_by(37).map(|cut| frame[..cut].to_vec()).collect();
    tails.push(frame[..frame.len() - 1].to_vec());
    // The length survived, the bytes did not; or a sector in the middle did not.
    tails.push(vec![0; frame.len()]);
    tails.push([&frame[..60], &vec![0; frame.len() - 60]].concat());
    tails.push([&[0; 60], &frame[60..]].concat());
    for tail in tails {
        let disk = base.cut(CUT_KEEPS_ALL);
        append_bytes(&disk, "00000000.segment", &tail);
        let checked = check_log(&disk, Path::new(LOG), &ledger.options, &[]);
        assert_eq!((checked.torn_bytes, checked.damage), (tail.len() as u64, vec![]));
        let (directory, tree, recovery) =
            Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
        assert_eq!((directory.size(), tree.root()), (ledger.tree.size(), ledger.tree.root()));
        let torn = recovery.torn.clone().unwrap();
        assert_eq!(torn.segment, "00000000.segment");
        assert_eq!((torn.byte, torn.bytes, torn.position), (end as u64, tail.len() as u64, position(10)));
        assert_eq!(disk.file(&torn.kept_in).unwrap(), tail);
        assert!(torn.kept_in.starts_with("/ledger/torn"), "{}", torn.kept_in.display());
        assert_eq!(disk.file(in_log("00000000.segment")).unwrap(), ledger.file("00000000.segment"));
        let said: Vec<_> = recovery.describe().collect();
        assert!(
            matches!(said.as_slice(), [one] if one.contains("00000000.segment") && one.contains("torn")),
            "{said:?}"
        );
        // Cut once, and for good.
        let (_, _, again) = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
        assert_eq!(again.torn, None);
    }
}

#[test]
fn what_is_cut_is_never_lost_to_a_power_cut() {
    let (base, ledger, frame) = before_a_frame(2);
    let (whole, tail) = (ledger.file("00000000.segment"), &frame[..frame.len() - 1]);
    append_bytes(&base, "00000000.segment", tail);
    let torn = base.cut(CUT_KEEPS_ALL);
    Directory::open(torn.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
    let operations = torn.operations();
    for operation in 1..=operations + 1 {
        let disk = base.cut(CUT_KEEPS_ALL);
        disk.power_off_at(operation);
        let opened = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone());
        for seed in 0..30 {
            let found = disk.cut(seed);
            let in_place = found.file(in_log("00000000.segment")).unwrap();
            let is_kept = found.files().iter().any(|(path, bytes)| path.starts_with("/ledger/torn") && bytes == tail);
            assert!(is_kept || in_place == [&whole, tail].concat(), "operation {operation}, seed {seed}");
            // Once the log is open it is cut for good.
            assert!(opened.is_err() || is_kept && in_place == whole, "operation {operation}, seed {seed}");
        }
    }
}

#[test]
fn a_second_torn_tail_does_not_replace_the_first() {
    let (disk, ledger, frame) = before_a_frame(1);
    let mut kept = Vec::new();
    for tail in [&frame[..70], &frame[..80], &frame[..90]] {
        append_bytes(&disk, "00000000.segment", tail);
        let (_, _, recovery) = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
        kept.push((recovery.torn.unwrap().kept_in, tail.to_vec()));
        // Somebody tidied up.
        if kept.len() == 2 {
            disk.remove(&kept.remove(0).0).unwrap();
        }
    }
    for (path, tail) in kept {
        assert_eq!(disk.file(path).unwrap(), tail);
    }
}

#[test]
fn whoever_only_reads_leaves_a_torn_tail_and_does_not_see_it() {
    let (disk, ledger, frame) = before_a_frame(2);
    append_bytes(&disk, "00000000.segment", &frame[..100]);
    let before = disk.files();
    let (reader, tiles) = open_to_read(disk.shared(), Path::new(LOG), &ledger.options).unwrap();
    assert_eq!(reader.read_range(LogPosition::FIRST, 10).unwrap(), ledger.entries);
    assert!(matches!(reader.read(position(10)), Err(ReadError::PastEnd { .. })));
    assert_eq!(tally_log::proof::root(ledger.tree.size(), &tiles).unwrap(), ledger.tree.root());
    assert_eq!(disk.files(), before);
}

#[test]
fn a_segment_that_was_begun_and_not_written_is_put_aside() {
    // Nothing of it, a part of the header, zeros in its place.
    for begun in [vec![], b"tallyseg\0\0\0\x01".to_vec(), vec![0; 64]] {
        for rolls_at in [0, 1 << 20] {
            let (disk, mut ledger) = Ledger::simulated(rolling_at(rolls_at));
            (0..3).for_each(|_| ledger.seal(100, 20));
            let next = format!("{:08}.segment", ledger.names(".segment").len());
            disk.put_file(in_log(&next), &begun);
            let checked = check_log(&disk, Path::new(LOG), &ledger.options, &[]);
            assert_eq!((checked.torn_bytes, checked.damage), (begun.len() as u64, vec![]));
            // Before it, the last segment is whole: its entries are in the tree.
            let (mut ledger, recovery) = ledger.reopen();
            let torn = recovery.torn.unwrap();
            assert_eq!((torn.segment.as_str(), torn.bytes), (next.as_str(), begun.len() as u64));
            assert_eq!(disk.file(in_log(&next)), None);
            ledger.seal(100, 20);
            ledger.assert_sound();
            ledger.reopen().0.assert_sound();
        }
    }
}

#[test]
fn damage_before_a_segment_that_was_begun_is_never_cut() {
    let (disk, mut ledger) = Ledger::simulated(without_a_checkpoint(0));
    (0..2).for_each(|_| ledger.append(3, 20).map(|_| ()).unwrap());
    disk.put_file(in_log("00000002.segment"), &[0; 10]);
    // In the last frame of what is the last segment again.
    let bytes = disk.file(in_log("00000001.segment")).unwrap();
    disk.flip_bit(in_log("00000001.segment"), bytes.len() as u64 - 1, 0);
    let found = damage(&disk, ledger.options.clone());
    assert_eq!((found.file.as_str(), found.what), ("00000001.segment", Fault::Checksum));
    assert_eq!(disk.file(in_log("00000001.segment")).unwrap().len(), bytes.len());
}

#[test]
fn an_index_that_is_missing_or_damaged_costs_a_scan_and_nothing_else() {
    on_both_disks(&rolling_at(2_000), |mut ledger| {
        (0..8).for_each(|_| ledger.seal(20, 50));
        let index = ledger.path("00000001.index");
        ledger.disk.remove(&index).unwrap();
        ledger.assert_sound();
        let (ledger, _) = ledger.reopen();
        for name in ["00000000.index", "00000002.index"] {
            let mut bytes = ledger.file(name);
            bytes[30] ^= 1;
            ledger.disk.open(&ledger.path(name)).unwrap().write_at(&bytes, 0).unwrap();
        }
        // The indices of two segments exchanged: whole, but not theirs.
        let (ledger, recovery) = ledger.reopen();
        assert_eq!(recovery.torn, None);
        let files: Vec<_> = ledger.check().damage.into_iter().map(|damage| damage.file).collect();
        assert_eq!(files, ["00000000.index", "00000002.index"]);
    });
}

#[test]
fn the_index_of_another_segment_is_not_taken() {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(0));
    // Segments of one length.
    (0..4).for_each(|_| ledger.seal(3, 50));
    let (first, second) = (ledger.file("00000001.index"), ledger.file("00000002.index"));
    assert_eq!(ledger.file("00000001.segment").len(), ledger.file("00000002.segment").len());
    disk.put_file(in_log("00000001.index"), &second);
    disk.put_file(in_log("00000002.index"), &first);
    ledger.reopen().0.assert_whole();
}

#[test]
fn damage_behind_an_index_is_found_by_whoever_reads_there() {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(0));
    // Its first tile is full: to start, nobody needs its entries.
    (0..3).for_each(|_| ledger.seal(255, 50));
    let record = super::flips::records(&ledger.file("00000000.segment"), 64)[3].clone();
    disk.flip_bit(in_log("00000000.segment"), record.end as u64 - 1, 3);
    // The index says enough to start; the entry is not given out.
    let (directory, _, _) = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
    let reader = directory.reader();
    assert_eq!(reader.read(position(2)).unwrap(), ledger.entries[2]);
    let Err(ReadError::Damaged(found)) = reader.read(position(3)) else { panic!("the entry was given out") };
    assert_eq!((found.file.as_str(), found.position, found.what), ("00000000.segment", position(3), Fault::Checksum));
    let Some(Err(ReadError::Damaged(found))) = reader.frames(LogPosition::FIRST).next() else {
        panic!("the frame was given out")
    };
    assert_eq!(found.file, "00000000.segment");
    // Without the index it is read at the start.
    disk.remove(&in_log("00000000.index")).unwrap();
    assert_eq!(damage(&disk, ledger.options).file, "00000000.segment");
}

#[test]
fn an_entry_that_the_tree_needs_is_read_at_the_start() {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(0));
    (0..2).for_each(|_| ledger.seal(3, 50));
    disk.flip_bit(in_log("00000000.segment"), ledger.file("00000000.segment").len() as u64 - 5, 3);
    let found = damage(&disk, ledger.options);
    assert_eq!((found.file.as_str(), found.position, found.what), ("00000000.segment", position(3), Fault::Checksum));
}

#[test]
fn missing_tiles_are_written_again() {
    on_both_disks(&rolling_at(9_000), |mut ledger| {
        (0..8).for_each(|_| ledger.seal(150, 40));
        let names: Vec<_> = ["000", "001", "002", "003"].map(|name| format!("tile/0/{name}")).into();
        let before: Vec<_> = names.iter().map(|name| ledger.file(name)).collect();
        names.iter().for_each(|name| ledger.disk.remove(&ledger.path(name)).unwrap());
        // A tile may be missing, and is computed where it is needed.
        ledger.assert_sound();
        let (ledger, recovery) = ledger.reopen();
        assert!(recovery.tiles_written > 0, "{recovery:?}");
        assert_eq!(names.iter().map(|name| ledger.file(name)).collect::<Vec<_>>(), before);
        ledger.assert_sound();
        assert_eq!(ledger.reopen().1.tiles_written, 0);
    });
}

#[test]
fn tiles_written_again_survive_a_power_cut() {
    let (disk, mut ledger) = Ledger::simulated(rolling_at(9_000));
    (0..8).for_each(|_| ledger.seal(150, 40));
    let due = disk.file(in_log("tile/0/000")).unwrap();
    let disk = disk.cut(CUT_KEEPS_ALL);
    disk.remove(&in_log("tile/0/000")).unwrap();
    disk.sync_dir(&in_log("tile/0")).unwrap();
    let (_, _, recovery) = Directory::open(disk.shared(), Path::new(LOG), ledger.options).unwrap();
    assert_eq!(recovery.tiles_written, 1);
    for seed in 0..50 {
        assert_eq!(disk.cut(seed).file(in_log("tile/0/000")).as_ref(), Some(&due), "seed {seed}");
    }
}

#[test]
fn a_checkpoint_of_more_entries_than_there_are_is_damage() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        (0..2).for_each(|_| ledger.seal(3, 20));
        let note = note_of(size(12), ledger.tree.root());
        put(&ledger, "checkpoint", note.as_bytes());
        let opened = Directory::open(Arc::clone(&ledger.disk), &ledger.log, ledger.options.clone());
        let Err(OpenError::Damaged(found)) = opened else { panic!("{opened:?}") };
        assert_eq!((found.file.as_str(), found.position), ("checkpoint", position(8)));
        assert!(matches!(found.what, Fault::Checkpoint { .. }), "{found}");
        assert_eq!(ledger.check().damage.first().unwrap().file, "checkpoint");
    });
}

fn put(ledger: &Ledger, name: &str, bytes: &[u8]) {
    tally_log::store::disk::replace_file_durably(ledger.disk.as_ref(), &ledger.path(name), bytes).unwrap();
}

#[test]
fn a_checkpoint_of_another_tree_is_damage() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        (0..3).for_each(|_| ledger.seal(3, 20));
        // Of the present size, of an older one, and of one inside a batch, which no log signs.
        let inside = super::root_of(&ledger.entries[..6]);
        for (at, root) in [(12, RootHash::of_empty()), (8, ledger.tree.root()), (6, inside)] {
            put(&ledger, "checkpoint", note_of(size(at), root).as_bytes());
            let opened = Directory::open(Arc::clone(&ledger.disk), &ledger.log, ledger.options.clone());
            let Err(OpenError::Damaged(found)) = opened else { panic!("size {at}: {opened:?}") };
            assert_eq!((found.file.as_str(), found.position), ("checkpoint", position(at - 1)), "{found}");
            let damage = ledger.check().damage;
            assert!(matches!(damage.as_slice(), [one] if one.file == "checkpoint"), "size {at}: {damage:?}");
        }
    });
}

#[test]
fn what_is_no_checkpoint_of_this_log_is_reported_and_promises_nothing() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        (0..2).for_each(|_| ledger.seal(3, 20));
        let good = ledger.note();
        let (text, _) = good.split_at(good.find("\n\n").unwrap() + 1);
        let other = tally_log::note::SignerKey::from_seed(signer().verifier().name(), &[8; 32]).unwrap();
        let extended = signer().sign(&format!("{text}more\n")).unwrap();
        let empty = note_of(size(0), RootHash::of_empty());
        let notes = [String::new(), good[..good.len() - 9].to_owned(), other.sign(text).unwrap(), extended, empty];
        for note in notes {
            put(&ledger, "checkpoint", note.as_bytes());
            let (reopened, recovery) = ledger.reopen();
            ledger = reopened;
            assert!(matches!(&recovery.checkpoint, CheckpointFile::Unreadable { .. }), "{note}: {recovery:?}");
            assert_eq!(recovery.describe().count(), 1);
            assert_eq!(ledger.directory.reader().size(), size(0), "nothing is shown before it is signed again");
            let damage = ledger.check().damage;
            assert!(matches!(damage.as_slice(), [one] if one.file == "checkpoint"), "{note}: {damage:?}");
        }
        ledger.publish().1.unwrap();
        ledger.assert_sound();
    });
}

#[test]
fn a_log_older_than_its_fence_or_another_one_is_not_opened() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        (0..3).for_each(|_| ledger.seal(3, 20));
        let open = |fenced| {
            let options = Options { fenced: Some(fenced), ..ledger.options.clone() };
            Directory::open(Arc::clone(&ledger.disk), &ledger.log, options)
        };
        let rolled_back = open((size(16), RootHash::of_empty()));
        let Err(OpenError::RolledBack { size: found, fenced }) = rolled_back else { panic!("{rolled_back:?}") };
        assert_eq!((found, fenced), (size(12), size(16)));
        for at in [4, 8, 12] {
            let other = open((size(at), RootHash::of_empty()));
            assert!(matches!(other, Err(OpenError::OtherRoot { size }) if size.get() == at), "{other:?}");
        }
        for fenced in &ledger.roots {
            open(*fenced).unwrap();
        }
        // What the fence has seen need not have a checkpoint yet.
        ledger.append(3, 20).unwrap();
        let fenced = Some((ledger.tree.size(), ledger.tree.root()));
        Directory::open(Arc::clone(&ledger.disk), &ledger.log, Options { fenced, ..ledger.options.clone() }).unwrap();
    });
}

/// What a log was promised to hold.
#[derive(Clone, Copy, Debug)]
enum Promise {
    Checkpoint,
    Fence,
}

#[test]
fn damage_below_a_checkpoint_or_fence_is_never_cut() {
    for promise in [Promise::Checkpoint, Promise::Fence] {
        let (disk, mut ledger) = Ledger::simulated(rolling_at(1 << 20));
        ledger.seal(3, 20);
        let start = ledger.file("00000000.segment").len();
        match promise {
            Promise::Checkpoint => ledger.seal(3, 20),
            Promise::Fence => ledger.append(3, 20).map(|_| ()).unwrap(),
        }
        let options = match promise {
            Promise::Checkpoint => ledger.options.clone(),
            Promise::Fence => Options { fenced: ledger.roots.last().copied(), ..ledger.options.clone() },
        };
        let length = ledger.file("00000000.segment").len();
        for byte in (start..length).step_by(5) {
            disk.flip_bit(in_log("00000000.segment"), byte as u64, 2);
            let before = disk.files();
            let found = damage(&disk, options.clone());
            assert_eq!(found.file, "00000000.segment");
            assert!((start as u64..=byte as u64).contains(&found.byte), "byte {byte}: {found}");
            assert_eq!(disk.files(), before, "{promise:?}: nothing was changed");
            disk.flip_bit(in_log("00000000.segment"), byte as u64, 2);
        }
        let whole = disk.file(in_log("00000000.segment")).unwrap();
        for end in [start + 1, start + 59, start + 60, length - 1] {
            disk.put_file(in_log("00000000.segment"), &whole[..end]);
            let found = damage(&disk, options.clone());
            assert_eq!((found.file.as_str(), found.what), ("00000000.segment", Fault::Cut));
            assert_eq!(disk.file(in_log("00000000.segment")).unwrap(), &whole[..end]);
        }
        disk.put_file(in_log("00000000.segment"), &whole);
        open(&disk, options).unwrap();
    }
}

#[test]
fn a_bad_frame_before_a_good_one_is_damage_and_no_torn_tail() {
    let (disk, mut ledger) = Ledger::simulated(without_a_checkpoint(1 << 20));
    ledger.append(3, 20).unwrap();
    let start = ledger.file("00000000.segment").len();
    ledger.append(3, 20).unwrap();
    let end = ledger.file("00000000.segment").len();
    ledger.append(3, 20).unwrap();
    for byte in start..end {
        disk.flip_bit(in_log("00000000.segment"), byte as u64, (byte % 8).try_into().unwrap());
        let before = disk.files();
        let found = damage(&disk, ledger.options.clone());
        assert!((start as u64..=byte as u64).contains(&found.byte), "byte {byte}: {found}");
        assert_eq!(disk.files(), before, "nothing was changed");
        let checked = check_log(&disk, Path::new(LOG), &ledger.options, &[]);
        assert_eq!((checked.torn_bytes, checked.damage), (0, vec![found]), "the check says the same");
        disk.flip_bit(in_log("00000000.segment"), byte as u64, (byte % 8).try_into().unwrap());
    }
    // The last one, which nobody was promised and nothing follows, may be a torn tail.
    disk.flip_bit(in_log("00000000.segment"), end as u64 + 100, 0);
    let (directory, _, recovery) = Directory::open(disk.shared(), Path::new(LOG), ledger.options.clone()).unwrap();
    assert_eq!(directory.size(), size(8));
    assert_eq!(recovery.torn.unwrap().byte, end as u64);
}

#[test]
fn a_missing_segment_is_named() {
    for missing in ["00000000.segment", "00000001.segment"] {
        let (disk, mut ledger) = Ledger::simulated(rolling_at(0));
        (0..3).for_each(|_| ledger.seal(3, 20));
        disk.remove(&in_log(missing)).unwrap();
        let found = damage(&disk, ledger.options.clone());
        assert_eq!((found.file.as_str(), &found.what), (missing, &Fault::Missing));
        assert_eq!(check_log(&disk, Path::new(LOG), &ledger.options, &[]).damage, [found]);
    }
}

#[test]
fn a_stray_file_is_named() {
    on_both_disks(&rolling_at(0), |mut ledger| {
        (0..2).for_each(|_| ledger.seal(200, 20));
        for name in ["notes.txt", "tile/0/001", "tile/x", "00000009.index"] {
            ledger.disk.create(&ledger.path(name)).unwrap().write_at(b"?", 0).unwrap();
            let damage = ledger.check().damage;
            let [found] = damage.as_slice() else { panic!("{name}: {damage:?}") };
            assert_eq!((found.file.as_str(), &found.what), (name, &Fault::Stray));
            ledger.disk.remove(&ledger.path(name)).unwrap();
        }
        ledger.disk.create(&ledger.path("checkpoint.tmp")).unwrap();
        ledger.assert_sound();
    });
}

/// The files of a disk without those that recovery put aside.
pub(crate) fn log_files(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| path.starts_with(LOG)).collect()
}
