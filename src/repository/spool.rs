//! Sorts more than memory holds: sorted runs in temporary files, merged when all is there.
//!
//! The files have no name from the moment they are made, so nothing is left behind however the process ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::error::{ErrorKind, RepositoryError, Result};
use crate::archive::blocking;

/// Runs that are merged at once: file handles are few.
const MOST_RUNS: usize = 64;
const BUFFER_BYTES: usize = 64 << 10;
/// Records that are handed over at once.
const BATCH: usize = 512;

/// A record: what it is sorted by, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl Record {
    fn weight(&self) -> usize {
        self.key.len() + self.value.len() + size_of::<Self>() + 32
    }
}

/// Takes records in any order and gives them back sorted by key, and by value where keys are equal, in bytes.
#[derive(Debug)]
pub struct Sorter {
    directory: PathBuf,
    memory_bytes: usize,
    records: Vec<Record>,
    weight: usize,
    runs: Vec<File>,
    is_unique: bool,
}

impl Sorter {
    /// Keeps about `memory_bytes` in memory, and the rest in `directory`, which must exist.
    pub fn new(directory: impl Into<PathBuf>, memory_bytes: usize) -> Self {
        Self {
            directory: directory.into(),
            memory_bytes,
            records: Vec::new(),
            weight: 0,
            runs: Vec::new(),
            is_unique: false,
        }
    }

    /// Drops a record that is pushed again, as far as it comes cheap: what comes back still holds some more than once.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.is_unique = true;
        self
    }

    pub async fn push(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Result<()> {
        let record = Record { key: key.into(), value: value.into() };
        self.weight += record.weight();
        self.records.push(record);
        if self.weight > self.memory_bytes { self.spill().await } else { Ok(()) }
    }

    /// Ends the input and gives everything back in order.
    pub async fn finish(mut self) -> Result<impl Stream<Item = Result<Record>> + Send> {
        if !self.runs.is_empty() {
            self.spill().await?;
        }
        let directory = self.directory.clone();
        let failed = move |error: io::Error| failed(&directory, error);
        let (mut records, runs) = (self.records, self.runs);
        let merge = blocking(move || {
            records.sort_unstable();
            Merge::begin(records, runs)
        });
        let merge = merge.await.map_err(failed.clone())?;
        let batches = stream::try_unfold(merge, move |mut merge| {
            let failed = failed.clone();
            async move {
                let (merge, batch) = blocking(move || {
                    let batch: io::Result<Vec<_>> = merge.by_ref().take(BATCH).collect();
                    (merge, batch)
                })
                .await;
                let batch = batch.map_err(failed)?;
                Ok((!batch.is_empty()).then(|| (stream::iter(batch).map(Ok), merge)))
            }
        });
        Ok(batches.try_flatten())
    }

    async fn spill(&mut self) -> Result<()> {
        let mut records = std::mem::take(&mut self.records);
        self.weight = 0;
        let mut runs = std::mem::take(&mut self.runs);
        let (directory, is_unique) = (self.directory.clone(), self.is_unique);
        let spilled = blocking(move || -> io::Result<Vec<File>> {
            records.sort_unstable();
            if is_unique {
                records.dedup();
            }
            runs.push(write_run(&directory, records.into_iter().map(Ok))?);
            if runs.len() >= MOST_RUNS {
                let merged = Merge::begin(Vec::new(), runs)?;
                runs = vec![write_run(&directory, merged)?];
            }
            Ok(runs)
        });
        self.runs = spilled.await.map_err(|error| failed(&self.directory, error))?;
        Ok(())
    }
}

fn failed(directory: &std::path::Path, error: io::Error) -> RepositoryError {
    RepositoryError::new(ErrorKind::Spool, "sort in", directory.display().to_string())
        .with_detail(error.to_string())
        .with_source(error)
}

fn write_run(directory: &std::path::Path, records: impl Iterator<Item = io::Result<Record>>) -> io::Result<File> {
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(directory)?);
    for record in records {
        let record = record?;
        for field in [&record.key, &record.value] {
            let length = u32::try_from(field.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            writer.write_all(&length.to_le_bytes())?;
            writer.write_all(field)?;
        }
    }
    let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// Several sorted runs as one.
struct Merge {
    heads: BinaryHeap<Reverse<(Record, usize)>>,
    runs: Vec<Run>,
}

enum Run {
    Memory(std::vec::IntoIter<Record>),
    File(BufReader<File>),
}

impl Merge {
    fn begin(records: Vec<Record>, files: Vec<File>) -> io::Result<Self> {
        let files = files.into_iter().map(|file| Run::File(BufReader::with_capacity(BUFFER_BYTES, file)));
        let mut runs: Vec<Run> = std::iter::once(Run::Memory(records.into_iter())).chain(files).collect();
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|record| Reverse((record, number))));
        }
        Ok(Self { heads, runs })
    }
}

impl Iterator for Merge {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        let mut head = self.heads.peek_mut()?;
        match self.runs[head.0.1].next() {
            Ok(Some(next)) => Some(Ok(std::mem::replace(&mut head.0.0, next))),
            Ok(None) => Some(Ok(PeekMut::pop(head).0.0)),
            Err(error) => {
                PeekMut::pop(head);
                Some(Err(error))
            }
        }
    }
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::File(file) => {
                let Some(key) = read_field(file)? else { return Ok(None) };
                let value = read_field(file)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                Ok(Some(Record { key, value }))
            }
        }
    }
}

/// Reads a field; `None` at the end of the file.
fn read_field(file: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if file.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    file.read_exact(&mut length[1..])?;
    let mut field = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut field)?;
    Ok(Some(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers from 0 to `count` in an order of no sense.
    fn shuffled(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(move |n| n * 7919 % count)
    }

    async fn sort(memory_bytes: usize, count: u64) -> Vec<Record> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path(), memory_bytes);
        for n in shuffled(count) {
            sorter.push(format!("{n:08}"), format!("line {n}")).await.unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file has a name");
        sorter.finish().await.unwrap().try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn two_hundred_thousand_lines_are_sorted_in_little_memory() {
        // About 150 runs, more than are merged at once.
        let sorted = sort(128 << 10, 200_000).await;
        assert_eq!(sorted.len(), 200_000);
        for (record, n) in sorted.iter().zip(0..) {
            assert_eq!(record.key, format!("{n:08}").into_bytes());
            assert_eq!(record.value, format!("line {n}").into_bytes());
        }
    }

    #[tokio::test]
    async fn what_fits_into_memory_touches_no_disk() {
        let mut sorter = Sorter::new("/nonexistent", 1 << 20);
        for key in ["b", "", "a", "a"] {
            sorter.push(key, "value").await.unwrap();
        }
        let records: Vec<Record> = sorter.finish().await.unwrap().try_collect().await.unwrap();
        let keys: Vec<_> = records.iter().map(|record| record.key.as_slice()).collect();
        assert_eq!(keys, [&b""[..], b"a", b"a", b"b"]);
        assert!(sort(1, 0).await.is_empty());
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_is_an_error() {
        let mut sorter = Sorter::new("/nonexistent", 100);
        let mut result = Ok(());
        for _ in 0..3 {
            result = result.and(sorter.push("key", "value".repeat(10)).await);
        }
        let error = result.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Spool);
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[test]
    fn a_run_that_was_cut_is_an_error_and_not_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record { key: b"key".to_vec(), value: b"value".to_vec() };
        for length in 1..16 {
            let file = write_run(folder.path(), std::iter::once(Ok(record.clone()))).unwrap();
            file.set_len(length).unwrap();
            let merged: io::Result<Vec<_>> = Merge::begin(Vec::new(), vec![file]).and_then(Iterator::collect);
            assert!(merged.is_err(), "{length} bytes");
        }
    }
}
