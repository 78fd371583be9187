//! The surface of `proto/`: a golden file in which no line may change that others build on, and buf's STANDARD and
//! COMMENTS rules, so that no outside tool is needed

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by panic, its helpers too"
)]

mod common;

use std::{collections::BTreeSet, fmt::Write as _};

use common::golden::{assert_golden, path};
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

const PACKAGE: &str = "tally.v1";

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(tally_proto::DESCRIPTOR_SET).unwrap();
    set.file.into_iter().filter(|file| file.package() == PACKAGE).collect()
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches(&format!(".{PACKAGE}.")).to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn print_message(text: &mut String, message: &DescriptorProto) {
    writeln!(text, "message {}", message.name()).unwrap();
    for range in &message.reserved_range {
        writeln!(text, "  reserved {} to {}", range.start(), range.end() - 1).unwrap();
    }
    for name in &message.reserved_name {
        writeln!(text, "  reserved {name:?}").unwrap();
    }
    for field in &message.field {
        let label = if field.label() == Label::Repeated { "repeated " } else { "" };
        let oneof = field
            .oneof_index
            .map_or(String::new(), |at| format!(" in {}", message.oneof_decl[usize::try_from(at).unwrap()].name()));
        writeln!(text, "  {} {label}{} {}{oneof}", field.number(), type_name(field), field.name()).unwrap();
    }
}

fn print_enum(text: &mut String, it: &EnumDescriptorProto) {
    writeln!(text, "enum {}", it.name()).unwrap();
    it.value.iter().for_each(|value| writeln!(text, "  {} {}", value.number(), value.name()).unwrap());
}

fn print_service(text: &mut String, service: &ServiceDescriptorProto) {
    let short = |name: &str| name.trim_start_matches(&format!(".{PACKAGE}.")).to_owned();
    writeln!(text, "service {}", service.name()).unwrap();
    for method in &service.method {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        writeln!(
            text,
            "  {} ({}{}) returns ({}{})",
            method.name(),
            stream(method.client_streaming()),
            short(method.input_type()),
            stream(method.server_streaming()),
            short(method.output_type()),
        )
        .unwrap();
    }
}

#[test]
fn no_line_of_the_surface_changes_unseen() {
    let mut text = String::new();
    for file in files() {
        writeln!(text, "file {} {}", file.name(), file.syntax()).unwrap();
        file.message_type.iter().for_each(|message| print_message(&mut text, message));
        file.enum_type.iter().for_each(|it| print_enum(&mut text, it));
        file.service.iter().for_each(|service| print_service(&mut text, service));
        text.push('\n');
    }
    assert_golden("crates/tally-core/testdata/golden/proto-surface.txt", text.trim_end_matches('\n'));
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_lower_snake(name: &str) -> bool {
    let fits = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    name.starts_with(|c: char| c.is_ascii_lowercase()) && fits && !name.contains("__") && !name.ends_with('_')
}

/// `CheckResult` to `CHECK_RESULT_`.
fn prefix(name: &str) -> String {
    let mut prefix = String::new();
    for (at, character) in name.char_indices() {
        if at > 0 && character.is_ascii_uppercase() {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
    }
    prefix + "_"
}

#[test]
fn names_follow_the_standard_rules() {
    let (mut wrong, mut requests) = (Vec::new(), BTreeSet::new());
    let mut rule = |fits: bool, what: String| {
        if !fits {
            wrong.push(what)
        }
    };
    for file in files() {
        rule(file.syntax() == "proto3", format!("{} is not proto3", file.name()));
        rule(file.name().starts_with("tally/v1/"), format!("{} lies elsewhere than its package", file.name()));
        for message in &file.message_type {
            let name = message.name();
            rule(is_pascal(name), format!("message {name}"));
            rule(message.nested_type.is_empty() && message.enum_type.is_empty(), format!("{name} nests types"));
            for field in &message.field {
                let what = format!("{name}.{}", field.name());
                rule(is_lower_snake(field.name()), what.clone());
                rule(!field.proto3_optional(), format!("{what} is optional: one way to leave it out"));
                rule(!matches!(field.r#type(), Type::Float | Type::Double), format!("{what} is a float"));
                rule(!matches!(field.r#type(), Type::Group), format!("{what} is a group"));
            }
            message
                .oneof_decl
                .iter()
                .for_each(|oneof| rule(is_lower_snake(oneof.name()), format!("{name}.{}", oneof.name())));
        }
        for it in &file.enum_type {
            let (name, prefix) = (it.name(), prefix(it.name()));
            rule(is_pascal(name) && !name.ends_with("Status"), format!("enum {name}"));
            let zero = &it.value[0];
            rule(zero.number() == 0 && zero.name() == format!("{prefix}UNSPECIFIED"), format!("zero of {name}"));
            for value in &it.value {
                let rest = value.name().strip_prefix(&prefix).unwrap_or_default();
                let fits = rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                rule(!rest.is_empty() && fits, value.name().to_owned());
            }
        }
        for service in &file.service {
            rule(service.name().ends_with("Service"), format!("service {}", service.name()));
            for method in &service.method {
                let name = method.name();
                rule(is_pascal(name), name.to_owned());
                for (end, found) in [("Request", method.input_type()), ("Response", method.output_type())] {
                    let due = format!(".{PACKAGE}.{name}{end}");
                    rule(found == due, format!("{name} has {found}, not {due}"));
                    rule(requests.insert(due.clone()), format!("{due} is used twice"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What begins an item that must have a comment right above it.
fn is_item(line: &str, inside: &[Block]) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    match (words.first(), inside.last()) {
        (Some(&("message" | "enum" | "service" | "rpc" | "oneof")), _) => !line.starts_with("oneof body"),
        (Some(&("reserved" | "option" | "}" | "//" | "syntax" | "package" | "import")) | None, _) => false,
        (Some(_), Some(Block::Fields)) => line.contains(" = ") && line.ends_with(';'),
        (Some(_), _) => false,
    }
}

enum Block {
    Fields,
    Calls,
}

/// The descriptor set carries no comments, so the sources are read.
#[test]
fn everything_is_commented() {
    let mut bare = Vec::new();
    for file in files() {
        let source = std::fs::read_to_string(path("proto").join(file.name())).unwrap();
        let (mut inside, mut before) = (Vec::new(), "");
        for line in source.lines().map(str::trim) {
            if is_item(line, &inside) && !before.starts_with("// ") {
                bare.push(format!("{}: {line}", file.name()));
            }
            if line.ends_with('{') {
                inside.push(if line.starts_with("service") || line.starts_with("rpc") {
                    Block::Calls
                } else {
                    Block::Fields
                });
            } else if line == "}" {
                inside.pop();
            }
            before = line;
        }
        assert!(inside.is_empty(), "{}: blocks are not balanced", file.name());
    }
    assert!(bare.is_empty(), "{bare:#?}");
}

#[test]
fn a_change_of_the_surface_is_seen() {
    let mut message = files().into_iter().flat_map(|file| file.message_type).find(|it| it.name() == "Hand").unwrap();
    let mut before = String::new();
    print_message(&mut before, &message);
    message.field[0].number = Some(9);
    let mut after = String::new();
    print_message(&mut after, &message);
    assert_eq!(before, "message Hand\n  1 bytes key_id\n  2 bytes signature\n");
    assert_ne!(before, after);
}
