//! `TRASH-ID/objects.tsv.gz`: every object of an entry, in the order of their keys, a line each:
//! key, size, source's ETag, copy's ETag, stored name, time of the source; keys and names percent-encoded.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::error::{Result, TrashError};
use crate::archive::{DecodeError, gzip, lines};
use crate::model::{Key, percent};
use crate::store::{ByteStream, ObjectInfo, StoreError};

/// An object, where it was and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    pub key: Key,
    pub size: u64,
    /// As the source's listing had them: what is deleted later must still be this.
    pub etag: String,
    pub modified: Timestamp,
    pub copy_etag: String,
    /// Below the entry.
    pub name: String,
}

impl ObjectRow {
    /// Whether a listing of the source shows the very state that was copied.
    pub fn is_of(&self, info: &ObjectInfo) -> bool {
        self.size == info.size && self.etag == info.etag && self.modified == info.modified
    }

    /// The row as a line of the list.
    pub fn line(&self) -> String {
        let (key, name) = (percent::encode_key(self.key.as_str()), percent::encode_key(&self.name));
        format!("{key}\t{}\t{}\t{}\t{name}\t{}\n", self.size, self.etag, self.copy_etag, self.modified)
    }

    /// Reads a line without its newline.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let (key, size, etag, copy_etag, name, modified) = (next()?, next()?, next()?, next()?, next()?, next()?);
        Some(Self {
            key: Key::new(percent::decode(key)?).ok()?,
            size: size.parse().ok()?,
            etag: etag.to_owned(),
            modified: modified.parse().ok()?,
            copy_etag: copy_etag.to_owned(),
            name: percent::decode(name)?,
        })
    }
}

/// Rows on disk, for as long as they are not in the trash: they grow with the folder. The file has no name.
pub(super) struct RowSpool {
    folder: PathBuf,
    file: BufWriter<File>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

impl RowSpool {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|error| failed(folder, error))?;
        Ok(Self { folder: folder.to_owned(), file: BufWriter::new(file), objects: 0, bytes: 0 })
    }

    pub(super) fn push(&mut self, row: &ObjectRow) -> Result<()> {
        self.objects += 1;
        self.bytes += row.size;
        self.file.write_all(row.line().as_bytes()).map_err(|error| failed(&self.folder, error))
    }

    /// Reads the rows from the first on.
    pub(super) fn rows(&mut self) -> Result<RowReader> {
        let folder = self.folder.clone();
        let file = self.rewound().map_err(|error| failed(&folder, error))?;
        Ok(RowReader { folder, lines: BufReader::new(file), line: String::new() })
    }

    fn rewound(&mut self) -> std::io::Result<File> {
        self.file.flush()?;
        let mut file = self.file.get_ref().try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    /// The lines, compressed.
    pub(super) fn compressed(&mut self) -> Result<BoxStream<'static, Result<Bytes>>> {
        let folder = self.folder.clone();
        let file = self.rewound().map_err(|error| failed(&folder, error))?;
        let raw = stream::try_unfold(file, move |mut file| {
            let folder = folder.clone();
            async move {
                let mut buffer = vec![0; 256 * 1024];
                let count = std::io::Read::read(&mut file, &mut buffer).map_err(|error| failed(&folder, error))?;
                buffer.truncate(count);
                Ok::<_, TrashError>((count > 0).then(|| (Bytes::from(buffer), file)))
            }
        });
        Ok(gzip::compress_stream(raw, gzip::Level::default(), 1).boxed())
    }
}

fn failed(folder: &Path, source: std::io::Error) -> TrashError {
    TrashError::Spool { folder: folder.display().to_string(), source }
}

/// Rows out of the spool.
pub(super) struct RowReader {
    folder: PathBuf,
    lines: BufReader<File>,
    line: String,
}

impl RowReader {
    pub(super) fn next(&mut self) -> Result<Option<ObjectRow>> {
        self.line.clear();
        let count = self.lines.read_line(&mut self.line).map_err(|error| failed(&self.folder, error))?;
        if count == 0 {
            return Ok(None);
        }
        let row = ObjectRow::parse(self.line.trim_end_matches('\n'));
        row.map(Some).ok_or_else(|| TrashError::damaged("read", "the spool", "a line is not what was written"))
    }
}

/// The rows of a stored list. Damage, and rows out of order, end it in an error that names `subject`.
pub(super) fn read_list(body: ByteStream, subject: String) -> BoxStream<'static, Result<ObjectRow>> {
    let raw = gzip::decompress_stream(body);
    let corrupt = |what: &'static str| DecodeError::<StoreError>::Corrupt(crate::archive::Corrupt::new(what));
    let named = subject.clone();
    let batches = lines(raw, corrupt).map_err(move |error| match error {
        DecodeError::Source(error) => TrashError::Store(error),
        DecodeError::Corrupt(reason) => TrashError::damaged("read", named.clone(), reason),
    });
    let mut last = String::new();
    let rows = batches.map_ok(|batch| stream::iter(batch).map(Ok)).try_flatten().and_then(move |line: String| {
        let row = ObjectRow::parse(&line).filter(|row| row.key.as_str() > last.as_str());
        let row = row.ok_or_else(|| TrashError::damaged("read", subject.clone(), format!("the line {line:?}")));
        if let Ok(row) = &row {
            row.key.as_str().clone_into(&mut last);
        }
        std::future::ready(row)
    });
    rows.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str) -> ObjectRow {
        ObjectRow {
            key: Key::new(key).unwrap(),
            size: 7,
            etag: "a-2".to_owned(),
            modified: "2026-11-20T02:15:00.123Z".parse().unwrap(),
            copy_etag: "b".to_owned(),
            name: format!("books/{key}"),
        }
    }

    async fn read(body: Vec<u8>) -> Result<Vec<ObjectRow>> {
        read_list(stream::iter([Ok(Bytes::from(body))]).boxed(), "the list".to_owned()).try_collect().await
    }

    #[tokio::test]
    async fn rows_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [row("42/ a\tb\n%"), row("42//..//é"), row("42/🜁")];
        let mut spool = RowSpool::new(folder.path()).unwrap();
        for row in &rows {
            spool.push(row).unwrap();
        }
        let mut reader = spool.rows().unwrap();
        for row in &rows {
            assert_eq!(reader.next().unwrap().as_ref(), Some(row));
        }
        assert!(reader.next().unwrap().is_none());
        let stored: Vec<Bytes> = spool.compressed().unwrap().try_collect().await.unwrap();
        assert_eq!(read(stored.concat()).await.unwrap(), rows);
        assert_eq!((spool.objects, spool.bytes), (3, 21));
    }

    #[tokio::test]
    async fn a_list_that_is_cut_or_out_of_order_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = RowSpool::new(folder.path()).unwrap();
        for key in ["b", "a"] {
            spool.push(&row(key)).unwrap();
        }
        let stored: Vec<Bytes> = spool.compressed().unwrap().try_collect().await.unwrap();
        let stored = stored.concat();
        assert!(matches!(read(stored.clone()).await, Err(TrashError::Damaged { .. })));
        assert!(matches!(read(stored[..stored.len() - 9].to_vec()).await, Err(TrashError::Damaged { .. })));
    }
}
