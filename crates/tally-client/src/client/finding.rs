//! Rules, findings and what falls due: the server's word

use std::fmt;

use tally_proto::v1;
use tonic::Streaming;

use super::read::{Answer, Listed, PAGE_MAX, Pages, checked_basis};
use super::{Client, present};
use crate::error::{ClientError, Failure};
use crate::verify::{Kept, VerifyError};

const STREAM: &str = "StreamFindings";

/// Open findings by mine, rule and cause: the server's word.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// What they were counted from.
    pub basis: v1::Basis,
    /// Groups, the gravest first.
    pub groups: Vec<v1::FindingGroup>,
    /// Findings in all.
    pub total: u64,
}

/// Findings as they come, all of one instant and tree size.
pub struct FindingStream {
    parts: Streaming<v1::StreamFindingsResponse>,
    at: v1::At,
    before: Option<Kept>,
    basis: Option<v1::Basis>,
}

impl fmt::Debug for FindingStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FindingStream").field("basis", &self.basis).finish_non_exhaustive()
    }
}

impl FindingStream {
    /// What is answered from; known once the first part came.
    #[must_use]
    pub const fn basis(&self) -> Option<&v1::Basis> {
        self.basis.as_ref()
    }

    /// The next findings; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Verify`] for parts that are not of one tree size; [`ClientError::Unreachable`] where the stream
    /// breaks: what came before is not all.
    pub async fn next(&mut self) -> Result<Option<Vec<v1::Finding>>, ClientError> {
        let part = match self.parts.message().await {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(None),
            Err(status) => return Err(Failure::of_status(&status).into_error(STREAM, 1, false)),
        };
        let basis = checked_basis(part.basis, self.at, self.before)?;
        let first = self.basis.get_or_insert_with(|| basis.clone());
        if *first != basis {
            return Err(VerifyError::malformed("basis", "is not that of the first part").into());
        }
        Ok(Some(part.findings))
    }
}

impl Client {
    /// All rules as the server has them.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub async fn rules(&self) -> Result<Vec<v1::RuleRow>, ClientError> {
        let answered = self.call("ListRules", false, || {
            let mut findings = self.findings_service();
            async move { findings.list_rules(v1::ListRulesRequest {}).await }
        });
        Ok(answered.await?.rules)
    }

    /// One page of findings.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a page token of another query, or clocks that lie ahead.
    pub async fn findings(&self, request: v1::ListFindingsRequest) -> Result<Listed<v1::Finding>, ClientError> {
        // A later page knows what the first one knew.
        let before = self.kept().filter(|_| request.page_token.is_empty());
        let answered = self.call("ListFindings", false, || {
            let (mut findings, request) = (self.findings_service(), request.clone());
            async move { findings.list_findings(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, request.at.unwrap_or_default(), before)?;
        Ok(Listed { basis, members: answer.findings, next_page_token: answer.next_page_token })
    }

    /// All findings that a filter lets through, as they come.
    ///
    /// # Errors
    /// As of [`Client::findings`].
    pub async fn stream_findings(&self, filter: v1::FindingFilter, at: v1::At) -> Result<FindingStream, ClientError> {
        let before = self.kept();
        let request = v1::StreamFindingsRequest { filter: Some(filter), at: Some(at) };
        let answered = self.call(STREAM, false, || {
            let (mut findings, request) = (self.findings_service(), request.clone());
            async move { findings.stream_findings(request).await }
        });
        Ok(FindingStream { parts: answered.await?, at, before, basis: None })
    }

    /// All findings that a filter lets through, in memory.
    ///
    /// # Errors
    /// As of [`Client::stream_findings`] and [`FindingStream::next`].
    pub async fn all_findings(
        &self,
        filter: v1::FindingFilter,
        at: v1::At,
    ) -> Result<Answer<Vec<v1::Finding>>, ClientError> {
        let mut stream = self.stream_findings(filter, at).await?;
        let mut all = Vec::new();
        while let Some(findings) = stream.next().await? {
            all.extend(findings);
        }
        Ok(Answer { basis: present("basis", stream.basis)?, value: all })
    }

    /// Open findings by mine, rule and cause.
    ///
    /// # Errors
    /// As of [`Client::findings`]; [`ClientError::Verify`] for groups that do not add up.
    pub async fn count_findings(&self, filter: v1::FindingFilter, at: v1::At) -> Result<Counted, ClientError> {
        let before = self.kept();
        let request = v1::CountFindingsRequest { filter: Some(filter), at: Some(at) };
        let answered = self.call("CountFindings", false, || {
            let (mut findings, request) = (self.findings_service(), request.clone());
            async move { findings.count_findings(request).await }
        });
        let v1::CountFindingsResponse { basis, groups, total } = answered.await?;
        let basis = checked_basis(basis, at, before)?;
        let sum = groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.count));
        if sum != total {
            return Err(VerifyError::malformed("total", format!("is {total}, the groups add up to {sum}")).into());
        }
        Ok(Counted { basis, groups, total })
    }

    /// One page of what falls due, the soonest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for more than 366 days, or a page token of another query.
    pub async fn due(&self, request: v1::ListDueRequest) -> Result<Listed<v1::DueItem>, ClientError> {
        let before = self.kept().filter(|_| request.page_token.is_empty());
        let answered = self.call("ListDue", false, || {
            let (mut findings, request) = (self.findings_service(), request.clone());
            async move { findings.list_due(request).await }
        });
        let answer = answered.await?;
        let basis = checked_basis(answer.basis, v1::At::default(), before)?;
        Ok(Listed { basis, members: answer.items, next_page_token: answer.next_page_token })
    }

    /// All that falls due, page by page. What is recorded meanwhile may move between pages.
    ///
    /// # Errors
    /// As of [`Client::due`].
    pub async fn all_due(&self, mut request: v1::ListDueRequest) -> Result<Answer<Vec<v1::DueItem>>, ClientError> {
        request.page_size = PAGE_MAX;
        request.page_token = String::new();
        let mut pages = Pages::default();
        let mut first: Option<v1::Basis> = None;
        loop {
            let mut page = self.due(request.clone()).await?;
            // The docket is of now: each page says what it knew itself, and the first one counts.
            page.basis = first.get_or_insert_with(|| page.basis.clone()).clone();
            if let Some(all) = pages.take(page)? {
                return Ok(all);
            }
            request.page_token.clone_from(&pages.token);
        }
    }
}
