//! Reading findings, rules and what falls due.

use prost::Message;
use tally_core::{
    id::{SubjectId, SubjectKind},
    rule::{Action, Legal, RULES, facts::DAY_US},
    state::Instant,
    time::Timestamp,
};
use tally_index::{
    IndexError,
    findings::{FindingPage, Sees},
};
use tally_proto::v1::{self, finding_service_server::FindingService};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    access::{Access, Ledger},
    published::Snapshot,
    reader::{Reader, bind, no_such_token, page_size, subject_of, unbind},
    status::CallError,
};

/// Findings in one message of a stream.
const MESSAGE_FINDINGS_MAX: usize = 500;
/// Days that a question about what falls due may reach.
const DUE_DAYS_MAX: u32 = 366;
/// Days where none are given.
const DUE_DAYS: u32 = 30;

/// The service.
#[derive(Clone)]
pub struct FindingReads {
    reader: Reader,
}

impl FindingReads {
    /// A service over a reader.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

/// A page token: what the first page knew and when it was, and where the next one goes on. It grants nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
struct ListToken {
    size: u64,
    as_of_us: i64,
    after: Vec<u8>,
}

impl ListToken {
    fn encode(&self, query: &[u8]) -> String {
        bind(&[&self.size.to_be_bytes(), &self.as_of_us.to_be_bytes(), &self.after], query)
    }

    fn parse(token: &str, query: &[u8]) -> Result<Option<Self>, CallError> {
        let Some(bytes) = unbind(token, query)? else { return Ok(None) };
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or_else(no_such_token)?;
        let (as_of, after) = rest.split_first_chunk::<8>().ok_or_else(no_such_token)?;
        let (size, as_of_us) = (u64::from_be_bytes(*size), i64::from_be_bytes(*as_of));
        Ok(Some(Self { size, as_of_us, after: after.to_vec() }))
    }
}

/// The instant of a question about findings, and its basis: what time has not brought yet is not answered.
pub(super) fn resolve(
    reader: &Reader,
    at: Option<&v1::At>,
    snapshot: &Snapshot,
) -> Result<(Instant, v1::Basis), CallError> {
    let (instant, mut basis) = reader.resolve(at, snapshot)?;
    let now_us = reader.moment_us(snapshot);
    if basis.as_of_us > now_us {
        let what = format!("lies ahead; the findings are those of {}", Timestamp::from_micros(now_us));
        return Err(CallError::OutOfRange { field: "at.as_of_us", what });
    }
    if basis.as_of_us == 0 {
        basis.as_of_us = now_us;
    }
    Ok((instant, basis))
}

fn check_filter(filter: &v1::FindingFilter) -> Result<(), CallError> {
    let refuse = |field, what: String| Err(CallError::BadRequest { field, what });
    for rule in &filter.rules {
        if tally_core::rule::by_code(rule).is_none() {
            return refuse("filter.rules", format!("{rule} is no rule; ListRules lists them"));
        }
    }
    for (field, id) in [
        ("filter.mine", &filter.mine),
        ("filter.holder", &filter.holder),
        ("filter.equipment", &filter.equipment),
        ("filter.place", &filter.place),
    ] {
        if !id.is_empty() && id.len() != 16 {
            return refuse(field, format!("has {} bytes; an id has 16", id.len()));
        }
    }
    check_area("filter.area", &filter.area)?;
    if !filter.place.is_empty() && filter.mine.is_empty() {
        return refuse("filter.place", "goes with filter.mine, whose place it is".to_owned());
    }
    Ok(())
}

/// An area of a request: empty, or the beginning of a code.
pub(super) fn check_area(field: &'static str, area: &str) -> Result<(), CallError> {
    let is_prefix = matches!(area.len(), 2 | 4 | 6) && area.bytes().all(|byte| byte.is_ascii_digit());
    if area.is_empty() || is_prefix {
        return Ok(());
    }
    let what = format!("{area} is no GB/T 2260 prefix of 2, 4 or 6 digits");
    Err(CallError::BadRequest { field, what })
}

/// A filter in a line of the access log: whose findings were asked for.
fn asked_for(filter: &v1::FindingFilter) -> String {
    let named = |kind: SubjectKind, id: &[u8]| {
        let id = <[u8; 16]>::try_from(id).ok()?;
        Some(SubjectId::new(kind, id).to_string())
    };
    let parts = [
        named(SubjectKind::Equipment, &filter.equipment).map(|machine| format!("of {machine}")),
        named(SubjectKind::Mine, &filter.mine).map(|mine| format!("in {mine}")),
        named(SubjectKind::Organisation, &filter.holder).map(|holder| format!("at {holder}")),
        (!filter.area.is_empty()).then(|| format!("in area {}", filter.area)),
        (!filter.rules.is_empty()).then(|| format!("by {}", filter.rules.join(", "))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "findings".to_owned() } else { format!("findings {}", parts.join(", ")) }
}

fn rule_row(rule: &tally_core::rule::Rule) -> v1::RuleRow {
    v1::RuleRow {
        code: rule.code.to_owned(),
        zh: rule.zh.to_owned(),
        en: rule.en.to_owned(),
        severity: rule.severity as i32,
        legal_major: match rule.legal {
            Legal::No => "no",
            Legal::Yes => "yes",
            Legal::ElectricalAndCables => "electrical equipment and cables",
        }
        .to_owned(),
        action: match rule.action {
            Action::Refuse => "refuse",
            Action::Find => "find",
        }
        .to_owned(),
        source: rule.source.to_owned(),
        mark: rule.mark as i32,
        inputs: rule.inputs.to_owned(),
        opens: rule.opens.to_owned(),
        closes: rule.closes.to_owned(),
        waits_for: rule.waits_for.unwrap_or_default().to_owned(),
        parameters: rule
            .parameters
            .iter()
            .map(|parameter| v1::RuleParameter {
                rule: rule.code.to_owned(),
                key: parameter.key.to_owned(),
                value: parameter.default.to_text(),
            })
            .collect(),
    }
}

#[tonic::async_trait]
impl FindingService for FindingReads {
    async fn list_rules(&self, _: Request<v1::ListRulesRequest>) -> Result<Response<v1::ListRulesResponse>, Status> {
        Ok(Response::new(v1::ListRulesResponse { rules: RULES.iter().map(rule_row).collect() }))
    }

    async fn list_findings(
        &self,
        request: Request<v1::ListFindingsRequest>,
    ) -> Result<Response<v1::ListFindingsResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::ListFindingsRequest { filter, at, page_size: asked, page_token } = request.into_inner();
        let filter = filter.unwrap_or_default();
        check_filter(&filter)?;
        let query = [filter.encode_to_vec(), at.unwrap_or_default().encode_to_vec()].concat();
        let token = ListToken::parse(&page_token, &query)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            // A later page knows what the first one knew, whatever was recorded since.
            let at = match &token {
                Some(token) => Some(v1::At { known_size: token.size, known_at_us: 0, as_of_us: token.as_of_us }),
                None => at,
            };
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let after = token.map(|token| token.after);
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let sees = |subject: &SubjectId| -> Result<bool, IndexError> { sight.sees(subject) };
            let page = reader.index.findings(&reader.log, &filter, instant, after, page_size(asked), &sees)?;
            access.reveals(asked_for(&filter), page.findings.len())?;
            let next_page_token = page
                .more_after
                .map(|after| {
                    ListToken { size: instant.size, as_of_us: at.unwrap_or_default().as_of_us, after }.encode(&query)
                })
                .unwrap_or_default();
            Ok(v1::ListFindingsResponse { basis: Some(basis), findings: page.findings, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }

    type StreamFindingsStream = ReceiverStream<Result<v1::StreamFindingsResponse, Status>>;

    async fn stream_findings(
        &self,
        request: Request<v1::StreamFindingsRequest>,
    ) -> Result<Response<Self::StreamFindingsStream>, Status> {
        let access = Access::of(&request)?;
        let v1::StreamFindingsRequest { filter, at } = request.into_inner();
        let filter = filter.unwrap_or_default();
        check_filter(&filter)?;
        let resolved = self.reader.ask(move |reader, snapshot| resolve(reader, at.as_ref(), snapshot));
        let (instant, basis) = resolved.await?;
        let (send, receive) = mpsc::channel(2);
        let reader = self.reader.clone();
        tokio::spawn(async move {
            let mut after = None;
            loop {
                let (filter, from, access) = (filter.clone(), after.take(), access.clone());
                let asked = reader.ask(move |reader, _| {
                    let facts = Ledger::new(reader);
                    let sight = access.sight(&facts);
                    let sees = |subject: &SubjectId| -> Result<bool, IndexError> { sight.sees(subject) };
                    let page =
                        reader.index.findings(&reader.log, &filter, instant, from, MESSAGE_FINDINGS_MAX, &sees)?;
                    access.reveals(asked_for(&filter), page.findings.len())?;
                    Ok(page)
                });
                let (message, more) = match asked.await {
                    Ok(FindingPage { findings, more_after }) => {
                        (Ok(v1::StreamFindingsResponse { basis: Some(basis.clone()), findings }), more_after)
                    }
                    Err(error) => (Err(error.into()), None),
                };
                // A caller who has gone away ends the stream.
                if send.send(message).await.is_err() || more.is_none() {
                    break;
                }
                after = more;
            }
        });
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    async fn count_findings(
        &self,
        request: Request<v1::CountFindingsRequest>,
    ) -> Result<Response<v1::CountFindingsResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::CountFindingsRequest { filter, at } = request.into_inner();
        let filter = filter.unwrap_or_default();
        check_filter(&filter)?;
        let answered = self.reader.ask(move |reader, snapshot| {
            let (instant, basis) = resolve(reader, at.as_ref(), snapshot)?;
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let sees = |subject: &SubjectId| -> Result<bool, IndexError> { sight.sees(subject) };
            let only_some: Option<Sees<'_>> = if sight.is_unlimited()? { None } else { Some(&sees) };
            let groups = reader.index.count_findings(&reader.log, &filter, instant, only_some)?;
            let total: u64 = groups.iter().map(|group| group.count).sum();
            access.reveals(asked_for(&filter), usize::try_from(total).unwrap_or(usize::MAX))?;
            Ok(v1::CountFindingsResponse { basis: Some(basis), groups, total })
        });
        Ok(Response::new(answered.await?))
    }

    async fn list_due(&self, request: Request<v1::ListDueRequest>) -> Result<Response<v1::ListDueResponse>, Status> {
        let access = Access::of(&request)?;
        let v1::ListDueRequest { mine, days, category, page_size: asked, page_token } = request.into_inner();
        let mine = if mine.is_empty() { None } else { Some(subject_of(SubjectKind::Mine, "mine", &mine)?) };
        if days > DUE_DAYS_MAX {
            let what = format!("is {days}; 1 to {DUE_DAYS_MAX} are allowed, 0 for {DUE_DAYS}");
            return Err(CallError::BadRequest { field: "days", what }.into());
        }
        let days = if days == 0 { DUE_DAYS } else { days };
        let query = [
            mine.map(|mine| mine.key().to_vec()).unwrap_or_default(),
            days.to_be_bytes().to_vec(),
            category.clone().into_bytes(),
        ]
        .concat();
        let token = ListToken::parse(&page_token, &query)?;
        let after = match &token {
            Some(token) => Some(v1::DueItem::decode(token.after.as_slice()).map_err(|_| no_such_token())?),
            None => None,
        };
        let answered = self.reader.ask(move |reader, snapshot| {
            let (_, mut basis) = resolve(reader, None, snapshot)?;
            // The pages of one question reach equally far.
            let begun_us = token.map_or(basis.as_of_us, |token| token.as_of_us);
            basis.as_of_us = begun_us;
            let until_us = begun_us.saturating_add(i64::from(days).saturating_mul(DAY_US));
            let facts = Ledger::new(reader);
            let sight = access.sight(&facts);
            let sees = |subject: &SubjectId| -> Result<bool, IndexError> { sight.sees(subject) };
            let (after, count) = (after.as_ref(), page_size(asked));
            let page = reader.index.due(mine.as_ref(), until_us, after, count, &category, &sees)?;
            let of = mine.map_or_else(|| "what falls due".to_owned(), |mine| format!("what falls due in {mine}"));
            access.reveals(of, page.items.len())?;
            let next_page_token = match page.items.last().filter(|_| page.more) {
                Some(last) => {
                    let after = last.encode_to_vec();
                    ListToken { size: basis.tree_size, as_of_us: begun_us, after }.encode(&query)
                }
                None => String::new(),
            };
            Ok(v1::ListDueResponse { basis: Some(basis), items: page.items, next_page_token })
        });
        Ok(Response::new(answered.await?))
    }
}
