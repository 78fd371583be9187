//! Every field of every body, found in the descriptor and tried one by one: what naming a subject there touches, and
//! which days must be whole
//!
//! A field is tried in a body that is right in itself, by writing other bytes into it: so the code that checks bodies
//! says what the field takes, and `Body::names` what it names. A field that nothing here can fill fails the test.

use std::{collections::BTreeSet, fmt::Write as _};

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use tally_core::{
    event::{Body, EventKind, UncheckedBody},
    id::{EventId, OrganisationId, SubjectId, SubjectKind},
    number::ChainIndex,
    statement::Statement,
    time::Timestamp,
};
use tally_proto::v1::{self, statement::Body as Message};

use super::{
    START,
    bodies::{Names, at_mine, sample},
    key,
};

/// One field of a body, with the fields that lead to it.
#[derive(Clone)]
struct Path {
    fields: Vec<FieldDescriptorProto>,
    /// What is written before the field, as the contract comments it.
    comment: String,
}

impl Path {
    /// As in the contract, such as `checks[].code`.
    fn name(&self) -> String {
        let name = |field: &FieldDescriptorProto| {
            let list = if field.label() == Label::Repeated { "[]" } else { "" };
            format!("{}{list}", field.name())
        };
        self.fields.iter().map(name).collect::<Vec<_>>().join(".")
    }

    fn numbers(&self) -> Vec<u32> {
        self.fields.iter().map(|field| u32::try_from(field.number()).unwrap()).collect()
    }

    fn last(&self) -> &FieldDescriptorProto {
        self.fields.last().unwrap()
    }

    fn type_name(&self) -> &str {
        self.last().type_name().rsplit('.').next().unwrap()
    }
}

/// All fields of a body, inner ones too, but those of a `Day` and a `Measure`, which hold numbers and units.
fn fields(kind: EventKind) -> Vec<Path> {
    let set = FileDescriptorSet::decode(tally_proto::DESCRIPTOR_SET).unwrap();
    let mut found = Vec::new();
    descend(&set, kind.name(), &[], &mut found);
    found
}

fn descend(set: &FileDescriptorSet, name: &str, before: &[FieldDescriptorProto], found: &mut Vec<Path>) {
    let ours = set.file.iter().filter(|file| file.package() == "tally.v1");
    let (file, at, message): (_, usize, &DescriptorProto) = ours
        .flat_map(|file| file.message_type.iter().enumerate().map(move |(at, message)| (file, at, message)))
        .find(|(_, _, message)| message.name() == name)
        .unwrap_or_else(|| panic!("{name} is no message"));
    for (field_at, field) in message.field.iter().enumerate() {
        let place = [4, i32::try_from(at).unwrap(), 2, i32::try_from(field_at).unwrap()];
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comment = locations.filter(|location| location.path == place).find_map(|at| at.leading_comments.clone());
        let fields = [before, std::slice::from_ref(field)].concat();
        let path = Path { fields, comment: comment.unwrap_or_default() };
        found.push(path.clone());
        if field.r#type() == Type::Message && !["Day", "Measure"].contains(&path.type_name()) {
            descend(set, path.type_name(), &path.fields, found);
        }
    }
}

/// The publication of a body that publishes.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds publish nothing")]
fn publication(body: &mut Message) -> Option<&mut v1::Publication> {
    match body {
        Message::PolicyPublished(body) => body.publication.as_mut(),
        Message::SchedulePublished(body) => body.publication.as_mut(),
        Message::PhaseOutPublished(body) => body.publication.as_mut(),
        _ => None,
    }
}

/// The order that a body opens.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds open no order")]
fn order(body: &mut Message) -> Option<&mut v1::Order> {
    match body {
        Message::StopUseOrdered(body) => body.order.as_mut(),
        Message::SealedUp(body) => body.order.as_mut(),
        Message::RecallIssued(body) => body.order.as_mut(),
        _ => None,
    }
}

/// Bodies of a kind that are right in themselves: the sample, and what gives fields that exclude each other their turn.
#[expect(clippy::wildcard_enum_match_arm, reason = "in the other bodies no field excludes another")]
fn bases(kind: EventKind) -> Vec<Message> {
    let names = Names::default();
    let base = sample(kind, &names);
    let mut other = base.clone();
    match &mut other {
        Message::OrganisationRegistered(body) => body.genesis = Some(genesis()),
        Message::Manufactured(body) => {
            body.mark_no.clear();
            "出口".clone_into(&mut body.exempt_reason);
        }
        Message::Enrolled(body) => {
            body.serial.clear();
            "自编1".clone_into(&mut body.own_number);
        }
        Message::Received(body) => {
            body.into = v1::ReceivedInto::Mine as i32;
            body.mine_entered = names.mine.id().to_vec();
        }
        Message::ComponentTakenOut(body) => {
            body.component = None;
            body.machine = vec![1; 16];
        }
        Message::ComponentFitted(body) => {
            body.component = None;
            body.machine = vec![1; 16];
        }
        Message::Corrected(body) => {
            body.withdrawn = false;
            body.replacement = Some(v1::Replacement { occurred_at_us: START, body: vec![8, 1] });
        }
        Message::MarkIssued(body) => {
            body.kind = v1::MarkKind::Batch as i32;
            body.valid_until = None;
            body.serials = vec!["1".to_owned()];
        }
        _ => {}
    }
    let mut bases = vec![base.clone(), other];
    if let Message::MarkIssued(mut body) = base.clone() {
        body.kind = v1::MarkKind::Trial as i32;
        body.trial_mines = vec![names.mine.id().to_vec()];
        bases.push(Message::MarkIssued(body));
    }
    let mut ordered = base.clone();
    if let Some(order) = order(&mut ordered) {
        "型号=EBZ200".clone_into(&mut order.query);
        order.list_hash = vec![1; 32];
        bases.push(ordered);
    }
    for layer in [v1::PublicationLayer::Area, v1::PublicationLayer::Mine] {
        let mut published = base.clone();
        let Some(publication) = publication(&mut published) else { continue };
        publication.layer = layer as i32;
        match layer {
            v1::PublicationLayer::Area => "14".clone_into(&mut publication.area),
            _ => publication.mine = names.mine.id().to_vec(),
        }
        bases.push(published);
    }
    bases
}

fn genesis() -> v1::Genesis {
    v1::Genesis { log_key: key("log"), format_version: 1, registrar_keys: vec![key("registrar")], threshold: 1 }
}

/// Messages of a type with the fields that it must have, for whatever holds one; none where the sample's will do.
fn examples(type_name: &str) -> Vec<Vec<u8>> {
    let unit = v1::Component {
        maker: "厂".to_owned(),
        model: "型".to_owned(),
        serial: "1".to_owned(),
        ..v1::Component::default()
    };
    let lot = v1::Component { serial: String::new(), lot: "1".to_owned(), ..unit.clone() };
    let fate = |part: &v1::Component| v1::PartFate { component: Some(part.clone()), fate: v1::Fate::Spare as i32 };
    let measure = super::bodies::measure("overload_A", 1, 0, "A");
    let one = || "1".to_owned();
    match type_name {
        "Attribute" => vec![v1::Attribute { key: one(), value: one() }.encode_to_vec()],
        "ControlledPart" => {
            vec![v1::ControlledPart { slot: one(), model: one(), ..v1::ControlledPart::default() }.encode_to_vec()]
        }
        "JoinedProduct" => vec![v1::JoinedProduct { model: one(), mark_no: String::new() }.encode_to_vec()],
        "PlateBound" => vec![v1::PlateBound { key: one(), min: None, max: None }.encode_to_vec()],
        "UploadDifference" => {
            vec![v1::UploadDifference { field: one(), ..v1::UploadDifference::default() }.encode_to_vec()]
        }
        "Component" => vec![unit.encode_to_vec(), lot.encode_to_vec()],
        "PartFate" => vec![fate(&unit).encode_to_vec()],
        "Place" => vec![at_mine(&Names::default().mine).unwrap().encode_to_vec()],
        "Attachment" => vec![super::bodies::attachment().encode_to_vec()],
        "CheckItem" => vec![super::bodies::item("1", v1::CheckResult::Pass).encode_to_vec()],
        "SettingChange" => {
            vec![v1::SettingChange { key: "1".to_owned(), old_value: None, new_value: Some(measure) }.encode_to_vec()]
        }
        "Slot" => vec![v1::Slot { name: "1".to_owned(), ..v1::Slot::default() }.encode_to_vec()],
        "Certificate" => vec![
            v1::Certificate { kind: "1".to_owned(), number_digest: vec![1; 32], valid_until: None }.encode_to_vec(),
        ],
        "EventRef" => {
            vec![tally_core::event::event_ref_message(&Names::default().event).encode_to_vec()]
        }
        "Scope" => vec![Vec::new()],
        _ => Vec::new(),
    }
}

fn varint(bytes: &mut &[u8]) -> usize {
    prost::decode_length_delimiter(bytes).unwrap()
}

/// The fields of a message: number, content where it has a length, and all its bytes.
fn split(mut bytes: &[u8]) -> Vec<(u32, Option<Vec<u8>>, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let whole = bytes;
        let (tag, value) = (varint(&mut bytes), varint(&mut bytes));
        let inner = match tag & 7 {
            0 => None,
            2 => {
                let (inner, rest) = bytes.split_at(value);
                bytes = rest;
                Some(inner.to_vec())
            }
            wire => panic!("wire type {wire} is not canonical"),
        };
        let raw = whole[..whole.len() - bytes.len()].to_vec();
        found.push((u32::try_from(tag >> 3).unwrap(), inner, raw));
    }
    found
}

/// The message with other bytes in the field at the end of the path, in the first member of each list; what holds the
/// field is an example of its type, the one of that number, where there are any.
fn with(message: &[u8], path: &Path, depth: usize, example: usize, value: Option<&[u8]>) -> Vec<u8> {
    let (field, is_last) = (&path.fields[depth], depth + 1 == path.fields.len());
    let number = path.numbers()[depth];
    let parts = split(message);
    let standing = parts.iter().find(|(found, ..)| *found == number).and_then(|(_, inner, _)| inner.clone());
    let inner = if is_last {
        value.map(<[u8]>::to_vec)
    } else {
        let examples = examples(field.type_name().rsplit('.').next().unwrap());
        let outer = examples.get(example).or(examples.last()).cloned().or(standing).unwrap_or_default();
        Some(with(&outer, path, depth + 1, example, value))
    };
    let mut raws: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut replaced = false;
    for (found, _, raw) in parts {
        if found == number && !replaced && inner.is_some() {
            replaced = true;
        } else {
            raws.push((found, raw));
        }
    }
    if let Some(inner) = inner {
        let mut raw = Vec::new();
        prost::encode_length_delimiter(usize::try_from(number << 3 | 2).unwrap(), &mut raw).unwrap();
        prost::encode_length_delimiter(inner.len(), &mut raw).unwrap();
        raw.extend(inner);
        let at = raws.iter().position(|(found, _)| *found >= number).unwrap_or(raws.len());
        raws.insert(at, (number, raw));
    }
    raws.into_iter().flat_map(|(_, raw)| raw).collect()
}

fn header(organisation: u8) -> Statement {
    Statement {
        origin: super::ORIGIN.to_owned(),
        event_id: EventId::parse(&[1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16]).unwrap(),
        subject: SubjectId::new(SubjectKind::Equipment, [0xEE; 16]),
        occurred_at: Timestamp::from_micros(START),
        organisation: OrganisationId::new([organisation; 16]),
        role: 1,
        mentions: Vec::new(),
        set: None,
        first_index: ChainIndex::FIRST,
        performed_by: Vec::new(),
        checked_by: Vec::new(),
        approved_by: Vec::new(),
        body_number: 0,
        body: Vec::new(),
    }
}

/// What a body names always, and if it has a chain.
fn named(body: &Body, organisation: u8) -> [BTreeSet<SubjectId>; 2] {
    let named = body.names(&header(organisation));
    [named.subjects.into_iter().collect(), named.equipment.into_iter().collect()]
}

const PROBE_ID: [u8; 16] = [0xA5; 16];

/// What a field is tried with, the likeliest first.
#[expect(clippy::wildcard_enum_match_arm, reason = "numbers and messages name nothing by themselves")]
fn probes(of: Type) -> Vec<Vec<u8>> {
    match of {
        Type::Bytes => {
            let subject = SubjectId::new(SubjectKind::Equipment, PROBE_ID).key().to_vec();
            vec![PROBE_ID.to_vec(), subject, key("probe")]
        }
        Type::String => {
            let texts = [
                "A0",
                "140921",
                "14092102133712",
                "XA",
                "text/x",
                "A",
                "MEB250009",
                "MON-001",
                "MARK-004",
                "raise_to",
                "NOTE",
                "ABSJ",
            ];
            texts.iter().map(|text| text.as_bytes().to_vec()).collect()
        }
        _ => Vec::new(),
    }
}

/// What one field names, where a probe in it is taken.
struct Tried {
    /// How it is named: always, or where it has a chain.
    new: [BTreeSet<SubjectId>; 2],
    /// Whether it takes an id or subject key, and nothing else of its kind.
    is_id: bool,
}

fn try_field(kind: EventKind, path: &Path) -> Option<Tried> {
    for base in bases(kind) {
        let (number, base) = UncheckedBody::from(base).encode();
        for example in 0..2 {
            let Ok(before) = Body::parse(number, &with(&base, path, 0, example, None)) else { continue };
            for probe in probes(path.last().r#type()) {
                let write = |value: &[u8]| Body::parse(number, &with(&base, path, 0, example, Some(value)));
                let Ok(after) = write(&probe) else { continue };
                let (before, after) = (named(&before, 1), named(&after, 1));
                let new = [0, 1].map(|at| after[at].difference(&before[at]).copied().collect());
                let is_id = path.last().r#type() == Type::Bytes && probe.len() < 32 && write(&probe[..5]).is_err();
                return Some(Tried { new, is_id });
            }
        }
    }
    None
}

/// Fields of an inner message that a kind never takes.
const NEVER: &[(EventKind, &str)] =
    &[(EventKind::CategoriesPublished, "publication.area"), (EventKind::CategoriesPublished, "publication.mine")];

/// Fields that take no other value than another field of the body has.
const BOUND: &[(EventKind, &str, &str)] = &[(EventKind::EnteredMine, "to_location.mine", "mine")];

/// The fields by which a `Component` says which equipment it is.
const COMPONENT: [&str; 5] = ["equipment", "lot", "maker", "model", "serial"];

/// One row of the table of mentions.
#[derive(Default)]
struct Row {
    always: Vec<String>,
    with_chain: Vec<String>,
    no_touch: Vec<String>,
}

fn row(kind: EventKind) -> Row {
    let mut row = Row::default();
    // What fields name together: ids as they are, and others by the texts that make them.
    let mut made: Vec<(SubjectKind, Vec<String>)> = Vec::new();
    for path in fields(kind) {
        let name = path.name();
        if probes(path.last().r#type()).is_empty() {
            continue;
        }
        if NEVER.contains(&(kind, &name)) {
            assert!(try_field(kind, &path).is_none(), "{kind}: {name} takes a value");
            continue;
        }
        let bound = BOUND.iter().find(|(of, field, _)| *of == kind && *field == name);
        let Some(tried) = try_field(kind, &path) else {
            let (_, _, same) = bound.unwrap_or_else(|| panic!("{kind}: nothing fills {name}"));
            row.no_touch.push(format!("`{name}`, which is `{same}`"));
            continue;
        };
        assert!(bound.is_none(), "{kind}: {name} takes other values");
        let [always, with_chain] = tried.new;
        for subject in &always {
            if *subject.id() == PROBE_ID {
                row.always.push(format!("{} `{name}`", subject.kind()));
            } else if let Some((_, by)) = made.iter_mut().find(|(of, _)| *of == subject.kind()) {
                by.push(name.clone());
            } else {
                made.push((subject.kind(), vec![name.clone()]));
            }
        }
        if !with_chain.is_empty() {
            row.with_chain.push(name);
        } else if always.is_empty() && tried.is_id {
            row.no_touch.push(format!("`{name}`"));
        }
    }
    let by = |(of, fields): &(SubjectKind, Vec<String>)| format!("{of} of `{}`", fields.join("` and `"));
    row.always.extend(made.iter().map(by));
    let body = UncheckedBody::from(sample(kind, &Names::default())).check().unwrap();
    let [always, _] = named(&body, 2);
    if always.contains(&OrganisationId::new([2; 16]).subject()) {
        row.always.push("organisation that states it".to_owned());
    }
    row.with_chain = components(row.with_chain);
    row
}

/// Field names with each `Component` in them as one.
fn components(mut names: Vec<String>) -> Vec<String> {
    let mut shown = Vec::new();
    while let Some(name) = names.first().cloned() {
        let (outer, _) = name.rsplit_once('.').unwrap_or(("", &name));
        let whole: BTreeSet<String> = COMPONENT.iter().map(|inner| format!("{outer}.{inner}")).collect();
        if whole.iter().all(|inner| names.contains(inner)) {
            names.retain(|name| !whole.contains(name));
            shown.push(format!("`{outer}`"));
        } else {
            names.remove(0);
            shown.push(format!("`{name}`"));
        }
    }
    shown
}

/// The table of what a body of each kind touches, and what it names without touching it.
pub(crate) fn mentions() -> String {
    let mut text =
        "| kind | always | equipment, if it has a chain | named, and no touch |\n| --- | --- | --- | --- |\n"
            .to_owned();
    let mut none = Vec::new();
    for kind in EventKind::ALL {
        let Row { always, with_chain, no_touch } = row(*kind);
        if always.is_empty() && with_chain.is_empty() && no_touch.is_empty() {
            none.push(kind.name());
            continue;
        }
        let [always, with_chain, no_touch] = [always, with_chain, no_touch].map(|cell| cell.join("; "));
        writeln!(text, "| {kind} | {always} | {with_chain} | {no_touch} |").unwrap();
    }
    text.push_str("\nNo field of these names a subject:");
    let mut width = usize::MAX;
    for (at, name) in none.iter().enumerate() {
        let end = if at + 1 == none.len() { "." } else { "," };
        width = width.saturating_add(name.len() + 2);
        let blank = if width > 120 { "\n" } else { " " };
        width = if width > 120 { name.len() + 1 } else { width };
        write!(text, "{blank}{name}{end}").unwrap();
    }
    text.push('\n');
    text
}

/// What the contract's comments say wrongly about days, one line each.
pub(crate) fn wrong_days() -> Vec<String> {
    let mut wrong = Vec::new();
    for kind in EventKind::ALL {
        for path in fields(*kind).iter().filter(|path| path.type_name() == "Day") {
            let takes = |day: v1::Day| {
                bases(*kind).into_iter().any(|base| {
                    let (number, base) = UncheckedBody::from(base).encode();
                    Body::parse(number, &with(&base, path, 0, 0, Some(&day.encode_to_vec()))).is_ok()
                })
            };
            // Before every other day of a sample, or after it.
            let years = [1990, 2100];
            let whole = years.iter().any(|year| takes(v1::Day { year: *year, month: 2, day: 3 }));
            let partial = years.iter().filter(|year| takes(v1::Day { year: **year, month: 0, day: 0 })).count();
            let months = years.iter().filter(|year| takes(v1::Day { year: **year, month: 2, day: 0 })).count();
            let said = [path.comment.contains("whole"), path.comment.contains("may be partial")];
            if !whole || partial != months || said != [partial == 0, partial > 0] {
                wrong.push(format!("{kind}.{}: whole {whole}, partial {partial}: {}", path.name(), path.comment));
            }
        }
    }
    wrong
}
