//! A safety mark as the rules compare it: its texts in normal form, worked out once.

use tally_proto::v1::{Evidence, Mark, MarkCertificate};

use crate::{state::mark::starts, text};

/// A mark with its certificates in normal form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownMark {
    /// The mark.
    pub mark: Mark,
    /// Its certificates, in the order in which they were recorded.
    pub versions: Vec<Version>,
    /// Serials of a batch in normal form, with the entry that added them.
    pub serials: Vec<(Vec<String>, Evidence)>,
}

/// A certificate in normal form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// First instant of the first day of manufacture that it covers.
    pub produced_from_us: i64,
    /// What it rests on.
    pub evidence: Evidence,
    /// The certificate as it is.
    pub certificate: MarkCertificate,
    /// Models in normal form.
    pub models: Vec<String>,
    /// Holder in normal form.
    pub holder: String,
    /// Producers and their addresses in normal form.
    pub producers: Vec<(String, String)>,
    /// Controlled parts in normal form: slot, model, producer.
    pub parts: Vec<(String, String, String)>,
    /// Models of what may be joined to it, in normal form.
    pub joined: Vec<String>,
}

/// The normal form of a text; empty where it has none.
pub fn normal(text: &str) -> String {
    text::normalise(text).unwrap_or_default()
}

impl KnownMark {
    /// Works out the normal forms.
    pub fn new(mark: Mark) -> Self {
        let versions = mark.versions.iter().filter_map(|version| {
            let certificate = version.certificate.clone()?;
            let producer =
                |producer: &tally_proto::v1::MarkProducer| (normal(&producer.name), normal(&producer.address));
            let part = |part: &tally_proto::v1::ControlledPart| {
                (normal(&part.slot), normal(&part.model), normal(&part.producer))
            };
            Some(Version {
                produced_from_us: starts(version.produced_from.as_ref()),
                evidence: version.evidence?,
                models: certificate.models.iter().map(|model| normal(model)).collect(),
                holder: normal(&certificate.holder),
                producers: certificate.producers.iter().map(producer).collect(),
                parts: certificate.parts.iter().map(part).collect(),
                joined: certificate.joined.iter().map(|joined| normal(&joined.model)).collect(),
                certificate,
            })
        });
        let versions = versions.collect();
        let serials = mark
            .serials
            .iter()
            .filter_map(|added| Some((added.serials.iter().map(|serial| normal(serial)).collect(), added.evidence?)));
        let serials = serials.collect();
        Self { versions, serials, mark }
    }

    /// The version that covers a day of manufacture, among those whose entry counts: the last recorded one whose first
    /// day is not after it.
    pub fn version_on(&self, produced_us: i64, counts: impl Fn(&Evidence) -> bool) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.produced_from_us <= produced_us && counts(&version.evidence))
    }
}
