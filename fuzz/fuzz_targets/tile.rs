//! Tile paths, tiles and entry bundles: one name and one form for each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tally_log::tile::{TilePath, parse_bundle, parse_tile, push_entry, tile_bytes};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(path) = TilePath::parse(text)
    {
        assert_eq!(path.to_string(), text);
        assert_eq!(TilePath::new(path.kind(), path.index(), path.width()), Some(path));
    }
    if let Some(hashes) = parse_tile(bytes) {
        assert_eq!(tile_bytes(&hashes), bytes);
    }
    let Some((width, bundle)) = bytes.split_first() else { return };
    if let Ok(entries) = parse_bundle(bundle, usize::from(*width) + 1) {
        let mut again = Vec::new();
        for entry in entries {
            push_entry(&mut again, entry).unwrap();
            tally_fuzz::check_entry(entry);
        }
        assert_eq!(again, bundle);
    }
});
