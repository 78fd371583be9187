//! Reading what was refused.

use prost::Message;
use tally_core::{event::EventKind, id::SubjectKind};
use tally_proto::v1::{self, refusal_service_server::RefusalService};
use tonic::{Request, Response, Status};

use crate::{
    access::{Access, Ledger},
    reader::{PageToken, Reader, page_size, subject_of},
    refusals::{Filter, KeptRefusals},
    status::{CallError, subject},
};

/// Names of one kind in a filter.
const NAMES_MAX: usize = 128;

/// What every answer says of itself.
pub const STANDING: &str = "This is the word of whoever runs the server: refused submissions are not in the log, are under \
                            no checkpoint, and no proof goes with this list. What is kept is bounded. Each signature proves \
                            that its key signed the payload; nothing proves when it was sent, or that none is missing.";

/// The service.
#[derive(Clone)]
pub struct RefusalReads {
    reader: Reader,
    kept: KeptRefusals,
}

impl RefusalReads {
    /// A service over what is kept; the reader says who may see what.
    pub fn new(reader: Reader, kept: KeptRefusals) -> Self {
        Self { reader, kept }
    }
}

fn parse(filter: v1::RefusalFilter) -> Result<Filter, CallError> {
    let v1::RefusalFilter { organisation, reasons, kinds, subject: about, from_us, until_us } = filter;
    for (field, names) in [("filter.reasons", &reasons), ("filter.kinds", &kinds)] {
        if names.len() > NAMES_MAX {
            let what = format!("has {} names; {NAMES_MAX} are allowed", names.len());
            return Err(CallError::BadRequest { field, what });
        }
    }
    let kind = |name: String| {
        let what = || format!("{name} is no kind of event; docs/lifecycle.md lists them");
        name.parse::<EventKind>().map_err(|_| CallError::BadRequest { field: "filter.kinds", what: what() })
    };
    let organisation = if organisation.is_empty() {
        None
    } else {
        let key = subject_of(SubjectKind::Organisation, "filter.organisation", &organisation)?;
        key.try_into().ok()
    };
    let about = if about.is_empty() { None } else { Some(subject("filter.subject", &about)?) };
    let kinds = kinds.into_iter().map(kind).collect::<Result<_, _>>()?;
    Ok(Filter { organisation, reasons, kinds, subject: about, from_us, until_us, before: None })
}

#[tonic::async_trait]
impl RefusalService for RefusalReads {
    async fn list_refusals(
        &self,
        request: Request<v1::ListRefusalsRequest>,
    ) -> Result<Response<v1::ListRefusalsResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::ListRefusalsRequest { filter, page_size: asked, page_token } = request.into_inner();
        let filter = filter.unwrap_or_default();
        let query = filter.encode_to_vec();
        let token = PageToken::parse(&page_token, &query)?;
        let filter = Filter { before: token.as_ref().map(|token| token.size), ..parse(filter)? };
        let kept = self.kept.clone();
        let answered = self.reader.ask(move |reader, _| {
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let mut seen = Vec::new();
            for organisation in kept.organisations() {
                let is_asked_for = filter.organisation.is_none_or(|asked| asked == organisation);
                if is_asked_for && sight.sees_refusals_of(&organisation)? {
                    seen.push(organisation);
                }
            }
            let page = kept.page(&seen, &filter, page_size(asked));
            let mut answer = v1::ListRefusalsResponse { standing: STANDING.to_owned(), ..Default::default() };
            if token.is_none() {
                answer.organisations = kept.counters(&seen);
                answer.dropped = kept.dropped();
                if sight.is_unlimited()? {
                    answer.unproven = Some(kept.unproven());
                }
            }
            let of = filter.organisation.map(|organisation| format!(" of {organisation}")).unwrap_or_default();
            access.reveals(format!("refusals{of}"), page.refusals.len().max(answer.organisations.len()))?;
            if let Some(last) = page.refusals.last().filter(|_| page.more) {
                answer.next_page_token = PageToken { size: last.number, after: [0; 16] }.encode(&query);
            }
            answer.refusals = page.refusals;
            Ok(answer)
        });
        Ok(Response::new(answered.await?))
    }
}
