//! Reading equipment.

use prost::Message;
use tally_core::{
    access::{Facts, Sight, public_machine},
    id::{SubjectId, SubjectKind},
};
use tally_index::IndexError;
use tally_proto::v1::{self, equipment_service_server::EquipmentService};
use tonic::{Request, Response, Status};

use super::findings::check_area;
use crate::{
    access::{Access, Ledger},
    reader::{PageToken, Reader, page_size, subject_of},
    status::CallError,
};

/// The service.
#[derive(Clone)]
pub struct EquipmentReads {
    reader: Reader,
}

impl EquipmentReads {
    /// A service over a reader.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

/// A machine as a caller sees it, and whether that is more than anyone sees; `None` where he sees nothing of it.
fn seen<F: Facts>(sight: &Sight<'_, F>, machine: v1::Equipment) -> Result<Option<(v1::Equipment, bool)>, F::Error> {
    // What it was then may be another's business now: whose it is, today's state says.
    let subject = <[u8; 16]>::try_from(machine.id.as_slice()).map(|id| SubjectId::new(SubjectKind::Equipment, id));
    let whole = match subject {
        Ok(subject) => sight.sees(&subject)?,
        Err(_) => false,
    };
    Ok(if whole { Some((machine, true)) } else { public_machine(&machine).map(|machine| (machine, false)) })
}

#[tonic::async_trait]
impl EquipmentService for EquipmentReads {
    async fn get_equipment(
        &self,
        request: Request<v1::GetEquipmentRequest>,
    ) -> Result<Response<v1::GetEquipmentResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::GetEquipmentRequest { id, at, min_position } = request.into_inner();
        let subject = subject_of(SubjectKind::Equipment, "id", &id)?;
        let asked = access.clone();
        let answered = self.reader.ask_at(min_position, move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let machine = reader.index.equipment(&reader.log, &subject, instant)?;
            let machine = machine.ok_or_else(|| CallError::NotFound { what: "machine", name: subject.to_string() })?;
            let seen = seen(&asked.sight(&facts), machine)?;
            let (equipment, whole) = seen.ok_or_else(|| asked.hides("machine", subject.to_string()))?;
            asked.reveals(subject, usize::from(whole))?;
            Ok(v1::GetEquipmentResponse { basis: Some(basis), equipment: Some(equipment) })
        });
        Ok(Response::new(access.veil(answered.await, |_| false).await?))
    }

    async fn look_up_plate(
        &self,
        request: Request<v1::LookUpPlateRequest>,
    ) -> Result<Response<v1::LookUpPlateResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::LookUpPlateRequest { plate, at } = request.into_inner();
        let plate = plate.unwrap_or_default();
        let id = tally_core::event::plate_id(v1::IdentityKind::Unit, &plate.maker, &plate.model, &plate.serial)
            .map_err(|error| CallError::BadRequest { field: "plate", what: error.to_string() })?;
        let asked = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            // Complete by no subject: a later plate of another machine may say the same. The proof is about the plate's own id.
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let found = reader.index.by_plate(&reader.log, &plate, instant)?;
            let equipment = shown(&asked, &asked.sight(&facts), found, &format!("plate of {id}"))?;
            let proof = reader.head_proof(snapshot, &id, 0)?;
            let id = id.id().to_vec();
            Ok(v1::LookUpPlateResponse { basis: Some(basis), equipment, id, proof: Some(proof) })
        });
        let is_nothing = |answer: &v1::LookUpPlateResponse| answer.equipment.is_empty();
        Ok(Response::new(access.veil(answered.await, is_nothing).await?))
    }

    async fn look_up_alias(
        &self,
        request: Request<v1::LookUpAliasRequest>,
    ) -> Result<Response<v1::LookUpAliasResponse>, Status> {
        let access = Access::of(&request)?;
        let request = request.into_inner();
        if request.value.is_empty() || request.value.len() > 128 {
            let what = format!("has {} bytes; 1 to 128 are allowed", request.value.len());
            return Err(CallError::BadRequest { field: "value", what }.into());
        }
        let asked = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(None, snapshot)?;
            let facts = Ledger::new(reader);
            let sight = asked.sight(&facts);
            let (mut equipment, mut hidden) = (Vec::new(), false);
            // An alias is its holder's own word for a machine: who does not see the machine does not learn it.
            for machine in reader.index.by_alias(&reader.log, request.kind(), &request.value, instant)? {
                if sight.sees_machine(&machine)? { equipment.push(machine) } else { hidden = true }
            }
            let alias = format!("alias {}", request.value);
            if hidden {
                asked.refused(&alias, "NOT_FOR_YOUR_EYES");
            }
            asked.reveals(alias, equipment.len())?;
            Ok(v1::LookUpAliasResponse { basis: Some(basis), equipment })
        });
        let is_nothing = |answer: &v1::LookUpAliasResponse| answer.equipment.is_empty();
        Ok(Response::new(access.veil(answered.await, is_nothing).await?))
    }

    async fn list_equipment(
        &self,
        request: Request<v1::ListEquipmentRequest>,
    ) -> Result<Response<v1::ListEquipmentResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::ListEquipmentRequest { filter, at, page_size: asked, page_token } = request.into_inner();
        let filter = filter.unwrap_or_default();
        check_area("filter.area", &filter.area)?;
        if !filter.place.is_empty() {
            crate::status::id16("filter.place", &filter.place)?;
            if filter.mine.is_empty() {
                let what = "goes with filter.mine, whose place it is".to_owned();
                return Err(CallError::BadRequest { field: "filter.place", what }.into());
            }
        }
        let query = [filter.encode_to_vec(), at.unwrap_or_default().encode_to_vec()].concat();
        let token = PageToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            // A later page knows what the first one knew, whatever was recorded since.
            let at = match token {
                Some(token) => Some(v1::At { known_size: token.size, known_at_us: 0, ..at.unwrap_or_default() }),
                None => at,
            };
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let sees = |machine: &v1::Equipment| -> Result<bool, IndexError> {
                Ok(seen(&sight, machine.clone())?.is_some_and(|(_, whole)| whole))
            };
            let after = token.map(|token| token.after);
            let page = reader.index.list(&reader.log, &filter, instant, after, page_size(asked), &sees)?;
            access.reveals(asked_for(&filter), page.equipment.len())?;
            let next_page_token =
                page.more_after.map(|after| PageToken { size: instant.size, after }.encode(&query)).unwrap_or_default();
            Ok(v1::ListEquipmentResponse { basis: Some(basis), equipment: page.equipment, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }
}

/// Machines as a caller sees them; those of which he sees nothing are left out.
fn shown(
    access: &Access,
    sight: &Sight<'_, Ledger<'_>>,
    found: Vec<v1::Equipment>,
    asked: &str,
) -> Result<Vec<v1::Equipment>, CallError> {
    let (mut equipment, mut revealed) = (Vec::new(), 0);
    for machine in found {
        match seen(sight, machine)? {
            Some((machine, whole)) => {
                revealed += usize::from(whole);
                equipment.push(machine);
            }
            None => access.refused(asked, "NOT_FOR_YOUR_EYES"),
        }
    }
    access.reveals(asked, revealed)?;
    Ok(equipment)
}

/// A filter in a line of the access log: whose machines were asked for.
fn asked_for(filter: &v1::EquipmentFilter) -> String {
    let named = |kind: SubjectKind, id: &[u8]| {
        let id = <[u8; 16]>::try_from(id).ok()?;
        Some(SubjectId::new(kind, id).to_string())
    };
    let parts = [
        named(SubjectKind::Mine, &filter.mine).map(|mine| format!("in {mine}")),
        named(SubjectKind::Organisation, &filter.holder).map(|holder| format!("held by {holder}")),
        named(SubjectKind::Organisation, &filter.owner).map(|owner| format!("owned by {owner}")),
        named(SubjectKind::Model, &filter.model).map(|model| format!("of {model}")),
        (!filter.category.is_empty()).then(|| format!("of category {}", filter.category)),
        (!filter.area.is_empty()).then(|| format!("in area {}", filter.area)),
        (!filter.maker.is_empty()).then(|| format!("of maker {}", filter.maker)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "machines".to_owned() } else { format!("machines {}", parts.join(", ")) }
}
