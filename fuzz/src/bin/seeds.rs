//! Writes `corpus/` anew, from the golden files and from a scene of the test kit: `cargo run --bin seeds` in this folder.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use prost::Message as _;
use tally_client::{
    json::template,
    verify::{UnverifiedHeadProof, verify_history},
};
use tally_core::{
    entry::EventEntry,
    envelope::{Envelope, event_hash},
    event::EventKind,
    id::{EventId, SubjectId},
    number::ChainIndex,
    signed_event::Event,
    statement::Statement,
    time::Timestamp,
};
use tally_log::{
    HeadsRoot, LogPosition, TreeSize,
    entry::{HeadsEntry, RecordedAt},
    store::{Batch, Directory, Options, disk::read_file},
    tile::push_entry,
    touch::Link,
};
use tally_proto::v1::{self, head_proof::End, touch::Content};
use tally_testkit::{
    disk::SimDisk,
    life::Life,
    scene::{MINE, Scene},
};
use tally_upload::{
    input::Encoding,
    upload::{Options as UploadOptions, TestRecord, check as check_upload},
};

/// Enough for every kind that such a life has.
const LIFE_STEPS: usize = 4_000;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden(label: &str) -> Vec<u8> {
    let path = here().join(format!("../crates/tally-core/testdata/golden/{label}.hex"));
    hex::decode(fs::read_to_string(path).unwrap().replace('\n', "")).unwrap()
}

/// What every target must take, or it would look at nothing but refusals.
fn check(proof: &v1::HeadProof) {
    let mut proof = proof.clone();
    tally_fuzz::repair_head_proof(&mut proof);
    let subject = SubjectId::parse(&proof.subject).unwrap();
    let proof = UnverifiedHeadProof::try_from(proof).unwrap();
    verify_history(&tally_fuzz::TRUST, subject, &proof, None).unwrap();
}

fn write(target: &str, label: &str, bytes: impl AsRef<[u8]>) {
    let folder: PathBuf = here().join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(label), bytes).unwrap();
}

fn main() {
    let _ = fs::remove_dir_all(here().join("corpus"));
    for label in ["event", "statement", "statement-in-set"] {
        write("event", label, golden(label));
    }
    let mut bounds = Statement::parse(&golden("statement")).unwrap();
    (bounds.role, bounds.occurred_at) = (u32::MAX / 2, Timestamp::from_micros(i64::MIN));
    bounds.first_index = ChainIndex::new(u64::MAX);
    write("event", "bounds", bounds.encode());
    bounds.body_number = (1 << 29) - 1;
    write("event", "body-unknown", bounds.encode());
    for label in ["entry", "heads-entry", "head-value-equipment", "subject-equipment", "public-key-issuer"] {
        write("entry", label, golden(label));
    }
    write("note", "checkpoint", golden("checkpoint"));
    write("note", "verifier-key", tally_fuzz::LOG_KEY.verifier().to_string());
    write("dsse", "dsse", golden("dsse"));
    write("dsse", "key-file", &*tally_fuzz::KEYS[0].to_pem().unwrap());
    texts();
    tiles();
    uploads();
    head_proofs();
    bodies();
    events_of_every_kind();
    write("segment", "as-it-is", [&[1], &segment()[..]].concat());
    write("segment", "put-right", [&[0], &segment()[..]].concat());
}

fn texts() {
    let texts =
        ["三一重型装备", "２０２３－0417", "MG900×2245 －wd", "straße\u{149}", "A\u{30A}\u{345}", "\u{1161}각\u{AD}"];
    for (at, text) in texts.iter().enumerate() {
        write("text", &format!("{at}"), text);
    }
    write("text", "subject", "equipment/72a47267-4db6-50c5-a3ad-b91c8de365a6");
}

fn tiles() {
    write("tile", "path", "tile/entries/x001/x234/067");
    write("tile", "path-partial", "tile/8/x999/000.p/255");
    let mut bundle = vec![1];
    push_entry(&mut bundle, &golden("entry")).unwrap();
    push_entry(&mut bundle, &golden("heads-entry")).unwrap();
    write("tile", "bundle", bundle);
    write("tile", "hashes", [golden("leaf-hash"), golden("tree-root")].concat());
}

/// The golden files of the upload, each behind the byte that says its kind, and small tables.
fn uploads() {
    for (kind, code) in ["JBSJ", "ABSJ", "JZTT", "JCJY"].iter().enumerate() {
        let name = format!("140921021337_{code}_20260402083000.txt");
        let file = fs::read(here().join("../crates/tally-upload/testdata/golden").join(&name)).unwrap();
        write("upload", code, [&[kind as u8], &file[..]].concat());
        write("upload", &format!("{code}-name"), [&[kind as u8], name.as_bytes()].concat());
    }
    // The mine's name is 矿, as GB18030.
    let gb18030 = b"\x07140921021337;\xBF\xF3;30;x;2026-04-02 08:30:00~\n7;;;;;0;2026-01-13;;;;36;;;~\n||\n";
    let options = UploadOptions { encoding: Encoding::Gb18030, name: None };
    check_upload::<_, TestRecord>(Cursor::new(&gb18030[1..]), options).unwrap();
    write("upload", "JCJY-gb18030", gb18030);
    let table = "型号,serial,数量,date\r\nZY12000,07,-1.5,2021-06-18\r\n\"a,\"\"b\",'-320水平,,\r\n";
    write("table", "table", format!("\0{table}"));
    write("table", "mark", format!("\0\u{FEFF}{table}"));
    // 型号 and 数量, as GB18030.
    write("table", "gb18030", b"\x01\xD0\xCD\xBA\xC5,serial,\xCA\xFD\xC1\xBF\n\xC3\xBA,7,1\n");
}

fn head_proofs() {
    let proof = v1::HeadProof::decode(&golden("head-proof")[..]).unwrap();
    let put = |label: &str, proof: &v1::HeadProof| {
        check(proof);
        write("head_proof", label, [&[0], &proof.encode_to_vec()[..]].concat());
        write("head_proof_json", label, json(proof).to_string());
    };
    put("golden", &proof);
    let receipt = v1::Receipt {
        position: 2,
        chain_index: 0,
        recorded_at_us: u64::from_be_bytes(golden("entry")[2..10].try_into().unwrap()),
        leaf_hash: golden("leaf-hash"),
        checkpoint: golden("checkpoint"),
        inclusion: vec![golden("leaf-hash"), proof.inclusion[1].clone()],
    };
    write("receipt", "golden", receipt.encode_to_vec());
    put("two-events", &with_second_event(&proof));
    let mut withheld = proof.clone();
    for touch in &mut withheld.touches {
        touch.content = Some(Content::LeafHash(golden("leaf-hash")));
    }
    put("withheld", &withheld);
    let mut suffix = proof.clone();
    suffix.touches.clear();
    suffix.suffix = Some(v1::Suffix { touches: 1, touch_hash: golden("touch-hash") });
    put("suffix", &suffix);
    let mut empty = proof.clone();
    (empty.end, empty.touches) = (Some(End::Empty(true)), Vec::new());
    put("empty", &empty);
    let mut other = empty.clone();
    let leaf = v1::OtherLeaf { key: golden("map-leaf-mine"), value_hash: golden("leaf-hash") };
    (other.end, other.siblings) = (Some(End::Other(leaf)), Vec::new());
    put("other", &other);
}

/// The golden machine with a note on its chain, which went before the last batch.
fn with_second_event(proof: &v1::HeadProof) -> v1::HeadProof {
    let mut proof = proof.clone();
    let first = EventEntry::parse(&golden("entry")).unwrap();
    let parsed = first.unverified().parse().unwrap();
    let mut statement = parsed.event().statement().clone();
    let mut id = *statement.event_id.as_bytes();
    id[15] ^= 1;
    statement.event_id = EventId::parse(&id).unwrap();
    (statement.mentions, statement.body_number) = (Vec::new(), EventKind::Noted as u32);
    statement.body = v1::Noted { text: "seen".to_owned(), ..v1::Noted::default() }.encode_to_vec();
    let previous = event_hash(&first.envelope().payload);
    let event = Event::new(ChainIndex::new(1), previous, &statement.encode(), Vec::new()).unwrap();
    let envelope = Envelope { payload: event.encode(), ..first.envelope().clone() };
    let entry = EventEntry::new(first.recorded_at(), envelope).unwrap();
    proof.touches.push(v1::Touch { position: 3, content: Some(Content::Entry(entry.encode())) });
    let size = TreeSize::new(5).unwrap();
    proof.inclusion.truncate(1);
    proof.checkpoint = tally_fuzz::sign(size, [0; 32]);
    tally_fuzz::repair_head_proof(&mut proof);
    proof
}

fn json(proof: &v1::HeadProof) -> serde_json::Value {
    let list = |hashes: &[Vec<u8>]| hashes.iter().map(hex::encode).collect::<Vec<_>>();
    let subject = <[u8; 17]>::try_from(&proof.subject[..]).unwrap();
    let key = hex::encode(tally_log::heads::MapKey::of(&subject).as_bytes());
    let siblings = list(&proof.siblings);
    let map = match proof.end.as_ref().unwrap() {
        End::Value(value) => {
            serde_json::json!({ "key": key, "siblings": siblings, "end": "leaf", "value": hex::encode(value) })
        }
        End::Other(other) => serde_json::json!({
            "key": key, "siblings": siblings, "end": "other",
            "other_key": hex::encode(&other.key), "other_value_hash": hex::encode(&other.value_hash),
        }),
        End::Empty(_) => serde_json::json!({ "key": key, "siblings": siblings, "end": "empty" }),
    };
    let entries = proof.touches.iter().map(|touch| match touch.content.as_ref().unwrap() {
        Content::Entry(entry) => serde_json::json!({ "position": touch.position, "entry": hex::encode(entry) }),
        Content::LeafHash(leaf) => serde_json::json!({ "position": touch.position, "leaf_hash": hex::encode(leaf) }),
    });
    let keys: BTreeMap<String, String> =
        tally_fuzz::KEYS.iter().map(|key| (key.key_id().to_string(), hex::encode(key.public().as_bytes()))).collect();
    let mut json = serde_json::json!({
        "subject": hex::encode(subject), "checkpoint": String::from_utf8(proof.checkpoint.clone()).unwrap(),
        "last_entry": hex::encode(&proof.last_entry), "inclusion": list(&proof.inclusion), "map": map,
        "entries": entries.collect::<Vec<_>>(), "keys": keys,
        "kept": { "size": 4, "root": hex::encode(golden("tree-root")), "consistency": [] },
    });
    if let Some(suffix) = &proof.suffix {
        json["suffix"] =
            serde_json::json!({ "touches": suffix.touches, "touch_hash": hex::encode(&suffix.touch_hash) });
    }
    json
}

/// The template of each kind: every member once. Its enums are a choice, which is refused; the last one is taken.
fn bodies() {
    fn chosen(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => members.values_mut().for_each(chosen),
            serde_json::Value::Array(members) => members.iter_mut().for_each(chosen),
            serde_json::Value::String(text) => {
                *text = text.rsplit(" | ").next().unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }
    for kind in EventKind::ALL.iter().copied() {
        let mut json = template(kind.name()).unwrap();
        chosen(&mut json);
        write("body_json", kind.field(), format!("{}\n{json}", kind.name()));
    }
}

fn events_of_every_kind() {
    let life = Life::new(1);
    let preamble = life.preamble().to_vec();
    let mut found = BTreeMap::new();
    for event in preamble.into_iter().chain(life.take(LIFE_STEPS)) {
        let kind = EventKind::from_number(event.event().statement().body_number).unwrap();
        found.entry(kind.field()).or_insert(event);
    }
    // What such a life has none of: marks, publications, orders, recalls, decisions.
    let scene = Scene::new();
    let machine = scene.machine("MG900/2245").reach(v1::ServiceState::InUse);
    scene.supervise(&machine, MINE);
    for event in scene.events() {
        let kind = EventKind::from_number(event.event().statement().body_number).unwrap();
        found.entry(kind.field()).or_insert(event);
    }
    for (kind, event) in found {
        write("event", kind, event.payload());
    }
}

/// Three batches as the store writes them.
fn segment() -> Vec<u8> {
    let disk = SimDisk::new();
    let log = Path::new("/ledger/log");
    disk.make_durable_dir("/ledger");
    let (mut directory, _, _) = Directory::create(disk.shared(), log, Options::default()).unwrap();
    let mut events = Life::new(1).take(5).collect::<Vec<_>>().into_iter();
    let mut first = 0;
    for (count, micros) in [(1, 10), (0, 11), (4, 20)] {
        let position = LogPosition::new(first).unwrap();
        let mut batch = Batch::new(position);
        for event in events.by_ref().take(count) {
            let entry = EventEntry::new(Timestamp::from_micros(micros), event.envelope().clone()).unwrap();
            let link = Link { previous: position.get().checked_sub(1).and_then(LogPosition::new), jump: None };
            batch.push(&entry.encode(), &[link]).unwrap();
        }
        let heads = HeadsEntry {
            recorded_at: RecordedAt::from_micros(micros.unsigned_abs()).unwrap(),
            batch_first: position,
            map_root: HeadsRoot::from_bytes([7; 32]),
            subjects: 1,
            cosigned: Vec::new(),
        };
        batch.push(&heads.encode().unwrap(), &[]).unwrap();
        first += batch.len() as u64;
        directory.append(batch).unwrap();
    }
    read_file(disk.shared().as_ref(), &log.join("00000000.segment"), 1 << 20).unwrap()
}
