//! Reading organisations and mines.

use tally_core::{
    access::{Facts, Sight, public_mine, public_organisation},
    id::{OrganisationId, SubjectKind},
};
use tally_proto::v1::{self, register_service_server::RegisterService};
use tonic::{Request, Response, Status};

use crate::{
    access::{Access, Ledger},
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

/// An organisation as a caller sees it, and whether that is more than anyone sees.
fn seen_organisation<F: Facts>(
    sight: &Sight<'_, F>,
    organisation: v1::Organisation,
) -> Result<(v1::Organisation, bool), F::Error> {
    let whole = match <[u8; 16]>::try_from(organisation.id.as_slice()) {
        Ok(id) => sight.sees_organisation(&OrganisationId::new(id))?,
        Err(_) => false,
    };
    Ok(if whole { (organisation, true) } else { (public_organisation(&organisation), false) })
}

/// A mine as a caller sees it, and whether that is more than anyone sees.
fn seen_mine<F: Facts>(sight: &Sight<'_, F>, mine: v1::Mine) -> Result<(v1::Mine, bool), F::Error> {
    let whole = match <[u8; 16]>::try_from(mine.id.as_slice()) {
        Ok(id) => sight.sees_mine(&id)?,
        Err(_) => false,
    };
    Ok(if whole { (mine, true) } else { (public_mine(&mine), false) })
}

#[tonic::async_trait]
impl RegisterService for Register {
    async fn get_organisation(
        &self,
        request: Request<v1::GetOrganisationRequest>,
    ) -> Result<Response<v1::GetOrganisationResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::GetOrganisationRequest { id, at } = request.into_inner();
        let subject = subject_of(SubjectKind::Organisation, "id", &id)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let organisation = reader.index.organisation(&reader.log, &subject, instant)?;
            let organisation =
                organisation.ok_or_else(|| CallError::NotFound { what: "organisation", name: subject.to_string() })?;
            let facts = Ledger::new(reader);
            let (organisation, whole) = seen_organisation(&access.sight(&facts), organisation)?;
            access.reveals(subject, usize::from(whole))?;
            Ok(v1::GetOrganisationResponse { basis: Some(basis), organisation: Some(organisation) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn list_organisations(
        &self,
        request: Request<v1::ListOrganisationsRequest>,
    ) -> Result<Response<v1::ListOrganisationsResponse>, Status> {
        let access = Access::of(&request)?;
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
            let facts = Ledger::new(reader);
            let (mut shown, mut revealed) = (Vec::with_capacity(organisations.len()), 0);
            for organisation in organisations {
                let (organisation, whole) = seen_organisation(&access.sight(&facts), organisation)?;
                revealed += usize::from(whole);
                shown.push(organisation);
            }
            access.reveals("organisations", revealed)?;
            let next_page_token = next_token(more, last, instant.size, &query);
            Ok(v1::ListOrganisationsResponse { basis: Some(basis), organisations: shown, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }

    async fn get_mine(&self, request: Request<v1::GetMineRequest>) -> Result<Response<v1::GetMineResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::GetMineRequest { id, at } = request.into_inner();
        let subject = subject_of(SubjectKind::Mine, "id", &id)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(at.as_ref(), snapshot)?;
            let mine = reader.index.mine(&reader.log, &subject, instant)?;
            let mine = mine.ok_or_else(|| CallError::NotFound { what: "mine", name: subject.to_string() })?;
            let facts = Ledger::new(reader);
            let (mine, whole) = seen_mine(&access.sight(&facts), mine)?;
            access.reveals(subject, usize::from(whole))?;
            Ok(v1::GetMineResponse { basis: Some(basis), mine: Some(mine) })
        });
        Ok(Response::new(answered.await?))
    }

    async fn list_mines(
        &self,
        request: Request<v1::ListMinesRequest>,
    ) -> Result<Response<v1::ListMinesResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::ListMinesRequest { operator, page_size: asked, page_token } = request.into_inner();
        let query = [&b"mines"[..], &operator].concat();
        let token = PageToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = reader.resolve(token.map(known).as_ref(), snapshot)?;
            let fits = |mine: &v1::Mine| operator.is_empty() || mine.operator == operator;
            let after = token.map(|token| token.after);
            let kind = SubjectKind::Mine;
            let (mines, more) =
                reader.index.list_registered(&reader.log, kind, instant, after, page_size(asked), fits)?;
            let last = mines.last().map(|mine: &v1::Mine| mine.id.clone());
            let facts = Ledger::new(reader);
            let (mut shown, mut revealed) = (Vec::with_capacity(mines.len()), 0);
            for mine in mines {
                let (mut mine, whole) = seen_mine(&access.sight(&facts), mine)?;
                mine.places.clear();
                revealed += usize::from(whole);
                shown.push(mine);
            }
            access.reveals("mines", revealed)?;
            let next_page_token = next_token(more, last, instant.size, &query);
            Ok(v1::ListMinesResponse { basis: Some(basis), mines: shown, next_page_token })
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
