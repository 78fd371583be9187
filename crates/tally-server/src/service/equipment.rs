//! Reading equipment.

use prost::Message;
use tally_core::id::SubjectKind;
use tally_proto::v1::{self, equipment_service_server::EquipmentService};
use tonic::{Request, Response, Status};

use crate::{
    access::{self, Purpose},
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

#[tonic::async_trait]
impl EquipmentService for EquipmentReads {
    async fn get_equipment(
        &self,
        request: Request<v1::GetEquipmentRequest>,
    ) -> Result<Response<v1::GetEquipmentResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::GetEquipmentRequest { id, at, min_position } = request.into_inner();
        let subject = subject_of(SubjectKind::Equipment, "id", &id)?;
        let answered = self.reader.ask_at(min_position, move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let equipment = reader.index.equipment(&reader.log, &subject, instant)?;
            let equipment =
                equipment.ok_or_else(|| CallError::NotFound { what: "machine", name: subject.to_string() })?;
            Ok(v1::GetEquipmentResponse { basis: Some(basis), equipment: Some(equipment) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn look_up_plate(
        &self,
        request: Request<v1::LookUpPlateRequest>,
    ) -> Result<Response<v1::LookUpPlateResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::LookUpPlateRequest { plate, at } = request.into_inner();
        let plate = plate.unwrap_or_default();
        let id = tally_core::event::plate_id(v1::IdentityKind::Unit, &plate.maker, &plate.model, &plate.serial)
            .map_err(|error| CallError::BadRequest { field: "plate", what: error.to_string() })?;
        let answered = self.reader.ask(move |reader, snapshot| {
            // Complete by no subject: a later plate of another machine may say the same. The proof is about the plate's own id.
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let equipment = reader.index.by_plate(&reader.log, &plate, instant)?;
            let proof = reader.head_proof(snapshot, &id, 0)?;
            let id = id.id().to_vec();
            Ok(v1::LookUpPlateResponse { basis: Some(basis), equipment, id, proof: Some(proof) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn look_up_alias(
        &self,
        request: Request<v1::LookUpAliasRequest>,
    ) -> Result<Response<v1::LookUpAliasResponse>, Status> {
        access::check(Purpose::Read)?;
        let request = request.into_inner();
        if request.value.is_empty() || request.value.len() > 128 {
            let what = format!("has {} bytes; 1 to 128 are allowed", request.value.len());
            return Err(CallError::BadRequest { field: "value", what }.into());
        }
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(None, snapshot)?;
            let equipment = reader.index.by_alias(&reader.log, request.kind(), &request.value, instant)?;
            Ok(v1::LookUpAliasResponse { basis: Some(basis), equipment })
        });
        Ok(Response::new(answered.await?))
    }

    async fn list_equipment(
        &self,
        request: Request<v1::ListEquipmentRequest>,
    ) -> Result<Response<v1::ListEquipmentResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::ListEquipmentRequest { filter, at, page_size: asked, page_token } = request.into_inner();
        let filter = filter.unwrap_or_default();
        let query = [filter.encode_to_vec(), at.unwrap_or_default().encode_to_vec()].concat();
        let token = PageToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            // A later page knows what the first one knew, whatever was recorded since.
            let at = match token {
                Some(token) => Some(v1::At { known_size: token.size, known_at_us: 0, ..at.unwrap_or_default() }),
                None => at,
            };
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let after = token.map(|token| token.after);
            let page = reader.index.list(&reader.log, &filter, instant, after, page_size(asked))?;
            let next_page_token =
                page.more_after.map(|after| PageToken { size: instant.size, after }.encode(&query)).unwrap_or_default();
            Ok(v1::ListEquipmentResponse { basis: Some(basis), equipment: page.equipment, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }
}
