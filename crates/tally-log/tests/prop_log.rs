//! Properties of tree, heads map, notes, paths, bundles, entries and touch links, over whatever is generated

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic, its helpers too")]

use std::collections::{BTreeMap, HashMap};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tally_log::checkpoint::{Checkpoint, Origin, UnverifiedCheckpoint};
use tally_log::entry::{COSIGNED_BYTES_MAX, EntryHeader, EntryKind, HeadsEntry, RecordedAt};
use tally_log::heads::{HeadValue, HeadsMap, MapEnd, MapKey, MapProof, verify_map_proof};
use tally_log::note::{SignatureLine, SignerKey, UnverifiedNote, VerifierKey};
use tally_log::proof::{ConsistencyProof, InclusionProof};
use tally_log::tile::{NoTiles, TileKind, TilePath, parse_bundle, parse_tile, push_entry, tile_bytes};
use tally_log::touch::{Link, TouchStack, seek};
use tally_log::tree::Tree;
use tally_log::{HeadsRoot, LeafHash, LogPosition, NodeHash, RootHash, TreeSize};

fn size(number: u64) -> TreeSize {
    TreeSize::new(number).unwrap()
}

fn position(number: u64) -> LogPosition {
    LogPosition::new(number).unwrap()
}

fn flip(bytes: &mut [u8], bit: usize) {
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn flipped(hash: &[u8; 32], bit: usize) -> [u8; 32] {
    let mut hash = *hash;
    flip(&mut hash, bit);
    hash
}

// The tree

/// RFC 6962, section 2.1, word for word.
fn naive_root(leaves: &[LeafHash]) -> RootHash {
    fn mth(leaves: &[LeafHash]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf.as_bytes(),
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                let parts = [[1].as_slice(), &mth(&leaves[..k]), &mth(&leaves[k..])].concat();
                Sha256::digest(parts).into()
            }
        }
    }
    RootHash::from_bytes(mth(leaves))
}

fn leaves(count: usize, salt: u64) -> Vec<LeafHash> {
    (0..count as u64).map(|n| LeafHash::of(&[salt.to_be_bytes(), n.to_be_bytes()].concat())).collect()
}

fn tree_of(leaves: &[LeafHash]) -> Tree {
    let mut tree = Tree::new();
    assert!(tree.append(leaves));
    tree
}

/// A tree of up to 600 entries, a size that it had, and a position below that.
fn tree_and_places() -> impl Strategy<Value = (Vec<LeafHash>, usize, usize)> {
    (1..600_usize, any::<u64>())
        .prop_flat_map(|(count, salt)| (Just(leaves(count, salt)), 1..=count))
        .prop_flat_map(|(leaves, old)| (Just(leaves), Just(old), 0..old))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn tree_grown_in_any_batches_has_the_root_of_its_leaves(
        batches in vec(0..300_usize, 0..6), salt in any::<u64>(),
    ) {
        let all = leaves(batches.iter().sum(), salt);
        let (mut tree, mut rest) = (Tree::new(), all.as_slice());
        for batch in batches {
            let (now, later) = rest.split_at(batch);
            prop_assert!(tree.append(now));
            rest = later;
            prop_assert_eq!(tree.root(), naive_root(&all[..all.len() - rest.len()]));
        }
    }

    #[test]
    fn inclusion_proof_verifies_in_its_own_tree_and_no_other(
        (leaves, old, at) in tree_and_places(), bit in any::<usize>(),
    ) {
        let tree = tree_of(&leaves);
        let (leaf, place, tree_size, root) = (leaves[at], position(at as u64), size(old as u64), naive_root(&leaves[..old]));
        let proof = tree.view().inclusion_proof(place, tree_size, &NoTiles).unwrap();
        proof.verify(leaf, place, tree_size, root).unwrap();
        prop_assert!(proof.hashes().len() <= 64);
        // Another leaf, place or root.
        prop_assert!(proof.verify(LeafHash::from_bytes(flipped(leaf.as_bytes(), bit)), place, tree_size, root).is_err());
        prop_assert!(proof.verify(leaf, place, tree_size, RootHash::from_bytes(flipped(root.as_bytes(), bit))).is_err());
        for other in (0..old).filter(|other| *other != at) {
            prop_assert!(proof.verify(leaf, position(other as u64), tree_size, root).is_err(), "at {}", other);
        }
        prop_assert!(proof.verify(leaf, tree_size.next_position(), tree_size, root).is_err());
        // Another tree: a larger, a smaller one, and one with another entry somewhere.
        for other in [old - 1, old + 1, 2 * old].map(|other| size(other as u64)) {
            let other_root = leaves.get(..usize::try_from(other.get()).unwrap()).map(naive_root);
            prop_assert!(other_root.is_none_or(|root| proof.verify(leaf, place, other, root).is_err()));
        }
        let mut forged = leaves[..old].to_vec();
        forged[bit % old] = LeafHash::from_bytes(flipped(forged[bit % old].as_bytes(), bit));
        prop_assert!(proof.verify(leaf, place, tree_size, naive_root(&forged)).is_err());
        // Another path.
        for (index, hash) in proof.hashes().iter().enumerate() {
            let mut hashes = proof.hashes().to_vec();
            hashes[index] = NodeHash::from_bytes(flipped(hash.as_bytes(), bit));
            prop_assert!(InclusionProof::from_hashes(hashes.clone()).verify(leaf, place, tree_size, root).is_err());
            hashes.remove(index);
            prop_assert!(InclusionProof::from_hashes(hashes).verify(leaf, place, tree_size, root).is_err());
        }
        let longer = [proof.hashes(), &[NodeHash::from_bytes(*root.as_bytes())]].concat();
        prop_assert!(InclusionProof::from_hashes(longer).verify(leaf, place, tree_size, root).is_err());
    }

    #[test]
    fn consistency_proof_verifies_between_its_own_trees_and_no_others(
        (leaves, old, _) in tree_and_places(), bit in any::<usize>(), others in vec(any::<prop::sample::Index>(), 12),
    ) {
        let tree = tree_of(&leaves);
        let (old_root, root) = (naive_root(&leaves[..old]), naive_root(&leaves));
        let (old_size, new_size) = (size(old as u64), tree.size());
        let proof = tree.view().consistency_proof(old_size, new_size, &NoTiles).unwrap();
        proof.verify(old_size, new_size, old_root, root).unwrap();
        // An older tree with another entry: history was rewritten.
        let mut forged = leaves[..old].to_vec();
        forged[bit % old] = LeafHash::from_bytes(flipped(forged[bit % old].as_bytes(), bit));
        prop_assert!(proof.verify(old_size, new_size, naive_root(&forged), root).is_err());
        forged.extend_from_slice(&leaves[old..]);
        prop_assert!(proof.verify(old_size, new_size, old_root, naive_root(&forged)).is_err());
        for other in others.iter().map(|other| 1 + other.index(leaves.len())) {
            let other_size = size(other as u64);
            prop_assert!(other == old || proof.verify(other_size, new_size, naive_root(&leaves[..other]), root).is_err());
            let is_new = other == leaves.len();
            prop_assert!(is_new || proof.verify(old_size, other_size, old_root, naive_root(&leaves[..other])).is_err());
        }
        for (index, hash) in proof.hashes().iter().enumerate() {
            let mut hashes = proof.hashes().to_vec();
            hashes[index] = NodeHash::from_bytes(flipped(hash.as_bytes(), bit));
            prop_assert!(ConsistencyProof::from_hashes(hashes.clone()).verify(old_size, new_size, old_root, root).is_err());
            hashes.remove(index);
            prop_assert!(ConsistencyProof::from_hashes(hashes).verify(old_size, new_size, old_root, root).is_err());
        }
    }
}

// The heads map

type Leaves = BTreeMap<MapKey, HeadValue>;

/// FORMAT.md, section 3, in the most obvious way.
fn naive_map_root(leaves: &Leaves) -> HeadsRoot {
    fn bit(key: &MapKey, depth: usize) -> bool {
        key.as_bytes()[depth / 8] & (0x80 >> (depth % 8)) != 0
    }
    fn subtree(leaves: &[(&MapKey, &HeadValue)], depth: usize) -> [u8; 32] {
        match leaves {
            [] => [0; 32],
            [(key, value)] => {
                let value_hash = Sha256::digest(value);
                Sha256::digest([[0].as_slice(), key.as_bytes(), &value_hash].concat()).into()
            }
            _ => {
                let (right, left): (Vec<_>, Vec<_>) = leaves.iter().partition(|(key, _)| bit(key, depth));
                let (left, right) = (subtree(&left, depth + 1), subtree(&right, depth + 1));
                Sha256::digest([[1].as_slice(), &left, &right].concat()).into()
            }
        }
    }
    HeadsRoot::from_bytes(subtree(&leaves.iter().collect::<Vec<_>>(), 0))
}

fn value() -> impl Strategy<Value = HeadValue> {
    any::<([u8; 32], [u8; 32], [u8; 16])>().prop_map(|(a, b, c)| [&a[..], &b, &c].concat().try_into().unwrap())
}

/// Keys anywhere, and keys that share up to 255 first bits with others.
fn key() -> impl Strategy<Value = MapKey> {
    let near = (0..256_usize, any::<[u8; 32]>()).prop_map(|(shared, tail)| {
        let mut bytes = [0x5a; 32];
        for bit in shared..256 {
            let mask = 0x80 >> (bit % 8);
            bytes[bit / 8] = bytes[bit / 8] & !mask | tail[bit / 8] & mask;
        }
        bytes
    });
    prop_oneof![any::<[u8; 32]>(), near].prop_map(MapKey::from_bytes)
}

/// Proofs that differ from this one in one bit, or in one sibling more or less.
fn tampered(proof: &MapProof, bit: usize) -> Vec<MapProof> {
    let mut found = Vec::new();
    let count = proof.siblings.len();
    for index in [0, bit % count.max(1), count.saturating_sub(1)].into_iter().filter(|index| *index < count) {
        let mut siblings = proof.siblings.clone();
        siblings[index] = flipped(&siblings[index], bit);
        found.push(MapProof { siblings: siblings.clone(), end: proof.end });
        siblings.remove(index);
        found.push(MapProof { siblings, end: proof.end });
    }
    found.push(MapProof { siblings: [proof.siblings.as_slice(), &[[0; 32]]].concat(), end: proof.end });
    found.push(MapProof { siblings: [proof.siblings.as_slice(), &[[7; 32]]].concat(), end: proof.end });
    let ends = match proof.end {
        MapEnd::Value(mut value) => {
            flip(&mut value, bit);
            vec![MapEnd::Value(value), MapEnd::Empty]
        }
        MapEnd::Other { key, value_hash } => vec![
            MapEnd::Other { key: MapKey::from_bytes(flipped(key.as_bytes(), bit)), value_hash },
            MapEnd::Other { key, value_hash: flipped(&value_hash, bit) },
            MapEnd::Empty,
        ],
        MapEnd::Empty => vec![MapEnd::Value([7; 80]), MapEnd::Value([0; 80])],
    };
    found.extend(ends.into_iter().map(|end| MapProof { siblings: proof.siblings.clone(), end }));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_order_of_inserts_gives_the_root_of_the_naive_map(
        (leaves, order) in btree_map(key(), value(), 0..60).prop_flat_map(|leaves| {
            let order: Vec<(MapKey, HeadValue)> = leaves.iter().map(|(key, value)| (*key, *value)).collect();
            (Just(leaves), Just(order).prop_shuffle())
        }),
        cuts in vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let root = naive_map_root(&leaves);
        let mut one_by_one = HeadsMap::new();
        order.iter().for_each(|(key, value)| one_by_one.insert(*key, *value));
        prop_assert_eq!(one_by_one.root(), root);
        // In batches of any sizes, each over a version that somebody still reads.
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(order.len() + 1)).collect();
        cuts.extend([0, order.len()]);
        cuts.sort_unstable();
        let (mut in_batches, mut versions) = (HeadsMap::new(), Vec::new());
        for bounds in cuts.windows(2) {
            versions.push((in_batches.clone(), in_batches.root(), in_batches.len()));
            in_batches.insert_all(order[bounds[0]..bounds[1]].to_vec());
        }
        prop_assert_eq!((in_batches.root(), in_batches.len()), (root, leaves.len() as u64));
        for (version, root, len) in versions {
            prop_assert_eq!((version.root(), version.len()), (root, len), "an old version never changes");
        }
        for (key, value) in &leaves {
            prop_assert_eq!(in_batches.get(key), Some(value));
        }
    }

    #[test]
    fn a_new_value_gives_the_root_of_the_naive_map(
        leaves in btree_map(key(), value(), 1..40), at in any::<prop::sample::Index>(), value in value(),
    ) {
        let mut map = HeadsMap::new();
        map.insert_all(leaves.iter().map(|(key, value)| (*key, *value)).collect());
        let mut leaves = leaves;
        let key = *leaves.keys().nth(at.index(leaves.len())).unwrap();
        leaves.insert(key, value);
        map.insert(key, value);
        prop_assert_eq!((map.root(), map.len()), (naive_map_root(&leaves), leaves.len() as u64));
    }

    #[test]
    fn map_proofs_hold_for_their_key_and_fail_for_any_flipped_bit(
        leaves in btree_map(key(), value(), 0..24), absent in vec(key(), 4), bit in any::<usize>(),
    ) {
        let mut map = HeadsMap::new();
        map.insert_all(leaves.iter().map(|(key, value)| (*key, *value)).collect());
        let root = naive_map_root(&leaves);
        for key in leaves.keys().chain(&absent) {
            let proof = map.prove(key);
            verify_map_proof(key, &proof, root).unwrap();
            match (&proof.end, leaves.get(key)) {
                (MapEnd::Value(found), Some(value)) => prop_assert_eq!(found, value),
                (MapEnd::Other { .. } | MapEnd::Empty, None) => {}
                (end, _) => prop_assert!(false, "{:?} is proved by {:?}", key, end),
            }
            prop_assert!(verify_map_proof(key, &proof, HeadsRoot::from_bytes(flipped(root.as_bytes(), bit))).is_err());
            for wrong in tampered(&proof, bit) {
                prop_assert!(verify_map_proof(key, &wrong, root).is_err(), "{:?}", wrong);
            }
            // Whoever is on record cannot be shown to be absent, and the other way round.
            for other in leaves.keys().filter(|other| *other != key) {
                let proof = map.prove(other);
                let holds = verify_map_proof(key, &proof, root).is_ok();
                prop_assert!(!holds || !leaves.contains_key(key) && !matches!(proof.end, MapEnd::Value(_)));
            }
        }
    }
}

// Notes, checkpoints, paths, bundles, entries

fn name() -> impl Strategy<Value = String> {
    "[!-*,-~\u{e9}\u{4e2d}]{1,20}"
}

fn note_text() -> impl Strategy<Value = String> {
    "([ -~\u{7f}\u{85}\u{e9}\u{4e2d}]{0,20}\n){1,5}"
}

/// What is not text of a note.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,20}", "[ -~]{0,9}[\t\r\u{0}\u{1f}][ -~]{0,9}\n"]
}

fn recorded_at() -> impl Strategy<Value = RecordedAt> {
    (0..1_u64 << 63).prop_map(|micros| RecordedAt::from_micros(micros).unwrap())
}

prop_compose! {
    fn heads_entry()(
        recorded_at in recorded_at(),
        first in prop_oneof![Just(0), 0..1_u64 << 63],
        map_root in any::<[u8; 32]>(),
        subjects in 0..1_u64 << 63,
        cosigned in prop_oneof![vec(any::<u8>(), 0..100), Just(vec![7; COSIGNED_BYTES_MAX])],
    ) -> HeadsEntry {
        let map_root = HeadsRoot::from_bytes(map_root);
        HeadsEntry { recorded_at, batch_first: position(first), map_root, subjects, cosigned }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn signed_notes_are_read_as_written_and_fail_for_any_flipped_bit(
        name in name(), seed in any::<[u8; 32]>(), text in note_text(), other in name(), id in any::<u32>(),
        foreign in vec(any::<u8>(), 1..100), bit in any::<usize>(),
    ) {
        let signer = SignerKey::from_seed(&name, &seed).unwrap();
        let known = [signer.verifier().clone()];
        let signed = signer.sign(&text).unwrap();
        let note = format!("{signed}{}", SignatureLine::new(&other, id, foreign).unwrap());
        let parsed = UnverifiedNote::parse(note.as_bytes()).unwrap();
        prop_assert_eq!(parsed.unverified_text(), &text);
        prop_assert_eq!(parsed.to_string(), note);
        prop_assert_eq!(parsed.verify(&known).unwrap(), known.iter().collect::<Vec<_>>());
        prop_assert_eq!(VerifierKey::parse(&known[0].to_string()).unwrap(), known[0].clone());
        let mut flipped = signed.into_bytes();
        flip(&mut flipped, bit);
        let opened = UnverifiedNote::parse(&flipped).ok().filter(|note| note.verify(&known).is_ok());
        prop_assert!(opened.is_none(), "{:?}", opened);
    }

    #[test]
    fn what_is_not_text_of_a_note_is_neither_signed_nor_read(seed in any::<[u8; 32]>(), text in odd_text()) {
        let signer = SignerKey::from_seed("log.example/a", &seed).unwrap();
        prop_assert!(signer.sign(&text).is_err());
    }

    #[test]
    fn whatever_is_read_as_a_note_is_written_the_same(bytes in prop_oneof![
        vec(any::<u8>(), 0..200).boxed(),
        "([a-z\u{2014} +=/\n]{0,30}\n){0,3}\n(\u{2014} [a-z+ ]{0,4} [A-Za-z0-9+/]{0,12}={0,2}\n){0,3}".prop_map(String::into_bytes).boxed(),
    ]) {
        if let Ok(note) = UnverifiedNote::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
        }
    }

    #[test]
    fn checkpoints_are_read_as_written(
        origin in "[ -~\u{e9}\u{4e2d}]{1,30}", seed in any::<[u8; 32]>(), entries in 0..1_u64 << 63, root in any::<[u8; 32]>(),
        bit in any::<usize>(),
    ) {
        let signer = SignerKey::from_seed("log.example/a", &seed).unwrap();
        let origin = Origin::parse(&origin).unwrap();
        let root = if entries == 0 { RootHash::of_empty() } else { RootHash::from_bytes(root) };
        let checkpoint = Checkpoint { origin: origin.clone(), size: size(entries), root };
        let note = checkpoint.sign(&signer).unwrap();
        let parsed = UnverifiedCheckpoint::parse(note.as_bytes()).unwrap();
        prop_assert_eq!(parsed.verify(&origin, signer.verifier()).unwrap(), &checkpoint);
        prop_assert!(parsed.extension_lines().is_empty());
        let mut flipped = note.into_bytes();
        flip(&mut flipped, bit);
        let read = UnverifiedCheckpoint::parse(&flipped).ok();
        prop_assert!(read.is_none_or(|parsed| parsed.verify(&origin, signer.verifier()).is_err()));
    }

    #[test]
    fn tile_paths_are_read_as_written(
        level in proptest::option::of(0..=63_u8),
        index in prop_oneof![0..2_000_u64, 0..1_u64 << 63],
        width in 1..=256_usize,
    ) {
        let kind = level.map_or(TileKind::Entries, |level| TileKind::Hashes { level });
        let path = TilePath::new(kind, index, width).unwrap();
        prop_assert_eq!(TilePath::parse(&path.to_string()).unwrap(), path);
        prop_assert_eq!((path.kind(), path.index(), path.width()), (kind, index, width));
    }

    #[test]
    fn whatever_is_read_as_a_tile_path_is_written_the_same(
        text in "tile/(entries|[0-9]{1,2}|data)/(x?[0-9]{3,4}/){0,2}x?[0-9]{2,3}(\\.p(/[0-9]{0,3})?)?"
    ) {
        if let Ok(path) = TilePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn bundles_are_read_as_written_or_refused(
        entries in vec(vec(any::<u8>(), 0..40), 0..20), cut in any::<prop::sample::Index>(),
    ) {
        let mut bundle = Vec::new();
        entries.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
        prop_assert_eq!(parse_bundle(&bundle, entries.len()).unwrap(), entries.iter().collect::<Vec<_>>());
        prop_assert!(parse_bundle(&bundle, entries.len() + 1).is_err());
        if let Some(fewer) = entries.len().checked_sub(1) {
            prop_assert!(parse_bundle(&bundle, fewer).is_err());
            prop_assert!(parse_bundle(&bundle[..cut.index(bundle.len())], entries.len()).is_err());
        }
        bundle.push(0);
        prop_assert!(parse_bundle(&bundle, entries.len()).is_err());
    }

    #[test]
    fn tiles_are_read_as_written_or_refused(hashes in vec(any::<[u8; 32]>(), 1..=256), cut in 1..32_usize) {
        let hashes: Vec<_> = hashes.into_iter().map(NodeHash::from_bytes).collect();
        let bytes = tile_bytes(&hashes);
        prop_assert!(parse_tile(&bytes[..bytes.len() - cut]).is_none());
        prop_assert_eq!(parse_tile(&bytes), Some(hashes));
        prop_assert!(parse_tile(&[bytes.as_slice(), &[0; 8_192]].concat()).is_none());
    }

    #[test]
    fn entries_are_read_as_written_or_refused(
        heads in heads_entry(), recorded_at in recorded_at(), rest in vec(any::<u8>(), 0..50),
        at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let bytes = heads.encode().unwrap();
        prop_assert_eq!(HeadsEntry::parse(&bytes).unwrap(), heads.clone());
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        // One entry has one encoding: another is another entry, or none.
        if let Ok(other) = HeadsEntry::parse(&flipped) {
            prop_assert_ne!(&other, &heads);
            prop_assert_eq!(other.encode().unwrap(), flipped);
        }
        prop_assert!(HeadsEntry::parse(&bytes[..at.index(bytes.len())]).is_err());
        let header = EntryHeader { kind: EntryKind::Event, recorded_at };
        let event = [header.encode(), rest.clone()].concat();
        prop_assert_eq!(EntryHeader::parse(&event).unwrap(), (header, rest.as_slice()));
        prop_assert!(HeadsEntry::parse(&event).is_err());
    }

    #[test]
    fn whatever_is_read_as_an_entry_is_written_the_same(kind in 0..3_u8, rest in vec(any::<u8>(), 0..90)) {
        let bytes = [&[1, kind], rest.as_slice()].concat();
        if let Ok((header, rest)) = EntryHeader::parse(&bytes) {
            prop_assert_eq!([header.encode(), rest.to_vec()].concat(), bytes.clone());
        }
        if let Ok(heads) = HeadsEntry::parse(&bytes) {
            prop_assert_eq!(heads.encode().unwrap(), bytes);
        }
    }

    // Touch links

    #[test]
    fn seek_finds_any_touch_in_three_reads_for_each_doubling(
        gaps in vec(1..1_000_u64, 1..400), wanted in any::<prop::sample::Index>(), last in any::<prop::sample::Index>(),
    ) {
        let (mut stack, mut links, mut places, mut at) = (TouchStack::new(), HashMap::new(), Vec::new(), 0);
        for gap in gaps {
            at += gap;
            let place = position(at);
            let link: Link = stack.push(place);
            prop_assert_eq!(link.previous, places.last().copied());
            links.insert(place, link);
            places.push(place);
        }
        prop_assert_eq!((stack.touches(), stack.last()), (places.len() as u64, places.last().copied()));
        prop_assert_eq!(TouchStack::parse(&stack.to_bytes()).unwrap(), stack.clone());
        let last = last.index(places.len());
        let wanted = wanted.index(last + 1);
        let mut reads = 0;
        let found = seek(wanted as u64, last as u64, places[last], |place| {
            reads += 1;
            links.get(&place).copied().ok_or(())
        });
        prop_assert_eq!(found.unwrap(), places[wanted]);
        let doublings = (last as u64 + 1).ilog2();
        prop_assert!(reads <= 3 * doublings, "{} reads over {} touches", reads, last + 1);
        let (number, start) = stack.start_for(wanted as u64).unwrap();
        let mut reads = 0;
        let found = seek(wanted as u64, number, start, |place| {
            reads += 1;
            links.get(&place).copied().ok_or(())
        });
        prop_assert_eq!(found.unwrap(), places[wanted]);
        prop_assert!(reads <= 2 * (places.len() as u64).ilog2() + 1, "{} reads from the stack", reads);
    }
}
