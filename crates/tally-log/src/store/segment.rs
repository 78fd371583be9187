//! A segment: a header, then frames; once it is closed, a small index beside it, so that only the last one is scanned
//! at start-up.
//!
//! Header, 64 bytes: magic 8 ‖ version u32 ‖ number of the segment u64 ‖ first position u64 ‖ hash of the frame before 32 ‖
//! CRC-32C u32. It is durable before the first frame is written.

use std::io;

use super::disk::DiskFile;
use super::frame::{self, FRAME_HEADER_BYTES, FrameFault, FrameHash, FrameHeader, StoredFrame, record_bytes};
use super::{BatchError, Damage, Fault};
use crate::LogPosition;
use crate::entry::RecordedAt;
use crate::hash::sha256;

pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"tallyseg";
const VERSION: u32 = 1;
/// A point of the index stands at the first record after so many bytes: what one read takes from the disk, against 20
/// bytes of memory for each.
const POINT_EVERY_BYTES: u64 = 8 * 1024;
const INDEX_MAGIC: [u8; 8] = *b"tallyidx";
const POINT_BYTES: usize = 20;
/// A segment is at most about 1 GiB, so its index is at most so long.
pub(crate) const INDEX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHeader {
    pub(crate) ordinal: u64,
    pub(crate) first: LogPosition,
    pub(crate) previous: FrameHash,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.ordinal.to_be_bytes());
        bytes.extend_from_slice(&self.first.get().to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (covered, checksum) = bytes.get(..SEGMENT_HEADER_BYTES)?.split_last_chunk::<4>()?;
        let (magic, rest) = covered.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (ordinal, rest) = rest.split_first_chunk::<8>()?;
        let (first, previous) = rest.split_first_chunk::<8>()?;
        let fits = *magic == MAGIC
            && u32::from_be_bytes(*version) == VERSION
            && u32::from_be_bytes(*checksum) == crc32c::crc32c(covered);
        let first = LogPosition::new(u64::from_be_bytes(*first))?;
        fits.then_some(Self { ordinal: u64::from_be_bytes(*ordinal), first, previous: previous.try_into().ok()? })
    }

    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<Option<Self>> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        match file.read_at(&mut bytes, 0) {
            Ok(()) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A record whose place is kept in memory, one for each 8 KiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Point {
    pub(crate) position: LogPosition,
    /// Where the record begins.
    pub(crate) offset: u32,
    /// Where its frame begins.
    pub(crate) frame: u32,
    /// How many records of the frame are left, this one included.
    pub(crate) left: u32,
}

/// What is known of a segment without its entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SegmentIndex {
    pub(crate) points: Vec<Point>,
    /// Where the last good frame ends.
    pub(crate) end: u64,
    /// The position after the last.
    pub(crate) next: LogPosition,
    /// The hash of the last frame, or of the one before the segment.
    pub(crate) last_frame: FrameHash,
    /// That of the last batch; `None` if there was none before.
    pub(crate) recorded_at: Option<RecordedAt>,
}

impl SegmentIndex {
    pub(crate) const fn empty(header: &SegmentHeader, recorded_at: Option<RecordedAt>) -> Self {
        Self {
            points: Vec::new(),
            end: SEGMENT_HEADER_BYTES as u64,
            next: header.first,
            last_frame: header.previous,
            recorded_at,
        }
    }

    /// Takes in a frame that begins at [`SegmentIndex::end`].
    pub(crate) fn add_frame(&mut self, header: &FrameHeader, frame: &[u8], hash: FrameHash, recorded_at: RecordedAt) {
        let start = self.end;
        let mut at = FRAME_HEADER_BYTES;
        for place in 0..header.count {
            let offset = start + at as u64;
            let due = self.points.last().is_none_or(|last| offset - u64::from(last.offset) >= POINT_EVERY_BYTES);
            if due
                && let Some(position) = header.first.checked_add(u64::from(place))
                && let (Ok(offset), Ok(frame)) = (u32::try_from(offset), u32::try_from(start))
            {
                self.points.push(Point { position, offset, frame, left: header.count - place });
            }
            at += frame.get(at..).and_then(record_bytes).unwrap_or_default();
        }
        self.end = start + frame.len() as u64;
        self.next = header.first.checked_add(u64::from(header.count)).unwrap_or(header.first);
        self.last_frame = hash;
        self.recorded_at = Some(recorded_at);
    }

    /// Magic 8 ‖ number u64 ‖ end u64 ‖ next position u64 ‖ last frame hash 32 ‖ `recorded_at` u64 ‖ points, 20 bytes each ‖ CRC-32C.
    pub(crate) fn encode(&self, ordinal: u64) -> Vec<u8> {
        let mut bytes = INDEX_MAGIC.to_vec();
        for number in [ordinal, self.end, self.next.get()] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.last_frame);
        bytes.extend_from_slice(&self.recorded_at.map_or(0, RecordedAt::micros).to_be_bytes());
        for point in &self.points {
            bytes.extend_from_slice(&point.position.get().to_be_bytes());
            for number in [point.offset, point.frame, point.left] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// `None` unless it is the index of this segment at this length.
    pub(crate) fn parse(bytes: &[u8], header: &SegmentHeader, segment_bytes: u64) -> Option<Self> {
        let (covered, checksum) = bytes.split_last_chunk::<4>()?;
        let (magic, rest) = covered.split_first_chunk::<8>()?;
        if *magic != INDEX_MAGIC || u32::from_be_bytes(*checksum) != crc32c::crc32c(covered) {
            return None;
        }
        let (ordinal, rest) = rest.split_first_chunk::<8>()?;
        let (end, rest) = rest.split_first_chunk::<8>()?;
        let (next, rest) = rest.split_first_chunk::<8>()?;
        let (last_frame, rest) = rest.split_first_chunk::<32>()?;
        let (recorded_at, points) = rest.split_first_chunk::<8>()?;
        let [ordinal, end, next, recorded_at] =
            [ordinal, end, next, recorded_at].map(|bytes| u64::from_be_bytes(*bytes));
        let (points, rest) = points.as_chunks::<POINT_BYTES>();
        let parse_point = |point: &[u8; POINT_BYTES]| {
            let (position, rest) = point.split_first_chunk::<8>()?;
            let (numbers, _) = rest.as_chunks::<4>();
            let [offset, frame, left] = <[[u8; 4]; 3]>::try_from(numbers).ok()?.map(u32::from_be_bytes);
            Some(Point { position: LogPosition::new(u64::from_be_bytes(*position))?, offset, frame, left })
        };
        let points: Vec<Point> = points.iter().map(parse_point).collect::<Option<_>>()?;
        let next = LogPosition::new(next)?;
        let fits = ordinal == header.ordinal && end == segment_bytes && next > header.first && rest.is_empty();
        let recorded_at = RecordedAt::from_micros(recorded_at)?;
        fits.then_some(Self { points, end, next, last_frame: *last_frame, recorded_at: Some(recorded_at) })
    }
}

/// A frame that was read and checked, with its own bytes.
pub(crate) struct ReadFrame {
    pub(crate) header: FrameHeader,
    pub(crate) frame: StoredFrame,
    pub(crate) bytes: Vec<u8>,
}

/// What stands at one place of a segment.
pub(crate) enum FrameAt {
    /// Nothing: the segment ends here.
    End,
    Good(Box<ReadFrame>),
    Bad(FrameFault),
}

/// Reads and checks the frame at `offset` of a file of `length` bytes; `expected` is the position due there.
pub(crate) fn read_frame(file: &dyn DiskFile, length: u64, offset: u64, expected: LogPosition) -> io::Result<FrameAt> {
    let left = length.saturating_sub(offset);
    if left == 0 {
        return Ok(FrameAt::End);
    }
    let bad = |fault| FrameAt::Bad(FrameFault { byte: 0, position: expected, fault });
    if left < FRAME_HEADER_BYTES as u64 {
        return Ok(bad(Fault::Cut));
    }
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    file.read_at(&mut bytes, offset)?;
    let Some(header) = FrameHeader::parse(&bytes) else { return Ok(bad(Fault::Header { of: "frame" })) };
    if header.first != expected {
        return Ok(bad(Fault::Position { found: header.first.get() }));
    }
    // The header's checksum holds and its length is bounded: allocation follows the check.
    if left < (FRAME_HEADER_BYTES + header.body_bytes) as u64 {
        return Ok(bad(Fault::Cut));
    }
    bytes.resize(FRAME_HEADER_BYTES + header.body_bytes, 0);
    let (_, body) = bytes.split_at_mut(FRAME_HEADER_BYTES);
    file.read_at(body, offset + FRAME_HEADER_BYTES as u64)?;
    match frame::parse_body(&header, body) {
        Ok(frame) => Ok(FrameAt::Good(Box::new(ReadFrame { header, frame, bytes }))),
        Err(fault) => Ok(FrameAt::Bad(fault)),
    }
}

/// Walks the frames of a segment from its index's end, checking all that frames say of each other, until the first that
/// is not good. The damage it gives, if any, is not yet judged: at the very end of the log it may be a torn tail.
pub(crate) fn scan(
    file: &dyn DiskFile,
    name: &str,
    length: u64,
    index: &mut SegmentIndex,
    mut visit: impl FnMut(&ReadFrame),
) -> io::Result<Option<Damage>> {
    loop {
        let damage = |byte: u64, position, what| Some(Damage { file: name.to_owned(), byte, position, what });
        let read = match read_frame(file, length, index.end, index.next)? {
            FrameAt::End => return Ok(None),
            FrameAt::Bad(bad) => return Ok(damage(index.end + bad.byte as u64, bad.position, bad.fault)),
            FrameAt::Good(read) => read,
        };
        if read.header.previous != index.last_frame {
            return Ok(damage(index.end, index.next, Fault::Previous));
        }
        let found = read.frame.heads.recorded_at;
        if let Some(last) = index.recorded_at
            && found <= last
        {
            return Ok(damage(index.end, index.next, Fault::Batch(BatchError::TimeNotAfter { last, found })));
        }
        visit(&read);
        index.add_frame(&read.header, &read.bytes, sha256(&[&read.bytes]), found);
    }
}
