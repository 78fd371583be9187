//! Any flipped bit is named

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tally_log::store::disk::Disk;
use tally_log::store::{Damage, Fault};
use tally_testkit::disk::SimDisk;

use super::{LOG, Ledger, check_log, rolling_at};

/// A small log of three segments, two indices, a full tile and a checkpoint; where its frames begin.
struct Small {
    disk: SimDisk,
    ledger: Ledger,
    /// By file, the first byte of each frame; 0 stands for the segment's header.
    frames: BTreeMap<PathBuf, Vec<u64>>,
}

impl Small {
    fn new() -> Self {
        let (disk, mut ledger) = Ledger::simulated(rolling_at(1_500));
        let mut frames: BTreeMap<PathBuf, Vec<u64>> = BTreeMap::new();
        for events in [0, 5, 100, 150, 2, 3] {
            let before = disk.files();
            ledger.seal(events, 2);
            for name in ledger.names(".segment") {
                let path = ledger.path(&name);
                let (old, new) = (before.get(&path).map_or(64, Vec::len), disk.file(&path).unwrap().len());
                if new > old {
                    frames.entry(path).or_insert_with(|| vec![0]).push(old as u64);
                }
            }
        }
        ledger.assert_sound();
        Self { disk, ledger, frames }
    }

    fn damage(&self) -> Vec<Damage> {
        check_log(&self.disk, Path::new(LOG), &self.ledger.options, &[]).damage
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.disk.files()
    }

    /// Where the frame of a byte begins; in a file without frames, the byte itself or, of a note, its start.
    fn frame_of(&self, path: &Path, byte: u64) -> u64 {
        match self.frames.get(path) {
            Some(starts) => starts.iter().rev().find(|start| **start <= byte).copied().unwrap(),
            None if path.ends_with("checkpoint") => 0,
            None => byte,
        }
    }
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(LOG).unwrap().to_string_lossy().into_owned()
}

#[test]
fn any_flipped_bit_is_named() {
    let small = Small::new();
    let names: Vec<_> = small.files().keys().map(|path| name_of(path)).collect();
    for due in ["00000000.segment", "00000001.index", "00000002.segment", "checkpoint", "tile/0/000"] {
        assert!(names.contains(&due.to_owned()), "{due} is in {names:?}");
    }
    for (path, content) in small.files() {
        // Every byte; of the tile, which is hashes and nothing else, some of each hash.
        let step = if path.ends_with("tile/0/000") { 5 } else { 1 };
        for byte in (0..content.len() as u64).step_by(step) {
            let bit = u8::try_from(byte / step as u64 % 8).unwrap();
            small.disk.flip_bit(&path, byte, bit);
            let damage = small.damage();
            assert!(!damage.is_empty(), "{} byte {byte} bit {bit}: not seen", path.display());
            let name = name_of(&path);
            assert!(damage.iter().all(|damage| damage.file == name), "{name} byte {byte}: {damage:?}");
            let due = small.frame_of(&path, byte)..=byte;
            assert!(due.contains(&damage[0].byte), "{name} byte {byte}: {damage:?}");
            small.disk.flip_bit(&path, byte, bit);
        }
    }
    small.ledger.assert_sound();
}

#[test]
fn any_file_cut_short_or_grown_is_named() {
    let small = Small::new();
    for (path, content) in small.files() {
        let length = content.len();
        let starts = small.frames.get(&path).cloned().unwrap_or_default();
        let ends =
            starts.iter().flat_map(|start| [*start, start + 1, start + 60]).map(|end| usize::try_from(end).unwrap());
        let ends = ends.chain([0, 1, length / 3, length / 2, length - 1]).filter(|end| *end < length);
        for end in ends {
            small.disk.put_file(&path, &content[..end]);
            let damage = small.damage();
            let is_there = !damage.is_empty();
            assert!(is_there, "{} cut at {end}: not seen", path.display());
            small.disk.put_file(&path, &content);
        }
        for more in [&[0][..], b"tlf1", &content] {
            small.disk.put_file(&path, &[content.as_slice(), more].concat());
            let seen = !small.damage().is_empty();
            // Behind the last frame it may be an interrupted batch.
            let torn = check_log(&small.disk, Path::new(LOG), &small.ledger.options, &[]).torn_bytes;
            assert!(seen || torn == more.len() as u64, "{} with {} bytes more", path.display(), more.len());
            assert!(seen || path.ends_with("00000002.segment"));
            small.disk.put_file(&path, &content);
        }
    }
    small.ledger.assert_sound();
}

#[test]
fn any_segment_deleted_or_in_anothers_place_is_named() {
    let small = Small::new();
    let segments: Vec<_> = small.frames.keys().cloned().collect();
    let files = small.files();
    assert!(segments.len() >= 3);
    for path in &segments {
        small.disk.remove(path).unwrap();
        let damage = small.damage();
        let is_last = Some(path) == segments.last();
        // What is missing at the end shows in the checkpoint.
        let due = if is_last { "checkpoint".to_owned() } else { name_of(path) };
        assert_eq!(damage.first().map(|damage| damage.file.clone()), Some(due), "{damage:?}");
        small.disk.put_file(path, &files[path]);
        for other in segments.iter().filter(|other| *other != path) {
            small.disk.put_file(path, &files[other]);
            small.disk.put_file(other, &files[path]);
            let damage = small.damage();
            assert_eq!(damage.first().map(|damage| damage.file.clone()), Some(name_of(path.min(other))), "{damage:?}");
            small.disk.put_file(path, &files[path]);
            small.disk.put_file(other, &files[other]);
        }
    }
    small.ledger.assert_sound();
}

/// The records of a frame: where each begins and ends in its file.
pub(crate) fn records(content: &[u8], frame: u64) -> Vec<std::ops::Range<usize>> {
    let start = usize::try_from(frame).unwrap();
    let count = u32::from_be_bytes(content[start + 4..start + 8].try_into().unwrap());
    let mut at = start + 60;
    let number = |at: usize| usize::from(u16::from_be_bytes([content[at], content[at + 1]]));
    (0..count)
        .map(|_| {
            let from = at;
            at += 8 + number(at + 4) + 16 * number(at + 6);
            from..at
        })
        .collect()
}

/// The largest frame of the log: 150 events.
fn largest(small: &Small) -> (PathBuf, u64, Vec<u8>) {
    let files = small.files();
    let (path, frame) = small
        .frames
        .iter()
        .flat_map(|(path, starts)| starts[1..].iter().map(move |start| (path, *start)))
        .max_by_key(|(path, start)| records(&files[*path], *start).len())
        .unwrap();
    (path.clone(), frame, files[path].clone())
}

#[test]
fn any_two_records_exchanged_are_named() {
    let small = Small::new();
    let (path, frame, content) = largest(&small);
    let all = records(&content, frame);
    assert_eq!(all.len(), 151);
    for (a, b) in [(0, 1), (0, 150), (3, 6), (70, 71), (149, 150)] {
        let (first, second) = (all[a].clone(), all[b].clone());
        let swapped = [
            &content[..first.start],
            &content[second.clone()],
            &content[first.end..second.start],
            &content[first.clone()],
            &content[second.end..],
        ]
        .concat();
        small.disk.put_file(&path, &swapped);
        let damage = small.damage();
        let [found] = damage.as_slice() else { panic!("{damage:?}") };
        assert_eq!((found.file.clone(), &found.what), (name_of(&path), &Fault::Checksum));
        assert_eq!(found.byte, first.start as u64);
    }
    small.disk.put_file(&path, &content);
    small.ledger.assert_sound();
}

#[test]
fn whoever_fits_the_checksum_too_is_found_by_the_next_frame_or_the_checkpoint() {
    let small = Small::new();
    let last = small.frames.keys().next_back().unwrap().clone();
    for (path, starts) in &small.frames {
        for frame in &starts[1..] {
            let content = small.files()[path].clone();
            let mut forged = content.clone();
            let record = records(&content, *frame)[0].clone();
            // The first entry of the batch, and the checksum over its position and bytes.
            let byte = record.end - 1;
            forged[byte] ^= 1;
            let position = &content[usize::try_from(*frame).unwrap() + 8..][..8];
            let covered = [position, &forged[record.start + 4..record.end]].concat();
            forged[record.start..record.start + 4].copy_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
            small.disk.put_file(path, &forged);
            // The index of a closed segment and a full tile have hashes of their own, which differ now, too.
            let mut damage = small.damage();
            damage.retain(|damage| !damage.file.ends_with(".index") && !damage.file.starts_with("tile/"));
            let found = damage.first().unwrap_or_else(|| panic!("{} frame {frame}: not seen", path.display()));
            let is_last = *path == last && Some(frame) == starts.last();
            let next = starts.iter().find(|start| *start > frame).copied().unwrap_or(0);
            if matches!(found.what, Fault::Batch(_)) {
                // A heads entry alone: what it says no longer fits its place.
                assert_eq!(name_of(path), found.file);
            } else if is_last {
                assert!(matches!(found.what, Fault::Root { .. }), "{found}");
            } else {
                assert_eq!(found.what, Fault::Previous, "{found}");
                assert!(found.byte == next, "{found}");
            }
            small.disk.put_file(path, &content);
        }
    }
    small.ledger.assert_sound();
}
