//! Refused submissions on disk: for each organisation two files, the one that grows and the one before it. When the first
//! is full it takes the place of the second, so that the newest stay and neither is ever rewritten.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use prost::Message as _;
use tally_core::{
    event::EventKind,
    id::{OrganisationId, SubjectId},
    refusal::REFUSALS,
};
use tally_proto::v1;

use super::{Filter, Page};

/// Refusals of one file: of each organisation the newest 500 to 1,000 are kept, where their bytes allow.
pub const FILE_REFUSALS_MAX: usize = 500;
/// Bytes of one file; an organisation has two.
pub const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of all files: past them whoever has most loses its older half.
pub const TOTAL_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Organisations of which something is kept; past it the one that was refused least recently goes.
pub const ORGANISATIONS_MAX: usize = 1_024;

/// Length and checksum before each refusal.
const HEADER_BYTES: u64 = 8;
/// No refusal is longer: 64 KiB of payload, and words.
const REFUSAL_BYTES_MAX: u32 = 256 * 1024;
/// Bytes of the words that are kept.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// One of the two files of an organisation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Half {
    Older,
    Newer,
}

impl Half {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}

/// What is remembered of a refusal that is on disk.
#[derive(Clone, Copy, Debug)]
struct Row {
    number: u64,
    refused_at_us: i64,
    reason: &'static str,
    kind: Option<EventKind>,
    subject: Option<SubjectId>,
    offset: u64,
    bytes: u32,
}

impl Row {
    fn of(refused: &v1::RefusedEvent, offset: u64, bytes: u32) -> Self {
        let row = REFUSALS.iter().find(|row| row.reason == refused.reason);
        Self {
            number: refused.number,
            refused_at_us: refused.refused_at_us,
            reason: row.map_or("", |row| row.reason),
            kind: refused.kind.parse().ok(),
            subject: SubjectId::parse(&refused.subject).ok(),
            offset,
            bytes,
        }
    }

    fn fits(&self, filter: &Filter) -> bool {
        let Filter { organisation: _, reasons, kinds, subject, from_us, until_us, before } = filter;
        (reasons.is_empty() || reasons.iter().any(|reason| reason == self.reason))
            && (kinds.is_empty() || self.kind.is_some_and(|kind| kinds.contains(&kind)))
            && subject.is_none_or(|subject| self.subject == Some(subject))
            && (*from_us == 0 || self.refused_at_us >= *from_us)
            && (*until_us == 0 || self.refused_at_us < *until_us)
            && before.is_none_or(|before| self.number < before)
    }
}

/// The rows of one file, in the order written.
#[derive(Debug, Default)]
struct Kept {
    rows: Vec<Row>,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Ring {
    older: Kept,
    newer: Kept,
}

impl Ring {
    const fn bytes(&self) -> u64 {
        self.older.bytes + self.newer.bytes
    }

    fn kept(&self) -> u64 {
        u64::try_from(self.older.rows.len() + self.newer.rows.len()).unwrap_or(u64::MAX)
    }

    fn last(&self) -> u64 {
        self.newer.rows.last().or(self.older.rows.last()).map_or(0, |row| row.number)
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
struct Limits {
    file_refusals: usize,
    file_bytes: u64,
    total_bytes: u64,
    organisations: usize,
}

const LIMITS: Limits = Limits {
    file_refusals: FILE_REFUSALS_MAX,
    file_bytes: FILE_BYTES_MAX,
    total_bytes: TOTAL_BYTES_MAX,
    organisations: ORGANISATIONS_MAX,
};

/// Everything that is kept.
#[derive(Debug)]
pub(super) struct Rings {
    dir: PathBuf,
    limits: Limits,
    rings: BTreeMap<OrganisationId, Ring>,
    total_bytes: u64,
    next_number: u64,
}

/// How many refusals of whom made room.
pub(super) type PushedOut = Vec<(OrganisationId, u64)>;

impl Rings {
    /// Opens a directory, which is made where it is not there. A torn tail is cut: the second value says of which files.
    pub(super) fn open(dir: &Path) -> (Self, Vec<String>) {
        Self::open_bounded(dir, LIMITS)
    }

    fn open_bounded(dir: &Path, limits: Limits) -> (Self, Vec<String>) {
        let mut rings = Self { dir: dir.to_owned(), limits, rings: BTreeMap::new(), total_bytes: 0, next_number: 1 };
        let mut cut = Vec::new();
        if let Err(error) = rings.read(&mut cut) {
            // Recording goes on; what comes is tried again, each by itself.
            tracing::error!(target: "tally::refused", %error, dir = %dir.display(), "refusals cannot be opened");
        }
        (rings, cut)
    }

    fn read(&mut self, cut: &mut Vec<String>) -> io::Result<()> {
        make_dir(&self.dir)?;
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let Some((organisation, half)) = named(&path) else { continue };
            let kept = match read_file(&path, cut) {
                Ok(kept) => kept,
                Err(error) => {
                    tracing::error!(target: "tally::refused", %error, path = %path.display(), "refusals cannot be read");
                    continue;
                }
            };
            self.total_bytes = self.total_bytes.saturating_add(kept.bytes);
            let last = kept.rows.iter().map(|row| row.number).max().unwrap_or_default();
            self.next_number = self.next_number.max(last.saturating_add(1));
            let ring = self.rings.entry(organisation).or_default();
            match half {
                Half::Older => ring.older = kept,
                Half::Newer => ring.newer = kept,
            }
        }
        Ok(())
    }

    fn path(&self, organisation: &OrganisationId, half: Half) -> PathBuf {
        self.dir.join(format!("{organisation}.{}", half.suffix()))
    }

    /// Writes a refusal, which gets its number here; gives what made room for it.
    pub(super) fn append(
        &mut self,
        organisation: OrganisationId,
        mut refused: v1::RefusedEvent,
    ) -> io::Result<PushedOut> {
        let mut pushed_out = PushedOut::new();
        refused.number = self.next_number;
        truncate(&mut refused.message, MESSAGE_BYTES_MAX);
        let message = refused.encode_to_vec();
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the refusal is too long");
        let bytes =
            u32::try_from(message.len()).ok().filter(|bytes| *bytes <= REFUSAL_BYTES_MAX).ok_or_else(too_long)?;
        let frame = [&bytes.to_le_bytes()[..], &crc32c::crc32c(&message).to_le_bytes(), &message].concat();
        let length = HEADER_BYTES.saturating_add(u64::from(bytes));

        if let Some(ring) = self.rings.get(&organisation) {
            let is_full = ring.newer.rows.len() >= self.limits.file_refusals
                || ring.newer.bytes.saturating_add(length) > self.limits.file_bytes;
            if is_full {
                self.turn(organisation, &mut pushed_out)?;
            }
        } else if self.rings.len() >= self.limits.organisations {
            let idle = self.rings.iter().min_by_key(|(_, ring)| ring.last()).map(|(idle, _)| *idle);
            if let Some(idle) = idle {
                self.forget(idle, &mut pushed_out)?;
            }
        }
        while self.total_bytes.saturating_add(length) > self.limits.total_bytes {
            let Some((largest, _)) = self.rings.iter().max_by_key(|(_, ring)| ring.bytes()) else { break };
            let largest = *largest;
            if !self.make_room(largest, &mut pushed_out)? {
                break;
            }
        }

        let path = self.path(&organisation, Half::Newer);
        let ring = self.rings.entry(organisation).or_default();
        write_frame(&path, ring.newer.bytes, &frame)?;
        ring.newer.rows.push(Row::of(&refused, ring.newer.bytes, bytes));
        ring.newer.bytes = ring.newer.bytes.saturating_add(length);
        self.total_bytes = self.total_bytes.saturating_add(length);
        self.next_number = self.next_number.saturating_add(1);
        Ok(pushed_out)
    }

    /// The file that grew becomes the one before.
    fn turn(&mut self, organisation: OrganisationId, pushed_out: &mut PushedOut) -> io::Result<()> {
        fs::rename(self.path(&organisation, Half::Newer), self.path(&organisation, Half::Older))?;
        let Some(ring) = self.rings.get_mut(&organisation) else { return Ok(()) };
        let gone = std::mem::replace(&mut ring.older, std::mem::take(&mut ring.newer));
        self.total_bytes = self.total_bytes.saturating_sub(gone.bytes);
        pushed_out.push((organisation, u64::try_from(gone.rows.len()).unwrap_or(u64::MAX)));
        Ok(())
    }

    /// An organisation loses its older half; `false` where it has nothing to lose.
    fn make_room(&mut self, organisation: OrganisationId, pushed_out: &mut PushedOut) -> io::Result<bool> {
        let Some(ring) = self.rings.get(&organisation).filter(|ring| ring.bytes() > 0) else { return Ok(false) };
        if ring.older.bytes == 0 {
            self.turn(organisation, pushed_out)?;
        }
        remove(&self.path(&organisation, Half::Older))?;
        if let Some(ring) = self.rings.get_mut(&organisation) {
            let gone = std::mem::take(&mut ring.older);
            self.total_bytes = self.total_bytes.saturating_sub(gone.bytes);
            pushed_out.push((organisation, u64::try_from(gone.rows.len()).unwrap_or(u64::MAX)));
        }
        Ok(true)
    }

    fn forget(&mut self, organisation: OrganisationId, pushed_out: &mut PushedOut) -> io::Result<()> {
        for half in [Half::Older, Half::Newer] {
            remove(&self.path(&organisation, half))?;
        }
        if let Some(ring) = self.rings.remove(&organisation) {
            self.total_bytes = self.total_bytes.saturating_sub(ring.bytes());
            pushed_out.push((organisation, ring.kept()));
        }
        Ok(())
    }

    pub(super) fn organisations(&self) -> impl Iterator<Item = OrganisationId> + '_ {
        self.rings.keys().copied()
    }

    pub(super) fn kept(&self, organisation: &OrganisationId) -> u64 {
        self.rings.get(organisation).map_or(0, Ring::kept)
    }

    /// The newest that fit, so many at most, and no more after so many bytes.
    pub(super) fn page(&self, of: &[OrganisationId], filter: &Filter, count: usize, bytes_max: usize) -> Page {
        let rings = of.iter().filter_map(|organisation| Some((organisation, self.rings.get(organisation)?)));
        let rows = rings.flat_map(|(organisation, ring)| {
            let halves = [(Half::Older, &ring.older), (Half::Newer, &ring.newer)];
            halves.into_iter().flat_map(move |(half, kept)| kept.rows.iter().map(move |row| (organisation, half, row)))
        });
        let mut rows: Vec<_> = rows.filter(|(_, _, row)| row.fits(filter)).collect();
        rows.sort_unstable_by_key(|(_, _, row)| std::cmp::Reverse(row.number));
        let mut page = Page::default();
        let mut bytes = 0_usize;
        for (organisation, half, row) in rows {
            if page.refusals.len() == count || bytes >= bytes_max {
                page.more = true;
                break;
            }
            match read_row(&self.path(organisation, half), row) {
                Ok(refused) => {
                    bytes = bytes.saturating_add(usize::try_from(row.bytes).unwrap_or(usize::MAX));
                    page.refusals.push(refused);
                }
                // Somebody else has been at the files: what is left is still worth showing.
                Err(error) => tracing::error!(target: "tally::refused", %error, "a refusal does not read back"),
            }
        }
        page
    }
}

/// Shortens to a number of bytes, at a character.
fn truncate(text: &mut String, bytes_max: usize) {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// The file tells who tried what: it is for its owner.
pub(super) fn for_owner_only(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn named(path: &Path) -> Option<(OrganisationId, Half)> {
    let (organisation, suffix) = path.file_name()?.to_str()?.rsplit_once('.')?;
    let half = [Half::Older, Half::Newer].into_iter().find(|half| half.suffix() == suffix)?;
    Some((organisation.parse().ok()?, half))
}

/// Writes a frame where the last one ended, whatever a write that failed left behind it.
fn write_frame(path: &Path, end: u64, frame: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    for_owner_only(&mut options);
    let mut file = options.open(path)?;
    if file.metadata()?.len() != end {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(end))?;
    file.write_all(frame)
}

/// Reads a whole file; what does not read back is cut off behind the last refusal that does.
fn read_file(path: &Path, cut: &mut Vec<String>) -> io::Result<Kept> {
    let bytes = fs::read(path)?;
    let mut kept = Kept::default();
    let mut rest = bytes.as_slice();
    while let Some((refused, length, after)) = split_frame(rest) {
        kept.rows.push(Row::of(&refused, kept.bytes, length));
        kept.bytes = kept.bytes.saturating_add(HEADER_BYTES).saturating_add(u64::from(length));
        rest = after;
    }
    if !rest.is_empty() {
        OpenOptions::new().write(true).open(path)?.set_len(kept.bytes)?;
        cut.push(format!(
            "{}: {} bytes behind {} refusals do not read back and were cut",
            path.display(),
            rest.len(),
            kept.rows.len()
        ));
    }
    Ok(kept)
}

fn split_frame(bytes: &[u8]) -> Option<(v1::RefusedEvent, u32, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let (message, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    if length == 0 || crc32c::crc32c(message).to_le_bytes() != *sum {
        return None;
    }
    Some((v1::RefusedEvent::decode(message).ok()?, length, rest))
}

fn read_row(path: &Path, row: &Row) -> io::Result<v1::RefusedEvent> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(row.offset))?;
    let mut frame = Vec::new();
    file.take(HEADER_BYTES.saturating_add(u64::from(row.bytes))).read_to_end(&mut frame)?;
    let refused = split_frame(&frame).map(|(refused, ..)| refused).filter(|refused| refused.number == row.number);
    refused.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: refusal {}", path.display(), row.number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { file_refusals: 10, file_bytes: 10_000, total_bytes: 20_000, organisations: 3 };

    fn organisation(number: u8) -> OrganisationId {
        OrganisationId::new([number; 16])
    }

    fn refused(payload: usize) -> v1::RefusedEvent {
        v1::RefusedEvent { reason: "STRANGER".to_owned(), payload: vec![9; payload], ..Default::default() }
    }

    fn numbers(rings: &Rings, of: &[OrganisationId]) -> Vec<u64> {
        let page = rings.page(of, &Filter::default(), 1_000, usize::MAX);
        page.refusals.iter().map(|refused| refused.number).collect()
    }

    fn on_disk(dir: &Path) -> u64 {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn a_ring_keeps_the_newest_and_says_how_many_it_pushed_out() {
        let dir = tempfile::tempdir().unwrap();
        let (mut rings, _) = Rings::open_bounded(dir.path(), SMALL);
        let mut gone = 0;
        for _ in 0..95 {
            gone += rings.append(organisation(1), refused(10)).unwrap().iter().map(|(_, count)| count).sum::<u64>();
        }
        let kept = numbers(&rings, &[organisation(1)]);
        assert_eq!(kept, (81..=95).rev().collect::<Vec<_>>());
        assert_eq!((rings.kept(&organisation(1)), gone), (15, 80));
        let (again, cut) = Rings::open_bounded(dir.path(), SMALL);
        assert_eq!((numbers(&again, &[organisation(1)]), cut.len(), again.next_number), (kept, 0, 96));
    }

    #[test]
    fn bytes_are_bounded_and_who_has_most_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let (mut rings, _) = Rings::open_bounded(dir.path(), SMALL);
        rings.append(organisation(2), refused(100)).unwrap();
        for _ in 0..200 {
            rings.append(organisation(1), refused(1_500)).unwrap();
            assert!(rings.total_bytes <= SMALL.total_bytes);
            assert_eq!(on_disk(dir.path()), rings.total_bytes);
        }
        assert_eq!(numbers(&rings, &[organisation(2)]), [1], "a flood of another's pushes nothing of it out");
        assert!(rings.kept(&organisation(1)) >= 5);
    }

    #[test]
    fn organisations_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (mut rings, _) = Rings::open_bounded(dir.path(), SMALL);
        for number in [1, 2, 3, 1, 4] {
            rings.append(organisation(number), refused(1)).unwrap();
        }
        assert_eq!(rings.organisations().collect::<Vec<_>>(), [1, 3, 4].map(organisation));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_torn_tail_is_cut_and_said_at_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let (mut rings, _) = Rings::open_bounded(dir.path(), SMALL);
        (0..3).for_each(|_| drop(rings.append(organisation(1), refused(20)).unwrap()));
        let path = rings.path(&organisation(1), Half::Newer);
        let whole = fs::read(&path).unwrap();
        let frame = whole.len() / 3;
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut torn, cut) = Rings::open_bounded(dir.path(), SMALL);
            assert_eq!(torn.kept(&organisation(1)), u64::try_from(length / frame).unwrap());
            assert_eq!(cut.len(), usize::from(length % frame != 0), "{length}: {cut:?}");
            torn.append(organisation(1), refused(20)).unwrap();
            assert_eq!(Rings::open_bounded(dir.path(), SMALL).1, [""; 0], "what follows reads back");
        }
    }

    #[test]
    fn what_a_failed_write_left_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let (mut rings, _) = Rings::open_bounded(dir.path(), SMALL);
        rings.append(organisation(1), refused(20)).unwrap();
        let path = rings.path(&organisation(1), Half::Newer);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"half a frame").unwrap();
        rings.append(organisation(1), refused(20)).unwrap();
        let (again, cut) = Rings::open_bounded(dir.path(), SMALL);
        assert_eq!((again.kept(&organisation(1)), cut.len()), (2, 0));
    }
}
