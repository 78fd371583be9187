//! A log directory with foreign bytes in its segment: refused, or read whole, and the same after a restart.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_log::{
    LogPosition,
    proof::root,
    store::{Directory, Options, disk::Disk as _, open_to_read},
};
use tally_testkit::disk::SimDisk;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says whether checksums are put right: without that nothing gets past them, with it torn tails and
    // flipped bits are not seen.
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if mode % 2 == 0 {
        tally_fuzz::repair_segment(&mut bytes);
    }
    let disk = SimDisk::new();
    let log = std::path::Path::new("/ledger/log");
    disk.make_durable_dir(log);
    disk.put_file(log.join("00000000.segment"), &bytes);
    let looked = open_to_read(disk.shared(), log, &Options::default());
    let opened = Directory::open(disk.shared(), log, Options::default());
    let Ok((reader, tiles)) = looked else {
        assert!(opened.is_err(), "who only looks refuses what who opens takes");
        return;
    };
    let (directory, tree, _) = opened.unwrap();
    let size = reader.size();
    assert_eq!((directory.size(), tree.size()), (size, size));
    if size.get() > 0 {
        assert_eq!(root(size, &tiles).unwrap(), tree.root());
    }
    let mut next = 0;
    for frame in reader.frames(LogPosition::new(0).unwrap()) {
        for entry in frame.unwrap().entries {
            assert_eq!(entry.position.get(), next);
            assert_eq!(reader.read(entry.position).unwrap(), entry);
            tally_fuzz::check_entry(&entry.entry);
            next += 1;
        }
    }
    assert_eq!(next, size.get());
    drop(directory);
    let (again, _, recovery) = Directory::open(disk.shared(), log, Options::default()).unwrap();
    assert_eq!((again.size(), recovery.torn), (size, None), "what was cut once is not cut again");
    assert!(disk.list(log).unwrap().contains(&"00000000.segment".to_owned()));
});
