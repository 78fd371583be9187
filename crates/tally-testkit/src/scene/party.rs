//! Who acts in a scene, and with which keys.

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest as _, Sha256};
use tally_client::key::SigningKey;
use tally_core::id::{EventId, OrganisationId, SubjectId};
use tally_proto::v1::{Place, Role};

/// Which of an organisation's keys.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KeyUse {
    /// The organisation's own: what signs unless a test says otherwise.
    Organisation,
    /// Kept offline; adds and revokes keys.
    Recovery,
    /// The key of a person; 0 and 1 are registered.
    Staff(u8),
    /// The key of a terminal.
    Device,
    /// One of the registrar's keys that count for the threshold, from 0.
    Registrar(u8),
    /// A key that nobody registered, one for each number.
    Unregistered(u8),
}

/// An organisation of a scene.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its name in the test.
    pub name: String,
    /// Its id.
    pub id: OrganisationId,
    /// The role in which it acts unless a test says otherwise.
    pub role: Role,
    /// The mine that it runs.
    pub site: Option<Site>,
}

/// A mine with its places.
#[derive(Clone, Debug)]
pub struct Site {
    /// The mine.
    pub mine: SubjectId,
    /// Its places: name and node id.
    pub places: Vec<(&'static str, EventId)>,
}

impl Site {
    /// A place of this mine, by its name: one of those that every mine of a scene has.
    ///
    /// # Panics
    /// Where there is none of the name.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
        let node = self.places.iter().find(|(known, _)| *known == name);
        let (_, node) = node.unwrap_or_else(|| panic!("the mine has no place {name}"));
        Place { mine: self.mine.id().to_vec(), node: node.as_bytes().to_vec(), text: String::new() }
    }
}

impl Party {
    /// The mine that it runs.
    ///
    /// # Panics
    /// Where it runs none.
    #[must_use]
    pub fn mine(&self) -> SubjectId {
        self.site().mine
    }

    /// The mine that it runs, with its places.
    ///
    /// # Panics
    /// Where it runs none.
    #[must_use]
    pub fn site(&self) -> &Site {
        self.site.as_ref().unwrap_or_else(|| panic!("{} runs no mine", self.name))
    }
}

/// The keys of everybody: made when they are asked for, from a seed, so that they are the same in every run.
#[derive(Debug)]
pub(super) struct Keys {
    seed: u64,
    made: HashMap<(String, KeyUse), Arc<SigningKey>>,
}

impl Keys {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, made: HashMap::new() }
    }

    pub(super) fn key(&mut self, party: &str, of: KeyUse) -> Arc<SigningKey> {
        let seed = self.seed;
        let make = || Arc::new(SigningKey::from_seed(key_seed(seed, party, of)).unwrap());
        self.made.entry((party.to_owned(), of)).or_insert_with(make).clone()
    }

    /// Takes a key that was made elsewhere.
    pub(super) fn adopt(&mut self, party: &str, of: KeyUse, key: Arc<SigningKey>) {
        self.made.insert((party.to_owned(), of), key);
    }
}

/// The secret bytes of a key of a scene.
pub(super) fn key_seed(seed: u64, party: &str, of: KeyUse) -> [u8; 32] {
    Sha256::digest(format!("tally-testkit\n{seed}\n{party}\n{of:?}")).into()
}
