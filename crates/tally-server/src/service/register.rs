//! Reading organisations and mines.

use tally_core::id::SubjectKind;
use tally_proto::v1::{self, register_service_server::RegisterService};
use tonic::{Request, Response, Status};

use crate::{
    access::{self, Purpose},
    reader::{PageToken, Reader, page_size, subject_of},
    status::CallError,
};

/// The service.
#[derive(Clone)]
pub struct Register {
    reader: Reader,
}

impl Register {
    /// A service over a reader.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

#[tonic::async_trait]
impl RegisterService for Register {
    async fn get_organisation(
        &self,
        request: Request<v1::GetOrganisationRequest>,
    ) -> Result<Response<v1::GetOrganisationResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::GetOrganisationRequest { id, at } = request.into_inner();
        let subject = subject_of(SubjectKind::Organisation, "id", &id)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let organisation = reader.index.organisation(&reader.log, &subject, instant)?;
            let organisation =
                organisation.ok_or_else(|| CallError::NotFound { what: "organisation", name: subject.to_string() })?;
            Ok(v1::GetOrganisationResponse { basis: Some(basis), organisation: Some(organisation) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn list_organisations(
        &self,
        request: Request<v1::ListOrganisationsRequest>,
    ) -> Result<Response<v1::ListOrganisationsResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::ListOrganisationsRequest { role, page_size: asked, page_token } = request.into_inner();
        let query = [&b"organisations"[..], &role.to_be_bytes()].concat();
        let token = PageToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(token.map(known).as_ref(), snapshot)?;
            let fits = |organisation: &v1::Organisation| {
                role == 0 || organisation.roles.iter().any(|grant| grant.role == role && !grant.withdrawn)
            };
            let after = token.map(|token| token.after);
            let kind = SubjectKind::Organisation;
            let (organisations, more) =
                reader.index.list_registered(&reader.log, kind, instant, after, page_size(asked), fits)?;
            let last = organisations.last().map(|organisation: &v1::Organisation| organisation.id.clone());
            let next_page_token = next_token(more, last, instant.size, &query);
            Ok(v1::ListOrganisationsResponse { basis: Some(basis), organisations, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }

    async fn get_mine(&self, request: Request<v1::GetMineRequest>) -> Result<Response<v1::GetMineResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::GetMineRequest { id, at } = request.into_inner();
        let subject = subject_of(SubjectKind::Mine, "id", &id)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let mine = reader.index.mine(&reader.log, &subject, instant)?;
            let mine = mine.ok_or_else(|| CallError::NotFound { what: "mine", name: subject.to_string() })?;
            Ok(v1::GetMineResponse { basis: Some(basis), mine: Some(mine) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn list_mines(
        &self,
        request: Request<v1::ListMinesRequest>,
    ) -> Result<Response<v1::ListMinesResponse>, Status> {
        access::check(Purpose::Read)?;
        let v1::ListMinesRequest { operator, page_size: asked, page_token } = request.into_inner();
        let query = [&b"mines"[..], &operator].concat();
        let token = PageToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(token.map(known).as_ref(), snapshot)?;
            let fits = |mine: &v1::Mine| operator.is_empty() || mine.operator == operator;
            let after = token.map(|token| token.after);
            let kind = SubjectKind::Mine;
            let (mut mines, more) =
                reader.index.list_registered(&reader.log, kind, instant, after, page_size(asked), fits)?;
            mines.iter_mut().for_each(|mine: &mut v1::Mine| mine.places.clear());
            let last = mines.last().map(|mine| mine.id.clone());
            let next_page_token = next_token(more, last, instant.size, &query);
            Ok(v1::ListMinesResponse { basis: Some(basis), mines, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }
}

fn known(token: PageToken) -> v1::At {
    v1::At { known_size: token.size, ..v1::At::default() }
}

fn next_token(more: bool, last: Option<Vec<u8>>, size: u64, query: &[u8]) -> String {
    last.filter(|_| more)
        .and_then(|last| <[u8; 16]>::try_from(last).ok())
        .map(|after| PageToken { size, after }.encode(query))
        .unwrap_or_default()
}
