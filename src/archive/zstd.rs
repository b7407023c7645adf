//! Zstandard in frames: whole buffers compressed apart, so that all cores work and any frame can be read alone.
//!
//! Each frame tells the size of its content and ends with a checksum, so damage is found where it lies. The same bytes
//! and level always give the same frame.

use std::cell::RefCell;

use ::zstd::bulk;
use ::zstd::stream::raw::{CParameter, DParameter, Decoder as RawDecoder, InBuffer, Operation, OutBuffer};
use bytes::Bytes;

use super::Corrupt;
use super::gzip::STEP_BYTES;

/// Frames that need more memory than this to be decoded, 8 MiB, are none that dcs made.
const LARGEST_WINDOW: u32 = 23;

/// How hard to compress: 1 to 19. The memory of a thread grows with it, from 2 MiB to about 90.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    pub const FASTEST: Self = Self(1);

    pub fn new(level: u8) -> Option<Self> {
        (1..=19).contains(&level).then_some(Self(level))
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(3)
    }
}

/// Compresses a buffer into one frame. What does not compress is stored, block by block. Call it on a blocking thread.
pub fn compress_frame(raw: &[u8], level: Level) -> Vec<u8> {
    if raw.len() > KEPT_FOR || level > HIGHEST_KEPT {
        return compress_with(&mut compressor(level), raw);
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        let same = kept.take().filter(|(kept, _)| *kept == level);
        let (_, compressor) = kept.insert(same.unwrap_or_else(|| (level, compressor(level))));
        compress_with(compressor, raw)
    })
}

thread_local! {
    /// A thread's compressor for small frames: to make one anew for each costs more than the compressing.
    static COMPRESSOR: RefCell<Option<(Level, bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

/// Raw bytes, and the level, up to which a thread keeps its compressor: such a one has at most 1.5 MiB.
const KEPT_FOR: usize = 256 << 10;
const HIGHEST_KEPT: Level = Level(5);

fn compressor(level: Level) -> bulk::Compressor<'static> {
    let mut compressor = bulk::Compressor::new(level.0.into()).expect("there is memory for a compressor");
    for parameter in [CParameter::ChecksumFlag(true), CParameter::ContentSizeFlag(true)] {
        compressor.set_parameter(parameter).expect("zstd knows its own parameters");
    }
    compressor
}

fn compress_with(compressor: &mut bulk::Compressor<'static>, raw: &[u8]) -> Vec<u8> {
    let mut frame = compressor.compress(raw).expect("the bound is never too small");
    // Frames wait in queues by the thousand; what they do not need of the bound would be most of it.
    frame.shrink_to_fit();
    frame
}

/// Decodes one or more frames bit by bit, whatever their ratio of compression, in bounded memory.
pub struct Decoder {
    inner: RawDecoder<'static>,
    /// Whether all that was taken ends where a frame ends, with nothing held back.
    is_at_end: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    pub fn new() -> Self {
        let mut inner = RawDecoder::new().expect("there is memory for a decoder");
        inner.set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW)).expect("zstd knows its own parameters");
        Self { inner, is_at_end: false }
    }

    /// Decodes from the front of `input` until it is used up or a step's worth of bytes is made.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Vec<u8>, Corrupt> {
        let mut raw = Vec::with_capacity(STEP_BYTES);
        while !input.is_empty() && raw.len() < STEP_BYTES {
            self.step(input, &mut raw)?;
        }
        Ok(raw)
    }

    /// Answers the last bytes, once all input was taken. Fails where it ended inside a frame, or held none.
    pub fn finish(mut self) -> Result<Vec<u8>, Corrupt> {
        let mut all = Vec::new();
        while !self.is_at_end {
            let mut raw = Vec::with_capacity(STEP_BYTES);
            self.step(&mut Bytes::new(), &mut raw)?;
            if raw.is_empty() && !self.is_at_end {
                return Err(corrupt("it ends too early"));
            }
            all.extend(raw);
        }
        Ok(all)
    }

    fn step(&mut self, input: &mut Bytes, raw: &mut Vec<u8>) -> Result<(), Corrupt> {
        let mut source = InBuffer::around(input);
        let made = raw.len();
        let mut target = OutBuffer::around_pos(raw, made);
        let left = self.inner.run(&mut source, &mut target).map_err(corrupt)?;
        let taken = source.pos();
        *input = input.slice(taken..);
        self.is_at_end = left == 0;
        Ok(())
    }
}

fn corrupt(reason: impl ToString) -> Corrupt {
    Corrupt::new(format!("damaged or truncated zstd: {}", reason.to_string()))
}

/// Decodes a buffer that is one frame of at most `limit` bytes, at once. `None` where it is not, or is damaged.
pub fn decompress_single(compressed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let size = ::zstd::zstd_safe::get_frame_content_size(compressed).ok()??;
    let size = usize::try_from(size).ok().filter(|size| *size <= limit)?;
    bulk::decompress(compressed, size).ok().filter(|raw| raw.len() == size)
}

#[cfg(test)]
mod tests {
    use rand::RngCore;

    use super::*;
    use crate::archive::Format;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }

    /// Decodes it in chunks of `step` bytes.
    fn decoded(frames: &[u8], step: usize) -> Result<Vec<u8>, Corrupt> {
        let (mut decoder, mut raw) = (Decoder::new(), Vec::new());
        for chunk in frames.chunks(step) {
            let mut input = Bytes::copy_from_slice(chunk);
            while !input.is_empty() {
                raw.extend(decoder.decode(&mut input)?);
            }
        }
        raw.extend(decoder.finish()?);
        Ok(raw)
    }

    #[test]
    fn every_level_gives_one_frame_with_its_size_that_comes_back_however_it_is_read() {
        let raw = [noise(5000), b"some lines\n".repeat(100_000)].concat();
        for level in (1..=19).map(|level| Level::new(level).unwrap()) {
            let frame = compress_frame(&raw, level);
            assert_eq!(frame, compress_frame(&raw, level));
            assert_eq!(frame[4] & 4, 4, "it ends with a checksum");
            assert_eq!(decompress_single(&frame, raw.len()).unwrap(), raw);
            for step in [7, frame.len()] {
                assert_eq!(decoded(&frame, step).unwrap(), raw);
            }
        }
        assert_eq!((Level::new(0), Level::new(20)), (None, None));
        assert_eq!(decoded(&compress_frame(b"", Level::FASTEST), 3).unwrap(), b"");
    }

    #[test]
    fn what_was_compressed_before_does_not_show() {
        let (small, large) = (b"some lines\n".repeat(500), noise(KEPT_FOR / 4).repeat(5));
        let on_its_own = |raw: Vec<u8>, level| std::thread::spawn(move || compress_frame(&raw, level)).join().unwrap();
        for (raw, level) in [(&small, 1), (&large, 3), (&small, 3), (&small, 19), (&small, 3), (&small, 1)] {
            let level = Level(level);
            assert_eq!(compress_frame(raw, level), on_its_own(raw.clone(), level));
        }
    }

    #[test]
    fn what_does_not_compress_is_stored() {
        let raw = noise(1 << 20);
        assert!(compress_frame(&raw, Level::FASTEST).len() < raw.len() + 200);
    }

    #[test]
    fn frames_cut_anywhere_inside_are_an_error() {
        let first = compress_frame(b"first", Level::FASTEST);
        let both = [first.clone(), compress_frame(&noise(300), Level::FASTEST)].concat();
        for length in (0..both.len()).filter(|length| *length != first.len()) {
            assert!(decompress_single(&both[..length], 1000).is_none(), "{length} of {} bytes", both.len());
            assert!(decoded(&both[..length], 64).is_err(), "{length} of {} bytes", both.len());
        }
        assert_eq!(decoded(&both, 10).unwrap().len(), 305);
        assert_eq!(Format::Zstd.decompress(both.into(), 1000).unwrap().len(), 305);
    }

    #[test]
    fn a_flipped_bit_never_gives_other_bytes_and_garbage_behind_is_an_error() {
        let raw = [noise(100), vec![b'x'; 5000]].concat();
        let good = compress_frame(&raw, Level::FASTEST);
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decoded(&bad, 64).map_or(true, |decoded| decoded == raw), "bit {bit}");
            assert!(decompress_single(&bad, 10_000).is_none_or(|decoded| decoded == raw), "bit {bit}");
        }
        for garbage in [&b"\0"[..], b"garbage", &[0; 512]] {
            assert!(decoded(&[&good, garbage].concat(), 64).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_its_limit() {
        let bomb = Bytes::from(compress_frame(&vec![0; 8 << 20], Level::FASTEST));
        assert_eq!(decompress_single(&bomb, 1 << 20), None);
        assert!(Format::Zstd.decompress(bomb.clone(), 1 << 20).is_err());
        let (mut decoder, mut input, mut most) = (Decoder::new(), bomb, 0);
        while !input.is_empty() {
            most = most.max(decoder.decode(&mut input).unwrap().len());
        }
        assert!(most <= STEP_BYTES, "{most}");
    }
}
