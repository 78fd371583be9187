//! Asking: heads, histories and single events with their proofs; states and lists on the server's word

use std::collections::BTreeMap;

use tally_core::event::plate_id;
use tally_core::id::{IdError, OrganisationId, SubjectId, SubjectKind};
use tally_core::key::{KeyId, PublicKey};
use tally_core::number::ChainIndex;
use tally_log::LogPosition;
use tally_proto::v1::{self, get_event_request::By};

use super::{Client, off_thread, present};
use crate::error::{ClientError, Failure};
use crate::verify::{
    Kept, MineComparison, MineMachines, UnverifiedHeadProof, VerifiedEntry, VerifiedHead, VerifiedHistory, VerifyError,
    bytes32, machines_in_mine, verify_entry, verify_head, verify_history,
};

/// Bytes of entries in one history: more than any machine gathers in its life, and less than a device's memory.
const HISTORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Machines on a page when all pages are asked for: the most that a server gives.
pub(super) const PAGE_MAX: u32 = 500;
/// Keys that one request may name.
const KEYS_A_REQUEST: usize = 1_024;

/// An answer from the index: the server's word, which no proof covers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// What it was answered from.
    pub basis: v1::Basis,
    /// The answer.
    pub value: T,
}

/// One page of a list: the server's word.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// What it was answered from; of all pages, that of the first.
    pub basis: v1::Basis,
    /// The members, ordered by id.
    pub members: Vec<T>,
    /// Token of the next page; empty on the last.
    pub next_page_token: String,
}

/// Who bears a plate. The list is the server's word; whether the plate's own id has a chain is proved.
#[derive(Clone, Debug)]
pub struct PlateAnswer {
    /// What the list was answered from.
    pub basis: v1::Basis,
    /// Every machine that ever bore the plate, by the server's word.
    pub equipment: Vec<v1::Equipment>,
    /// The id that the plate makes, which was computed here.
    pub id: SubjectId,
    /// What is proved about that id: its last state, or that it was never opened.
    pub head: VerifiedHead,
}

impl PlateAnswer {
    /// Whether the list says of the plate's own id what was proved of it. Asked with clocks, it may say less.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.equipment.iter().any(|machine| machine.id == self.id.id()) == self.head.is_opened()
    }
}

/// The machines of a mine: what its own history proves, and what the server lists.
#[derive(Clone, Debug)]
pub struct MineAnswer {
    /// The machines that are in it, by the mine's own touches.
    pub proved: MineMachines,
    /// The mine's history, which that follows from.
    pub history: VerifiedHistory,
    /// Their states as of the same tree size: the server's word.
    pub listed: Vec<v1::Equipment>,
    /// How the list differs from what is proved.
    pub comparison: MineComparison,
}

impl Client {
    /// The head of a subject's chain, proved: what the next event must continue.
    ///
    /// # Errors
    /// [`ClientError::Verify`], [`ClientError::Unreachable`]. A subject that was never opened has a head of length 0.
    pub async fn head(&self, subject: SubjectId) -> Result<VerifiedHead, ClientError> {
        Ok(self.head_proof(subject).await?.0)
    }

    /// The head of a subject's chain with the proof that was verified, for whoever keeps it: of presence, or of absence.
    ///
    /// # Errors
    /// As of [`Client::head`].
    pub async fn head_proof(&self, subject: SubjectId) -> Result<(VerifiedHead, v1::HeadProof), ClientError> {
        let before = self.kept();
        let request = v1::GetHeadRequest { subject: subject.key().to_vec() };
        let answered = self.call("GetHead", false, || {
            let (mut subjects, request) = (self.subjects(), request.clone());
            async move { subjects.get_head(request).await }
        });
        let answer = answered.await?;
        let proof = present("proof", answer.proof)?;
        let head = self.verified_head(subject, proof.clone(), before).await?;
        let is_same = head.head.chain_length == answer.chain_length
            && head.head.head_hash.as_bytes().as_slice() == answer.head_hash
            && head.checkpoint.size().get() == answer.tree_size;
        if is_same { Ok((head, proof)) } else { Err(VerifyError::OtherHead.into()) }
    }

    /// Every entry that touched a subject, proved to be all of them. What was on record, or true, at an earlier time
    /// follows from it: cut it by `recorded_at` and by the events' `occurred_at`.
    ///
    /// # Errors
    /// [`ClientError::Verify`], [`ClientError::Unreachable`]; [`ClientError::TooLong`] past 256 MiB.
    pub async fn history(&self, subject: SubjectId) -> Result<VerifiedHistory, ClientError> {
        const CALL: &str = "StreamHistory";
        let before = self.kept();
        let request = v1::StreamHistoryRequest {
            subject: subject.key().to_vec(),
            at: None,
            proof: true,
            kept_size: before.map_or(0, |kept| kept.size.get()),
        };
        let answered = self.call(CALL, false, || {
            let (mut subjects, request) = (self.subjects(), request.clone());
            async move { subjects.stream_history(request).await }
        });
        let mut parts = match answered.await {
            Ok(parts) => parts,
            Err(error) => return Err(self.went_back(error, before).await),
        };
        let (mut touches, mut keys, mut proof) = (Vec::new(), Vec::new(), None);
        let mut bytes = 0_usize;
        loop {
            let part = match parts.message().await {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(status) => return Err(Failure::of_status(&status).into_error(CALL, 1, false)),
            };
            bytes = bytes.saturating_add(prost::Message::encoded_len(&part));
            if bytes > HISTORY_BYTES_MAX {
                return Err(ClientError::TooLong { call: CALL, bytes_max: HISTORY_BYTES_MAX });
            }
            touches.extend(part.touches);
            keys.extend(part.keys);
            proof = part.proof.or(proof);
        }
        let mut proof = present("proof", proof)?;
        let consistency = std::mem::take(&mut proof.consistency);
        proof.touches.extend(touches);
        proof.keys.extend(keys);
        let trust = self.trust().clone();
        // A signature for each entry: too long for an async thread.
        let verified = off_thread(move || {
            let proof = UnverifiedHeadProof::try_from(proof)?;
            verify_history(&trust, subject, &proof, None)
        });
        let history = verified.await?;
        self.keep(&history.head.checkpoint, before, Some(&consistency)).await?;
        Ok(history)
    }

    /// The event at a position of the log, with its signatures verified and proved to stand there.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if there is no such position; [`ClientError::Verify`], also where a heads entry stands
    /// there.
    pub async fn event(&self, position: LogPosition) -> Result<VerifiedEntry, ClientError> {
        let entry = self.entry(By::Position(position.get())).await?;
        if entry.position == position {
            Ok(entry)
        } else {
            let problem = format!("is {}, asked was {position}", entry.position);
            Err(VerifyError::malformed("position", problem).into())
        }
    }

    /// The event at a place of a chain, with its signatures verified and proved to be on record. That no other stands at
    /// this place, only [`Client::history`] proves.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the chain does not reach there; [`ClientError::Verify`].
    pub async fn event_on_chain(
        &self,
        subject: SubjectId,
        chain_index: ChainIndex,
    ) -> Result<VerifiedEntry, ClientError> {
        let place = v1::ChainPlace { subject: subject.key().to_vec(), chain_index: chain_index.get() };
        let entry = self.entry(By::Place(place)).await?;
        let (found, due) = (entry.event.chain_index(), chain_index);
        if entry.event.statement().subject != subject {
            return Err(VerifyError::OtherSubject { asked: subject, found: entry.event.statement().subject }.into());
        }
        if found == due { Ok(entry) } else { Err(VerifyError::OtherPlace { due, found }.into()) }
    }

    async fn entry(&self, by: By) -> Result<VerifiedEntry, ClientError> {
        let before = self.kept();
        let request = v1::GetEventRequest { by: Some(by) };
        let answered = self.call("GetEvent", false, || {
            let (mut subjects, request) = (self.subjects(), request.clone());
            async move { subjects.get_event(request).await }
        });
        let v1::GetEventResponse { position, entry, checkpoint, inclusion, keys } = answered.await?;
        let entry = verify_entry(self.trust(), position, &entry, &checkpoint, &inclusion, &keys)?;
        self.keep(&entry.checkpoint, before, None).await?;
        Ok(entry)
    }

    /// The public keys of key ids, as far as the server knows them: each has the hash that was asked for and is valid.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`]; [`ClientError::Verify`] for a key that nobody asked for, or that is none.
    pub async fn keys(
        &self,
        key_ids: impl IntoIterator<Item = KeyId>,
    ) -> Result<BTreeMap<KeyId, PublicKey>, ClientError> {
        let mut key_ids: Vec<KeyId> = key_ids.into_iter().collect();
        key_ids.sort_unstable();
        key_ids.dedup();
        let mut known = BTreeMap::new();
        for asked in key_ids.chunks(KEYS_A_REQUEST) {
            let request = v1::GetKeysRequest { key_ids: asked.iter().map(|id| id.as_bytes().to_vec()).collect() };
            let answered = self.call("GetKeys", false, || {
                let (mut subjects, request) = (self.subjects(), request.clone());
                async move { subjects.get_keys(request).await }
            });
            for key in answered.await?.keys {
                let key_id = KeyId::of(&bytes32("keys", &key)?);
                if asked.binary_search(&key_id).is_err() {
                    return Err(VerifyError::malformed("keys", format!("has {key_id}, which nobody asked for")).into());
                }
                let key = PublicKey::parse(&key).map_err(|problem| VerifyError::Key { key_id, problem })?;
                known.insert(key_id, key);
            }
        }
        Ok(known)
    }

    /// A machine's state: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is not on record; [`ClientError::Subject`] for a subject that is no machine.
    pub async fn equipment(&self, id: SubjectId, at: v1::At) -> Result<Answer<v1::Equipment>, ClientError> {
        of_kind(id, SubjectKind::Equipment)?;
        let before = self.kept();
        let request = v1::GetEquipmentRequest { id: id.id().to_vec(), at: Some(at), min_position: 0 };
        let answered = self.call("GetEquipment", false, || {
            let (mut machines, request) = (self.machines(), request.clone());
            async move { machines.get_equipment(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let value = present("equipment", answer.equipment)?;
        same_id(id, &value.id)?;
        Ok(Answer { basis, value })
    }

    /// Who bears a plate, and a proof about the id that the plate makes: a forged plate has none on record.
    ///
    /// # Errors
    /// [`ClientError::Subject`] for a plate that has no id; [`ClientError::Verify`], [`ClientError::Unreachable`].
    pub async fn look_up_plate(&self, plate: v1::Plate, at: v1::At) -> Result<PlateAnswer, ClientError> {
        let id = plate_id(v1::IdentityKind::Unit, &plate.maker, &plate.model, &plate.serial)?;
        let before = self.kept();
        let request = v1::LookUpPlateRequest { plate: Some(plate), at: Some(at) };
        let answered = self.call("LookUpPlate", false, || {
            let (mut machines, request) = (self.machines(), request.clone());
            async move { machines.look_up_plate(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let head = self.verified_head(id, present("proof", answer.proof)?, before).await?;
        Ok(PlateAnswer { basis, equipment: answer.equipment, id, head })
    }

    /// The machines that bear an alias now: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a name that is empty or longer than 128 bytes.
    pub async fn look_up_alias(
        &self,
        kind: v1::AliasKind,
        value: &str,
    ) -> Result<Answer<Vec<v1::Equipment>>, ClientError> {
        let before = self.kept();
        let request = v1::LookUpAliasRequest { kind: kind.into(), value: value.to_owned() };
        let answered = self.call("LookUpAlias", false, || {
            let (mut machines, request) = (self.machines(), request.clone());
            async move { machines.look_up_alias(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, v1::At::default(), before)?;
        Ok(Answer { basis, value: answer.equipment })
    }

    /// One page of machines: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a page token of another query, or clocks that lie ahead.
    pub async fn list_equipment(
        &self,
        request: v1::ListEquipmentRequest,
    ) -> Result<Listed<v1::Equipment>, ClientError> {
        // A later page knows what the first one knew.
        let before = self.kept().filter(|_| request.page_token.is_empty());
        let answered = self.call("ListEquipment", false, || {
            let (mut machines, request) = (self.machines(), request.clone());
            async move { machines.list_equipment(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, request.at.unwrap_or_default(), before)?;
        Ok(Listed { basis, members: answer.equipment, next_page_token: answer.next_page_token })
    }

    /// All machines that a filter lets through, page by page, all of one tree size: the server's word.
    ///
    /// # Errors
    /// As of [`Client::list_equipment`].
    pub async fn list_all_equipment(
        &self,
        filter: v1::EquipmentFilter,
        at: v1::At,
    ) -> Result<Answer<Vec<v1::Equipment>>, ClientError> {
        let mut request =
            v1::ListEquipmentRequest { filter: Some(filter), at: Some(at), page_size: PAGE_MAX, ..Default::default() };
        let mut pages = Pages::default();
        loop {
            let page = self.list_equipment(request.clone()).await?;
            if let Some(all) = pages.take(page)? {
                return Ok(all);
            }
            request.page_token.clone_from(&pages.token);
        }
    }

    /// An organisation with its roles and keys: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is not on record.
    pub async fn organisation(&self, id: OrganisationId, at: v1::At) -> Result<Answer<v1::Organisation>, ClientError> {
        let before = self.kept();
        let request = v1::GetOrganisationRequest { id: id.as_bytes().to_vec(), at: Some(at) };
        let answered = self.call("GetOrganisation", false, || {
            let (mut register, request) = (self.register(), request.clone());
            async move { register.get_organisation(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let value = present("organisation", answer.organisation)?;
        same_id(id.subject(), &value.id)?;
        Ok(Answer { basis, value })
    }

    /// All organisations, or those that have a role, page by page: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub async fn organisations(&self, role: v1::Role) -> Result<Answer<Vec<v1::Organisation>>, ClientError> {
        let mut request =
            v1::ListOrganisationsRequest { role: role.into(), page_size: PAGE_MAX, page_token: String::new() };
        let mut pages = Pages::default();
        loop {
            let before = self.kept().filter(|_| request.page_token.is_empty());
            let answered = self.call("ListOrganisations", false, || {
                let (mut register, request) = (self.register(), request.clone());
                async move { register.list_organisations(request).await }
            });
            let answer = answered.await?;
            let basis = checked_basis(answer.basis, v1::At::default(), before)?;
            let page = Listed { basis, members: answer.organisations, next_page_token: answer.next_page_token };
            if let Some(all) = pages.take(page)? {
                return Ok(all);
            }
            request.page_token.clone_from(&pages.token);
        }
    }

    /// A mine with its places: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is not on record; [`ClientError::Subject`] for a subject that is no mine.
    pub async fn mine(&self, id: SubjectId, at: v1::At) -> Result<Answer<v1::Mine>, ClientError> {
        of_kind(id, SubjectKind::Mine)?;
        let before = self.kept();
        let request = v1::GetMineRequest { id: id.id().to_vec(), at: Some(at) };
        let answered = self.call("GetMine", false, || {
            let (mut register, request) = (self.register(), request.clone());
            async move { register.get_mine(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, at, before)?;
        let value = present("mine", answer.mine)?;
        same_id(id, &value.id)?;
        Ok(Answer { basis, value })
    }

    /// All mines, or those that an organisation runs, page by page, without their places: the server's word.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub async fn mines(&self, operator: Option<OrganisationId>) -> Result<Answer<Vec<v1::Mine>>, ClientError> {
        let operator = operator.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let mut request = v1::ListMinesRequest { operator, page_size: PAGE_MAX, page_token: String::new() };
        let mut pages = Pages::default();
        loop {
            let before = self.kept().filter(|_| request.page_token.is_empty());
            let answered = self.call("ListMines", false, || {
                let (mut register, request) = (self.register(), request.clone());
                async move { register.list_mines(request).await }
            });
            let answer = answered.await?;
            let basis = checked_basis(answer.basis, v1::At::default(), before)?;
            let page = Listed { basis, members: answer.mines, next_page_token: answer.next_page_token };
            if let Some(all) = pages.take(page)? {
                return Ok(all);
            }
            request.page_token.clone_from(&pages.token);
        }
    }

    /// The machines of a mine, proved by the mine's own history, beside what the server lists as of the same tree size.
    ///
    /// # Errors
    /// As of [`Client::history`] and [`Client::list_equipment`]; [`ClientError::Subject`] for a subject that is no mine.
    pub async fn machines_of_mine(&self, mine: SubjectId) -> Result<MineAnswer, ClientError> {
        of_kind(mine, SubjectKind::Mine)?;
        let history = self.history(mine).await?;
        let proved = machines_in_mine(&history, None)?;
        let filter = v1::EquipmentFilter { mine: mine.id().to_vec(), ..Default::default() };
        let at = v1::At { known_size: history.head.checkpoint.size().get(), ..Default::default() };
        let listed = self.list_all_equipment(filter, at).await?.value;
        let ids: Result<Vec<SubjectId>, VerifyError> = listed.iter().map(|machine| machine_id(&machine.id)).collect();
        let comparison = proved.compare(ids?);
        Ok(MineAnswer { proved, history, listed, comparison })
    }

    async fn verified_head(
        &self,
        subject: SubjectId,
        proof: v1::HeadProof,
        before: Option<Kept>,
    ) -> Result<VerifiedHead, ClientError> {
        let head = verify_head(self.trust(), subject, &UnverifiedHeadProof::try_from(proof)?, None)?;
        // These calls do not say what was kept, so no consistency proof comes with them.
        self.keep(&head.checkpoint, before, None).await?;
        Ok(head)
    }
}

/// The pages of a list so far.
pub(super) struct Pages<T> {
    basis: Option<v1::Basis>,
    members: Vec<T>,
    pub(super) token: String,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { basis: None, members: Vec::new(), token: String::new() }
    }
}

impl<T> Pages<T> {
    /// Adds a page; gives the whole list once there is no further one.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] for pages that would never end, or that are not of one tree size.
    pub(super) fn take(&mut self, page: Listed<T>) -> Result<Option<Answer<Vec<T>>>, VerifyError> {
        let is_last = page.next_page_token.is_empty();
        if !is_last && (page.members.is_empty() || page.next_page_token == self.token) {
            return Err(VerifyError::malformed("next_page_token", "leads nowhere"));
        }
        let basis = self.basis.take().unwrap_or_else(|| page.basis.clone());
        if page.basis.tree_size != basis.tree_size {
            let problem = format!("is {}, the first page had {}", page.basis.tree_size, basis.tree_size);
            return Err(VerifyError::malformed("basis.tree_size", problem));
        }
        self.members.extend(page.members);
        if is_last {
            return Ok(Some(Answer { basis, value: std::mem::take(&mut self.members) }));
        }
        self.basis = Some(basis);
        self.token = page.next_page_token;
        Ok(None)
    }
}

/// An answer that says itself that it knows less than was seen before comes from a ledger that went back.
pub(super) fn checked_basis(
    basis: Option<v1::Basis>,
    at: v1::At,
    before: Option<Kept>,
) -> Result<v1::Basis, VerifyError> {
    let basis = present("basis", basis)?;
    let is_all = at.known_at_us == 0 && at.known_size == 0;
    if let Some(before) = before.filter(|before| is_all && basis.tree_size < before.size.get()) {
        let found = tally_log::TreeSize::new(basis.tree_size).unwrap_or_default();
        return Err(VerifyError::OlderThanKept { found, kept: before.size });
    }
    Ok(basis)
}

pub(super) fn of_kind(subject: SubjectId, kind: SubjectKind) -> Result<(), IdError> {
    if subject.kind() == kind { Ok(()) } else { Err(IdError::OtherKind { found: subject, expected: kind.name() }) }
}

fn machine_id(id: &[u8]) -> Result<SubjectId, VerifyError> {
    let found = id.len();
    let id = id.try_into().map_err(|_| VerifyError::malformed("equipment.id", format!("has {found} bytes, not 16")))?;
    Ok(SubjectId::new(SubjectKind::Equipment, id))
}

pub(super) fn same_id(asked: SubjectId, found: &[u8]) -> Result<(), VerifyError> {
    if found == asked.id() { Ok(()) } else { Err(VerifyError::malformed("id", format!("is not that of {asked}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(tree_size: u64, members: &[u8], token: &str) -> Listed<u8> {
        let basis = v1::Basis { tree_size, ..v1::Basis::default() };
        Listed { basis, members: members.to_vec(), next_page_token: token.to_owned() }
    }

    #[test]
    fn pages_are_joined_up_to_the_last() {
        let mut pages = Pages::default();
        assert_eq!(pages.take(page(7, &[1, 2], "a")), Ok(None));
        assert_eq!(pages.token, "a");
        assert_eq!(pages.take(page(7, &[3], "b")), Ok(None));
        let all = pages.take(page(7, &[], "")).unwrap().unwrap();
        assert_eq!((all.basis.tree_size, all.value), (7, vec![1, 2, 3]));
    }

    #[test]
    fn pages_that_never_end_or_do_not_agree_are_refused() {
        for second in [page(7, &[2], "a"), page(7, &[], "b"), page(8, &[2], "b")] {
            let mut pages = Pages::default();
            pages.take(page(7, &[1], "a")).unwrap();
            assert!(pages.take(second).is_err());
        }
    }

    #[test]
    fn an_answer_from_before_what_was_kept_is_refused_unless_it_was_asked_for() {
        let kept = Kept { size: tally_log::TreeSize::new(9).unwrap(), root: tally_log::RootHash::from_bytes([1; 32]) };
        let basis = |tree_size| Some(v1::Basis { tree_size, ..v1::Basis::default() });
        let (now, earlier) = (v1::At::default(), v1::At { known_size: 5, ..v1::At::default() });
        assert!(checked_basis(basis(9), now, Some(kept)).is_ok());
        assert!(matches!(checked_basis(basis(8), now, Some(kept)), Err(VerifyError::OlderThanKept { .. })));
        assert!(checked_basis(basis(5), earlier, Some(kept)).is_ok());
        assert!(checked_basis(basis(5), now, None).is_ok());
        assert!(checked_basis(None, now, None).is_err());
    }
}
