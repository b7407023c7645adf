//! Gzip in members: whole buffers compressed apart, so that all cores work and any member can be read alone.
//!
//! The same bytes and level always give the same members: no time, no name, no system is written into them.
//! A whole buffer is libdeflate's work, at twice the speed of zlib; what comes bit by bit is zlib's.

use std::cell::RefCell;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use futures_util::stream::Stream;
use libdeflater::{CompressionLvl, Compressor, Decompressor};

use super::codec::{Codec, Format};
use super::{Corrupt, DecodeError};

/// Raw bytes of a full member.
pub const MEMBER_BYTES: usize = 4 << 20;

/// About how many bytes one step of decoding makes or takes.
pub(super) const STEP_BYTES: usize = 256 << 10;

/// How hard to compress: 1 to 9, or 0 to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    pub const STORED: Self = Self(0);
    /// On database dumps the size of `gzip -6` within 2 %, on plain text within 12 %, in less than half the time.
    pub const FASTEST: Self = Self(1);

    pub fn new(level: u8) -> Option<Self> {
        (level <= 9).then_some(Self(level))
    }

    pub fn as_u8(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::FASTEST
    }
}

/// Compresses a buffer into one gzip member. Takes about a second for 100 MB: call it on a blocking thread.
pub fn compress_member(raw: &[u8], level: Level) -> Vec<u8> {
    WORKSHOP.with_borrow_mut(|workshop| workshop.compress(raw, level))
}

/// Compresses a buffer into one gzip member at the front of `output`, which grows as it must; answers how long it is.
pub(super) fn compress_into(raw: &[u8], level: Level, output: &mut Vec<u8>) -> usize {
    WORKSHOP.with_borrow_mut(|workshop| compress(workshop.compressor(level), raw, output))
}

fn compress(compressor: &mut Compressor, raw: &[u8], output: &mut Vec<u8>) -> usize {
    let bound = compressor.gzip_compress_bound(raw.len());
    if output.len() < bound {
        // New, so that pages which are never written to are never there.
        *output = vec![0; bound];
    }
    compressor.gzip_compress(raw, &mut output[..bound]).expect("the bound is never too small")
}

thread_local! {
    static WORKSHOP: RefCell<Workshop> = RefCell::default();
}

/// What compressing needs beside its input, kept for the next time: to make it anew for each of many small members would
/// cost more than the compressing.
#[derive(Default)]
struct Workshop {
    /// By level: trying, storing and compressing take turns.
    compressors: [Option<Compressor>; 10],
    output: Vec<u8>,
}

impl Workshop {
    /// Output kept for the next time, a thread.
    const MOST_KEPT: usize = 1 << 20;

    fn compressor(&mut self, level: Level) -> &mut Compressor {
        let make = || Compressor::new(CompressionLvl::new(level.0.into()).expect("libdeflate has levels 0 to 12"));
        self.compressors[usize::from(level.0)].get_or_insert_with(make)
    }

    fn compress(&mut self, raw: &[u8], level: Level) -> Vec<u8> {
        let mut output = std::mem::take(&mut self.output);
        let length = compress(self.compressor(level), raw, &mut output);
        self.output = output;
        // Members wait in queues by the thousand; what they do not need of the bound would be most of it.
        let member = self.output[..length].to_vec();
        if self.output.len() > Self::MOST_KEPT {
            self.output = Vec::new();
        }
        member
    }
}

/// One gzip member made bit by bit. Its whole output stays in memory.
pub struct Encoder(GzEncoder<Vec<u8>>);

impl Encoder {
    pub fn new(level: Level) -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::new(level.0.into())))
    }

    pub fn write(&mut self, raw: &[u8]) {
        self.0.write_all(raw).expect("a vector takes every write");
    }

    /// Compressed bytes so far, less what the compressor still holds.
    pub fn len(&self) -> usize {
        self.0.get_ref().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn finish(self) -> Vec<u8> {
        self.0.finish().expect("a vector takes every write")
    }
}

/// Compresses a stream in members of [`MEMBER_BYTES`] raw bytes, `workers` at once, in order.
pub fn compress_stream<S, E>(source: S, level: Level, workers: usize) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Send,
{
    Codec::Gzip(level).compress_stream(source, workers)
}

/// Decodes gzip of one or more members bit by bit, whatever its ratio of compression, in bounded memory.
#[derive(Debug)]
pub struct Decoder(MultiGzDecoder<Vec<u8>>);

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    pub fn new() -> Self {
        Self(MultiGzDecoder::new(Vec::new()))
    }

    /// Decodes from the front of `input` until it is used up or a step's worth of bytes is made.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Vec<u8>, Corrupt> {
        while !input.is_empty() && self.0.get_ref().len() < STEP_BYTES {
            let taken = self.0.write(input).map_err(corrupt)?;
            *input = input.slice(taken..);
        }
        Ok(std::mem::take(self.0.get_mut()))
    }

    /// Answers the last bytes, once all input was taken. Fails where it ended inside a member, or held none.
    pub fn finish(mut self) -> Result<Vec<u8>, Corrupt> {
        self.0.try_finish().map_err(corrupt)?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

fn corrupt(error: std::io::Error) -> Corrupt {
    Corrupt::new(format!("damaged or truncated gzip: {error}"))
}

/// Decodes a whole buffer of gzip members, that hold at most `limit` bytes.
pub fn decompress(compressed: Bytes, limit: usize) -> Result<Vec<u8>, Corrupt> {
    Format::Gzip.decompress(compressed, limit)
}

/// Decodes a buffer that is one member of at most `limit` bytes, in a third of the time of [`decompress`]. `None` where it
/// is not, or is damaged. Members behind the first are not seen if they end like it: compare the size or the digest.
pub fn decompress_single(compressed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let size = usize::try_from(u32::from_le_bytes(*compressed.last_chunk()?)).ok()?;
    let mut raw = vec![0; if size <= limit { size } else { return None }];
    let length = Decompressor::new().gzip_decompress(compressed, &mut raw).ok()?;
    (length == size).then_some(raw)
}

/// Decodes a stream of gzip members.
pub fn decompress_stream<S, E>(source: S) -> impl Stream<Item = Result<Bytes, DecodeError<E>>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Send,
{
    Format::Gzip.decompress_stream(source)
}

/// Bytes of an object that are looked at to decide whether compressing is worth it.
pub const SAMPLE_BYTES: usize = 64 << 10;
/// Bytes of these that are compressed to see.
const TRIAL_BYTES: usize = 16 << 10;

/// Formats that are compressed inside, by the extension of their files.
const COMPRESSED: &[&str] = &[
    "7z", "aab", "aac", "apk", "avif", "br", "bz2", "cbz", "docx", "epub", "flac", "gif", "gz", "heic", "ipa", "jar",
    "jpeg", "jpg", "kepub", "lz4", "m4a", "m4b", "m4v", "mkv", "mov", "mp3", "mp4", "odt", "oga", "ogg", "ogv", "opus",
    "png", "pptx", "rar", "tgz", "webm", "webp", "woff", "woff2", "xlsx", "xz", "zip", "zst",
];

/// Whether compressing would gain nothing worth its time, judged by the name and the first [`SAMPLE_BYTES`].
pub fn looks_compressed(sample: &[u8], name: &str) -> bool {
    let extension = name.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map(|(_, extension)| extension);
    if extension.is_some_and(|extension| COMPRESSED.iter().any(|known| known.eq_ignore_ascii_case(extension))) {
        return true;
    }
    let sample = &sample[..sample.len().min(SAMPLE_BYTES)];
    // Less than a block says nothing, and costs nothing either. Text shows in its letters; the rest is tried.
    sample.len() >= 4096
        && entropy(sample) > 7.5
        && compress_member(&sample[..sample.len().min(TRIAL_BYTES)], Level::FASTEST).len()
            > sample.len().min(TRIAL_BYTES) / 100 * 97
}

/// Bits a byte that a code for single bytes would need, from 0 to 8.
fn entropy(sample: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let length = sample.len() as f64;
    let share = |count: &u32| f64::from(*count) / length;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

#[cfg(test)]
mod tests {
    use futures_util::stream::{self, StreamExt, TryStreamExt};
    use rand::RngCore;

    use super::*;

    fn source(raw: &[u8], chunk: usize) -> impl Stream<Item = Result<Bytes, String>> + Send + use<> {
        let chunks: Vec<_> = raw.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        stream::iter(chunks)
    }

    async fn compressed(raw: &[u8]) -> Vec<Bytes> {
        compress_stream(source(raw, 100_000), Level::FASTEST, 3).try_collect().await.unwrap()
    }

    async fn decompressed(bytes: &[u8], chunk: usize) -> Result<Vec<u8>, DecodeError<String>> {
        decompress_stream(source(bytes, chunk))
            .try_fold(Vec::new(), |all, raw| async move { Ok([all, raw.to_vec()].concat()) })
            .await
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }

    #[tokio::test]
    async fn a_stream_becomes_members_of_4_mib_in_order_and_comes_back() {
        let mut raw = noise(64 << 10).repeat(9 * 16);
        raw.extend_from_slice(b"the end");
        let members = compressed(&raw).await;
        assert_eq!(members.len(), 3);
        for (member, expected) in members.iter().zip(raw.chunks(MEMBER_BYTES)) {
            assert_eq!(decompress(member.clone(), MEMBER_BYTES).unwrap(), expected);
        }
        assert_eq!(decompressed(&members.concat(), 1000).await.unwrap(), raw);
    }

    #[tokio::test]
    async fn an_empty_stream_is_one_empty_member() {
        let members = compressed(b"").await;
        assert_eq!(members.len(), 1);
        assert_eq!(decompressed(&members.concat(), 7).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_failing_source_ends_the_stream_in_its_error() {
        let failing = || source(b"abc", 2).chain(stream::iter([Err("gone".to_owned())]));
        let all: Vec<_> = compress_stream(failing(), Level::FASTEST, 2).collect().await;
        assert_eq!(all, [Err("gone".to_owned())]);
        let all: Vec<_> = decompress_stream(failing()).collect().await;
        assert!(matches!(&all[..], [Err(DecodeError::Source(text))] if text == "gone"), "{all:?}");
    }

    #[test]
    fn the_same_bytes_give_the_same_member_at_every_level() {
        let raw = [noise(5000), vec![b'x'; 100_000]].concat();
        for level in (0..=9).map(|level| Level::new(level).unwrap()) {
            let member = compress_member(&raw, level);
            assert_eq!(member, compress_member(&raw, level));
            assert_eq!(member[4..8], [0; 4], "no time of making");
            assert_eq!(decompress_single(&member, raw.len()).unwrap(), raw);
            assert_eq!(decompress(member.into(), raw.len()).unwrap(), raw);
        }
        assert_eq!(Level::new(10), None);
    }

    #[tokio::test]
    async fn gzip_cut_anywhere_inside_a_member_is_an_error() {
        let first = compress_member(b"first", Level::FASTEST);
        let both = [first.clone(), compress_member(&noise(300), Level::FASTEST)].concat();
        for length in (0..both.len()).filter(|length| *length != first.len()) {
            let cut = Bytes::copy_from_slice(&both[..length]);
            assert!(decompress_single(&cut, 1000).is_none(), "{length} of {} bytes", both.len());
            assert!(decompress(cut, 1000).is_err(), "{length} of {} bytes", both.len());
            let result = decompressed(&both[..length], 64).await;
            assert!(matches!(result, Err(DecodeError::Corrupt(_))), "{length} of {} bytes", both.len());
        }
        assert_eq!(decompress(both.into(), 1000).unwrap().len(), 305);
    }

    #[tokio::test]
    async fn a_flipped_bit_never_gives_other_bytes_and_garbage_behind_is_an_error() {
        let raw = noise(300);
        let good = compress_member(&raw, Level::FASTEST);
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Some bits say nothing: the time, the system, the filling before a stored block.
            let decoded = decompressed(&bad, 64).await;
            assert!(decoded.is_err() || decoded.is_ok_and(|decoded| decoded == raw), "bit {bit}");
            assert!(decompress_single(&bad, 1000).is_none_or(|decoded| decoded == raw), "bit {bit}");
        }
        for garbage in [&b"\0"[..], b"garbage", &[0; 512]] {
            assert!(decompressed(&[&good, garbage].concat(), 64).await.is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn one_member_is_decoded_at_once_and_anything_else_is_left_to_the_decoder() {
        let member = compress_member(b"content", Level::FASTEST);
        assert_eq!(decompress_single(&member, 7).as_deref(), Some(&b"content"[..]));
        assert_eq!(decompress_single(&member, 6), None);
        assert_eq!(decompress_single(b"", 7), None);
        let two = [member, compress_member(b"more", Level::FASTEST)].concat();
        assert_eq!(decompress_single(&two, 100), None);
    }

    #[test]
    fn an_encoder_makes_the_same_member_however_the_bytes_come() {
        let mut encoder = Encoder::new(Level::FASTEST);
        b"some lines\n".repeat(1000).chunks(77).for_each(|chunk| encoder.write(chunk));
        let member = encoder.finish();
        assert_eq!(decompress(member.into(), 11_000).unwrap(), b"some lines\n".repeat(1000));
    }

    #[test]
    fn a_bomb_is_stopped_at_its_limit() {
        let bomb = Bytes::from(compress_member(&vec![0; 64 << 20], Level::FASTEST));
        assert!(decompress(bomb.clone(), 1 << 20).is_err());
        let mut decoder = Decoder::new();
        let mut input = bomb;
        while !input.is_empty() {
            assert!(decoder.decode(&mut input).unwrap().len() < 2 * STEP_BYTES);
        }
    }

    #[test]
    fn what_is_compressed_already_is_known_by_name_or_by_trial() {
        assert!(looks_compressed(b"short", "covers/1.JPG"));
        assert!(looks_compressed(&noise(100_000), "books/42/data"));
        assert!(!looks_compressed(&b"plain text ".repeat(10_000), "a.zip/plain.txt"));
        assert!(!looks_compressed(&noise(100), "tiny"));
    }
}
