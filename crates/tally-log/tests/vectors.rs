//! Bytes that we did not make: published vectors, and those of a second implementation of the formats
//!
//! `TALLY_VECTORS` names the folder that holds them. Cases that the specification leaves open may go either way.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail by panic and say what it skips, its helpers too"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tally_log::checkpoint::{Checkpoint, CheckpointError, Origin, UnverifiedCheckpoint};
use tally_log::note::{NoteError, SignerKey, UnverifiedNote, VerifierKey};
use tally_log::proof::{ConsistencyProof, InclusionProof};
use tally_log::tile::{TileError, TileId, TileKind, TilePath, TileSource, parse_bundle, parse_tile, push_entry};
use tally_log::tree::Tree;
use tally_log::{LeafHash, LogPosition, NodeHash, RootHash, TreeSize};

#[path = "vectors/tally.rs"]
mod tally;

/// Runs a check over the folder of the vectors, or says that there is none here.
fn with_vectors(what: &str, check: impl FnOnce(&Path)) {
    match std::env::var_os("TALLY_VECTORS") {
        Some(folder) => check(Path::new(&folder)),
        None => eprintln!("skipped: TALLY_VECTORS is not set, {what} was not run"),
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `folder`, in order; there must be some.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    assert!(!found.is_empty(), "{} is empty", folder.display());
    found.sort();
    found
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let found = value[name].as_array().unwrap_or_else(|| panic!("no list {name}"));
    assert!(!found.is_empty(), "{name} has no case");
    found
}

/// The items of a list that may be empty or null.
fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

fn of_hex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn of_base64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn hash_of_hex(value: &Value) -> [u8; 32] {
    of_hex(value).try_into().unwrap()
}

fn root_of_hex(value: &Value) -> RootHash {
    RootHash::from_bytes(hash_of_hex(value))
}

fn size(number: u64) -> TreeSize {
    TreeSize::new(number).unwrap()
}

fn position(number: u64) -> LogPosition {
    LogPosition::new(number).unwrap()
}

fn hashes(items: &[Value], decode: impl Fn(&Value) -> Vec<u8>) -> Option<Vec<NodeHash>> {
    items.iter().map(|item| decode(item).try_into().ok().map(NodeHash::from_bytes)).collect()
}

/// What a verdict expects; `None` where either will do.
fn expected(case: &Value) -> Option<bool> {
    match text(case, "expect") {
        "accept" => Some(true),
        "reject" => Some(false),
        "either" => None,
        other => panic!("unknown verdict {other}"),
    }
}

fn assert_verdict(case: &Value, accepted: bool, said: impl std::fmt::Debug) {
    let name = case.get("id").or(case.get("why")).unwrap_or(case);
    assert!(expected(case).is_none_or(|due| due == accepted), "{name}: accepted {accepted}, {said:?}");
}

/// What is recommended decides open cases, where anything is: the ledger is strict.
fn assert_strict_verdict(case: &Value, accepted: bool, said: impl std::fmt::Debug) {
    let recommended = case["recommend"].as_str().map(|recommended| recommended == "accept");
    let due = expected(case).or(recommended);
    assert!(due.is_none_or(|due| due == accepted), "{}: accepted {accepted}, {said:?}", text(case, "id"));
}

// merkle/

/// The verdict on an inclusion proof, whose parts need not have the right length.
fn inclusion_holds(leaf: &[u8], index: u64, tree: u64, root: &[u8], proof: Option<Vec<NodeHash>>) -> bool {
    let parts = (|| {
        let (leaf, root) = (leaf.try_into().ok()?, root.try_into().ok()?);
        Some((LeafHash::from_bytes(leaf), RootHash::from_bytes(root), LogPosition::new(index)?, TreeSize::new(tree)?))
    })();
    let (Some((leaf, root, position, size)), Some(proof)) = (parts, proof) else { return false };
    InclusionProof::from_hashes(proof).verify(leaf, position, size, root).is_ok()
}

fn consistency_holds(old: u64, tree: u64, old_root: &[u8], root: &[u8], proof: Option<Vec<NodeHash>>) -> bool {
    let parts = (|| {
        let (old_root, root) = (old_root.try_into().ok()?, root.try_into().ok()?);
        Some((TreeSize::new(old)?, TreeSize::new(tree)?, RootHash::from_bytes(old_root), RootHash::from_bytes(root)))
    })();
    let (Some((old, size, old_root, root)), Some(proof)) = (parts, proof) else { return false };
    ConsistencyProof::from_hashes(proof).verify(old, size, old_root, root).is_ok()
}

#[test]
fn merkle_inclusion_proofs() {
    with_vectors("merkle/testdata/inclusion", |folder| {
        for path in files_below(&folder.join("merkle/testdata/inclusion")) {
            let case = json(&path);
            let (leaf, root) = (of_base64(&case["leafHash"]), of_base64(&case["root"]));
            let proof = hashes(items(&case, "proof"), of_base64);
            let holds = inclusion_holds(&leaf, number(&case["leafIdx"]), number(&case["treeSize"]), &root, proof);
            assert_eq!(holds, !case["wantErr"].as_bool().unwrap(), "{}", path.display());
        }
    });
}

#[test]
fn merkle_consistency_proofs() {
    with_vectors("merkle/testdata/consistency", |folder| {
        for path in files_below(&folder.join("merkle/testdata/consistency")) {
            let case = json(&path);
            let (old_root, root) = (of_base64(&case["root1"]), of_base64(&case["root2"]));
            let proof = hashes(items(&case, "proof"), of_base64);
            let holds = consistency_holds(number(&case["size1"]), number(&case["size2"]), &old_root, &root, proof);
            // A root is 32 bytes here: the one good case with shorter ones cannot be put.
            let due = !case["wantErr"].as_bool().unwrap() && root.len() == 32;
            assert_eq!(holds, due, "{}", path.display());
        }
    });
}

#[test]
fn merkle_tree_of_eight_leaves() {
    with_vectors("merkle/classic-8-leaves.json", |folder| {
        let vectors = json(&folder.join("merkle/classic-8-leaves.json"));
        let leaves: Vec<_> = list(&vectors, "leaves").iter().map(|leaf| LeafHash::of(&of_hex(leaf))).collect();
        let due: Vec<_> = list(&vectors, "leaf_hashes").iter().map(hash_of_hex).collect();
        assert_eq!(leaves.iter().map(|leaf| *leaf.as_bytes()).collect::<Vec<_>>(), due);
        let roots: HashMap<u64, RootHash> =
            list(&vectors, "cases").iter().map(|case| (number(&case["size"]), root_of_hex(&case["root"]))).collect();
        for case in list(&vectors, "cases") {
            let entries = number(&case["size"]);
            let mut tree = Tree::new();
            assert!(tree.append(&leaves[..usize::try_from(entries).unwrap()]));
            assert_eq!(tree.root(), roots[&entries]);
            let none = tally_log::tile::NoTiles;
            for (index, proof) in case["inclusion"].as_object().unwrap() {
                let at = position(index.parse().unwrap());
                let made = tree.view().inclusion_proof(at, size(entries), &none).unwrap();
                assert_eq!(made.hashes(), hashes(proof.as_array().unwrap(), of_hex).unwrap(), "{index} of {entries}");
                made.verify(leaves[usize::try_from(at.get()).unwrap()], at, size(entries), tree.root()).unwrap();
            }
            for (old, proof) in case["consistency_from"].as_object().unwrap() {
                let old = size(old.parse().unwrap());
                let made = tree.view().consistency_proof(old, size(entries), &none).unwrap();
                assert_eq!(made.hashes(), hashes(proof.as_array().unwrap(), of_hex).unwrap(), "{old} to {entries}");
                made.verify(old, size(entries), roots[&old.get()], tree.root()).unwrap();
            }
        }
    });
}

#[test]
fn merkle_proofs_of_a_log_of_962_million_entries() {
    with_vectors("merkle/argon2020", |folder| {
        let folder = folder.join("merkle/argon2020");
        let [head, entries, proof, consistency] =
            ["sth", "entries", "proof", "consistency"].map(|name| json(&folder.join(format!("{name}.json"))));
        let (entries_count, root) = (number(&head["tree_size"]), of_base64(&head["sha256_root_hash"]));
        let leaf = LeafHash::of(&of_base64(&list(&entries, "entries")[0]["leaf_input"]));
        let path = hashes(list(&proof, "audit_path"), of_base64);
        let index = number(&proof["leaf_index"]);
        assert!(inclusion_holds(leaf.as_bytes(), index, entries_count, &root, path.clone()));
        assert!(!inclusion_holds(leaf.as_bytes(), index + 1, entries_count, &root, path));
        // ORIGIN.md names the older size and its root.
        let old_root = STANDARD.decode("AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ=").unwrap();
        let path = hashes(list(&consistency, "consistency"), of_base64);
        assert!(consistency_holds(3_654_490, entries_count, &old_root, &root, path.clone()));
        assert!(!consistency_holds(3_654_491, entries_count, &old_root, &root, path));
    });
}

// ed25519/

/// The rule of the product: a valid signature under a valid key. `verify_strict` alone takes keys of mixed order.
fn signature_holds(key: &[u8], message: &[u8], signature: &[u8]) -> (bool, bool) {
    // Whoever signs notes has a valid key, and so does whoever signs anything else.
    let valid = <&[u8; 32]>::try_from(key).is_ok_and(|key| VerifierKey::new("key", key).is_ok());
    let decoded = <&[u8; 32]>::try_from(key).ok().and_then(|key| ed25519_dalek::VerifyingKey::from_bytes(key).ok());
    let signature = ed25519_dalek::Signature::from_slice(signature).ok();
    let strict =
        matches!((decoded, signature), (Some(key), Some(signature)) if key.verify_strict(message, &signature).is_ok());
    (strict, valid)
}

/// What is a note goes through the note; gives what the note says, if the message can be a note's text.
fn note_verdict(key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let message = std::str::from_utf8(message).ok()?;
    if !message.ends_with('\n') || message.chars().any(|c| c < ' ' && c != '\n') {
        return None;
    }
    let Ok(key) = VerifierKey::new("key", key.try_into().ok()?) else { return Some(false) };
    let line = tally_log::note::SignatureLine::new("key", key.id(), signature.to_vec()).unwrap();
    let note = UnverifiedNote::parse(format!("{message}\n{line}").as_bytes()).ok()?;
    Some(note.verify(&[key]).is_ok())
}

struct Vector {
    name: String,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Vector {
    /// Checks the verdict of `verify_strict`, and what the rule for keys makes of it.
    fn check(&self, accepted: bool, may_have_an_invalid_key: bool) {
        let Self { name, key, message, signature } = self;
        let (strict, valid) = signature_holds(key, message, signature);
        assert_eq!(strict, accepted, "{name}");
        assert!(!strict || valid || may_have_an_invalid_key, "{name}: good under a key that is not valid");
        if let Some(noted) = note_verdict(key, message, signature) {
            assert_eq!(noted, strict && valid, "{name} as a note");
        }
    }
}

#[test]
fn ed25519_verdicts_of_the_published_sets() {
    with_vectors("ed25519/dalek-verdicts.json", |folder| {
        let folder = folder.join("ed25519");
        let verdicts = json(&folder.join("dalek-verdicts.json"));
        for (set, verdicts) in verdicts["sets"].as_object().unwrap() {
            let vectors = vectors_of(&folder, set);
            let verdicts = verdicts.as_array().unwrap();
            assert_eq!(vectors.len(), verdicts.len(), "{set}");
            for verdict in verdicts {
                let id = number(&verdict["id"]);
                // Keys of mixed order are what `verify_strict` takes and the product does not.
                vectors[&id].check(text(verdict, "verify_strict") == "accept", set != "wycheproof");
            }
        }
    });
}

fn vectors_of(folder: &Path, set: &str) -> HashMap<u64, Vector> {
    let vector = |key: &Value, message: Vec<u8>, signature: &Value, id: u64| {
        let name = format!("{set} {id}");
        (id, Vector { name, key: of_hex(key), message, signature: of_hex(signature) })
    };
    match set {
        "wycheproof" => {
            let published = json(&folder.join("wycheproof/ed25519_test.json"));
            let groups = list(&published, "testGroups").iter();
            let tests = groups.flat_map(|group| list(group, "tests").iter().map(move |test| (group, test)));
            let of = |(group, test): (&Value, &Value)| {
                let found =
                    vector(&group["publicKey"]["pk"], of_hex(&test["msg"]), &test["sig"], number(&test["tcId"]));
                found.1.check(text(test, "result") == "valid", false);
                found
            };
            tests.map(of).collect()
        }
        "cctv" => {
            let published = json(&folder.join("cctv/ed25519vectors.json"));
            let of = |case: &Value| {
                let message = text(case, "msg").as_bytes().to_vec();
                vector(&case["key"], message, &case["sig"], number(&case["number"]))
            };
            published.as_array().unwrap().iter().map(of).collect()
        }
        "speccheck" => {
            let published = json(&folder.join("speccheck/cases.json"));
            let of =
                |(id, case): (u64, &Value)| vector(&case["pub_key"], of_hex(&case["message"]), &case["signature"], id);
            (0..).zip(published.as_array().unwrap()).map(of).collect()
        }
        other => panic!("unknown set {other}"),
    }
}

#[test]
fn ed25519_vectors_of_rfc_8032() {
    with_vectors("ed25519/rfc8032", |folder| {
        let folder = folder.join("ed25519/rfc8032");
        for case in json(&folder.join("rfc8032.json")).as_array().unwrap() {
            let vector = Vector {
                name: text(case, "name").to_owned(),
                key: of_hex(&case["public_key"]),
                message: of_hex(&case["message"]),
                signature: of_hex(&case["signature"]),
            };
            // A prehashed signature is none over the plain message.
            vector.check(text(case, "algorithm") == "Ed25519", false);
        }
        let lines = String::from_utf8(read(&folder.join("sign.input"))).unwrap();
        assert!(!lines.is_empty());
        for line in lines.lines() {
            let fields: Vec<Vec<u8>> = line.split(':').map(|field| hex::decode(field).unwrap()).collect();
            let [seed_and_key, key, message, signed, _] = fields.as_slice() else { panic!("{line} is no vector") };
            let signature = signed[..64].to_vec();
            let name = format!("sign.input, {} bytes", message.len());
            Vector { name, key: key.clone(), message: message.clone(), signature }.check(true, false);
            let signer = SignerKey::from_seed("key", seed_and_key[..32].try_into().unwrap()).unwrap();
            assert_eq!(signer.verifier().public_key().as_slice(), key.as_slice());
        }
    });
}

// notes/

fn verifiers(case: &Value) -> Vec<VerifierKey> {
    // What is no key of ours is trusted by nobody: the cosigners', and the weak ones of two cases.
    items(case, "trusted_vkeys").iter().filter_map(|key| VerifierKey::parse(key.as_str().unwrap()).ok()).collect()
}

fn opened(case: &Value) -> Result<(UnverifiedNote, Vec<String>), NoteError> {
    let note = UnverifiedNote::parse(&of_base64(&case["note_b64"]))?;
    let keys = verifiers(case);
    let mut verified: Vec<_> =
        note.verify(&keys)?.iter().map(|key| format!("{}+{:08x}", key.name(), key.id())).collect();
    verified.sort();
    Ok((note, verified))
}

/// An open case is accepted with what it says is verified, too.
fn check_verified(case: &Value, found: &[String]) {
    if let Some(due) = case["verified"].as_array() {
        let mut due: Vec<_> = due.iter().map(|key| key.as_str().unwrap()).collect();
        due.sort_unstable();
        assert_eq!(found, due, "{}", text(case, "id"));
    }
}

fn check_note(case: &Value) {
    let opened = opened(case);
    assert_strict_verdict(case, opened.is_ok(), &opened);
    if let Ok((note, verified)) = opened {
        check_verified(case, &verified);
        assert_eq!(note.to_string().as_bytes(), of_base64(&case["note_b64"]), "{}", text(case, "id"));
    }
}

#[test]
fn notes_published_elsewhere() {
    with_vectors("notes/published.json", |folder| {
        let vectors = json(&folder.join("notes/published.json"));
        list(&vectors, "cases").iter().for_each(check_note);
        for case in list(&vectors, "proofs") {
            let (old_root, root) = (of_base64(&case["old_root"]), of_base64(&case["root"]));
            let proof = hashes(items(case, "proof"), of_base64);
            let (old, tree) = (number(&case["old_size"]), number(&case["size"]));
            assert_verdict(case, consistency_holds(old, tree, &old_root, &root, proof), "consistency");
        }
    });
}

#[test]
fn notes_good_and_bad() {
    with_vectors("notes/generated/notes.json", |folder| {
        list(&json(&folder.join("notes/generated/notes.json")), "cases").iter().for_each(check_note);
    });
}

#[test]
fn notes_verifier_keys() {
    with_vectors("notes/generated/vkeys.json", |folder| {
        for case in list(&json(&folder.join("notes/generated/vkeys.json")), "cases") {
            let parsed = VerifierKey::parse(text(case, "vkey"));
            assert_strict_verdict(case, parsed.is_ok(), &parsed);
            if let Ok(key) = parsed {
                assert_eq!(key.to_string(), text(case, "vkey"));
            }
        }
    });
}

#[test]
fn notes_keys_from_their_seeds() {
    with_vectors("notes/generated/keys.json", |folder| {
        for case in list(&json(&folder.join("notes/generated/keys.json")), "cases") {
            let kind = u8::try_from(number(&case["signature_type_byte"])).unwrap();
            let public_key = of_hex(&case["public_key"]);
            let id = tally_log::note::key_id(text(case, "name"), kind, &public_key);
            assert_eq!(format!("{id:08x}"), text(case, "key_id"));
            let signer = SignerKey::from_seed(text(case, "name"), &hash_of_hex(&case["seed"])).unwrap();
            assert_eq!(signer.verifier().public_key().as_slice(), public_key);
            // A cosigner's key is of another type, and no key of ours.
            assert_eq!(signer.verifier().to_string() == text(case, "vkey"), kind == 1);
        }
    });
}

#[test]
fn notes_checkpoints() {
    with_vectors("notes/generated/checkpoints.json", |folder| {
        for case in list(&json(&folder.join("notes/generated/checkpoints.json")), "cases") {
            let origin = Origin::parse(text(case, "expected_origin")).unwrap();
            let keys = verifiers(case);
            // The log's key comes first; what others signed is not looked at here.
            let verified = UnverifiedCheckpoint::parse(&of_base64(&case["note_b64"])).and_then(|parsed| {
                let key = keys.first().ok_or(CheckpointError::Note(NoteError::NoKnownKey))?;
                parsed.verify(&origin, key).map(|checkpoint| (checkpoint.clone(), parsed.clone()))
            });
            assert_strict_verdict(case, verified.is_ok(), &verified);
            let Ok((checkpoint, parsed)) = verified else { continue };
            if let Some(due) = case.get("size") {
                assert_eq!(checkpoint.size.get(), number(due));
                assert_eq!(checkpoint.root, root_of_hex(&case["root"]));
            }
            let lines: Vec<_> = items(case, "extension_lines").iter().map(|line| line.as_str().unwrap()).collect();
            assert_eq!(parsed.extension_lines(), lines);
        }
    });
}

#[test]
fn notes_tile_paths() {
    with_vectors("notes/generated/tile_paths.json", |folder| {
        for case in list(&json(&folder.join("notes/generated/tile_paths.json")), "cases") {
            let parsed = TilePath::parse(text(case, "path"));
            assert_verdict(case, parsed.is_ok(), &parsed);
            let Ok(parsed) = parsed else { continue };
            let level = || u8::try_from(number(&case["level"])).unwrap();
            let kind = if case["level"] == "entries" { TileKind::Entries } else { TileKind::Hashes { level: level() } };
            let width = usize::try_from(number(&case["width"])).unwrap();
            assert_eq!(Some(parsed), TilePath::new(kind, number(&case["index"]), width));
            assert_eq!(parsed.to_string(), text(case, "path"));
        }
    });
}

#[test]
fn notes_bundles() {
    with_vectors("notes/generated/bundles.json", |folder| {
        for case in list(&json(&folder.join("notes/generated/bundles.json")), "cases") {
            let bundle = of_base64(&case["bundle_b64"]);
            let due: Vec<_> = items(case, "leaf_hashes").iter().map(hash_of_hex).collect();
            let parsed = parse_bundle(&bundle, usize::try_from(number(&case["width"])).unwrap());
            let fits = |entries: &Vec<&[u8]>| {
                entries.iter().map(|entry| *LeafHash::of(entry).as_bytes()).collect::<Vec<_>>() == due
            };
            let accepted = parsed.as_ref().is_ok_and(fits);
            assert_verdict(case, accepted, &parsed);
            if let Ok(entries) = parsed {
                let mut again = Vec::new();
                entries.iter().for_each(|entry| push_entry(&mut again, entry).unwrap());
                assert_eq!(again, bundle);
            }
        }
    });
}

/// A directory of tiles, as somebody serves it.
struct Served<'a>(&'a Path);

impl TileSource for Served<'_> {
    fn tile(&self, id: TileId, width: usize) -> Result<Vec<NodeHash>, TileError> {
        let kind = TileKind::Hashes { level: id.level };
        let path = |width| self.0.join(TilePath::new(kind, id.index, width).unwrap().to_string());
        let bytes = fs::read(path(256)).or_else(|_| fs::read(path(width))).ok();
        bytes.and_then(|bytes| parse_tile(&bytes)).ok_or(TileError::Missing { tile: id })
    }
}

/// The entries below `entries` that the bundles of a directory hold.
fn served_entries(folder: &Path, entries: u64) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for index in 0..entries.div_ceil(256) {
        let width = TileId { level: 0, index }.width_at(size(entries));
        let path = TilePath::new(TileKind::Entries, index, width).unwrap();
        let bundle = read(&folder.join(path.to_string()));
        found.extend(parse_bundle(&bundle, width).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    found
}

/// Every tile of the tree over `leaves`, by path: what the library makes of them.
fn tiles_of(leaves: &[LeafHash]) -> HashMap<String, Vec<u8>> {
    let mut tree = Tree::new();
    assert!(tree.append(leaves));
    let path = |level, index, width| TilePath::new(TileKind::Hashes { level }, index, width).unwrap().to_string();
    let mut tiles: HashMap<_, _> =
        tree.take_full_tiles().iter().map(|full| (path(full.id().level, full.id().index, 256), full.bytes())).collect();
    for level in 0..8 {
        let id = TileId { level, index: (tree.size().get() >> (8 * level)) / 256 };
        let width = id.width_at(tree.size());
        if width > 0 {
            let row = tree.view().tile(id, width).unwrap();
            tiles.insert(path(level, id.index, width), tally_log::tile::tile_bytes(&row));
        }
    }
    tiles
}

/// Checks a directory of tlog-tiles at the size of one of its checkpoints, as whoever downloads it would.
fn check_served(folder: &Path, key: &VerifierKey, note: &[u8]) -> Checkpoint {
    let parsed = UnverifiedCheckpoint::parse(note).unwrap();
    let checkpoint = parsed.verify(&parsed.unverified().origin, key).unwrap().clone();
    let entries = served_entries(folder, checkpoint.size.get());
    let leaves: Vec<_> = entries.iter().map(|entry| LeafHash::of(entry)).collect();
    let made = tiles_of(&leaves);
    for (path, bytes) in &made {
        assert_eq!(&read(&folder.join(path)), bytes, "{path}");
    }
    let tiles = Served(folder);
    assert_eq!(tally_log::proof::root(checkpoint.size, &tiles).unwrap(), checkpoint.root);
    let tree = Tree::load(checkpoint.size, &tiles).unwrap();
    assert_eq!(tree.root(), checkpoint.root);
    for (at, leaf) in (0..).map(position).zip(&leaves) {
        let proof = tally_log::proof::inclusion_proof(at, checkpoint.size, &tiles).unwrap();
        proof.verify(*leaf, at, checkpoint.size, checkpoint.root).unwrap();
    }
    checkpoint
}

/// The checkpoints of a directory: `checkpoint` and `checkpoint.N`.
fn checkpoints_in(folder: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_checkpoint =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("checkpoint"));
    let mut found: Vec<_> = names.filter(is_checkpoint).collect();
    found.sort();
    assert!(found.len() > 1, "{} has checkpoints of several sizes", folder.display());
    found
}

/// Checks every checkpoint of a directory, and that each later one extends each earlier one.
fn check_all_served(folder: &Path, key: &VerifierKey) -> Vec<Checkpoint> {
    let mut found: Vec<Checkpoint> = checkpoints_in(folder)
        .iter()
        .map(|path| {
            let checkpoint = check_served(folder, key, &read(path));
            if let Some(named) = path.extension() {
                assert_eq!(checkpoint.size.to_string(), named.to_string_lossy());
            }
            checkpoint
        })
        .collect();
    found.sort_by_key(|checkpoint| checkpoint.size);
    for (place, newer) in found.iter().enumerate() {
        for older in found[..place].iter().filter(|older| older.size != TreeSize::EMPTY) {
            let proof = tally_log::proof::consistency_proof(older.size, newer.size, &Served(folder)).unwrap();
            proof.verify(older.size, newer.size, older.root, newer.root).unwrap();
        }
    }
    found
}

#[test]
fn notes_log_of_tessera() {
    with_vectors("notes/tessera-testdata", |folder| {
        let folder = folder.join("notes/tessera-testdata");
        let key = String::from_utf8(read(&folder.join("vkey"))).unwrap();
        check_all_served(&folder, &VerifierKey::parse(key.trim_end()).unwrap());
    });
}

#[test]
fn notes_generated_log_at_every_size() {
    with_vectors("notes/generated/trees.json", |folder| {
        let folder = folder.join("notes/generated");
        let vectors = json(&folder.join("trees.json"));
        let key = VerifierKey::parse(text(&vectors, "log_vkey")).unwrap();
        let origin = Origin::parse(text(&vectors, "origin")).unwrap();
        let keys = json(&folder.join("keys.json"));
        let seed = list(&keys, "cases").iter().find(|case| text(case, "vkey") == key.to_string()).unwrap();
        let signer = SignerKey::from_seed(key.name(), &hash_of_hex(&seed["seed"])).unwrap();
        check_all_served(&folder.join("log"), &key);
        for case in list(&vectors, "cases") {
            let checkpoint = Checkpoint {
                origin: origin.clone(),
                size: size(number(&case["size"])),
                root: root_of_hex(&case["root"]),
            };
            // Ed25519 has one signature for a text: ours is theirs, byte for byte.
            let signed = checkpoint.sign(&signer).unwrap();
            assert!(text(case, "checkpoint").starts_with(&signed), "cosignatures follow: {signed}");
            assert_eq!(read(&folder.join(text(case, "file"))), text(case, "checkpoint").as_bytes());
            let entries = served_entries(&folder.join("log"), checkpoint.size.get());
            let leaves: Vec<_> = entries.iter().map(|entry| LeafHash::of(entry)).collect();
            let mut made: Vec<_> = tiles_of(&leaves).into_keys().collect();
            let mut due: Vec<_> = items(case, "tiles").iter().map(|path| path.as_str().unwrap().to_owned()).collect();
            made.sort();
            due.sort();
            assert_eq!(made, due, "tiles of {}", checkpoint.size);
        }
    });
}

fn generated_leaves(folder: &Path) -> Vec<LeafHash> {
    let vectors = json(&folder.join("notes/generated/leaf_hashes.json"));
    list(&vectors, "cases").iter().map(|leaf| LeafHash::from_bytes(hash_of_hex(leaf))).collect()
}

#[test]
fn notes_proofs_are_made_and_verified() {
    with_vectors("notes/generated/inclusion.json, consistency.json", |folder| {
        let leaves = generated_leaves(folder);
        let log = folder.join("notes/generated/log");
        let entries = served_entries(&log, leaves.len() as u64);
        assert_eq!(entries.iter().map(|entry| LeafHash::of(entry)).collect::<Vec<_>>(), leaves);
        let mut tree = Tree::new();
        assert!(tree.append(&leaves));
        let tiles = Served(&log);
        let vectors = json(&folder.join("notes/generated/inclusion.json"));
        for (at, root) in vectors["roots"].as_object().unwrap() {
            let root_at = tree.view().root_at(size(at.parse().unwrap()), &tiles).unwrap();
            assert_eq!(root_at, root_of_hex(root), "root of {at}");
        }
        for case in list(&vectors, "cases") {
            let (at, entries) = (position(number(&case["index"])), size(number(&case["size"])));
            let root = root_of_hex(&vectors["roots"][entries.to_string()]);
            let made = tree.view().inclusion_proof(at, entries, &tiles).unwrap();
            assert_eq!(made.hashes(), hashes(items(case, "proof"), of_hex).unwrap(), "{at} of {entries}");
            made.verify(leaves[usize::try_from(at.get()).unwrap()], at, entries, root).unwrap();
        }
        let vectors = json(&folder.join("notes/generated/consistency.json"));
        for case in list(&vectors, "cases") {
            let (old, entries) = (size(number(&case["old_size"])), size(number(&case["size"])));
            let root_of = |size: TreeSize| root_of_hex(&vectors["roots"][size.to_string()]);
            let made = tree.view().consistency_proof(old, entries, &tiles).unwrap();
            assert_eq!(made.hashes(), hashes(items(case, "proof"), of_hex).unwrap(), "{old} to {entries}");
            made.verify(old, entries, root_of(old), root_of(entries)).unwrap();
        }
    });
}

#[test]
fn notes_bad_proofs() {
    with_vectors("notes/generated/bad_proofs.json", |folder| {
        for case in list(&json(&folder.join("notes/generated/bad_proofs.json")), "cases") {
            let (tree, root) = (number(&case["size"]), of_hex(&case["root"]));
            let proof = hashes(items(case, "proof"), of_hex);
            let holds = match text(case, "kind") {
                "inclusion" => inclusion_holds(&of_hex(&case["leaf_hash"]), number(&case["index"]), tree, &root, proof),
                "consistency" => {
                    consistency_holds(number(&case["old_size"]), tree, &of_hex(&case["old_root"]), &root, proof)
                }
                other => panic!("unknown kind {other}"),
            };
            assert_verdict(case, holds, text(case, "why"));
        }
    });
}

/// The entries of notes/generated, by the rule that trees.json gives.
fn rule_entry(index: u64) -> Vec<u8> {
    match index {
        1 => (0..=255).collect(),
        3 => Vec::new(),
        6 | 7 => b"the same entry twice\n".to_vec(),
        300 => b"65535 ".iter().copied().cycle().take(65_535).collect(),
        _ => format!("public entry {index}\n").into_bytes(),
    }
}

#[test]
fn notes_larger_trees() {
    with_vectors("notes/generated/big_trees.json", |folder| {
        let vectors = json(&folder.join("notes/generated/big_trees.json"));
        let sizes = list(&vectors, "cases").iter().map(|case| number(&case["size"]));
        let leaves: Vec<_> = (0..sizes.max().unwrap()).map(|index| LeafHash::of(&rule_entry(index))).collect();
        assert!(leaves.starts_with(&generated_leaves(folder)), "the rule makes the stored entries");
        for case in list(&vectors, "cases") {
            let entries = number(&case["size"]);
            let below = &leaves[..usize::try_from(entries).unwrap()];
            let mut tree = Tree::new();
            assert!(tree.append(below));
            assert_eq!(tree.root(), root_of_hex(&case["root"]), "{entries}");
            let made = tiles_of(below);
            for (level, count) in case["full_tiles_by_level"].as_object().unwrap() {
                let is_full = |path: &&String| path.starts_with(&format!("tile/{level}/")) && !path.contains(".p/");
                assert_eq!(made.keys().filter(is_full).count() as u64, number(count), "level {level} of {entries}");
            }
            for tile in list(case, "tiles") {
                let bytes = &made[text(tile, "path")];
                assert_eq!(bytes.len() as u64, number(&tile["bytes"]));
                assert_eq!(hex::encode(Sha256::digest(bytes)), text(tile, "sha256"), "{entries}");
            }
            let bundle = &case["last_entry_bundle"];
            let path = TilePath::parse(text(bundle, "path")).unwrap();
            let mut bytes = Vec::new();
            let first = path.index() * 256;
            (first..first + path.width() as u64).for_each(|index| push_entry(&mut bytes, &rule_entry(index)).unwrap());
            assert_eq!(hex::encode(Sha256::digest(&bytes)), text(bundle, "sha256"), "{entries}");
        }
    });
}
