//! How a party comes on record: itself, its role, its keys, its mine with places, and who works for whom.

use tally_core::{
    id::{OrganisationId, Scheme, SubjectId},
    time::{Day, Timestamp},
};
use tally_proto::v1::{self, EngagementPurpose, KeyKind, PlaceKind, Role, statement::Body};

use super::{KeyUse, Party, REGISTRAR, Scene, Site, Sketch, bytes_of, day, day_of, plate_name};

/// The places of every mine of a scene: name, parent, kind.
pub const PLACES: &[(&str, &str, PlaceKind)] = &[
    ("surface", "", PlaceKind::Surface),
    ("store", "surface", PlaceKind::Store),
    ("shaft", "", PlaceKind::Shaft),
    ("level", "shaft", PlaceKind::Level),
    ("roadway", "level", PlaceKind::Roadway),
    ("face", "level", PlaceKind::Face),
    ("chamber", "level", PlaceKind::Chamber),
];

impl Scene {
    /// Registers a party; the role is granted for areas, where some are given.
    pub(super) fn register(&self, name: &str, role: Role, areas: &[&str]) {
        let subject = SubjectId::organisation(Scheme::Other, name).unwrap();
        let id = OrganisationId::try_from(subject).unwrap();
        self.books().parties.push(Party { name: name.to_owned(), id, role, site: None });
        let plate_names = if role == Role::Manufacturer { vec![plate_name(name)] } else { Vec::new() };
        let body = v1::OrganisationRegistered {
            name: format!("Organisation {name}"),
            scheme: v1::Scheme::Other.into(),
            number: name.to_owned(),
            first_key: self.key_bytes(name, KeyUse::Organisation),
            recovery_key: self.key_bytes(name, KeyUse::Recovery),
            plate_names,
            ..v1::OrganisationRegistered::default()
        };
        self.sketch(REGISTRAR, subject, Body::OrganisationRegistered(body)).record();
        let mine = (role == Role::Mine).then(|| self.register_mine(name, id));
        let mines = mine.iter().map(|mine| mine.id().to_vec()).collect();
        self.sketch(REGISTRAR, subject, granted(role, mines, areas, self.now())).record();
        for (of, kind) in
            [(KeyUse::Staff(0), KeyKind::Staff), (KeyUse::Staff(1), KeyKind::Staff), (KeyUse::Device, KeyKind::Device)]
        {
            self.addition(name, of, kind).record();
        }
        if let Some(mine) = mine {
            self.create_places(name, mine);
        }
        self.engage(name, role);
    }

    /// Adds a key of a party, by its recovery key.
    #[must_use]
    pub fn addition(&self, party: &str, of: KeyUse, kind: KeyKind) -> Sketch {
        let key = self.key(party, of);
        let (person_id, post) = if kind == KeyKind::Staff {
            (key.key_id().as_bytes()[..16].to_vec(), "fitter".to_owned())
        } else {
            (Vec::new(), String::new())
        };
        let body = v1::KeyAdded {
            key: bytes_of(&key),
            algorithm: v1::KeyAlgorithm::Ed25519.into(),
            kind: kind.into(),
            person_id,
            post,
            ..v1::KeyAdded::default()
        };
        let subject = self.party(party).id.subject();
        self.sketch(party, subject, Body::KeyAdded(body)).issued_by(KeyUse::Recovery)
    }

    fn register_mine(&self, name: &str, operator: OrganisationId) -> SubjectId {
        let number = format!("{name} mine");
        let mine = SubjectId::mine(Scheme::Other, &number).unwrap();
        let body = v1::MineRegistered {
            name: format!("Mine of {name}"),
            scheme: v1::Scheme::Other.into(),
            number,
            operator: operator.as_bytes().to_vec(),
            kind: v1::MineKind::Underground.into(),
            gas_grade: v1::GasGrade::High.into(),
            state: v1::MineState::Producing.into(),
            ..v1::MineRegistered::default()
        };
        self.sketch(REGISTRAR, mine, Body::MineRegistered(body)).record();
        mine
    }

    fn create_places(&self, name: &str, mine: SubjectId) {
        let mut site = Site { mine, places: Vec::new() };
        for (place, parent, kind) in PLACES {
            let parent = site.places.iter().find(|(known, _)| known == parent);
            let body = v1::PlaceCreated {
                name: (*place).to_owned(),
                kind: (*kind).into(),
                parent: parent.map(|(_, node)| node.as_bytes().to_vec()).unwrap_or_default(),
                ..v1::PlaceCreated::default()
            };
            let event = self.sketch(name, mine, Body::PlaceCreated(body)).record();
            site.places.push((place, event.event().statement().event_id));
        }
        let mut books = self.books();
        let party = books.parties.iter_mut().find(|party| party.name == name);
        party.unwrap().site = Some(site);
    }

    /// Every mine engages everybody who works for mines.
    fn engage(&self, name: &str, role: Role) {
        let works = |role| purpose_of(role).is_some();
        let parties = self.books().parties.clone();
        if works(role) {
            for mine in parties.iter().filter(|party| party.site.is_some()) {
                self.engagement(&mine.name, name).record();
            }
        } else if role == Role::Mine {
            for party in parties.iter().filter(|party| works(party.role)) {
                self.engagement(name, &party.name).record();
            }
        }
    }

    /// A mine engages a contractor, laboratory or shop.
    ///
    /// # Panics
    /// Where the party is none of these.
    #[must_use]
    pub fn engagement(&self, mine: &str, party: &str) -> Sketch {
        let Party { id, role, .. } = self.party(party);
        let purpose = purpose_of(role).unwrap_or_else(|| panic!("a mine engages no {role:?}"));
        let until = Day::new(2199, 12, 31).unwrap();
        let body = v1::Engaged {
            organisation: id.as_bytes().to_vec(),
            purposes: vec![purpose.into()],
            from: Some(day_of(self.now())),
            until: Some(day(until)),
            ..v1::Engaged::default()
        };
        self.sketch(mine, self.party(mine).mine(), Body::Engaged(body))
    }

    fn key_bytes(&self, party: &str, of: KeyUse) -> Vec<u8> {
        bytes_of(&self.key(party, of))
    }
}

fn purpose_of(role: Role) -> Option<EngagementPurpose> {
    match role {
        Role::Contractor => Some(EngagementPurpose::Maintain),
        Role::OverhaulShop => Some(EngagementPurpose::Overhaul),
        Role::Laboratory => Some(EngagementPurpose::Test),
        _ => None,
    }
}

pub(super) fn granted(role: Role, mines: Vec<Vec<u8>>, areas: &[&str], now: Timestamp) -> Body {
    let areas: Vec<String> = areas.iter().map(|area| (*area).to_owned()).collect();
    let is_bounded = !mines.is_empty() || !areas.is_empty();
    let scope = is_bounded.then(|| v1::Scope { mines, areas, ..v1::Scope::default() });
    Body::RoleGranted(v1::RoleGranted {
        role: role.into(),
        scope,
        from: Some(day_of(now)),
        ..v1::RoleGranted::default()
    })
}
