//! Compressed files, told by their first bytes: names lie, and a wrong one is no reason to fail.
//!
//! Reading is metered: a stream that grows out of proportion ends in an error before it fills the disk.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The most memory for the dictionary of xz; `xz -9` needs 64 MiB to read.
const XZ_MEMORY_KIB: u32 = 256 * 1024;

/// Below this many bytes no proportion is out of proportion.
const SMALL: u64 = 64 * 1024 * 1024;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, any number of members.
    Gzip,
    /// bzip2, any number of streams.
    Bzip2,
    /// xz, any number of streams.
    Xz,
    /// Zstandard, any number of frames.
    Zstandard,
}

impl Compression {
    /// Tells the compression by a file's first six bytes.
    pub fn of(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Compression::Zstandard
            }
            _ => Compression::None,
        }
    }
}

/// Why a metered stream ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// More bytes than allowed came out.
    #[error("it holds more than {limit} bytes")]
    Total {
        /// The limit.
        limit: u64,
    },
    /// Too many bytes came out of those that went in.
    #[error("it grows to more than {limit} times its size")]
    Ratio {
        /// The limit.
        limit: u64,
    },
}

/// What may come out of a compressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expansion {
    /// The most bytes.
    pub total: u64,
    /// The most bytes for each byte of the file, counted from 64 MiB on.
    pub ratio: u64,
}

/// Starts reading a file's content, whatever it is compressed with.
///
/// # Errors
/// Fails where the first bytes cannot be read; past `limits` the reader fails with an [`Excess`] inside.
pub fn open<'a>(source: impl Read + 'a, limits: Expansion) -> io::Result<impl Read + 'a> {
    let taken = Rc::new(Cell::new(0));
    let mut source =
        BufReader::with_capacity(128 * 1024, Counted { inner: source, count: taken.clone() });
    let compression = Compression::of(source.fill_buf()?);
    let decoder: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        Compression::Xz => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, XZ_MEMORY_KIB))
        }
        Compression::Zstandard => {
            Box::new(Frames { source, decoder: FrameDecoder::new(), open: false })
        }
    };
    Ok(Metered { inner: decoder, taken, given: 0, limits })
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// Ends a stream that gives too much.
struct Metered<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
    given: u64,
    limits: Expansion,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.given += read as u64;
        let Expansion { total, ratio } = self.limits;
        if self.given > total {
            return Err(io::Error::other(Excess::Total { limit: total }));
        }
        if self.given > SMALL && self.given / ratio > self.taken.get() {
            return Err(io::Error::other(Excess::Ratio { limit: ratio }));
        }
        Ok(read)
    }
}

/// Zstandard frames one after another; the library reads one.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    open: bool,
}

impl<R: BufRead> Frames<R> {
    /// Starts the next frame; one that holds no content is skipped.
    fn next_frame(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => {
                self.open = true;
                Ok(())
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => skip(&mut self.source, length.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let decoded =
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1));
            decoded.map_err(io::Error::other)?;
        }
        self.decoder.read(buffer)
    }
}

fn skip(source: &mut impl Read, length: u64) -> io::Result<()> {
    match io::copy(&mut source.take(length), &mut io::sink())? == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.open {
                let read = self.read_frame(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.open = false;
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.next_frame()?;
        }
    }
}
