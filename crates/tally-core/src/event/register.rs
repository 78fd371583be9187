//! Bodies about organisations, mines, places and models. 主体

use tally_proto::v1::*;

use super::{
    Fields, Named,
    check::{COMPONENTS_MAX, Checker, LIST_MAX, PLATE_BYTES_MAX},
};
use crate::{credit_code, id::Scheme as NumberScheme, statement::Statement};

/// The numbering scheme of a message; `None` where it is not given.
pub(crate) fn scheme(scheme: i32) -> Option<NumberScheme> {
    match Scheme::try_from(scheme).ok()? {
        Scheme::Unspecified => None,
        Scheme::Uscc => Some(NumberScheme::Uscc),
        Scheme::CnCoalMine => Some(NumberScheme::CnCoalMine),
        Scheme::Msha => Some(NumberScheme::Msha),
        Scheme::Other => Some(NumberScheme::Other),
    }
}

fn number(check: &mut Checker, value: i32, number: &str) {
    check.choice::<Scheme>("scheme", value);
    check.code("number", number);
    if let Some(scheme) = scheme(value)
        && let Err(error) = credit_code::check(scheme, number)
    {
        check.problem("number", error.to_string());
    }
}

impl Fields for OrganisationRegistered {
    fn check(&self, check: &mut Checker) {
        check.text("name", &self.name, 1, 256);
        number(check, self.scheme, &self.number);
        check.area_code("area_code", &self.area_code);
        check.key("first_key", &self.first_key);
        check.key("recovery_key", &self.recovery_key);
        if self.first_key == self.recovery_key {
            check.problem("recovery_key", "is the first key; it must be another, kept offline");
        }
        check.optional_code("short_name", &self.short_name);
        check.text_set("plate_names", &self.plate_names, LIST_MAX, PLATE_BYTES_MAX);
        if let Some(genesis) = &self.genesis {
            check.key("genesis.log_key", &genesis.log_key);
            if genesis.format_version != 1 {
                check.problem("genesis.format_version", "is not 1");
            }
            let is_log_key = |key: &Vec<u8>| *key == genesis.log_key;
            if [&self.first_key, &self.recovery_key].into_iter().chain(&genesis.registrar_keys).any(is_log_key) {
                check.problem("genesis.log_key", "is one of the registrar's keys; a log key has no second use");
            }
            let count = genesis.registrar_keys.len();
            check.count("genesis.registrar_keys", count, 1, 5);
            check.sorted("genesis.registrar_keys", &genesis.registrar_keys);
            for key in &genesis.registrar_keys {
                check.key("genesis.registrar_keys", key);
            }
            if usize::try_from(genesis.threshold).map_or(true, |threshold| threshold < 1 || threshold > count) {
                check.problem("genesis.threshold", format!("is {}; 1 to {count} keys can sign", genesis.threshold));
            }
        }
    }
}

impl Fields for RoleGranted {
    fn check(&self, check: &mut Checker) {
        check.choice::<Role>("role", self.role);
        check.scope("scope", self.scope.as_ref());
        check.period(self.from.as_ref(), self.until.as_ref());
        check.optional_attachment("qualification", self.qualification.as_ref());
        let mines = self.scope.as_ref().map_or(0, |scope| scope.mines.len());
        if self.role == Role::Mine as i32 && mines == 0 {
            check.problem("scope.mines", "is empty; the role mine is granted with the mines that it covers");
        }
        if self.role == Role::Registrar as i32 {
            check.problem("role", "registrar is fixed at genesis and not granted");
        }
    }
}

impl Fields for RoleWithdrawn {
    fn check(&self, check: &mut Checker) {
        check.choice::<Role>("role", self.role);
        check.day("from", self.from.as_ref(), true);
        check.reason("reason", &self.reason);
    }
}

impl Fields for KeyAdded {
    fn check(&self, check: &mut Checker) {
        check.key("key", &self.key);
        check.choice::<KeyAlgorithm>("algorithm", self.algorithm);
        check.choice::<KeyKind>("kind", self.kind);
        check.optional_code("post", &self.post);
        check.optional_code("section", &self.section);
        check.certificates("certificates", &self.certificates);
        if self.kind == KeyKind::Staff as i32 {
            check.id("person_id", &self.person_id);
            check.code("post", &self.post);
        } else if !(self.person_id.is_empty() && self.post.is_empty() && self.certificates.is_empty()) {
            check.problem("person_id", "only a staff key belongs to a person");
        }
    }
}

impl Fields for KeyRevoked {
    fn check(&self, check: &mut Checker) {
        check.hash("key_id", &self.key_id);
        check.choice::<KeyRevocationReason>("reason", self.reason);
        check.instant("untrusted_since_us", self.untrusted_since_us);
    }
}

impl Fields for OrganisationChanged {
    fn check(&self, check: &mut Checker) {
        check.optional("name", &self.name, 256);
        check.area_code("area_code", &self.area_code);
        check.text_set("plate_names_added", &self.plate_names_added, LIST_MAX, PLATE_BYTES_MAX);
        check.text_set("plate_names_ended", &self.plate_names_ended, LIST_MAX, PLATE_BYTES_MAX);
        if *self == Self::default() {
            check.problem("name", "nothing is changed");
        }
    }
}

impl Fields for OrganisationSucceeded {
    fn check(&self, check: &mut Checker) {
        check.id("successor", &self.successor);
        check.day("from", self.from.as_ref(), true);
    }
}

impl Fields for MineRegistered {
    fn check(&self, check: &mut Checker) {
        check.text("name", &self.name, 1, 256);
        number(check, self.scheme, &self.number);
        check.area_code("area_code", &self.area_code);
        check.id("operator", &self.operator);
        check.choice::<MineKind>("kind", self.kind);
        check.optional_choice::<GasGrade>("gas_grade", self.gas_grade);
        check.optional_choice::<MineState>("state", self.state);
        check.optional_choice::<MineSector>("sector", self.sector);
    }
}

impl Fields for MineProfileChanged {
    fn check(&self, check: &mut Checker) {
        check.optional("name", &self.name, 256);
        check.optional_choice::<GasGrade>("gas_grade", self.gas_grade);
        check.optional_code("hydrology", &self.hydrology);
        check.optional_code("rock_burst", &self.rock_burst);
        check.optional_code("spontaneous_combustion", &self.spontaneous_combustion);
        check.optional_choice::<MineState>("state", self.state);
        check.area_code("area_code", &self.area_code);
        check.day("from", self.from.as_ref(), true);
        if *self == (Self { from: self.from, ..Self::default() }) {
            check.problem("name", "nothing is changed");
        }
    }
}

impl Fields for OperatorChanged {
    fn check(&self, check: &mut Checker) {
        check.id("operator", &self.operator);
        check.day("from", self.from.as_ref(), true);
        check.reason("reason", &self.reason);
        check.optional_attachment("contract", self.contract.as_ref());
    }
}

impl Fields for PlaceCreated {
    fn check(&self, check: &mut Checker) {
        check.text("name", &self.name, 1, 128);
        check.choice::<PlaceKind>("kind", self.kind);
        check.optional_id("parent", &self.parent);
        check.optional_choice::<AirCourse>("air", self.air);
        let code = &self.position_code;
        if !code.is_empty() && (code.len() != 14 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            check.problem("position_code", format!("{code} is no code of 14 digits"));
        }
    }
}

impl Fields for PlaceRenamed {
    fn check(&self, check: &mut Checker) {
        check.id("place", &self.place);
        check.text("name", &self.name, 1, 128);
    }
}

impl Fields for PlaceClosed {
    fn check(&self, check: &mut Checker) {
        check.id("place", &self.place);
        check.choice::<PlaceClosingReason>("reason", self.reason);
    }
}

impl Fields for Engaged {
    fn check(&self, check: &mut Checker) {
        check.id("organisation", &self.organisation);
        check.count("purposes", self.purposes.len(), 1, 5);
        check.sorted("purposes", &self.purposes);
        for purpose in &self.purposes {
            check.choice::<EngagementPurpose>("purposes", *purpose);
        }
        check.period(self.from.as_ref(), self.until.as_ref());
        check.day("until", self.until.as_ref(), true);
        check.scope("scope", self.scope.as_ref());
        check.optional_attachment("contract", self.contract.as_ref());
    }
}

impl Fields for EngagementEnded {
    fn check(&self, check: &mut Checker) {
        check.event_ref("engagement", self.engagement.as_ref());
        check.day("from", self.from.as_ref(), true);
        check.reason("reason", &self.reason);
    }
}

impl Fields for ModelRegistered {
    fn check(&self, check: &mut Checker) {
        check.text("maker", &self.maker, 1, PLATE_BYTES_MAX);
        check.text("model", &self.model, 1, PLATE_BYTES_MAX);
        check.code("category", &self.category);
        check.slots("slots", &self.slots);
        check.text_set("plate_keys", &self.plate_keys, LIST_MAX, 64);
        check.optional_attachment("manual", self.manual.as_ref());
        check.optional_measure("design_life", self.design_life.as_ref(), None);
    }
}

impl Fields for AssemblyFormed {
    fn check(&self, check: &mut Checker) {
        check.text("own_number", &self.own_number, 1, 128);
        check.text("name", &self.name, 1, 256);
        check.code("category", &self.category);
        check.components("members", &self.members, COMPONENTS_MAX);
        check.optional_place("place", self.place.as_ref());
        check.optional_code("mark_no", &self.mark_no);
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.components(&self.members);
        if !self.mark_no.is_empty() {
            named.mark(&self.mark_no);
        }
        if let Some(mine) = super::place_mine(self.place.as_ref()) {
            named.subject(mine);
        }
    }
}

impl Fields for MembersChanged {
    fn check(&self, check: &mut Checker) {
        check.components("added", &self.added, COMPONENTS_MAX);
        check.components("removed", &self.removed, COMPONENTS_MAX);
        if self.added.is_empty() && self.removed.is_empty() {
            check.problem("added", "no member came or went");
        }
    }

    fn names(&self, _: &Statement, named: &mut Named) {
        named.components(&self.added);
        named.components(&self.removed);
    }
}

impl Fields for AliasSet {
    fn check(&self, check: &mut Checker) {
        check.choice::<AliasKind>("kind", self.kind);
        check.text("value", &self.value, 1, 128);
        check.optional_day("from", self.from.as_ref());
    }
}

impl Fields for AliasEnded {
    fn check(&self, check: &mut Checker) {
        check.choice::<AliasKind>("kind", self.kind);
        check.text("value", &self.value, 1, 128);
        check.reason("reason", &self.reason);
    }
}
