//! Retries: what to answer to an event whose place on the chain is taken.
//!
//! Source: FORMAT, section 1, "Identity of an event".

use crate::{
    candidate::Candidate,
    number::ChainIndex,
    refusal::{Head, Refusal},
    signed_event::VerifiedEvent,
};

/// How far an event may be linked again from the place of its first signing.
pub const REBASE_PLACES_MAX: u64 = 256;

/// Compares an event with the one that stands at its place.
///
/// # Errors
/// [`Refusal::IssuerDiffers`], [`Refusal::EventIdReused`] or [`Refusal::StaleHead`]; `Ok` where it is a retry, so that
/// the receipt of `standing` is the answer.
pub fn judge_behind(candidate: &VerifiedEvent, standing: &VerifiedEvent, head: Head) -> Result<(), Refusal> {
    let chain_index = standing.chain_index();
    if candidate.payload() == standing.payload() {
        if candidate.issuer() == standing.issuer() && candidate.signature() == standing.signature() {
            return Ok(());
        }
        return Err(Refusal::IssuerDiffers { chain_index, issuer: standing.issuer() });
    }
    let id = candidate.statement().event_id;
    if id == standing.statement().event_id {
        return Err(Refusal::EventIdReused { id, chain_index });
    }
    Err(Refusal::StaleHead { subject: candidate.statement().subject, claimed: candidate.chain_index(), head })
}

/// The places of the chain that must be searched for the event's id, because it was first signed for an earlier one.
///
/// # Errors
/// [`Refusal::RebaseTooFar`] where more than [`REBASE_PLACES_MAX`] lie between.
pub fn places_to_search(candidate: &Candidate) -> Result<std::ops::Range<u64>, Refusal> {
    let (first_index, claimed) = (candidate.statement().first_index, candidate.event().chain_index());
    if claimed.get().saturating_sub(first_index.get()) > REBASE_PLACES_MAX {
        return Err(Refusal::RebaseTooFar { first_index, claimed });
    }
    Ok(first_index.get()..claimed.get())
}

/// Refuses an event whose id stands already at one of the places that were searched.
///
/// # Errors
/// [`Refusal::EventIdReused`].
pub fn check_id_is_new(candidate: &Candidate, standing: &VerifiedEvent) -> Result<(), Refusal> {
    let id = candidate.statement().event_id;
    if standing.statement().event_id == id {
        return Err(Refusal::EventIdReused { id, chain_index: ChainIndex::new(standing.chain_index().get()) });
    }
    Ok(())
}
