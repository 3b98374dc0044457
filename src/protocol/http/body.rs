//! Message bodies (RFC 9112 §6, §7), in pieces as they come.

use std::mem;

use super::{Limits, Refused};

/// Reads one body from input of any cut. It holds no data; trailers are checked and dropped.
#[derive(Debug)]
pub struct BodyDecoder {
    stage: Stage,
    /// Bytes of the body, or of the current chunk, that are still to come.
    left: u64,
    /// Bytes of all chunks that were announced so far.
    announced: u64,
    /// Bytes of extensions and trailers so far.
    overhead: usize,
    /// The trailer section so far.
    trailers: Vec<u8>,
}

/// A part of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Some of its bytes, at least one.
    Data(&'a mut [u8]),
    /// The body is complete. What follows in the input is not part of it.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A body of known length.
    Length,
    /// Everything up to the end of the connection (responses only).
    UntilClose,
    /// A chunk's size; counts digits.
    Size(u8),
    /// A chunk extension, which means nothing here.
    Extension,
    /// The LF behind a chunk's size.
    SizeLf,
    /// A chunk.
    Chunk,
    /// The CR behind a chunk.
    ChunkCr,
    /// The LF behind a chunk.
    ChunkLf,
    /// The trailer section; counts the bytes of its current line.
    Trailer,
    Ended,
}

/// A chunk size of sixteen digits fills 64 bits. More could only be zeros in front.
const SIZE_DIGITS_MAX: u8 = 16;

/// Fields that would change how a message is read, and so must not come behind it
/// (RFC 9110 §6.5.1, T-CHUNK).
const NO_TRAILERS: [&str; 8] = [
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "upgrade",
    "expect",
    "te",
    "trailer",
];

impl BodyDecoder {
    /// A body of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// 413 when that is more than the limit.
    pub fn with_length(bytes: u64, limits: &Limits) -> Result<Self, Refused> {
        if bytes > limits.body_bytes_max {
            return Err(too_large());
        }
        Ok(Self { left: bytes, ..Self::new(Stage::Length) })
    }

    /// A body in chunks (RFC 9112 §7.1).
    pub fn chunked() -> Self {
        Self::new(Stage::Size(0))
    }

    /// A body that ends with the connection (RFC 9112 §6.3, point 8); only responses have it.
    pub fn until_close() -> Self {
        Self::new(Stage::UntilClose)
    }

    fn new(stage: Stage) -> Self {
        Self { stage, left: 0, announced: 0, overhead: 0, trailers: Vec::new() }
    }

    /// Takes the next piece from the front of `input`. `None`: all of it was used up and more is
    /// needed. After [`Piece::End`] nothing is taken any more.
    ///
    /// # Errors
    ///
    /// 400 for a malformed chunk, 413 for a body or chunk overhead beyond the limits.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        limits: &Limits,
    ) -> Result<Option<Piece<'a>>, Refused> {
        loop {
            match self.stage {
                Stage::Ended => return Ok(Some(Piece::End)),
                Stage::Length | Stage::Chunk if self.left == 0 => {
                    self.stage =
                        if self.stage == Stage::Length { Stage::Ended } else { Stage::ChunkCr };
                }
                _ if input.is_empty() => return Ok(None),
                Stage::Length | Stage::Chunk => {
                    let piece = take(input, usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= piece.len() as u64;
                    return Ok(Some(Piece::Data(piece)));
                }
                Stage::UntilClose => {
                    let piece = take(input, usize::MAX);
                    self.announced = self.announced.saturating_add(piece.len() as u64);
                    if self.announced > limits.body_bytes_max {
                        return Err(too_large());
                    }
                    return Ok(Some(Piece::Data(piece)));
                }
                _ => {
                    let byte = take(input, 1)[0];
                    self.step(byte, limits)?;
                }
            }
        }
    }

    /// Whether the body may end with the connection: it is complete, or ends no other way.
    pub fn may_end(&self) -> bool {
        matches!(self.stage, Stage::Ended | Stage::UntilClose)
    }

    /// Goes on by one byte of what lies between chunks.
    fn step(&mut self, byte: u8, limits: &Limits) -> Result<(), Refused> {
        self.stage = match (self.stage, byte) {
            (Stage::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(Refused::bad("A chunk size is too long."));
                }
                let digit = char::from(byte).to_digit(16).expect("it is a hexadecimal digit");
                self.left = self.left << 4 | u64::from(digit);
                Stage::Size(digits + 1)
            }
            (Stage::Size(1..) | Stage::Extension, b'\r') => Stage::SizeLf,
            (Stage::Size(1..), b';') | (Stage::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_overhead(limits)?;
                Stage::Extension
            }
            (Stage::Size(_), _) => return Err(Refused::bad("A chunk size is malformed.")),
            (Stage::Extension, _) => {
                return Err(Refused::bad("A chunk extension has a forbidden byte."));
            }
            (Stage::SizeLf, b'\n') if self.left == 0 => Stage::Trailer,
            (Stage::SizeLf, b'\n') => {
                self.announced = self.announced.saturating_add(self.left);
                if self.announced > limits.body_bytes_max {
                    return Err(too_large());
                }
                Stage::Chunk
            }
            (Stage::ChunkCr, b'\r') => Stage::ChunkLf,
            (Stage::ChunkLf, b'\n') => Stage::Size(0),
            (Stage::ChunkCr | Stage::ChunkLf, _) => {
                return Err(Refused::bad("A chunk is longer than its size."));
            }
            (Stage::Trailer, _) => self.step_trailer(byte, limits)?,
            (Stage::SizeLf, _) => return Err(Refused::bad("A chunk size ends without LF.")),
            (Stage::Length | Stage::UntilClose | Stage::Chunk | Stage::Ended, _) => {
                unreachable!("these stages take whole pieces")
            }
        };
        Ok(())
    }

    fn step_trailer(&mut self, byte: u8, limits: &Limits) -> Result<Stage, Refused> {
        self.trailers.push(byte);
        if byte == b'\n' {
            if self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n") {
                check_trailers(&mem::take(&mut self.trailers))?;
                return Ok(Stage::Ended);
            }
            if !self.trailers.ends_with(b"\r\n") {
                return Err(Refused::bad("A trailer ends without CR."));
            }
        }
        // A CR in front of a line begins the empty line at the end, which is no overhead.
        let may_end = self.trailers == b"\r" || self.trailers.ends_with(b"\n\r");
        if !may_end && self.overhead + self.trailers.len() > limits.chunk_overhead_bytes_max {
            return Err(too_much_overhead());
        }
        Ok(Stage::Trailer)
    }

    fn count_overhead(&mut self, limits: &Limits) -> Result<(), Refused> {
        self.overhead += 1;
        if self.overhead > limits.chunk_overhead_bytes_max {
            return Err(too_much_overhead());
        }
        Ok(())
    }
}

fn check_trailers(section: &[u8]) -> Result<(), Refused> {
    let mut trailers = [httparse::EMPTY_HEADER; Limits::HEADERS_MAX];
    match httparse::parse_headers(section, &mut trailers) {
        Ok(httparse::Status::Complete((length, trailers))) if length == section.len() => {
            let is_framing =
                |name: &str| NO_TRAILERS.iter().any(|no| name.eq_ignore_ascii_case(no));
            if trailers.iter().any(|trailer| is_framing(trailer.name)) {
                return Err(Refused::bad("A trailer is not allowed there."));
            }
            Ok(())
        }
        _ => Err(Refused::bad("A trailer is malformed.")),
    }
}

fn too_large() -> Refused {
    Refused { status: 413, text: "The body is too large." }
}

fn too_much_overhead() -> Refused {
    Refused { status: 413, text: "Chunk extensions or trailers are too large." }
}

/// Splits up to `count` bytes off the front of `input`.
pub(super) fn take<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = mem::take(input);
    let (front, rest) = all.split_at_mut(count.min(all.len()));
    *input = rest;
    front
}
