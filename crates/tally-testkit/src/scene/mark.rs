//! Safety marks of a scene: issued, changed, renewed, suspended, resumed, revoked, cancelled.
//!
//! As with machines each step is there twice: `mark.suspended()` records it, `mark.next().suspended()` gives the sketch.

use tally_core::{
    id::SubjectId,
    time::{Day, Timestamp},
};
use tally_proto::v1::{self, MarkActivity, MarkKind, MineSector, Role, statement::Body};

use super::{MAKER, MARK_AUTHORITY, Scene, Sketch, day, day_of, plate_name};

/// A safety mark of a scene. A clone is the same mark.
#[derive(Clone, Debug)]
pub struct Mark {
    scene: Scene,
    number: String,
    subject: SubjectId,
}

/// The next event of a mark, whichever it will be.
#[derive(Debug)]
pub struct NextOfMark {
    mark: Mark,
    now: Timestamp,
}

impl Scene {
    /// The mark of a number, by [`MARK_AUTHORITY`], which comes on record where it is not. Nothing else is recorded yet.
    ///
    /// # Panics
    /// Where the number has no normal form.
    #[must_use]
    pub fn mark(&self, number: &str) -> Mark {
        drop(self.clone().mark_authority(MARK_AUTHORITY));
        Mark { scene: self.clone(), number: number.to_owned(), subject: SubjectId::mark(number).unwrap() }
    }

    /// A mark authority.
    #[must_use]
    pub fn mark_authority(self, name: &str) -> Self {
        self.with_party(name, Role::MarkAuthority)
    }
}

impl Mark {
    /// Its subject.
    #[must_use]
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The next event of its chain, for a test to change.
    #[must_use]
    pub fn next(&self) -> NextOfMark {
        NextOfMark { mark: self.clone(), now: self.scene.now() }
    }
}

/// Each step as a method of [`NextOfMark`], which gives the sketch, and of [`Mark`], which records it.
macro_rules! steps {
    ($($(#[$doc:meta])* fn $name:ident($self:ident $(, $argument:ident: $type:ty)*) $body:block)*) => {
        /// The steps as sketches.
        impl NextOfMark {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&$self $(, $argument: $type)*) -> Sketch $body
            )*
        }

        /// The steps, recorded.
        ///
        /// # Panics
        /// If one is refused.
        impl Mark {
            $(
                $(#[$doc])*
                pub fn $name(&$self $(, $argument: $type)*) -> Self {
                    $self.next().$name($($argument),*).record();
                    $self.clone()
                }
            )*
        }
    };
}

steps! {
    /// Issued today for five years, for one model of [`MAKER`] in coal mines.
    fn issued(self, model: &str) {
        self.by(Body::MarkIssued(v1::MarkIssued {
            number: self.mark.number.clone(),
            kind: MarkKind::Type.into(),
            certificate: Some(certificate(model)),
            issued_on: self.today(),
            valid_from: self.today(),
            valid_until: self.years_on(5),
            document_no: self.document(),
            ..v1::MarkIssued::default()
        }))
    }

    /// Issued today for these units of a model, and no other.
    fn issued_for_batch(self, model: &str, serials: &[&str]) {
        let mut serials: Vec<String> = serials.iter().map(|serial| (*serial).to_owned()).collect();
        serials.sort_unstable();
        self.by(Body::MarkIssued(v1::MarkIssued {
            number: self.mark.number.clone(),
            kind: MarkKind::Batch.into(),
            certificate: Some(certificate(model)),
            issued_on: self.today(),
            valid_from: self.today(),
            serials,
            document_no: self.document(),
            ..v1::MarkIssued::default()
        }))
    }

    /// Issued today for a year of trial in the mine of a party.
    fn issued_for_trial(self, model: &str, mine: &str) {
        self.by(Body::MarkIssued(v1::MarkIssued {
            number: self.mark.number.clone(),
            kind: MarkKind::Trial.into(),
            certificate: Some(certificate(model)),
            issued_on: self.today(),
            valid_from: self.today(),
            valid_until: self.years_on(1),
            trial_mines: vec![self.mark.scene.party(mine).mine().id().to_vec()],
            document_no: self.document(),
            ..v1::MarkIssued::default()
        }))
    }

    /// Another model from today's production on.
    fn changed(self, model: &str) {
        self.by(Body::MarkChanged(v1::MarkChanged {
            certificate: Some(certificate(model)),
            produced_from: self.today(),
            what: format!("covers {model}"),
            document_no: self.document(),
            serials_added: Vec::new(),
        }))
    }

    /// Renewed for five years from today on.
    fn renewed(self) {
        self.by(Body::MarkRenewed(v1::MarkRenewed {
            valid_from: self.today(),
            valid_until: self.years_on(5),
            issued_on: self.today(),
            document_no: self.document(),
        }))
    }

    /// Suspended from today on: neither made nor sold.
    fn suspended(self) {
        self.by(Body::MarkSuspended(v1::MarkSuspended {
            from: self.today(),
            stops: vec![MarkActivity::Making.into(), MarkActivity::Selling.into()],
            reason: "failed in sampling".to_owned(),
            document_no: self.document(),
        }))
    }

    /// In force again from today on.
    fn resumed(self) {
        let (from, document_no) = (self.today(), self.document());
        self.by(Body::MarkResumed(v1::MarkResumed { from, remedied: "weld put right".to_owned(), document_no }))
    }

    /// Revoked from today on, for all that was ever made; units in the field must stop.
    fn revoked(self) {
        self.by(Body::MarkRevoked(v1::MarkRevoked {
            from: self.today(),
            reason: "false papers".to_owned(),
            document_no: self.document(),
            stops_use: true,
            ..v1::MarkRevoked::default()
        }))
    }

    /// Given up by its holder, from today on.
    fn cancelled(self) {
        let (from, document_no) = (self.today(), self.document());
        self.by(Body::MarkCancelled(v1::MarkCancelled { from, reason: "product ended".to_owned(), document_no }))
    }
}

impl NextOfMark {
    /// Any body, by the mark authority.
    #[must_use]
    pub fn by(&self, body: Body) -> Sketch {
        self.mark.scene.sketch(MARK_AUTHORITY, self.mark.subject, body)
    }

    fn today(&self) -> Option<v1::Day> {
        Some(day_of(self.now))
    }

    /// The last day of so many years from today on, which is a day before; not in February, which may lack it.
    fn years_on(&self, years: i16) -> Option<v1::Day> {
        let today = self.now.day().unwrap();
        Some(day(Day::new(today.year() + years, today.month(), today.day().min(28)).unwrap()))
    }

    fn document(&self) -> String {
        format!("{}/{}", self.mark.number, self.mark.scene.head(&self.mark.subject).chain_length)
    }
}

/// The certificate of a model of [`MAKER`], good for coal mines.
#[must_use]
pub fn certificate(model: &str) -> v1::MarkCertificate {
    let name = plate_name(MAKER);
    v1::MarkCertificate {
        holder: name.clone(),
        producers: vec![v1::MarkProducer { name, address: String::new() }],
        product_name: "shearer".to_owned(),
        models: vec![model.to_owned()],
        scope: Some(v1::MarkScope { sectors: vec![MineSector::Coal.into()], ..v1::MarkScope::default() }),
        ..v1::MarkCertificate::default()
    }
}
