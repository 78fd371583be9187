//! tally/: what of the formats concerns the log over opaque bytes: heads maps, the map path of head proofs, and a whole log

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;
use tally_log::checkpoint::{Checkpoint, Origin, UnverifiedCheckpoint};
use tally_log::entry::{EntryHeader, EntryKind, HeadsEntry};
use tally_log::heads::{HeadsMap, MapEnd, MapKey, MapProof, verify_map_proof};
use tally_log::note::VerifierKey;
use tally_log::store::check::check;
use tally_log::store::{Batch, Directory, Options};
use tally_log::tile::{TileId, TileKind, TilePath, parse_bundle};
use tally_log::tree::Tree;
use tally_log::{HeadsRoot, LeafHash, LogPosition, RootHash, TreeSize};
use tally_testkit::disk::SimDisk;

use super::{
    Served, assert_verdict, check_served, checkpoints_in, consistency_holds, files_below, hash_of_hex, hashes,
    inclusion_holds, items, json, list, number, of_hex, position, read, root_of_hex, size, text, tiles_of,
    with_vectors,
};

fn map_value(value: &Value) -> Option<[u8; 80]> {
    of_hex(value).try_into().ok()
}

/// The proof of the heads map in its JSON form; `None` where its parts have not the right length.
fn map_proof(proof: &Value) -> Option<(MapKey, MapProof)> {
    let key = MapKey::from_bytes(of_hex(&proof["key"]).try_into().ok()?);
    let siblings = items(proof, "siblings").iter().map(|sibling| of_hex(sibling).try_into().ok());
    let members = proof.as_object().unwrap().len();
    let (end, due) = match text(proof, "end") {
        "leaf" => (MapEnd::Value(map_value(&proof["value"])?), 4),
        "other" => {
            let other = MapKey::from_bytes(of_hex(&proof["other_key"]).try_into().ok()?);
            (MapEnd::Other { key: other, value_hash: of_hex(&proof["other_value_hash"]).try_into().ok()? }, 5)
        }
        "empty" => (MapEnd::Empty, 3),
        _ => return None,
    };
    // No other members: the wire has no place for them.
    (members == due).then_some((key, MapProof { siblings: siblings.collect::<Option<_>>()?, end }))
}

/// Whether the proof holds for a subject: the verifier computes the key itself.
fn map_proof_holds(proof: &Value, subject: &[u8], root: HeadsRoot) -> bool {
    let Ok(subject) = <&[u8; 17]>::try_from(subject) else { return false };
    let key = MapKey::of(subject);
    map_proof(proof).is_some_and(|(said, proof)| said == key && verify_map_proof(&key, &proof, root).is_ok())
}

#[test]
fn tally_heads_maps() {
    with_vectors("tally/map.json", |folder| {
        let vectors = json(&folder.join("tally/map.json"));
        let mut maps = HashMap::new();
        for (name, case) in vectors["maps"].as_object().unwrap() {
            let subjects: Vec<_> = items(case, "subjects")
                .iter()
                .map(|pair| (MapKey::of(&of_hex(&pair[0]).try_into().unwrap()), map_value(&pair[1]).unwrap()))
                .collect();
            assert!(subjects.is_sorted_by_key(|(key, _)| *key), "{name} is in the order of its keys");
            let root = HeadsRoot::from_bytes(hash_of_hex(&case["root"]));
            let mut map = HeadsMap::new();
            map.insert_all(subjects.clone());
            assert_eq!((map.root(), map.len()), (root, subjects.len() as u64), "{name}");
            for order in items(case, "orders") {
                let mut one_by_one = HeadsMap::new();
                for place in order.as_array().unwrap() {
                    let (key, value) = subjects[usize::try_from(number(place)).unwrap()];
                    one_by_one.insert(key, value);
                }
                assert_eq!((one_by_one.root(), one_by_one.len()), (root, map.len()), "{name} in order {order}");
            }
            maps.insert(name.clone(), map);
        }
        for case in list(&vectors, "good") {
            let map = &maps[text(case, "map")];
            let subject = of_hex(&case["subject"]);
            assert!(map_proof_holds(&case["proof"], &subject, map.root()), "{case}");
            let (key, due) = map_proof(&case["proof"]).unwrap();
            assert_eq!(map.prove(&key), due, "the proof made is the proof given");
            let present = case["present"].as_bool().unwrap();
            assert_eq!(map.get(&key).is_some(), present);
            assert_eq!(matches!(due.end, MapEnd::Value(value) if map.get(&key) == Some(&value)), present);
        }
        for case in list(&vectors, "bad") {
            let root = case.get("root").map(hash_of_hex).map(HeadsRoot::from_bytes);
            let root = root.unwrap_or_else(|| maps[text(case, "map")].root());
            let holds = map_proof_holds(&case["proof"], &of_hex(&case["subject"]), root);
            assert_verdict(case, holds, text(case, "reason"));
        }
    });
}

#[test]
fn tally_map_leaves_of_touch_values() {
    with_vectors("tally/touches.json", |folder| {
        for case in list(&json(&folder.join("tally/touches.json")), "values") {
            let key = MapKey::of(&of_hex(&case["subject"]).try_into().unwrap());
            assert_eq!(hex::encode(key.as_bytes()), text(case, "map_key"));
            let mut map = HeadsMap::new();
            map.insert(key, map_value(&case["value"]).unwrap());
            // A map with one leaf is that leaf.
            assert_eq!(map.root(), HeadsRoot::from_bytes(hash_of_hex(&case["leaf"])));
            let other = MapKey::from_bytes(key.as_bytes().map(|byte| !byte));
            let value_hash = hash_of_hex(&case["value_hash"]);
            assert_eq!(map.prove(&other), MapProof { siblings: vec![], end: MapEnd::Other { key, value_hash } });
        }
    });
}

/// What a bad head proof is refused for, where it concerns the log and no event.
const PATH_REASONS: &[&str] = &[
    "BATCH_FIRST",
    "CHECKPOINT_SIGNATURE",
    "CHECKPOINT_UNSIGNED",
    "LAST_ENTRY_NOT_HEADS",
    "LAST_ENTRY_NOT_INCLUDED",
    "MAP_KEY",
    "MAP_ROOT_MISMATCH",
    "NOT_CONSISTENT_WITH_KEPT",
    "OLDER_THAN_KEPT",
];

/// The path of a head proof: from the signed checkpoint over its last entry to the subject's leaf.
fn path_holds(proof: &Value, key: &VerifierKey) -> bool {
    let origin = Origin::parse(key.name()).unwrap();
    let Ok(parsed) = UnverifiedCheckpoint::parse(text(proof, "checkpoint").as_bytes()) else { return false };
    let Ok(Checkpoint { size, root, .. }) = parsed.verify(&origin, key) else { return false };
    let last_entry = of_hex(&proof["last_entry"]);
    let (Some(last), Ok(heads)) = (size.last(), HeadsEntry::parse(&last_entry)) else { return false };
    let inclusion = hashes(items(proof, "inclusion"), of_hex);
    let leaf = LeafHash::of(&last_entry);
    let is_kept = proof.get("kept").is_none_or(|kept| {
        let (old, old_root) = (number(&kept["size"]), of_hex(&kept["root"]));
        let path = hashes(items(kept, "consistency"), of_hex);
        consistency_holds(old, size.get(), &old_root, root.as_bytes(), path)
    });
    inclusion_holds(leaf.as_bytes(), last.get(), size.get(), root.as_bytes(), inclusion)
        && size.holds(heads.batch_first)
        && is_kept
        && map_proof_holds(&proof["map"], &of_hex(&proof["subject"]), heads.map_root)
}

#[test]
fn tally_path_of_head_proofs() {
    with_vectors("tally/heads.json", |folder| {
        let vectors = json(&folder.join("tally/heads.json"));
        let key = VerifierKey::parse(text(&vectors, "log_vkey")).unwrap();
        for case in list(&vectors, "cases") {
            let holds = path_holds(&case["proof"], &key);
            match (text(case, "expect"), case["reason"].as_str()) {
                ("accept", _) => assert!(holds, "{}", text(case, "why")),
                ("reject", Some(reason)) if PATH_REASONS.contains(&reason) => assert!(!holds, "{}", text(case, "why")),
                // The path may hold: what is wrong is in the events, which are opaque here.
                _ => {}
            }
        }
    });
}

/// The files of a log as it is served, by path.
type Files = BTreeMap<String, Vec<u8>>;

fn files_of(folder: &Path) -> Files {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
    files_below(folder).iter().map(|path| (name(path), read(path))).collect()
}

/// Makes the edits of a variant; those of one file are in rising order, so the last comes first.
fn edited(files: &Files, edits: &[Value]) -> Files {
    let mut files = files.clone();
    for edit in edits.iter().rev() {
        let name = text(edit, "file").to_owned();
        if edit.get("delete").is_some() {
            files.remove(&name).unwrap();
        } else if let Some(content) = edit.get("create") {
            files.insert(name, of_hex(content));
        } else {
            let at = usize::try_from(number(&edit["offset"])).unwrap();
            let end = at + usize::try_from(number(&edit["remove"])).unwrap();
            files.get_mut(&name).unwrap().splice(at..end, of_hex(&edit["insert"]));
        }
    }
    files
}

/// Why a log is refused, in words.
type Verdict = Result<(), String>;

fn refuse<T, E: std::fmt::Debug>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{error:?}"))
}

/// A log as whoever downloads it judges it who knows its key and nothing of events: the tree from the bundles, then
/// batch by batch into a store, which is checked.
fn judge(files: &Files, key: &VerifierKey) -> Verdict {
    let note = files.get("checkpoint").ok_or("no checkpoint")?;
    let parsed = refuse(UnverifiedCheckpoint::parse(note))?;
    let origin = Origin::parse(key.name()).unwrap();
    let checkpoint = refuse(parsed.verify(&origin, key))?.clone();
    let entries = bundled_entries(files, checkpoint.size)?;
    let leaves: Vec<_> = entries.iter().map(|entry| LeafHash::of(entry)).collect();
    for (path, bytes) in tiles_of(&leaves) {
        if files.get(&path) != Some(&bytes) {
            return Err(format!("{path} is not what the entries give"));
        }
    }
    judge_store(&entries, std::str::from_utf8(note).unwrap(), checkpoint.size, key)
}

fn bundled_entries(files: &Files, size: TreeSize) -> Result<Vec<Vec<u8>>, String> {
    let mut entries = Vec::new();
    for index in 0..size.get().div_ceil(256) {
        let width = TileId { level: 0, index }.width_at(size);
        let path = TilePath::new(TileKind::Entries, index, width).unwrap().to_string();
        let bundle = files.get(&path).ok_or_else(|| format!("{path} is missing"))?;
        entries.extend(refuse(parse_bundle(bundle, width))?.into_iter().map(<[u8]>::to_vec));
    }
    Ok(entries)
}

/// Seals the entries in a store, the way they say they were, publishes the checkpoint and checks the directory.
fn judge_store(entries: &[Vec<u8>], note: &str, size: TreeSize, key: &VerifierKey) -> Verdict {
    let disk = SimDisk::new();
    let log = Path::new("/ledger/log");
    disk.make_durable_dir("/ledger");
    let options = Options { log_key: Some(key.clone()), ..Options::default() };
    let (mut directory, mut tree, _) = refuse(Directory::create(disk.shared(), log, options.clone()))?;
    let mut roots = BTreeMap::new();
    let mut newest_note = TreeSize::EMPTY;
    let mut batch = Batch::new(LogPosition::FIRST);
    for entry in entries {
        refuse(batch.push(entry, &[]))?;
        if let Some(heads) = batch.heads() {
            newest_note = judge_note(heads, key, &roots, newest_note)?;
            let full = std::mem::replace(&mut batch, Batch::new(LogPosition::FIRST));
            assert!(tree.append(full.leaves()));
            let size = refuse(directory.append(full))?;
            refuse(directory.write_tiles(&tree.take_full_tiles()))?;
            roots.insert(size, tree.root());
            batch = Batch::new(size.next_position());
        }
    }
    refuse(directory.publish_checkpoint(note, size))?;
    let checked = refuse(check(&disk, log, &options, &[], |_| {}))?;
    if checked.damage.is_empty() { Ok(()) } else { Err(format!("{:?}", checked.damage)) }
}

/// The cosigned checkpoint in a heads entry; gives its size, or `newest` if there is none.
fn judge_note(
    heads: &HeadsEntry,
    key: &VerifierKey,
    roots: &BTreeMap<TreeSize, RootHash>,
    newest: TreeSize,
) -> Result<TreeSize, String> {
    let Some(parsed) = refuse(heads.cosigned_checkpoint())? else { return Ok(newest) };
    let origin = Origin::parse(key.name()).unwrap();
    let Checkpoint { size, root, .. } = refuse(parsed.verify(&origin, key))?;
    // A size that is not there is none of a batch before this one.
    if roots.get(size) != Some(root) {
        return Err(format!("the cosigned checkpoint of size {size} is of no batch before"));
    }
    let by_the_log = |name: &str, id: u32| name == key.name() && id == key.id();
    if parsed.note().signatures().iter().all(|line| by_the_log(line.name(), line.key_id())) {
        return Err("the cosigned checkpoint has no cosignature".to_owned());
    }
    if *size < newest {
        Err(format!("the cosigned checkpoint of size {size} is older than {newest}"))
    } else {
        Ok(*size)
    }
}

#[test]
fn tally_log_at_every_batch() {
    with_vectors("tally/log.json", |folder| {
        let folder = folder.join("tally");
        let vectors = json(&folder.join("log.json"));
        let key = VerifierKey::parse(text(&vectors, "log_vkey")).unwrap();
        assert_eq!(String::from_utf8(read(&folder.join("log/log.vkey"))).unwrap().trim_end(), key.to_string());
        let newest = check_served(&folder.join("log"), &key, &read(&folder.join("log/checkpoint")));
        let files = files_of(&folder.join("log"));
        let batches = list(&vectors, "batches");
        let entries = bundled_entries(&files, size(number(&batches.last().unwrap()["size"]))).unwrap();
        let due: Vec<_> = list(&vectors, "entries").iter().map(|entry| hash_of_hex(&entry["leaf_hash"])).collect();
        assert_eq!(entries.iter().map(|entry| *LeafHash::of(entry).as_bytes()).collect::<Vec<_>>(), due);
        let mut tree = Tree::new();
        for batch in batches {
            let (first, end) = (number(&batch["batch_first"]), number(&batch["size"]));
            let of_batch = &entries[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()];
            assert!(tree.append(&of_batch.iter().map(|entry| LeafHash::of(entry)).collect::<Vec<_>>()));
            assert_eq!((tree.size(), tree.root()), (size(end), root_of_hex(&batch["tree_root"])));
            let (last, events) = of_batch.split_last().unwrap();
            let heads = HeadsEntry::parse(last).unwrap();
            assert_eq!(heads.encode().unwrap(), *last);
            assert_eq!(heads.batch_first, position(first));
            assert_eq!(heads.recorded_at.micros(), number(&batch["recorded_at"]));
            assert_eq!(heads.map_root, HeadsRoot::from_bytes(hash_of_hex(&batch["heads_root"])));
            assert_eq!(heads.subjects, number(&batch["subjects"]));
            for event in events {
                let (header, _) = EntryHeader::parse(event).unwrap();
                assert_eq!(header, EntryHeader { kind: EntryKind::Event, recorded_at: heads.recorded_at });
            }
        }
        assert_eq!((newest.size, newest.root), (tree.size(), tree.root()));
        let tiles = Served(&folder.join("log"));
        let origin = Origin::parse(key.name()).unwrap();
        for path in checkpoints_in(&folder.join("log")) {
            let parsed = UnverifiedCheckpoint::parse(&read(&path)).unwrap();
            let older = parsed.verify(&origin, &key).unwrap();
            assert!(list(&vectors, "checkpoints").iter().any(|size| number(size) == older.size.get()));
            assert_eq!(tree.view().root_at(older.size, &tiles).unwrap(), older.root, "{}", path.display());
            let proof = tree.view().consistency_proof(older.size, newest.size, &tiles).unwrap();
            proof.verify(older.size, newest.size, older.root, newest.root).unwrap();
        }
        // The last values of all subjects give the last heads root.
        let mut map = HeadsMap::new();
        for subject in list(&vectors, "subjects") {
            let mut value = Vec::new();
            value.extend(number(&subject["chain_length"]).to_be_bytes());
            value.extend(of_hex(&subject["head_hash"]));
            value.extend(number(&subject["touches"]).to_be_bytes());
            value.extend(of_hex(&subject["touch_hash"]));
            map.insert(MapKey::of(&of_hex(&subject["subject"]).try_into().unwrap()), value.try_into().unwrap());
        }
        assert_eq!(map.root(), HeadsRoot::from_bytes(hash_of_hex(&batches.last().unwrap()["heads_root"])));
        judge(&files, &key).unwrap();
    });
}

/// What a tampered log is refused for that only shows to whoever reads events.
const EVENT_REASONS: &[&str] = &[
    "CHAIN_INDEX",
    "ENTRY_TOO_SHORT",
    "FIELD_UNKNOWN",
    "FIRST_INDEX",
    "HAND_SIGNATURE_WRONG",
    "HEADS_ROOT",
    "HEADS_SUBJECTS",
    "ISSUER_SIGNATURE_WRONG",
    "KEY_OF_THE_LOG",
    "KEY_TWICE",
    "MENTIONS_NOT_SORTED",
    "PREVIOUS_HASH",
    "SET_DIGEST",
    "SET_INCOMPLETE",
    "SET_ISSUER",
    "WRONG_ORIGIN",
];

#[test]
fn tally_tampered_logs() {
    with_vectors("the variants of tally/log.json", |folder| {
        let folder = folder.join("tally");
        let vectors = json(&folder.join("log.json"));
        let key = VerifierKey::parse(text(&vectors, "log_vkey")).unwrap();
        let files = files_of(&folder.join("log"));
        for case in list(&vectors, "variants") {
            let verdict = judge(&edited(&files, list(case, "edits")), &key);
            if case["reason"].as_str().is_none_or(|reason| !EVENT_REASONS.contains(&reason)) {
                assert_verdict(case, verdict.is_ok(), &verdict);
            } else {
                // Tree, batches and checkpoint may fit: a dishonest operator made them fit.
                assert!(case["resigned"].as_bool().unwrap(), "{case}");
            }
        }
    });
}
