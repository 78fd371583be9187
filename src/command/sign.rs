//! Who signs; what would be signed; signing, sending and the receipt.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use serde_json::{Value, json};
use tally_client::{
    Client, ClientError,
    clock::{Clock as _, SystemClock},
    draft::{Author, Draft, SetMember, SignedEvent, sign_set},
    json,
    key::SigningKey,
    verify::VerifiedReceipt,
};
use tally_core::{
    event::{EventKind, UncheckedBody},
    hash::EventHash,
    id::{EventId, SubjectId, SubjectKind},
    number::ChainIndex,
    refusal::Head,
    time::Timestamp,
};
use tally_proto::v1;

use super::{
    connection::read_key,
    lookup::Names,
    text::{instant, irregularity, kind_name, organisation, role, usage},
};
use crate::{
    cli::{Connection, Signing},
    output::{CommandError, Output, note},
};

/// Who signs, as the flags say.
pub struct Signer {
    author: Author,
    issuer: Option<SigningKey>,
    hands: Vec<SigningKey>,
    occurred_at: Timestamp,
    now: Timestamp,
    dry_run: bool,
    /// Where an event is kept whose answer was lost.
    unsent_dir: PathBuf,
}

/// An event that is to be signed, with the hands that only it has.
pub struct Member {
    /// What is stated.
    pub draft: Draft,
    /// Hands besides those of the flags.
    pub hands: Vec<SigningKey>,
}

impl From<Draft> for Member {
    fn from(draft: Draft) -> Self {
        Self { draft, hands: Vec::new() }
    }
}

impl Signer {
    /// Reads the keys that the flags name; all flags that are missing are named at once.
    pub fn new(signing: &Signing, connection: &Connection, origin: &str) -> anyhow::Result<Self> {
        let needed = [
            (signing.organisation.is_none(), "--organisation UUID  the organisation that acts 单位"),
            (signing.role.is_none(), "--role ROLE          the role in which it acts 角色"),
            (signing.key.is_none() && !signing.dry_run, "--key FILE           the issuer's key file 签发方"),
        ];
        let missing: Vec<&str> = needed.iter().filter(|(is_missing, _)| *is_missing).map(|(_, flag)| *flag).collect();
        let (Some(acting), Some(acts), true) = (&signing.organisation, &signing.role, missing.is_empty()) else {
            let told = usage("it is not said who signs");
            let told = missing.into_iter().fold(told, CommandError::detail);
            return Err(told.help("give the flags, or set TALLY_ORGANISATION, TALLY_ROLE and TALLY_KEY").into());
        };
        let now = SystemClock.now();
        Ok(Self {
            author: Author { origin: origin.to_owned(), organisation: organisation(acting)?, role: role(acts)? },
            issuer: signing.key.as_deref().map(read_key).transpose()?,
            hands: signing.hands.iter().map(|path| read_key(path)).collect::<anyhow::Result<_>>()?,
            occurred_at: signing.occurred_at.as_deref().map_or(Ok(now), instant)?,
            now,
            dry_run: signing.dry_run,
            unsent_dir: connection.state.clone().unwrap_or_else(|| PathBuf::from(".")),
        })
    }

    /// Who acts.
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// When it happened.
    pub fn occurred_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// States something.
    pub fn state(
        &self,
        subject: SubjectId,
        occurred_at: Timestamp,
        body: UncheckedBody,
    ) -> Result<Draft, CommandError> {
        Draft::new(&self.author, subject, occurred_at, body, self.now).map_err(CommandError::from)
    }

    /// States something that opens an order, accident or publication; under an id that was chosen before, or a new one.
    pub fn state_opening(
        &self,
        id: Option<EventId>,
        occurred_at: Timestamp,
        body: UncheckedBody,
    ) -> Result<Draft, CommandError> {
        let draft = match id {
            Some(id) => Draft::opening_as(&self.author, occurred_at, body, id),
            None => Draft::opening(&self.author, occurred_at, body, self.now),
        };
        draft.map_err(CommandError::from)
    }

    /// States, signs and records one event; with `--dry-run` only shows what would be signed.
    pub async fn record(
        &self,
        client: &Client,
        subject: SubjectId,
        body: v1::statement::Body,
        output: &Output,
    ) -> anyhow::Result<ExitCode> {
        let draft = self.state(subject, self.occurred_at, body.into())?;
        self.send(client, vec![draft.into()], output).await
    }

    /// Signs and records an event, or several as one atomic set; with `--dry-run` only shows what would be signed.
    pub async fn send(&self, client: &Client, mut members: Vec<Member>, output: &Output) -> anyhow::Result<ExitCode> {
        let Some(issuer) = self.issuer.as_ref().filter(|_| !self.dry_run) else {
            return self.show(client, members, output).await;
        };
        let recorded = match members.as_mut_slice() {
            [member] => {
                let hands: Vec<&SigningKey> = self.hands.iter().chain(&member.hands).collect();
                match client.record_draft(&mut member.draft, issuer, &hands).await {
                    Ok(recorded) => vec![recorded],
                    Err(error) => {
                        return Err(self.unrecorded(client, error, member.draft.sent().cloned()).await.into());
                    }
                }
            }
            members => {
                let mut set: Vec<SetMember<'_>> = Vec::with_capacity(members.len());
                for member in &*members {
                    let hands = self.hands.iter().chain(&member.hands).collect();
                    set.push(SetMember { draft: member.draft.clone(), hands });
                }
                match client.record_set_drafts(&mut set, issuer).await {
                    Ok(recorded) => recorded,
                    Err(error) => {
                        let sent = set.iter().filter_map(|member| member.draft.sent().cloned());
                        return Err(self.unrecorded(client, error, sent).await.into());
                    }
                }
            }
        };
        print_receipts(client, &recorded, output).await?;
        Ok(ExitCode::SUCCESS)
    }

    /// What a failed recording means, and what was signed when its outcome is not known.
    async fn unrecorded(
        &self,
        client: &Client,
        error: ClientError,
        sent: impl IntoIterator<Item = SignedEvent>,
    ) -> CommandError {
        let is_lost = matches!(&error, ClientError::Unreachable { is_recording: true, .. });
        let told = unrecorded(client, error).await;
        let sent: Vec<SignedEvent> = sent.into_iter().collect();
        let Some(first) = sent.first().filter(|_| is_lost) else { return told };
        let path = self.unsent_dir.join(format!("unsent-{}.json", first.event().statement().event_id));
        let signed: Vec<Value> = sent.iter().map(signed_to_json).collect();
        let kept = fs::create_dir_all(&self.unsent_dir)
            .and_then(|()| fs::write(&path, format!("{:#}\n", json!({ "signed": signed }))));
        match kept {
            Ok(()) => told
                .detail(format!("what was signed is kept in {}", path.display()))
                .help(format!("send the same bytes again: tally record --file {}", path.display())),
            Err(error) => told.detail(format!("{}: {error}; what was signed is lost", path.display())),
        }
    }

    /// Shows exactly what would be signed.
    async fn show(&self, client: &Client, members: Vec<Member>, output: &Output) -> anyhow::Result<ExitCode> {
        let mut subjects: Vec<SubjectId> = members.iter().map(|member| member.draft.subject()).collect();
        subjects.extend(members.iter().flat_map(|member| member.draft.named_equipment()));
        let proved = client.heads(subjects).await.map_err(CommandError::from)?;
        let heads: BTreeMap<SubjectId, Head> = proved.iter().map(|(subject, head)| (*subject, head.head)).collect();
        let opened = |subject: &SubjectId| heads.get(subject).is_some_and(|head| head.chain_length > 0);
        // What the issuer signs does not depend on its key, so any key shows it.
        let anybody = SigningKey::generate()?;
        let mut hands = Vec::new();
        let mut drafts = Vec::new();
        for Member { draft, hands: own } in members {
            hands.push(self.hands.iter().chain(&own).map(|key| key.key_id().to_string()).collect::<Vec<_>>());
            drafts.push(SetMember { draft: draft.mention_equipment(opened), hands: Vec::new() });
        }
        let signed = match drafts.as_mut_slice() {
            [only] => {
                let head = heads.get(&only.draft.subject()).copied();
                let head = head.unwrap_or(Head { chain_length: 0, head_hash: EventHash::ZERO });
                let place = ChainIndex::new(head.chain_length);
                vec![only.draft.sign(place, head.head_hash, &anybody, &[]).map_err(CommandError::from)?]
            }
            drafts => sign_set(drafts, &heads, &anybody).map_err(CommandError::from)?,
        };
        let issuer = self.issuer.as_ref().map(|key| key.key_id().to_string());
        let under = proved.values().map(|head| head.checkpoint.size().get()).max().unwrap_or_default();
        let shown: Vec<Value> = signed
            .iter()
            .zip(&hands)
            .map(|(event, hands)| unsigned_to_json(event, issuer.as_deref(), hands))
            .collect::<anyhow::Result<_>>()?;
        if output.is_json() {
            output.json_list("events", shown)?;
            return Ok(ExitCode::SUCCESS);
        }
        output.say("nothing is recorded 试运行; this is what would be signed:");
        for ((event, hands), shown) in signed.iter().zip(&hands).zip(&shown) {
            say_unsigned(event, issuer.as_deref(), hands, shown, under, output)?;
        }
        note("the event id is made anew each time, and so are these bytes");
        Ok(ExitCode::SUCCESS)
    }
}

fn unsigned_to_json(event: &SignedEvent, issuer: Option<&str>, hands: &[String]) -> anyhow::Result<Value> {
    let stated = event.event();
    Ok(json!({
        "subject": stated.statement().subject.to_string(),
        "chainIndex": stated.chain_index().to_string(),
        "previousHash": stated.previous_hash().to_string(),
        "mentions": stated.statement().mentions.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "issuer": issuer,
        "hands": hands,
        "statement": json::statement_to_json(stated.statement())?,
        "statementBytes": hex::encode(stated.statement_bytes()),
        "eventBytes": hex::encode(event.payload()),
    }))
}

fn say_unsigned(
    event: &SignedEvent,
    issuer: Option<&str>,
    hands: &[String],
    shown: &Value,
    under: u64,
    output: &Output,
) -> anyhow::Result<()> {
    let stated = event.event();
    let statement = stated.statement();
    let is_first = stated.chain_index() == ChainIndex::FIRST;
    let head = if is_first { "which opens it: it was proved absent" } else { "behind the head that was proved" };
    let mut facts = vec![
        ("kind", kind_name(statement.body_number)),
        ("subject", statement.subject.to_string()),
        ("occurred_at", statement.occurred_at.to_string()),
        ("place on chain", format!("{}, {head} under checkpoint {under}", stated.chain_index())),
        ("previous hash", stated.previous_hash().to_string()),
        ("issuer", issuer.unwrap_or("no --key is given").to_owned()),
    ];
    facts.extend(statement.mentions.iter().map(|mention| ("mentions", mention.to_string())));
    facts.extend(hands.iter().map(|hand| ("hand", hand.clone())));
    if let Some(set) = &statement.set {
        facts.push(("atomic set", format!("of {}, digest {}", set.count, set.digest)));
    }
    output.facts(facts);
    output.say(" statement, which the hands sign:");
    if let Some(statement) = shown.get("statement") {
        output.say(serde_json::to_string_pretty(statement)?);
    }
    output.say(format!(" its bytes:\n{}", hex::encode(stated.statement_bytes())));
    let but = if hands.is_empty() { "" } else { ", but for the signatures of the hands" };
    output.say(format!(" event, which the issuer signs{but}:\n{}", hex::encode(event.payload())));
    Ok(())
}

/// Sends events that were signed before: the same bytes.
pub async fn send_signed(client: &Client, events: Vec<SignedEvent>, output: &Output) -> anyhow::Result<ExitCode> {
    let receipts = match events.as_slice() {
        [event] => client.record(event).await.map(|receipt| vec![receipt]),
        events => client.record_set(events).await,
    };
    let receipts = match receipts {
        Ok(receipts) => receipts,
        Err(error) => return Err(unrecorded(client, error).await.into()),
    };
    let recorded: Vec<_> = events.into_iter().zip(receipts).collect();
    print_receipts(client, &recorded, output).await?;
    Ok(ExitCode::SUCCESS)
}

/// What a failed recording means; where the head moved on, who moved it.
async fn unrecorded(client: &Client, error: ClientError) -> CommandError {
    let is_refused = matches!(&error, ClientError::Refused(_));
    let head = error.stale_head();
    let mut told = CommandError::from(error);
    if let Some((subject, head)) = head
        && let Some(last) = head.chain_length.checked_sub(1)
        && let Ok(entry) = client.event_on_chain(subject, ChainIndex::new(last)).await
    {
        let statement = entry.event.statement();
        let who = Names::new(client).organisation(statement.organisation.as_bytes()).await;
        told = told.detail(format!("  {} of {} by {who}", kind_name(statement.body_number), statement.occurred_at));
    }
    if is_refused { told.detail("nothing was recorded") } else { told }
}

/// A signed event as a file keeps it.
fn signed_to_json(event: &SignedEvent) -> Value {
    json!({
        "payload": hex::encode(event.payload()),
        "keyId": event.key_id().to_string(),
        "signature": hex::encode(event.signature()),
    })
}

/// A signed event from a file.
pub fn signed_from_json(json: &Value) -> Result<SignedEvent, CommandError> {
    let bytes = |name: &str| {
        let text = json.get(name).and_then(Value::as_str);
        let bytes = text.and_then(|text| hex::decode(text).ok());
        bytes.ok_or_else(|| usage(format!("signed.{name} is missing, or is not hexadecimal")))
    };
    Ok(SignedEvent::parse(&bytes("payload")?, &bytes("keyId")?, &bytes("signature")?)?)
}

async fn print_receipts(
    client: &Client,
    recorded: &[(SignedEvent, VerifiedReceipt)],
    output: &Output,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (event, receipt) in recorded {
        let found = findings(client, event.subject(), receipt).await;
        if output.is_json() {
            rows.push(receipt_to_json(event, receipt, &found));
            continue;
        }
        let statement = event.event().statement();
        output.say(format!("recorded {} at position {}", kind_name(statement.body_number), receipt.position));
        output.facts([
            ("subject", event.subject().to_string()),
            ("place on chain", receipt.chain_index.to_string()),
            ("recorded_at", receipt.recorded_at.to_string()),
            ("event id", statement.event_id.to_string()),
            ("event hash", event.event_hash().to_string()),
            ("proved under", format!("checkpoint {}", receipt.checkpoint.size())),
        ]);
        let kind = EventKind::from_number(statement.body_number);
        found.iter().for_each(|kind| output.say(format!(" irregular 异常: {}", irregularity(*kind))));
        if kind == Some(EventKind::PlaceCreated) {
            output.say(format!(" the place is {}", statement.event_id));
        }
    }
    match rows.as_slice() {
        [] => Ok(()),
        [only] => output.json(only),
        _ => output.json_list("receipts", rows),
    }
}

fn receipt_to_json(event: &SignedEvent, receipt: &VerifiedReceipt, found: &[i32]) -> Value {
    let found = found.iter().map(|kind| v1::IrregularityKind::try_from(*kind).unwrap_or_default().as_str_name());
    json!({
        "subject": event.subject().to_string(),
        "eventId": event.event().statement().event_id.to_string(),
        "eventHash": event.event_hash().to_string(),
        "position": receipt.position.to_string(),
        "chainIndex": receipt.chain_index.to_string(),
        "recordedAtUs": receipt.recorded_at.micros().to_string(),
        "leafHash": receipt.leaf_hash.to_string(),
        "checkpoint": receipt.checkpoint.note(),
        "irregularities": found.collect::<Vec<_>>(),
    })
}

/// What the ledger found irregular about an event of a machine: its word, and not worth a failure.
async fn findings(client: &Client, subject: SubjectId, receipt: &VerifiedReceipt) -> Vec<i32> {
    if subject.kind() != SubjectKind::Equipment {
        return Vec::new();
    }
    let Ok(answer) = client.equipment(subject, v1::At::default()).await else { return Vec::new() };
    let found = answer.value.irregularities.into_iter();
    found.filter(|found| found.position == receipt.position.get()).map(|found| found.kind).collect()
}
