//! The body of an open file, read on blocking threads in bounded chunks.
//!
//! The open file outlives its replacement and its removal. One that is written to in place meanwhile ends in an error.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;

use super::fault::{Fault, Result as FaultResult};
use super::status::Status;
use crate::store::{ByteStream, ErrorKind, Result, StoreError};

const CHUNK: u64 = 256 * 1024;
const CHUNKS_AHEAD: usize = 2;

/// An open file and what it was when it was opened.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) status: Status,
    pub(super) subject: String,
}

impl Opened {
    /// Reads a range; to be called on a blocking thread, where a short range is read at once.
    pub(super) fn body(self, range: Range<u64>) -> FaultResult<ByteStream> {
        if range.end - range.start <= CHUNK {
            let bytes = self.last_chunk(range)?;
            return Ok(if bytes.is_empty() { stream::empty().boxed() } else { stream::iter([Ok(bytes)]).boxed() });
        }
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        tokio::task::spawn_blocking(move || self.send(range, &sender));
        let body =
            stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) });
        Ok(body.boxed())
    }

    fn send(&self, range: Range<u64>, sender: &mpsc::Sender<Result<Bytes>>) {
        let mut at = range.start;
        while at < range.end {
            let next = range.end.min(at + CHUNK);
            let chunk = if next < range.end { self.chunk(at..next) } else { self.last_chunk(at..next) };
            let failed = chunk.is_err();
            // A reader that has gone away needs no more.
            if sender.blocking_send(chunk.map_err(|fault| self.error(fault))).is_err() || failed {
                return;
            }
            at = next;
        }
    }

    fn chunk(&self, range: Range<u64>) -> FaultResult<Bytes> {
        let length = usize::try_from(range.end - range.start)
            .map_err(|_| Fault::told(ErrorKind::Other, "the range does not fit into memory"))?;
        let mut buffer = vec![0; length];
        match self.file.read_exact_at(&mut buffer, range.start) {
            Ok(()) => Ok(buffer.into()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(Fault::told(ErrorKind::Truncated, "the file was cut short while it was read"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Withholds the end of the body unless the file is still what it was at the beginning.
    fn last_chunk(&self, range: Range<u64>) -> FaultResult<Bytes> {
        let chunk = self.chunk(range)?;
        self.check_unchanged()?;
        Ok(chunk)
    }

    pub(super) fn check_unchanged(&self) -> FaultResult<()> {
        if Status::of(&self.file)?.is_rewritten_since(&self.status) {
            return Err(Fault::told(ErrorKind::Precondition, "the file changed while it was read"));
        }
        Ok(())
    }

    fn error(&self, fault: Fault) -> StoreError {
        fault.of("get", self.subject.clone())
    }
}
