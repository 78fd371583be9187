//! What the predicates ask, from the newest rows of the index, each read once a question.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use tally_core::{
    access::Facts,
    id::{OrganisationId, SubjectId, SubjectKind},
    state::Instant,
};
use tally_index::IndexError;
use tally_proto::v1::{Equipment, Mine, Organisation};

use crate::reader::Reader;

type Known<K, V> = RefCell<HashMap<K, Option<Arc<V>>>>;

/// The ledger as it is now, for one question. What was read stays: an answer is judged by one state.
pub struct Ledger<'r> {
    reader: &'r Reader,
    organisations: Known<OrganisationId, Organisation>,
    mines: Known<[u8; 16], Mine>,
}

impl<'r> Ledger<'r> {
    /// Nothing is read yet.
    pub fn new(reader: &'r Reader) -> Self {
        Self { reader, organisations: RefCell::default(), mines: RefCell::default() }
    }
}

impl Facts for Ledger<'_> {
    type Error = IndexError;

    fn organisation(&self, id: &OrganisationId) -> Result<Option<Arc<Organisation>>, IndexError> {
        if let Some(known) = self.organisations.borrow().get(id) {
            return Ok(known.clone());
        }
        let state = self.reader.index.organisation(&self.reader.log, &id.subject(), Instant::ALL)?.map(Arc::new);
        self.organisations.borrow_mut().insert(*id, state.clone());
        Ok(state)
    }

    fn mine(&self, id: &[u8; 16]) -> Result<Option<Arc<Mine>>, IndexError> {
        if let Some(known) = self.mines.borrow().get(id) {
            return Ok(known.clone());
        }
        let subject = SubjectId::new(SubjectKind::Mine, *id);
        let state = self.reader.index.mine(&self.reader.log, &subject, Instant::ALL)?.map(Arc::new);
        self.mines.borrow_mut().insert(*id, state.clone());
        Ok(state)
    }

    fn machine(&self, subject: &SubjectId) -> Result<Option<Arc<Equipment>>, IndexError> {
        Ok(self.reader.index.equipment(&self.reader.log, subject, Instant::ALL)?.map(Arc::new))
    }
}
