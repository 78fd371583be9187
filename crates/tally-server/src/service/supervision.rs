//! Reading orders, overviews, and everything about a mine.

use prost::Message;
use tally_core::{
    access::Sight,
    id::{SubjectId, SubjectKind},
    state::{Instant, Recorded, order},
};
use tally_index::IndexError;
use tally_proto::v1::{self, GivenOrder, supervision_service_server::SupervisionService};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{
    audit_export,
    findings::{check_area, resolve},
};
use crate::{
    access::{Access, Ledger},
    reader::{PageToken, Reader, page_size, subject_of},
    status::CallError,
};

/// Machines of an order that one message tells of.
const MESSAGE_MACHINES_MAX: usize = 16;

/// The service.
#[derive(Clone)]
pub struct Supervision {
    reader: Reader,
}

impl Supervision {
    /// A service over a reader.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

/// An order as a caller sees it; `None` where he gave it not and sees nothing that it names.
fn shown(sight: &Sight<'_, Ledger<'_>>, given: GivenOrder, at_us: i64) -> Result<Option<GivenOrder>, IndexError> {
    let gave = sight.gave(&given)?;
    let shown = order::shown(given, at_us, |named| Ok::<bool, IndexError>(gave || sight.sees(named)?))?;
    let nothing = shown.machines.is_empty() && shown.mines.is_empty();
    Ok(if gave || !nothing { Some(shown) } else { None })
}

/// The order of a request, as the caller sees it.
fn order_of(
    access: &Access,
    reader: &Reader,
    subject: &SubjectId,
    instant: Instant,
    at_us: i64,
) -> Result<GivenOrder, CallError> {
    let given = reader.index.order(&reader.log, subject, instant)?;
    let given = given.ok_or_else(|| CallError::NotFound { what: "order", name: subject.to_string() })?;
    let facts = Ledger::new(reader);
    shown(&access.sight(&facts), given, at_us)?.ok_or_else(|| access.hides("order", subject.to_string()))
}

fn check_filter(filter: &v1::OrderFilter) -> Result<(), CallError> {
    for (field, id) in
        [("filter.mine", &filter.mine), ("filter.machine", &filter.machine), ("filter.given_by", &filter.given_by)]
    {
        if !id.is_empty() && id.len() != 16 {
            return Err(CallError::BadRequest { field, what: format!("has {} bytes; an id has 16", id.len()) });
        }
    }
    Ok(())
}

/// A filter in a line of the access log: whose orders were asked for.
fn asked_for(filter: &v1::OrderFilter) -> String {
    let named = |kind: SubjectKind, id: &[u8]| {
        let id = <[u8; 16]>::try_from(id).ok()?;
        Some(SubjectId::new(kind, id).to_string())
    };
    let parts = [
        named(SubjectKind::Mine, &filter.mine).map(|mine| format!("to {mine}")),
        named(SubjectKind::Equipment, &filter.machine).map(|machine| format!("on {machine}")),
        named(SubjectKind::Organisation, &filter.given_by).map(|giver| format!("by {giver}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "orders".to_owned() } else { format!("orders {}", parts.join(", ")) }
}

#[tonic::async_trait]
impl SupervisionService for Supervision {
    async fn get_order(&self, request: Request<v1::GetOrderRequest>) -> Result<Response<v1::GetOrderResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::GetOrderRequest { id, at } = request.into_inner();
        let subject = subject_of(SubjectKind::Order, "id", &id)?;
        let asked = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let order = order_of(&asked, reader, &subject, instant, basis.as_of_us)?;
            asked.reveals(subject, 1)?;
            Ok(v1::GetOrderResponse { basis: Some(basis), order: Some(order) })
        });
        Ok(Response::new(access.veil(answered.await, |_| false).await?))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::ListOrdersRequest { filter, at, page_size: asked, page_token } = request.into_inner();
        let filter = filter.unwrap_or_default();
        check_filter(&filter)?;
        let query = [filter.encode_to_vec(), at.unwrap_or_default().encode_to_vec()].concat();
        let token = PageToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            // A later page knows what the first one knew, whatever was recorded since.
            let at = match token {
                Some(token) => Some(v1::At { known_size: token.size, known_at_us: 0, ..at.unwrap_or_default() }),
                None => at,
            };
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let shows = |given: GivenOrder| shown(&sight, given, basis.as_of_us);
            let after = token.map(|token| token.after);
            let page = reader.index.orders(&reader.log, &filter, instant, after, page_size(asked), &shows)?;
            access.reveals(asked_for(&filter), page.orders.len())?;
            let next_page_token =
                page.more_after.map(|after| PageToken { size: instant.size, after }.encode(&query)).unwrap_or_default();
            Ok(v1::ListOrdersResponse { basis: Some(basis), orders: page.orders, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }

    type StreamSinceOrderStream = ReceiverStream<Result<v1::StreamSinceOrderResponse, Status>>;

    async fn stream_since_order(
        &self,
        request: Request<v1::StreamSinceOrderRequest>,
    ) -> Result<Response<Self::StreamSinceOrderStream>, Status> {
        let access = Access::of(&request)?;
        let v1::StreamSinceOrderRequest { id, at, against_only } = request.into_inner();
        let subject = subject_of(SubjectKind::Order, "id", &id)?;
        let asked = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let order = order_of(&asked, reader, &subject, instant, basis.as_of_us)?;
            Ok((order, instant, basis))
        });
        let (mut order, instant, basis) = access.veil(answered.await, |_| false).await?;
        let mut machines = std::mem::take(&mut order.machines);
        let (send, receive) = mpsc::channel(2);
        let reader = self.reader.clone();
        tokio::spawn(async move {
            // The first message has the basis, whether anything happened or not.
            loop {
                let rest = machines.split_off(machines.len().min(MESSAGE_MACHINES_MAX));
                let some = std::mem::replace(&mut machines, rest);
                let (access, order, more) = (access.clone(), order.clone(), !machines.is_empty());
                let asked = reader.ask(move |reader, _| {
                    let facts = Ledger::new(reader);
                    let sight = access.sight(&facts);
                    let sees = |event: &Recorded| -> Result<bool, IndexError> { sight.sees_event(&event.candidate) };
                    let mut events = Vec::new();
                    for machine in &some {
                        events.extend(reader.index.since_order(&reader.log, &order, machine, instant, &sees)?);
                    }
                    events.retain(|event| event.against || !against_only);
                    access.reveals(format!("what happened since {subject}"), events.len())?;
                    Ok(events)
                });
                let (message, failed) = match asked.await {
                    Ok(events) => (Ok(v1::StreamSinceOrderResponse { basis: Some(basis.clone()), events }), false),
                    Err(error) => (Err(error.into()), true),
                };
                // A caller who has gone away ends the stream.
                if send.send(message).await.is_err() || failed || !more {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    async fn get_mine_overview(
        &self,
        request: Request<v1::GetMineOverviewRequest>,
    ) -> Result<Response<v1::GetMineOverviewResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::GetMineOverviewRequest { mine, at } = request.into_inner();
        let subject = subject_of(SubjectKind::Mine, "mine", &mine)?;
        let asked = access.clone();
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let sight = asked.sight(&facts);
            let unknown = || CallError::NotFound { what: "mine", name: subject.to_string() };
            if !sight.sees(&subject)? {
                let on_record = reader.index.mine(&reader.log, &subject, instant)?.is_some();
                return Err(if on_record { asked.hides("mine", subject.to_string()) } else { unknown() });
            }
            let sees = |subject: &SubjectId| -> Result<bool, IndexError> { sight.sees(subject) };
            let found = reader.index.mine_figures(&reader.log, &subject, instant, &sees)?.ok_or_else(unknown)?;
            asked.reveals(format!("overview of {subject}"), 1)?;
            Ok(v1::GetMineOverviewResponse { basis: Some(basis), overview: Some(found) })
        });
        Ok(Response::new(access.veil(answered.await, |_| false).await?))
    }

    async fn get_jurisdiction_overview(
        &self,
        request: Request<v1::GetJurisdictionOverviewRequest>,
    ) -> Result<Response<v1::GetJurisdictionOverviewResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::GetJurisdictionOverviewRequest { area, at } = request.into_inner();
        check_area("area", &area)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let sees = |subject: &SubjectId| -> Result<bool, IndexError> { sight.sees(subject) };
            let (figures, mines) = reader.index.area_figures(&reader.log, &area, instant, &sees)?;
            access.reveals(format!("overview of area {area}"), mines.len())?;
            Ok(v1::GetJurisdictionOverviewResponse { basis: Some(basis), figures: Some(figures), mines })
        });
        Ok(Response::new(answered.await?))
    }

    type ExportAuditStream = ReceiverStream<Result<v1::ExportAuditResponse, Status>>;

    async fn export_audit(
        &self,
        request: Request<v1::ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let access = Access::of(&request)?;
        let receive = audit_export::begin(self.reader.clone(), access, request.into_inner()).await?;
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}
