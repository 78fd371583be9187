//! Findings as the index keeps them: one row each, listed by mine, holder and rule, and counted by mine, rule and cause.
//!
//! A docket collects what a batch changes and writes the difference, so that lists and counts follow from the findings
//! themselves.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use tally_core::{
    id::SubjectId,
    rule::{self, judge::Change},
};
use tally_proto::v1::{Finding, Severity};

use crate::{
    IndexError,
    keys::{self, FindingListing},
    store::{Batch, Store},
};

/// How many findings of one mine, rule and cause are open.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Count {
    /// What they share.
    #[prost(string, tag = "1")]
    pub(crate) cause: String,
    /// Mine, 16 bytes; empty for machines in none.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) mine: Vec<u8>,
    /// Code of the rule.
    #[prost(string, tag = "3")]
    pub(crate) rule: String,
    /// Open findings by severity, from `NOTE` to `MAJOR`.
    #[prost(uint64, tag = "4")]
    pub(crate) notes: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) general: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) serious: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) major: u64,
    /// How many of them are in the closed legal list.
    #[prost(uint64, tag = "8")]
    pub(crate) legal_major: u64,
}

impl Count {
    /// Findings in all.
    pub(crate) fn total(&self) -> u64 {
        self.notes + self.general + self.serious + self.major
    }

    /// The gravest of them.
    pub(crate) fn gravest(&self) -> Severity {
        if self.major > 0 {
            Severity::Major
        } else if self.serious > 0 {
            Severity::Serious
        } else if self.general > 0 {
            Severity::General
        } else {
            Severity::Note
        }
    }

    fn change(&mut self, finding: &Finding, by: i64) {
        let field = match finding.severity() {
            Severity::Major => &mut self.major,
            Severity::Serious => &mut self.serious,
            Severity::General => &mut self.general,
            Severity::Note | Severity::Unspecified => &mut self.notes,
        };
        *field = field.saturating_add_signed(by);
        if finding.legal_major {
            self.legal_major = self.legal_major.saturating_add_signed(by);
        }
    }
}

/// What a batch does to findings.
pub(crate) struct Docket<'a> {
    store: &'a Store,
    /// As they are stored; `None` where there is none.
    former: HashMap<Vec<u8>, Option<Finding>>,
    /// As they will be.
    current: BTreeMap<Vec<u8>, Option<Finding>>,
}

/// The key under which a finding is kept; `None` for a rule that this version does not know.
pub(crate) fn key_of(finding: &Finding) -> Option<Vec<u8>> {
    let rule = rule::number_of(&finding.rule)?;
    Some(keys::finding(&finding.subject, rule, &finding.key, finding.since_us))
}

impl<'a> Docket<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, former: HashMap::new(), current: BTreeMap::new() }
    }

    fn stored(&mut self, key: &[u8]) -> Result<Option<Finding>, IndexError> {
        if let Some(known) = self.former.get(key) {
            return Ok(known.clone());
        }
        let found = match self.store.get(key)? {
            Some(value) => Some(self.decode(&value)?),
            None => None,
        };
        self.former.insert(key.to_vec(), found.clone());
        Ok(found)
    }

    fn decode(&self, value: &[u8]) -> Result<Finding, IndexError> {
        Finding::decode(value).map_err(|error| self.store.damaged(&error.to_string()))
    }

    fn put(&mut self, finding: Finding) -> Result<(), IndexError> {
        if let Some(key) = key_of(&finding) {
            self.stored(&key)?;
            self.current.insert(key, Some(finding));
        }
        Ok(())
    }

    /// Findings below a prefix as they will be.
    fn below(&mut self, prefix: &[u8]) -> Result<Vec<Finding>, IndexError> {
        let mut found: BTreeMap<Vec<u8>, Finding> = BTreeMap::new();
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self.store.scan(prefix).collect::<Result<_, _>>()?;
        for (key, value) in rows {
            let finding = self.decode(&value)?;
            self.former.entry(key.clone()).or_insert_with(|| Some(finding.clone()));
            found.insert(key, finding);
        }
        let changed = self.current.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        for (key, finding) in changed {
            match finding {
                Some(finding) => drop(found.insert(key.clone(), finding.clone())),
                None => drop(found.remove(key)),
            }
        }
        Ok(found.into_values().collect())
    }

    /// Takes a change of a subject's findings; gives the keys of the findings that it changed.
    pub(crate) fn take(&mut self, subject: &SubjectId, change: Change) -> Result<Vec<Vec<u8>>, IndexError> {
        let subject = subject.key();
        let changed: Vec<Finding> = match change {
            Change::Opened(finding) | Change::Closed(finding) => vec![finding],
            Change::BreachClosed { rule, key, evidence } => {
                let Some(number) = rule::number_of(rule) else { return Ok(Vec::new()) };
                let prefix = match &key {
                    Some(key) => keys::findings_of_key(&subject, number, key),
                    None => keys::findings_of_rule(&subject, number),
                };
                let mut found = self.below(&prefix)?;
                found.retain(|finding| finding.until_us == 0);
                for finding in &mut found {
                    finding.until_us = evidence.occurred_at_us.max(finding.since_us);
                    finding.known_until_us = evidence.recorded_at_us.max(finding.until_us);
                }
                found
            }
            Change::Dismissed { rule, key, evidence, reason } => {
                let Some(number) = rule::number_of(&rule) else { return Ok(Vec::new()) };
                let prefix = if key.is_empty() {
                    keys::findings_of_rule(&subject, number)
                } else {
                    keys::findings_of_key(&subject, number, &key)
                };
                let mut found = self.below(&prefix)?;
                found.retain(|finding| finding.until_us == 0);
                for finding in &mut found {
                    finding.dismissed = Some(evidence);
                    finding.dismissed_reason.clone_from(&reason);
                }
                found
            }
        };
        let mut touched = Vec::new();
        for finding in changed {
            touched.extend(key_of(&finding));
            self.put(finding)?;
        }
        Ok(touched)
    }

    /// Takes back what only time has changed: each finding is again as it was after the subject's last event, `open` being
    /// those that were open then.
    pub(crate) fn undo(&mut self, by_time: &[Vec<u8>], open: &[Finding]) -> Result<(), IndexError> {
        for key in by_time {
            self.stored(key)?;
            let was_open = open.iter().find(|finding| key_of(finding).as_ref() == Some(key));
            self.current.insert(key.clone(), was_open.cloned());
        }
        Ok(())
    }

    /// Replaces all findings of a subject.
    pub(crate) fn replace(&mut self, subject: &SubjectId, findings: Vec<Finding>) -> Result<(), IndexError> {
        let prefix = keys::findings_of(&subject.key());
        for finding in self.below(&prefix)? {
            if let Some(key) = key_of(&finding) {
                self.current.insert(key, None);
            }
        }
        findings.into_iter().try_for_each(|finding| self.put(finding))
    }

    /// Writes the difference: the rows, the lists and the counts.
    pub(crate) fn write(self, batch: &mut Batch) -> Result<(), IndexError> {
        let Self { store, former, current } = self;
        let mut counts: BTreeMap<Vec<u8>, Count> = BTreeMap::new();
        for (key, finding) in current {
            let was = former.get(&key).cloned().flatten();
            if was == finding {
                continue;
            }
            for (finding, by) in [(was, -1), (finding.clone(), 1)] {
                let Some(finding) = finding else { continue };
                let Some(rule) = rule::number_of(&finding.rule) else { continue };
                for listed in listed_keys(&finding, rule, &key) {
                    if by < 0 {
                        batch.remove(listed);
                    } else {
                        batch.put(listed, Vec::new());
                    }
                }
                if finding.until_us == 0 && finding.dismissed.is_none() {
                    let count_key = keys::finding_count(&finding.mine, rule, &finding.cause);
                    let count = match counts.entry(count_key) {
                        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            let known = match store.get(entry.key())? {
                                Some(value) => Count::decode(value.as_slice())
                                    .map_err(|error| store.damaged(&error.to_string()))?,
                                None => Count {
                                    cause: finding.cause.clone(),
                                    mine: finding.mine.clone(),
                                    rule: finding.rule.clone(),
                                    ..Count::default()
                                },
                            };
                            entry.insert(known)
                        }
                    };
                    count.change(&finding, by);
                }
            }
            match finding {
                Some(finding) => batch.put(key, finding.encode_to_vec()),
                None => batch.remove(key),
            }
        }
        for (key, count) in counts {
            if count.total() == 0 {
                batch.remove(key);
            } else {
                batch.put(key, count.encode_to_vec());
            }
        }
        Ok(())
    }
}

fn listed_keys(finding: &Finding, rule: u8, key: &[u8]) -> [Vec<u8>; 3] {
    let open = finding.until_us == 0;
    let listed = |by, value: &[u8]| keys::listed_finding(open, by, value, rule, &finding.cause, finding.since_us, key);
    [
        listed(FindingListing::Mine, &finding.mine),
        listed(FindingListing::Holder, &finding.holder),
        listed(FindingListing::Rule, &[]),
    ]
}
