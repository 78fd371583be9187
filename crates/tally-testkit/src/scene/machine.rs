//! A machine and the steps of its life.
//!
//! Each step is there twice: `machine.installed()` records it, after whatever had to come before; `machine.next()
//! .installed()` gives it as a [`Sketch`], of which a test changes one thing.

use tally_client::draft::SignedEvent;
use tally_core::{
    admission::record::Equipment,
    authority::{self, Signer},
    event::EventKind,
    id::SubjectId,
    refusal::Head,
};
use tally_proto::v1::{self, Duty, Role, ServiceState, statement::Body};

use super::{
    MINE, Next, RECYCLER, SHOP, Scene, Sketch, plate_name,
    steps::{length, plain_part},
};

/// A machine, or a lot, of a scene. A clone is the same machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) scene: Scene,
    pub(super) subject: SubjectId,
    pub(super) maker: String,
    pub(super) model: String,
    pub(super) serial: String,
    /// Length of a lot.
    pub(super) metres: Option<i64>,
}

/// A step of the usual way.
type Leads = fn(&Machine) -> Machine;

/// A piece of a lot: suffix of its number, and its length in metres.
pub type LotPiece<'a> = (&'a str, i64);

impl Machine {
    pub(super) fn unit(scene: &Scene, maker: &str, model: &str, serial: &str) -> Self {
        let subject = SubjectId::unit(&plate_name(maker), model, serial).unwrap();
        Self::with_plate(scene, subject, maker, model, serial, None)
    }

    pub(super) fn lot(scene: &Scene, maker: &str, model: &str, number: &str, metres: i64) -> Self {
        let subject = SubjectId::lot(&plate_name(maker), model, number).unwrap();
        Self::with_plate(scene, subject, maker, model, number, Some(metres))
    }

    fn with_plate(
        scene: &Scene,
        subject: SubjectId,
        maker: &str,
        model: &str,
        serial: &str,
        metres: Option<i64>,
    ) -> Self {
        let [maker, model, serial] = [maker, model, serial].map(str::to_owned);
        Self { scene: scene.clone(), subject, maker, model, serial, metres }
    }

    /// Its subject.
    #[must_use]
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// The number of the mark that it bears.
    #[must_use]
    pub fn mark_no(&self) -> String {
        super::steps::mark_of(&self.model)
    }

    /// Its plate: maker, model, serial.
    #[must_use]
    pub fn plate(&self) -> [String; 3] {
        [plate_name(&self.maker), self.model.clone(), self.serial.clone()]
    }

    /// It as a component of another machine.
    #[must_use]
    pub fn component(&self, slot: &str) -> v1::Component {
        let [maker, model, serial] = self.plate();
        let (serial, lot) = if self.metres.is_some() { (String::new(), serial) } else { (serial, String::new()) };
        v1::Component { slot: slot.to_owned(), maker, model, serial, lot, ..v1::Component::default() }
    }

    /// Its service state; unspecified before its chain is open.
    #[must_use]
    pub fn state(&self) -> ServiceState {
        self.scene.books().state(&self.subject)
    }

    /// What admission has on record about it.
    #[must_use]
    pub fn record(&self) -> Equipment {
        self.scene.books().equipment(&self.subject)
    }

    /// The name of the party that holds it; its maker before its chain is open.
    #[must_use]
    pub fn holder(&self) -> String {
        let books = self.scene.books();
        let holder = books.equipment(&self.subject).holder.and_then(|holder| books.party_of(&holder).cloned());
        holder.map_or_else(|| self.maker.clone(), |party| party.name)
    }

    /// The last event of its chain.
    #[must_use]
    pub fn head(&self) -> Head {
        self.scene.head(&self.subject)
    }

    /// The events of its chain.
    #[must_use]
    pub fn events(&self) -> Vec<SignedEvent> {
        self.scene.events().into_iter().filter(|event| event.subject() == self.subject).collect()
    }

    /// The last event of its chain, whole.
    ///
    /// # Panics
    /// Where the chain is not open.
    #[must_use]
    pub fn last(&self) -> SignedEvent {
        self.events().pop().unwrap_or_else(|| panic!("{} has no event yet", self.subject))
    }

    /// The next event of its chain, for a test to change.
    #[must_use]
    pub fn next(&self) -> Next {
        Next { machine: self.clone(), record: self.record(), now: self.scene.now() }
    }

    /// Brings it to a state on the usual way, from where it is.
    ///
    /// # Panics
    /// Where the usual way from where it is does not lead there.
    pub fn reach(&self, state: ServiceState) -> Self {
        const WAY: &[(ServiceState, Leads)] = &[
            (ServiceState::Manufactured, Machine::manufactured),
            (ServiceState::InTransit, Machine::factory_exit),
            (ServiceState::InStore, Machine::received),
            (ServiceState::AtMine, |machine| machine.dispatched(MINE).received()),
            (ServiceState::Accepted, Machine::acceptance_checked),
            (ServiceState::ReadyDown, Machine::ex_proof_checked),
            (ServiceState::Underground, |machine| machine.entered_mine(MINE)),
            (ServiceState::Installed, Machine::installed),
            (ServiceState::InUse, |machine| machine.installation_accepted().commissioned()),
        ];
        let from = WAY.iter().position(|(there, _)| *there == self.state()).map_or(0, |at| at + 1);
        let mut steps = WAY[from..].iter();
        while self.state() != state
            && let Some((_, step)) = steps.next()
        {
            step(self);
        }
        if self.state() != state {
            match state {
                ServiceState::Standby => self.duty_changed(Duty::Standby),
                ServiceState::Idle => self.idled(),
                ServiceState::UnderMaintenance => self.maintenance_started(),
                ServiceState::Stopped => self.stopped_use(),
                ServiceState::AtOverhaul => self.idled().raised_to_surface().dispatched(SHOP).received(),
                ServiceState::ScrapProposed => self.stopped_use().scrap_appraised().scrap_proposed(),
                ServiceState::Scrapped => self.reach(ServiceState::ScrapProposed).scrapped(),
                ServiceState::Dismantled => {
                    let scrapped = self.reach(ServiceState::Scrapped).raised_to_surface();
                    scrapped.dispatched(RECYCLER).received().dismantled()
                }
                ServiceState::Lost => self.lost_reported(),
                other => panic!("no usual way leads to {other:?}"),
            };
        }
        assert_eq!(self.state(), state, "the usual way does not lead there from where the machine is");
        self.clone()
    }

    /// Fits `part`, a machine of its own, into a slot: one set with an event on both chains.
    pub fn part_fitted(&self, slot: &str, part: &Self) -> Self {
        self.scene.record_set(&self.part_fitting(slot, part));
        self.clone()
    }

    /// The set that [`Machine::part_fitted`] records.
    #[must_use]
    pub fn part_fitting(&self, slot: &str, part: &Self) -> Vec<Sketch> {
        let party = self.next().mine();
        let replaced = v1::ComponentReplaced {
            slot: slot.to_owned(),
            out: Some(v1::PartFate { component: Some(plain_part(slot)), fate: v1::Fate::Destroyed.into() }),
            r#in: Some(part.component(slot)),
            reason: "worn".to_owned(),
            controlled: false,
        };
        let fitted = v1::ComponentFitted {
            slot: slot.to_owned(),
            machine: self.subject.id().to_vec(),
            ..v1::ComponentFitted::default()
        };
        vec![
            self.scene.sketch(&party, self.subject, Body::ComponentReplaced(replaced)),
            self.scene.sketch(&party, part.subject, Body::ComponentFitted(fitted)),
        ]
    }

    /// Cuts a lot into pieces, in order along it: one set with an event on every chain. Gives the pieces.
    pub fn split(&self, pieces: &[LotPiece<'_>]) -> Vec<Self> {
        self.scene.record_set(&self.splitting(pieces));
        self.pieces(pieces)
    }

    /// The set that [`Machine::split`] records.
    #[must_use]
    pub fn splitting(&self, pieces: &[LotPiece<'_>]) -> Vec<Sketch> {
        let mut children = Vec::new();
        let mut at = 0;
        for (suffix, metres) in pieces {
            let (from, to) = (length(at), length(at + metres));
            children.push(v1::LotPiece { suffix: (*suffix).to_owned(), from: Some(from), to: Some(to) });
            at += metres;
        }
        let body = v1::LotSplit {
            parent: self.subject.id().to_vec(),
            children,
            state: self.state().into(),
            mine: self.record().mine.map(|mine| mine.to_vec()).unwrap_or_default(),
        };
        let holder = self.holder();
        let pieces = self.pieces(pieces).into_iter().map(|piece| piece.subject);
        let subjects = std::iter::once(self.subject).chain(pieces);
        subjects.map(|subject| self.scene.sketch(&holder, subject, Body::LotSplit(body.clone()))).collect()
    }

    fn pieces(&self, pieces: &[LotPiece<'_>]) -> Vec<Self> {
        let piece = |(suffix, metres): &LotPiece<'_>| {
            let subject = SubjectId::child(self.subject.id(), suffix).unwrap();
            Self { subject, metres: Some(*metres), ..self.clone() }
        };
        pieces.iter().map(piece).collect()
    }

    /// Records what usually comes before an event like this one, so that its signer has to do with the machine.
    pub(super) fn prepare(&self, sketch: &Sketch) {
        let kind = sketch.kind();
        match kind {
            EventKind::Enrolled => return,
            EventKind::Manufactured => return self.register_model(),
            _ if !self.scene.books().is_open(&self.subject) => drop(self.manufactured()),
            _ => {}
        }
        let comes_on_the_way = matches!(
            kind,
            EventKind::Received
                | EventKind::ReceiptRefused
                | EventKind::Corrected
                | EventKind::Countersigned
                | EventKind::Noted
                | EventKind::AliasSet
                | EventKind::AliasEnded
                | EventKind::Exported
        );
        if comes_on_the_way {
            return;
        }
        if self.record().dispatch.is_some() {
            self.received();
        }
        let signer = self.scene.party(sketch.party());
        let holder = self.scene.party(&self.holder());
        let by_role = authority::of(kind).signers.contains(&Signer::Role(signer.role));
        let works_at_home = matches!(signer.role, Role::Mine | Role::OverhaulShop);
        let is_held_by_another =
            holder.role != signer.role || kind == EventKind::EnteredMine && holder.name != signer.name;
        if by_role && works_at_home && is_held_by_another {
            self.dispatched(&signer.name).received();
        }
    }

    pub(crate) fn register_model(&self) {
        let subject = SubjectId::model(&plate_name(&self.maker), &self.model).unwrap();
        if self.scene.books().is_open(&subject) {
            return;
        }
        let slot = |name: &str, controlled| v1::Slot { name: name.to_owned(), controlled, mandatory: true };
        let body = v1::ModelRegistered {
            maker: plate_name(&self.maker),
            model: self.model.clone(),
            category: "shearer".to_owned(),
            slots: vec![slot("cutter motor", true), slot("haulage", false)],
            ..v1::ModelRegistered::default()
        };
        self.scene.sketch(&self.maker, subject, Body::ModelRegistered(body)).record();
    }
}
