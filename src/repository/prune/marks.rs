//! `marks/NAME.tsv`: keys that no manifest names, a line each; how old a mark is, its object's Last-Modified tells.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::sparse;
use crate::archive::{self, gzip};
use crate::model::{Digest, Key, RunId};
use crate::repository::error::{ErrorKind, RepositoryError, Result};
use crate::repository::lines::lines;
use crate::repository::{Repository, layout};
use crate::store::{self, GetOptions, ListOptions, Listed, Precondition};

/// Eight megabytes of bits, however much is marked. With four of them a key, one of a hundred million keys that are not
/// marked is taken for marked when 100,000 are (six terabytes of packs), and one in a hundred thousand at a million.
const BITS: usize = 1 << 26;
const BITS_A_KEY: usize = 4;
/// Of one file of marks: some four megabytes.
const MOST_LINES: usize = 50_000;

/// An object of `marks/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MarkFile {
    pub(super) path: Key,
    /// By the store's clock.
    pub(super) modified: Timestamp,
}

/// What prune means to remove: for a backup it is not there any more.
///
/// Takes memory that does not grow with what is marked. In exchange a key may seem to be marked that is not: then it is
/// stored again, which costs room and nothing else.
#[derive(Debug, Default)]
pub struct Marked {
    /// Empty where nothing is marked.
    bits: Vec<u64>,
}

/// Reads all marks. A run that will name anything that is there already calls this after it took its lock, and before it
/// lists the packs: see the module's own page for why.
pub async fn marked(repository: &Repository) -> Result<Marked> {
    let mut marked = Marked::default();
    for file in mark_files(repository).await? {
        let mut lines = std::pin::pin!(read_mark(repository, &file.path).await?);
        while let Some(batch) = lines.try_next().await? {
            for path in &batch {
                marked.add(path);
            }
        }
    }
    Ok(marked)
}

impl Marked {
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// Whether a pack is marked, by its name as an index row or a pack list gives it.
    pub fn is_pack_marked(&self, name: &str) -> bool {
        self.holds(&pack_identity(name))
    }

    /// Whether an index segment is marked, by its path.
    pub fn is_segment_marked(&self, path: &Key) -> bool {
        self.holds(path.as_str())
    }

    /// A segment under a name that is not marked: what would be written under a marked name could be removed a moment
    /// later. A gzip member without contents is put behind it, which changes the digest and nothing else.
    pub fn unmarked_segment(&self, mut bytes: Vec<u8>) -> (Vec<u8>, Digest) {
        loop {
            let digest = archive::sha256(&bytes);
            if !self.is_segment_marked(&layout::index_segment(&digest)) {
                return (bytes, digest);
            }
            bytes.extend_from_slice(&gzip::compress_member(&[], gzip::Level::default()));
        }
    }

    fn add(&mut self, path: &str) {
        if self.bits.is_empty() {
            self.bits = vec![0; BITS / 64];
        }
        for bit in bits(&identity(path)) {
            self.bits[bit / 64] |= 1 << (bit % 64);
        }
    }

    fn holds(&self, identity: &str) -> bool {
        !self.is_empty() && bits(identity).iter().all(|bit| self.bits[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

/// What a path stands for: a pack, whatever is said of it, or an index segment.
pub(super) fn identity(path: &str) -> String {
    if let Some(damage) = path.strip_prefix(layout::DAMAGED) {
        return pack_identity(damage.split('/').next().unwrap_or_default());
    }
    match path.strip_prefix(layout::PACKS) {
        Some(pack) => pack_identity(pack.rsplit('/').next().unwrap_or_default()),
        None => path.to_owned(),
    }
}

/// A pack without the suffix of its codec: no two have one name.
pub(super) fn pack_identity(name: &str) -> String {
    let bare = name.split('.').next().unwrap_or_default();
    format!("{}{bare}", layout::PACKS)
}

/// Where the bits of a key lie.
fn bits(identity: &str) -> [usize; BITS_A_KEY] {
    let digest = archive::sha256(identity.as_bytes());
    std::array::from_fn(|index| {
        let part = &digest.as_bytes()[index * 4..index * 4 + 4];
        part.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) % BITS
    })
}

/// The marks there are, in the order of their names.
pub(super) async fn mark_files(repository: &Repository) -> Result<Vec<MarkFile>> {
    let prefix = format!("{}{}", repository.prefix, layout::MARKS);
    let mut listing = repository.store.list(&repository.bucket, ListOptions { prefix, ..ListOptions::default() });
    let mut files = Vec::new();
    while let Some(listed) = listing.next().await {
        let listed = listed.map_err(|error| RepositoryError::from_store(error, "list", layout::MARKS))?;
        let Listed::Object(info) = listed else { continue };
        match repository.path(&info.key) {
            Some(path) if path.as_str() != sparse::PATH => files.push(MarkFile { path, modified: info.modified }),
            _ => {}
        }
    }
    Ok(files)
}

/// Reads the lines of a mark. One that is gone has none: what it named was removed.
pub(super) async fn read_mark(
    repository: &Repository,
    path: &Key,
) -> Result<impl Stream<Item = Result<Vec<String>>> + Send + use<>> {
    let subject = path.to_string();
    Ok(lines(open(repository, path).await?, path.to_string()).map_err(move |error| match error.kind {
        ErrorKind::Damaged => RepositoryError::new(ErrorKind::Damaged, "read", subject.clone())
            .with_detail("it is no mark of prune's; remove it with your S3 tool, the next prune makes another"),
        _ => error,
    }))
}

/// Opens an object that may have gone since it was listed, and then has no bytes.
pub(super) async fn open(repository: &Repository, path: &Key) -> Result<BoxStream<'static, Result<Bytes>>> {
    let subject = path.to_string();
    let failed = move |error| RepositoryError::from_store(error, "read", subject.clone());
    match repository.store.get(&repository.address(path)?, GetOptions::default()).await {
        Ok(object) => Ok(object.body.map_err(failed).boxed()),
        Err(error) if error.kind == store::ErrorKind::NotFound => Ok(stream::empty().boxed()),
        Err(error) => Err(failed(error)),
    }
}

/// Writes marks, a file after the other, each whole or not at all.
pub(super) struct MarkWriter<'a> {
    repository: &'a Repository,
    run: &'a RunId,
    text: String,
    lines: usize,
    /// What was written so far.
    pub(super) files: Vec<MarkFile>,
}

impl<'a> MarkWriter<'a> {
    pub(super) fn new(repository: &'a Repository, run: &'a RunId) -> Self {
        Self { repository, run, text: String::new(), lines: 0, files: Vec::new() }
    }

    /// Adds a line, and answers the number of the file that it will be in.
    pub(super) async fn push(&mut self, path: &Key) -> Result<usize> {
        if self.lines == MOST_LINES {
            self.write().await?;
        }
        self.text.push_str(path.as_str());
        self.text.push('\n');
        self.lines += 1;
        Ok(self.files.len())
    }

    /// Writes what is not written yet. From then on the backups that begin take nothing of what it names.
    pub(super) async fn write(&mut self) -> Result<()> {
        if self.lines == 0 {
            return Ok(());
        }
        let number = self.files.len();
        let name = if number == 0 { format!("{}.tsv", self.run) } else { format!("{}.{number:04}.tsv", self.run) };
        let path = layout::mark(&name);
        self.lines = 0;
        let text = std::mem::take(&mut self.text);
        self.repository.put(&path, text.into(), Precondition::Overwrite).await?;
        let head = self.repository.store.head(&self.repository.address(&path)?).await;
        let head = head.map_err(|error| RepositoryError::from_store(error, "read", path.as_str()))?;
        self.files.push(MarkFile { path, modified: head.modified });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{BucketName, Prefix};
    use crate::store::memory::MemoryStore;

    async fn repository() -> Repository {
        let bucket = BucketName::new("vault").unwrap();
        Repository::init(Arc::new(MemoryStore::new()), bucket, Prefix::new("dcs/").unwrap()).await.unwrap().0
    }

    async fn write(repository: &Repository, name: &str, text: &str) {
        let path = layout::mark(name);
        repository.put(&path, text.to_owned().into(), Precondition::Overwrite).await.unwrap();
    }

    #[tokio::test]
    async fn without_a_mark_nothing_is_marked_and_no_memory_is_taken() {
        let repository = repository().await;
        write(&repository, "sparse.tsv", "bcdf2345bcdf\t1\t100\n").await;
        let marked = marked(&repository).await.unwrap();
        assert!(marked.is_empty() && marked.bits.capacity() == 0);
        assert!(!marked.is_pack_marked("bcdf2345bcdf"));
    }

    #[tokio::test]
    async fn every_mark_counts_and_a_pack_is_marked_whatever_its_codec() {
        let repository = repository().await;
        let segment = layout::index_segment(&archive::sha256(b"segment"));
        write(&repository, "one.tsv", "packs/bc/bcdf2345bcdf.tar.gz\npacks/bc/bcdf2346bcdf.tar.zst\n").await;
        write(&repository, "two.tsv", &format!("{segment}\n")).await;
        let marked = marked(&repository).await.unwrap();
        for name in ["bcdf2345bcdf", "bcdf2345bcdf.zst", "bcdf2346bcdf.zst"] {
            assert!(marked.is_pack_marked(name), "{name}");
        }
        assert!(marked.is_segment_marked(&segment));
        assert!(!marked.is_pack_marked("bcdf2347bcdf"));
        assert!(!marked.is_segment_marked(&layout::index_segment(&archive::sha256(b"another"))));
    }

    #[tokio::test]
    async fn a_mark_that_was_cut_is_damage_and_not_the_end_of_it() {
        let repository = repository().await;
        write(&repository, "one.tsv", "packs/bc/bcdf2345bcdf.tar.gz\npacks/bc/bc").await;
        let error = marked(&repository).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Damaged);
        assert!(error.to_string().contains("marks/one.tsv"), "{error}");
    }

    #[test]
    fn a_segment_never_gets_a_marked_name_and_keeps_its_contents() {
        let bytes = gzip::compress_member(b"a row\n", gzip::Level::default());
        let mut marked = Marked::default();
        for _ in 0..3 {
            let (stored, digest) = marked.unmarked_segment(bytes.clone());
            assert_eq!(archive::sha256(&stored), digest);
            assert_eq!(gzip::decompress(stored.into(), 100).unwrap(), b"a row\n");
            let path = layout::index_segment(&digest);
            assert!(!marked.is_segment_marked(&path));
            marked.add(path.as_str());
        }
    }

    #[test]
    fn a_hundred_thousand_marks_take_no_more_memory_and_hardly_ever_another_key() {
        let mut marked = Marked::default();
        for n in 0..100_000 {
            marked.add(&format!("packs/aa/{n:024}.tar.gz"));
        }
        assert_eq!(marked.bits.len() * 8, 8 << 20);
        assert!((0..100_000).all(|n| marked.is_pack_marked(&format!("{n:024}"))));
        assert!(!(100_000..200_000).any(|n| marked.is_pack_marked(&format!("{n:024}"))));
    }
}
