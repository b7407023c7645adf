//! Reads one object back out of its packs, verified on the way.
//!
//! Nothing is trusted but the row: the size and the SHA-256 of what comes out are compared with it. The bytes are given
//! out before the digest is known, so a consumer commits what it wrote only when the stream has ended without an error.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use crate::archive::tar::EntryReader;
use crate::archive::{Corrupt, DecodeError, Format, Hasher, blocking};
use crate::model::{IndexRow, Piece};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::{Repository, layout};
use crate::store::{self, ByteStream, GetOptions, StoreError};

/// Reads the content of an object. The stream ends in `Damaged`, naming pack and object, where it is not what the row
/// says, and in `Store` where the store fails.
pub fn read_object(repository: &Repository, row: &IndexRow) -> BoxStream<'static, Result<Bytes>> {
    let state = ObjectReader {
        repository: repository.clone(),
        row: row.clone(),
        pieces_begun: 0,
        piece: None,
        hasher: Some(Hasher::new()),
        size: 0,
    };
    stream::try_unfold(state, |mut state| async move { Ok(state.next().await?.map(|content| (content, state))) })
        .boxed()
}

struct ObjectReader {
    repository: Repository,
    row: IndexRow,
    pieces_begun: usize,
    piece: Option<PieceReader>,
    /// On its way through a blocking thread, or used up, where `None`.
    hasher: Option<Hasher>,
    size: u64,
}

/// Reads the content of one piece.
pub(super) struct PieceReader {
    raw: BoxStream<'static, std::result::Result<Bytes, DecodeError<StoreError>>>,
    /// Decompressed and not yet looked at.
    rest: Bytes,
    entry: EntryReader,
}

impl ObjectReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(piece) = &mut self.piece else {
                let Some(next) = self.row.pieces.get(self.pieces_begun) else { return self.end() };
                self.pieces_begun += 1;
                self.piece = Some(PieceReader::open(&self.repository, &self.row, next).await?);
                continue;
            };
            match piece.next().await {
                Ok(Some(content)) => return self.pass(content).await.map(Some),
                Ok(None) => self.piece = None,
                Err(error) => return Err(undecodable(&self.row, &self.row.pieces[self.pieces_begun - 1], error)),
            }
        }
    }

    async fn pass(&mut self, content: Bytes) -> Result<Bytes> {
        self.size += content.len() as u64;
        if self.size > self.row.size {
            return Err(self.wrong(format!("more than its {} bytes", self.row.size)));
        }
        let mut hasher = self.hasher.take().expect("one chunk is hashed at a time");
        let (content, hasher) = blocking(move || {
            hasher.update(&content);
            (content, hasher)
        })
        .await;
        self.hasher = Some(hasher);
        Ok(content)
    }

    fn end(&mut self) -> Result<Option<Bytes>> {
        // Asked again after the end, there is still nothing.
        let Some(hasher) = self.hasher.take() else { return Ok(None) };
        if self.size != self.row.size {
            return Err(self.wrong(format!("{} bytes instead of {}", self.size, self.row.size)));
        }
        let found = hasher.finish();
        if found != self.row.sha256 {
            return Err(self.wrong(format!("SHA-256 {found} instead of {}", self.row.sha256)));
        }
        Ok(None)
    }

    fn wrong(&self, detail: String) -> RepositoryError {
        let pack = self.row.pieces.last().map_or("no pack", |piece| &piece.pack);
        damaged(&self.row, pack, detail)
    }
}

pub(super) fn undecodable(row: &IndexRow, piece: &Piece, error: DecodeError<StoreError>) -> RepositoryError {
    match error {
        DecodeError::Source(error) => failed(row, &piece.pack, error),
        DecodeError::Corrupt(reason) => damaged(row, &piece.pack, reason.to_string()),
    }
}

impl PieceReader {
    pub(super) async fn open(repository: &Repository, row: &IndexRow, piece: &Piece) -> Result<Self> {
        let body = get_range(repository, row, piece, piece.offset, piece.length).await?;
        let raw = layout::pack_format(&piece.pack).decompress_stream(body).boxed();
        Ok(Self { raw, rest: Bytes::new(), entry: EntryReader::new() })
    }

    /// The next bytes of content; `None` at the end of the whole entry.
    pub(super) async fn next(&mut self) -> std::result::Result<Option<Bytes>, DecodeError<StoreError>> {
        loop {
            let content = self.entry.content(&mut self.rest)?;
            if !content.is_empty() {
                return Ok(Some(content));
            }
            let Some(raw) = self.raw.try_next().await? else {
                self.entry.finish()?;
                return Ok(None);
            };
            self.rest = raw;
        }
    }
}

/// Opens a range of a pack; one that is missing or too short is `Damaged`.
pub(super) async fn get_range(
    repository: &Repository,
    row: &IndexRow,
    piece: &Piece,
    offset: u64,
    length: u64,
) -> Result<ByteStream> {
    let range = offset..offset.checked_add(length).ok_or_else(|| damaged(row, &piece.pack, "an impossible place"))?;
    let options = GetOptions { range: Some(range.clone()), if_match: None };
    let at = repository.address(&layout::pack(&piece.pack))?;
    let object = repository.store.get(&at, options).await.map_err(|error| failed(row, &piece.pack, error))?;
    if object.range != range {
        let detail = format!("the pack ends at {} and not before {}", object.head.size, range.end);
        return Err(damaged(row, &piece.pack, detail));
    }
    Ok(object.body)
}

pub(super) fn damaged(row: &IndexRow, pack: &str, detail: impl Into<String>) -> RepositoryError {
    let subject = format!("{}/{}", row.source, row.key.as_str().escape_debug());
    RepositoryError::new(ErrorKind::Damaged, "read", subject).with_detail(format!(
        "{}: {}",
        layout::pack(pack),
        detail.into()
    ))
}

/// A pack that is not there, or ends before the range, is damage; any other failure says nothing of it.
pub(super) fn failed(row: &IndexRow, pack: &str, error: StoreError) -> RepositoryError {
    match error.kind {
        store::ErrorKind::NotFound => damaged(row, pack, "the pack is missing"),
        _ => RepositoryError::from_store(error, "read", layout::pack(pack).as_str()),
    }
}

/// Finds the content in the bytes of a whole piece, and compares it with the row.
pub(super) fn unpack(row: &IndexRow, piece: Bytes) -> std::result::Result<Bytes, Corrupt> {
    // The header may bring a long name with it.
    let limit = usize::try_from(row.size).map_err(|_| Corrupt::new("too large"))? + (128 << 10);
    let format = row.pieces.first().map_or(Format::Gzip, |piece| layout::pack_format(&piece.pack));
    let fast = format.decompress_single(&piece, limit).and_then(|raw| content(row, raw.into()).ok());
    fast.map_or_else(|| content(row, format.decompress(piece, limit)?.into()), Ok)
}

fn content(row: &IndexRow, mut raw: Bytes) -> std::result::Result<Bytes, Corrupt> {
    let mut entry = EntryReader::new();
    let content = entry.content(&mut raw)?;
    if !entry.content(&mut raw)?.is_empty() {
        return Err(Corrupt::new("tar entry has its content in two places"));
    }
    entry.finish()?;
    if content.len() as u64 != row.size {
        return Err(Corrupt::new(format!("{} bytes instead of {}", content.len(), row.size)));
    }
    let found = crate::archive::sha256(&content);
    if found == row.sha256 {
        Ok(content)
    } else {
        Err(Corrupt::new(format!("SHA-256 {found} instead of {}", row.sha256)))
    }
}

/// Gathers a stream whose length is known and bounded.
pub(super) async fn collect<E: Send>(
    body: impl Stream<Item = std::result::Result<Bytes, E>> + Send,
    length: usize,
) -> std::result::Result<Bytes, E> {
    let all = body.try_fold(Vec::with_capacity(length), |mut all, chunk| {
        all.extend_from_slice(&chunk);
        std::future::ready(Ok(all))
    });
    all.await.map(Bytes::from)
}
