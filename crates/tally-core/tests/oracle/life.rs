//! Random lives in the small world: what is tried is likely for the state of the machine, more often right than wrong,
//! and told out of order, late and amended. What admission refuses is not of the life.

use std::sync::LazyLock;

use tally_core::{
    admission::CORRECTABLE,
    event::{EventKind, UncheckedBody, event_ref_message},
    id::{SubjectId, SubjectKind},
    state::{Instant, Recorded, equipment},
    time::Timestamp,
};
use tally_proto::v1::{statement::Body as Message, *};

use crate::{
    chronicle::{record, record_set},
    common::{
        DAY, Draft, HOUR, Ledger,
        bodies::{self, Names, day, item, measure, sample},
        mine, organisation,
    },
    scene::{self, BATCH, KINDS, NON_COAL, PLACES, TRIAL},
};

static SCENE: LazyLock<Ledger> = LazyLock::new(scene::scene);

/// Numbers from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.below(u64::try_from(most - least + 1).unwrap())).unwrap()
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of some words.
    fn word(&mut self, from: &[&'static str]) -> &'static str {
        let word: &&str = self.pick(from);
        word
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// A UUIDv7 stated at an instant.
pub(crate) fn event_id(stated_us: i64, count: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&(stated_us / 1_000).to_be_bytes()[2..]);
    (id[6], id[8]) = (0x70, 0x80);
    id[10..].copy_from_slice(&count.to_be_bytes()[2..]);
    id
}

/// The calendar day of an instant, shifted.
pub(crate) fn day_at(at: i64) -> Option<Day> {
    let found = Timestamp::from_micros(at).day().unwrap();
    day(u32::from(found.year().unsigned_abs()), found.month().into(), found.day().into())
}

/// A life under way.
pub(crate) struct Life {
    pub(crate) ledger: Ledger,
    pub(crate) machines: Vec<SubjectId>,
    dice: Dice,
    count: u64,
    orders: Vec<(SubjectId, EventKind, Vec<SubjectId>)>,
    publications: Vec<(SubjectId, &'static str)>,
    leaked: Vec<&'static str>,
    /// Kinds of machine by number that this life is about.
    kinds: Vec<usize>,
}

const MINES: &[&str] = &["mine", "coal", "other mine", "metal"];

impl Life {
    /// Lives `steps` steps from a seed.
    pub(crate) fn live(seed: u64, steps: usize) -> Self {
        // Kinds by turns, so that some tens of lives have seen each with each.
        let offset = seed * 5;
        let kinds =
            (0..5).map(|at| usize::try_from((offset + at * (1 + seed % 3)) % KINDS.len() as u64).unwrap()).collect();
        let mut life = Self {
            ledger: SCENE.clone(),
            machines: Vec::new(),
            dice: Dice::new(seed),
            count: 1 << 20,
            orders: Vec::new(),
            publications: Vec::new(),
            leaked: Vec::new(),
            kinds,
        };
        for number in 0..life.kinds.len() {
            while life.machines.len() <= number {
                life.begin(number);
            }
        }
        for _ in 0..steps {
            life.pass_time();
            life.step();
        }
        life
    }

    /// Every subject that rules judge.
    pub(crate) fn subjects(&self) -> Vec<SubjectId> {
        self.machines.iter().copied().chain(MINES.iter().map(|name| mine(name))).collect()
    }

    fn pass_time(&mut self) {
        let hours = match self.dice.below(10) {
            0..=5 => self.dice.between(0, 20),
            6..=8 => self.dice.between(20, 140),
            _ => self.dice.between(200, 900),
        };
        self.ledger.now += hours * HOUR + self.dice.between(0, 3_599) * 1_000_000;
    }

    /// When it happened: mostly a while ago, sometimes long ago.
    fn happened(&mut self) -> i64 {
        let ago = match self.dice.below(20) {
            0 => self.dice.between(5, 50) * DAY,
            1..=3 => self.dice.between(0, 6) * DAY,
            4 => 0,
            _ => self.dice.between(0, 20) * HOUR,
        };
        self.ledger.now - ago
    }

    fn state(&self, machine: &SubjectId) -> Equipment {
        equipment::fold(machine, &self.ledger.touching(machine), Instant::ALL).unwrap_or_default()
    }

    // Signing.

    /// Tells an event with the signatures that chance gives.
    fn tell(&mut self, who: (&str, Role), subject: SubjectId, body: Message) -> Option<Recorded> {
        let at = self.happened();
        self.tell_at(who, subject, body, at)
    }

    fn tell_at(&mut self, who: (&str, Role), subject: SubjectId, body: Message, at: i64) -> Option<Recorded> {
        let draft = self.draft(who, subject, body, at);
        let people: &[&str] = match who.0 {
            "company" | "contractor" | "neighbour" => &["zhang", "li", "chen", "wu", "sun"],
            _ => &["zhang", "li"],
        };
        let mut performed = Vec::new();
        if self.dice.percent(30) {
            performed.push(format!("{}/{}", who.0, (*self.dice.pick(people))));
        }
        let performed: Vec<&str> = performed.iter().map(String::as_str).collect();
        record(&mut self.ledger, &draft, &performed).ok()
    }

    fn draft(&mut self, who: (&str, Role), subject: SubjectId, body: Message, at: i64) -> Draft {
        let people: &[&str] = match who.0 {
            "company" | "contractor" | "neighbour" => &["zhang", "li", "chen", "wu", "sun"],
            _ => &["zhang", "li"],
        };
        let first = format!("{}/{}", who.0, (*self.dice.pick(people)));
        let second = format!("{}/{}", who.0, (*self.dice.pick(people)));
        let mut draft = self.ledger.draft(who.0, who.1, subject, body).at(at);
        match self.dice.below(10) {
            0 | 1 => {}
            2 => draft = draft.issuer(&first),
            3..=5 => draft = draft.hand(&first),
            _ if first == second => draft = draft.hand(&first),
            _ => draft = draft.hand(&first).hand(&second),
        }
        if who.1 == Role::Laboratory && self.dice.percent(70) {
            draft.hands.truncate(1);
            draft = draft.hand("company/zhang");
        }
        self.count += 1;
        let stated = if self.dice.percent(70) { self.ledger.now } else { at + HOUR };
        draft.event_id = Some(event_id(stated.max(at), self.count));
        draft
    }

    // Beginnings.

    fn begin(&mut self, number: usize) {
        let kind = &KINDS[self.kinds[number]];
        let serial = (number + 1).to_string();
        let model = self.dice.word(&["M1", "M1", "M1", "M2", "OLD-1", "M3"]).to_owned();
        let mark_no = match self.dice.below(20) {
            0 | 1 => "",
            2 => "MZZ1",
            3 => BATCH,
            4 => TRIAL,
            5 => NON_COAL,
            6 => "MLZ259999",
            _ => kind.mark,
        };
        let made = self.ledger.now + self.dice.between(-120, 20) * DAY;
        let component = |model: &str, maker: &str| Component {
            slot: "截割电机".to_owned(),
            model: model.to_owned(),
            maker: maker.to_owned(),
            ..Component::default()
        };
        let ex_mark = match self.dice.below(8) {
            0 => "",
            1 => "KY",
            2 => "Ex db IIB T4 Gb",
            _ => kind.ex_mark,
        };
        let ex_cert_no = if self.dice.percent(70) { "CNEx 20.1234" } else { "" };
        let design_life = match self.dice.below(4) {
            0 => Some(measure("life", 1, 0, "a")),
            1 => Some(measure("life", 500, 0, "h")),
            _ => None,
        };
        let nameplate = if self.dice.percent(50) { vec![measure("power_kW", 2, 0, "kW")] } else { Vec::new() };
        let nameplate = if self.dice.percent(50) { vec![measure("power_kW", 75, 0, "kW")] } else { nameplate };
        let identity_kind = if kind.lot { IdentityKind::Lot } else { IdentityKind::Unit };
        let quantity = kind.lot.then(|| measure("length_m", 100, 0, "m"));
        if kind.category == "MONITOR_SYSTEM" {
            let subject = SubjectId::named(organisation("company"), &serial).unwrap();
            let members = (0..self.dice.below(3)).map(|_| {
                let model = self.dice.word(&["GJC4", "GJG9"]);
                Component { slot: format!("传感器{model}"), model: model.to_owned(), ..Component::default() }
            });
            let body = AssemblyFormed {
                own_number: serial,
                name: "监控系统".to_owned(),
                category: kind.category.to_owned(),
                members: members.collect(),
                place: scene::place(self.dice.word(&["yard", "chamber"])),
                mark_no: mark_no.to_owned(),
            };
            if self.tell(("company", Role::Mine), subject, Message::AssemblyFormed(body)).is_some() {
                self.machines.push(subject);
            }
            return;
        }
        let subject = match identity_kind {
            IdentityKind::Lot => SubjectId::lot("maker牌", &model, &serial).unwrap(),
            _ => SubjectId::unit("maker牌", &model, &serial).unwrap(),
        };
        let enrolled = self.dice.percent(20);
        let manufactured = Manufactured {
            maker: "maker牌".to_owned(),
            model: model.clone(),
            serial: serial.clone(),
            category: kind.category.to_owned(),
            produced_on: day_at(made),
            identity_kind: identity_kind as i32,
            mark_no: mark_no.to_owned(),
            exempt_reason: if mark_no.is_empty() && self.dice.percent(30) {
                "非受控".to_owned()
            } else {
                String::new()
            },
            nameplate: nameplate.clone(),
            components: match self.dice.below(4) {
                0 => vec![component("YBU-1", "")],
                1 => vec![component("YBU-2", "佳木斯")],
                2 => vec![component("DW10-A", "")],
                _ => Vec::new(),
            },
            ex_mark: ex_mark.to_owned(),
            ex_cert_no: ex_cert_no.to_owned(),
            design_life: design_life.clone(),
            quantity: quantity.clone(),
            production_address: self.dice.word(&["太原", "太原", "", "大同"]).to_owned(),
            ..Manufactured::default()
        };
        let by_maker = |life: &mut Self, at: i64| {
            life.tell_at(("maker", Role::Manufacturer), subject, Message::Manufactured(manufactured.clone()), at)
        };
        if !enrolled {
            if by_maker(self, made.min(self.ledger.now)).is_some() {
                self.machines.push(subject);
            }
            return;
        }
        let state =
            *self.dice.pick(&[ServiceState::InUse, ServiceState::InStore, ServiceState::Idle, ServiceState::Stopped]);
        let produced_on = match self.dice.below(3) {
            0 => None,
            1 => day(2025, self.dice.below(13).try_into().unwrap(), 0),
            _ => day_at(made),
        };
        let body = Enrolled {
            maker: "maker牌".to_owned(),
            model,
            serial,
            category: kind.category.to_owned(),
            identity_kind: identity_kind as i32,
            produced_on,
            state: state as i32,
            place: scene::place(PLACES[usize::try_from(self.dice.below(PLACES.len() as u64)).unwrap()].0),
            mark_no: mark_no.to_owned(),
            ex_mark: ex_mark.to_owned(),
            ex_cert_no: ex_cert_no.to_owned(),
            design_life,
            quantity,
            nameplate,
            ..Enrolled::default()
        };
        if self.tell(("company", Role::Mine), subject, Message::Enrolled(body)).is_some() {
            self.machines.push(subject);
            if self.dice.percent(40) {
                by_maker(self, made.min(self.ledger.now));
            }
        }
    }

    // Steps.

    fn step(&mut self) {
        match self.dice.below(100) {
            0..=63 => {
                let machine = *self.dice.pick(&self.machines.clone());
                self.machine(machine);
            }
            64..=69 => self.script(),
            70..=75 => self.round(),
            76..=80 => self.order(),
            81..=85 => self.mark(),
            86..=88 => self.publication(),
            89 | 90 => self.mine(),
            91..=93 => self.part(),
            94..=96 => self.decide(),
            97 if self.dice.percent(60) => self.key(),
            _ => {
                let machine = *self.dice.pick(&self.machines.clone());
                self.amend(machine);
            }
        }
    }

    fn result(&mut self, fails: u64) -> i32 {
        let result = match self.dice.below(100) {
            chance if chance < fails => CheckResult::Fail,
            98 => CheckResult::Conditional,
            99 => CheckResult::NotApplicable,
            _ => CheckResult::Pass,
        };
        result as i32
    }

    fn mine_of(&mut self, holder: &str) -> SubjectId {
        mine(match holder {
            "neighbour" => self.dice.word(&["other mine", "metal"]),
            _ => self.dice.word(&["coal", "coal", "coal", "mine"]),
        })
    }

    fn spot(&mut self, mine_id: &[u8]) -> Option<Place> {
        let coal = mine("coal");
        if coal.id()[..] == *mine_id {
            let at = usize::try_from(self.dice.below(PLACES.len() as u64)).unwrap();
            return scene::place(PLACES[at].0);
        }
        if mine_id.is_empty() { bodies::in_store() } else { Some(Place { mine: mine_id.to_vec(), ..Place::default() }) }
    }

    fn machine(&mut self, machine: SubjectId) {
        use EventKind as Kind;
        let state = self.state(&machine);
        let likely: &[Kind] = match state.state() {
            ServiceState::Manufactured => &[Kind::FactoryExit, Kind::FactoryExit, Kind::Dispatched, Kind::Tested],
            ServiceState::InTransit => &[
                Kind::Received,
                Kind::Received,
                Kind::Received,
                Kind::ReceiptRefused,
                Kind::EnteredMine,
                Kind::Installed,
                Kind::AcceptanceChecked,
            ],
            ServiceState::InStore | ServiceState::AtMine => &[
                Kind::AcceptanceChecked,
                Kind::AcceptanceChecked,
                Kind::EnteredMine,
                Kind::Installed,
                Kind::Tested,
                Kind::Dispatched,
                Kind::Warehoused,
            ],
            ServiceState::Accepted => &[Kind::ExProofChecked, Kind::EnteredMine, Kind::Installed, Kind::Tested],
            ServiceState::ReadyDown => &[Kind::EnteredMine, Kind::EnteredMine, Kind::Maintained],
            ServiceState::Underground => &[Kind::Installed, Kind::Installed, Kind::Inspected, Kind::ExProofChecked],
            ServiceState::Installed => &[Kind::InstallationAccepted, Kind::Commissioned, Kind::Commissioned],
            ServiceState::InUse | ServiceState::Standby => &[
                Kind::Inspected,
                Kind::Inspected,
                Kind::Tested,
                Kind::Tested,
                Kind::Calibrated,
                Kind::Maintained,
                Kind::UsageReported,
                Kind::UsageReported,
                Kind::FaultReported,
                Kind::FaultReported,
                Kind::Moved,
                Kind::Idled,
                Kind::DutyChanged,
                Kind::MaintenanceStarted,
                Kind::ComponentReplaced,
                Kind::ComponentTakenOut,
                Kind::ScrapAppraised,
                Kind::StoppedUse,
                Kind::Rectified,
                Kind::RectificationConfirmed,
                Kind::ExProofChecked,
            ],
            ServiceState::Idle => &[Kind::Resumed, Kind::Resumed, Kind::Commissioned, Kind::RaisedToSurface],
            ServiceState::Stopped => &[
                Kind::Rectified,
                Kind::RectificationConfirmed,
                Kind::Resumed,
                Kind::RaisedToSurface,
                Kind::ScrapProposed,
            ],
            ServiceState::UnderMaintenance => &[Kind::MaintenanceFinished, Kind::ComponentFitted, Kind::Altered],
            ServiceState::AtOverhaul => &[Kind::OverhaulStarted, Kind::Overhauled, Kind::Overhauled, Kind::Dispatched],
            ServiceState::ScrapProposed => &[Kind::Scrapped, Kind::Scrapped, Kind::RaisedToSurface],
            ServiceState::Scrapped => &[Kind::Dismantled, Kind::Dispatched, Kind::EnteredMine, Kind::Received],
            ServiceState::Lost => &[Kind::Recovered, Kind::Recovered, Kind::ScrapProposed],
            ServiceState::Exported => &[Kind::AcceptanceChecked],
            ServiceState::Dismantled | ServiceState::Superseded | ServiceState::Unspecified => &[Kind::Noted],
        };
        let any: &[Kind] = &[
            Kind::StockChecked,
            Kind::AliasSet,
            Kind::AliasSet,
            Kind::AliasEnded,
            Kind::PlateReplaced,
            Kind::Countersigned,
            Kind::Countersigned,
            Kind::LeaseStarted,
            Kind::LeaseEnded,
            Kind::OwnershipChanged,
            Kind::Overhauled,
            Kind::OverhaulStarted,
            Kind::RaisedToSurface,
            Kind::RaisedToSurface,
            Kind::Dispatched,
            Kind::Received,
            Kind::LostReported,
            Kind::Enrolled,
            Kind::MembersChanged,
            Kind::ComponentFitted,
            Kind::Rectified,
            Kind::RectificationConfirmed,
            Kind::UsageReported,
            Kind::Inspected,
            Kind::Altered,
            Kind::Exported,
            Kind::RecallRemedied,
            Kind::ScrapProposed,
        ];
        let kind = if self.dice.percent(78) { *self.dice.pick(likely) } else { *self.dice.pick(any) };
        self.try_kind(machine, &state, kind);
    }

    /// What follows one another in a machine's life.
    fn script(&mut self) {
        use EventKind as Kind;
        if self.dice.percent(10) {
            let [part, machine] = [self.machines[0], self.machines[1]];
            for kind in [Kind::Dismantled, Kind::Noted, Kind::Noted, Kind::ScrapAppraised] {
                if kind == Kind::Noted {
                    self.part();
                    continue;
                }
                let subject = if kind == Kind::Dismantled { machine } else { part };
                let state = self.state(&subject);
                self.try_kind(subject, &state, kind);
                self.ledger.now += 5 * HOUR;
            }
            return;
        }
        let scripts: &[&[Kind]] = &[
            &[
                Kind::Received,
                Kind::AcceptanceChecked,
                Kind::ExProofChecked,
                Kind::EnteredMine,
                Kind::Installed,
                Kind::InstallationAccepted,
                Kind::Commissioned,
            ],
            &[Kind::Received, Kind::EnteredMine, Kind::Installed, Kind::Commissioned, Kind::UsageReported],
            &[Kind::ScrapAppraised, Kind::ScrapProposed, Kind::Scrapped, Kind::Dismantled],
            &[Kind::FaultReported, Kind::Overhauled, Kind::FaultReported, Kind::FaultReported],
            &[Kind::FaultReported, Kind::Rectified, Kind::RectificationConfirmed, Kind::RectificationConfirmed],
            &[Kind::Tested, Kind::EnteredMine, Kind::Tested, Kind::RaisedToSurface],
            &[Kind::UsageReported, Kind::UsageReported, Kind::UsageReported, Kind::Inspected],
            &[Kind::Resumed, Kind::ComponentTakenOut, Kind::ComponentFitted, Kind::Calibrated],
            &[
                Kind::Dispatched,
                Kind::DutyChanged,
                Kind::UsageReported,
                Kind::Received,
                Kind::Dispatched,
                Kind::Received,
            ],
            &[Kind::LeaseStarted, Kind::DutyChanged, Kind::LeaseEnded],
            &[Kind::Idled, Kind::Resumed],
            &[Kind::MembersChanged, Kind::MembersChanged],
            &[Kind::FaultReported, Kind::Resumed, Kind::UsageReported, Kind::Rectified],
        ];
        let mut script = *self.dice.pick(scripts);
        let machine = *self.dice.pick(&self.machines.clone());
        if self.state(&machine).category == "BELT" && self.dice.percent(60) {
            script = &[
                Kind::Received,
                Kind::Tested,
                Kind::EnteredMine,
                Kind::Tested,
                Kind::Installed,
                Kind::RaisedToSurface,
            ];
        }
        for kind in script {
            if self.dice.percent(12) {
                continue;
            }
            let state = self.state(&machine);
            self.try_kind(machine, &state, *kind);
            self.ledger.now += self.dice.between(0, 30) * HOUR;
        }
    }

    fn name_of(id: &[u8]) -> Option<&'static str> {
        let known = ["maker", "dealer", "company", "neighbour", "shop", "late shop", "lessor", "recycler", "partner"];
        known.into_iter().find(|name| organisation(name).as_bytes()[..] == *id)
    }

    fn role_of(name: &str) -> Role {
        match name {
            "maker" => Role::Manufacturer,
            "company" | "neighbour" => Role::Mine,
            "shop" | "late shop" => Role::OverhaulShop,
            "lessor" => Role::Lessor,
            "recycler" | "late recycler" => Role::Recycler,
            _ => Role::Dealer,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a kind")]
    fn try_kind(&mut self, machine: SubjectId, state: &Equipment, kind: EventKind) {
        use EventKind as Kind;
        let Some(known) = self.ledger.admission.equipment(&machine).cloned() else { return };
        let holder = known.holder.and_then(|holder| Self::name_of(holder.as_bytes())).unwrap_or("company");
        let owner = known.owner.and_then(|owner| Self::name_of(owner.as_bytes())).unwrap_or("company");
        let by_holder = (holder, Self::role_of(holder));
        let by_owner = (owner, Self::role_of(owner));
        let company = if holder == "neighbour" || (known.mine.is_none() && self.dice.percent(10)) {
            ("neighbour", Role::Mine)
        } else {
            ("company", Role::Mine)
        };
        let inside = known.mine.map(|id| SubjectId::new(SubjectKind::Mine, id));
        let names =
            Names { inside, event: self.ledger.last(&machine), holder: holder.to_owned(), ..Ledger::names("1") };
        let mine_id = inside.map(|mine| mine.id().to_vec()).unwrap_or_default();
        let contractor = (self.dice.word(&["contractor", "contractor", "late contractor"]), Role::Contractor);
        let mut who = company;
        let mut body = sample(kind, &names);
        let mut at = self.happened();
        match &mut body {
            Message::FactoryExit(body) => {
                who = ("maker", Role::Manufacturer);
                body.consignee =
                    organisation(self.dice.word(&["company", "company", "company", "neighbour", "dealer"]))
                        .as_bytes()
                        .to_vec();
                body.model = state.model.clone();
                body.mark_no = state.mark_no.clone();
            }
            Message::Dispatched(body) => {
                who = by_holder;
                let to =
                    self.dice.word(&["company", "company", "neighbour", "shop", "late shop", "dealer", "recycler"]);
                body.to_organisation = organisation(to).as_bytes().to_vec();
                body.reason = match to {
                    "recycler" => DispatchReason::Scrap,
                    "shop" | "late shop" => DispatchReason::Overhaul,
                    _ => *self.dice.pick(&[DispatchReason::Sale, DispatchReason::Loan, DispatchReason::Transfer]),
                } as i32;
                body.mine_left = mine_id;
            }
            Message::Received(body) => {
                let Some(dispatch) = known.dispatch else { return };
                let party = if dispatch.refused { dispatch.sender } else { dispatch.consignee };
                let Some(name) = Self::name_of(party.as_bytes()) else { return };
                who = (name, Self::role_of(name));
                body.dispatch_event = Some(EventRef {
                    subject: machine.key().to_vec(),
                    chain_index: dispatch.chain_index.get(),
                    event_hash: dispatch.event_hash.as_bytes().to_vec(),
                });
                body.from_organisation = dispatch.sender.as_bytes().to_vec();
                if self.dice.percent(50) {
                    // Received soon, told late: what the sender did meanwhile overlaps.
                    let own = self.own(&machine);
                    let index = usize::try_from(dispatch.chain_index.get()).unwrap();
                    at = own[index].candidate.statement().occurred_at.micros() + HOUR / 2;
                }
                let to_mine = who.1 == Role::Mine && self.dice.percent(85);
                body.into = match who.1 {
                    Role::Mine if to_mine => ReceivedInto::Mine,
                    Role::OverhaulShop => ReceivedInto::Overhaul,
                    _ => ReceivedInto::Store,
                } as i32;
                body.mine_entered = if to_mine { self.mine_of(name).id().to_vec() } else { Vec::new() };
            }
            Message::ReceiptRefused(body) => {
                let Some(dispatch) = known.dispatch else { return };
                let Some(name) = Self::name_of(dispatch.consignee.as_bytes()) else { return };
                who = (name, Self::role_of(name));
                body.dispatch_event = Some(EventRef {
                    subject: machine.key().to_vec(),
                    chain_index: dispatch.chain_index.get(),
                    event_hash: dispatch.event_hash.as_bytes().to_vec(),
                });
            }
            Message::Warehoused(_) | Message::LostReported(_) => who = by_holder,
            Message::Recovered(body) => {
                who = by_holder;
                body.place = self.spot(&mine_id);
            }
            Message::StockChecked(body) => {
                who = by_holder;
                body.found = self.dice.percent(50);
                body.place = self.spot(&mine_id);
            }
            Message::AcceptanceChecked(body) => {
                let fails = 20;
                body.result = self.result(fails);
                body.checks = ["plate", "label", "ex_cert"]
                    .iter()
                    .map(|code| CheckItem { code: (*code).to_owned(), result: self.result(25), ..CheckItem::default() })
                    .collect();
                let skip = usize::try_from(self.dice.below(2)).unwrap();
                body.checks.drain(..skip);
            }
            Message::ExProofChecked(body) => {
                body.result = self.result(15);
                if self.dice.percent(40) {
                    body.valid_until = day_at(at + self.dice.between(0, 12) * DAY);
                }
            }
            Message::EnteredMine(body) => {
                let mine = match inside {
                    Some(inside) if self.dice.percent(95) => inside,
                    _ => self.mine_of(company.0),
                };
                body.mine = mine.id().to_vec();
                body.to_location = self.spot(mine.id());
            }
            Message::Installed(body) => {
                if self.dice.percent(25) {
                    who = contractor;
                }
                body.location = self.spot(&mine_id);
                body.function = self.dice.word(&["升降人员", "升降物料", ""]).to_owned();
            }
            Message::InstallationAccepted(body) => body.result = self.result(20),
            Message::Commissioned(body) => {
                body.result = self.result(10);
                body.duty = if self.dice.percent(80) { Duty::Work } else { Duty::Standby } as i32;
                if self.dice.percent(50) {
                    body.meter_no = "J-1".to_owned();
                    body.meter_start = Some(measure("running_h", 0, 0, "h"));
                }
            }
            Message::DutyChanged(body) => {
                body.duty = if self.dice.percent(60) { Duty::Work } else { Duty::Standby } as i32;
            }
            Message::Moved(body) => {
                body.to_location = self.spot(&mine_id);
                body.dismantled = self.dice.percent(30);
            }
            Message::UsageReported(body) => {
                let last = state.meters.iter().find(|meter| meter.meter_no == "J-1");
                let last = last.and_then(|meter| meter.counter.as_ref()).map_or(0, |counter| counter.digits);
                let more = *self.dice.pick(&[0, 0, 5, 40, 200, 900, -30]);
                body.counter = Some(measure("running_h", (last + more).max(0), 0, "h"));
                body.meter_exchanged = self.dice.percent(8);
                who = if self.dice.percent(10) { ("neighbour", Role::Mine) } else { company };
            }
            Message::Resumed(body) => {
                body.result = self.result(10);
                body.duty = if self.dice.percent(80) { Duty::Work } else { Duty::Standby } as i32;
            }
            Message::Inspected(body) => {
                self.vary_inspection(body, at);
                if self.dice.percent(20) {
                    who = contractor;
                }
            }
            Message::Tested(body) => {
                who = match self.dice.below(5) {
                    0 => company,
                    1 => ("late laboratory", Role::Laboratory),
                    _ if state.state() == ServiceState::Manufactured => ("maker", Role::Manufacturer),
                    _ => ("laboratory", Role::Laboratory),
                };
                body.schedule_code = self.code(&state.category, &["S-X"]);
                body.result = self.result(35);
                body.stop = self.dice.percent(8);
            }
            Message::Calibrated(body) => {
                body.schedule_code = self.code(&state.category, &["S-MON-01"]);
                body.result = self.result(15);
            }
            Message::Maintained(body) => {
                who = if self.dice.percent(40) { contractor } else { company };
                body.enclosure_opened = self.dice.percent(55);
            }
            Message::MaintenanceFinished(body) => {
                body.next = *self.dice.pick(&[ServiceState::InUse, ServiceState::InUse, ServiceState::Idle]) as i32;
                body.enclosure_opened = self.dice.percent(40);
            }
            Message::RaisedToSurface(body) => body.mine = mine_id,
            Message::OverhaulStarted(body) => {
                who = (self.dice.word(&["shop", "late shop"]), Role::OverhaulShop);
                if self.dice.percent(50) {
                    body.documents_available = vec![bodies::attachment()];
                }
            }
            Message::Overhauled(body) => {
                who = (self.dice.word(&["shop", "shop", "late shop"]), Role::OverhaulShop);
                body.conformity =
                    *self.dice.pick(&[Conformity::Conforms, Conformity::Conforms, Conformity::Unfit]) as i32;
                if self.dice.percent(40) {
                    body.parts_out = vec![PartFate { component: Some(self.component()), fate: Fate::Repair as i32 }];
                }
                if self.dice.percent(40) {
                    let part = self.some_part(&machine).unwrap_or_else(|| self.component());
                    body.parts_in = vec![Component { slot: "截割电机".to_owned(), ..part }];
                }
            }
            Message::ComponentReplaced(body) => {
                body.slot = self.slot();
                body.r#in = Some(self.component());
                body.controlled = self.dice.percent(30);
            }
            Message::ComponentTakenOut(body) => {
                body.slot = self.slot();
                body.component = Some(self.component());
            }
            Message::ComponentFitted(body) => {
                body.slot = self.slot();
                body.component = Some(self.component());
            }
            Message::Altered(_) => who = ("maker", Role::Manufacturer),
            Message::PlateReplaced(body) => {
                who = ("maker", Role::Manufacturer);
                let plate = state.plates.first().cloned().unwrap_or_default();
                (body.maker, body.model, body.serial) = ("maker牌".to_owned(), plate.model, plate.serial);
                if body.model.is_empty() {
                    return;
                }
                let mut draft = self.draft(who, machine, Message::PlateReplaced(body.clone()), at);
                if self.dice.percent(50) {
                    draft.hands.truncate(1);
                    draft = draft.hand(&format!("{holder}/zhang"));
                }
                drop(record(&mut self.ledger, &draft, &[]));
                return;
            }
            Message::FaultReported(body) => {
                body.fault_id = format!("F-{}", self.dice.below(3));
                body.kind = self.dice.word(&["制动失灵", "跑偏保护失效", "漏油"]).to_owned();
                body.severity =
                    *self.dice.pick(&[FaultSeverity::Stop, FaultSeverity::Serious, FaultSeverity::Minor]) as i32;
                body.loss_of_protection = self.dice.percent(35);
                if self.dice.percent(40) {
                    body.due_by = day_at(at + self.dice.between(0, 9) * DAY);
                }
                who = match self.dice.below(6) {
                    0 => contractor,
                    1 => ("regulator", Role::Regulator),
                    _ => company,
                };
            }
            Message::Rectified(body) => {
                body.fault_id = self.open_fault(state);
                who = if self.dice.percent(30) { contractor } else { company };
            }
            Message::RectificationConfirmed(body) => {
                body.fault_id = self.open_fault(state);
                body.result =
                    if self.dice.percent(15) { RectificationResult::Reopened } else { RectificationResult::Closed }
                        as i32;
                who = if self.dice.percent(10) { ("regulator", Role::Regulator) } else { company };
            }
            Message::ScrapAppraised(body) => {
                body.verdict =
                    *self.dice.pick(&[ScrapVerdict::Scrap, ScrapVerdict::Repair, ScrapVerdict::Scrap]) as i32;
            }
            Message::ScrapProposed(_) | Message::Scrapped(_) => who = by_owner,
            Message::Dismantled(body) => {
                who = match self.dice.below(4) {
                    0 => ("recycler", Role::Recycler),
                    1 => ("late recycler", Role::Recycler),
                    _ => by_owner,
                };
                body.place = *self.dice.pick(&[DismantlingPlace::Surface, DismantlingPlace::Underground]) as i32;
                body.plan = self.dice.percent(40).then(bodies::attachment);
                if let Some(part) = self.some_part(&machine) {
                    let fate = *self.dice.pick(&[Fate::Destroyed, Fate::Spare, Fate::SoldMetal, Fate::Repair]);
                    body.parts = vec![PartFate { component: Some(part), fate: fate as i32 }];
                }
            }
            Message::Exported(body) => {
                who = by_owner;
                body.holder = known.holder.map(|holder| holder.as_bytes().to_vec()).unwrap_or_default();
                body.mine_left = mine_id;
                if self.dice.percent(70) {
                    return;
                }
            }
            Message::AliasSet(body) => {
                who = by_holder;
                (body.kind, body.value) = self.alias();
            }
            Message::AliasEnded(body) => {
                who = by_holder;
                (body.kind, body.value) = self.alias();
            }
            Message::Countersigned(body) => {
                who = by_holder;
                // Mostly what lacks a signature, the rarer kinds first.
                let mut own = self.own(&machine);
                let lacks = |event: &Recorded| {
                    let kinds =
                        [Kind::AcceptanceChecked, Kind::InstallationAccepted, Kind::PlateReplaced, Kind::Altered];
                    kinds.contains(&event.candidate.kind())
                        && event.findings.contains(&IrregularityKind::SecondSignatureMissing)
                };
                if self.dice.percent(70) && own.iter().any(lacks) {
                    own.retain(lacks);
                }
                body.event = Some(event_ref_message(&self.dice.pick(&own).candidate.event().event_ref()));
            }
            Message::LeaseStarted(body) => {
                who = by_owner;
                let lessee = self.dice.word(&["neighbour", "company"]);
                body.lessee = organisation(lessee).as_bytes().to_vec();
                let draft = self.draft(who, machine, Message::LeaseStarted(body.clone()), at);
                let draft = Draft { hands: Vec::new(), ..draft }.hand(&format!("{lessee}/zhang"));
                drop(record(&mut self.ledger, &draft, &[]));
                return;
            }
            Message::LeaseEnded(_) => who = by_owner,
            Message::OwnershipChanged(body) => {
                who = by_owner;
                let new_owner = self.dice.word(&["neighbour", "company"]);
                body.new_owner = organisation(new_owner).as_bytes().to_vec();
                let draft = self.draft(who, machine, Message::OwnershipChanged(body.clone()), at);
                let draft = Draft { hands: Vec::new(), ..draft }.hand(&format!("{new_owner}/zhang"));
                drop(record(&mut self.ledger, &draft, &[]));
                return;
            }
            Message::Enrolled(body) => {
                let plate = state.plates.first().cloned().unwrap_or_default();
                (body.maker, body.model, body.serial) = (plate.maker, plate.model, plate.serial);
                body.identity_kind = state.identity_kind;
                body.category = state.category.clone();
                body.quantity = state.quantity.clone();
                body.place = bodies::in_store();
                who = (self.dice.word(&["company", "neighbour"]), Role::Mine);
            }
            Message::MembersChanged(body) => {
                let model = self.dice.word(&["GJC4", "GJG9"]);
                let member =
                    Component { slot: format!("传感器{model}"), model: model.to_owned(), ..Component::default() };
                if self.dice.percent(50) {
                    body.removed = state.members.iter().take(1).cloned().collect();
                }
                body.added = if body.removed.is_empty() { vec![member] } else { Vec::new() };
            }
            Message::RecallRemedied(body) => {
                let recalls: Vec<SubjectId> = self
                    .orders
                    .iter()
                    .filter(|(_, kind, machines)| *kind == EventKind::RecallIssued && machines.contains(&machine))
                    .map(|(order, ..)| *order)
                    .collect();
                if recalls.is_empty() {
                    return;
                }
                body.recall = self.dice.pick(&recalls).id().to_vec();
                body.result = self.result(20);
            }
            _ => {}
        }
        // Two events of one machine at the very same instant.
        if self.dice.percent(4)
            && let Some(last) = self.own(&machine).last()
        {
            at = last.candidate.statement().occurred_at.micros();
        }
        self.tell_at(who, machine, body, at);
    }

    fn own(&self, machine: &SubjectId) -> Vec<Recorded> {
        let mut own = self.ledger.touching(machine);
        own.retain(|event| event.candidate.statement().subject == *machine);
        own
    }

    fn open_fault(&mut self, state: &Equipment) -> String {
        if self.dice.percent(80)
            && let Some(fault) = state.open_faults.first()
        {
            return fault.fault_id.clone();
        }
        format!("F-{}", self.dice.below(3))
    }

    fn alias(&mut self) -> (i32, String) {
        let kind = *self.dice.pick(&[AliasKind::Label, AliasKind::Rfid, AliasKind::MineNo]);
        (kind as i32, "标识-1".to_owned())
    }

    fn slot(&mut self) -> String {
        self.dice.word(&["截割电机", "截割电机", "跑偏保护", "制动器"]).to_owned()
    }

    fn component(&mut self) -> Component {
        let (model, maker) =
            *self.dice.pick(&[("YBU-1", ""), ("YBU-2", "南阳"), ("YBU-2", "佳木斯"), ("YBU-9", ""), ("DW10-B", "")]);
        Component { slot: self.slot(), model: model.to_owned(), maker: maker.to_owned(), ..Component::default() }
    }

    /// A part with a chain of its own; mostly the first machine of the life.
    fn some_part(&mut self, but: &SubjectId) -> Option<Component> {
        let mut others: Vec<SubjectId> = self.machines.iter().copied().filter(|machine| machine != but).collect();
        if others.is_empty() || self.dice.percent(20) {
            return None;
        }
        if self.dice.percent(70) {
            others.truncate(1);
        }
        let part = *self.dice.pick(&others);
        Some(Component { equipment: part.id().to_vec(), model: "M1".to_owned(), ..Component::default() })
    }

    fn code(&mut self, category: &str, more: &[&str]) -> String {
        let mut codes: Vec<String> = scene::schedule()
            .into_iter()
            .filter(|row| row.applies_to.starts_with(category))
            .map(|row| row.code)
            .collect();
        codes.extend(more.iter().map(|code| (*code).to_owned()));
        self.dice.pick(&codes).clone()
    }

    fn vary_inspection(&mut self, body: &mut Inspected, at: i64) {
        use InspectionKind::{Daily, Exproof, Monthly, Quarterly, Special, Weekly};
        body.kind = *self.dice.pick(&[Daily, Daily, Exproof, Exproof, Monthly, Quarterly, Special, Weekly]) as i32;
        (body.started_us, body.finished_us) = (at - self.dice.between(0, 3) * HOUR / 2, at);
        if self.dice.percent(40) {
            body.schedule_code = self.dice.word(&["S-CHR-02", "S-RES-01", "S-VEH-02", "S-ENR-01"]).to_owned();
        }
        if self.dice.percent(50) {
            body.nothing_found = false;
            let value =
                measure(self.dice.word(&["broken_wires_pct", "diameter_loss_pct"]), self.dice.between(3, 12), 0, "%");
            body.items = vec![
                item("plate", CheckResult::Pass),
                CheckItem { code: "label".to_owned(), result: self.result(30), ..CheckItem::default() },
                CheckItem { value: Some(value), ..item("rope", CheckResult::Pass) },
            ];
            body.items[0].result = self.result(30);
        }
    }

    // Around the machines.

    fn round(&mut self) {
        let name = *self.dice.pick(MINES);
        let here = mine(name);
        let company = match name {
            "mine" | "coal" => ("company", Role::Mine),
            _ => ("neighbour", Role::Mine),
        };
        let there = |machine: &&SubjectId| {
            self.ledger.admission.equipment(machine).is_some_and(|known| known.mine.as_ref() == Some(here.id()))
        };
        let mut machines: Vec<SubjectId> = self.machines.iter().filter(there).copied().collect();
        machines.sort();
        if machines.is_empty() {
            return;
        }
        let names = Names { machines, ..Ledger::names("1") };
        let at = self.happened();
        if self.dice.percent(25) {
            let mut body = sample(EventKind::StockChecked, &names);
            if let Message::StockChecked(body) = &mut body {
                body.found = self.dice.percent(60);
            }
            self.tell_at(company, here, body, at);
            return;
        }
        let mut body = sample(EventKind::Inspected, &names);
        if let Message::Inspected(body) = &mut body {
            self.vary_inspection(body, at);
        }
        self.tell_at(company, here, body, at);
    }

    fn some_machines(&mut self) -> Vec<SubjectId> {
        let mut machines = vec![*self.dice.pick(&self.machines.clone()), *self.dice.pick(&self.machines.clone())];
        machines.sort();
        machines.dedup();
        machines
    }

    fn order(&mut self) {
        if self.orders.len() >= 2 && self.dice.percent(60) {
            let (order, kind, machines) = self.dice.pick(&self.orders.clone()).clone();
            let some = vec![*self.dice.pick(&machines)];
            let names = Names { machines: some, ..Ledger::names("1") };
            let regulator = ("regulator", Role::Regulator);
            match self.dice.below(4) {
                0 => {
                    let name = self.dice.word(&["coal", "mine"]);
                    let refused = self.dice.percent(20);
                    let body = OrderReceived { mine: mine(name).id().to_vec(), refused, note: String::new() };
                    let who = if refused { regulator } else { ("company", Role::Mine) };
                    self.tell(who, order, Message::OrderReceived(body));
                }
                1 => {
                    let more = self.some_machines();
                    let mines = if self.dice.percent(40) { vec![mine("metal").id().to_vec()] } else { Vec::new() };
                    let body =
                        OrderExtended { machines: more.iter().map(|machine| machine.id().to_vec()).collect(), mines };
                    if self.tell(regulator, order, Message::OrderExtended(body)).is_some() {
                        for (known, _, machines) in &mut self.orders {
                            if *known == order {
                                machines.extend(more.iter().copied());
                            }
                        }
                    }
                }
                _ => {
                    let lifted = match kind {
                        EventKind::StopUseOrdered => EventKind::StopUseLifted,
                        EventKind::SealedUp => EventKind::Unsealed,
                        _ => return,
                    };
                    self.tell(regulator, order, sample(lifted, &names));
                }
            }
            return;
        }
        let kind = *self.dice.pick(&[EventKind::StopUseOrdered, EventKind::SealedUp, EventKind::RecallIssued]);
        let machines = self.some_machines();
        let mut body = sample(kind, &Names { machines: machines.clone(), ..Ledger::names("1") });
        let at = self.happened();
        let until = day_at(at + self.dice.between(1, 60) * DAY);
        let number = format!("令-{}", self.orders.len());
        let mines = if self.dice.percent(50) { vec![mine("coal").id().to_vec()] } else { Vec::new() };
        let order = match &mut body {
            Message::StopUseOrdered(body) => {
                if self.dice.percent(30) {
                    body.until = until;
                }
                &mut body.order
            }
            Message::SealedUp(body) => &mut body.order,
            Message::RecallIssued(body) => {
                body.due_by = until;
                body.interim = *self.dice.pick(&[InterimMeasure::Stop, InterimMeasure::Inspect]) as i32;
                &mut body.order
            }
            _ => return,
        };
        let order = order.as_mut().unwrap();
        order.order_no = number;
        order.mines = mines;
        if let Some(subject) =
            scene::open(&mut self.ledger, ("regulator", Role::Regulator), SubjectKind::Order, body, at)
        {
            self.orders.push((subject, kind, machines));
        }
    }

    fn mark(&mut self) {
        let numbers: Vec<&str> = self.kinds.iter().map(|kind| KINDS[*kind].mark).chain([BATCH, TRIAL]).collect();
        let number = *self.dice.pick(&numbers);
        let category = KINDS.iter().find(|kind| kind.mark == number).map_or("", |kind| kind.category);
        let at = self.happened();
        let from = day_at(at + self.dice.between(-30, 30) * DAY);
        let kind = *self.dice.pick(&[
            EventKind::MarkChanged,
            EventKind::MarkChanged,
            EventKind::MarkRenewed,
            EventKind::MarkRenewed,
            EventKind::MarkSuspended,
            EventKind::MarkSuspended,
            EventKind::MarkResumed,
            EventKind::MarkResumed,
            EventKind::MarkRevoked,
            EventKind::MarkCancelled,
        ]);
        if matches!(kind, EventKind::MarkRevoked | EventKind::MarkCancelled) && self.dice.percent(60) {
            return;
        }
        let mut body = sample(kind, &Ledger::names("1"));
        match &mut body {
            Message::MarkChanged(body) => {
                let mut certificate = scene::certificate(category);
                if self.dice.percent(50) {
                    certificate.models.push("M2".to_owned());
                    certificate.models.sort();
                    certificate.joined.clear();
                }
                if self.dice.percent(50) {
                    certificate.parts.push(ControlledPart {
                        slot: "截割电机".to_owned(),
                        model: "YBU-9".to_owned(),
                        ..ControlledPart::default()
                    });
                    certificate
                        .producers
                        .push(MarkProducer { name: "maker牌".to_owned(), address: "大同".to_owned() });
                }
                body.certificate = Some(certificate);
                body.produced_from = day_at(at - self.dice.between(0, 300) * DAY);
                if number == BATCH {
                    body.serials_added = vec!["2".to_owned()];
                }
            }
            Message::MarkRenewed(body) => {
                body.valid_from = day_at(at + self.dice.between(-20, 20) * DAY);
                body.valid_until = day_at(at + self.dice.between(25, 400) * DAY);
                body.issued_on = day_at(at);
            }
            Message::MarkSuspended(body) => {
                body.from = from;
                body.stops = match self.dice.below(3) {
                    0 => vec![MarkActivity::Making as i32],
                    1 => vec![MarkActivity::Use as i32],
                    _ => vec![MarkActivity::Making as i32, MarkActivity::Selling as i32, MarkActivity::Use as i32],
                };
            }
            Message::MarkResumed(body) => body.from = from,
            Message::MarkRevoked(body) => {
                body.from = from;
                body.stops_use = self.dice.percent(50);
                match self.dice.below(3) {
                    0 => body.serials = vec!["1".to_owned(), "2".to_owned()],
                    1 => {
                        body.produced_from = day_at(at - 120 * DAY);
                        body.produced_until = day_at(at - self.dice.between(0, 100) * DAY);
                    }
                    _ => {}
                }
            }
            Message::MarkCancelled(body) => body.from = from,
            _ => {}
        }
        self.tell_at(("authority", Role::MarkAuthority), SubjectId::mark(number).unwrap(), body, at);
    }

    fn publication(&mut self) {
        let at = self.happened();
        let from = day_at(at + self.dice.between(-20, 30) * DAY);
        if !self.publications.is_empty() && self.dice.percent(25) {
            let (subject, by) = *self.dice.pick(&self.publications.clone());
            let role = if by == "company" { Role::Mine } else { Role::Regulator };
            let body = PublicationWithdrawn { from, reason: "另行发布".to_owned() };
            self.tell_at((by, role), subject, Message::PublicationWithdrawn(body), at);
            return;
        }
        let layer = *self.dice.pick(&[
            PublicationLayer::Nation,
            PublicationLayer::Area,
            PublicationLayer::Group,
            PublicationLayer::Mine,
        ]);
        let by = match layer {
            PublicationLayer::Group | PublicationLayer::Mine => "company",
            _ => "regulator",
        };
        let role = if by == "company" { Role::Mine } else { Role::Regulator };
        let publication = Some(scene::published(layer, from));
        let parameters: &[(&str, &str, &[&str])] = &[
            ("CUS-003", "days", &["5", "60"]),
            ("DUE-004", "grace_hours", &["1", "200"]),
            ("EX-002", "valid_days", &["2", "20"]),
            ("EX-005", "hours", &["2", "100"]),
            ("FLT-001", "days_serious", &["2"]),
            ("FLT-002", "days", &["1", "9"]),
            ("FLT-005", "days", &["10"]),
            ("HOIST-003", "material_pct", &["4"]),
            ("LIFE-004", "days", &["7", "90"]),
            ("MARK-004", "raise_to", &["SERIOUS", "MAJOR"]),
            ("MARK-005", "major_if_revoked_scope_use", &["0"]),
            ("MARK-014", "grace_days", &["500"]),
            ("MON-003", "from", &["2026-04-01"]),
            ("ORD-003", "major_if_interim_stop", &["0"]),
            ("ORD-005", "hours", &["2"]),
            ("OUT-003", "days", &["20"]),
            ("SCR-003", "days", &["10"]),
            ("SCR-006", "days", &["10"]),
            ("TIME-001", "hours", &["12"]),
            ("TIME-005", "per_hour", &["1"]),
        ];
        let body = match self.dice.below(5) {
            0 | 1 if by == "regulator" => {
                let mut chosen: Vec<RuleParameter> = Vec::new();
                for (rule, key, values) in parameters {
                    if self.dice.percent(25) {
                        let value = (*self.dice.pick(values)).to_owned();
                        chosen.push(RuleParameter { rule: (*rule).to_owned(), key: (*key).to_owned(), value });
                    }
                }
                if chosen.is_empty() {
                    return;
                }
                Message::PolicyPublished(PolicyPublished { publication, parameters: chosen })
            }
            2 if by == "regulator" => {
                let mut body = scene::categories();
                body.publication = publication;
                let dropped = usize::try_from(self.dice.below(body.categories.len() as u64)).unwrap();
                body.categories[dropped].ex_check ^= true;
                body.categories[dropped].group = "A".to_owned();
                Message::CategoriesPublished(body)
            }
            3 if by == "regulator" => {
                let mut body = scene::phase_out();
                body.publication = publication;
                for row in &mut body.rows {
                    if self.dice.percent(30) {
                        row.bans[0].from = day_at(at + self.dice.between(-100, 200) * DAY);
                    }
                }
                Message::PhaseOutPublished(body)
            }
            _ => {
                let mut rows = scene::schedule();
                rows.retain(|_| self.dice.percent(40));
                for row in rows.iter_mut().filter(|row| row.interval > 0) {
                    row.interval = u32::try_from(self.dice.between(1, i64::from(row.interval) + 1)).unwrap();
                    row.tolerance_days = u32::try_from(self.dice.between(0, 10)).unwrap();
                    row.severity = *self.dice.pick(&[Severity::General, Severity::Serious, Severity::Major]) as i32;
                }
                if rows.is_empty() {
                    return;
                }
                Message::SchedulePublished(SchedulePublished { publication, rows })
            }
        };
        if let Some(subject) = scene::open(&mut self.ledger, (by, role), SubjectKind::Publication, body, at) {
            self.publications.push((subject, by));
        }
    }

    fn mine(&mut self) {
        let name = self.dice.word(&["coal", "coal", "mine", "metal"]);
        let by = if name == "metal" { "neighbour" } else { "company" };
        let at = self.happened();
        let from = day_at(at + self.dice.between(-20, 40) * DAY);
        if self.dice.percent(45) {
            let differs = self.dice.percent(50);
            let difference = UploadDifference {
                field: "unit".to_owned(),
                device_code: "D-1".to_owned(),
                ..UploadDifference::default()
            };
            let mut body = sample(EventKind::UploadCompared, &Ledger::names("1"));
            if let Message::UploadCompared(body) = &mut body {
                body.differences = if differs { vec![difference] } else { Vec::new() };
                body.file_kind = self.dice.word(&["JBSJ", "ABSJ"]).to_owned();
            }
            self.tell_at((by, Role::Mine), mine(name), body, at);
            return;
        }
        let mut body = MineProfileChanged { from, ..MineProfileChanged::default() };
        match self.dice.below(4) {
            0 => body.area_code = self.dice.word(&["140921", "150921"]).to_owned(),
            1 | 2 => {
                body.gas_grade = *self.dice.pick(&[GasGrade::Low, GasGrade::High, GasGrade::Outburst]) as i32;
                body.state = MineState::Producing as i32;
            }
            _ => body.state = *self.dice.pick(&[MineState::Closed, MineState::Producing]) as i32,
        }
        self.tell_at((by, Role::Mine), mine(name), Message::MineProfileChanged(body), at);
    }

    /// A part with a chain goes into a machine, or comes out of one.
    fn part(&mut self) {
        if self.machines.len() < 2 {
            return;
        }
        let part = if self.dice.percent(60) { self.machines[0] } else { *self.dice.pick(&self.machines.clone()) };
        let machine = *self.dice.pick(&self.machines.clone());
        if part == machine {
            return;
        }
        let slot = self.slot();
        let component =
            Some(Component { equipment: part.id().to_vec(), model: "M1".to_owned(), ..Component::default() });
        let id = machine.id().to_vec();
        let (on_machine, on_part) = if self.dice.percent(70) {
            (
                Message::ComponentFitted(ComponentFitted {
                    slot: slot.clone(),
                    component,
                    ..ComponentFitted::default()
                }),
                Message::ComponentFitted(ComponentFitted { slot, machine: id, ..ComponentFitted::default() }),
            )
        } else {
            let destination = Fate::Spare as i32;
            (
                Message::ComponentTakenOut(ComponentTakenOut {
                    slot: slot.clone(),
                    component,
                    destination,
                    ..ComponentTakenOut::default()
                }),
                Message::ComponentTakenOut(ComponentTakenOut {
                    slot,
                    machine: id,
                    destination,
                    ..ComponentTakenOut::default()
                }),
            )
        };
        let at = self.happened();
        let company = ("company", Role::Mine);
        let first = self.draft(company, machine, on_machine, at);
        let second = self.draft(company, part, on_part, at);
        let second = Draft { hands: first.hands.clone(), issuer: first.issuer.clone(), ..second };
        drop(record_set(&mut self.ledger, &[first, second], &[]));
    }

    fn decide(&mut self) {
        let subjects = self.subjects();
        let mut subject = *self.dice.pick(&subjects);
        // Mostly about something that is found, the rarer the better.
        let size = u64::try_from(self.ledger.log.len()).unwrap();
        let world = crate::world::Around::new(&self.ledger.log, size, size);
        let instant = Instant { as_of: Timestamp::from_micros(self.ledger.now), size };
        let open_of = |subject: &SubjectId| {
            let found = tally_core::rule::judge::judge(subject, &self.ledger.touching(subject), instant, &world);
            let mut open = found.map(|(_, findings)| findings).unwrap_or_default();
            open.retain(|finding| finding.until_us == 0);
            open
        };
        let mut open = open_of(&subject);
        let liftable = [
            "SCR-004", "FLT-005", "TIME-005", "LIFE-002", "LIFE-003", "FLT-003", "ID-002", "MARK-003", "ID-004",
            "MON-004", "MARK-009", "ORD-002", "PER-004", "ACC-003", "PER-003", "TIME-001",
        ];
        if self.dice.percent(70) {
            let rank = |finding: &Finding| liftable.iter().position(|rule| *rule == finding.rule).unwrap_or(99);
            let best = subjects.iter().filter_map(|subject| {
                let least = open_of(subject).iter().map(rank).min()?;
                Some((least, *subject))
            });
            subject = best.min().map_or(subject, |(_, subject)| subject);
            open = open_of(&subject);
            open.sort_by_key(rank);
            open.truncate(1);
        }
        let (rule, key, decision) = if open.is_empty() || self.dice.percent(20) {
            let rule = self.dice.word(&["MON-004", "MON-004", "TIME-001", "MARK-003", "FLT-003", "DATA-002"]);
            let decision = *self.dice.pick(&[FindingDecision::Found, FindingDecision::Found, FindingDecision::Lifted]);
            (rule.to_owned(), String::new(), decision)
        } else {
            let finding = self.dice.pick(&open).clone();
            let key = if self.dice.percent(75) { finding.key } else { String::new() };
            let decision = if self.dice.percent(88) { FindingDecision::Lifted } else { FindingDecision::Dismissed };
            (finding.rule, key, decision)
        };
        let decision = decision as i32;
        let body = FindingDecided { rule, key, decision, reason: "现场核查".to_owned(), document: None };
        self.tell(("regulator", Role::Regulator), subject, Message::FindingDecided(body));
    }

    fn key(&mut self) {
        let name = self.dice.word(&["company/zhang", "company/sun", "contractor/li", "shop"]);
        if self.leaked.contains(&name) || self.leaked.len() >= 2 {
            return;
        }
        self.leaked.push(name);
        let owner = name.split('/').next().unwrap();
        let body = KeyRevoked {
            key_id: crate::common::key_id(name).as_bytes().to_vec(),
            reason: KeyRevocationReason::Leaked as i32,
            untrusted_since_us: if self.dice.percent(80) {
                self.ledger.now - self.dice.between(0, 29) * DAY
            } else {
                0
            },
        };
        let subject = organisation(owner).subject();
        let draft = self.ledger.draft("registrar", Role::Registrar, subject, Message::KeyRevoked(body));
        drop(record(&mut self.ledger, &draft.hand("registrar-2"), &[]));
    }

    /// Amends or withdraws an event in the name of who stated it.
    fn amend(&mut self, machine: SubjectId) {
        let mut own = self.own(&machine);
        own.retain(|event| CORRECTABLE.contains(&event.candidate.kind()) && !event.candidate.kind().opens());
        if own.is_empty() {
            return;
        }
        let original = self.dice.pick(&own).clone();
        let statement = original.candidate.statement();
        let parties =
            ["company", "neighbour", "contractor", "shop", "laboratory", "maker", "late contractor", "regulator"];
        let Some(name) = parties.into_iter().find(|name| organisation(name) == statement.organisation) else { return };
        let role = Role::try_from(i32::try_from(statement.role).unwrap()).unwrap();
        let withdrawn = self.dice.percent(40);
        let mut message = original.candidate.body().message().clone();
        match &mut message {
            Message::AcceptanceChecked(body) => body.result = self.result(50),
            Message::Tested(body) => body.result = self.result(50),
            Message::Inspected(body) => body.kind = InspectionKind::Exproof as i32,
            Message::Commissioned(body) => body.result = self.result(50),
            _ => {}
        }
        let (_, body) = UncheckedBody::from(message).encode();
        let occurred_at_us = statement.occurred_at.micros() + self.dice.between(-4, 3) * DAY;
        let body = Corrected {
            event: Some(event_ref_message(&original.candidate.event().event_ref())),
            replacement: (!withdrawn).then_some(Replacement { occurred_at_us, body }),
            withdrawn,
            reason: "录入有误".to_owned(),
        };
        self.tell((name, role), machine, Message::Corrected(body));
    }
}
