//! Lives of machines without end, from a seed: for load, kill and property tests.

use tally_client::draft::SignedEvent;
use tally_proto::v1::{Duty, FaultSeverity, ServiceState};

use crate::{
    random::SeededRandom,
    scene::{KeyUse, MINE, Machine, Next, RECYCLER, SHOP, Scene, Sketch},
};

/// The models of the machines.
const MODELS: &[&str] = &["MG900/2245", "SGZ1000/1400", "ZY12000/28/64", "EBZ200H", "KJ90"];

/// An endless stream of valid events over a number of machines, each on its usual way from the factory to the recycler
/// and followed by a new one. The same seed gives the same bytes.
///
/// As an iterator it gives events that stand alone; [`Life::groups`] gives atomic sets among them. Both continue what
/// [`Life::preamble`] gives, which a ledger must have recorded first.
#[derive(Debug)]
pub struct Life {
    scene: Scene,
    preamble: Vec<SignedEvent>,
    random: SeededRandom,
    machines: Vec<Living>,
    has_one_signature: bool,
    remembers: bool,
}

/// A machine of a life.
#[derive(Debug)]
struct Living {
    machine: Machine,
    hours: i64,
    faults: u64,
}

impl Life {
    /// The lives of 16 machines in a scene of their own.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::in_scene(Scene::new(), seed)
    }

    /// The same in a scene that has everybody, for example one that goes on where `tally init` founded a log.
    #[must_use]
    pub fn in_scene(scene: Scene, seed: u64) -> Self {
        for model in MODELS {
            scene.machine(model).register_model();
        }
        scene.set_tick(std::time::Duration::from_secs(1));
        let preamble = scene.events().into_iter().skip(1).collect();
        let life = Self {
            scene,
            preamble,
            random: SeededRandom::new(seed),
            machines: Vec::new(),
            has_one_signature: false,
            remembers: false,
        };
        life.over(16)
    }

    /// The lives of so many machines.
    #[must_use]
    pub fn over(mut self, machines: usize) -> Self {
        let born = (0..machines).map(|at| Living::born(&self.scene, at));
        self.machines = born.collect();
        self
    }

    /// Has every event signed by a staff key alone: one signature each, and findings where a second is asked for.
    #[must_use]
    pub fn with_one_signature(mut self) -> Self {
        self.has_one_signature = true;
        self
    }

    /// Has the scene keep all of it, so that it can be compared in the end. Without it memory does not grow.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.remembers = true;
        self
    }

    /// The scene: who acts, the log's key, the clock.
    #[must_use]
    pub const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// What must be on record before, in order: everything after the founding event.
    #[must_use]
    pub fn preamble(&self) -> &[SignedEvent] {
        &self.preamble
    }

    /// The same stream with atomic sets in it; a group of one stands alone.
    pub fn groups(mut self) -> impl Iterator<Item = Vec<SignedEvent>> {
        std::iter::repeat_with(move || self.step(true))
    }

    fn step(&mut self, sets: bool) -> Vec<SignedEvent> {
        if !self.remembers {
            self.scene.forget();
        }
        let machines = u64::try_from(self.machines.len()).unwrap();
        let at = usize::try_from(self.random.below(machines)).unwrap();
        if self.machines[at].machine.state() == ServiceState::Dismantled {
            self.machines[at] = Living::born(&self.scene, at);
        }
        if sets
            && self.machines[at].machine.state() == ServiceState::InUse
            && self.random.chance(1, 10)
            && let Some(part) = self.part_for(at)
        {
            let sketches = self.machines[at].machine.part_fitting("haulage", &part);
            let sketches: Vec<Sketch> = sketches.into_iter().map(|sketch| self.signed_so(sketch)).collect();
            return self.scene.record_set(&sketches);
        }
        let sketch = self.machines[at].next(&mut self.random);
        vec![self.signed_so(sketch).record()]
    }

    /// Another machine that the mine has at hand.
    fn part_for(&self, at: usize) -> Option<Machine> {
        let others = self.machines.iter().enumerate().filter(|(other, _)| *other != at);
        let mut spare = others.map(|(_, living)| &living.machine);
        spare.find(|machine| machine.state() == ServiceState::Accepted).cloned()
    }

    fn signed_so(&self, sketch: Sketch) -> Sketch {
        if self.has_one_signature { sketch.issued_by(KeyUse::Staff(0)).without_hands() } else { sketch }
    }
}

impl Iterator for Life {
    type Item = SignedEvent;

    fn next(&mut self) -> Option<SignedEvent> {
        self.step(false).pop()
    }
}

impl Living {
    fn born(scene: &Scene, at: usize) -> Self {
        Self { machine: scene.machine(MODELS[at % MODELS.len()]), hours: 0, faults: 0 }
    }

    /// What happens to it next: one of the things that its state leads on to.
    fn next(&mut self, random: &mut SeededRandom) -> Sketch {
        let next = self.machine.next();
        let record = self.machine.record();
        if let Some(dispatch) = &record.dispatch {
            let is_refused = !dispatch.refused && random.chance(1, 30);
            return if is_refused { next.receipt_refused() } else { next.received() };
        }
        match self.machine.state() {
            ServiceState::Unspecified => next.manufactured(),
            ServiceState::Manufactured if random.chance(1, 3) => next.factory_exit_to(MINE),
            ServiceState::Manufactured => next.factory_exit(),
            ServiceState::InStore => match random.below(5) {
                0 => next.warehoused(),
                1 => next.stock_checked(),
                _ => next.dispatched(MINE),
            },
            ServiceState::AtMine => match random.below(10) {
                0 => next.alias_set("412"),
                1 => next.dispatched(SHOP),
                _ => next.acceptance_checked(),
            },
            ServiceState::Accepted if random.chance(1, 4) => next.noted("waits for the shaft"),
            ServiceState::Accepted => next.ex_proof_checked(),
            ServiceState::ReadyDown => next.entered_mine(MINE),
            ServiceState::Underground => next.installed(),
            ServiceState::Installed if random.chance(1, 2) => next.installation_accepted(),
            ServiceState::Installed => next.commissioned(),
            ServiceState::InUse => self.in_use(&next, random),
            ServiceState::Standby if random.chance(1, 2) => next.inspected(),
            ServiceState::Standby => next.duty_changed(Duty::Work),
            ServiceState::Idle if random.chance(1, 3) => next.raised_to_surface(),
            ServiceState::Idle => next.resumed(),
            ServiceState::UnderMaintenance if random.chance(1, 2) => next.maintained(),
            ServiceState::UnderMaintenance => next.maintenance_finished(),
            ServiceState::AtOverhaul => match random.below(4) {
                0 => next.overhaul_started(),
                1 => next.overhauled(),
                2 => next.altered(),
                _ => next.dispatched(MINE),
            },
            ServiceState::Stopped => match random.below(10) {
                0 => next.raised_to_surface(),
                1 => next.scrap_appraised(),
                2 => next.scrap_proposed(),
                3..6 => next.rectified(&self.fault()),
                6..8 => next.rectification_confirmed(&self.fault()),
                _ => next.resumed(),
            },
            ServiceState::ScrapProposed => next.scrapped(),
            ServiceState::Scrapped => {
                let holder = self.machine.holder();
                if holder == RECYCLER { next.dismantled() } else { next.dispatched(RECYCLER) }
            }
            ServiceState::Lost => next.recovered(),
            state @ (ServiceState::InTransit
            | ServiceState::Dismantled
            | ServiceState::Exported
            | ServiceState::Superseded) => panic!("a life leads to no {state:?}"),
        }
    }

    fn in_use(&mut self, next: &Next, random: &mut SeededRandom) -> Sketch {
        match random.below(100) {
            0..25 => {
                self.hours += 8;
                next.usage_reported(self.hours)
            }
            25..50 => next.inspected(),
            50..60 => next.maintained(),
            60..64 => next.tested(),
            64..69 => next.calibrated(),
            69..74 => next.settings_changed(i64::try_from(random.within(400..700)).unwrap()),
            74..78 => {
                self.faults += 1;
                next.fault_reported(&self.fault(), FaultSeverity::Minor)
            }
            78..80 => {
                self.faults += 1;
                next.fault_reported(&self.fault(), FaultSeverity::Stop)
            }
            80..84 => next.maintenance_started(),
            84..88 => next.idled(),
            88..92 => next.duty_changed(Duty::Standby),
            92..94 => next.moved("roadway"),
            94..96 => next.supervised(),
            96..98 => next.component_replaced("cutter motor"),
            98 => next.stopped_use(),
            _ => next.lost_reported(),
        }
    }

    fn fault(&self) -> String {
        format!("F {}", self.faults)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tally_core::{event::EventKind, lifecycle};
    use tally_proto::v1::Role;

    use super::*;
    use crate::scene::DEALER;

    #[test]
    fn a_long_life_is_valid_regular_and_varied() {
        let mut life = Life::new(7).over(5).remembering();
        let scene = life.scene().clone();
        life.by_ref().take(3_000).for_each(drop);
        let mut kinds = BTreeSet::new();
        let mut states = std::collections::HashMap::new();
        for recorded in scene.recorded() {
            let candidate = &recorded.candidate;
            assert_eq!(recorded.findings, [], "{}", candidate.kind());
            let subject = candidate.statement().subject;
            let step = lifecycle::step(states.get(&subject).copied(), candidate.body());
            assert!(!step.jump, "{} after {:?}", candidate.kind(), states.get(&subject));
            states.insert(subject, step.state);
            kinds.insert(candidate.kind());
        }
        assert!(kinds.contains(&EventKind::Dismantled) && kinds.len() > 40, "{kinds:?}");
        assert!(life.machines.iter().any(|living| living.machine.plate()[2].as_str() > "0010"), "none was replaced");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let bytes = |seed| Life::new(seed).take(200).map(|event| event.payload().to_vec()).collect::<Vec<_>>();
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn groups_hold_sets_and_a_forgetful_life_keeps_nothing() {
        let life = Life::new(3).over(8);
        let scene = life.scene().clone();
        let sets = life.groups().take(3_000).filter(|group| group.len() == 2).count();
        assert!(sets > 5, "{sets} sets");
        assert_eq!(scene.events().len(), 0);
    }

    #[test]
    fn one_signature_is_one() {
        for event in Life::new(4).with_one_signature().take(500) {
            assert_eq!(event.event().hands().len(), 0);
        }
    }

    #[test]
    fn dealers_and_recyclers_take_part() {
        let mut life = Life::new(11).over(2).remembering();
        let scene = life.scene().clone();
        life.by_ref().take(1_500).for_each(drop);
        let acting: BTreeSet<_> = scene.events().iter().map(|event| event.event().statement().organisation).collect();
        for (name, role) in [(DEALER, Role::Dealer), (RECYCLER, Role::Recycler), (SHOP, Role::OverhaulShop)] {
            assert!(acting.contains(&scene.party(name).id), "no {role:?} ever signed");
        }
    }
}
