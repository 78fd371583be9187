//! Who may read what: the table against the contract and the document, what is public for a person to read, and the
//! predicates over states that a test makes

#![expect(clippy::unwrap_used, reason = "a test may fail by panic, its helpers too")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    fmt::Write as _,
    sync::Arc,
};

use common::{
    Ledger,
    golden::{assert_golden, path},
    mine, organisation,
};
use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use tally_core::{
    access::{self, Caller, Facts, METHODS, Sight, View, public_machine, public_mine, public_organisation},
    authority::{ROLES, role_name, role_zh},
    event::{EventKind, Publicity, UncheckedBody},
    id::{OrganisationId, SubjectId},
    time::Timestamp,
};
use tally_proto::v1::{self, Day, Equipment, Mine, Organisation, Role, RoleGrant, Scope, statement::Body};

const SECURITY: &str = "docs/security.md";
const PUBLIC_FIELDS: &str = "docs/public-fields.md";

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(tally_proto::DESCRIPTOR_SET).unwrap()
}

#[test]
fn every_rpc_of_the_contract_has_one_row_and_every_row_an_rpc() {
    let mut rpcs = BTreeSet::new();
    for file in descriptors().file.iter().filter(|file| file.package() == access::PACKAGE) {
        for service in &file.service {
            rpcs.extend(service.method.iter().map(|method| (service.name().to_owned(), method.name().to_owned())));
        }
    }
    let rows: Vec<_> = METHODS.iter().map(|row| (row.service.to_owned(), row.method.to_owned())).collect();
    let unique: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(unique, rpcs, "left: rows of core/src/access.rs, right: rpcs of proto/");
    assert_eq!(unique.len(), rows.len(), "a method has two rows");
    for (service, method) in rpcs {
        let found = access::row(&format!("{}.{service}", access::PACKAGE), &method).unwrap();
        assert_eq!((found.service, found.method), (service.as_str(), method.as_str()));
    }
    assert!(access::row("tally.v1.LogService", "Nothing").is_none());
    assert!(access::row("other.v1.LogService", "GetCheckpoint").is_none());
}

#[test]
fn nobody_sees_less_with_a_token_than_without() {
    for row in METHODS {
        for role in ROLES {
            assert!(row.view(Some(*role)) >= row.view(None), "{} as {}", row.method, role_name(*role));
        }
        assert_eq!(row.view(Some(Role::Unspecified)), row.view(None));
    }
}

/// Roles that see the same of every method share a column.
fn access_table() -> String {
    let mut columns: Vec<(Vec<View>, Vec<Role>)> = Vec::new();
    for role in ROLES {
        let views: Vec<View> = METHODS.iter().map(|row| row.view(Some(*role))).collect();
        match columns.iter_mut().find(|(known, _)| *known == views) {
            Some((_, roles)) => roles.push(*role),
            None => columns.push((views, vec![*role])),
        }
    }
    let heading = |roles: &[Role]| {
        let named = roles.iter().map(|role| format!("{} {}", role_name(*role), role_zh(*role)));
        if roles.len() > 3 { "every other role".to_owned() } else { named.collect::<Vec<_>>().join(", ") }
    };
    let mut text = "| method | no token |".to_owned();
    columns.iter().for_each(|(_, roles)| write!(text, " {} |", heading(roles)).unwrap());
    text.push_str("\n| --- | --- |");
    columns.iter().for_each(|_| text.push_str(" --- |"));
    text.push('\n');
    for (at, row) in METHODS.iter().enumerate() {
        write!(text, "| `{}/{}` | {} |", row.service, row.method, row.view(None).name()).unwrap();
        for (views, _) in &columns {
            write!(text, " {} |", views.get(at).unwrap().name()).unwrap();
        }
        text.push('\n');
    }
    text
}

fn public_kinds() -> String {
    let mut text = "| no. | kind | 中文 |\n| --- | --- | --- |\n".to_owned();
    for kind in EventKind::ALL {
        let but = match kind.publicity() {
            Publicity::Public => "",
            Publicity::Impersonal => ", unless it is about a person",
            Publicity::Withheld => continue,
        };
        writeln!(text, "| {} | {kind}{but} | {} |", *kind as u32, kind.zh()).unwrap();
    }
    text
}

fn limits() -> String {
    use tally_core::token::{LEEWAY_SECONDS, LIFE_SECONDS_MAX, TOKEN_BYTES_MAX};
    format!(
        "| of a token | at most |\n| --- | --- |\n| bytes | {TOKEN_BYTES_MAX} |\n| life, from `iat` to `exp` | {LIFE_SECONDS_MAX} s |\n\
         | difference of the clocks | {LEEWAY_SECONDS} s |\n"
    )
}

#[test]
fn the_document_says_what_the_table_says() {
    let doc = std::fs::read_to_string(path(SECURITY)).unwrap();
    let (mut text, mut lines, mut shown) = (String::new(), doc.lines(), 0);
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").unwrap();
        if let Some(table) = line.strip_prefix("<!-- printed: ") {
            text.push_str(&match table.trim_end_matches(" -->") {
                "access" => access_table(),
                "public" => public_kinds(),
                "limits" => limits(),
                other => panic!("{other} is no table"),
            });
            shown += 1;
            assert!(lines.any(|line| line == "<!-- end -->"), "{table} does not end");
            text.push_str("<!-- end -->\n");
        }
    }
    assert_eq!(shown, 3, "{SECURITY} shows every table");
    assert_golden(SECURITY, &text);
}

/// Comments of fields, by message and field: the descriptor set carries none.
fn comments() -> HashMap<(String, String), String> {
    let mut found = HashMap::new();
    for file in descriptors().file.iter().filter(|file| file.package() == access::PACKAGE) {
        let source = std::fs::read_to_string(path("proto").join(file.name())).unwrap();
        let (mut message, mut comment) = (String::new(), String::new());
        for line in source.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("message ") {
                name.trim_end_matches(" {").clone_into(&mut message);
            }
            match line.strip_prefix("// ") {
                Some(more) if comment.is_empty() => more.clone_into(&mut comment),
                Some(more) => write!(comment, " {more}").unwrap(),
                None => {
                    if let Some(name) = line.split(" = ").next().and_then(|left| left.split(' ').next_back()) {
                        found.insert((message.clone(), name.to_owned()), comment.clone());
                    }
                    comment.clear();
                }
            }
        }
    }
    found
}

fn type_of(field: &FieldDescriptorProto) -> String {
    let name = field.type_name().rsplit('.').next().unwrap_or_default().to_owned();
    let scalar = || field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase();
    let one = if name.is_empty() { scalar() } else { name };
    if field.label() == Label::Repeated { format!("{one}, several") } else { one }
}

/// Prints the fields of a message, and names the messages in them.
fn fields(
    message: &DescriptorProto,
    comments: &HashMap<(String, String), String>,
    text: &mut String,
    inside: &mut BTreeSet<String>,
) {
    text.push_str("| field | type | what it is |\n| --- | --- | --- |\n");
    // The body is one of those printed.
    for field in message.field.iter().filter(|field| field.oneof_index.is_none()) {
        let comment = &comments[&(message.name().to_owned(), field.name().to_owned())];
        writeln!(text, "| `{}` | {} | {comment} |", field.name(), type_of(field)).unwrap();
        if field.r#type() == Type::Message {
            inside.insert(field.type_name().rsplit('.').next().unwrap().to_owned());
        }
    }
}

#[test]
fn every_field_of_every_public_kind_is_printed_for_a_person_to_read() {
    let comments = comments();
    let messages: BTreeMap<String, DescriptorProto> = descriptors()
        .file
        .into_iter()
        .filter(|file| file.package() == access::PACKAGE)
        .flat_map(|file| file.message_type)
        .map(|message| (message.name().to_owned(), message))
        .collect();
    let mut text = "\
# What anyone may read of an event 公开字段

Printed by `crates/tally-core/tests/access.rs` from the column of the table in `crates/tally-core/src/event/kind.rs`;
`UPDATE_GOLDEN=1 cargo test -p tally-core --test access` prints it again. A new line here publishes something to everybody,
for ever: read it as whoever it is about would. What must not be public makes its kind a withheld one.

An event of a public kind is given to anyone, whole, since its signatures cover all of it. It holds no name of a person:
people are key ids, which are random. Free text in it (`reason`, `exempt_reason`) is written for the public.
"
    .to_owned();
    let mut inside = BTreeSet::new();
    for (heading, name) in
        [("Around every body: the event", "Event"), ("Around every body: the statement", "Statement")]
    {
        writeln!(text, "\n## {heading}\n").unwrap();
        fields(&messages[name], &comments, &mut text, &mut inside);
    }
    for kind in EventKind::ALL {
        let but = match kind.publicity() {
            Publicity::Public => "",
            Publicity::Impersonal => {
                "Public only where it is about no person: one that has a person, post, section or certificate is withheld.\n\n"
            }
            Publicity::Withheld => continue,
        };
        write!(text, "\n## {} {kind} {}\n\n{but}", *kind as u32, kind.zh()).unwrap();
        fields(&messages[kind.name()], &comments, &mut text, &mut inside);
    }
    text.push_str("\n# What these fields are made of\n");
    let mut printed = BTreeSet::new();
    while let Some(name) = inside.iter().find(|name| !printed.contains(*name)).cloned() {
        printed.insert(name.clone());
        writeln!(text, "\n## {name}\n").unwrap();
        fields(&messages[&name], &comments, &mut text, &mut inside);
    }
    assert_golden(PUBLIC_FIELDS, &text);
}

#[test]
fn a_key_of_a_person_is_withheld_and_other_keys_are_public() {
    let is_public = |body: v1::KeyAdded| {
        let body = UncheckedBody::from(Body::KeyAdded(body)).check().unwrap();
        body.is_public()
    };
    let staff = common::staff_key("fitter");
    assert!(!is_public(staff.clone()));
    let device =
        v1::KeyAdded { key: staff.key.clone(), algorithm: staff.algorithm, kind: 3, ..v1::KeyAdded::default() };
    assert!(is_public(device.clone()));
    assert!(is_public(v1::KeyAdded { kind: v1::KeyKind::Organisation.into(), ..device }));
}

/// States that a test makes.
#[derive(Default)]
struct Books {
    organisations: HashMap<OrganisationId, Organisation>,
    mines: HashMap<[u8; 16], Mine>,
    machines: HashMap<SubjectId, Equipment>,
}

impl Facts for Books {
    type Error = Infallible;

    fn organisation(&self, id: &OrganisationId) -> Result<Option<Arc<Organisation>>, Infallible> {
        Ok(self.organisations.get(id).cloned().map(Arc::new))
    }

    fn mine(&self, id: &[u8; 16]) -> Result<Option<Arc<Mine>>, Infallible> {
        Ok(self.mines.get(id).cloned().map(Arc::new))
    }

    fn machine(&self, subject: &SubjectId) -> Result<Option<Arc<Equipment>>, Infallible> {
        Ok(self.machines.get(subject).cloned().map(Arc::new))
    }
}

const NOW: Timestamp = Timestamp::from_micros(common::START + 40 * common::DAY);

fn day(month: u32, day: u32) -> Option<Day> {
    Some(Day { year: 2026, month, day })
}

fn grant(role: Role, scope: Scope) -> RoleGrant {
    RoleGrant { role: role.into(), scope: Some(scope), from: day(1, 1), ..RoleGrant::default() }
}

fn bytes(name: &str) -> Vec<u8> {
    organisation(name).as_bytes().to_vec()
}

fn engagement(name: &str, scope: Option<Scope>) -> v1::Engagement {
    let (from, until) = (day(1, 1), day(3, 1));
    v1::Engagement { organisation: bytes(name), from, until, scope, ..v1::Engagement::default() }
}

impl Books {
    /// A mine in 140623 of a company in 140100, and one machine in it.
    fn scene() -> (Self, Equipment) {
        let mut books = Self::default();
        for name in ["maker", "owner", "company", "user", "consignee", "operator", "stranger", "shop", "giver"] {
            let state = Organisation { id: bytes(name), area_code: "140100".to_owned(), ..Organisation::default() };
            books.organisations.insert(organisation(name), state);
        }
        let pit = Mine {
            id: mine("pit").id().to_vec(),
            area_code: "140623".to_owned(),
            operator: bytes("operator"),
            ..Mine::default()
        };
        books.mines.insert(*mine("pit").id(), pit);
        let machine = Equipment {
            id: SubjectId::unit("Maker", "MG900", "1").unwrap().id().to_vec(),
            plates: vec![v1::Plate { maker: "Maker".to_owned(), model: "MG900".to_owned(), serial: "1".to_owned() }],
            category: "shearer".to_owned(),
            maker: bytes("maker"),
            owner: bytes("owner"),
            holder: bytes("company"),
            user: bytes("user"),
            consignee: bytes("consignee"),
            mine: mine("pit").id().to_vec(),
            ..Equipment::default()
        };
        (books, machine)
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Organisation)) {
        change(self.organisations.get_mut(&organisation(name)).unwrap());
    }

    fn pit(&mut self) -> &mut Mine {
        self.mines.get_mut(mine("pit").id()).unwrap()
    }

    fn sight(&self, name: &str, role: Role, view: View) -> Sight<'_, Self> {
        let caller = Caller { organisation: organisation(name), role, key_id: common::key_id(name) };
        Sight::new(Some(caller), view, NOW, self)
    }

    fn own(&self, name: &str, machine: &Equipment) -> bool {
        self.sight(name, Role::Contractor, View::Own).sees_machine(machine).unwrap()
    }

    fn judged(&self, machine: &Equipment) -> [bool; 3] {
        let sight = self.sight("stranger", Role::Regulator, View::Jurisdiction);
        [
            sight.sees_machine(machine).unwrap(),
            sight.sees_mine(mine("pit").id()).unwrap(),
            sight.sees_organisation(&organisation("company")).unwrap(),
        ]
    }
}

#[test]
fn a_machine_is_own_to_whom_it_has_to_do_with() {
    let (books, machine) = Books::scene();
    for name in ["maker", "owner", "company", "user", "consignee", "operator"] {
        assert!(books.own(name, &machine), "{name}");
    }
    for name in ["stranger", "shop", "nobody"] {
        assert!(!books.own(name, &machine), "{name}");
    }
    let piece = Equipment { parent: machine.id.clone(), ..Equipment::default() };
    assert!(!books.own("maker", &piece), "the lot is not on record");
    let (mut books, lot) = Books::scene();
    books.machines.insert(SubjectId::unit("Maker", "MG900", "1").unwrap(), lot);
    assert!(books.own("maker", &piece) && !books.own("owner", &piece));
}

#[test]
fn a_machine_is_own_to_whoever_is_engaged_while_that_lasts_and_as_far_as_it_goes() {
    for giver in ["owner", "company", "pit"] {
        let engage = |engagement: v1::Engagement| {
            let (mut books, machine) = Books::scene();
            match giver {
                "pit" => books.pit().engagements.push(engagement),
                name => books.change(name, |state| state.engagements.push(engagement)),
            }
            books.own("shop", &machine)
        };
        assert!(engage(engagement("shop", None)), "{giver}");
        assert!(!engage(engagement("stranger", None)), "{giver}");
        assert!(!engage(v1::Engagement { ended: true, ..engagement("shop", None) }), "{giver}");
        assert!(!engage(v1::Engagement { from: day(2, 28), ..engagement("shop", None) }), "{giver}");
        assert!(!engage(v1::Engagement { until: day(2, 8), ..engagement("shop", None) }), "{giver}");
        let of = |category: &str| Some(Scope { categories: vec![category.to_owned()], ..Scope::default() });
        assert!(engage(engagement("shop", of("shearer"))) && !engage(engagement("shop", of("rope"))), "{giver}");
    }
}

#[test]
fn a_successor_stands_where_its_predecessor_stood_and_a_circle_ends() {
    let (mut books, machine) = Books::scene();
    books.change("company", |state| state.successor = bytes("giver"));
    books.change("giver", |state| state.successor = bytes("stranger"));
    assert!(books.own("stranger", &machine) && books.own("company", &machine));
    books.change("stranger", |state| state.successor = bytes("company"));
    assert!(!books.own("shop", &machine));
}

#[test]
fn a_mine_is_own_to_its_operator_to_whom_its_grant_names_and_to_whom_it_engages() {
    let (mut books, machine) = Books::scene();
    let sees =
        |books: &Books, name: &str| books.sight(name, Role::Mine, View::Own).sees_mine(mine("pit").id()).unwrap();
    assert!(sees(&books, "operator") && !sees(&books, "company") && !sees(&books, "shop"));
    books.change("stranger", |state| {
        state.roles.push(grant(Role::Mine, Scope { mines: vec![mine("pit").id().to_vec()], ..Scope::default() }));
    });
    assert!(sees(&books, "stranger") && books.own("stranger", &machine));
    books.pit().engagements.push(engagement("shop", None));
    assert!(sees(&books, "shop"));
    // Who engages somebody sees whether his people may do the work; not the other way round.
    let sees = |name: &str, other: &str| {
        books.sight(name, Role::Mine, View::Own).sees_organisation(&organisation(other)).unwrap()
    };
    assert!(sees("stranger", "shop") && sees("shop", "shop"));
    assert!(!sees("shop", "stranger") && !sees("company", "shop"));
}

#[test]
fn a_regulator_sees_what_its_grant_covers() {
    let judged = |scope: Scope, change: &dyn Fn(&mut RoleGrant)| {
        let (mut books, machine) = Books::scene();
        let mut grant = grant(Role::Regulator, scope);
        change(&mut grant);
        books.change("stranger", |state| state.roles.push(grant));
        books.judged(&machine)
    };
    let areas =
        |areas: &[&str]| Scope { areas: areas.iter().map(|area| (*area).to_owned()).collect(), ..Scope::default() };
    let as_it_is = |_: &mut RoleGrant| {};
    assert_eq!(judged(Scope::default(), &as_it_is), [true, true, true], "everywhere");
    assert_eq!(judged(areas(&["14"]), &as_it_is), [true, true, true]);
    assert_eq!(judged(areas(&["1406"]), &as_it_is), [true, true, false], "the mine's area, not the holder's");
    assert_eq!(judged(areas(&["1401"]), &as_it_is), [false, false, true], "the holder's area, not the mine's");
    assert_eq!(judged(areas(&["15"]), &as_it_is), [false, false, false]);
    assert_eq!(judged(areas(&[""]), &as_it_is), [false, false, false], "an empty prefix is no area");
    let here = Scope { mines: vec![mine("pit").id().to_vec()], ..Scope::default() };
    assert_eq!(judged(here, &as_it_is), [true, true, false]);
    let elsewhere = Scope { mines: vec![mine("elsewhere").id().to_vec()], ..Scope::default() };
    assert_eq!(judged(elsewhere, &as_it_is), [false, false, false]);
    let ropes = Scope { categories: vec!["rope".to_owned()], ..Scope::default() };
    assert_eq!(judged(ropes, &as_it_is), [false, true, true]);
    // START + 40 days is the tenth of February.
    let none = [false, false, false];
    assert_eq!(judged(Scope::default(), &|grant| grant.withdrawn = true), none);
    assert_eq!(judged(Scope::default(), &|grant| grant.role = Role::Investigator.into()), none, "another role");
    assert_eq!(judged(Scope::default(), &|grant| grant.from = day(2, 11)), none, "not yet");
    assert_eq!(judged(Scope::default(), &|grant| grant.from = day(2, 10)), [true; 3]);
    assert_eq!(judged(Scope::default(), &|grant| grant.until = day(2, 9)), none, "no more");
    assert_eq!(judged(Scope::default(), &|grant| grant.until = day(2, 10)), [true; 3], "the last day included");
    assert_eq!(judged(Scope::default(), &|grant| grant.until = day(2, 0)), [true; 3], "all of the month");
}

#[test]
fn in_no_mine_a_machine_lies_where_its_holder_sits() {
    let (mut books, machine) = Books::scene();
    let machine = Equipment { mine: Vec::new(), ..machine };
    let scope = Scope { areas: vec!["1401".to_owned()], ..Scope::default() };
    books.change("stranger", |state| state.roles.push(grant(Role::Regulator, scope)));
    assert!(books.judged(&machine)[0]);
    books.change("company", |state| state.area_code.clear());
    assert!(!books.judged(&machine)[0], "abroad is in no area");
}

#[test]
fn a_view_is_what_it_says() {
    let (mut books, machine) = Books::scene();
    books.change("company", |state| state.roles.push(grant(Role::Regulator, Scope::default())));
    for (view, own, other) in [
        (View::Nothing, false, false),
        (View::Public, false, false),
        (View::Own, true, false),
        (View::Jurisdiction, true, true),
        (View::All, true, true),
    ] {
        let sight = books.sight("company", Role::Regulator, view);
        let not_its_own = Equipment { holder: Vec::new(), ..machine.clone() };
        assert_eq!(
            (sight.sees_machine(&machine).unwrap(), sight.sees_machine(&not_its_own).unwrap()),
            (own, other),
            "{view:?}"
        );
        assert_eq!(sight.is_unlimited().unwrap(), matches!(view, View::Jurisdiction | View::All), "{view:?}");
        let nobody = Sight::new(None, view, NOW, &books);
        assert_eq!(nobody.sees_machine(&machine).unwrap(), view == View::All, "{view:?} without a token");
    }
}

#[test]
fn an_event_is_seen_by_who_issued_it_or_sees_the_chain_that_it_stands_on() {
    let mut ledger = Ledger::scene();
    let machine = ledger.at_mine("0417");
    let mut books = Books::default();
    for name in ["company", "partner", "manufacturer", "stranger"] {
        books.organisations.insert(organisation(name), Organisation { id: bytes(name), ..Organisation::default() });
    }
    books.machines.insert(machine, Equipment { holder: bytes("company"), ..Equipment::default() });
    let (mut public, mut withheld) = (0, 0);
    for recorded in ledger.touching(&machine) {
        let event = &recorded.candidate;
        let sees = |name: &str, view: View| books.sight(name, Role::Mine, view).sees_event(event).unwrap();
        let is_public = event.body().is_public();
        if is_public {
            public += 1
        } else {
            withheld += 1
        }
        assert!(sees("company", View::Own), "the holder sees {}", event.kind());
        assert_eq!(sees("stranger", View::Own), is_public, "{}", event.kind());
        assert_eq!(sees("stranger", View::Public), is_public, "{}", event.kind());
        assert!(!sees("company", View::Nothing) && sees("stranger", View::All));
        let issuer = event.statement().organisation;
        let caller = Caller { organisation: issuer, role: Role::Mine, key_id: common::key_id("x") };
        assert!(Sight::new(Some(caller), View::Own, NOW, &books).sees_event(event).unwrap(), "its issuer");
    }
    assert!(public > 0 && withheld > 0);
}

#[test]
fn the_public_view_of_a_machine_is_its_plate() {
    let (_, machine) = Books::scene();
    let whole = Equipment {
        state: 9,
        place: Some(v1::Place::default()),
        components: vec![v1::Component::default()],
        open_faults: vec![v1::OpenFault::default()],
        aliases: vec![v1::Alias::default()],
        mark_no: "MAA000001".to_owned(),
        ..machine
    };
    let public = public_machine(&whole).unwrap();
    assert_eq!(public.plates, whole.plates);
    let shown = Equipment {
        id: whole.id.clone(),
        plates: whole.plates.clone(),
        category: whole.category.clone(),
        mark_no: whole.mark_no.clone(),
        maker: whole.maker.clone(),
        public_only: true,
        ..Equipment::default()
    };
    assert_eq!(public, shown);
    // The number that an organisation gave a machine is no plate; one that was put on later is.
    let named = Equipment { id: SubjectId::named(organisation("company"), "7").unwrap().id().to_vec(), ..whole };
    assert_eq!(public_machine(&named), None);
    let later = v1::Plate { serial: "2".to_owned(), ..named.plates.first().unwrap().clone() };
    let replaced = Equipment { plates: [named.plates.clone(), vec![later.clone()]].concat(), ..named };
    assert_eq!(public_machine(&replaced).unwrap().plates, [later]);
}

#[test]
fn the_public_view_of_an_organisation_names_no_post_and_that_of_a_mine_no_place() {
    let key = v1::Key {
        key_id: vec![1; 32],
        post: "fitter".to_owned(),
        section: "two".to_owned(),
        certificates: vec![v1::Certificate::default()],
        ..v1::Key::default()
    };
    let whole = Organisation {
        name: "A".to_owned(),
        keys: vec![key],
        engagements: vec![v1::Engagement::default()],
        ..Organisation::default()
    };
    let bare = v1::Key { key_id: vec![1; 32], ..v1::Key::default() };
    let shown = Organisation { name: "A".to_owned(), keys: vec![bare], public_only: true, ..Organisation::default() };
    assert_eq!(public_organisation(&whole), shown);
    let whole = Mine {
        name: "pit".to_owned(),
        gas_grade: 2,
        places: vec![v1::PlaceNode::default()],
        engagements: vec![v1::Engagement::default()],
        ..Mine::default()
    };
    assert_eq!(public_mine(&whole), Mine { name: "pit".to_owned(), public_only: true, ..Mine::default() });
}
