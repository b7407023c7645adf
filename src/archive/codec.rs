//! How bytes are compressed: the one place that knows that there is more than gzip.
//!
//! Both kinds are made in *members*: whole buffers compressed apart, gzip members or zstd frames. Any number of them, one
//! after the other, is a file that the usual tools decompress, and each can be read alone.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::buffers::Buffers;
use super::gzip::{MEMBER_BYTES, STEP_BYTES};
use super::{Corrupt, DecodeError, blocking, chunks, gzip, zstd};
use crate::model::Compression;

/// How to compress, and how hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Gzip(gzip::Level),
    Zstd(zstd::Level),
}

/// What compressed bytes are. A file's name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Gzip,
    Zstd,
}

impl Default for Codec {
    fn default() -> Self {
        Self::Gzip(gzip::Level::default())
    }
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::Gzip(gzip::Level::STORED),
            Compression::Gzip(level) => Self::Gzip(gzip::Level::new(level).unwrap_or_default()),
            Compression::Zstd(level) => Self::Zstd(zstd::Level::new(level).unwrap_or_default()),
        }
    }
}

impl Codec {
    pub fn format(self) -> Format {
        match self {
            Self::Gzip(_) => Format::Gzip,
            Self::Zstd(_) => Format::Zstd,
        }
    }

    /// Itself where it is of this format, or else what the format's own default is.
    #[must_use]
    pub fn or_default(self, format: Format) -> Self {
        match format {
            _ if self.format() == format => self,
            Format::Gzip => Self::Gzip(gzip::Level::default()),
            Format::Zstd => Self::Zstd(zstd::Level::default()),
        }
    }

    /// The same format with as little work as it takes, for what hardly matters.
    #[must_use]
    pub fn fastest(self) -> Self {
        match self {
            Self::Gzip(_) => Self::Gzip(gzip::Level::FASTEST),
            Self::Zstd(_) => Self::Zstd(zstd::Level::FASTEST),
        }
    }

    /// The same format for what does not compress. Zstd finds that out by itself, and stores it.
    #[must_use]
    pub fn stored(self) -> Self {
        match self {
            Self::Gzip(_) => Self::Gzip(gzip::Level::STORED),
            Self::Zstd(_) => Self::Zstd(zstd::Level::FASTEST),
        }
    }

    /// Compresses a buffer into one member. Takes about a second for 100 MB: call it on a blocking thread.
    pub fn compress_member(self, raw: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip(level) => gzip::compress_member(raw, level),
            Self::Zstd(level) => zstd::compress_frame(raw, level),
        }
    }

    /// The same into a buffer that is used again. Zstd makes its own.
    fn compress_into(self, raw: &[u8], buffers: &Buffers) -> Bytes {
        match self {
            Self::Gzip(level) => {
                let mut buffer = buffers.take();
                let length = gzip::compress_into(raw, level, &mut buffer);
                buffers.lend(buffer, length)
            }
            Self::Zstd(level) => zstd::compress_frame(raw, level).into(),
        }
    }

    /// Compresses a stream in members of [`MEMBER_BYTES`] raw bytes, `workers` at once, in order. An empty stream gives one
    /// empty member. Memory: about two members a worker, and what the level takes.
    pub fn compress_stream<S, E>(self, source: S, workers: usize) -> impl Stream<Item = Result<Bytes, E>> + Send
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let buffers = Buffers::default();
        chunks::exact(source, MEMBER_BYTES)
            .map_ok(move |raw| {
                let buffers = buffers.clone();
                async move { Ok(blocking(move || self.compress_into(&raw, &buffers)).await) }
            })
            .try_buffered(workers.max(1))
    }
}

impl Format {
    /// What the extension of a file's name says; `None` where it is not compressed.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        [Self::Gzip, Self::Zstd].into_iter().find(|format| format.extension() == extension)
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }

    /// Decodes a whole buffer of members, that hold at most `limit` bytes.
    pub fn decompress(self, compressed: Bytes, limit: usize) -> Result<Vec<u8>, Corrupt> {
        let mut input = compressed;
        let mut decoder = Decoder::new(self);
        let mut raw = Vec::new();
        while !input.is_empty() {
            raw.extend(decoder.decode(&mut input)?);
            if raw.len() > limit {
                break;
            }
        }
        if raw.len() <= limit {
            raw.extend(decoder.finish()?);
        }
        if raw.len() > limit {
            let name = self.extension();
            return Err(Corrupt::new(format!("{name} holds more than the {limit} bytes it should")));
        }
        Ok(raw)
    }

    /// Decodes a buffer that is one member of at most `limit` bytes, far faster than [`Self::decompress`]. `None` where it
    /// is not, or is damaged. Members behind the first may go unseen: compare the size or the digest.
    pub fn decompress_single(self, compressed: &[u8], limit: usize) -> Option<Vec<u8>> {
        match self {
            Self::Gzip => gzip::decompress_single(compressed, limit),
            Self::Zstd => zstd::decompress_single(compressed, limit),
        }
    }

    /// Decodes a stream of members. A stream cut exactly between two members cannot be told from a whole one: compare the
    /// size or the digest.
    pub fn decompress_stream<S, E>(self, source: S) -> impl Stream<Item = Result<Bytes, DecodeError<E>>> + Send
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        // Small chunks are gathered, for each step is a hop to another thread.
        let source = Box::pin(chunks::exact(source, STEP_BYTES));
        let state = Some((source, Bytes::new(), Decoder::new(self)));
        stream::try_unfold(state, |state| async move {
            let Some((mut source, mut input, mut decoder)) = state else { return Ok(None) };
            if input.is_empty() {
                match source.next().await {
                    Some(chunk) => input = chunk.map_err(DecodeError::Source)?,
                    None => return Ok(Some((Bytes::from(blocking(|| decoder.finish()).await?), None))),
                }
            }
            let (raw, input, decoder) = blocking(move || {
                let raw = decoder.decode(&mut input)?;
                Ok::<_, Corrupt>((raw, input, decoder))
            })
            .await?;
            Ok(Some((Bytes::from(raw), Some((source, input, decoder)))))
        })
        .try_filter(|raw| std::future::ready(!raw.is_empty()))
    }
}

/// Decodes members bit by bit, in bounded memory.
#[expect(clippy::large_enum_variant, reason = "there are few at once, and each holds far more on the heap")]
enum Decoder {
    Gzip(gzip::Decoder),
    Zstd(zstd::Decoder),
}

impl Decoder {
    fn new(format: Format) -> Self {
        match format {
            Format::Gzip => Self::Gzip(gzip::Decoder::new()),
            Format::Zstd => Self::Zstd(zstd::Decoder::new()),
        }
    }

    /// Decodes from the front of `input` until it is used up or a step's worth of bytes is made.
    fn decode(&mut self, input: &mut Bytes) -> Result<Vec<u8>, Corrupt> {
        match self {
            Self::Gzip(decoder) => decoder.decode(input),
            Self::Zstd(decoder) => decoder.decode(input),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Corrupt> {
        match self {
            Self::Gzip(decoder) => decoder.finish(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [&str; 3] = ["none", "gzip:1", "zstd:1"];

    fn codec(text: &str) -> Codec {
        text.parse::<Compression>().unwrap().into()
    }

    fn source(raw: &[u8]) -> impl Stream<Item = Result<Bytes, String>> + Send + use<> {
        let chunks: Vec<_> = raw.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        stream::iter(chunks)
    }

    async fn decompressed(format: Format, bytes: &[u8]) -> Result<Vec<u8>, DecodeError<String>> {
        let raw = format.decompress_stream(source(bytes));
        raw.try_fold(Vec::new(), |all, raw| async move { Ok([all, raw.to_vec()].concat()) }).await
    }

    #[tokio::test]
    async fn every_codec_gives_members_of_4_mib_that_come_back_in_order() {
        let raw: Vec<u8> = (0..9 << 18_u32).flat_map(u32::to_le_bytes).collect();
        for codec in CODECS.map(codec) {
            let members: Vec<Bytes> = codec.compress_stream(source(&raw), 3).try_collect().await.unwrap();
            assert_eq!(members.len(), 3);
            let format = codec.format();
            for (member, expected) in members.iter().zip(raw.chunks(MEMBER_BYTES)) {
                assert_eq!(format.decompress_single(member, MEMBER_BYTES).unwrap(), expected);
            }
            assert!(decompressed(format, &members.concat()).await.unwrap() == raw);
            let empty: Vec<Bytes> = codec.compress_stream(source(b""), 3).try_collect().await.unwrap();
            assert_eq!(empty.len(), 1);
            assert_eq!(decompressed(format, &empty[0]).await.unwrap(), b"");
        }
    }

    #[tokio::test]
    async fn the_bytes_of_one_format_are_no_bytes_of_the_other() {
        for codec in CODECS.map(codec) {
            let other = if codec.format() == Format::Gzip { Format::Zstd } else { Format::Gzip };
            let member = codec.compress_member(b"content");
            assert!(decompressed(other, &member).await.is_err());
            assert_eq!(other.decompress_single(&member, 100), None);
        }
    }

    #[test]
    fn a_name_tells_how_a_file_is_compressed() {
        assert_eq!(Format::of_name("packs/bc/bcdf2345.tar.gz"), Some(Format::Gzip));
        assert_eq!(Format::of_name("dream.dump.zst"), Some(Format::Zstd));
        for name in ["zst", "a.sql", "a.gz.sql", "gz"] {
            assert_eq!(Format::of_name(name), None, "{name}");
        }
    }
}
