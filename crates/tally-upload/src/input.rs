//! Foreign bytes as text: encoding and byte order mark, in buffers of a fixed size

use std::{
    fmt,
    io::{self, Read},
};

use encoding_rs::{Decoder, DecoderResult, GB18030};
use sha2::{Digest as _, Sha256};

/// Bytes that are read at once.
pub(crate) const CHUNK_BYTES: usize = 8_192;

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";
const GB18030_MARK: &[u8] = b"\x84\x31\x95\x33";

/// Stands where bytes have no character: no UTF-8 has it, so that whoever reads on finds the place.
const NO_CHARACTER: u8 = 0xFF;

/// The encoding of a file, as whoever hands it over says. It is never guessed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// GB18030, and with it GBK and GB 2312.
    Gb18030,
}

/// What bytes look like that are not of the encoding that is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// They are valid GB18030.
    Gb18030,
    /// A byte order mark of UTF-16.
    Utf16,
    /// A byte order mark of UTF-8 in a file that is to be read as GB18030, or more than one.
    Marks,
    /// Nothing that is known here.
    Unknown,
}

impl Seen {
    /// What bytes look like that are not UTF-8.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(_) => Self::Gb18030,
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for Seen {
    /// As it goes on after "bytes are not UTF-8".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Gb18030 => {
                " but look like GB18030: convert with `iconv -f GB18030 -t UTF-8`, or say that the file is GB18030"
            }
            Self::Utf16 => {
                ": the file begins with a byte order mark of UTF-16; convert with `iconv -f UTF-16 -t UTF-8`"
            }
            Self::Marks => {
                ": the file begins with a byte order mark of UTF-8, or with several; say which encoding it is"
            }
            Self::Unknown => " and not GB18030 either: ask for the file in UTF-8",
        })
    }
}

/// How a file begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opening {
    /// With its first character.
    Plain,
    /// With one byte order mark of its encoding, which was left out.
    Mark,
    /// In a way that makes nothing of it readable.
    Wrong(Seen),
}

/// A reader that gives UTF-8, or [`NO_CHARACTER`] where there is no character.
pub(crate) struct Input<R> {
    inner: R,
    encoding: Encoding,
    /// Only for GB18030.
    decoder: Option<Decoder>,
    chunk: Vec<u8>,
    ready: Vec<u8>,
    used: usize,
    opening: Option<Opening>,
    ended: bool,
    sha256: Sha256,
    bytes: u64,
    utf8: Utf8Watch,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(inner: R, encoding: Encoding) -> Self {
        let decoder = match encoding {
            Encoding::Utf8 => None,
            Encoding::Gb18030 => Some(GB18030.new_decoder_without_bom_handling()),
        };
        Self {
            inner,
            encoding,
            decoder,
            chunk: vec![0; CHUNK_BYTES],
            ready: Vec::new(),
            used: 0,
            opening: None,
            ended: false,
            sha256: Sha256::new(),
            bytes: 0,
            utf8: Utf8Watch::default(),
        }
    }

    /// How the file begins.
    pub(crate) fn opening(&mut self) -> io::Result<Opening> {
        self.fill()?;
        Ok(self.opening.unwrap_or(Opening::Plain))
    }

    /// What is ready to be used; empty only at the end.
    pub(crate) fn fill(&mut self) -> io::Result<&[u8]> {
        while self.used >= self.ready.len() && !self.ended {
            self.ready.clear();
            self.used = 0;
            // The first chunk must show a byte order mark whole, however the bytes drip in.
            let least = if self.opening.is_none() { GB18030_MARK.len() } else { 1 };
            let found = self.read_chunk(least)?;
            self.ended = found == 0;
            let chunk = std::mem::take(&mut self.chunk);
            let mut fresh = chunk.get(..found).unwrap_or_default();
            self.sha256.update(fresh);
            self.bytes = self.bytes.saturating_add(fresh.len() as u64);
            if self.opening.is_none() {
                let (opening, rest) = opening_of(fresh, self.encoding);
                self.opening = Some(opening);
                self.ended |= matches!(opening, Opening::Wrong(_));
                fresh = rest;
            }
            match &mut self.decoder {
                None => self.ready.extend_from_slice(fresh),
                Some(decoder) => {
                    self.utf8.see(fresh);
                    decode(decoder, fresh, self.ended, &mut self.ready);
                }
            }
            self.chunk = chunk;
        }
        Ok(self.ready.get(self.used..).unwrap_or_default())
    }

    /// Takes bytes that [`Input::fill`] gave.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.used = self.used.saturating_add(bytes);
    }

    /// Reads what is left and forgets it: only for the digest.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        loop {
            let length = self.fill()?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the bytes read so far, before any decoding.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256.clone().finalize().into()
    }

    /// Whether all of it was UTF-8, and not only ASCII, though it was read as GB18030.
    pub(crate) fn is_utf8_after_all(&self) -> bool {
        self.encoding == Encoding::Gb18030 && self.utf8.is_utf8()
    }

    /// The encoding in which it is read.
    pub(crate) const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Bytes of its buffers.
    pub(crate) fn held_bytes(&self) -> usize {
        self.chunk.capacity().saturating_add(self.ready.capacity())
    }

    fn read_chunk(&mut self, least: usize) -> io::Result<usize> {
        let mut found = 0;
        while found < least {
            let Some(free) = self.chunk.get_mut(found..) else { break };
            match self.inner.read(free) {
                Ok(0) => break,
                // A reader that claims more than it was given room for is not believed.
                Ok(more) => found = found.saturating_add(more).min(CHUNK_BYTES),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

fn opening_of(bytes: &[u8], encoding: Encoding) -> (Opening, &[u8]) {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return (Opening::Wrong(Seen::Utf16), &[]);
    }
    let utf8 = bytes.strip_prefix(UTF8_MARK);
    match (encoding, utf8) {
        // The parser of tables would swallow a second one in silence.
        (Encoding::Utf8, Some(rest)) if rest.starts_with(UTF8_MARK) => (Opening::Wrong(Seen::Marks), &[]),
        (Encoding::Utf8, Some(rest)) => (Opening::Mark, rest),
        (Encoding::Utf8, None) => (Opening::Plain, bytes),
        (Encoding::Gb18030, Some(_)) => (Opening::Wrong(Seen::Marks), &[]),
        (Encoding::Gb18030, None) => match bytes.strip_prefix(GB18030_MARK) {
            Some(rest) => (Opening::Mark, rest),
            None => (Opening::Plain, bytes),
        },
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    let mut room = [0; 1_024];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut room, last);
        out.extend_from_slice(room.get(..written).unwrap_or_default());
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => out.push(NO_CHARACTER),
        }
    }
}

/// Watches whether bytes that come in pieces are UTF-8.
#[derive(Default)]
struct Utf8Watch {
    /// Begin of a character whose end is still to come; at most 3 bytes.
    begun: Vec<u8>,
    broken: bool,
    beyond_ascii: bool,
}

impl Utf8Watch {
    fn see(&mut self, bytes: &[u8]) {
        if self.broken || bytes.is_empty() {
            return;
        }
        self.beyond_ascii |= !bytes.is_ascii();
        self.begun.extend_from_slice(bytes);
        match std::str::from_utf8(&self.begun) {
            Ok(_) => self.begun.clear(),
            Err(error) if error.error_len().is_none() => drop(self.begun.drain(..error.valid_up_to())),
            Err(_) => {
                self.broken = true;
                self.begun = Vec::new();
            }
        }
    }

    fn is_utf8(&self) -> bool {
        self.beyond_ascii && !self.broken && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let (Some((first, rest)), Some(place)) = (self.0.split_first(), out.first_mut()) else { return Ok(0) };
            (*place, self.0) = (*first, rest);
            Ok(1)
        }
    }

    fn all(bytes: &[u8], encoding: Encoding) -> (Opening, Vec<u8>, bool) {
        let mut dripped = Input::new(Drip(bytes), encoding);
        let mut whole = Input::new(bytes, encoding);
        let opening = whole.opening().unwrap();
        assert_eq!(dripped.opening().unwrap(), opening);
        let mut texts = [Vec::new(), Vec::new()];
        loop {
            let piece = dripped.fill().unwrap().to_vec();
            if piece.is_empty() {
                break;
            }
            dripped.consume(piece.len());
            texts[0].extend(piece);
        }
        loop {
            let piece = whole.fill().unwrap().to_vec();
            if piece.is_empty() {
                break;
            }
            whole.consume(piece.len());
            texts[1].extend(piece);
        }
        assert_eq!(texts[0], texts[1]);
        if !matches!(opening, Opening::Wrong(_)) {
            assert_eq!(dripped.sha256(), whole.sha256());
            assert_eq!(whole.bytes(), bytes.len() as u64);
        }
        assert_eq!(dripped.is_utf8_after_all(), whole.is_utf8_after_all());
        let [text, _] = texts;
        (opening, text, whole.is_utf8_after_all())
    }

    #[test]
    fn marks_are_found_however_the_bytes_drip_in() {
        let text = "采煤机".as_bytes();
        assert_eq!(all(text, Encoding::Utf8), (Opening::Plain, text.to_vec(), false));
        assert_eq!(all(&[UTF8_MARK, text].concat(), Encoding::Utf8), (Opening::Mark, text.to_vec(), false));
        let twice = [UTF8_MARK, UTF8_MARK, text].concat();
        assert_eq!(all(UTF8_MARK, Encoding::Utf8).0, Opening::Mark);
        assert_eq!(Input::new(&twice[..], Encoding::Utf8).opening().unwrap(), Opening::Wrong(Seen::Marks));
        assert_eq!(all(b"\xFF\xFEa\0", Encoding::Utf8).0, Opening::Wrong(Seen::Utf16));
        assert_eq!(all(b"", Encoding::Utf8), (Opening::Plain, Vec::new(), false));
        assert_eq!(all(&[UTF8_MARK, text].concat(), Encoding::Gb18030).0, Opening::Wrong(Seen::Marks));
    }

    #[test]
    fn gb18030_is_decoded_with_the_places_of_broken_bytes() {
        let (bytes, ..) = GB18030.encode("采煤机~;|𠀀");
        assert_eq!(all(&bytes, Encoding::Gb18030), (Opening::Plain, "采煤机~;|𠀀".into(), false));
        assert_eq!(all(b"a\xFFb", Encoding::Gb18030).1, b"a\xFFb");
        // A character that is cut off at the end.
        assert_eq!(all(b"a\xB2", Encoding::Gb18030).1, b"a\xFF");
        assert_eq!(all(&[GB18030_MARK, b"a"].concat(), Encoding::Gb18030), (Opening::Mark, b"a".to_vec(), false));
    }

    #[test]
    fn utf8_that_is_read_as_gb18030_is_noticed() {
        assert!(all("采煤机;液压支架".as_bytes(), Encoding::Gb18030).2);
        assert!(!all(b"only ASCII", Encoding::Gb18030).2);
        assert!(!all(&GB18030.encode("采煤机").0, Encoding::Gb18030).2);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_apart() {
        assert_eq!(Seen::of(&GB18030.encode("采煤机").0), Seen::Gb18030);
        assert_eq!(Seen::of(b"\xFF\xFF"), Seen::Unknown);
    }
}
